//! Takes what happened out of the outbox, has it watched, publishes it, and gives it to the courier.

use crate::clock::Clock;
use crate::courier::Courier;
use crate::engine_loop::{Command, EngineHandle};
use crate::outbox::{News, Outbox};
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tandem_api::{Entry, Feed};
use tandem_model::{Alert, Config, Event, TrunkId, TrunkQuality};
use tandem_time::Time;
use tandem_watch::Watch;

/// What happens in so long is taken together, so that a busy server wakes this task that seldom.
const GATHER: Duration = Duration::from_millis(10);
/// How often the calls on trunks are counted, where a rule asks for them.
const COUNT: Duration = Duration::from_secs(5);

/// What a publisher works with.
pub struct Publisher {
    /// The clock.
    pub clock: Clock,
    /// Where news are left.
    pub outbox: Outbox,
    /// Where events are read.
    pub feed: Feed,
    /// Carries them to webhooks.
    pub courier: Courier,
    /// Looks for what is to be alarmed of.
    pub watcher: Watcher,
    /// The configuration in effect.
    pub config: Arc<ArcSwap<Config>>,
    /// Knows how many calls there are.
    pub engine: EngineHandle,
}

/// What watches over trunks and the server. Clones share it.
#[derive(Clone, Default)]
pub struct Watcher(Arc<Mutex<Watch>>);

impl Watcher {
    /// Alerts that stand.
    pub fn alerts(&self) -> Vec<Alert> {
        self.watch().alerts()
    }

    /// How well calls go over a trunk.
    pub fn quality(&self, trunk: TrunkId, now: Time) -> TrunkQuality {
        self.watch().quality(trunk, now)
    }

    /// The same of every trunk that had any.
    pub fn qualities(&self, now: Time) -> BTreeMap<TrunkId, TrunkQuality> {
        self.watch().qualities(now)
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publisher {
    /// Publishes until the outbox is closed; then ends whoever reads the feed.
    pub async fn run(self) {
        let mut news = Vec::new();
        let mut known = self.config.load_full();
        let mut counted = self.clock.now();
        self.configure(&known, counted);
        loop {
            let (due, counts) = {
                let mut watch = self.watcher.watch();
                (watch.poll_timeout(), watch.wants_usage().then(|| counted + COUNT))
            };
            let due =
                due.into_iter().chain(counts).min().unwrap_or(self.clock.now() + Duration::from_secs(3600));
            tokio::select! {
                () = self.outbox.woken() => {}
                () = tokio::time::sleep_until(self.clock.instant(due).into()) => {}
            }
            let closed = self.outbox.take(&mut news);
            let now = self.clock.now();
            let config = self.config.load_full();
            if !Arc::ptr_eq(&config, &known) {
                self.configure(&config, now);
                known = config;
            }
            if counts.is_some_and(|due| due <= now) {
                counted = now;
                self.ask_for_usage();
            }
            self.publish(&mut news, now);
            if closed {
                return self.feed.close();
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    fn configure(&self, config: &Arc<Config>, now: Time) {
        self.watcher.watch().configure(config, now);
        self.courier.configure(config);
    }

    /// Asks the engine; its answer comes through the outbox.
    fn ask_for_usage(&self) {
        let (engine, outbox) = (self.engine.clone(), self.outbox.clone());
        tokio::spawn(async move { outbox.leave(News::Usage(engine.ask(Command::Usage).await)) });
    }

    fn publish(&self, news: &mut Vec<(Time, News)>, now: Time) {
        let mut entries = Vec::new();
        let mut watch = self.watcher.watch();
        for (at, news) in news.drain(..) {
            match news {
                News::Event(event) => {
                    watch.event(&event, at);
                    entries.push(self.feed.publish(at.as_millis(), event));
                }
                News::Call(sample) => watch.call(&sample, at),
                News::Expires(expires) => watch.certificate(expires, at),
                News::Usage(usage) => {
                    watch.calls(&usage.calls, at);
                    watch.spent(usage.spent, at);
                }
            }
            self.publish_alerts(&mut watch, at, &mut entries);
        }
        watch.handle_timeout(now);
        self.publish_alerts(&mut watch, now, &mut entries);
        drop(watch);
        if !entries.is_empty() {
            self.courier.put(&entries);
        }
    }

    fn publish_alerts(&self, watch: &mut Watch, at: Time, entries: &mut Vec<Arc<Entry>>) {
        while let Some(event) = watch.poll_output() {
            match &event {
                Event::AlertRaised { alert } => tracing::warn!(rule = alert.name, "alert: {}", alert.message),
                Event::AlertCleared { alert } => {
                    tracing::info!(rule = alert.name, "no more: {}", alert.message)
                }
                _ => {}
            }
            entries.push(self.feed.publish(at.as_millis(), event));
        }
    }
}
