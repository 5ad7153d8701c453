//! What happened, for logs, metrics, the event stream, webhooks and alerts. No event holds a secret.

use crate::{
    Alert, BindingOwner, CallId, Cause, Direction, ExtensionId, Forwarded, RouteId, TenantId, TransferKind,
};
use crate::{TrunkId, TrunkState};
use serde::Serialize;
use std::net::SocketAddr;
use utoipa::ToSchema;

/// Makes the events: of each its variant and its type, dotted as clients see it.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $type:tt { $($fields:tt)* })*) => {
        /// Something that happened.
        #[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
        #[serde(tag = "type", content = "data")]
        pub enum Event { $($(#[$doc])* #[serde(rename = $type)] $variant { $($fields)* },)* }

        impl Event {
            /// Every type that there is.
            pub const TYPES: &[&str] = &[$($type,)*];

            /// Its type.
            pub fn name(&self) -> &'static str {
                match self { $(Event::$variant { .. } => $type,)* }
            }
        }
    };
}

events! {
    /// A trunk was created.
    TrunkCreated = "trunk.created" {
        /// The trunk.
        trunk_id: TrunkId,
        /// Its name.
        name: String,
        /// Whose it is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A trunk's configuration was changed.
    TrunkUpdated = "trunk.updated" {
        /// The trunk.
        trunk_id: TrunkId,
        /// Its name.
        name: String,
        /// The fields that have another value now; a password by its name only.
        fields: Vec<String>,
        /// Whose it is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A trunk was deleted.
    TrunkDeleted = "trunk.deleted" {
        /// The trunk.
        trunk_id: TrunkId,
        /// Its name.
        name: String,
        /// Whose it was.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A trunk's state changed.
    TrunkState = "trunk.state" {
        /// The trunk.
        trunk_id: TrunkId,
        /// Its name.
        name: String,
        /// Its state before; null when it has just begun.
        old: Option<TrunkState>,
        /// Its state now.
        new: TrunkState,
        /// Why, in plain words.
        reason: String,
        /// The last status code that it answered to REGISTER or OPTIONS.
        code: Option<u16>,
        /// The phrase of the last answer to REGISTER.
        phrase: Option<String>,
        /// Where it is, `udp:192.0.2.1:5060`; null where that is not known.
        address: Option<String>,
        /// When we try again, if we wait, milliseconds since the Unix epoch.
        next_retry_at: Option<u64>,
        /// Whose it is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// What probes with OPTIONS, and calls, show of a trunk changed.
    TrunkHealth = "trunk.health" {
        /// The trunk.
        trunk_id: TrunkId,
        /// Its name.
        name: String,
        /// What they showed before.
        old: Health,
        /// What they show now.
        new: Health,
        /// How many of its addresses were asked.
        targets: u32,
        /// How many of those do not answer.
        targets_down: u32,
        /// Round trip of the last answered OPTIONS, milliseconds.
        rtt_ms: Option<f64>,
        /// The last failure, in words.
        reason: Option<String>,
        /// Whose it is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A device registered or refreshed.
    RegistrationAdded = "registration.added" {
        /// Whose device.
        owner: BindingOwner,
        /// Its Contact URI.
        contact: String,
        /// From where.
        #[schema(value_type = String)]
        source: SocketAddr,
        /// For how long, seconds.
        expires: u32,
        /// Whose the owner is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A device did not refresh its registration.
    RegistrationExpired = "registration.expired" {
        /// Whose device.
        owner: BindingOwner,
        /// Its Contact URI.
        contact: String,
        /// Whose the owner is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A device's registration ended in another way.
    RegistrationRemoved = "registration.removed" {
        /// Whose device.
        owner: BindingOwner,
        /// Its Contact URI.
        contact: String,
        /// `removed` or `replaced`.
        #[schema(value_type = String)]
        why: &'static str,
        /// Whose the owner is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A REGISTER was refused: wrong credentials, or another's address of record, or more than one may.
    RegistrationRejected = "registration.rejected" {
        /// From where.
        #[schema(value_type = String)]
        source: SocketAddr,
        /// The user of the address of record.
        username: String,
        /// Who it proved to be, if anybody.
        owner: Option<BindingOwner>,
        /// The status.
        code: u16,
        /// Its phrase.
        phrase: String,
        /// Whose the owner is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A call over a trunk is for a number that nothing takes.
    InboundUnmatched = "inbound.unmatched" {
        /// The trunk.
        trunk_id: TrunkId,
        /// From where.
        #[schema(value_type = String)]
        source: SocketAddr,
        /// The number, as read from it.
        number: String,
        /// The Request-URI as it came.
        target: String,
        /// To as it came.
        to: String,
        /// The nearest number that is configured, with how it differs.
        nearest: Option<String>,
        /// Whose the trunk is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A call that several trunks may have made was refused.
    InboundAmbiguous = "inbound.ambiguous" {
        /// From where.
        #[schema(value_type = String)]
        source: SocketAddr,
        /// The trunks.
        trunk_ids: Vec<TrunkId>,
        /// The Request-URI as it came.
        target: String,
        /// To as it came.
        to: String,
        /// What to do.
        message: String,
    }
    /// A request was refused: nobody we know, too fast, not allowed, no trunk left.
    RequestRefused = "request.refused" {
        /// From where.
        #[schema(value_type = String)]
        source: SocketAddr,
        /// What it was.
        method: String,
        /// The Request-URI.
        target: String,
        /// The trunk that it came over, if it did.
        trunk_id: Option<TrunkId>,
        /// The extension that it came from, if it did.
        extension_id: Option<ExtensionId>,
        /// Why, stable code in upper snake case.
        #[schema(value_type = String)]
        reason: &'static str,
        /// Why, in words.
        message: String,
        /// Whose the trunk or extension is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// Credentials were refused.
    AuthFailed = "auth.failed" {
        /// From where.
        #[schema(value_type = String)]
        source: SocketAddr,
        /// The user name tried.
        username: String,
        /// The method.
        #[schema(value_type = String)]
        method: &'static str,
    }
    /// A source has given so many wrong passwords that nothing new is taken from it for a while.
    AuthBlocked = "auth.blocked" {
        /// The source, with the port of the last try.
        #[schema(value_type = String)]
        source: SocketAddr,
        /// For how long.
        seconds: u64,
    }
    /// Where a call will be tried was decided.
    RouteDecision = "route.decision" {
        /// The call.
        call_id: CallId,
        /// Which way it goes.
        direction: Direction,
        /// The number as dialled.
        dialled: String,
        /// What will be tried, in order.
        tries: Vec<Tried>,
        /// Trunks that will not be, or only because all others are down too.
        skipped: Vec<Skipped>,
        /// Whose call it is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A call began.
    CallStarted = "call.started" {
        /// The call.
        call_id: CallId,
        /// Which way.
        direction: Direction,
        /// From.
        caller: String,
        /// To.
        callee: String,
        /// Whose call it is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A call was answered.
    CallAnswered = "call.answered" {
        /// The call.
        call_id: CallId,
        /// The trunk that took it, if it was one.
        trunk_id: Option<TrunkId>,
        /// The extension that took it, if it was one.
        extension_id: Option<ExtensionId>,
        /// Whose call it is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A transfer has come to its outcome.
    CallTransferred = "call.transferred" {
        /// The call.
        call_id: CallId,
        /// How.
        kind: TransferKind,
        /// The number of who asked for it.
        by: String,
        /// The number asked for.
        target: String,
        /// 200, or why it failed.
        cause: Cause,
        /// The other of two calls that became one.
        other_call_id: Option<CallId>,
        /// Whose call it is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A call ended.
    CallEnded = "call.ended" {
        /// The call.
        call_id: CallId,
        /// Its cause.
        cause: Cause,
        /// Talk time, milliseconds.
        duration_ms: u64,
        /// Whose call it is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// An attempt failed and the next was begun.
    Failover = "failover" {
        /// The call.
        call_id: CallId,
        /// The trunk that failed.
        trunk_id: Option<TrunkId>,
        /// How.
        cause: Cause,
        /// Whose call it is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A trunk, or a tenant, has as many calls as it may. Told once a minute at most.
    CapacityReached = "capacity.reached" {
        /// The trunk; null where it is all calls of a tenant.
        trunk_id: Option<TrunkId>,
        /// The field that sets the limit.
        #[schema(value_type = String)]
        field: &'static str,
        /// The limit.
        limit: u32,
        /// Whose limit it is.
        #[serde(skip)]
        tenant_id: Option<TenantId>,
    }
    /// A tenant has spent or talked as much as it may in a day: further calls are refused. Told once a day.
    FraudLimit = "fraud.limit" {
        /// The field of the tenant that sets the limit.
        #[schema(value_type = String)]
        field: &'static str,
        /// The limit.
        limit: String,
        /// The tenant.
        tenant_id: Option<TenantId>,
    }
    /// The server's certificate expires soon. Told once a day.
    CertExpiring = "cert.expiring" {
        /// The file.
        certificate: String,
        /// When it expires, milliseconds since the Unix epoch.
        expires_at: u64,
        /// Whole days that are left.
        days: u64,
    }
    /// A rule found what it looks for. Told once, until it is cleared.
    AlertRaised = "alert.raised" {
        /// The alert.
        #[serde(flatten)]
        alert: Alert,
    }
    /// It is well again, or the rule or the trunk is gone.
    AlertCleared = "alert.cleared" {
        /// The alert.
        #[serde(flatten)]
        alert: Alert,
    }
    /// A change of the configuration is in effect.
    ConfigApplied = "config.applied" {
        /// Counts changes since the server started.
        version: u64,
        /// How many things were created.
        created: u32,
        /// How many were changed.
        updated: u32,
        /// How many were deleted.
        deleted: u32,
    }
}

/// What probes show of a trunk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nobody was asked, or nobody has answered or failed yet.
    #[default]
    Unknown,
    /// Every address that was asked answers.
    Good,
    /// Some probes fail, or some addresses do not answer.
    Impaired,
    /// No address answers.
    Down,
}

/// One try of a routing decision.
#[derive(Clone, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct Tried {
    /// The trunk, if it is one.
    pub trunk_id: Option<TrunkId>,
    /// The extension, if it is one.
    pub extension_id: Option<ExtensionId>,
    /// The route that chose the trunk.
    pub route_id: Option<RouteId>,
    /// The step of that route, from 1.
    pub step: Option<u32>,
    /// The extension that forwards the call there, where one does.
    pub forwarded: Option<Forwarded>,
    /// The status that the call ends with here, if it does.
    pub code: Option<u16>,
}

/// A trunk that a routing decision left out.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Skipped {
    /// The trunk.
    pub trunk_id: TrunkId,
    /// Why, in words.
    #[schema(value_type = String)]
    pub why: &'static str,
}

impl Event {
    /// Whose it is; none: the system's.
    pub fn tenant_id(&self) -> Option<TenantId> {
        match self {
            Event::TrunkCreated { tenant_id, .. }
            | Event::TrunkUpdated { tenant_id, .. }
            | Event::TrunkDeleted { tenant_id, .. }
            | Event::TrunkState { tenant_id, .. }
            | Event::TrunkHealth { tenant_id, .. }
            | Event::RegistrationAdded { tenant_id, .. }
            | Event::RegistrationExpired { tenant_id, .. }
            | Event::RegistrationRemoved { tenant_id, .. }
            | Event::RegistrationRejected { tenant_id, .. }
            | Event::InboundUnmatched { tenant_id, .. }
            | Event::RequestRefused { tenant_id, .. }
            | Event::RouteDecision { tenant_id, .. }
            | Event::CallStarted { tenant_id, .. }
            | Event::CallAnswered { tenant_id, .. }
            | Event::CallTransferred { tenant_id, .. }
            | Event::CallEnded { tenant_id, .. }
            | Event::Failover { tenant_id, .. }
            | Event::CapacityReached { tenant_id, .. }
            | Event::FraudLimit { tenant_id, .. } => *tenant_id,
            Event::AlertRaised { alert } | Event::AlertCleared { alert } => alert.tenant_id,
            Event::InboundAmbiguous { .. }
            | Event::AuthFailed { .. }
            | Event::AuthBlocked { .. }
            | Event::CertExpiring { .. }
            | Event::ConfigApplied { .. } => None,
        }
    }
}

/// An event as it is published.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Published {
    /// Rises from event to event, over restarts too.
    pub id: u64,
    /// When it happened, milliseconds since the Unix epoch.
    pub at: u64,
    /// The tenant whose it is; null: the system's.
    pub tenant_id: Option<TenantId>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Which types of events are wanted: each a type, or the beginning of some that ends in a dot, as `call.`; none: all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventTypes(Vec<String>);

impl EventTypes {
    /// Reads them; an error is one that no event has.
    pub fn read<'a>(types: impl IntoIterator<Item = &'a str>) -> Result<EventTypes, &'a str> {
        let known = |wanted: &&str| Event::TYPES.iter().any(|name| takes(wanted, name));
        let read = |wanted: &'a str| Some(wanted).filter(known).map(str::to_owned).ok_or(wanted);
        types.into_iter().map(read).collect::<Result<_, _>>().map(EventTypes)
    }

    /// Whether an event of this type is wanted.
    pub fn take(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|wanted| takes(wanted, name))
    }
}

fn takes(wanted: &str, name: &str) -> bool {
    wanted == name || wanted.ends_with('.') && name.starts_with(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    #[test]
    fn an_event_shows_its_type_and_its_data() {
        let tenant = TenantId(Uuid::from_u128(7));
        let event = Event::TrunkCreated {
            trunk_id: TrunkId::NIL,
            name: "Carrier".to_owned(),
            tenant_id: Some(tenant),
        };
        let published = Published { id: 9, at: 1000, tenant_id: event.tenant_id(), event };
        assert_eq!(
            serde_json::to_value(&published).unwrap(),
            json!({
                "id": 9, "at": 1000, "tenant_id": tenant.to_string(), "type": "trunk.created",
                "data": { "trunk_id": Uuid::nil().to_string(), "name": "Carrier" },
            })
        );
        assert_eq!(published.event.name(), "trunk.created");
    }

    #[test]
    fn types_are_wanted_whole_or_by_their_beginning() {
        let wanted = EventTypes::read(["call.", "failover"]).unwrap();
        assert!(wanted.take("call.started") && wanted.take("failover"));
        assert!(!wanted.take("trunk.state") && !wanted.take("failover.more"));
        assert!(EventTypes::default().take("trunk.state"), "nothing in particular is everything");
        for wrong in ["call", "calls.", "trunk.stat", "", "."] {
            assert_eq!(EventTypes::read(["failover", wrong]), Err(wrong));
        }
    }
}
