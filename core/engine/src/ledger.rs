//! What tenants spend in a day, and how long they talk abroad: what is over, and what is still going on.

use std::collections::BTreeMap;
use std::time::Duration;
use tandem_model::{Attempt, CallId, CallRecord, Charge, Config, Date, Event, Tenant, TenantId};
use tandem_routing::Spent;
use tandem_time::Time;

/// Accounts of tenants.
#[derive(Default)]
pub(crate) struct Ledger(BTreeMap<TenantId, Account>);

/// One tenant's, of one day in its time zone.
struct Account {
    day: Date,
    spent: Spent,
    /// Answered calls that are up; each is there until its record comes.
    up: BTreeMap<CallId, Vec<Meter>>,
    /// The limits that were told of today.
    told: Vec<&'static str>,
}

/// One leg over a trunk that is charged for, or goes abroad.
struct Meter {
    charge: Option<Charge>,
    is_abroad: bool,
    answered_at: u64,
    /// None while it goes on.
    ended_at: Option<u64>,
}

impl Account {
    fn new(day: Date) -> Account {
        Account { day, spent: Spent::default(), up: BTreeMap::new(), told: Vec::new() }
    }

    /// Begins anew when the day is another one.
    fn turn_to(&mut self, day: Date) {
        if self.day != day {
            (self.day, self.spent, self.told) = (day, Spent::default(), Vec::new());
        }
    }
}

impl Meter {
    fn of(attempt: &Attempt, tenant: &Tenant) -> Option<Meter> {
        attempt.trunk_id?;
        let answered_at = attempt.answered_at?;
        let is_abroad = attempt.country.is_some() && attempt.country != tenant.country;
        Some(Meter {
            charge: attempt.charge.clone(),
            is_abroad,
            answered_at,
            ended_at: Some(attempt.ended_at).filter(|ended| *ended > answered_at),
        })
    }

    fn at(&self, now: u64) -> Spent {
        let talk = Duration::from_millis(self.ended_at.unwrap_or(now).saturating_sub(self.answered_at));
        Spent {
            cost: self.charge.as_ref().map(|charge| charge.cost_of(talk)).unwrap_or_default(),
            abroad: if self.is_abroad { talk } else { Duration::ZERO },
        }
    }
}

impl Ledger {
    /// A call was answered, by one more perhaps.
    pub(crate) fn open(&mut self, record: &CallRecord, config: &Config, now: Time) {
        let Some(tenant) = record.tenant_id.and_then(|id| config.tenants.get(&id)) else { return };
        let meters: Vec<Meter> =
            record.attempts.iter().filter_map(|attempt| Meter::of(attempt, tenant)).collect();
        if !meters.is_empty() {
            let day = Date::of(now.as_millis(), &tenant.timezone);
            let account = self.0.entry(tenant.id).or_insert_with(|| Account::new(day));
            account.up.insert(record.id, meters);
        }
    }

    /// A call is over: it counts for the day that it ended on.
    pub(crate) fn close(&mut self, record: &CallRecord, config: &Config) {
        let Some(tenant) = record.tenant_id.and_then(|id| config.tenants.get(&id)) else {
            // Its tenant is gone, and its account with it.
            return record.tenant_id.map_or((), |id| drop(self.0.remove(&id)));
        };
        let ended = record
            .attempts
            .iter()
            .filter_map(|attempt| Some(Meter::of(attempt, tenant)?.at(attempt.ended_at)));
        let spent = ended.fold(Spent::default(), Spent::and);
        let day = Date::of(record.ended_at, &tenant.timezone);
        match self.0.get_mut(&tenant.id) {
            Some(account) => {
                account.up.remove(&record.id);
                if day >= account.day {
                    account.turn_to(day);
                    account.spent = account.spent.and(spent);
                }
            }
            None if spent != Spent::default() => {
                let account = self.0.entry(tenant.id).or_insert_with(|| Account::new(day));
                account.spent = spent;
            }
            None => {}
        }
    }

    /// What a tenant has spent today so far.
    pub(crate) fn spent(&self, tenant: &Tenant, now: Time) -> Spent {
        let Some(account) = self.0.get(&tenant.id) else { return Spent::default() };
        let is_today = account.day == Date::of(now.as_millis(), &tenant.timezone);
        let over = if is_today { account.spent } else { Spent::default() };
        account.up.values().flatten().map(|meter| meter.at(now.as_millis())).fold(over, Spent::and)
    }

    /// That a daily limit is reached: told once a day.
    pub(crate) fn reached(&mut self, tenant: &Tenant, reason: &str, now: Time) -> Option<Event> {
        let (field, limit) = match reason {
            "DAILY_COST_REACHED" => ("max_daily_cost", tenant.max_daily_cost?.to_string()),
            "DAILY_INTL_MINUTES_REACHED" => {
                ("max_daily_intl_minutes", tenant.max_daily_intl_minutes.to_string())
            }
            _ => return None,
        };
        let day = Date::of(now.as_millis(), &tenant.timezone);
        let account = self.0.entry(tenant.id).or_insert_with(|| Account::new(day));
        account.turn_to(day);
        if account.told.contains(&field) {
            return None;
        }
        account.told.push(field);
        Some(Event::FraudLimit { tenant_id: Some(tenant.id), field, limit })
    }

    /// Forgets tenants that are gone.
    pub(crate) fn configure(&mut self, config: &Config) {
        self.0.retain(|id, _| config.tenants.contains_key(id));
    }
}
