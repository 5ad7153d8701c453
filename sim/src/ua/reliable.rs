//! Reliable provisional responses and their PRACKs, as it gets and as it sends them (RFC 3262).

use super::call::Stage;
use super::client::finish;
use super::ringing::{T1, UNACKED};
use super::server::Reply;
use super::{Ua, names};
use bytes::Bytes;
use rand::Rng;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sdp::{Direction, Sdp};
use tandem_sip_msg::{Header, Message};
use tandem_time::Time;

/// What it makes of 100rel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rel {
    /// It has never heard of it.
    #[default]
    Unknown,
    /// It supports it, and uses it towards those who do.
    Supported,
    /// As a caller it insists.
    Required,
}

/// A reliable response that waits for its PRACK.
pub(super) struct Unpracked {
    rseq: u32,
    with_sdp: bool,
    bytes: Bytes,
    interval: Duration,
    due: Time,
    until: Time,
}

/// The reliable responses of a call.
#[derive(Default)]
pub(super) struct Reliable {
    /// As a caller: the last RSeq in order. As the one called: the last sent.
    rseq: Option<u32>,
    pub(super) unpracked: Option<Unpracked>,
    /// Picked up while a response waits for its PRACK; and whether it talks.
    pub(super) pick_up: Option<bool>,
    /// The answer to the INVITE's offer came or went in one.
    pub(super) answered: bool,
    /// The next PRACK carries an offer with this direction.
    pub(super) offer: Option<Direction>,
}

impl Reliable {
    pub(super) fn due(&self) -> Option<Time> {
        self.unpracked.as_ref().map(|sent| sent.due.min(sent.until))
    }

    /// A 2xx has to wait.
    pub(super) fn holds(&self) -> bool {
        self.unpracked.as_ref().is_some_and(|sent| sent.with_sdp)
    }
}

impl Ua {
    /// The next reliable response to this call is acknowledged with a new offer.
    pub fn offer_in_prack(&mut self, call: super::CallRef, direction: Direction) {
        self.calls[call.0].reliable.offer = Some(direction);
    }

    /// A provisional response: acknowledged if it is reliable; `false` when it is not to be looked at.
    pub(super) fn take_reliable(&mut self, n: usize, message: &Message, from: SocketAddr, now: Time) -> bool {
        if let Some(tag) = message.to_tag() {
            let call = &mut self.calls[n];
            call.remote_tag = Some(tag.to_owned());
            call.peer = from;
            if let Some(contact) = message.contact() {
                call.remote_target = contact.uri().as_str().to_owned();
            }
        }
        if !names(message, Header::Require, "100rel") {
            if self.rel == Rel::Required && message.code().is_some_and(|code| code > 100) {
                self.complain("a provisional response is not reliable though 100rel was required");
            }
            return true;
        }
        if self.rel == Rel::Unknown {
            self.complain("a reliable response to a caller that knows nothing of 100rel");
        }
        let rseq = message.header(Header::RSeq).and_then(|rseq| rseq.parse::<u32>().ok());
        let Some(rseq) = rseq.filter(|rseq| *rseq > 0) else {
            self.complain("a reliable response without RSeq");
            return false;
        };
        let call = &mut self.calls[n];
        match call.reliable.rseq {
            Some(last) if rseq <= last => return false,
            Some(last) if rseq > last + 1 => {
                self.complain("a second reliable response before the first was acknowledged");
                return false;
            }
            _ => call.reliable.rseq = Some(rseq),
        }
        call.reliable.answered |= !message.body().is_empty();
        let offer = call.reliable.offer.take_if(|_| !message.body().is_empty());
        let body = offer.map(|direction| {
            self.calls[n].sdp_version += 1;
            self.calls[n].direction = direction;
            self.describe(n, direction, &[])
        });
        let (mut w, branch) = self.in_dialog(n, "PRACK", true);
        w.header(Header::RAck, format_args!("{rseq} {} INVITE", message.cseq()));
        self.calls[n].pracks += 1;
        self.request(branch, "PRACK", from, finish(w, body.as_deref()), now);
        true
    }

    pub(super) fn on_prack_response(&mut self, message: &Message, code: u16, now: Time) {
        let Some(n) = self.find_call(message) else { return };
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        let call = &mut self.calls[n];
        call.prack_code = Some(code);
        if let Ok(answer) = Sdp::parse(message.body()) {
            call.remote_sdp = Some(message.body_bytes());
            call.media.connect(&answer, self.has_video, tone, ssrc, now);
        }
        if code >= 300 && code != 488 && call.stage == Stage::Ringing && !call.cancelled {
            self.complain("a PRACK in order was refused");
        }
    }

    /// Whether it may ring reliably: it and the caller know how, and there is an offer to answer.
    pub(super) fn rings_reliably(&self, invite: &Message) -> bool {
        let asked = names(invite, Header::Supported, "100rel") || names(invite, Header::Require, "100rel");
        self.rel != Rel::Unknown && asked && !invite.body().is_empty()
    }

    pub(super) fn ring_reliably(&mut self, n: usize, code: u16, sdp: Option<&[u8]>, now: Time) {
        let Some(invite) = self.calls[n].invite.clone() else { return };
        let first = self.rng.next_u32() >> 8;
        let rseq = self.calls[n].reliable.rseq.unwrap_or(first) + 1;
        let headers = [(Header::Require, "100rel".to_owned()), (Header::RSeq, rseq.to_string())];
        let peer = self.calls[n].peer;
        let bytes =
            self.reply_with(&invite, peer, Some(n), Reply { sdp, headers: &headers, ..Reply::of(code) });
        let reliable = &mut self.calls[n].reliable;
        reliable.rseq = Some(rseq);
        reliable.answered |= sdp.is_some();
        let (due, until, with_sdp) = (now + T1, now + UNACKED, sdp.is_some());
        reliable.unpracked = Some(Unpracked { rseq, with_sdp, bytes, interval: T1, due, until });
    }

    pub(super) fn reliable_timeout(&mut self, n: usize, now: Time) {
        if self.calls[n].stage == Stage::Over {
            self.calls[n].reliable.unpracked = None;
        }
        let peer = self.calls[n].peer;
        let Some(sent) =
            self.calls[n].reliable.unpracked.as_mut().filter(|sent| sent.due.min(sent.until) <= now)
        else {
            return;
        };
        if sent.until <= now {
            self.calls[n].reliable.unpracked = None;
            self.calls[n].never_acked = true;
            if matches!(self.calls[n].stage, Stage::Calling | Stage::Ringing) {
                self.refuse(n, 504, "No PRACK", None, now);
            }
            return;
        }
        sent.interval *= 2;
        sent.due = now + sent.interval;
        let bytes = sent.bytes.clone();
        self.send(peer, bytes);
    }

    pub(super) fn on_prack(&mut self, message: &Message, from: SocketAddr, now: Time) {
        let rack = message.header(Header::RAck).unwrap_or_default().to_owned();
        let found = self.find_call(message).filter(|n| {
            let call = &self.calls[*n];
            let invite = call.invite.as_ref().map_or(0, Message::cseq);
            call.reliable
                .unpracked
                .as_ref()
                .is_some_and(|sent| rack == format!("{} {invite} INVITE", sent.rseq))
        });
        if self.challenges_pracks && self.credentials_of(message).is_none() {
            let headers = [(Header::ProxyAuthenticate, self.challenge(message))];
            return drop(self.reply_with(
                message,
                from,
                found,
                Reply { headers: &headers, ..Reply::of(407) },
            ));
        }
        let Some(n) = found else {
            if self.find_call(message).is_some_and(|n| self.calls[n].stage != Stage::Over) {
                self.complain("a PRACK to no response that waits for one");
            }
            return drop(self.reply(message, from, 481, "No Such Response", None, None));
        };
        self.calls[n].reliable.unpracked = None;
        self.calls[n].pracks += 1;
        self.reply(message, from, 200, "OK", Some(n), None);
        if let Some(talks) = self.calls[n].reliable.pick_up.take() {
            self.pick_up(n, talks, now);
        }
    }
}
