//! When somebody is to be alarmed, and what stands now.

use crate::{AlertRuleId, TenantId, TrunkId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A rule that raises alerts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// Assigned when created.
    pub id: AlertRuleId,
    /// The tenant whose trunks it looks at; empty: all, and the server.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// A label.
    pub name: String,
    /// What it looks at.
    pub kind: AlertKind,
    /// The only trunk that it looks at; empty: each one by itself.
    #[serde(default)]
    pub trunk_id: Option<TrunkId>,
    /// From where on it is too much, or too little. Its unit and its default are the kind's; empty where the kind has none.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// From where on it is well again: not on the wrong side of `threshold`. Its default is the kind's.
    #[serde(default)]
    pub clear_threshold: Option<f64>,
    /// Seconds that it must last before the alert is raised, 0 to 86400. Its default is the kind's.
    pub for_s: u32,
    /// Seconds that it must be well before the alert is cleared, 0 to 86400.
    #[serde(default = "clear_for")]
    pub clear_for_s: u32,
    /// What is counted or averaged is that of so many seconds, to the minute, 60 to 900.
    #[serde(default = "window")]
    pub window_s: u32,
    /// A disabled rule raises nothing, and what it has raised is cleared.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn clear_for() -> u32 {
    60
}
fn window() -> u32 {
    900
}
fn yes() -> bool {
    true
}

/// Makes the kinds of alerts: of each its variant, its name in files and in the API, and its meaning in words.
macro_rules! kinds {
    ($(#[doc = $words:literal] $kind:ident = $key:literal;)*) => {
        /// What a rule looks at.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum AlertKind { $(#[doc = $words] $kind,)* }

        impl AlertKind {
            /// Every kind.
            pub const ALL: &[AlertKind] = &[$(AlertKind::$kind,)*];

            /// As files and the API write it.
            pub fn key(self) -> &'static str {
                match self { $(AlertKind::$kind => $key,)* }
            }

            /// What it means, in words.
            pub fn words(self) -> &'static str {
                match self { $(AlertKind::$kind => $words.trim_ascii(),)* }
            }
        }
    };
}

kinds! {
    /// A trunk that should be registered, at its provider or here, is not.
    RegistrationLost = "registration_lost";
    /// Calls cannot be sent to a trunk.
    TrunkDown = "trunk_down";
    /// How often a trunk came up or went down.
    Flapping = "flapping";
    /// Answered of attempted calls to a trunk, percent.
    AsrLow = "asr_low";
    /// Post-dial delay of calls to a trunk, milliseconds on average.
    PddHigh = "pdd_high";
    /// Media packets lost on the way from a trunk, percent.
    LossHigh = "loss_high";
    /// Calls on a trunk, percent of its `max_calls`.
    Capacity = "capacity";
    /// Attempts on a trunk after which the next one was tried, percent.
    FailoverRate = "failover_rate";
    /// What a tenant has spent today, percent of its `max_daily_cost`; for a rule of the system, the largest of all tenants.
    Spend = "spend";
    /// Wrong credentials that the server was shown.
    AuthFailures = "auth_failures";
    /// Days until the server's certificate expires.
    CertExpiring = "cert_expiring";
    /// Registrations that were refused.
    UnauthorisedRegistration = "unauthorised_registration";
}

/// What a kind has by default: threshold and where it is well again, and how long it must last.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AlertDefaults {
    /// `threshold` and `clear_threshold`; none where it is so or not.
    pub thresholds: Option<(f64, f64)>,
    /// `for_s`.
    pub for_s: u32,
}

impl AlertKind {
    /// What it has by default.
    pub fn defaults(self) -> AlertDefaults {
        let (thresholds, for_s) = match self {
            AlertKind::RegistrationLost => (None, 60),
            AlertKind::TrunkDown => (None, 30),
            AlertKind::Flapping => (Some((6.0, 2.0)), 0),
            AlertKind::AsrLow => (Some((40.0, 50.0)), 60),
            AlertKind::PddHigh => (Some((5000.0, 4000.0)), 60),
            AlertKind::LossHigh => (Some((3.0, 2.0)), 60),
            AlertKind::Capacity => (Some((80.0, 70.0)), 10),
            AlertKind::FailoverRate => (Some((20.0, 10.0)), 60),
            AlertKind::Spend => (Some((80.0, 70.0)), 0),
            AlertKind::AuthFailures => (Some((50.0, 10.0)), 0),
            AlertKind::CertExpiring => (Some((14.0, 15.0)), 0),
            AlertKind::UnauthorisedRegistration => (Some((10.0, 2.0)), 0),
        };
        AlertDefaults { thresholds, for_s }
    }

    /// The largest threshold that makes sense.
    pub fn most(self) -> f64 {
        match self {
            AlertKind::AsrLow
            | AlertKind::LossHigh
            | AlertKind::Capacity
            | AlertKind::FailoverRate
            | AlertKind::Spend => 100.0,
            AlertKind::PddHigh => 300_000.0,
            AlertKind::CertExpiring => 3650.0,
            _ => 1_000_000.0,
        }
    }

    /// Whether little of it is what is bad.
    pub fn is_low(self) -> bool {
        matches!(self, AlertKind::AsrLow | AlertKind::CertExpiring)
    }

    /// Whether it is about each trunk, and not about a tenant or the server as a whole.
    pub fn is_of_trunks(self) -> bool {
        !self.is_of_server() && self != AlertKind::Spend
    }

    /// Whether it is about the server as a whole.
    pub fn is_of_server(self) -> bool {
        matches!(
            self,
            AlertKind::AuthFailures | AlertKind::CertExpiring | AlertKind::UnauthorisedRegistration
        )
    }
}

/// An alert that stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// The rule that raised it.
    pub rule_id: AlertRuleId,
    /// The rule's name.
    pub name: String,
    /// What the rule looks at.
    pub kind: AlertKind,
    /// The tenant whose rule it is; null: the system's.
    pub tenant_id: Option<TenantId>,
    /// The trunk; null where it is about the server.
    pub trunk_id: Option<TrunkId>,
    /// What was found when it was raised, in the unit of the kind.
    pub value: Option<f64>,
    /// The rule's threshold.
    pub threshold: Option<f64>,
    /// Since when, milliseconds since the Unix epoch.
    pub raised_at: u64,
    /// In words.
    pub message: String,
}
