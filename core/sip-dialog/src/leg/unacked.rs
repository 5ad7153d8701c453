//! 2xx and their ACKs: ours repeated until the ACK comes, theirs acknowledged each time, and those of further branches ended
//! (RFC 3261 §13.2.2.4, §13.3.1.4).

use super::{Held, Leg, LegEvent, MAX_FORKS, State, T1, T2, UNACKED, finish, sdp_of};
use crate::{Dialog, Sip};
use bytes::Bytes;
use std::time::Duration;
use tandem_sip_msg::{Flow, Message, Method};
use tandem_sip_txn::{ServerKey, Transactions};
use tandem_time::Time;

/// A 2xx to an INVITE that is repeated until it is acknowledged.
pub(super) struct Unacked {
    invite: ServerKey,
    pub(super) cseq: u32,
    ok: Bytes,
    resend: Time,
    interval: Duration,
    until: Time,
    /// Hang up as soon as it is acknowledged (RFC 3261 §15).
    pub(super) then_bye: Option<Vec<String>>,
}

impl Unacked {
    pub(super) fn new(invite: ServerKey, cseq: u32, ok: Bytes, now: Time) -> Unacked {
        Unacked { invite, cseq, ok, resend: now + T1, interval: T1, until: now + UNACKED, then_bye: None }
    }

    /// Nothing is repeated before it went out.
    pub(super) fn held(self) -> Unacked {
        Unacked { resend: self.until, ..self }
    }

    /// It went out now, and not before.
    fn sent(&mut self, now: Time) {
        (self.resend, self.until) = (now + self.interval, now + UNACKED);
    }

    /// Repeats the 2xx if it is time; `false` when it has been repeated for long enough.
    pub(super) fn tick(&mut self, txn: &mut Transactions, now: Time) -> bool {
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

    pub(super) fn due(&self) -> Time {
        self.resend.min(self.until)
    }
}

/// An ACK that is sent again for each repeated 2xx.
pub(super) struct SentAck {
    to_tag: String,
    cseq: u32,
    bytes: Bytes,
    flow: Flow,
}

impl Leg {
    /// Repeats our 2xx, or gives up waiting for its ACK.
    pub(super) fn unacked_timeout(&mut self, sip: &mut Sip) {
        if let State::Accepted(unacked) = &mut self.state
            && !unacked.tick(sip.txn, sip.now)
        {
            let asked = unacked.then_bye.take();
            self.state = State::Confirmed;
            self.send_bye(&asked.clone().unwrap_or_default(), sip);
            if asked.is_none() {
                let broken = Some("our answer was never acknowledged");
                self.events.push_back(LegEvent::Ended { reasons: Vec::new(), broken });
            }
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

    /// A 2xx that was acknowledged before gets the same ACK again; one from another branch of a fork is acknowledged and ended
    /// (RFC 3261 §13.2.2.4). `false` for the first.
    pub(super) fn is_answered(&mut self, ok: &Message, flow: Flow, sip: &mut Sip) -> bool {
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

    pub(super) fn end_fork(&mut self, ok: &Message, flow: Flow, sip: &mut Sip) {
        // Its CSeq goes on from the PRACKs that it got.
        let branch = self.dialog_of(ok.to_tag()).map(|dialog| dialog.clone());
        let mut fork = branch.unwrap_or_else(|| self.dialog.clone());
        fork.establish(ok, flow);
        self.acks.push(send_ack(&fork, ok.cseq(), None, sip));
        let bye = fork.request(Method::Bye).finish();
        let key = sip.txn.request(bye, fork.flow, self.owner, sip.rng, sip.now);
        sip.txn.disown(key);
    }

    /// Sends and remembers the ACK of our INVITE with this CSeq number.
    pub(super) fn ack(&mut self, cseq: u32, body: Option<Bytes>, sip: &mut Sip) {
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
}

fn send_ack(dialog: &Dialog, cseq: u32, body: Option<Bytes>, sip: &mut Sip) -> SentAck {
    let bytes = finish(dialog.ack(cseq), body.as_deref());
    let (bytes, flow) = sip.txn.send_ack(bytes, dialog.flow, sip.rng);
    SentAck { to_tag: dialog.remote_tag.clone().unwrap_or_default(), cseq, bytes, flow }
}
