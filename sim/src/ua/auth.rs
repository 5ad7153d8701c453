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
        let login = Login { username: self.user.clone(), password: password.to_owned(), realm: None };
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

    pub(super) fn challenge(&self) -> String {
        format!("Digest realm=\"{}\", nonce=\"{}\", algorithm=MD5, qop=\"auth\"", self.name, self.nonce)
    }

    pub(super) fn register(&mut self, message: &Message, username: &str, source: SocketAddr, now: Time) -> u32 {
        let asked = message.contact().and_then(|contact| contact.params().get("expires").and_then(|e| e.parse().ok()));
        let granted = asked.or(message.expires()).unwrap_or(3600).min(self.max_expires);
        if granted == 0 {
            self.registered.remove(username);
            return 0;
        }
        let times = self.registered.get(username).map_or(0, |old| old.times) + 1;
        let contact = message.contact().map(|contact| contact.uri().as_str().to_owned()).unwrap_or_default();
        let until = now + std::time::Duration::from_secs(granted.into());
        let (call_id, cseq) = (message.call_id().to_owned(), message.cseq());
        self.registered.insert(username.to_owned(), Registered { contact, source, until, times, call_id, cseq });
        granted
    }
}
