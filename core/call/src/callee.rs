//! The called side as planned: rounds of attempts, and how each is addressed.

use crate::presentation;
use crate::signature::{Stamp, sign};
use crate::{Caller, Exchange, Limits, Target, Way};
use std::borrow::Cow;
use std::collections::BTreeSet;
use tandem_model::{AuthAlgorithm, Trunk};
use tandem_routing::{PlannedStep, Round, every};
use tandem_sip_dialog::Dial;
use tandem_sip_dialog::digest::Login;
use tandem_sip_msg::{Flow, Host, Message, Scheme, Transport, Uri, escape_user, quote_display};

/// A header with a longer value is not told on.
const LONGEST_HEADER: usize = 1024;

/// Whom a round goes to; nobody where it refuses the call.
pub(crate) fn target_of(round: &Round) -> Option<Target> {
    match round {
        Round::Extension { extension, .. } => Some(Target::Extension(extension.clone())),
        Round::Trunk(step) => Some(Target::Trunk(step.trunk.clone())),
        Round::Refuse { .. } => None,
    }
}

/// The number that a round is called by.
pub(crate) fn number_of(round: &Round) -> &str {
    match round {
        Round::Extension { extension, .. } => &extension.number,
        Round::Trunk(step) => &step.number,
        Round::Refuse { .. } => "",
    }
}

/// How the first INVITE of a round would look, without its offer; nothing where nobody can be reached.
pub fn preview(round: &Round, caller: &Caller, limits: &Limits, exchange: &dyn Exchange) -> Option<Dial> {
    let target = target_of(round)?;
    let way = exchange.ways(&target).into_iter().next()?;
    let outset = Outset { max_forwards: MAX_FORWARDS, limits, stamp: None };
    Some(dial(round, &target, &way, caller, outset, exchange))
}

/// What a call of our own begins with (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: u8 = 70;

/// What a call has whoever is called.
pub(crate) struct Outset<'a> {
    pub(crate) max_forwards: u8,
    pub(crate) limits: &'a Limits,
    /// What it is signed with; none where it is looked at only.
    pub(crate) stamp: Option<Stamp>,
}

/// How an INVITE to this round by this way looks, without its offer.
pub(crate) fn dial(
    round: &Round,
    target: &Target,
    way: &Way,
    caller: &Caller,
    Outset { max_forwards, limits, stamp }: Outset,
    exchange: &dyn Exchange,
) -> Dial {
    let flow = way.flows[0];
    let own_host = Host::Ip(exchange.media_address(&flow)).to_string();
    let (uri, to, presentation) = match round {
        Round::Extension { .. } | Round::Refuse { .. } => {
            let uri = way.contact.clone().unwrap_or_default();
            (uri.clone(), uri, presentation::to_device(caller, &own_host))
        }
        Round::Trunk(step @ PlannedStep { trunk, number, caller_id, diverted, .. }) => {
            let sip = request_uri(trunk, way, number);
            let tel = || tel_uri(trunk, number).unwrap_or_else(|| sip.clone());
            // A registered address says where the device is, which a number does not.
            let is_tel = trunk.tel_uri_rline && way.contact.is_none();
            let uri = if is_tel { tel() } else { sip.clone() };
            let to = if trunk.tel_uri_to { tel() } else { sip };
            let shown = (number.as_str(), caller_id.as_deref());
            let mut presentation = presentation::to_trunk(caller, trunk, shown, diverted, &uri, &own_host);
            let stamp = stamp.filter(|_| presentation.may_be_signed);
            presentation.headers.extend(stamp.and_then(|stamp| sign(step, stamp)).into_iter().flatten());
            (uri, to, presentation)
        }
    };
    let (routes, login, symmetric) = match round {
        Round::Extension { .. } | Round::Refuse { .. } => (way.routes.clone(), None, true),
        Round::Trunk(step) => {
            (route_set(&step.trunk, way), login_of(&step.trunk, exchange), way.contact.is_some())
        }
    };
    let session_timer = match round {
        Round::Extension { .. } | Round::Refuse { .. } => limits.session_timer,
        Round::Trunk(step) => step.trunk.session_timer,
    };
    Dial {
        from: presentation.from,
        to: format!("<{to}>"),
        contact: contact(trunk_of(target), &presentation.contact_user, exchange, &flow, is_sips(&uri)),
        routes,
        headers: presentation.headers,
        extra: presentation.extra,
        body: None,
        max_forwards,
        login,
        flows: way.flows.clone(),
        symmetric,
        session_timer,
        takes_refers: target.as_source().may_transfer(),
        takes_digits: target.as_source().tells_digits(),
        uri,
    }
}

/// The dialled number at the trunk's host, or at the address that the trunk registered.
fn request_uri(trunk: &Trunk, way: &Way, number: &str) -> String {
    let user = escape_user(number);
    if let Some(uri) = way.contact.as_deref().and_then(Uri::parse) {
        let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        let params = uri.params().as_str();
        let params =
            if params.is_empty() { String::new() } else { format!(";{}", params.trim_start_matches(';')) };
        let scheme = if uri.scheme() == Scheme::Sips { "sips" } else { "sip" };
        return format!("{scheme}:{user}@{}{port}{params}", uri.host());
    }
    let host = bracketed(trunk.host.as_deref().unwrap_or_default());
    let port = trunk.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("sip:{user}@{host}{port}{}", transport_param(trunk))
}

fn transport_param(trunk: &Trunk) -> String {
    match Transport::from(trunk.transport) {
        Transport::Udp => String::new(),
        other => format!(";transport={}", other.param_name()),
    }
}

fn route_set(trunk: &Trunk, way: &Way) -> Vec<String> {
    match (&trunk.outbound_proxy, &way.contact) {
        (Some(proxy), None) => vec![format!("<sip:{proxy}{};lr>", transport_param(trunk))],
        _ => way.routes.clone(),
    }
}

fn login_of(trunk: &Trunk, exchange: &dyn Exchange) -> Option<Login> {
    let (username, password) = (trunk.digest_username()?, trunk.password.as_ref()?);
    // Such a trunk proves itself to us, and has no business challenging us with its own password.
    (!trunk.mode.comes_in()).then(|| Login {
        realm: trunk.realm.clone(),
        challengers: exchange.challengers(trunk),
        md5: trunk.auth_algorithms.contains(&AuthAlgorithm::Md5),
        sha256: trunk.auth_algorithms.contains(&AuthAlgorithm::Sha256),
        ..Login::new(username, password.expose())
    })
}

pub(crate) fn address(name: Option<&str>, user: &str, host: &str) -> String {
    format!("{}<sip:{}@{}>", name.map(quote_display).unwrap_or_default(), escape_user(user), bracketed(host))
}

/// A host as it stands in a URI: an IPv6 address in brackets.
pub(crate) fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]").into() } else { host.into() }
}

/// The headers of an INVITE that some trunk of these rounds is to be told.
pub(crate) fn told_headers(rounds: &[Round], invite: &Message) -> Vec<(String, String)> {
    let trunks = every(rounds).into_iter().filter_map(|round| match round {
        Round::Trunk(step) => Some(&step.trunk),
        Round::Extension { .. } | Round::Refuse { .. } => None,
    });
    let names: BTreeSet<String> =
        trunks.flat_map(|trunk| trunk.header_map.keys()).map(|name| name.to_ascii_lowercase()).collect();
    let told = |name: String| {
        let value = invite.header_named(&name).filter(|value| value.len() <= LONGEST_HEADER)?.to_owned();
        Some((name, value))
    };
    names.into_iter().filter_map(told).collect()
}

/// The number as a URI of RFC 3966, in the context of the trunk where it means something there only; `None` where it is none.
fn tel_uri(trunk: &Trunk, number: &str) -> Option<String> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    let is_global = digits.len() < number.len();
    let local = |b: u8| b.is_ascii_digit() || b == b'*';
    if digits.is_empty() || !digits.bytes().all(|b| if is_global { b.is_ascii_digit() } else { local(b) }) {
        return None;
    }
    let context = trunk.host.as_deref().filter(|_| !is_global).map(bracketed);
    let context = context.map(|host| format!(";phone-context={host}")).unwrap_or_default();
    Some(format!("tel:{number}{context}"))
}

pub(crate) fn trunk_of(target: &Target) -> Option<&Trunk> {
    match target {
        Target::Trunk(trunk) => Some(trunk),
        Target::Extension(_) | Target::Guest(_) => None,
    }
}

/// Whether a URI asks for TLS on every hop.
pub(crate) fn is_sips(uri: &str) -> bool {
    Uri::parse(uri).is_some_and(|uri| uri.scheme() == Scheme::Sips)
}

/// Our Contact on a leg, by the settings of the trunk that it is with.
pub(crate) fn contact(
    trunk: Option<&Trunk>,
    user: &str,
    exchange: &dyn Exchange,
    flow: &Flow,
    sips: bool,
) -> String {
    let mut own = exchange.contact_host(flow);
    // Who calls or is called at a SIPS URI is told one in turn (RFC 3261 §8.1.1.8, §12.1.1), which says the transport by itself.
    let scheme = if sips && flow.transport == Transport::Tls { "sips" } else { "sip" };
    if scheme == "sips" {
        own = own.replace(";transport=tls", "");
    }
    let tail = trunk.map_or_else(|| own.clone(), |trunk| trunk.contact_tail(&own));
    let outbound = if trunk.is_some_and(|trunk| trunk.outbound_rfc5626) { ";ob" } else { "" };
    format!("<{scheme}:{}@{tail}{outbound}>", escape_user(user))
}
