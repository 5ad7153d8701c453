//! Rules on the fields of a tenant.

use super::{range, text};
use crate::country::country;
use crate::findings::Findings;
use crate::schedule::is_timezone;
use crate::{Digits, Tenant};

pub(super) fn check(tenant: &Tenant, findings: &mut Findings) {
    text::check("name", Some(&tenant.name), text::label, findings);
    text::check("slug", Some(&tenant.slug), text::slug, findings);
    text::check("sip_domain", tenant.sip_domain.as_deref(), text::host, findings);
    timezone(Some(&tenant.timezone), findings);
    countries("country", tenant.country.as_slice(), findings);
    countries("allowed_countries", &tenant.allowed_countries, findings);
    digits("international_prefix", Some(tenant.international_prefix.as_str()), 1, 6, findings);
    digits("national_prefix", tenant.national_prefix.as_deref(), 0, 4, findings);
    digits("area_code", tenant.area_code.as_deref(), 1, 6, findings);
    for (n, prefix) in tenant.blocked_prefixes.iter().enumerate() {
        digits(&format!("blocked_prefixes[{n}]"), Some(prefix), 1, 15, findings);
    }
    range::check("max_extensions", tenant.max_extensions, findings);
    range::check("max_concurrent_calls", tenant.max_concurrent_calls, findings);
    range::check("max_cps", tenant.max_cps, findings);
    range::check("max_daily_intl_minutes", tenant.max_daily_intl_minutes, findings);
    range::check("retention_days", tenant.retention_days, findings);
    caller_id("default_caller_id", tenant.default_caller_id.as_deref(), findings);
}

/// A time zone, if one is given.
pub(super) fn timezone(name: Option<&str>, findings: &mut Findings) {
    if name.is_some_and(|name| !is_timezone(name)) {
        let message = "this is no time zone";
        findings.invalid(
            "timezone",
            "UNKNOWN_TIMEZONE",
            message,
            "write it as `Europe/Berlin` or `America/New_York`",
        );
    }
}

/// Countries by their codes; one that is given alone has no place in its path.
pub(super) fn countries(field: &str, codes: &[String], findings: &mut Findings) {
    for (n, code) in codes.iter().enumerate() {
        if country(code).is_none() {
            let path = if field == "country" { field.to_owned() } else { format!("{field}[{n}]") };
            let message = format!("`{}` is no country that has a calling code", code.escape_debug());
            let fix = "give its two letters by ISO 3166-1 in capitals, as `US` or `DE`";
            findings.invalid(path, "UNKNOWN_COUNTRY", message, fix);
        }
    }
}

fn digits(field: &str, text: Option<&str>, least: usize, most: usize, findings: &mut Findings) {
    let Some(text) = text else { return };
    if !(least..=most).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_digit()) {
        let message = format!("`{}` cannot stand here", text.escape_debug());
        findings.invalid(
            field,
            "BAD_FORMAT",
            message,
            format!("give {least} to {most} digits and nothing else"),
        );
    }
}

/// A caller number, if one is given.
pub(super) fn caller_id(field: &str, number: Option<&str>, findings: &mut Findings) {
    if number.is_some_and(|number| number.len() > 40 || Digits::parse(number).is_none()) {
        let message = "this is not a telephone number";
        findings.invalid(field, "BAD_FORMAT", message, "write it as `+15551234567`, or leave it out");
    }
}
