//! The called side: the answer repeated until it is acknowledged, refusal, cancellation (RFC 3261 §13.3, §9.2).

use super::reliable::Reliable;
use super::session_timer::is_session_too_brief;
use super::{Held, Leg, LegEvent, PRODUCT, State, Unacked, finish, new_tag, reasons_of, sdp_of};
use crate::{Dialog, Sip};
use bytes::Bytes;
use std::net::SocketAddr;
use tandem_sip_msg::{Flow, Header, Message, Method, Writer, standard_reason};
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
        let mut leg = Leg::new(owner, dialog, State::Incoming { invite, answer: None });
        leg.invite_cseq = message.cseq();
        leg.reliable = Reliable::of(message, sip.rng);
        leg.peer.hear(message);
        (leg, sdp_of(message))
    }

    /// The answer goes out once it is released.
    pub(super) fn send_answer(&mut self, body: &[u8], sip: &mut Sip) {
        if let State::Incoming { invite, .. } = self.state
            && let Some(ok) = self.ok(invite, Some(body).filter(|_| !self.has_answered_early()), sip)
        {
            self.held.push(Held { key: invite, code: 200, bytes: ok.clone() });
            self.state = State::Accepted(Unacked::new(invite, self.invite_cseq, ok, sip.now).held());
        }
    }

    /// Refuses the call with a final failure, once released.
    pub(super) fn refuse(&mut self, code: u16, phrase: &str, reasons: &[String], sip: &mut Sip) {
        if let State::Incoming { invite, .. } = self.state {
            self.drop_change(sip);
            let reasons: Vec<_> = reasons.iter().map(|reason| (Header::Reason, reason.clone())).collect();
            let refusal = self.response(invite, code, phrase, None, &reasons, sip);
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

    /// 422 to a request that would have the session refreshed too often (RFC 4028 §9); `false` when it is none.
    pub(super) fn refuse_brief_session(&self, key: ServerKey, message: &Message, sip: &mut Sip) -> bool {
        let too_brief = is_session_too_brief(message);
        if too_brief {
            let mut w = self.begin_reply(key, message, 422, standard_reason(422), sip);
            w.header(Header::MinSe, super::MIN_SE);
            sip.txn.respond(key, 422, w.finish(), sip.now);
        }
        too_brief
    }

    /// Answers a re-INVITE, UPDATE or PRACK with 200 and this SDP; the bytes sent, unless the transaction is gone.
    pub(super) fn accept(&mut self, key: ServerKey, body: Option<&[u8]>, sip: &mut Sip) -> Option<Bytes> {
        let bytes = self.ok(key, body, sip)?;
        sip.txn.respond(key, 200, bytes.clone(), sip.now).then_some(bytes)
    }

    fn ok(&mut self, key: ServerKey, body: Option<&[u8]>, sip: &Sip) -> Option<Bytes> {
        let (request, flow) = sip.txn.request_of(key)?;
        let mut w = self.begin_response(request, flow.remote, 200, "OK");
        let is_invite = request.method() == Method::Invite;
        let refreshes = request.method() == Method::Update && matches!(self.state, State::Confirmed);
        if is_invite || refreshes {
            self.session.grant(request, self.peer, sip.now, &mut w);
        }
        Some(finish(w, body))
    }

    /// Answers an INVITE, re-INVITE, UPDATE or PRACK otherwise; the bytes sent, unless the transaction is gone.
    pub(super) fn respond(
        &mut self,
        key: ServerKey,
        code: u16,
        phrase: &str,
        body: Option<&[u8]>,
        headers: &[(Header, String)],
        sip: &mut Sip,
    ) -> Option<Bytes> {
        let bytes = self.response(key, code, phrase, body, headers, sip)?;
        sip.txn.respond(key, code, bytes.clone(), sip.now).then_some(bytes)
    }

    fn response(
        &self,
        key: ServerKey,
        code: u16,
        phrase: &str,
        body: Option<&[u8]>,
        headers: &[(Header, String)],
        sip: &Sip,
    ) -> Option<Bytes> {
        let (request, flow) = sip.txn.request_of(key)?;
        let mut w = self.begin_response(request, flow.remote, code, phrase);
        for (name, value) in headers {
            w.header(*name, value);
        }
        Some(finish(w, body))
    }

    fn begin_response(&self, request: &Message, source: SocketAddr, code: u16, phrase: &str) -> Writer {
        let mut w = Writer::reply(request, source, code, phrase, Some(&self.dialog.local_tag));
        if code < 300 {
            w.text(Header::Contact, &[&self.dialog.contact]);
            w.text(Header::Allow, &self.ours().allow());
            w.text(Header::Supported, &self.ours().supported(true));
        }
        w.text(Header::Server, &[PRODUCT]);
        w
    }
}
