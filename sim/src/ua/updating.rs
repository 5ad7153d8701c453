//! UPDATE, as it sends and as it takes it (RFC 3311).

use super::call::Stage;
use super::client::finish;
use super::server::Reply;
use super::{CallRef, Ua, names};
use rand::Rng;
use std::net::SocketAddr;
use tandem_sdp::{Direction, Sdp};
use tandem_sip_msg::{Header, Message};
use tandem_time::Time;

impl Ua {
    /// Sends UPDATE: with an offer of this direction, or without a body.
    pub fn update(&mut self, call: CallRef, offer: Option<Direction>, now: Time) {
        let n = call.0;
        self.calls[n].update_code = None;
        let body = offer.map(|direction| {
            self.calls[n].sdp_version += 1;
            self.calls[n].direction = direction;
            self.describe(n, direction, &[])
        });
        let (mut w, branch) = self.in_dialog(n, "UPDATE", true);
        self.say_what_it_knows(&mut w);
        self.ask_session(n, &mut w);
        if body.is_some() {
            self.calls[n].update_branch = Some(branch.clone());
        }
        let peer = self.calls[n].peer;
        self.request(branch, "UPDATE", peer, finish(w, body.as_deref()), now);
    }

    pub(super) fn on_update(&mut self, message: &Message, from: SocketAddr, now: Time) {
        if !self.knows_update {
            self.complain("an UPDATE to somebody who does not allow it");
            return drop(self.reply(message, from, 405, "Method Not Allowed", None, None));
        }
        if self.denies_update {
            return drop(self.reply(message, from, 405, "Method Not Allowed", None, None));
        }
        let Some(n) = self.find_call(message).filter(|n| self.calls[*n].stage != Stage::Over) else {
            return drop(self.reply(message, from, 481, "Call/Transaction Does Not Exist", None, None));
        };
        if let Some(least) = self.too_brief(message) {
            let headers = [(Header::MinSe, least.to_string())];
            return drop(self.reply_with(
                message,
                from,
                Some(n),
                Reply { headers: &headers, ..Reply::of(422) },
            ));
        }
        let mut sdp = None;
        if !message.body().is_empty() {
            let early = self.calls[n].stage != Stage::Talking;
            if early && !self.calls[n].reliable.answered {
                self.complain("an offer in an UPDATE before the first was answered");
            }
            if self.has_offered(n) {
                return drop(self.reply(message, from, 491, "Request Pending", Some(n), None));
            }
            if let Some(code) = self.refuses_changes {
                return drop(self.reply_with(message, from, Some(n), Reply::of(code)));
            }
            self.calls[n].changes += 1;
            let direction = self.take_offer(n, message, now);
            self.calls[n].sdp_version += 1;
            let body = self.describe(n, direction, message.body());
            self.said(n, &body);
            sdp = Some(body);
        }
        self.calls[n].updates += 1;
        let headers = self.grant_session(n, message, now);
        self.reply_with(
            message,
            from,
            Some(n),
            Reply { sdp: sdp.as_deref(), headers: &headers, ..Reply::of(200) },
        );
    }

    /// An offer of its own, in an UPDATE or a re-INVITE, has no answer yet.
    fn has_offered(&self, n: usize) -> bool {
        let call = &self.calls[n];
        let changing = call.answered_at.is_some();
        self.pending.iter().any(|pending| {
            (changing && pending.method == "INVITE" && pending.branch == call.invite_branch)
                || (pending.method == "UPDATE" && call.update_branch.as_ref() == Some(&pending.branch))
        })
    }

    /// The peer's offer takes effect; the direction of the answer.
    pub(super) fn take_offer(&mut self, n: usize, message: &Message, now: Time) -> Direction {
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        let direction = self.calls[n].direction;
        let Ok(offer) = Sdp::parse(message.body()) else { return direction };
        self.calls[n].remote_sdp = Some(message.body_bytes());
        self.calls[n].media.connect(&offer, self.has_video, tone, ssrc, now);
        offer.audio().map_or(direction, |audio| audio.direction.reversed().and(direction))
    }

    pub(super) fn on_update_response(&mut self, message: &Message, code: u16, now: Time) {
        let Some(n) = self.find_call(message) else { return };
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        let call = &mut self.calls[n];
        call.update_code = Some(code);
        call.update_branch = None;
        if let Ok(answer) = Sdp::parse(message.body())
            && code < 300
        {
            call.remote_sdp = Some(message.body_bytes());
            call.media.connect(&answer, self.has_video, tone, ssrc, now);
        }
        match code {
            200..=299 => self.session_granted(n, message, now),
            422 => self.session_refused(n, message, now),
            491 | 500..=599 => self.refresh_later(n, now),
            _ => {}
        }
    }

    /// Allow and Supported.
    pub(super) fn say_what_it_knows(&self, w: &mut tandem_sip_msg::Writer) {
        w.header(Header::Allow, self.allow());
        let options = self.supported();
        if !options.is_empty() {
            w.header(Header::Supported, options);
        }
    }

    fn allow(&self) -> String {
        let mut allow = "INVITE, ACK, CANCEL, BYE, OPTIONS".to_owned();
        if self.rel != super::Rel::Unknown {
            allow.push_str(", PRACK");
        }
        if self.knows_update {
            allow.push_str(", UPDATE");
        }
        allow
    }

    fn supported(&self) -> String {
        let rel = (self.rel != super::Rel::Unknown).then_some("100rel");
        let timer = self.session.is_some().then_some("timer");
        [rel, timer].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// What a message of the peer says of UPDATE.
    pub(super) fn hear_allow(&mut self, n: usize, message: &Message) {
        if message.header(Header::Allow).is_some() {
            self.calls[n].peer_takes_update = names(message, Header::Allow, "UPDATE");
        }
    }
}
