//! The schemas: those of the model, and what a creation body, a patch and an answer make of them.

use super::rules;
use crate::backend::Health;
use crate::configuration::{ConfigurationRequest, ConfigurationText, ImportRequest};
use crate::error::ErrorEnvelope;
use crate::live::Me;
use serde_json::{Map, Value, json};
use tandem_import::{ConfigurationPlan, ImportPlan};
use tandem_model::{
    Alert, AlertKind, AlertRule, Assignment, AvailableNumber, Block, CallRecord, CapturedMessage,
    ClassOfService, Entity, ExamReport, Examination, Explanation, Extension, InboundRoute, Kind, LiveCall,
    Number, Preset, Published, Question, RateTable, RegistrationView, Route, Schedule, Tenant, Token, Trunk,
    TrunkQuality, TrunkStatus, User, Warning, Webhook, WebhookStatus,
};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

type Schemas = Map<String, Value>;

const KINDS: [(&str, Kind); 15] = [
    ("Block", Kind::Block),
    ("ClassOfService", Kind::ClassOfService),
    ("Webhook", Kind::Webhook),
    ("AlertRule", Kind::AlertRule),
    ("Tenant", Kind::Tenant),
    ("Assignment", Kind::Assignment),
    ("Schedule", Kind::Schedule),
    ("RateTable", Kind::RateTable),
    ("InboundRoute", Kind::InboundRoute),
    ("Trunk", Kind::Trunk),
    ("Route", Kind::Route),
    ("Extension", Kind::Extension),
    ("Number", Kind::Number),
    ("User", Kind::User),
    ("Token", Kind::Token),
];

/// All schemas by name.
pub(super) fn all() -> Value {
    let mut schemas = Schemas::new();
    collect::<Trunk>(&mut schemas);
    collect::<TrunkStatus>(&mut schemas);
    collect::<Tenant>(&mut schemas);
    collect::<Assignment>(&mut schemas);
    collect::<Schedule>(&mut schemas);
    collect::<RateTable>(&mut schemas);
    collect::<InboundRoute>(&mut schemas);
    collect::<Route>(&mut schemas);
    collect::<ClassOfService>(&mut schemas);
    collect::<Block>(&mut schemas);
    collect::<Extension>(&mut schemas);
    collect::<Number>(&mut schemas);
    collect::<AvailableNumber>(&mut schemas);
    collect::<User>(&mut schemas);
    collect::<Token>(&mut schemas);
    collect::<Me>(&mut schemas);
    collect::<Webhook>(&mut schemas);
    collect::<WebhookStatus>(&mut schemas);
    collect::<AlertRule>(&mut schemas);
    collect::<TrunkQuality>(&mut schemas);
    collect::<Explanation>(&mut schemas);
    collect::<ExamReport>(&mut schemas);
    collect::<Preset>(&mut schemas);
    collect::<RegistrationView>(&mut schemas);
    collect::<LiveCall>(&mut schemas);
    collect::<CallRecord>(&mut schemas);
    collect::<CapturedMessage>(&mut schemas);
    collect::<Alert>(&mut schemas);
    collect::<Published>(&mut schemas);
    collect::<Health>(&mut schemas);
    collect::<ImportPlan>(&mut schemas);
    collect::<ConfigurationPlan>(&mut schemas);
    collect::<ConfigurationText>(&mut schemas);
    collect::<Warning>(&mut schemas);
    collect::<ErrorEnvelope>(&mut schemas);
    let bodies = bodies(&schemas);
    for schema in schemas.values_mut() {
        answer(schema);
    }
    with_status(&mut schemas["Trunk"], "A trunk and what it is doing.", "TrunkStatus");
    with_status(&mut schemas["Webhook"], "A webhook and what has come of it.", "WebhookStatus");
    with_last_use(&mut schemas["Token"]);
    let issued = issued(&schemas["Token"]);
    schemas.insert("TokenIssued".to_owned(), issued);
    schemas.extend(bodies);
    schemas.insert("Question".to_owned(), question());
    schemas.insert("Examination".to_owned(), examination());
    for (name, schema) in [
        ("ImportRequest", serde_json::to_value(ImportRequest::schema())),
        ("ConfigurationRequest", serde_json::to_value(ConfigurationRequest::schema())),
    ] {
        schemas.insert(name.to_owned(), schema.unwrap_or_default());
    }
    schemas.insert(
        "ExportFormat".to_owned(),
        json!({ "type": "string", "enum": ["toml", "freeswitch"], "default": "toml" }),
    );
    Value::Object(schemas)
}

/// What may be sent is said to the last bound; what is answered is not, as it may be in another form than it came in.
fn bodies(models: &Schemas) -> Schemas {
    let mut models = models.clone();
    rules::apply(&mut models);
    let mut bodies = Schemas::new();
    for (name, kind) in KINDS {
        let create = create(name, kind, &models[name]);
        bodies.insert(format!("{name}Patch"), patch(name, &create));
        bodies.insert(format!("{name}Create"), create);
    }
    bodies.insert("StepCreate".to_owned(), step(&models["Step"]));
    bodies.insert("RouteMatchCreate".to_owned(), models["RouteMatch"].clone());
    bodies.insert("ReachCreate".to_owned(), models["Reach"].clone());
    for model in ["RouteMatch", "Reach"] {
        let patterns = &mut models[model]["properties"]["patterns"];
        *patterns = or_null(patterns);
        bodies.insert(format!("{model}Patch"), models[model].clone());
    }
    bodies
}

/// A question for an explanation: by an extension, or over a trunk.
fn question() -> Value {
    let mut schema = serde_json::to_value(Question::schema()).unwrap_or_default();
    schema["properties"]["number"]["minLength"] = json!(1);
    for field in ["number", "caller"] {
        schema["properties"][field]["maxLength"] = json!(128);
        schema["properties"][field]["pattern"] = json!(r"^[^\x00-\x1F\x7F-\x9F]*$");
    }
    schema["oneOf"] = json!([
        merged(&[has("extension_id"), has_not("trunk_id")]),
        merged(&[has("trunk_id"), has_not("extension_id")]),
    ]);
    schema
}

/// What is to be examined: numbers that can be dialled.
fn examination() -> Value {
    let mut schema = serde_json::to_value(Examination::schema()).unwrap_or_default();
    let number = &mut schema["properties"]["test_number"];
    number["minLength"] = json!(1);
    number["maxLength"] = json!(64);
    number["pattern"] = json!(r"^[A-Za-z0-9+*#._-]*$");
    schema
}

/// A schema as utoipa derives it, with those that it refers to.
fn collect<T: ToSchema>(schemas: &mut Schemas) {
    let mut referred = Vec::new();
    T::schemas(&mut referred);
    referred.push((T::name().into_owned(), T::schema()));
    for (name, schema) in referred {
        schemas.insert(name, serde_json::to_value(schema).unwrap_or_default());
    }
}

/// An answer holds all of its fields, null where there is nothing; only these appear when there is something.
fn answer(schema: &mut Value) {
    const SOMETIMES: [&str; 1] = ["reasons"];
    let Some(properties) = schema["properties"].as_object() else { return };
    let always: Vec<&String> = properties.keys().filter(|name| !SOMETIMES.contains(&name.as_str())).collect();
    schema["required"] = json!(always);
}

fn with_status(schema: &mut Value, description: &str, status: &str) {
    schema["description"] = json!(description);
    schema["properties"]["status"] = json!({ "$ref": format!("#/components/schemas/{status}") });
    if let Some(required) = schema["required"].as_array_mut() {
        required.push(json!("status"));
    }
}

/// A token with when it was last shown, which the server knows and the configuration does not.
fn with_last_use(token: &mut Value) {
    token["properties"]["last_used_at"] = json!({
        "type": ["integer", "null"],
        "format": "int64",
        "minimum": 0,
        "readOnly": true,
        "description": "When it was last taken, seconds since the Unix epoch; null: never since the server started.",
    });
    if let Some(required) = token["required"].as_array_mut() {
        required.push(json!("last_used_at"));
    }
}

/// A token as it is shown once, when it is made.
fn issued(token: &Value) -> Value {
    let mut issued = token.clone();
    issued["properties"]["token"] =
        json!({ "type": "string", "description": "The token itself: this answer alone has it." });
    if let Some(required) = issued["required"].as_array_mut() {
        required.push(json!("token"));
    }
    issued
}

/// The body that creates one: no id, a password, other names of fields, and defaults as the model fills them in.
fn create(name: &str, kind: Kind, model: &Value) -> Value {
    let mut properties = model["properties"].as_object().cloned().unwrap_or_default();
    properties.remove("id");
    properties.remove("prefix");
    for (field, default) in defaults(kind) {
        if let Some(Value::Object(property)) = properties.get_mut(&field) {
            property.insert("default".to_owned(), default);
        }
    }
    properties.extend(rules::secrets(name));
    let mut schema = json!({ "type": "object", "additionalProperties": false });
    let mut all_of = Vec::new();
    for (alias, field) in aliases(name) {
        properties.insert((*alias).to_owned(), alias_of(field, &properties[*field]));
        all_of.push(not_both(alias, field));
    }
    match kind {
        Kind::Trunk => {
            schema["required"] = json!(["name"]);
            schema["description"] = json!("`retry_max` must not be less than `retry_base`.");
            all_of.push(json!({ "anyOf": trunk_modes() }));
        }
        Kind::Extension => {
            schema["required"] = json!(["password"]);
            properties["password"]["type"] = json!("string");
            schema["description"] = json!(
                "The password must differ from `number` and `username`, and what it forwards to from `number`."
            );
            // A username that becomes the number too must look like one.
            let number =
                json!({ "required": ["username"], "properties": { "username": { "pattern": "^[^+]+$" } } });
            all_of.push(json!({ "anyOf": [has("number"), has("extension"), number] }));
        }
        Kind::Route => {
            schema["required"] = json!(["name"]);
            schema["description"] =
                json!("A step cannot strip all of the shortest number that the route takes.");
            properties["steps"]["items"] = json!({ "$ref": "#/components/schemas/StepCreate" });
            properties["match"]["$ref"] = json!("#/components/schemas/RouteMatchCreate");
            properties.insert("provider_id".to_owned(), json!({
                "type": "string", "format": "uuid", "description": "The only trunk to try, instead of `steps`.",
            }));
            all_of.push(json!({ "oneOf": [{ "required": ["steps"] }, { "required": ["provider_id"] }] }));
        }
        Kind::Tenant => {
            schema["required"] = json!(["name", "slug"]);
            schema["description"] = json!("Without `slug` it is made of the name, as far as that goes.");
        }
        Kind::Schedule | Kind::RateTable => schema["required"] = json!(["name"]),
        Kind::Block => {
            properties.remove("source");
            schema["required"] = json!(["kind", "value"]);
            all_of.push(json!({ "oneOf": rules::blocks() }));
        }
        Kind::ClassOfService => {
            schema["required"] = json!(["name"]);
            schema["description"] = json!(
                "There must be something in `allowed` or in `denied`; `kinds` of calls only where there is a `tenant_id`."
            );
            let mut somewhere = Vec::new();
            for field in ["allowed", "denied"] {
                properties[field]["$ref"] = json!("#/components/schemas/ReachCreate");
                for list in ["countries", "prefixes", "patterns"] {
                    let filled = json!({ "required": [list], "properties": { list: { "minItems": 1 } } });
                    somewhere.push(json!({ "required": [field], "properties": { field: filled } }));
                }
            }
            all_of.push(json!({ "anyOf": somewhere }));
        }
        Kind::Webhook => {
            schema["required"] = json!(["name", "url", "secret"]);
            properties["secret"]["type"] = json!("string");
        }
        Kind::AlertRule => {
            schema["required"] = json!(["name", "kind"]);
            schema["description"] = json!(
                "`threshold` and `for_s` are by default those of the kind; `clear_threshold` must not lie beyond `threshold`. What \
                 is about the server as a whole takes neither `trunk_id` nor `tenant_id`, `spend` no `trunk_id`."
            );
            all_of.push(json!({ "oneOf": alert_kinds() }));
        }
        Kind::Assignment => schema["required"] = json!(["trunk_id", "tenant_id"]),
        Kind::InboundRoute => {
            schema["required"] = json!(["name", "destination"]);
            let scheduled =
                json!({ "required": ["schedule_id"], "properties": { "schedule_id": { "type": "string" } } });
            let without = merged(&[has_not("out_of_hours"), has_not("holiday")]);
            all_of.push(json!({ "anyOf": [scheduled, without] }));
        }
        Kind::User => {
            schema["required"] = json!(["email", "role"]);
            all_of.push(json!({ "anyOf": [of_system(), of_either()] }));
        }
        Kind::Token => {
            schema["required"] = json!(["name"]);
            schema["description"] = json!("Give `user_id` or `role`. The answer has the token, this once.");
            let of_role = merged(&[has("role"), has_not("user_id")]);
            let of_user = merged(&[has("user_id"), has_not("role")]);
            all_of.push(json!({ "oneOf": [of_role, of_user] }));
            all_of.push(json!({ "anyOf": [has_not("role"), of_system(), of_either()] }));
        }
        Kind::Number => {
            schema["required"] = json!(["number"]);
            all_of.push(json!({ "anyOf": [has_not("trunk_id"), has_not("extension_id")] }));
            all_of.push(not_both("enabled", "status"));
            all_of.extend(number_sorts());
            for field in ["type", "status", "enabled"] {
                properties[field].as_object_mut().map(|property| property.remove("default"));
            }
        }
    }
    schema["properties"] = Value::Object(properties);
    if !all_of.is_empty() {
        schema["allOf"] = json!(all_of);
    }
    schema
}

/// A role of the whole system.
fn of_system() -> Value {
    merged(&[
        json!({ "properties": { "role": { "enum": ["system_admin", "operator", "viewer"] } } }),
        has_not("tenant_id"),
    ])
}

/// A role within a tenant.
fn of_either() -> Value {
    merged(&[json!({ "properties": { "role": { "enum": ["tenant_admin", "viewer"] } } }), has("tenant_id")])
}

/// A merge patch: nothing is required, and null is the default again.
fn patch(name: &str, create: &Value) -> Value {
    const NEVER_NULL: [(&str, &str); 22] = [
        ("Block", "kind"),
        ("Block", "value"),
        ("ClassOfService", "name"),
        ("User", "email"),
        ("User", "role"),
        ("Token", "name"),
        ("Webhook", "name"),
        ("Webhook", "url"),
        ("Webhook", "secret"),
        ("AlertRule", "name"),
        ("AlertRule", "kind"),
        ("Tenant", "name"),
        ("Schedule", "name"),
        ("RateTable", "name"),
        ("InboundRoute", "name"),
        ("InboundRoute", "destination"),
        ("Assignment", "trunk_id"),
        ("Trunk", "name"),
        ("Route", "name"),
        ("Route", "steps"),
        ("Number", "number"),
        ("Extension", "password"),
    ];
    let mut properties = create["properties"].as_object().cloned().unwrap_or_default();
    if name == "Route" {
        properties["match"]["$ref"] = json!("#/components/schemas/RouteMatchPatch");
    }
    if name == "ClassOfService" {
        for field in ["allowed", "denied"] {
            properties[field]["$ref"] = json!("#/components/schemas/ReachPatch");
        }
    }
    for (field, property) in &mut properties {
        if let Some(fields) = property.as_object_mut() {
            fields.remove("default");
        }
        if !NEVER_NULL.contains(&(name, field)) && !takes_null(property) {
            *property = or_null(property);
        }
    }
    let mut schema = json!({
        "type": "object",
        "additionalProperties": false,
        "description": "A JSON merge patch (RFC 7396): what is not mentioned stays, `null` is the default again. \
                        The result must be what could be created.",
        "properties": properties,
    });
    let mut twice: Vec<Value> = aliases(name).iter().map(|(alias, field)| not_both(alias, field)).collect();
    let not_all = |fields: [Value; 2]| json!({ "not": merged(&fields) });
    match name {
        "Route" => twice.push(not_both("steps", "provider_id")),
        "Extension" => twice.push(not_all([is_null("number"), is_null("username")])),
        "Number" => {
            twice.push(not_all([has("extension_id"), has("trunk_id")]));
            twice.push(not_both("enabled", "status"));
        }
        _ => {}
    }
    if !twice.is_empty() {
        schema["allOf"] = json!(twice);
    }
    schema
}

/// Other names that fields have in bodies.
fn aliases(name: &str) -> &'static [(&'static str, &'static str)] {
    match name {
        "Trunk" => &[("hostname", "host"), ("type", "technology")],
        "Extension" => &[("extension", "number")],
        "InboundRoute" => &[("did_match", "did"), ("cid_match", "caller")],
        "Number" => &[("label", "name")],
        _ => &[],
    }
}

fn not_both(one: &str, other: &str) -> Value {
    json!({ "not": { "required": [one, other] } })
}

fn or_null(schema: &Value) -> Value {
    json!({ "oneOf": [schema, { "type": "null" }] })
}

fn takes_null(property: &Value) -> bool {
    let types = property["type"].as_array().into_iter().flatten();
    let choices = property["oneOf"].as_array().into_iter().flatten().map(|choice| &choice["type"]);
    types.chain(choices).any(|name| name == "null")
}

/// In bodies a step's trunk has other names too.
fn step(model: &Value) -> Value {
    let mut step = model.clone();
    step["required"] = json!([]);
    let names = ["trunk_id", "provider_id", "trunk"];
    for alias in &names[1..] {
        step["properties"][*alias] = alias_of("trunk_id", &model["properties"]["trunk_id"]);
    }
    step["oneOf"] = json!(names.map(|name| json!({ "required": [name] })));
    step
}

fn alias_of(field: &str, property: &Value) -> Value {
    let mut alias = property.clone();
    alias["description"] = json!(format!("Another name of `{field}`."));
    alias
}

/// What the model fills in, whatever else a body says.
fn defaults(kind: Kind) -> Vec<(String, Value)> {
    const DEPENDING: [&str; 20] = [
        "value",
        "email",
        "role",
        "url",
        "kind",
        "threshold",
        "clear_threshold",
        "for_s",
        "trunk_id",
        "destination",
        "id",
        "name",
        "slug",
        "mode",
        "caller_id_in_from",
        "trust_identity",
        "on_exhausted",
        "number",
        "username",
        "steps",
    ];
    let least = match kind {
        Kind::Trunk => json!({ "name": "-" }),
        Kind::Route => json!({ "name": "-", "steps": [] }),
        Kind::Extension => json!({ "number": "-" }),
        Kind::Number => json!({ "number": "0" }),
        Kind::Tenant => json!({ "name": "-", "slug": "-" }),
        Kind::Schedule | Kind::RateTable => json!({ "name": "-" }),
        Kind::Assignment => json!({ "trunk_id": Uuid::nil(), "tenant_id": Uuid::nil() }),
        Kind::InboundRoute => json!({ "name": "-", "destination": { "type": "busy" } }),
        Kind::User => json!({ "email": "-", "role": "viewer" }),
        Kind::Token => json!({ "name": "-" }),
        Kind::Webhook => json!({ "name": "-", "url": "-" }),
        Kind::AlertRule => json!({ "name": "-", "kind": "trunk_down" }),
        Kind::Block => json!({ "kind": "caller", "value": "1" }),
        Kind::ClassOfService => json!({ "name": "-" }),
    };
    match Entity::create(kind, Uuid::nil(), least).map(|entity| entity.to_json()) {
        Ok(Value::Object(fields)) => {
            fields.into_iter().filter(|(name, _)| !DEPENDING.contains(&name.as_str())).collect()
        }
        _ => Vec::new(),
    }
}

/// Numbers of the world may be of any sort, and nobody's.
fn number_sorts() -> [Value; 2] {
    let global = json!({ "properties": { "number": { "pattern": "^[+]?[1-9][0-9]{6,14}$" } } });
    let none = |field: &str| json!({ "properties": { field: false } });
    let only = |field: &str, values: &[&str]| json!({ "properties": { field: { "enum": values } } });
    let nobodys =
        merged(&[global.clone(), has_not("tenant_id"), has_not("trunk_id"), has_not("extension_id")]);
    let in_use = only("status", &["assigned", "active", "disabled"]);
    [
        json!({ "anyOf": [none("type"), only("type", &["private"]), global] }),
        json!({ "anyOf": [none("status"), in_use, nobodys] }),
    ]
}

/// What each kind of rule takes: so it is or not, or something measured within bounds; of trunks, or of the server.
fn alert_kinds() -> Value {
    let of = |kind: AlertKind| {
        let mut properties = json!({ "kind": { "const": kind.key() } });
        for field in ["threshold", "clear_threshold"] {
            properties[field] = match kind.defaults().thresholds {
                None => json!({ "type": "null" }),
                Some(_) => json!({ "anyOf": [{ "type": "null" }, { "minimum": 0, "maximum": kind.most() }] }),
            };
        }
        if !kind.is_of_trunks() {
            properties["trunk_id"] = json!({ "type": "null" });
        }
        if kind.is_of_server() {
            properties["tenant_id"] = json!({ "type": "null" });
        }
        json!({ "properties": properties })
    };
    AlertKind::ALL.iter().copied().map(of).collect()
}

/// What each mode of a trunk needs, with the mode that follows from the username where none is given.
fn trunk_modes() -> Value {
    let mode = |modes: &[&str]| json!({ "required": ["mode"], "properties": { "mode": { "enum": modes } } });
    let no_mode = json!({ "properties": { "mode": false } });
    let host = json!({ "anyOf": [has("host"), has("hostname")] });
    let account = merged(&[has("username"), has("password")]);
    json!([
        merged(&[mode(&["ip_auth"]), host.clone()]),
        merged(&[no_mode.clone(), has_not("username"), host.clone()]),
        merged(&[mode(&["register_out", "credential"]), host.clone(), account.clone()]),
        merged(&[no_mode, host, account.clone()]),
        merged(&[mode(&["register_in"]), account]),
    ])
}

fn has(field: &str) -> Value {
    json!({ "required": [field], "properties": { field: { "type": "string" } } })
}

fn is_null(field: &str) -> Value {
    json!({ "required": [field], "properties": { field: { "type": "null" } } })
}

fn has_not(field: &str) -> Value {
    json!({ "properties": { field: { "type": "null" } } })
}

/// All of these schemas in one, which differ in the fields they speak of.
fn merged(schemas: &[Value]) -> Value {
    let mut all = Map::new();
    let mut required = Vec::new();
    let mut properties = Map::new();
    for schema in schemas {
        for (key, value) in schema.as_object().into_iter().flatten() {
            match (key.as_str(), value) {
                ("required", Value::Array(names)) => required.extend(names.iter().cloned()),
                ("properties", Value::Object(fields)) => properties.extend(fields.clone()),
                _ => {
                    all.insert(key.clone(), value.clone());
                }
            }
        }
    }
    all.insert("required".to_owned(), Value::Array(required));
    all.insert("properties".to_owned(), Value::Object(properties));
    Value::Object(all)
}
