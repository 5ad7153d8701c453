//! Streams about which nothing is left to decide: whoever can may send their packets on without asking for each, as long as each is the
//! next one after the last, and tells later how many there were.

use crate::Forward;
use std::net::SocketAddr;
use tandem_time::Time;

/// So many ordinary packets in a row settle a stream.
pub(crate) const SETTLED_AFTER: u32 = 10;

/// A stream whose packets all go the same way.
///
/// Its next packet is ordinary, and may go on as this says, if it comes from `from`, has this payload type and source, no marker, no
/// contributing sources and no header extension, the sequence number after that of the last packet, a timestamp up to a second
/// later, and comes within a second of when it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settled {
    /// The local RTP port that it comes to.
    pub local: u16,
    /// The peer that it comes from.
    pub from: SocketAddr,
    /// Where it goes on.
    pub forward: Forward,
    /// The payload type of its packets.
    pub payload_type: u8,
    /// The synchronization source of its packets.
    pub ssrc: u32,
    /// Ticks a second of its timestamps.
    pub clock_rate: u32,
    /// How many packets it may have in a second.
    pub per_second: u32,
    /// How it stands.
    pub position: Position,
}

/// How a stream stands after a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The sequence number of the packet.
    pub sequence: u16,
    /// Its timestamp.
    pub timestamp: u32,
    /// When it came.
    pub arrived: Time,
    /// The interarrival jitter as RFC 3550 §A.8 keeps it: in sixteenths, here of microseconds.
    pub jitter: i64,
    /// The highest that it ever was.
    pub jitter_highest: i64,
}

/// Ordinary packets that went on without being judged each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passed {
    /// How many.
    pub packets: u64,
    /// Their bytes, RTP headers included.
    pub bytes: u64,
    /// How the stream stands after the last of them.
    pub position: Position,
}
