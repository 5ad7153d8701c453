//! The server as the API sees it.

use crate::clock::Clock;
use crate::courier::Courier;
use crate::engine_loop::{Command, EngineHandle};
use crate::metrics;
use crate::outbox::Outbox;
use crate::publisher::Watcher;
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::Arc;
use tandem_api::{
    Backend, ChangeError, Check, Feed, Health, HealthStatus, Inventory, Provisioning, ReadError, TokenHash,
};
use tandem_model::{
    Alert, Block, BlockId, CallId, CallRecord, CapturedMessage, Change, Config, Event, ExamReport,
    Examination, Explanation, LiveCall, NoExamination, Question, RecordPage, RecordQuery, RegistrationView,
    TrunkId, TrunkQuality, TrunkState, TrunkStatus, WebhookId, WebhookStatus,
};
use tandem_relay::Relay;
use tandem_store::{CallsWriter, Store, StoreError};
use uuid::Uuid;

/// Everything that an API request may need. Clones share it.
#[derive(Clone)]
pub struct Live {
    /// The store.
    pub store: Store,
    /// The engine.
    pub engine: EngineHandle,
    /// The configuration in effect.
    pub config: Arc<ArcSwap<Config>>,
    /// One change at a time.
    pub changing: Arc<tokio::sync::Mutex<()>>,
    /// The clock.
    pub clock: Clock,
    /// The admin token.
    pub token: TokenHash,
    /// Records on their way.
    pub records: CallsWriter,
    /// The media side, for what it counted.
    pub relay: Arc<Relay>,
    /// Where events are left.
    pub outbox: Outbox,
    /// Where they are read.
    pub feed: Feed,
    /// Carries them to webhooks.
    pub courier: Courier,
    /// Watches over trunks.
    pub watcher: Watcher,
}

impl Backend for Live {
    fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    async fn change(&self, changes: Vec<Change>) -> Result<Arc<Config>, ChangeError> {
        let _one = self.changing.lock().await;
        self.courier.check(&changes).map_err(ChangeError::Rejected)?;
        let before = self.config.load_full();
        let changed = Arc::new(before.apply(&changes).map_err(ChangeError::Rejected)?);
        self.store.apply(&changes).await.map_err(|error| ChangeError::Unavailable(error.to_string()))?;
        self.config.store(changed.clone());
        self.engine.ask(|done| Command::Configure(changed.clone(), done)).await;
        for event in Event::of_change(&before, &changed, &changes) {
            self.outbox.put(event);
        }
        Ok(changed)
    }

    fn new_uuid(&self) -> Uuid {
        let mut random = [0; 10];
        getrandom::fill(&mut random).expect("the system gives random bytes");
        uuid::Builder::from_unix_timestamp_millis(self.clock.now().as_millis(), &random).into_uuid()
    }

    async fn trunk_statuses(&self) -> BTreeMap<TrunkId, TrunkStatus> {
        self.engine.ask(Command::TrunkStatuses).await
    }

    async fn registrations(&self) -> Vec<RegistrationView> {
        self.engine.ask(Command::Registrations).await
    }

    async fn calls(&self) -> Vec<LiveCall> {
        self.engine.ask(Command::Calls).await
    }

    async fn hang_up(&self, call: CallId) -> bool {
        self.engine.ask(|answer| Command::HangUp(call, answer)).await
    }

    async fn auto_blocks(&self) -> Vec<Block> {
        self.engine.ask(Command::AutoBlocks).await
    }

    async fn lift_block(&self, block: BlockId) -> bool {
        self.engine.ask(|answer| Command::LiftBlock(block, answer)).await
    }

    async fn register_now(&self, trunk: TrunkId) -> bool {
        self.engine.ask(|answer| Command::RegisterNow(trunk, answer)).await
    }

    async fn explain(&self, question: Question) -> Option<Explanation> {
        self.engine.ask(|answer| Command::Explain(question, answer)).await
    }

    async fn examine(&self, trunk: TrunkId, asked: Examination) -> Result<Box<ExamReport>, NoExamination> {
        let (sender, answer) = tokio::sync::oneshot::channel();
        self.engine.tell(Command::Examine(trunk, asked, sender));
        answer.await.unwrap_or(Err(NoExamination::Ending))
    }

    fn provisioning(&self) -> &impl Provisioning {
        &Inventory
    }

    async fn records(&self, query: RecordQuery) -> Result<RecordPage, ReadError> {
        self.store.records(&query).await.map_err(read_error)
    }

    async fn messages(&self, call: CallId) -> Result<Vec<CapturedMessage>, ReadError> {
        self.store.captured(call).await.map_err(read_error)
    }

    async fn record(&self, call: CallId) -> Result<Option<CallRecord>, ReadError> {
        self.store.record(call).await.map_err(read_error)
    }

    fn webhook_statuses(&self) -> BTreeMap<WebhookId, WebhookStatus> {
        self.courier.statuses(&self.config())
    }

    fn alerts(&self) -> Vec<Alert> {
        self.watcher.alerts()
    }

    fn quality(&self, trunk: TrunkId) -> TrunkQuality {
        self.watcher.quality(trunk, self.clock.now())
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    async fn metrics(&self) -> String {
        let figures = self.engine.ask(Command::Figures).await;
        let statuses = self.trunk_statuses().await;
        let config = self.config();
        let mut text = metrics::text(
            &figures,
            &self.relay.totals(),
            &config,
            &statuses,
            self.records.waiting(),
            self.clock.uptime_secs(),
        );
        metrics::quality(&mut text, &config, &self.watcher.qualities(self.clock.now()));
        metrics::webhooks(&mut text, &config, &self.webhook_statuses());
        text
    }

    async fn health(&self) -> Health {
        let store = self.store.setting("health").await.err();
        let sick = self.trunk_statuses().await.into_values().filter(|status| is_sick(status.state)).count();
        let waiting = self.records.waiting();
        let checks = vec![
            check("store", store.is_none(), || {
                format!(
                    "{}; calls go on, changes do not",
                    store.as_ref().map_or(String::new(), ToString::to_string)
                )
            }),
            check("trunks", sick == 0, || {
                format!("{sick} of the trunks cannot take calls; see /v1.0/trunks for the reasons")
            }),
            check("records", waiting < 1_000, || {
                format!("{waiting} call records wait to be written; is the disk full or slow?")
            }),
        ];
        let status =
            if checks.iter().all(|check| check.ok) { HealthStatus::Ok } else { HealthStatus::Degraded };
        Health {
            status,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: self.clock.uptime_secs(),
            checks,
        }
    }

    fn now(&self) -> u64 {
        self.clock.now().as_millis()
    }

    fn authorize(&self, token: &str) -> bool {
        self.token.matches(token)
    }
}

fn read_error(error: StoreError) -> ReadError {
    match error {
        StoreError::NoSuchCursor(_) => ReadError::NoSuchCursor,
        error => ReadError::Unavailable(error.to_string()),
    }
}

fn is_sick(state: TrunkState) -> bool {
    matches!(state, TrunkState::Unreachable | TrunkState::AuthFailed | TrunkState::Rejected)
}

fn check(name: &str, ok: bool, message: impl FnOnce() -> String) -> Check {
    Check { name: name.to_owned(), ok, message: (!ok).then(message) }
}
