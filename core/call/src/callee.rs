//! The called side as planned: rounds of attempts, and how each is addressed.

use crate::presentation;
use crate::{Caller, Exchange, Limits, Target, Way};
use std::borrow::Cow;
use std::sync::Arc;
use tandem_model::{Extension, Trunk};
use tandem_routing::{Destination, PlannedStep};
use tandem_sip_dialog::Dial;
use tandem_sip_dialog::digest::Login;
use tandem_sip_msg::{Flow, Host, Transport, Uri, escape_user, quote_display};

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

/// How an INVITE to this round by this way looks, without its offer.
pub(crate) fn dial(
    round: &Round,
    way: &Way,
    caller: &Caller,
    max_forwards: u8,
    limits: &Limits,
    exchange: &dyn Exchange,
) -> Dial {
    let flow = way.flows[0];
    let own_host = Host::Ip(exchange.media_address(&flow)).to_string();
    let (uri, presentation) = match round {
        Round::Extension(_) => {
            (way.contact.clone().unwrap_or_default(), presentation::to_device(caller, &own_host))
        }
        Round::Trunk(step) => {
            let uri = request_uri(&step.trunk, way, &step.number);
            let presentation = presentation::to_trunk(caller, &step.trunk, &step.number, &uri, &own_host);
            (uri, presentation)
        }
    };
    let (routes, login, symmetric) = match round {
        Round::Extension(_) => (way.routes.clone(), None, true),
        Round::Trunk(step) => (route_set(&step.trunk, way), login_of(&step.trunk), way.contact.is_some()),
    };
    let session_timer = match round {
        Round::Extension(_) => limits.session_timer,
        Round::Trunk(step) => step.trunk.session_timer,
    };
    Dial {
        from: presentation.from,
        to: format!("<{uri}>"),
        contact: contact(&presentation.contact_user, exchange, &flow),
        routes,
        headers: presentation.headers,
        body: None,
        max_forwards,
        login,
        flows: way.flows.clone(),
        symmetric,
        session_timer,
        takes_refers: round.target().as_source().may_transfer(),
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

pub(crate) fn address(name: Option<&str>, user: &str, host: &str) -> String {
    format!("{}<sip:{}@{}>", name.map(quote_display).unwrap_or_default(), escape_user(user), bracketed(host))
}

/// A host as it stands in a URI: an IPv6 address in brackets.
pub(crate) fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]").into() } else { host.into() }
}

fn contact(user: &str, exchange: &dyn Exchange, flow: &Flow) -> String {
    format!("<sip:{}@{}>", escape_user(user), exchange.contact_host(flow))
}
