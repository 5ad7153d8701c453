//! Rules on the fields of a number.

use super::text;
use crate::findings::Findings;
use crate::{Digits, Number};

pub(super) fn check(number: &Number, findings: &mut Findings) {
    if Digits::parse(&number.number).is_none() {
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
    if number.extension_id.is_some() && number.trunk_id.is_some() {
        let message = "`extension_id` and `trunk_id` both say what the number reaches";
        let fix = "give only one of them; in a patch set the other to null";
        findings.invalid("trunk_id", "CONFLICTING_FIELDS", message, fix);
    }
}
