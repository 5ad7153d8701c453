//! Alerts, in virtual time.

use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{
    AlertRuleId, Attempt, CallId, CallRecord, Cause, Change, Config, Direction, Entity, Event, Kind,
    MediaRecord, Outcome, Party, Side, TenantId, TrunkId, TrunkState,
};
use tandem_time::Time;
use tandem_watch::{Sample, Watch};
use uuid::Uuid;

const START: Time = Time::from_secs(1_200_000);

struct Post {
    config: Arc<Config>,
    watch: Watch,
    now: Time,
    told: Vec<(Time, Event)>,
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn trunk(n: u128) -> TrunkId {
    TrunkId(id(n))
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

impl Post {
    /// Two trunks, 1 that registers and 2 that does not.
    fn new() -> Post {
        let mut post = Post { config: Arc::default(), watch: Watch::default(), now: START, told: Vec::new() };
        let body =
            json!({"name": "one", "host": "a.example", "username": "u", "password": "p", "max_calls": 10});
        post.put(Kind::Trunk, 1, body);
        post.put(Kind::Trunk, 2, json!({"name": "two", "host": "b.example", "max_calls": 10}));
        post
    }

    fn put(&mut self, kind: Kind, n: u128, body: Value) {
        self.change(Change::Put(Entity::create(kind, id(n), body).unwrap()));
    }

    fn rule(&mut self, n: u128, kind: &str, more: Value) {
        let mut body = json!({"name": kind, "kind": kind});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.put(Kind::AlertRule, n, body);
    }

    fn change(&mut self, change: Change) {
        self.config = Arc::new(self.config.apply(&[change]).unwrap());
        self.watch.configure(&self.config, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(event) = self.watch.poll_output() {
            self.told.push((self.now, event));
        }
    }

    /// Lets so much time pass.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.watch.poll_timeout().filter(|due| *due <= end) {
            assert!(due >= self.now, "it is not due in the past again and again");
            self.now = due;
            self.watch.handle_timeout(due);
            self.drain();
        }
        self.now = end;
    }

    fn state(&mut self, n: u128, new: TrunkState) {
        let event = Event::TrunkState {
            trunk_id: trunk(n),
            name: String::new(),
            old: None,
            new,
            reason: String::new(),
            code: None,
            phrase: None,
            address: None,
            next_retry_at: None,
            tenant_id: None,
        };
        self.watch.event(&event, self.now);
        self.drain();
    }

    fn call(&mut self, record: &CallRecord) {
        self.watch.call(&Sample::of(record).unwrap(), self.now);
        self.drain();
    }

    fn carries(&mut self, n: u128, calls: u32) {
        self.watch.calls(&BTreeMap::from([(trunk(n), calls)]), self.now);
        self.drain();
    }

    /// What was told since: seconds since the start, the type, the trunk.
    fn told(&mut self) -> Vec<(u64, &'static str, Option<u128>)> {
        let told = std::mem::take(&mut self.told).into_iter();
        told.map(|(at, event)| {
            let (Event::AlertRaised { alert } | Event::AlertCleared { alert }) = &event else {
                panic!("{event:?}")
            };
            (at.since(START).as_secs(), event.name(), alert.trunk_id.map(|id| id.0.as_u128()))
        })
        .collect()
    }
}

/// A call that was tried on these trunks, the last of which answered, if at all.
fn record(tries: &[(u128, u16, Option<u64>)], media: Option<(u64, u64)>) -> CallRecord {
    let attempts = tries.iter().enumerate().map(|(n, (trunk_id, code, pdd_ms))| Attempt {
        trunk_id: Some(trunk(*trunk_id)),
        extension_id: None,
        route_id: None,
        step: Some(n as u32 + 1),
        forwarded: None,
        number: String::new(),
        target: "udp:192.0.2.1:5060".to_owned(),
        started_at: 0,
        pdd_ms: *pdd_ms,
        answered_at: (*code == 200).then_some(1),
        ended_at: 1,
        code: *code,
        reason: String::new(),
        q850: None,
        codec: None,
        country: None,
        charge: None,
    });
    let media =
        media.map(|(packets, lost)| MediaRecord { packets, lost, jitter_ms: 4.0, ..MediaRecord::default() });
    CallRecord {
        id: CallId::NIL,
        tenant_id: None,
        direction: Direction::Outbound,
        caller: Party::default(),
        callee: Party { trunk_id: tries.last().map(|(n, ..)| trunk(*n)), ..Party::default() },
        started_at: 0,
        ringing_at: None,
        answered_at: None,
        ended_at: 1,
        duration_ms: 0,
        outcome: Outcome::Answered,
        ended_by: Side::Caller,
        cause: Cause::of(200),
        sip_call_id: String::new(),
        attempts: attempts.collect(),
        direct_media: false,
        media_from_caller: None,
        media_from_callee: media,
        video_from_caller: None,
        video_from_callee: None,
        transfers: Vec::new(),
    }
}

#[test]
fn a_registration_that_is_lost_for_long_enough_is_told_once_and_its_return_once() {
    let mut post = Post::new();
    post.rule(10, "registration_lost", json!({"for_s": 60, "clear_for_s": 30}));
    post.state(1, TrunkState::Registered);
    post.state(2, TrunkState::Unreachable);
    post.state(1, TrunkState::Unreachable);
    post.pass(secs(59));
    assert_eq!(post.told(), [], "not yet, and never of a trunk that does not register");
    post.state(1, TrunkState::AuthFailed);
    post.pass(secs(1000));
    assert_eq!(post.told(), [(60, "alert.raised", Some(1))]);
    assert_eq!(post.watch.alerts()[0].message, "trunk `one` is not registered: its credentials are refused");
    post.state(1, TrunkState::Registered);
    post.pass(secs(20));
    post.state(1, TrunkState::Unreachable);
    post.pass(secs(20));
    post.state(1, TrunkState::Registered);
    assert_eq!(post.told(), [], "it has not lasted");
    post.pass(secs(100));
    assert_eq!(post.told(), [(1129, "alert.cleared", Some(1))]);
    assert_eq!(post.watch.alerts(), []);
    assert_eq!(post.watch.poll_timeout(), None);
}

#[test]
fn what_is_over_before_its_time_is_never_told() {
    let mut post = Post::new();
    post.rule(10, "trunk_down", json!({"for_s": 30, "trunk_id": id(2)}));
    for _ in 0..10 {
        post.state(1, TrunkState::Unreachable);
        post.state(2, TrunkState::Unreachable);
        post.pass(secs(29));
        post.state(2, TrunkState::Reachable);
        post.pass(secs(1));
    }
    assert_eq!(post.told(), []);
}

#[test]
fn a_trunk_that_comes_and_goes_flaps_until_it_has_rested() {
    let mut post = Post::new();
    post.rule(10, "flapping", json!({"window_s": 300, "clear_for_s": 0}));
    post.state(2, TrunkState::Reachable);
    for _ in 0..3 {
        post.pass(secs(10));
        post.state(2, TrunkState::Unreachable);
        post.pass(secs(10));
        post.state(2, TrunkState::Degraded);
    }
    assert_eq!(post.told(), [(60, "alert.raised", Some(2))], "with the sixth turn");
    post.pass(secs(600));
    assert_eq!(post.told(), [(300, "alert.cleared", Some(2))], "when the minute of most turns has passed");
}

#[test]
fn calls_that_are_not_answered_lower_the_ratio_and_its_alert_has_hysteresis() {
    let mut post = Post::new();
    post.rule(10, "asr_low", json!({"threshold": 50, "clear_threshold": 70, "for_s": 0, "clear_for_s": 0}));
    let (answered, busy) = (record(&[(2, 200, Some(900))], None), record(&[(2, 486, Some(900))], None));
    (0..9).for_each(|_| post.call(&busy));
    assert_eq!(post.told(), [], "too few calls say nothing");
    post.call(&busy);
    assert_eq!(post.told(), [(0, "alert.raised", Some(2))]);
    assert_eq!(post.watch.alerts()[0].value, Some(0.0));
    (0..20).for_each(|_| post.call(&answered));
    assert_eq!(post.told(), [], "66 of 100 are better, and not yet well");
    (0..4).for_each(|_| post.call(&answered));
    assert_eq!(post.told(), [(0, "alert.cleared", Some(2))]);
    (0..10).for_each(|_| post.call(&busy));
    assert_eq!(post.told(), [], "54 of 100 are worse, and not yet bad");
}

#[test]
fn slow_lossy_and_failing_trunks_are_told_of_until_their_window_is_over() {
    let mut post = Post::new();
    let at_once = json!({"for_s": 0, "clear_for_s": 0, "window_s": 120});
    for (n, kind) in [(10, "pdd_high"), (11, "loss_high"), (12, "failover_rate")] {
        post.rule(n, kind, at_once.clone());
    }
    for _ in 0..10 {
        post.call(&record(&[(1, 503, Some(7000)), (2, 200, Some(100))], Some((950, 50))));
    }
    let mut told = post.told();
    told.sort();
    let raised = |n| (0, "alert.raised", Some(n));
    assert_eq!(told, [raised(1), raised(1), raised(2)], "slow and failing is one, lossy the other");
    let kinds: BTreeSet<_> = post.watch.alerts().iter().map(|alert| alert.kind.key()).collect();
    assert_eq!(kinds, BTreeSet::from(["pdd_high", "loss_high", "failover_rate"]));
    post.pass(secs(120));
    assert_eq!(post.told().len(), 3, "nobody calls any more");
    assert_eq!(post.watch.poll_timeout(), None);
}

#[test]
fn a_tenant_has_nearly_spent_what_it_may() {
    let mut post = Post::new();
    for (n, name) in [(5, "Acme"), (6, "Beta")] {
        post.put(Kind::Tenant, n, json!({"name": name, "max_daily_cost": "10"}));
    }
    post.rule(10, "spend", json!({"clear_for_s": 0}));
    post.rule(11, "spend", json!({"clear_for_s": 0, "tenant_id": id(6)}));
    assert!(post.watch.wants_usage());
    let spends = |post: &mut Post, acme: f64, beta: f64| {
        let spent = [(5, acme), (6, beta)].map(|(n, percent)| (TenantId(id(n)), percent));
        post.watch.spent(BTreeMap::from(spent), post.now);
        post.drain();
    };
    spends(&mut post, 79.9, 10.0);
    assert_eq!(post.told(), []);
    spends(&mut post, 85.0, 10.0);
    let words: Vec<_> = post.watch.alerts().into_iter().map(|alert| alert.message).collect();
    assert_eq!(words, ["tenant `Acme` has spent 85 % of what it may today"]);
    spends(&mut post, 0.0, 90.0);
    assert_eq!(post.watch.alerts().len(), 2);
    spends(&mut post, 0.0, 0.0);
    assert_eq!(post.watch.alerts(), []);
}

#[test]
fn a_trunk_is_nearly_full() {
    let mut post = Post::new();
    assert!(!post.watch.wants_usage());
    post.rule(10, "capacity", json!({"for_s": 10, "clear_for_s": 0}));
    assert!(post.watch.wants_usage());
    post.carries(1, 8);
    post.pass(secs(9));
    post.carries(1, 7);
    post.carries(2, 9);
    post.pass(secs(10));
    post.carries(2, 10);
    assert_eq!(post.told(), [(19, "alert.raised", Some(2))]);
    post.carries(1, 0);
    assert_eq!(post.told(), [(19, "alert.cleared", Some(2))], "who is not named carries none");
}

#[test]
fn guessers_and_a_certificate_are_the_servers() {
    let mut post = Post::new();
    post.rule(10, "auth_failures", json!({"threshold": 3, "clear_for_s": 0, "window_s": 60}));
    post.rule(11, "cert_expiring", json!({}));
    post.rule(12, "unauthorised_registration", json!({"threshold": 2}));
    for _ in 0..3 {
        let source = "192.0.2.1:5060".parse().unwrap();
        let failed = Event::AuthFailed { source, username: "x".to_owned(), method: "REGISTER" };
        post.watch.event(&failed, post.now);
        post.drain();
    }
    assert_eq!(post.told(), [(0, "alert.raised", None)]);
    post.pass(secs(60));
    assert_eq!(post.told(), [(60, "alert.cleared", None)]);
    let day = 24 * 3600;
    post.watch.certificate(START + secs(16 * day), post.now);
    post.pass(secs(3 * day));
    let told = post.told();
    assert_eq!((told.len(), told[0].1, told[0].0 / day), (1, "alert.raised", 2));
    post.watch.certificate(START + secs(90 * day), post.now);
    post.pass(secs(61));
    assert_eq!(post.told()[0].1, "alert.cleared");
}

#[test]
fn what_a_rule_has_raised_goes_with_it_and_a_new_rule_sees_what_is() {
    let mut post = Post::new();
    post.state(1, TrunkState::Unreachable);
    post.state(2, TrunkState::Unreachable);
    post.rule(10, "trunk_down", json!({"for_s": 0}));
    assert_eq!(post.told().len(), 2, "it looks at what is");
    post.change(Change::Delete(Kind::Trunk, id(2)));
    assert_eq!(post.told(), [(0, "alert.cleared", Some(2))]);
    post.rule(10, "trunk_down", json!({"for_s": 0, "enabled": false}));
    assert_eq!(post.told(), [(0, "alert.cleared", Some(1))]);
    post.rule(10, "trunk_down", json!({"for_s": 0}));
    assert_eq!(post.told(), [(0, "alert.raised", Some(1))]);
    post.rule(10, "flapping", json!({}));
    assert_eq!(post.told(), [(0, "alert.cleared", Some(1))], "it is another rule now");
}

#[test]
fn how_well_calls_go_is_counted_by_trunk_and_forgotten_in_time() {
    let mut post = Post::new();
    for n in 0..100 {
        post.call(&record(&[(1, 503, None), (2, 200, Some(100 + n * 10))], Some((900, 100))));
    }
    post.call(&record(&[(2, 486, Some(50))], None));
    let (one, two) = (post.watch.quality(trunk(1), post.now), post.watch.quality(trunk(2), post.now));
    assert_eq!((one.recent.attempts, one.recent.answered, one.recent.failovers), (100, 0, 100));
    assert_eq!((one.recent.asr, one.recent.ner, one.recent.pdd_ms), (Some(0.0), Some(0.0), None));
    assert_eq!((two.recent.attempts, two.recent.answered, two.recent.ner), (101, 100, Some(100.0)));
    assert!((99.0..99.1).contains(&two.recent.asr.unwrap()));
    assert_eq!((two.recent.loss, two.recent.jitter_ms), (Some(10.0), Some(4.0)));
    assert_eq!(two.recent.pdd_p95_ms, Some(1500), "1050 ms, up to the next step");
    assert_eq!(two.total, two.recent);
    let later = post.now + secs(900);
    assert_eq!(post.watch.quality(trunk(2), later).recent.attempts, 0);
    assert_eq!(post.watch.quality(trunk(2), later).total.attempts, 101);
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    State(u128, TrunkState),
    Call(u128, bool),
    Carries(u128, u32),
    Pass(u64),
    Rule(u128, usize, u32, bool),
    Trunk(u128, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let state = prop::sample::select(vec![
        TrunkState::Registered,
        TrunkState::Unreachable,
        TrunkState::Degraded,
        TrunkState::Registering,
        TrunkState::AuthFailed,
        TrunkState::Disabled,
    ]);
    prop_oneof![
        (1..3u128, state).prop_map(|(n, state)| Step::State(n, state)),
        (1..3u128, any::<bool>()).prop_map(|(n, answered)| Step::Call(n, answered)),
        (1..3u128, 0..12u32).prop_map(|(n, calls)| Step::Carries(n, calls)),
        (0..400u64).prop_map(Step::Pass),
        (10..14u128, 0..8usize, 0..90u32, any::<bool>()).prop_map(|(n, k, s, on)| Step::Rule(n, k, s, on)),
        (1..3u128, any::<bool>()).prop_map(|(n, there)| Step::Trunk(n, there)),
    ]
}

const KINDS: [&str; 8] = [
    "registration_lost",
    "trunk_down",
    "flapping",
    "asr_low",
    "pdd_high",
    "loss_high",
    "capacity",
    "failover_rate",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn whatever_happens_each_alert_is_raised_and_cleared_in_turn_and_nothing_is_left(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut post = Post::new();
        let mut standing: BTreeSet<(AlertRuleId, Option<TrunkId>)> = BTreeSet::new();
        for step in steps {
            match step {
                Step::State(n, state) => post.state(n, state),
                Step::Call(n, true) => (0..6).for_each(|_| post.call(&record(&[(n, 200, Some(9000))], Some((500, 40))))),
                Step::Call(n, false) => {
                    (0..6).for_each(|_| post.call(&record(&[(n, 503, None), (3 - n, 404, Some(10))], None)));
                }
                Step::Carries(n, calls) => post.carries(n, calls),
                Step::Pass(time) => post.pass(secs(time)),
                Step::Rule(n, kind, s, on) => {
                    post.rule(n, KINDS[kind], json!({"for_s": s, "clear_for_s": s / 2, "enabled": on}));
                }
                Step::Trunk(n, false) => {
                    if post.config.trunks.contains_key(&trunk(n)) {
                        post.change(Change::Delete(Kind::Trunk, id(n)));
                    }
                }
                Step::Trunk(n, true) => {
                    post.put(Kind::Trunk, n, json!({"name": n.to_string(), "host": format!("h{n}.example"), "max_calls": 10}));
                }
            }
            for (_, event) in post.told.drain(..) {
                match event {
                    Event::AlertRaised { alert } => prop_assert!(standing.insert((alert.rule_id, alert.trunk_id))),
                    Event::AlertCleared { alert } => prop_assert!(standing.remove(&(alert.rule_id, alert.trunk_id))),
                    event => prop_assert!(false, "{event:?}"),
                }
            }
            let listed: BTreeSet<_> = post.watch.alerts().iter().map(|alert| (alert.rule_id, alert.trunk_id)).collect();
            prop_assert_eq!(&listed, &standing);
        }
        for rule in post.config.alert_rules.keys().copied().collect::<Vec<_>>() {
            post.change(Change::Delete(Kind::AlertRule, rule.0));
        }
        prop_assert_eq!(post.watch.alerts(), vec![]);
        prop_assert_eq!(post.watch.poll_timeout(), None);
    }
}
