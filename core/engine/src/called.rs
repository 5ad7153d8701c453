//! The number that a call from a trunk is for.

use crate::Engine;
use std::borrow::Cow;
use tandem_model::{DidSource, Digits, InboundExtension, Trunk};
use tandem_sip_msg::{Header, Message, NameAddr, Scheme, Uri};

impl Engine {
    /// By the trunk's settings: its fixed extension, the user of To, or where `did_source` says.
    pub(crate) fn called_number(&self, trunk: &Trunk, message: &Message) -> String {
        let requested = message.request_uri().map(user).unwrap_or_default();
        let by_token = requested == trunk.contact_token();
        match trunk.called_extension() {
            InboundExtension::Fixed(fixed) => fixed.to_owned(),
            InboundExtension::ToUser => user(message.to().uri()),
            InboundExtension::ToUserOfToken if by_token => user(message.to().uri()),
            InboundExtension::ToUserOfToken | InboundExtension::Called => {
                let named = named(trunk, message).and_then(|value| trunk.did_in(&value));
                named.unwrap_or_else(|| self.usual_number(trunk, message, requested, by_token))
            }
        }
    }

    /// The Request-URI's user, or To's where the Request-URI names our account or nothing that we know. A token that leads nowhere
    /// else stands for the account.
    fn usual_number(&self, trunk: &Trunk, message: &Message, requested: String, by_token: bool) -> String {
        let to = user(message.to().uri());
        if !self.is_known(trunk, &requested) && self.is_known(trunk, &to) {
            return to;
        }
        match (&trunk.username, by_token) {
            (Some(username), true) => username.clone(),
            _ => requested,
        }
    }

    fn is_known(&self, trunk: &Trunk, number: &str) -> bool {
        Digits::parse(number).is_some_and(|digits| self.config.is_known(trunk, digits.as_str()))
    }
}

/// The user part of a URI; of a `tel:` URI the number.
fn user(uri: Uri<'_>) -> String {
    uri.number().map(Cow::into_owned).unwrap_or_default()
}

/// What the trunk's `did_source` has: as a whole where something is to be taken out of it, else the user of its URI, else the
/// value itself.
fn named(trunk: &Trunk, message: &Message) -> Option<String> {
    let whole: Cow<'_, str> = match &trunk.did_source {
        DidSource::Auto if trunk.extracts_did() => message.request_uri()?.as_str().into(),
        DidSource::Auto => return None,
        DidSource::RequestUri => message.request_uri()?.as_str().into(),
        DidSource::To => message.to().as_str().into(),
        DidSource::Diversion => message.headers(Header::Diversion).next()?.into(),
        DidSource::PCalledPartyId => message.headers(Header::PCalledPartyId).next()?.into(),
        DidSource::Header(name) => message.header_named(name)?.into(),
    };
    match trunk.extracts_did() {
        true => Some(whole.into_owned()),
        false => Some(user_or_text(&whole)),
    }
}

fn user_or_text(value: &str) -> String {
    let known = |uri: &Uri<'_>| matches!(uri.scheme(), Scheme::Sip | Scheme::Sips | Scheme::Tel);
    let uri = NameAddr::parse(value).map(|addr| addr.uri()).filter(known);
    uri.map(user).filter(|user| !user.is_empty()).unwrap_or_else(|| value.trim().to_owned())
}
