//! What stands between a caller and whom they call: blocklists, the hours of the tenant, the class of service of the extension. Nothing
//! here is asked of a call for help.

use crate::NoDestination;
use crate::dialled::Dialled;
use crate::outbound::Decision;
use tandem_model::{Block, BlockKind, CallKind, ClassOfService, Kind, Openness, country_of};

impl Decision<'_> {
    /// Whether who calls over a trunk is let through.
    pub fn caller_may_call(&mut self) -> Result<(), NoDestination> {
        let Some(caller) = self.caller else { return Ok(()) };
        let forms = std::iter::once(caller);
        let config = self.config;
        match config.block_of_number(BlockKind::Caller, self.tenant, forms, self.moment.millis) {
            Some(block) => self.blocked(block, "CALLER_BLOCKED"),
            None => Ok(()),
        }
    }

    /// Whether a call to this number may leave the house now.
    pub fn may_leave(&mut self, dialled: &Dialled) -> Result<(), NoDestination> {
        self.is_open()?;
        self.may_reach(dialled)
    }

    /// Whether this number may be called, by what blocklists and the class of service say.
    pub fn may_reach(&mut self, dialled: &Dialled) -> Result<(), NoDestination> {
        let forms = dialled.forms();
        let (config, now, texts) = (self.config, self.moment.millis, forms.iter().map(String::as_str));
        if let Some(block) = config.block_of_number(BlockKind::Destination, self.tenant, texts, now) {
            return self.blocked(block, "DESTINATION_BLOCKED");
        }
        let class = self.extension.and_then(|extension| extension.class_of_service_id);
        match class.and_then(|id| config.classes_of_service.get(&id)) {
            Some(class) => self.is_in_class(class, dialled, &forms),
            None => Ok(()),
        }
    }

    fn blocked(&mut self, block: &Block, reason: &'static str) -> Result<(), NoDestination> {
        let whose = if block.tenant_id.is_some() { "the tenant's blocklist" } else { "the blocklist" };
        let why = format!("{whose} has the {} {}", block.kind.key(), block.value);
        self.trail.rule(Kind::Block, block.id.0, &block.value, false, || why.clone());
        Err(NoDestination::Forbidden { reason, why })
    }

    fn is_in_class(
        &mut self,
        class: &ClassOfService,
        dialled: &Dialled,
        forms: &[String],
    ) -> Result<(), NoDestination> {
        let country = dialled.number().and_then(|number| country_of(number.as_str()));
        let kind = self.kind_of(dialled, country);
        let denied = class.denied.takes(kind, country, forms);
        let allowed = class.allowed.takes(kind, country, forms);
        let (kept, why) = match (denied, allowed) {
            (Some(what), _) => (false, format!("the class of service `{}` denies {what}", class.name)),
            (None, None) if !class.allowed.is_empty() => (
                false,
                format!("the class of service `{}` does not allow to call {}", class.name, dialled.text),
            ),
            (None, Some(what)) => (true, format!("allows {what}")),
            (None, None) => (true, "denies nothing of this".to_owned()),
        };
        self.trail.rule(Kind::ClassOfService, class.id.0, &class.name, kept, || why.clone());
        if kept { Ok(()) } else { Err(NoDestination::Forbidden { reason: "CLASS_OF_SERVICE", why }) }
    }

    /// What is known to be neither national nor a service is taken for international, so that nothing costly hides.
    fn kind_of(&self, dialled: &Dialled, country: Option<&str>) -> CallKind {
        let home = self.tenant().and_then(|tenant| tenant.country.as_deref());
        match &dialled.e164 {
            Some(_) if home.is_some() && country == home => CallKind::National,
            None if dialled.is_service() => CallKind::Service,
            _ => CallKind::International,
        }
    }

    /// Whether a call of the tenant may leave the house at this hour.
    fn is_open(&mut self) -> Result<(), NoDestination> {
        let Some(tenant) = self.tenant() else { return Ok(()) };
        let Some(schedule) = tenant.outbound_schedule_id.and_then(|id| self.config.schedules.get(&id)) else {
            return Ok(());
        };
        let when = match schedule.at(self.moment.millis, &tenant.timezone) {
            Openness::Open => return Ok(()),
            Openness::Closed => "outside of the hours",
            Openness::Holiday => "on a holiday",
        };
        let why = format!("the tenant calls nobody {when} of its schedule `{}`", schedule.name);
        self.trail.rule(Kind::Tenant, tenant.id.0, &tenant.name, false, || why.clone());
        Err(NoDestination::Forbidden { reason: "OUTSIDE_HOURS", why })
    }
}
