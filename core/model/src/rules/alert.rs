//! Rules on the fields of a rule for alerts, and on what they say together.

use super::text;
use crate::findings::Findings;
use crate::{AlertKind, AlertRule, Config};
use std::ops::RangeInclusive;

const LONGEST: RangeInclusive<u32> = 0..=86_400;
const WINDOW: RangeInclusive<u32> = 60..=900;

pub(super) fn check(config: &Config, rule: &AlertRule, findings: &mut Findings) {
    text::check("name", Some(&rule.name), text::label, findings);
    seconds("for_s", rule.for_s, LONGEST, findings);
    seconds("clear_for_s", rule.clear_for_s, LONGEST, findings);
    seconds("window_s", rule.window_s, WINDOW, findings);
    thresholds(rule, findings);
    if !rule.kind.is_of_trunks() && rule.trunk_id.is_some() {
        let message = format!("`{}` is about no trunk", rule.kind.key());
        findings.invalid("trunk_id", "CONFLICTING_FIELDS", message, "leave `trunk_id` out");
    }
    if rule.kind.is_of_server() && rule.tenant_id.is_some() {
        let message = format!("`{}` is about the server as a whole", rule.kind.key());
        let fix = "leave `tenant_id` out: the rule is the system's";
        findings.invalid("tenant_id", "SYSTEM_ONLY", message, fix);
    }
    if let (Some(tenant), Some(trunk)) = (rule.tenant_id, rule.trunk_id)
        && config.assignment(trunk, tenant).is_some()
    {
        let message = "this trunk is the system's: what goes over it is not this tenant's alone";
        findings.invalid("trunk_id", "OTHER_TENANT", message, "name a trunk of the tenant's own");
    }
    if rule.kind == AlertKind::Capacity
        && rule.trunk_id.and_then(|id| config.trunks.get(&id)).is_some_and(|trunk| trunk.max_calls == 0)
    {
        let message = "this trunk takes any number of calls, so that none are a part of it";
        findings.invalid("trunk_id", "NO_LIMIT", message, "set `max_calls` of the trunk first");
    }
}

fn seconds(field: &str, value: u32, range: RangeInclusive<u32>, findings: &mut Findings) {
    if !range.contains(&value) {
        let (low, high) = range.into_inner();
        let message = format!("{value} is not between {low} and {high}");
        findings.invalid(field, "OUT_OF_RANGE", message, format!("give a whole number from {low} to {high}"));
    }
}

fn thresholds(rule: &AlertRule, findings: &mut Findings) {
    let kind = rule.kind;
    let given = [("threshold", rule.threshold), ("clear_threshold", rule.clear_threshold)];
    if kind.defaults().thresholds.is_none() {
        for (field, _) in given.iter().filter(|(_, value)| value.is_some()) {
            let message = format!("`{}` is so or it is not: there is nothing to measure", kind.key());
            findings.invalid(
                *field,
                "CONFLICTING_FIELDS",
                message,
                "leave it out; `for_s` says how long it must last",
            );
        }
        return;
    }
    for (field, value) in given {
        if value.is_some_and(|value| !(0.0..=kind.most()).contains(&value)) {
            let message = format!("`{}` is a number from 0 to {}", kind.key(), kind.most());
            findings.invalid(
                field,
                "OUT_OF_RANGE",
                message,
                format!("give a number from 0 to {}", kind.most()),
            );
            return;
        }
    }
    let (Some(threshold), Some(clear)) = (rule.threshold, rule.clear_threshold) else { return };
    let (wrong, side) = match kind.is_low() {
        true => (clear < threshold, "below"),
        false => (clear > threshold, "above"),
    };
    if wrong {
        let message = format!("{clear} is {side} {threshold}: the alert would be cleared and raised at once");
        let fix = format!("give a `clear_threshold` that is not {side} `threshold`");
        findings.invalid("clear_threshold", "BAD_RANGE", message, fix);
    }
}
