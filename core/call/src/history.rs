//! How a call came to whom it goes, as a trusted trunk is told (RFC 5806, RFC 7044): what came with it, and the extensions of ours that
//! forwarded it.
//!
//! Attempts at several trunks are no history: each is told what was before us, and itself.

use crate::callee::bracketed;
use crate::identity::{Identity, index_of};
use tandem_model::{DiversionMode, ForwardReason, Trunk};
use tandem_routing::Diversion;
use tandem_sip_msg::{Header, NameAddr, Scheme, escape_user, quote_display};

/// The Diversion headers, the latest first (RFC 5806 §5.1).
pub(crate) fn diversions(
    identity: &Identity,
    trunk: &Trunk,
    diverted: &[Diversion],
    host: &str,
) -> Vec<(Header, String)> {
    let ours = diverted.iter().rev().filter(|_| trunk.diversion != DiversionMode::None).map(|diversion| {
        let privacy = if diversion.is_hidden { ";privacy=full" } else { "" };
        format!("<{}>;reason={}{privacy}", uri_of(diversion, trunk, host), reason_of(diversion))
    });
    let before = identity.diversions.iter().filter_map(|value| told(value, trunk, host));
    ours.chain(before).map(|value| (Header::Diversion, value)).collect()
}

/// The History-Info headers, the earliest first (RFC 7044 §5), and whom the call goes to as the last of them.
pub(crate) fn history(
    identity: &Identity,
    trunk: &Trunk,
    diverted: &[Diversion],
    (number, uri): (&str, &str),
    host: &str,
) -> Vec<(Header, String)> {
    let diverted = if trunk.diversion == DiversionMode::None { &[][..] } else { diverted };
    let mut entries: Vec<String> =
        identity.history.iter().filter_map(|value| told(value, trunk, host)).collect();
    if entries.is_empty() && diverted.is_empty() {
        return Vec::new();
    }
    let last =
        identity.history.last().filter(|_| !entries.is_empty()).and_then(|value| NameAddr::parse(value));
    let mut index = last.as_ref().and_then(index_of).map(str::to_owned);
    for diversion in diverted {
        let place = below(index.as_deref());
        let privacy = if diversion.is_hidden { "Privacy=history&" } else { "" };
        let cause = status_of(diversion);
        let came = index.map(|index| format!(";mp={index}")).unwrap_or_default();
        let uri = uri_of(diversion, trunk, host);
        entries.push(format!("<{uri}?{privacy}Reason=SIP%3Bcause%3D{cause}>;index={place}{came}"));
        index = Some(place);
    }
    if let Some(index) = index {
        // RFC 7044 §10.3: we sent it on, to another user (`mp`) or to the same one elsewhere (`np`).
        let is_same = |last: &NameAddr| last.uri().user_unescaped().is_some_and(|user| user == number);
        let how = if diverted.is_empty() && last.as_ref().is_some_and(is_same) { "np" } else { "mp" };
        entries.push(format!("<{uri}>;index={};{how}={index}", below(Some(&index))));
    }
    entries.into_iter().map(|entry| (Header::HistoryInfo, entry)).collect()
}

/// The index of what was sent on from one entry, or of the first of all.
fn below(index: Option<&str>) -> String {
    index.map_or_else(|| "1".to_owned(), |index| format!("{index}.1"))
}

fn uri_of(diversion: &Diversion, trunk: &Trunk, host: &str) -> String {
    format!("sip:{}@{}", escape_user(trunk.without_plus(&diversion.number)), bracketed(host))
}

fn reason_of(diversion: &Diversion) -> &'static str {
    match diversion.by.reason {
        ForwardReason::Busy => "user-busy",
        ForwardReason::NoAnswer => "no-answer",
        ForwardReason::Unregistered => "unavailable",
    }
}

fn status_of(diversion: &Diversion) -> u16 {
    match diversion.by.reason {
        ForwardReason::Busy => 486,
        ForwardReason::NoAnswer => 408,
        ForwardReason::Unregistered => 480,
    }
}

/// What came with the call, as far as the trunk's settings let it be told.
fn told(value: &str, trunk: &Trunk, host: &str) -> Option<String> {
    match trunk.diversion {
        DiversionMode::None => None,
        DiversionMode::Pass => Some(value.to_owned()),
        DiversionMode::Make => in_our_name(value, host),
    }
}

/// The same entry with a URI of ours; `None` where it names nobody.
fn in_our_name(value: &str, host: &str) -> Option<String> {
    let addr = NameAddr::parse(value)?;
    let uri = addr.uri();
    let user = uri.user_unescaped()?;
    let uri = match uri.scheme() {
        Scheme::Sip | Scheme::Sips => {
            let headers = uri.headers().map(|headers| format!("?{headers}")).unwrap_or_default();
            format!("sip:{}@{}{headers}", escape_user(&user), bracketed(host))
        }
        Scheme::Tel => uri.as_str().to_owned(),
        Scheme::Other => return None,
    };
    let name = addr.display().map(|name| quote_display(&name)).unwrap_or_default();
    let params = addr.params();
    Some(format!("{name}<{uri}>{}", params.as_str().trim_end_matches([';', ' '])))
}
