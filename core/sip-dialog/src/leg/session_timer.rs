//! Session timers: how long the session may go on unless one side refreshes it, and which, as it is agreed on (RFC 4028).

use super::features::{Peer, names};
use std::time::Duration;
use tandem_sip_msg::{Header, Message, Writer};
use tandem_sip_txn::ClientKey;
use tandem_time::Time;

/// The shortest session interval that there is, in seconds (RFC 4028 §5).
pub const MIN_SE: u32 = 90;

/// The longest that is believed.
const MAX_SE: u32 = 86_400;

/// After a refresh that was refused for a reason of its own.
const RETRY: Duration = Duration::from_secs(10);

/// Who refreshes, as `refresher` says it: the client or the server of the request at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Uac,
    Uas,
}

/// How the next refresh comes about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refresh {
    /// The peer is the refresher.
    Theirs,
    /// Ours is due then.
    At(Time),
    /// Our UPDATE is under way.
    Update(ClientKey),
    /// It is for the call to give the description for a re-INVITE, or that is under way.
    Invite,
}

/// A session that ends unless it is refreshed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    interval: u32,
    pub(super) refresh: Refresh,
    /// The peer knows of it. Otherwise it is only we who ask from time to time whether the peer is there.
    agreed: bool,
    /// BYE then.
    pub(super) until: Time,
}

/// The session timer of a leg.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionTimer {
    /// The interval that we ask for; 0: none, but a peer that asks is served.
    asked: u32,
    /// The least that anybody on the way has asked for.
    min_se: u32,
    pub(super) running: Option<Running>,
}

impl SessionTimer {
    pub(super) fn new(asked: u32) -> SessionTimer {
        let asked = if asked == 0 { 0 } else { asked.clamp(MIN_SE, MAX_SE) };
        SessionTimer { asked, min_se: MIN_SE, running: None }
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Time> {
        let Running { refresh, until, .. } = self.running?;
        Some(match refresh {
            Refresh::At(at) => at.min(until),
            _ => until,
        })
    }

    /// The headers of an INVITE, re-INVITE or UPDATE of ours (RFC 4028 §7.1, §7.4).
    pub(super) fn ask(&self, w: &mut Writer) {
        match self.running {
            None if self.asked == 0 => return,
            None => w.header(Header::SessionExpires, self.asked.max(self.min_se)),
            Some(Running { interval, refresh, .. }) => {
                let refresher = if refresh == Refresh::Theirs { "uas" } else { "uac" };
                let interval = interval.max(self.min_se);
                w.header(Header::SessionExpires, format_args!("{interval};refresher={refresher}"))
            }
        };
        w.header(Header::MinSe, self.min_se);
    }

    /// The headers of our 2xx to a request of the peer, from which on the session counts anew (RFC 4028 §9).
    pub(super) fn grant(&mut self, request: &Message, peer: Peer, now: Time, w: &mut Writer) {
        let knows = peer.timer;
        let least = min_se_of(request).unwrap_or(MIN_SE).clamp(MIN_SE, MAX_SE);
        let (interval, said) = match session_expires(request) {
            // Ours may be shorter than what was asked for, but not than the least that somebody bears.
            Some((interval, said)) if self.asked > 0 => (interval.min(self.asked.max(least)), said),
            Some((interval, said)) => (interval, said),
            None if self.asked > 0 => (self.asked.max(least), Some(Role::Uas)),
            None => {
                self.running = None;
                return;
            }
        };
        let interval = interval.max(MIN_SE);
        let role = if knows { said.unwrap_or(Role::Uac) } else { Role::Uas };
        match role {
            Role::Uac => {
                w.header(Header::Require, "timer");
                w.header(Header::SessionExpires, format_args!("{interval};refresher=uac"));
            }
            Role::Uas => {
                w.header(Header::SessionExpires, format_args!("{interval};refresher=uas"));
            }
        }
        self.start(interval, role == Role::Uas, knows, now);
    }

    /// A 2xx to our INVITE, re-INVITE or UPDATE came (RFC 4028 §7.2).
    pub(super) fn granted(&mut self, ok: &Message, now: Time) {
        match session_expires(ok) {
            Some((interval, role)) => {
                self.start(interval.max(MIN_SE), role != Some(Role::Uas), true, now);
            }
            // It knows nothing of session timers: then we ask alone.
            None if self.asked > 0 => self.start(self.asked.max(self.min_se), true, false, now),
            None => self.running = None,
        }
    }

    fn start(&mut self, interval: u32, ours: bool, agreed: bool, now: Time) {
        let whole = Duration::from_secs(interval.into());
        let refresh = if ours { Refresh::At(now + whole / 2) } else { Refresh::Theirs };
        // RFC 4028 §10.
        let until = now + whole - (whole / 3).min(Duration::from_secs(32));
        self.running = Some(Running { interval, refresh, agreed, until });
    }

    /// 422: somebody bears no interval so short; `true` when we can ask for a longer one (RFC 4028 §7.3).
    pub(super) fn raise(&mut self, refusal: &Message) -> bool {
        let least = min_se_of(refusal).unwrap_or(0);
        let raised = (self.min_se + 1..=MAX_SE).contains(&least);
        if raised {
            self.min_se = least;
        }
        raised
    }

    /// Whether our UPDATE is under way with this key.
    pub(super) fn is_refreshed_by(&self, key: ClientKey) -> bool {
        self.running.is_some_and(|running| running.refresh == Refresh::Update(key))
    }

    pub(super) fn set_refresh(&mut self, refresh: Refresh) {
        if let Some(running) = &mut self.running {
            running.refresh = refresh;
        }
    }

    /// A refresh was refused. A peer that does not know of the timer has shown that it is there; another one is asked again.
    pub(super) fn refused(&mut self, wait: Option<Duration>, now: Time) {
        match self.running {
            Some(Running { interval, agreed: false, .. }) if wait.is_none() => {
                self.start(interval, true, false, now)
            }
            _ => self.set_refresh(Refresh::At(now + wait.unwrap_or(RETRY))),
        }
    }
}

/// Whether a request asks for an interval shorter than any that we bear, and may be told so: 422 (RFC 4028 §9). One that does not
/// know of session timers itself would not understand.
pub fn is_session_too_brief(request: &Message) -> bool {
    names(request, Header::Supported, "timer")
        && session_expires(request).is_some_and(|(interval, _)| interval < MIN_SE)
}

/// Session-Expires (RFC 4028 §4).
fn session_expires(message: &Message) -> Option<(u32, Option<Role>)> {
    let value = message.header(Header::SessionExpires)?;
    let (seconds, params) = value.split_once(';').unwrap_or((value, ""));
    let seconds = seconds.trim().parse::<u64>().ok()?.min(MAX_SE.into()) as u32;
    let refresher = params.split(';').filter_map(|param| param.split_once('='));
    let refresher = refresher.filter(|(name, _)| name.trim().eq_ignore_ascii_case("refresher"));
    let role = refresher.map(|(_, role)| role.trim()).find_map(|role| {
        let known = [("uac", Role::Uac), ("uas", Role::Uas)];
        known.into_iter().find(|(name, _)| role.eq_ignore_ascii_case(name)).map(|(_, role)| role)
    });
    Some((seconds, role))
}

fn min_se_of(message: &Message) -> Option<u32> {
    let value = message.header(Header::MinSe)?;
    value.split(';').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_000);

    fn invite(headers: &str) -> Message {
        let text = format!(
            "INVITE sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:y@10.0.0.2>;tag=1\r\nTo: <sip:x@10.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into()).unwrap()
    }

    fn ok(headers: &str) -> Message {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:y@10.0.0.2>;tag=1\r\n\
             To: <sip:x@10.0.0.1>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into()).unwrap()
    }

    /// What we grant an INVITE with these headers: Session-Expires, and whether `timer` is required.
    fn granted_to(asked: u32, headers: &str) -> (Option<String>, bool) {
        let (mut timer, mut peer) = (SessionTimer::new(asked), Peer::default());
        let invite = invite(headers);
        peer.hear(&invite);
        let mut w = Writer::request("OPTIONS", "sip:x@y");
        timer.grant(&invite, peer, NOW, &mut w);
        let text = String::from_utf8(w.finish().to_vec()).unwrap();
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        (value("Session-Expires: "), value("Require: ").is_some())
    }

    fn due(timer: &SessionTimer) -> (Option<u64>, u64) {
        let running = timer.running.unwrap();
        let refresh = match running.refresh {
            Refresh::At(at) => Some(at.since(NOW).as_secs()),
            _ => None,
        };
        (refresh, running.until.since(NOW).as_secs())
    }

    #[test]
    fn who_refreshes_and_how_often_follows_table_2_of_the_rfc() {
        let timer = "Supported: timer\r\n";
        for (asked, headers, expected) in [
            // The caller knows nothing of it: we refresh, or there is none.
            (1800, String::new(), (Some("1800;refresher=uas"), false)),
            (0, String::new(), (None, false)),
            // A proxy asked, and the caller would not understand.
            (0, "Session-Expires: 300\r\n".to_owned(), (Some("300;refresher=uas"), false)),
            (0, "Session-Expires: 300;refresher=uac\r\n".to_owned(), (Some("300;refresher=uas"), false)),
            // The caller asks, and says who or leaves it to us.
            (1800, format!("{timer}Session-Expires: 300\r\n"), (Some("300;refresher=uac"), true)),
            (1800, format!("{timer}x: 300 ; Refresher = UAS\r\n"), (Some("300;refresher=uas"), false)),
            (0, format!("{timer}Session-Expires: 300;refresher=uac\r\n"), (Some("300;refresher=uac"), true)),
            // It could, and does not ask.
            (600, timer.to_owned(), (Some("600;refresher=uas"), false)),
            (0, timer.to_owned(), (None, false)),
            // Ours is shorter; but not shorter than what somebody bears.
            (600, format!("{timer}Session-Expires: 900\r\n"), (Some("600;refresher=uac"), true)),
            (
                600,
                format!("{timer}Session-Expires: 900\r\nMin-SE: 700\r\n"),
                (Some("700;refresher=uac"), true),
            ),
            // What makes no sense was not said.
            (0, format!("{timer}Session-Expires: soon\r\n"), (None, false)),
        ] {
            let (session, required) = granted_to(asked, &headers);
            assert_eq!((session.as_deref(), required), expected, "{asked}, {headers:?}");
        }
    }

    #[test]
    fn the_refresher_refreshes_at_half_time_and_the_other_waits_until_shortly_before_the_end() {
        let mut timer = SessionTimer::new(1800);
        timer.granted(&ok("Session-Expires: 300;refresher=uac\r\n"), NOW);
        assert_eq!(due(&timer), (Some(150), 268));
        timer.granted(&ok("Session-Expires: 90;refresher=uas\r\n"), NOW);
        assert_eq!(due(&timer), (None, 60), "RFC 4028 §10: a third, where that is less than 32 s");
    }

    #[test]
    fn a_peer_that_grants_nothing_is_asked_all_the_same_unless_it_is_off() {
        let mut timer = SessionTimer::new(600);
        timer.granted(&ok(""), NOW);
        assert_eq!(due(&timer), (Some(300), 568));
        let mut off = SessionTimer::new(0);
        off.granted(&ok(""), NOW);
        assert!(off.running.is_none());
    }

    #[test]
    fn nobody_makes_us_refresh_more_often_than_the_rfc_allows() {
        let mut timer = SessionTimer::new(600);
        for headers in ["Session-Expires: 0;refresher=uac\r\n", "Session-Expires: 1;refresher=uac\r\n"] {
            timer.granted(&ok(headers), NOW);
            assert_eq!(due(&timer), (Some(45), 60));
        }
        timer.granted(&ok("Session-Expires: 99999999999;refresher=uac\r\n"), NOW);
        assert_eq!(due(&timer).0, Some(43_200), "nor never");
    }

    #[test]
    fn a_422_raises_what_we_ask_for_once() {
        let mut timer = SessionTimer::new(600);
        let refusal = |least: &str| ok(&format!("Min-SE: {least}\r\n"));
        assert!(timer.raise(&refusal("900")));
        assert!(!timer.raise(&refusal("900")), "that was asked for already");
        assert!(!timer.raise(&refusal("100")));
        assert!(!timer.raise(&refusal("90000000")), "nobody bears that little");
        assert!(!timer.raise(&ok("")));
        let mut w = Writer::request("INVITE", "sip:x@y");
        timer.ask(&mut w);
        let text = String::from_utf8(w.finish().to_vec()).unwrap();
        assert!(text.contains("Session-Expires: 900\r\nMin-SE: 900\r\n"), "{text}");
    }

    #[test]
    fn only_who_knows_of_session_timers_is_told_that_its_interval_is_too_small() {
        assert!(is_session_too_brief(&invite("Supported: timer\r\nSession-Expires: 89\r\n")));
        assert!(!is_session_too_brief(&invite("Supported: timer\r\nSession-Expires: 90\r\n")));
        assert!(!is_session_too_brief(&invite("Session-Expires: 10\r\n")));
    }
}
