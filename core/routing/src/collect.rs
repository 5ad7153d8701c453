//! The outbound routes that take a number, expanded into a plan.

use crate::dialled::Dialled;
use crate::outbound::{Decision, may_call};
use crate::{Attested, Availability, NoDestination, Onward, PlannedStep, Reason, Round, Verdict, shuffle};
use std::cmp::Reverse;
use std::sync::Arc;
use tandem_model::{
    Charge, Config, Digits, Kind, Money, NumberFormat, OnExhausted, Openness, Route, RouteMatch, Step,
    Strategy, Tenant, Trunk, TrunkId, country_of,
};

/// What the routes say.
pub(crate) struct Plan {
    pub rounds: Vec<Round>,
    pub reasons: Vec<Reason>,
    /// The first route is one of emergency numbers.
    pub emergency: bool,
    /// Why the tenant may not make this call, where a step was left out for that.
    pub forbidden: Option<NoDestination>,
}

/// A route that takes the call, and the form of the number by which it does.
struct Matching<'a> {
    route: &'a Arc<Route>,
    number: String,
    specificity: usize,
}

/// One step that may be tried, with the place of its reason.
struct Candidate {
    planned: PlannedStep,
    reason: usize,
}

/// What a step comes to where its trunk may be tried.
struct Usable {
    trunk: Arc<Trunk>,
    /// To be sent there.
    number: String,
    country: Option<&'static str>,
    charge: Option<Charge>,
    /// To be shown there.
    caller_id: Option<String>,
    attested: Option<Box<Attested>>,
}

/// Collects the steps of every route that takes the call, or nothing when none does.
pub(crate) fn plan(decision: &mut Decision, dialled: &Dialled) -> Option<Plan> {
    let tenant = decision.tenant();
    let matching = matching(decision, dialled, tenant);
    let emergency = matching.first()?.route.emergency;
    let (reasons, up, down) = (Vec::new(), Vec::new(), Vec::new());
    let mut collection =
        Collection { decision, tenant, dialled, emergency, reasons, up, down, forbidden: None };
    for Matching { route, number, .. } in matching {
        for (n, step) in ordered(route, collection.decision, dialled) {
            collection.add(route, n, step, &number);
        }
        if route.on_exhausted == OnExhausted::Stop {
            break;
        }
    }
    Some(collection.finish())
}

/// Routes that take the call: those of emergency first, the tenant's before the system's, by priority, then by how specific what
/// took it is, then by age.
fn matching<'a>(
    decision: &mut Decision<'a>,
    dialled: &Dialled,
    tenant: Option<&Tenant>,
) -> Vec<Matching<'a>> {
    let config: &'a Config = decision.config;
    let of_system = tenant.map_or(&[][..], |_| config.routes_of(None));
    let forms = dialled.forms();
    let mut matching: Vec<Matching> = Vec::new();
    for route in config.routes_of(decision.tenant).iter().chain(of_system) {
        match takes(decision, route, &forms, dialled, tenant) {
            Ok((number, specificity)) => {
                decision.trail.rule(Kind::Route, route.id.0, &route.name, true, || format!("takes {number}"));
                matching.push(Matching { route, number: number.clone(), specificity });
            }
            Err(why) => decision.trail.rule(Kind::Route, route.id.0, &route.name, false, || why.to_owned()),
        }
    }
    matching.sort_by_key(|Matching { route, specificity, .. }| {
        (!route.emergency, route.tenant_id.is_none(), route.priority, Reverse(*specificity))
    });
    matching
}

/// The form of the number that a route takes, and how specifically; or why it does not.
fn takes<'f>(
    decision: &Decision,
    route: &Route,
    forms: &'f [String],
    dialled: &Dialled,
    tenant: Option<&Tenant>,
) -> Result<(&'f String, usize), &'static str> {
    let asks = &route.matches;
    let found = forms.iter().filter_map(|form| Some((form, specificity(asks, form)?))).next();
    let found = found.ok_or("does not take the number")?;
    if !asks.extensions.is_empty() {
        let number = decision.extension.and_then(|extension| Digits::parse(&extension.number));
        if !asks.extensions.iter().any(|range| number.is_some() && range.matches(number.as_ref()).is_some()) {
            return Err("is for other extensions");
        }
    }
    if !asks.groups.is_empty() {
        let groups = decision.extension.map_or(&[][..], |extension| &extension.groups);
        if !asks.groups.iter().any(|asked| groups.contains(asked)) {
            return Err("is for other groups");
        }
    }
    if !asks.countries.is_empty() {
        let country = dialled.number().and_then(|digits| country_of(digits.as_str()));
        if !country.is_some_and(|country| asks.countries.iter().any(|asked| asked == country)) {
            return Err("is for other countries");
        }
    }
    if let Some(schedule) =
        route.schedule_id.and_then(|id| decision.config.schedules.get(&id)).filter(|_| !route.emergency)
    {
        let zone = tenant.map_or("UTC", |tenant| tenant.timezone.as_str());
        match schedule.at(decision.moment.millis, zone) {
            Openness::Open => {}
            Openness::Closed => return Err("its schedule is closed now"),
            Openness::Holiday => return Err("its schedule has a holiday now"),
        }
    }
    Ok(found)
}

/// How specifically what a route asks takes a number written so; none when it does not.
fn specificity(asks: &RouteMatch, number: &str) -> Option<usize> {
    if !asks.lengths.is_empty() && !asks.lengths.contains(&(number.chars().count() as u32)) {
        return None;
    }
    let patterns = asks
        .patterns
        .iter()
        .filter(|pattern| pattern.matches(number))
        .map(|pattern| pattern.literal_prefix());
    let prefixes = asks.prefixes.iter().filter(|prefix| number.starts_with(prefix.as_str())).map(String::len);
    match (asks.patterns.is_empty(), asks.prefixes.is_empty()) {
        (true, true) => Some(0),
        (false, true) => patterns.max(),
        (true, false) => prefixes.max(),
        // Both are asked for: both have to take it.
        (false, false) => Some(patterns.max()?.max(prefixes.max()?)),
    }
}

/// The steps of a route with their places from 1, in the order of its strategy.
fn ordered<'a>(route: &'a Route, decision: &mut Decision, dialled: &Dialled) -> Vec<(u32, &'a Step)> {
    let (config, conditions, millis) = (decision.config, decision.conditions, decision.moment.millis);
    let random = &mut decision.moment.random;
    let trunk_of = |step: &Step| config.trunks.get(&step.trunk_id);
    let of_trunk = |step: &Step| trunk_of(step).map_or(1, |trunk| trunk.weight);
    let price = |step: &Step| {
        let (rate, _) = config.rate(trunk_of(step)?, dialled.number()?.as_str(), millis)?;
        Some(rate.per_minute)
    };
    let mut steps: Vec<(u32, &Step)> = (1..).zip(&route.steps).collect();
    let mut rank: Box<dyn FnMut(&Step) -> u64> = match route.strategy {
        Strategy::Prioritized => return steps,
        Strategy::Random => Box::new(|_| shuffle(random)),
        // The smallest of exponential waits at rates in proportion to the weights (Efraimidis and Spirakis).
        Strategy::Weighted => Box::new(|step| {
            let luck = (shuffle(random) >> 11) as f64 / (1u64 << 53) as f64;
            (-(1.0 - luck).ln() / f64::from(step.weight.unwrap_or_else(|| of_trunk(step)).max(1)) * 1e12)
                as u64
        }),
        Strategy::LeastCost => Box::new(|step| price(step).map_or(u64::MAX, Money::millionths)),
        Strategy::Health => Box::new(|step| conditions.is_impaired(step.trunk_id).into()),
    };
    steps.sort_by_cached_key(|(_, step)| rank(step));
    steps
}

struct Collection<'d, 'a> {
    decision: &'d mut Decision<'a>,
    tenant: Option<&'a Tenant>,
    dialled: &'d Dialled<'d>,
    emergency: bool,
    reasons: Vec<Reason>,
    up: Vec<Candidate>,
    down: Vec<Candidate>,
    forbidden: Option<NoDestination>,
}

impl Collection<'_, '_> {
    fn add(&mut self, route: &Route, n: u32, step: &Step, dialled: &str) {
        let reason = self.reasons.len();
        let verdict = match self.usable(route, step, dialled) {
            Ok((Usable { trunk, number, country, charge, caller_id, attested }, verdict)) => {
                let onward = step.failover_on.clone().map_or(Onward::Failure, Onward::Only);
                let timeout = step.timeout;
                let no_fax = self.decision.no_fax(caller_id.as_deref());
                let diverted = self.decision.diversions(Some((&trunk, Some(step))));
                let planned = PlannedStep {
                    trunk,
                    route_id: route.id,
                    step: n,
                    number,
                    timeout,
                    max_minutes: route.max_minutes,
                    caller_id,
                    attested,
                    onward,
                    country,
                    charge,
                    tenant: self.decision.tenant,
                    emergency: self.emergency,
                    no_fax,
                    diverted,
                };
                // Of those that are down only what is tried in hope must differ; see `finish`.
                let is_down = verdict == Verdict::Down;
                let list = if is_down { &mut self.down } else { &mut self.up };
                if !is_down && is_in(list, &planned) {
                    Verdict::Duplicate
                } else {
                    list.push(Candidate { planned, reason });
                    verdict
                }
            }
            Err(verdict) => verdict,
        };
        let trunk_id = step.trunk_id;
        self.reasons.push(Reason { route_id: route.id, step: n, trunk_id, verdict });
        self.decision.trail.note(|| crate::Line {
            kind: Kind::Route,
            id: route.id.0,
            name: route.name.clone(),
            step: Some((n, trunk_id)),
            kept: verdict == Verdict::Kept,
            why: verdict.words().to_owned(),
        });
    }

    /// The number that the trunk is sent, and what it is with its country code, if the tenant may call it.
    ///
    /// Where its country is known the trunk writes it from its international form: what is sent is then what was allowed.
    fn number_for(
        &mut self,
        route: &Route,
        trunk: &Trunk,
        step: &Step,
        dialled: &str,
    ) -> Result<(String, Option<Digits>), Verdict> {
        let whole = number_of(step, dialled);
        let Some(tenant) = self.tenant else {
            return Ok((trunk.number_to_send(&whole), self.dialled.number().cloned()));
        };
        let as_dialled = trunk.number_format_out == NumberFormat::AsDialled;
        let touched = step.strip > 0 || !step.prepend.is_empty();
        let made = Dialled::new(whole.strip_suffix(step.postfix.as_str()).unwrap_or(&whole), Some(tenant));
        // What a step of the tenant makes of a number may be another one. What a route of the system makes of it is no number to dial,
        // nor is what a trunk of the tenant's own is sent.
        let is_own = trunk.tenant_id == Some(tenant.id);
        let called = match () {
            () if !touched || route.tenant_id.is_none() => self.dialled,
            () if is_own && made.e164.is_none() => self.dialled,
            () => &made,
        };
        if !self.emergency {
            let mut allowed = may_call(tenant, called, self.decision.conditions);
            // What was dialled is asked about once, not for each step.
            if allowed.is_ok() && !std::ptr::eq(called, self.dialled) {
                allowed = self.decision.may_reach(called);
            }
            if let Err(forbidden) = allowed {
                self.forbidden.get_or_insert(forbidden);
                return Err(Verdict::Forbidden);
            }
        }
        let written_by_us = !as_dialled && (!touched || route.tenant_id.is_some() && !is_own);
        let sent = match called.e164.as_ref().filter(|_| written_by_us) {
            Some(digits) => format!("{}{}", trunk.number_to_send(&format!("+{digits}")), step.postfix),
            None => trunk.number_to_send(&whole),
        };
        Ok((sent, called.number().cloned()))
    }

    /// The trunk of a step if it may be tried, now (`Kept`) or if nothing else is up (`Down`); else why not.
    fn usable(&mut self, route: &Route, step: &Step, dialled: &str) -> Result<(Usable, Verdict), Verdict> {
        if !step.enabled {
            return Err(Verdict::StepDisabled);
        }
        let Decision { config, conditions, .. } = *self.decision;
        let trunk = enabled_trunk(config, step.trunk_id).ok_or(Verdict::TrunkDisabled)?;
        if route.emergency && !trunk.emergency_ok {
            return Err(Verdict::NoEmergency);
        }
        if let Some(tenant) = self.tenant.filter(|tenant| trunk.tenant_id != Some(tenant.id)) {
            // A route of the system may name any of its trunks; the tenant's calls go only where it may call.
            let assigned =
                config.assignment(trunk.id, tenant.id).is_some_and(|assignment| assignment.can_outbound);
            let for_help = route.emergency && trunk.tenant_id.is_none();
            if !assigned && !for_help {
                return Err(Verdict::NotAssigned);
            }
        }
        let (number, called) = self.number_for(route, trunk, step, dialled)?;
        let (country, charge) = self.decision.tariff(trunk, called.as_ref());
        let is_within = |most| charge.as_ref().is_some_and(|charge| charge.per_minute <= most);
        if !self.emergency && !route.max_per_minute.is_none_or(is_within) {
            return Err(Verdict::TooDear);
        }
        let caller_id = self.decision.caller().choose(trunk, Some(step), route.emergency);
        let caller_id = match caller_id {
            Ok(caller_id) => caller_id,
            // Whoever needs help gets it, known or not.
            Err(()) if route.emergency => None,
            Err(()) => return Err(Verdict::NoCallerId),
        };
        let verdict = match conditions.availability(trunk.id, self.decision.tenant) {
            Availability::Up => Verdict::Kept,
            Availability::Down => Verdict::Down,
            Availability::Full if route.emergency => Verdict::Down,
            Availability::Full => return Err(Verdict::Full),
        };
        let attested = self.decision.attested(trunk, caller_id.as_deref(), called.as_ref());
        Ok((Usable { trunk: trunk.clone(), number, country, charge, caller_id, attested }, verdict))
    }

    fn finish(mut self) -> Plan {
        if self.up.is_empty() {
            for candidate in self.down {
                let doubled = is_in(&self.up, &candidate.planned);
                let verdict = if doubled { Verdict::Duplicate } else { Verdict::Hopeful };
                let reason = &mut self.reasons[candidate.reason];
                reason.verdict = verdict;
                self.decision.trail.correct(reason.route_id.0, reason.step, verdict);
                if !doubled {
                    self.up.push(candidate);
                }
            }
        }
        let rounds = self.up.into_iter().map(|candidate| Round::Trunk(candidate.planned)).collect();
        Plan { rounds, reasons: self.reasons, emergency: self.emergency, forbidden: self.forbidden }
    }
}

/// The trunk if it is there and switched on.
pub(crate) fn enabled_trunk(config: &Config, id: TrunkId) -> Option<&Arc<Trunk>> {
    config.trunks.get(&id).filter(|trunk| trunk.enabled)
}

fn is_in(candidates: &[Candidate], planned: &PlannedStep) -> bool {
    candidates
        .iter()
        .any(|other| other.planned.trunk.id == planned.trunk.id && other.planned.number == planned.number)
}

/// The number behind what the step takes away and puts before it.
fn number_of(step: &Step, dialled: &str) -> String {
    let left = dialled.char_indices().nth(usize::from(step.strip)).map_or("", |(at, _)| &dialled[at..]);
    format!("{}{left}{}", step.prepend, step.postfix)
}
