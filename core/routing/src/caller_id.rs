//! Which caller number is shown over a trunk: never one that the caller does not own, nor one that is not in force.

use tandem_model::{Config, Digits, Extension, Step, Tenant, Trunk, UnownedCallerId};

/// What a caller number is chosen from.
pub(crate) struct Caller<'a> {
    pub config: &'a Config,
    pub tenant: Option<&'a Tenant>,
    pub extension: Option<&'a Extension>,
    /// The number that the call itself asks for.
    pub asked: Option<&'a String>,
}

impl<'a> Caller<'a> {
    /// The number for one trunk: `Ok(None)` leaves it to what the caller brings along.
    pub fn choose(&self, trunk: &Trunk, step: Option<&Step>, emergency: bool) -> Result<Option<String>, ()> {
        let Caller { tenant, extension, asked, .. } = *self;
        let of_trunk = trunk.caller_id_number.as_ref();
        let candidates = [
            of_trunk.filter(|_| trunk.override_extension_cid),
            // Anybody may write anything there: it counts where it is owned, and otherwise as if it were not said.
            asked.filter(|number| self.may_ask(trunk, number)),
            extension.and_then(|extension| extension.outbound_cid_by_trunk.get(&trunk.id)),
            extension.and_then(|extension| extension.outbound_cid.as_ref()),
            step.and_then(|step| step.caller_id.as_ref()),
            tenant.and_then(|tenant| tenant.default_caller_id.as_ref()),
            of_trunk,
        ];
        let candidates = || candidates.iter().copied().flatten();
        if emergency && let Some(number) = self.for_help(trunk, candidates()) {
            return Ok(Some(number));
        }
        let Some(tenant) = tenant else {
            // What the administrator of the system wrote down is the administrator's to answer for.
            return Ok(candidates().find(|number| self.may_show(trunk, number)).cloned());
        };
        for candidate in candidates() {
            if self.may_show(trunk, candidate) {
                return Ok(Some(candidate.clone()));
            }
            if tenant.unowned_caller_id == UnownedCallerId::Reject {
                return Err(());
            }
        }
        // Over a trunk of its own a tenant shows its account; over one of the system it shows what it owns, or nothing.
        if trunk.tenant_id == Some(tenant.id) { Ok(None) } else { Err(()) }
    }

    /// The first candidate that is flagged for emergency calls, else any number that is.
    fn for_help<'c>(
        &self,
        trunk: &Trunk,
        mut candidates: impl Iterator<Item = &'c String>,
    ) -> Option<String> {
        let flagged = self.config.numbers_for_help(self.tenant.map(|tenant| tenant.id));
        let is_flagged = |candidate: &&String| {
            let digits = self.digits(candidate);
            digits.is_some() && flagged.iter().any(|number| number.digits() == digits)
        };
        if flagged.is_empty() {
            return None;
        }
        let chosen = candidates.find(|candidate| is_flagged(candidate) && self.may_show(trunk, candidate));
        let any = || flagged.iter().map(|number| &number.number).find(|number| self.may_show(trunk, number));
        chosen.or_else(any).cloned()
    }

    /// Whether a call itself may say that this number be shown.
    fn may_ask(&self, trunk: &Trunk, number: &str) -> bool {
        self.digits(number).is_some_and(|digits| is_owned(self.config, self.tenant, trunk, &digits))
    }

    /// Whether a number that is written down may be shown.
    fn may_show(&self, trunk: &Trunk, number: &str) -> bool {
        match self.tenant {
            Some(_) => self.may_ask(trunk, number),
            None => !self.digits(number).is_some_and(|digits| self.config.is_off(None, digits.as_str())),
        }
    }

    fn digits(&self, number: &str) -> Option<Digits> {
        self.tenant.and_then(|tenant| tenant.e164(number)).or_else(|| Digits::parse(number))
    }
}

/// Whether a number belongs to who calls, so that it may be shown over this trunk: to the tenant, or to the system where it is no tenant's
/// call.
pub(crate) fn is_owned(config: &Config, tenant: Option<&Tenant>, trunk: &Trunk, number: &Digits) -> bool {
    match tenant {
        Some(tenant) => config.may_show(tenant.id, trunk, number.as_str()),
        None => config
            .number(None, number.as_str())
            .is_some_and(|number| number.tenant_id.is_none() && number.enabled),
    }
}
