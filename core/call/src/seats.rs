//! How many calls a trunk carries, counted by what is alive: a seat that is dropped is free, so none can leak.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{Trunk, TrunkId};
use tandem_time::Time;

const SECOND: Duration = Duration::from_secs(1);

/// Which way a call goes over a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// From it.
    In,
    /// To it.
    Out,
}

/// Which limit of a trunk is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// `max_calls`.
    Calls,
    /// `max_in`.
    In,
    /// `max_out`.
    Out,
    /// `cps`.
    Rate,
}

impl Full {
    /// The field that says so.
    pub fn field(self) -> &'static str {
        match self {
            Full::Calls => "max_calls",
            Full::In => "max_in",
            Full::Out => "max_out",
            Full::Rate => "cps",
        }
    }
}

/// One call's place on a trunk, held while it lives.
#[derive(Debug)]
pub struct Seat(#[allow(dead_code, reason = "it is held, not read")] Arc<()>);

/// The seats of all trunks.
#[derive(Debug, Default)]
pub struct Seats {
    taken: BTreeMap<TrunkId, Row>,
}

/// Those of one trunk.
#[derive(Debug, Default)]
struct Row {
    from: Arc<()>,
    to: Arc<()>,
    /// When calls of the last second began, as far as there is a limit on them.
    begun: VecDeque<Time>,
}

impl Row {
    fn calls(&self, way: Bound) -> u32 {
        let seats = match way {
            Bound::In => &self.from,
            Bound::Out => &self.to,
        };
        (Arc::strong_count(seats) - 1) as u32
    }

    fn all(&self) -> u32 {
        self.calls(Bound::In) + self.calls(Bound::Out)
    }
}

impl Seats {
    /// A seat on a trunk, or which of its limits is reached.
    pub fn take(&mut self, trunk: &Trunk, way: Bound, now: Time) -> Result<Seat, Full> {
        if let Some(full) = self.full(trunk, way, now) {
            return Err(full);
        }
        let row = self.taken.entry(trunk.id).or_default();
        if trunk.cps != 0 {
            row.begun.retain(|begun| *begun + SECOND > now);
            row.begun.push_back(now);
        }
        let seats = match way {
            Bound::In => &row.from,
            Bound::Out => &row.to,
        };
        Ok(Seat(seats.clone()))
    }

    /// The limit that keeps another call off a trunk now.
    pub fn full(&self, trunk: &Trunk, way: Bound, now: Time) -> Option<Full> {
        let row = self.taken.get(&trunk.id)?;
        let reached = |limit: u32, calls: u32| limit != 0 && calls >= limit;
        let (limit, full) = match way {
            Bound::In => (trunk.max_in, Full::In),
            Bound::Out => (trunk.max_out, Full::Out),
        };
        let begun = || row.begun.iter().filter(|begun| **begun + SECOND > now).count();
        if reached(trunk.max_calls, row.all()) {
            Some(Full::Calls)
        } else if reached(limit, row.calls(way)) {
            Some(full)
        } else if trunk.cps != 0 && begun() >= trunk.cps as usize {
            Some(Full::Rate)
        } else {
            None
        }
    }

    /// Calls on a trunk now.
    pub fn taken(&self, trunk: TrunkId) -> u32 {
        self.taken.get(&trunk).map_or(0, Row::all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tandem_model::{Entity, Kind};

    fn trunk(more: Value) -> Arc<Trunk> {
        let mut body = json!({"name": "t", "mode": "ip_auth", "host": "192.0.2.7"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        match Entity::create(Kind::Trunk, uuid::Uuid::nil(), body).unwrap() {
            Entity::Trunk(trunk) => trunk,
            _ => unreachable!("a trunk was asked for"),
        }
    }

    const NOW: Time = Time::from_secs(1000);

    #[test]
    fn a_trunk_with_two_seats_takes_two_calls_until_one_ends() {
        let trunk = trunk(json!({"max_calls": 2}));
        let mut seats = Seats::default();
        let first = seats.take(&trunk, Bound::In, NOW);
        let second = seats.take(&trunk, Bound::Out, NOW);
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(seats.take(&trunk, Bound::Out, NOW).unwrap_err(), Full::Calls);
        drop(first);
        assert_eq!(seats.taken(trunk.id), 1);
        assert!(seats.take(&trunk, Bound::In, NOW).is_ok());
    }

    #[test]
    fn each_direction_has_a_limit_of_its_own() {
        let trunk = trunk(json!({"max_in": 1, "max_out": 2}));
        let mut seats = Seats::default();
        let kept: Vec<_> =
            [Bound::In, Bound::Out, Bound::Out].map(|way| seats.take(&trunk, way, NOW).unwrap()).into();
        assert_eq!(seats.full(&trunk, Bound::In, NOW), Some(Full::In));
        assert_eq!(seats.full(&trunk, Bound::Out, NOW), Some(Full::Out));
        drop(kept);
        assert_eq!(seats.full(&trunk, Bound::In, NOW), None);
        assert_eq!(seats.full(&trunk, Bound::Out, NOW), None);
    }

    #[test]
    fn calls_that_begin_within_a_second_are_counted_together_even_when_they_are_over() {
        let trunk = trunk(json!({"cps": 2}));
        let mut seats = Seats::default();
        let at = |millis: u64| NOW + Duration::from_millis(millis);
        assert!(seats.take(&trunk, Bound::In, at(0)).is_ok());
        assert!(seats.take(&trunk, Bound::Out, at(600)).is_ok());
        assert_eq!(seats.take(&trunk, Bound::Out, at(999)).unwrap_err(), Full::Rate);
        assert!(seats.take(&trunk, Bound::Out, at(1000)).is_ok());
        assert_eq!(seats.take(&trunk, Bound::Out, at(1599)).unwrap_err(), Full::Rate);
    }

    #[test]
    fn a_trunk_without_a_limit_takes_any_number() {
        let trunk = trunk(json!({}));
        let mut seats = Seats::default();
        let taken: Vec<_> = (0..1_000).map(|_| seats.take(&trunk, Bound::In, NOW).unwrap()).collect();
        assert_eq!(seats.taken(trunk.id), 1_000);
        drop(taken);
        assert_eq!(seats.taken(trunk.id), 0);
    }
}
