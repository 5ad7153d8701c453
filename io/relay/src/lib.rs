//! RTP and RTCP sockets on their own threads.
//!
//! Each thread owns a [`Switchboard`](tandem_media::Switchboard) and the sockets of its ports: a packet is
//! read, judged and sent on without queue, lock or allocation. Commands go in by [`Relay::send`]; events come
//! out by a callback.
#![allow(unsafe_code)] // for `recvmmsg` and `sendmmsg` over preallocated buffers, all of it in `batch`

mod batch;
mod counters;
mod relay;
mod sockets;
mod worker;

pub use counters::Totals;
pub use relay::{Clock, Relay, RelayConfig};
