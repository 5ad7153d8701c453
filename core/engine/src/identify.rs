//! Who calls? The first conclusive evidence decides: the token of our registration in the Request-URI, credentials, the address
//! of a registered device, the address of a trunk. Whoever shows none of these is challenged, known or not.

use crate::Engine;
use crate::engine::sip;
use std::sync::Arc;
use tandem_call::Source;
use tandem_model::{BindingOwner, Digits, Trunk, TrunkId};
use tandem_sip_msg::{Flow, Header, Message, Uri};
use tandem_time::Time;
use tandem_trunk::{Authentication, CONTACT_TOKEN};

/// What became of the question.
pub(crate) enum Who {
    /// It is this one.
    Known(Source),
    /// It has to prove itself: Proxy-Authenticate values.
    Challenge(Vec<String>),
    /// Credentials were given and are wrong.
    WrongCredentials,
    /// Several trunks come from this address, and nothing tells which it is.
    Ambiguous(Vec<TrunkId>),
}

impl Engine {
    pub(crate) fn identify(&mut self, message: &Message, flow: Flow, now: Time) -> Who {
        let uri = message.request_uri();
        let token = uri.and_then(|uri| uri.params().get(CONTACT_TOKEN));
        if let Some(trunk) =
            token.and_then(|token| self.trunks.by_contact_token(token)).and_then(|id| self.enabled_trunk(id))
        {
            return Who::Known(Source::Trunk(trunk));
        }
        let shown =
            message.header(Header::ProxyAuthorization).or(message.header(Header::Authorization)).is_some();
        let device = self.registrar.at(flow.remote, now).is_some();
        if shown || device {
            return self.by_credentials(message, flow, now);
        }
        let trunks: Vec<Arc<Trunk>> =
            self.trunks.at(flow.remote).into_iter().filter_map(|id| self.enabled_trunk(id)).collect();
        match trunks.as_slice() {
            [] => self.by_credentials(message, flow, now),
            [trunk] => Who::Known(Source::Trunk(trunk.clone())),
            several => match self.tell_apart(several, message) {
                Some(trunk) => Who::Known(Source::Trunk(trunk)),
                None => Who::Ambiguous(several.iter().map(|trunk| trunk.id).collect()),
            },
        }
    }

    fn by_credentials(&mut self, message: &Message, flow: Flow, now: Time) -> Who {
        let mut sip = sip(&mut self.txn, &mut self.rng, now);
        match self.registrar.authenticate(message, flow.remote, &mut sip) {
            Authentication::Challenge(values) => Who::Challenge(values),
            Authentication::Refused => Who::WrongCredentials,
            Authentication::Ok(owner) => match self.source_of(owner) {
                Some(source) => Who::Known(source),
                None => Who::WrongCredentials,
            },
        }
    }

    fn source_of(&self, owner: BindingOwner) -> Option<Source> {
        match owner {
            BindingOwner::Extension(id) => {
                self.config.extensions.get(&id).filter(|e| e.enabled).map(|e| Source::Extension(e.clone()))
            }
            BindingOwner::Trunk(id) => self.enabled_trunk(id).map(Source::Trunk),
        }
    }

    fn enabled_trunk(&self, id: TrunkId) -> Option<Arc<Trunk>> {
        self.config.trunks.get(&id).filter(|trunk| trunk.enabled).cloned()
    }

    /// Several accounts on one address: the account name in the Request-URI tells them apart, then in To.
    fn tell_apart(&self, trunks: &[Arc<Trunk>], message: &Message) -> Option<Arc<Trunk>> {
        let one_named = |uri: Uri<'_>| {
            let user = uri.user_unescaped()?;
            let mut named = trunks.iter().filter(|trunk| trunk.username.as_deref() == Some(user.as_ref()));
            match (named.next(), named.next()) {
                (Some(trunk), None) => Some(trunk.clone()),
                _ => None,
            }
        };
        message.request_uri().and_then(one_named).or_else(|| one_named(message.to().uri()))
    }

    /// The number that a call from a trunk is for: the Request-URI's user, or To's where the Request-URI names our account.
    pub(crate) fn called_number(&self, message: &Message) -> String {
        let user = |uri: Uri<'_>| uri.user_unescaped().map(|user| user.into_owned()).unwrap_or_default();
        let requested = message.request_uri().map(user).unwrap_or_default();
        let known =
            |number: &str| Digits::parse(number).is_some_and(|digits| self.config.number(&digits).is_some());
        let to = user(message.to().uri());
        if !known(&requested) && known(&to) { to } else { requested }
    }
}
