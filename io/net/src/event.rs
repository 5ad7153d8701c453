//! What a [`Net`](crate::Net) tells its engine.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tandem_sip_msg::{ConnectionId, Flow, NoAddress, NoConnection, Transport, Why};

/// Something that happened outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NetEvent {
    /// A datagram, or one framed message of a stream.
    Message {
        /// Where it came from.
        flow: Flow,
        /// The bytes as received.
        bytes: Bytes,
    },
    /// A stream that lost its framing. It is read no more; what is sent to it next is written, then it is closed, within
    /// a second in any case.
    Broken {
        /// The stream.
        flow: Flow,
        /// Head of the message at fault, where it can be answered.
        head: Option<Bytes>,
        /// What is wrong, fit for a reason phrase.
        why: &'static str,
    },
    /// What was sent with this tag did not go out, or was cut off. Comes at most once a tag.
    SendFailed {
        /// The tag given with it.
        tag: u64,
    },
    /// The network says that nothing listens there (ICMP, RFC 3261 §18.4). Anything lately sent there by UDP is lost.
    Unreachable {
        /// The address that a datagram of ours was for.
        remote: SocketAddr,
    },
    /// A stream is open, from either side. Its flow has the connection.
    Connected {
        /// The stream.
        flow: Flow,
        /// Whom the certificate of the other end is for, if it proved to have one: host names and addresses.
        names: Vec<String>,
    },
    /// A stream could not be made, or its other end did not want it. What was to go over it fails by itself.
    ConnectFailed {
        /// Where to.
        flow: Flow,
        /// What happened and what to do.
        why: Why<NoConnection>,
    },
    /// A stream that was open is closed.
    Disconnected(ConnectionId),
    /// The answer to [`Net::resolve`](crate::Net::resolve).
    Resolved {
        /// The id given with the question.
        id: u64,
        /// Where to send, or why there is no place to send to.
        result: Result<Resolved, Why<NoAddress>>,
    },
}

/// Where a host can be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// Never empty; in the order to be tried (RFC 3263 §4.2).
    pub targets: Vec<Target>,
    /// For how long this may be kept: 30 s to an hour.
    pub ttl: Duration,
    /// Found by SRV records (RFC 2782).
    pub by_service: bool,
}

/// One address of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// Address and port.
    pub at: SocketAddr,
    /// What the host named for it, if that was left to the host.
    pub transport: Option<Transport>,
}

/// What the tasks of a [`Net`](crate::Net) tell it.
#[derive(Debug)]
pub(crate) enum Inner {
    Event(NetEvent),
    /// A connection was accepted.
    Accepted {
        flow: Flow,
        handle: crate::tcp::Handle,
        names: Vec<String>,
    },
    /// A connection has ended, or was never made.
    Ended {
        id: ConnectionId,
        was_open: bool,
    },
}
