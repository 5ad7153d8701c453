//! What the types of the model do not say: the bounds and forms that its rules ask for. A test asks the model whether
//! each bound is where this table has it.

use serde_json::{Map, Value, json};
use tandem_model::Event;

/// Whole numbers and between which bounds they stand: schema, field, least, most.
pub(crate) const RANGES: [(&str, &str, u64, u64); 27] = [
    ("Trunk", "port", 1, 65_535),
    ("Trunk", "expires", 60, 86_400),
    ("Trunk", "retry_base", 5, 3_600),
    ("Trunk", "retry_max", 5, 86_400),
    ("Trunk", "register_timeout", 5, 120),
    ("Trunk", "ping_timeout", 1, 60),
    ("Trunk", "ping_fail", 1, 100),
    ("Trunk", "ping_ok", 1, 100),
    ("Trunk", "max_calls", 0, u32::MAX as u64),
    ("Trunk", "max_in", 0, u32::MAX as u64),
    ("Trunk", "max_out", 0, u32::MAX as u64),
    ("Trunk", "cps", 0, u32::MAX as u64),
    ("Trunk", "timeout_retry", 5, 3_600),
    ("Trunk", "weight", 1, 1_000),
    ("Route", "priority", 0, 9_999),
    ("Step", "strip", 0, 30),
    ("Step", "timeout", 2, 300),
    ("Extension", "max_contacts", 1, 20),
    ("Extension", "ring_timeout", 5, 300),
    ("Tenant", "max_extensions", 0, 1_000_000),
    ("Tenant", "max_concurrent_calls", 0, 1_000_000),
    ("Tenant", "max_cps", 0, 100_000),
    ("Tenant", "retention_days", 0, 36_500),
    ("Route", "max_minutes", 0, 10_080),
    ("Step", "weight", 1, 1_000),
    ("InboundRoute", "priority", 0, 9_999),
    ("InboundRoute", "no_answer_timeout", 0, 7_400),
];

// Regular expressions of ECMA 262. None of these texts may hold a control character.
const LABEL: &str = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$";
const PLAIN: &str = r"^[^\x00-\x1F\x7F-\x9F]+$";
const REALM: &str = r#"^[^\x00-\x1F\x7F-\x9F"\\]+$"#;
const HOST: &str =
    r"^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?[.])*[A-Za-z_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?[.]?$";
const HOST_AND_PORT: &str = r"^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?[.])*[A-Za-z_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(:[1-9][0-9]{0,3})?$";
const URI_USER: &str = r"^[A-Za-z0-9_.!~*'()&=+$,;?/%#-]+$";
const URI_PARAMS: &str = r"^[A-Za-z0-9_.!~*'()\[\]/:&+$%-]+(=[A-Za-z0-9_.!~*'()\[\]/:&+$%-]+)?(;[A-Za-z0-9_.!~*'()\[\]/:&+$%-]+(=[A-Za-z0-9_.!~*'()\[\]/:&+$%-]+)?)*$";
/// Narrower than what is taken: the names that this server writes itself are too many to be listed.
const EXTENSION_HEADER: &str = r"^X-[A-Za-z0-9-]+$";
/// Narrower than what is taken: some regular expressions.
const SIMPLE_PATTERN: &str = r"^[A-Za-z0-9@=:<>;]+\([0-9]+\)[A-Za-z0-9@=:<>;]*$";
const LINE: &str = r"^[^\x00-\x1F\x7F-\x9F]*$";
const TELEPHONE: &str = r"^[+]?[ ().\/-]*([0-9][ ().\/-]*){1,32}$";
const ONLY_00: &str = r"^[ ().\/-]*0[ ().\/-]*0[ ().\/-]*$";
const DIAL_PATTERN: &str = r"^([0-9A-Za-z+*#]|\[[0-9+*#]+\]|\[[0-4]-[5-9]\])+[.]?$";
const IPV4_NETWORK: &str = r"^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\/([89]|[12][0-9]|3[0-2])$";
/// Narrower than what is taken.
const WEBHOOK_URL: &str = r"^https:\/\/([a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?[.])+[a-z]{2,20}(:[1-9][0-9]{0,3})?(\/[A-Za-z0-9_.~-]*)*$";
const IPV6_NETWORK: &str = r"^[23][0-9a-f]{3}:[0-9a-f]{1,4}::\/(1[6-9]|[2-9][0-9]|1[01][0-9]|12[0-8])$";

/// Narrower than what is taken: there are some 600 time zones and 240 countries.
const SOME_TIMEZONES: &[&str] = &["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"];
const SOME_COUNTRIES: &[&str] = &["US", "CA", "DE", "GB", "FR", "JP"];

fn or_none(choices: &[&str]) -> Vec<Option<String>> {
    choices.iter().map(|choice| Some((*choice).to_owned())).chain([None]).collect()
}

fn brands() -> Vec<&'static str> {
    tandem_model::presets().iter().map(|preset| preset.key.as_str()).collect()
}

/// One item: of several none may overlap with another.
fn pool() -> Value {
    json!({ "pattern": "^[1-9][0-9]{0,14}$" })
}

/// Adds them to the schemas of the model.
pub(super) fn apply(schemas: &mut Map<String, Value>) {
    for (schema, field, least, most) in RANGES {
        set(schemas, schema, field, json!({ "minimum": least, "maximum": most }));
    }
    let one_of_or_null = |choices: Value| json!({ "anyOf": choices });
    let host = json!([{ "pattern": HOST }, { "format": "ipv4" }, { "format": "ipv6" }, { "type": "null" }]);
    let text = |pattern: &str, most: u32| json!({ "minLength": 1, "maxLength": most, "pattern": pattern });
    for (schema, field, rule) in [
        ("Trunk", "name", text(LABEL, 64)),
        ("Trunk", "host", one_of_or_null(host.clone())),
        ("Trunk", "host", json!({ "maxLength": 253 })),
        ("Trunk", "realm", text(REALM, 255)),
        ("Trunk", "username", text(PLAIN, 128)),
        ("Trunk", "auth_username", text(PLAIN, 128)),
        ("Trunk", "registrar", text(HOST_AND_PORT, 253)),
        ("Trunk", "outbound_proxy", text(HOST_AND_PORT, 253)),
        ("Trunk", "from_user", text(URI_USER, 128)),
        ("Trunk", "from_domain", one_of_or_null(host)),
        ("Trunk", "from_domain", json!({ "maxLength": 253 })),
        ("Trunk", "contact_params", text(URI_PARAMS, 255)),
        ("Trunk", "contact_host", text(HOST_AND_PORT, 253)),
        ("Trunk", "inbound_extension", text(URI_USER, 128)),
        (
            "Trunk",
            "did_source",
            json!({ "pattern": "^(auto|request_uri|to|diversion|p_called_party_id|header:[A-Za-z0-9-]{1,64})$" }),
        ),
        ("Trunk", "cid_source", json!({ "pattern": "^(auto|from|pai|rpid|header:[A-Za-z0-9-]{1,64})$" })),
        ("Trunk", "did_pattern", text(SIMPLE_PATTERN, 255)),
        ("Trunk", "cid_pattern", text(SIMPLE_PATTERN, 255)),
        ("Trunk", "challengers", networks()),
        ("Trunk", "inbound_context_vars", vars()),
        ("Trunk", "outbound_vars", vars()),
        ("Trunk", "imported_params", vars()),
        (
            "Trunk",
            "associated_hosts",
            json!({ "maxItems": 16, "items": { "type": "string", "pattern": HOST_AND_PORT, "maxLength": 253 } }),
        ),
        ("Trunk", "auth_algorithms", json!({ "minItems": 1, "uniqueItems": true })),
        ("Trunk", "ping_user_agent", text(PLAIN, 64)),
        (
            "Trunk",
            "rtp_timeout",
            json!({ "anyOf": [{ "const": 0 }, { "minimum": 5, "maximum": 86400 }, { "type": "null" }] }),
        ),
        (
            "Trunk",
            "rtp_timeout_hold",
            json!({ "anyOf": [{ "const": 0 }, { "minimum": 5, "maximum": 86400 }, { "type": "null" }] }),
        ),
        ("Trunk", "slug", text("^[A-Za-z0-9._-]+$", 48)),
        ("Trunk", "caller_id_name", text(PLAIN, 64)),
        ("Trunk", "caller_id_number", telephone()),
        ("Trunk", "country_code", text("^[1-9][0-9]*$", 3)),
        ("Trunk", "area_code", text("^[0-9]+$", 6)),
        ("Trunk", "international_prefix", json!({ "maxLength": 5, "pattern": "^[0-9]*$" })),
        ("Trunk", "national_prefix", json!({ "maxLength": 5, "pattern": "^[0-9]*$" })),
        ("Trunk", "tech_prefix", json!({ "maxLength": 32, "pattern": "^[0-9A-Za-z+*#._@;=-]*$" })),
        ("Trunk", "tech_postfix", json!({ "maxLength": 32, "pattern": "^[0-9A-Za-z+*#._@;=-]*$" })),
        ("Trunk", "single_via", json!({ "const": true })),
        ("Trunk", "rewrite_via", json!({ "const": true })),
        (
            "Trunk",
            "extra_headers",
            json!({
                "maxProperties": 32,
                "propertyNames": { "maxLength": 64, "pattern": EXTENSION_HEADER },
                "additionalProperties": { "type": "string", "maxLength": 512, "pattern": LINE },
            }),
        ),
        (
            "Trunk",
            "header_map",
            json!({
                "maxProperties": 32,
                "propertyNames": { "maxLength": 64, "pattern": EXTENSION_HEADER },
                "additionalProperties": { "type": "string", "maxLength": 64, "pattern": EXTENSION_HEADER },
            }),
        ),
        ("Trunk", "ping_interval", json!({ "anyOf": [{ "const": 0 }, { "minimum": 5, "maximum": 3600 }] })),
        ("Trunk", "session_timer", json!({ "anyOf": [{ "const": 0 }, { "minimum": 90, "maximum": 86400 }] })),
        ("Trunk", "associated_ips", networks()),
        ("Trunk", "brand", json!({ "enum": brands() })),
        ("Trunk", "did_pool", pool()),
        ("Assignment", "did_pool", pool()),
        ("Tenant", "name", text(LABEL, 64)),
        ("Tenant", "slug", text("^[a-z]([a-z0-9-]{0,29}[a-z0-9])$", 31)),
        ("Tenant", "sip_domain", text(HOST, 253)),
        ("Tenant", "timezone", json!({ "enum": SOME_TIMEZONES })),
        ("Tenant", "country", json!({ "enum": or_none(SOME_COUNTRIES) })),
        ("Tenant", "allowed_countries", json!({ "items": { "type": "string", "enum": SOME_COUNTRIES } })),
        ("Tenant", "blocked_prefixes", json!({ "items": { "type": "string", "pattern": "^[0-9]{1,15}$" } })),
        ("Tenant", "international_prefix", json!({ "pattern": "^[0-9]{1,6}$" })),
        ("Tenant", "national_prefix", json!({ "pattern": "^[0-9]{0,4}$" })),
        ("Tenant", "area_code", json!({ "pattern": "^[0-9]{1,6}$" })),
        ("Tenant", "default_caller_id", telephone()),
        ("Schedule", "name", text(LABEL, 64)),
        ("Webhook", "name", text(LABEL, 64)),
        ("Webhook", "url", json!({ "maxLength": 2048, "pattern": WEBHOOK_URL })),
        (
            "Webhook",
            "events",
            json!({ "maxItems": 64, "items": { "type": "string", "enum": event_types() } }),
        ),
        ("AlertRule", "name", text(LABEL, 64)),
        ("Block", "note", json!({ "maxLength": 255, "pattern": LINE })),
        ("ClassOfService", "name", text(LABEL, 64)),
        (
            "Reach",
            "prefixes",
            json!({ "maxItems": 256, "items": { "type": "string", "pattern": "^[0-9+*#]{1,32}$" } }),
        ),
        ("Reach", "countries", json!({ "items": { "type": "string", "enum": SOME_COUNTRIES } })),
        (
            "Reach",
            "patterns",
            json!({ "maxItems": 256, "items": { "type": "string", "pattern": DIAL_PATTERN, "maxLength": 64 } }),
        ),
        ("Trunk", "stir_certificate_url", json!({ "maxLength": 512, "pattern": "^https://" })),
        ("AlertRule", "for_s", json!({ "minimum": 0, "maximum": 86_400 })),
        ("AlertRule", "clear_for_s", json!({ "minimum": 0, "maximum": 86_400 })),
        ("AlertRule", "window_s", json!({ "minimum": 60, "maximum": 900 })),
        ("Schedule", "timezone", json!({ "enum": or_none(SOME_TIMEZONES) })),
        ("RateTable", "name", text(LABEL, 64)),
        ("RateTable", "currency", json!({ "pattern": "^[A-Z]{3}$" })),
        ("RateTable", "rates", json!({ "maxItems": 20_000 })),
        ("Rate", "prefix", json!({ "pattern": "^[1-9][0-9]{0,14}$" })),
        ("Schedule", "hours", json!({ "maxItems": 366 })),
        ("Schedule", "holidays", json!({ "maxItems": 366 })),
        ("Holiday", "name", text(LABEL, 64)),
        ("InboundRoute", "name", text(LABEL, 64)),
        ("InboundRoute", "recording_notice", json!({ "const": false })),
        ("InboundRoute", "did", json!({ "pattern": "^([1-9][0-9]{0,14}|[1-9][0-9]{0,13}[*]|[*])$" })),
        (
            "InboundRoute",
            "caller",
            json!({ "pattern": "^([1-9][0-9]{0,14}|[1-9][0-9]{0,13}[*]|anonymous)$" }),
        ),
        ("RouteMatch", "prefixes", json!({ "items": { "type": "string", "pattern": "^[0-9+*#]{1,32}$" } })),
        ("RouteMatch", "lengths", json!({ "items": { "type": "integer", "minimum": 1, "maximum": 64 } })),
        (
            "RouteMatch",
            "extensions",
            json!({ "items": { "type": "string", "pattern": "^[1-9][0-9]{0,14}$" } }),
        ),
        ("RouteMatch", "groups", groups()),
        ("RouteMatch", "countries", json!({ "items": { "type": "string", "enum": SOME_COUNTRIES } })),
        ("Step", "postfix", json!({ "maxLength": 32, "pattern": "^[A-Za-z0-9+*#._-]*$" })),
        ("Step", "caller_id", telephone()),
        (
            "Trunk",
            "mtls_san",
            json!({ "maxItems": 16, "uniqueItems": true, "items": { "type": "string", "minLength": 1, "maxLength": 253 } }),
        ),
        ("Trunk", "codecs", codecs()),
        ("Extension", "codecs", codecs()),
        ("Extension", "allowed_cidrs", networks()),
        ("Extension", "allowed_cidrs", json!({ "maxItems": 64 })),
        ("Extension", "groups", groups()),
        ("Extension", "forward_busy", text(URI_USER, 128)),
        ("Extension", "forward_no_answer", text(URI_USER, 128)),
        ("Extension", "forward_unregistered", text(URI_USER, 128)),
        ("Extension", "direct_token", json!({ "pattern": "^[A-Za-z0-9]{8,64}$" })),
        ("Extension", "voicemail", json!({ "const": false })),
        ("Extension", "name", text(LABEL, 64)),
        ("Extension", "number", text("^[A-Za-z0-9._-]+$", 32)),
        ("Extension", "username", text("^[A-Za-z0-9._+-]+$", 32)),
        ("Extension", "outbound_cid", telephone()),
        ("Route", "name", text(LABEL, 64)),
        ("Route", "steps", json!({ "minItems": 1, "maxItems": 6 })),
        (
            "RouteMatch",
            "patterns",
            json!({ "items": { "type": "string", "pattern": DIAL_PATTERN, "maxLength": 64 } }),
        ),
        ("Step", "prepend", json!({ "maxLength": 32, "pattern": "^[A-Za-z0-9+*#._-]*$" })),
        ("Number", "number", telephone()),
        ("Number", "number", json!({ "maxLength": 64 })),
        ("Number", "name", text(LABEL, 64)),
        ("Number", "provisioning_ref", text(PLAIN, 128)),
        ("User", "email", text("^[A-Za-z0-9._+-]+@([A-Za-z0-9]+[.])*[A-Za-z]+$", 64)),
        ("User", "name", text(LABEL, 64)),
        ("Token", "name", text(LABEL, 64)),
    ] {
        set(schemas, schema, field, rule);
    }
}

/// What each kind of entry of the blocklist takes.
pub(super) fn blocks() -> Value {
    let network = networks()["items"].clone();
    let number =
        |more: &str| json!({ "pattern": format!("^([1-9][0-9]{{0,14}}|[1-9][0-9]{{0,13}}[*]{more})$") });
    let of = |kind: &str, value: Value, actions: &[&str]| {
        let mut properties =
            json!({ "kind": { "const": kind }, "value": value, "action": { "enum": actions } });
        if matches!(kind, "ip" | "user_agent") {
            properties["tenant_id"] = json!({ "type": "null" });
        }
        json!({ "properties": properties })
    };
    json!([
        of("ip", network, &["reject", "drop", "allow"]),
        of("user_agent", json!({ "minLength": 3, "maxLength": 64, "pattern": PLAIN }), &["reject", "drop"]),
        of("caller", number("|anonymous"), &["reject"]),
        of("destination", number(""), &["reject"]),
    ])
}

/// The secrets of a kind that has some, which the derived schema leaves out because they are never shown.
pub(super) fn secrets(schema: &str) -> Vec<(String, Value)> {
    let of = |field: &str, least: u32, most: u32, pattern: &str| {
        let property = json!({
            "type": ["string", "null"], "writeOnly": true, "minLength": least, "maxLength": most, "pattern": pattern,
            "description": "Write-only: no answer ever holds it.",
        });
        (field.to_owned(), property)
    };
    let pem = "^\\s*-----BEGIN (EC )?PRIVATE KEY-----";
    match schema {
        "Trunk" => vec![of("password", 1, 128, PLAIN), of("stir_key", 1, 4096, pem)],
        "Extension" => vec![of("password", 8, 128, PLAIN)],
        "Webhook" => vec![of("secret", 16, 128, PLAIN)],
        _ => Vec::new(),
    }
}

/// Types of events, and the beginnings of some that stand for all of those.
fn event_types() -> Vec<&'static str> {
    let beginning = |name: &&'static str| name.find('.').map(|dot| &name[..=dot]);
    let mut types: Vec<&str> = Event::TYPES.iter().filter_map(beginning).collect();
    types.dedup();
    types.extend(Event::TYPES);
    types
}

fn telephone() -> Value {
    json!({ "pattern": TELEPHONE, "not": { "type": "string", "pattern": ONLY_00 } })
}

fn networks() -> Value {
    json!({ "items": { "type": "string", "anyOf": [
        { "format": "ipv4" }, { "format": "ipv6" }, { "pattern": IPV4_NETWORK }, { "pattern": IPV6_NETWORK },
    ] } })
}

fn vars() -> Value {
    json!({
        "maxProperties": 64,
        "propertyNames": { "maxLength": 64, "pattern": "^[A-Za-z0-9_.-]+$", "not": { "pattern": "^sip_h_" } },
        "additionalProperties": { "type": "string", "maxLength": 255, "pattern": LINE },
    })
}

/// Names of groups.
fn groups() -> Value {
    json!({
        "maxItems": 32,
        "uniqueItems": true,
        "items": { "type": "string", "minLength": 1, "maxLength": 64, "pattern": LABEL },
    })
}

fn codecs() -> Value {
    let audio = ["PCMU", "PCMA", "G722", "G729", "GSM", "opus"];
    json!({ "minItems": 1, "uniqueItems": true, "contains": { "enum": audio } })
}

fn set(schemas: &mut Map<String, Value>, schema: &str, field: &str, rule: Value) {
    let Some(Value::Object(property)) =
        schemas.get_mut(schema).and_then(|schema| schema["properties"].get_mut(field))
    else {
        return;
    };
    if let Value::Object(rule) = rule {
        property.extend(rule);
    }
}
