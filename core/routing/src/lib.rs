//! A number, a configuration and the health of trunks to an ordered plan, with a reason for every trunk kept or skipped.

mod collect;
mod destination;
mod failover;
mod nearest;

use std::sync::Arc;
use tandem_model::{Extension, RouteId, Trunk, TrunkId};

pub use destination::{from_extension, from_trunk};
pub use failover::{Failed, fails_over};

/// What can be said of a trunk at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Availability {
    /// Calls may be sent.
    Up,
    /// It does not answer, is not registered, or refuses us.
    Down,
    /// It carries as many calls as it may.
    Full,
}

/// How routing asks for the health of trunks.
pub trait TrunkHealth {
    /// The trunk's availability now.
    fn availability(&self, trunk: TrunkId) -> Availability;
}

/// Why a trunk is in a plan or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It will be tried.
    Kept,
    /// It is down and will be tried only because every other is down too ("hopeful try").
    Hopeful,
    /// Its step is switched off.
    StepDisabled,
    /// The trunk is switched off.
    TrunkDisabled,
    /// It is down while others are up.
    Down,
    /// It is at its limit.
    Full,
    /// An earlier step of the plan sends the same number to the same trunk.
    Duplicate,
}

/// The reason for one trunk of one matching route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// The route; [`RouteId::NIL`] where a number names the trunk.
    pub route_id: RouteId,
    /// Its step, from 1; 0 where a number names the trunk.
    pub step: u32,
    /// The trunk.
    pub trunk_id: TrunkId,
    /// What became of it.
    pub verdict: Verdict,
}

/// One trunk to try.
#[derive(Clone, PartialEq, Debug)]
pub struct PlannedStep {
    /// The trunk, as configured when the call began.
    pub trunk: Arc<Trunk>,
    /// The route that chose it; [`RouteId::NIL`] where a number did.
    pub route_id: RouteId,
    /// The step of that route, from 1; 0 where a number chose it.
    pub step: u32,
    /// The number to send.
    pub number: String,
    /// How long it may take to ring, and again to answer, seconds.
    pub timeout: u32,
}

impl PlannedStep {
    /// The route that chose it and its step, from 1; none where a number did.
    pub fn route(&self) -> Option<(RouteId, u32)> {
        (self.route_id != RouteId::NIL).then_some((self.route_id, self.step))
    }
}

/// Trunks to try in order, and why these.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// What to try, in order.
    pub steps: Vec<PlannedStep>,
    /// A reason for every trunk of every route that matched.
    pub reasons: Vec<Reason>,
}

/// Where a call goes.
#[derive(Clone, PartialEq, Debug)]
pub enum Destination {
    /// It rings an extension.
    Extension(Arc<Extension>),
    /// It goes out over these trunks; there is at least one.
    Trunks(Plan),
}

/// Why a call goes nowhere.
#[derive(Clone, PartialEq, Debug)]
pub enum NoDestination {
    /// No number, extension or route takes it. The nearest configured number, if one is near, with how it differs.
    Unmatched {
        /// For the event and the log, as `+15551234567 (differs only by the leading 1)`.
        nearest: Option<String>,
    },
    /// What takes it is switched off.
    Disabled,
    /// Routes match, or a number, but every trunk of theirs is disabled or full.
    Unavailable(Plan),
}
