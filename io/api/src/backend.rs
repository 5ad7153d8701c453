//! What the API asks of the server.

use crate::feed::Feed;
use crate::provisioning::Provisioning;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tandem_model::{
    Alert, Block, BlockId, CallId, CallRecord, CapturedMessage, Change, Config, ExamReport, Examination,
    Explanation, LiveCall, NoExamination, Question, RecordPage, RecordQuery, RegistrationView, Rejection,
    TrunkId, TrunkQuality, TrunkStatus, WebhookId, WebhookStatus,
};
use utoipa::ToSchema;
use uuid::Uuid;

/// The server as the API sees it. Every method may be called from many requests at once.
pub trait Backend: Send + Sync + 'static {
    /// The configuration as it stands.
    fn config(&self) -> Arc<Config>;

    /// Checks the changes against the configuration, stores them and puts them into effect: all or nothing. Ready when
    /// the result is on disk. The API makes one call at a time and never abandons one.
    fn change(&self, changes: Vec<Change>) -> impl Future<Output = Result<Arc<Config>, ChangeError>> + Send;

    /// An id that nothing has yet, of version 7.
    fn new_uuid(&self) -> Uuid;

    /// What each trunk is doing. One that is missing is shown with [`TrunkStatus::default`].
    fn trunk_statuses(&self) -> impl Future<Output = BTreeMap<TrunkId, TrunkStatus>> + Send;

    /// All registrations, ours and those of devices at us.
    fn registrations(&self) -> impl Future<Output = Vec<RegistrationView>> + Send;

    /// All calls under way.
    fn calls(&self) -> impl Future<Output = Vec<LiveCall>> + Send;

    /// Ends a call; false when there is none with this id.
    fn hang_up(&self, call: CallId) -> impl Future<Output = bool> + Send;

    /// Whom the server shut out by itself, as entries of the blocklist.
    fn auto_blocks(&self) -> impl Future<Output = Vec<Block>> + Send;

    /// Lets such a one in again; false when there is none with this id.
    fn lift_block(&self, block: BlockId) -> impl Future<Output = bool> + Send;

    /// Has a trunk register at once, whatever it was waiting for; false when it is one that does not register.
    fn register_now(&self, trunk: TrunkId) -> impl Future<Output = bool> + Send;

    /// What would become of a call; nothing where who makes it is there no more.
    fn explain(&self, question: Question) -> impl Future<Output = Option<Explanation>> + Send;

    /// Examines a trunk; ready when that is over, which may take a minute and a half.
    fn examine(
        &self,
        trunk: TrunkId,
        asked: Examination,
    ) -> impl Future<Output = Result<Box<ExamReport>, NoExamination>> + Send;

    /// Where numbers come from.
    fn provisioning(&self) -> &impl Provisioning;

    /// Call records, newest first.
    fn records(&self, query: RecordQuery) -> impl Future<Output = Result<RecordPage, ReadError>> + Send;

    /// One call record.
    fn record(&self, call: CallId) -> impl Future<Output = Result<Option<CallRecord>, ReadError>> + Send;

    /// The SIP messages that were kept of a call, in order.
    fn messages(&self, call: CallId) -> impl Future<Output = Result<Vec<CapturedMessage>, ReadError>> + Send;

    /// What has come of deliveries to each webhook. One that is missing is shown with [`WebhookStatus::default`].
    fn webhook_statuses(&self) -> BTreeMap<WebhookId, WebhookStatus>;

    /// Alerts that stand.
    fn alerts(&self) -> Vec<Alert>;

    /// How well calls go over a trunk.
    fn quality(&self, trunk: TrunkId) -> TrunkQuality;

    /// What happened lately, and happens.
    fn feed(&self) -> &Feed;

    /// The metrics in Prometheus' text format.
    fn metrics(&self) -> impl Future<Output = String> + Send;

    /// How the server is.
    fn health(&self) -> impl Future<Output = Health> + Send;

    /// Milliseconds since the Unix epoch.
    fn now(&self) -> u64;

    /// Whether this is the installation's own token, which may do everything. [`TokenHash::matches`](crate::TokenHash::matches) compares as it must be.
    fn authorize(&self, token: &str) -> bool;
}

/// Why a change was not made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChangeError {
    /// It breaks a rule.
    Rejected(Rejection),
    /// It could not be stored, for this reason.
    Unavailable(String),
}

/// Why records could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReadError {
    /// The record that the page should go on after is not there.
    NoSuchCursor,
    /// They cannot be read now, for this reason.
    Unavailable(String),
}

/// How the server is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Health {
    /// In one word. `failing` is answered with 503, so that a load balancer looks elsewhere.
    pub status: HealthStatus,
    /// The version of tandem.
    pub version: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// What was looked at. Anybody may read this: no names of trunks, no addresses.
    pub checks: Vec<Check>,
}

/// How the server is, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// All is well.
    Ok,
    /// Calls are served, but something needs attention.
    Degraded,
    /// Calls are not served.
    Failing,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Check {
    /// What it is, as `store`.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// If not, what is wrong and what to do.
    pub message: Option<String>,
}
