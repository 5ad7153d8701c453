//! A number, a configuration and how things stand to an ordered plan, with a reason for every rule and trunk kept or skipped.

mod attested;
mod caller_id;
mod collect;
mod dialled;
mod failover;
mod forward;
mod inbound;
mod leaving;
mod nearest;
mod outbound;
mod trail;

use std::sync::Arc;
use std::time::Duration;
use tandem_model::{Charge, Extension, Forwarded, Money, RouteId, Tenant, TenantId, Trunk, TrunkId};

pub use attested::Attested;
pub use failover::{Failed, Onward, fails_over};
pub use forward::{Diversion, Forwards, every};
pub use inbound::from_trunk;
pub use outbound::{from_extension, from_guest};
pub use trail::{Line, Trail};

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

/// What a tenant has spent of a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// On calls over trunks with a price for the number.
    pub cost: Money,
    /// Talk time with other countries than the tenant's own.
    pub abroad: Duration,
}

impl Spent {
    /// Both together.
    pub fn and(self, other: Spent) -> Spent {
        Spent { cost: self.cost.plus(other.cost), abroad: self.abroad + other.abroad }
    }
}

/// How routing asks how things stand.
pub trait Conditions {
    /// The trunk's availability now, for calls of this tenant or of the system.
    fn availability(&self, trunk: TrunkId, tenant: Option<TenantId>) -> Availability;

    /// Whether some of what was sent to the trunk lately was not answered, though it is up.
    fn is_impaired(&self, trunk: TrunkId) -> bool;

    /// What the tenant has spent today so far, calls under way included.
    fn spent(&self, tenant: &Tenant) -> Spent;
}

/// When a call is routed, and with which luck: the same of both gives the same plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// Milliseconds since the Unix epoch.
    pub millis: u64,
    /// For strategies that leave the order to chance.
    pub random: u64,
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
    /// It is a trunk of the system that the tenant may not call out over.
    NotAssigned,
    /// The tenant owns no caller number to show over it.
    NoCallerId,
    /// It takes no emergency calls (`emergency_ok`).
    NoEmergency,
    /// The tenant may not call the number that would be sent there.
    Forbidden,
    /// It has no price for the number, or one above what the route allows.
    TooDear,
}

impl Verdict {
    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Kept => "will be tried",
            Verdict::Hopeful => "is down, and tried because every other is down too",
            Verdict::StepDisabled => "is not used: its step is switched off",
            Verdict::TrunkDisabled => "is switched off",
            Verdict::Down => "is down while others are up",
            Verdict::Full => "carries as many calls as it may",
            Verdict::Duplicate => "is not tried twice: an earlier step sends it the same number",
            Verdict::NotAssigned => "is not assigned to the tenant for outgoing calls",
            Verdict::NoCallerId => "is not used: the tenant owns no caller number to show over it",
            Verdict::NoEmergency => "is for no emergency calls",
            Verdict::Forbidden => "is not used: the tenant may not call this number",
            Verdict::TooDear => {
                "is not used: it has no price for the number within the route's max_per_minute"
            }
        }
    }
}

/// The reason for one trunk of one matching route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// The route; [`RouteId::NIL`] where a number or an inbound route names the trunk.
    pub route_id: RouteId,
    /// Its step, from 1; 0 where no route chose the trunk.
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
    /// The route that chose it; [`RouteId::NIL`] where none did.
    pub route_id: RouteId,
    /// The step of that route, from 1; 0 where no route chose it.
    pub step: u32,
    /// The number to send.
    pub number: String,
    /// How long it may take to ring, and again to answer, seconds.
    pub timeout: u32,
    /// How long the call may last once it was answered, minutes; 0: no limit of the route.
    pub max_minutes: u32,
    /// The caller number to show; none: what the caller brings along.
    pub caller_id: Option<String>,
    /// What is signed of the call, where the trunk wants it signed.
    pub attested: Option<Box<Attested>>,
    /// After which failures the next round is begun.
    pub onward: Onward,
    /// The country called, where it is known.
    pub country: Option<&'static str>,
    /// What it will be charged by, where the trunk has a price for the number.
    pub charge: Option<Charge>,
    /// The tenant whose call it is; none: the system's.
    pub tenant: Option<TenantId>,
    /// It is a call for help, which no limit keeps back.
    pub emergency: bool,
    /// The number that is shown takes no fax: a change to it is refused.
    pub no_fax: bool,
    /// The extensions that the call was for before, the first one first.
    pub diverted: Vec<Diversion>,
}

impl PlannedStep {
    /// The route that chose it and its step, from 1; none where no route did.
    pub fn route(&self) -> Option<(RouteId, u32)> {
        (self.route_id != RouteId::NIL).then_some((self.route_id, self.step))
    }

    /// How long its route lets the call last once it was answered. A call for help lasts as long as it takes.
    pub fn longest(&self) -> Option<Duration> {
        (self.max_minutes != 0 && !self.emergency)
            .then(|| Duration::from_secs(60 * u64::from(self.max_minutes)))
    }
}

/// One round of a call: attempts that ring together. The next begins when this one failed, as far as [`Onward`] allows it.
#[derive(Clone, PartialEq, Debug)]
pub enum Round {
    /// All devices of an extension.
    Extension {
        /// The extension, as configured when the call began.
        extension: Arc<Extension>,
        /// How long it rings, seconds.
        ring_timeout: u32,
        /// After which failures the next round is begun.
        onward: Onward,
        /// Where the call goes on to before that.
        forwards: Forwards,
        /// The extensions that the call was for before, the first one first.
        diverted: Vec<Diversion>,
    },
    /// One trunk.
    Trunk(PlannedStep),
    /// The call ends here with this status.
    Refuse {
        /// The status.
        code: u16,
    },
}

impl Round {
    /// The extension that forwarded the call here, where one did.
    pub fn forwarded(&self) -> Option<Forwarded> {
        let diverted = match self {
            Round::Extension { diverted, .. } => diverted,
            Round::Trunk(step) => &step.diverted,
            Round::Refuse { .. } => return None,
        };
        diverted.last().map(|diversion| diversion.by)
    }

    /// Has the call go on after this one when nobody answers or is there.
    pub fn go_on_unanswered(&mut self) {
        match self {
            Round::Extension { onward, .. } | Round::Trunk(PlannedStep { onward, .. }) => {
                *onward = Onward::NoAnswer
            }
            Round::Refuse { .. } => {}
        }
    }
}

/// Where a call goes.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Destination {
    /// The tenant whose call it is; none: the system's.
    pub tenant: Option<TenantId>,
    /// What to try, in order; at least one.
    pub rounds: Vec<Round>,
    /// A reason for every trunk that was looked at.
    pub reasons: Vec<Reason>,
    /// A number of ours was called that takes no fax: a change to it is refused.
    pub no_fax: bool,
}

impl Destination {
    /// Whether it is a call for help.
    pub fn is_emergency(&self) -> bool {
        self.rounds.iter().any(|round| matches!(round, Round::Trunk(step) if step.emergency))
    }
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
    Unavailable(Vec<Reason>),
    /// The tenant may not make this call.
    Forbidden {
        /// Stable code in upper snake case.
        reason: &'static str,
        /// In words.
        why: String,
    },
}

/// A step of splitmix64: the next number of a sequence.
pub(crate) fn shuffle(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
