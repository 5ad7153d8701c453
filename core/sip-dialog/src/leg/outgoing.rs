//! The calling side: INVITE, its credentials, its targets, its answer and its cancellation (RFC 3261 §13.2, §9.1).

use super::features::Ours;
use super::session_timer::SessionTimer;
use super::{Leg, LegEvent, LegFailure, PRODUCT, State, finish, new_tag, reasons_of, sdp_of};
use crate::digest::{DigestClient, Login};
use crate::{Dialog, Sip};
use bytes::Bytes;
use rand::Rng;
use std::collections::VecDeque;
use tandem_sip_msg::{Flow, Header, Message, Writer, standard_reason};
use tandem_sip_txn::{ClientKey, Failure, Owner};

/// What to call and as whom.
#[derive(Clone, Debug)]
pub struct Dial {
    /// The Request-URI.
    pub uri: String,
    /// From as name-addr without tag.
    pub from: String,
    /// To as name-addr.
    pub to: String,
    /// Our Contact.
    pub contact: String,
    /// Route values to go through (an outbound proxy, a registered Path).
    pub routes: Vec<String>,
    /// Further headers.
    pub headers: Vec<(Header, String)>,
    /// Headers that this crate has no name for.
    pub extra: Vec<(String, String)>,
    /// The SDP offer; `None` asks the peer for one.
    pub body: Option<Bytes>,
    /// Max-Forwards, carried on from the calling leg.
    pub max_forwards: u8,
    /// What to answer challenges with.
    pub login: Option<Login>,
    /// Where to send it, best first; at least one.
    pub flows: Vec<Flow>,
    /// The peer is behind NAT: see [`Dialog::symmetric`].
    pub symmetric: bool,
    /// How long the session may last unless it is refreshed, in seconds: what we ask for. 0: nothing is asked (RFC 4028).
    pub session_timer: u32,
    /// The peer may ask for transfers.
    pub takes_refers: bool,
    /// The peer may tell digits by INFO.
    pub takes_digits: bool,
}

/// An INVITE under way.
pub(super) struct Calling {
    pub(super) invite: ClientKey,
    dial: Dial,
    /// Targets not tried yet.
    rest: VecDeque<Flow>,
    /// The peer has said anything at all.
    heard: bool,
    /// We took it back.
    cancelled: bool,
}

impl Calling {
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    pub(super) fn has_offer(&self) -> bool {
        self.dial.body.is_some()
    }
}

impl Leg {
    /// Calls out.
    pub fn dial(owner: Owner, dial: Dial, sip: &mut Sip) -> Leg {
        let mut rest: VecDeque<Flow> = dial.flows.iter().copied().collect();
        let flow = rest.pop_front().expect("a Dial has at least one flow");
        let mut dialog = Dialog {
            call_id: format!("{:016x}{:016x}", sip.rng.next_u64(), sip.rng.next_u64()),
            local_tag: new_tag(owner, sip.rng),
            remote_tag: None,
            local: dial.from.clone(),
            remote: dial.to.clone(),
            remote_target: dial.uri.clone(),
            routes: dial.routes.clone(),
            contact: dial.contact.clone(),
            local_cseq: 0,
            remote_cseq: None,
            flow,
            symmetric: dial.symmetric,
        };
        let digest = dial.login.clone().map(|login| Box::new(DigestClient::new(login)));
        let session = SessionTimer::new(dial.session_timer);
        let invite = send_invite(&mut dialog, &dial, &session, owner, None, sip);
        let (takes_refers, takes_digits) = (dial.takes_refers, dial.takes_digits);
        let calling = Calling { invite, dial, rest, heard: false, cancelled: false };
        Leg {
            digest,
            session,
            owns_call_id: true,
            takes_refers,
            takes_digits,
            ..Leg::new(owner, dialog, State::Calling(Box::new(calling)))
        }
    }

    pub(super) fn calling_response(&mut self, message: &Message, flow: Flow, sip: &mut Sip) {
        let State::Calling(calling) = &mut self.state else { return };
        calling.heard = true;
        let cancelled = calling.cancelled;
        match message.code().unwrap_or(500) {
            code @ 100..=199 => self.provisional(message, code, flow, sip),
            200..=299 => self.answered(message, flow, sip),
            401 | 407 if !cancelled && self.answer_challenge(message, sip) => {}
            422 if !cancelled && self.session.raise(message) => self.call_again(None, sip),
            503 if !cancelled && self.next_target(sip) => {}
            code => {
                let phrase = message.reason_phrase().to_owned();
                self.fail(LegFailure { code, phrase, reasons: reasons_of(message), upstream: true }, sip);
            }
        }
    }

    pub(super) fn calling_failed(&mut self, failure: Failure, sip: &mut Sip) {
        let State::Calling(calling) = &self.state else { return };
        if !calling.heard && !calling.cancelled && self.next_target(sip) {
            return;
        }
        let code = match failure {
            Failure::Timeout => 408,
            Failure::Transport => 503,
        };
        let phrase = match failure {
            Failure::Timeout => "No response from the peer",
            Failure::Transport => "The peer cannot be reached",
        };
        self.fail(LegFailure { code, phrase: phrase.to_owned(), reasons: Vec::new(), upstream: false }, sip);
    }

    fn answered(&mut self, ok: &Message, flow: Flow, sip: &mut Sip) {
        let State::Calling(calling) = &self.state else { return };
        let (cancelled, offered) = (calling.cancelled, calling.has_offer());
        // Its branch goes on with the CSeq that its PRACKs have brought it to; the others may still be answered, and ended.
        let tag = ok.to_tag();
        let branch = self.early.iter().position(|early| early.dialog.remote_tag.as_deref() == tag);
        let mut early_sdp = None;
        if let Some(branch) = branch.map(|n| self.early.swap_remove(n)) {
            self.dialog = branch.dialog;
            self.peer = branch.peer;
            early_sdp = branch.sdp;
        }
        self.dialog.establish(ok, flow);
        self.peer.hear(ok);
        self.session.granted(ok, sip.now);
        if let Some(digest) = &mut self.digest {
            digest.accepted();
        }
        if cancelled {
            // It crossed our CANCEL: the call exists, so it is acknowledged and ended (RFC 3261 §9.1).
            self.state = State::Confirmed;
            self.ack(ok.cseq(), None, sip);
            self.send_bye(&[], sip);
            let failure = LegFailure {
                code: 487,
                phrase: standard_reason(487).to_owned(),
                reasons: Vec::new(),
                upstream: false,
            };
            return self.events.push_back(LegEvent::Failed(failure));
        }
        self.state = State::Answering { cseq: ok.cseq(), offered };
        self.events.push_back(LegEvent::Answered { body: sdp_of(ok).or(early_sdp) });
    }

    fn answer_challenge(&mut self, challenged: &Message, sip: &mut Sip) -> bool {
        let (State::Calling(calling), Some(digest)) = (&mut self.state, &mut self.digest) else {
            return false;
        };
        let Ok(credentials) = digest.answer(challenged, "INVITE", &calling.dial.uri, sip.rng) else {
            return false;
        };
        self.call_again(Some(credentials), sip);
        true
    }

    /// The same INVITE to the same address, with what was missing.
    fn call_again(&mut self, credentials: Option<(Header, String)>, sip: &mut Sip) {
        let State::Calling(calling) = &mut self.state else { return };
        self.early.clear();
        let (dialog, session) = (&mut self.dialog, &self.session);
        calling.invite = send_invite(dialog, &calling.dial, session, self.owner, credentials, sip);
    }

    /// The peer says nothing at all: goes on to the next of its addresses, if there is one, and takes the INVITE to the former
    /// back. `false`: there is none, or the peer was heard.
    pub fn try_next_target(&mut self, sip: &mut Sip) -> bool {
        let State::Calling(calling) = &self.state else { return false };
        if calling.heard || calling.cancelled || calling.rest.is_empty() {
            return false;
        }
        let silent = calling.invite;
        sip.txn.cancel(silent, None, sip.now);
        self.given_up.push(silent);
        self.next_target(sip)
    }

    /// The next address of the same peer (RFC 3263 §4.3).
    fn next_target(&mut self, sip: &mut Sip) -> bool {
        let State::Calling(calling) = &mut self.state else { return false };
        let Some(flow) = calling.rest.pop_front() else { return false };
        self.dialog.flow = flow;
        calling.heard = false;
        self.call_again(None, sip);
        true
    }

    fn fail(&mut self, failure: LegFailure, sip: &mut Sip) {
        self.drop_change(sip);
        self.state = State::Gone;
        self.events.push_back(LegEvent::Failed(failure));
    }

    /// Takes the INVITE back. `Failed` follows, at the latest when the transaction gives up.
    pub(super) fn cancel(&mut self, reasons: &[String], sip: &mut Sip) {
        let State::Calling(calling) = &mut self.state else { return };
        if !calling.cancelled {
            calling.cancelled = true;
            sip.txn.cancel(calling.invite, reasons.first().map(String::as_str), sip.now);
        }
    }
}

fn send_invite(
    dialog: &mut Dialog,
    dial: &Dial,
    session: &SessionTimer,
    owner: Owner,
    credentials: Option<(Header, String)>,
    sip: &mut Sip,
) -> ClientKey {
    dialog.local_cseq += 1;
    let mut w = Writer::request("INVITE", &dial.uri);
    for route in &dial.routes {
        w.text(Header::Route, &[route]);
    }
    w.header(Header::MaxForwards, dial.max_forwards);
    w.text(Header::From, &[&dialog.local, ";tag=", &dialog.local_tag]);
    w.text(Header::To, &[&dial.to]);
    w.text(Header::CallId, &[&dialog.call_id]);
    w.header(Header::CSeq, format_args!("{} INVITE", dialog.local_cseq));
    w.text(Header::Contact, &[&dialog.contact]);
    w.text(Header::UserAgent, &[PRODUCT]);
    let ours = Ours { transfers: dial.takes_refers, digits: dial.takes_digits };
    w.text(Header::Allow, &ours.allow());
    w.text(Header::Supported, &ours.supported(dial.body.is_some()));
    session.ask(&mut w);
    if let Some((name, value)) = credentials {
        w.header(name, value);
    }
    for (name, value) in &dial.headers {
        w.header(*name, value);
    }
    for (name, value) in &dial.extra {
        w.named(name, value);
    }
    let bytes = finish(w, dial.body.as_deref());
    sip.txn.request(bytes, dialog.flow, owner, sip.rng, sip.now)
}
