//! Rules on the fields of a number, and on how it goes from hand to hand.

use super::text;
use crate::findings::Findings;
use crate::{Number, NumberStatus, NumberType};

/// `before` is the number as it was, where there was one.
pub(super) fn check(before: Option<&Number>, number: &Number, findings: &mut Findings) {
    let digits = number.digits();
    if digits.is_none() {
        let message = "this is not a telephone number of 1 to 32 digits";
        findings.invalid(
            "number",
            "BAD_FORMAT",
            message,
            "write it as `+15551234567`, with digits after an optional `+`",
        );
    } else {
        text::check("number", Some(&number.number), text::label, findings);
    }
    text::check("name", number.name.as_deref(), text::label, findings);
    text::check("provisioning_ref", number.provisioning_ref.as_deref(), text::username, findings);
    if number.extension_id.is_some() && number.trunk_id.is_some() {
        let message = "`extension_id` and `trunk_id` both say what the number reaches";
        let fix = "give only one of them; in a patch set the other to null";
        findings.invalid("trunk_id", "CONFLICTING_FIELDS", message, fix);
    }
    let is_private = digits.is_some_and(|digits| digits.is_private());
    if is_private && number.kind != NumberType::Private {
        let message = "a number of fewer than 7 digits is known in one house only";
        findings.invalid("type", "CONFLICTING_FIELDS", message, "leave `type` out, or give `private`");
    }
    status(before, number, is_private, findings);
}

fn status(before: Option<&Number>, number: &Number, is_private: bool, findings: &mut Findings) {
    let status = number.status;
    if number.enabled != status.is_in_force() {
        let message =
            format!("`enabled` {} and `status` `{}` contradict each other", number.enabled, status.key());
        findings.invalid("enabled", "CONFLICTING_FIELDS", message, "give only one of them");
    }
    let mut refuse = |reason, message: String, fix| findings.invalid("status", reason, message, fix);
    if status.is_nobodys() {
        let belongs =
            number.tenant_id.is_some() || number.extension_id.is_some() || number.trunk_id.is_some();
        if belongs {
            let message = format!("a number that is {} is nobody's and reaches nothing", status.key());
            let fix = "set `tenant_id`, `extension_id` and `trunk_id` to null; a tenant gives its number back by `release`";
            refuse("CONFLICTING_FIELDS", message, fix);
        }
        if is_private {
            let message =
                "a number of fewer than 7 digits is each tenant's own, and nobody else's to have".to_owned();
            refuse("CONFLICTING_FIELDS", message, "delete it, or set `status` to `disabled`");
        }
    }
    match before.map(|before| before.status) {
        Some(NumberStatus::Released) if status.is_in_force() => {
            let message = "it was given back, and nobody can have it before it is available again".to_owned();
            refuse("NOT_AVAILABLE", message, "set `status` to `available` first");
        }
        Some(NumberStatus::Available) if status == NumberStatus::Released => {
            let message = "nobody has it who could give it back".to_owned();
            refuse(
                "NOT_ASSIGNED",
                message,
                "leave it `available`, or set `status` to `disabled` to keep it from being bought",
            );
        }
        _ => {}
    }
}
