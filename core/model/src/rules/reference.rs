//! Rules on what refers to what: nothing may refer to what is not there.

use super::Touched;
use crate::findings::Findings;
use crate::{Config, Entity, Kind, Number, Route, TrunkId};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// So many referrers are named; the rest are counted.
const NAMED: usize = 10;

pub(super) fn route(config: &Config, route: &Route, findings: &mut Findings) {
    for (n, step) in route.steps.iter().enumerate() {
        trunk(config, &format!("steps[{n}].trunk_id"), step.trunk_id, findings);
    }
}

pub(super) fn number(config: &Config, number: &Number, findings: &mut Findings) {
    if let Some(id) = number.trunk_id {
        trunk(config, "trunk_id", id, findings);
    }
    if let Some(id) = number.extension_id.filter(|id| !config.extensions.contains_key(id)) {
        let message = format!("there is no extension {id}");
        findings.invalid(
            "extension_id",
            "UNKNOWN_EXTENSION",
            message,
            "give the id of an extension that exists, or create it first",
        );
    }
}

fn trunk(config: &Config, field: &str, id: TrunkId, findings: &mut Findings) {
    if !config.trunks.contains_key(&id) {
        let message = format!("there is no trunk {id}");
        findings.invalid(
            field,
            "UNKNOWN_TRUNK",
            message,
            "give the id of a trunk that exists, or create it first",
        );
    }
}

/// Nothing that stays as it was may refer to what was deleted.
pub(super) fn deleted(before: &Config, after: &Config, touched: &Touched, findings: &mut Findings) {
    let is_gone =
        |&(kind, id): &(Kind, Uuid)| before.get(kind, id).is_some() && after.get(kind, id).is_none();
    let mut gone: BTreeMap<(Kind, Uuid), Vec<String>> =
        touched.keys().filter(|subject| is_gone(subject)).map(|subject| (*subject, Vec::new())).collect();
    if gone.is_empty() {
        return;
    }
    let mut refers = |subject: (Kind, Uuid), referrer: &dyn Fn() -> String| {
        if let Some(referrers) = gone.get_mut(&subject) {
            referrers.push(referrer());
        }
    };
    for route in after.routes.values().filter(|route| !touched.contains_key(&(Kind::Route, route.id.0))) {
        for trunk in route.steps.iter().map(|step| step.trunk_id).collect::<BTreeSet<_>>() {
            refers((Kind::Trunk, trunk.0), &|| format!("route `{}`", route.name));
        }
    }
    for number in after.numbers.values().filter(|number| !touched.contains_key(&(Kind::Number, number.id.0)))
    {
        let trunk = number.trunk_id.map(|id| (Kind::Trunk, id.0));
        let extension = number.extension_id.map(|id| (Kind::Extension, id.0));
        for subject in trunk.into_iter().chain(extension) {
            refers(subject, &|| format!("number {}", number.number));
        }
    }
    for ((kind, id), referrers) in gone.into_iter().filter(|(_, referrers)| !referrers.is_empty()) {
        let label = before.get(kind, id).as_ref().map(Entity::label).unwrap_or_default().to_owned();
        let message = format!("{} `{label}` is used by {}", kind.name(), list(referrers));
        let position = touched.get(&(kind, id)).copied().unwrap_or_default();
        findings.at(position).conflict(
            "",
            "REFERENCED",
            message,
            "take it out of them first, or delete them too",
        );
    }
}

fn list(mut referrers: Vec<String>) -> String {
    let more = referrers.len().saturating_sub(NAMED);
    referrers.truncate(NAMED);
    let names = referrers.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}
