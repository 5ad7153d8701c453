//! Numeric fields and between which bounds they stand. Names mean the same in every kind.

use crate::findings::Findings;
use crate::read::last_name;

const RANGES: &[(&str, u32, u32)] = &[
    ("port", 1, 65_535),
    ("expires", 60, 86_400),
    ("retry_base", 5, 3600),
    ("retry_max", 5, 86_400),
    ("timeout_retry", 5, 3600),
    ("weight", 1, 1000),
    ("register_timeout", 5, 120),
    ("ping_timeout", 1, 60),
    ("ping_fail", 1, 100),
    ("ping_ok", 1, 100),
    ("priority", 0, 9999),
    ("strip", 0, 30),
    ("timeout", 2, 300),
    ("max_contacts", 1, 20),
    ("ring_timeout", 5, 300),
    ("no_answer_timeout", 0, 7400),
    ("lengths", 1, 64),
    ("weight", 1, 1000),
    ("max_extensions", 0, 1_000_000),
    ("max_concurrent_calls", 0, 1_000_000),
    ("max_cps", 0, 100_000),
    ("max_daily_intl_minutes", 0, 10_000_000),
    ("increment", 1, 3600),
    ("retention_days", 0, 36_500),
    ("max_minutes", 0, 10_080),
];

/// The bounds of the field that `path` ends in.
pub(crate) fn range_of(path: &str) -> Option<(u32, u32)> {
    let name = last_name(path);
    RANGES.iter().find(|(field, ..)| *field == name).map(|(_, low, high)| (*low, *high))
}

/// Checks a field against its bounds.
pub(super) fn check(field: impl Into<String>, value: impl Into<u32>, findings: &mut Findings) {
    let (field, value) = (field.into(), value.into());
    let Some((low, high)) = range_of(&field) else { unreachable!("{field} has no range") };
    if !(low..=high).contains(&value) {
        let message = format!("{value} is not between {low} and {high}");
        findings.invalid(field, "OUT_OF_RANGE", message, format!("give a whole number from {low} to {high}"));
    }
}
