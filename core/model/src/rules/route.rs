//! Rules on the fields of a route.

use super::{range, text};
use crate::findings::Findings;
use crate::{Pattern, Route, Step};

const MOST_STEPS: usize = 6;
const LONGEST_PREPEND: usize = 32;

pub(super) fn check(route: &Route, findings: &mut Findings) {
    text::check("name", Some(&route.name), text::label, findings);
    range::check("priority", route.priority, findings);
    if !(1..=MOST_STEPS).contains(&route.steps.len()) {
        let message = format!("a route has 1 to {MOST_STEPS} steps, not {}", route.steps.len());
        let fix = "name the trunks to try; where more are needed, set `on_exhausted` to `next_rule` and make a second route";
        findings.invalid("steps", "OUT_OF_RANGE", message, fix);
    }
    let shortest = shortest(&route.matches.patterns);
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
    if step.prepend.len() > LONGEST_PREPEND || !step.prepend.chars().all(legal) {
        let message = "this cannot be put before a number";
        let fix = format!("use at most {LONGEST_PREPEND} digits, letters, `+`, `*`, `#`, `.`, `_` and `-`");
        findings.invalid(format!("{path}.prepend"), "BAD_FORMAT", message, fix);
    }
    range::check(format!("{path}.timeout"), step.timeout, findings);
}

/// The length of the shortest number that the route takes; without patterns it takes a single character too.
fn shortest(patterns: &[Pattern]) -> usize {
    patterns.iter().map(Pattern::shortest).min().unwrap_or(1)
}
