//! Requests that it gets.

use super::Ua;
use super::call::{Stage, UaCall};
use super::client::finish;
use bytes::Bytes;
use std::net::SocketAddr;
use tandem_sip_msg::{Header, Message, Method, Writer, standard_reason};
use tandem_time::Time;

/// What a request was answered with, for its retransmissions.
pub(super) struct Answered {
    bytes: Option<Bytes>,
}

/// A response to be.
pub(super) struct Reply<'a> {
    pub(super) code: u16,
    pub(super) phrase: &'a str,
    pub(super) sdp: Option<&'a [u8]>,
    pub(super) headers: &'a [(Header, String)],
}

impl Reply<'_> {
    pub(super) fn of(code: u16) -> Reply<'static> {
        Reply { code, phrase: standard_reason(code), sdp: None, headers: &[] }
    }
}

impl Ua {
    pub(super) fn on_request(&mut self, message: Message, from: SocketAddr, now: Time) {
        let branch = message.top_via().branch().unwrap_or_default();
        let key = format!("{branch} {}", message.method_name());
        if message.method() != Method::Ack {
            if let Some(answered) = self.answered.get(&key) {
                if let Some(bytes) = answered.bytes.clone() {
                    self.send(from, bytes);
                }
                return;
            }
            self.answered.insert(key, Answered { bytes: None });
        }
        let line = message.request_uri().and_then(|uri| uri.params().get("line").map(str::to_owned));
        if let Some(n) = self.find_call(&message).filter(|_| message.to_tag().is_some())
            && self.calls[n].is_branch
            && line.as_ref() != Some(&self.calls[n].local_tag)
            && self.calls[n].stage != Stage::Over
        {
            self.complain("a request to another branch than its dialog's");
        }
        match message.method() {
            Method::Register => self.on_register(&message, from, now),
            Method::Invite if message.to_tag().is_some() => self.on_change(&message, from, now),
            Method::Invite => self.on_invite(message, from, now),
            Method::Ack => self.on_ack(&message, now),
            Method::Cancel => self.on_cancel(&message, from, now),
            Method::Bye => self.on_bye(&message, from),
            Method::Prack => self.on_prack(&message, from, now),
            Method::Update => self.on_update(&message, from, now),
            Method::Info => self.on_info(&message, from),
            Method::Notify => self.on_notify(&message, from, now),
            Method::Options => {
                let code = self.options_code;
                self.reply(&message, from, code, standard_reason(code), None, None);
            }
            _ => drop(self.reply(&message, from, 405, "Method Not Allowed", None, None)),
        }
    }

    fn on_cancel(&mut self, message: &Message, from: SocketAddr, now: Time) {
        self.reply(message, from, 200, "OK", None, None);
        let rings = |call: &UaCall| {
            let alive = matches!(call.stage, Stage::Calling | Stage::Ringing);
            call.call_id == message.call_id() && !call.is_outgoing && alive
        };
        let Some(n) = self.calls.iter().rposition(rings) else { return };
        self.calls[n].cancelled = true;
        self.calls[n].reasons = message.headers(Header::Reason).map(str::to_owned).collect();
        self.give_up_other_branches(n);
        self.refuse(n, 487, "Request Terminated", None, now);
    }

    fn on_bye(&mut self, message: &Message, from: SocketAddr) {
        let Some(n) = self.find_call(message) else {
            return drop(self.reply(message, from, 481, "Call/Transaction Does Not Exist", None, None));
        };
        self.reply(message, from, 200, "OK", None, None);
        let call = &mut self.calls[n];
        call.stage = Stage::Over;
        call.ended_by_peer.get_or_insert(true);
        call.reasons = message.headers(Header::Reason).map(str::to_owned).collect();
        call.unacked = None;
        call.media.stop();
    }

    /// Answers without remembering a call, or within one when `n` says which.
    pub(super) fn reply(
        &mut self,
        message: &Message,
        to: SocketAddr,
        code: u16,
        phrase: &str,
        n: Option<usize>,
        sdp: Option<&[u8]>,
    ) -> Bytes {
        self.reply_with(message, to, n, Reply { code, phrase, sdp, headers: &[] })
    }

    pub(super) fn reply_with(
        &mut self,
        message: &Message,
        to: SocketAddr,
        n: Option<usize>,
        reply: Reply<'_>,
    ) -> Bytes {
        let Reply { code, phrase, sdp, headers } = reply;
        let tag = n.map_or("ua", |n| &self.calls[n].local_tag);
        let mut w = Writer::reply(message, to, code, phrase, (code > 100).then_some(tag));
        if let Some(n) = n {
            let call = &self.calls[n];
            let line = if call.is_branch { format!(";line={}", call.local_tag) } else { String::new() };
            w.header(Header::Contact, self.contact_with(&line));
            if (101..300).contains(&code) {
                self.say_what_it_knows(&mut w);
            }
        }
        for (name, value) in headers {
            w.header(*name, value);
        }
        w.header(Header::Server, self.product());
        let bytes = finish(w, sdp);
        self.answer(message, to, bytes.clone());
        bytes
    }

    pub(super) fn answer(&mut self, message: &Message, to: SocketAddr, bytes: Bytes) {
        let branch = message.top_via().branch().unwrap_or_default();
        let key = format!("{branch} {}", message.method_name());
        self.answered.insert(key, Answered { bytes: Some(bytes.clone()) });
        self.send(to, bytes);
    }
}
