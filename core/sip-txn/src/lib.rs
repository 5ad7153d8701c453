//! The four transaction machines (RFC 3261 §17, RFC 6026), their matching and retransmission.
//!
//! One [`Transactions`] holds all transactions of an engine. Requests and responses go in, datagrams and events come
//! out through [`Transactions::poll_output`]; the transaction user attaches an `owner` to each transaction and gets it
//! back with every event, so that it needs no map of its own.

mod arrival;
mod build;
mod client_invite;
mod client_plain;
mod clients;
mod large;
mod layer;
mod lingering;
mod matching;
mod server_invite;
mod server_plain;
mod servers;
mod timer;
mod waiting;

#[cfg(test)]
mod tests;

pub use layer::{Judge, Transactions};

use bytes::Bytes;
use std::time::Duration;
use tandem_sip_msg::{Flow, ListenerId, Message};

slotmap::new_key_type! {
    /// A client transaction. Stays unique after the transaction ended.
    pub struct ClientKey;
    /// A server transaction. Stays unique after the transaction ended.
    pub struct ServerKey;
}

/// Who in the transaction user a transaction belongs to; opaque here.
pub type Owner = u64;

/// Timer base values (RFC 3261 §17.1.1.1) and what the layer needs to know of its surroundings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Estimate of the round-trip time: the first retransmission comes after it, and 64 of it are the end of patience.
    pub t1: Duration,
    /// The longest interval between retransmissions of a non-INVITE request or an INVITE response.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
    /// `host:port` written into Via, by listener.
    pub sent_by: Vec<String>,
    /// By listener: of a UDP one the TCP listener at the same address, over which large requests may go.
    pub streams: Vec<Option<ListenerId>>,
    /// Server transactions at most that are INVITEs or not answered yet; a request beyond is dropped and counted. Requests within
    /// dialogs find as much room again. As many others, which linger for copies of what was answered, are kept besides: there the
    /// oldest gives way, and a copy of its request that comes later still is served as a new one.
    pub max_server: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            sent_by: Vec::new(),
            streams: Vec::new(),
            max_server: 524_288,
        }
    }
}

/// Bytes to put on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// By which way.
    pub flow: Flow,
    /// One whole message.
    pub bytes: Bytes,
    /// The client transaction to fail if they cannot be sent (see [`Transactions::send_failed`]).
    pub client: Option<ClientKey>,
}

/// Why a client transaction ended without a final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Timer B or F: to be treated as 408 (RFC 3261 §8.1.3.1).
    Timeout,
    /// The transport reported an error: to be treated as 503.
    Transport,
}

/// What becomes of a request that would begin a transaction; see [`Transactions::receive_judged`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It begins one.
    Take,
    /// It is answered with this status and nothing is kept of it.
    Refuse {
        /// The status, a final one.
        code: u16,
        /// Retry-After, in seconds.
        retry_after: Option<u32>,
    },
    /// It is not even answered.
    Drop,
}

/// What the layer tells.
#[derive(Debug)]
pub enum Output {
    /// Something to send.
    Transmit(Transmit),
    /// A request that began a server transaction. Never an ACK, and never a CANCEL.
    Request {
        /// To respond by.
        key: ServerKey,
        /// The request.
        message: Message,
        /// How it came.
        flow: Flow,
    },
    /// An ACK that matched no INVITE server transaction in Completed: it acknowledges a 2xx.
    Ack {
        /// The ACK.
        message: Message,
        /// How it came.
        flow: Flow,
    },
    /// A CANCEL matched this INVITE, which has no final response yet. The CANCEL has been answered with 200; the INVITE is to
    /// be answered with 487 by its owner. (Unmatched CANCELs were answered with 481 here.) Comes once a transaction.
    Cancelled {
        /// The INVITE's transaction.
        key: ServerKey,
        /// Whom [`Transactions::own`] named.
        owner: Option<Owner>,
        /// The CANCEL, which may carry a Reason.
        message: Message,
    },
    /// A response. Retransmitted and forked 2xx to an INVITE come again, as RFC 6026 §7.2 has it.
    Response {
        /// The transaction of the request.
        key: ClientKey,
        /// Whom [`Transactions::request`] named.
        owner: Owner,
        /// The response.
        message: Message,
        /// How it came.
        flow: Flow,
    },
    /// The client transaction ended without a final response.
    Failed {
        /// The transaction of the request.
        key: ClientKey,
        /// Whom [`Transactions::request`] named.
        owner: Owner,
        /// Why.
        failure: Failure,
    },
    /// A final non-2xx response to an INVITE was never acknowledged (Timer H); for the counters.
    NoAck {
        /// Whom [`Transactions::own`] named.
        owner: Option<Owner>,
    },
}

/// Plain counters, read at scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages sent again, by a timer or because the peer asked again.
    pub retransmits_sent: u64,
    /// Requests and final responses that had come before.
    pub retransmits_received: u64,
    /// Responses that belong to no request of ours.
    pub stray_responses: u64,
    /// Requests refused because another copy of them is being served.
    pub merged: u64,
    /// Requests dropped because [`Config::max_server`] was reached.
    pub overload_dropped: u64,
    /// 2xx to an INVITE whose owner had gone: nobody will acknowledge them.
    pub orphaned_answers: u64,
    /// Requests too large for a datagram that went over a stream.
    pub streamed: u64,
    /// Those of them that went over UDP after all.
    pub fallen_back: u64,
    /// Answers to strangers left out because they would have been much larger than the request.
    pub amplifying: u64,
    /// Requests dropped because they claim to come from an address that is no single host's.
    pub unanswerable: u64,
}
