//! A queue of keys that fall due, each at most once at a time.

use crate::Time;
use hashbrown::HashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;

/// Stale heap entries are swept once they outnumber the live ones by this many.
const SLACK: usize = 64;

/// Deadlines by key. Setting a key again moves it; keys due at the same moment come in the order they were set.
#[derive(Debug)]
pub struct Timers<K> {
    armed: HashMap<K, u64, ahash::RandomState>,
    heap: BinaryHeap<Reverse<(Time, u64, K)>>,
    next_entry: u64,
}

impl<K: Copy + Ord + Hash> Default for Timers<K> {
    fn default() -> Self {
        Timers { armed: HashMap::with_hasher(fixed_hasher()), heap: BinaryHeap::new(), next_entry: 0 }
    }
}

/// The map is only ever looked up by key, never iterated in its own order, so fixed seeds cost nothing: keys are ours.
fn fixed_hasher() -> ahash::RandomState {
    ahash::RandomState::with_seeds(1, 2, 3, 4)
}

impl<K: Copy + Ord + Hash> Timers<K> {
    /// Makes `key` due at `at`, instead of whenever it was due before.
    pub fn set(&mut self, key: K, at: Time) {
        let entry = self.next_entry;
        self.next_entry += 1;
        self.armed.insert(key, entry);
        self.heap.push(Reverse((at, entry, key)));
        if self.heap.len() > 2 * self.armed.len() + SLACK {
            let armed = &self.armed;
            self.heap.retain(|Reverse((_, entry, key))| armed.get(key) == Some(entry));
        }
    }

    /// `key` is no longer due.
    pub fn cancel(&mut self, key: K) {
        self.armed.remove(&key);
    }

    /// When the first key falls due.
    pub fn due(&mut self) -> Option<Time> {
        self.drop_stale();
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Takes one key that is due by `now`, with the moment it was due.
    pub fn pop(&mut self, now: Time) -> Option<(Time, K)> {
        self.drop_stale();
        let &Reverse((at, _, key)) = self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        self.armed.remove(&key);
        Some((at, key))
    }

    /// How many keys are waiting.
    pub fn len(&self) -> usize {
        self.armed.len()
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    fn drop_stale(&mut self) {
        while let Some(Reverse((_, entry, key))) = self.heap.peek() {
            if self.armed.get(key) == Some(entry) {
                return;
            }
            self.heap.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Time {
        Time::from_secs(secs)
    }

    #[test]
    fn keys_come_in_the_order_of_their_moments() {
        let mut timers = Timers::default();
        timers.set("b", at(2));
        timers.set("a", at(1));
        timers.set("c", at(2));
        assert_eq!(timers.due(), Some(at(1)));
        assert_eq!(timers.pop(at(0)), None);
        assert_eq!(timers.pop(at(5)), Some((at(1), "a")));
        assert_eq!(timers.pop(at(5)), Some((at(2), "b")));
        assert_eq!(timers.pop(at(5)), Some((at(2), "c")));
        assert_eq!(timers.pop(at(5)), None);
    }

    #[test]
    fn a_key_set_again_is_due_once_at_its_new_moment() {
        let mut timers = Timers::default();
        timers.set(1, at(1));
        timers.set(1, at(9));
        assert_eq!(timers.pop(at(5)), None);
        assert_eq!(timers.pop(at(9)), Some((at(9), 1)));
        assert!(timers.is_empty());
    }

    #[test]
    fn a_cancelled_key_never_comes() {
        let mut timers = Timers::default();
        timers.set(1, at(1));
        timers.cancel(1);
        assert_eq!(timers.due(), None);
        assert_eq!(timers.pop(at(5)), None);
    }

    #[test]
    fn moving_one_key_a_thousand_times_does_not_grow_the_heap() {
        let mut timers = Timers::default();
        for n in 0..10_000 {
            timers.set(7, at(n));
        }
        assert!(timers.heap.len() <= 2 + SLACK + 1);
    }
}
