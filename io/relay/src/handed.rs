//! The streams of one media thread that are with the kernel.

use crate::offload::Offload;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tandem_media::{Passed, Settled};
use tandem_time::Time;

/// For how long a stream is left with the kernel: then its counts are brought up to date, and the way that its packets take.
const STINT: Duration = Duration::from_secs(10);
/// For how long a stream is not offered again after the kernel had to leave a packet to us, so that neither a bad stream nor a flood
/// goes back and forth with every packet.
const PROBATION: Duration = Duration::from_secs(1);
/// How often it is looked whose time is over.
const SWEEP: Duration = Duration::from_secs(1);

/// Which streams are with the kernel, by local port.
#[derive(Default)]
pub struct Handed {
    /// Empty until it is known whether the kernel takes its part.
    offload: Arc<OnceLock<Option<Offload>>>,
    streams: BTreeMap<u16, Stint>,
    sweep: Option<Time>,
}

/// Until when a stream is with the kernel, and where it comes from; or until when it is not offered to it.
struct Stint {
    from: Option<SocketAddr>,
    until: Time,
}

impl Handed {
    /// None yet.
    pub fn new(offload: Arc<OnceLock<Option<Offload>>>) -> Handed {
        Handed { offload, ..Handed::default() }
    }

    /// Whether a stream of this local port may be offered.
    pub fn may_take(&self, local: u16) -> bool {
        self.offload().is_some() && !self.streams.contains_key(&local)
    }

    /// Whether the stream from there is with the kernel: then a packet of it that comes to us is one that the kernel leaves to us.
    pub fn has(&self, local: u16, from: SocketAddr) -> bool {
        self.streams.get(&local).is_some_and(|stint| stint.from == Some(from))
    }

    /// Hands a stream over, if the kernel takes it.
    pub fn hand_over(&mut self, stream: &Settled, now: Time) {
        let Some(offload) = self.offload() else { return };
        let from = match offload.hand_over(stream) {
            Ok(()) => Some(stream.from),
            Err(error) => {
                tracing::debug!(local = stream.local, %error, "stream stays with the media thread");
                None
            }
        };
        self.insert(stream.local, Stint { from, until: now + STINT }, now);
    }

    /// Has the stream of a local port stay with us for a while.
    pub fn keep(&mut self, local: u16, now: Time) {
        self.insert(local, Stint { from: None, until: now + PROBATION }, now);
    }

    /// Takes the stream of a local port back: what passed of it, if anything did.
    pub fn take_back(&mut self, local: u16) -> Option<Passed> {
        self.streams.remove(&local)?.from?;
        match self.offload()?.take_back(local) {
            Ok(passed) => passed,
            Err(error) => {
                tracing::warn!(local, %error, "packets that the kernel sent on are not counted");
                None
            }
        }
    }

    /// When [`Handed::over`] is to be asked.
    pub fn sweep_due(&self) -> Option<Time> {
        self.sweep
    }

    /// The local ports whose stream's time with the kernel is over.
    pub fn over(&mut self, now: Time) -> Vec<u16> {
        if self.sweep.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let is_over = |(_, stint): &(&u16, &Stint)| stint.until <= now;
        let over: Vec<u16> = self.streams.iter().filter(is_over).map(|(local, _)| *local).collect();
        if let Some(offload) = self.offload().filter(|_| !over.is_empty())
            && let Err(error) = offload.look_around()
        {
            tracing::warn!(%error, "addresses of this machine cannot be looked up");
        }
        self.sweep = (!self.streams.is_empty()).then(|| now + SWEEP);
        over
    }

    fn offload(&self) -> Option<&Offload> {
        self.offload.get()?.as_ref()
    }

    fn insert(&mut self, local: u16, stint: Stint, now: Time) {
        self.streams.insert(local, stint);
        self.sweep.get_or_insert(now + SWEEP);
    }
}
