//! Who asks: checking Authorization and Proxy-Authorization of any request (RFC 3261 §22).
//!
//! Known and unknown users, wrong and right passwords of the disabled: all get the same challenge after the same work.

use crate::guard::Guard;
use crate::registrar::RegistrarConfig;
use crate::shy::Shy;
use std::net::{IpAddr, SocketAddr};
use tandem_model::{BindingOwner, Config, Secret};
use tandem_sip_dialog::Sip;
use tandem_sip_dialog::digest::{Algorithm, Nonces, Standing, challenge_values, verify};
use tandem_sip_msg::{Credentials, Header, Message};
use tandem_time::Time;

/// The result of checking a request's credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// They are this one's.
    Ok(BindingOwner),
    /// To be challenged with these header values, the preferred algorithm first, for WWW-Authenticate or Proxy-Authenticate.
    Challenge(Vec<String>),
    /// Wrong, too often, or of someone disabled; challenge again for the same look, but count.
    Refused,
}

/// Credentials looked at in one request.
const MAX_CREDENTIALS: usize = 4;
/// Hashed for users that do not exist, so that they take as long as others.
const DECOY: &str = "no password is this one";

/// What is remembered for checking.
#[derive(Debug)]
pub(crate) struct Authenticator {
    realm: String,
    algorithms: Vec<Algorithm>,
    nonces: Nonces,
    shy: Shy,
    pub(crate) guard: Guard,
}

/// A failed check, for the event.
pub(crate) struct Wrong {
    /// It is the one too many: the source is shut out from now on.
    pub(crate) shuts_out: bool,
    pub(crate) username: String,
    pub(crate) method: &'static str,
}

impl Authenticator {
    pub(crate) fn new(config: &RegistrarConfig, secret: [u8; 32]) -> Authenticator {
        Authenticator {
            realm: config.realm.clone(),
            algorithms: config.algorithms.clone(),
            nonces: Nonces::new(secret, config.nonce_lifetime),
            shy: Shy::default(),
            guard: Guard::new(config.guard),
        }
    }

    /// New challenges for someone at this address.
    pub(crate) fn challenge(&self, to: IpAddr, stale: bool, sip: &mut Sip<'_>) -> Vec<String> {
        let nonce = self.nonces.issue(to, sip.rng, sip.now);
        challenge_values(&self.realm, &nonce, stale, &self.algorithms)
    }

    /// Challenges for someone who showed nothing: with MD5 alone if the last ones, with more, were left unanswered.
    fn first_challenge(&mut self, message: &Message, to: IpAddr, sip: &mut Sip<'_>) -> Vec<String> {
        let shy = self.algorithms.len() > 1 && self.shy.challenged(to, user_of(message));
        if shy && self.algorithms.contains(&Algorithm::MD5) {
            let nonce = self.nonces.issue(to, sip.rng, sip.now);
            return challenge_values(&self.realm, &nonce, false, &[Algorithm::MD5]);
        }
        self.challenge(to, false, sip)
    }

    pub(crate) fn is_banned(&self, source: IpAddr, now: Time) -> bool {
        self.guard.is_banned(source, now)
    }

    pub(crate) fn check(
        &mut self,
        message: &Message,
        source: SocketAddr,
        config: &Config,
        sip: &mut Sip<'_>,
    ) -> (Authentication, Option<Wrong>) {
        let ip = source.ip();
        let values =
            message.headers(Header::Authorization).chain(message.headers(Header::ProxyAuthorization));
        // Nobody may choose a weaker algorithm than was offered.
        let offered = |algorithm: Algorithm| self.algorithms.contains(&algorithm);
        let ours = |credentials: &Credentials| {
            credentials.realm == self.realm
                && Algorithm::parse(credentials.algorithm.as_deref()).is_some_and(offered)
        };
        let Some(credentials) = values.take(MAX_CREDENTIALS).filter_map(Credentials::parse).find(ours) else {
            return (Authentication::Challenge(self.first_challenge(message, ip, sip)), None);
        };
        // Nothing is hashed for a nonce that is not good, so that it tells nothing about the password.
        let Standing::Fresh(ticket) = self.nonces.standing(&credentials.nonce, ip, sip.now) else {
            return (Authentication::Challenge(self.challenge(ip, true, sip)), None);
        };
        let account = account(config, domain_of(message), &credentials.username);
        let password = account.as_ref().map_or(DECOY, |(_, password)| password.expose());
        let right = verify(&credentials, message.method_name(), password);
        let Some((owner, _)) = account.filter(|_| right) else {
            let shuts_out = self.guard.wrong(ip, sip.now);
            let username = credentials.username.chars().filter(|c| !c.is_control()).take(64).collect();
            let method = message.method().name().unwrap_or("OTHER");
            return (Authentication::Refused, Some(Wrong { shuts_out, username, method }));
        };
        self.guard.right(ip);
        if Algorithm::parse(credentials.algorithm.as_deref()) != Some(Algorithm::MD5) {
            self.shy.answered_well(ip, user_of(message));
        }
        if !self.nonces.spend(ticket, &credentials, sip.now) {
            return (Authentication::Challenge(self.challenge(ip, true, sip)), None);
        }
        (Authentication::Ok(owner), None)
    }
}

fn user_of(message: &Message) -> &str {
    message.from().uri().user().unwrap_or_default()
}

/// The domain that a request is for: of a registration its registrar, of a call the domain that the device says it is of, since the
/// Request-URI may name anybody's.
fn domain_of(message: &Message) -> String {
    message.from().uri().host().to_string()
}

/// The one who authenticates as `username` in this SIP domain, with the password, if there is one who may. In a domain of nobody's,
/// as a bare address, it is an extension of the system, or the only one of all tenants that is called so.
fn account<'a>(config: &'a Config, domain: String, username: &str) -> Option<(BindingOwner, &'a Secret)> {
    let extension = match config.tenant_of_domain(&domain) {
        Some(tenant) => config.extension_by_username(Some(tenant.id), username),
        None => config.extension_by_username(None, username).or_else(|| config.only_extension(username)),
    };
    let extension = extension.filter(|extension| extension.enabled);
    let extension = extension.and_then(|e| Some((BindingOwner::Extension(e.id), e.password.as_ref()?)));
    let trunk = || {
        let trunk = config.incoming_trunk(username).filter(|trunk| trunk.enabled)?;
        Some((BindingOwner::Trunk(trunk.id), trunk.password.as_ref()?))
    };
    extension.or_else(trunk).filter(|(_, password)| !password.is_empty())
}
