//! Rules on what refers to what: nothing may refer to what is not there, or to what another tenant has.

use super::Touched;
use super::owning::tenant_of;
use crate::findings::Findings;
use crate::{Config, Destination, Entity, InboundRoute, Kind, TenantId, TrunkId};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// So many referrers are named; the rest are counted.
const NAMED: usize = 10;

/// A field that names another entity.
struct Reference {
    field: String,
    kind: Kind,
    id: Uuid,
}

/// Everything that an entity refers to.
fn references(entity: &Entity) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut refer =
        |field: &str, kind: Kind, id: Uuid| found.push(Reference { field: field.to_owned(), kind, id });
    if !matches!(entity, Entity::Tenant(_))
        && let Some(tenant) = entity.tenant_id()
    {
        refer("tenant_id", Kind::Tenant, tenant.0);
    }
    match entity {
        Entity::Assignment(assignment) => refer("trunk_id", Kind::Trunk, assignment.trunk_id.0),
        Entity::Route(route) => {
            for (n, step) in route.steps.iter().enumerate() {
                refer(&format!("steps[{n}].trunk_id"), Kind::Trunk, step.trunk_id.0);
            }
            if let Some(id) = route.schedule_id {
                refer("schedule_id", Kind::Schedule, id.0);
            }
        }
        Entity::InboundRoute(route) => of_inbound(route, &mut refer),
        Entity::Number(number) => {
            if let Some(id) = number.trunk_id {
                refer("trunk_id", Kind::Trunk, id.0);
            }
            if let Some(id) = number.extension_id {
                refer("extension_id", Kind::Extension, id.0);
            }
        }
        Entity::Extension(extension) => {
            for trunk in extension.outbound_cid_by_trunk.keys() {
                refer(&format!("outbound_cid_by_trunk.{trunk}"), Kind::Trunk, trunk.0);
            }
            if let Some(id) = extension.class_of_service_id {
                refer("class_of_service_id", Kind::ClassOfService, id.0);
            }
        }
        Entity::AlertRule(rule) => {
            if let Some(id) = rule.trunk_id {
                refer("trunk_id", Kind::Trunk, id.0);
            }
        }
        Entity::Token(token) => {
            if let Some(id) = token.user_id {
                refer("user_id", Kind::User, id.0);
            }
        }
        Entity::Trunk(trunk) => {
            if let Some(id) = trunk.cost_table_id {
                refer("cost_table_id", Kind::RateTable, id.0);
            }
        }
        Entity::Tenant(tenant) => {
            if let Some(id) = tenant.outbound_schedule_id {
                refer("outbound_schedule_id", Kind::Schedule, id.0);
            }
        }
        Entity::Schedule(_) | Entity::RateTable(_) => {}
        Entity::User(_) | Entity::Webhook(_) | Entity::Block(_) | Entity::ClassOfService(_) => {}
    }
    found
}

fn of_inbound(route: &InboundRoute, refer: &mut impl FnMut(&str, Kind, Uuid)) {
    if let Some(id) = route.trunk_id {
        refer("trunk_id", Kind::Trunk, id.0);
    }
    if let Some(id) = route.schedule_id {
        refer("schedule_id", Kind::Schedule, id.0);
    }
    let destinations = [
        ("destination", Some(&route.destination)),
        ("out_of_hours", route.out_of_hours.as_ref()),
        ("holiday", route.holiday.as_ref()),
        ("no_answer", route.no_answer.as_ref()),
    ];
    for (field, destination) in destinations {
        match destination {
            Some(Destination::Extension { extension_id }) => {
                refer(&format!("{field}.extension_id"), Kind::Extension, extension_id.0)
            }
            Some(Destination::Trunk { trunk_id, .. }) => {
                refer(&format!("{field}.trunk_id"), Kind::Trunk, trunk_id.0)
            }
            _ => {}
        }
    }
}

/// Everything that an entity refers to is there, and the same tenant's, or a trunk that is assigned to it.
pub(super) fn check(config: &Config, entity: &Entity, findings: &mut Findings) {
    for Reference { field, kind, id } in references(entity) {
        let there = config.get(kind, id).is_some();
        let visible = kind == Kind::Tenant || may_refer(config, entity, kind, id);
        if there && visible {
            continue;
        }
        let name = kind.name();
        let unassigned = kind == Kind::Trunk && there && tenant_of(config, kind, id).is_none();
        if unassigned {
            let message = "this trunk is not assigned to the tenant";
            findings.invalid(
                field,
                "TRUNK_NOT_ASSIGNED",
                message,
                "have the trunk assigned to the tenant first",
            );
        } else if there && entity.tenant_id().is_none() {
            let message = format!("this {name} belongs to a tenant, and what refers to it to the system");
            findings.invalid(field, "OTHER_TENANT", message, "give both the same `tenant_id`");
        } else {
            let message = format!("there is no {name} {id}");
            let a = if name.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
            let fix = format!("give the id of {a} {name} that exists, or create it first");
            findings.invalid(field, unknown(kind), message, fix);
        }
    }
}

fn may_refer(config: &Config, entity: &Entity, kind: Kind, id: Uuid) -> bool {
    let (own, other) = (entity.tenant_id(), tenant_of(config, kind, id));
    let assigned = |tenant: TenantId| config.assignment(TrunkId(id), tenant).is_some();
    match entity {
        // It is what makes a trunk of the system a tenant's.
        Entity::Assignment(_) => other.is_none(),
        _ => own == other || kind == Kind::Trunk && other.is_none() && own.is_some_and(assigned),
    }
}

fn unknown(kind: Kind) -> &'static str {
    match kind {
        Kind::Trunk => "UNKNOWN_TRUNK",
        Kind::Extension => "UNKNOWN_EXTENSION",
        Kind::Tenant => "UNKNOWN_TENANT",
        Kind::Schedule => "UNKNOWN_SCHEDULE",
        Kind::ClassOfService => "UNKNOWN_CLASS_OF_SERVICE",
        Kind::User => "UNKNOWN_USER",
        Kind::RateTable => "UNKNOWN_RATE_TABLE",
        _ => "UNKNOWN_REFERENCE",
    }
}

/// Nothing that stays as it was may refer to what was deleted, or to a trunk that it may not use any more.
pub(super) fn deleted(before: &Config, after: &Config, touched: &Touched, findings: &mut Findings) {
    let mut gone: BTreeMap<(Kind, Uuid), BTreeSet<String>> = BTreeMap::new();
    for &(kind, id) in touched.keys() {
        if before.get(kind, id).is_some() && after.get(kind, id).is_none() {
            gone.insert((kind, id), BTreeSet::new());
        }
    }
    if gone.is_empty() {
        return;
    }
    let unassigned: BTreeMap<(TrunkId, TenantId), Uuid> = gone
        .keys()
        .filter_map(|(kind, id)| match before.get(*kind, *id) {
            Some(Entity::Assignment(gone)) => Some(((gone.trunk_id, gone.tenant_id), *id)),
            _ => None,
        })
        .collect();
    let stays = Kind::ALL.iter().flat_map(|kind| after.all(*kind));
    for entity in stays.filter(|entity| !touched.contains_key(&(entity.kind(), entity.id()))) {
        let mut is_left_behind = |subject: (Kind, Uuid)| {
            if let Some(referrers) = gone.get_mut(&subject) {
                let quote = if entity.kind() == Kind::Number { "" } else { "`" };
                referrers.insert(format!("{} {quote}{}{quote}", entity.kind().name(), entity.label()));
            }
        };
        for reference in references(&entity) {
            is_left_behind((reference.kind, reference.id));
            if let (Kind::Trunk, Some(tenant)) = (reference.kind, entity.tenant_id())
                && let Some(assignment) = unassigned.get(&(TrunkId(reference.id), tenant))
                && entity.kind() != Kind::Assignment
            {
                is_left_behind((Kind::Assignment, *assignment));
            }
        }
    }
    for ((kind, id), referrers) in gone.into_iter().filter(|(_, referrers)| !referrers.is_empty()) {
        let label = before.get(kind, id).as_ref().map(Entity::label).unwrap_or_default().to_owned();
        let message =
            format!("{} `{label}` is used by {}", kind.name(), list(referrers.into_iter().collect()));
        let position = touched.get(&(kind, id)).copied().unwrap_or_default();
        findings.at(position).conflict(
            "",
            "REFERENCED",
            message,
            "take it out of them first, or delete them too",
        );
    }
}

fn list(mut referrers: Vec<String>) -> String {
    let more = referrers.len().saturating_sub(NAMED);
    referrers.truncate(NAMED);
    let names = referrers.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}
