//! Requests that it gets.

use super::call::{Act, Stage, UaCall, Unacked};
use super::client::finish;
use super::{CallRef, Ua};
use crate::policy::Behaviour;
use bytes::Bytes;
use rand::Rng;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sdp::{Direction, Sdp};
use tandem_sip_msg::{Header, Message, Method, Writer, standard_reason};
use tandem_time::Time;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const UNACKED: Duration = Duration::from_secs(32);
/// Nobody lets a phone ring for longer.
const TIRED: Duration = Duration::from_secs(180);

/// What a request was answered with, for its retransmissions.
pub(super) struct Answered {
    bytes: Option<Bytes>,
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
        match message.method() {
            Method::Register => self.on_register(&message, from, now),
            Method::Invite if message.to_tag().is_some() => self.on_change(&message, from, now),
            Method::Invite => self.on_invite(message, from, now),
            Method::Ack => self.on_ack(&message, now),
            Method::Cancel => self.on_cancel(&message, from, now),
            Method::Bye => self.on_bye(&message, from),
            Method::Options => {
                let code = self.options_code;
                self.reply(&message, from, code, standard_reason(code), None, None);
            }
            _ => drop(self.reply(&message, from, 405, "Method Not Allowed", None, None)),
        }
    }

    fn on_invite(&mut self, message: Message, from: SocketAddr, now: Time) {
        if self.credentials_of(&message).is_none() {
            let challenge = self.challenge(&message);
            let mut w = Writer::reply(&message, from, 407, "Proxy Authentication Required", Some("inv"));
            w.header(Header::ProxyAuthenticate, challenge);
            return self.answer(&message, from, w.finish());
        }
        let called = message.request_uri().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned())).unwrap_or_default();
        let behaviour = (self.policy)(&called);
        if behaviour == Behaviour::Silent {
            // Not even a retransmission is answered: it stays in `answered` with nothing.
            return;
        }
        let n = self.take_call(&message, called, from);
        self.reply(&message, from, 100, "Trying", None, None);
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        if let Ok(offer) = Sdp::parse(message.body()) {
            self.calls[n].remote_sdp = Some(message.body_bytes());
            self.calls[n].media.connect(&offer, tone, ssrc, now);
            self.calls[n].media.next = None;
        }
        match behaviour {
            Behaviour::Answer { ring, early, talks } => {
                self.ring(n, from, early, now);
                self.calls[n].act_at = Some((now + ring, Act::Answer { talks }));
            }
            Behaviour::RingThenRefuse { code, ring } => {
                self.ring(n, from, false, now);
                self.calls[n].act_at = Some((now + ring, Act::Refuse(code)));
            }
            Behaviour::RingForever => {
                self.ring(n, from, false, now);
                self.calls[n].act_at = Some((now + TIRED, Act::Refuse(480)));
            }
            Behaviour::Refuse { code, phrase, reason } => self.refuse(n, code, phrase, reason, now),
            Behaviour::Stuck => self.calls[n].act_at = Some((now + TIRED, Act::Refuse(480))),
            Behaviour::Silent => {}
        }
    }

    fn take_call(&mut self, message: &Message, called: String, from: SocketAddr) -> usize {
        let call = UaCall {
            called,
            from: message.from().as_str().to_owned(),
            invite: Some(message.clone()),
            call_id: message.call_id().to_owned(),
            local: message.to().as_str().to_owned(),
            remote: strip_tag(message.from().as_str()),
            remote_tag: message.from_tag().map(str::to_owned),
            remote_target: message.contact().map(|contact| contact.uri().as_str().to_owned()).unwrap_or_default(),
            invite_branch: message.top_via().branch().unwrap_or_default().to_owned(),
            ..UaCall::new(self, from)
        };
        self.calls.push(call);
        self.calls.len() - 1
    }

    fn ring(&mut self, n: usize, from: SocketAddr, early: bool, now: Time) {
        self.calls[n].stage = Stage::Ringing;
        let Some(invite) = self.calls[n].invite.clone() else { return };
        if early {
            let sdp = self.sdp(n, Direction::SendRecv);
            self.calls[n].media.next = (!self.is_mute).then_some(now);
            self.reply(&invite, from, 183, "Session Progress", Some(n), Some(&sdp));
        } else {
            self.reply(&invite, from, 180, "Ringing", Some(n), None);
        }
    }

    pub(super) fn refuse(&mut self, n: usize, code: u16, phrase: &str, reason: Option<&str>, now: Time) {
        let Some(invite) = self.calls[n].invite.clone() else { return };
        let peer = self.calls[n].peer;
        let mut w = Writer::reply(&invite, peer, code, phrase, Some(&self.calls[n].local_tag));
        if let Some(reason) = reason {
            w.header(Header::Reason, reason);
        }
        self.calls[n].stage = Stage::Over;
        self.calls[n].code = Some(code);
        self.calls[n].act_at = None;
        self.calls[n].media.stop();
        let bytes = w.finish();
        // RFC 3261 §17.2.1: repeated until it is acknowledged.
        self.calls[n].unacked =
            Some(Unacked { is_answer: false, bytes: bytes.clone(), due: now + T1, interval: T1, until: now + UNACKED });
        self.answer(&invite, peer, bytes);
    }

    fn pick_up(&mut self, n: usize, talks: bool, now: Time) {
        let talks = talks && !self.is_mute;
        let Some(invite) = self.calls[n].invite.clone() else { return };
        let sdp = self.sdp(n, Direction::SendRecv);
        let peer = self.calls[n].peer;
        let bytes = self.reply(&invite, peer, 200, "OK", Some(n), Some(&sdp));
        let call = &mut self.calls[n];
        call.stage = Stage::Talking;
        call.code = Some(200);
        call.answered_at = Some(now);
        call.media.talks = talks;
        call.media.next = talks.then_some(now);
        call.unacked = Some(Unacked { is_answer: true, bytes, due: now + T1, interval: T1, until: now + UNACKED });
    }

    /// Answers a call that rings here.
    pub fn answer_call(&mut self, call: CallRef, now: Time) {
        if matches!(self.calls[call.0].stage, Stage::Ringing | Stage::Calling) {
            self.calls[call.0].act_at = None;
            self.pick_up(call.0, true, now);
        }
    }

    pub(super) fn call_timeout(&mut self, n: usize, now: Time) {
        if let Some((at, act)) = self.calls[n].act_at
            && at <= now
        {
            self.calls[n].act_at = None;
            match act {
                Act::Answer { talks } => self.pick_up(n, talks, now),
                Act::Refuse(code) => self.refuse(n, code, standard_reason(code), None, now),
            }
        }
        while let Some(packet) = self.calls[n].media.packet(now) {
            self.outputs.push_back(packet);
        }
        if let Some(next) = self.calls[n].media.next
            && next <= now
        {
            // Nowhere to send to: the time goes by all the same.
            self.calls[n].media.next = Some(now + Duration::from_millis(20));
        }
        let peer = self.calls[n].peer;
        if let Some(unacked) = &mut self.calls[n].unacked
            && unacked.due <= now
        {
            if unacked.until <= now {
                let is_answer = unacked.is_answer;
                self.calls[n].unacked = None;
                match is_answer {
                    true if self.calls[n].bye_when_acked => self.send_bye(n, now),
                    true if self.calls[n].stage == Stage::Talking => self.hang_up(CallRef(n), now),
                    _ => {}
                }
                return;
            }
            unacked.interval = (unacked.interval * 2).min(T2);
            unacked.due = now + unacked.interval;
            let bytes = unacked.bytes.clone();
            self.send(peer, bytes);
        }
    }

    fn on_ack(&mut self, message: &Message, now: Time) {
        let Some(n) = self.find_call(message) else { return };
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        let call = &mut self.calls[n];
        call.unacked = None;
        if let Ok(answer) = Sdp::parse(message.body())
            && !message.body().is_empty()
        {
            call.remote_sdp = Some(message.body_bytes());
            call.media.connect(&answer, tone, ssrc, now);
        }
        if self.calls[n].bye_when_acked {
            self.send_bye(n, now);
        }
    }

    fn on_change(&mut self, message: &Message, from: SocketAddr, now: Time) {
        let Some(n) = self.find_call(message).filter(|n| self.calls[*n].stage == Stage::Talking) else {
            return drop(self.reply(message, from, 481, "Call/Transaction Does Not Exist", None, None));
        };
        // RFC 3261 §14.2: while ours has no answer.
        let branch = &self.calls[n].invite_branch;
        if self.pending.iter().any(|pending| pending.method == "INVITE" && pending.branch == *branch) {
            return drop(self.reply(message, from, 491, "Request Pending", Some(n), None));
        }
        if let Some(code) = self.refuses_changes {
            return drop(self.reply(message, from, code, standard_reason(code), Some(n), None));
        }
        self.calls[n].changes += 1;
        self.calls[n].sdp_version += 1;
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        let mut direction = self.calls[n].direction;
        if let Ok(offer) = Sdp::parse(message.body())
            && !message.body().is_empty()
        {
            direction = offer.audio().map_or(direction, |audio| audio.direction.reversed().and(direction));
            self.calls[n].remote_sdp = Some(message.body_bytes());
            self.calls[n].media.connect(&offer, tone, ssrc, now);
        }
        let sdp = self.sdp(n, direction);
        let bytes = self.reply(message, from, 200, "OK", Some(n), Some(&sdp));
        self.calls[n].unacked = Some(Unacked { is_answer: true, bytes, due: now + T1, interval: T1, until: now + UNACKED });
    }

    fn on_cancel(&mut self, message: &Message, from: SocketAddr, now: Time) {
        self.reply(message, from, 200, "OK", None, None);
        let Some(n) = self.calls.iter().rposition(|call| call.call_id == message.call_id() && !call.is_outgoing) else { return };
        if matches!(self.calls[n].stage, Stage::Calling | Stage::Ringing) {
            self.calls[n].cancelled = true;
            self.calls[n].reasons = message.headers(Header::Reason).map(str::to_owned).collect();
            self.refuse(n, 487, "Request Terminated", None, now);
        }
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
    fn reply(&mut self, message: &Message, to: SocketAddr, code: u16, phrase: &str, n: Option<usize>, sdp: Option<&[u8]>) -> Bytes {
        let tag = n.map_or("ua", |n| &self.calls[n].local_tag);
        let mut w = Writer::reply(message, to, code, phrase, (code > 100).then_some(tag));
        if n.is_some() {
            w.header(Header::Contact, format_args!("<sip:{}@{}>", tandem_sip_msg::escape_user(&self.user), self.shown));
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

fn strip_tag(value: &str) -> String {
    match value.find(";tag=") {
        Some(at) => {
            let rest = &value[at + 5..];
            let end = rest.find(';').map_or("", |end| &rest[end..]);
            format!("{}{end}", &value[..at])
        }
        None => value.to_owned(),
    }
}
