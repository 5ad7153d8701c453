//! Changing a session that stands: re-INVITE in both directions (RFC 3261 §14, RFC 6141).

use super::{ALLOW, Leg, LegEvent, PRODUCT, State, Unacked, finish, sdp_of};
use crate::Sip;
use bytes::Bytes;
use rand::Rng;
use tandem_sip_msg::{Flow, Header, Message, Method, Writer};
use tandem_sip_txn::{ClientKey, ServerKey};
use tandem_time::Time;

/// A re-INVITE under way; one at a time.
pub(super) enum Change {
    None,
    /// Ours has no final response yet.
    Asked {
        key: ClientKey,
        body: Option<Bytes>,
    },
    /// Its 2xx had the offer; the answer is due in the ACK.
    Answering {
        cseq: u32,
    },
    /// The peer's waits for the call to accept or refuse it.
    Asking {
        key: ServerKey,
        cseq: u32,
    },
    /// Our 2xx to the peer's is repeated until the ACK comes.
    Accepted(Unacked),
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
    /// Whether a change can begin now: the dialog stands and no other change is under way.
    pub fn can_change(&self) -> bool {
        matches!(self.state, State::Confirmed) && matches!(self.change, Change::None)
    }

    /// Asks the peer to change the session: an offer, or `None` to ask for its offer. `Changed` or `ChangeRefused` follows.
    /// Must not be called while [`Leg::can_change`] is false.
    pub fn change(&mut self, body: Option<Bytes>, sip: &mut Sip) {
        self.send_change(body, None, sip);
    }

    /// Takes our change back, if it has no final response yet (RFC 3261 §9.1). `ChangeRefused` follows, unless it was accepted
    /// already.
    pub fn cancel_change(&mut self, sip: &mut Sip) {
        if let Change::Asked { key, .. } = self.change {
            sip.txn.cancel(key, None, sip.now);
        }
    }

    pub(super) fn is_asked_to_change(&self) -> bool {
        matches!(self.change, Change::Asking { .. })
    }

    fn send_change(&mut self, body: Option<Bytes>, credentials: Option<(Header, String)>, sip: &mut Sip) {
        let mut w = self.dialog.request(Method::Invite);
        w.header(Header::Contact, &self.dialog.contact);
        w.header(Header::UserAgent, PRODUCT);
        w.header(Header::Allow, ALLOW);
        if let Some((name, value)) = credentials {
            w.header(name, value);
        }
        let bytes = finish(w, body.as_deref());
        let key = sip.txn.request(bytes, self.dialog.flow, self.owner, sip.rng, sip.now);
        self.change = Change::Asked { key, body };
    }

    pub(super) fn change_response(&mut self, message: &Message, flow: Flow, sip: &mut Sip) {
        let Change::Asked { body, .. } = &self.change else { return };
        match message.code().unwrap_or(500) {
            100..=199 => {}
            200..=299 => {
                let offered = body.is_some();
                self.dialog.refresh_target(message, flow);
                if let Some(digest) = &mut self.digest {
                    digest.accepted();
                }
                if offered {
                    self.change = Change::None;
                    self.ack(message.cseq(), None, sip);
                } else {
                    self.change = Change::Answering { cseq: message.cseq() };
                }
                self.events.push_back(LegEvent::Changed { body: sdp_of(message) });
            }
            401 | 407 => {
                let body = body.clone();
                let uri = self.dialog.remote_target.clone();
                let answer = self
                    .digest
                    .as_mut()
                    .and_then(|digest| digest.answer(message, "INVITE", &uri, sip.rng).ok());
                match answer {
                    Some(credentials) => self.send_change(body, Some(credentials), sip),
                    None => self.change_refused(403, "Forbidden"),
                }
            }
            // The peer knows nothing of the dialog any more (RFC 3261 §12.2.1.2).
            408 | 481 => self.change_failed(sip),
            code => self.change_refused(code, message.reason_phrase()),
        }
    }

    fn change_refused(&mut self, code: u16, phrase: &str) {
        self.change = Change::None;
        self.events.push_back(LegEvent::ChangeRefused { code, phrase: phrase.to_owned() });
    }

    pub(super) fn change_failed(&mut self, sip: &mut Sip) {
        self.change = Change::None;
        self.send_bye(&[], sip);
        self.events.push_back(LegEvent::Ended {
            reasons: Vec::new(),
            broken: Some("the peer no longer knows the call"),
        });
    }

    pub(super) fn on_reinvite(&mut self, key: ServerKey, message: &Message, flow: Flow, sip: &mut Sip) {
        let busy_with_theirs = matches!(self.change, Change::Asking { .. } | Change::Accepted(_));
        let settled = matches!(self.state, State::Confirmed) && matches!(self.change, Change::None);
        if !settled {
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
        sip.txn.own(key, self.owner);
        self.dialog.refresh_target(message, flow);
        self.reply(key, message, 100, "Trying", sip);
        self.change = Change::Asking { key, cseq: message.cseq() };
        self.events.push_back(LegEvent::ChangeAsked { body: sdp_of(message) });
    }

    fn reply_retry_later(&self, key: ServerKey, message: &Message, sip: &mut Sip) {
        let source = sip.txn.request_of(key).map_or(self.dialog.flow.remote, |(_, flow)| flow.remote);
        let mut w =
            Writer::reply(message, source, 500, "Another Request Pending", Some(&self.dialog.local_tag));
        w.header(Header::RetryAfter, sip.rng.next_u32() % 11);
        sip.txn.respond(key, 500, w.finish(), sip.now);
    }

    /// Accepts the peer's change with this SDP. `ChangeAcked` follows.
    pub fn accept_change(&mut self, body: &[u8], sip: &mut Sip) {
        let Change::Asking { key, cseq } = self.change else { return };
        self.change = match self.respond(key, 200, "OK", Some(body), &[], sip) {
            Some(ok) => Change::Accepted(Unacked::new(key, cseq, ok, sip.now)),
            None => Change::None,
        };
    }

    /// Refuses the peer's change; the session stays as it was.
    pub fn refuse_change(&mut self, code: u16, phrase: &str, sip: &mut Sip) {
        let Change::Asking { key, .. } = self.change else { return };
        self.respond(key, code, phrase, None, &[], sip);
        self.change = Change::None;
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
            self.send_bye(&[], sip);
            let broken = Some("our answer to a change was never acknowledged");
            self.events.push_back(LegEvent::Ended { reasons: Vec::new(), broken });
        }
    }
}
