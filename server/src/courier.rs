//! Carries events to webhooks: asks the deliveries what is due, posts it, and tells them what came of it.

use crate::clock::Clock;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tandem_api::Entry;
use tandem_hooks::{Poster, is_public, literal};
use tandem_model::{
    Change, Config, Entity, Problem, Rejection, RejectionKind, Secret, WebhookId, WebhookStatus,
};
use tandem_watch::{Deliveries, Delivery, signature};
use tokio::sync::Notify;

/// Deliveries under way at once, to all webhooks together.
const AT_ONCE: usize = 128;

/// Carries events to webhooks. Clones share it.
#[derive(Clone)]
pub struct Courier(Arc<Shared>);

struct Shared {
    clock: Clock,
    poster: Poster,
    bag: Mutex<Bag>,
    wake: Notify,
}

struct Bag {
    deliveries: Deliveries<Arc<Entry>>,
    rng: StdRng,
}

impl Courier {
    /// One that has nothing to carry yet.
    pub fn new(clock: Clock, poster: Poster, seed: [u8; 32]) -> Courier {
        let bag = Bag { deliveries: Deliveries::default(), rng: StdRng::from_seed(seed) };
        Courier(Arc::new(Shared { clock, poster, bag: Mutex::new(bag), wake: Notify::new() }))
    }

    /// Takes a new configuration.
    pub fn configure(&self, config: &Config) {
        self.bag().deliveries.configure(config);
        self.0.wake.notify_one();
    }

    /// Refuses webhooks whose URL names an address that nothing will be posted to.
    pub fn check(&self, changes: &[Change]) -> Result<(), Rejection> {
        let refused = |change: &Change| match change {
            Change::Put(Entity::Webhook(hook)) if !self.0.poster.posts_anywhere() => {
                literal(&hook.url).filter(|ip| !is_public(*ip))
            }
            _ => None,
        };
        let problems: Vec<Problem> = changes
            .iter()
            .enumerate()
            .filter_map(|(n, change)| {
                let message = format!("{} is not an address of the public internet", refused(change)?);
                let fix = "give a public one, or have `[webhooks] private = true` set on the server";
                let field = if changes.len() > 1 { format!("[{n}].url") } else { "url".to_owned() };
                Some(Problem::new(field, "PRIVATE_ADDRESS", message, fix))
            })
            .collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Rejection { kind: RejectionKind::Invalid, problems }),
        }
    }

    /// Events that were published, for whoever wants them.
    pub fn put(&self, entries: &[Arc<Entry>]) {
        let now = self.0.clock.now();
        let mut bag = self.bag();
        for entry in entries {
            let published = &entry.published;
            bag.deliveries.put(published.event.name(), published.tenant_id, entry, now);
        }
        drop(bag);
        self.0.wake.notify_one();
    }

    /// What has come of it so far.
    pub fn statuses(&self, config: &Config) -> BTreeMap<WebhookId, WebhookStatus> {
        let bag = self.bag();
        config.webhooks.keys().map(|id| (*id, bag.deliveries.status(*id))).collect()
    }

    /// Carries, for as long as the server runs.
    pub async fn run(self) {
        loop {
            let now = self.0.clock.now();
            let due = {
                let mut bag = self.bag();
                while bag.deliveries.under_way() < AT_ONCE
                    && let Some(delivery) = bag.deliveries.poll(now)
                {
                    tokio::spawn(self.clone().deliver(delivery));
                }
                bag.deliveries.poll_timeout().filter(|_| bag.deliveries.under_way() < AT_ONCE)
            };
            let due = due.unwrap_or(now + Duration::from_secs(3600));
            tokio::select! {
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep_until(self.0.clock.instant(due).into()) => {}
            }
        }
    }

    async fn deliver(self, delivery: Delivery<Arc<Entry>>) {
        let Delivery { hook, number, body: entry } = delivery;
        let body = entry.json();
        let secret = hook.secret.as_ref().map_or("", Secret::expose);
        let headers = [
            ("tandem-event-id", entry.published.id.to_string()),
            ("tandem-event-type", entry.published.event.name().to_owned()),
            ("tandem-signature", signature(secret, self.0.clock.now().as_secs(), body)),
        ];
        let result = self.0.poster.post(&hook.url, &headers, body.to_owned()).await;
        if let Err(why) = &result {
            tracing::warn!(webhook = %hook.id, name = hook.name, event = entry.published.id, "not delivered: {why}");
        }
        let Bag { deliveries, rng } = &mut *self.bag();
        deliveries.done(hook.id, number, result, rng, self.0.clock.now());
        self.0.wake.notify_one();
    }

    fn bag(&self) -> MutexGuard<'_, Bag> {
        self.0.bag.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
