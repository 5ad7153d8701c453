//! A trunk's troubles in plain words: what was sent, what came, what it means, what to change. No secret gets here.

use std::net::IpAddr;
use tandem_model::Trunk;
use tandem_sip_msg::{Challenge, Flow, Header, Message, Transport, standard_reason};
use tandem_sip_txn::Failure;

/// `udp:192.0.2.1:5060`.
pub(crate) fn address(flow: &Flow) -> String {
    format!("{}:{}", flow.transport.param_name(), flow.remote)
}

/// The reason phrase that came, within bounds; the standard one where there was none.
pub(crate) fn phrase(answer: &Message) -> String {
    let phrase: String = answer.reason_phrase().chars().filter(|c| !c.is_control()).take(80).collect();
    match (phrase.trim().is_empty(), answer.code()) {
        (true, Some(code)) => standard_reason(code).to_owned(),
        _ => phrase,
    }
}

/// Nobody answered.
pub(crate) fn unanswered(what: &str, flow: Flow, failure: Failure, secs: u32) -> String {
    let to = address(&flow);
    match failure {
        Failure::Timeout => {
            let hint = match flow.transport {
                Transport::Udp => "a firewall drops UDP between us",
                _ => "a firewall drops the connection",
            };
            format!(
                "No answer to {what} from {to} within {secs} s: it is down, the address is wrong, or {hint}. \
                 Check host, port and transport."
            )
        }
        Failure::Transport => format!(
            "{what} could not be delivered to {to}: nobody listens there, or the network refuses it. \
             Check host, port and transport."
        ),
    }
}

/// The connection was refused, or is one that we refuse.
pub(crate) fn not_connected(what: &str, flow: Flow, why: &str) -> String {
    format!("{what} could not be delivered to {}: {why}", address(&flow))
}

/// A call found nobody.
pub(crate) fn call_unanswered(flow: Flow, failure: Failure) -> String {
    match failure {
        Failure::Timeout => {
            let to = address(&flow);
            format!("A call to {to} met silence, 408 or 503: the other side is down or cannot serve us now.")
        }
        Failure::Transport => unanswered("INVITE", flow, failure, 0),
    }
}

/// A final answer that is no success.
pub(crate) fn refused(answer: &Message, what: &str, with_credentials: bool, trunk: &Trunk) -> String {
    let code = answer.code().unwrap_or(0);
    let came = format!("{code} {}", phrase(answer));
    let domain = trunk.from_host().unwrap_or("?");
    let user = trunk.account_user().unwrap_or("?");
    match code {
        401 | 407 if with_credentials => format!(
            "{came} after our credentials were sent: the username or password is wrong. \
             Check username, auth_username and password."
        ),
        401 | 407 => format!("{came} to our {what}, with a challenge that was answered before."),
        403 if with_credentials => format!(
            "{came} after our credentials were sent: the username or password is wrong, or the account is blocked. \
             Check them, and ask the provider whether the account may register from here."
        ),
        403 => format!(
            "{came} to our {what}: the provider refuses this account or our address. \
             Check the username, and ask the provider whether the account may register from here."
        ),
        404 => format!(
            "{came} to our {what}: sip:{user}@{domain} is not known there. \
             Check username, from_user, from_domain and host."
        ),
        300..=399 => {
            let to =
                answer.contact().map(|contact| contact.uri().as_str().chars().take(120).collect::<String>());
            let to = to.unwrap_or_else(|| "another address".to_owned());
            format!("{came} to our {what}: it wants us to go to {to}. Set host or registrar to that address.")
        }
        405 | 501 => format!(
            "{came} to our {what}: this provider does not take {what}. \
             If it needs no registration, choose another mode for this trunk."
        ),
        408 | 503 => format!("{came} to our {what}: it cannot serve us now. Tried again by itself."),
        423 => format!("{came} to our {what}: no lifetime that it accepts could be found. Raise expires."),
        429 | 480 | 486 | 500..=599 => {
            format!("{came} to our {what}: a trouble at the other side that may pass. Tried again by itself.")
        }
        439 => format!("{came} to our {what}: the first hop does not know RFC 5626. Set outbound_proxy."),
        _ => format!("{came} to our {what}: the provider refuses it. Ask the provider what it expects."),
    }
}

/// A challenge that we cannot answer.
pub(crate) fn unanswerable_challenge(answer: &Message, trunk: &Trunk) -> String {
    let code = answer.code().unwrap_or(0);
    let came = format!("{code} {}", phrase(answer));
    let name = if code == 407 { Header::ProxyAuthenticate } else { Header::WwwAuthenticate };
    let challenge = answer.headers(name).find_map(Challenge::parse);
    let short = |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(80).collect() };
    match (challenge, &trunk.realm) {
        (Some(challenge), Some(realm)) if challenge.realm != *realm => format!(
            "{came} with a challenge for realm \"{}\", while this trunk answers realm \"{realm}\" only. \
             Set realm to the provider's, or leave it empty.",
            short(&challenge.realm)
        ),
        (Some(challenge), _) => format!(
            "{came} with a challenge that asks for {}, which we do not have.",
            short(challenge.algorithm.as_deref().unwrap_or("an unknown protection"))
        ),
        (None, _) => format!("{came} without a challenge that could be answered."),
    }
}

/// A challenge from where nobody may challenge us.
pub(crate) fn strange_challenge(answer: &Message, source: IpAddr) -> String {
    let code = answer.code().unwrap_or(0);
    format!(
        "{code} {} came from {source}, which is none of the trunk's addresses: no credentials were sent. \
         If it is the provider's, name it in challengers.",
        phrase(answer)
    )
}

/// 200 with a lifetime of 0.
pub(crate) fn granted_nothing(answer: &Message) -> String {
    let code = answer.code().unwrap_or(0);
    format!("{code} {} to our REGISTER, but with a lifetime of 0: nothing is registered.", phrase(answer))
}

/// There is an address, but no listener that can reach it.
pub(crate) fn no_listener(trunk: &Trunk) -> String {
    let transport = Transport::from(trunk.transport).via_name();
    format!(
        "This server has no {transport} listener of the address family of the trunk's host. \
         Add one, or choose another transport."
    )
}
