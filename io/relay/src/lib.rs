//! RTP and RTCP sockets on their own threads.
//!
//! Each thread owns a [`Switchboard`](tandem_media::Switchboard) and the sockets of its ports: a packet is
//! read, judged and sent on without lock or allocation. Commands go in by [`Relay::send`]; events come
//! out by a callback.
#![allow(unsafe_code)] // system calls over preallocated buffers: `address`, `batch`, `outlet`, `ring`; and `scheduling`

mod address;
mod batch;
mod counters;
mod outlet;
mod pace;
mod relay;
mod ring;
mod scheduling;
mod sockets;
mod worker;

pub use counters::Totals;
pub use relay::{Clock, Relay, RelayConfig};
