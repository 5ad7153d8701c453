//! Where a call goes.

use crate::collect::{self, enabled_trunk};
use crate::{
    Availability, Destination, NoDestination, Plan, PlannedStep, Reason, TrunkHealth, Verdict, nearest,
};
use std::sync::Arc;
use tandem_model::{Config, Digits, Extension, Number, RouteId, TrunkId};

/// How long a trunk that a number names may take to ring, and again to answer, seconds: what a step has by default.
const TIMEOUT: u32 = 60;

/// Where a call by one of our extensions goes: an extension dialled by its number, one of our own numbers, else the outbound routes.
pub fn from_extension(
    config: &Config,
    dialled: &str,
    health: &dyn TrunkHealth,
) -> Result<Destination, NoDestination> {
    if let Some(extension) = config.extension_by_number(dialled) {
        return ring(extension);
    }
    let digits = Digits::parse(dialled);
    if let Some(number) = digits.as_ref().and_then(|digits| config.number(digits)) {
        return reached_by(config, number, health);
    }
    match collect::plan(config, dialled, health) {
        Some(plan) if plan.steps.is_empty() => Err(NoDestination::Unavailable(plan)),
        Some(plan) => Ok(Destination::Trunks(plan)),
        None => Err(unmatched(config, digits.as_ref())),
    }
}

/// Where a call that came in over a trunk goes: only to what a configured number says. Never out by the outbound routes.
/// The number that matched comes along.
pub fn from_trunk(
    config: &Config,
    called: &str,
    health: &dyn TrunkHealth,
) -> Result<(Arc<Number>, Destination), NoDestination> {
    let digits = Digits::parse(called);
    let Some(number) = digits.as_ref().and_then(|digits| config.number(digits)) else {
        return Err(unmatched(config, digits.as_ref()));
    };
    reached_by(config, number, health).map(|destination| (number.clone(), destination))
}

fn reached_by(
    config: &Config,
    number: &Number,
    health: &dyn TrunkHealth,
) -> Result<Destination, NoDestination> {
    if !number.enabled {
        return Err(NoDestination::Disabled);
    }
    match (number.extension_id, number.trunk_id) {
        (Some(id), _) => config.extensions.get(&id).map_or(Err(NoDestination::Disabled), ring),
        (None, Some(id)) => over_trunk(config, number, id, health),
        (None, None) => Err(NoDestination::Disabled),
    }
}

fn ring(extension: &Arc<Extension>) -> Result<Destination, NoDestination> {
    match extension.enabled {
        true => Ok(Destination::Extension(extension.clone())),
        false => Err(NoDestination::Disabled),
    }
}

/// Out over the one trunk that a number names, with the number as it is written in the configuration.
fn over_trunk(
    config: &Config,
    number: &Number,
    trunk_id: TrunkId,
    health: &dyn TrunkHealth,
) -> Result<Destination, NoDestination> {
    let trunk = enabled_trunk(config, trunk_id).ok_or(NoDestination::Disabled)?;
    let (route_id, step) = (RouteId::NIL, 0);
    let number = trunk.number_to_send(&number.number);
    let planned = PlannedStep { trunk: trunk.clone(), route_id, step, number, timeout: TIMEOUT };
    let plan = |steps, verdict| Plan { steps, reasons: vec![Reason { route_id, step, trunk_id, verdict }] };
    match health.availability(trunk_id) {
        Availability::Up => Ok(Destination::Trunks(plan(vec![planned], Verdict::Kept))),
        Availability::Down => Ok(Destination::Trunks(plan(vec![planned], Verdict::Hopeful))),
        Availability::Full => Err(NoDestination::Unavailable(plan(Vec::new(), Verdict::Full))),
    }
}

fn unmatched(config: &Config, digits: Option<&Digits>) -> NoDestination {
    NoDestination::Unmatched { nearest: digits.and_then(|digits| nearest::number(config, digits)) }
}
