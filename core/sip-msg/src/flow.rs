//! Where a message came from, and the way back.

use std::net::SocketAddr;

/// The transport of a hop, as named in Via (RFC 3261 §18, RFC 7118).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A plain stream.
    Tcp,
    /// A stream in TLS.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket in TLS.
    Wss,
}

impl Transport {
    const ALL: [Transport; 5] =
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

    /// `UDP`, `TCP`, ... as written in a Via.
    pub fn via_name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// `udp`, `tcp`, ... as written in a `transport` URI parameter.
    pub fn param_name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    /// Reads either form, in any case.
    pub fn parse(text: &str) -> Option<Transport> {
        Transport::ALL.into_iter().find(|transport| transport.via_name().eq_ignore_ascii_case(text))
    }

    /// Whether the transport itself retransmits, so that transactions need not (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// 5060, or 5061 for TLS (RFC 3261 §19.1.2); of WebSocket 80 and 443 (RFC 6455 §3).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }
}

/// One of the addresses that the server listens on, by its position in the list it was started with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ListenerId(pub u16);

/// One connection of a stream transport; never reused within a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// A host name that a server's certificate has to be for (RFC 5922 §7), by its number in the list of those that the engine told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DomainId(pub u32);

/// Where a message came from, and the way by which something goes back there.
///
/// For a stream transport without a `connection`, one to `remote` is reused or opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Flow {
    /// The transport between the two ends.
    pub transport: Transport,
    /// Our end.
    pub listener: ListenerId,
    /// The other end.
    pub remote: SocketAddr,
    /// The connection of a stream transport, where one is meant.
    pub connection: Option<ConnectionId>,
    /// Over TLS: whose certificate the other end has to show if we connect to it.
    pub domain: Option<DomainId>,
}
