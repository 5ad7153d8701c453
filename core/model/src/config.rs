//! The configuration as one immutable snapshot, and the only way to change it.

use crate::findings::Findings;
use crate::index::Index;
use crate::index::number_scope;
use crate::rules::{self, Touched};
use crate::{
    AlertRule, AlertRuleId, Assignment, AssignmentId, Block, BlockId, BlockKind, ClassOfService,
    ClassOfServiceId, Date, DidForm, Entity, Extension, ExtensionId, InboundRoute, InboundRouteId, Interval,
    Kind, Number, NumberId, Problem, Rate, RateTable, RateTableId, Rejection, RejectionKind, Route, RouteId,
    Schedule, ScheduleId, Tenant, TenantId, Token, TokenId, Trunk, TrunkId, User, UserId, Webhook, WebhookId,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
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

/// An immutable configuration. Cloning is cheap: everything is shared.
///
/// Lookups use indexes that are built by [`Config::load`] and [`Config::apply`]: never write to the maps directly.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Counts changes.
    pub version: u64,
    /// Tenants by id, which is by age.
    pub tenants: Arc<BTreeMap<TenantId, Arc<Tenant>>>,
    /// Schedules by id.
    pub schedules: Arc<BTreeMap<ScheduleId, Arc<Schedule>>>,
    /// Rate tables by id.
    pub rate_tables: Arc<BTreeMap<RateTableId, Arc<RateTable>>>,
    /// Trunks by id, which is by age.
    pub trunks: Arc<BTreeMap<TrunkId, Arc<Trunk>>>,
    /// Assignments of trunks to tenants by id.
    pub assignments: Arc<BTreeMap<AssignmentId, Arc<Assignment>>>,
    /// Classes of service by id.
    pub classes_of_service: Arc<BTreeMap<ClassOfServiceId, Arc<ClassOfService>>>,
    /// Extensions by id.
    pub extensions: Arc<BTreeMap<ExtensionId, Arc<Extension>>>,
    /// Outbound routes by id, which is by age.
    pub routes: Arc<BTreeMap<RouteId, Arc<Route>>>,
    /// Inbound routes by id, which is by age.
    pub inbound_routes: Arc<BTreeMap<InboundRouteId, Arc<InboundRoute>>>,
    /// Numbers by id.
    pub numbers: Arc<BTreeMap<NumberId, Arc<Number>>>,
    /// Entries of the blocklist by id.
    pub blocks: Arc<BTreeMap<BlockId, Arc<Block>>>,
    /// Users by id.
    pub users: Arc<BTreeMap<UserId, Arc<User>>>,
    /// Tokens by id.
    pub tokens: Arc<BTreeMap<TokenId, Arc<Token>>>,
    /// Webhooks by id.
    pub webhooks: Arc<BTreeMap<WebhookId, Arc<Webhook>>>,
    /// Rules for alerts by id.
    pub alert_rules: Arc<BTreeMap<AlertRuleId, Arc<AlertRule>>>,
    /// Where this server listens for SIP: no trunk may lead there.
    listeners: Arc<[SocketAddr]>,
    index: Index,
}

impl Config {
    /// A configuration of entities that were checked when they were stored.
    pub fn load(entities: impl IntoIterator<Item = Entity>) -> Config {
        let mut config = Config::default();
        entities.into_iter().for_each(|entity| config.put(entity));
        let mut index = Index::default();
        for kind in Kind::ALL {
            index.rebuild(*kind, &config, &mut Vec::new());
        }
        config.index = index;
        config
    }

    /// The configuration of a server that listens for SIP at these addresses.
    pub fn listening_at(self, listeners: impl IntoIterator<Item = SocketAddr>) -> Config {
        Config { listeners: listeners.into_iter().collect(), ..self }
    }

    /// Whether the server itself is what listens there.
    pub(crate) fn is_here(&self, ip: IpAddr, port: u16) -> bool {
        let here = |at: &SocketAddr| at.ip() == ip || at.ip().is_unspecified() && ip.is_loopback();
        self.listeners.iter().any(|at| at.port() == port && here(at))
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
            if touched.keys().any(|(touched, _)| touched == kind) {
                index.rebuild(*kind, &next, &mut clashes);
            }
        }
        next.index = index;
        rules::check(self, &next, &touched, &clashes, &mut findings);
        findings.into_result(next, changes.len())
    }

    /// Enabled outbound routes of a tenant, or of the system, in the order they are tried: emergency, priority, age.
    pub fn routes_of(&self, tenant: Option<TenantId>) -> &[Arc<Route>] {
        self.index.routes.of(tenant)
    }

    /// Enabled inbound routes of a tenant, or of the system, by priority, then age.
    pub fn inbound_routes_of(&self, tenant: Option<TenantId>) -> &[Arc<InboundRoute>] {
        self.index.inbound_routes.of(tenant)
    }

    /// The tenant whose SIP domain this is, whatever the case of its letters; `{slug}.registrar.` and anything names it too.
    pub fn tenant_of_domain(&self, domain: &str) -> Option<&Arc<Tenant>> {
        let domain = domain.to_ascii_lowercase();
        let tenants = &self.index.tenants;
        let by_slug = || tenants.by_slug.get(domain.split_once(".registrar.")?.0);
        tenants.by_domain.get(&domain).or_else(by_slug)
    }

    /// The trunk of this name, of a tenant or of the system.
    pub fn trunk_by_name(&self, tenant: Option<TenantId>, name: &str) -> Option<&Arc<Trunk>> {
        self.index.trunks.by_name.get(&tenant)?.get(name)
    }

    /// The extension that anybody may call who knows this token, at this domain.
    pub fn extension_by_direct_token(&self, domain: &str, token: &str) -> Option<&Arc<Extension>> {
        let tenant = self.tenant_of_domain(domain).map(|tenant| tenant.id);
        self.index.extensions.by_direct_token.get(&tenant)?.get(token)
    }

    /// The extension of a tenant, or of the system, that is dialled as `number`, enabled or not.
    pub fn extension_by_number(&self, tenant: Option<TenantId>, number: &str) -> Option<&Arc<Extension>> {
        self.index.extensions.by_number.get(&tenant)?.get(number)
    }

    /// The extension of a tenant, or of the system, that authenticates as `username`, enabled or not.
    pub fn extension_by_username(&self, tenant: Option<TenantId>, username: &str) -> Option<&Arc<Extension>> {
        self.index.extensions.by_username.get(&tenant)?.get(username)
    }

    /// The trunk of this slug.
    pub fn trunk_by_slug(&self, slug: &str) -> Option<&Arc<Trunk>> {
        self.index.trunks.by_slug.get(slug)
    }

    /// The only extension of all tenants that authenticates as `username`; none when there are several.
    pub fn only_extension(&self, username: &str) -> Option<&Arc<Extension>> {
        self.index.extensions.only.get(username)?.as_ref()
    }

    /// The `register_in` or `peer_in` trunk that authenticates as `username` (its `auth_username`, else its `username`), enabled or
    /// not.
    pub fn incoming_trunk(&self, username: &str) -> Option<&Arc<Trunk>> {
        self.index.trunks.by_login.get(username)
    }

    /// The number with these digits, enabled or not; a short one, which several may have, of this tenant or of the system.
    pub fn number(&self, tenant: Option<TenantId>, digits: &str) -> Option<&Arc<Number>> {
        self.index.numbers.by_digits.get(&number_scope(tenant, digits))?.get(digits)
    }

    /// A number whose canonical form ends in `digits`; of several always the same one.
    pub fn number_ending_in(&self, digits: &str) -> Option<&Arc<Number>> {
        self.index.numbers.ending_in(digits)
    }

    /// The tenant that has this number in its pool on this trunk, by an assignment or because the trunk is its own.
    pub fn pool_owner(&self, trunk: TrunkId, number: &str) -> Option<TenantId> {
        self.index.pools.owner(trunk, number)
    }

    /// Whether somebody whose calls come over this trunk has this number: it is written down, or in a pool, or in a range of an
    /// inbound route.
    pub fn is_known(&self, trunk: &Trunk, digits: &str) -> bool {
        let tenant = trunk.tenant_id.or_else(|| self.pool_owner(trunk.id, digits));
        let number = Interval::single(digits);
        let in_route = |route: &Arc<InboundRoute>| match route.did.form() {
            DidForm::Numbers(numbers) => number.is_some_and(|number| numbers.contains(&number)),
            DidForm::Prefix(_) | DidForm::Any => false,
        };
        // Long numbers are found whoever has them.
        let is_theirs = |number: &Arc<Number>| match tenant {
            Some(tenant) => number.tenant_id == Some(tenant),
            None => number.tenant_id.is_none_or(|owner| self.assignment(trunk.id, owner).is_some()),
        };
        self.number(tenant, digits).is_some_and(is_theirs)
            || self.pool_owner(trunk.id, digits).is_some()
            || self.inbound_routes_of(tenant).iter().any(in_route)
    }

    /// Whether the tenant owns all of these numbers: they are in a pool of its, or one is a number of its.
    pub fn owns(&self, tenant: TenantId, numbers: &Interval) -> bool {
        let by_number = || {
            numbers.at(0).filter(|_| numbers.count() == 1).is_some_and(|digits| {
                self.number(Some(tenant), &digits).is_some_and(|number| number.tenant_id == Some(tenant))
            })
        };
        self.index.pools.contain(tenant, numbers) || by_number()
    }

    /// Whether these numbers are in pools of the tenant.
    pub fn in_pool(&self, tenant: TenantId, numbers: &Interval) -> bool {
        self.index.pools.contain(tenant, numbers)
    }

    /// Numbers in force of a tenant, or of the system, that emergency calls show rather than others, by age.
    pub fn numbers_for_help(&self, tenant: Option<TenantId>) -> &[Arc<Number>] {
        self.index.numbers.for_help.get(&tenant).map_or(&[], Vec::as_slice)
    }

    /// Whether this number of a tenant, or of the system, is written down and not in force.
    pub fn is_off(&self, tenant: Option<TenantId>, digits: &str) -> bool {
        self.number(tenant, digits).is_some_and(|number| number.tenant_id == tenant && !number.enabled)
    }

    /// Whether the tenant may show this number over this trunk: over its own whatever it owns, over one of the system what the system
    /// gave it, which the pools of its own trunks are not. None that is not in force.
    pub fn may_show(&self, tenant: TenantId, trunk: &Trunk, digits: &str) -> bool {
        let Some(numbers) = &Interval::single(digits) else { return false };
        if self.is_off(Some(tenant), digits) {
            return false;
        }
        if trunk.tenant_id == Some(tenant) {
            return self.owns(tenant, numbers);
        }
        let given = || self.owns(tenant, numbers) && !self.index.pools.contain_own(tenant, numbers);
        self.index.pools.contain_assigned(tenant, numbers) || given()
    }

    /// What the blocklist says of an address: the smallest network with it that is in force at this moment, milliseconds since the
    /// Unix epoch.
    pub fn block_of_address(&self, address: IpAddr, now: u64) -> Option<&Arc<Block>> {
        self.index.blocks.address(address, now)
    }

    /// What it says of somebody with this User-Agent.
    pub fn block_of_agent(&self, agent: &str, now: u64) -> Option<&Arc<Block>> {
        self.index.blocks.agent(agent, now)
    }

    /// What it says of a caller or of a destination that is written in these ways, in calls of this tenant or of the system.
    pub fn block_of_number<'f>(
        &self,
        kind: BlockKind,
        tenant: Option<TenantId>,
        forms: impl Iterator<Item = &'f str> + Clone,
        now: u64,
    ) -> Option<&Arc<Block>> {
        self.index.blocks.number(kind, tenant, forms, now)
    }

    /// How many entries a tenant, or the system, has there.
    pub(crate) fn block_count(&self, tenant: Option<TenantId>) -> usize {
        self.index.blocks.count(tenant)
    }

    /// How many of them are patterns or ranges of this kind.
    pub(crate) fn block_patterns(&self, tenant: Option<TenantId>, kind: BlockKind) -> usize {
        self.index.blocks.patterns(tenant, kind)
    }

    /// The token with this SHA-256, written in hexadecimal, in force or not.
    pub fn token_by_hash(&self, hash: &str) -> Option<&Arc<Token>> {
        self.index.tokens.get(hash)
    }

    /// What calls over this trunk to a number with its country code cost at a moment, milliseconds since the Unix epoch; with the
    /// currency.
    pub fn rate(&self, trunk: &Trunk, digits: &str, unix_millis: u64) -> Option<(&Rate, &str)> {
        let id = trunk.cost_table_id?;
        let rate = self.index.prices.get(&id)?.find(digits, Date::of(unix_millis, "UTC"))?;
        Some((rate, self.rate_tables.get(&id)?.currency.as_str()))
    }

    /// What a tenant may use of a trunk of the system.
    pub fn assignment(&self, trunk: TrunkId, tenant: TenantId) -> Option<&Arc<Assignment>> {
        self.index.assignments.get(&(trunk, tenant))
    }
}
