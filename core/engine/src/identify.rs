//! Who calls? The first conclusive evidence decides: the token of our registration in the Request-URI, the direct token of an
//! extension there, credentials, the
//! certificate of a trunk, the address of a registered device, the address of a trunk. Whoever shows none of these is challenged,
//! known or not.
//!
//! A slug (`gw+slug`, `gw=slug`) is no secret: it only says which of the trunks is meant that come from this address.

use crate::Engine;
use crate::engine::sip;
use std::sync::Arc;
use tandem_call::Source;
use tandem_model::{BindingOwner, Digits, Extension, Trunk, TrunkId};
use tandem_sip_msg::{Flow, Header, Message, Uri};
use tandem_time::Time;
use tandem_trunk::{Authentication, CONTACT_TOKEN};

/// What the user part of a Contact with `contact_user` `token` begins with.
const TOKEN_USER: &str = "gw+";

/// What the user part of a URI begins with that has the direct token of an extension.
const DIRECT_USER: &str = "direct.";

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
        if let Some(extension) = self.called_directly(message) {
            return Who::Known(Source::Guest(extension));
        }
        let shown =
            message.header(Header::ProxyAuthorization).or(message.header(Header::Authorization)).is_some();
        if shown {
            return self.by_credentials(message, flow, now);
        }
        let certified = flow.connection.and_then(|connection| self.certificates.get(&connection));
        let certified = certified.map(|names| self.trunks.certified(names)).unwrap_or_default();
        if certified.is_empty() && self.registrar.at(flow.remote, now).is_some() {
            return self.by_credentials(message, flow, now);
        }
        let trunks: Vec<Arc<Trunk>> = match certified.is_empty() {
            false => certified.into_iter().filter_map(|id| self.enabled_trunk(id)).collect(),
            // One that has to show a certificate is not known by where it calls from.
            true => {
                let here = self.trunks.at(flow.remote).into_iter().filter_map(|id| self.enabled_trunk(id));
                here.filter(|trunk| trunk.mtls_san.is_empty()).collect()
            }
        };
        match trunks.as_slice() {
            [] => self.by_credentials(message, flow, now),
            [trunk] => Who::Known(Source::Trunk(trunk.clone())),
            several => {
                let several = &self.where_known(several, message)[..];
                let found = self.tell_apart(several, message).or_else(|| self.nearest(several, flow));
                match found {
                    Some(trunk) => Who::Known(Source::Trunk(trunk)),
                    None => Who::Ambiguous(several.iter().map(|trunk| trunk.id).collect()),
                }
            }
        }
    }

    /// The extension whose direct token is in the Request-URI, at the domain of its tenant. Whoever calls so is a guest, even one that
    /// we know: a guest may do less than anybody.
    fn called_directly(&self, message: &Message) -> Option<Arc<Extension>> {
        let uri = message.request_uri()?;
        let token = direct_token(uri)?;
        let extension = self.config.extension_by_direct_token(&uri.host().to_string(), token)?;
        Some(extension.clone()).filter(|extension| extension.enabled)
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

    /// The trunks without those of tenants that have not the called number, where somebody else has it: nobody's call goes to a tenant
    /// that says it comes from there too.
    fn where_known(&self, trunks: &[Arc<Trunk>], message: &Message) -> Vec<Arc<Trunk>> {
        let is_known = |trunk: &Trunk| {
            let called = Digits::parse(&self.called_number(trunk, message));
            called.is_some_and(|digits| self.config.is_known(trunk, digits.as_str()))
        };
        let known: Vec<&Arc<Trunk>> = trunks.iter().filter(|trunk| is_known(trunk)).collect();
        let is_anothers = |trunk: &Trunk| {
            known.iter().all(|known| known.id != trunk.id)
                && known.iter().any(|known| known.tenant_id != trunk.tenant_id)
        };
        trunks.iter().filter(|trunk| !is_anothers(trunk)).cloned().collect()
    }

    /// Several accounts on one address: our Contact in the Request-URI tells them apart, the account name there, whose pool has the
    /// called number, then the account name in To.
    fn tell_apart(&self, trunks: &[Arc<Trunk>], message: &Message) -> Option<Arc<Trunk>> {
        let by_slug = || {
            let uri = message.request_uri()?;
            let param = uri.params().get(CONTACT_TOKEN);
            let user = uri.user_unescaped();
            let slug = user.as_deref().and_then(|user| user.strip_prefix(TOKEN_USER)).or(param)?;
            only(trunks, |trunk| trunk.slug == slug)
        };
        let by_account = |uri: Uri<'_>| {
            let user = uri.user_unescaped()?;
            only(trunks, |trunk| trunk.username.as_deref() == Some(&*user))
                .or_else(|| only(trunks, |trunk| trunk.contact_name().as_deref() == Some(&*user)))
        };
        let has_number = |trunk: &Trunk| {
            let called = Digits::parse(&self.called_number(trunk, message));
            called.is_some_and(|digits| self.config.pool_owner(trunk.id, digits.as_str()).is_some())
        };
        by_slug()
            .or_else(|| message.request_uri().and_then(by_account))
            .or_else(|| only(trunks, has_number))
            .or_else(|| by_account(message.to().uri()))
    }

    /// The one of them that the address fits better than the others.
    fn nearest(&self, trunks: &[Arc<Trunk>], flow: Flow) -> Option<Arc<Trunk>> {
        let nearest = self.trunks.nearest(flow.remote);
        only(trunks, |trunk| nearest.contains(&trunk.id))
    }
}

/// The direct token that a URI may have.
pub(crate) fn direct_token<'a>(uri: Uri<'a>) -> Option<&'a str> {
    uri.user()?.strip_prefix(DIRECT_USER)
}

/// The one trunk that is so; `None` where several are.
fn only(trunks: &[Arc<Trunk>], is_so: impl Fn(&Trunk) -> bool) -> Option<Arc<Trunk>> {
    let mut all = trunks.iter().filter(|trunk| is_so(trunk));
    match (all.next(), all.next()) {
        (Some(trunk), None) => Some(trunk.clone()),
        _ => None,
    }
}
