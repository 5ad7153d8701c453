//! What a called side is told of the caller and of how the call came, by what it is trusted with and by its settings.

use crate::callee::address;
use crate::history;
use crate::identity::{Identity, Named};
use crate::privacy::Privacy;
use crate::{Caller, Source};
use std::borrow::Cow;
use tandem_model::{FromCopy, IdentityHeader, PrivacyDefault, Trunk, Vars, expand};
use tandem_routing::Diversion;
use tandem_sip_msg::Header;

/// Who wants to stay unknown (RFC 3323 §4.1.1.3).
const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
const NOBODY: &str = "anonymous";

/// The caller towards one called side.
#[derive(Debug)]
pub(crate) struct Presentation {
    /// From, without its tag.
    pub(crate) from: String,
    /// The user part of our Contact.
    pub(crate) contact_user: String,
    /// Identity, privacy and history.
    pub(crate) headers: Vec<(Header, String)>,
    /// Nobody signed it before, and no number is to be kept back.
    pub(crate) may_be_signed: bool,
    /// What the trunk's settings add.
    pub(crate) extra: Vec<(String, String)>,
}

/// Towards a device: it sees who calls, unless the caller wants to stay unknown, and nothing else.
pub(crate) fn to_device(caller: &Caller, own_host: &str) -> Presentation {
    let shown = &caller.identity.shown;
    let extra = headers_in(caller_vars(caller));
    if caller.identity.privacy.hides_caller() || shown.number.is_empty() {
        return Presentation {
            from: ANONYMOUS.to_owned(),
            contact_user: NOBODY.to_owned(),
            headers: Vec::new(),
            may_be_signed: false,
            extra,
        };
    }
    let from = address(shown.name.as_deref(), &shown.number, own_host);
    Presentation {
        from,
        contact_user: shown.number.clone(),
        headers: Vec::new(),
        may_be_signed: false,
        extra,
    }
}

/// Towards a trunk. `uri` is the Request-URI, as a last entry of History-Info.
pub(crate) fn to_trunk(
    caller: &Caller,
    trunk: &Trunk,
    (number, caller_id): (&str, Option<&str>),
    diverted: &[Diversion],
    uri: &str,
    own_host: &str,
) -> Presentation {
    let identity = &caller.identity;
    let by_default = trunk.privacy_default == PrivacyDefault::Id && !identity.privacy.is_waived();
    let mut privacy = identity.privacy;
    if by_default {
        privacy.add(Privacy::ID);
    }
    let (shown, asserted) = numbers(caller, trunk, caller_id);
    let is_hidden = privacy.hides_caller() || shown.number.is_empty();
    let host = trunk.from_host().unwrap_or(own_host);
    let mut headers = Vec::new();
    // Where it is not trusted it is told no more than From may say.
    let told = if trunk.trust_identity { &asserted } else { &shown };
    if (trunk.trust_identity || !is_hidden) && !told.number.is_empty() {
        let is_sure = matches!(caller.source, Source::Extension(_)) || identity.asserted.is_some();
        let value = address(told.name.as_deref(), &told.number, host);
        match trunk.identity_header {
            IdentityHeader::None => {}
            IdentityHeader::Pai => {
                headers.push((Header::PAssertedIdentity, value));
                let tel = identity.tel.as_ref().filter(|_| trunk.trust_identity);
                headers.extend(tel.map(|tel| (Header::PAssertedIdentity, format!("<tel:{tel}>"))));
            }
            IdentityHeader::Ppi => headers.push((Header::PPreferredIdentity, value)),
            IdentityHeader::Rpid => {
                let screen = if is_sure { "yes" } else { "no" };
                let privacy = if is_hidden { "full" } else { "off" };
                let value = format!("{value};party=calling;screen={screen};privacy={privacy}");
                headers.push((Header::RemotePartyId, value));
            }
        }
    }
    headers.extend(privacy.value().map(|value| (Header::Privacy, value)));
    if trunk.trust_identity {
        headers.extend(history::diversions(&caller.identity, trunk, diverted, host));
        headers.extend(history::history(&caller.identity, trunk, diverted, (number, uri), host));
    }
    // Signed is the number itself, which must not get past the wish to keep it back.
    if !is_hidden {
        headers.extend(identity.signed.iter().map(|value| (Header::Identity, value.clone())));
        headers.extend(identity.date.iter().map(|date| (Header::Date, date.clone())));
    }
    let contact_user = match (trunk.contact_name(), is_hidden) {
        (Some(name), _) => name.into_owned(),
        (None, true) => NOBODY.to_owned(),
        (None, false) => shown.number.clone(),
    };
    let from = from_of(trunk, identity, &shown, is_hidden, own_host);
    // Signed would be the true number, so it has to be the one that is told.
    let may_be_signed = !is_hidden && identity.signed.is_empty() && told.number == asserted.number;
    Presentation { from, contact_user, headers, may_be_signed, extra: more_headers(trunk, caller) }
}

/// The number to be shown to trunks and the true one, in the form that this trunk wants.
fn numbers<'a>(
    caller: &'a Caller,
    trunk: &Trunk,
    caller_id: Option<&str>,
) -> (Cow<'a, Named>, Cow<'a, Named>) {
    let identity = &caller.identity;
    let true_one = identity.asserted.as_ref().unwrap_or(&identity.shown);
    let (shown, asserted) = match own_number(caller, trunk, caller_id) {
        Some(named) => (Cow::Owned(named.clone()), Cow::Owned(named)),
        None => (Cow::Borrowed(&identity.shown), Cow::Borrowed(true_one)),
    };
    let plain = |named: Cow<'a, Named>| match trunk.without_plus(&named.number) {
        number if number.len() < named.number.len() => {
            Cow::Owned(Named { number: number.to_owned(), name: named.name.clone() })
        }
        _ => named,
    };
    (plain(shown), plain(asserted))
}

/// The number that routing chose, with the name that belongs to it; else the trunk's name where the caller has none.
fn own_number(caller: &Caller, trunk: &Trunk, caller_id: Option<&str>) -> Option<Named> {
    let own_name = &caller.identity.shown.name;
    match caller_id {
        Some(number) => {
            let is_trunks = trunk.caller_id_number.as_deref() == Some(number);
            let of_trunk = trunk.caller_id_name.as_ref().filter(|_| is_trunks);
            Some(Named { number: number.to_owned(), name: of_trunk.or(own_name.as_ref()).cloned() })
        }
        None => {
            let is_nameless = matches!(caller.source, Source::Extension(_)) && own_name.is_none();
            let name = trunk.caller_id_name.clone().filter(|_| is_nameless)?;
            Some(Named { number: caller.identity.shown.number.clone(), name: Some(name) })
        }
    }
}

/// From by the rules of the trunk: its account, or the caller where it asks for that. The account stays for a
/// caller who wants to be unknown, since it says nothing of the caller and the trunk may ask for it.
fn from_of(trunk: &Trunk, identity: &Identity, shown: &Named, is_hidden: bool, own_host: &str) -> String {
    let copied = identity.from.as_ref().filter(|_| !is_hidden);
    if let (Some(FromCopy::Full), Some(from)) = (trunk.from_copy(), copied) {
        return address(from.named.name.as_deref(), &from.named.number, &from.host);
    }
    let account = trunk.account_user().filter(|_| !trunk.caller_is_from_user());
    let name = if is_hidden { Some("Anonymous") } else { shown.name.as_deref() };
    let copied_host = copied.filter(|_| trunk.from_copy() == Some(FromCopy::Domain)).map(|from| &*from.host);
    let trunk_host = || trunk.from_host().unwrap_or(own_host);
    let host = match trunk.caller_id_in_from {
        true => copied_host.or(trunk.named_domain()).unwrap_or(own_host),
        false => copied_host.unwrap_or_else(trunk_host),
    };
    match account {
        Some(account) => address(name, account, host),
        None if is_hidden => ANONYMOUS.to_owned(),
        None => address(name, &shown.number, host),
    }
}

/// Headers of the caller that the trunk is told, and those of its own.
fn more_headers(trunk: &Trunk, caller: &Caller) -> Vec<(String, String)> {
    let told = caller.headers.iter().filter_map(|(name, value)| {
        let (_, there) = trunk.header_map.iter().find(|(here, _)| here.eq_ignore_ascii_case(name))?;
        Some((there.clone(), value.clone()))
    });
    let vars = || caller_vars(caller).iter().chain(&trunk.outbound_vars);
    let value = |name: &str| vars().rfind(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let own = trunk.extra_headers.iter().map(|(name, text)| (name.clone(), expand(text, value)));
    let mut headers: Vec<(String, String)> = told.chain(own).collect();
    for (name, value) in headers_in(vars()) {
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        headers.push((name, value));
    }
    headers
}

static NO_VARS: Vars = Vars::new();

/// The variables that a call has from the trunk that it came over.
fn caller_vars(caller: &Caller) -> &Vars {
    match &caller.source {
        Source::Trunk(trunk) => &trunk.inbound_context_vars,
        Source::Extension(_) | Source::Guest(_) => &NO_VARS,
    }
}

/// Those of the variables that are headers.
fn headers_in<'a>(vars: impl IntoIterator<Item = (&'a String, &'a String)>) -> Vec<(String, String)> {
    let header =
        |(name, value): (&String, &String)| Some((name.strip_prefix("sip_h_")?.to_owned(), value.clone()));
    vars.into_iter().filter_map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use tandem_model::{Entity, Extension, Kind};
    use tandem_sip_msg::{Message, NameAddr, Writer, escape_user};

    fn trunk(more: Value) -> Arc<Trunk> {
        let mut body = json!({"name": "t", "mode": "ip_auth", "host": "192.0.2.7"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        match Entity::create(Kind::Trunk, uuid::Uuid::nil(), body).unwrap() {
            Entity::Trunk(trunk) => trunk,
            _ => unreachable!("a trunk was asked for"),
        }
    }

    fn extension() -> Arc<Extension> {
        let body = json!({"name": "Bob", "number": "1001", "password": "1001-password"});
        match Entity::create(Kind::Extension, uuid::Uuid::nil(), body).unwrap() {
            Entity::Extension(extension) => extension,
            _ => unreachable!("an extension was asked for"),
        }
    }

    /// What is written on the other side of an INVITE, towards every kind of peer.
    fn written(source: Source, invite: &Message) -> Vec<Message> {
        let identity = Identity::read(&source, invite);
        let caller =
            Caller { party: identity.party(&source), identity, headers: Vec::new(), source, seat: None };
        let uri = "sip:1@192.0.2.7";
        let mut all = vec![to_device(&caller, "198.51.100.1")];
        for header in ["none", "pai", "ppi", "rpid"] {
            for diversion in ["none", "make", "pass"] {
                for trusted in [true, false] {
                    let trunk = trunk(
                        json!({"identity_header": header, "diversion": diversion, "trust_identity": trusted}),
                    );
                    all.push(to_trunk(&caller, &trunk, ("1", None), &[], uri, "198.51.100.1"));
                }
            }
        }
        all.into_iter()
            .map(|presentation| {
                let mut w = Writer::request("INVITE", uri);
                w.header(Header::Via, "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1");
                w.header(Header::From, format_args!("{};tag=1", presentation.from));
                w.header(Header::To, "<sip:1@192.0.2.7>");
                w.header(Header::CallId, "1");
                w.header(Header::CSeq, "1 INVITE");
                w.header(
                    Header::Contact,
                    format_args!("<sip:{}@198.51.100.1>", escape_user(&presentation.contact_user)),
                );
                for (name, value) in &presentation.headers {
                    w.header(*name, value);
                }
                let bytes = w.finish();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                Message::parse(bytes).unwrap_or_else(|error| panic!("{error:?}: {text}"))
            })
            .collect()
    }

    const OURS: [&str; 8] = ["Via", "From", "To", "Call-ID", "CSeq", "Contact", "Content-Length", "Privacy"];
    const TOLD: [&str; 7] = [
        "P-Asserted-Identity",
        "P-Preferred-Identity",
        "Remote-Party-ID",
        "Diversion",
        "History-Info",
        "Identity",
        "Date",
    ];

    /// Text that a hostile peer might write, line ends and all.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\r\nX-Evil: 1".to_owned()),
            Just("\r\n X-Folded: 1".to_owned()),
            Just("\n".to_owned()),
            Just("\r".to_owned()),
            Just("\0".to_owned()),
            Just("%0d%0aX-Evil:%201".to_owned()),
            Just("%00".to_owned()),
            Just("\"".to_owned()),
            Just("\\".to_owned()),
            Just("<".to_owned()),
            Just(">".to_owned()),
            Just(";".to_owned()),
            Just(",".to_owned()),
            Just("@".to_owned()),
            Just("<sip:+1@a.example>".to_owned()),
            Just("\"A\" <sip:%22%3cx@b.example?Reason=SIP%3Bcause%3D1>".to_owned()),
            Just(";index=1.1".to_owned()),
            Just("<tel:+1-2>".to_owned()),
            Just("id".to_owned()),
            Just("\u{7}\u{7f}\u{85}\u{2028}é".to_owned()),
            "[ -~]{0,8}",
            any::<char>().prop_map(String::from),
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    fn invite(from: &str, values: &[(usize, String)]) -> Option<Message> {
        let mut text = format!(
            "INVITE sip:1@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: {from}<sip:%0d%0ax@a.example>;tag=1\r\n\
             To: <sip:1@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
        );
        for (name, value) in values {
            let name = TOLD.get(*name).unwrap_or(&"Privacy");
            text += &format!("{name}: {value}\r\n");
        }
        text += "Content-Length: 0\r\n\r\n";
        Message::parse(text.into_bytes().into()).ok()
    }

    proptest! {
        #[test]
        fn nothing_that_a_caller_writes_becomes_a_header(
            from in hostile(),
            values in proptest::collection::vec((0..8_usize, hostile()), 0..6),
            is_trunk: bool,
        ) {
            let Some(invite) = invite(&from, &values) else { return Ok(()) };
            let source = match is_trunk {
                true => Source::Trunk(trunk(json!({}))),
                false => Source::Extension(extension()),
            };
            for message in written(source, &invite) {
                let names: BTreeSet<&str> = message.lines().map(|(name, _)| name).collect();
                prop_assert!(names.iter().all(|name| OURS.contains(name) || TOLD.contains(name)), "{names:?}");
                for single in ["From", "Contact", "Privacy", "Date", "Remote-Party-ID", "P-Preferred-Identity"] {
                    prop_assert!(message.lines().filter(|(name, _)| *name == single).count() <= 1, "{single}");
                }
                for list in [Header::PAssertedIdentity, Header::Diversion, Header::HistoryInfo] {
                    for value in message.headers(list) {
                        prop_assert!(NameAddr::parse(value).is_some(), "{value}");
                    }
                }
                if !is_trunk {
                    let told = ["Diversion", "History-Info", "Identity", "Date"];
                    prop_assert!(!names.iter().any(|name| told.contains(name)));
                }
            }
        }
    }

    #[test]
    fn lists_and_lengths_are_bounded() {
        let many: Vec<(usize, String)> =
            (0..200).map(|n| (3 + n % 3, format!("<sip:{n}@a.example>;index=1.{n}"))).collect();
        let identity = Identity::read(&Source::Trunk(trunk(json!({}))), &invite("", &many).unwrap());
        assert_eq!((identity.diversions.len(), identity.history.len()), (20, 20));
        assert!(identity.signed.iter().map(String::len).sum::<usize>() <= 8 * 1024);
        let long = [(3, format!("<sip:{}@a.example>", "1".repeat(600)))];
        assert!(
            Identity::read(&Source::Trunk(trunk(json!({}))), &invite("", &long).unwrap())
                .diversions
                .is_empty()
        );
    }
}
