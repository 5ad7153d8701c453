//! The outbound routes that take a number, expanded into a plan.

use crate::{Availability, Plan, PlannedStep, Reason, TrunkHealth, Verdict};
use std::cmp::Reverse;
use std::sync::Arc;
use tandem_model::{Config, OnExhausted, Pattern, Route, Step, Trunk, TrunkId};

/// One step that may be tried, with the place of its reason.
struct Candidate {
    planned: PlannedStep,
    reason: usize,
}

/// Collects the steps of every route that takes `dialled`, or nothing when none does.
pub(crate) fn plan(config: &Config, dialled: &str, health: &dyn TrunkHealth) -> Option<Plan> {
    let mut collection = Collection { config, health, reasons: Vec::new(), up: Vec::new(), down: Vec::new() };
    let routes = matching(config, dialled);
    if routes.is_empty() {
        return None;
    }
    for route in routes {
        for (n, step) in (1..).zip(&route.steps) {
            collection.add(route, n, step, dialled);
        }
        if route.on_exhausted == OnExhausted::Stop {
            break;
        }
    }
    Some(collection.finish())
}

/// Routes that take the number: by priority, then by how specific the pattern is that took it, then by age.
fn matching<'a>(config: &'a Config, dialled: &str) -> Vec<&'a Arc<Route>> {
    let specificity = |route: &Route| match route.matches.patterns.as_slice() {
        [] => Some(0),
        patterns => {
            patterns.iter().filter(|pattern| pattern.matches(dialled)).map(Pattern::literal_prefix).max()
        }
    };
    let routes = config.routes_in_order().iter();
    let mut matching: Vec<_> =
        routes.filter_map(|route| specificity(route).map(|prefix| (prefix, route))).collect();
    matching.sort_by_key(|(prefix, route)| (route.priority, Reverse(*prefix)));
    matching.into_iter().map(|(_, route)| route).collect()
}

struct Collection<'a> {
    config: &'a Config,
    health: &'a dyn TrunkHealth,
    reasons: Vec<Reason>,
    up: Vec<Candidate>,
    down: Vec<Candidate>,
}

impl Collection<'_> {
    fn add(&mut self, route: &Route, n: u32, step: &Step, dialled: &str) {
        let reason = self.reasons.len();
        let planned = |trunk: &Arc<Trunk>| PlannedStep {
            trunk: trunk.clone(),
            route_id: route.id,
            step: n,
            number: trunk.number_to_send(&number_of(step, dialled)),
            timeout: step.timeout,
        };
        let verdict = match usable(self.config, self.health, step) {
            Ok((trunk, Verdict::Down)) => {
                self.down.push(Candidate { planned: planned(trunk), reason });
                Verdict::Down
            }
            Ok((trunk, verdict)) => {
                let planned = planned(trunk);
                let doubled = is_in(&self.up, &planned);
                if !doubled {
                    self.up.push(Candidate { planned, reason });
                }
                if doubled { Verdict::Duplicate } else { verdict }
            }
            Err(verdict) => verdict,
        };
        self.reasons.push(Reason { route_id: route.id, step: n, trunk_id: step.trunk_id, verdict });
    }

    fn finish(mut self) -> Plan {
        if self.up.is_empty() {
            for candidate in self.down {
                let doubled = is_in(&self.up, &candidate.planned);
                self.reasons[candidate.reason].verdict =
                    if doubled { Verdict::Duplicate } else { Verdict::Hopeful };
                if !doubled {
                    self.up.push(candidate);
                }
            }
        }
        let steps = self.up.into_iter().map(|candidate| candidate.planned).collect();
        Plan { steps, reasons: self.reasons }
    }
}

/// The trunk of a step if it may be tried, now (`Kept`) or if nothing else is up (`Down`); else why not.
fn usable<'a>(
    config: &'a Config,
    health: &dyn TrunkHealth,
    step: &Step,
) -> Result<(&'a Arc<Trunk>, Verdict), Verdict> {
    if !step.enabled {
        return Err(Verdict::StepDisabled);
    }
    let trunk = enabled_trunk(config, step.trunk_id).ok_or(Verdict::TrunkDisabled)?;
    match health.availability(trunk.id) {
        Availability::Up => Ok((trunk, Verdict::Kept)),
        Availability::Down => Ok((trunk, Verdict::Down)),
        Availability::Full => Err(Verdict::Full),
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
    format!("{}{left}", step.prepend)
}
