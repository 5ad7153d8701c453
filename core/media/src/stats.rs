//! What a media port has counted: the media part of a call record.

use std::net::SocketAddr;
use tandem_time::Time;

/// What one port received from its peer and sent to it.
///
/// Received counts are of RTP that the port accepted, so those of the two ports of a bridge are the two
/// directions of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PortStats {
    /// RTP packets received and accepted, duplicates included.
    pub packets: u64,
    /// Bytes of these packets, RTP headers included, UDP and IP headers not.
    pub bytes: u64,
    /// RTP packets that the sequence numbers promise but that never came (RFC 3550 §A.3).
    pub lost: u64,
    /// RTP packets that came after one with a higher sequence number.
    pub out_of_order: u64,
    /// RTP packets that came more than once.
    pub duplicates: u64,
    /// Interarrival jitter in milliseconds as it stands (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// The highest that `jitter_ms` ever was.
    pub jitter_max_ms: f64,
    /// RTP and RTCP packets that were not forwarded.
    pub dropped: Dropped,
    /// When the first RTP packet was accepted.
    pub first_packet: Option<Time>,
    /// When the last RTP packet was accepted.
    pub last_packet: Option<Time>,
    /// Where its RTP comes from, once any was accepted.
    pub source: Option<SocketAddr>,
    /// Where the last RTP came from that was not accepted because it was not the peer's.
    pub stranger: Option<SocketAddr>,
    /// The payload type of the last RTP packet.
    pub payload_type: Option<u8>,
    /// RTP packets sent to the peer.
    pub sent: u64,
    /// RTCP packets received and accepted.
    pub rtcp_packets: u64,
    /// RTCP packets sent to the peer.
    pub rtcp_sent: u64,
    /// Packets for the peer that the system refused to send.
    pub send_failed: u64,
}

/// Why a packet is not forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DropReason {
    /// From an address that is not the peer's: stray media or an injection.
    Foreign,
    /// Nobody to send it to, or nobody known yet to take it from.
    NoPeer,
    /// Not RTP, or not RTCP, or cut short.
    Malformed,
    /// More packets a second than any voice sends: a flood, or a loop through ourselves.
    Flood,
}

/// Packets not forwarded, by [`DropReason`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// See [`DropReason::Foreign`].
    pub foreign: u64,
    /// See [`DropReason::NoPeer`].
    pub no_peer: u64,
    /// See [`DropReason::Malformed`].
    pub malformed: u64,
    /// See [`DropReason::Flood`].
    pub flood: u64,
}

impl Dropped {
    /// Counts one packet dropped for `reason`.
    pub fn count(&mut self, reason: DropReason) {
        match reason {
            DropReason::Foreign => self.foreign += 1,
            DropReason::NoPeer => self.no_peer += 1,
            DropReason::Malformed => self.malformed += 1,
            DropReason::Flood => self.flood += 1,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.foreign + self.no_peer + self.malformed + self.flood
    }
}
