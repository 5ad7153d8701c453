//! The sockets of signalling: UDP in batches, TCP with a task a connection, DNS. One [`Net`] belongs to one engine loop;
//! nothing in it waits for a peer, a name server or a full buffer.

mod dns;
mod error;
mod event;
mod limits;
mod net;
mod tcp;
mod udp;

pub use error::NetError;
pub use event::{NetEvent, Resolved};
pub use limits::{Limits, Listen};
pub use net::Net;
