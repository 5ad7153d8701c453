//! Every timer of the four machines: its name, its length, and what it does.

use crate::Config;
use std::time::Duration;
use tandem_time::Time;

/// The timers of RFC 3261 §17 and RFC 6026 §7 under their own names, and four that other texts ask for without one.
/// (Timer C belongs to proxies, RFC 3261 §16.6; who owns a call limits its ringing here.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// INVITE client, unreliable only: send the request again; T1, then doubling without end (RFC 3261 §17.1.1.2).
    A,
    /// INVITE client: no response at all; the request failed (RFC 3261 §17.1.1.2).
    B,
    /// INVITE client: wait for retransmissions of a non-2xx final response, at least 32 s (RFC 3261 §17.1.1.2).
    D,
    /// Non-INVITE client, unreliable only: send the request again; T1, doubling up to T2 (RFC 3261 §17.1.2.2).
    E,
    /// Non-INVITE client: no final response; the request failed (RFC 3261 §17.1.2.2).
    F,
    /// INVITE server, unreliable only: send a non-2xx final response again; T1, doubling up to T2 (RFC 3261 §17.2.1).
    G,
    /// INVITE server: no ACK ever came (RFC 3261 §17.2.1).
    H,
    /// INVITE server: wait for retransmissions of the ACK (RFC 3261 §17.2.1).
    I,
    /// Non-INVITE server: wait for retransmissions of the request (RFC 3261 §17.2.2).
    J,
    /// Non-INVITE client: wait for retransmissions of the final response (RFC 3261 §17.1.2.2).
    K,
    /// INVITE server: absorb retransmissions of an INVITE that was accepted (RFC 6026 §7.1).
    L,
    /// INVITE client: let retransmitted and forked 2xx through (RFC 6026 §7.2).
    M,
    /// INVITE client: no final response after our CANCEL; the request failed (RFC 3261 §9.1).
    Cancelled,
    /// Non-INVITE server: no final response yet; tell the client with a 100 that it may slow down (RFC 4320 §4.1).
    Trying,
    /// Client: nothing was heard over the stream that a request took because of its size; it goes over UDP (RFC 3261 §18.1.1).
    Stream,
    /// Non-INVITE server: the client gave up by now, so a response would be late and is not to be sent (RFC 4320 §4.2).
    Late,
}

impl Timer {
    /// How long the timer runs when it starts. Zero means that the state it would end is skipped.
    pub(crate) fn length(self, cx: &Cx<'_>) -> Duration {
        let Config { t1, t2, t4, .. } = *cx.config;
        let give_up = t1 * 64;
        let if_unreliable = |length| if cx.reliable { Duration::ZERO } else { length };
        match self {
            Timer::A | Timer::E | Timer::G => t1,
            Timer::B | Timer::F | Timer::H | Timer::L | Timer::M | Timer::Cancelled | Timer::Late => give_up,
            Timer::D => if_unreliable(give_up.max(Duration::from_secs(32))),
            Timer::I | Timer::K => if_unreliable(t4),
            Timer::J => if_unreliable(give_up),
            Timer::Trying => until_slowest(t1, t2),
            Timer::Stream => t1 * 2,
        }
    }

    /// Up to where the interval of a retransmission doubles.
    fn cap(self, config: &Config) -> Duration {
        match self {
            Timer::A => Duration::MAX,
            _ => config.t2,
        }
    }
}

/// The time that a client's Timer E takes to be reset to T2 (RFC 4320 §4.1): 3.5 s by default.
fn until_slowest(t1: Duration, t2: Duration) -> Duration {
    let mut passed = t1;
    let mut interval = t1 * 2;
    while interval < t2 {
        passed += interval;
        interval *= 2;
    }
    passed
}

/// What a machine needs to know of the world while it steps.
pub(crate) struct Cx<'a> {
    pub(crate) now: Time,
    pub(crate) config: &'a Config,
    /// Whether the transport retransmits by itself.
    pub(crate) reliable: bool,
}

impl Cx<'_> {
    /// When `timer` falls due if it starts now.
    pub(crate) fn after(&self, timer: Timer) -> Time {
        self.now + timer.length(self)
    }

    /// The state that `timer` would end, or `ended` where the timer has no length on this transport.
    pub(crate) fn linger<S>(&self, timer: Timer, state: impl FnOnce(Time) -> S, ended: S) -> S {
        if timer.length(self).is_zero() { ended } else { state(self.after(timer)) }
    }

    /// The first interval of a retransmission; none where the transport retransmits by itself.
    pub(crate) fn resend(&self, timer: Timer) -> Option<Resend> {
        (!self.reliable).then(|| Resend { at: self.after(timer), interval: timer.length(self) })
    }
}

/// A retransmission to come (Timers A, E, G).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resend {
    pub(crate) at: Time,
    interval: Duration,
}

impl Resend {
    /// The retransmission after this one, twice as far away as allowed.
    pub(crate) fn doubled(self, timer: Timer, cx: &Cx<'_>) -> Resend {
        self.spaced((self.interval * 2).min(timer.cap(cx.config)), cx)
    }

    /// The retransmission after this one, at the slowest pace (Timer E in Proceeding).
    pub(crate) fn slowest(self, cx: &Cx<'_>) -> Resend {
        self.spaced(cx.config.t2, cx)
    }

    fn spaced(self, interval: Duration, cx: &Cx<'_>) -> Resend {
        Resend { at: cx.now + interval, interval }
    }
}

/// The sooner of a retransmission and the end of waiting.
pub(crate) fn sooner(resend: Option<Resend>, timer: Timer, end: (Timer, Time)) -> (Timer, Time) {
    match resend {
        Some(resend) if resend.at < end.1 => (timer, resend.at),
        _ => end,
    }
}
