//! The requests that a trunk's life consists of: REGISTER (RFC 3261 §10.2) and OPTIONS (RFC 3261 §11.1).

use crate::target::HostPort;
use rand::Rng;
use rand::rngs::StdRng;
use std::net::IpAddr;
use tandem_model::Trunk;
use tandem_sip_msg::{Header, Transport, Writer, escape_user};

const AGENT: &str = "Tandem";
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY";

/// What is the same in every REGISTER of a registration (RFC 3261 §10.2).
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) call_id: String,
    pub(crate) from_tag: String,
    /// Our Contact's, see [`crate::CONTACT_TOKEN`].
    pub(crate) token: String,
    /// `+sip.instance` (RFC 5626 §4.1).
    pub(crate) instance: String,
    /// The last one used.
    pub(crate) cseq: u32,
}

impl Account {
    pub(crate) fn new(token: String, instance: String, rng: &mut StdRng) -> Account {
        Account { call_id: random(rng), from_tag: tag(rng), token, instance, cseq: 0 }
    }
}

pub(crate) fn tag(rng: &mut StdRng) -> String {
    format!("{:016x}", rng.next_u64())
}

fn random(rng: &mut StdRng) -> String {
    format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
}

/// A host as it stands in a URI.
fn host(text: &str) -> String {
    match text.parse() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => text.to_owned(),
    }
}

/// `sip:host[:port]` of the trunk, the Request-URI of both.
pub(crate) fn target_uri(trunk: &Trunk) -> String {
    let at = HostPort::parse(trunk.host.as_deref().unwrap_or("invalid"));
    let at = HostPort { port: trunk.port.or(at.port), ..at };
    format!("sip:{at}{}", transport_param(trunk))
}

fn transport_param(trunk: &Trunk) -> String {
    match trunk.transport.into() {
        Transport::Udp => String::new(),
        other => format!(";transport={}", other.param_name()),
    }
}

/// Whether a text can be the host of a URI; a realm need not be one.
fn is_host(text: &str) -> bool {
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    text.parse::<IpAddr>().is_ok() || (!text.is_empty() && text.bytes().all(name))
}

/// The address of record that we are at the trunk: its From and, in REGISTER, To. A trunk without an account has none of
/// a user there; `fallback` is our own address then.
pub(crate) fn account_uri(trunk: &Trunk, fallback: &str) -> String {
    let domain = trunk.from_host().filter(|domain| is_host(domain)).or(trunk.host.as_deref());
    match (trunk.account_user(), domain) {
        (Some(user), Some(domain)) => format!("sip:{}@{}", escape_user(user), host(domain)),
        (None, Some(domain)) if trunk.named_domain().is_some() => format!("sip:{}", host(domain)),
        _ => format!("sip:{fallback}"),
    }
}

fn begin(method: &str, trunk: &Trunk, route: Option<&HostPort>) -> Writer {
    let mut writer = Writer::request(method, &target_uri(trunk));
    writer.header(Header::MaxForwards, 70);
    if let Some(proxy) = route {
        writer.header(Header::Route, format_args!("<sip:{proxy}{};lr>", transport_param(trunk)));
    }
    writer
}

/// A REGISTER without Via. With a lifetime of 0 it takes the Contact back; without a Contact it asks for those that there are.
pub(crate) fn register(
    trunk: &Trunk,
    account: &Account,
    contact: Option<(&str, u32)>,
    route: Option<&HostPort>,
    credentials: &[(Header, String)],
) -> bytes::Bytes {
    let aor = account_uri(trunk, "invalid");
    let to = match (&trunk.username, &trunk.host) {
        (Some(username), Some(at)) if trunk.distinct_to => {
            format!("sip:{}@{}", escape_user(username), host(at))
        }
        _ => aor.clone(),
    };
    let (flow, supported) = match trunk.outbound_rfc5626 {
        true => (format!(";+sip.instance=\"<{}>\";reg-id=1", account.instance), "path, outbound"),
        false => (String::new(), "path"),
    };
    let mut writer = begin("REGISTER", trunk, route);
    writer
        .header(Header::From, format_args!("<{aor}>;tag={}", account.from_tag))
        .header(Header::To, format_args!("<{to}>"))
        .header(Header::CallId, &account.call_id)
        .header(Header::CSeq, format_args!("{} REGISTER", account.cseq));
    if let Some((contact, expires)) = contact {
        writer
            .header(Header::Contact, format_args!("<{contact}>{flow};expires={expires}"))
            .header(Header::Expires, expires);
    }
    writer.header(Header::Supported, supported).header(Header::Allow, ALLOW).header(Header::UserAgent, AGENT);
    for (name, value) in credentials {
        writer.header(*name, value);
    }
    writer.finish()
}

/// An OPTIONS without Via, outside of any dialog.
pub(crate) fn options(
    trunk: &Trunk,
    our_host: &str,
    contact: Option<&str>,
    route: Option<&HostPort>,
    rng: &mut StdRng,
) -> bytes::Bytes {
    let mut writer = begin("OPTIONS", trunk, route);
    writer
        .header(Header::From, format_args!("<{}>;tag={}", account_uri(trunk, our_host), tag(rng)))
        .header(Header::To, format_args!("<{}>", target_uri(trunk)))
        .header(Header::CallId, random(rng))
        .header(Header::CSeq, "1 OPTIONS")
        .header(Header::Accept, "application/sdp")
        .header(Header::Allow, ALLOW)
        .header(Header::UserAgent, trunk.ping_user_agent.as_deref().unwrap_or(AGENT));
    if let Some(contact) = contact {
        writer.header(Header::Contact, format_args!("<{contact}>"));
    }
    writer.finish()
}
