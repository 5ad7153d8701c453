//! The OpenAPI document against the API itself.

use crate::client::Client;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tandem_api::openapi;

/// Calls `visit` with every object in a document.
fn each_object<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|value| each_object(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|value| each_object(value, visit)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_served_to_anybody_and_is_openapi_3_1() {
    let client = Client::new();
    let answer = client.send(Request::get("/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(answer.json, openapi());
    assert_eq!(answer.json["openapi"], "3.1.0");
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let document = openapi();
    let mut used = BTreeSet::new();
    each_object(&document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
            used.insert(reference.to_owned());
        }
    });
    for section in ["schemas", "responses"] {
        for name in document["components"][section].as_object().unwrap().keys() {
            assert!(used.contains(&format!("#/components/{section}/{name}")), "{name} is never referred to");
        }
    }
}

#[test]
fn operations_have_unique_names_and_a_tag_that_is_described() {
    let document = openapi();
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut names = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{}", operation["operationId"]);
            assert!(tags.contains(operation["tags"][0].as_str().unwrap()));
        }
    }
    assert_eq!(names.len(), 16 * 5 + 6 + 3 + 10 + 5 + 4);
}

#[tokio::test]
async fn each_documented_method_is_served_and_no_other() {
    let client = Client::new();
    client.fake.feed.close();
    for (path, item) in openapi()["paths"].as_object().unwrap() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = client.ask(method.parse().unwrap(), &path.replace("{id}", "x"), "").await;
            let documented = item.get(method.to_lowercase()).is_some();
            assert_eq!(answer.status != StatusCode::METHOD_NOT_ALLOWED, documented, "{method} {path}");
            assert!(answer.json["reason"] != "NO_SUCH_PATH", "{path}");
        }
    }
}

#[tokio::test]
async fn every_example_body_is_accepted() {
    let document = openapi();
    let client = Client::new();
    // The ids that examples speak of.
    let trunk = client.create("/v1.0/trunks", json!({ "name": "a", "host": "a.example.com" })).await;
    let second = client.create("/v1.0/trunks", json!({ "name": "b", "host": "b.example.com" })).await;
    let phone =
        client.create("/v1.0/extensions", json!({ "number": "9", "password": "correct horse" })).await;
    let tenant = client.create("/v1.0/tenants", json!({ "name": "Zeta" })).await;
    let schedule = client.create("/v1.0/schedules", json!({ "name": "z" })).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
            for (name, example) in examples.as_object().into_iter().flatten() {
                if method != "post" || path == "/v1.0/providers" {
                    continue; // patches need the thing itself; providers are trunks, whose names would be taken
                }
                let body = example["value"].to_string();
                let body = body.replace("0198c0de-0000-7000-8000-000000000001", &trunk);
                let body = body.replace("0198c0de-0000-7000-8000-00000000000a", &tenant);
                let body = body.replace("0198c0de-0000-7000-8000-00000000000b", &phone);
                let body = body.replace("0198c0de-0000-7000-8000-00000000000c", &schedule);
                let body = body.replace("0198c0de-0000-7000-8000-000000000002", &second);
                let answer = client.ask("POST".parse().unwrap(), path, body).await;
                let creates = operation["responses"].get("201").is_some();
                let expected = if creates { StatusCode::CREATED } else { StatusCode::OK };
                assert_eq!(answer.status, expected, "{path} {name}: {}", answer.text);
            }
        }
    }
}

/// A body that is right but for the field in question, and where that field goes.
fn around(schema: &str, trunk: &str, field: &str, value: u64) -> (&'static str, Value) {
    let (path, mut body) = match schema {
        // `retry_max` follows `retry_base`, so that only its own bounds are asked for.
        "Trunk" => (
            "/v1.0/trunks",
            json!({ "name": "x", "host": "x.example.com", "retry_base": 5, "retry_max": 86_400 }),
        ),
        "Extension" => ("/v1.0/extensions", json!({ "number": "100", "password": "correct horse" })),
        "Tenant" => ("/v1.0/tenants", json!({ "name": "x", "slug": "acme" })),
        "InboundRoute" => ("/v1.0/inbound_routes", json!({ "name": "x", "destination": { "type": "busy" } })),
        "Route" => ("/v1.0/routes", json!({ "name": "x", "steps": [{ "trunk_id": trunk }] })),
        _ => {
            let long = "X".repeat(40);
            (
                "/v1.0/routes",
                json!({ "name": "x", "match": { "patterns": [long] }, "steps": [{ "trunk_id": trunk }] }),
            )
        }
    };
    match schema {
        "Step" => body["steps"][0][field] = json!(value),
        _ => body[field] = json!(value),
    }
    (path, body)
}

#[tokio::test]
async fn documented_bounds_are_those_that_are_enforced() {
    let document = openapi();
    let client = Client::new();
    let trunk = client.create("/v1.0/trunks", json!({ "name": "a", "host": "a.example.com" })).await;
    let mut asked = 0;
    for schema in ["Trunk", "Extension", "Route", "Step", "Tenant", "InboundRoute"] {
        let properties =
            document["components"]["schemas"][format!("{schema}Create")]["properties"].as_object().unwrap();
        for (field, property) in properties {
            let (Some(least), Some(most)) = (property["minimum"].as_u64(), property["maximum"].as_u64())
            else {
                continue;
            };
            asked += 1;
            for (value, fits) in [
                (Some(least), true),
                (Some(most), true),
                (least.checked_sub(1), false),
                (Some(most + 1), false),
            ] {
                let Some(value) = value else { continue };
                let (path, body) = around(schema, &trunk, field, value);
                let answer = client.post(path, body).await;
                assert_eq!(
                    answer.status == StatusCode::CREATED,
                    fits,
                    "{schema}.{field} = {value}: {}",
                    answer.text
                );
                if fits {
                    client.delete(answer.headers[header::LOCATION].to_str().unwrap()).await;
                }
            }
        }
    }
    assert_eq!(asked, 27);
}

#[tokio::test]
async fn documented_defaults_are_those_that_are_filled_in() {
    let document = openapi();
    let client = Client::new();
    let created = client.post("/v1.0/trunks", json!({ "name": "a", "host": "a.example.com" })).await.json;
    let properties = document["components"]["schemas"]["TrunkCreate"]["properties"].as_object().unwrap();
    let defaults: Vec<_> =
        properties.iter().filter_map(|(field, property)| Some((field, property.get("default")?))).collect();
    assert!(defaults.len() > 15);
    for (field, default) in defaults {
        if field != "host" && created.get(field).is_some() {
            assert_eq!(&created[field], default, "{field}");
        }
    }
}

#[test]
fn what_is_shown_is_documented_field_by_field_and_no_password_is() {
    let schemas = &openapi()["components"]["schemas"];
    for name in ["Trunk", "Route", "Extension", "Number"] {
        assert!(schemas[name]["properties"].get("password").is_none(), "{name}");
        let fields = schemas[name]["properties"].as_object().unwrap().len();
        assert_eq!(
            schemas[name]["required"].as_array().unwrap().len(),
            fields,
            "{name} always shows everything"
        );
    }
    for name in ["TrunkCreate", "TrunkPatch", "ExtensionCreate", "ExtensionPatch"] {
        assert_eq!(schemas[name]["properties"]["password"]["writeOnly"], true, "{name}");
    }
}

#[tokio::test]
async fn an_answer_has_exactly_the_fields_of_its_schema() {
    let document = openapi();
    let client = Client::new();
    client.fake.calls.lock().unwrap().push(crate::live::live_call(1));
    client.fake.registrations.lock().unwrap().push(crate::live::registration(1));
    client.fake.records.lock().unwrap().push(crate::records::record(1, 100, tandem_model::Outcome::Busy));
    let trunk = client.create("/v1.0/trunks", json!({ "name": "a", "host": "a.example.com" })).await;
    let extension =
        client.create("/v1.0/extensions", json!({ "number": "9", "password": "correct horse" })).await;
    client.create("/v1.0/routes", json!({ "name": "r", "provider_id": trunk })).await;
    client.create("/v1.0/numbers", json!({ "number": "555", "extension_id": extension })).await;
    for (path, schema) in [
        ("/v1.0/trunks", "Trunk"),
        ("/v1.0/routes", "Route"),
        ("/v1.0/extensions", "Extension"),
        ("/v1.0/numbers", "Number"),
        ("/v1.0/registrations", "RegistrationView"),
        ("/v1.0/calls", "LiveCall"),
        ("/v1.0/cdrs", "CallRecord"),
    ] {
        let shown = client.get(path).await.json["items"][0].clone();
        fits(&document, &json!({ "$ref": format!("#/components/schemas/{schema}") }), &shown, schema);
    }
    fits(
        &document,
        &json!({ "$ref": "#/components/schemas/Health" }),
        &client.get("/health").await.json,
        "Health",
    );
    fits(
        &document,
        &json!({ "$ref": "#/components/schemas/ErrorEnvelope" }),
        &client.get("/x").await.json,
        "ErrorEnvelope",
    );
}

/// Follows references and compares the fields of objects, all the way down.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        return fits(document, document.pointer(&reference[1..]).unwrap(), value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = choices.iter().find(|choice| (choice["type"] == "null") == value.is_null()).unwrap();
        return fits(document, choice, value, at);
    }
    if let (Some(properties), Some(object)) = (schema["properties"].as_object(), value.as_object()) {
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(object.contains_key(name.as_str().unwrap()), "{at} lacks {name}");
        }
        for (name, value) in object {
            let property = properties.get(name).unwrap_or_else(|| panic!("{at}.{name} is not documented"));
            fits(document, property, value, &format!("{at}.{name}"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], item, at);
    }
}

#[tokio::test]
async fn the_documentation_page_needs_nothing_from_elsewhere() {
    let client = Client::new();
    let home = client.get("/").await;
    assert!(home.status.is_redirection());
    assert_eq!(home.headers[header::LOCATION], "/docs");
    for (path, content_type) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/docs.js", "text/javascript; charset=utf-8"),
        ("/docs/docs.css", "text/css; charset=utf-8"),
    ] {
        let answer = client.get(path).await;
        assert_eq!(
            (answer.status, &answer.headers[header::CONTENT_TYPE]),
            (StatusCode::OK, &content_type.parse().unwrap())
        );
        assert!(!answer.text.contains("://"), "{path} names another host");
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    }
}
