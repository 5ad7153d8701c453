//! What its INVITEs and re-INVITEs are answered with.

use super::call::Stage;
use super::client::finish;
use super::{CallRef, Ua};
use rand::Rng;
use std::net::SocketAddr;
use tandem_sdp::{Direction, Sdp};
use tandem_sip_msg::{Header, Message, Writer};
use tandem_time::Time;

impl Ua {
    /// `is_awaited`: no final response came before.
    pub(super) fn on_invite_response(
        &mut self,
        message: &Message,
        code: u16,
        from: SocketAddr,
        is_awaited: bool,
        now: Time,
    ) {
        let Some(n) = self.find_call(message) else { return };
        match code {
            100..=199 if is_awaited => self.on_provisional(n, message, from, code, now),
            100..=199 => {}
            200..=299 => self.on_ok(n, message, from, now),
            _ => {
                self.ack_failure(n, message);
                if is_awaited {
                    self.on_failure(n, message, code, now);
                }
            }
        }
    }

    fn on_failure(&mut self, n: usize, message: &Message, code: u16, now: Time) {
        if self.calls[n].code.is_some() {
            if self.calls[n].refreshing {
                return match code {
                    422 => self.session_refused(n, message, now),
                    _ => self.refresh_later(n, now),
                };
            }
            self.calls[n].change_code = Some(code);
            return;
        }
        if code == 422 && !self.calls[n].cancelled && self.raise_session(n, message) {
            return self.send_invite(n, None, now);
        }
        if matches!(code, 401 | 407) && !self.calls[n].cancelled {
            let uri = self.calls[n].remote_target.clone();
            if let Some(auth) = self.answer_to(message, "INVITE", &uri) {
                return self.send_invite(n, Some(auth), now);
            }
        }
        if let Some(digest) = &mut self.digest {
            digest.accepted();
        }
        let call = &mut self.calls[n];
        call.stage = Stage::Over;
        call.code = Some(code);
        call.phrase = message.reason_phrase().to_owned();
        call.reasons = message.headers(Header::Reason).map(str::to_owned).collect();
        call.media.stop();
    }

    fn on_provisional(&mut self, n: usize, message: &Message, from: SocketAddr, code: u16, now: Time) {
        if self.calls[n].code.is_some() || !self.take_reliable(n, message, from, now) {
            return;
        }
        self.hear_allow(n, message);
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        let call = &mut self.calls[n];
        if call.stage == Stage::Calling && code > 100 {
            call.stage = Stage::Ringing;
        }
        call.heard.push(code);
        if !message.body().is_empty()
            && let Ok(sdp) = Sdp::parse(message.body())
        {
            call.remote_sdp = Some(message.body_bytes());
            call.media.connect(&sdp, self.has_video, tone, ssrc, now);
        }
        if self.calls[n].cancelled {
            let branch = self.calls[n].invite_branch.clone();
            self.send_cancel(branch, now);
        }
    }

    fn on_ok(&mut self, n: usize, message: &Message, from: SocketAddr, now: Time) {
        if self.never_acks {
            self.calls[n].code.get_or_insert(200);
            return;
        }
        let cseq = message.cseq();
        if let Some((_, ack)) = self.calls[n].acks.iter().find(|(acked, _)| *acked == cseq) {
            let (ack, peer) = (ack.clone(), self.calls[n].peer);
            return self.send(peer, ack);
        }
        if let Some(digest) = &mut self.digest {
            digest.accepted();
        }
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        let call = &mut self.calls[n];
        let first = call.answered_at.is_none() && call.is_outgoing;
        let gave_up = first && (call.cancelled || call.stage == Stage::Over);
        call.remote_tag = message.to_tag().map(str::to_owned);
        call.peer = from;
        if let Some(contact) = message.contact() {
            call.remote_target = contact.uri().as_str().to_owned();
        }
        if first {
            call.code = Some(200);
            call.stage = Stage::Talking;
            call.answered_at = Some(now);
        } else if !call.refreshing {
            call.change_code = Some(200);
        }
        // What was answered reliably before stays as it is.
        let is_news = !first || !call.reliable.answered;
        if let Ok(sdp) = Sdp::parse(message.body())
            && call.stage == Stage::Talking
            && is_news
        {
            call.remote_sdp = Some(message.body_bytes());
            call.media.connect(&sdp, self.has_video, tone, ssrc, now);
        }
        // An INVITE without an offer gets one in its 2xx; the answer goes into the ACK.
        self.hear_allow(n, message);
        self.session_granted(n, message, now);
        let offered = if first { self.offers_late } else { self.calls[n].late_change };
        let direction = if first { Direction::SendRecv } else { self.calls[n].direction };
        let answer = offered.then(|| self.describe(n, direction, message.body()));
        let kept = std::mem::replace(&mut self.calls[n].cseq, cseq);
        let (w, _) = self.in_dialog(n, "ACK", false);
        self.calls[n].cseq = kept;
        let ack = finish(w, answer.as_deref());
        let peer = self.calls[n].peer;
        self.calls[n].acks.push((cseq, ack.clone()));
        self.send(peer, ack);
        if gave_up {
            self.hang_up(CallRef(n), now);
        }
    }

    fn ack_failure(&mut self, n: usize, message: &Message) {
        let call = &self.calls[n];
        // Of the first INVITE, whatever became the target since.
        let uri = call
            .line
            .as_ref()
            .filter(|_| call.answered_at.is_none())
            .map_or(&call.remote_target, |line| &line.uri);
        let mut w = Writer::request("ACK", uri);
        w.header(Header::Via, message.top_via().as_str());
        w.header(Header::MaxForwards, 70);
        w.header(Header::From, message.from().as_str());
        w.header(Header::To, message.to().as_str());
        w.header(Header::CallId, &call.call_id);
        w.header(Header::CSeq, format_args!("{} ACK", message.cseq()));
        let peer = call.peer;
        self.send(peer, w.finish());
    }
}
