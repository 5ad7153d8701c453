//! A new call: who calls, whom, and whether it may begin.

use crate::engine::sip;
use crate::identify::Who;
use crate::refuse::{Refusal, target_of, to_of};
use crate::surroundings::{around, destination, share};
use crate::{Engine, Output};
use rand::Rng;
use tandem_call::{Bound, Call, Caller, Ctx, Full, Identity, Over, Seat, Setup, Source};
use tandem_model::{CallId, Direction, Event, Extension, Skipped, StirPolicy, Tried, Trunk, TrunkId};
use tandem_routing::{Destination, Moment, NoDestination, Reason, Round, Trail, Verdict, every};
use tandem_sip_msg::{Flow, Header, Message};
use tandem_sip_txn::ServerKey;
use tandem_stir::Verstat;
use tandem_time::Time;

impl Engine {
    pub(crate) fn on_invite(&mut self, key: ServerKey, message: Message, flow: Flow, now: Time) {
        let source = match self.identify(&message, flow, now) {
            Who::Known(source) => source,
            Who::Challenge(values) => {
                self.counters.challenged += 1;
                let mut refusal = Refusal::new(407, "Proxy Authentication Required");
                refusal.headers.extend(values.into_iter().map(|value| (Header::ProxyAuthenticate, value)));
                return self.answer(key, &message, flow, &refusal);
            }
            Who::WrongCredentials => {
                let why = "the credentials are wrong; check user name and password of the extension or trunk"
                    .to_owned();
                return self.turn_away(
                    key,
                    &message,
                    flow,
                    Refusal::new(403, "Forbidden"),
                    "WRONG_CREDENTIALS",
                    why,
                );
            }
            Who::Ambiguous(trunks) => {
                let why = format!(
                    "trunks {} all come from this address; give them usernames that the provider puts into the Request-URI",
                    self.names_of(&trunks)
                );
                self.answer(key, &message, flow, &Refusal::new(403, "Forbidden"));
                return self.tell_turned_down(Event::InboundAmbiguous {
                    source: flow.remote,
                    trunk_ids: trunks,
                    target: target_of(&message),
                    to: to_of(&message),
                    message: why,
                });
            }
        };
        if let Source::Extension(extension) = &source
            && let Some((reason, why)) = misplaced(extension, flow)
        {
            let refusal = Refusal::new(403, "Forbidden").because(&why);
            return self.turn_down((key, &message, flow, now), &source, &refusal, reason, why);
        }
        if message.header(Header::Replaces).is_some() {
            return self.on_replaces(key, message, flow, source, now);
        }
        self.route(key, message, flow, source, now);
    }

    fn route(&mut self, key: ServerKey, message: Message, flow: Flow, source: Source, now: Time) {
        let dialled = match &source {
            Source::Extension(_) => {
                let uri = message.request_uri();
                uri.and_then(|uri| uri.number()).map(|user| user.into_owned()).unwrap_or_default()
            }
            Source::Trunk(trunk) => self.called_number(trunk, &message),
            // The token itself is told to nobody.
            Source::Guest(extension) => extension.number.clone(),
        };
        let identity = Identity::read(&source, &message);
        if let Source::Trunk(trunk) = &source
            && let Some((refusal, why)) = unverified(trunk, identity.verstat)
        {
            return self.turn_down((key, &message, flow, now), &source, &refusal, "CALLER_NOT_VERIFIED", why);
        }
        let mut random = [0; 8];
        self.rng.fill_bytes(&mut random);
        let moment = Moment { millis: now.as_millis(), random: u64::from_ne_bytes(random) };
        let conditions = self.at_present(now);
        let caller = match &source {
            Source::Extension(_) => identity.preferred.clone().unwrap_or_default(),
            Source::Trunk(_) | Source::Guest(_) => identity.party(&source).number,
        };
        let destination =
            destination(&self.config, &source, (&caller, &dialled), moment, &conditions, &mut Trail::none());
        let destination = match destination {
            Ok(destination) => destination,
            Err(none) => return self.no_destination((key, &message, flow, now), &source, dialled, none),
        };
        let (seat, of_tenant) = match self.seats_for(&source, &destination, now) {
            Ok(seats) => seats,
            Err(full) => {
                let (refusal, reason, why) = too_many(full, &source);
                return self.turn_down((key, &message, flow, now), &source, &refusal, reason, why);
            }
        };
        let caller = Caller { party: identity.party(&source), identity, headers: Vec::new(), source, seat };
        self.begin(key, message, flow, (caller, of_tenant), dialled, destination, now);
    }

    #[expect(clippy::too_many_arguments, reason = "they are what a call is made of, and meet here only")]
    fn begin(
        &mut self,
        invite: ServerKey,
        message: Message,
        flow: Flow,
        (caller, seat): (Caller, Option<Seat>),
        dialled: String,
        destination: Destination,
        now: Time,
    ) {
        let no = self.next_call;
        self.next_call += 1;
        let mut random = [0; 10];
        self.rng.fill_bytes(&mut random);
        let id = CallId::new(now.as_millis(), &random);
        let direction = direction_of(&caller.source, &destination);
        if let Source::Trunk(trunk) = &caller.source {
            self.captures.called_by(no, trunk, message.call_id());
            self.captures.catch(message.call_id(), false, flow, message.as_bytes(), now);
        }
        if matches!(caller.source, Source::Guest(_)) {
            self.counters.guests += 1;
        }
        let limits = self.settings.limits;
        let flow = self.home_of(&caller.source, flow);
        self.outputs.push_back(Output::Event(decision(id, direction, &dialled, &destination)));
        let Destination { tenant, rounds, no_fax, .. } = destination;
        let setup = Setup {
            id,
            no,
            invite,
            message,
            flow,
            caller,
            tenant,
            direction,
            dialled,
            rounds,
            no_fax,
            limits,
            seat,
        };
        let mut around = around!(self, now);
        let mut ctx =
            Ctx { sip: sip(&mut self.txn, &mut self.rng, now), media: &mut self.desk, exchange: &mut around };
        let call = Call::begin(setup, &mut ctx);
        self.counters.calls_started += 1;
        self.by_id.insert(id, no);
        self.calls.insert(no, Box::new(call));
        self.after_call(no, now);
    }

    /// A trunk that called over a connection of its own making is connected to where it is configured, once that is gone.
    fn home_of(&self, source: &Source, flow: Flow) -> Flow {
        let Source::Trunk(trunk) = source else { return flow };
        let targets = if flow.connection.is_some() { self.trunks.targets(trunk.id) } else { Vec::new() };
        let home = targets.iter().find(|target| target.remote.ip() == flow.remote.ip());
        Flow { remote: home.map_or(flow.remote, |home| home.remote), ..flow }
    }

    fn names_of(&self, trunks: &[TrunkId]) -> String {
        let names = trunks.iter().filter_map(|id| self.config.trunks.get(id));
        names.map(|trunk| format!("`{}`", trunk.name)).collect::<Vec<_>>().join(", ")
    }

    /// The seats of a new call: on the trunk that it comes from, or among the guests of its extension, and among all calls of its
    /// tenant. Whoever calls for help has them in any case.
    fn seats_for(
        &mut self,
        source: &Source,
        destination: &Destination,
        now: Time,
    ) -> Result<(Option<Seat>, Option<Seat>), Full> {
        let limited = !destination.is_emergency();
        let tenant = destination.tenant.and_then(|id| self.config.tenants.get(&id));
        if let Some(full) = tenant.filter(|_| limited).and_then(|tenant| self.seats.tenant_full(tenant, now))
        {
            return Err(full);
        }
        let of_source = match source {
            Source::Extension(_) => None,
            Source::Guest(extension) => Some(self.seats.take_of_guest(extension.id)?),
            Source::Trunk(trunk) => {
                let share = share(&self.config, trunk, destination.tenant);
                let over = Over { trunk, share, way: Bound::In };
                Some(if limited { self.seats.take(over, now)? } else { self.seats.take_anyway(over, now) })
            }
        };
        Ok((of_source, tenant.map(|tenant| self.seats.take_of_tenant(tenant, now))))
    }

    fn no_destination(
        &mut self,
        asked: (ServerKey, &Message, Flow, Time),
        source: &Source,
        dialled: String,
        mut none: NoDestination,
    ) {
        let tenant_id = source.tenant_id();
        // The nearest number may be another tenant's.
        if let (NoDestination::Unmatched { nearest }, Some(_)) = (&mut none, tenant_id) {
            *nearest = None;
        }
        match (none, source) {
            (NoDestination::Unmatched { nearest }, Source::Trunk(trunk)) => {
                self.respond(asked, &Refusal::new(404, "Not Found"));
                let (_, message, flow, _) = asked;
                self.tell_turned_down(Event::InboundUnmatched {
                    trunk_id: trunk.id,
                    source: flow.remote,
                    number: dialled,
                    target: target_of(message),
                    to: to_of(message),
                    nearest,
                    tenant_id,
                });
            }
            (none, _) => {
                let is_forbidden = matches!(none, NoDestination::Forbidden { .. });
                let (mut refusal, reason, why) = refusal_of(none, &dialled);
                let tenant = tenant_id.and_then(|id| self.config.tenants.get(&id));
                let told = tenant.and_then(|tenant| self.ledger.reached(tenant, reason, asked.3));
                self.outputs.extend(told.map(Output::Event));
                // Strangers are told nothing of a tenant.
                if is_forbidden && matches!(source, Source::Extension(_)) {
                    refusal = refusal.because(&why);
                }
                self.turn_down(asked, source, &refusal, reason, why);
            }
        }
    }
}

/// Why a call from a trunk is refused by what it found out about the caller's number, if it is (RFC 8224 §6.2.2).
fn unverified(trunk: &Trunk, verstat: Option<Verstat>) -> Option<(Refusal, String)> {
    let found = match (trunk.stir_policy, verstat) {
        (StirPolicy::Off, _) | (_, Some(Verstat::Passed)) => return None,
        (_, Some(Verstat::Failed)) => "found the caller's number wrong",
        (StirPolicy::RefuseFailed, _) => return None,
        (StirPolicy::RequirePassed, _) => "does not say that it found the caller's number right",
    };
    let refusal = match verstat {
        Some(Verstat::Failed) => Refusal::new(438, "Invalid Identity Header"),
        _ => Refusal::new(428, "Use Identity Header"),
    };
    Some((refusal, format!("trunk `{}` {found} (stir_policy)", trunk.name)))
}

/// Why a device of an extension may not call by this way, in a code and in words.
fn misplaced(extension: &Extension, flow: Flow) -> Option<(&'static str, String)> {
    let (name, address, transport) = (&extension.name, flow.remote.ip(), flow.transport.param_name());
    if !extension.may_be_at(address) {
        return Some(("ADDRESS_NOT_ALLOWED", format!("extension `{name}` may not call from {address}")));
    }
    let why = || format!("extension `{name}` may not call over {}", transport.to_ascii_uppercase());
    (!extension.transport.takes(transport)).then(|| ("TRANSPORT_NOT_ALLOWED", why()))
}

/// What was decided of a call, for whoever follows it.
fn decision(call_id: CallId, direction: Direction, dialled: &str, destination: &Destination) -> Event {
    let tried = |round: &Round| {
        let forwarded = round.forwarded();
        let tried = Tried { forwarded, ..Tried::default() };
        match round {
            Round::Extension { extension, .. } => Tried { extension_id: Some(extension.id), ..tried },
            Round::Trunk(step) => {
                let (route_id, place) = step.route().unzip();
                Tried { trunk_id: Some(step.trunk.id), route_id, step: place, ..tried }
            }
            Round::Refuse { code } => Tried { code: Some(*code), ..tried },
        }
    };
    let skipped = destination.reasons.iter().filter(|reason| reason.verdict != Verdict::Kept);
    Event::RouteDecision {
        call_id,
        direction,
        dialled: dialled.to_owned(),
        tries: every(&destination.rounds).into_iter().map(tried).collect(),
        skipped: skipped
            .map(|reason| Skipped { trunk_id: reason.trunk_id, why: reason.verdict.words() })
            .collect(),
        tenant_id: destination.tenant,
    }
}

/// What the caller is told where a limit is reached: over a trunk that the line is busy, so that nobody takes us for down.
fn too_many(full: Full, source: &Source) -> (Refusal, &'static str, String) {
    let refusal = match source {
        Source::Extension(_) => Refusal::new(503, "Call Limit Reached"),
        Source::Trunk(_) | Source::Guest(_) => Refusal::new(486, "Busy Here"),
    };
    let reason = match full {
        Full::Tenant | Full::TenantRate => "TENANT_FULL",
        Full::Guests => "TOO_MANY_GUESTS",
        _ => "TRUNK_FULL",
    };
    (refusal, reason, format!("the {} of {} is reached", full.field(), full.whose()))
}

/// What the caller is told where a call goes nowhere, with the reason and the words for the event.
pub(crate) fn refusal_of(none: NoDestination, dialled: &str) -> (Refusal, &'static str, String) {
    match none {
        NoDestination::Unmatched { nearest } => {
            let near = nearest.map(|near| format!("; the nearest is {near}")).unwrap_or_default();
            (Refusal::new(404, "Not Found"), "UNMATCHED_NUMBER", format!("nothing takes {dialled:?}{near}"))
        }
        NoDestination::Disabled => (
            Refusal::new(480, "Temporarily Unavailable"),
            "DISABLED",
            format!("what takes {dialled:?} is switched off"),
        ),
        // A carrier tries no other way for somebody who is declined.
        NoDestination::Forbidden { reason: reason @ "CALLER_BLOCKED", why } => {
            (Refusal::new(603, "Decline"), reason, why)
        }
        NoDestination::Forbidden { reason, why } => (Refusal::new(403, "Forbidden"), reason, why),
        NoDestination::Unavailable(reasons) => (
            Refusal::new(503, "Service Unavailable"),
            "NO_TRUNK",
            format!("no trunk can take {dialled:?} now: {}", words_of(&reasons)),
        ),
    }
}

/// What became of each trunk, in words.
fn words_of(reasons: &[Reason]) -> String {
    let words = reasons.iter().map(|reason| format!("trunk {} {}", reason.trunk_id, reason.verdict.words()));
    words.collect::<Vec<_>>().join("; ")
}

fn direction_of(source: &Source, destination: &Destination) -> Direction {
    let out = matches!(destination.rounds.first(), Some(Round::Trunk(_)));
    match (source, out) {
        (Source::Extension(_), false) => Direction::Internal,
        (Source::Extension(_), true) => Direction::Outbound,
        (Source::Trunk(_) | Source::Guest(_), false) => Direction::Inbound,
        (Source::Trunk(_) | Source::Guest(_), true) => Direction::Transit,
    }
}
