//! Rules on the fields of a class of service.

use super::{route, tenant, text};
use crate::findings::Findings;
use crate::{ClassOfService, Reach};

/// Patterns, beginnings and the like of one list.
const MOST: usize = 256;

pub(super) fn check(class: &ClassOfService, findings: &mut Findings) {
    text::check("name", Some(&class.name), text::label, findings);
    for (field, reach) in [("allowed", &class.allowed), ("denied", &class.denied)] {
        check_reach(field, reach, class.tenant_id.is_some(), findings);
    }
    if class.allowed.is_empty() && class.denied.is_empty() {
        let fix = "say in `allowed` or in `denied` what, as `{\"kinds\": [\"international\"]}`";
        findings.invalid(
            "allowed",
            "REQUIRED",
            "a class that allows and denies nothing changes nothing",
            fix,
        );
    }
}

fn check_reach(field: &str, reach: &Reach, has_tenant: bool, findings: &mut Findings) {
    if !reach.kinds.is_empty() && !has_tenant {
        let message = "the system has no country by which a call is national or international";
        let fix = "give `countries`, `prefixes` or `patterns`, or give the class a tenant";
        findings.invalid(format!("{field}.kinds"), "CONFLICTING_FIELDS", message, fix);
    }
    tenant::countries(&format!("{field}.countries"), &reach.countries, findings);
    route::prefixes(&format!("{field}.prefixes"), &reach.prefixes, findings);
    for (name, count) in [("prefixes", reach.prefixes.len()), ("patterns", reach.patterns.len())] {
        if count > MOST {
            let message = format!("{count} are more than {MOST}");
            findings.invalid(format!("{field}.{name}"), "TOO_MANY", message, "give fewer that take more");
        }
    }
}
