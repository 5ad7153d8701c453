//! Calls that an extension does not take, and that go on to where it says.

use crate::{Extension, ExtensionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why an extension does not take a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForwardReason {
    /// It is busy.
    Busy,
    /// Nobody answers in time.
    NoAnswer,
    /// No device of it can be reached.
    Unregistered,
}

impl ForwardReason {
    /// All of them.
    pub const ALL: [ForwardReason; 3] =
        [ForwardReason::Busy, ForwardReason::NoAnswer, ForwardReason::Unregistered];

    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            ForwardReason::Busy => "when it is busy",
            ForwardReason::NoAnswer => "when nobody answers",
            ForwardReason::Unregistered => "when no device of it is there",
        }
    }
}

/// Which extension forwarded a call, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Forwarded {
    /// The extension.
    pub extension_id: ExtensionId,
    /// Why it did not take the call itself.
    pub reason: ForwardReason,
}

impl Extension {
    /// The number that calls go on to which it does not take.
    pub fn forward(&self, reason: ForwardReason) -> Option<&str> {
        let number = match reason {
            ForwardReason::Busy => &self.forward_busy,
            ForwardReason::NoAnswer => &self.forward_no_answer,
            ForwardReason::Unregistered => &self.forward_unregistered,
        };
        number.as_deref()
    }
}
