//! What is due when. A timer is never taken back: who is woken looks whether it still matters.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Timers of things that are known by a number.
pub struct Timers<T>(BinaryHeap<Reverse<(Duration, T, u32)>>);

impl<T: Ord> Timers<T> {
    /// None yet.
    pub fn new() -> Timers<T> {
        Timers(BinaryHeap::new())
    }

    /// Wakes number `index` for `what` at a moment, counted from the start of the load.
    pub fn set(&mut self, at: Duration, what: T, index: u32) {
        self.0.push(Reverse((at, what, index)));
    }

    /// The next one that is due.
    pub fn pop(&mut self, now: Duration) -> Option<(T, u32)> {
        let Reverse((at, ..)) = self.0.peek()?;
        if *at > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, what, index))| (what, index))
    }

    /// When the next one is due.
    pub fn due(&self) -> Option<Duration> {
        self.0.peek().map(|Reverse((at, ..))| *at)
    }
}

/// The interval between retransmissions of a request or a 2xx: T1, doubling (RFC 3261 §17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// The longest of them, but for an INVITE.
pub const T2: Duration = Duration::from_secs(4);
/// Who has no answer after so long gives up, and the call or registration counts as failed.
pub const PATIENCE: Duration = Duration::from_secs(4);
