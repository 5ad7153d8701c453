//! Rules on the fields of an extension.

use super::{range, tenant, text};
use crate::findings::Findings;
use crate::{Extension, Secret};

const SHORTEST_PASSWORD: usize = 8;
const MAX_NETWORKS: usize = 64;

pub(super) fn check(extension: &Extension, findings: &mut Findings) {
    text::check("name", Some(&extension.name), text::label, findings);
    identifier("number", &extension.number, "", findings);
    identifier("username", &extension.username, "+", findings);
    password(extension, findings);
    range::check("max_contacts", extension.max_contacts, findings);
    range::check("ring_timeout", extension.ring_timeout, findings);
    if extension.allowed_cidrs.len() > MAX_NETWORKS {
        let message = format!("these are more than {MAX_NETWORKS} networks");
        findings.invalid("allowed_cidrs", "TOO_MANY", message, "name fewer that are wider");
    }
    tenant::caller_id("outbound_cid", extension.outbound_cid.as_deref(), findings);
    for (trunk, number) in &extension.outbound_cid_by_trunk {
        tenant::caller_id(&format!("outbound_cid_by_trunk.{trunk}"), Some(number), findings);
    }
    super::codecs(&extension.codecs, findings);
}

fn identifier(field: &str, text: &str, besides: &str, findings: &mut Findings) {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c) || besides.contains(c);
    if !(1..=32).contains(&text.len()) || !text.chars().all(legal) {
        let plus = if besides.is_empty() { "" } else { " and `+`" };
        let message = format!("`{}` cannot be the {field} of an extension", text.escape_debug());
        let fix = format!("use 1 to 32 letters, digits, `.`, `_`, `-`{plus}");
        findings.invalid(field, "BAD_FORMAT", message, fix);
    }
}

fn password(extension: &Extension, findings: &mut Findings) {
    let Some(password) = extension.password.as_ref().map(Secret::expose) else {
        let message = "an extension needs a password";
        return findings.invalid("password", "REQUIRED", message, "give it one of 8 to 128 characters");
    };
    let mut weak = |message: &str, fix: &str| findings.invalid("password", "WEAK_PASSWORD", message, fix);
    if password.eq_ignore_ascii_case(&extension.username) {
        return weak("the password is the username", "choose one that cannot be guessed");
    }
    if password.eq_ignore_ascii_case(&extension.number) {
        return weak("the password is the number", "choose one that cannot be guessed");
    }
    if password.chars().count() < SHORTEST_PASSWORD {
        return weak("the password has fewer than 8 characters", "choose one of 8 to 128 characters");
    }
    text::check("password", Some(password), text::password, findings);
}
