//! The INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §7.1).

use crate::servers::{Action, Input};
use crate::timer::{Cx, Resend, Timer, sooner};
use bytes::Bytes;
use tandem_time::Time;

/// States of RFC 6026 figure "INVITE server transaction".
#[derive(Debug)]
pub(crate) enum State {
    /// No final response yet; `last` is the newest provisional one.
    Proceeding {
        last: Option<Bytes>,
        cancelled: bool,
    },
    /// Refused; the response is sent again until the ACK comes.
    Completed {
        response: Bytes,
        g: Option<Resend>,
        h: Time,
    },
    /// The ACK to the refusal came; more of them are absorbed.
    Confirmed {
        i: Time,
    },
    /// Answered; the owner sends the 2xx again until the ACK comes.
    Accepted {
        l: Time,
    },
    Terminated,
}

use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};

impl State {
    pub(crate) fn start() -> State {
        Proceeding { last: None, cancelled: false }
    }

    /// RFC 3261 §17.2.1, as changed by RFC 6026 §7.1.
    pub(crate) fn step(self, input: Input, cx: &Cx<'_>) -> (State, Action) {
        match (self, input) {
            (Proceeding { cancelled, .. }, Input::Respond(100..=199, response)) => {
                (Proceeding { last: Some(response.clone()), cancelled }, Action::Send(response))
            }
            (Proceeding { .. }, Input::Respond(200..=299, response)) => {
                (Accepted { l: cx.after(Timer::L) }, Action::Send(response))
            }
            (Proceeding { .. }, Input::Respond(_, response)) => {
                let (g, h) = (cx.resend(Timer::G), cx.after(Timer::H));
                (Completed { response: response.clone(), g, h }, Action::Send(response))
            }
            (state @ Accepted { .. }, Input::Respond(200..=299, response)) => (state, Action::Send(response)),
            (state, Input::Respond(..)) => (state, Action::Refuse),

            (Proceeding { last, cancelled }, Input::Retransmission) => {
                let again = last.clone();
                (Proceeding { last, cancelled }, again.map_or(Action::Nothing, Action::Resend))
            }
            (Completed { response, g, h }, Input::Retransmission) => {
                let again = response.clone();
                (Completed { response, g, h }, Action::Resend(again))
            }
            (Proceeding { last, cancelled: false }, Input::Cancel) => {
                (Proceeding { last, cancelled: true }, Action::Cancelled)
            }
            (Completed { .. }, Input::Ack) => {
                (cx.linger(Timer::I, |i| Confirmed { i }, Terminated), Action::Nothing)
            }
            (state @ Accepted { .. }, Input::Ack) => (state, Action::PassAck),

            (Completed { response, g: Some(g), h }, Input::Fired(Timer::G)) => {
                let again = response.clone();
                let g = Some(g.doubled(Timer::G, cx));
                (Completed { response, g, h }, Action::Resend(again))
            }
            (Completed { .. }, Input::Fired(Timer::H)) => (Terminated, Action::NoAck),
            (Confirmed { .. } | Accepted { .. }, Input::Fired(_)) => (Terminated, Action::Nothing),
            (state, _) => (state, Action::Nothing),
        }
    }

    /// The timer that falls due next. Proceeding has none: how long a call rings is its owner's to limit.
    pub(crate) fn due(&self) -> Option<(Timer, Time)> {
        match *self {
            Completed { g, h, .. } => Some(sooner(g, Timer::G, (Timer::H, h))),
            Confirmed { i } => Some((Timer::I, i)),
            Accepted { l } => Some((Timer::L, l)),
            Proceeding { .. } | Terminated => None,
        }
    }

    /// The bytes that were sent last, as far as they are kept.
    pub(crate) fn last_response(&self) -> Option<&Bytes> {
        match self {
            Proceeding { last, .. } => last.as_ref(),
            Completed { response, .. } => Some(response),
            Confirmed { .. } | Accepted { .. } | Terminated => None,
        }
    }
}
