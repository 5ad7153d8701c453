//! Where a call by one of our extensions goes.

use crate::caller_id::Caller;
use crate::collect::{self, enabled_trunk};
use crate::dialled::Dialled;
use crate::{
    Availability, Conditions, Destination, Moment, NoDestination, Onward, PlannedStep, Reason, Round, Trail,
    Verdict, nearest,
};
use crate::{forward, inbound};
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{
    Charge, Config, Digits, Extension, ExtensionId, ForwardReason, Kind, Number, RouteId, Tenant, TenantId,
    TenantStatus, Trunk, TrunkId, country_of,
};

/// How long a trunk that a number names may take to ring, and again to answer, seconds: what a step has by default.
pub(crate) const TIMEOUT: u32 = 60;

/// Numbers that lead from one to the next; more is a loop.
const MOST_HOPS: u8 = 4;

/// What a routing decision is made of.
pub(crate) struct Decision<'a> {
    pub config: &'a Config,
    pub conditions: &'a dyn Conditions,
    pub moment: Moment,
    /// Whose call it is.
    pub tenant: Option<TenantId>,
    /// Which of our extensions makes it.
    pub extension: Option<&'a Extension>,
    /// The caller number that the call itself asks to be shown.
    pub asked: Option<String>,
    /// Who calls over a trunk, as it came.
    pub caller: Option<&'a str>,
    /// It is a PBX that calls out by way of us.
    pub is_peer: bool,
    /// How many numbers one after the other led here.
    pub hops: u8,
    /// The extensions that rang before, in the order of the plan.
    pub rung: Vec<ExtensionId>,
    /// Those of them that forwarded the call here, and why.
    pub diverted: Vec<(&'a Arc<Extension>, ForwardReason)>,
    /// So many numbers more may be forwarded to.
    pub forwards_left: u8,
    pub trail: &'a mut Trail,
}

/// Where a call by one of our extensions goes: an extension dialled by its number, one of our own numbers, else the outbound
/// routes of its tenant and then those of the system.
pub fn from_extension(
    config: &Config,
    extension: &Extension,
    (asked, dialled): (&str, &str),
    moment: Moment,
    conditions: &dyn Conditions,
    trail: &mut Trail,
) -> Result<Destination, NoDestination> {
    let (tenant, extension) = (extension.tenant_id, Some(extension));
    let plus = if asked.trim_start().starts_with('+') { "+" } else { "" };
    let asked = Digits::parse(asked).map(|digits| format!("{plus}{digits}"));
    // Who calls is not called back by what it calls.
    let rung = extension.map(|extension| extension.id).into_iter().collect();
    Decision {
        config,
        conditions,
        moment,
        tenant,
        extension,
        asked,
        caller: None,
        is_peer: false,
        hops: 0,
        rung,
        diverted: Vec::new(),
        forwards_left: forward::MOST,
        trail,
    }
    .dial(dialled)
}

/// Where a call by a stranger goes who was let in to this extension: there, and nowhere else. `caller` is who it says to be.
pub fn from_guest(
    config: &Config,
    extension: &Arc<Extension>,
    caller: &str,
    moment: Moment,
    conditions: &dyn Conditions,
    trail: &mut Trail,
) -> Result<Destination, NoDestination> {
    let mut decision = Decision {
        config,
        conditions,
        moment,
        tenant: extension.tenant_id,
        extension: None,
        asked: None,
        caller: Some(caller),
        is_peer: false,
        hops: 0,
        rung: Vec::new(),
        diverted: Vec::new(),
        // Not one: the extension opened its own door and no other.
        forwards_left: 0,
        trail,
    };
    if decision.tenant().is_some_and(|tenant| tenant.status == TenantStatus::Suspended) {
        return Err(is_suspended());
    }
    decision.caller_may_call()?;
    decision.ring(extension)
}

impl<'a> Decision<'a> {
    pub fn tenant(&self) -> Option<&'a Tenant> {
        self.config.tenants.get(&self.tenant?).map(Arc::as_ref)
    }

    /// One of its calls, to nowhere yet.
    pub fn destination(&self) -> Destination {
        Destination { tenant: self.tenant, ..Destination::default() }
    }

    /// As a device of the tenant would dial.
    pub fn dial(&mut self, text: &str) -> Result<Destination, NoDestination> {
        if self.hops == MOST_HOPS {
            return Err(NoDestination::Disabled);
        }
        self.hops += 1;
        let tenant = self.tenant();
        let suspended = tenant.is_some_and(|tenant| tenant.status == TenantStatus::Suspended);
        let refused = if suspended { Err(is_suspended()) } else { self.caller_may_call() };
        let config: &'a Config = self.config;
        if let Some(extension) = config.extension_by_number(self.tenant, text) {
            self.trail.rule(Kind::Extension, extension.id.0, &extension.name, extension.enabled, || {
                "its number was dialled".to_owned()
            });
            return refused.and_then(|()| self.ring(extension));
        }
        let dialled = Dialled::new(text, tenant);
        if inbound::is_ours(self, &dialled) {
            return refused.and_then(|()| inbound::to_our_number(self, &dialled));
        }
        let plan = collect::plan(self, &dialled);
        let Some(plan) = plan else { return Err(unmatched(self.config, dialled.digits.as_ref())) };
        if plan.emergency && !self.diverted.is_empty() {
            // It would pass every limit, for somebody who did not ask for help.
            let why = "calls are not forwarded to emergency services".to_owned();
            return Err(NoDestination::Forbidden { reason: "FORWARD_TO_EMERGENCY", why });
        }
        if !plan.emergency {
            refused?;
            self.may_leave(&dialled)?;
        }
        if plan.rounds.is_empty() {
            return Err(plan.forbidden.unwrap_or(NoDestination::Unavailable(plan.reasons)));
        }
        Ok(Destination { rounds: plan.rounds, reasons: plan.reasons, ..self.destination() })
    }

    /// What a number of ours reaches by itself, without an inbound route.
    pub fn reached_by(&mut self, number: &Number) -> Result<Destination, NoDestination> {
        let config: &'a Config = self.config;
        match (number.extension_id, number.trunk_id) {
            (Some(id), _) => match config.extensions.get(&id) {
                Some(extension) => self.ring(extension),
                None => Err(NoDestination::Disabled),
            },
            (None, Some(id)) => self.over_trunk(id, number.number.clone(), TIMEOUT, Onward::Failure),
            (None, None) => Err(NoDestination::Unmatched { nearest: None }),
        }
    }

    pub fn ring(&mut self, extension: &'a Arc<Extension>) -> Result<Destination, NoDestination> {
        let was_tried = !self.diverted.is_empty() && self.rung.contains(&extension.id);
        if !extension.enabled || was_tried {
            return Err(NoDestination::Disabled);
        }
        self.rung.push(extension.id);
        let round = Round::Extension {
            extension: extension.clone(),
            ring_timeout: extension.ring_timeout,
            onward: Onward::Never,
            forwards: self.forwards(extension),
            diverted: self.diversions(None),
        };
        Ok(Destination { rounds: vec![round], ..self.destination() })
    }

    /// Who calls, and as which number.
    pub fn caller(&self) -> Caller<'_> {
        let (tenant, asked) = (self.tenant(), self.asked.as_ref());
        Caller { config: self.config, tenant, extension: self.extension, asked }
    }

    /// Whether a call that shows this number must not change to fax: the number says so.
    pub fn no_fax(&self, caller_id: Option<&str>) -> bool {
        let digits = caller_id.and_then(|shown| {
            self.tenant().and_then(|tenant| tenant.e164(shown)).or_else(|| Digits::parse(shown))
        });
        let number = digits.and_then(|digits| self.config.number(self.tenant, digits.as_str()));
        number.is_some_and(|number| number.tenant_id == self.tenant && !number.t38)
    }

    /// The country of a number with its country code, and what the trunk charges for it.
    pub fn tariff(&self, trunk: &Trunk, number: Option<&Digits>) -> (Option<&'static str>, Option<Charge>) {
        let digits = number.map(Digits::as_str);
        let rate = digits.and_then(|digits| self.config.rate(trunk, digits, self.moment.millis));
        (digits.and_then(country_of), rate.map(|(rate, currency)| rate.charge(currency)))
    }

    /// Out over one trunk, which no route chose.
    pub fn over_trunk(
        &mut self,
        trunk_id: TrunkId,
        number: String,
        timeout: u32,
        onward: Onward,
    ) -> Result<Destination, NoDestination> {
        let trunk = enabled_trunk(self.config, trunk_id).ok_or(NoDestination::Disabled)?;
        // Over a trunk that is not its own a tenant calls whom it may call, whatever leads there, and itself.
        let tenant = self.tenant();
        let dialled = Dialled::new(&number, tenant);
        if trunk.tenant_id.is_none_or(|owner| self.tenant != Some(owner)) && !inbound::is_ours(self, &dialled)
        {
            self.may_leave(&dialled)?;
            if let Some(tenant) = tenant {
                may_call(tenant, &dialled, self.conditions)?;
            }
        }
        let called = dialled.number();
        let (country, charge) = self.tariff(trunk, called);
        let (route_id, step) = (RouteId::NIL, 0);
        let reason = |verdict| vec![Reason { route_id, step, trunk_id, verdict }];
        let verdict = match self.conditions.availability(trunk_id, self.tenant) {
            Availability::Up => Verdict::Kept,
            Availability::Down => Verdict::Hopeful,
            Availability::Full => return Err(NoDestination::Unavailable(reason(Verdict::Full))),
        };
        // Who called in over a trunk is shown as it came.
        let chosen = self.extension.map(|_| self.caller().choose(trunk, None, false));
        let caller_id = chosen.and_then(Result::ok).flatten();
        let attested = self.attested(trunk, caller_id.as_deref(), called);
        let no_fax = self.no_fax(caller_id.as_deref());
        let step = PlannedStep {
            trunk: trunk.clone(),
            route_id,
            step,
            number: trunk.number_to_send(&number),
            timeout,
            max_minutes: 0,
            caller_id,
            attested,
            onward,
            country,
            charge,
            tenant: self.tenant,
            emergency: false,
            no_fax,
            diverted: self.diversions(Some((trunk, None))),
        };
        Ok(Destination { rounds: vec![Round::Trunk(step)], reasons: reason(verdict), ..self.destination() })
    }
}

/// Whether the tenant may call this number now, which is none of an emergency service.
pub(crate) fn may_call(
    tenant: &Tenant,
    dialled: &Dialled,
    conditions: &dyn Conditions,
) -> Result<(), NoDestination> {
    within_daily_limits(tenant, dialled, conditions)?;
    let forbid = |reason, why| Err(NoDestination::Forbidden { reason, why });
    let Some(number) = &dialled.e164 else {
        // A service of the own country has no international form. A long number without one may lead anywhere.
        let at_home =
            tenant.country.as_ref().is_some_and(|country| tenant.allowed_countries.contains(country));
        if dialled.is_service() && at_home {
            return Ok(());
        }
        return forbid(
            "COUNTRY_NOT_ALLOWED",
            format!("it is not known which country {:?} is in", dialled.text),
        );
    };
    if let Some(prefix) =
        tenant.blocked_prefixes.iter().find(|prefix| number.as_str().starts_with(prefix.as_str()))
    {
        return forbid(
            "PREFIX_BLOCKED",
            format!("numbers that begin with {prefix} are blocked for the tenant"),
        );
    }
    let country = country_of(number.as_str()).unwrap_or("unknown");
    if !tenant.allowed_countries.iter().any(|allowed| allowed == country) {
        return forbid(
            "COUNTRY_NOT_ALLOWED",
            format!("+{number} is in {country}, which the tenant may not call"),
        );
    }
    Ok(())
}

fn within_daily_limits(
    tenant: &Tenant,
    dialled: &Dialled,
    conditions: &dyn Conditions,
) -> Result<(), NoDestination> {
    let forbid = |reason, why| Err(NoDestination::Forbidden { reason, why });
    let most = Duration::from_secs(60 * u64::from(tenant.max_daily_intl_minutes));
    if tenant.max_daily_cost.is_none() && most.is_zero() {
        return Ok(());
    }
    let spent = conditions.spent(tenant);
    if let Some(most) = tenant.max_daily_cost.filter(|most| spent.cost >= *most) {
        let why =
            format!("the tenant has spent {} today, of {most} that it may (max_daily_cost)", spent.cost);
        return forbid("DAILY_COST_REACHED", why);
    }
    let country = dialled.number().and_then(|number| country_of(number.as_str()));
    let is_abroad = country.is_some() && country != tenant.country.as_deref();
    if is_abroad && !most.is_zero() && spent.abroad >= most {
        let why = format!(
            "the tenant has talked to other countries for the {} minutes today that it may (max_daily_intl_minutes)",
            tenant.max_daily_intl_minutes
        );
        return forbid("DAILY_INTL_MINUTES_REACHED", why);
    }
    Ok(())
}

pub(crate) fn is_suspended() -> NoDestination {
    NoDestination::Forbidden { reason: "TENANT_SUSPENDED", why: "the tenant is suspended".to_owned() }
}

pub(crate) fn unmatched(config: &Config, digits: Option<&Digits>) -> NoDestination {
    NoDestination::Unmatched { nearest: digits.and_then(|digits| nearest::number(config, digits)) }
}
