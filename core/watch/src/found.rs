//! What a rule finds when it looks.

use crate::Watch;
use crate::watch::{Watched, is_up};
use tandem_model::{AlertKind, AlertRule, TenantId, Trunk, TrunkId, TrunkMode, TrunkState};
use tandem_time::Time;

/// Fewer attempts say nothing.
const ATTEMPTS: u32 = 10;
/// Fewer packets say nothing.
const PACKETS: u64 = 1_000;
const DAY: f64 = 24.0 * 3600.0;

/// What a rule found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// It is as it should not be.
    pub(crate) bad: bool,
    /// It is as it should be.
    pub(crate) well: bool,
    pub(crate) value: Option<f64>,
    kind: Option<AlertKind>,
    /// Of the trunk, or the tenant.
    name: String,
    state: Option<TrunkState>,
}

/// Looks.
pub(crate) fn find(watch: &Watch, rule: &AlertRule, subject: Option<TrunkId>, now: Time) -> Found {
    let trunk = subject.and_then(|id| watch.config.trunks.get(&id));
    let none = Watched::default();
    let watched = subject.and_then(|id| watch.trunks.get(&id)).unwrap_or(&none);
    let mut found = Found {
        kind: Some(rule.kind),
        name: trunk.map(|trunk| trunk.name.clone()).unwrap_or_default(),
        state: watched.state,
        ..Found::default()
    };
    match (rule.kind, trunk) {
        (AlertKind::RegistrationLost, Some(trunk)) => found.judge_if(is_lost(trunk, watched.state)),
        (AlertKind::TrunkDown, Some(trunk)) => {
            found.judge_if(trunk.enabled && watched.state.and_then(is_up) == Some(false));
        }
        _ => {
            if rule.kind == AlertKind::Spend {
                let dearest = dearest(watch, rule).and_then(|(id, _)| watch.config.tenants.get(id));
                found.name = dearest.map(|tenant| tenant.name.clone()).unwrap_or_default();
            }
            let value = measure(watch, rule, trunk.map(AsRef::as_ref), watched, now);
            found.judge(value, rule);
        }
    }
    found
}

/// A trunk that should be registered, at its provider or here, is not.
fn is_lost(trunk: &Trunk, state: Option<TrunkState>) -> bool {
    let registers = matches!(trunk.mode, TrunkMode::RegisterOut | TrunkMode::RegisterIn) && trunk.enabled;
    let held = |state| matches!(state, TrunkState::Registered | TrunkState::Degraded | TrunkState::Disabled);
    registers && state.is_some_and(|state| !held(state))
}

fn measure(
    watch: &Watch,
    rule: &AlertRule,
    trunk: Option<&Trunk>,
    watched: &Watched,
    now: Time,
) -> Option<f64> {
    let counts = || watched.tally.of_last(rule.window_s, now);
    let enough = || Some(counts()).filter(|counts| counts.attempts >= ATTEMPTS);
    let sum = |slots: &crate::slots::Slots<u32>| f64::from(slots.of_last(rule.window_s, now).sum::<u32>());
    match rule.kind {
        AlertKind::RegistrationLost | AlertKind::TrunkDown => None,
        AlertKind::Flapping => Some(sum(&watched.turns)),
        AlertKind::AsrLow => enough()?.asr(),
        AlertKind::PddHigh => enough()?.pdd_ms(),
        AlertKind::FailoverRate => enough()?.failover_rate(),
        AlertKind::LossHigh => Some(counts()).filter(|counts| counts.packets() >= PACKETS)?.loss(),
        AlertKind::Capacity => {
            let most = trunk?.max_calls;
            (most > 0).then(|| f64::from(watched.calls) * 100.0 / f64::from(most))
        }
        AlertKind::Spend => dearest(watch, rule).map(|(_, percent)| *percent),
        AlertKind::AuthFailures => Some(sum(&watch.auth_failures)),
        AlertKind::UnauthorisedRegistration => Some(sum(&watch.rejected)),
        AlertKind::CertExpiring => {
            let left = watch.expires?.as_secs() as f64 - now.as_secs() as f64;
            Some((left / DAY).max(0.0))
        }
    }
}

/// The tenant that has spent the largest part of what it may, of those that the rule looks at.
fn dearest<'a>(watch: &'a Watch, rule: &AlertRule) -> Option<(&'a TenantId, &'a f64)> {
    let looked_at = watch.spent.iter().filter(|(id, _)| rule.tenant_id.is_none_or(|only| only == **id));
    looked_at.max_by(|(_, one), (_, other)| one.total_cmp(other))
}

impl Found {
    fn judge_if(&mut self, bad: bool) {
        self.bad = bad;
        self.well = !bad;
    }

    /// Without anything measured there is nothing to complain of.
    fn judge(&mut self, value: Option<f64>, rule: &AlertRule) {
        self.value = value;
        let (Some(value), Some(threshold)) = (value, rule.threshold) else { return self.judge_if(false) };
        let clear = rule.clear_threshold.unwrap_or(threshold);
        if rule.kind.is_low() {
            self.bad = value < threshold;
            self.well = !self.bad && value >= clear;
        } else {
            self.bad = value >= threshold;
            self.well = !self.bad && value <= clear;
        }
    }

    /// In words.
    pub(crate) fn words(&self) -> String {
        let (name, value) = (&self.name, self.value.unwrap_or_default());
        let state = self.state.map(words_of).unwrap_or_default();
        match self.kind {
            Some(AlertKind::RegistrationLost) => format!("trunk `{name}` is not registered: {state}"),
            Some(AlertKind::TrunkDown) => format!("trunk `{name}` takes no calls: {state}"),
            Some(AlertKind::Flapping) => format!("trunk `{name}` came up or went down {value} times"),
            Some(AlertKind::AsrLow) => {
                format!("only {value:.0} % of the calls to trunk `{name}` were answered")
            }
            Some(AlertKind::PddHigh) => {
                format!("calls to trunk `{name}` took {value:.0} ms on average until it rang")
            }
            Some(AlertKind::LossHigh) => format!("{value:.1} % of the media from trunk `{name}` was lost"),
            Some(AlertKind::Capacity) => {
                format!("trunk `{name}` carries {value:.0} % of the calls that it may")
            }
            Some(AlertKind::FailoverRate) => {
                format!("after {value:.0} % of the attempts on trunk `{name}` another was tried")
            }
            Some(AlertKind::Spend) => {
                format!("tenant `{name}` has spent {value:.0} % of what it may today")
            }
            Some(AlertKind::AuthFailures) => format!("{value} times wrong credentials were shown"),
            Some(AlertKind::UnauthorisedRegistration) => format!("{value} registrations were refused"),
            Some(AlertKind::CertExpiring) => format!("the server's certificate expires in {value:.1} days"),
            None => String::new(),
        }
    }
}

fn words_of(state: TrunkState) -> &'static str {
    match state {
        TrunkState::Registered => "registered",
        TrunkState::Reachable => "reachable",
        TrunkState::Static => "static",
        TrunkState::Registering => "registering",
        TrunkState::Degraded => "degraded",
        TrunkState::Unreachable => "unreachable",
        TrunkState::AuthFailed => "its credentials are refused",
        TrunkState::Rejected => "it refuses us",
        TrunkState::Unregistered => "the other side has not registered",
        TrunkState::Disabled => "switched off",
    }
}
