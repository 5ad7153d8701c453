//! Requests that begin something: which of them are acceptable in form, and where each goes (RFC 3261 §8.2).

use crate::Engine;
use crate::engine::sip;
use crate::examine::is_doctors;
use crate::refuse::Refusal;
use tandem_sip_dialog::{ALLOW, Leg, MIN_SE, SUPPORTED, is_session_too_brief, unsupported};
use tandem_sip_msg::{Flow, Header, Message, Method, Scheme};
use tandem_sip_txn::ServerKey;
use tandem_time::Time;

const SDP: &str = "application/sdp";

impl Engine {
    pub(crate) fn on_request(&mut self, key: ServerKey, message: Message, flow: Flow, now: Time) {
        if message.to_tag().is_some() {
            return self.on_request_in_dialog(key, &message, flow, now);
        }
        if let Err(refusal) = acceptable(&message) {
            self.counters.malformed += 1;
            return self.answer(key, &message, flow, &refusal);
        }
        match message.method() {
            Method::Invite if self.txn.is_looped(&message) => {
                let why =
                    "our own call came back to us; check where the trunk that it went to leads".to_owned();
                self.turn_away(key, &message, flow, Refusal::new(482, "Loop Detected"), "LOOP", why);
            }
            Method::Invite => self.on_invite(key, message, flow, now),
            Method::Register => {
                self.registrar.on_register(key, &message, flow, &mut sip(&mut self.txn, &mut self.rng, now));
            }
            Method::Options => self.on_options(key, &message, flow),
            // A CANCEL that matched nothing was answered below; what comes here beside it is not for us.
            _ => self.answer(key, &message, flow, &Refusal::method_not_allowed()),
        }
    }

    fn on_request_in_dialog(&mut self, key: ServerKey, message: &Message, flow: Flow, now: Time) {
        let owner = message.to_tag().and_then(Leg::owner_of_tag);
        if let Some(owner) = owner.filter(|owner| is_doctors(*owner))
            && self.with_doctor(now, |doctor, ctx| doctor.on_request(owner, key, message, flow, ctx))
        {
            return;
        }
        let owner = owner.map(|owner| self.places.of(owner));
        match owner.filter(|(no, leg)| self.calls.get(no).is_some_and(|call| call.has_leg(*leg))) {
            Some((no, leg)) => {
                self.with_call(no, now, |call, ctx| call.on_request(leg, key, message, flow, ctx))
            }
            None => self.answer(key, message, flow, &Refusal::new(481, "Call/Transaction Does Not Exist")),
        }
    }

    /// Somebody asks whether we are there (RFC 3261 §11.2). While we drain, the answer keeps new calls away.
    fn on_options(&mut self, key: ServerKey, message: &Message, flow: Flow) {
        let answer = match self.draining {
            true => Refusal::new(503, "Going down").with(Header::RetryAfter, "60"),
            false => Refusal::new(200, "OK").with(Header::Accept, SDP),
        };
        let answer =
            answer.with(Header::Allow, format!("{ALLOW}, REGISTER")).with(Header::Supported, SUPPORTED);
        self.answer(key, message, flow, &answer);
    }
}

/// Whether a request is one that we can serve at all; the order is that of RFC 3261 §8.2 and §16.3.
fn acceptable(message: &Message) -> Result<(), Refusal> {
    if message.method() == Method::Other {
        return Err(Refusal::method_not_allowed());
    }
    let scheme = message.request_uri().map(|uri| uri.scheme());
    if !matches!(scheme, Some(Scheme::Sip | Scheme::Sips | Scheme::Tel)) {
        return Err(Refusal::new(416, "Unsupported URI Scheme"));
    }
    // We stand in for no proxy that somebody else could demand something of.
    let of_proxies: Vec<&str> = message.headers(Header::ProxyRequire).collect();
    if let Some(unknown) =
        unsupported(message).or_else(|| (!of_proxies.is_empty()).then(|| of_proxies.join(", ")))
    {
        return Err(Refusal::new(420, "Bad Extension").with(Header::Unsupported, unknown));
    }
    match message.method() {
        Method::Invite => acceptable_invite(message),
        Method::Register if message.to().uri().scheme() == Scheme::Other => {
            Err(Refusal::new(400, "Bad To URI"))
        }
        _ => Ok(()),
    }
}

fn acceptable_invite(message: &Message) -> Result<(), Refusal> {
    if message.max_forwards() == Some(0) {
        return Err(Refusal::new(483, "Too Many Hops"));
    }
    if is_session_too_brief(message) {
        let refusal = Refusal::new(422, "Session Interval Too Small");
        return Err(refusal.with(Header::MinSe, MIN_SE.to_string()));
    }
    let encoded = message
        .header(Header::ContentEncoding)
        .is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"));
    let kind =
        message.content_type().map(|kind| kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase());
    if encoded || (!message.body().is_empty() && kind.is_some_and(|kind| kind != SDP)) {
        return Err(Refusal::new(415, "Unsupported Media Type").with(Header::Accept, SDP));
    }
    let accepted = message.headers(Header::Accept).map(|kind| kind.split(';').next().unwrap_or("").trim());
    let mut accepted = accepted.filter(|kind| !kind.is_empty()).peekable();
    let takes_sdp =
        |kind: &str| [SDP, "application/*", "*/*"].iter().any(|ours| kind.eq_ignore_ascii_case(ours));
    if accepted.peek().is_some() && !accepted.any(takes_sdp) {
        return Err(Refusal::new(406, "Not Acceptable").with(Header::Accept, SDP));
    }
    Ok(())
}
