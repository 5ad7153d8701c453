//! How a trunk's calls and probes are treated.

use super::{Codec, Trunk};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What counts as an answer to OPTIONS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub enum PingAccept {
    /// Any final response but 408 and 503: somebody is there.
    #[default]
    #[serde(rename = "any_final")]
    AnyFinal,
    /// 2xx alone.
    #[serde(rename = "2xx")]
    Success,
}

impl PingAccept {
    /// Whether a final response is such an answer.
    pub fn takes(self, code: u16) -> bool {
        match self {
            PingAccept::AnyFinal => !matches!(code, 408 | 503),
            PingAccept::Success => matches!(code, 200..=299),
        }
    }
}

/// How digits dialled during a call are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dtmf {
    /// As RFC 4733 events where both sides have them, else in the sound.
    #[default]
    Auto,
    /// As RFC 4733 events.
    Rfc4733,
    /// In the sound.
    Inband,
    /// By INFO (`application/dtmf-relay`, `application/dtmf`), as the other side tells them so.
    Info,
    /// As RFC 4733 events where both sides have them, and by INFO as the other side tells them so.
    AutoInfo,
}

/// How media is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaEncryption {
    /// Not at all.
    #[default]
    None,
}

/// Which calls from a trunk are refused by what it found out about their callers' numbers (RFC 8224; `verstat` of 3GPP TS 24.229
/// §7.2A.20).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StirPolicy {
    /// None.
    #[default]
    Off,
    /// Those whose number was found wrong.
    RefuseFailed,
    /// All whose number was not found right.
    RequirePassed,
}

/// What is attested of the caller in calls that are signed (RFC 8588).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub enum StirAttest {
    /// As much as is known: whether the caller owns the number, is known, or neither.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// The caller is ours, and may use the number.
    A,
    /// The caller is ours.
    B,
    /// The call came in from elsewhere.
    C,
}

/// Which calls the messages are kept of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// Of none.
    Off,
    /// Of those that fail.
    #[default]
    OnFailure,
    /// Of the latest.
    Ring,
    /// Of all.
    Full,
}

impl Trunk {
    /// Whether this codec may be in its sessions.
    pub fn may_use(&self, codec: Codec) -> bool {
        codec != Codec::TelephoneEvent || !matches!(self.dtmf, Dtmf::Inband | Dtmf::Info)
    }

    /// Whether digits go to and from it by INFO.
    pub fn tells_digits(&self) -> bool {
        matches!(self.dtmf, Dtmf::Info | Dtmf::AutoInfo)
    }
}
