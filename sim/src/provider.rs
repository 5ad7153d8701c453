//! A provider with one fault: what it answers to each request is decided here, by whatever it is reached over.

use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use tandem_sip_dialog::digest::verify;
use tandem_sip_msg::{Credentials, Header, Message, Writer};

/// What it does with a request that it has nothing against otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Act {
    /// 200.
    #[default]
    Accept,
    /// Nothing at all.
    Ignore,
    /// 100 and 180, and then nothing.
    Ring,
    /// This status, with further headers.
    Refuse(u16, Vec<(Header, String)>),
}

impl Act {
    /// A refusal without further headers.
    pub fn refuse(code: u16) -> Act {
        Act::Refuse(code, Vec::new())
    }

    /// A refusal with a further header.
    pub fn with(self, header: Header, value: &str) -> Act {
        match self {
            Act::Refuse(code, mut headers) => {
                headers.push((header, value.to_owned()));
                Act::Refuse(code, headers)
            }
            other => other,
        }
    }
}

/// Its settings; what it was told.
#[derive(Clone, Debug)]
pub struct Provider {
    /// What it does with OPTIONS.
    pub options: Act,
    /// What it does with a REGISTER that has a Contact.
    pub register: Act,
    /// What it does with a REGISTER that only asks.
    pub query: Act,
    /// What it does with INVITE.
    pub invite: Act,
    /// It challenges REGISTER and INVITE; user, password and realm.
    pub account: Option<(&'static str, &'static str, &'static str)>,
    /// Every challenge has another nonce, and says that the one before has aged.
    pub ages_nonces: bool,
    /// The algorithm of its challenges.
    pub algorithm: &'static str,
    /// Contacts that it holds beside those that it is told.
    pub others: Vec<String>,
    /// From how long on it registers, seconds.
    pub shortest: u32,
    /// From names that it takes calls of; empty: any.
    pub callers: Vec<&'static str>,
    /// Numbers that it knows; empty: any.
    pub numbers: Vec<&'static str>,
    /// Where its SDP says that it wants media.
    pub media: SocketAddr,
    /// The media line and direction of its SDP.
    pub sdp: &'static str,
    /// It refuses every REGISTER with credentials.
    pub forbids_registering: bool,
    /// It registers for no time at all.
    pub grants_nothing: bool,
    /// It hangs up as soon as it hears the ACK.
    pub hangs_up: bool,
    nonces: u32,
    /// Requests that it heard, in order.
    pub heard: Vec<Message>,
}

impl Provider {
    /// One that takes everything of anybody.
    pub fn new(media: SocketAddr) -> Provider {
        Provider {
            options: Act::Accept,
            register: Act::Accept,
            query: Act::Accept,
            invite: Act::Accept,
            account: None,
            ages_nonces: false,
            algorithm: "MD5",
            others: Vec::new(),
            shortest: 0,
            callers: Vec::new(),
            numbers: Vec::new(),
            media,
            sdp: "m=audio PORT RTP/AVP 8 0\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n",
            forbids_registering: false,
            grants_nothing: false,
            hangs_up: false,
            nonces: 0,
            heard: Vec::new(),
        }
    }

    /// What it sends back to a message that came from `source` to its address `at`.
    pub fn answer(&mut self, message: &Message, source: SocketAddr, at: SocketAddr) -> Vec<Bytes> {
        if !message.is_request() {
            return Vec::new();
        }
        self.heard.push(message.clone());
        let reply = |code: u16| {
            Writer::reply(message, source, code, tandem_sip_msg::standard_reason(code), Some("provider"))
        };
        let act = match message.method_name() {
            "OPTIONS" => self.options.clone(),
            "REGISTER" if message.contact().is_some() => self.register.clone(),
            "REGISTER" => self.query.clone(),
            "INVITE" => self.invite.clone(),
            "ACK" if self.hangs_up => return vec![bye(message, at)],
            "ACK" => return Vec::new(),
            _ => Act::Accept,
        };
        match act {
            Act::Ignore => return Vec::new(),
            Act::Ring => return vec![reply(100).finish(), reply(180).finish()],
            Act::Refuse(code, headers) => {
                let mut w = reply(code);
                for (header, value) in &headers {
                    w.header(*header, value);
                }
                return vec![w.finish()];
            }
            Act::Accept => {}
        }
        if matches!(message.method_name(), "REGISTER" | "INVITE")
            && let Some(challenge) = self.challenge(message)
        {
            let (code, header) = match message.method_name() {
                "REGISTER" => (401, Header::WwwAuthenticate),
                _ => (407, Header::ProxyAuthenticate),
            };
            let mut w = reply(code);
            w.header(header, challenge);
            return vec![w.finish()];
        }
        match message.method_name() {
            "REGISTER" if self.forbids_registering => vec![reply(403).finish()],
            "REGISTER" => vec![self.registered(message, reply(200), reply(423))],
            "INVITE" => self.called(message, &reply, at),
            _ => vec![reply(200).finish()],
        }
    }

    fn challenge(&mut self, message: &Message) -> Option<String> {
        let (user, password, realm) = self.account?;
        let value = message.header(Header::Authorization).or(message.header(Header::ProxyAuthorization));
        let given = value.and_then(Credentials::parse);
        let is_good = given.as_ref().is_some_and(|given| {
            given.username == user && given.realm == realm && verify(given, message.method_name(), password)
        });
        if is_good && !self.ages_nonces {
            return None;
        }
        self.nonces += 1;
        let stale = if self.ages_nonces && given.is_some() { ", stale=true" } else { "" };
        let (nonce, algorithm) = (self.nonces, self.algorithm);
        Some(format!(
            "Digest realm=\"{realm}\", nonce=\"n{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}"
        ))
    }

    fn registered(&self, message: &Message, mut ok: Writer, mut too_brief: Writer) -> Bytes {
        let told = message.header(Header::Contact).unwrap_or_default();
        let asked = message.expires().unwrap_or(0);
        if !told.is_empty() && asked < self.shortest {
            too_brief.header(Header::MinExpires, self.shortest);
            return too_brief.finish();
        }
        for other in &self.others {
            ok.header(Header::Contact, format_args!("<{other}>;expires=1800"));
        }
        if !told.is_empty() {
            let contact = told.split(";expires").next().unwrap_or_default();
            let granted = if self.grants_nothing { 0 } else { asked };
            ok.header(Header::Contact, format_args!("{contact};expires={granted}"));
        }
        ok.finish()
    }

    fn called(&self, message: &Message, reply: &dyn Fn(u16) -> Writer, at: SocketAddr) -> Vec<Bytes> {
        let from = message.from().uri().user_unescaped().unwrap_or_default();
        if !self.callers.is_empty() && !self.callers.contains(&&*from) {
            return vec![reply(403).finish()];
        }
        let number = message.request_uri().and_then(|uri| uri.user_unescaped()).unwrap_or_default();
        if !self.numbers.is_empty() && !self.numbers.contains(&&*number) {
            return vec![reply(404).finish()];
        }
        let mut ok = reply(200);
        ok.header(Header::Contact, format_args!("<sip:provider@{at}>"));
        let sdp = session(self.media, self.sdp);
        vec![reply(180).finish(), ok.finish_with("application/sdp", sdp.as_bytes())]
    }

    /// How many requests with this method it heard.
    pub fn count(&self, method: &str) -> usize {
        self.heard.iter().filter(|message| message.method_name() == method).count()
    }
}

fn session(media: SocketAddr, lines: &str) -> String {
    let family = if media.is_ipv4() { "IP4" } else { "IP6" };
    let ip: IpAddr = media.ip();
    let lines = lines.replace("PORT", &media.port().to_string());
    format!("v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n{lines}")
}

/// The end of the dialog that an ACK is of.
fn bye(ack: &Message, at: SocketAddr) -> Bytes {
    let uri = ack.from().uri();
    let host = ack.top_via();
    let port = host.port().map(|port| format!(":{port}")).unwrap_or_default();
    let mut w = Writer::request("BYE", &format!("sip:{}@{}{port}", uri.user().unwrap_or("x"), host.host()));
    w.header(Header::Via, format_args!("SIP/2.0/UDP {at};branch=z9hG4bKbye{}", ack.cseq()));
    w.header(Header::MaxForwards, 70);
    w.header(Header::From, ack.to().as_str());
    w.header(Header::To, ack.from().as_str());
    w.header(Header::CallId, ack.call_id());
    w.header(Header::CSeq, "1 BYE");
    w.finish()
}
