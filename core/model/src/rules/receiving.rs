//! Rules on what comes from a trunk: who may be it, where numbers are, variables.

use super::{sending, text};
use crate::findings::Findings;
use crate::{Delimiters, Extract, Trunk, Vars};

const MAX_HOSTS: usize = 16;
const MAX_VARS: usize = 64;
const LONGEST_VALUE: usize = 255;
/// What a variable is called that is a header.
const HEADER: &str = "sip_h_";

pub(super) fn check(trunk: &Trunk, findings: &mut Findings) {
    super::trunk::networks("associated_ips", &trunk.associated_ips, findings);
    super::trunk::networks("challengers", &trunk.challengers, findings);
    if trunk.associated_hosts.len() > MAX_HOSTS {
        let message = format!("these are more than {MAX_HOSTS} hosts");
        findings.invalid(
            "associated_hosts",
            "TOO_MANY",
            message,
            "name networks in `associated_ips` instead",
        );
    }
    for (n, host) in trunk.associated_hosts.iter().enumerate() {
        text::check(&format!("associated_hosts[{n}]"), Some(host), text::host_port, findings);
    }
    extraction("did", trunk.did_pattern.as_ref(), trunk.did_delimiters.as_ref(), findings);
    extraction("cid", trunk.cid_pattern.as_ref(), trunk.cid_delimiters.as_ref(), findings);
    text::check("inbound_extension", trunk.inbound_extension.as_deref(), text::uri_user, findings);
    vars("inbound_context_vars", &trunk.inbound_context_vars, findings);
    vars("outbound_vars", &trunk.outbound_vars, findings);
    vars("imported_params", &trunk.imported_params, findings);
}

fn extraction(
    which: &str,
    pattern: Option<&Extract>,
    delimiters: Option<&Delimiters>,
    findings: &mut Findings,
) {
    let Some(Delimiters { after, before }) = delimiters else { return };
    let field = format!("{which}_delimiters");
    if pattern.is_some() {
        let message = format!("`{which}_pattern` and `{field}` both say what the number is");
        findings.invalid(field, "CONFLICTING_FIELDS", message, "give only one of them");
    } else if after.is_empty() && before.is_empty() {
        let message = "there is neither a text before the number nor one behind it";
        findings.invalid(field, "REQUIRED", message, "give `after`, `before` or both");
    } else if after.len().max(before.len()) > LONGEST_VALUE
        || (after.clone() + before).contains(char::is_control)
    {
        let message = "this cannot stand beside a number in a header";
        findings.invalid(field, "BAD_FORMAT", message, "use up to 255 characters without line ends");
    }
}

fn vars(field: &str, vars: &Vars, findings: &mut Findings) {
    if vars.len() > MAX_VARS {
        let message = format!("these are more than {MAX_VARS} variables");
        findings.invalid(field, "TOO_MANY", message, format!("give up to {MAX_VARS}"));
    }
    for (name, value) in vars {
        let at = format!("{field}.{name}");
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(legal) {
            let fix = "use 1 to 64 letters, digits, `_`, `.`, `-`";
            findings.invalid(at, "BAD_FORMAT", "this is no name of a variable", fix);
        } else if name.strip_prefix(HEADER).is_some_and(|header| !sending::is_free(header)) {
            let message = "this header is written by the server alone";
            let fix = format!("choose another header behind `{HEADER}`");
            findings.invalid(at, "RESERVED_HEADER", message, fix);
        } else if value.contains(char::is_control) || value.chars().count() > LONGEST_VALUE {
            let fix = format!("write it in one line of up to {LONGEST_VALUE} characters");
            findings.invalid(at, "BAD_FORMAT", "this cannot be the value of a variable", fix);
        }
    }
}
