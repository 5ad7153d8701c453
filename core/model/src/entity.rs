//! One thing of a configuration, whatever its kind: JSON in and out.

use crate::body;
use crate::read::{self, Fault};
use crate::{
    AlertRule, AlertRuleId, Assignment, Block, ClassOfService, Config, Extension, InboundRoute, Number,
    RateTable, RateTableId, Rejection, Route, Schedule, Secret, Tenant, TenantId, Token, Trunk, User,
    Webhook, WebhookId,
};
use crate::{
    AssignmentId, BlockId, ClassOfServiceId, ExtensionId, InboundRouteId, NumberId, RouteId, ScheduleId,
    TokenId, TrunkId, UserId,
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

/// Makes the kinds: of each its type, its id, the map of a [`Config`] that holds it, and its name in words and in the store.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $id:ident, $map:ident, $name:literal, $key:literal;)*) => {
        /// The kinds of things that a configuration holds.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// Every kind, those first that others refer to.
            pub const ALL: &[Kind] = &[$(Kind::$kind,)*];

            /// The kind in words, as in messages.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }

            /// The kind as the store and files call it.
            pub fn key(self) -> &'static str {
                match self { $(Kind::$kind => $key,)* }
            }
        }

        /// One thing of a configuration.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Entity { $($(#[$doc])* $kind(Arc<$kind>),)* }

        impl Entity {
            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self { $(Entity::$kind(_) => Kind::$kind,)* }
            }

            /// Its id.
            pub fn id(&self) -> Uuid {
                match self { $(Entity::$kind(entity) => entity.id.0,)* }
            }

            fn to_object(&self) -> Map<String, Value> {
                match self { $(Entity::$kind(entity) => object_of(entity.as_ref()),)* }
            }
        }

        /// Reads a whole entity, strictly.
        pub(crate) fn read(kind: Kind, body: Value) -> Result<Entity, Fault> {
            Ok(match kind { $(Kind::$kind => Entity::$kind(Arc::new(read::read(body)?)),)* })
        }

        impl Config {
            pub(crate) fn put(&mut self, entity: Entity) {
                match entity { $(Entity::$kind(entity) => drop(Arc::make_mut(&mut self.$map).insert(entity.id, entity)),)* }
            }

            /// Whether there was one to remove.
            pub(crate) fn remove(&mut self, kind: Kind, id: Uuid) -> bool {
                match kind { $(Kind::$kind => {
                    self.$map.contains_key(&$id(id)) && Arc::make_mut(&mut self.$map).remove(&$id(id)).is_some()
                })* }
            }

            /// Looks an entity up.
            pub fn get(&self, kind: Kind, id: Uuid) -> Option<Entity> {
                match kind { $(Kind::$kind => self.$map.get(&$id(id)).cloned().map(Entity::$kind),)* }
            }

            /// All entities of a kind, by age.
            pub fn all(&self, kind: Kind) -> Vec<Entity> {
                match kind { $(Kind::$kind => self.$map.values().cloned().map(Entity::$kind).collect(),)* }
            }
        }
    };
}

kinds! {
    /// Tenants.
    Tenant, TenantId, tenants, "tenant", "tenant";
    /// Schedules.
    Schedule, ScheduleId, schedules, "schedule", "schedule";
    /// Rate tables.
    RateTable, RateTableId, rate_tables, "rate table", "rate_table";
    /// Trunks.
    Trunk, TrunkId, trunks, "trunk", "trunk";
    /// Assignments of trunks to tenants.
    Assignment, AssignmentId, assignments, "assignment", "assignment";
    /// Classes of service.
    ClassOfService, ClassOfServiceId, classes_of_service, "class of service", "class_of_service";
    /// Extensions.
    Extension, ExtensionId, extensions, "extension", "extension";
    /// Outbound routes.
    Route, RouteId, routes, "route", "route";
    /// Inbound routes.
    InboundRoute, InboundRouteId, inbound_routes, "inbound route", "inbound_route";
    /// Numbers.
    Number, NumberId, numbers, "number", "number";
    /// Entries of the blocklist.
    Block, BlockId, blocks, "block", "block";
    /// Users.
    User, UserId, users, "user", "user";
    /// Tokens.
    Token, TokenId, tokens, "token", "token";
    /// Webhooks.
    Webhook, WebhookId, webhooks, "webhook", "webhook";
    /// Rules for alerts.
    AlertRule, AlertRuleId, alert_rules, "alert rule", "alert_rule";
}

impl Kind {
    /// Whether files of configurations hold it. Who may do what belongs to an installation, and stays there.
    pub fn is_portable(self) -> bool {
        !matches!(self, Kind::User | Kind::Token)
    }
}

impl Entity {
    /// The fields of [`Entity::to_stored`] that nobody but the server may read.
    pub const SECRETS: [&str; 4] = ["password", "hash", "secret", "stir_key"];

    /// What people call it: its name, or the number itself.
    pub fn label(&self) -> &str {
        match self {
            Entity::Tenant(tenant) => &tenant.name,
            Entity::Schedule(schedule) => &schedule.name,
            Entity::RateTable(table) => &table.name,
            Entity::Trunk(trunk) => &trunk.name,
            Entity::Assignment(assignment) => assignment.did_pool.as_ref().map_or("", |pool| pool.as_str()),
            Entity::Extension(extension) => &extension.name,
            Entity::Route(route) => &route.name,
            Entity::InboundRoute(route) => &route.name,
            Entity::Number(number) => &number.number,
            Entity::User(user) => &user.email,
            Entity::Token(token) => &token.name,
            Entity::Webhook(webhook) => &webhook.name,
            Entity::AlertRule(rule) => &rule.name,
            Entity::Block(block) => &block.value,
            Entity::ClassOfService(class) => &class.name,
        }
    }

    /// The tenant that it belongs to; none where it belongs to the system. A tenant belongs to itself.
    pub fn tenant_id(&self) -> Option<TenantId> {
        match self {
            Entity::Tenant(tenant) => Some(tenant.id),
            Entity::Schedule(schedule) => schedule.tenant_id,
            Entity::RateTable(table) => table.tenant_id,
            Entity::Trunk(trunk) => trunk.tenant_id,
            Entity::Assignment(assignment) => Some(assignment.tenant_id),
            Entity::Extension(extension) => extension.tenant_id,
            Entity::Route(route) => route.tenant_id,
            Entity::InboundRoute(route) => route.tenant_id,
            Entity::Number(number) => number.tenant_id,
            Entity::User(user) => user.tenant_id,
            Entity::Token(token) => token.tenant_id,
            Entity::Webhook(webhook) => webhook.tenant_id,
            Entity::AlertRule(rule) => rule.tenant_id,
            Entity::Block(block) => block.tenant_id,
            Entity::ClassOfService(class) => class.tenant_id,
        }
    }

    /// Reads a creation body: a JSON object as the API takes it, strictly, with the defaults that depend on other fields filled in.
    /// `id` becomes its id. Nothing outside of the body is checked here; that is [`Config::apply`](crate::Config::apply).
    pub fn create(kind: Kind, id: Uuid, body: Value) -> Result<Entity, Rejection> {
        body::create(kind, id, body)
    }

    /// This entity with a JSON merge patch (RFC 7396) applied: `null` sets a field back to its default. `id` cannot change; a
    /// password that is not mentioned stays.
    pub fn patch(&self, patch: Value) -> Result<Entity, Rejection> {
        body::patch(self, patch)
    }

    /// As the API shows it: without secrets.
    pub fn to_json(&self) -> Value {
        Value::Object(self.to_object())
    }

    /// As the store keeps it: with secrets.
    pub fn to_stored(&self) -> Value {
        let mut object = self.to_object();
        for (field, secret) in self.secrets() {
            object.insert(field.to_owned(), secret.expose().into());
        }
        Value::Object(object)
    }

    /// Reads what `to_stored` wrote; an error names what does not fit.
    pub fn from_stored(kind: Kind, mut stored: Value) -> Result<Entity, String> {
        let id = stored.get("id").and_then(Value::as_str).unwrap_or("without an id").to_owned();
        // What was stored before a field was thought of has its default.
        if let Value::Object(object) = &mut stored {
            body::fill(kind, object);
        }
        read(kind, stored).map_err(|fault| format!("stored {} {id}: {fault}", kind.name()))
    }

    /// Its fields that are never shown.
    fn secrets(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        const NONE: (&str, Option<&Secret>) = ("", None);
        let secrets = match self {
            Entity::Trunk(trunk) => {
                [("password", trunk.password.as_ref()), ("stir_key", trunk.stir_key.as_ref())]
            }
            Entity::Extension(extension) => [("password", extension.password.as_ref()), NONE],
            Entity::Token(token) => [("hash", Some(&token.hash)), NONE],
            Entity::Webhook(webhook) => [("secret", webhook.secret.as_ref()), NONE],
            _ => [NONE, NONE],
        };
        secrets.into_iter().filter_map(|(field, secret)| Some((field, secret?)))
    }
}

fn object_of(entity: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(entity) {
        Ok(Value::Object(object)) => object,
        other => unreachable!("an entity is an object with text keys, not {other:?}"),
    }
}
