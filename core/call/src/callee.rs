//! The called side as planned: rounds of attempts, and how each is addressed.

use crate::{Exchange, Source, Target, Way};
use std::borrow::Cow;
use std::sync::Arc;
use tandem_model::{Extension, Party, Trunk};
use tandem_routing::{Destination, PlannedStep};
use tandem_sip_dialog::Dial;
use tandem_sip_dialog::digest::Login;
use tandem_sip_msg::{Flow, Header, Host, Transport, Uri, escape_user, quote_display};

/// One round: attempts that ring together. The next round begins when this one failed.
#[derive(Clone, Debug)]
pub enum Round {
    /// All devices of an extension.
    Extension(Arc<Extension>),
    /// One trunk.
    Trunk(PlannedStep),
}

/// The rounds of a destination.
pub fn rounds_of(destination: Destination) -> Vec<Round> {
    match destination {
        Destination::Extension(extension) => vec![Round::Extension(extension)],
        Destination::Trunks(plan) => plan.steps.into_iter().map(Round::Trunk).collect(),
    }
}

impl Round {
    pub(crate) fn target(&self) -> Target {
        match self {
            Round::Extension(extension) => Target::Extension(extension.clone()),
            Round::Trunk(step) => Target::Trunk(step.trunk.clone()),
        }
    }

    /// The number that it is called by.
    pub(crate) fn number(&self) -> &str {
        match self {
            Round::Extension(extension) => &extension.number,
            Round::Trunk(step) => &step.number,
        }
    }
}

/// The number that the called side is shown, and the name with it.
pub(crate) fn shown_caller(source: &Source, party: &Party, to: &Round) -> (String, Option<String>) {
    let number = match (source, to) {
        (Source::Extension(extension), Round::Trunk(_)) => {
            extension.outbound_cid.clone().unwrap_or_else(|| extension.number.clone())
        }
        _ => party.number.clone(),
    };
    (number, party.name.clone())
}

/// How an INVITE to this round by this way looks, without its offer.
pub(crate) fn dial(
    round: &Round,
    way: &Way,
    shown: &(String, Option<String>),
    max_forwards: u8,
    exchange: &dyn Exchange,
) -> Dial {
    let flow = way.flows[0];
    let own_host = Host::Ip(exchange.media_address(&flow)).to_string();
    match round {
        Round::Extension(_) => {
            let uri = way.contact.clone().unwrap_or_default();
            Dial {
                from: address(shown.1.as_deref(), &shown.0, &own_host),
                to: format!("<{uri}>"),
                contact: contact(&own_user(&shown.0), exchange, &flow),
                routes: way.routes.clone(),
                headers: Vec::new(),
                body: None,
                max_forwards,
                login: None,
                flows: way.flows.clone(),
                symmetric: true,
                uri,
            }
        }
        Round::Trunk(step) => dial_trunk(step, way, shown, max_forwards, &own_host, exchange),
    }
}

fn dial_trunk(
    step: &PlannedStep,
    way: &Way,
    shown: &(String, Option<String>),
    max_forwards: u8,
    own_host: &str,
    exchange: &dyn Exchange,
) -> Dial {
    let trunk = &step.trunk;
    let uri = request_uri(trunk, way, &step.number);
    let from = from_of(trunk, shown, own_host);
    let asserted_host = trunk.from_host().unwrap_or(own_host);
    let user = trunk.username.as_deref().filter(|_| !trunk.caller_id_in_from).unwrap_or(&shown.0);
    Dial {
        to: format!("<{uri}>"),
        from,
        contact: contact(user, exchange, &way.flows[0]),
        routes: route_set(trunk, way),
        headers: vec![(Header::PAssertedIdentity, address(shown.1.as_deref(), &shown.0, asserted_host))],
        body: None,
        max_forwards,
        login: login_of(trunk),
        flows: way.flows.clone(),
        symmetric: way.contact.is_some(),
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
        return format!("sip:{user}@{}{port}{params}", uri.host());
    }
    let host = bracketed(trunk.host.as_deref().unwrap_or_default());
    let port = trunk.port.map(|port| format!(":{port}")).unwrap_or_default();
    let transport = match Transport::from(trunk.transport) {
        Transport::Udp => String::new(),
        other => format!(";transport={}", other.param_name()),
    };
    format!("sip:{user}@{host}{port}{transport}")
}

/// From by the rules of the trunk: its account, or the caller where `caller_id_in_from` asks for it.
fn from_of(trunk: &Trunk, shown: &(String, Option<String>), own_host: &str) -> String {
    if trunk.caller_id_in_from {
        return address(shown.1.as_deref(), &shown.0, trunk.from_domain.as_deref().unwrap_or(own_host));
    }
    let user = trunk.account_user().unwrap_or(&shown.0);
    address(shown.1.as_deref(), user, trunk.from_host().unwrap_or(own_host))
}

fn route_set(trunk: &Trunk, way: &Way) -> Vec<String> {
    match (&trunk.outbound_proxy, &way.contact) {
        (Some(proxy), None) => vec![format!("<sip:{proxy};lr>")],
        _ => way.routes.clone(),
    }
}

fn login_of(trunk: &Trunk) -> Option<Login> {
    let (username, password) = (trunk.digest_username()?, trunk.password.as_ref()?);
    // A trunk that registers to us proves itself to us, and has no business challenging us with its own password.
    (trunk.mode != tandem_model::TrunkMode::RegisterIn).then(|| Login {
        username: username.to_owned(),
        password: password.expose().to_owned(),
        realm: trunk.realm.clone(),
    })
}

fn address(name: Option<&str>, user: &str, host: &str) -> String {
    format!("{}<sip:{}@{}>", name.map(quote_display).unwrap_or_default(), escape_user(user), bracketed(host))
}

/// A host as it stands in a URI: an IPv6 address in brackets.
fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]").into() } else { host.into() }
}

fn contact(user: &str, exchange: &dyn Exchange, flow: &Flow) -> String {
    format!("<sip:{}@{}>", escape_user(user), exchange.contact_host(flow))
}

fn own_user(number: &str) -> String {
    if number.is_empty() { "tandem".to_owned() } else { number.to_owned() }
}
