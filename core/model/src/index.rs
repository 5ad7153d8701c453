//! Indexes over a configuration, built once a snapshot, and the clashes that show while building them.

use crate::{Config, Digits, Extension, Kind, Number, Route, Trunk, TrunkMode};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use uuid::Uuid;

/// Two entities of a kind that say the same where they may not. The first keeps its place in the index.
pub(crate) struct Clash {
    pub kind: Kind,
    pub field: &'static str,
    pub first: Uuid,
    pub second: Uuid,
}

/// One index a kind; those of kinds that a change leaves alone are shared with the snapshot before.
#[derive(Clone, Default)]
pub(crate) struct Index {
    pub trunks: Arc<TrunkIndex>,
    pub routes: Arc<[Arc<Route>]>,
    pub extensions: Arc<ExtensionIndex>,
    pub numbers: Arc<NumberIndex>,
}

#[derive(Default)]
pub(crate) struct TrunkIndex {
    pub by_name: HashMap<String, Arc<Trunk>>,
    pub by_slug: HashMap<String, Arc<Trunk>>,
    /// Only trunks in mode `register_in`.
    pub by_login: HashMap<String, Arc<Trunk>>,
}

#[derive(Default)]
pub(crate) struct ExtensionIndex {
    pub by_number: HashMap<String, Arc<Extension>>,
    pub by_username: HashMap<String, Arc<Extension>>,
}

#[derive(Default)]
pub(crate) struct NumberIndex {
    pub by_digits: HashMap<Digits, Arc<Number>>,
    /// By [`backwards`], sorted.
    pub by_ending: Vec<(u128, Arc<Number>)>,
}

impl Index {
    /// Builds the index of a kind anew.
    pub fn rebuild(&mut self, kind: Kind, config: &Config, clashes: &mut Vec<Clash>) {
        match kind {
            Kind::Trunk => self.trunks = Arc::new(trunks(config, clashes)),
            Kind::Route => self.routes = routes(config),
            Kind::Extension => self.extensions = Arc::new(extensions(config, clashes)),
            Kind::Number => self.numbers = Arc::new(numbers(config, clashes)),
        }
    }
}

fn trunks(config: &Config, clashes: &mut Vec<Clash>) -> TrunkIndex {
    let mut index = TrunkIndex::default();
    let id = |trunk: &Trunk| trunk.id.0;
    for trunk in config.trunks.values() {
        enter(&mut index.by_name, trunk.name.clone(), trunk, id, (Kind::Trunk, "name"), clashes);
        enter(&mut index.by_slug, trunk.slug.clone(), trunk, id, (Kind::Trunk, "slug"), clashes);
        let login = trunk.digest_username().filter(|_| trunk.mode == TrunkMode::RegisterIn);
        if let Some(login) = login {
            let field = if trunk.auth_username.is_some() { "auth_username" } else { "username" };
            enter(&mut index.by_login, login.to_owned(), trunk, id, (Kind::Trunk, field), clashes);
        }
    }
    index
}

fn routes(config: &Config) -> Arc<[Arc<Route>]> {
    let mut routes: Vec<Arc<Route>> = config.routes.values().filter(|route| route.enabled).cloned().collect();
    routes.sort_by_key(|route| route.priority);
    routes.into()
}

fn extensions(config: &Config, clashes: &mut Vec<Clash>) -> ExtensionIndex {
    let mut index = ExtensionIndex::default();
    let id = |extension: &Extension| extension.id.0;
    for extension in config.extensions.values() {
        let (number, username) = (extension.number.clone(), extension.username.clone());
        enter(&mut index.by_number, number, extension, id, (Kind::Extension, "number"), clashes);
        enter(&mut index.by_username, username, extension, id, (Kind::Extension, "username"), clashes);
    }
    index
}

fn numbers(config: &Config, clashes: &mut Vec<Clash>) -> NumberIndex {
    let count = config.numbers.len();
    let mut index =
        NumberIndex { by_digits: HashMap::with_capacity(count), by_ending: Vec::with_capacity(count) };
    for number in config.numbers.values() {
        let Some(digits) = Digits::parse(&number.number) else { continue };
        index.by_ending.push((backwards(digits.as_str()), number.clone()));
        enter(&mut index.by_digits, digits, number, |number| number.id.0, (Kind::Number, "number"), clashes);
    }
    index.by_ending.sort_by_key(|(key, _)| *key);
    index
}

impl NumberIndex {
    /// A number that ends in these digits.
    pub fn ending_in(&self, digits: &str) -> Option<&Arc<Number>> {
        let ending = backwards(digits);
        let first = self.by_ending.partition_point(|(key, _)| *key < ending);
        let common = u128::MAX << (128 - 4 * digits.len().clamp(1, 32));
        self.by_ending.get(first).filter(|(key, _)| key & common == ending).map(|(_, number)| number)
    }
}

/// Up to 32 digits from the last to the first, four bits each from the top, so that numbers with the same ending are neighbours.
fn backwards(digits: &str) -> u128 {
    let nibbles = digits.bytes().rev().take(32).zip((0..32).rev());
    nibbles
        .map(|(digit, place)| u128::from((digit & 0xf) + 1) << (4 * place))
        .fold(0, |key, nibble| key | nibble)
}

fn enter<K: Hash + Eq, E>(
    map: &mut HashMap<K, Arc<E>>,
    key: K,
    entity: &Arc<E>,
    id: impl Fn(&E) -> Uuid,
    (kind, field): (Kind, &'static str),
    clashes: &mut Vec<Clash>,
) {
    match map.entry(key) {
        Entry::Vacant(place) => {
            place.insert(entity.clone());
        }
        Entry::Occupied(place) => {
            clashes.push(Clash { kind, field, first: id(place.get()), second: id(entity) });
        }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Index")
    }
}
