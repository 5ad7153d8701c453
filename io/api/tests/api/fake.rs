//! A server in memory: the real configuration rules, and nothing behind them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tandem_api::{
    Backend, ChangeError, Check, Feed, Health, HealthStatus, Inventory, Provisioning, ReadError, TokenHash,
};
use tandem_model::{
    Alert, Block, BlockId, CallId, CallRecord, CapturedMessage, Change, Config, ExamReport, Examination,
    Explanation, LiveCall, NoExamination, Question, RecordPage, RecordQuery, RegistrationView, StageOutcome,
    TrunkId, TrunkMode, TrunkQuality, TrunkState, TrunkStatus, WebhookId, WebhookStatus,
};
use uuid::Uuid;

/// The token that the fake takes.
pub const TOKEN: &str = "t0ken-of+the/admin=";

/// The moment at which a fake lives, milliseconds since the Unix epoch.
pub const NOW: u64 = 1_795_694_400_000;

/// The state; the API gets a clone that shares it.
#[derive(Clone, Default)]
pub struct Fake(Arc<State>);

pub struct State {
    pub feed: Feed,
    pub alerts: Mutex<Vec<Alert>>,
    pub auto_blocks: Mutex<Vec<Block>>,
    pub config: Mutex<Arc<Config>>,
    pub records: Mutex<Vec<CallRecord>>,
    pub messages: Mutex<BTreeMap<CallId, Vec<CapturedMessage>>>,
    pub calls: Mutex<Vec<LiveCall>>,
    pub registrations: Mutex<Vec<RegistrationView>>,
    /// The store refuses.
    pub broken: AtomicBool,
    /// How long a change takes.
    pub delay: Mutex<Duration>,
    /// Health panics, as a fault would.
    pub panics: AtomicBool,
    pub failing: AtomicBool,
    ids: AtomicU64,
}

impl Default for State {
    fn default() -> State {
        State {
            feed: Feed::new(1),
            alerts: Mutex::default(),
            auto_blocks: Mutex::default(),
            config: Mutex::default(),
            records: Mutex::default(),
            messages: Mutex::default(),
            calls: Mutex::default(),
            registrations: Mutex::default(),
            broken: AtomicBool::default(),
            delay: Mutex::default(),
            panics: AtomicBool::default(),
            failing: AtomicBool::default(),
            ids: AtomicU64::default(),
        }
    }
}

impl std::ops::Deref for Fake {
    type Target = State;
    fn deref(&self) -> &State {
        &self.0
    }
}

/// The n-th id that a fake makes.
pub fn id(n: u64) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000 + n, &[7; 10]).into_uuid()
}

impl Backend for Fake {
    fn config(&self) -> Arc<Config> {
        self.config.lock().unwrap().clone()
    }

    async fn change(&self, changes: Vec<Change>) -> Result<Arc<Config>, ChangeError> {
        let before = self.config();
        let delay = *self.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        if self.broken.load(Ordering::Relaxed) {
            return Err(ChangeError::Unavailable("the disk is full".to_owned()));
        }
        let changed = Arc::new(before.apply(&changes).map_err(ChangeError::Rejected)?);
        *self.config.lock().unwrap() = changed.clone();
        Ok(changed)
    }

    fn new_uuid(&self) -> Uuid {
        id(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    async fn trunk_statuses(&self) -> BTreeMap<TrunkId, TrunkStatus> {
        let status = |state| TrunkStatus {
            state,
            reason: "200 OK".to_owned(),
            rtt_ms: Some(1.5),
            ..TrunkStatus::default()
        };
        let registered =
            |mode| if mode == TrunkMode::RegisterOut { TrunkState::Registered } else { TrunkState::Static };
        self.config().trunks.values().map(|trunk| (trunk.id, status(registered(trunk.mode)))).collect()
    }

    async fn registrations(&self) -> Vec<RegistrationView> {
        self.registrations.lock().unwrap().clone()
    }

    async fn calls(&self) -> Vec<LiveCall> {
        self.calls.lock().unwrap().clone()
    }

    async fn hang_up(&self, call: CallId) -> bool {
        let mut calls = self.calls.lock().unwrap();
        let before = calls.len();
        calls.retain(|live| live.id != call);
        calls.len() < before
    }

    fn provisioning(&self) -> &impl Provisioning {
        &Inventory
    }

    async fn auto_blocks(&self) -> Vec<Block> {
        self.auto_blocks.lock().unwrap().clone()
    }

    async fn lift_block(&self, block: BlockId) -> bool {
        let mut blocks = self.auto_blocks.lock().unwrap();
        let before = blocks.len();
        blocks.retain(|auto| auto.id != block);
        blocks.len() < before
    }

    async fn register_now(&self, trunk: TrunkId) -> bool {
        self.config()
            .trunks
            .get(&trunk)
            .is_some_and(|trunk| trunk.enabled && trunk.mode == TrunkMode::RegisterOut)
    }

    async fn explain(&self, question: Question) -> Option<Explanation> {
        Some(Explanation { at: question.at.unwrap_or_default(), ..Explanation::default() })
    }

    async fn examine(&self, trunk: TrunkId, asked: Examination) -> Result<Box<ExamReport>, NoExamination> {
        match asked.test_number.as_deref() {
            Some("1") => Err(NoExamination::UnderWay),
            Some("2") => Err(NoExamination::Busy),
            _ => Ok(Box::new(ExamReport {
                trunk_id: trunk,
                name: "t".to_owned(),
                at: 0,
                duration_ms: 0,
                outcome: StageOutcome::Passed,
                cause: None,
                stages: Vec::new(),
                call: None,
            })),
        }
    }

    async fn records(&self, query: RecordQuery) -> Result<RecordPage, ReadError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(ReadError::Unavailable("the disk is gone".to_owned()));
        }
        let mut records = self.records.lock().unwrap().clone();
        if query.after.is_some_and(|after| records.iter().all(|record| record.id != after)) {
            return Err(ReadError::NoSuchCursor);
        }
        records.sort_by_key(|record| std::cmp::Reverse(record.id));
        records.retain(|record| {
            query.after.is_none_or(|after| record.id < after)
                && query.tenant_id.is_none_or(|tenant| record.tenant_id == Some(tenant))
                && query.outcome.is_none_or(|outcome| record.outcome == outcome)
                && query.trunk_id.is_none_or(|id| record.callee.trunk_id == Some(id))
                && query.extension_id.is_none_or(|id| record.caller.extension_id == Some(id))
                && query.since.is_none_or(|since| record.started_at >= since)
                && query.until.is_none_or(|until| record.started_at < until)
        });
        let more = records.len() > query.limit as usize;
        records.truncate(query.limit as usize);
        Ok(RecordPage { next: records.last().filter(|_| more).map(|record| record.id), records })
    }

    async fn record(&self, call: CallId) -> Result<Option<CallRecord>, ReadError> {
        Ok(self.records.lock().unwrap().iter().find(|record| record.id == call).cloned())
    }

    async fn messages(&self, call: CallId) -> Result<Vec<CapturedMessage>, ReadError> {
        Ok(self.messages.lock().unwrap().get(&call).cloned().unwrap_or_default())
    }

    fn webhook_statuses(&self) -> BTreeMap<WebhookId, WebhookStatus> {
        let status = WebhookStatus { waiting: 3, ..WebhookStatus::default() };
        self.config().webhooks.keys().map(|id| (*id, status.clone())).collect()
    }

    fn alerts(&self) -> Vec<Alert> {
        self.alerts.lock().unwrap().clone()
    }

    fn quality(&self, _: TrunkId) -> TrunkQuality {
        TrunkQuality::default()
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    async fn metrics(&self) -> String {
        "# TYPE tandem_calls gauge\ntandem_calls 0\n".to_owned()
    }

    async fn health(&self) -> Health {
        assert!(!self.panics.load(Ordering::Relaxed), "a fault: secret-detail");
        let failing = self.failing.load(Ordering::Relaxed);
        let status = if failing { HealthStatus::Failing } else { HealthStatus::Ok };
        let check = Check {
            name: "store".to_owned(),
            ok: !failing,
            message: failing.then(|| "it is gone".to_owned()),
        };
        Health { status, version: "1.2.3".to_owned(), uptime_s: 60, checks: vec![check] }
    }

    fn now(&self) -> u64 {
        NOW
    }

    fn authorize(&self, token: &str) -> bool {
        TokenHash::of(TOKEN).matches(token)
    }
}
