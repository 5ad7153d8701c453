//! Where a call goes on to when an extension does not take it: what its device would reach by that number. A loop ends, because nobody
//! is called a second time that way.

use crate::caller_id::Caller;
use crate::outbound::Decision;
use crate::{NoDestination, Round};
use std::sync::Arc;
use tandem_model::{Anonymous, Extension, ForwardReason, Forwarded, Kind, Step, TenantId, Trunk};

/// Extensions that hand a call on to each other at most.
const MOST_IN_A_ROW: usize = 5;

/// Numbers that the forwarding of one call leads to at most, over all that may happen to it.
pub(crate) const MOST: u8 = 24;

/// An extension that a call was for before it went on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diversion {
    /// Which, and why it did not take the call.
    pub by: Forwarded,
    /// The number that it shows where the call goes on to.
    pub number: String,
    /// It never shows its number.
    pub is_hidden: bool,
}

/// Where a call goes on to, by why an extension does not take it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Forwards {
    busy: Vec<Round>,
    no_answer: Vec<Round>,
    unregistered: Vec<Round>,
}

impl Forwards {
    fn of(&mut self, reason: ForwardReason) -> &mut Vec<Round> {
        match reason {
            ForwardReason::Busy => &mut self.busy,
            ForwardReason::NoAnswer => &mut self.no_answer,
            ForwardReason::Unregistered => &mut self.unregistered,
        }
    }

    /// The rounds for this reason.
    pub fn into_rounds(mut self, reason: ForwardReason) -> Vec<Round> {
        std::mem::take(self.of(reason))
    }

    fn rounds(&self) -> impl Iterator<Item = &Round> {
        self.busy.iter().chain(&self.no_answer).chain(&self.unregistered)
    }
}

/// All rounds that a plan may come to, those after an extension that forwards behind it.
pub fn every(rounds: &[Round]) -> Vec<&Round> {
    let mut every = Vec::with_capacity(rounds.len());
    for round in rounds {
        add(round, &mut every);
    }
    every
}

fn add<'r>(round: &'r Round, every: &mut Vec<&'r Round>) {
    every.push(round);
    if let Round::Extension { forwards, .. } = round {
        forwards.rounds().for_each(|round| add(round, every));
    }
}

impl<'a> Decision<'a> {
    /// Where calls go on to that the extension does not take.
    pub fn forwards(&mut self, extension: &'a Arc<Extension>) -> Forwards {
        let mut forwards = Forwards::default();
        for reason in ForwardReason::ALL {
            let Some(number) = extension.forward(reason) else { continue };
            let found = self.forward(extension, reason, number);
            let why = found.as_ref().err().map(not_forwarded);
            self.trail.rule(Kind::Extension, extension.id.0, &extension.name, why.is_none(), || match why {
                None => format!("{} it forwards to {number}", reason.words()),
                Some(why) => format!("{} it does not forward to {number}: {why}", reason.words()),
            });
            *forwards.of(reason) = found.unwrap_or_default();
        }
        forwards
    }

    /// As its device would dial, which calls instead of the caller.
    fn forward(
        &mut self,
        extension: &'a Arc<Extension>,
        reason: ForwardReason,
        number: &str,
    ) -> Result<Vec<Round>, NoDestination> {
        if self.diverted.len() == MOST_IN_A_ROW || self.forwards_left == 0 {
            return Err(NoDestination::Disabled);
        }
        self.forwards_left -= 1;
        let rung = self.rung.len();
        let by = (extension.tenant_id, Some(&**extension), None, None, 0);
        let caller = self.call_as(by);
        self.diverted.push((extension, reason));
        let found = self.dial(number);
        self.diverted.pop();
        self.call_as(caller);
        self.rung.truncate(rung);
        Ok(found?.rounds)
    }

    /// Lets somebody else call; who did before.
    fn call_as(&mut self, by: By<'a>) -> By<'a> {
        let (tenant, extension, asked, caller, hops) = by;
        (
            std::mem::replace(&mut self.tenant, tenant),
            std::mem::replace(&mut self.extension, extension),
            std::mem::replace(&mut self.asked, asked),
            std::mem::replace(&mut self.caller, caller),
            std::mem::replace(&mut self.hops, hops),
        )
    }

    /// The extensions that handed the call on, the first one first, as a trunk is told of them.
    pub fn diversions(&self, over: Option<(&Trunk, Option<&Step>)>) -> Vec<Diversion> {
        let diversion = |(extension, reason): &(&'a Arc<Extension>, ForwardReason)| {
            let by = Forwarded { extension_id: extension.id, reason: *reason };
            let shown = over.and_then(|(trunk, step)| {
                let tenant = extension.tenant_id.and_then(|id| self.config.tenants.get(&id));
                let tenant = tenant.map(Arc::as_ref);
                let who = Caller { config: self.config, tenant, extension: Some(extension), asked: None };
                who.choose(trunk, step, false).ok().flatten()
            });
            let is_hidden = extension.anonymous == Anonymous::Always;
            Diversion { by, number: shown.unwrap_or_else(|| extension.number.clone()), is_hidden }
        };
        self.diverted.iter().map(diversion).collect()
    }
}

/// Tenant, extension, number asked to be shown, number of a caller over a trunk, and how many numbers led there.
type By<'a> = (Option<TenantId>, Option<&'a Extension>, Option<String>, Option<&'a str>, u8);

fn not_forwarded(none: &NoDestination) -> String {
    match none {
        NoDestination::Unmatched { .. } => "nothing takes that".to_owned(),
        NoDestination::Disabled => "that is switched off, or has been tried by then".to_owned(),
        NoDestination::Unavailable(_) => "no trunk can take that now".to_owned(),
        NoDestination::Forbidden { why, .. } => why.clone(),
    }
}
