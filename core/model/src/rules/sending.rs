//! Rules on what a trunk is sent: numbers, Contact, headers.

use super::text;
use crate::findings::Findings;
use crate::{Digits, FromCopy, NumberFormat, Trunk};
use std::collections::BTreeMap;
use tandem_sip_msg::Header;

/// Headers that a trunk may have added, and as long as each may be.
const MAX_HEADERS: usize = 32;
const LONGEST_HEADER: usize = 512;

pub(super) fn check(trunk: &Trunk, findings: &mut Findings) {
    slug(&trunk.slug, findings);
    from(trunk, findings);
    if trunk.caller_id_number.as_deref().is_some_and(|n| n.len() > 40 || Digits::parse(n).is_none()) {
        let message = "this is not a telephone number";
        let fix = "write it as `+15551234567`, or leave it out";
        findings.invalid("caller_id_number", "BAD_FORMAT", message, fix);
    }
    text::check("caller_id_name", trunk.caller_id_name.as_deref(), text::display, findings);
    if trunk.override_extension_cid && trunk.caller_id_number.is_none() {
        let message = "there is no number of the trunk to be shown for its extensions";
        let fix = "give `caller_id_number`, or set `override_extension_cid` to false";
        findings.invalid("override_extension_cid", "REQUIRED", message, fix);
    }
    text::check("contact_host", trunk.contact_host.as_deref(), text::host_port, findings);
    text::check("contact_params", trunk.contact_params.as_deref(), text::uri_params, findings);
    numbers(trunk, findings);
    headers("extra_headers", &trunk.extra_headers, findings);
    headers("header_map", &trunk.header_map, findings);
    for (field, is_so) in [("single_via", trunk.single_via), ("rewrite_via", trunk.rewrite_via)] {
        if !is_so {
            let message = "every request to a trunk is this server's own, with one Via and its own address";
            findings.invalid(
                field,
                "NOT_SUPPORTED",
                message,
                format!("leave `{field}` out, or set it to true"),
            );
        }
    }
}

fn slug(slug: &str, findings: &mut Findings) {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !(1..=48).contains(&slug.len()) || !slug.chars().all(legal) {
        let message = format!("`{}` cannot be a slug", slug.escape_debug());
        findings.invalid("slug", "BAD_FORMAT", message, "use 1 to 48 letters, digits, `.`, `_`, `-`");
    }
}

fn from(trunk: &Trunk, findings: &mut Findings) {
    let user = trunk.from_user.as_deref();
    if user.and_then(FromCopy::parse).is_some() {
        let message = "what is copied from the caller's From is said by `from_domain`";
        let fix = "put it into `from_domain`; here stands a user, or `caller` for the caller's number";
        findings.invalid("from_user", "BAD_FORMAT", message, fix);
    }
    text::check("from_user", user, text::uri_user, findings);
    if trunk.from_domain.as_deref() == Some(crate::trunk::CALLER) {
        let message = "`caller` is no host";
        let fix = "write `aleg_domain` for the host of the caller's own From";
        findings.invalid("from_domain", "BAD_FORMAT", message, fix);
    }
    text::check("from_domain", trunk.from_domain.as_deref(), text::host, findings);
}

fn numbers(trunk: &Trunk, findings: &mut Findings) {
    let digits = |text: &str, longest: usize| {
        text.len() <= longest && text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty()
    };
    let code = trunk.country_code.as_deref();
    if code.is_some_and(|code| !digits(code, 3) || code.starts_with('0')) {
        let message = "this is no country code";
        let fix = "write 1 to 3 digits without `+` or zeros before them, as `49`";
        findings.invalid("country_code", "BAD_FORMAT", message, fix);
    }
    if trunk.area_code.as_deref().is_some_and(|area| !digits(area, 6)) {
        let fix = "write 1 to 6 digits without the national prefix, as `30`";
        findings.invalid("area_code", "BAD_FORMAT", "this is no area code", fix);
    }
    for (field, prefix) in
        [("international_prefix", &trunk.international_prefix), ("national_prefix", &trunk.national_prefix)]
    {
        if !prefix.is_empty() && !digits(prefix, 5) {
            let fix = "write up to 5 digits, as they are dialled there";
            findings.invalid(field, "BAD_FORMAT", "this is no prefix of a telephone number", fix);
        }
    }
    if trunk.number_format_out == NumberFormat::National && code.is_none() {
        let message = "numbers can be written as within a country only if it is known which";
        let fix = "give `country_code`, and `national_prefix` where something is dialled before area codes";
        findings.invalid("country_code", "REQUIRED", message, fix);
    }
    for (field, affix) in [("tech_prefix", &trunk.tech_prefix), ("tech_postfix", &trunk.tech_postfix)] {
        let legal = |c: char| c.is_ascii_alphanumeric() || "+*#._@;=-".contains(c);
        if affix.len() > 32 || !affix.chars().all(legal) {
            let message = "this cannot stand beside a number";
            let fix = "use up to 32 letters, digits, and `+*#._@;=-`";
            findings.invalid(field, "BAD_FORMAT", message, fix);
        }
    }
}

/// For `extra_headers` name and value, for `header_map` the name here and the name there.
fn headers(field: &str, headers: &BTreeMap<String, String>, findings: &mut Findings) {
    if headers.len() > MAX_HEADERS {
        let message = format!("these are more than {MAX_HEADERS} headers");
        findings.invalid(field, "TOO_MANY", message, format!("give up to {MAX_HEADERS}"));
    }
    let is_map = field == "header_map";
    for (name, value) in headers {
        let at = format!("{field}.{name}");
        if !is_name(name) || is_map && !is_name(value) {
            let fix = "a header's name has letters, digits and `-.!%*_+'~`, up to 64";
            findings.invalid(at, "BAD_FORMAT", "this is no name of a header", fix);
            continue;
        }
        let written = if is_map { value } else { name };
        if is_reserved(written) || is_map && is_secret(name) {
            let message = format!("the header {written} is written by this server alone");
            let fix = "choose another header; an identity is set by `identity_header`, `from_user` and `caller_id_number`";
            findings.invalid(at, "RESERVED_HEADER", message, fix);
        } else if value.chars().any(char::is_control) {
            let fix = "write it in one line, without control characters";
            findings.invalid(at, "BAD_FORMAT", "a header's value holds no line end", fix);
        } else if value.chars().count() > LONGEST_HEADER {
            let message = format!("this is longer than {LONGEST_HEADER} characters");
            findings.invalid(at, "TOO_LONG", message, format!("shorten it to {LONGEST_HEADER} characters"));
        }
    }
}

/// Whether a header of this name may be added.
pub(super) fn is_free(name: &str) -> bool {
    is_name(name) && !is_reserved(name)
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+'~".contains(&b))
}

/// Whatever the server reads or writes itself, but for what says nothing of where a request goes and who sent it.
fn is_reserved(name: &str) -> bool {
    let harmless = [Header::PCalledPartyId, Header::Reason, Header::Accept, Header::Warning];
    let known = Header::parse(name).is_some_and(|header| !harmless.contains(&header));
    let lower = name.to_ascii_lowercase();
    let others = ["timestamp", "mime-version", "authentication-info", "in-reply-to"];
    known || lower.starts_with("content-") || others.contains(&&*lower) || lower.len() == 1
}

/// Credentials are for who asked for them.
fn is_secret(name: &str) -> bool {
    matches!(Header::parse(name), Some(Header::Authorization | Header::ProxyAuthorization))
}
