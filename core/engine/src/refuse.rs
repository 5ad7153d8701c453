//! Refusing requests: strangers are answered and forgotten.

use crate::Engine;
use bytes::Bytes;
use tandem_model::Event;
use tandem_sip_dialog::{ALLOW, PRODUCT};
use tandem_sip_msg::{Flow, Header, Message, Method, Writer};
use tandem_sip_txn::ServerKey;
use tandem_time::Time;

/// A response without a body that ends a request, with headers beside the usual ones.
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) phrase: String,
    pub(crate) headers: Vec<(Header, String)>,
}

impl Refusal {
    pub(crate) fn new(code: u16, phrase: impl Into<String>) -> Refusal {
        Refusal { code, phrase: phrase.into(), headers: Vec::new() }
    }

    pub(crate) fn with(mut self, name: Header, value: impl Into<String>) -> Refusal {
        self.headers.push((name, value.into()));
        self
    }

    /// 405 with what we take instead.
    pub(crate) fn method_not_allowed() -> Refusal {
        Refusal::new(405, "Method Not Allowed").with(Header::Allow, format!("{ALLOW}, REGISTER"))
    }
}

impl Engine {
    /// Answers a request that could not be parsed as a whole, if it is one that may be answered.
    pub(crate) fn refuse_unparsed(&mut self, message: &Message, flow: Flow, code: u16, why: &str, now: Time) {
        self.counters.malformed += 1;
        if !message.is_request() || message.method() == Method::Ack {
            return;
        }
        let (door, _, house) = self.at_door(now);
        if door.may_answer(flow.remote, &house) {
            let bytes = Writer::reply(message, flow.remote, code, why, Some("malformed")).finish();
            self.txn.respond_to_broken(message, flow, bytes);
        }
    }

    /// Answers a request with a final response that nothing is remembered of.
    pub(crate) fn answer(&mut self, key: ServerKey, message: &Message, flow: Flow, refusal: &Refusal) {
        let bytes = self.refusal(message, flow, refusal);
        self.txn.respond_and_forget(key, refusal.code, bytes);
    }

    fn refusal(&self, message: &Message, flow: Flow, refusal: &Refusal) -> Bytes {
        let tag = self.txn.stateless_tag(message);
        let mut w = Writer::reply(message, flow.remote, refusal.code, &refusal.phrase, Some(&tag));
        for (name, value) in &refusal.headers {
            w.header(*name, value);
        }
        w.header(Header::Server, PRODUCT);
        w.finish()
    }

    /// Refuses a call of somebody we know, and keeps the answer for copies of it: the next moment might find another one, and a
    /// copy would become a call that nobody waits for.
    pub(crate) fn turn_down(
        &mut self,
        (key, message, flow, now): (ServerKey, &Message, Flow, Time),
        refusal: &Refusal,
        reason: &'static str,
        why: String,
    ) {
        let bytes = self.refusal(message, flow, refusal);
        self.txn.respond(key, refusal.code, bytes, now);
        self.tell_refused(message, flow, reason, why);
    }

    /// Refuses a request of somebody unknown, and keeps nothing.
    pub(crate) fn turn_away(
        &mut self,
        key: ServerKey,
        message: &Message,
        flow: Flow,
        refusal: Refusal,
        reason: &'static str,
        why: String,
    ) {
        self.answer(key, message, flow, &refusal);
        self.tell_refused(message, flow, reason, why);
    }

    fn tell_refused(&mut self, message: &Message, flow: Flow, reason: &'static str, why: String) {
        self.counters.refused += 1;
        self.outputs.push_back(crate::Output::Event(Event::Refused {
            source: flow.remote,
            method: message.method_name().to_owned(),
            target: message.request_uri().map(|uri| uri.as_str().to_owned()).unwrap_or_default(),
            reason,
            message: why,
        }));
    }
}
