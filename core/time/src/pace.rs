//! How close together things come.
//!
//! To wake a thread up costs as much as several of the packets or messages that it is woken for. Where they come densely, whoever takes
//! them therefore waits a moment and takes several at once; where they do not, each is taken as it comes.

use crate::Time;
use std::time::Duration;

/// Things are counted over so long: in it each stream of voice has one packet.
const WINDOW: Duration = Duration::from_millis(20);

/// Counts what comes, and says by what it counted last whether that is dense.
#[derive(Debug)]
pub struct Pace {
    /// So many in a window are dense.
    dense: usize,
    /// Since when they are counted, and how many there were.
    since: Time,
    count: usize,
    is_dense: bool,
}

impl Pace {
    /// By which so many things a second, and more, are dense.
    pub const fn new(per_second: usize) -> Pace {
        let dense = per_second * WINDOW.as_millis() as usize / 1_000;
        Pace { dense, since: Time::from_micros(0), count: 0, is_dense: false }
    }

    /// So many things were taken in a turn at `now`.
    pub fn took(&mut self, now: Time, things: usize) {
        self.count += things;
        let elapsed = now.since(self.since);
        if elapsed >= WINDOW {
            // A turn may be late, and the window be longer.
            self.is_dense =
                self.count as u128 * WINDOW.as_micros() >= self.dense as u128 * elapsed.as_micros();
            (self.since, self.count) = (now, 0);
        }
    }

    /// Whether things come densely.
    pub const fn is_dense(&self) -> bool {
        self.is_dense
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_secs(1_000);
    const TURN: Duration = Duration::from_millis(1);

    /// The pace after turns of so many things each, a millisecond apart, and the moment of the last turn.
    fn after(turns: u32, things: usize) -> (Pace, Time) {
        let mut pace = Pace::new(4_000);
        (0..turns).for_each(|turn| pace.took(START + TURN * turn, things));
        (pace, START + TURN * (turns - 1))
    }

    #[test]
    fn as_many_as_are_dense_are_and_fewer_are_not() {
        assert!(after(100, 4).0.is_dense());
        assert!(!after(100, 3).0.is_dense());
    }

    #[test]
    fn what_was_dense_is_so_no_longer_when_fewer_come() {
        let (mut pace, now) = after(100, 4);
        pace.took(now + WINDOW, 1);
        pace.took(now + WINDOW * 2, 1);
        assert!(!pace.is_dense());
    }

    #[test]
    fn what_waited_for_a_late_turn_is_not_dense_by_that() {
        let (mut pace, now) = after(1, 0);
        pace.took(now + WINDOW * 10, 400);
        assert!(!pace.is_dense());
    }
}
