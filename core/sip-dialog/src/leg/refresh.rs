//! Keeping a session alive: our refreshes, what they meet, and the end of a session that nobody refreshed (RFC 4028 §7.4, §10).

use super::change::Ask;
use super::session_timer::{Refresh, SessionTimer};
use super::{Leg, LegEvent, State};
use crate::Sip;
use bytes::Bytes;
use rand::RngExt;
use std::time::Duration;
use tandem_sip_msg::{Flow, Header, Message, Method};
use tandem_time::Time;

/// A refresh is due while something else is under way that will be one itself.
const BUSY: Duration = Duration::from_secs(1);

impl Leg {
    /// How long a session may last unless it is refreshed, in seconds: what we ask a peer that called us for. 0: nothing is asked.
    pub fn limit_session(&mut self, seconds: u32) {
        self.session = SessionTimer::new(seconds);
    }

    /// When the session timer has something to do; it runs only while the dialog stands.
    pub(super) fn session_due(&self) -> Option<Time> {
        matches!(self.state, State::Confirmed).then(|| self.session.due()).flatten()
    }

    pub(super) fn session_timeout(&mut self, sip: &mut Sip) {
        let (State::Confirmed, Some(running)) = (&self.state, self.session.running) else { return };
        if running.until <= sip.now {
            return self.break_off("the session was not refreshed in time", sip);
        }
        if matches!(running.refresh, Refresh::At(at) if at <= sip.now) {
            if !self.can_change() {
                self.session.set_refresh(Refresh::At(sip.now + BUSY));
            } else if self.peer.update {
                self.send_refresh(None, sip);
            } else {
                self.session.set_refresh(Refresh::Invite);
                self.events.push_back(LegEvent::RefreshDue);
            }
        }
    }

    /// Refreshes the session with a re-INVITE that says what we said last (RFC 4028 §7.4). `Refreshed` follows.
    pub fn refresh(&mut self, said: Option<Bytes>, sip: &mut Sip) {
        if self.can_change() {
            let ask = Ask { method: Method::Invite, body: said, tag: None, is_refresh: true };
            self.send_change(ask, None, sip);
        } else {
            self.session.set_refresh(Refresh::At(sip.now + BUSY));
        }
    }

    /// UPDATE without a body: nothing but the session's time changes.
    fn send_refresh(&mut self, credentials: Option<(Header, String)>, sip: &mut Sip) {
        let w = self.dialog.request(Method::Update);
        let bytes = self.say_who_we_are(w, credentials).finish();
        let key = sip.txn.request(bytes, self.dialog.flow, self.owner, sip.rng, sip.now);
        sip.txn.insist(key);
        self.session.set_refresh(Refresh::Update(key));
    }

    /// Our UPDATE that refreshes was answered.
    pub(super) fn refresh_response(&mut self, message: &Message, flow: Flow, sip: &mut Sip) {
        match message.code().unwrap_or(500) {
            100..=199 => {}
            200..=299 => {
                self.dialog.refresh_target(message, flow);
                self.peer.hear(message);
                self.session.granted(message, sip.now);
                if let Some(digest) = &mut self.digest {
                    digest.accepted();
                }
            }
            401 | 407 => match self.answer_to(message, Method::Update, None, sip) {
                Some(credentials) => self.send_refresh(Some(credentials), sip),
                None => self.session.refused(None, sip.now),
            },
            422 if self.session.raise(message) => self.send_refresh(None, sip),
            405 | 501 => {
                self.peer.deny_update();
                self.session.set_refresh(Refresh::At(sip.now));
            }
            408 | 481 => self.break_off("the peer no longer knows the call", sip),
            _ => self.refresh_refused(message, sip),
        }
    }

    /// Our refresh got no answer: the peer is gone (RFC 4028 §10).
    pub(super) fn refresh_failed(&mut self, sip: &mut Sip) {
        self.break_off("the peer does not answer any more", sip);
    }

    /// Ours met one of theirs, or the peer has something against it just now.
    pub(super) fn refresh_refused(&mut self, message: &Message, sip: &mut Sip) {
        let wait = match message.code() {
            Some(491) => Some(self.back_off(sip)),
            _ => retry_after(message),
        };
        self.session.refused(wait, sip.now);
    }

    /// How long to wait after a 491: longer for the side that chose the Call-ID (RFC 3261 §14.1).
    fn back_off(&self, sip: &mut Sip) -> Duration {
        let tens =
            if self.owns_call_id { sip.rng.random_range(210..=400) } else { sip.rng.random_range(0..=200) };
        Duration::from_millis(10 * tens)
    }

    /// An UPDATE of ours is no longer waited for.
    pub(super) fn drop_refresh(&mut self, sip: &mut Sip) {
        if let Some(Refresh::Update(key)) = self.session.running.take().map(|running| running.refresh) {
            sip.txn.disown(key);
        }
    }
}

fn retry_after(message: &Message) -> Option<Duration> {
    let value = message.header(Header::RetryAfter)?;
    let digits = value.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.clamp(1, 60).into()))
}
