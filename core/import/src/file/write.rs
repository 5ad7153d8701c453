//! A configuration as text: what is as it is by default is left out.

use super::names::Names;
use super::toml_text::write_entry;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use tandem_model::{Config, Entity, Kind};
use uuid::Uuid;

const HEAD: &str = "# The configuration of a Tandem server: `tandem apply FILE` brings a server to it. What is left out is as it is by default;\n\
                    # passwords are never written here, and those that are left out stay as they are.\n";

/// The whole configuration as one TOML file, but for its passwords: kinds in the order in which they refer to each other, each by age.
pub fn write_configuration(config: &Config) -> String {
    let names = Names::of(config);
    let mut nameless = Vec::new();
    let mut entries: Vec<(Kind, Uuid, Map<String, Value>)> = Vec::new();
    for kind in Kind::ALL.iter().copied().filter(|kind| kind.is_portable()) {
        for entity in config.all(kind) {
            let mut body = Value::Object(body_of(&entity));
            names.put_in(&mut body, entity.tenant_id().map(|tenant| tenant.0), config, &mut nameless);
            if let Value::Object(body) = body {
                entries.push((kind, entity.id(), body));
            }
        }
    }
    let nameless: BTreeSet<(Kind, Uuid)> = nameless.into_iter().collect();
    let mut out = HEAD.to_owned();
    for (kind, id, mut body) in entries {
        if nameless.contains(&(kind, id)) {
            body.insert("id".to_owned(), id.to_string().into());
        }
        write_entry(kind.key(), &body, &mut out);
    }
    out
}

/// What has to be said to create just this.
fn body_of(entity: &Entity) -> Map<String, Value> {
    let Value::Object(meant) = entity.to_json() else { return Map::new() };
    let needed: &[&str] = match entity.kind() {
        Kind::Tenant | Kind::Schedule | Kind::RateTable | Kind::ClassOfService => &["name"],
        Kind::Block => &["kind", "value"],
        Kind::Trunk => &["name", "mode"],
        Kind::Assignment => &["trunk_id", "tenant_id"],
        Kind::Extension | Kind::Number => &["number"],
        Kind::Route => &["name", "steps"],
        Kind::InboundRoute => &["name", "destination"],
        Kind::User | Kind::Token => &[],
        Kind::Webhook => &["name", "url"],
        Kind::AlertRule => &["name", "kind"],
    };
    let mut body: Map<String, Value> = needed
        .iter()
        .filter_map(|name| meant.get_key_value(*name))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    // Defaults depend on other fields, so that what is added may change what else has to be said.
    while let Some(made) = create(entity, &body) {
        let differing: Vec<&String> =
            meant.keys().filter(|name| *name != "id" && made.get(*name) != meant.get(*name)).collect();
        let new: Vec<&String> = differing.into_iter().filter(|name| !body.contains_key(*name)).collect();
        if new.is_empty() {
            break;
        }
        for name in new {
            body.insert(name.clone(), meant[name].clone());
        }
    }
    if entity.kind() == Kind::Number {
        // Mostly one of them is said by the other, or by what the number reaches.
        for name in ["enabled", "status"] {
            let mut without = body.clone();
            if without.remove(name).is_some() && create(entity, &without).as_ref() == Some(&meant) {
                body = without;
            }
        }
    }
    let shorter = shortened(&body);
    if create(entity, &shorter) == create(entity, &body) {
        body = shorter;
    }
    body
}

fn create(entity: &Entity, body: &Map<String, Value>) -> Option<Map<String, Value>> {
    let made = Entity::create(entity.kind(), entity.id(), Value::Object(body.clone())).ok()?;
    match made.to_json() {
        Value::Object(made) => Some(made),
        _ => None,
    }
}

/// Without what is empty, and what steps have by default.
fn shortened(body: &Map<String, Value>) -> Map<String, Value> {
    const NESTED: [&str; 12] = [
        "allowed",
        "denied",
        "steps",
        "match",
        "destination",
        "out_of_hours",
        "holiday",
        "no_answer",
        "hours",
        "holidays",
        "did_delimiters",
        "cid_delimiters",
    ];
    let mut body = body.clone();
    body.retain(|_, value| !value.is_null());
    for name in NESTED {
        if let Some(value) = body.get_mut(name) {
            shorten(value);
        }
    }
    if let Some(Value::Array(steps)) = body.get_mut("steps") {
        for step in steps.iter_mut().filter_map(Value::as_object_mut) {
            step.retain(|name, value| name == "trunk_id" || DEFAULT_STEP.get(name) != Some(value));
        }
    }
    body
}

static DEFAULT_STEP: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let body = json!({ "name": "-", "steps": [{ "trunk_id": Uuid::nil() }] });
    let made =
        Entity::create(Kind::Route, Uuid::nil(), body).map(|route| route.to_json()).unwrap_or_default();
    made["steps"][0].as_object().cloned().unwrap_or_default()
});

fn shorten(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(fields) => {
            fields.values_mut().for_each(shorten);
            fields.retain(|_, value| match value {
                Value::Null => false,
                Value::String(text) => !text.is_empty(),
                Value::Array(items) => !items.is_empty(),
                _ => true,
            });
        }
        _ => {}
    }
}
