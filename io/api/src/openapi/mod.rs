//! The OpenAPI 3.1 document, written from the table of operations and the types of the model.

mod operation;
mod rules;
mod schema;

use crate::operations::OPERATIONS;
use serde_json::{Map, Value, json};

/// The OpenAPI document of the API, as served at `/openapi.json`.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for each in OPERATIONS.iter() {
        let method = each.method.as_str().to_ascii_lowercase();
        let item = paths.entry(each.path.clone()).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            item.insert(method, operation::describe(each));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tandem API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "tags": TAGS.map(|(name, description)| json!({ "name": name, "description": description })),
        "paths": paths,
        "components": {
            "schemas": schema::all(),
            "responses": operation::refusals(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "A token: the installation's own, or one of `/v1.0/tokens`." },
                "query": {
                    "type": "apiKey", "in": "query", "name": "token",
                    "description": "The same token in the query. It is never logged here, but may be elsewhere: prefer the header.",
                },
            },
        },
    })
}

const DESCRIPTION: &str = "Configures and watches a Tandem SIP trunking server. Bodies are JSON and read strictly: \
    unknown fields, unknown parameters and repeated keys are refused; fields of entities that begin with `x_` are let pass, and \
    not kept. A patch is a JSON merge patch (RFC 7396): what it \
    does not mention stays, `null` sets a field back to its default. Every refusal has the same envelope, with a stable \
    `reason` and a `fix`. Passwords are write-only. What a token \
    may do is a matter of its role; whoever is confined to a tenant sees nothing of others, as if it were not there. Moments are milliseconds since the Unix epoch. Listings come in \
    pages: give `next` of one as `after` of the following.";

const TAGS: [(&str, &str); 23] = [
    ("tenants", "Customers of the system, each with extensions, numbers and routes that nobody else sees."),
    ("assignments", "What tenants may use of the system's trunks: pools of numbers, and calls at once."),
    ("schedules", "When somebody is there: hours and holidays."),
    ("rate_tables", "What calls over trunks cost."),
    ("inbound_routes", "What calls that come over trunks reach."),
    ("trunks", "Providers, carriers, gateways and PBXs."),
    ("providers", "Trunks under the name that VoIPBIN gives them: the same objects, the same ids."),
    ("routes", "Which trunks outbound calls are tried on."),
    ("classes_of_service", "What extensions may call of what their tenant may."),
    (
        "blocks",
        "Who is kept out, who may not call and what may not be called; with those that the server shut out by itself.",
    ),
    ("extensions", "Phones and softphones that register here."),
    ("numbers", "Telephone numbers (DIDs) and what calls to them reach."),
    ("registrations", "Who is registered where, now."),
    ("calls", "Calls under way."),
    ("call records", "Calls that have ended, one record each."),
    ("webhooks", "Where events are posted to, signed."),
    ("alert_rules", "What is to be told of when it is as it should not be."),
    ("alerts", "What is as it should not be, now."),
    ("users", "People, each with a role, in the whole system or in one tenant."),
    ("tokens", "What people and programs show with every request. Each is shown once, when it is made."),
    ("events", "What happens, as it happens."),
    ("configuration", "Configurations as text: of other systems, and the whole of this one."),
    ("system", "Health, metrics and this document."),
];
