//! Reliable provisional responses to the peer's INVITE: sent one at a time, repeated until the PRACK, and what waits for it
//! (RFC 3262 §3).

use super::change::Change;
use super::features::names;
use super::{Leg, LegEvent, State, T1, UNACKED, sdp_of};
use crate::Sip;
use bytes::Bytes;
use rand::{Rng, RngExt};
use std::collections::VecDeque;
use std::time::Duration;
use tandem_sip_msg::{Header, Message, Method, standard_reason};
use tandem_sip_txn::ServerKey;
use tandem_time::Time;

/// Provisional responses that may wait for the PRACK to the one before.
const MAX_WAITING: usize = 8;

/// Which provisional responses are reliable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    /// The caller knows nothing of it.
    Never,
    /// The caller supports it: those that carry the answer, so that it is not lost.
    WithSdp,
    /// The caller requires it.
    Always,
    /// The caller requires it and made no offer: the first would have to carry ours, and we have none before the called side has
    /// answered (RFC 3262 §5). So none is sent.
    Silent,
}

/// Reliable provisional responses of a leg.
pub(super) struct Reliable {
    when: When,
    /// RSeq of the last one sent.
    rseq: u32,
    /// Boxed: most legs never have one.
    sent: Option<Box<Sent>>,
    waiting: VecDeque<(u16, Option<Bytes>)>,
    /// The answer to the INVITE's offer went out in one.
    answered: bool,
}

/// One that waits for its PRACK.
struct Sent {
    rseq: u32,
    code: u16,
    with_sdp: bool,
    bytes: Bytes,
    interval: Duration,
    resend: Time,
    until: Time,
}

impl Reliable {
    /// For our own calls, which get such responses and send none.
    pub(super) fn never() -> Reliable {
        Reliable { when: When::Never, rseq: 0, sent: None, waiting: VecDeque::new(), answered: false }
    }

    pub(super) fn of(invite: &Message, rng: &mut impl Rng) -> Reliable {
        let when = match sdp_of(invite) {
            Some(_) if names(invite, Header::Require, "100rel") => When::Always,
            Some(_) if names(invite, Header::Supported, "100rel") => When::WithSdp,
            None if names(invite, Header::Require, "100rel") => When::Silent,
            _ => When::Never,
        };
        // RFC 3262 §3: between 1 and 2^31 - 1, with room to count up.
        Reliable { when, rseq: rng.random_range(0..0x4000_0000), ..Reliable::never() }
    }

    pub(super) fn due(&self) -> Option<Time> {
        self.sent.as_ref().map(|sent| sent.resend.min(sent.until))
    }

    /// The answer to the INVITE's offer went out.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// It did, and was acknowledged.
    pub(super) fn is_settled(&self) -> bool {
        self.answered && self.sent.is_none()
    }

    /// A 2xx has to wait (RFC 3262 §3).
    fn holds_the_answer(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.with_sdp)
    }
}

impl Leg {
    /// Tells the caller that something is happening: 180, or 183 with SDP.
    pub fn ring(&mut self, code: u16, body: Option<&[u8]>, sip: &mut Sip) {
        let State::Incoming { invite, answer: None, .. } = self.state else { return };
        // The first description is the answer, and there is one answer (RFC 3261 §13.2.1).
        let body = body.filter(|_| !self.is_answering_early());
        match self.reliable.when {
            When::Silent => {}
            When::WithSdp if body.is_some() => self.ring_reliably(code, body, sip),
            When::Always => self.ring_reliably(code, body, sip),
            When::WithSdp | When::Never => {
                drop(self.respond(invite, code, standard_reason(code), body, &[], sip))
            }
        }
    }

    fn ring_reliably(&mut self, code: u16, body: Option<&[u8]>, sip: &mut Sip) {
        let Some(sent) = &self.reliable.sent else { return self.send_reliably(code, body, sip) };
        let next = (code, body.map(Bytes::copy_from_slice));
        let last = self.reliable.waiting.back().map_or(sent.code, |(code, _)| *code);
        let tells_nothing_new = next.1.is_none() && last == code;
        if !tells_nothing_new && self.reliable.waiting.len() < MAX_WAITING {
            self.reliable.waiting.push_back(next);
        }
    }

    fn send_reliably(&mut self, code: u16, body: Option<&[u8]>, sip: &mut Sip) {
        let State::Incoming { invite, .. } = self.state else { return };
        self.reliable.rseq += 1;
        let rseq = self.reliable.rseq;
        let headers = [(Header::Require, "100rel".to_owned()), (Header::RSeq, rseq.to_string())];
        let Some(bytes) = self.respond(invite, code, standard_reason(code), body, &headers, sip) else {
            return;
        };
        self.reliable.answered |= body.is_some();
        self.reliable.sent = Some(Box::new(Sent {
            rseq,
            code,
            with_sdp: body.is_some(),
            bytes,
            interval: T1,
            resend: sip.now + T1,
            until: sip.now + UNACKED,
        }));
    }

    /// Repeats it, twice as late each time, or gives the call up.
    pub(super) fn reliable_timeout(&mut self, sip: &mut Sip) {
        let (State::Incoming { invite, .. }, Some(sent)) = (&self.state, &mut self.reliable.sent) else {
            return;
        };
        if sent.until <= sip.now {
            self.refuse(504, "Our Ringing Was Not Acknowledged", &[], sip);
            let broken = Some("a reliable provisional response of ours was never acknowledged");
            self.events.push_back(LegEvent::Ended { reasons: Vec::new(), broken });
        } else if sent.resend <= sip.now {
            sip.txn.respond(*invite, sent.code, sent.bytes.clone(), sip.now);
            sent.interval *= 2;
            sent.resend = sip.now + sent.interval;
        }
    }

    /// RFC 3262 §3: a PRACK belongs to one response by its RAck, or is 481.
    pub(super) fn on_prack(&mut self, key: ServerKey, message: &Message, sip: &mut Sip) {
        let acknowledged = self
            .reliable
            .sent
            .as_ref()
            .is_some_and(|sent| rack_of(message) == Some((sent.rseq, self.invite_cseq)));
        if !acknowledged {
            return self.reply(key, message, 481, "No Such Provisional Response", sip);
        }
        self.reliable.sent = None;
        match sdp_of(message) {
            // A new offer, as the answer to the first was what is acknowledged (RFC 3262 §5).
            Some(body) if self.reliable.answered && matches!(self.change, Change::None) => {
                sip.txn.own(key, self.owner);
                self.change = Change::Asking { key, cseq: message.cseq(), method: Method::Prack };
                self.events.push_back(LegEvent::ChangeAsked { body: Some(body), by: Method::Prack });
            }
            Some(_) => self.reply(key, message, 488, "Not Acceptable Here", sip),
            None => self.reply(key, message, 200, "OK", sip),
        }
        self.go_on_ringing(sip);
    }

    /// What waited for a PRACK, or for the answer to an offer of the caller's, goes out.
    pub(super) fn go_on_ringing(&mut self, sip: &mut Sip) {
        if self.is_answer_held() {
            return;
        }
        let State::Incoming { answer, .. } = &mut self.state else { return };
        if let Some(answer) = answer.take() {
            self.send_answer(&answer, sip);
        } else if self.reliable.sent.is_none()
            && let Some((code, body)) = self.reliable.waiting.pop_front()
        {
            self.send_reliably(code, body.as_deref(), sip);
        }
    }

    /// Whether a 2xx to the INVITE has to wait: for the PRACK to what carried the answer, or for our answer to a later offer
    /// (RFC 3262 §3, RFC 3311 §5.2).
    pub(super) fn is_answer_held(&self) -> bool {
        self.reliable.holds_the_answer() || matches!(self.change, Change::Asking { .. })
    }

    /// Whether the caller's offer was answered in a reliable provisional response.
    pub fn has_answered_early(&self) -> bool {
        self.reliable.answered
    }

    /// The same, or such a response waits its turn.
    pub fn is_answering_early(&self) -> bool {
        self.reliable.answered || self.reliable.waiting.iter().any(|(_, body)| body.is_some())
    }

    /// Answers with 200 as soon as nothing is in the way, and with this SDP unless the offer was answered before. `Acked` follows,
    /// or `Ended` if no ACK comes.
    pub fn answer(&mut self, body: &[u8], sip: &mut Sip) {
        let held = self.is_answer_held();
        let State::Incoming { answer, .. } = &mut self.state else { return };
        self.reliable.waiting.clear();
        if held {
            *answer = Some(Bytes::copy_from_slice(body));
        } else {
            self.send_answer(body, sip);
        }
    }
}

/// RAck of a PRACK to a response to an INVITE: RSeq and CSeq number (RFC 3262 §7.2).
fn rack_of(prack: &Message) -> Option<(u32, u32)> {
    let mut fields = prack.header(Header::RAck)?.split_ascii_whitespace();
    let numbers = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (fields.next()? == "INVITE").then_some(numbers)
}
