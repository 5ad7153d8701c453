//! Indexes over a configuration, built once a snapshot, and the clashes that show while building them.

use crate::blocks::Blocks;
use crate::number::GLOBAL;
use crate::pools::Pools;
use crate::rate::Prices;
use crate::{
    Assignment, Config, Digits, Extension, InboundRoute, Kind, Number, RateTableId, Route, Tenant, TenantId,
    Token, Trunk, TrunkId, User,
};
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
    pub tenants: Arc<TenantIndex>,
    pub trunks: Arc<TrunkIndex>,
    pub assignments: Arc<HashMap<(TrunkId, TenantId), Arc<Assignment>>>,
    pub pools: Arc<Pools>,
    pub routes: Arc<Ordered<Route>>,
    pub inbound_routes: Arc<Ordered<InboundRoute>>,
    pub extensions: Arc<ExtensionIndex>,
    pub numbers: Arc<NumberIndex>,
    pub tokens: Arc<HashMap<String, Arc<Token>>>,
    pub blocks: Arc<Blocks>,
    pub prices: Arc<HashMap<RateTableId, Prices>>,
}

/// A map for each tenant, and one for the system.
type Scoped<E> = HashMap<Option<TenantId>, HashMap<String, Arc<E>>>;

#[derive(Default)]
pub(crate) struct TenantIndex {
    pub by_slug: HashMap<String, Arc<Tenant>>,
    pub by_domain: HashMap<String, Arc<Tenant>>,
}

#[derive(Default)]
pub(crate) struct TrunkIndex {
    pub by_name: Scoped<Trunk>,
    pub by_slug: HashMap<String, Arc<Trunk>>,
    /// Only trunks that prove themselves to us.
    pub by_login: HashMap<String, Arc<Trunk>>,
}

#[derive(Default)]
pub(crate) struct ExtensionIndex {
    pub by_number: Scoped<Extension>,
    pub by_username: Scoped<Extension>,
    /// Each tenant's own, since its domain goes with it.
    pub by_direct_token: Scoped<Extension>,
    /// By username among all tenants; `None` where several have it.
    pub only: HashMap<String, Option<Arc<Extension>>>,
}

#[derive(Default)]
pub(crate) struct NumberIndex {
    /// By canonical form; short ones for each tenant, see [`number_scope`].
    pub by_digits: Scoped<Number>,
    /// By [`backwards`], sorted.
    pub by_ending: Vec<(u128, Arc<Number>)>,
    /// Those in force that emergency calls show, by age.
    pub for_help: HashMap<Option<TenantId>, Vec<Arc<Number>>>,
}

/// Enabled ones of each tenant and of the system, in order.
pub(crate) struct Ordered<E>(HashMap<Option<TenantId>, Vec<Arc<E>>>);

impl<E> Default for Ordered<E> {
    fn default() -> Ordered<E> {
        Ordered(HashMap::new())
    }
}

impl<E> Ordered<E> {
    pub fn of(&self, tenant: Option<TenantId>) -> &[Arc<E>] {
        self.0.get(&tenant).map_or(&[], Vec::as_slice)
    }
}

/// Numbers of seven digits and more are the same everywhere; shorter ones are private, each tenant's own.
pub(crate) fn number_scope(tenant: Option<TenantId>, digits: &str) -> Option<TenantId> {
    tenant.filter(|_| digits.len() < GLOBAL)
}

impl Index {
    /// Builds the index of a kind anew.
    pub fn rebuild(&mut self, kind: Kind, config: &Config, clashes: &mut Vec<Clash>) {
        match kind {
            Kind::Tenant => self.tenants = Arc::new(tenants(config, clashes)),
            Kind::Schedule | Kind::ClassOfService | Kind::Webhook | Kind::AlertRule => {}
            Kind::Block => self.blocks = Arc::new(Blocks::of(config, clashes)),
            Kind::Trunk => {
                self.trunks = Arc::new(trunks(config, clashes));
                self.pools = Arc::new(Pools::of(config));
            }
            Kind::Assignment => {
                self.assignments = Arc::new(assignments(config, clashes));
                self.pools = Arc::new(Pools::of(config));
            }
            Kind::Route => {
                let key = |route: &Route| (!route.emergency, route.priority);
                let of = |route: &Route| (route.enabled, route.tenant_id);
                self.routes = Arc::new(ordered(config.routes.values(), of, key));
            }
            Kind::InboundRoute => {
                let of = |route: &InboundRoute| (route.enabled, route.tenant_id);
                self.inbound_routes =
                    Arc::new(ordered(config.inbound_routes.values(), of, |route| route.priority));
            }
            Kind::Extension => self.extensions = Arc::new(extensions(config, clashes)),
            Kind::Number => self.numbers = Arc::new(numbers(config, clashes)),
            // Nobody is looked up by an address: it must only be the one of its kind.
            Kind::User => drop(users(config, clashes)),
            Kind::RateTable => {
                let tables = config.rate_tables.values();
                self.prices = Arc::new(tables.map(|table| (table.id, Prices::of(table))).collect());
            }
            Kind::Token => self.tokens = Arc::new(tokens(config)),
        }
    }
}

fn ordered<'a, E: 'a, K: Ord>(
    all: impl Iterator<Item = &'a Arc<E>>,
    of: impl Fn(&E) -> (bool, Option<TenantId>),
    key: impl Fn(&E) -> K,
) -> Ordered<E> {
    let mut ordered: HashMap<Option<TenantId>, Vec<Arc<E>>> = HashMap::new();
    for one in all {
        if let (true, tenant) = of(one) {
            ordered.entry(tenant).or_default().push(one.clone());
        }
    }
    ordered.values_mut().for_each(|routes| routes.sort_by_key(|route| key(route)));
    Ordered(ordered)
}

fn tenants(config: &Config, clashes: &mut Vec<Clash>) -> TenantIndex {
    let mut index = TenantIndex::default();
    let id = |tenant: &Tenant| tenant.id.0;
    for tenant in config.tenants.values() {
        enter(&mut index.by_slug, tenant.slug.clone(), tenant, id, (Kind::Tenant, "slug"), clashes);
        if let Some(domain) = &tenant.sip_domain {
            let domain = domain.to_ascii_lowercase();
            enter(&mut index.by_domain, domain, tenant, id, (Kind::Tenant, "sip_domain"), clashes);
        }
    }
    index
}

fn users(config: &Config, clashes: &mut Vec<Clash>) -> HashMap<String, Arc<User>> {
    let mut index = HashMap::new();
    for user in config.users.values() {
        enter(&mut index, user.email.to_lowercase(), user, |user| user.id.0, (Kind::User, "email"), clashes);
    }
    index
}

/// By their hashes, of which no two are the same.
fn tokens(config: &Config) -> HashMap<String, Arc<Token>> {
    let made = config.tokens.values().filter(|token| !token.hash.is_empty());
    made.map(|token| (token.hash.expose().to_owned(), token.clone())).collect()
}

fn assignments(config: &Config, clashes: &mut Vec<Clash>) -> HashMap<(TrunkId, TenantId), Arc<Assignment>> {
    let mut index = HashMap::new();
    for assignment in config.assignments.values() {
        let key = (assignment.trunk_id, assignment.tenant_id);
        enter(
            &mut index,
            key,
            assignment,
            |assignment| assignment.id.0,
            (Kind::Assignment, "tenant_id"),
            clashes,
        );
    }
    index
}

fn trunks(config: &Config, clashes: &mut Vec<Clash>) -> TrunkIndex {
    let mut index = TrunkIndex::default();
    let id = |trunk: &Trunk| trunk.id.0;
    for trunk in config.trunks.values() {
        let names = index.by_name.entry(trunk.tenant_id).or_default();
        enter(names, trunk.name.clone(), trunk, id, (Kind::Trunk, "name"), clashes);
        enter(&mut index.by_slug, trunk.slug.clone(), trunk, id, (Kind::Trunk, "slug"), clashes);
        let login = trunk.digest_username().filter(|_| trunk.mode.comes_in());
        if let Some(login) = login {
            let field = if trunk.auth_username.is_some() { "auth_username" } else { "username" };
            enter(&mut index.by_login, login.to_owned(), trunk, id, (Kind::Trunk, field), clashes);
        }
    }
    index
}

fn extensions(config: &Config, clashes: &mut Vec<Clash>) -> ExtensionIndex {
    let mut index = ExtensionIndex::default();
    let id = |extension: &Extension| extension.id.0;
    for extension in config.extensions.values() {
        let (number, username) = (extension.number.clone(), extension.username.clone());
        let only = index.only.entry(username.clone()).and_modify(|only| *only = None);
        only.or_insert_with(|| Some(extension.clone()));
        let numbers = index.by_number.entry(extension.tenant_id).or_default();
        enter(numbers, number, extension, id, (Kind::Extension, "number"), clashes);
        let usernames = index.by_username.entry(extension.tenant_id).or_default();
        enter(usernames, username, extension, id, (Kind::Extension, "username"), clashes);
        if let Some(token) = extension.direct_token.clone() {
            let tokens = index.by_direct_token.entry(extension.tenant_id).or_default();
            enter(tokens, token, extension, id, (Kind::Extension, "direct_token"), clashes);
        }
    }
    index
}

fn numbers(config: &Config, clashes: &mut Vec<Clash>) -> NumberIndex {
    let mut index = NumberIndex::default();
    index.by_ending.reserve(config.numbers.len());
    for number in config.numbers.values() {
        let Some(digits) = Digits::parse(&number.number) else { continue };
        index.by_ending.push((backwards(digits.as_str()), number.clone()));
        if number.emergency && number.enabled {
            index.for_help.entry(number.tenant_id).or_default().push(number.clone());
        }
        let map = index.by_digits.entry(number_scope(number.tenant_id, digits.as_str())).or_default();
        enter(map, digits.into(), number, |number| number.id.0, (Kind::Number, "number"), clashes);
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
