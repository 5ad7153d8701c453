//! Rules on the fields of a route.

use super::{extension, range, tenant, text};
use crate::findings::Findings;
use crate::{Pattern, Route, RouteMatch, Step};

const MOST_STEPS: usize = 6;
const LONGEST_PREPEND: usize = 32;

pub(super) fn check(route: &Route, findings: &mut Findings) {
    text::check("name", Some(&route.name), text::label, findings);
    range::check("priority", route.priority, findings);
    range::check("max_minutes", route.max_minutes, findings);
    if route.emergency && route.max_minutes != 0 {
        let message = "a call for help is never cut off";
        findings.invalid("max_minutes", "CONFLICTING_FIELDS", message, "leave `max_minutes` out");
    }
    if !(1..=MOST_STEPS).contains(&route.steps.len()) {
        let message = format!("a route has 1 to {MOST_STEPS} steps, not {}", route.steps.len());
        let fix = "name the trunks to try; where more are needed, set `on_exhausted` to `next_rule` and make a second route";
        findings.invalid("steps", "OUT_OF_RANGE", message, fix);
    }
    matches(&route.matches, findings);
    let shortest = shortest(&route.matches);
    for (n, step) in route.steps.iter().enumerate() {
        check_step(&format!("steps[{n}]"), step, shortest, findings);
    }
}

fn check_step(path: &str, step: &Step, shortest: usize, findings: &mut Findings) {
    let strip = format!("{path}.strip");
    range::check(&*strip, step.strip, findings);
    if step.strip <= 30 && usize::from(step.strip) >= shortest {
        let message = format!(
            "the route takes numbers of {shortest} characters, and stripping {} leaves nothing of them",
            step.strip
        );
        let fix = match shortest {
            1 => "strip nothing, or give the route patterns of longer numbers, as `9X.`".to_owned(),
            _ => format!("strip at most {}, or take the short pattern out of the route", shortest - 1),
        };
        findings.invalid(strip, "STRIP_TOO_LONG", message, fix);
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || "+*#._-".contains(c);
    for (name, text, place) in [("prepend", &step.prepend, "before"), ("postfix", &step.postfix, "behind")] {
        if text.len() > LONGEST_PREPEND || !text.chars().all(legal) {
            let message = format!("this cannot be put {place} a number");
            let fix =
                format!("use at most {LONGEST_PREPEND} digits, letters, `+`, `*`, `#`, `.`, `_` and `-`");
            findings.invalid(format!("{path}.{name}"), "BAD_FORMAT", message, fix);
        }
    }
    tenant::caller_id(&format!("{path}.caller_id"), step.caller_id.as_deref(), findings);
    if let Some(weight) = step.weight {
        range::check(format!("{path}.weight"), weight, findings);
    }
    range::check(format!("{path}.timeout"), step.timeout, findings);
}

fn matches(matches: &RouteMatch, findings: &mut Findings) {
    prefixes("match.prefixes", &matches.prefixes, findings);
    for (n, length) in matches.lengths.iter().enumerate() {
        range::check(format!("match.lengths[{n}]"), *length, findings);
    }
    extension::groups("match.groups", &matches.groups, findings);
    tenant::countries("match.countries", &matches.countries, findings);
}

/// Beginnings of numbers as they may be dialled.
pub(super) fn prefixes(field: &str, prefixes: &[String], findings: &mut Findings) {
    for (n, prefix) in prefixes.iter().enumerate() {
        if !(1..=32).contains(&prefix.len())
            || !prefix.chars().all(|c| c.is_ascii_digit() || "+*#".contains(c))
        {
            let message = format!("`{}` is no beginning of a number", prefix.escape_debug());
            let fix = "give 1 to 32 digits, `+`, `*` and `#`; for anything else use a pattern";
            findings.invalid(format!("{field}[{n}]"), "BAD_FORMAT", message, fix);
        }
    }
}

/// The length of the shortest number that the route takes; where nothing is asked of it, it takes a single character too.
fn shortest(matches: &RouteMatch) -> usize {
    let patterns = matches.patterns.iter().map(Pattern::shortest).min();
    let prefixes = matches.prefixes.iter().map(String::len).min();
    let lengths = matches.lengths.iter().map(|length| *length as usize).min();
    [patterns, prefixes, lengths].into_iter().flatten().max().unwrap_or(1).max(1)
}
