//! Disk and DNS, which may be slow and may fail.

use super::World;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::time::Duration;
use tandem_engine::{BindingChange, Query, Resolved};
use tandem_model::CallRecord;
use tandem_sip_msg::{NoAddress, Why};
use tandem_time::Time;

/// The least that a write takes.
const DISK: Duration = Duration::from_millis(2);
/// Notes and records of calls that could not be written are tried again after so long.
const AGAIN: Duration = Duration::from_millis(250);
/// The least that a look-up takes, and the longest that it is given.
const DNS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));

/// How disk and DNS work. Probabilities are parts of 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Services {
    /// What every write takes beyond the usual.
    pub every_write: Duration,
    /// The longest that a write takes beyond the usual.
    pub write: Duration,
    /// Writes that fail.
    pub write_fails: f64,
    /// The longest that a look-up takes beyond the usual.
    pub lookup: Duration,
    /// Look-ups that fail.
    pub lookup_fails: f64,
}

/// What disk and DNS have to do.
pub(super) struct Work {
    rng: StdRng,
    /// Until when the disk is busy: it writes one thing after the other.
    busy: Time,
    writing: Vec<(Time, u64, Vec<BindingChange>)>,
    /// Notes and records of calls, in their order.
    calls: VecDeque<(Time, u64, Word)>,
    /// Each with whether it comes to an end in time.
    resolving: Vec<(Time, Query, bool)>,
}

/// What is written of a call.
pub(super) enum Word {
    /// It was answered.
    Note(Box<CallRecord>),
    /// It is over.
    Record(Box<CallRecord>),
}

impl Work {
    pub(super) fn new(seed: u64) -> Work {
        let rng = StdRng::seed_from_u64(seed ^ 0xd15c);
        Work {
            rng,
            busy: Time::default(),
            writing: Vec::new(),
            calls: VecDeque::new(),
            resolving: Vec::new(),
        }
    }

    pub(super) fn next(&self) -> Option<Time> {
        let writing = self.writing.iter().map(|(at, ..)| *at);
        let calls = self.calls.front().map(|(at, ..)| *at);
        writing.chain(calls).chain(self.resolving.iter().map(|(at, ..)| *at)).min()
    }

    /// Whoever asked is gone.
    pub(super) fn forget(&mut self) {
        self.writing.clear();
        self.calls.clear();
        self.resolving.clear();
    }

    fn part_of(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.rng.random_range(0.0..=1.0))
    }
}

impl World {
    pub(super) fn write(&mut self, id: u64, changes: Vec<BindingChange>) {
        let takes = self.a_write();
        self.work.busy = self.work.busy.max(self.now) + takes;
        self.work.writing.push((self.work.busy, id, changes));
    }

    /// What comes together is written together.
    pub(super) fn write_call(&mut self, id: u64, word: Word) {
        let done = self.now + self.a_write();
        let done = self.work.calls.back().map_or(done, |(before, ..)| done.max(*before));
        self.work.calls.push_back((done, id, word));
    }

    fn a_write(&mut self) -> Duration {
        DISK + self.services.every_write + self.work.part_of(self.services.write)
    }

    pub(super) fn look_up(&mut self, query: Query) {
        let takes = DNS.0 + self.work.part_of(self.services.lookup);
        self.work.resolving.push((self.now + takes.min(DNS.1), query, takes <= DNS.1));
    }

    /// Disk and DNS answer what they have done by now.
    pub(super) fn serve(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.work.writing.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, id, changes) in due {
            let ok = !self.disk_is_full && !self.work.rng.random_bool(self.services.write_fails);
            if ok {
                changes.into_iter().for_each(|change| self.keep(change));
            }
            self.engine.persisted(id, ok, now);
            self.drain_engine();
        }
        self.serve_calls(now);
        let due: Vec<_> = self.work.resolving.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, query, in_time) in due {
            let host = &query.host;
            let fails = self.work.rng.random_bool(self.services.lookup_fails);
            let result = match self.dns.get(host) {
                _ if fails || !in_time => {
                    Err(Why::new(NoAddress::Silent, format!("the name servers do not answer for {host}")))
                }
                Some(targets) => Ok(Resolved {
                    targets: targets.iter().copied().map(Into::into).collect(),
                    ttl: Duration::from_secs(60),
                    by_service: false,
                }),
                None => Err(Why::new(NoAddress::NoSuchName, format!("{host} does not exist"))),
            };
            self.engine.resolved(query.id, result, now);
            self.drain_engine();
        }
    }

    fn serve_calls(&mut self, now: Time) {
        let mut written = None;
        while self.work.calls.front().is_some_and(|(at, ..)| *at <= now) {
            if self.disk_is_full || self.work.rng.random_bool(self.services.write_fails) {
                for (at, ..) in &mut self.work.calls {
                    *at = (*at).max(now + AGAIN);
                }
                break;
            }
            let Some((_, id, word)) = self.work.calls.pop_front() else { break };
            written = Some(id);
            match word {
                Word::Note(note) => drop(self.open.insert(note.id, *note)),
                Word::Record(record) => {
                    self.open.remove(&record.id);
                    self.records.push(*record);
                }
            }
        }
        if let Some(id) = written {
            self.engine.written(id, now);
            self.drain_engine();
        }
    }

    fn keep(&mut self, change: BindingChange) {
        match change {
            BindingChange::Put(binding) => {
                self.bindings.insert((format!("{:?}", binding.owner), binding.contact.clone()), binding);
            }
            BindingChange::Delete { owner, contact } => {
                self.bindings.remove(&(format!("{owner:?}"), contact));
            }
        }
    }
}
