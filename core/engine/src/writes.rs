//! Notes and records on their way to the disk: which call waits for which, and whether the disk keeps up.

use std::collections::VecDeque;
use tandem_call::DISK_PATIENCE;
use tandem_time::Time;

/// What is written of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Written {
    /// That it was answered.
    Note,
    /// Its record.
    Record,
}

/// The writes under way.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    last: u64,
    /// Oldest first. While the disk does not keep up nothing is added: nobody waits.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    call: u64,
    what: Written,
    since: Time,
}

impl Writes {
    /// The number of a new write for a call.
    pub(crate) fn begin(&mut self, call: u64, what: Written, now: Time) -> u64 {
        self.last += 1;
        if self.keep_up(now) {
            self.waiting.push_back(Waiting { id: self.last, call, what, since: now });
        }
        self.last
    }

    /// The next call that waited for a write up to this one.
    pub(crate) fn next_done(&mut self, id: u64) -> Option<(u64, Written)> {
        let done = self.waiting.pop_front_if(|waiting| waiting.id <= id)?;
        Some((done.call, done.what))
    }

    /// Whether no write has been under way for too long.
    pub(crate) fn keep_up(&self, now: Time) -> bool {
        self.waiting.front().is_none_or(|oldest| now < oldest.since + DISK_PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const START: Time = Time::from_secs(1);

    #[test]
    fn a_write_is_done_with_all_before_it() {
        let mut writes = Writes::default();
        let note = writes.begin(7, Written::Note, START);
        let record = writes.begin(7, Written::Record, START);
        let later = writes.begin(8, Written::Note, START);
        assert!(note < record && record < later);
        assert_eq!(writes.next_done(record), Some((7, Written::Note)));
        assert_eq!(writes.next_done(record), Some((7, Written::Record)));
        assert_eq!(writes.next_done(record), None);
        assert_eq!(writes.next_done(later), Some((8, Written::Note)));
    }

    #[test]
    fn nobody_waits_for_a_disk_that_does_not_keep_up() {
        let mut writes = Writes::default();
        let stuck = writes.begin(1, Written::Note, START);
        let late = START + DISK_PATIENCE;
        assert!(writes.keep_up(late - Duration::from_millis(1)) && !writes.keep_up(late));
        for call in 2..1_000 {
            writes.begin(call, Written::Note, late);
        }
        assert_eq!(writes.waiting.len(), 1);
        assert_eq!(writes.next_done(stuck), Some((1, Written::Note)));
        assert!(writes.keep_up(late));
        writes.begin(1_000, Written::Record, late);
        assert_eq!(writes.waiting.len(), 1);
    }
}
