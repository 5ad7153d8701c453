//! The INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2).

use crate::Failure;
use crate::build;
use crate::clients::{Action, Input};
use crate::timer::{Cx, Resend, Timer, sooner};
use bytes::Bytes;
use tandem_time::Time;

/// States of RFC 6026 figure "INVITE client transaction".
#[derive(Debug)]
pub(crate) enum State {
    /// Nothing was heard. A CANCEL that is already wanted waits for the first provisional response.
    Calling {
        request: Bytes,
        a: Option<Resend>,
        b: Time,
        cancel: Option<Bytes>,
    },
    /// Ringing, as long as the owner likes; only a CANCEL sets an end.
    Proceeding {
        request: Bytes,
        end: Option<Time>,
    },
    /// Refused and acknowledged; the ACK is sent again for each retransmission of the response.
    Completed {
        ack: Option<Bytes>,
        d: Time,
    },
    /// Answered; every 2xx goes to the owner, who acknowledges.
    Accepted {
        m: Time,
    },
    Terminated,
}

use State::{Accepted, Calling, Completed, Proceeding, Terminated};

impl State {
    pub(crate) fn start(request: Bytes, cx: &Cx<'_>) -> State {
        Calling { request, a: cx.resend(Timer::A), b: cx.after(Timer::B), cancel: None }
    }

    /// RFC 3261 §17.1.1.2, as changed by RFC 6026 §7.2.
    pub(crate) fn step(self, input: Input<'_>, cx: &Cx<'_>) -> (State, Action) {
        match (self, input) {
            (Calling { request, cancel: None, .. }, Input::Provisional) => {
                (Proceeding { request, end: None }, Action::Deliver)
            }
            (Calling { request, cancel: Some(cancel), .. }, Input::Provisional) => (
                Proceeding { request, end: Some(cx.after(Timer::Cancelled)) },
                Action::DeliverAndCancel(cancel),
            ),
            (state @ Proceeding { .. }, Input::Provisional) => (state, Action::Deliver),
            (Calling { .. } | Proceeding { .. }, Input::Success) => {
                (Accepted { m: cx.after(Timer::M) }, Action::Deliver)
            }
            (state @ Accepted { .. }, Input::Success) => (state, Action::DeliverAgain),
            (Calling { request, .. } | Proceeding { request, .. }, Input::Refusal(response)) => {
                let ack = build::ack(&request, response);
                let completed = |d| Completed { ack: ack.clone(), d };
                (cx.linger(Timer::D, completed, Terminated), Action::AckAndDeliver(ack))
            }
            (Completed { ack, d }, Input::Refusal(_)) => {
                (Completed { ack: ack.clone(), d }, Action::AckAgain(ack))
            }
            (state, Input::Provisional | Input::Success | Input::Refusal(_)) => (state, Action::Stray),

            (Calling { request, a, b, cancel: None }, Input::Cancel(reason)) => {
                let cancel = build::cancel(&request, reason);
                (Calling { request, a, b, cancel }, Action::Nothing)
            }
            (Proceeding { request, end: None }, Input::Cancel(reason)) => {
                let cancel = build::cancel(&request, reason);
                let end = Some(cx.after(Timer::Cancelled));
                (Proceeding { request, end }, cancel.map_or(Action::Nothing, Action::Cancel))
            }
            (Proceeding { request, end: None }, Input::Abandon) => {
                (Proceeding { request, end: Some(cx.after(Timer::Cancelled)) }, Action::Nothing)
            }
            (Calling { .. }, Input::SendFailed | Input::Unreachable) => {
                (Terminated, Action::Fail(Failure::Transport))
            }
            (Completed { .. }, Input::SendFailed) => (Terminated, Action::Nothing),

            (Calling { request, a: Some(a), b, cancel }, Input::Fired(Timer::A)) => {
                let again = request.clone();
                let a = Some(a.doubled(Timer::A, cx));
                (Calling { request, a, b, cancel }, Action::Resend(again))
            }
            (Calling { .. }, Input::Fired(Timer::B)) => (Terminated, Action::Fail(Failure::Timeout)),
            (Proceeding { .. }, Input::Fired(Timer::Cancelled)) => {
                (Terminated, Action::Fail(Failure::Timeout))
            }
            (Completed { .. } | Accepted { .. }, Input::Fired(_)) => (Terminated, Action::Nothing),
            (state, _) => (state, Action::Nothing),
        }
    }

    /// The INVITE, until its final response.
    pub(crate) fn request(&self) -> Option<&Bytes> {
        match self {
            Calling { request, .. } | Proceeding { request, .. } => Some(request),
            Completed { .. } | Accepted { .. } | Terminated => None,
        }
    }

    /// The CANCEL that waits for a provisional response.
    pub(crate) fn take_cancel(&mut self) -> Option<Bytes> {
        match self {
            Calling { cancel, .. } => cancel.take(),
            _ => None,
        }
    }

    pub(crate) fn put_cancel(&mut self, wanted: Option<Bytes>) {
        if let Calling { cancel, .. } = self {
            *cancel = wanted;
        }
    }

    /// The timer that falls due next.
    pub(crate) fn due(&self) -> Option<(Timer, Time)> {
        match *self {
            Calling { a, b, .. } => Some(sooner(a, Timer::A, (Timer::B, b))),
            Proceeding { end, .. } => end.map(|at| (Timer::Cancelled, at)),
            Completed { d, .. } => Some((Timer::D, d)),
            Accepted { m } => Some((Timer::M, m)),
            Terminated => None,
        }
    }
}
