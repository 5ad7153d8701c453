//! What text fields may hold. Nothing with a control character ever passes: none can end up in a SIP header.

use crate::findings::Findings;
use std::net::{IpAddr, Ipv6Addr};

/// What is wrong with a text.
pub(super) struct Fault {
    reason: &'static str,
    message: String,
    fix: String,
}

pub(super) type Verdict = Result<(), Fault>;

pub(super) fn bad<T>(message: impl Into<String>, fix: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { reason: "BAD_FORMAT", message: message.into(), fix: fix.into() })
}

/// Checks a field if it is given.
pub(super) fn check(field: &str, text: Option<&str>, rule: fn(&str) -> Verdict, findings: &mut Findings) {
    if let Some(Err(Fault { reason, message, fix })) = text.map(rule) {
        findings.invalid(field, reason, message, fix);
    }
}

/// A name that people gave something.
pub(super) fn label(text: &str) -> Verdict {
    if text.trim().is_empty() {
        let fix = "give it a name of 1 to 64 characters".to_owned();
        return Err(Fault { reason: "REQUIRED", message: "the name is empty".to_owned(), fix });
    }
    plain(text, 64)
}

/// A name that is shown to people.
pub(super) fn display(text: &str) -> Verdict {
    plain(text, 64)
}

/// What stands in host names for somebody.
pub(super) fn slug(text: &str) -> Verdict {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    if (2..=31).contains(&text.len()) && begins && text.chars().all(legal) && !text.ends_with('-') {
        return Ok(());
    }
    bad(
        "this cannot stand in a host name",
        "give 2 to 31 lower-case letters, digits and `-`, a letter first, as `acme`",
    )
}

/// A user name of digest authentication. `+` and `@` are legal in it.
pub(super) fn username(text: &str) -> Verdict {
    plain(text, 128)
}

/// An address of electronic mail, as far as a mistake can be seen.
pub(super) fn email(text: &str) -> Verdict {
    plain(text, 254)?;
    match text.rsplit_once('@') {
        Some((person, domain))
            if !person.is_empty() && !text.contains(char::is_whitespace) && is_host(domain) =>
        {
            Ok(())
        }
        _ => bad("this is no address of electronic mail", "write it as `name@example.com`"),
    }
}

/// Opaque, but for what no device can send.
pub(super) fn password(text: &str) -> Verdict {
    plain(text, 128)
}

/// A digest realm: it is compared and quoted, so that only its end of text matters.
pub(super) fn realm(text: &str) -> Verdict {
    plain(text, 255)?;
    if text.contains(['"', '\\']) {
        return bad(
            "a realm holds no quotes or backslashes",
            "write it as the provider does, without the quotes around it",
        );
    }
    Ok(())
}

/// The user part of a SIP URI (RFC 3261 §25.1), `#` besides, as dialled numbers hold it.
pub(super) fn uri_user(text: &str) -> Verdict {
    plain(text, 128)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/%#".contains(c);
    match text.chars().find(|c| !legal(*c)) {
        Some('@') => bad(
            "`@` separates the user from the host",
            "give only what stands before `@`; the host belongs in `from_domain`",
        ),
        Some(c) => {
            bad(format!("`{}` cannot stand in the user part of a SIP address", c.escape_debug()), "remove it")
        }
        None => Ok(()),
    }
}

/// A host name, an IPv4 or an IPv6 address (without brackets).
pub(super) fn host(text: &str) -> Verdict {
    plain(text, 253)?;
    if is_host(text) {
        return Ok(());
    }
    let core = bare_host(text);
    let fix = match is_host(core) {
        true => format!("write `{core}`"),
        false => "write a host name or an address alone, as `sip.provider.com` or `192.0.2.1`".to_owned(),
    };
    if has_scheme(text) {
        return bad("a host has no scheme", fix);
    }
    if text.contains('@') {
        return bad("a host has no user before it", format!("{fix}; the user belongs in `username`"));
    }
    if text.contains(char::is_whitespace) {
        return bad("a host holds no spaces", fix);
    }
    if is_host(core) && text.contains(':') && !text.starts_with('[') {
        return bad("a host has no port behind it", format!("{fix}, and put the port in `port`"));
    }
    if text.starts_with('[') {
        return bad("an IPv6 address stands without brackets here", fix);
    }
    bad("this is neither a host name nor an address", fix)
}

/// `host` or `host:port`; an IPv6 address in brackets where a port follows.
pub(super) fn host_port(text: &str) -> Verdict {
    plain(text, 260)?;
    let (host, port) = split_port(text);
    let port_fits =
        port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with('+'));
    if is_host(host) && port_fits {
        return Ok(());
    }
    let core = bare_host(text);
    let fix = match is_host(core) && has_scheme(text) {
        true => format!("write `{core}`, with `:port` behind it where it has one"),
        false => "write it as `proxy.provider.com`, `192.0.2.1:5060` or `[2001:db8::1]:5060`".to_owned(),
    };
    bad("this is neither a host nor a host with a port", fix)
}

/// Parameters of a SIP URI, `name=value;flag` (RFC 3261 §25.1, uri-parameter).
pub(super) fn uri_params(text: &str) -> Verdict {
    plain(text, 255)?;
    let token = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.!~*'()[]/:&+$%".contains(c))
    };
    for param in text.split(';') {
        let (name, value) = param.split_once('=').map_or((param, None), |(name, value)| (name, Some(value)));
        if !token(name) || !value.is_none_or(token) {
            let message = format!("`{param}` is no parameter");
            return bad(
                message,
                "write parameters as `name=value` or `name`, with `;` between them and none at the ends",
            );
        }
    }
    Ok(())
}

/// Text that is there, not too long, and without control characters.
fn plain(text: &str, longest: usize) -> Verdict {
    if text.is_empty() {
        return bad("this is empty", "leave the field out, or give it a value");
    }
    if text.chars().any(char::is_control) {
        return bad(
            "this holds a control character, such as a line end",
            "remove it; it often comes along with copied text",
        );
    }
    if text.chars().count() > longest {
        let message = format!("this is longer than {longest} characters");
        return Err(Fault {
            reason: "TOO_LONG",
            message,
            fix: format!("shorten it to {longest} characters"),
        });
    }
    Ok(())
}

/// Whether this is a host name or an address.
pub(crate) fn is_host(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let number_at_end = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    text.parse::<IpAddr>().is_ok() || name.len() <= 253 && !number_at_end && name.split('.').all(label)
}

fn has_scheme(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("://") || ["sip:", "sips:", "tel:"].iter().any(|scheme| text.starts_with(scheme))
}

/// What is left of a URI when only its host is kept.
fn bare_host(text: &str) -> &str {
    let text = text.trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = match text.split_once(':') {
        Some((scheme, rest))
            if ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            rest
        }
        _ => text,
    };
    let text = text.rsplit('@').next().unwrap_or_default();
    let text = text.split(['/', ';', '?']).next().unwrap_or_default();
    if text.parse::<Ipv6Addr>().is_ok() { text } else { split_port(text).0 }
}

/// The host without the brackets of an IPv6 address, and what follows it behind a colon.
pub(super) fn split_port(text: &str) -> (&str, Option<&str>) {
    if text.parse::<Ipv6Addr>().is_ok() {
        return (text, None);
    }
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) if address.parse::<Ipv6Addr>().is_ok() => (address, None),
        Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => {
            (address, Some(port.strip_prefix(':').unwrap_or("")))
        }
        _ => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    }
}
