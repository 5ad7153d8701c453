//! How many calls a trunk or a tenant carries, counted by what is alive: a seat that is dropped is free, so none can leak.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{Assignment, Event, ExtensionId, Tenant, TenantId, Trunk, TrunkId};
use tandem_time::Time;

const SECOND: Duration = Duration::from_secs(1);
/// That a limit is reached is told once in this time.
const TOLD: Duration = Duration::from_secs(60);

/// Strangers who may call one extension at once.
const MOST_GUESTS: u32 = 4;

/// Which way a call goes over a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// From it.
    In,
    /// To it.
    Out,
}

/// A call over a trunk.
#[derive(Clone, Copy, Debug)]
pub struct Over<'a> {
    /// The trunk.
    pub trunk: &'a Trunk,
    /// What the tenant whose call it is may use of the trunk, if that is one of the system's.
    pub share: Option<&'a Assignment>,
    /// Which way.
    pub way: Bound,
}

/// Which limit is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// The trunk's `max_calls`.
    Calls,
    /// The trunk's `max_in`.
    In,
    /// The trunk's `max_out`.
    Out,
    /// The trunk's `cps`.
    Rate,
    /// `max_calls` of the trunk's assignment to the tenant.
    Share,
    /// The tenant's `max_concurrent_calls`.
    Tenant,
    /// The tenant's `max_cps`.
    TenantRate,
    /// As many strangers call an extension as may at once.
    Guests,
}

impl Full {
    /// Whose it is.
    pub fn whose(self) -> &'static str {
        match self {
            Full::Calls | Full::In | Full::Out | Full::Rate => "the trunk",
            Full::Share => "the trunk's assignment to the tenant",
            Full::Tenant | Full::TenantRate => "the tenant",
            Full::Guests => "the extension",
        }
    }

    /// The field that says so.
    pub fn field(self) -> &'static str {
        match self {
            Full::Calls | Full::Share => "max_calls",
            Full::In => "max_in",
            Full::Out => "max_out",
            Full::Rate => "cps",
            Full::Tenant => "max_concurrent_calls",
            Full::TenantRate => "max_cps",
            Full::Guests => "number of calls by `direct_token`",
        }
    }
}

/// One call's place on a trunk, and in what its tenant may use of that, or among all calls of a tenant; held while it lives.
#[derive(Debug)]
#[allow(dead_code, reason = "it is held, not read")]
pub struct Seat(Arc<()>, Option<Arc<()>>);

/// All seats.
#[derive(Debug, Default)]
pub struct Seats {
    trunks: BTreeMap<TrunkId, Row>,
    shares: BTreeMap<(TrunkId, TenantId), Arc<()>>,
    tenants: BTreeMap<TenantId, (Arc<()>, Begun)>,
    guests: BTreeMap<ExtensionId, Arc<()>>,
    /// Limits that were told of, and when.
    told: Vec<(Limit, Time)>,
    untold: VecDeque<Event>,
}

/// A limit on calls at once: of a trunk, of a tenant, or of a tenant on a trunk.
type Limit = (Option<TrunkId>, Option<TenantId>, &'static str);

/// Those of one trunk.
#[derive(Debug, Default)]
struct Row {
    from: Arc<()>,
    to: Arc<()>,
    begun: Begun,
}

/// When calls of the last second began, as far as there is a limit on them.
#[derive(Debug, Default)]
struct Begun(VecDeque<Time>);

impl Begun {
    fn note(&mut self, limit: u32, now: Time) {
        if limit != 0 {
            self.0.retain(|begun| *begun + SECOND > now);
            self.0.push_back(now);
        }
    }

    fn reaches(&self, limit: u32, now: Time) -> bool {
        reaches(self.0.iter().filter(|begun| **begun + SECOND > now).count() as u32, limit)
    }
}

fn held(seats: &Arc<()>) -> u32 {
    (Arc::strong_count(seats) - 1) as u32
}

fn reaches(calls: u32, limit: u32) -> bool {
    limit != 0 && calls >= limit
}

fn of_way(trunk: &Trunk, way: Bound) -> (u32, Full) {
    match way {
        Bound::In => (trunk.max_in, Full::In),
        Bound::Out => (trunk.max_out, Full::Out),
    }
}

impl Row {
    fn seats(&self, way: Bound) -> &Arc<()> {
        match way {
            Bound::In => &self.from,
            Bound::Out => &self.to,
        }
    }

    fn all(&self) -> u32 {
        held(&self.from) + held(&self.to)
    }
}

impl Seats {
    /// A seat on a trunk, or which limit is reached.
    pub fn take(&mut self, over: Over, now: Time) -> Result<Seat, Full> {
        match self.full(over, now) {
            Some(full) => Err(full),
            None => Ok(self.take_anyway(over, now)),
        }
    }

    /// A seat on a trunk beyond its limits: help is called for.
    pub fn take_anyway(&mut self, Over { trunk, share, way }: Over, now: Time) -> Seat {
        let row = self.trunks.entry(trunk.id).or_default();
        row.begun.note(trunk.cps, now);
        let seat = row.seats(way).clone();
        let (limit, full) = of_way(trunk, way);
        let reached = [
            (reaches(row.all(), trunk.max_calls), Full::Calls, trunk.max_calls, trunk.tenant_id),
            (reaches(held(&seat), limit), full, limit, trunk.tenant_id),
        ];
        let share = share.map(|share| {
            let seats = self.shares.entry((share.trunk_id, share.tenant_id)).or_default().clone();
            (seats, share.max_calls, share.tenant_id)
        });
        let of_share = share
            .as_ref()
            .map(|(seats, limit, tenant)| (reaches(held(seats), *limit), Full::Share, *limit, Some(*tenant)));
        for (reached, full, limit, tenant_id) in reached.into_iter().chain(of_share) {
            if reached {
                self.tell_full((Some(trunk.id), tenant_id, full.field()), limit, now);
            }
        }
        Seat(seat, share.map(|(seats, ..)| seats))
    }

    /// The limit that keeps another call off a trunk now.
    pub fn full(&self, Over { trunk, share, way }: Over, now: Time) -> Option<Full> {
        let of_share = share.is_some_and(|share| {
            let seats = self.shares.get(&(share.trunk_id, share.tenant_id));
            reaches(seats.map_or(0, held), share.max_calls)
        });
        let row = self.trunks.get(&trunk.id)?;
        let (limit, full) = of_way(trunk, way);
        if reaches(row.all(), trunk.max_calls) {
            Some(Full::Calls)
        } else if reaches(held(row.seats(way)), limit) {
            Some(full)
        } else if of_share {
            Some(Full::Share)
        } else if row.begun.reaches(trunk.cps, now) {
            Some(Full::Rate)
        } else {
            None
        }
    }

    /// A seat among the strangers that call an extension.
    pub fn take_of_guest(&mut self, extension: ExtensionId) -> Result<Seat, Full> {
        self.guests.retain(|_, seats| held(seats) > 0);
        let seats = self.guests.entry(extension).or_default();
        if reaches(held(seats), MOST_GUESTS) { Err(Full::Guests) } else { Ok(Seat(seats.clone(), None)) }
    }

    /// A seat among all calls of a tenant, whether there is one left or not.
    pub fn take_of_tenant(&mut self, tenant: &Tenant, now: Time) -> Seat {
        let (seats, begun) = self.tenants.entry(tenant.id).or_default();
        begun.note(tenant.max_cps, now);
        let seat = seats.clone();
        let limit = tenant.max_concurrent_calls;
        if reaches(held(&seat), limit) {
            self.tell_full((None, Some(tenant.id), Full::Tenant.field()), limit, now);
        }
        Seat(seat, None)
    }

    fn tell_full(&mut self, which: Limit, limit: u32, now: Time) {
        self.told.retain(|(_, told)| *told + TOLD > now);
        if self.told.iter().any(|(told, _)| *told == which) {
            return;
        }
        self.told.push((which, now));
        let (trunk_id, tenant_id, field) = which;
        self.untold.push_back(Event::CapacityReached { trunk_id, field, limit, tenant_id });
    }

    /// A limit that was reached lately.
    pub fn poll_full(&mut self) -> Option<Event> {
        self.untold.pop_front()
    }

    /// The limit that keeps a tenant from another call now.
    pub fn tenant_full(&self, tenant: &Tenant, now: Time) -> Option<Full> {
        let (seats, begun) = self.tenants.get(&tenant.id)?;
        if reaches(held(seats), tenant.max_concurrent_calls) {
            Some(Full::Tenant)
        } else {
            begun.reaches(tenant.max_cps, now).then_some(Full::TenantRate)
        }
    }

    /// Calls on each trunk that has any.
    pub fn all_taken(&self) -> impl Iterator<Item = (TrunkId, u32)> {
        self.trunks.iter().map(|(id, row)| (*id, row.all())).filter(|(_, calls)| *calls > 0)
    }

    /// Calls on a trunk now.
    pub fn taken(&self, trunk: TrunkId) -> u32 {
        self.trunks.get(&trunk).map_or(0, Row::all)
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

    fn over(trunk: &Trunk, way: Bound) -> Over<'_> {
        Over { trunk, share: None, way }
    }

    const NOW: Time = Time::from_secs(1000);

    #[test]
    fn a_trunk_with_two_seats_takes_two_calls_until_one_ends() {
        let trunk = trunk(json!({"max_calls": 2}));
        let mut seats = Seats::default();
        let first = seats.take(over(&trunk, Bound::In), NOW);
        let second = seats.take(over(&trunk, Bound::Out), NOW);
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(seats.take(over(&trunk, Bound::Out), NOW).unwrap_err(), Full::Calls);
        drop(first);
        assert_eq!(seats.taken(trunk.id), 1);
        assert!(seats.take(over(&trunk, Bound::In), NOW).is_ok());
    }

    #[test]
    fn the_last_seat_of_a_limit_is_told_of_once_a_minute() {
        let trunk = trunk(json!({"max_calls": 2, "max_in": 1}));
        let mut seats = Seats::default();
        let told = |seats: &mut Seats| {
            std::iter::from_fn(|| seats.poll_full())
                .map(|event| match event {
                    Event::CapacityReached { trunk_id, field, limit, .. } => {
                        assert_eq!(trunk_id, Some(trunk.id));
                        (field, limit)
                    }
                    event => unreachable!("{event:?}"),
                })
                .collect::<Vec<_>>()
        };
        let first = seats.take(over(&trunk, Bound::Out), NOW);
        assert_eq!(told(&mut seats), []);
        let second = seats.take(over(&trunk, Bound::In), NOW);
        assert_eq!(told(&mut seats), [("max_calls", 2), ("max_in", 1)]);
        drop(second);
        let third = seats.take(over(&trunk, Bound::Out), NOW + SECOND);
        assert_eq!(told(&mut seats), [], "told already");
        drop(third);
        let fourth = seats.take(over(&trunk, Bound::Out), NOW + TOLD);
        assert_eq!(told(&mut seats), [("max_calls", 2)]);
        assert!(first.is_ok() && fourth.is_ok());
    }

    #[test]
    fn each_direction_has_a_limit_of_its_own() {
        let trunk = trunk(json!({"max_in": 1, "max_out": 2}));
        let mut seats = Seats::default();
        let kept: Vec<_> =
            [Bound::In, Bound::Out, Bound::Out].map(|way| seats.take(over(&trunk, way), NOW).unwrap()).into();
        assert_eq!(seats.full(over(&trunk, Bound::In), NOW), Some(Full::In));
        assert_eq!(seats.full(over(&trunk, Bound::Out), NOW), Some(Full::Out));
        drop(kept);
        assert_eq!(seats.full(over(&trunk, Bound::In), NOW), None);
        assert_eq!(seats.full(over(&trunk, Bound::Out), NOW), None);
    }

    #[test]
    fn calls_that_begin_within_a_second_are_counted_together_even_when_they_are_over() {
        let trunk = trunk(json!({"cps": 2}));
        let mut seats = Seats::default();
        let at = |millis: u64| NOW + Duration::from_millis(millis);
        assert!(seats.take(over(&trunk, Bound::In), at(0)).is_ok());
        assert!(seats.take(over(&trunk, Bound::Out), at(600)).is_ok());
        assert_eq!(seats.take(over(&trunk, Bound::Out), at(999)).unwrap_err(), Full::Rate);
        assert!(seats.take(over(&trunk, Bound::Out), at(1000)).is_ok());
        assert_eq!(seats.take(over(&trunk, Bound::Out), at(1599)).unwrap_err(), Full::Rate);
    }

    #[test]
    fn a_trunk_without_a_limit_takes_any_number() {
        let trunk = trunk(json!({}));
        let mut seats = Seats::default();
        let taken: Vec<_> = (0..1_000).map(|_| seats.take(over(&trunk, Bound::In), NOW).unwrap()).collect();
        assert_eq!(seats.taken(trunk.id), 1_000);
        drop(taken);
        assert_eq!(seats.taken(trunk.id), 0);
    }

    #[test]
    fn a_tenant_has_its_share_of_a_trunk_beside_what_the_trunk_takes() {
        let trunk = trunk(json!({"max_calls": 3}));
        let of = |n: u128, max_calls: u32| {
            let (trunk_id, tenant_id) = (trunk.id, uuid::Uuid::from_u128(n));
            let body = json!({"trunk_id": trunk_id, "tenant_id": tenant_id, "max_calls": max_calls});
            match Entity::create(Kind::Assignment, uuid::Uuid::from_u128(n), body).unwrap() {
                Entity::Assignment(assignment) => assignment,
                _ => unreachable!("an assignment was asked for"),
            }
        };
        let (one, other) = (of(1, 1), of(2, 0));
        let one = Over { trunk: &trunk, share: Some(&one), way: Bound::Out };
        let other = Over { trunk: &trunk, share: Some(&other), way: Bound::In };
        let mut seats = Seats::default();
        let first = seats.take(one, NOW).unwrap();
        assert_eq!(seats.take(Over { way: Bound::In, ..one }, NOW).unwrap_err(), Full::Share);
        let kept = [seats.take(other, NOW).unwrap(), seats.take(other, NOW).unwrap()];
        drop(first);
        assert!(seats.take(one, NOW).is_ok());
        let help = seats.take_anyway(one, NOW);
        assert_eq!(seats.take(other, NOW).unwrap_err(), Full::Calls);
        drop((kept, help));
        assert_eq!(seats.taken(trunk.id), 0);
    }

    #[test]
    fn a_tenant_has_limits_of_calls_and_of_how_fast_they_come() {
        let body = json!({"name": "Acme", "max_concurrent_calls": 2, "max_cps": 3});
        let Ok(Entity::Tenant(tenant)) = Entity::create(Kind::Tenant, uuid::Uuid::from_u128(1), body) else {
            unreachable!("a tenant was asked for")
        };
        let mut seats = Seats::default();
        let first = seats.take_of_tenant(&tenant, NOW);
        assert_eq!(seats.tenant_full(&tenant, NOW), None);
        let second = seats.take_of_tenant(&tenant, NOW);
        assert_eq!(seats.tenant_full(&tenant, NOW), Some(Full::Tenant));
        drop((first, second));
        drop(seats.take_of_tenant(&tenant, NOW));
        assert_eq!(seats.tenant_full(&tenant, NOW), Some(Full::TenantRate));
        assert_eq!(seats.tenant_full(&tenant, NOW + SECOND), None);
    }
}
