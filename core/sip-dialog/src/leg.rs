//! A leg: one dialog with one peer from its INVITE to its BYE, whichever side began.
//!
//! The call says what is to happen (`ring`, `answer`, `change`, `hang_up` ...); the leg keeps to the rules of the wire and tells
//! what the peer did as [`LegEvent`]s.

mod change;
mod early;
mod ending;
mod features;
mod incoming;
mod info;
mod outgoing;
mod refer;
mod refresh;
mod reliable;
mod session_timer;
mod unacked;
mod update;

pub use features::{ALLOW, SUPPORTED, unsupported};
pub use info::Digits;
pub use outgoing::Dial;
pub use refer::Refer;
pub use session_timer::{MIN_SE, is_session_too_brief};

use crate::digest::DigestClient;
use crate::{Dialog, Sip};
use bytes::Bytes;
use change::Change;
use early::{Early, Prack};
use features::{Ours, Peer};
use info::Infos;
use outgoing::Calling;
use rand::Rng;
use refer::Referral;
use reliable::Reliable;
use session_timer::SessionTimer;
use std::collections::VecDeque;
use std::time::Duration;
use tandem_sip_msg::{Flow, Header, Message, Method, Replaces, Writer};
use tandem_sip_txn::{ClientKey, Failure, Owner, ServerKey};
use tandem_time::Time;
use unacked::{SentAck, Unacked};

/// What we call ourselves in User-Agent and Server.
pub const PRODUCT: &str = "Tandem";

const SDP: &str = "application/sdp";
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64*T1: how long a 2xx is repeated while no ACK comes (RFC 3261 §13.3.1.4).
const UNACKED: Duration = Duration::from_secs(32);
/// Branches of an INVITE of ours that are told apart: early dialogs, and answers with the ACK that each is to get again.
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
        /// What it came in: INVITE, UPDATE, or PRACK. Only an INVITE may wait for somebody to decide.
        by: Method,
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
    /// The session has to be refreshed by saying once more what we said last: [`Leg::refresh`] is due.
    RefreshDue,
    /// Our refresh was answered.
    Refreshed {
        /// The peer's SDP, which it may have changed.
        body: Option<Bytes>,
    },
    /// The peer wants the other side to be connected to somebody else; [`Leg::accept_refer`] or [`Leg::refuse_refer`] is due.
    Referred(Refer),
    /// The peer tells digits by INFO; [`Leg::answer_digits`] is due.
    Digits(Digits),
    /// Digits that we told the peer have their answer.
    DigitsTold {
        /// What it was told.
        digits: Digits,
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

/// How far a dialog is that another one is to take the place of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replaced {
    /// We called and it rings.
    Ringing,
    /// It called us and has no answer yet.
    Unanswered,
    /// It was answered.
    Confirmed,
    /// It has ended.
    Over,
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
        /// The call has answered it; the 2xx waits for a PRACK.
        answer: Option<Bytes>,
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

/// The dialog that a request of the peer is within: the leg's own, or a branch of our INVITE that is not answered yet.
#[derive(Clone, Copy)]
enum Place {
    Own,
    Early(usize),
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
    /// What the peer can do.
    peer: Peer,
    /// We chose the Call-ID.
    owns_call_id: bool,
    /// CSeq number of the peer's INVITE.
    invite_cseq: u32,
    /// Branches of our INVITE, but for the one that answered.
    early: Vec<Early>,
    pracks: Vec<Prack>,
    reliable: Reliable,
    session: SessionTimer,
    digest: Option<Box<DigestClient>>,
    acks: Vec<SentAck>,
    /// INVITEs that are not over, though nobody waits for them: to addresses of the peer that were silent, given up for the next
    /// one, and changes that ended with the leg.
    given_up: Vec<ClientKey>,
    /// Final responses that wait for [`Leg::release`].
    held: Vec<Held>,
    /// The peer may ask for transfers.
    takes_refers: bool,
    /// The peer may tell digits by INFO, and is told them so.
    takes_digits: bool,
    infos: Infos,
    /// It has asked for one before.
    refers_taken: bool,
    referral: Referral,
    events: VecDeque<LegEvent>,
}

impl Leg {
    fn new(owner: Owner, dialog: Dialog, state: State) -> Leg {
        Leg {
            owner,
            dialog,
            state,
            change: Change::None,
            peer: Peer::default(),
            owns_call_id: false,
            invite_cseq: 0,
            early: Vec::new(),
            pracks: Vec::new(),
            reliable: Reliable::never(),
            session: SessionTimer::new(0),
            digest: None,
            acks: Vec::new(),
            given_up: Vec::new(),
            held: Vec::new(),
            takes_refers: false,
            takes_digits: false,
            infos: Infos::default(),
            refers_taken: false,
            referral: Referral::None,
            events: VecDeque::new(),
        }
    }

    /// What the peer did since the last call.
    pub fn poll_event(&mut self) -> Option<LegEvent> {
        self.events.pop_front()
    }

    /// The call stands: gives back room that is not needed as long as nothing happens.
    pub fn shrink(&mut self) {
        self.events.shrink_to_fit();
        self.acks.shrink_to_fit();
        self.early.shrink_to_fit();
        self.pracks.shrink_to_fit();
        self.held.shrink_to_fit();
        self.infos.shrink();
    }

    /// When [`Leg::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Time> {
        let first = match &self.state {
            State::Accepted(unacked) => Some(unacked.due()),
            State::Incoming { .. } => self.reliable.due(),
            _ => self.session_due(),
        };
        first.into_iter().chain(self.change.due()).min()
    }

    /// Repeats what was not acknowledged or gives up waiting for it; refreshes the session or ends it.
    pub fn handle_timeout(&mut self, sip: &mut Sip) {
        self.unacked_timeout(sip);
        self.reliable_timeout(sip);
        self.change_timeout(sip);
        self.session_timeout(sip);
    }

    /// Nothing of this leg is left on the wire: it may be dropped.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
            && self.given_up.is_empty()
            && matches!(self.referral, Referral::None)
    }

    /// Both sides know each other and neither has ended it.
    pub fn is_confirmed(&self) -> bool {
        matches!(self.state, State::Confirmed | State::Accepted(_) | State::Answering { .. })
    }

    /// SIP Call-ID.
    pub fn call_id(&self) -> &str {
        &self.dialog.call_id
    }

    /// Whom its transactions belong to.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// What is known of the dialog that a Replaces value names: whether it is this one's, and how far it is (RFC 3891 §3).
    pub fn replaced_by(&self, replaces: &Replaces) -> Option<Replaced> {
        // While it rings the peer's tag is not settled, and ours is enough: it cannot be guessed.
        let theirs = self.dialog.remote_tag.as_deref();
        let same = self.dialog.call_id == replaces.call_id
            && self.dialog.local_tag == replaces.to_tag
            && (matches!(self.state, State::Calling(_)) || theirs.unwrap_or("0") == replaces.from_tag);
        same.then_some(match &self.state {
            State::Calling(_) => Replaced::Ringing,
            State::Incoming { .. } => Replaced::Unanswered,
            State::Accepted(Unacked { then_bye: Some(_), .. }) | State::Closing { .. } | State::Gone => {
                Replaced::Over
            }
            State::Answering { .. } | State::Accepted(_) | State::Confirmed => Replaced::Confirmed,
        })
    }

    /// Takes the leg out of its place, where only its name is left: what it was called by, and nothing on the wire.
    pub fn take(&mut self) -> Leg {
        let husk = Leg::new(self.owner, self.dialog.clone(), State::Gone);
        std::mem::replace(self, husk)
    }

    fn ours(&self) -> Ours {
        Ours { transfers: self.takes_refers, digits: self.takes_digits }
    }

    /// Where its requests go.
    pub fn flow(&self) -> Flow {
        self.dialog.flow
    }

    /// A request within a dialog whose tag names this leg. The leg answers it, or asks the call through an event.
    pub fn on_request(&mut self, key: ServerKey, message: &Message, flow: Flow, sip: &mut Sip) {
        let place = self.place_of(message).filter(|_| !matches!(self.state, State::Gone));
        let Some(place) = place else {
            return self.reply(key, message, 481, "Call/Transaction Does Not Exist", sip);
        };
        // A CSeq below the last one is out of order (RFC 3261 §12.2.2).
        let remote_cseq = &mut self.dialog_at(place).remote_cseq;
        if remote_cseq.is_some_and(|last| message.cseq() <= last) {
            return self.reply(key, message, 500, "CSeq Out Of Order", sip);
        }
        *remote_cseq = Some(message.cseq());
        self.dialog_at(place).came_by(flow);
        if let Some(unknown) = unsupported(message) {
            let mut w = self.begin_reply(key, message, 420, "Bad Extension", sip);
            w.header(Header::Unsupported, unknown);
            sip.txn.respond(key, 420, w.finish(), sip.now);
            return;
        }
        match (message.method(), place) {
            (Method::Update, _) => self.on_update(place, key, message, flow, sip),
            (Method::Options, _) => self.reply(key, message, 200, "OK", sip),
            (Method::Bye, Place::Own) => self.on_bye(key, message, sip),
            (Method::Invite, Place::Own) => self.on_reinvite(key, message, flow, sip),
            (Method::Prack, Place::Own) => self.on_prack(key, message, sip),
            (Method::Refer, Place::Own) => self.on_refer(key, message, sip),
            (Method::Info, Place::Own) => self.on_info(key, message, sip),
            // A branch that has not answered cannot hang up (RFC 3261 §15), and has nothing to change yet.
            (Method::Bye, Place::Early(_)) => self.reply(key, message, 481, "Not Answered Yet", sip),
            (Method::Invite, Place::Early(_)) => self.reply(key, message, 491, "Request Pending", sip),
            (Method::Prack, Place::Early(_)) => {
                self.reply(key, message, 481, "No Such Provisional Response", sip)
            }
            _ => self.reply(key, message, 405, "Method Not Allowed", sip),
        }
    }

    /// A response to one of our requests.
    pub fn on_response(&mut self, key: ClientKey, message: &Message, flow: Flow, sip: &mut Sip) {
        if let Some(digest) = &mut self.digest {
            digest.heard_from(flow.remote.ip());
        }
        let is_answer = message.method() == Method::Invite && message.code().is_some_and(|c| c / 100 == 2);
        let given_up = self.given_up.iter().position(|given_up| *given_up == key);
        if let Some(at) = given_up.filter(|_| message.code().is_some_and(|code| code >= 200)) {
            self.given_up.swap_remove(at);
        }
        if is_answer && self.is_answered(message, flow, sip) {
            // Who answers a change under another tag took it for a new call, and knows nothing of this one any more.
            if self.change.is_asked(key) {
                self.change_failed(sip);
            }
            return;
        }
        if given_up.is_some() {
            match is_answer {
                true if message.to_tag() == self.dialog.remote_tag.as_deref() => {
                    self.ack(message.cseq(), None, sip)
                }
                true => self.end_fork(message, flow, sip),
                false => {}
            }
            return;
        }
        match &self.state {
            State::Calling(calling) if calling.invite == key => self.calling_response(message, flow, sip),
            State::Closing { bye } if *bye == key => self.bye_response(message, sip),
            _ if self.change.is_asked(key) => self.change_response(message, flow, sip),
            _ if self.session.is_refreshed_by(key) => self.refresh_response(message, flow, sip),
            _ if self.is_notified_by(key) => self.notify_response(message, sip),
            _ if self.is_told_by(key) => self.info_response(key, message, sip),
            _ => {
                if let Some(n) = self.pracks.iter().position(|prack| prack.key == key) {
                    self.prack_response(n, message, sip);
                }
            }
        }
    }

    /// Whether this is an INVITE that was given up.
    pub fn has_given_up(&self, key: ClientKey) -> bool {
        self.given_up.contains(&key)
    }

    /// One of our requests got no final response.
    pub fn on_failed(&mut self, key: ClientKey, failure: Failure, sip: &mut Sip) {
        self.given_up.retain(|given_up| *given_up != key);
        match &self.state {
            State::Calling(calling) if calling.invite == key => self.calling_failed(failure, sip),
            State::Closing { bye } if *bye == key => self.state = State::Gone,
            _ if self.change.is_asked(key) => self.change_failed(sip),
            _ if self.session.is_refreshed_by(key) => self.refresh_failed(sip),
            _ if self.is_notified_by(key) => self.notify_failed(),
            _ if self.is_told_by(key) => self.info_failed(key),
            _ => self.pracks.retain(|prack| prack.key != key),
        }
    }

    /// Answers a request of the peer without a body.
    fn reply(&self, key: ServerKey, message: &Message, code: u16, phrase: &str, sip: &mut Sip) {
        let bytes = self.reply_to(key, message, code, phrase, sip);
        sip.txn.respond(key, code, bytes, sip.now);
    }

    fn reply_to(&self, key: ServerKey, message: &Message, code: u16, phrase: &str, sip: &Sip) -> Bytes {
        let mut w = self.begin_reply(key, message, code, phrase, sip);
        if matches!(code, 200 | 405) {
            w.text(Header::Allow, &self.ours().allow());
        }
        if code == 200 {
            w.text(Header::Supported, &self.ours().supported(true));
        }
        w.finish()
    }

    fn begin_reply(&self, key: ServerKey, message: &Message, code: u16, phrase: &str, sip: &Sip) -> Writer {
        let source = sip.txn.request_of(key).map_or(self.dialog.flow.remote, |(_, flow)| flow.remote);
        Writer::reply(message, source, code, phrase, Some(&self.dialog.local_tag))
    }
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
