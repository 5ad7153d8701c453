//! What is to be delivered to webhooks, when, and what has come of it. Each webhook has a queue of its own, so that one that does not
//! answer holds up no other.

use rand::{Rng, RngExt};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{Config, EventTypes, TenantId, Webhook, WebhookId, WebhookStatus};
use tandem_time::Time;

/// Events that wait for one webhook; the oldest make room.
const WAITING: usize = 1_000;
/// Deliveries at once to one that answers; one that has just failed is tried with one.
const AT_ONCE: usize = 8;
/// The first wait after a failure; each further one is twice as long,
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// An event is given up when it is this old.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Deliveries of events with bodies of type `B`, which is cheap to clone.
#[derive(Debug)]
pub struct Deliveries<B> {
    lines: BTreeMap<WebhookId, Line<B>>,
    /// Counts events of all lines.
    next: u64,
}

/// What waits for one webhook.
#[derive(Debug)]
struct Line<B> {
    hook: Arc<Webhook>,
    types: EventTypes,
    items: VecDeque<Item<B>>,
    under_way: usize,
    /// Failures since the last success.
    failures: u32,
    /// Nothing is tried before.
    rests_until: Option<Time>,
    status: WebhookStatus,
}

#[derive(Debug)]
struct Item<B> {
    number: u64,
    body: B,
    since: Time,
    tries: u32,
    due: Time,
    under_way: bool,
}

/// One delivery to be tried.
#[derive(Clone, Debug)]
pub struct Delivery<B> {
    /// To whom.
    pub hook: Arc<Webhook>,
    /// Names it, with the webhook.
    pub number: u64,
    /// What.
    pub body: B,
}

impl<B> Default for Deliveries<B> {
    fn default() -> Deliveries<B> {
        Deliveries { lines: BTreeMap::new(), next: 0 }
    }
}

impl<B: Clone> Deliveries<B> {
    /// Takes a new configuration. What waits for a webhook that is gone or switched off is dropped; one with another URL or secret
    /// is tried at once.
    pub fn configure(&mut self, config: &Config) {
        self.lines.retain(|id, _| config.webhooks.get(id).is_some_and(|hook| hook.enabled));
        for hook in config.webhooks.values().filter(|hook| hook.enabled) {
            let types = EventTypes::read(hook.events.iter().map(String::as_str)).unwrap_or_default();
            let line = self.lines.entry(hook.id).or_insert_with(|| Line::new(hook.clone()));
            if line.hook.url != hook.url || line.hook.secret != hook.secret {
                line.start_over();
            }
            line.hook = hook.clone();
            line.types = types;
        }
    }

    /// An event of this type, and of this tenant or of the system, for whoever wants it.
    pub fn put(&mut self, name: &str, tenant: Option<TenantId>, body: &B, now: Time) {
        for line in self.lines.values_mut().filter(|line| line.wants(name, tenant)) {
            if line.items.len() >= WAITING
                && let Some(oldest) = line.items.iter().position(|item| !item.under_way)
            {
                line.items.remove(oldest);
                line.status.dropped += 1;
            }
            self.next += 1;
            let body = body.clone();
            line.items.push_back(Item {
                number: self.next,
                body,
                since: now,
                tries: 0,
                due: now,
                under_way: false,
            });
        }
    }

    /// The next delivery to be tried; answered by [`Deliveries::done`].
    pub fn poll(&mut self, now: Time) -> Option<Delivery<B>> {
        self.lines.values_mut().find_map(|line| line.poll(now))
    }

    /// When [`Deliveries::poll`] has something again, unless something else happens before.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.lines.values().filter_map(Line::due).min()
    }

    /// What has come of a delivery; an error in words.
    pub fn done(
        &mut self,
        hook: WebhookId,
        number: u64,
        result: Result<(), String>,
        rng: &mut impl Rng,
        now: Time,
    ) {
        if let Some(line) = self.lines.get_mut(&hook) {
            line.done(number, result, rng, now);
        }
    }

    /// What has come of deliveries to a webhook so far; the default for one that is switched off.
    pub fn status(&self, hook: WebhookId) -> WebhookStatus {
        self.lines.get(&hook).map(Line::shown).unwrap_or_default()
    }

    /// Deliveries that have begun and not ended.
    pub fn under_way(&self) -> usize {
        self.lines.values().map(|line| line.under_way).sum()
    }
}

impl<B: Clone> Line<B> {
    fn new(hook: Arc<Webhook>) -> Line<B> {
        Line {
            hook,
            types: EventTypes::default(),
            items: VecDeque::new(),
            under_way: 0,
            failures: 0,
            rests_until: None,
            status: WebhookStatus::default(),
        }
    }

    /// A tenant's webhook gets what is the tenant's, the system's all.
    fn wants(&self, name: &str, tenant: Option<TenantId>) -> bool {
        (self.hook.tenant_id.is_none() || self.hook.tenant_id == tenant) && self.types.take(name)
    }

    fn start_over(&mut self) {
        self.failures = 0;
        self.rests_until = None;
        for item in &mut self.items {
            item.due = item.since;
        }
    }

    fn has_room(&self) -> bool {
        self.under_way < if self.failures == 0 { AT_ONCE } else { 1 }
    }

    fn poll(&mut self, now: Time) -> Option<Delivery<B>> {
        while self.items.front().is_some_and(|item| !item.under_way && item.since + PATIENCE <= now) {
            self.items.pop_front();
            self.status.dropped += 1;
        }
        if !self.has_room() || self.rests_until.is_some_and(|until| until > now) {
            return None;
        }
        let item = self.items.iter_mut().find(|item| !item.under_way && item.due <= now)?;
        item.under_way = true;
        item.tries += 1;
        self.under_way += 1;
        Some(Delivery { hook: self.hook.clone(), number: item.number, body: item.body.clone() })
    }

    fn due(&self) -> Option<Time> {
        let first = self.items.iter().filter(|item| !item.under_way).map(|item| item.due).min()?;
        self.has_room().then(|| first.max(self.rests_until.unwrap_or(first)))
    }

    fn done(&mut self, number: u64, result: Result<(), String>, rng: &mut impl Rng, now: Time) {
        let Some(place) = self.items.iter().position(|item| item.number == number && item.under_way) else {
            return;
        };
        self.under_way -= 1;
        match result {
            Ok(()) => {
                self.items.remove(place);
                self.failures = 0;
                self.rests_until = None;
                self.status.last_success_at = Some(now.as_millis());
            }
            Err(why) => {
                // Those that were on their way together fail together, and count once.
                if self.rests_until.is_none_or(|until| until <= now) {
                    self.failures = self.failures.saturating_add(1);
                    self.rests_until = Some(now + wait(self.failures, rng));
                }
                let item = &mut self.items[place];
                item.under_way = false;
                item.due = now + wait(item.tries, rng);
                self.status.last_failure_at = Some(now.as_millis());
                self.status.last_failure = Some(why);
            }
        }
    }

    fn shown(&self) -> WebhookStatus {
        WebhookStatus {
            waiting: self.items.len() as u64,
            next_try_at: self.due().filter(|_| self.failures > 0).map(Time::as_millis),
            ..self.status.clone()
        }
    }
}

/// The wait after so many failures, a fifth longer or shorter by chance, so that those that failed together do not come together.
fn wait(failures: u32, rng: &mut impl Rng) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(LONGEST_WAIT).mul_f64(rng.random_range(0.8..1.2))
}
