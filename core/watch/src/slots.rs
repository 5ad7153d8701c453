//! What is counted by the minute, and forgotten after a quarter of an hour. Minutes in which nothing happened take no room.

use std::collections::VecDeque;
use tandem_time::Time;

/// Minutes that are kept.
pub(crate) const MINUTES: u64 = 15;

/// Something counted by the minute.
#[derive(Clone, Debug)]
pub(crate) struct Slots<T>(VecDeque<(u64, T)>);

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots(VecDeque::new())
    }
}

fn minute(at: Time) -> u64 {
    at.as_secs() / 60
}

/// When the minute of this moment is over.
pub(crate) fn next_minute(at: Time) -> Time {
    Time::from_secs((minute(at) + 1) * 60)
}

impl<T: Default> Slots<T> {
    /// The count of this minute.
    pub(crate) fn at(&mut self, at: Time) -> &mut T {
        let now = minute(at);
        while self.0.front().is_some_and(|(then, _)| then + MINUTES <= now) {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|(then, _)| *then < now) {
            self.0.push_back((now, T::default()));
        }
        let last = self.0.len() - 1;
        &mut self.0[last].1
    }

    /// The counts of the last so many seconds, to the minute.
    pub(crate) fn of_last(&self, seconds: u32, now: Time) -> impl Iterator<Item = &T> {
        let (minutes, now) = (u64::from(seconds).div_ceil(60), minute(now));
        self.0.iter().filter(move |(then, _)| then + minutes > now).map(|(_, count)| count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_forgotten_after_its_time() {
        let mut slots = Slots::<u32>::default();
        for second in [0, 59, 60, 600] {
            *slots.at(Time::from_secs(second)) += 1;
        }
        let sum =
            |slots: &Slots<u32>, seconds, now| slots.of_last(seconds, Time::from_secs(now)).sum::<u32>();
        assert_eq!((sum(&slots, 60, 600), sum(&slots, 600, 600), sum(&slots, 900, 600)), (1, 2, 4));
        assert_eq!(sum(&slots, 900, 900), 2, "the first minute is over");
        *slots.at(Time::from_secs(6000)) += 1;
        assert_eq!(slots.0.len(), 1);
        assert_eq!(next_minute(Time::from_secs(59)), Time::from_secs(60));
    }
}
