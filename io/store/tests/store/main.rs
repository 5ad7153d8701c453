//! The store on a real disk.

mod bindings;
mod calls;
mod captures;
mod config;
mod crash;
mod opening;
mod records;
mod retention;
mod samples;
mod secrets;
