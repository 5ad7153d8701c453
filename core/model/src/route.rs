//! An outbound route: which numbers it takes, and the trunks it tries for them.

use crate::{Pattern, RouteId, TrunkId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An outbound route as configured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Assigned when created.
    pub id: RouteId,
    /// A label.
    pub name: String,
    /// Lower is tried first; equal ones by how specific their pattern is, then by age.
    #[serde(default = "priority")]
    pub priority: u32,
    /// A disabled route matches nothing.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Which numbers it takes.
    #[serde(default, rename = "match")]
    pub matches: RouteMatch,
    /// The trunks to try, in order, 1 to 6. A `provider_id` given instead becomes the only step.
    pub steps: Vec<Step>,
    /// What happens when every step failed. When absent on creation: `next_rule` for a route given by `provider_id`, else `stop`.
    pub on_exhausted: OnExhausted,
}

/// What a route asks of the dialled number. Nothing asked: it takes every number.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteMatch {
    /// Dial patterns, any of which may match: `X` 0-9, `N` 2-9, `Z` 1-9, `[123]` or `[1-3]` a set, `.` one or more of anything at
    /// the end, everything else literal.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub patterns: Vec<Pattern>,
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
    /// How long this trunk may take until the call rings or fails, and again until it is answered, seconds, 2 to 300.
    #[serde(default = "timeout")]
    pub timeout: u32,
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
