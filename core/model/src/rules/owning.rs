//! Who owns a number: no number is in the pools of two tenants, and a tenant uses only what it owns.

use super::Touched;
use crate::findings::Findings;
use crate::number::GLOBAL;
use crate::pools::{Piece, pieces};
use crate::{Config, Did, DidForm, Digits, Entity, Interval, Kind, TenantId};
use ipnet::IpNet;
use std::collections::BTreeSet;
use uuid::Uuid;

/// So many users of numbers are named; the rest are counted.
const NAMED: usize = 10;

pub(super) fn check(before: &Config, after: &Config, touched: &Touched, findings: &mut Findings) {
    for ((kind, id), position) in touched {
        let Some(entity) = after.get(*kind, *id) else { continue };
        findings.at(*position);
        overlaps(after, &entity, findings);
        if let Some(tenant) = entity.tenant_id().filter(|tenant| after.tenants.contains_key(tenant)) {
            for (field, numbers) in uses(&entity) {
                if !after.owns(tenant, &numbers) {
                    let message = format!("{numbers} is in no pool of the tenant");
                    let fix = "use a number of its pools, or add this one to a pool first";
                    findings.invalid(field, "NUMBER_NOT_OWNED", message, fix);
                }
            }
        }
    }
    shrunk(before, after, touched, findings);
}

/// The numbers that an entity of a tenant speaks of as the tenant's own, each with its field.
fn uses(entity: &Entity) -> Vec<(String, Interval)> {
    let single = |field: &str, number: &Option<String>| {
        let digits = number.as_deref().and_then(Digits::parse);
        Some((field.to_owned(), Interval::single(digits?.as_str())?))
    };
    match entity {
        Entity::Tenant(tenant) => {
            single("default_caller_id", &tenant.default_caller_id).into_iter().collect()
        }
        Entity::Extension(extension) => {
            let by_trunk = extension.outbound_cid_by_trunk.iter().filter_map(|(trunk, number)| {
                single(&format!("outbound_cid_by_trunk.{trunk}"), &Some(number.clone()))
            });
            single("outbound_cid", &extension.outbound_cid).into_iter().chain(by_trunk).collect()
        }
        Entity::Route(route) => {
            let steps = route.steps.iter().enumerate();
            steps.filter_map(|(n, step)| single(&format!("steps[{n}].caller_id"), &step.caller_id)).collect()
        }
        Entity::InboundRoute(route) => {
            own_did(&route.did).map(|numbers| ("did".to_owned(), numbers)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn own_did(did: &Did) -> Option<Interval> {
    match did.form() {
        DidForm::Numbers(numbers) => Some(*numbers),
        // These take only what the tenant owns anyway.
        DidForm::Prefix(_) | DidForm::Any => None,
    }
}

/// The pieces of a pool, or the number, that this entity gives to a tenant.
fn given(config: &Config, entity: &Entity) -> Vec<Piece> {
    let (trunk, assignment) = match entity {
        Entity::Trunk(trunk) if trunk.did_pool.is_some() => (trunk.id, None),
        Entity::Assignment(assignment) => (assignment.trunk_id, Some(assignment.id)),
        _ => return Vec::new(),
    };
    pieces(config).filter(|piece| piece.trunk == trunk && piece.assignment == assignment).collect()
}

fn overlaps(config: &Config, entity: &Entity, findings: &mut Findings) {
    if let Entity::Number(number) = entity {
        let Some(own) = Digits::parse(&number.number).and_then(|digits| Interval::single(digits.as_str()))
        else {
            return;
        };
        let long = usize::from(own.digits) >= GLOBAL;
        if long
            && pieces(config)
                .any(|other| Some(other.tenant) != number.tenant_id && other.interval.contains(&own))
        {
            clash("number", own, findings);
        }
        return;
    }
    let own = given(config, entity);
    if own.is_empty() {
        return;
    }
    let others: Vec<Piece> = pieces(config).filter(|other| other.tenant != own[0].tenant).collect();
    let common = own.iter().flat_map(|piece| {
        let others = others.iter().filter(|other| can_clash(config, piece, other));
        others.filter_map(|other| piece.interval.common(&other.interval))
    });
    let with_numbers = || {
        let numbers = config.numbers.values().filter(|number| number.tenant_id != Some(own[0].tenant));
        let mut numbers =
            numbers.filter_map(|number| Interval::single(Digits::parse(&number.number)?.as_str()));
        numbers.find(|number| {
            usize::from(number.digits) >= GLOBAL && own.iter().any(|piece| piece.interval.contains(number))
        })
    };
    if let Some(common) = common.min().or_else(with_numbers) {
        clash("did_pool", common, findings);
    }
}

/// A long number is one wherever it is; a short one belongs to the provider that has it: the same host, or addresses in common.
fn can_clash(config: &Config, one: &Piece, other: &Piece) -> bool {
    if usize::from(one.interval.digits) >= GLOBAL || one.trunk == other.trunk {
        return true;
    }
    let (Some(one), Some(other)) = (config.trunks.get(&one.trunk), config.trunks.get(&other.trunk)) else {
        return false;
    };
    let same_host =
        one.host.as_deref().zip(other.host.as_deref()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
    let meet = |a: &IpNet| other.associated_ips.iter().any(|b| a.contains(b) || b.contains(a));
    same_host || one.associated_ips.iter().any(meet)
}

/// Whose the numbers are is not said: it may be somebody whom the asker is not to know of.
fn clash(field: &str, common: Interval, findings: &mut Findings) {
    let message = format!("{common} belongs to somebody else already");
    findings.conflict(
        field,
        "DID_POOL_OVERLAP",
        message,
        "leave these numbers out, or take them from their owner first",
    );
}

/// A pool that became smaller, or a number that went, must leave nobody behind who uses it.
fn shrunk(before: &Config, after: &Config, touched: &Touched, findings: &mut Findings) {
    let gives = |kind: &Kind| matches!(kind, Kind::Trunk | Kind::Assignment | Kind::Number);
    for ((kind, id), position) in touched.iter().filter(|((kind, _), _)| gives(kind)) {
        let was = before.get(*kind, *id);
        let Some(tenant) =
            was.as_ref().and_then(Entity::tenant_id).filter(|tenant| after.tenants.contains_key(tenant))
        else {
            continue;
        };
        if given(before, was.as_ref().expect("it was there")).is_empty() && *kind != Kind::Number {
            continue;
        }
        let users = users(before, after, tenant, touched);
        if users.is_empty() {
            continue;
        }
        let more = users.len().saturating_sub(NAMED);
        let mut named: Vec<String> = users.into_iter().take(NAMED).collect();
        if more > 0 {
            named.push(format!("{more} more"));
        }
        let message = format!("numbers that would go are used by {}", named.join(", "));
        let field = if *kind == Kind::Number { "" } else { "did_pool" };
        findings.at(*position).conflict(field, "POOL_IN_USE", message, "change these first");
    }
}

/// Who of a tenant uses a number that the tenant owns no more, as `route `out``; and numbers that were in its pools.
fn users(before: &Config, after: &Config, tenant: TenantId, touched: &Touched) -> BTreeSet<String> {
    let kinds = [Kind::Tenant, Kind::Extension, Kind::Route, Kind::InboundRoute, Kind::Number];
    let all = kinds.into_iter().flat_map(|kind| after.all(kind));
    let others = all.filter(|entity| {
        entity.tenant_id() == Some(tenant) && !touched.contains_key(&(entity.kind(), entity.id()))
    });
    let has_left = |number: &Interval| before.in_pool(tenant, number) && !after.in_pool(tenant, number);
    let left_behind = others.filter(|entity| match entity {
        Entity::Number(number) => {
            let digits = Digits::parse(&number.number);
            digits.and_then(|digits| Interval::single(digits.as_str())).is_some_and(|own| has_left(&own))
        }
        _ => uses(entity).iter().any(|(_, numbers)| !after.owns(tenant, numbers)),
    });
    left_behind.map(|entity| format!("{} `{}`", entity.kind().name(), entity.label())).collect()
}

/// The tenant of an entity, for who refers to it.
pub(super) fn tenant_of(config: &Config, kind: Kind, id: Uuid) -> Option<TenantId> {
    config.get(kind, id).as_ref().and_then(Entity::tenant_id)
}
