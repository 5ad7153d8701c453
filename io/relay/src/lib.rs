//! RTP and RTCP sockets on their own threads.
//!
//! Each thread owns a [`Switchboard`](tandem_media::Switchboard) and the sockets of its ports: a packet is
//! read, judged and sent on without lock or allocation. Commands go in by [`Relay::send`]; events come
//! out by a callback. Where the kernel can do it, streams about which nothing is left to decide are handed over to it (`offload`).
#![allow(unsafe_code)] // system calls over preallocated buffers: `address`, `batch`, `outlet`, `ring`; and `bpf`, `offload`, `scheduling`

mod address;
mod batch;
mod bpf;
mod counters;
mod handed;
mod offload;
mod outlet;
mod relay;
mod ring;
mod route;
mod scheduling;
mod sockets;
mod worker;

pub use counters::Totals;
pub use relay::{Clock, Relay, RelayConfig};
