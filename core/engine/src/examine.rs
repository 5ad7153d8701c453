//! Examinations of trunks: what the configuration shows beforehand, and the doctor among the other layers.

use crate::Engine;
use crate::surroundings::{around, destination};
use std::sync::Arc;
use tandem_call::{Ctx, Source};
use tandem_doctor::{DOCTOR_BIT, Doctor, Prior, Route};
use tandem_model::{
    BindingOwner, Diagnosis, Examination, Extension, InboundRoute, NoExamination, StageOutcome, Trunk,
    TrunkId, TrunkMode,
};
use tandem_routing::{Moment, NoDestination, PlannedStep, Round, Trail};
use tandem_sip_dialog::Sip;
use tandem_sip_txn::Owner;
use tandem_time::Time;
use tandem_trunk::OWNER_BIT;

/// Numbers looked at, of a hundred thousand that there may be.
const NUMBERS: usize = 1_000;

/// Whether something belongs to an examination.
pub(crate) fn is_doctors(owner: Owner) -> bool {
    owner & OWNER_BIT == 0 && owner & DOCTOR_BIT != 0
}

impl Engine {
    /// Begins to examine a trunk; the number that [`Output::Examined`](crate::Output::Examined) comes with.
    pub fn examine(&mut self, id: TrunkId, asked: Examination, now: Time) -> Result<u64, NoExamination> {
        if self.draining {
            return Err(NoExamination::Ending);
        }
        let trunk = self.config.trunks.get(&id).cloned().ok_or(NoExamination::NoTrunk)?;
        let prior = self.prior(&trunk, &asked, now);
        let examinee = self.trunks.examinee(&trunk, &mut self.rng);
        let begun = self.with_doctor(now, |doctor, ctx| doctor.begin(examinee, asked, prior, ctx));
        self.settle(now);
        begun
    }

    /// Hands something to the doctor.
    pub(crate) fn with_doctor<T>(&mut self, now: Time, act: impl FnOnce(&mut Doctor, &mut Ctx) -> T) -> T {
        let mut around = around!(self, now);
        let sip = Sip { txn: &mut self.txn, rng: &mut self.rng, now };
        act(&mut self.doctor, &mut Ctx { sip, media: &mut self.desk, exchange: &mut around })
    }

    fn prior(&mut self, trunk: &Arc<Trunk>, asked: &Examination, now: Time) -> Prior {
        let mut prior = Prior { in_order: "nothing is missing".to_owned(), ..Prior::default() };
        let mut warn = |what, detail: String| prior.found.push((what, StageOutcome::Warned, detail));
        if !trunk.enabled {
            warn(Diagnosis::TrunkDisabled, "`enabled` is false".to_owned());
        }
        let is_whose = |tenant| trunk.tenant_id.is_none() || tenant == trunk.tenant_id;
        let routes =
            || self.config.routes.values().filter(|route| route.enabled && is_whose(route.tenant_id));
        let is_called = |step: &tandem_model::Step| step.enabled && step.trunk_id == trunk.id;
        let is_routed = routes().any(|route| route.steps.iter().any(is_called));
        if !is_routed && trunk.mode != TrunkMode::PeerIn {
            warn(
                Diagnosis::NoRoute,
                format!("{} routes are switched on, none has a step over it", routes().count()),
            );
        }
        if trunk.mode != TrunkMode::PeerIn {
            self.look_inwards(trunk, now, &mut warn);
        }
        self.look_around(trunk, &mut warn);
        if let Some(number) = asked.test_number.as_deref() {
            match self.steps_to(trunk, number, now) {
                Ok(steps) => {
                    if let Some(first) = steps.first().filter(|first| first.trunk.id != trunk.id) {
                        let detail =
                            format!("a call to {number} goes to the trunk {} first", first.trunk.name);
                        warn(Diagnosis::RoutedElsewhere, detail);
                    }
                    if let Some(step) = steps.into_iter().find(|step| step.trunk.id == trunk.id) {
                        prior.route = Route::Step(Box::new(step));
                    }
                }
                Err(why) => prior.route = Route::Forbidden(why),
            }
        }
        if trunk.mode == TrunkMode::RegisterIn && !self.registrar.is_bound(BindingOwner::Trunk(trunk.id), now)
        {
            let detail = "no registration of it is held here".to_owned();
            prior.found.insert(0, (Diagnosis::PeerNotRegistered, StageOutcome::Failed, detail));
        }
        prior
    }

    /// Where calls go that come in.
    fn look_inwards(&self, trunk: &Trunk, now: Time, warn: &mut impl FnMut(Diagnosis, String)) {
        let is_whose = |tenant| trunk.tenant_id.is_none() || tenant == trunk.tenant_id;
        let numbers = || {
            self.config
                .numbers
                .values()
                .filter(|number| number.enabled && is_whose(number.tenant_id))
                .take(NUMBERS)
        };
        let takes_its = |route: &&Arc<InboundRoute>| {
            route.enabled && is_whose(route.tenant_id) && route.trunk_id.is_none_or(|id| id == trunk.id)
        };
        let mut routes = self.config.inbound_routes.values().filter(takes_its);
        let has_routes = routes.next().is_some();
        if numbers().next().is_none() && !has_routes {
            warn(Diagnosis::NoInbound, "there is no number and no inbound route for it".to_owned());
        }
        // One phone that is off is nothing; that none is on is.
        let rung = || {
            numbers().filter_map(|number| Some((number, self.config.extensions.get(&number.extension_id?)?)))
        };
        let is_there =
            |extension: &Extension| self.registrar.is_bound(BindingOwner::Extension(extension.id), now);
        if let Some((number, extension)) = rung().next()
            && !has_routes
            && !rung().any(|(_, extension)| is_there(extension))
        {
            let (number, extension) = (&number.number, &extension.number);
            let detail = format!(
                "{number} rings extension {extension}, and no device is registered for it or any other"
            );
            warn(Diagnosis::ExtensionOffline, detail);
        }
    }

    /// Whether the trouble is this trunk's at all.
    fn look_around(&self, trunk: &Trunk, warn: &mut impl FnMut(Diagnosis, String)) {
        let others = || {
            let is_whose = |tenant| trunk.tenant_id.is_none() || tenant == trunk.tenant_id;
            let other = move |other: &&Arc<Trunk>| {
                other.enabled && other.id != trunk.id && !other.mode.comes_in() && is_whose(other.tenant_id)
            };
            self.config.trunks.values().filter(other)
        };
        let count = others().count();
        if count > 0 && !others().any(|other| self.trunks.is_up(other.id)) {
            warn(Diagnosis::AllTrunksDown, format!("none of {count} other trunks can take calls"));
        }
    }

    /// Which trunks a call to a number would take, in order, from whichever extension there is; why the tenant whose trunk it is may
    /// not call there.
    fn steps_to(&self, trunk: &Trunk, number: &str, now: Time) -> Result<Vec<PlannedStep>, String> {
        let is_whose = |extension: &&Arc<Extension>| {
            extension.enabled && (trunk.tenant_id.is_none() || extension.tenant_id == trunk.tenant_id)
        };
        let Some(extension) = self.config.extensions.values().find(is_whose).cloned() else {
            return match trunk.tenant_id {
                None => Ok(Vec::new()),
                Some(_) => Err("the tenant has no extension, as which it would be dialled".to_owned()),
            };
        };
        let conditions = self.at_present(now);
        let moment = Moment { millis: now.as_millis(), random: 0 };
        let source = Source::Extension(extension);
        let found = destination(&self.config, &source, ("", number), moment, &conditions, &mut Trail::none());
        match found {
            Ok(found) => {
                let steps = found.rounds.into_iter().filter_map(|round| match round {
                    Round::Trunk(step) => Some(step),
                    Round::Extension { .. } | Round::Refuse { .. } => None,
                });
                Ok(steps.collect())
            }
            Err(NoDestination::Forbidden { why, .. }) if trunk.tenant_id.is_some() => Err(why),
            Err(_) => Ok(Vec::new()),
        }
    }
}
