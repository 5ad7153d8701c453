//! Changes of the session that the peer asks for, and the ACK that ends them.

use super::Ua;
use super::call::{Stage, Unacked};
use super::ringing::{T1, UNACKED};
use super::server::Reply;
use rand::Rng;
use std::net::SocketAddr;
use tandem_sdp::Sdp;
use tandem_sip_msg::{Header, Message, standard_reason};
use tandem_time::Time;

impl Ua {
    pub(super) fn on_ack(&mut self, message: &Message, now: Time) {
        let Some(n) = self.find_call(message) else { return };
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        let call = &mut self.calls[n];
        call.unacked = None;
        if let Ok(answer) = Sdp::parse(message.body())
            && !message.body().is_empty()
        {
            call.remote_sdp = Some(message.body_bytes());
            call.media.connect(&answer, self.has_video, tone, ssrc, now);
        }
        if self.calls[n].bye_when_acked {
            self.send_bye(n, now);
        }
    }

    /// A re-INVITE of its own has no answer yet.
    pub(super) fn is_changing(&self, n: usize) -> bool {
        let branch = &self.calls[n].invite_branch;
        self.pending.iter().any(|pending| pending.method == "INVITE" && pending.branch == *branch)
    }

    pub(super) fn on_change(&mut self, message: &Message, from: SocketAddr, now: Time) {
        let Some(n) = self.find_call(message).filter(|n| self.calls[*n].stage == Stage::Talking) else {
            return drop(self.reply(message, from, 481, "Call/Transaction Does Not Exist", None, None));
        };
        // RFC 3261 §14.2: while ours has no answer.
        if self.is_changing(n) {
            return drop(self.reply(message, from, 491, "Request Pending", Some(n), None));
        }
        if let Some(code) = self.refuses_changes.or(self.refuses(message.body()).then_some(488)) {
            return drop(self.reply(message, from, code, standard_reason(code), Some(n), None));
        }
        if let Some(least) = self.too_brief(message) {
            let headers = [(Header::MinSe, least.to_string())];
            return drop(self.reply_with(
                message,
                from,
                Some(n),
                Reply { headers: &headers, ..Reply::of(422) },
            ));
        }
        self.hear_allow(n, message);
        let mut direction = self.calls[n].direction;
        if self.calls[n].remote_sdp.as_deref() != Some(message.body()) {
            self.calls[n].changes += 1;
            self.calls[n].sdp_version += 1;
            direction = self.take_offer(n, message, now);
        } else if let Ok(offer) = Sdp::parse(message.body()) {
            direction = offer.audio().map_or(direction, |audio| audio.direction.reversed().and(direction));
        }
        let sdp = self.describe(n, direction, message.body());
        self.said(n, &sdp);
        let headers = self.grant_session(n, message, now);
        let reply = Reply { sdp: Some(&sdp), headers: &headers, ..Reply::of(200) };
        let bytes = self.reply_with(message, from, Some(n), reply);
        self.calls[n].unacked =
            Some(Unacked { is_answer: true, bytes, due: now + T1, interval: T1, until: now + UNACKED });
    }
}
