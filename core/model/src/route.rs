//! An outbound route: which numbers it takes, and the trunks it tries for them.

use crate::{Did, Money, Pattern, RouteId, ScheduleId, TenantId, TrunkId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An outbound route as configured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Assigned when created.
    pub id: RouteId,
    /// The tenant whose calls it takes; empty: those of the system, and those of tenants after their own routes.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// A label.
    pub name: String,
    /// Lower is tried first; equal ones by how specific their pattern is, then by age.
    #[serde(default = "priority")]
    pub priority: u32,
    /// A disabled route matches nothing.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Which numbers it takes, and whose calls.
    #[serde(default, rename = "match")]
    pub matches: RouteMatch,
    /// Emergency numbers: comes before all others, and no schedule, blocklist or suspended tenant is in its way.
    #[serde(default)]
    pub emergency: bool,
    /// Takes calls only within the hours of this schedule; empty: always.
    #[serde(default)]
    pub schedule_id: Option<ScheduleId>,
    /// How long a call over it may last once it was answered, minutes, up to 10,080; 0: as long as the server lets calls last. Emergency
    /// routes have no such limit.
    #[serde(default)]
    pub max_minutes: u32,
    /// In which order the steps are tried.
    #[serde(default)]
    pub strategy: Strategy,
    /// Only `none` so far: nobody is asked for an authorization code.
    #[serde(default)]
    pub pin_class: PinClass,
    /// The trunks to try, 1 to 6. A `provider_id` given instead becomes the only step.
    pub steps: Vec<Step>,
    /// The most that a minute may cost: trunks that are dearer for the number, or have no price, are not tried. Empty: no limit.
    /// Emergency calls may cost what they will.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = r"^[0-9]{1,9}([.][0-9]{1,6})?$")]
    pub max_per_minute: Option<Money>,
    /// What happens when every step failed. When absent on creation: `next_rule` for a route given by `provider_id`, else `stop`.
    pub on_exhausted: OnExhausted,
}

/// The class of authorization codes that a caller is asked for one of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PinClass {
    /// Nobody is asked.
    #[default]
    None,
}

/// What a route asks of a call. Nothing asked: it takes every call.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteMatch {
    /// Dial patterns, any of which may match: `X` 0-9, `N` 2-9, `Z` 1-9, `[123]` or `[1-3]` a set, `.` one or more of anything at
    /// the end, everything else literal. A number matches as it was dialled, without its `+`, or with its country code.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub patterns: Vec<Pattern>,
    /// Beginnings, any of which may match, as `00` or `+49`.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// How many characters the dialled number has, one of these.
    #[serde(default)]
    pub lengths: Vec<u32>,
    /// Extensions that may use it, by number or range, as `100` and `100-120`; none: all.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub extensions: Vec<Did>,
    /// Groups whose extensions may use it, one of these; none: all.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The country that is called, ISO 3166-1 alpha-2, one of these; none: every number.
    #[serde(default)]
    pub countries: Vec<String>,
}

/// In which order the steps of a route are tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// As they stand.
    #[default]
    Prioritized,
    /// In a new random order for each call.
    Random,
    /// Randomly, the weight of a step in proportion.
    Weighted,
    /// What costs least for the number first, by the trunks' rate tables; what has no price last.
    LeastCost,
    /// Trunks that answer well first, those that have just failed last.
    Health,
}

/// One trunk that a route tries.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The trunk.
    #[serde(alias = "provider_id", alias = "trunk")]
    pub trunk_id: TrunkId,
    /// A disabled step is skipped.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Characters removed from the front of the dialled number, 0 to 30.
    #[serde(default)]
    pub strip: u8,
    /// Put before what is left.
    #[serde(default)]
    pub prepend: String,
    /// Put behind what is left.
    #[serde(default)]
    pub postfix: String,
    /// The caller number shown over this trunk, where neither the call nor the extension has one.
    #[serde(default)]
    pub caller_id: Option<String>,
    /// How long this trunk may take until the call rings or fails, and again until it is answered, seconds, 2 to 300.
    #[serde(default = "timeout")]
    pub timeout: u32,
    /// After which failures the next step is tried; empty: after all of them.
    #[serde(default)]
    pub failover_on: Option<Vec<FailoverOn>>,
    /// Its share where the strategy is `weighted`, 1 to 1000; empty: the trunk's own weight.
    #[serde(default)]
    pub weight: Option<u32>,
}

/// A kind of failure that the next step may be tried after. An answer, busy, a decline and a caller who gave up never are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub enum FailoverOn {
    /// The trunk could not be reached, or said nothing in time (408 too).
    #[serde(rename = "timeout")]
    Timeout,
    /// It refused our credentials (401, 407).
    #[serde(rename = "auth")]
    Auth,
    /// 403.
    #[serde(rename = "403")]
    Forbidden,
    /// 404.
    #[serde(rename = "404")]
    NotFound,
    /// 5xx.
    #[serde(rename = "5xx")]
    ServerError,
    /// 6xx, but for 600, 603, 607 and 608.
    #[serde(rename = "6xx")]
    GlobalFailure,
    /// 480 and 487 before it rang.
    #[serde(rename = "unavailable")]
    Unavailable,
}

/// What happens when every step of a route failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExhausted {
    /// The caller gets the last failure.
    #[default]
    Stop,
    /// The next matching route is tried.
    NextRule,
}

fn priority() -> u32 {
    100
}
fn yes() -> bool {
    true
}
fn timeout() -> u32 {
    60
}
