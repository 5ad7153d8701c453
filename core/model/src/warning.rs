//! What stands in a configuration and is right by every rule, but may not be meant.

use crate::{Config, Kind, OnExhausted, Route, RouteId, TenantId};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Something that may not be meant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Warning {
    /// What it is about: `route`.
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// Which one; null where it is about all of them.
    pub id: Option<Uuid>,
    /// Whose it is; null: the system's.
    pub tenant_id: Option<TenantId>,
    /// The field to look at.
    #[schema(value_type = String)]
    pub field: &'static str,
    /// Stable code in upper snake case.
    #[schema(value_type = String)]
    pub reason: &'static str,
    /// What is so.
    pub message: String,
    /// What to do where it is not meant.
    #[schema(value_type = String)]
    pub fix: &'static str,
}

impl Config {
    /// Everything that may not be meant: that nobody can call for help, and routes that no call ever gets to.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<Warning> = self.no_emergency_route().into_iter().collect();
        let tenants = self.tenants.keys().map(|id| Some(*id));
        warnings.extend(std::iter::once(None).chain(tenants).flat_map(|tenant| self.shadowed(tenant)));
        warnings
    }

    fn no_emergency_route(&self) -> Option<Warning> {
        let mut routes = self.routes.values().filter(|route| route.enabled).peekable();
        routes.peek()?;
        if routes.any(|route| route.emergency && route.tenant_id.is_none()) {
            return None;
        }
        Some(Warning {
            kind: Kind::Route.key(),
            id: None,
            tenant_id: None,
            field: "emergency",
            reason: "NO_EMERGENCY_ROUTE",
            message:
                "no route of the system is for emergency calls, which limits and schedules may then refuse"
                    .to_owned(),
            fix: "make a route with `emergency` and the numbers of help, as 911 or 112",
        })
    }

    /// Routes of a tenant, or of the system, behind one that takes every call and goes on to no other.
    fn shadowed(&self, tenant: Option<TenantId>) -> Vec<Warning> {
        let routes = self.routes_of(tenant);
        let of = |route: &Arc<Route>| {
            let before = routes.iter().find(|before| takes_all(before) && comes_before(before, route))?;
            Some(Warning {
                kind: Kind::Route.key(),
                id: Some(route.id.0),
                tenant_id: tenant,
                field: "priority",
                reason: "SHADOWED_ROUTE",
                message: format!(
                    "route `{}` is never reached: `{}` with priority {} takes every call before it",
                    route.name, before.name, before.priority
                ),
                fix: "give it a lower `priority`, or let the other one go on with `on_exhausted` `next_rule`",
            })
        };
        routes.iter().filter_map(of).collect()
    }
}

/// Whether it takes every call at every time, and no other route after it.
fn takes_all(route: &Route) -> bool {
    let asks = &route.matches;
    let asks_nothing = asks.patterns.is_empty()
        && asks.prefixes.is_empty()
        && asks.lengths.is_empty()
        && asks.extensions.is_empty()
        && asks.groups.is_empty()
        && asks.countries.is_empty();
    asks_nothing
        && route.on_exhausted == OnExhausted::Stop
        && (route.schedule_id.is_none() || route.emergency)
}

/// Whether one route is always asked before another of the same tenant.
fn comes_before(one: &Route, other: &Route) -> bool {
    let key = |route: &Route| (!route.emergency, route.priority);
    let age = |route: &Route| -> RouteId { route.id };
    // Of equal priority the more specific one comes first, and of two that take everything the older.
    key(one) < key(other) || key(one) == key(other) && takes_all(other) && age(one) < age(other)
}
