//! Rules on the fields of an inbound route.

use super::{range, text};
use crate::findings::Findings;
use crate::{Destination, Did, DidForm, Digits, InboundRoute, Interval};

pub(super) fn check(route: &InboundRoute, findings: &mut Findings) {
    text::check("name", Some(&route.name), text::label, findings);
    range::check("priority", route.priority, findings);
    range::check("no_answer_timeout", route.no_answer_timeout, findings);
    destination("destination", &route.destination, route, findings);
    let others =
        [("out_of_hours", &route.out_of_hours), ("holiday", &route.holiday), ("no_answer", &route.no_answer)];
    for (field, other) in others {
        if let Some(other) = other {
            destination(field, other, route, findings);
        }
        if other.is_some() && field != "no_answer" && route.schedule_id.is_none() {
            let message = format!("`{field}` says what happens by a schedule, and there is none");
            findings.invalid(
                field,
                "REQUIRED",
                message,
                format!("give `schedule_id`, or leave `{field}` out"),
            );
        }
    }
}

fn destination(field: &str, destination: &Destination, route: &InboundRoute, findings: &mut Findings) {
    match destination {
        Destination::ExtensionRange { first } => extension_range(field, first, &route.did, findings),
        Destination::Trunk { number: Some(number), .. } | Destination::Number { number } => {
            text::check(&format!("{field}.number"), Some(number), text::uri_user, findings);
            if is_itself(&route.did, number) {
                let message = "the call would come back to where it is";
                findings.invalid(format!("{field}.number"), "LOOP", message, "give another number");
            }
        }
        Destination::Hangup { code } if !(400..=699).contains(code) => {
            let message = format!("{code} refuses no call");
            let fix = "give a status from 400 to 699, as 404, 480 or 603";
            findings.invalid(format!("{field}.code"), "OUT_OF_RANGE", message, fix);
        }
        _ => {}
    }
}

/// One DID to each extension: both ranges have the same size, and extensions are numbers.
fn extension_range(field: &str, first: &str, did: &Did, findings: &mut Findings) {
    let path = format!("{field}.first");
    let DidForm::Numbers(dids) = did.form() else {
        let message = "only a range of numbers has one extension for each";
        return findings.invalid(
            path,
            "CONFLICTING_FIELDS",
            message,
            "write `did` as a range, as `13322496213-13322496215`",
        );
    };
    let Some(start) = Interval::single(first) else {
        let message = format!("`{}` is no number of an extension to count from", first.escape_debug());
        return findings.invalid(
            path,
            "BAD_FORMAT",
            message,
            "give the first extension's number in digits, as `100`",
        );
    };
    let last = start.first + dids.count() - 1;
    if last.to_string().len() > usize::from(start.digits) {
        let message =
            format!("{} extensions from {first} on do not fit into {} digits", dids.count(), start.digits);
        findings.invalid(path, "OUT_OF_RANGE", message, "begin lower, or make the DID range shorter");
    }
}

fn is_itself(did: &Did, number: &str) -> bool {
    let DidForm::Numbers(dids) = did.form() else { return false };
    let digits = Digits::parse(number).and_then(|digits| Interval::single(digits.as_str()));
    digits.is_some_and(|number| dids.contains(&number))
}
