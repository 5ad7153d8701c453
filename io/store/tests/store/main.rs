//! The store on a real disk.

mod bindings;
mod config;
mod crash;
mod opening;
mod records;
mod samples;
