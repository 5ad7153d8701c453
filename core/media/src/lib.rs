//! Media without sockets: what a media port does with every packet, and what it counts.
//!
//! A [`Switchboard`] holds the [`Port`]s of many calls, carries out [`MediaCommand`]s and says of each
//! datagram where it goes on. The relay adds sockets to it; the simulator does not.

mod command;
pub mod g711;
mod jitter;
mod latch;
mod pool;
mod port;
mod reception;
pub mod rtp;
mod settled;
mod stats;
mod switchboard;
pub mod tone;

pub use command::{Content, MediaCommand, MediaEvent, PortId};
pub use pool::{PortPool, QUARANTINE};
pub use port::{Port, Verdict};
pub use settled::{Passed, Position, Settled};
pub use stats::{DropReason, Dropped, PortStats};
pub use switchboard::{Forward, Switchboard, Unplugged};
