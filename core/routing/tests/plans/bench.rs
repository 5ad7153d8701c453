//! What the tests write their sentences with.

use serde_json::{Value, json};
use std::sync::Arc;
use tandem_model::{Change, Config, Entity, Kind, Tenant, TenantId, TrunkId};
use tandem_routing::{
    Availability, Conditions, Moment, NoDestination, PlannedStep, Reason, Round, Spent, Trail, Verdict,
};
use uuid::Uuid;

pub use Availability::{Down, Full, Up};
pub use Kind::{Extension, Number, Route, Trunk};

pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// Every trunk is up but those listed.
pub struct Health(pub &'static [(u128, Availability)]);

impl Conditions for Health {
    fn availability(&self, trunk: TrunkId, _: Option<TenantId>) -> Availability {
        self.0.iter().find(|(n, _)| id(*n) == trunk.0).map_or(Up, |(_, availability)| *availability)
    }

    fn is_impaired(&self, _: TrunkId) -> bool {
        false
    }

    fn spent(&self, _: &Tenant) -> Spent {
        Spent::default()
    }
}

pub const HEALTHY: Health = Health(&[]);

/// Every trunk is up, and something of what was sent to these was not answered.
pub struct Impaired(pub &'static [u128]);

impl Conditions for Impaired {
    fn availability(&self, _: TrunkId, _: Option<TenantId>) -> Availability {
        Up
    }

    fn is_impaired(&self, trunk: TrunkId) -> bool {
        self.0.iter().any(|n| id(*n) == trunk.0)
    }

    fn spent(&self, _: &Tenant) -> Spent {
        Spent::default()
    }
}

/// Trunks 1 to 4, named by their numbers, trunk 4 switched off; extensions 1000 (id 11) and 2000 (id 12, switched off).
pub fn base() -> Config {
    let trunk = |n: u128| {
        (Trunk, n, json!({ "name": n.to_string(), "host": format!("t{n}.example"), "enabled": n != 4 }))
    };
    let extension = |n: u128, number: &str, enabled: bool| {
        (Extension, n, json!({ "number": number, "password": "secure-password", "enabled": enabled }))
    };
    let entities =
        [trunk(1), trunk(2), trunk(3), trunk(4), extension(11, "1000", true), extension(12, "2000", false)];
    with(&Config::default(), entities)
}

/// `config` and these besides.
pub fn with(config: &Config, entities: impl IntoIterator<Item = (Kind, u128, Value)>) -> Config {
    let put = |(kind, n, body)| {
        Change::Put(Entity::create(kind, id(n), body).unwrap_or_else(|problem| panic!("{problem}")))
    };
    let changes: Vec<Change> = entities.into_iter().map(put).collect();
    config.apply(&changes).unwrap_or_else(|problem| panic!("{problem}"))
}

/// A route over these trunks for numbers of this pattern; an empty one takes every number.
pub fn route(n: u128, pattern: &str, trunks: &[u128], more: Value) -> (Kind, u128, Value) {
    let steps: Vec<Value> = trunks.iter().map(|n| json!({ "trunk_id": id(*n) })).collect();
    let patterns: Vec<&str> = Some(pattern).into_iter().filter(|pattern| !pattern.is_empty()).collect();
    let mut body = json!({ "name": n.to_string(), "match": { "patterns": patterns }, "steps": steps });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (Route, n, body)
}

/// Trunks to try in order, and why these.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    pub steps: Vec<PlannedStep>,
    pub reasons: Vec<Reason>,
}

/// Where a call goes, where it is one thing.
#[derive(Clone, PartialEq, Debug)]
pub enum Destination {
    Extension(Arc<tandem_model::Extension>),
    Trunks(Plan),
}

fn one_thing(destination: tandem_routing::Destination) -> Destination {
    if let [Round::Extension { extension, .. }] = destination.rounds.as_slice() {
        return Destination::Extension(extension.clone());
    }
    let steps = destination.rounds.into_iter().map(|round| match round {
        Round::Trunk(step) => step,
        other => panic!("no trunk but {other:?}"),
    });
    Destination::Trunks(Plan { steps: steps.collect(), reasons: destination.reasons })
}

/// A call by the extension with id 11.
pub fn from_extension(
    config: &Config,
    dialled: &str,
    conditions: &dyn Conditions,
) -> Result<Destination, NoDestination> {
    let extension = &config.extensions[&tandem_model::ExtensionId(id(11))];
    tandem_routing::from_extension(
        config,
        extension,
        ("", dialled),
        Moment::default(),
        conditions,
        &mut Trail::none(),
    )
    .map(one_thing)
}

/// A call over trunk 1 by nobody in particular.
pub fn from_trunk(
    config: &Config,
    called: &str,
    conditions: &dyn Conditions,
) -> Result<Destination, NoDestination> {
    let (trunk, moment) = (&config.trunks[&TrunkId(id(1))], Moment::default());
    tandem_routing::from_trunk(config, trunk, ("", called), moment, conditions, &mut Trail::none())
        .map(one_thing)
}

/// The plan of a call that goes out.
pub fn plan(config: &Config, dialled: &str, conditions: &dyn Conditions) -> Plan {
    match from_extension(config, dialled, conditions) {
        Ok(Destination::Trunks(plan)) => plan,
        other => panic!("no plan but {other:?}"),
    }
}

/// Trunk names of a plan, in order.
pub fn trunks(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.trunk.name.as_str()).collect()
}

/// Trunk names and verdicts of a plan, in order.
pub fn verdicts(plan: &Plan) -> Vec<(u128, Verdict)> {
    plan.reasons.iter().map(|reason| (reason.trunk_id.0.as_u128(), reason.verdict)).collect()
}

pub fn unavailable(config: &Config, dialled: &str, conditions: &dyn Conditions) -> Plan {
    match from_extension(config, dialled, conditions) {
        Err(NoDestination::Unavailable(reasons)) => Plan { steps: Vec::new(), reasons },
        other => panic!("not unavailable but {other:?}"),
    }
}

/// `config` with an entity patched.
pub fn patched(config: &Config, kind: Kind, n: u128, patch: Value) -> Config {
    let entity = config.get(kind, id(n)).unwrap().patch(patch).unwrap_or_else(|problem| panic!("{problem}"));
    config.apply(&[Change::Put(entity)]).unwrap_or_else(|problem| panic!("{problem}"))
}
