//! Changing a session that stands: re-INVITE in both directions, and an UPDATE of ours with an offer (RFC 3261 §14, RFC 6141,
//! RFC 3311).

use super::{Leg, LegEvent, PRODUCT, State, Unacked, finish, sdp_of};
use crate::Sip;
use bytes::Bytes;
use rand::RngExt;
use tandem_sip_msg::{Flow, Header, Message, Method, Writer};
use tandem_sip_txn::{ClientKey, ServerKey};
use tandem_time::Time;

/// A change under way; one at a time.
pub(super) enum Change {
    None,
    /// Ours has no final response yet.
    Asked {
        key: ClientKey,
        ask: Ask,
    },
    /// The 2xx to our re-INVITE had the offer; the answer is due in the ACK.
    Answering {
        cseq: u32,
    },
    /// The peer's re-INVITE, UPDATE or PRACK waits for the call to accept or refuse its offer.
    Asking {
        key: ServerKey,
        cseq: u32,
        method: Method,
    },
    /// Our 2xx to the peer's re-INVITE is repeated until the ACK comes.
    Accepted(Unacked),
}

/// What we ask the peer.
#[derive(Clone)]
pub(super) struct Ask {
    /// INVITE or UPDATE.
    pub(super) method: Method,
    /// The offer; `None` asks for theirs.
    pub(super) body: Option<Bytes>,
    /// The peer's tag, in an early dialog.
    pub(super) tag: Option<String>,
    /// Nothing changes: it is the session timer's.
    pub(super) is_refresh: bool,
}

impl Change {
    pub(super) fn is_asked(&self, key: ClientKey) -> bool {
        matches!(self, Change::Asked { key: asked, .. } if *asked == key)
    }

    pub(super) fn due(&self) -> Option<Time> {
        match self {
            Change::Accepted(unacked) => Some(unacked.due()),
            _ => None,
        }
    }

    pub(super) fn take_unacknowledged(&mut self) -> Option<u32> {
        let Change::Answering { cseq } = *self else { return None };
        *self = Change::None;
        Some(cseq)
    }
}

impl Leg {
    /// Whether a re-INVITE can go out now: the dialog stands and no other change is under way.
    pub fn can_change(&self) -> bool {
        matches!(self.state, State::Confirmed) && matches!(self.change, Change::None)
    }

    /// Asks the peer to change the session: an offer, or `None` to ask for its offer. `Changed` or `ChangeRefused` follows.
    /// Must not be called while [`Leg::can_change`] is false.
    pub fn change(&mut self, body: Option<Bytes>, sip: &mut Sip) {
        let ask = Ask { method: Method::Invite, body, tag: None, is_refresh: false };
        self.send_change(ask, None, sip);
    }

    /// The same by an UPDATE, which an early dialog can bear too. Must not be called while [`Leg::can_update`] is false.
    pub fn update(&mut self, body: Bytes, sip: &mut Sip) {
        let early = self.early.first().filter(|_| matches!(self.state, State::Calling(_)));
        let tag = early.and_then(|early| early.dialog.remote_tag.clone());
        let ask = Ask { method: Method::Update, body: Some(body), tag, is_refresh: false };
        self.send_change(ask, None, sip);
    }

    /// Takes our change back, if it has no final response yet (RFC 3261 §9.1). `ChangeRefused` follows, unless it was accepted
    /// already. An UPDATE is answered soon by its nature.
    pub fn cancel_change(&mut self, sip: &mut Sip) {
        if let Change::Asked { key, ask: Ask { method: Method::Invite, .. } } = self.change {
            sip.txn.cancel(key, None, sip.now);
        }
    }

    /// The peer made an offer in the 2xx to our re-INVITE, which [`Leg::acknowledge`] is to answer.
    pub fn owes_answer(&self) -> bool {
        matches!(self.change, Change::Answering { .. })
    }

    pub(super) fn is_asked_to_change(&self) -> bool {
        matches!(self.change, Change::Asking { method: Method::Invite, .. })
    }

    pub(super) fn send_change(&mut self, ask: Ask, credentials: Option<(Header, String)>, sip: &mut Sip) {
        let Some(dialog) = self.dialog_of(ask.tag.as_deref()) else { return };
        let (w, flow) = (dialog.request(ask.method), dialog.flow);
        let w = self.say_who_we_are(w, credentials);
        let bytes = finish(w, ask.body.as_deref());
        let key = sip.txn.request(bytes, flow, self.owner, sip.rng, sip.now);
        sip.txn.insist(key);
        self.change = Change::Asked { key, ask };
    }

    /// What a target refresh request of ours says beside its dialog.
    pub(super) fn say_who_we_are(&self, mut w: Writer, credentials: Option<(Header, String)>) -> Writer {
        w.header(Header::Contact, &self.dialog.contact);
        w.header(Header::UserAgent, PRODUCT);
        w.text(Header::Allow, &self.ours().allow());
        w.text(Header::Supported, &self.ours().supported(false));
        if matches!(self.state, State::Confirmed) {
            self.session.ask(&mut w);
        }
        if let Some((name, value)) = credentials {
            w.header(name, value);
        }
        w
    }

    /// The credentials for a request of ours that was challenged, if they have not been refused already.
    pub(super) fn answer_to(
        &mut self,
        challenged: &Message,
        method: Method,
        tag: Option<&str>,
        sip: &mut Sip,
    ) -> Option<(Header, String)> {
        let uri = self.dialog_of(tag)?.remote_target.clone();
        self.digest.as_mut()?.answer(challenged, method.name()?, &uri, sip.rng).ok()
    }

    pub(super) fn change_response(&mut self, message: &Message, flow: Flow, sip: &mut Sip) {
        let code = message.code().unwrap_or(500);
        if code < 200 {
            return;
        }
        let Change::Asked { ask, .. } = std::mem::replace(&mut self.change, Change::None) else { return };
        let stands = matches!(self.state, State::Confirmed);
        match code {
            ..300 => self.changed(ask, message, flow, sip),
            401 | 407 => match self.answer_to(message, ask.method, ask.tag.as_deref(), sip) {
                Some(credentials) => self.send_change(ask, Some(credentials), sip),
                None if ask.is_refresh => self.refresh_refused(message, sip),
                None => self.change_refused(403, "Forbidden"),
            },
            422 if self.session.raise(message) => self.send_change(ask, None, sip),
            // It said that it takes UPDATE, and does not.
            405 | 501 if stands && ask.method == Method::Update => {
                self.peer.deny_update();
                self.send_change(Ask { method: Method::Invite, tag: None, ..ask }, None, sip);
            }
            // The peer knows nothing of the dialog any more (RFC 3261 §12.2.1.2).
            408 | 481 if stands => self.change_failed(sip),
            408 | 481 => self.change_refused(500, "Server Internal Error"),
            _ if ask.is_refresh => self.refresh_refused(message, sip),
            code => self.change_refused(code, message.reason_phrase()),
        }
    }

    fn changed(&mut self, ask: Ask, ok: &Message, flow: Flow, sip: &mut Sip) {
        if let Some(dialog) = self.dialog_of(ask.tag.as_deref()) {
            dialog.refresh_target(ok, flow);
        }
        self.peer.hear(ok);
        if matches!(self.state, State::Confirmed) {
            self.session.granted(ok, sip.now);
        }
        if let Some(digest) = &mut self.digest {
            digest.accepted();
        }
        if ask.method == Method::Invite {
            match ask.body {
                Some(_) => self.ack(ok.cseq(), None, sip),
                None => self.change = Change::Answering { cseq: ok.cseq() },
            }
        }
        let body = sdp_of(ok);
        self.events.push_back(match ask.is_refresh {
            true => LegEvent::Refreshed { body },
            false => LegEvent::Changed { body },
        });
        self.go_on_ringing(sip);
    }

    fn change_refused(&mut self, code: u16, phrase: &str) {
        self.events.push_back(LegEvent::ChangeRefused { code, phrase: phrase.to_owned() });
    }

    /// Our change got no answer, or one that says that the peer knows nothing of the dialog.
    pub(super) fn change_failed(&mut self, sip: &mut Sip) {
        self.change = Change::None;
        if matches!(self.state, State::Confirmed) {
            self.break_off("the peer no longer knows the call", sip);
        } else {
            self.change_refused(500, "Server Internal Error");
        }
    }

    pub(super) fn on_reinvite(&mut self, key: ServerKey, message: &Message, flow: Flow, sip: &mut Sip) {
        let busy_with_theirs = matches!(self.change, Change::Asking { .. } | Change::Accepted(_));
        if !self.can_change() {
            // Theirs upon theirs is 500 with Retry-After, theirs upon ours is 491 (RFC 3261 §14.2).
            return match busy_with_theirs || matches!(self.state, State::Incoming { .. } | State::Accepted(_))
            {
                true => self.reply_retry_later(key, message, sip),
                false if matches!(self.state, State::Closing { .. }) => {
                    self.reply(key, message, 481, "Call Is Ending", sip)
                }
                false => self.reply(key, message, 491, "Request Pending", sip),
            };
        }
        if self.refuse_brief_session(key, message, sip) {
            return;
        }
        sip.txn.own(key, self.owner);
        self.dialog.refresh_target(message, flow);
        self.peer.hear(message);
        self.reply(key, message, 100, "Trying", sip);
        self.change = Change::Asking { key, cseq: message.cseq(), method: Method::Invite };
        self.events.push_back(LegEvent::ChangeAsked { body: sdp_of(message), by: Method::Invite });
    }

    pub(super) fn reply_retry_later(&self, key: ServerKey, message: &Message, sip: &mut Sip) {
        let mut w = self.begin_reply(key, message, 500, "Another Request Pending", sip);
        w.header(Header::RetryAfter, sip.rng.random_range(0..=10));
        sip.txn.respond(key, 500, w.finish(), sip.now);
    }

    /// Accepts the peer's change with this SDP. `ChangeAcked` follows, if it came in a re-INVITE.
    pub fn accept_change(&mut self, body: &[u8], sip: &mut Sip) {
        let Change::Asking { key, cseq, method } = self.change else { return };
        self.change = Change::None;
        if let Some(ok) = self.accept(key, Some(body), sip)
            && method == Method::Invite
        {
            self.change = Change::Accepted(Unacked::new(key, cseq, ok, sip.now));
        }
        self.go_on_ringing(sip);
    }

    /// Refuses the peer's change; the session stays as it was (RFC 6141 §3.4).
    pub fn refuse_change(&mut self, code: u16, phrase: &str, sip: &mut Sip) {
        let Change::Asking { key, .. } = self.change else { return };
        self.change = Change::None;
        let later = [(Header::RetryAfter, "10".to_owned())];
        let headers = if code == 500 { &later[..] } else { &[] };
        self.respond(key, code, phrase, None, headers, sip);
        self.go_on_ringing(sip);
    }

    pub(super) fn change_acked(&mut self, cseq: u32, body: Option<Bytes>) {
        if let Change::Accepted(unacked) = &self.change
            && unacked.cseq == cseq
        {
            self.change = Change::None;
            self.events.push_back(LegEvent::ChangeAcked { body });
        }
    }

    pub(super) fn change_timeout(&mut self, sip: &mut Sip) {
        if let Change::Accepted(unacked) = &mut self.change
            && !unacked.tick(sip.txn, sip.now)
        {
            self.change = Change::None;
            self.break_off("our answer to a change was never acknowledged", sip);
        }
    }
}
