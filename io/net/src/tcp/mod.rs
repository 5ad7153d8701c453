//! Streams: the table of connections, the doors through which they come, and the task that each of them is.

mod connection;
mod dial;
mod door;
mod table;

pub(crate) use door::{Door, listen, serve};
pub(crate) use table::{Handle, Streams};
