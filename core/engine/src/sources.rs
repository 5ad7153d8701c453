//! A token bucket a source, in a table that no flood can make grow: it has so many buckets and no more.

use std::time::Duration;
use tandem_time::Time;

/// Buckets that a source may be in; where all are another's, the one with most in it is given up.
const WAYS: usize = 4;
const SETS: usize = 2048;

/// So much a second, and so much at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Tokens a second; 0: no limit.
    pub per_second: u32,
    /// Tokens that gather while nothing is taken.
    pub burst: u32,
}

/// What a source is granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Grant {
    /// It may.
    Given,
    /// It may not, and is told; `first`: after a time without.
    Told { first: bool },
    /// It may not, and has been told often enough.
    Silent,
}

/// The buckets.
pub(crate) struct Sources {
    rate: Rate,
    slots: Box<[Bucket]>,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    /// Which source; 0 for none.
    mark: u64,
    at: Time,
    /// What it may still do.
    tokens: f32,
    /// How often it may still be told that it may not.
    words: f32,
}

impl Bucket {
    fn refill(&mut self, rate: Rate, now: Time) {
        let gained = now.since(self.at).min(Duration::from_secs(3600)).as_secs_f32() * rate.per_second as f32;
        let most = rate.burst.max(1) as f32;
        self.tokens = (self.tokens + gained).min(most);
        self.words = (self.words + gained).min(most);
        self.at = self.at.max(now);
    }
}

impl Sources {
    pub(crate) fn new(rate: Rate) -> Sources {
        Sources { rate, slots: vec![Bucket::default(); WAYS * SETS].into() }
    }

    /// Takes a token of the source with this hash, which nobody outside may be able to foresee.
    pub(crate) fn take(&mut self, source: u64, now: Time) -> Grant {
        if self.rate.per_second == 0 {
            return Grant::Given;
        }
        let bucket = self.bucket(source, now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Grant::Given;
        }
        if bucket.words < 1.0 {
            return Grant::Silent;
        }
        bucket.words -= 1.0;
        let first = bucket.mark & 1 == 0;
        bucket.mark |= 1;
        Grant::Told { first }
    }

    /// The bucket of a source, as full as it is by now. The lowest bit of a mark says that the source was told since its bucket
    /// was last full.
    fn bucket(&mut self, source: u64, now: Time) -> &mut Bucket {
        let rate = self.rate;
        let mark = (source & !1).max(2);
        let start = (source >> 32) as usize % SETS * WAYS;
        let set = &mut self.slots[start..start + WAYS];
        for bucket in set.iter_mut() {
            bucket.refill(rate, now);
        }
        let full = rate.burst.max(1) as f32;
        let fullness = |bucket: &Bucket| if bucket.mark == 0 { f32::INFINITY } else { bucket.tokens };
        let mut at = 0;
        for n in 0..WAYS {
            if set[n].mark & !1 == mark {
                if set[n].tokens >= full {
                    set[n].mark = mark;
                }
                return &mut set[n];
            }
            if fullness(&set[n]) > fullness(&set[at]) {
                at = n;
            }
        }
        set[at] = Bucket { mark, at: now, tokens: full, words: full };
        &mut set[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    const RATE: Rate = Rate { per_second: 10, burst: 20 };

    fn given(sources: &mut Sources, source: u64, times: u32, now: Time) -> u32 {
        (0..times).filter(|_| sources.take(source, now) == Grant::Given).count() as u32
    }

    #[test]
    fn a_source_has_its_burst_and_then_its_rate() {
        let mut sources = Sources::new(RATE);
        assert_eq!(given(&mut sources, 7 << 40, 1000, Time::from_secs(1)), 20);
        assert_eq!(given(&mut sources, 7 << 40, 1000, Time::from_secs(2)), 10);
        assert_eq!(given(&mut sources, 7 << 40, 1000, Time::from_secs(1000)), 20);
    }

    #[test]
    fn one_that_floods_is_told_as_often_as_it_might_ask_and_no_more() {
        let mut sources = Sources::new(RATE);
        let grants: Vec<Grant> = (0..1000).map(|_| sources.take(9 << 40, Time::from_secs(1))).collect();
        let told = |first: bool| grants.iter().filter(|grant| **grant == Grant::Told { first }).count();
        assert_eq!((told(true), told(false)), (1, 19));
        assert_eq!(grants.iter().filter(|grant| **grant == Grant::Silent).count(), 960);
    }

    #[test]
    fn one_source_takes_nothing_from_another() {
        let mut sources = Sources::new(RATE);
        let mut rng = StdRng::seed_from_u64(1);
        let all: Vec<u64> = (0..500).map(|_| rng.next_u64()).collect();
        given(&mut sources, all[0], 100_000, Time::from_secs(1));
        for other in &all[1..] {
            assert_eq!(given(&mut sources, *other, 20, Time::from_secs(1)), 20);
        }
    }

    #[test]
    fn a_flooder_is_not_forgotten_for_strangers_that_come_once() {
        let mut sources = Sources::new(RATE);
        let mut rng = StdRng::seed_from_u64(2);
        let flooder = rng.next_u64();
        given(&mut sources, flooder, 100, Time::from_secs(1));
        for _ in 0..100_000 {
            sources.take(rng.next_u64(), Time::from_secs(1));
        }
        assert_eq!(given(&mut sources, flooder, 100, Time::from_secs(1)), 0);
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let mut sources = Sources::new(Rate { per_second: 0, burst: 1 });
        assert_eq!(given(&mut sources, 1, 1000, Time::from_secs(1)), 1000);
    }
}
