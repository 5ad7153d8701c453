//! Transfers that it asks for (RFC 3515), and what it is told of them.

use super::call::Stage;
use super::{CallRef, Ua};
use std::fmt::Write as _;
use std::net::SocketAddr;
use tandem_sip_msg::{Header, Message, Writer};
use tandem_time::Time;

/// When it hangs up a call that it transfers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leaves {
    /// As soon as the transfer is accepted.
    Accepted,
    /// When it is told that the transfer has succeeded.
    Told,
    /// Never.
    Never,
}

/// What a NOTIFY said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct News {
    /// The status in its fragment.
    pub code: u16,
    /// It was the last.
    pub is_last: bool,
}

impl Ua {
    /// Asks for the other side of a call to be connected to `refer_to`, a Refer-To value.
    pub fn refer(&mut self, call: CallRef, refer_to: &str, now: Time) {
        self.refer_with(call, &[("Refer-To", refer_to)], now);
    }

    /// The same with headers of the test's choice.
    pub fn refer_with(&mut self, call: CallRef, headers: &[(&str, &str)], now: Time) {
        let n = call.0;
        self.calls[n].refer_code = None;
        self.calls[n].notified.clear();
        self.calls[n].subscribed = true;
        let (mut w, branch) = self.in_dialog(n, "REFER", true);
        for (name, value) in headers {
            w.named(name, value);
        }
        let peer = self.calls[n].peer;
        self.request(branch, "REFER", peer, w.finish(), now);
    }

    /// Asks for the other sides of two calls to be connected to each other.
    pub fn refer_to_call(&mut self, call: CallRef, other: CallRef, now: Time) {
        let uri = self.calls[other.0].remote_target.clone();
        let mut replaces = String::new();
        for b in self.replaces(other).bytes() {
            let _ = match b {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' => {
                    write!(replaces, "{}", char::from(b))
                }
                b => write!(replaces, "%{b:02X}"),
            };
        }
        self.refer(call, &format!("<{uri}?Replaces={replaces}>"), now);
    }

    /// The Replaces value of one of its dialogs, as the other end is to read it (RFC 3891 §3).
    pub fn replaces(&self, call: CallRef) -> String {
        let call = &self.calls[call.0];
        let theirs = call.remote_tag.as_deref().unwrap_or("0");
        format!("{};to-tag={theirs};from-tag={}", call.call_id, call.local_tag)
    }

    pub(super) fn on_refer_response(&mut self, message: &Message, code: u16, now: Time) {
        let Some(n) = self.find_call(message) else { return };
        self.calls[n].refer_code = Some(code);
        let is_silent = message.header_named("Refer-Sub").is_some_and(|value| value.starts_with("false"));
        if code >= 300 || is_silent {
            self.calls[n].subscribed = false;
        }
        if code == 202 && self.leaves == Leaves::Accepted && self.calls[n].stage == Stage::Talking {
            self.hang_up(CallRef(n), now);
        }
    }

    pub(super) fn on_notify(&mut self, message: &Message, from: SocketAddr, now: Time) {
        let found =
            self.find_call(message).filter(|n| self.calls[*n].remote_tag.as_deref() == message.from_tag());
        let Some(n) = found.filter(|n| self.calls[*n].subscribed) else {
            self.complain("a NOTIFY that nobody asked for");
            return drop(self.reply(message, from, 481, "Subscription Does Not Exist", None, None));
        };
        if self.challenges_notify && message.header(Header::Authorization).is_none() {
            let mut w = Writer::reply(message, from, 401, "Unauthorized", None);
            w.header(Header::WwwAuthenticate, self.challenge(message));
            return self.answer(message, from, w.finish());
        }
        self.reply(message, from, 200, "OK", Some(n), None);
        match read(message) {
            Ok(news) => {
                self.calls[n].notified.push(news);
                self.calls[n].subscribed = !news.is_last;
                let succeeded = news.is_last && news.code < 300;
                if succeeded && self.leaves == Leaves::Told && self.calls[n].stage == Stage::Talking {
                    self.hang_up(CallRef(n), now);
                }
            }
            Err(wrong) => self.complain(&format!("a NOTIFY {wrong}")),
        }
    }
}

/// What a NOTIFY of a transfer says, or what is wrong with it (RFC 3515 §2.4.4 to §2.4.6, RFC 6665 §4.2).
fn read(message: &Message) -> Result<News, &'static str> {
    let event = message.header(Header::Event).ok_or("without Event")?;
    if event.split(';').next() != Some("refer") {
        return Err("of another event");
    }
    let state = message.header_named("Subscription-State").ok_or("without Subscription-State")?;
    let is_last = state.starts_with("terminated");
    if is_last && !state.contains("reason=noresource") {
        return Err("that ends for no reason");
    }
    if !is_last && !state.contains("expires=") {
        return Err("that does not say for how long");
    }
    if !message.content_type().is_some_and(|kind| kind.starts_with("message/sipfrag")) {
        return Err("without a fragment");
    }
    if message.contact().is_none() {
        return Err("without Contact");
    }
    let body = std::str::from_utf8(message.body()).map_err(|_| "that is no text")?;
    let code =
        body.strip_prefix("SIP/2.0 ").and_then(|line| line.get(..3)).and_then(|code| code.parse().ok());
    let code: u16 = code.ok_or("whose fragment is no status line")?;
    if is_last != (code >= 200) {
        return Err("whose state and status do not agree");
    }
    Ok(News { code, is_last })
}
