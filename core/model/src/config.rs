//! The configuration as one immutable snapshot, and the only way to change it.

use crate::findings::Findings;
use crate::index::Index;
use crate::rules::{self, Touched};
use crate::{
    Digits, Entity, Extension, ExtensionId, Kind, Number, NumberId, Problem, Rejection, RejectionKind, Route,
    RouteId, Trunk, TrunkId,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// One step of a change.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// Creates the entity, or replaces the one with its id.
    Put(Entity),
    /// Deletes it.
    Delete(Kind, Uuid),
}

impl Change {
    /// What it changes.
    pub fn subject(&self) -> (Kind, Uuid) {
        match self {
            Change::Put(entity) => (entity.kind(), entity.id()),
            Change::Delete(kind, id) => (*kind, *id),
        }
    }
}

/// An immutable configuration. Cloning is cheap where entities are shared.
///
/// Lookups use indexes that are built by [`Config::load`] and [`Config::apply`]: never write to the maps directly.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Counts changes.
    pub version: u64,
    /// Trunks by id, which is by age.
    pub trunks: BTreeMap<TrunkId, Arc<Trunk>>,
    /// Routes by id, which is by age.
    pub routes: BTreeMap<RouteId, Arc<Route>>,
    /// Extensions by id.
    pub extensions: BTreeMap<ExtensionId, Arc<Extension>>,
    /// Numbers by id.
    pub numbers: BTreeMap<NumberId, Arc<Number>>,
    index: Index,
}

impl Config {
    /// A configuration of entities that were checked when they were stored.
    pub fn load(entities: impl IntoIterator<Item = Entity>) -> Config {
        let mut config = Config::default();
        entities.into_iter().for_each(|entity| config.put(entity));
        let mut index = Index::default();
        for kind in Kind::ALL {
            index.rebuild(kind, &config, &mut Vec::new());
        }
        config.index = index;
        config
    }

    /// The configuration after `changes`, or why not: all or nothing. Every rule on fields and between entities is checked here.
    ///
    /// Changes are made in order and the rules are asked of the outcome, so one change may create what another refers to, and what
    /// is renamed frees its name. Where there are several changes, the path of a problem begins with the position of its change, as
    /// `[2].port`.
    pub fn apply(&self, changes: &[Change]) -> Result<Config, Rejection> {
        let mut findings = Findings::default();
        let mut touched = Touched::new();
        let mut next = self.clone();
        next.version += 1;
        for (position, change) in changes.iter().enumerate() {
            touched.insert(change.subject(), position);
            match change {
                Change::Put(entity) => next.put(entity.clone()),
                Change::Delete(kind, id) if next.remove(*kind, *id) => {}
                Change::Delete(kind, id) => {
                    let message = format!("there is no {} {id}", kind.name());
                    let problem = Problem::new(
                        "",
                        "NOT_FOUND",
                        message,
                        "it may be deleted already: list what there is",
                    );
                    findings.at(position).add(RejectionKind::NotFound, problem);
                }
            }
        }
        let mut clashes = Vec::new();
        let mut index = next.index.clone();
        for kind in Kind::ALL {
            if touched.keys().any(|(touched, _)| *touched == kind) {
                index.rebuild(kind, &next, &mut clashes);
            }
        }
        next.index = index;
        rules::check(self, &next, &touched, &clashes, &mut findings);
        findings.into_result(next, changes.len())
    }

    fn put(&mut self, entity: Entity) {
        match entity {
            Entity::Trunk(trunk) => drop(self.trunks.insert(trunk.id, trunk)),
            Entity::Route(route) => drop(self.routes.insert(route.id, route)),
            Entity::Extension(extension) => drop(self.extensions.insert(extension.id, extension)),
            Entity::Number(number) => drop(self.numbers.insert(number.id, number)),
        }
    }

    /// Whether there was one to remove.
    fn remove(&mut self, kind: Kind, id: Uuid) -> bool {
        match kind {
            Kind::Trunk => self.trunks.remove(&TrunkId(id)).is_some(),
            Kind::Route => self.routes.remove(&RouteId(id)).is_some(),
            Kind::Extension => self.extensions.remove(&ExtensionId(id)).is_some(),
            Kind::Number => self.numbers.remove(&NumberId(id)).is_some(),
        }
    }

    /// Looks an entity up.
    pub fn get(&self, kind: Kind, id: Uuid) -> Option<Entity> {
        match kind {
            Kind::Trunk => self.trunks.get(&TrunkId(id)).cloned().map(Entity::Trunk),
            Kind::Route => self.routes.get(&RouteId(id)).cloned().map(Entity::Route),
            Kind::Extension => self.extensions.get(&ExtensionId(id)).cloned().map(Entity::Extension),
            Kind::Number => self.numbers.get(&NumberId(id)).cloned().map(Entity::Number),
        }
    }

    /// All entities of a kind, by age.
    pub fn all(&self, kind: Kind) -> Vec<Entity> {
        match kind {
            Kind::Trunk => self.trunks.values().cloned().map(Entity::Trunk).collect(),
            Kind::Route => self.routes.values().cloned().map(Entity::Route).collect(),
            Kind::Extension => self.extensions.values().cloned().map(Entity::Extension).collect(),
            Kind::Number => self.numbers.values().cloned().map(Entity::Number).collect(),
        }
    }

    /// Enabled routes in the order they are tried: priority, then age.
    pub fn routes_in_order(&self) -> &[Arc<Route>] {
        &self.index.routes
    }

    /// The trunk of this name.
    pub fn trunk_by_name(&self, name: &str) -> Option<&Arc<Trunk>> {
        self.index.trunks.by_name.get(name)
    }

    /// The trunk of this slug.
    pub fn trunk_by_slug(&self, slug: &str) -> Option<&Arc<Trunk>> {
        self.index.trunks.by_slug.get(slug)
    }

    /// The extension that is dialled as `number`, enabled or not.
    pub fn extension_by_number(&self, number: &str) -> Option<&Arc<Extension>> {
        self.index.extensions.by_number.get(number)
    }

    /// The extension that authenticates as `username`, enabled or not.
    pub fn extension_by_username(&self, username: &str) -> Option<&Arc<Extension>> {
        self.index.extensions.by_username.get(username)
    }

    /// The `register_in` trunk that authenticates as `username` (its `auth_username`, else its `username`), enabled or not.
    pub fn register_in_trunk(&self, username: &str) -> Option<&Arc<Trunk>> {
        self.index.trunks.by_login.get(username)
    }

    /// The number with these digits, enabled or not.
    pub fn number(&self, digits: &Digits) -> Option<&Arc<Number>> {
        self.number_by_digits(digits.as_str())
    }

    /// The number whose canonical form is `digits`.
    pub fn number_by_digits(&self, digits: &str) -> Option<&Arc<Number>> {
        self.index.numbers.by_digits.get(digits)
    }

    /// A number whose canonical form ends in `digits`; of several always the same one.
    pub fn number_ending_in(&self, digits: &str) -> Option<&Arc<Number>> {
        self.index.numbers.ending_in(digits)
    }
}
