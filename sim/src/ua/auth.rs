//! Credentials: those it asks of others, and those it has itself.

use super::Ua;
use std::net::SocketAddr;
use tandem_sip_dialog::digest::{DigestClient, Login, verify};
use tandem_sip_msg::{Credentials, Header, Message};
use tandem_time::Time;

/// Somebody who registered here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The Contact URI.
    pub contact: String,
    /// Where it came from.
    pub source: SocketAddr,
    /// Until when it holds.
    pub until: Time,
    /// How many REGISTERs were accepted so far.
    pub times: u32,
    /// The Call-ID of the last.
    pub call_id: String,
    /// Its CSeq number.
    pub cseq: u32,
}

impl Ua {
    /// It authenticates as its user with this password.
    pub fn set_password(&mut self, password: &str) {
        let login = Login::new(self.user.clone(), password.to_owned());
        self.digest = Some(DigestClient::new(login));
    }

    /// It asks for credentials, and these are good.
    pub fn add_account(&mut self, username: &str, password: &str) {
        self.accounts.insert(username.to_owned(), password.to_owned());
    }

    /// Who registered here as `username`, if the registration still holds.
    pub fn registered(&self, username: &str, now: Time) -> Option<&Registered> {
        self.registered.get(username).filter(|registered| registered.until > now)
    }

    /// Everybody who is registered is forgotten, as after a crash.
    pub fn forget_registrations(&mut self) {
        self.registered.clear();
    }

    /// Whose credentials a request carries; `None` when it has to be challenged. Without accounts everybody may.
    pub(super) fn credentials_of(&self, message: &Message) -> Option<String> {
        if self.accounts.is_empty() {
            return Some(String::new());
        }
        let value = message.header(Header::Authorization).or(message.header(Header::ProxyAuthorization))?;
        let credentials = Credentials::parse(value)?;
        let password = self.accounts.get(&credentials.username)?;
        let good = credentials.nonce == self.nonce && verify(&credentials, message.method_name(), password);
        good.then_some(credentials.username)
    }

    /// Nonces given out so far are good no more.
    pub fn renew_nonce(&mut self) {
        self.nonce = self.token();
    }

    /// A challenge; one that says so when credentials came with a nonce of before.
    pub(super) fn challenge(&self, message: &Message) -> String {
        let value = message.header(Header::Authorization).or(message.header(Header::ProxyAuthorization));
        let old =
            value.and_then(Credentials::parse).is_some_and(|credentials| credentials.nonce != self.nonce);
        let stale = if old { ", stale=true" } else { "" };
        let Ua { name, nonce, algorithm, .. } = self;
        format!("Digest realm=\"{name}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
    }

    /// The header that answers a challenge, if it can be answered.
    pub(super) fn answer_to(
        &mut self,
        challenged: &Message,
        method: &str,
        uri: &str,
    ) -> Option<(Header, String)> {
        let weaker = self.only_md5.then(|| without_sha(challenged));
        let digest = self.digest.as_mut()?;
        digest.answer(weaker.as_ref().unwrap_or(challenged), method, uri, &mut self.rng).ok()
    }

    pub(super) fn register(
        &mut self,
        message: &Message,
        username: &str,
        source: SocketAddr,
        now: Time,
    ) -> u32 {
        let asked = message
            .contact()
            .and_then(|contact| contact.params().get("expires").and_then(|e| e.parse().ok()));
        let granted = asked.or(message.expires()).unwrap_or(3600).min(self.max_expires);
        if granted == 0 {
            self.registered.remove(username);
            return 0;
        }
        let times = self.registered.get(username).map_or(0, |old| old.times) + 1;
        let contact = message.contact().map(|contact| contact.uri().as_str().to_owned()).unwrap_or_default();
        let until = now + std::time::Duration::from_secs(granted.into());
        let (call_id, cseq) = (message.call_id().to_owned(), message.cseq());
        self.registered
            .insert(username.to_owned(), Registered { contact, source, until, times, call_id, cseq });
        granted
    }
}

/// The same message with none of its SHA-256 challenges.
fn without_sha(challenged: &Message) -> Message {
    let text = String::from_utf8_lossy(challenged.as_bytes()).into_owned();
    let kept: String =
        text.split_inclusive("\r\n").filter(|line| !line.contains("algorithm=SHA-256")).collect();
    Message::parse(kept.into()).unwrap_or_else(|_| challenged.clone())
}
