//! The called side: ringing, the answer repeated until it is acknowledged, refusal, cancellation (RFC 3261 §13.3, §9.2).

use super::{ALLOW, Held, Leg, LegEvent, PRODUCT, State, Unacked, finish, new_tag, reasons_of, sdp_of};
use crate::{Dialog, Sip};
use bytes::Bytes;
use tandem_sip_msg::{Flow, Header, Message, Writer, standard_reason};
use tandem_sip_txn::{Owner, ServerKey};

impl Leg {
    /// The leg of an INVITE that somebody sent us, who is told 100. Its offer, if any, comes along. The remote address of a
    /// stream's `flow` is where to connect to once its connection is gone, if the Contact does not tell.
    pub fn incoming(
        owner: Owner,
        invite: ServerKey,
        message: &Message,
        flow: Flow,
        contact: String,
        symmetric: bool,
        sip: &mut Sip,
    ) -> (Leg, Option<Bytes>) {
        let tag = new_tag(owner, sip.rng);
        let dialog = Dialog::uas(message, flow, tag, contact, symmetric);
        sip.txn.own(invite, owner);
        let source = sip.txn.request_of(invite).map_or(flow.remote, |(_, came_by)| came_by.remote);
        let trying = Writer::reply(message, source, 100, "Trying", None).finish();
        sip.txn.respond(invite, 100, trying, sip.now);
        (Leg::new(owner, dialog, State::Incoming { invite }), sdp_of(message))
    }

    /// Tells the caller that something is happening: 180, or 183 with SDP.
    pub fn ring(&mut self, code: u16, body: Option<&[u8]>, sip: &mut Sip) {
        if let State::Incoming { invite } = self.state {
            self.respond(invite, code, standard_reason(code), body, &[], sip);
        }
    }

    /// Answers with 200 and this SDP, once released. `Acked` follows, or `Ended` if no ACK comes.
    pub fn answer(&mut self, body: &[u8], sip: &mut Sip) {
        if let State::Incoming { invite } = self.state
            && let Some(ok) = self.response(invite, 200, "OK", Some(body), &[], sip)
        {
            let cseq = self.dialog.remote_cseq.unwrap_or(0);
            self.held.push(Held { key: invite, code: 200, bytes: ok.clone() });
            self.state = State::Accepted(Unacked::new(invite, cseq, ok, sip.now));
        }
    }

    /// Refuses the call with a final failure, once released.
    pub(super) fn refuse(&mut self, code: u16, phrase: &str, reasons: &[String], sip: &mut Sip) {
        if let State::Incoming { invite } = self.state {
            let refusal = self.response(invite, code, phrase, None, reasons, sip);
            self.held.extend(refusal.map(|bytes| Held { key: invite, code, bytes }));
            self.state = State::Gone;
        }
    }

    /// The peer's CANCEL matched its INVITE or re-INVITE.
    pub fn on_cancel(&mut self, cancel: &Message, sip: &mut Sip) {
        if matches!(self.state, State::Incoming { .. }) {
            self.refuse(487, standard_reason(487), &[], sip);
            self.events.push_back(LegEvent::Cancelled { reasons: reasons_of(cancel) });
        } else if self.is_asked_to_change() {
            self.refuse_change(487, standard_reason(487), sip);
            self.events.push_back(LegEvent::ChangeCancelled);
        }
    }

    /// Answers an INVITE or re-INVITE; the bytes sent, unless the transaction is gone.
    pub(super) fn respond(
        &mut self,
        key: ServerKey,
        code: u16,
        phrase: &str,
        body: Option<&[u8]>,
        reasons: &[String],
        sip: &mut Sip,
    ) -> Option<Bytes> {
        let bytes = self.response(key, code, phrase, body, reasons, sip)?;
        sip.txn.respond(key, code, bytes.clone(), sip.now).then_some(bytes)
    }

    fn response(
        &self,
        key: ServerKey,
        code: u16,
        phrase: &str,
        body: Option<&[u8]>,
        reasons: &[String],
        sip: &Sip,
    ) -> Option<Bytes> {
        let (request, flow) = sip.txn.request_of(key)?;
        let mut w = Writer::reply(request, flow.remote, code, phrase, Some(&self.dialog.local_tag));
        if code < 300 {
            w.header(Header::Contact, &self.dialog.contact);
        }
        if matches!(code, 200 | 405) {
            w.header(Header::Allow, ALLOW);
        }
        w.header(Header::Server, PRODUCT);
        for reason in reasons {
            w.header(Header::Reason, reason);
        }
        Some(finish(w, body))
    }
}
