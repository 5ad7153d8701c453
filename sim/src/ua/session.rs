//! Session timers as a phone or a carrier keeps them, in both roles (RFC 4028).

use super::call::Stage;
use super::client::finish;
use super::{CallRef, Ua, names};
use std::time::Duration;
use tandem_sip_msg::{Header, Message, Writer};
use tandem_time::Time;

/// What it wants of session timers, where it knows of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionWish {
    /// The interval that it asks for, or grants at most, seconds.
    pub expires: u32,
    /// The least that it bears.
    pub min_se: u32,
    /// Who is to refresh, as a caller says it and as the called side decides it: `uac` or `uas`.
    pub refresher: Option<&'static str>,
}

/// A session under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    interval: u32,
    /// It refreshes itself, next at this moment.
    refresh_at: Option<Time>,
    /// It is the refresher, whether or not one is under way.
    ours: bool,
    until: Time,
}

impl Session {
    fn start(interval: u32, ours: bool, now: Time) -> Session {
        let whole = Duration::from_secs(interval.into());
        Session {
            interval,
            ours,
            refresh_at: ours.then(|| now + whole / 2),
            until: now + whole - (whole / 3).min(Duration::from_secs(32)),
        }
    }

    pub(super) fn due(&self) -> Time {
        self.refresh_at.unwrap_or(self.until).min(self.until)
    }
}

impl Ua {
    /// Headers of a request of its own that begins, changes or refreshes a session.
    pub(super) fn ask_session(&self, n: usize, w: &mut Writer) {
        let Some(wish) = self.session else { return };
        let least = self.calls[n].min_se.max(wish.min_se);
        let (interval, refresher) = match &self.calls[n].session {
            Some(session) => (session.interval, Some(if session.ours { "uac" } else { "uas" })),
            None => (wish.expires, wish.refresher),
        };
        let interval = interval.max(least);
        match refresher {
            Some(who) => w.header(Header::SessionExpires, format_args!("{interval};refresher={who}")),
            None => w.header(Header::SessionExpires, interval),
        };
        w.header(Header::MinSe, least);
    }

    /// The least interval that it bears, when a request asks for less.
    pub(super) fn too_brief(&self, request: &Message) -> Option<u32> {
        let wish = self.session?;
        let (asked, _) = session_expires(request)?;
        (asked < wish.min_se && names(request, Header::Supported, "timer")).then_some(wish.min_se)
    }

    /// Headers of its 2xx to a request of the peer; the session counts from now.
    pub(super) fn grant_session(&mut self, n: usize, request: &Message, now: Time) -> Vec<(Header, String)> {
        let Some(wish) = self.session else { return Vec::new() };
        let least = request.header(Header::MinSe).and_then(|value| value.parse().ok()).unwrap_or(90);
        if least < 90 {
            self.complain("a Min-SE below 90");
        }
        let Some((asked, who)) = session_expires(request) else { return Vec::new() };
        if asked < least {
            self.complain("a Session-Expires below its own Min-SE");
        }
        if request.to_tag().is_some() && self.calls[n].session.is_some() {
            self.calls[n].refreshed += 1;
        }
        let interval = asked.min(wish.expires.max(least));
        let who = who.or(wish.refresher.map(str::to_owned)).unwrap_or_else(|| "uac".to_owned());
        self.calls[n].session = Some(Session::start(interval, who == "uas", now));
        let mut headers = vec![(Header::SessionExpires, format!("{interval};refresher={who}"))];
        if who == "uac" {
            headers.push((Header::Require, "timer".to_owned()));
        }
        headers
    }

    /// A 2xx to a request of its own.
    pub(super) fn session_granted(&mut self, n: usize, ok: &Message, now: Time) {
        let Some(wish) = self.session else { return };
        let Some((interval, who)) = session_expires(ok) else {
            if ok.method() == tandem_sip_msg::Method::Invite && self.calls[n].is_outgoing {
                self.complain("no Session-Expires though one was asked for");
            }
            return;
        };
        let least = self.calls[n].min_se.max(wish.min_se);
        if interval < least {
            self.complain("a session shorter than anybody bears was granted");
        }
        let who = who.unwrap_or_default();
        match who.as_str() {
            "uac" if !names(ok, Header::Require, "timer") => {
                self.complain("we are to refresh, and timer is not required")
            }
            "uac" | "uas" => {}
            _ => self.complain("a granted session names no refresher"),
        }
        self.calls[n].refreshing = false;
        self.calls[n].session = Some(Session::start(interval, who == "uac", now));
    }

    /// 422: again with what the peer bears; `false` when it says nothing of use.
    pub(super) fn raise_session(&mut self, n: usize, refusal: &Message) -> bool {
        let least = refusal.header(Header::MinSe).and_then(|value| value.parse().ok()).unwrap_or(0);
        let raised = self.session.is_some() && least > self.calls[n].min_se;
        if raised {
            self.calls[n].min_se = least;
        } else if self.session.is_some() {
            self.complain("a 422 that nothing can be done about");
        }
        raised
    }

    pub(super) fn session_refused(&mut self, n: usize, refusal: &Message, now: Time) {
        if self.raise_session(n, refusal) {
            self.refresh(n, now);
        }
    }

    /// Its own refresh met something; once more a little later.
    pub(super) fn refresh_later(&mut self, n: usize, now: Time) {
        self.calls[n].refreshing = false;
        if let Some(session) = self.calls[n].session.as_mut().filter(|session| session.ours) {
            session.refresh_at = Some(now + Duration::from_millis(2_300));
        }
    }

    /// Refreshes the session: by UPDATE where the peer takes it, else by a re-INVITE that says the same again.
    fn refresh(&mut self, n: usize, now: Time) {
        if self.knows_update && self.calls[n].peer_takes_update {
            return self.update(CallRef(n), None, now);
        }
        self.calls[n].refreshing = true;
        self.calls[n].late_change = false;
        let body = self.describe(n, self.calls[n].direction, &[]);
        self.reinvite(n, Some(&body), now);
    }

    pub(super) fn reinvite(&mut self, n: usize, body: Option<&[u8]>, now: Time) {
        let (mut w, branch) = self.in_dialog(n, "INVITE", true);
        self.say_what_it_knows(&mut w);
        self.ask_session(n, &mut w);
        self.calls[n].invite_branch = branch.clone();
        self.calls[n].invite_cseq = self.calls[n].cseq;
        let peer = self.calls[n].peer;
        self.request(branch, "INVITE", peer, finish(w, body), now);
    }

    pub(super) fn session_timeout(&mut self, n: usize, now: Time) {
        let Some(session) = self.calls[n].session.filter(|_| self.calls[n].stage == Stage::Talking) else {
            return;
        };
        if session.until <= now {
            self.calls[n].session = None;
            self.calls[n].expired = true;
            self.hang_up(CallRef(n), now);
        } else if session.refresh_at.is_some_and(|at| at <= now) {
            self.calls[n].session = Some(Session { refresh_at: None, ..session });
            if self.calls[n].unacked.is_none() && !self.is_changing(n) {
                self.refresh(n, now);
            } else {
                self.refresh_later(n, now);
            }
        }
    }
}

/// The interval and the refresher.
fn session_expires(message: &Message) -> Option<(u32, Option<String>)> {
    let mut parts = message.header(Header::SessionExpires)?.split(';');
    let interval = parts.next()?.trim().parse().ok()?;
    Some((interval, parts.find_map(|part| part.trim().strip_prefix("refresher=").map(str::to_owned))))
}
