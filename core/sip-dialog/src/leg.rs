//! A leg: one dialog with one peer from its INVITE to its BYE, whichever side began.
//!
//! The call says what is to happen (`ring`, `answer`, `change`, `hang_up` ...); the leg keeps to the rules of the wire and tells
//! what the peer did as [`LegEvent`]s.

mod change;
mod ending;
mod incoming;
mod outgoing;

pub use outgoing::Dial;

use crate::digest::DigestClient;
use crate::{Dialog, Sip};
use bytes::Bytes;
use change::Change;
use outgoing::Calling;
use rand::Rng;
use std::collections::VecDeque;
use std::time::Duration;
use tandem_sip_msg::{Flow, Header, Message, Method, Writer};
use tandem_sip_txn::{ClientKey, Failure, Owner, ServerKey, Transactions};
use tandem_time::Time;

/// Methods that a leg takes, for Allow.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";

/// What we call ourselves in User-Agent and Server.
pub const PRODUCT: &str = "Tandem";

const SDP: &str = "application/sdp";
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64*T1: how long a 2xx is repeated while no ACK comes (RFC 3261 §13.3.1.4).
const UNACKED: Duration = Duration::from_secs(32);
/// Forked answers remembered, each with the ACK that it is to get again.
const MAX_FORKS: usize = 8;

/// How an attempt failed, or why a leg was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LegFailure {
    /// Status code: the peer's, or 408 for silence and 503 for a transport error.
    pub code: u16,
    /// Reason phrase.
    pub phrase: String,
    /// `Reason` header values that came with it (RFC 3326).
    pub reasons: Vec<String>,
    /// Whether the peer said so; otherwise it is our own conclusion.
    pub upstream: bool,
}

/// What the peer of a leg did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LegEvent {
    /// Our INVITE got a provisional response, 100 included.
    Progress {
        /// 100 to 199.
        code: u16,
        /// Its SDP, if any.
        body: Option<Bytes>,
    },
    /// Our INVITE got a 2xx. With an offer in the INVITE this is the answer, and [`Leg::release`] acknowledges it; without one it
    /// is the offer, and [`Leg::acknowledge`] is due.
    Answered {
        /// Its SDP.
        body: Option<Bytes>,
    },
    /// Our INVITE failed. The leg is over.
    Failed(LegFailure),
    /// The caller took its INVITE back, or broke off before the answer; the INVITE has been answered. The leg is over.
    Cancelled {
        /// `Reason` header values.
        reasons: Vec<String>,
    },
    /// Our 2xx was acknowledged.
    Acked {
        /// The answer to the offer in our 2xx, if it had one.
        body: Option<Bytes>,
    },
    /// The peer wants to change the session; [`Leg::accept_change`] or [`Leg::refuse_change`] is due.
    ChangeAsked {
        /// Its offer; `None` asks for ours.
        body: Option<Bytes>,
    },
    /// The peer took its change back; it has been answered.
    ChangeCancelled,
    /// The peer acknowledged the change that we accepted.
    ChangeAcked {
        /// The answer to the offer in our 2xx, if it had one.
        body: Option<Bytes>,
    },
    /// Our change was accepted. If it had no offer, the offer is here and [`Leg::acknowledge`] is due.
    Changed {
        /// Its SDP.
        body: Option<Bytes>,
    },
    /// Our change was refused; the session is as it was.
    ChangeRefused {
        /// Status code.
        code: u16,
        /// Reason phrase.
        phrase: String,
    },
    /// The peer hung up, or the dialog broke. The leg is over.
    Ended {
        /// `Reason` header values.
        reasons: Vec<String>,
        /// Our own conclusion (no ACK, 481, a request unanswered), in words; `None`: the peer sent BYE.
        broken: Option<&'static str>,
    },
}

enum State {
    /// Our INVITE is under way.
    Calling(Box<Calling>),
    /// Its 2xx is not acknowledged yet: the ACK is held, or it is to have the answer to the offer that came.
    Answering {
        cseq: u32,
        offered: bool,
    },
    /// The peer's INVITE has no final response yet.
    Incoming {
        invite: ServerKey,
    },
    /// Our 2xx is repeated until the ACK comes.
    Accepted(Unacked),
    Confirmed,
    /// Our BYE is under way.
    Closing {
        bye: ClientKey,
    },
    Gone,
}

/// A 2xx to an INVITE that is repeated until it is acknowledged.
struct Unacked {
    invite: ServerKey,
    cseq: u32,
    ok: Bytes,
    resend: Time,
    interval: Duration,
    until: Time,
    /// Hang up as soon as it is acknowledged (RFC 3261 §15).
    then_bye: Option<Vec<String>>,
}

impl Unacked {
    fn new(invite: ServerKey, cseq: u32, ok: Bytes, now: Time) -> Unacked {
        Unacked { invite, cseq, ok, resend: now + T1, interval: T1, until: now + UNACKED, then_bye: None }
    }

    /// It went out now, and not before.
    fn sent(&mut self, now: Time) {
        (self.resend, self.until) = (now + self.interval, now + UNACKED);
    }

    /// Repeats the 2xx if it is time; `false` when it has been repeated for long enough.
    fn tick(&mut self, txn: &mut Transactions, now: Time) -> bool {
        if now >= self.until {
            return false;
        }
        if now >= self.resend {
            txn.respond(self.invite, 200, self.ok.clone(), now);
            self.interval = (self.interval * 2).min(T2);
            self.resend = now + self.interval;
        }
        true
    }

    fn due(&self) -> Time {
        self.resend.min(self.until)
    }
}

/// An ACK that is sent again for each repeated 2xx.
struct SentAck {
    to_tag: String,
    cseq: u32,
    bytes: Bytes,
    flow: Flow,
}

/// A final response that nobody may see yet.
struct Held {
    key: ServerKey,
    code: u16,
    bytes: Bytes,
}

/// One leg. Its last words (an answer and the ACK to one, a refusal, the 200 to a BYE) are held until [`Leg::release`], because
/// what they tell is to be on disk first.
pub struct Leg {
    owner: Owner,
    dialog: Dialog,
    state: State,
    change: Change,
    digest: Option<DigestClient>,
    acks: Vec<SentAck>,
    /// INVITEs to addresses of the peer that were silent, given up for the next one but not yet over.
    given_up: Vec<ClientKey>,
    /// Final responses that wait for [`Leg::release`].
    held: Vec<Held>,
    events: VecDeque<LegEvent>,
}

impl Leg {
    fn new(owner: Owner, dialog: Dialog, state: State) -> Leg {
        Leg {
            owner,
            dialog,
            state,
            change: Change::None,
            digest: None,
            acks: Vec::new(),
            given_up: Vec::new(),
            held: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// What the peer did since the last call.
    pub fn poll_event(&mut self) -> Option<LegEvent> {
        self.events.pop_front()
    }

    /// When [`Leg::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Time> {
        let first = match &self.state {
            State::Accepted(unacked) => Some(unacked.due()),
            _ => None,
        };
        match (first, self.change.due()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Repeats a 2xx, or gives up waiting for its ACK.
    pub fn handle_timeout(&mut self, sip: &mut Sip) {
        if let State::Accepted(unacked) = &mut self.state
            && !unacked.tick(sip.txn, sip.now)
        {
            let asked = unacked.then_bye.take();
            self.state = State::Confirmed;
            self.send_bye(&asked.clone().unwrap_or_default(), sip);
            if asked.is_none() {
                self.events.push_back(LegEvent::Ended {
                    reasons: Vec::new(),
                    broken: Some("our answer was never acknowledged"),
                });
            }
        }
        self.change_timeout(sip);
    }

    /// Nothing of this leg is left on the wire: it may be dropped.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone) && self.given_up.is_empty()
    }

    /// Both sides know each other and neither has ended it.
    pub fn is_confirmed(&self) -> bool {
        matches!(self.state, State::Confirmed | State::Accepted(_) | State::Answering { .. })
    }

    /// SIP Call-ID.
    pub fn call_id(&self) -> &str {
        &self.dialog.call_id
    }

    /// Where its requests go.
    pub fn flow(&self) -> Flow {
        self.dialog.flow
    }

    /// A request within a dialog whose tag names this leg. The leg answers it, or asks the call through an event.
    pub fn on_request(&mut self, key: ServerKey, message: &Message, flow: Flow, sip: &mut Sip) {
        if !self.dialog.owns(message) || matches!(self.state, State::Gone) {
            return self.reply(key, message, 481, "Call/Transaction Does Not Exist", sip);
        }
        // A CSeq below the last one is out of order (RFC 3261 §12.2.2).
        if self.dialog.remote_cseq.is_some_and(|last| message.cseq() <= last) {
            return self.reply(key, message, 500, "CSeq Out Of Order", sip);
        }
        self.dialog.remote_cseq = Some(message.cseq());
        self.dialog.came_by(flow);
        match message.method() {
            Method::Bye => self.on_bye(key, message, sip),
            Method::Invite => self.on_reinvite(key, message, flow, sip),
            Method::Options => self.reply(key, message, 200, "OK", sip),
            _ => self.reply(key, message, 405, "Method Not Allowed", sip),
        }
    }

    /// An ACK within the dialog: it acknowledges the 2xx to the INVITE with its CSeq number.
    pub fn on_ack(&mut self, message: &Message, sip: &mut Sip) {
        if !self.dialog.owns(message) {
            return;
        }
        let body = sdp_of(message);
        match &mut self.state {
            State::Accepted(unacked) if unacked.cseq == message.cseq() => {
                let bye = unacked.then_bye.take();
                self.state = State::Confirmed;
                match bye {
                    Some(reasons) => self.send_bye(&reasons, sip),
                    None => self.events.push_back(LegEvent::Acked { body }),
                }
            }
            _ => self.change_acked(message.cseq(), body),
        }
    }

    /// A response to one of our requests.
    pub fn on_response(&mut self, key: ClientKey, message: &Message, flow: Flow, sip: &mut Sip) {
        let is_answer = message.method() == Method::Invite && message.code().is_some_and(|c| c / 100 == 2);
        let given_up = self.given_up.iter().position(|given_up| *given_up == key);
        if let Some(at) = given_up.filter(|_| message.code().is_some_and(|code| code >= 200)) {
            self.given_up.swap_remove(at);
        }
        if is_answer && self.is_answered(message, flow, sip) {
            return;
        }
        if given_up.is_some() {
            if is_answer {
                self.end_fork(message, flow, sip);
            }
            return;
        }
        match &self.state {
            State::Calling(calling) if calling.invite == key => self.calling_response(message, flow, sip),
            State::Closing { bye } if *bye == key => self.bye_response(message, sip),
            _ if self.change.is_asked(key) => self.change_response(message, flow, sip),
            _ => {}
        }
    }

    /// One of our requests got no final response.
    pub fn on_failed(&mut self, key: ClientKey, failure: Failure, sip: &mut Sip) {
        self.given_up.retain(|given_up| *given_up != key);
        match &self.state {
            State::Calling(calling) if calling.invite == key => self.calling_failed(failure, sip),
            State::Closing { bye } if *bye == key => self.state = State::Gone,
            _ if self.change.is_asked(key) => self.change_failed(sip),
            _ => {}
        }
    }

    /// A 2xx that was acknowledged before gets the same ACK again; one from another branch of a fork is acknowledged and ended
    /// (RFC 3261 §13.2.2.4). `false` for the first.
    fn is_answered(&mut self, ok: &Message, flow: Flow, sip: &mut Sip) -> bool {
        let tag = ok.to_tag().unwrap_or_default();
        if let Some(ack) = self.acks.iter().find(|ack| ack.to_tag == tag && ack.cseq == ok.cseq()) {
            sip.txn.send_raw(ack.bytes.clone(), ack.flow);
            return true;
        }
        let another = self.dialog.remote_tag.as_deref().is_some_and(|known| known != tag);
        if another && self.acks.len() < MAX_FORKS {
            self.end_fork(ok, flow, sip);
        }
        another
    }

    fn end_fork(&mut self, ok: &Message, flow: Flow, sip: &mut Sip) {
        let mut fork = self.dialog.clone();
        fork.establish(ok, flow);
        self.acks.push(send_ack(&fork, ok.cseq(), None, sip));
        let bye = fork.request(Method::Bye).finish();
        let key = sip.txn.request(bye, fork.flow, self.owner, sip.rng, sip.now);
        sip.txn.disown(key);
    }

    /// Sends and remembers the ACK of our INVITE with this CSeq number.
    fn ack(&mut self, cseq: u32, body: Option<Bytes>, sip: &mut Sip) {
        let ack = send_ack(&self.dialog, cseq, body, sip);
        let tag = self.dialog.remote_tag.clone();
        self.acks.retain(|old| Some(&old.to_tag) != tag.as_ref());
        self.acks.push(ack);
    }

    /// Gives the answer to an offer that came in a 2xx, in the ACK.
    pub fn acknowledge(&mut self, answer: Option<Bytes>, sip: &mut Sip) {
        if let State::Answering { cseq, .. } = self.state {
            self.state = State::Confirmed;
            self.ack(cseq, answer, sip);
        } else if let Some(cseq) = self.change.take_unacknowledged() {
            self.ack(cseq, answer, sip);
        }
    }

    /// Lets go what was held: what it says may be known now.
    pub fn release(&mut self, sip: &mut Sip) {
        for Held { key, code, bytes } in self.held.drain(..) {
            sip.txn.respond(key, code, bytes, sip.now);
            if let State::Accepted(unacked) = &mut self.state
                && unacked.invite == key
            {
                unacked.sent(sip.now);
            }
        }
        if let State::Answering { cseq, offered: true } = self.state {
            self.state = State::Confirmed;
            self.ack(cseq, None, sip);
        }
    }

    /// Answers a request of the peer without a body.
    fn reply(&self, key: ServerKey, message: &Message, code: u16, phrase: &str, sip: &mut Sip) {
        let bytes = self.reply_to(key, message, code, phrase, sip);
        sip.txn.respond(key, code, bytes, sip.now);
    }

    fn reply_to(&self, key: ServerKey, message: &Message, code: u16, phrase: &str, sip: &Sip) -> Bytes {
        let source = sip.txn.request_of(key).map_or(self.dialog.flow.remote, |(_, flow)| flow.remote);
        let mut w = Writer::reply(message, source, code, phrase, Some(&self.dialog.local_tag));
        if matches!(code, 200 | 405) {
            w.header(Header::Allow, ALLOW);
        }
        w.finish()
    }
}

fn send_ack(dialog: &Dialog, cseq: u32, body: Option<Bytes>, sip: &mut Sip) -> SentAck {
    let bytes = finish(dialog.ack(cseq), body.as_deref());
    let (bytes, flow) = sip.txn.send_ack(bytes, dialog.flow, sip.rng);
    SentAck { to_tag: dialog.remote_tag.clone().unwrap_or_default(), cseq, bytes, flow }
}

fn finish(w: Writer, sdp: Option<&[u8]>) -> Bytes {
    match sdp {
        Some(sdp) => w.finish_with(SDP, sdp),
        None => w.finish(),
    }
}

/// The body, if it is SDP. An absent Content-Type is taken for SDP, as peers that leave it out mean.
fn sdp_of(message: &Message) -> Option<Bytes> {
    if message.body().is_empty() {
        return None;
    }
    let is_sdp = message.content_type().is_none_or(|kind| {
        let kind = kind.split(';').next().unwrap_or("").trim();
        kind.eq_ignore_ascii_case(SDP)
    });
    is_sdp.then(|| message.body_bytes())
}

fn reasons_of(message: &Message) -> Vec<String> {
    message.headers(Header::Reason).take(4).map(str::to_owned).collect()
}

/// A tag that names its leg, so that requests within the dialog find it without a table, and that cannot be guessed.
fn new_tag(owner: Owner, rng: &mut impl Rng) -> String {
    format!("{owner:x}.{:016x}", rng.next_u64())
}

impl Leg {
    /// The owner that a tag of ours names; whether the leg is still there and the tag genuine is checked by the leg.
    pub fn owner_of_tag(tag: &str) -> Option<Owner> {
        let (owner, _) = tag.split_once('.')?;
        Owner::from_str_radix(owner, 16).ok()
    }
}
