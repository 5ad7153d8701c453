//! What the engine shows of itself.

use crate::{Counters, Engine};
use std::collections::BTreeMap;
use tandem_model::{LiveCall, RegistrationView, Tenant, TenantId, TrunkId, TrunkStatus};
use tandem_time::Time;

/// How much is used of what there are limits on.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Calls on each trunk, of those that carry any.
    pub calls: BTreeMap<TrunkId, u32>,
    /// What each tenant with a daily limit has spent today, percent of that.
    pub spent: BTreeMap<TenantId, f64>,
}

impl Engine {
    /// Calls under way, oldest first.
    pub fn calls(&self) -> Vec<LiveCall> {
        self.by_id.values().filter_map(|no| self.calls.get(no)).map(|call| call.view()).collect()
    }

    /// The status of every trunk.
    pub fn trunk_statuses(&self, now: Time) -> BTreeMap<TrunkId, TrunkStatus> {
        let _ = now;
        self.config
            .trunks
            .keys()
            .filter_map(|id| {
                Some((*id, TrunkStatus { calls: self.seats.taken(*id), ..self.trunks.status(*id)? }))
            })
            .collect()
    }

    /// How much is used of what there are limits on.
    pub fn usage(&self, now: Time) -> Usage {
        let part = |tenant: &Tenant| {
            let spent = self.ledger.spent(tenant, now).cost;
            Some((tenant.id, spent.percent_of(tenant.max_daily_cost?)))
        };
        Usage {
            calls: self.seats.all_taken().collect(),
            spent: self.config.tenants.values().filter_map(|tenant| part(tenant)).collect(),
        }
    }

    /// Our registrations at providers and devices' registrations at us.
    pub fn registrations(&self, now: Time) -> Vec<RegistrationView> {
        let mut views = self.trunks.views();
        views.extend(self.registrar.views(now));
        views
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What the transaction layer counted.
    pub fn transaction_counters(&self) -> tandem_sip_txn::Counters {
        self.txn.counters()
    }

    /// Nothing is under way any more: no call, no examination, and no registration that is being taken back.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.doctor.is_idle() && self.trunks.unregistering() == 0
    }

    /// Calls whose legs are still there, answered or not, over or not: for tests and metrics.
    pub fn call_count(&self) -> usize {
        self.calls.len()
    }

    /// Client and server transactions.
    pub fn transaction_count(&self) -> (usize, usize) {
        self.txn.len()
    }

    /// Media ports in use.
    pub fn media_ports_in_use(&self) -> usize {
        self.desk.in_use()
    }

    /// Devices registered.
    pub fn binding_count(&self) -> usize {
        self.registrar.len()
    }
}
