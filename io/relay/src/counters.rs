//! What all ports together have done, readable at any time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tandem_media::{DropReason, Dropped};

/// Sums over all threads of a relay since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Media ports that are open now.
    pub open_ports: u64,
    /// RTP and RTCP packets sent on.
    pub forwarded: u64,
    /// Those of them that the kernel sent on by itself, as far as they are counted yet: within ten seconds.
    pub offloaded: u64,
    /// RTP and RTCP packets that were not, by reason.
    pub dropped: Dropped,
    /// Packets that came to a port after its call, dropped.
    pub late: u64,
    /// Packets that the system refused to send.
    pub send_failed: u64,
    /// Errors of the system when reading; a socket goes on after one.
    pub receive_failed: u64,
}

/// The counters of one thread, which alone writes them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub open_ports: AtomicU64,
    pub receive_failed: AtomicU64,
    pub late: AtomicU64,
    forwarded: AtomicU64,
    offloaded: AtomicU64,
    foreign: AtomicU64,
    no_peer: AtomicU64,
    malformed: AtomicU64,
    flood: AtomicU64,
    send_failed: AtomicU64,
}

impl Counters {
    pub fn forwarded(&self, packets: u64, refused: u64) {
        self.forwarded.fetch_add(packets - refused, Relaxed);
        if refused > 0 {
            self.send_failed.fetch_add(refused, Relaxed);
        }
    }

    pub fn offloaded(&self, packets: u64) {
        self.forwarded.fetch_add(packets, Relaxed);
        self.offloaded.fetch_add(packets, Relaxed);
    }

    pub fn dropped(&self, reason: DropReason) {
        let counter = match reason {
            DropReason::Foreign => &self.foreign,
            DropReason::NoPeer => &self.no_peer,
            DropReason::Malformed => &self.malformed,
            DropReason::Flood => &self.flood,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Adds what this thread has counted to `totals`.
    pub fn add_to(&self, totals: &mut Totals) {
        totals.open_ports += self.open_ports.load(Relaxed);
        totals.forwarded += self.forwarded.load(Relaxed);
        totals.offloaded += self.offloaded.load(Relaxed);
        totals.dropped.foreign += self.foreign.load(Relaxed);
        totals.dropped.no_peer += self.no_peer.load(Relaxed);
        totals.dropped.malformed += self.malformed.load(Relaxed);
        totals.dropped.flood += self.flood.load(Relaxed);
        totals.late += self.late.load(Relaxed);
        totals.send_failed += self.send_failed.load(Relaxed);
        totals.receive_failed += self.receive_failed.load(Relaxed);
    }
}
