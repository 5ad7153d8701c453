//! Rules on the fields of a trunk.

use super::{range, text};
use crate::findings::Findings;
use crate::preset::{preset, presets, refuses_register};
use crate::{Secret, Trunk, TrunkMode};
use ipnet::IpNet;

pub(super) fn check(trunk: &Trunk, findings: &mut Findings) {
    if trunk.did_pool.is_some() && trunk.tenant_id.is_none() {
        let message = "a trunk of the system has no pool of its own";
        let fix = "assign the trunk to tenants, each with its pool, or give `tenant_id`";
        findings.invalid("did_pool", "CONFLICTING_FIELDS", message, fix);
    }
    brand(trunk, findings);
    text::check("name", Some(&trunk.name), text::label, findings);
    address(trunk, findings);
    account(trunk, findings);
    super::sending::check(trunk, findings);
    super::receiving::check(trunk, findings);
    super::signing::check(trunk, findings);
    timers(trunk, findings);
    super::codecs(&trunk.codecs, findings);
    certificate_names(&trunk.mtls_san, findings);
}

fn brand(trunk: &Trunk, findings: &mut Findings) {
    if preset(&trunk.brand).is_none() {
        let known: Vec<&str> = presets().iter().map(|preset| preset.key.as_str()).collect();
        let message = format!("there is no preset `{}`", trunk.brand.escape_debug());
        findings.invalid("brand", "UNKNOWN_BRAND", message, format!("give one of {}", known.join(", ")));
    }
    if let Some(preset) = refuses_register(trunk) {
        let message = format!("{} takes no REGISTER", preset.name);
        let fix = "set `mode` to `credential` or `ip_auth`; to have it register all the same, set `brand` to `generic`";
        findings.invalid("mode", "BRAND_REFUSES_REGISTER", message, fix);
    }
}

fn address(trunk: &Trunk, findings: &mut Findings) {
    if trunk.host.is_none() && !trunk.mode.comes_in() {
        let message = format!("a trunk in mode `{}` needs a host to send calls to", mode_name(trunk.mode));
        findings.invalid(
            "host",
            "REQUIRED",
            message,
            "give the provider's host name or address, as `sip.provider.com`",
        );
    }
    text::check("host", trunk.host.as_deref(), text::host, findings);
    if let Some(port) = trunk.port {
        range::check("port", port, findings);
    }
    text::check("registrar", trunk.registrar.as_deref(), text::host_port, findings);
    text::check("outbound_proxy", trunk.outbound_proxy.as_deref(), text::host_port, findings);
}

fn account(trunk: &Trunk, findings: &mut Findings) {
    let is_peer = trunk.mode == TrunkMode::PeerIn;
    let is_known = !trunk.associated_ips.is_empty() || !trunk.associated_hosts.is_empty();
    if is_peer && trunk.username.is_none() && trunk.password.is_none() {
        if !is_known {
            let message = "a trunk in mode `peer_in` is known by its credentials or by its addresses";
            let fix = "give `username` and `password`, `associated_ips`, or both";
            findings.invalid("associated_ips", "REQUIRED", message, fix);
        }
    } else if trunk.mode != TrunkMode::IpAuth {
        let needs = |what: &str| format!("a trunk in mode `{}` needs {what}", mode_name(trunk.mode));
        if trunk.username.is_none() {
            let fix =
                "give the account name, or set `mode` to `ip_auth` where the provider knows us by address";
            findings.invalid("username", "REQUIRED", needs("a username"), fix);
        }
        if trunk.password.is_none() {
            let fix = "give the password of the account, or set `mode` to `ip_auth` where the provider knows us by address";
            findings.invalid("password", "REQUIRED", needs("a password"), fix);
        }
    }
    text::check("username", trunk.username.as_deref(), text::username, findings);
    text::check("auth_username", trunk.auth_username.as_deref(), text::username, findings);
    text::check("password", trunk.password.as_ref().map(Secret::expose), text::password, findings);
    text::check("realm", trunk.realm.as_deref(), text::realm, findings);
    let algorithms = &trunk.auth_algorithms;
    if algorithms.is_empty() {
        let fix = "give `MD5`, `SHA-256` or both, or leave it out";
        findings.invalid("auth_algorithms", "REQUIRED", "no challenge could be answered", fix);
    }
    for (n, algorithm) in algorithms.iter().enumerate() {
        if algorithms[..n].contains(algorithm) {
            let field = format!("auth_algorithms[{n}]");
            findings.invalid(field, "DUPLICATE_VALUE", "this is in the list twice", "remove one of them");
        }
    }
}

/// The least that FreeSWITCH takes, seconds.
const LEAST_EXPIRES_ELSEWHERE: u32 = 5;

/// Whether it was imported with a registration shorter than what would be asked for here.
fn asks_as_its_origin_did(trunk: &Trunk) -> bool {
    let is_expiry = |name: &String| name.ends_with(".expire-seconds") || name.ends_with(".expiration");
    trunk.expires < 60 && trunk.imported_params.keys().any(is_expiry)
}

fn timers(trunk: &Trunk, findings: &mut Findings) {
    if !(asks_as_its_origin_did(trunk) && trunk.expires >= LEAST_EXPIRES_ELSEWHERE) {
        range::check("expires", trunk.expires, findings);
    }
    for (field, value) in [
        ("retry_base", trunk.retry_base),
        ("retry_max", trunk.retry_max),
        ("register_timeout", trunk.register_timeout),
        ("ping_timeout", trunk.ping_timeout),
        ("ping_fail", trunk.ping_fail),
        ("ping_ok", trunk.ping_ok),
        ("weight", trunk.weight),
    ] {
        range::check(field, value, findings);
    }
    if let Some(retry) = trunk.timeout_retry {
        range::check("timeout_retry", retry, findings);
    }
    text::check("ping_user_agent", trunk.ping_user_agent.as_deref(), text::display, findings);
    for (field, seconds) in [("rtp_timeout", trunk.rtp_timeout), ("rtp_timeout_hold", trunk.rtp_timeout_hold)]
    {
        if let Some(seconds) = seconds.filter(|seconds| !matches!(seconds, 0 | 5..=86_400)) {
            let message = format!("{seconds} is neither 0 nor between 5 and 86400");
            let fix = "give 0 for no limit, else 5 to 86400 seconds";
            findings.invalid(field, "OUT_OF_RANGE", message, fix);
        }
    }
    if trunk.retry_max < trunk.retry_base {
        let message = format!(
            "the longest wait ({} s) is shorter than the first ({} s)",
            trunk.retry_max, trunk.retry_base
        );
        findings.invalid("retry_max", "OUT_OF_RANGE", message, "make `retry_max` at least `retry_base`");
    }
    if !matches!(trunk.ping_interval, 0 | 5..=3600) {
        let message = format!("{} is neither 0 nor between 5 and 3600", trunk.ping_interval);
        findings.invalid(
            "ping_interval",
            "OUT_OF_RANGE",
            message,
            "give 0 to send no OPTIONS, else 5 to 3600 seconds",
        );
    }
    if !matches!(trunk.session_timer, 0 | 90..=86_400) {
        let message = format!("{} is neither 0 nor between 90 and 86400", trunk.session_timer);
        findings.invalid(
            "session_timer",
            "OUT_OF_RANGE",
            message,
            "give 0 to ask for no refresh, else 90 to 86400 seconds (RFC 4028)",
        );
    }
}

/// Networks that are believed, none of them too wide.
pub(super) fn networks(field: &str, networks: &[IpNet], findings: &mut Findings) {
    for (n, network) in networks.iter().enumerate() {
        let (shortest, family) = match network {
            IpNet::V4(_) => (8, "IPv4"),
            IpNet::V6(_) => (16, "IPv6"),
        };
        if network.prefix_len() < shortest {
            let message = format!("{network} is wider than the /{shortest} that an {family} network may be");
            let fix = "name the provider's own networks: everybody in this one could place calls";
            findings.invalid(format!("{field}[{n}]"), "NETWORK_TOO_WIDE", message, fix);
        }
    }
}

/// Names of certificates that a trunk may have.
const MAX_NAMES: usize = 16;

fn certificate_names(names: &[String], findings: &mut Findings) {
    if names.len() > MAX_NAMES {
        let message = format!("{} names are more than {MAX_NAMES}", names.len());
        findings.invalid("mtls_san", "TOO_MANY", message, "give the names of this trunk's own certificates");
    }
    for (n, name) in names.iter().enumerate() {
        let field = format!("mtls_san[{n}]");
        if name.starts_with("*.") {
            let message =
                "a wildcard would let everybody in who has a certificate for any name in that domain";
            let fix = "name each host of the trunk, as `sbc1.provider.com`";
            findings.invalid(field, "WILDCARD_NAME", message.to_owned(), fix);
        } else if names[..n].iter().any(|other| other.eq_ignore_ascii_case(name)) {
            let message = format!("`{}` is there twice", name.escape_debug());
            findings.invalid(field, "DUPLICATE", message, "name it once");
        } else {
            text::check(&field, Some(name), text::host, findings);
        }
    }
}

fn mode_name(mode: TrunkMode) -> &'static str {
    match mode {
        TrunkMode::RegisterOut => "register_out",
        TrunkMode::RegisterIn => "register_in",
        TrunkMode::IpAuth => "ip_auth",
        TrunkMode::Credential => "credential",
        TrunkMode::PeerIn => "peer_in",
    }
}
