//! How many calls a trunk carries, counted by what is alive: a seat that is dropped is free, so none can leak.

use std::collections::BTreeMap;
use std::sync::Arc;
use tandem_model::TrunkId;

/// One call's place on a trunk, held while it lives.
#[derive(Debug)]
pub struct Seat(#[allow(dead_code, reason = "it is held, not read")] Arc<()>);

/// The seats of all trunks.
#[derive(Debug, Default)]
pub struct Seats {
    taken: BTreeMap<TrunkId, Arc<()>>,
}

impl Seats {
    /// A seat on a trunk that carries at most `max` calls (0: any number); `None` when it is full.
    pub fn take(&mut self, trunk: TrunkId, max: u32) -> Option<Seat> {
        if max != 0 && self.taken(trunk) >= max {
            return None;
        }
        Some(Seat(self.taken.entry(trunk).or_default().clone()))
    }

    /// Calls on a trunk now.
    pub fn taken(&self, trunk: TrunkId) -> u32 {
        self.taken.get(&trunk).map_or(0, |seats| (Arc::strong_count(seats) - 1) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trunk_with_two_seats_takes_two_calls_until_one_ends() {
        let trunk = TrunkId::new(1, &[0; 10]);
        let mut seats = Seats::default();
        let first = seats.take(trunk, 2);
        let second = seats.take(trunk, 2);
        assert!(first.is_some() && second.is_some());
        assert!(seats.take(trunk, 2).is_none());
        drop(first);
        assert_eq!(seats.taken(trunk), 1);
        assert!(seats.take(trunk, 2).is_some());
    }

    #[test]
    fn a_trunk_without_a_limit_takes_any_number() {
        let trunk = TrunkId::new(1, &[0; 10]);
        let mut seats = Seats::default();
        let taken: Vec<_> = (0..1_000).map(|_| seats.take(trunk, 0).unwrap()).collect();
        assert_eq!(seats.taken(trunk), 1_000);
        drop(taken);
        assert_eq!(seats.taken(trunk), 0);
    }
}
