//! What a trunk, a registration and a call are doing now, as the API shows it.

use crate::{CallId, Direction, Party, TenantId, TrunkId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of a registration that we keep at a provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationState {
    /// The trunk is switched off.
    Disabled,
    /// The mode needs no REGISTER.
    #[default]
    Static,
    /// Its host is being looked up.
    Resolving,
    /// A first REGISTER is under way.
    Registering,
    /// The registrar holds our contact.
    Registered,
    /// It does, and is being asked to go on.
    Refreshing,
    /// It refused our credentials; asked again in the slow lane.
    AuthFailed,
    /// It refuses us for another reason; asked again in the slow lane.
    Rejected,
    /// It did not answer.
    Timeout,
    /// Waiting before the next try.
    Backoff,
    /// We are taking our contact back.
    Unregistering,
}

/// A trunk's state in the words of the console.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrunkState {
    /// Registered at the provider, or the peer is registered at us.
    Registered,
    /// Needs no registration and answers OPTIONS.
    Reachable,
    /// Needs no registration and is not probed, or not answered for yet.
    #[default]
    Static,
    /// A registration is under way.
    Registering,
    /// Usable, but some probes fail.
    Degraded,
    /// Does not answer.
    Unreachable,
    /// Refused our credentials.
    AuthFailed,
    /// Refuses us.
    Rejected,
    /// Waits for the peer to register to us.
    Unregistered,
    /// Switched off.
    Disabled,
}

/// The status object of a trunk.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TrunkStatus {
    /// In one word.
    pub state: TrunkState,
    /// Why, in plain words; with the last status code and phrase where there is one.
    pub reason: String,
    /// Since when, milliseconds since the Unix epoch.
    pub since: u64,
    /// When we try again, if we wait, milliseconds since the Unix epoch.
    pub next_retry_at: Option<u64>,
    /// The registration beneath it.
    pub registration: RegistrationState,
    /// The last status code that it answered to REGISTER or OPTIONS.
    pub last_code: Option<u16>,
    /// Until when the registration holds.
    pub registered_until: Option<u64>,
    /// Round trip of the last answered OPTIONS, milliseconds.
    pub rtt_ms: Option<f64>,
    /// Calls on it now.
    pub calls: u32,
}

/// One registration, ours at a provider or a device's at us.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegistrationView {
    /// `outbound` (ours at a provider) or `inbound` (a device's at us).
    pub direction: String,
    /// The trunk, if it is a trunk's.
    pub trunk_id: Option<TrunkId>,
    /// The extension, if it is an extension's.
    pub extension_id: Option<crate::ExtensionId>,
    /// The account or extension name.
    pub username: String,
    /// The state.
    pub state: RegistrationState,
    /// The Contact URI.
    pub contact: String,
    /// The address at the other end, `udp:192.0.2.1:5060`.
    pub address: String,
    /// Until when it holds, milliseconds since the Unix epoch.
    pub expires_at: Option<u64>,
    /// When it will be refreshed or tried again.
    pub next_at: Option<u64>,
    /// Failures in a row.
    pub failures: u32,
    /// The last status code.
    pub last_code: Option<u16>,
    /// Its phrase.
    pub last_phrase: Option<String>,
    /// The device's User-Agent.
    pub user_agent: Option<String>,
}

/// What has come of deliveries to a webhook since the server started.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct WebhookStatus {
    /// When one was last taken, milliseconds since the Unix epoch.
    pub last_success_at: Option<u64>,
    /// When one last failed.
    pub last_failure_at: Option<u64>,
    /// Why, in words.
    pub last_failure: Option<String>,
    /// Events that wait, those on their way included.
    pub waiting: u64,
    /// When the next is tried, while it does not take them.
    pub next_try_at: Option<u64>,
    /// Events that were given up: more than may wait, or older than a day.
    pub dropped: u64,
}

/// How far a live call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LiveCallState {
    /// The called side has not rung yet.
    Dialing,
    /// It rings.
    Ringing,
    /// Both sides talk.
    Answered,
    /// It is being ended.
    Ending,
}

/// A call that is under way.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LiveCall {
    /// The call.
    pub id: CallId,
    /// How far it is.
    pub state: LiveCallState,
    /// Whose call it is; null: the system's.
    pub tenant_id: Option<TenantId>,
    /// Which way it goes.
    pub direction: Direction,
    /// Who called.
    pub caller: Party,
    /// Who is called.
    pub callee: Party,
    /// When the INVITE came, milliseconds since the Unix epoch.
    pub started_at: u64,
    /// When it was answered.
    pub answered_at: Option<u64>,
    /// Attempts made so far.
    pub attempts: u32,
    /// The codec agreed on.
    pub codec: Option<String>,
}

/// How well calls go over a trunk.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TrunkQuality {
    /// The last fifteen minutes, to the minute.
    pub recent: Quality,
    /// Since the server started.
    pub total: Quality,
}

/// How well calls went. What is null was not measured: there were no such calls.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Quality {
    /// Calls that were tried on the trunk.
    pub attempts: u64,
    /// Those of them that were answered.
    pub answered: u64,
    /// Answer-seizure ratio: answered of attempted, percent.
    pub asr: Option<f64>,
    /// Network effectiveness ratio: those that reached the called side, which may be busy or not answer, percent.
    pub ner: Option<f64>,
    /// Attempts after which the next one was tried.
    pub failovers: u64,
    /// Post-dial delay, milliseconds on average.
    pub pdd_ms: Option<f64>,
    /// The post-dial delay that 95 of 100 calls stayed within, as a step of a scale.
    pub pdd_p95_ms: Option<u32>,
    /// Media packets received from the trunk, calls in both directions.
    pub packets: u64,
    /// Those lost on the way here, percent.
    pub loss: Option<f64>,
    /// Interarrival jitter at the end of calls, milliseconds on average.
    pub jitter_ms: Option<f64>,
}
