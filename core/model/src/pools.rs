//! All pools of all tenants, for who owns a number.

use crate::{Config, Interval, TenantId, Trunk, TrunkId};
use std::collections::HashMap;

/// Who owns which numbers. Intervals are sorted, and those of one trunk do not overlap (that is refused).
#[derive(Debug, Default)]
pub(crate) struct Pools {
    by_trunk: HashMap<TrunkId, Vec<(Interval, TenantId)>>,
    by_tenant: HashMap<TenantId, Vec<Interval>>,
    /// Those of assignments, and those of the tenant's own trunks.
    assigned: HashMap<TenantId, Vec<Interval>>,
    own: HashMap<TenantId, Vec<Interval>>,
}

/// A piece of a pool and where it comes from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Piece {
    pub interval: Interval,
    pub tenant: TenantId,
    pub trunk: TrunkId,
    /// The assignment, or none where the trunk is the tenant's own.
    pub assignment: Option<crate::AssignmentId>,
}

/// Every piece of every pool.
pub(crate) fn pieces(config: &Config) -> impl Iterator<Item = Piece> {
    let own = config.trunks.values().filter_map(|trunk: &std::sync::Arc<Trunk>| {
        Some((trunk.did_pool.as_ref()?, trunk.tenant_id?, trunk.id, None))
    });
    let assigned = config.assignments.values().filter_map(|assignment| {
        Some((assignment.did_pool.as_ref()?, assignment.tenant_id, assignment.trunk_id, Some(assignment.id)))
    });
    own.chain(assigned).flat_map(|(pool, tenant, trunk, assignment)| {
        pool.intervals().iter().map(move |interval| Piece { interval: *interval, tenant, trunk, assignment })
    })
}

impl Pools {
    pub fn of(config: &Config) -> Pools {
        let mut pools = Pools::default();
        for Piece { interval, tenant, trunk, assignment } in pieces(config) {
            pools.by_trunk.entry(trunk).or_default().push((interval, tenant));
            pools.by_tenant.entry(tenant).or_default().push(interval);
            let giver = if assignment.is_some() { &mut pools.assigned } else { &mut pools.own };
            giver.entry(tenant).or_default().push(interval);
        }
        pools.by_trunk.values_mut().for_each(|pieces| pieces.sort_unstable());
        let by_tenant = [&mut pools.by_tenant, &mut pools.assigned, &mut pools.own];
        for intervals in by_tenant.into_iter().flat_map(HashMap::values_mut) {
            intervals.sort_unstable();
            *intervals = joined(intervals);
        }
        pools
    }

    pub fn owner(&self, trunk: TrunkId, number: &str) -> Option<TenantId> {
        let number = Interval::single(number)?;
        let pieces = self.by_trunk.get(&trunk)?;
        let before =
            pieces.partition_point(|(piece, _)| (piece.digits, piece.first) <= (number.digits, number.first));
        pieces[..before].last().filter(|(piece, _)| piece.contains(&number)).map(|(_, tenant)| *tenant)
    }

    pub fn contain(&self, tenant: TenantId, numbers: &Interval) -> bool {
        contain(&self.by_tenant, tenant, numbers)
    }

    pub fn contain_assigned(&self, tenant: TenantId, numbers: &Interval) -> bool {
        contain(&self.assigned, tenant, numbers)
    }

    pub fn contain_own(&self, tenant: TenantId, numbers: &Interval) -> bool {
        contain(&self.own, tenant, numbers)
    }
}

fn contain(pools: &HashMap<TenantId, Vec<Interval>>, tenant: TenantId, numbers: &Interval) -> bool {
    let Some(pieces) = pools.get(&tenant) else { return false };
    let before =
        pieces.partition_point(|piece| (piece.digits, piece.first) <= (numbers.digits, numbers.first));
    pieces[..before].last().is_some_and(|piece| piece.contains(numbers))
}

/// Sorted intervals with those joined that overlap or follow each other.
fn joined(intervals: &[Interval]) -> Vec<Interval> {
    let mut joined: Vec<Interval> = Vec::with_capacity(intervals.len());
    for next in intervals {
        match joined.last_mut() {
            Some(last) if last.digits == next.digits && next.first <= last.last + 1 => {
                last.last = last.last.max(next.last)
            }
            _ => joined.push(*next),
        }
    }
    joined
}
