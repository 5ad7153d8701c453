//! Calls that it gets: ringing, answering, refusing, each as its policy says.

use super::call::{Act, Stage, UaCall, Unacked};
use super::server::Reply;
use super::{CallRef, Ua};
use crate::policy::Behaviour;
use rand::Rng;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sdp::{Direction, Sdp};
use tandem_sip_msg::{Header, Message, Writer, standard_reason};
use tandem_time::Time;

pub(super) const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
pub(super) const UNACKED: Duration = Duration::from_secs(32);
/// Nobody lets a phone ring for longer.
const TIRED: Duration = Duration::from_secs(180);

impl Ua {
    pub(super) fn on_invite(&mut self, message: Message, from: SocketAddr, now: Time) {
        if self.credentials_of(&message).is_none() {
            let challenge = self.challenge(&message);
            let mut w = Writer::reply(&message, from, 407, "Proxy Authentication Required", Some("inv"));
            w.header(Header::ProxyAuthenticate, challenge);
            return self.answer(&message, from, w.finish());
        }
        let called = message
            .request_uri()
            .and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()))
            .unwrap_or_default();
        let behaviour = (self.policy)(&called);
        if behaviour == Behaviour::Silent {
            // Not even a retransmission is answered: it stays in `answered` with nothing.
            return;
        }
        if let Some(least) = self.too_brief(&message) {
            let headers = [(Header::MinSe, least.to_string())];
            return drop(self.reply_with(
                &message,
                from,
                None,
                Reply { headers: &headers, ..Reply::of(422) },
            ));
        }
        self.reply(&message, from, 100, "Trying", None, None);
        let is_branch = matches!(behaviour, Behaviour::Fork(_));
        let branches = match behaviour {
            Behaviour::Fork(branches) => branches,
            one => vec![one],
        };
        for behaviour in branches {
            let n = self.take_call(&message, called.clone(), from);
            self.calls[n].is_branch = is_branch;
            self.treat(n, behaviour, from, now);
        }
    }

    fn treat(&mut self, n: usize, behaviour: Behaviour, from: SocketAddr, now: Time) {
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        if let Some(message) = self.calls[n].invite.clone()
            && let Ok(offer) = Sdp::parse(message.body())
        {
            self.calls[n].remote_sdp = Some(message.body_bytes());
            self.calls[n].media.connect(&offer, self.has_video, tone, ssrc, now);
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
            Behaviour::PlayThenRefuse { code, play } => {
                self.ring(n, from, true, now);
                self.calls[n].act_at = Some((now + play, Act::Refuse(code)));
            }
            Behaviour::RingForever => {
                self.ring(n, from, false, now);
                self.calls[n].act_at = Some((now + TIRED, Act::Refuse(480)));
            }
            Behaviour::Refuse { code, phrase, reason } => self.refuse(n, code, phrase, reason, now),
            Behaviour::Stuck => self.calls[n].act_at = Some((now + TIRED, Act::Refuse(480))),
            Behaviour::Silent | Behaviour::Fork(_) => {}
        }
    }

    /// One of several branches goes on: the others are taken back, as a proxy does it, and nobody hears of them.
    pub(super) fn give_up_other_branches(&mut self, n: usize) {
        let call_id = self.calls[n].call_id.clone();
        for (m, call) in self.calls.iter_mut().enumerate() {
            let rings = matches!(call.stage, Stage::Calling | Stage::Ringing);
            if m != n && call.is_branch && rings && call.call_id == call_id {
                call.stage = Stage::Over;
                call.act_at = None;
                call.reliable.unpracked = None;
                call.media.stop();
            }
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
            remote_target: message
                .contact()
                .map(|contact| contact.uri().as_str().to_owned())
                .unwrap_or_default(),
            invite_branch: message.top_via().branch().unwrap_or_default().to_owned(),
            ..UaCall::new(self, from)
        };
        self.calls.push(call);
        let n = self.calls.len() - 1;
        self.hear_allow(n, message);
        n
    }

    fn ring(&mut self, n: usize, from: SocketAddr, early: bool, now: Time) {
        self.calls[n].stage = Stage::Ringing;
        let Some(invite) = self.calls[n].invite.clone() else { return };
        let reliably = self.rings_reliably(&invite);
        if early {
            let sdp = self.describe(n, Direction::SendRecv, invite.body());
            self.said(n, &sdp);
            self.calls[n].media.next = (!self.is_mute).then_some(now);
            if reliably {
                return self.ring_reliably(n, 183, Some(&sdp), now);
            }
            self.reply(&invite, from, 183, "Session Progress", Some(n), Some(&sdp));
        } else if reliably {
            self.ring_reliably(n, 180, None, now);
        } else {
            self.reply(&invite, from, 180, "Ringing", Some(n), None);
        }
    }

    /// A call that rings here rings on with early media.
    pub fn play_early(&mut self, call: CallRef, now: Time) {
        let from = self.calls[call.0].peer;
        self.ring(call.0, from, true, now);
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
        self.calls[n].reliable.unpracked = None;
        self.calls[n].media.stop();
        let bytes = w.finish();
        // RFC 3261 §17.2.1: repeated until it is acknowledged.
        self.calls[n].unacked = Some(Unacked {
            is_answer: false,
            bytes: bytes.clone(),
            due: if self.transport.is_reliable() { now + UNACKED } else { now + T1 },
            interval: T1,
            until: now + UNACKED,
        });
        self.answer(&invite, peer, bytes);
    }

    pub(super) fn pick_up(&mut self, n: usize, talks: bool, now: Time) {
        let talks = talks && !self.is_mute;
        // RFC 3262 §3.
        if self.calls[n].reliable.holds() {
            self.calls[n].reliable.pick_up = Some(talks);
            return;
        }
        let Some(invite) = self.calls[n].invite.clone() else { return };
        if !self.forks_answer_twice {
            self.give_up_other_branches(n);
        }
        let direction = self.calls[n].direction;
        if self.moves_on_answer {
            self.calls[n].media.local = self.media_address();
        }
        let sdp = (!self.calls[n].reliable.answered).then(|| self.describe(n, direction, invite.body()));
        if let Some(sdp) = &sdp {
            self.said(n, sdp);
        }
        let peer = self.calls[n].peer;
        let headers = self.grant_session(n, &invite, now);
        let reply = Reply { sdp: sdp.as_deref(), headers: &headers, ..Reply::of(200) };
        let bytes = self.reply_with(&invite, peer, Some(n), reply);
        self.calls[n].reliable.unpracked = None;
        let call = &mut self.calls[n];
        call.stage = Stage::Talking;
        call.code = Some(200);
        call.answered_at = Some(now);
        call.media.talks = talks;
        call.media.next = talks.then_some(now);
        call.unacked =
            Some(Unacked { is_answer: true, bytes, due: now + T1, interval: T1, until: now + UNACKED });
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
        self.reliable_timeout(n, now);
        self.session_timeout(n, now);
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
                self.calls[n].never_acked = is_answer;
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
