//! Watches over trunks and the server: counts, and raises and clears the alerts of the configured rules.

use crate::found::{Found, find};
use crate::quality::Tally;
use crate::sample::Sample;
use crate::slots::{Slots, next_minute};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{
    Alert, AlertKind, AlertRule, AlertRuleId, Config, Event, TenantId, TrunkId, TrunkQuality, TrunkState,
};
use tandem_time::{Time, Timers};

/// What a rule looks at: a trunk, or what is no trunk's.
type Subject = Option<TrunkId>;

/// Watches over everything.
#[derive(Debug, Default)]
pub struct Watch {
    pub(crate) config: Arc<Config>,
    pub(crate) trunks: BTreeMap<TrunkId, Watched>,
    pub(crate) auth_failures: Slots<u32>,
    pub(crate) rejected: Slots<u32>,
    /// What tenants have spent today, percent of what they may; those that may spend what they will are not there.
    pub(crate) spent: BTreeMap<TenantId, f64>,
    /// When the server's certificate expires.
    pub(crate) expires: Option<Time>,
    /// Rules that found something, or have an alert that stands; all others have nothing here.
    stages: BTreeMap<(AlertRuleId, Subject), Stage>,
    timers: Timers<(AlertRuleId, Subject)>,
    outputs: VecDeque<Event>,
}

/// What is known of a trunk.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub(crate) state: Option<TrunkState>,
    /// Whether it was up or down last, whatever it is doing now.
    up: Option<bool>,
    /// How often that has changed.
    pub(crate) turns: Slots<u32>,
    pub(crate) tally: Tally,
    pub(crate) calls: u32,
}

/// How far an alert is.
#[derive(Debug)]
enum Stage {
    /// It is bad since then, and not for long enough.
    Pending(Time),
    /// The alert stands.
    Raised(Alert),
    /// It is well since then, and not for long enough.
    Clearing(Alert, Time),
}

/// While an alert may change by nothing but time, it is looked at this often.
const CERTIFICATE: Duration = Duration::from_secs(3600);

/// Kinds that a call's end may change.
const OF_CALLS: [AlertKind; 4] =
    [AlertKind::AsrLow, AlertKind::PddHigh, AlertKind::LossHigh, AlertKind::FailoverRate];
/// Kinds that a trunk's state may change.
const OF_STATE: [AlertKind; 3] = [AlertKind::RegistrationLost, AlertKind::TrunkDown, AlertKind::Flapping];

impl Watch {
    /// Takes a new configuration. Alerts of rules and of trunks that are gone are cleared; rules and trunks that are new or were
    /// changed are looked at.
    pub fn configure(&mut self, config: &Arc<Config>, now: Time) {
        let before = std::mem::replace(&mut self.config, config.clone());
        self.trunks.retain(|id, _| config.trunks.contains_key(id));
        let stale = |(rule, subject): &(AlertRuleId, Subject)| {
            let (was, is) = (before.alert_rules.get(rule), config.alert_rules.get(rule));
            !is.is_some_and(|is| {
                is.enabled && covers(config, is, *subject) && was.is_some_and(|w| w.kind == is.kind)
            })
        };
        let gone: Vec<_> = self.stages.keys().filter(|key| stale(key)).copied().collect();
        for key in gone {
            self.end(key);
        }
        for rule in config.alert_rules.values() {
            let same_rule = before.alert_rules.get(&rule.id).is_some_and(|was| was == rule);
            for subject in subjects(config, rule) {
                let same_subject =
                    subject.is_none_or(|id| match (before.trunks.get(&id), config.trunks.get(&id)) {
                        (Some(was), Some(is)) => Arc::ptr_eq(was, is),
                        _ => false,
                    });
                if !same_rule || !same_subject {
                    self.look(rule, subject, now);
                }
            }
        }
    }

    /// Something happened.
    pub fn event(&mut self, event: &Event, now: Time) {
        match event {
            Event::TrunkState { trunk_id, new, .. } => self.trunk_state(*trunk_id, *new, now),
            Event::AuthFailed { .. } => {
                *self.auth_failures.at(now) += 1;
                self.look_at(None, &[AlertKind::AuthFailures], now);
            }
            Event::RegistrationRejected { .. } => {
                *self.rejected.at(now) += 1;
                self.look_at(None, &[AlertKind::UnauthorisedRegistration], now);
            }
            _ => {}
        }
    }

    fn trunk_state(&mut self, id: TrunkId, state: TrunkState, now: Time) {
        if !self.config.trunks.contains_key(&id) {
            return;
        }
        let watched = self.trunks.entry(id).or_default();
        watched.state = Some(state);
        if let Some(up) = is_up(state) {
            if watched.up.is_some_and(|was| was != up) {
                *watched.turns.at(now) += 1;
            }
            watched.up = Some(up);
        }
        self.look_at(Some(id), &OF_STATE, now);
    }

    /// A call ended.
    pub fn call(&mut self, sample: &Sample, now: Time) {
        let mut touched = BTreeSet::new();
        for tried in &sample.tries {
            if let Some(watched) = self.watched(tried.trunk) {
                watched.tally.count(now, |counts| counts.count_try(tried));
                touched.insert(tried.trunk);
            }
        }
        for (trunk, media) in sample.media.iter().flatten() {
            if let Some(watched) = self.watched(*trunk) {
                watched.tally.count(now, |counts| counts.count_media(media));
                touched.insert(*trunk);
            }
        }
        for trunk in touched {
            self.look_at(Some(trunk), &OF_CALLS, now);
        }
    }

    fn watched(&mut self, id: TrunkId) -> Option<&mut Watched> {
        self.config.trunks.contains_key(&id).then(|| self.trunks.entry(id).or_default())
    }

    /// How many calls each trunk carries; those that are not named carry none.
    pub fn calls(&mut self, calls: &BTreeMap<TrunkId, u32>, now: Time) {
        let mut changed = Vec::new();
        for (id, count) in calls {
            if let Some(watched) = self.watched(*id)
                && watched.calls != *count
            {
                watched.calls = *count;
                changed.push(*id);
            }
        }
        for (id, watched) in &mut self.trunks {
            if watched.calls > 0 && !calls.contains_key(id) {
                watched.calls = 0;
                changed.push(*id);
            }
        }
        for id in changed {
            self.look_at(Some(id), &[AlertKind::Capacity], now);
        }
    }

    /// What each tenant with a limit has spent today, percent of it.
    pub fn spent(&mut self, spent: BTreeMap<TenantId, f64>, now: Time) {
        if self.spent != spent {
            self.spent = spent;
            self.look_at(None, &[AlertKind::Spend], now);
        }
    }

    /// Whether [`Watch::calls`] and [`Watch::spent`] are of use.
    pub fn wants_usage(&self) -> bool {
        let of_usage = |kind| matches!(kind, AlertKind::Capacity | AlertKind::Spend);
        self.config.alert_rules.values().any(|rule| rule.enabled && of_usage(rule.kind))
    }

    /// The server's certificate expires then.
    pub fn certificate(&mut self, expires: Time, now: Time) {
        self.expires = Some(expires);
        self.look_at(None, &[AlertKind::CertExpiring], now);
    }

    /// What there is to tell: alerts raised and cleared.
    pub fn poll_output(&mut self) -> Option<Event> {
        self.outputs.pop_front()
    }

    /// When [`Watch::handle_timeout`] is due.
    pub fn poll_timeout(&mut self) -> Option<Time> {
        self.timers.due()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((_, (rule, subject))) = self.timers.pop(now) {
            if let Some(rule) = self.config.alert_rules.get(&rule).cloned() {
                self.look(&rule, subject, now);
            }
        }
    }

    /// Alerts that stand, oldest rule first.
    pub fn alerts(&self) -> Vec<Alert> {
        let standing = |stage: &Stage| match stage {
            Stage::Pending(_) => None,
            Stage::Raised(alert) | Stage::Clearing(alert, _) => Some(alert.clone()),
        };
        self.stages.values().filter_map(standing).collect()
    }

    /// How well calls go over a trunk.
    pub fn quality(&self, id: TrunkId, now: Time) -> TrunkQuality {
        self.trunks.get(&id).map(|watched| watched.tally.shown(now)).unwrap_or_default()
    }

    /// The same of every trunk that had any.
    pub fn qualities(&self, now: Time) -> BTreeMap<TrunkId, TrunkQuality> {
        self.trunks.iter().map(|(id, watched)| (*id, watched.tally.shown(now))).collect()
    }

    fn look_at(&mut self, subject: Subject, kinds: &[AlertKind], now: Time) {
        let config = self.config.clone();
        for rule in config.alert_rules.values().filter(|rule| kinds.contains(&rule.kind)) {
            if covers(&config, rule, subject) {
                self.look(rule, subject, now);
            }
        }
    }

    /// What a rule finds, and what follows.
    fn look(&mut self, rule: &AlertRule, subject: Subject, now: Time) {
        if !rule.enabled {
            return;
        }
        let key = (rule.id, subject);
        let found = find(self, rule, subject, now);
        let (lasts, rests) = (seconds(rule.for_s), seconds(rule.clear_for_s));
        let stage = match self.stages.remove(&key) {
            None if found.bad => Some(Stage::Pending(now)),
            Some(Stage::Pending(since)) if found.bad => Some(Stage::Pending(since)),
            None | Some(Stage::Pending(_)) => None,
            Some(Stage::Raised(alert)) if found.well => Some(Stage::Clearing(alert, now)),
            Some(Stage::Clearing(alert, since)) if found.well => Some(Stage::Clearing(alert, since)),
            Some(Stage::Raised(alert) | Stage::Clearing(alert, _)) => Some(Stage::Raised(alert)),
        };
        let stage = match stage {
            Some(Stage::Pending(since)) if since + lasts <= now => {
                let alert = alert_of(rule, subject, &found, now);
                self.outputs.push_back(Event::AlertRaised { alert: alert.clone() });
                Some(Stage::Raised(alert))
            }
            Some(Stage::Clearing(alert, since)) if since + rests <= now => {
                self.outputs.push_back(Event::AlertCleared { alert });
                None
            }
            stage => stage,
        };
        let due = match &stage {
            Some(Stage::Pending(since)) => Some(*since + lasts),
            Some(Stage::Clearing(_, since)) => Some(*since + rests),
            Some(Stage::Raised(_)) | None => None,
        };
        let by_time = match rule.kind {
            AlertKind::CertExpiring => Some(now + CERTIFICATE),
            kind if is_of_window(kind) && stage.is_some() => Some(next_minute(now)),
            _ => None,
        };
        match due.into_iter().chain(by_time).min() {
            Some(due) => self.timers.set(key, due),
            None => self.timers.cancel(key),
        }
        if let Some(stage) = stage {
            self.stages.insert(key, stage);
        }
    }

    /// The rule or the trunk is gone.
    fn end(&mut self, key: (AlertRuleId, Subject)) {
        self.timers.cancel(key);
        if let Some(Stage::Raised(alert) | Stage::Clearing(alert, _)) = self.stages.remove(&key) {
            self.outputs.push_back(Event::AlertCleared { alert });
        }
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn alert_of(rule: &AlertRule, trunk_id: Subject, found: &Found, now: Time) -> Alert {
    Alert {
        rule_id: rule.id,
        name: rule.name.clone(),
        kind: rule.kind,
        tenant_id: rule.tenant_id,
        trunk_id,
        value: found.value,
        threshold: rule.threshold,
        raised_at: now.as_millis(),
        message: found.words(),
    }
}

/// Whether what is found changes as time passes.
fn is_of_window(kind: AlertKind) -> bool {
    OF_CALLS.contains(&kind)
        || matches!(kind, AlertKind::Flapping | AlertKind::AuthFailures | AlertKind::UnauthorisedRegistration)
}

/// Whether calls can be sent to a trunk in this state; none where that is not decided yet, or nobody wants them to be.
pub(crate) fn is_up(state: TrunkState) -> Option<bool> {
    match state {
        TrunkState::Registered | TrunkState::Reachable | TrunkState::Static | TrunkState::Degraded => {
            Some(true)
        }
        TrunkState::Unreachable
        | TrunkState::AuthFailed
        | TrunkState::Rejected
        | TrunkState::Unregistered => Some(false),
        TrunkState::Registering | TrunkState::Disabled => None,
    }
}

/// Whether a rule looks at this.
fn covers(config: &Config, rule: &AlertRule, subject: Subject) -> bool {
    match subject {
        None => !rule.kind.is_of_trunks(),
        Some(id) => {
            let trunk = config.trunks.get(&id).filter(|_| rule.kind.is_of_trunks());
            trunk.is_some_and(|trunk| match rule.trunk_id {
                Some(only) => only == id,
                None => rule.tenant_id.is_none() || rule.tenant_id == trunk.tenant_id,
            })
        }
    }
}

/// Everything that a rule looks at.
fn subjects(config: &Config, rule: &AlertRule) -> Vec<Subject> {
    let all = match rule.trunk_id {
        _ if !rule.kind.is_of_trunks() => return vec![None],
        Some(id) => return vec![Some(id)].into_iter().filter(|s| covers(config, rule, *s)).collect(),
        None => config.trunks.keys(),
    };
    all.map(|id| Some(*id)).filter(|subject| covers(config, rule, *subject)).collect()
}
