//! The SIP messages that were kept of a call.

use crate::{CallId, Capture, TrunkId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The messages of a call over one trunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Captured {
    /// The call.
    pub call: CallId,
    /// The trunk.
    pub trunk: TrunkId,
    /// What the trunk wants kept.
    pub mode: Capture,
    /// In order.
    pub messages: Vec<CapturedMessage>,
}

/// One SIP message of a call over a trunk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CapturedMessage {
    /// When it was sent or came, milliseconds since the Unix epoch.
    pub at: u64,
    /// The trunk.
    pub trunk_id: TrunkId,
    /// Whether we sent it; otherwise it came.
    pub sent: bool,
    /// Who was at the other end, as `udp:192.0.2.1:5060`.
    pub peer: String,
    /// The message, without the answers to challenges, which are masked but for user name and realm.
    pub text: String,
}
