//! The server as a call sees it, and as routing does.

use crate::ledger::Ledger;
use crate::writes::Writes;
use crate::{Engine, Settings};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use tandem_call::{Bound, Exchange, Full, Over, Seat, Seats, Source, Target, Way};
use tandem_model::{Assignment, BindingOwner, Config, Tenant, TenantId, Trunk, TrunkId, TrunkMode};
use tandem_routing::{
    Availability, Conditions, Destination, Moment, NoDestination, PlannedStep, Round, Spent, Trail,
    from_extension, from_guest, from_trunk,
};
use tandem_sip_msg::Flow;
use tandem_time::Time;
use tandem_trunk::{Registrar, Trunks};

pub(crate) struct Surroundings<'a> {
    pub(crate) trunks: &'a Trunks,
    pub(crate) registrar: &'a Registrar,
    pub(crate) seats: &'a mut Seats,
    pub(crate) ledger: &'a Ledger,
    pub(crate) settings: &'a Settings,
    pub(crate) writes: &'a Writes,
    pub(crate) config: &'a Config,
    pub(crate) now: Time,
}

/// The surroundings of a call of this engine, of which other parts may be borrowed meanwhile.
macro_rules! around {
    ($engine:expr, $now:expr) => {
        $crate::surroundings::Surroundings {
            trunks: &$engine.trunks,
            registrar: &$engine.registrar,
            seats: &mut $engine.seats,
            ledger: &$engine.ledger,
            settings: &$engine.settings,
            writes: &$engine.writes,
            config: &$engine.config,
            now: $now,
        }
    };
}
pub(crate) use around;

impl Surroundings<'_> {
    fn devices(&self, owner: BindingOwner) -> Vec<Way> {
        let contacts = self.registrar.contacts(owner, self.now);
        contacts
            .into_iter()
            .map(|contact| Way {
                contact: Some(contact.uri),
                flows: vec![contact.flow],
                routes: contact.path,
            })
            .collect()
    }
}

impl Exchange for Surroundings<'_> {
    fn ways(&self, target: &Target) -> Vec<Way> {
        match target {
            Target::Extension(extension) => self.devices(BindingOwner::Extension(extension.id)),
            Target::Guest(_) => Vec::new(),
            Target::Trunk(trunk) if trunk.mode == TrunkMode::RegisterIn => {
                // A trunk is one peer however often it registered: the latest way in is the way out.
                self.devices(BindingOwner::Trunk(trunk.id)).into_iter().take(1).collect()
            }
            Target::Trunk(trunk) => {
                let flows = self.trunks.targets(trunk.id);
                if flows.is_empty() {
                    Vec::new()
                } else {
                    vec![Way { contact: None, flows, routes: Vec::new() }]
                }
            }
        }
    }

    fn route(&self, who: &Source, dialled: &str) -> Result<Vec<Round>, (u16, String)> {
        let Surroundings { trunks, registrar, ledger, config, now, .. } = *self;
        let conditions = AtPresent { trunks, registrar, seats: self.seats, ledger, config, now };
        let moment = Moment { millis: now.as_millis(), random: now.as_micros() };
        match destination(config, who, ("", dialled), moment, &conditions, &mut Trail::none()) {
            Ok(destination) => Ok(destination.rounds),
            Err(NoDestination::Unmatched { .. }) => Err((404, "No Such Number".to_owned())),
            Err(NoDestination::Disabled) => Err((480, "Switched Off".to_owned())),
            Err(NoDestination::Unavailable(_)) => Err((503, "No Trunk Available".to_owned())),
            Err(NoDestination::Forbidden { .. }) => Err((403, "Not Allowed".to_owned())),
        }
    }

    fn challengers(&self, trunk: &Trunk) -> Option<Arc<[IpNet]>> {
        self.trunks.challengers(trunk.id)
    }

    fn take_seat(&mut self, step: &PlannedStep) -> Result<Seat, Full> {
        let share = share(self.config, &step.trunk, step.tenant);
        let over = Over { trunk: &step.trunk, share, way: Bound::Out };
        if step.emergency {
            Ok(self.seats.take_anyway(over, self.now))
        } else {
            self.seats.take(over, self.now)
        }
    }

    fn contact_host(&self, flow: &Flow) -> String {
        self.settings.local.contact_host(flow)
    }

    fn media_address(&self, _flow: &Flow) -> IpAddr {
        self.settings.media_address
    }

    fn store_keeps_up(&self) -> bool {
        self.writes.keep_up(self.now)
    }
}

/// What a tenant may use of a trunk that is not its own.
pub(crate) fn share<'a>(
    config: &'a Config,
    trunk: &Trunk,
    tenant: Option<TenantId>,
) -> Option<&'a Assignment> {
    config.assignment(trunk.id, tenant?).map(Arc::as_ref)
}

/// Where a number goes that somebody dials, as this caller: of an extension, the number that it asks to be shown as.
pub(crate) fn destination(
    config: &Config,
    source: &Source,
    (caller, dialled): (&str, &str),
    moment: Moment,
    conditions: &AtPresent,
    trail: &mut Trail,
) -> Result<Destination, NoDestination> {
    match source {
        Source::Extension(extension) => {
            from_extension(config, extension, (caller, dialled), moment, conditions, trail)
        }
        Source::Trunk(trunk) => from_trunk(config, trunk, (caller, dialled), moment, conditions, trail),
        Source::Guest(extension) => from_guest(config, extension, caller, moment, conditions, trail),
    }
}

impl Engine {
    /// How things stand for a routing decision.
    pub(crate) fn at_present(&self, now: Time) -> AtPresent<'_> {
        let Engine { trunks, registrar, seats, ledger, config, .. } = self;
        AtPresent { trunks, registrar, seats, ledger, config, now }
    }
}

/// How things stand for a routing decision.
pub(crate) struct AtPresent<'a> {
    pub(crate) trunks: &'a Trunks,
    pub(crate) registrar: &'a Registrar,
    pub(crate) seats: &'a Seats,
    pub(crate) ledger: &'a Ledger,
    pub(crate) config: &'a Config,
    pub(crate) now: Time,
}

impl Conditions for AtPresent<'_> {
    fn availability(&self, id: TrunkId, tenant: Option<TenantId>) -> Availability {
        let Some(trunk) = self.config.trunks.get(&id) else { return Availability::Down };
        let over = Over { trunk, share: share(self.config, trunk, tenant), way: Bound::Out };
        if self.seats.full(over, self.now).is_some() {
            return Availability::Full;
        }
        let up = match trunk.mode {
            TrunkMode::RegisterIn => self.registrar.is_bound(BindingOwner::Trunk(id), self.now),
            _ => self.trunks.is_up(id),
        };
        if up { Availability::Up } else { Availability::Down }
    }

    fn is_impaired(&self, id: TrunkId) -> bool {
        self.trunks.is_impaired(id)
    }

    fn spent(&self, tenant: &Tenant) -> Spent {
        self.ledger.spent(tenant, self.now)
    }
}
