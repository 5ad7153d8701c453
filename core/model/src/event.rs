//! What happened, for logs, metrics and the event stream. No event holds a secret.

use crate::{BindingOwner, CallId, Cause, Direction, TransferKind, TrunkId, TrunkStatus};
use serde::Serialize;
use std::net::SocketAddr;

/// Something that happened.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A trunk's status changed.
    TrunkState {
        /// The trunk.
        trunk_id: TrunkId,
        /// Its new status.
        status: TrunkStatus,
    },
    /// A device registered or refreshed.
    RegistrationAdded {
        /// Whose device.
        owner: BindingOwner,
        /// Its Contact URI.
        contact: String,
        /// From where.
        source: SocketAddr,
        /// For how long, seconds.
        expires: u32,
    },
    /// A device's registration ended.
    RegistrationEnded {
        /// Whose device.
        owner: BindingOwner,
        /// Its Contact URI.
        contact: String,
        /// `expired`, `removed` or `replaced`.
        why: &'static str,
    },
    /// Credentials were refused.
    AuthFailed {
        /// From where.
        source: SocketAddr,
        /// The user name tried.
        username: String,
        /// The method.
        method: &'static str,
    },
    /// A source has given so many wrong passwords that nothing new is taken from it for a while.
    SourceBlocked {
        /// The source, with the port of the last try.
        source: SocketAddr,
        /// For how long.
        seconds: u64,
    },
    /// A request from nobody we know, or a call that no number takes, was refused.
    Refused {
        /// From where.
        source: SocketAddr,
        /// What it was.
        method: String,
        /// The Request-URI.
        target: String,
        /// Why, stable code in upper snake case.
        reason: &'static str,
        /// Why, in words.
        message: String,
    },
    /// A call began.
    CallStarted {
        /// The call.
        call_id: CallId,
        /// Which way.
        direction: Direction,
        /// From.
        caller: String,
        /// To.
        callee: String,
    },
    /// An attempt failed and the next was begun.
    Failover {
        /// The call.
        call_id: CallId,
        /// The trunk that failed.
        trunk_id: Option<TrunkId>,
        /// How.
        cause: Cause,
    },
    /// A call was answered.
    CallAnswered {
        /// The call.
        call_id: CallId,
    },
    /// A transfer has come to its outcome.
    CallTransferred {
        /// The call.
        call_id: CallId,
        /// How.
        kind: TransferKind,
        /// The number of who asked for it.
        by: String,
        /// The number asked for.
        target: String,
        /// 200, or why it failed.
        cause: Cause,
        /// The other of two calls that became one.
        other_call_id: Option<CallId>,
    },
    /// A call ended.
    CallEnded {
        /// The call.
        call_id: CallId,
        /// Its cause.
        cause: Cause,
        /// Talk time, milliseconds.
        duration_ms: u64,
    },
}
