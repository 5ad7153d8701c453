//! How many packets a media thread takes in one turn.
//!
//! To wake up, and to wake who receives, costs as much as several packets. Where packets are dense, a turn that one of them begins
//! therefore waits a moment for those that come right behind; where they are not, every packet goes on at once.

use std::time::Duration;
use tandem_time::Time;

/// For how long a turn waits for more packets: a hundredth of what voice takes up in one.
const GATHERING: Duration = Duration::from_micros(150);
/// Packets are counted over so long: in it each stream of voice has one.
const WINDOW: Duration = Duration::from_millis(20);
/// So many in a window are dense: as many as forty calls have.
const DENSE: usize = 80;

/// Counts packets, and says by what it counted last whether it is worth waiting for more.
#[derive(Debug, Default)]
pub struct Pace {
    /// Since when packets are counted, and how many there were.
    since: Time,
    packets: usize,
    dense: bool,
}

impl Pace {
    /// A turn at `now` has served so many packets.
    pub fn served(&mut self, now: Time, packets: usize) {
        self.packets += packets;
        let elapsed = now.since(self.since);
        if elapsed >= WINDOW {
            // A turn may be late, and the window be longer.
            self.dense = self.packets as u128 * WINDOW.as_micros() >= DENSE as u128 * elapsed.as_micros();
            (self.since, self.packets) = (now, 0);
        }
    }

    /// For how long a turn that has packets waits for more.
    pub fn gathering(&self) -> Option<Duration> {
        self.dense.then_some(GATHERING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_secs(1_000);

    /// The pace after turns of so many packets each, a millisecond apart, and the moment of the last turn.
    fn after(turns: u32, packets: usize) -> (Pace, Time) {
        let mut pace = Pace::default();
        let at = |turn: u32| START + Duration::from_millis(1) * turn;
        (0..turns).for_each(|turn| pace.served(at(turn), packets));
        (pace, at(turns - 1))
    }

    #[test]
    fn few_packets_go_on_at_once() {
        assert_eq!(after(100, DENSE / 20 - 1).0.gathering(), None);
    }

    #[test]
    fn turns_gather_while_packets_are_dense() {
        let (mut pace, now) = after(100, DENSE / 20);
        assert_eq!(pace.gathering(), Some(GATHERING));
        pace.served(now + WINDOW, 1);
        pace.served(now + WINDOW * 2, 1);
        assert_eq!(pace.gathering(), None);
    }

    #[test]
    fn packets_that_waited_for_a_late_turn_do_not_make_it_dense() {
        let (mut pace, now) = after(1, 0);
        pace.served(now + WINDOW * 10, DENSE * 5);
        assert_eq!(pace.gathering(), None);
    }
}
