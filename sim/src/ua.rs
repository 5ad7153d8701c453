//! A SIP user agent of its own making: a phone, a carrier with its registrar, a gateway. It keeps to the same contract as the
//! core: packets and moments in, packets out.

mod answered;
mod auth;
mod call;
mod calling;
mod changing;
mod client;
mod describing;
mod informing;
mod media;
mod referring;
mod registering;
mod reliable;
mod ringing;
mod server;
mod session;
mod updating;

pub use auth::Registered;
pub use call::{Stage, UaCall};
pub use calling::Line;
pub use referring::{Leaves, News};
pub use reliable::Rel;
pub use session::SessionWish;

use crate::policy::{Behaviour, Policy};
use bytes::Bytes;
use client::Pending;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use registering::Registering;
use server::Answered;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use tandem_sip_dialog::digest::DigestClient;
use tandem_sip_msg::{Header, Message, Transport, escape_user};
use tandem_time::Time;

/// A datagram on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it comes from.
    pub from: SocketAddr,
    /// Where it goes.
    pub to: SocketAddr,
    /// What it is.
    pub bytes: Bytes,
    /// RTP or RTCP; otherwise SIP.
    pub is_media: bool,
}

/// One call of a user agent, by its position among all it ever had.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallRef(pub usize);

/// A user agent.
pub struct Ua {
    /// Its name in ladders.
    pub name: String,
    /// Its SIP address.
    pub address: SocketAddr,
    /// The user part of its addresses.
    pub user: String,
    /// What its messages to the server go over.
    pub transport: Transport,
    /// What it does with calls.
    policy: Policy,
    /// Accounts that may register here and call out here; empty: nobody is asked for credentials.
    accounts: BTreeMap<String, String>,
    /// Who registered here.
    registered: BTreeMap<String, Registered>,
    /// The longest registration that it grants, seconds.
    pub max_expires: u32,
    /// It is switched off: takes nothing, says nothing.
    pub is_off: bool,
    /// Codecs that it offers and accepts, best first.
    pub codecs: Vec<&'static str>,
    /// The frequency of its tone, hertz.
    pub tone: f64,
    /// INVITEs go out without an offer.
    pub offers_late: bool,
    /// The address that it writes into what it sends; another than its own behind NAT.
    pub shown: SocketAddr,
    /// It sends no audio.
    pub is_mute: bool,
    /// The algorithm of its challenges: `MD5` or `SHA-256`.
    pub algorithm: &'static str,
    /// It knows no digest but MD5.
    pub only_md5: bool,
    /// It registers with the nonce of before instead of asking for a new one.
    pub reuses_nonce: bool,
    /// The address of record that it registers, where it is not its own.
    pub register_as: Option<String>,
    /// The SIP domain that it is of, where that is not the server's address.
    pub domain: Option<String>,
    /// What it answers OPTIONS with.
    pub options_code: u16,
    /// What it answers every REGISTER with, instead of looking at it.
    pub register_code: Option<u16>,
    /// The shortest registration that it grants, seconds.
    pub min_expires: u32,
    /// What it answers re-INVITEs with, instead of accepting them.
    pub refuses_changes: Option<u16>,
    /// It acknowledges no answer.
    pub never_acks: bool,
    /// Reliable provisional responses.
    pub rel: Rel,
    /// It wants credentials with a PRACK too.
    pub challenges_pracks: bool,
    /// It takes UPDATE.
    pub knows_update: bool,
    /// It says that it takes UPDATE, and answers it with 405.
    pub denies_update: bool,
    /// Session timers; `None`: it knows nothing of them.
    pub session: Option<SessionWish>,
    /// When an INVITE is forked here, more than one branch may answer.
    pub forks_answer_twice: bool,
    /// It offers and accepts video beside the sound.
    pub has_video: bool,
    /// It accepts fax (T.38); otherwise a change to fax is refused with 488.
    pub takes_fax: bool,
    /// Its answer has another media port than its early media.
    pub moves_on_answer: bool,
    breaches: Vec<String>,
    /// When it hangs up a call that it transfers.
    pub leaves: Leaves,
    /// What it answers INFO with.
    pub answers_info: u16,
    /// It wants credentials with every INFO.
    pub challenges_infos: bool,
    /// It wants credentials with every NOTIFY.
    pub challenges_notify: bool,
    digest: Option<DigestClient>,
    registration: Option<u16>,
    registering: Option<Registering>,
    /// Where it is registered, for how many seconds, and until when.
    registered_at: Option<(SocketAddr, u32, Time)>,
    register_cseq: u32,
    calls: Vec<UaCall>,
    pending: Vec<Pending>,
    answered: BTreeMap<String, Answered>,
    outputs: VecDeque<Packet>,
    rng: StdRng,
    next_port: u16,
    nonce: String,
}

impl Ua {
    /// A user agent at `address` that answers every call after half a second of ringing. Its media ports begin at `media_port`.
    pub fn new(name: &str, address: SocketAddr, user: &str, media_port: u16, seed: u64) -> Ua {
        let mut rng = StdRng::seed_from_u64(seed);
        let nonce = format!("{:016x}", rng.next_u64());
        Ua {
            name: name.to_owned(),
            address,
            user: user.to_owned(),
            transport: Transport::Udp,
            policy: Box::new(|_| Behaviour::answer_after(500)),
            accounts: BTreeMap::new(),
            registered: BTreeMap::new(),
            max_expires: 3600,
            is_off: false,
            codecs: vec!["PCMU", "PCMA", "telephone-event"],
            tone: 440.0,
            offers_late: false,
            shown: address,
            is_mute: false,
            algorithm: "MD5",
            only_md5: false,
            reuses_nonce: false,
            register_as: None,
            domain: None,
            options_code: 200,
            register_code: None,
            min_expires: 0,
            refuses_changes: None,
            never_acks: false,
            rel: Rel::Unknown,
            challenges_pracks: false,
            knows_update: false,
            denies_update: false,
            session: None,
            forks_answer_twice: false,
            has_video: false,
            takes_fax: false,
            moves_on_answer: false,
            breaches: Vec::new(),
            leaves: Leaves::Told,
            answers_info: 200,
            challenges_infos: false,
            challenges_notify: false,
            digest: None,
            registration: None,
            registering: None,
            registered_at: None,
            register_cseq: 0,
            calls: Vec::new(),
            pending: Vec::new(),
            answered: BTreeMap::new(),
            outputs: VecDeque::new(),
            rng,
            next_port: media_port,
            nonce,
        }
    }

    /// From now on calls are treated so.
    pub fn treat_calls(&mut self, policy: impl FnMut(&str) -> Behaviour + Send + 'static) {
        self.policy = Box::new(policy);
    }

    /// All calls that it ever had, oldest first.
    pub fn calls(&self) -> &[UaCall] {
        &self.calls
    }

    /// One of its calls.
    pub fn call(&self, call: CallRef) -> &UaCall {
        &self.calls[call.0]
    }

    /// Its latest call, if it ever had one.
    pub fn last_call(&self) -> Option<CallRef> {
        self.calls.len().checked_sub(1).map(CallRef)
    }

    /// The final status of its latest REGISTER.
    pub fn registration_code(&self) -> Option<u16> {
        self.registration
    }

    /// Takes a datagram that came to its SIP address or to one of its media ports.
    pub fn receive(&mut self, packet: &Packet, now: Time) {
        if self.is_off {
            return;
        }
        if packet.to != self.address {
            return self.receive_media(packet);
        }
        let Ok(message) = Message::parse(packet.bytes.clone()) else { return };
        if message.is_request() {
            self.on_request(message, packet.from, now);
        } else {
            self.on_response(&message, packet.from, now);
        }
    }

    /// The next packet to send.
    pub fn poll_output(&mut self) -> Option<Packet> {
        if self.is_off {
            self.outputs.clear();
        }
        self.outputs.pop_front()
    }

    /// When [`Ua::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Time> {
        let pending = self.pending.iter().map(|pending| pending.due);
        let calls = self.calls.iter().filter_map(UaCall::due);
        pending.chain(calls).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.resend_pending(now);
        for n in 0..self.calls.len() {
            self.call_timeout(n, now);
        }
    }

    /// It has lost its memory: no call of before is known here.
    pub fn forget_calls(&mut self) {
        for call in &mut self.calls {
            call.forget(&format!("forgotten-{}", self.name));
        }
    }

    /// Sends bytes of the test's own making.
    pub fn send_raw(&mut self, to: SocketAddr, bytes: impl Into<Bytes>) {
        self.send(to, bytes.into());
    }

    /// Where it wants requests.
    fn contact(&self) -> String {
        self.contact_with("")
    }

    /// The same with further parameters of the URI.
    fn contact_with(&self, params: &str) -> String {
        let transport = match self.transport {
            Transport::Udp => String::new(),
            other => format!(";transport={}", other.param_name()),
        };
        format!("<sip:{}@{}{transport}{params}>", escape_user(&self.user), self.shown)
    }

    /// A connection to the server is gone. Who is registered over it registers anew (RFC 5626 §4.2).
    pub fn cut_off(&mut self, now: Time) {
        if self.transport.is_reliable() && !self.is_off {
            self.register_again(now);
        }
    }

    /// What the other side did against the rules.
    pub fn breaches(&self) -> &[String] {
        &self.breaches
    }

    fn complain(&mut self, of: &str) {
        self.breaches.push(format!("{}: {of}", self.name));
    }

    /// What it calls itself.
    fn product(&self) -> String {
        format!("Softphone-{}/1.0", self.name)
    }

    fn send(&mut self, to: SocketAddr, bytes: Bytes) {
        self.outputs.push_back(Packet { from: self.address, to, bytes, is_media: false });
    }

    fn token(&mut self) -> String {
        format!("{:012x}", self.rng.next_u64() >> 16)
    }

    fn find_call(&self, message: &Message) -> Option<usize> {
        let own_tag = if message.is_request() { message.to_tag() } else { message.from_tag() };
        self.calls.iter().rposition(|call| {
            call.call_id == message.call_id() && own_tag.is_none_or(|tag| tag == call.local_tag)
        })
    }
}

/// Whether a list header has this token.
fn names(message: &Message, header: Header, token: &str) -> bool {
    message.headers(header).any(|value| value.trim().eq_ignore_ascii_case(token))
}
