//! REGISTER, as it sends it and as it takes it.

use super::Ua;
use std::net::SocketAddr;
use tandem_sip_msg::{Header, Message, Writer};
use tandem_time::Time;

/// A registration under way.
#[derive(Clone, Copy)]
pub(super) struct Registering {
    registrar: SocketAddr,
    expires: u32,
    answered: bool,
}

impl Ua {
    /// Registers at `registrar` for so many seconds; 0 ends it.
    pub fn register_at(&mut self, registrar: SocketAddr, expires: u32, now: Time) {
        self.registration = None;
        self.registering = Some(Registering { registrar, expires, answered: false });
        let uri = format!("sip:{registrar}");
        let reused = self.digest.as_mut().filter(|_| self.reuses_nonce);
        let auth = reused.and_then(|digest| digest.preemptive("REGISTER", &uri, &mut self.rng));
        self.send_register(auth, now);
    }

    /// Until when it is registered at the server, if it was told so and has asked for nothing else since.
    pub fn registered_until(&self) -> Option<Time> {
        self.registered_at.filter(|_| self.registration == Some(200)).map(|(.., until)| until)
    }

    pub(super) fn register_again(&mut self, now: Time) {
        if let Some((registrar, expires, _)) = self.registered_at.filter(|(.., until)| *until > now)
            && self.registering.is_none()
        {
            self.register_at(registrar, expires, now);
        }
    }

    fn send_register(&mut self, auth: Option<(Header, String)>, now: Time) {
        let Some(Registering { registrar, expires, .. }) = self.registering else { return };
        self.register_cseq += 1;
        let mut w = Writer::request("REGISTER", &format!("sip:{registrar}"));
        let (address, user, cseq) = (self.address, self.user.clone(), self.register_cseq);
        let branch = self.via(&mut w);
        w.header(Header::MaxForwards, 70);
        let domain = self.domain.clone().unwrap_or_else(|| registrar.to_string());
        w.header(Header::From, format_args!("<sip:{user}@{domain}>;tag={branch}f"));
        let aor = self.register_as.as_ref().unwrap_or(&user);
        w.header(Header::To, format_args!("<sip:{aor}@{domain}>"));
        w.header(Header::CallId, format_args!("reg-{user}-{address}"));
        w.header(Header::CSeq, format_args!("{cseq} REGISTER"));
        w.header(Header::Contact, self.contact());
        w.header(Header::Expires, expires);
        w.header(Header::UserAgent, self.product());
        if let Some((name, value)) = auth {
            w.header(name, value);
        }
        self.request(branch, "REGISTER", registrar, w.finish(), now);
    }

    pub(super) fn on_register_response(&mut self, message: &Message, code: u16, now: Time) {
        let Some(registering) = &mut self.registering else { return };
        if code == 401 && !registering.answered {
            registering.answered = true;
            let uri = format!("sip:{}", registering.registrar);
            if let Some(auth) = self.answer_to(message, "REGISTER", &uri) {
                return self.send_register(Some(auth), now);
            }
        }
        if let Some(digest) = &mut self.digest {
            digest.accepted();
        }
        if let Some(Registering { registrar, expires, .. }) = self.registering.filter(|_| code == 200) {
            let until = now + std::time::Duration::from_secs(expires.into());
            self.registered_at = (expires > 0).then_some((registrar, expires, until));
        }
        self.registering = None;
        self.registration = Some(code);
    }

    pub(super) fn on_register(&mut self, message: &Message, from: SocketAddr, now: Time) {
        if let Some(code) = self.register_code {
            return self.refuse_register(message, from, code, None);
        }
        let Some(username) = self.credentials_of(message) else {
            let challenge = self.challenge(message);
            return self.refuse_register(message, from, 401, Some((Header::WwwAuthenticate, challenge)));
        };
        if message.expires().is_some_and(|asked| asked > 0 && asked < self.min_expires) {
            let least = self.min_expires.to_string();
            return self.refuse_register(message, from, 423, Some((Header::MinExpires, least)));
        }
        let granted = self.register(message, &username, from, now);
        let mut w = Writer::reply(message, from, 200, "OK", Some("reg"));
        if let Some(contact) = message.contact().filter(|_| granted > 0) {
            w.header(Header::Contact, format_args!("<{}>;expires={granted}", contact.uri().as_str()));
        }
        self.answer(message, from, w.finish());
    }

    fn refuse_register(
        &mut self,
        message: &Message,
        from: SocketAddr,
        code: u16,
        header: Option<(Header, String)>,
    ) {
        let mut w = Writer::reply(message, from, code, tandem_sip_msg::standard_reason(code), Some("reg"));
        if let Some((name, value)) = header {
            w.header(name, value);
        }
        self.answer(message, from, w.finish());
    }
}
