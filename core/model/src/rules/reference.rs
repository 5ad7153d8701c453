//! Rules on what refers to what: nothing may refer to what is not there.

use super::Touched;
use crate::findings::Findings;
use crate::{Config, ExtensionId, Kind, Number, Route, TrunkId};
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
        findings.invalid("extension_id", "UNKNOWN_EXTENSION", message, "give the id of an extension that exists, or create it first");
    }
}

fn trunk(config: &Config, field: &str, id: TrunkId, findings: &mut Findings) {
    if !config.trunks.contains_key(&id) {
        let message = format!("there is no trunk {id}");
        findings.invalid(field, "UNKNOWN_TRUNK", message, "give the id of a trunk that exists, or create it first");
    }
}

/// Something was deleted: nothing that stays as it was may refer to it.
pub(super) fn deleted(
    before: &Config,
    after: &Config,
    touched: &Touched,
    (kind, id): (Kind, Uuid),
    findings: &mut Findings,
) {
    let Some(gone) = before.get(kind, id) else { return };
    let untouched = |kind: Kind, id: Uuid| !touched.contains_key(&(kind, id));
    let mut referrers: Vec<String> = Vec::new();
    if kind == Kind::Trunk {
        let uses = |route: &Route| route.steps.iter().any(|step| step.trunk_id == TrunkId(id));
        let routes = after.routes.values().filter(|route| untouched(Kind::Route, route.id.0) && uses(route));
        referrers.extend(routes.map(|route| format!("route `{}`", route.name)));
    }
    if matches!(kind, Kind::Trunk | Kind::Extension) {
        let uses = |number: &Number| match kind {
            Kind::Trunk => number.trunk_id == Some(TrunkId(id)),
            _ => number.extension_id == Some(ExtensionId(id)),
        };
        let numbers = after.numbers.values().filter(|number| untouched(Kind::Number, number.id.0) && uses(number));
        referrers.extend(numbers.map(|number| format!("number {}", number.number)));
    }
    if referrers.is_empty() {
        return;
    }
    let more = referrers.len().saturating_sub(NAMED);
    referrers.truncate(NAMED);
    let mut names = referrers.join(", ");
    if more > 0 {
        names.push_str(&format!(" and {more} more"));
    }
    let message = format!("{} `{}` is used by {names}", kind.name(), gone.label());
    findings.conflict("", "REFERENCED", message, "take it out of them first, or delete them too");
}
