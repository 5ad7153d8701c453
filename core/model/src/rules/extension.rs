//! Rules on the fields of an extension.

use super::{Touched, range, tenant, text};
use crate::findings::Findings;
use crate::{Config, Extension, ForwardReason, Kind, Secret, TenantId};
use std::collections::BTreeMap;

const SHORTEST_PASSWORD: usize = 8;
const MAX_NETWORKS: usize = 64;
const MAX_GROUPS: usize = 32;

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
    groups("groups", &extension.groups, findings);
    for reason in ForwardReason::ALL {
        forward(extension, reason, findings);
    }
    direct_token(extension, findings);
    if extension.voicemail {
        let fix = "leave it out, or give `false`; voicemail comes later";
        findings.invalid("voicemail", "NOT_SUPPORTED", "there is no voicemail yet", fix);
    }
    tenant::caller_id("outbound_cid", extension.outbound_cid.as_deref(), findings);
    for (trunk, number) in &extension.outbound_cid_by_trunk {
        tenant::caller_id(&format!("outbound_cid_by_trunk.{trunk}"), Some(number), findings);
    }
    super::codecs(&extension.codecs, findings);
}

/// No tenant gets more extensions than it may have. Those that it has stay.
pub(super) fn no_more_than_granted(
    before: &Config,
    after: &Config,
    touched: &Touched,
    findings: &mut Findings,
) {
    let mut new: BTreeMap<TenantId, Vec<usize>> = BTreeMap::new();
    for ((kind, id), position) in touched.iter().filter(|((kind, _), _)| *kind == Kind::Extension) {
        let tenant = |config: &Config| config.get(*kind, *id).and_then(|extension| extension.tenant_id());
        if let Some(tenant) = tenant(after).filter(|is| tenant(before) != Some(*is)) {
            new.entry(tenant).or_default().push(*position);
        }
    }
    for (id, mut positions) in new {
        let most = after.tenants.get(&id).map_or(0, |tenant| tenant.max_extensions as usize);
        if most == 0 {
            continue;
        }
        let all = after.extensions.values().filter(|extension| extension.tenant_id == Some(id)).count();
        positions.sort_unstable();
        for position in positions.into_iter().rev().take(all.saturating_sub(most)) {
            let message = format!("the tenant may have {most} extensions (max_extensions), and has them");
            let fix = "delete one that is not needed, or have who runs the system raise `max_extensions` of the tenant";
            findings.at(position).conflict("", "EXTENSION_LIMIT", message, fix);
        }
    }
}

fn direct_token(extension: &Extension, findings: &mut Findings) {
    let Some(token) = &extension.direct_token else { return };
    if !(8..=64).contains(&token.len()) || !token.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let message = "this cannot be a direct token";
        let fix = "give 8 to 64 letters and digits that nobody can guess, or leave it out";
        findings.invalid("direct_token", "BAD_FORMAT", message, fix);
    }
}

fn forward(extension: &Extension, reason: ForwardReason, findings: &mut Findings) {
    let field = match reason {
        ForwardReason::Busy => "forward_busy",
        ForwardReason::NoAnswer => "forward_no_answer",
        ForwardReason::Unregistered => "forward_unregistered",
    };
    let number = extension.forward(reason);
    text::check(field, number, text::uri_user, findings);
    if number == Some(&extension.number) {
        let message = "the call would come back to where it is";
        findings.invalid(field, "LOOP", message, "give another number, or leave it out");
    }
}

/// Names of groups, of an extension or that a route is for.
pub(super) fn groups(field: &str, groups: &[String], findings: &mut Findings) {
    if groups.len() > MAX_GROUPS {
        let message = format!("these are more than {MAX_GROUPS} groups");
        findings.invalid(field, "TOO_MANY", message, format!("name up to {MAX_GROUPS}"));
    }
    for (n, group) in groups.iter().enumerate() {
        let place = format!("{field}[{n}]");
        text::check(&place, Some(group), text::label, findings);
        if groups[..n].contains(group) {
            let message = format!("`{}` is in the list twice", group.escape_debug());
            findings.invalid(place, "DUPLICATE_VALUE", message, "remove one of them");
        }
    }
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
