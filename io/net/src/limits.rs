//! What to listen on, and the bounds of everything that can grow from outside.

use std::net::SocketAddr;
use std::time::Duration;

use tandem_sip_msg::Transport;

/// One address to listen on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listen {
    /// UDP, TCP or TLS.
    pub transport: Transport,
    /// Address and port; port 0 takes any free one.
    pub bind: SocketAddr,
}

/// Bounds of one [`Net`](crate::Net). The defaults suit one server of some thousand devices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Stream connections at once, both directions together.
    pub connections: usize,
    /// Stream connections at once from one IPv4 address or one IPv6 /64.
    pub connections_per_source: usize,
    /// A connection without a byte for so long is closed.
    pub idle: Duration,
    /// A message that began is finished within this time, a first message sent and a stuck write moved on, or the
    /// connection is closed.
    pub stall: Duration,
    /// Time for an outgoing connection to be made.
    pub connect: Duration,
    /// Time for the handshake of TLS, in either direction.
    pub handshake: Duration,
    /// Bytes of one message on a stream.
    pub message: usize,
    /// Bytes waiting to be written to one stream; a peer that lets them grow beyond is cut off.
    pub stream_backlog: usize,
    /// Datagrams waiting for one UDP socket that takes no more.
    pub datagram_backlog: usize,
    /// DNS lookups at once; sixteen times as many may wait.
    pub lookups: usize,
    /// Time for one lookup, waiting included.
    pub lookup: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 4096,
            connections_per_source: 256,
            idle: Duration::from_secs(900),
            stall: Duration::from_secs(30),
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            message: 64 * 1024,
            stream_backlog: 1024 * 1024,
            datagram_backlog: 16 * 1024,
            lookups: 64,
            lookup: Duration::from_secs(5),
        }
    }
}
