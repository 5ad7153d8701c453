//! The non-INVITE server transaction (RFC 3261 §17.2.2, RFC 4320 §4).

use crate::servers::{Action, Input};
use crate::timer::{Cx, Timer};
use bytes::Bytes;
use tandem_time::Time;

/// States of RFC 3261 figure 8.
#[derive(Debug)]
pub(crate) enum State {
    /// Not answered; retransmissions are absorbed.
    Trying {
        hundred: Time,
        end: Time,
    },
    /// The client was told to be patient; retransmissions bring the 100 again.
    Proceeding {
        last: Bytes,
        end: Time,
    },
    /// Answered; retransmissions bring the response again.
    Completed {
        response: Bytes,
        j: Time,
    },
    Terminated,
}

use State::{Completed, Proceeding, Terminated, Trying};

impl State {
    pub(crate) fn start(cx: &Cx<'_>) -> State {
        Trying { hundred: cx.after(Timer::Trying), end: cx.after(Timer::Late) }
    }

    /// RFC 3261 §17.2.2, within the limits that RFC 4320 §4 set later.
    pub(crate) fn step(self, input: Input, cx: &Cx<'_>) -> (State, Action) {
        match (self, input) {
            // RFC 4320 §4.1: over an unreliable transport not before the client's Timer E reached T2; it is sent then anyway.
            (Trying { hundred, end }, Input::Respond(100, last)) => match cx.reliable || cx.now >= hundred {
                true => (Proceeding { last: last.clone(), end }, Action::Send(last)),
                false => (Trying { hundred, end }, Action::Nothing),
            },
            (Proceeding { end, .. }, Input::Respond(100, last)) => {
                (Proceeding { last: last.clone(), end }, Action::Send(last))
            }
            // RFC 4320 §4.1: no other provisional response.
            (state, Input::Respond(101..=199, _)) => (state, Action::Refuse),
            // RFC 4320 §4.2: a 408 would be late by its nature; silence until the client gave up says the same.
            (state @ (Trying { .. } | Proceeding { .. }), Input::Respond(408, _)) => (state, Action::Nothing),
            (Trying { .. } | Proceeding { .. }, Input::Respond(_, response)) => {
                // A copy takes the room of its bytes; the owner's may come in a larger one.
                let completed = |j| Completed { response: Bytes::copy_from_slice(&response), j };
                (cx.linger(Timer::J, completed, Terminated), Action::Send(response))
            }
            (state, Input::Respond(..)) => (state, Action::Refuse),

            (Proceeding { last, end }, Input::Retransmission) => {
                (Proceeding { last: last.clone(), end }, Action::Resend(last))
            }
            (Completed { response, j }, Input::Retransmission) => {
                let again = response.clone();
                (Completed { response, j }, Action::Resend(again))
            }
            (state @ Trying { .. }, Input::Fired(Timer::Trying)) => (state, Action::SayTrying),
            (_, Input::Fired(Timer::Late | Timer::J)) => (Terminated, Action::Nothing),
            (state, _) => (state, Action::Nothing),
        }
    }

    /// The timer that falls due next.
    pub(crate) fn due(&self) -> Option<(Timer, Time)> {
        match *self {
            Trying { hundred, end } if hundred < end => Some((Timer::Trying, hundred)),
            Trying { end, .. } | Proceeding { end, .. } => Some((Timer::Late, end)),
            Completed { j, .. } => Some((Timer::J, j)),
            Terminated => None,
        }
    }
}
