//! Bodies of the API: creation and merge patch, with other names of fields and defaults that depend on other fields.

use crate::entity::read;
use crate::findings::Findings;
use crate::network::network;
use crate::preset::preset;
use crate::problem::{Rejection, RejectionKind};
use crate::read::Fault;
use crate::trunk::slug_of;
use crate::{AlertDefaults, AlertKind, BlockKind, Digits, Entity, Kind, NumberStatus};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

type Object = Map<String, Value>;

/// How names of fields begin that are other programs' own. They are let pass, and not kept.
const FOREIGN: &str = "x_";

/// A field of a body, under the name that it has in the entity and the one that was written.
struct Given {
    name: String,
    written: String,
    value: Value,
}

pub(crate) fn create(kind: Kind, id: Uuid, body: Value) -> Result<Entity, Rejection> {
    let mut findings = Findings::default();
    let given = fields(kind, id, object(kind, body)?, &mut findings);
    assemble(kind, id, given, findings)
}

pub(crate) fn patch(entity: &Entity, patch: Value) -> Result<Entity, Rejection> {
    let (kind, id) = (entity.kind(), entity.id());
    let mut findings = Findings::default();
    let Value::Object(mut merged) = entity.to_stored() else { unreachable!("entities are objects") };
    merged.remove("id");
    let known: Vec<String> = merged.keys().cloned().collect();
    let mut changes = fields(kind, id, object(kind, patch)?, &mut findings);
    if let Entity::Number(number) = entity {
        // What is off already, being nobody's, stays nobody's.
        let is_so = |change: &Given| change.name == "enabled" && change.value == Value::Bool(number.enabled);
        if changes.iter().any(is_so) {
            changes.retain(|change| change.name != "status" || change.written != "enabled");
        }
    }
    let mut written = Vec::new();
    for change in changes {
        let may_be_absent =
            matches!(change.name.as_str(), "password" | "secret" | "stir_key" | "provider_id");
        if change.value.is_null() && !may_be_absent && !known.contains(&change.name) {
            let problem = Fault::unknown(&change.written, &known).problem(kind, &change.written);
            findings.add(RejectionKind::Invalid, problem);
            continue;
        }
        if change.name == "provider_id"
            && !change.value.is_null()
            && !written.iter().any(|(name, _)| name == "steps")
        {
            merged.remove("steps");
        }
        merge_field(&mut merged, change.name.clone(), change.value);
        written.push((change.name, change.written));
    }
    let as_written =
        |name: &str| written.iter().find(|(known, _)| known == name).map(|(_, written)| written.clone());
    let given = merged.into_iter().map(|(name, value)| {
        let written = as_written(&name).unwrap_or_else(|| name.clone());
        Given { name, written, value }
    });
    assemble(kind, id, given.collect(), findings)
}

/// RFC 7396: objects merge, `null` removes, anything else replaces.
fn merge_field(target: &mut Object, name: String, patch: Value) {
    match patch {
        Value::Null => {
            target.remove(&name);
        }
        Value::Object(fields) => {
            let mut inner = match target.remove(&name) {
                Some(Value::Object(inner)) => inner,
                _ => Object::new(),
            };
            for (name, value) in fields {
                merge_field(&mut inner, name, value);
            }
            target.insert(name, Value::Object(inner));
        }
        other => {
            target.insert(name, other);
        }
    }
}

fn object(kind: Kind, body: Value) -> Result<Object, Rejection> {
    let Value::Object(object) = body else {
        let message = format!("the body of a change to the {}s is a JSON object", kind.name());
        return Err(Rejection::one(RejectionKind::Invalid, "", "WRONG_TYPE", message, "send `{ ... }`"));
    };
    Ok(object)
}

/// The fields of a body under their names in the entity, without `id`.
fn fields(kind: Kind, id: Uuid, body: Object, findings: &mut Findings) -> Vec<Given> {
    let mut given: Vec<Given> = Vec::with_capacity(body.len());
    for (written, value) in body {
        if written == "id" {
            let same = value.as_str().and_then(|text| text.parse().ok()) == Some(id);
            if !same {
                findings.invalid(
                    "id",
                    "IMMUTABLE",
                    "the id is given by the server and never changes",
                    "leave `id` out",
                );
            }
            continue;
        }
        if written.starts_with(FOREIGN) {
            continue;
        }
        if let Some(only) = later(kind, &written).filter(|only| !value.is_null() && value != *only) {
            let fix = format!("leave it out, or give {only}; recording comes later");
            findings.invalid(&*written, "NOT_SUPPORTED", "calls are not recorded yet", fix);
            continue;
        }
        if made_by_server(kind).contains(&written.as_str()) {
            let message = format!("`{written}` is made by the server");
            findings.invalid(&*written, "IMMUTABLE", message, format!("leave `{written}` out"));
            continue;
        }
        let name = aliases(kind)
            .iter()
            .find(|(alias, _)| *alias == written)
            .map_or(written.as_str(), |(_, name)| name);
        if let Some(twin) = given.iter().find(|other| other.name == name) {
            let message = format!("`{written}` and `{}` are two names of the same field", twin.written);
            findings.invalid(&*written, "DUPLICATE_FIELD", message, format!("give only `{name}`"));
            continue;
        }
        given.push(Given { name: name.to_owned(), written, value });
    }
    if kind == Kind::Number {
        mirror(&mut given);
    }
    given
}

/// Fields that are shown, or kept, and never written from outside.
fn made_by_server(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Token => &["prefix", "hash", "last_used_at"],
        Kind::Block => &["source"],
        _ => &[],
    }
}

/// The one value so far of a field that waits for something to come.
fn later(kind: Kind, field: &str) -> Option<Value> {
    match (kind, field) {
        (Kind::Tenant, "recording_policy") => Some(json!("off")),
        (Kind::InboundRoute, "recording_notice") => Some(json!(false)),
        _ => None,
    }
}

/// Whether a number is in force is said by `enabled` and by `status`: who gives one of them has given the other.
fn mirror(given: &mut Vec<Given>) {
    let position = |name: &str| given.iter().position(|field| field.name == name);
    let (from, name) = match (position("enabled"), position("status")) {
        (Some(enabled), None) => (&given[enabled], "status"),
        (None, Some(status)) => (&given[status], "enabled"),
        _ => return,
    };
    let value = match &from.value {
        Value::Bool(true) => NumberStatus::Assigned.key().into(),
        Value::Bool(false) => NumberStatus::Disabled.key().into(),
        Value::Null => Value::Null,
        status => match NumberStatus::deserialize(status) {
            Ok(status) => status.is_in_force().into(),
            Err(_) => return,
        },
    };
    let written = from.written.clone();
    given.push(Given { name: name.to_owned(), written, value });
}

/// Other names that fields have in the systems people come from.
pub(crate) fn aliases(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Trunk => &[("hostname", "host"), ("type", "technology"), ("tech_headers", "extra_headers")],
        Kind::Extension => &[("extension", "number")],
        Kind::InboundRoute => &[("did_match", "did"), ("cid_match", "caller")],
        Kind::Number => &[("label", "name")],
        _ => &[],
    }
}

/// Reads the entity as a whole; when that fails, each field by itself into an otherwise minimal entity, so that every wrong one is
/// reported.
fn assemble(kind: Kind, id: Uuid, given: Vec<Given>, mut findings: Findings) -> Result<Entity, Rejection> {
    require(kind, &given, &mut findings);
    let mut whole: Object = given.iter().map(|field| (field.name.clone(), field.value.clone())).collect();
    whole.insert("id".to_owned(), id.to_string().into());
    fill(kind, &mut whole);
    let fault = match read(kind, Value::Object(whole)) {
        Ok(entity) => return findings.into_result(entity, 1),
        Err(fault) => fault,
    };
    for field in &given {
        let mut probe = minimal(kind);
        probe.insert(field.name.clone(), field.value.clone());
        fill(kind, &mut probe);
        if let Err(fault) = read(kind, Value::Object(probe)) {
            let path = fault.path_as_written(&field.name, &field.written);
            findings.add(RejectionKind::Invalid, fault.problem(kind, &path));
        }
    }
    if findings.is_empty() {
        let path = fault.path().to_owned();
        findings.add(RejectionKind::Invalid, fault.problem(kind, &path));
    }
    findings.into_result((), 1).map(|()| unreachable!("at least one problem was found"))
}

/// What a body must give.
fn require(kind: Kind, given: &[Given], findings: &mut Findings) {
    let has = |name: &str| given.iter().any(|field| field.name == name && !field.value.is_null());
    let mut need = |name: &str, fix: &str| {
        findings.invalid(name, "REQUIRED", format!("every {} needs `{name}`", kind.name()), fix);
    };
    match kind {
        Kind::Trunk | Kind::Schedule | Kind::RateTable | Kind::ClassOfService if !has("name") => {
            need("name", "give it a name of 1 to 64 characters")
        }
        Kind::User => {
            if !has("email") {
                need("email", "give the address of the person, as `name@example.com`");
            }
            if !has("role") {
                need("role", "give one of `system_admin`, `operator`, `tenant_admin`, `viewer`");
            }
        }
        Kind::Token if !has("name") => need("name", "say what the token is for, in 1 to 64 characters"),
        Kind::Webhook | Kind::AlertRule => {
            if !has("name") {
                need("name", "give it a name of 1 to 64 characters");
            }
            if kind == Kind::Webhook && !has("url") {
                need("url", "say where events are posted to, as `https://hooks.example.com/path`");
            }
            if kind == Kind::AlertRule && !has("kind") {
                let kinds = AlertKind::ALL.iter().map(|kind| kind.key()).collect::<Vec<_>>().join(", ");
                need("kind", &format!("say what it looks at: one of {kinds}"));
            }
        }
        Kind::Tenant if !has("name") => need("name", "give it a name of 1 to 64 characters"),
        Kind::Block => {
            if !has("kind") {
                need("kind", "say what it is about: `ip`, `caller`, `destination` or `user_agent`");
            }
            if !has("value") {
                need(
                    "value",
                    "say which one: as `192.0.2.0/24`, `+15551234567`, `1900*` or `friendly-scanner`",
                );
            }
        }
        Kind::Assignment => {
            for field in ["trunk_id", "tenant_id"] {
                if !has(field) {
                    need(field, "say which trunk is assigned to which tenant");
                }
            }
        }
        Kind::InboundRoute => {
            if !has("name") {
                need("name", "give it a name of 1 to 64 characters");
            }
            if !has("destination") {
                need(
                    "destination",
                    "say what a call reaches, as `{\"type\": \"extension\", \"extension_id\": \"...\"}`",
                );
            }
        }
        Kind::Extension if !has("number") && !has("username") => {
            need("number", "give `number` (what others dial), `username` (what it registers as), or both");
        }
        Kind::Number if !has("number") => need("number", "give the telephone number, as `+15551234567`"),
        Kind::Route => {
            if !has("name") {
                need("name", "give it a name of 1 to 64 characters");
            }
            match (has("provider_id"), has("steps")) {
                (false, false) => {
                    need("steps", "give 1 to 6 steps, as `[{\"trunk_id\": \"...\"}]`, or one `provider_id`")
                }
                (true, true) => {
                    let message = "`provider_id` and `steps` both say which trunks to try";
                    findings.invalid("provider_id", "CONFLICTING_FIELDS", message, "give only one of them");
                }
                _ => {}
            }
        }
        _ => {}
    }
}

/// Defaults that depend on other fields.
pub(crate) fn fill(kind: Kind, body: &mut Object) {
    let given = |body: &Object, name: &str| body.get(name).filter(|value| !value.is_null()).cloned();
    match kind {
        Kind::Trunk => {
            let brand = given(body, "brand").and_then(|brand| preset(brand.as_str()?));
            for (field, value) in brand.iter().flat_map(|preset| &preset.defaults) {
                body.entry(field).or_insert_with(|| value.clone());
            }
            let by_username = if given(body, "username").is_some() { "register_out" } else { "ip_auth" };
            let mode = body.entry("mode").or_insert_with(|| by_username.into());
            let (in_from, trusted) = (mode == "ip_auth", mode != "register_in" && mode != "peer_in");
            body.entry("caller_id_in_from").or_insert_with(|| in_from.into());
            body.entry("trust_identity").or_insert_with(|| trusted.into());
            let of_name = body.get("name").and_then(Value::as_str).and_then(slug_of);
            let of_id = || body.get("id").and_then(Value::as_str).map(|id| format!("trunk-{id}"));
            let of_name = match given(body, "tenant_id") {
                // Tenants do not know of each other, so that two may choose one name.
                Some(_) => None,
                None => of_name,
            };
            let slug = of_name.or_else(of_id).unwrap_or_default();
            body.entry("slug").or_insert_with(|| slug.into());
        }
        Kind::AlertRule => {
            let kind =
                AlertKind::ALL.iter().copied().find(|kind| body.get("kind").is_some_and(|k| k == kind.key()));
            let Some(AlertDefaults { thresholds, for_s }) = kind.map(AlertKind::defaults) else { return };
            body.entry("for_s").or_insert_with(|| for_s.into());
            let Some((threshold, clear)) = thresholds else { return };
            if given(body, "threshold").is_none() {
                body.insert("threshold".to_owned(), threshold.into());
            }
            if given(body, "clear_threshold").is_none() {
                // The same part of another threshold.
                let threshold = body.get("threshold").and_then(Value::as_f64).unwrap_or(threshold);
                let of_kind = kind.and_then(|kind| kind.defaults().thresholds);
                let part = of_kind.map_or(1.0, |(whole, part)| part / whole);
                let most = kind.map_or(clear, AlertKind::most);
                body.insert("clear_threshold".to_owned(), (threshold * part).min(most).into());
            }
        }
        Kind::Extension => {
            let (number, username) = (given(body, "number"), given(body, "username"));
            if let Some(default) = number.as_ref().or(username.as_ref()) {
                for field in ["number", "username", "name"] {
                    body.entry(field).or_insert_with(|| default.clone());
                }
            }
        }
        Kind::Number => {
            let is_short = given(body, "number")
                .and_then(|number| Digits::parse(number.as_str()?))
                .is_some_and(|digits| digits.is_private());
            body.entry("type").or_insert_with(|| if is_short { "private" } else { "geographic" }.into());
            let is_off = body.get("enabled") == Some(&Value::Bool(false));
            let reaches = given(body, "extension_id").or(given(body, "trunk_id")).is_some();
            let status =
                body.entry("status").or_insert_with(|| if is_off { "disabled" } else { "assigned" }.into());
            if matches!(status.as_str(), Some("assigned" | "active")) {
                *status = if reaches { "active" } else { "assigned" }.into();
            }
            let in_force = matches!(status.as_str(), Some("assigned" | "active"));
            body.entry("enabled").or_insert_with(|| in_force.into());
        }
        Kind::Route => {
            let provider = body.remove("provider_id").filter(|id| !id.is_null());
            let on_exhausted = if provider.is_some() { "next_rule" } else { "stop" };
            if let Some(provider) = provider {
                body.insert("steps".to_owned(), json!([{ "trunk_id": provider }]));
            }
            body.entry("on_exhausted").or_insert_with(|| on_exhausted.into());
        }
        Kind::User => {
            if let Some(email) = given(body, "email").as_ref().and_then(Value::as_str) {
                let person = email.split('@').next().unwrap_or_default();
                body.entry("name").or_insert_with(|| person.chars().take(64).collect::<String>().into());
            }
        }
        Kind::Block if body.get("kind").is_some_and(|kind| kind == BlockKind::Ip.key()) => {
            let network = body.get("value").and_then(Value::as_str).map(network);
            if let Some(Ok(network)) = network {
                body.insert("value".to_owned(), network.to_string().into());
            }
        }
        Kind::Tenant => {
            if let Some(name) = given(body, "name").as_ref().and_then(Value::as_str) {
                body.entry("slug").or_insert_with(|| slug(name).into());
            }
        }
        _ => {}
    }
}

/// A name made fit for host names, as far as that goes.
fn slug(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = name.chars().map(fits).take(31).collect();
    slug.trim_matches('-').to_owned()
}

/// The smallest body that reads.
fn minimal(kind: Kind) -> Object {
    let id = Uuid::nil();
    let body = match kind {
        Kind::Trunk => json!({ "id": id, "name": "-" }),
        Kind::Route => json!({ "id": id, "name": "-", "steps": [] }),
        Kind::Extension => json!({ "id": id, "name": "-", "number": "-", "username": "-" }),
        Kind::Number => json!({ "id": id, "number": "0" }),
        Kind::Tenant => json!({ "id": id, "name": "-", "slug": "-" }),
        Kind::Schedule | Kind::RateTable => json!({ "id": id, "name": "-" }),
        Kind::Assignment => json!({ "id": id, "trunk_id": id, "tenant_id": id }),
        Kind::InboundRoute => json!({ "id": id, "name": "-", "destination": { "type": "busy" } }),
        Kind::User => json!({ "id": id, "email": "-", "name": "-", "role": "viewer" }),
        Kind::Token => json!({ "id": id, "name": "-" }),
        Kind::Webhook => json!({ "id": id, "name": "-", "url": "-" }),
        Kind::Block => json!({ "id": id, "kind": "caller", "value": "-" }),
        Kind::ClassOfService => json!({ "id": id, "name": "-" }),
        Kind::AlertRule => json!({ "id": id, "name": "-", "kind": "trunk_down", "for_s": 0 }),
    };
    match body {
        Value::Object(object) => object,
        _ => unreachable!("written as an object above"),
    }
}
