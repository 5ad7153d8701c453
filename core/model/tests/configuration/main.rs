//! The configuration through its public door: bodies in, rules, snapshots, JSON out. Each test is a sentence.

mod bench;
mod block;
mod class_of_service;
mod conflict;
mod create;
mod extension;
mod handling;
mod number;
mod patch;
mod pattern;
mod rates;
mod receiving;
mod reference;
mod route;
mod sending;
mod shown;
mod signing;
mod snapshot;
mod tenant;
mod trunk;
mod warning;
mod watching;
