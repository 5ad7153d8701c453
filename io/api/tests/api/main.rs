//! The API over a backend in memory.

mod access;
mod auth;
mod client;
mod collections;
mod configuration;
mod document;
mod events;
mod fake;
mod live;
mod logs;
mod provisioning;
mod records;
mod refusals;
mod rejections;
mod seeds;
mod serving;
