//! Ending a leg from either side, at any moment of its life (RFC 3261 §15).

use super::change::{Ask, Change};
use super::{Held, Leg, LegEvent, State, reasons_of};
use crate::Sip;
use tandem_sip_msg::{Header, Message, Method, standard_reason};
use tandem_sip_txn::ServerKey;

impl Leg {
    /// Ends the leg in the way that its state asks for: a final response with `code` and `phrase` before the answer, CANCEL while we
    /// call, BYE afterwards. `reasons` go along as Reason headers.
    pub fn hang_up(&mut self, code: u16, phrase: &str, reasons: &[String], sip: &mut Sip) {
        match &mut self.state {
            State::Calling(_) => self.cancel(reasons, sip),
            State::Incoming { .. } => self.refuse(code, phrase, reasons, sip),
            // Not before the ACK, or the caller could take the BYE for a stray one.
            State::Accepted(unacked) => unacked.then_bye = Some(reasons.to_vec()),
            State::Answering { .. } => {
                self.acknowledge(None, sip);
                self.send_bye(reasons, sip);
            }
            State::Confirmed => self.send_bye(reasons, sip),
            State::Closing { .. } | State::Gone => {}
        }
    }

    /// Hangs up because of what we concluded ourselves.
    pub(super) fn break_off(&mut self, why: &'static str, sip: &mut Sip) {
        self.send_bye(&[], sip);
        self.events.push_back(LegEvent::Ended { reasons: Vec::new(), broken: Some(why) });
    }

    pub(super) fn send_bye(&mut self, reasons: &[String], sip: &mut Sip) {
        self.drop_change(sip);
        self.bye(reasons, None, sip);
    }

    fn bye(&mut self, reasons: &[String], credentials: Option<(Header, String)>, sip: &mut Sip) {
        let mut w = self.dialog.request(Method::Bye);
        for reason in reasons {
            w.header(Header::Reason, reason);
        }
        if let Some((name, value)) = credentials {
            w.header(name, value);
        }
        let bye = sip.txn.request(w.finish(), self.dialog.flow, self.owner, sip.rng, sip.now);
        self.state = State::Closing { bye };
    }

    pub(super) fn bye_response(&mut self, message: &Message, sip: &mut Sip) {
        match message.code().unwrap_or(500) {
            100..=199 => {}
            401 | 407 => match self.answer_to(message, Method::Bye, None, sip) {
                Some(credentials) => self.bye(&[], Some(credentials), sip),
                None => self.state = State::Gone,
            },
            _ => self.state = State::Gone,
        }
    }

    pub(super) fn on_bye(&mut self, key: ServerKey, message: &Message, sip: &mut Sip) {
        let bytes = self.reply_to(key, message, 200, "OK", sip);
        // It crossed ours, which goes on to its end: the call is over already, and nobody needs to be told.
        if matches!(self.state, State::Closing { .. }) {
            sip.txn.respond(key, 200, bytes, sip.now);
            return;
        }
        self.held.push(Held { key, code: 200, bytes });
        match std::mem::replace(&mut self.state, State::Gone) {
            // Before the answer it means what CANCEL means.
            state @ State::Incoming { .. } => {
                self.state = state;
                self.refuse(487, standard_reason(487), &[], sip);
                self.events.push_back(LegEvent::Cancelled { reasons: reasons_of(message) });
            }
            State::Accepted(unacked) if unacked.then_bye.is_some() => {}
            state => {
                // Its 2xx with an offer is acknowledged all the same, or it repeats it for 32 seconds (RFC 3261 §13.2.2.4).
                if let State::Answering { cseq, .. } = state {
                    self.ack(cseq, None, sip);
                }
                self.drop_change(sip);
                self.events.push_back(LegEvent::Ended { reasons: reasons_of(message), broken: None });
            }
        }
    }

    /// A change under way ends with the leg, and so does a refresh.
    pub(super) fn drop_change(&mut self, sip: &mut Sip) {
        self.drop_refresh(sip);
        self.drop_infos(sip);
        match std::mem::replace(&mut self.change, Change::None) {
            // Its 2xx may be under way, and is acknowledged like any other (RFC 3261 §13.2.2.4). Taken back, it ends in time.
            Change::Asked { key, ask: Ask { method: Method::Invite, .. } } => {
                sip.txn.cancel(key, None, sip.now);
                self.given_up.push(key);
            }
            Change::Asked { key, .. } => sip.txn.disown(key),
            Change::Asking { key, .. } => {
                self.respond(key, 487, standard_reason(487), None, &[], sip);
            }
            // The peer waits for an ACK, and must not repeat its 2xx for 32 seconds.
            Change::Answering { cseq } => self.ack(cseq, None, sip),
            Change::Accepted(_) | Change::None => {}
        }
    }
}
