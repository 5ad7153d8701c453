//! How far apart the turns of a media thread are.
//!
//! To wake up, and to wake who receives, costs as much as several packets. Where packets are dense, turns therefore keep a
//! distance, and each has several packets to send on; where they are not, every packet goes on at once.

use std::time::Duration;
use tandem_time::Time;

/// The distance of turns: what it adds to the delay of a packet at most, a fraction of what voice takes up in a packet.
const TURN: Duration = Duration::from_millis(1);
/// Packets are counted over so long: in it each stream of voice has one.
const WINDOW: Duration = Duration::from_millis(20);
/// So many in a window are dense: as many as forty calls have, four for a turn.
const DENSE: usize = 80;

/// Counts packets, and spaces turns by what it counted last.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the last turn began.
    began: Time,
    /// Since when packets are counted, and how many there were.
    since: Time,
    packets: usize,
    dense: bool,
}

impl Pace {
    /// A turn that began at `now` has served so many packets.
    pub fn served(&mut self, now: Time, packets: usize) {
        self.began = now;
        self.packets += packets;
        let elapsed = now.since(self.since);
        if elapsed >= WINDOW {
            // A turn may be late, and the window be longer.
            self.dense = self.packets as u128 * WINDOW.as_micros() >= DENSE as u128 * elapsed.as_micros();
            (self.since, self.packets) = (now, 0);
        }
    }

    /// For how long the next turn is to wait at `now`, before it looks for packets.
    pub fn pause(&self, now: Time) -> Option<Duration> {
        TURN.checked_sub(now.since(self.began)).filter(|pause| self.dense && !pause.is_zero())
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
        let (pace, now) = after(100, DENSE / 20 - 1);
        assert_eq!(pace.pause(now), None);
    }

    #[test]
    fn turns_keep_their_distance_while_packets_are_dense() {
        let (mut pace, now) = after(100, DENSE / 20);
        assert_eq!(pace.pause(now), Some(TURN));
        assert_eq!(pace.pause(now + TURN / 4), Some(TURN - TURN / 4), "the turn itself counts");
        assert_eq!(pace.pause(now + TURN), None);

        pace.served(now + WINDOW, 1);
        pace.served(now + WINDOW * 2, 1);
        assert_eq!(pace.pause(now + WINDOW * 2), None);
    }

    #[test]
    fn packets_that_waited_for_a_late_turn_do_not_make_it_dense() {
        let (mut pace, now) = after(1, 0);
        pace.served(now + WINDOW * 10, DENSE * 5);
        assert_eq!(pace.pause(now + WINDOW * 10), None);
    }
}
