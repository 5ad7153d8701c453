//! Digits that the peer tells by INFO, in the two forms that equipment has for them; passed on to the other side of the call as they
//! came, and its answer back.

use super::{Leg, LegEvent, PRODUCT, State};
use crate::Sip;
use bytes::Bytes;
use tandem_sip_msg::{Header, Message, Method};
use tandem_sip_txn::{ClientKey, ServerKey};

const KINDS: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];
/// A digit and its duration are a few dozen bytes.
const LONGEST: usize = 256;
/// INFOs of a leg that have no answer yet. Nobody presses keys that fast.
const MOST: usize = 16;

/// Digits as they came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digits {
    kind: &'static str,
    body: Bytes,
    asked: ServerKey,
}

/// The INFOs of a leg that are not answered.
#[derive(Default)]
pub(super) struct Infos {
    /// The peer's.
    asked: Vec<ServerKey>,
    /// Ours.
    told: Vec<(ClientKey, Digits)>,
}

impl Infos {
    pub(super) fn shrink(&mut self) {
        self.asked.shrink_to_fit();
        self.told.shrink_to_fit();
    }
}

impl Leg {
    /// Whether the peer may tell digits by INFO, and is told them so.
    pub fn take_digits(&mut self, may: bool) {
        self.takes_digits = may;
    }

    /// Whether digits can be told to the peer now.
    pub fn can_tell_digits(&self) -> bool {
        self.takes_digits && matches!(self.state, State::Confirmed)
    }

    pub(super) fn on_info(&mut self, key: ServerKey, message: &Message, sip: &mut Sip) {
        if !self.takes_digits {
            return self.reply(key, message, 405, "Method Not Allowed", sip);
        }
        if !matches!(self.state, State::Confirmed) || self.infos.asked.len() >= MOST {
            return self.reply_retry_later(key, message, sip);
        }
        // One without anything in it only asks whether we are there.
        if message.body().is_empty() {
            return self.reply(key, message, 200, "OK", sip);
        }
        let is_of = |kind: &&&str| {
            message.content_type().is_some_and(|value| {
                value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind)
            })
        };
        let Some(&kind) = KINDS.iter().find(is_of).filter(|_| message.body().len() <= LONGEST) else {
            let mut w = self.begin_reply(key, message, 415, "Unsupported Media Type", sip);
            w.header(Header::Accept, KINDS.join(", "));
            sip.txn.respond(key, 415, w.finish(), sip.now);
            return;
        };
        sip.txn.own(key, self.owner);
        self.infos.asked.push(key);
        let body = message.body_bytes();
        self.events.push_back(LegEvent::Digits(Digits { kind, body, asked: key }));
    }

    /// Tells the peer digits of the other side; [`LegEvent::DigitsTold`] follows.
    pub fn tell_digits(&mut self, digits: Digits, sip: &mut Sip) {
        self.send_info(digits, None, sip);
    }

    fn send_info(&mut self, digits: Digits, credentials: Option<(Header, String)>, sip: &mut Sip) {
        let mut w = self.dialog.request(Method::Info);
        w.header(Header::UserAgent, PRODUCT);
        if let Some((name, value)) = credentials {
            w.header(name, value);
        }
        let bytes = w.finish_with(digits.kind, &digits.body);
        let key = sip.txn.request(bytes, self.dialog.flow, self.owner, sip.rng, sip.now);
        self.infos.told.push((key, digits));
    }

    /// What became of digits of the peer on the other side.
    pub fn answer_digits(&mut self, asked: &Digits, code: u16, phrase: &str, sip: &mut Sip) {
        let before = self.infos.asked.len();
        self.infos.asked.retain(|key| *key != asked.asked);
        if self.infos.asked.len() < before {
            self.respond(asked.asked, code, phrase, None, &[], sip);
        }
    }

    pub(super) fn is_told_by(&self, key: ClientKey) -> bool {
        self.infos.told.iter().any(|(told, _)| *told == key)
    }

    pub(super) fn info_response(&mut self, key: ClientKey, message: &Message, sip: &mut Sip) {
        let code = message.code().unwrap_or(500);
        if code < 200 {
            return;
        }
        let Some(digits) = self.take_told(key) else { return };
        let credentials = match code {
            401 | 407 => self.answer_to(message, Method::Info, None, sip),
            _ => None,
        };
        if credentials.is_some() {
            return self.send_info(digits, credentials, sip);
        }
        if let Some(digest) = self.digest.as_mut().filter(|_| code < 300) {
            digest.accepted();
        }
        let (code, phrase) = match code {
            // What only we could have answered.
            401 | 407 => (403, "Forbidden"),
            // Too late to be said (RFC 4320 §4.2).
            408 => (500, "No Answer"),
            code => (code, message.reason_phrase()),
        };
        self.events.push_back(LegEvent::DigitsTold { digits, code, phrase: phrase.to_owned() });
    }

    pub(super) fn info_failed(&mut self, key: ClientKey) {
        if let Some(digits) = self.take_told(key) {
            self.not_told(digits);
        }
    }

    fn not_told(&mut self, digits: Digits) {
        self.events.push_back(LegEvent::DigitsTold { digits, code: 500, phrase: "No Answer".to_owned() });
    }

    fn take_told(&mut self, key: ClientKey) -> Option<Digits> {
        let at = self.infos.told.iter().position(|(told, _)| *told == key)?;
        Some(self.infos.told.swap_remove(at).1)
    }

    /// The leg ends, and with it what waits for an answer.
    pub(super) fn drop_infos(&mut self, sip: &mut Sip) {
        for (key, digits) in std::mem::take(&mut self.infos.told) {
            sip.txn.disown(key);
            self.not_told(digits);
        }
        for key in std::mem::take(&mut self.infos.asked) {
            self.respond(key, 487, "Request Terminated", None, &[], sip);
        }
    }
}
