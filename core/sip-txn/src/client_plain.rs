//! The non-INVITE client transaction (RFC 3261 §17.1.2).

use crate::Failure;
use crate::clients::{Action, Input};
use crate::timer::{Cx, Resend, Timer, sooner};
use bytes::Bytes;
use tandem_time::Time;

/// States of RFC 3261 figure 6.
#[derive(Debug)]
pub(crate) enum State {
    /// Nothing was heard.
    Trying {
        e: Option<Pending>,
        f: Time,
    },
    /// A provisional response came.
    Proceeding {
        e: Option<Pending>,
        f: Time,
    },
    /// Answered; retransmissions of the response are absorbed.
    Completed {
        k: Time,
    },
    Terminated,
}

/// A request that may have to be sent again.
#[derive(Debug)]
pub(crate) struct Pending {
    request: Bytes,
    resend: Resend,
}

use State::{Completed, Proceeding, Terminated, Trying};

impl State {
    pub(crate) fn start(request: Bytes, cx: &Cx<'_>) -> State {
        let e = cx.resend(Timer::E).map(|resend| Pending { request, resend });
        Trying { e, f: cx.after(Timer::F) }
    }

    /// RFC 3261 §17.1.2.2.
    pub(crate) fn step(self, input: Input<'_>, cx: &Cx<'_>) -> (State, Action) {
        match (self, input) {
            (Trying { e, f } | Proceeding { e, f }, Input::Provisional) => {
                (Proceeding { e, f }, Action::Deliver)
            }
            (Trying { .. } | Proceeding { .. }, Input::Success | Input::Refusal(_)) => {
                (cx.linger(Timer::K, |k| Completed { k }, Terminated), Action::Deliver)
            }
            (state @ Completed { .. }, Input::Success | Input::Refusal(_)) => (state, Action::Absorb),
            (state, Input::Provisional | Input::Success | Input::Refusal(_)) => (state, Action::Stray),

            (Trying { e: Some(Pending { request, resend }), f }, Input::Fired(Timer::E)) => {
                let again = request.clone();
                let e = Some(Pending { request, resend: resend.doubled(Timer::E, cx) });
                (Trying { e, f }, Action::Resend(again))
            }
            (Proceeding { e: Some(Pending { request, resend }), f }, Input::Fired(Timer::E)) => {
                let again = request.clone();
                let e = Some(Pending { request, resend: resend.slowest(cx) });
                (Proceeding { e, f }, Action::Resend(again))
            }
            (Trying { .. } | Proceeding { .. }, Input::Fired(Timer::F)) => {
                (Terminated, Action::Fail(Failure::Timeout))
            }
            (Completed { .. }, Input::Fired(_)) => (Terminated, Action::Nothing),
            (Trying { .. } | Proceeding { .. }, Input::SendFailed) | (Trying { .. }, Input::Unreachable) => {
                (Terminated, Action::Fail(Failure::Transport))
            }
            (state, _) => (state, Action::Nothing),
        }
    }

    /// The timer that falls due next.
    pub(crate) fn due(&self) -> Option<(Timer, Time)> {
        match self {
            Trying { e, f } | Proceeding { e, f } => {
                Some(sooner(e.as_ref().map(|e| e.resend), Timer::E, (Timer::F, *f)))
            }
            Completed { k } => Some((Timer::K, *k)),
            Terminated => None,
        }
    }
}
