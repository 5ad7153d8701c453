//! Where a call that came in over a trunk goes: only to what a number of ours or an inbound route says. Never out by the outbound
//! routes, unless an inbound route names a number to be dialled.

use crate::dialled::Dialled;
use crate::forward;
use crate::outbound::{Decision, TIMEOUT, is_suspended, unmatched};
use crate::{Conditions, Destination, Moment, NoDestination, Onward, Round, Trail};
use std::cmp::Reverse;
use std::sync::Arc;
use tandem_model::{
    Config, Destination as Reached, DidForm, Digits, InboundExtension, InboundRoute, Interval, Kind, Number,
    Openness, Particular, TenantId, TenantStatus, Trunk, TrunkMode,
};

/// How particular a number is that says by itself what it reaches: after the routes that ask for exactly it, before all others.
const BY_ITSELF: Particular = (2, 1);

/// Where a call over a trunk to this number goes. `caller` is the calling number as it came.
pub fn from_trunk(
    config: &Config,
    trunk: &Trunk,
    (caller, called): (&str, &str),
    moment: Moment,
    conditions: &dyn Conditions,
    trail: &mut Trail,
) -> Result<Destination, NoDestination> {
    let mut decision = Decision {
        config,
        conditions,
        moment,
        tenant: trunk.tenant_id,
        extension: None,
        asked: None,
        caller: Some(caller),
        is_peer: trunk.mode == TrunkMode::PeerIn,
        hops: 0,
        rung: Vec::new(),
        diverted: Vec::new(),
        forwards_left: forward::MOST,
        trail,
    };
    if let InboundExtension::Fixed(fixed) = trunk.called_extension()
        && let Some(extension) = config.extension_by_number(trunk.tenant_id, fixed)
    {
        let why = || "the trunk's inbound_extension names it".to_owned();
        decision.trail.rule(Kind::Extension, extension.id.0, &extension.name, extension.enabled, why);
        decision.caller_may_call()?;
        return decision.ring(extension);
    }
    if decision.is_peer {
        // It calls out by way of us, as an extension of its tenant does.
        return decision.dial(called);
    }
    let dialled = Dialled::new(called, decision.tenant());
    let digits = [dialled.e164.clone(), dialled.digits.clone()];
    let (tenant, number) = owner(config, trunk, &digits);
    decision.tenant = tenant;
    if decision.tenant().is_some_and(|tenant| tenant.status == TenantStatus::Suspended) {
        return Err(is_suspended());
    }
    decision.caller_may_call()?;
    Inbound { decision: &mut decision, trunk: Some(trunk), caller, called, number, digits }.route()
}

/// Whether a number that a device dials is one of its tenant's own, or of the system's: written down, in a pool, or asked for by an
/// inbound route.
pub(crate) fn is_ours(decision: &Decision, dialled: &Dialled) -> bool {
    let (config, tenant) = (decision.config, decision.tenant);
    let asked_for = |digits: &Digits| {
        let exactly = |route: &Arc<InboundRoute>| {
            matches!(route.did.form(), DidForm::Numbers(_)) && route.did.matches(Some(digits)).is_some()
        };
        config.inbound_routes_of(tenant).iter().any(exactly)
    };
    let owned = |digits: &Digits| {
        let number = Interval::single(digits.as_str());
        tenant.zip(number).is_some_and(|(tenant, number)| config.owns(tenant, &number))
    };
    dialled
        .numbers()
        .any(|digits| own_number(decision, digits).is_some() || owned(digits) || asked_for(digits))
}

fn own_number<'a>(decision: &Decision<'a>, digits: &Digits) -> Option<&'a Arc<Number>> {
    let number = decision.config.number(decision.tenant, digits.as_str());
    number.filter(|number| number.tenant_id == decision.tenant)
}

/// What a number of ours reaches when it is dialled within the house: the same as from outside.
pub(crate) fn to_our_number(
    decision: &mut Decision,
    dialled: &Dialled,
) -> Result<Destination, NoDestination> {
    let number = dialled.numbers().find_map(|digits| own_number(decision, digits));
    let caller = decision.extension.map_or("", |extension| extension.number.as_str());
    let digits = [dialled.e164.clone(), dialled.digits.clone()];
    Inbound { decision, trunk: None, caller, called: dialled.text, number, digits }.route()
}

/// Whose number it is, and the number itself if it is written down. What another tenant has is as if it were not there.
fn owner<'a>(
    config: &'a Config,
    trunk: &Trunk,
    called: &[Option<Digits>; 2],
) -> (Option<TenantId>, Option<&'a Arc<Number>>) {
    let forms = || called.iter().flatten().map(Digits::as_str);
    let pool = trunk.tenant_id.or_else(|| {
        let owner = forms().find_map(|digits| config.pool_owner(trunk.id, digits));
        owner.filter(|tenant| may_take(config, trunk, *tenant))
    });
    let number = forms().find_map(|digits| config.number(pool, digits));
    match number {
        Some(number)
            if pool.is_none() && number.tenant_id.is_none_or(|tenant| may_take(config, trunk, tenant)) =>
        {
            (number.tenant_id, Some(number))
        }
        Some(number) if pool.is_some() && number.tenant_id == pool => (pool, Some(number)),
        _ => (pool, None),
    }
}

fn may_take(config: &Config, trunk: &Trunk, tenant: TenantId) -> bool {
    config.assignment(trunk.id, tenant).is_some_and(|assignment| assignment.can_inbound)
}

struct Inbound<'d, 'a> {
    decision: &'d mut Decision<'a>,
    /// The trunk that it came over; none where it was dialled within the house.
    trunk: Option<&'d Trunk>,
    caller: &'d str,
    called: &'d str,
    number: Option<&'a Arc<Number>>,
    /// The called number with its country code, and as it came.
    digits: [Option<Digits>; 2],
}

/// What may take a call.
enum Taker<'a> {
    Route(&'a Arc<InboundRoute>),
    Number(&'a Arc<Number>),
}

impl<'a> Inbound<'_, 'a> {
    fn route(&mut self) -> Result<Destination, NoDestination> {
        if let Some(number) = self.number.filter(|number| !number.enabled) {
            let why = || format!("is {}", number.status.key());
            self.decision.trail.rule(Kind::Number, number.id.0, &number.number, false, why);
            return Err(NoDestination::Unmatched {
                nearest: Some(format!("{} ({})", number.number, number.status.key())),
            });
        }
        let no_fax = self.number.is_some_and(|number| !number.t38);
        let mut whole = Destination { no_fax, ..self.decision.destination() };
        let mut failure = None;
        let takers = self.takers();
        let last = takers.len().saturating_sub(1);
        for (n, taker) in takers.into_iter().enumerate() {
            match self.reached(&taker, n < last) {
                Ok(Some(mut reached)) => {
                    whole.rounds.append(&mut reached.rounds);
                    whole.reasons.append(&mut reached.reasons);
                    whole.no_fax |= reached.no_fax;
                    if !goes_on(&whole) {
                        break;
                    }
                }
                Ok(None) => {}
                // A later one may still take it.
                Err(none) => failure = failure.or(Some(none)),
            }
        }
        if !whole.rounds.is_empty() {
            return Ok(whole);
        }
        Err(failure.unwrap_or_else(|| {
            let digits = self.digits.iter().flatten().next();
            unmatched(self.decision.config, digits)
        }))
    }

    /// What takes the call, the most particular first.
    fn takers(&mut self) -> Vec<Taker<'a>> {
        let config: &'a Config = self.decision.config;
        let mut found: Vec<((Particular, bool), u32, Taker)> = Vec::new();
        for route in config.inbound_routes_of(self.decision.tenant) {
            let particular = self.particular(route);
            let why = || particular.err().unwrap_or("takes the call").to_owned();
            self.decision.trail.rule(Kind::InboundRoute, route.id.0, &route.name, particular.is_ok(), why);
            if let Ok(particular) = particular {
                found.push(((particular, route.caller.is_some()), route.priority, Taker::Route(route)));
            }
        }
        if let Some(number) =
            self.number.filter(|number| number.extension_id.is_some() || number.trunk_id.is_some())
        {
            self.decision
                .trail
                .rule(Kind::Number, number.id.0, &number.number, true, || "is the called number".to_owned());
            found.push(((BY_ITSELF, false), 0, Taker::Number(number)));
        }
        found.sort_by_key(|(particular, priority, _)| (Reverse(*particular), *priority));
        found.into_iter().map(|(.., taker)| taker).collect()
    }

    /// How particularly a route takes the call, or why it does not.
    fn particular(&self, route: &InboundRoute) -> Result<Particular, &'static str> {
        if self.trunk.is_some_and(|trunk| route.trunk_id.is_some_and(|asked| asked != trunk.id)) {
            return Err("is for another trunk");
        }
        let forms = self.digits.iter().map(Option::as_ref).filter(Option::is_some).chain([None]);
        let particular = forms.filter_map(|digits| route.did.matches(digits)).next();
        let particular = particular.ok_or("does not take the number")?;
        match &route.caller {
            Some(caller) if !caller.matches(self.caller) => Err("is for other callers"),
            _ => Ok(particular),
        }
    }

    /// What a taker reaches now; nothing where it leaves the call to the next one.
    fn reached(&mut self, taker: &Taker, more: bool) -> Result<Option<Destination>, NoDestination> {
        let route = match taker {
            Taker::Number(number) => {
                let destination = self.decision.reached_by(number)?;
                return Ok(Some(destination));
            }
            Taker::Route(route) => route,
        };
        let (reached, in_hours) = match self.openness(route) {
            Openness::Open => (Some(&route.destination), true),
            Openness::Closed => (route.out_of_hours.as_ref(), false),
            Openness::Holiday => (route.holiday.as_ref().or(route.out_of_hours.as_ref()), false),
        };
        let Some(reached) = reached else {
            let why = || "its schedule is closed now, and says nothing of that".to_owned();
            self.decision.trail.rule(Kind::InboundRoute, route.id.0, &route.name, false, why);
            return Ok(None);
        };
        let unanswered = route.no_answer.as_ref().filter(|_| in_hours);
        let onward = if unanswered.is_some() || more { Onward::NoAnswer } else { Onward::Never };
        let first = self.destination(route, reached, route.no_answer_timeout, onward);
        let Some(unanswered) = unanswered else { return first.map(Some) };
        let then = self.destination(route, unanswered, 0, Onward::Never);
        match (first, then) {
            (Ok(mut first), Ok(then)) => {
                first.rounds.extend(then.rounds);
                first.reasons.extend(then.reasons);
                Ok(Some(first))
            }
            (Ok(first), Err(_)) => Ok(Some(first)),
            (Err(_), Ok(then)) => Ok(Some(then)),
            (Err(none), Err(_)) => Err(none),
        }
    }

    fn openness(&self, route: &InboundRoute) -> Openness {
        let schedule = route.schedule_id.and_then(|id| self.decision.config.schedules.get(&id));
        let zone = self.decision.tenant().map_or("UTC", |tenant| tenant.timezone.as_str());
        schedule.map_or(Openness::Open, |schedule| schedule.at(self.decision.moment.millis, zone))
    }

    fn destination(
        &mut self,
        route: &InboundRoute,
        reached: &Reached,
        timeout: u32,
        onward: Onward,
    ) -> Result<Destination, NoDestination> {
        let config: &'a Config = self.decision.config;
        let refuse = |code| Destination { rounds: vec![Round::Refuse { code }], ..Destination::default() };
        let mut destination = match reached {
            Reached::Extension { extension_id } => {
                let extension = config.extensions.get(extension_id).ok_or(NoDestination::Disabled)?;
                self.decision.ring(extension)?
            }
            Reached::ExtensionRange { first } => {
                let number = self.counted_from(route, first).ok_or(NoDestination::Disabled)?;
                let extension = config
                    .extension_by_number(self.decision.tenant, &number)
                    .ok_or(NoDestination::Disabled)?;
                self.decision.ring(extension)?
            }
            Reached::Trunk { trunk_id, number } => {
                let number = number.clone().unwrap_or_else(|| self.called.to_owned());
                let timeout = if timeout == 0 { TIMEOUT } else { timeout };
                return self.decision.over_trunk(*trunk_id, number, timeout, onward);
            }
            Reached::Number { number } => self.decision.dial(number)?,
            Reached::Busy => return Ok(refuse(486)),
            Reached::Hangup { code } => return Ok(refuse(*code)),
        };
        for round in &mut destination.rounds {
            if let Round::Extension { ring_timeout, onward: goes, .. } = round {
                *goes = onward.clone();
                if timeout != 0 {
                    *ring_timeout = timeout.min(*ring_timeout);
                }
            }
        }
        if let (Onward::NoAnswer, Some(last)) = (&onward, destination.rounds.last_mut()) {
            last.go_on_unanswered();
        }
        Ok(destination)
    }

    /// The extension that is as far from the first as the called number is from the first of the range.
    fn counted_from(&self, route: &InboundRoute, first: &str) -> Option<String> {
        let DidForm::Numbers(dids) = route.did.form() else { return None };
        let mut called = self.digits.iter().flatten().filter_map(|digits| Interval::single(digits.as_str()));
        let called = called.find(|called| dids.contains(called))?;
        let first = Interval::single(first)?;
        let range = Interval { last: first.first + dids.count() - 1, ..first };
        range.at(called.first - dids.first)
    }
}

/// Whether what follows the last round can ever be reached.
fn goes_on(destination: &Destination) -> bool {
    match destination.rounds.last() {
        Some(Round::Extension { onward, .. }) => *onward != Onward::Never,
        Some(Round::Trunk(step)) => step.onward == Onward::NoAnswer,
        Some(Round::Refuse { .. }) => false,
        None => true,
    }
}
