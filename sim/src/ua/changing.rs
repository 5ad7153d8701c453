//! Changes of the session that the peer asks for, and the ACK that ends them.

use super::Ua;
use super::call::{Stage, Unacked};
use super::ringing::{T1, UNACKED};
use rand::Rng;
use std::net::SocketAddr;
use tandem_sdp::Sdp;
use tandem_sip_msg::{Message, standard_reason};
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
            call.media.connect(&answer, tone, ssrc, now);
        }
        if self.calls[n].bye_when_acked {
            self.send_bye(n, now);
        }
    }

    pub(super) fn on_change(&mut self, message: &Message, from: SocketAddr, now: Time) {
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
        self.calls[n].unacked =
            Some(Unacked { is_answer: true, bytes, due: now + T1, interval: T1, until: now + UNACKED });
    }
}
