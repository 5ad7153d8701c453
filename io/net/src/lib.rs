//! The sockets of signalling: UDP in batches, TCP and TLS with a task a connection, DNS. One [`Net`] belongs to one engine loop;
//! nothing in it waits for a peer, a name server or a full buffer.

mod dns;
mod error;
mod event;
mod limits;
mod net;
mod tcp;
mod tls;
mod udp;

pub use error::NetError;
pub use event::{NetEvent, Resolved, Target};
pub use limits::{Limits, Listen};
pub use net::Net;
pub use tls::{Tls, TlsError, TlsFiles};
