//! Rules on the fields of a webhook.

use super::text;
use crate::findings::Findings;
use crate::{Event, EventTypes, Secret, Webhook};
use std::net::IpAddr;

const SHORTEST_SECRET: usize = 16;
const LONGEST_URL: usize = 2048;
const MOST_TYPES: usize = 64;

pub(super) fn check(webhook: &Webhook, findings: &mut Findings) {
    text::check("name", Some(&webhook.name), text::label, findings);
    text::check("url", Some(&webhook.url), url, findings);
    types(&webhook.events, findings);
    secret(webhook.secret.as_ref(), findings);
}

fn types(events: &[String], findings: &mut Findings) {
    if events.len() > MOST_TYPES {
        let message = format!("{} types are more than {MOST_TYPES}", events.len());
        findings.invalid("events", "OUT_OF_RANGE", message, "one that ends in a dot stands for several");
    }
    for (n, wanted) in events.iter().enumerate() {
        if EventTypes::read([wanted.as_str()]).is_err() {
            let message = format!("no event has the type `{}`", wanted.escape_debug());
            let fix =
                format!("there are {}; or a beginning of some that ends in a dot", Event::TYPES.join(", "));
            findings.invalid(format!("events[{n}]"), "UNKNOWN_VALUE", message, fix);
        }
    }
}

fn secret(secret: Option<&Secret>, findings: &mut Findings) {
    let fix = "give it 16 to 128 characters that nobody can guess, as `openssl rand -hex 32` makes them";
    let Some(secret) = secret.map(Secret::expose) else {
        let message = "a webhook needs a secret, by which its receiver knows that it was us";
        return findings.invalid("secret", "REQUIRED", message, fix);
    };
    if secret.chars().count() < SHORTEST_SECRET {
        return findings.invalid("secret", "WEAK_PASSWORD", "the secret has fewer than 16 characters", fix);
    }
    text::check("secret", Some(secret), text::password, findings);
}

/// An absolute URL that may be posted to: nothing that gives secrets away on the way.
fn url(text: &str) -> text::Verdict {
    let visible = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
    if text.len() > LONGEST_URL || text.is_empty() || !text.chars().all(visible) {
        return text::bad(
            "this is no URL",
            "write it as `https://hooks.example.com/path`; what is not ASCII is percent-encoded",
        );
    }
    let fix = "write it as `https://hooks.example.com/path`";
    let (secure, rest) = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        _ => return text::bad("events are posted over HTTPS", fix),
    };
    if rest.contains('#') {
        return text::bad("what stands behind `#` is never sent", "leave it out");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return text::bad(
            "a URL holds no user or password here",
            "leave them out: the signature shows that it was us",
        );
    }
    text::host_port(authority)?;
    if !secure && !is_this_machine(authority) {
        return text::bad("events are posted over HTTPS, but to this machine itself", fix);
    }
    Ok(())
}

fn is_this_machine(authority: &str) -> bool {
    let host = text::split_port(authority).0;
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
