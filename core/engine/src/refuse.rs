//! Refusing requests: strangers are answered and forgotten.

use crate::Engine;
use crate::identify::direct_token;
use bytes::Bytes;
use tandem_call::Source;
use tandem_model::{Event, q850_of};
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

    /// With the words for why (RFC 3326, RFC 6432).
    pub(crate) fn because(self, why: &str) -> Refusal {
        let text = why.replace('\\', "\\\\").replace('"', "\\\"");
        let cause = q850_of(self.code);
        self.with(Header::Reason, format!("Q.850;cause={cause};text=\"{text}\""))
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
        source: &Source,
        refusal: &Refusal,
        reason: &'static str,
        why: String,
    ) {
        self.respond((key, message, flow, now), refusal);
        self.tell_refused(message, flow, Some(source), reason, why);
    }

    /// Answers a call of somebody we know, and keeps the answer.
    pub(crate) fn respond(
        &mut self,
        (key, message, flow, now): (ServerKey, &Message, Flow, Time),
        refusal: &Refusal,
    ) {
        let bytes = self.refusal(message, flow, refusal);
        self.txn.respond(key, refusal.code, bytes, now);
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
        self.tell_refused(message, flow, None, reason, why);
    }

    fn tell_refused(
        &mut self,
        message: &Message,
        flow: Flow,
        source: Option<&Source>,
        reason: &'static str,
        why: String,
    ) {
        let (trunk_id, extension_id) = match source {
            Some(Source::Trunk(trunk)) => (Some(trunk.id), None),
            Some(Source::Extension(extension) | Source::Guest(extension)) => (None, Some(extension.id)),
            None => (None, None),
        };
        self.tell_turned_down(Event::RequestRefused {
            source: flow.remote,
            method: message.method_name().to_owned(),
            target: target_of(message),
            trunk_id,
            extension_id,
            reason,
            message: why,
            tenant_id: source.and_then(Source::tenant_id),
        });
    }

    /// Counts a refusal and tells of it.
    pub(crate) fn tell_turned_down(&mut self, event: Event) {
        self.counters.refused += 1;
        self.outputs.push_back(crate::Output::Event(event));
    }
}

/// The Request-URI as it came, without the direct token of an extension, which nobody else is to know.
pub(crate) fn target_of(message: &Message) -> String {
    let Some(uri) = message.request_uri() else { return String::new() };
    match direct_token(uri) {
        Some(token) => uri.as_str().replacen(token, "***", 1),
        None => uri.as_str().to_owned(),
    }
}

/// To as it came.
pub(crate) fn to_of(message: &Message) -> String {
    message.header(Header::To).map(|to| to.to_string()).unwrap_or_default()
}
