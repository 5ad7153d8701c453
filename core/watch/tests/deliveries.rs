//! Deliveries to webhooks, in virtual time.

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::{Change, Config, Entity, Kind, TenantId, WebhookId};
use tandem_time::Time;
use tandem_watch::{Deliveries, Delivery};
use uuid::Uuid;

struct Post {
    config: Config,
    deliveries: Deliveries<u32>,
    rng: StdRng,
    now: Time,
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn hook(n: u128) -> WebhookId {
    WebhookId(Uuid::from_u128(n))
}

impl Post {
    fn new() -> Post {
        let (config, deliveries) = (Config::default(), Deliveries::default());
        Post { config, deliveries, rng: StdRng::seed_from_u64(1), now: Time::from_secs(1_000_000) }
    }

    fn change(&mut self, change: Change) {
        self.config = self.config.apply(&[change]).unwrap();
        self.deliveries.configure(&self.config);
    }

    fn hook(&mut self, n: u128, more: Value) {
        let mut body = json!({
            "name": n.to_string(), "url": "https://hooks.example.com/", "secret": "a secret of many letters",
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.change(Change::Put(Entity::create(Kind::Webhook, Uuid::from_u128(n), body).unwrap()));
    }

    fn put(&mut self, name: &str, body: u32) {
        self.deliveries.put(name, None, &body, self.now);
    }

    fn poll(&mut self) -> Option<Delivery<u32>> {
        self.deliveries.poll(self.now)
    }

    fn bodies(&mut self) -> Vec<u32> {
        std::iter::from_fn(|| self.poll()).map(|delivery| delivery.body).collect()
    }

    fn done(&mut self, delivery: &Delivery<u32>, result: Result<(), String>) {
        self.deliveries.done(delivery.hook.id, delivery.number, result, &mut self.rng, self.now);
    }

    /// Goes to when something is due, and says how long that was.
    fn wait(&mut self) -> Duration {
        let due = self.deliveries.poll_timeout().unwrap();
        let waited = due.since(self.now);
        self.now = self.now.max(due);
        waited
    }
}

fn failed() -> Result<(), String> {
    Err("answered 503 Service Unavailable".to_owned())
}

#[test]
fn each_webhook_gets_the_types_and_the_tenants_events_that_it_wants() {
    let mut post = Post::new();
    let acme =
        Entity::create(Kind::Tenant, Uuid::from_u128(9), json!({"name": "Acme", "slug": "acme"})).unwrap();
    post.change(Change::Put(acme));
    post.hook(1, json!({"events": ["call."]}));
    post.hook(2, json!({"tenant_id": Uuid::from_u128(9)}));
    post.hook(3, json!({"enabled": false}));
    post.put("call.started", 10);
    post.put("trunk.state", 11);
    post.deliveries.put("trunk.state", Some(TenantId(Uuid::from_u128(9))), &12, post.now);
    let got: Vec<_> = std::iter::from_fn(|| post.poll()).map(|d| (d.hook.id, d.body)).collect();
    assert_eq!(got, [(hook(1), 10), (hook(2), 12)]);
    assert_eq!(post.deliveries.under_way(), 2);
}

#[test]
fn what_fails_comes_again_later_and_later_until_it_is_taken() {
    let mut post = Post::new();
    post.hook(1, json!({}));
    post.put("failover", 1);
    let mut waits = Vec::new();
    for _ in 0..14 {
        let delivery = post.poll().unwrap();
        assert!(post.poll().is_none(), "it is on its way");
        post.done(&delivery, failed());
        assert!(post.poll().is_none(), "not at once");
        waits.push(post.wait().as_secs_f64());
    }
    for (n, wait) in waits.iter().enumerate() {
        let expected = (5.0 * f64::from(1 << n)).min(3600.0);
        // Twice by chance: for the event, and for the webhook.
        assert!(
            (expected * 0.8..=expected * 1.2).contains(wait),
            "wait {n} is {wait} s, not about {expected}"
        );
    }
    let status = post.deliveries.status(hook(1));
    assert_eq!((status.waiting, status.dropped), (1, 0));
    assert_eq!(status.last_failure.as_deref(), Some("answered 503 Service Unavailable"));
    assert!(status.next_try_at.is_some());
    let delivery = post.poll().unwrap();
    post.done(&delivery, Ok(()));
    let status = post.deliveries.status(hook(1));
    assert_eq!((status.waiting, status.last_success_at), (0, Some(post.now.as_millis())));
    assert_eq!((status.next_try_at, post.deliveries.poll_timeout()), (None, None));
}

#[test]
fn an_event_is_given_up_after_a_day() {
    let mut post = Post::new();
    post.hook(1, json!({}));
    post.put("failover", 1);
    let (began, mut tries) = (post.now, 0);
    while let Some(delivery) = post.poll() {
        tries += 1;
        post.done(&delivery, failed());
        post.wait();
    }
    assert!(post.now.since(began) >= secs(86_400) && (25..45).contains(&tries), "{tries} tries");
    assert_eq!((post.deliveries.status(hook(1)).dropped, post.deliveries.poll_timeout()), (1, None));
}

#[test]
fn one_that_does_not_answer_holds_up_no_other() {
    let mut post = Post::new();
    post.hook(1, json!({}));
    post.hook(2, json!({}));
    let mut taken = Vec::new();
    for n in 0..50 {
        post.put("failover", n);
        while let Some(delivery) = post.poll() {
            if delivery.hook.id == hook(2) {
                taken.push(delivery.body);
                post.done(&delivery, Ok(()));
            }
        }
    }
    assert_eq!(taken, (0..50).collect::<Vec<_>>());
    assert_eq!(post.deliveries.under_way(), 8, "no more at once to one");
    assert_eq!(post.deliveries.status(hook(1)).waiting, 50);
}

#[test]
fn one_that_has_failed_is_tried_with_one_event_and_those_that_fail_together_count_once() {
    let mut post = Post::new();
    post.hook(1, json!({}));
    (0..20).for_each(|n| post.put("failover", n));
    let together: Vec<_> = std::iter::from_fn(|| post.poll()).collect();
    assert_eq!(together.len(), 8);
    for delivery in &together {
        post.done(delivery, failed());
    }
    assert!(post.wait() <= secs(6), "eight failures at once are one");
    let one = post.poll().unwrap();
    assert!(post.poll().is_none());
    post.done(&one, Ok(()));
    assert_eq!(post.bodies().len(), 8, "as before");
}

#[test]
fn the_oldest_make_room_for_the_newest() {
    let mut post = Post::new();
    post.hook(1, json!({}));
    (0..1_010).for_each(|n| post.put("failover", n));
    let status = post.deliveries.status(hook(1));
    assert_eq!((status.waiting, status.dropped), (1_000, 10));
    assert_eq!(post.bodies()[0], 10);
}

#[test]
fn a_new_url_is_tried_at_once_and_a_webhook_that_is_gone_never() {
    let mut post = Post::new();
    post.hook(1, json!({}));
    post.put("failover", 1);
    let first = post.poll().unwrap();
    post.done(&first, failed());
    assert!(post.poll().is_none());
    post.hook(1, json!({"url": "https://other.example.com/"}));
    let second = post.poll().unwrap();
    assert_eq!(second.hook.url, "https://other.example.com/");
    post.change(Change::Delete(Kind::Webhook, Uuid::from_u128(1)));
    post.done(&second, failed());
    assert_eq!((post.deliveries.poll_timeout(), post.deliveries.under_way()), (None, 0));
}
