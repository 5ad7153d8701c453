//! What the engine asks of the media side, and what the media side tells it.

use crate::PortStats;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One media port: an RTP/RTCP socket pair of one leg. Given by the engine, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortId(pub u64);

/// What a port takes from its peer for media.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Content {
    /// RTP (RFC 3550); anything else is dropped.
    #[default]
    Rtp,
    /// Fax in UDPTL (ITU-T T.38 §9.1), which cannot be told from other datagrams: the peer's address is all that proves it.
    Udptl,
}

/// An order of the engine to the media side. Orders about a port that is not open are ignored.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaCommand {
    /// Opens the pair `local` (RTP, even) and `local + 1` (RTCP).
    Open {
        /// The name of the new port.
        port: PortId,
        /// The call that the port belongs to; ports of one group are served by one thread.
        group: u64,
        /// The even UDP port for RTP.
        local: u16,
    },
    /// What the peer's SDP says: where it wants its media, and the signalling address it is behind. Unlatches
    /// when the address is new.
    Remote {
        /// The port that faces this peer.
        port: PortId,
        /// The address in the connection and media lines. Unspecified or with port 0: send nothing (RFC 3264
        /// §8.4).
        rtp: SocketAddr,
        /// The address of its RTCP: `a=rtcp` (RFC 3605), else one port above `rtp`.
        rtcp: SocketAddr,
        /// Where its SIP messages come from: what a peer behind a NAT sends its media from, too.
        signalling: IpAddr,
        /// Ticks a second of the RTP timestamps, for the jitter; 0 counts as 8000.
        clock_rate: u32,
    },
    /// What a port takes from now on; a new port takes RTP.
    Carry {
        /// The port.
        port: PortId,
        /// What its peer sends.
        content: Content,
    },
    /// What comes in at one goes out at the other, both ways; replaces earlier bridges of either.
    Bridge {
        /// One side.
        a: PortId,
        /// The other side; the same as `a` for an echo.
        b: PortId,
    },
    /// Report [`MediaEvent::Silent`] when no RTP came in for this long. Counted from the command or the last
    /// packet.
    Watch {
        /// The port to watch.
        port: PortId,
        /// How long silence may last; `None`: for ever.
        after: Option<Duration>,
    },
    /// Sends this RTP packet to the peer, as far as it is known where that is.
    Send {
        /// The port to send from.
        port: PortId,
        /// A whole packet.
        packet: Bytes,
    },
    /// Closes the pair; answered by [`MediaEvent::Closed`].
    Close {
        /// The port to close.
        port: PortId,
    },
}

/// What the engine learns from the media side.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// The pair could not be opened: the port does not exist, and no `Closed` follows.
    OpenFailed {
        /// The name that was to be given.
        port: PortId,
        /// What the system said, for the log.
        error: String,
    },
    /// No RTP came in for as long as [`MediaCommand::Watch`] allows. Told once for each silence.
    Silent {
        /// The port that hears nothing.
        port: PortId,
        /// Since the last packet, or since the watch began.
        silence: Duration,
    },
    /// The pair is closed and its UDP ports are free to be quarantined.
    Closed {
        /// The port that was closed.
        port: PortId,
        /// What it received and sent in its life.
        stats: PortStats,
    },
}
