//! One operation, as the document shows it.

use crate::operations::{Access, Action, Content, Operation};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use tandem_model::Kind;

/// The operation object.
pub(super) fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": responses(operation),
        "security": security(operation.access),
    });
    let parameters = parameters(operation);
    if !parameters.is_empty() {
        described["parameters"] = Value::Array(parameters);
    }
    if let Some(schema) = &operation.body {
        described["requestBody"] = json!({
            "required": true,
            "content": {
                "application/json": { "schema": reference(schema), "examples": examples(operation.action) },
            },
        });
    }
    described
}

/// The components that refusals refer to.
pub(super) fn refusals() -> Value {
    let mut responses = Map::new();
    for (status, description) in REFUSALS {
        let mut headers = Map::from_iter([request_id()]);
        match status {
            401 => headers.extend([header("WWW-Authenticate", "`Bearer`.", "string")]),
            503 => headers.extend([header("Retry-After", "Seconds to wait.", "integer")]),
            _ => {}
        }
        let content = json!({ "application/json": { "schema": reference("ErrorEnvelope") } });
        let response = json!({ "description": description, "headers": headers, "content": content });
        responses.insert(component(status), response);
    }
    Value::Object(responses)
}

const REFUSALS: [(u16, &str); 11] = [
    (
        400,
        "The request is wrong: `reason`, `field` and `fix` say what and how to mend it; `problems` lists all.",
    ),
    (401, "The token is missing or wrong. Whoever goes on guessing is answered slowly."),
    (403, "Your role does not allow this, or not this field; `GET /v1.0/me` says which it is."),
    (404, "What the path or `after` names is not there."),
    (408, "The body did not arrive in time."),
    (409, "It contradicts something that is there already."),
    (413, "The body is larger than 1 MiB, or than 32 MiB where a configuration comes as text."),
    (415, "The body is not JSON by its `Content-Type`, or is compressed."),
    (429, "As many of these are under way as may be at once."),
    (500, "A fault in tandem."),
    (503, "The store is not available, or the answer took too long."),
];

fn component(status: u16) -> String {
    StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default()
        .split(' ')
        .collect()
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn request_id() -> (String, Value) {
    header("X-Request-Id", "Also in the log.", "string")
}

fn header(name: &str, description: &str, kind: &str) -> (String, Value) {
    (name.to_owned(), json!({ "description": description, "schema": { "type": kind } }))
}

fn security(access: Access) -> Value {
    match access {
        Access::Open => json!([]),
        Access::Token | Access::Metrics => json!([{ "bearer": [] }, { "query": [] }]),
    }
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let mut parameters = Vec::new();
    if operation.path.contains("{id}") {
        let schema = json!({ "type": "string", "format": "uuid" });
        parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": schema }));
    }
    parameters.extend(operation.query.iter().map(|param| {
        json!({
            "name": param.name, "in": "query", "required": false,
            "description": param.description, "schema": param.kind.schema(),
        })
    }));
    parameters
}

fn responses(operation: &Operation) -> Value {
    let (status, content) = &operation.success;
    let mut headers = Map::from_iter([request_id()]);
    if *status == 201 {
        headers.extend([header("Location", "The path of what was created.", "string")]);
    }
    let description = match status {
        201 => "Created.",
        202 => "It is being done.",
        204 => "Done; there is nothing to say.",
        _ => "Here it is.",
    };
    let mut success = json!({ "description": description, "headers": headers });
    if let Some(content) = content_of(content) {
        success["content"] = content;
    }
    if let Some(links) = links(operation) {
        success["links"] = links;
    }
    let mut responses = Map::from_iter([(status.to_string(), success)]);
    for status in operation.refusals() {
        let reference = json!({ "$ref": format!("#/components/responses/{}", component(status)) });
        responses.insert(status.to_string(), reference);
    }
    if let Action::Health = operation.action {
        let failing = json!({
            "description": "The server serves no calls, or the answer took too long.",
            "content": { "application/json": { "schema": { "anyOf": [reference("Health"), reference("ErrorEnvelope")] } } },
        });
        responses.insert("503".to_owned(), failing);
    }
    Value::Object(responses)
}

/// What can be asked next with the id that an answer holds.
fn links(operation: &Operation) -> Option<Value> {
    let (id, next): (&str, Vec<String>) = match operation.action {
        Action::Create(of) => ("$response.body#/id", with_id(of.one)),
        Action::Calls => ("$response.body#/items/0/id", vec!["hang_up_call".to_owned()]),
        Action::Records => ("$response.body#/items/0/id", vec!["get_call_record".to_owned()]),
        _ => return None,
    };
    let link = |name: String| (name.clone(), json!({ "operationId": name, "parameters": { "id": id } }));
    Some(Value::Object(next.into_iter().map(link).collect()))
}

fn with_id(one: &str) -> Vec<String> {
    let verbs: &[&str] = match one {
        "trunk" | "provider" => &["get", "update", "delete", "register"],
        _ => &["get", "update", "delete"],
    };
    verbs.iter().map(|verb| format!("{verb}_{one}")).collect()
}

fn content_of(content: &Content) -> Option<Value> {
    let json = |schema: Value| json!({ "application/json": { "schema": schema } });
    match content {
        Content::Nothing => None,
        Content::One(schema) => Some(json(reference(schema))),
        Content::PageOf(schema) => Some(json(json!({
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": { "type": "array", "items": reference(schema) },
                "next": { "type": ["string", "null"], "description": "Give it as `after` for the next page; null on the last." },
            },
        }))),
        Content::Text(media_type) => Some(json!({ *media_type: { "schema": { "type": "string" } } })),
        Content::Json => Some(json(json!({ "type": "object" }))),
        Content::EventStream => Some(json!({
            "text/event-stream": {
                "schema": {
                    "type": "string",
                    "contentMediaType": "text/event-stream",
                    "description": "`id` and `event` are those of the object in `data`, which is one `Published`. Two more events have \
                        no id: `stream.gap` first, where what `after` names is no longer kept, and `stream.lagging` last, when events \
                        came faster than they were read.",
                    "contentSchema": reference("Published"),
                },
            },
        })),
    }
}

/// Bodies to copy.
fn examples(action: Action) -> Value {
    const ID: &str = "0198c0de-0000-7000-8000-000000000001";
    const TENANT: &str = "0198c0de-0000-7000-8000-00000000000a";
    const EXTENSION: &str = "0198c0de-0000-7000-8000-00000000000b";
    const SCHEDULE: &str = "0198c0de-0000-7000-8000-00000000000c";
    let example = |summary: &str, value: Value| json!({ "summary": summary, "value": value });
    match action {
        Action::Create(of) => match of.kind {
            Kind::Trunk => json!({
                "by_address": example("A provider that knows us by our address", json!({
                    "name": "Primary SIP Provider", "type": "sip", "hostname": "sip.provider.com",
                })),
                "register": example("A provider that we register to", json!({
                    "name": "Twilio Production", "host": "sip.twilio.example", "username": "+15551234567",
                    "password": "correct horse battery", "expires": 600, "max_calls": 30,
                })),
                "pbx": example("A PBX that registers to us", json!({
                    "name": "Old PBX", "mode": "register_in", "username": "pbx1", "password": "correct horse battery",
                })),
            }),
            Kind::Route => json!({
                "default": example("Every number over one trunk", json!({
                    "name": "Default Outbound Route", "provider_id": ID, "priority": 1,
                })),
                "failover": example("National numbers, with a second trunk", json!({
                    "name": "National", "match": { "patterns": ["NXXNXXXXXX"] },
                    "steps": [{ "trunk_id": ID, "prepend": "+1" }, { "trunk_id": "0198c0de-0000-7000-8000-000000000002", "timeout": 20 }],
                })),
            }),
            Kind::Extension => json!({
                "phone": example("A phone", json!({ "name": "office-phone", "username": "office1", "password": "secure-password" })),
            }),
            Kind::Tenant => json!({
                "customer": example("A customer that may call at home", json!({
                    "name": "Acme", "slug": "acme", "country": "US", "allowed_countries": ["US", "CA"], "timezone": "America/New_York",
                })),
            }),
            Kind::Schedule => json!({
                "office": example("Office hours", json!({
                    "name": "Office", "timezone": "Europe/Berlin",
                    "hours": [{ "weekdays": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:30" }],
                    "holidays": [{ "name": "Christmas", "date": "2026-12-25", "last_date": "2026-12-26", "yearly": true }],
                })),
            }),
            Kind::RateTable => json!({
                "prices": example("Germany, and its mobile phones", json!({
                    "name": "Carrier 2026", "currency": "EUR", "rates": [
                        { "prefix": "49", "per_minute": "0.0095", "increment": 1 },
                        { "prefix": "4915", "per_minute": "0.0490", "increment": 1, "first_date": "2026-07-01" },
                    ],
                })),
            }),
            Kind::Assignment => json!({
                "pool": example("Numbers of a shared trunk for a tenant", json!({
                    "trunk_id": ID, "tenant_id": TENANT, "did_pool": "13322496213;16468097069-16468097079", "max_calls": 10,
                })),
            }),
            Kind::InboundRoute => json!({
                "office": example("A number that rings a phone in office hours and a trunk otherwise", json!({
                    "name": "Sales", "did": "13322496213", "schedule_id": SCHEDULE,
                    "destination": { "type": "extension", "extension_id": EXTENSION },
                    "out_of_hours": { "type": "trunk", "trunk_id": ID },
                })),
                "range": example("A range of numbers, an extension for each", json!({
                    "name": "Desks", "did": "13322496200-13322496299",
                    "destination": { "type": "extension_range", "first": "100" },
                })),
                "rest": example("Whatever nothing else takes", json!({
                    "name": "Rest", "did": "*", "destination": { "type": "hangup", "code": 404 },
                })),
            }),
            Kind::User => json!({
                "admin": example("Somebody who administers a tenant", json!({
                    "email": "kim@acme.example", "role": "tenant_admin", "tenant_id": TENANT,
                })),
            }),
            Kind::Token => json!({
                "program": example("For a program that reads everything", json!({ "name": "Wallboard", "role": "viewer" })),
            }),
            Kind::Webhook => json!({
                "calls": example("Every call and every change of a trunk's state", json!({
                    "name": "CRM", "url": "https://hooks.example.com/tandem", "events": ["call.", "trunk.state"],
                    "secret": "6f0c2a9e51d84b7fa3e2c8d9b0714e65",
                })),
            }),
            Kind::AlertRule => json!({
                "down": example("A trunk that is down for a minute", json!({ "name": "Trunk down", "kind": "trunk_down", "for_s": 60 })),
                "asr": example("Fewer than 30 of 100 calls over one trunk are answered", json!({
                    "name": "Few answers", "kind": "asr_low", "trunk_id": ID, "threshold": 30, "clear_threshold": 40,
                })),
            }),
            Kind::Block => json!({
                "scanner": example("Keep a network out without a word", json!({ "kind": "ip", "value": "203.0.113.0/24", "action": "drop" })),
                "premium": example("Call no premium numbers", json!({ "kind": "destination", "value": "1900*", "note": "premium" })),
            }),
            Kind::ClassOfService => json!({
                "hall": example("A phone that anybody may use", json!({
                    "name": "Hall", "tenant_id": TENANT, "allowed": { "kinds": ["national"] }, "denied": { "prefixes": ["1900"] },
                })),
            }),
            Kind::Number => json!({
                "to_extension": example("A number that rings a phone", json!({ "number": "+15551234567", "extension_id": EXTENSION })),
            }),
        },
        Action::Patch(of) => match of.kind {
            Kind::Trunk => {
                json!({ "codecs": example("Other codecs, and the default port", json!({ "codecs": ["G722", "PCMA"], "port": null })) })
            }
            Kind::Route => json!({ "off": example("Switch it off", json!({ "enabled": false })) }),
            Kind::Extension => {
                json!({ "password": example("A new password", json!({ "password": "correct horse battery" })) })
            }
            Kind::Tenant => json!({ "suspend": example("Stop its calls", json!({ "status": "suspended" })) }),
            Kind::Assignment => json!({ "less": example("Fewer calls at once", json!({ "max_calls": 5 })) }),
            Kind::User | Kind::Token => {
                json!({ "off": example("Switch it off", json!({ "enabled": false })) })
            }
            Kind::Webhook => json!({ "off": example("Switch it off", json!({ "enabled": false })) }),
            Kind::AlertRule => json!({ "later": example("Only after ten minutes", json!({ "for_s": 600 })) }),
            Kind::Block => {
                json!({ "until": example("Only until then", json!({ "expires_at": 1_798_761_600_000_u64 })) })
            }
            Kind::Schedule | Kind::RateTable | Kind::InboundRoute | Kind::ClassOfService => {
                json!({ "rename": example("Another name", json!({ "name": "Office 2" })) })
            }
            Kind::Number => {
                json!({ "move": example("Ring something else", json!({ "extension_id": null, "trunk_id": ID })) })
            }
        },
        Action::Import => json!({
            "freeswitch": example("A gateway of FreeSWITCH: what would become of it", json!({
                "text": "<gateway name=\"provider\">\n  <param name=\"proxy\" value=\"sip.provider.com\"/>\n  <param name=\"register\" value=\"false\"/>\n</gateway>\n",
            })),
        }),
        Action::Plan => json!({
            "file": example("A server with one trunk and one route", json!({
                "text": "[[trunk]]\nname = \"Provider\"\nhost = \"sip.provider.com\"\n\n[[route]]\nname = \"Out\"\nsteps = [{ trunk = \"Provider\" }]\n",
            })),
        }),
        Action::Explain => json!({
            "out": example("A number dialled at an extension", json!({ "number": "+15551234567", "extension_id": EXTENSION })),
            "in": example("A call over a trunk, on a Sunday", json!({
                "number": "+13322496213", "trunk_id": ID, "caller": "+493012345", "at": 1_795_953_600_000u64,
            })),
        }),
        _ => json!({}),
    }
}
