//! A call record: one a call, attempt by attempt.

use crate::{CallId, Cause, Charge, ExtensionId, Forwarded, RouteId, TenantId, TrunkId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which way a call went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a trunk to an extension.
    Inbound,
    /// From an extension to a trunk.
    Outbound,
    /// Between extensions.
    Internal,
    /// From a trunk to a trunk.
    Transit,
}

/// How a call ended, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Somebody answered.
    Answered,
    /// The called side was busy or declined.
    Busy,
    /// It rang and nobody answered.
    NoAnswer,
    /// The caller gave up.
    Cancelled,
    /// It could not be connected.
    Failed,
}

/// Who hung up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The calling side.
    Caller,
    /// The called side.
    Callee,
    /// We did: a limit, an administrator, a shutdown.
    System,
}

/// One end of a call.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Party {
    /// The extension, if it is one.
    pub extension_id: Option<ExtensionId>,
    /// The trunk, if it is one.
    pub trunk_id: Option<TrunkId>,
    /// The number as received or dialled.
    pub number: String,
    /// The display name, if any.
    pub name: Option<String>,
}

/// Media received on one leg.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct MediaRecord {
    /// Packets received.
    pub packets: u64,
    /// Bytes received, RTP headers included.
    pub bytes: u64,
    /// Packets lost before they reached us.
    pub lost: u64,
    /// Interarrival jitter at the end, milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// Packets refused: from a foreign source, malformed, or without a peer to go to.
    pub dropped: u64,
}

/// One attempt to reach a trunk or a device.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// The trunk tried, if it was one.
    pub trunk_id: Option<TrunkId>,
    /// The extension tried, if it was one.
    pub extension_id: Option<ExtensionId>,
    /// The route that chose the trunk.
    pub route_id: Option<RouteId>,
    /// The step of that route, from 1.
    pub step: Option<u32>,
    /// The extension that forwarded the call here, where one did.
    #[serde(default)]
    pub forwarded: Option<Forwarded>,
    /// The number sent.
    pub number: String,
    /// Where the INVITE went, `udp:192.0.2.1:5060`; empty when it never left.
    pub target: String,
    /// When it began, milliseconds since the Unix epoch.
    pub started_at: u64,
    /// Post-dial delay: milliseconds from INVITE to the first 18x or the answer.
    pub pdd_ms: Option<u64>,
    /// When it was answered.
    pub answered_at: Option<u64>,
    /// When it ended.
    pub ended_at: u64,
    /// The final status code: 200, what upstream answered, or ours when it never answered.
    pub code: u16,
    /// Its reason phrase, or why it was never sent.
    pub reason: String,
    /// Q.850 cause, if known.
    pub q850: Option<u8>,
    /// The codec agreed on.
    pub codec: Option<String>,
    /// The country called over a trunk, ISO 3166-1 alpha-2, where it is known.
    #[serde(default)]
    pub country: Option<String>,
    /// What it cost over a trunk that has a price for the number.
    #[serde(default)]
    pub charge: Option<Charge>,
}

/// How a call came to somebody else than it was made to, or from somebody else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// One of two who talked had the other connected to a number.
    Blind,
    /// One who talked with two others had them connected to each other.
    Attended,
    /// Somebody took the place of one of the two.
    Replaced,
}

/// One transfer in a call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TransferRecord {
    /// When it was asked for, milliseconds since the Unix epoch.
    pub at: u64,
    /// How.
    pub kind: TransferKind,
    /// Who asked for it.
    pub by: Party,
    /// The number asked for.
    pub target: String,
    /// The final status: 200, or why it failed.
    pub code: u16,
    /// Its reason phrase.
    pub reason: String,
    /// The other of two calls that became one, each with a record of its own.
    pub other_call_id: Option<CallId>,
}

/// The record of one call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CallRecord {
    /// The call.
    pub id: CallId,
    /// Whose call it was; null: the system's.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// Which way it went.
    pub direction: Direction,
    /// Who called.
    pub caller: Party,
    /// Who was called: the number as dialled, and who took the call or was tried last.
    pub callee: Party,
    /// When the INVITE came, milliseconds since the Unix epoch.
    pub started_at: u64,
    /// When the caller first heard of ringing or early media.
    pub ringing_at: Option<u64>,
    /// When it was answered.
    pub answered_at: Option<u64>,
    /// When it ended.
    pub ended_at: u64,
    /// Talk time, milliseconds; 0 when never answered.
    pub duration_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Who ended it.
    pub ended_by: Side,
    /// Final status, phrase and Q.850 cause.
    pub cause: Cause,
    /// SIP Call-ID of the calling leg.
    pub sip_call_id: String,
    /// Every attempt in order.
    pub attempts: Vec<Attempt>,
    /// Media went directly from one side to the other, so nothing is known of it here.
    #[serde(default)]
    pub direct_media: bool,
    /// Sound or fax received from the caller.
    pub media_from_caller: Option<MediaRecord>,
    /// Sound or fax received from the callee.
    pub media_from_callee: Option<MediaRecord>,
    /// Video received from the caller, if there was any.
    #[serde(default)]
    pub video_from_caller: Option<MediaRecord>,
    /// Video received from the callee, if there was any.
    #[serde(default)]
    pub video_from_callee: Option<MediaRecord>,
    /// Every transfer in order.
    #[serde(default)]
    pub transfers: Vec<TransferRecord>,
}
