//! Rules on the fields of a schedule.

use super::{tenant, text};
use crate::Schedule;
use crate::findings::Findings;

const MOST: usize = 366;

pub(super) fn check(schedule: &Schedule, findings: &mut Findings) {
    text::check("name", Some(&schedule.name), text::label, findings);
    tenant::timezone(schedule.timezone.as_deref(), findings);
    for (field, count) in [("hours", schedule.hours.len()), ("holidays", schedule.holidays.len())] {
        if count > MOST {
            let message = format!("{count} are more than {MOST}");
            findings.invalid(
                field,
                "OUT_OF_RANGE",
                message,
                format!("give at most {MOST}; days in a row are one item"),
            );
        }
    }
    for (n, hours) in schedule.hours.iter().enumerate() {
        if hours.from == hours.to {
            let fix = "give an end after the beginning; the whole day is from `00:00` to `24:00`";
            findings.invalid(format!("hours[{n}].to"), "BAD_RANGE", "these hours have no length", fix);
        }
        if hours.first_date.zip(hours.last_date).is_some_and(|(first, last)| last < first) {
            backwards(format!("hours[{n}].last_date"), findings);
        }
    }
    for (n, holiday) in schedule.holidays.iter().enumerate() {
        text::check(&format!("holidays[{n}].name"), holiday.name.as_deref(), text::label, findings);
        if holiday.last_date.is_some_and(|last| last < holiday.date) {
            backwards(format!("holidays[{n}].last_date"), findings);
        }
    }
}

fn backwards(field: String, findings: &mut Findings) {
    findings.invalid(
        field,
        "BAD_RANGE",
        "the last day is before the first",
        "give a day that is not before the first",
    );
}
