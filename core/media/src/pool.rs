//! Which local UDP ports may be used for media, and when again.

use std::collections::VecDeque;
use std::time::Duration;
use tandem_time::Time;

/// How long a port rests after a call, so that late packets of that call do not fall into the next.
pub const QUARANTINE: Duration = Duration::from_secs(30);
/// How long a port rests that the system would not open: somebody else has it.
const SET_ASIDE: Duration = Duration::from_secs(600);

/// Allots pairs of an even RTP port and the RTCP port above it (RFC 3550 §11): of those that were used before the one longest
/// unused, since its sockets may be open still, else one that never was.
///
/// Every pair is in one place: unused, ready, out, resting or set aside; so memory is bounded by the range.
#[derive(Debug)]
pub struct PortPool {
    unused: VecDeque<u16>,
    ready: VecDeque<u16>,
    /// In order of the moments when they are ready again.
    resting: VecDeque<(Time, u16)>,
    set_aside: VecDeque<(Time, u16)>,
    /// By half of the port: allotted and not yet released.
    out: Vec<bool>,
    quarantine: Duration,
}

impl PortPool {
    /// Pairs that lie wholly within `first..=last`, with the usual [`QUARANTINE`].
    pub fn new(first: u16, last: u16) -> PortPool {
        let evens = (first.max(1)..last).filter(|port| port.is_multiple_of(2));
        PortPool {
            unused: evens.collect(),
            ready: VecDeque::new(),
            resting: VecDeque::new(),
            set_aside: VecDeque::new(),
            out: vec![false; usize::from(last / 2) + 1],
            quarantine: QUARANTINE,
        }
    }

    /// The same ports, resting for another time.
    pub fn with_quarantine(self, quarantine: Duration) -> PortPool {
        PortPool { quarantine, ..self }
    }

    /// Takes a pair: its even port. `None` if all are in use or resting.
    pub fn allot(&mut self, now: Time) -> Option<u16> {
        self.wake(now);
        let port = self.ready.pop_front().or_else(|| self.unused.pop_front())?;
        self.out[usize::from(port / 2)] = true;
        Some(port)
    }

    /// Gives a pair back after a call; it rests for the quarantine.
    pub fn release(&mut self, port: u16, now: Time) {
        if self.take_back(port) {
            self.resting.push_back((now + self.quarantine, port));
        }
    }

    /// Gives a pair back that could not be opened; it rests for ten minutes.
    pub fn set_aside(&mut self, port: u16, now: Time) {
        if self.take_back(port) {
            self.set_aside.push_back((now + SET_ASIDE, port));
        }
    }

    /// How many pairs could be allotted now.
    pub fn available(&mut self, now: Time) -> usize {
        self.wake(now);
        self.unused.len() + self.ready.len()
    }

    /// How many pairs are allotted.
    pub fn in_use(&self) -> usize {
        self.out.iter().filter(|out| **out).count()
    }

    fn take_back(&mut self, port: u16) -> bool {
        port.is_multiple_of(2) && self.out.get_mut(usize::from(port / 2)).is_some_and(std::mem::take)
    }

    fn wake(&mut self, now: Time) {
        for resting in [&mut self.resting, &mut self.set_aside] {
            while let Some((_, port)) = resting.pop_front_if(|(until, _)| *until <= now) {
                self.ready.push_back(port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Time {
        Time::from_secs(secs)
    }

    #[test]
    fn only_whole_pairs_of_the_range_are_allotted() {
        for (first, last, pairs) in [
            (10_001, 10_006, vec![10_002, 10_004]),
            (10_000, 10_005, vec![10_000, 10_002, 10_004]),
            (7, 8, vec![]),
        ] {
            let mut pool = PortPool::new(first, last);
            let allotted: Vec<u16> = std::iter::from_fn(|| pool.allot(secs(0))).collect();
            assert_eq!(allotted, pairs, "{first}..={last}");
        }
    }

    #[test]
    fn the_whole_of_the_port_space_is_a_range() {
        let mut pool = PortPool::new(0, 65_535);
        assert_eq!(pool.available(secs(0)), 32_767);
        assert_eq!(pool.allot(secs(0)), Some(2));
    }

    #[test]
    fn a_released_port_rests_for_thirty_seconds() {
        let mut pool = PortPool::new(10_000, 10_001);
        assert_eq!(pool.allot(secs(0)), Some(10_000));
        pool.release(10_000, secs(5));
        assert_eq!(pool.allot(secs(34)), None);
        assert_eq!(pool.available(secs(35)), 1);
        assert_eq!(pool.allot(secs(35)), Some(10_000));
    }

    #[test]
    fn of_the_ports_that_were_used_the_longest_unused_comes_first() {
        let mut pool = PortPool::new(10_000, 10_007).with_quarantine(Duration::from_secs(1));
        assert_eq!([pool.allot(secs(0)), pool.allot(secs(0))], [Some(10_000), Some(10_002)]);
        pool.release(10_002, secs(0));
        pool.release(10_000, secs(0));
        let next: Vec<u16> = std::iter::from_fn(|| pool.allot(secs(9))).collect();
        assert_eq!(next, [10_002, 10_000, 10_004, 10_006]);
    }

    #[test]
    fn a_port_that_would_not_open_rests_longer() {
        let mut pool = PortPool::new(10_000, 10_001);
        pool.allot(secs(0));
        pool.set_aside(10_000, secs(0));
        assert_eq!(pool.allot(secs(599)), None);
        assert_eq!(pool.allot(secs(600)), Some(10_000));
    }

    #[test]
    fn a_port_released_twice_or_never_allotted_is_not_doubled() {
        let mut pool = PortPool::new(10_000, 10_003);
        let port = pool.allot(secs(0)).unwrap();
        for stray in [port, port, 10_002, port + 1, 2, 65_534] {
            pool.release(stray, secs(0));
        }
        assert_eq!(pool.available(secs(60)), 2);
        assert_eq!(pool.in_use(), 0);
    }
}
