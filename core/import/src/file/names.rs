//! Names instead of ids, where they can be told apart.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tandem_model::{Config, Entity, Kind};
use uuid::Uuid;

/// Kinds that others refer to, and how the field is called without its `_id`.
pub(super) const REFERRED: [(&str, Kind); 6] = [
    ("tenant", Kind::Tenant),
    ("schedule", Kind::Schedule),
    ("cost_table", Kind::RateTable),
    ("trunk", Kind::Trunk),
    ("extension", Kind::Extension),
    ("class_of_service", Kind::ClassOfService),
];

/// Fields that refer to what is told of later in a file, so that only an id can be there.
const AHEAD: [(&str, Kind); 1] = [("outbound_schedule_id", Kind::Schedule)];

/// A map whose names are ids of trunks.
pub(super) const BY_TRUNK: &str = "outbound_cid_by_trunk";

/// What things are called within their tenant.
#[derive(Default)]
pub(super) struct Names(BTreeMap<(Kind, Option<Uuid>, String), Vec<Uuid>>);

impl Names {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Names {
        let mut names = Names::default();
        for (_, kind) in REFERRED {
            config.all(kind).iter().for_each(|entity| names.add(entity));
        }
        names
    }

    pub fn add(&mut self, entity: &Entity) {
        let label = match entity {
            Entity::Tenant(tenant) => tenant.slug.clone(),
            Entity::Extension(extension) => extension.number.clone(),
            Entity::Schedule(_) | Entity::RateTable(_) | Entity::Trunk(_) | Entity::ClassOfService(_) => {
                entity.label().to_owned()
            }
            _ => return,
        };
        self.0.entry((entity.kind(), scope(entity), label)).or_default().push(entity.id());
    }

    /// What a thing of a tenant means by a name: what the tenant has, else what the system has. None where that is not one thing.
    pub fn find(&self, kind: Kind, tenant: Option<Uuid>, name: &str) -> Option<Uuid> {
        let of = |scope: Option<Uuid>| self.0.get(&(kind, scope, name.to_owned()));
        let found = match tenant.filter(|_| kind != Kind::Tenant).and_then(|tenant| of(Some(tenant))) {
            Some(found) => found,
            None => of(None)?,
        };
        (found.len() == 1).then(|| found[0])
    }

    /// The name that means this id to a thing of a tenant.
    fn name(&self, kind: Kind, tenant: Option<Uuid>, id: Uuid, config: &Config) -> Option<String> {
        let name = match config.get(kind, id)? {
            Entity::Tenant(tenant) => tenant.slug.clone(),
            Entity::Extension(extension) => extension.number.clone(),
            other => other.label().to_owned(),
        };
        (self.find(kind, tenant, &name) == Some(id)).then_some(name)
    }

    /// Puts names in the place of ids, in a value and whatever is in it. What has no name keeps its id, and is noted.
    pub fn put_in(
        &self,
        value: &mut Value,
        tenant: Option<Uuid>,
        config: &Config,
        nameless: &mut Vec<(Kind, Uuid)>,
    ) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(|item| self.put_in(item, tenant, config, nameless))
            }
            Value::Object(object) => {
                for (field, kind) in REFERRED {
                    let with_id = format!("{field}_id");
                    let Some(id) = object.get(&with_id).and_then(id_of) else { continue };
                    match self.name(kind, tenant, id, config) {
                        Some(name) => {
                            object.remove(&with_id);
                            object.insert(field.to_owned(), name.into());
                        }
                        None => nameless.push((kind, id)),
                    }
                }
                for (field, kind) in AHEAD {
                    nameless.extend(object.get(field).and_then(id_of).map(|id| (kind, id)));
                }
                if let Some(Value::Object(numbers)) = object.get_mut(BY_TRUNK) {
                    let renamed = std::mem::take(numbers).into_iter().map(|(key, number)| {
                        let name = key.parse().ok().and_then(|id| self.name(Kind::Trunk, tenant, id, config));
                        (name.unwrap_or(key), number)
                    });
                    *numbers = renamed.collect();
                }
                object.values_mut().for_each(|inner| self.put_in(inner, tenant, config, nameless));
            }
            _ => {}
        }
    }

    /// Puts ids in the place of names. What names nothing is told of with its path.
    pub fn take_out(
        &self,
        object: &mut Map<String, Value>,
        tenant: Option<Uuid>,
        path: &str,
        unknown: &mut Vec<(String, Kind, String)>,
    ) {
        for (field, kind) in REFERRED {
            let Some(Value::String(name)) = object.get(field).cloned() else { continue };
            match self.find(kind, tenant, &name).or_else(|| name.parse().ok()) {
                Some(id) => {
                    object.remove(field);
                    object.insert(format!("{field}_id"), id.to_string().into());
                }
                None => unknown.push((format!("{path}{field}"), kind, name)),
            }
        }
        if let Some(Value::Object(numbers)) = object.get_mut(BY_TRUNK) {
            let renamed = std::mem::take(numbers).into_iter().map(|(name, number)| {
                match self.find(Kind::Trunk, tenant, &name).or_else(|| name.parse().ok()) {
                    Some(id) => (id.to_string(), number),
                    None => {
                        unknown.push((format!("{path}{BY_TRUNK}"), Kind::Trunk, name.clone()));
                        (name, number)
                    }
                }
            });
            *numbers = renamed.collect();
        }
        for (name, value) in object.iter_mut() {
            // Texts by names that people choose: nothing in there is a reference.
            if matches!(
                name.as_str(),
                BY_TRUNK
                    | "inbound_context_vars"
                    | "outbound_vars"
                    | "extra_headers"
                    | "header_map"
                    | "imported_params"
            ) {
                continue;
            }
            match value {
                Value::Object(inner) => self.take_out(inner, tenant, &format!("{path}{name}."), unknown),
                Value::Array(items) => {
                    for (n, item) in items.iter_mut().enumerate() {
                        if let Value::Object(inner) = item {
                            self.take_out(inner, tenant, &format!("{path}{name}[{n}]."), unknown);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn scope(entity: &Entity) -> Option<Uuid> {
    match entity {
        Entity::Tenant(_) => None,
        other => other.tenant_id().map(|tenant| tenant.0),
    }
}

pub(super) fn id_of(value: &Value) -> Option<Uuid> {
    value.as_str()?.parse().ok()
}
