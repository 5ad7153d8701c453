//! Configurations as text, over the API.

use crate::client::Client;
use axum::http::StatusCode;
use serde_json::json;
use std::sync::atomic::Ordering;

const GATEWAY: &str = "<gateway name=\"provider\">\n<param name=\"username\" value=\"acme\"/>\n<param name=\"password\" value=\"hunter-two\"/>\n\
                       <param name=\"proxy\" value=\"sip.example.com\"/>\n<param name=\"retry-seconds\" value=\"3\"/></gateway>";

#[tokio::test]
async fn an_import_is_told_first_and_done_when_asked_for() {
    let client = Client::new();
    let told = client.post("/v1.0/import", json!({ "text": GATEWAY })).await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text);
    assert_eq!((&told.json["applied"], &told.json["format"]), (&json!(false), &json!("freeswitch")));
    let fields = told.json["items"][0]["fields"].as_array().unwrap();
    let retry = fields.iter().find(|field| field["field"] == "retry_base").unwrap();
    assert_eq!((&retry["value"], &retry["origin"]), (&json!(30), &json!("line 5: retry-seconds = 3")));
    assert!(retry["coerced"].as_str().unwrap().contains("FreeSWITCH"));
    assert!(!told.text.contains("hunter"));
    assert!(client.fake.config.lock().unwrap().trunks.is_empty());

    let done = client.post("/v1.0/import", json!({ "text": GATEWAY, "apply": true })).await;
    assert_eq!((done.status, &done.json["applied"]), (StatusCode::OK, &json!(true)), "{}", done.text);
    let config = client.fake.config.lock().unwrap().clone();
    let trunk = config.trunk_by_slug("provider").unwrap();
    assert_eq!(trunk.password.as_ref().unwrap().expose(), "hunter-two");
    assert_eq!(done.json["items"][0]["id"], trunk.id.to_string());
}

#[tokio::test]
async fn what_cannot_be_imported_is_told_in_the_plan_and_refused_when_asked_for() {
    let client = Client::new();
    let text = GATEWAY.replace("sip.example.com", "$${proxy}");
    let told = client.post("/v1.0/import", json!({ "text": text })).await;
    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(told.json["problems"][0]["field"], "trunk[provider].host", "{}", told.text);
    let refused = client.post("/v1.0/import", json!({ "text": text, "apply": true })).await;
    assert_eq!(refused.refused(), (400, "BAD_FORMAT"));
    assert!(refused.json["message"].as_str().unwrap().starts_with("line 4: "), "{}", refused.text);
    for (body, field, reason) in [
        (json!({}), "text", "REQUIRED"),
        (json!({ "text": 7 }), "text", "REQUIRED"),
        (json!({ "text": GATEWAY, "format": "avaya" }), "format", "WRONG_TYPE"),
        (json!({ "text": GATEWAY, "apply": "yes" }), "apply", "WRONG_TYPE"),
        (json!({ "text": GATEWAY, "aply": true }), "aply", "UNKNOWN_FIELD"),
        (json!({ "text": "hello" }), "format", "UNKNOWN_FORMAT"),
        (json!([]), "", "WRONG_TYPE"),
    ] {
        let answer = client.post("/v1.0/import", body).await;
        assert_eq!(answer.refused(), (400, reason), "{}", answer.text);
        assert_eq!(answer.json["field"].as_str().unwrap_or_default(), field, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_configuration_is_told_and_applied_as_a_whole() {
    let client = Client::new();
    client.create("/v1.0/trunks", json!({ "name": "Old", "host": "old.example" })).await;
    let body = json!({ "name": "Twilio", "host": "sip.example", "username": "u", "password": "hunter-two" });
    let trunk = client.create("/v1.0/trunks", body).await;
    let text = "[[trunk]]\nname = \"Twilio\"\nmode = \"register_out\"\nhost = \"sip.example\"\nusername = \"u\"\nexpires = 600\n\n\
                [[route]]\nname = \"Out\"\nsteps = [{ trunk = \"Twilio\" }]\n";
    let plan = client.post("/v1.0/configuration/plan", json!({ "text": text })).await;
    let told: Vec<&str> =
        plan.json["items"].as_array().unwrap().iter().map(|item| item["action"].as_str().unwrap()).collect();
    assert_eq!(told, ["change", "create", "delete"], "{}", plan.text);

    let stale = json!({ "text": text, "version": 0 });
    assert_eq!(
        client.post("/v1.0/configuration/apply", stale).await.refused(),
        (409, "CONFIGURATION_CHANGED")
    );
    let apply = json!({ "text": text, "version": plan.json["version"] });
    let done = client.post("/v1.0/configuration/apply", apply).await;
    assert_eq!((done.status, &done.json["applied"]), (StatusCode::OK, &json!(true)), "{}", done.text);
    let config = client.fake.config.lock().unwrap().clone();
    let kept = config.trunk_by_slug("Twilio").unwrap();
    assert_eq!((kept.id.to_string(), kept.expires, config.trunks.len()), (trunk, 600, 1));
    assert_eq!(kept.password.as_ref().unwrap().expose(), "hunter-two");

    // Nothing left to do, and then nothing is asked of the store.
    client.fake.broken.store(true, Ordering::Relaxed);
    let again = client.post("/v1.0/configuration/apply", json!({ "text": text })).await;
    assert_eq!((again.status, &again.json["items"]), (StatusCode::OK, &json!([])), "{}", again.text);
    assert_eq!(client.post("/v1.0/configuration/apply", json!({ "text": "" })).await.refused().0, 503);
}

#[tokio::test]
async fn nothing_of_a_file_with_a_mistake_is_applied() {
    let client = Client::new();
    let text = "[[trunk]]\nname = \"a\"\nhost = \"a.example\"\n\n[[trunk]]\nname = \"b\"\nport = 70000\nhost = \"b.example\"\n";
    let refused = client.post("/v1.0/configuration/apply", json!({ "text": text })).await;
    assert_eq!(refused.refused(), (400, "OUT_OF_RANGE"));
    assert_eq!(refused.json["field"], "trunk[b].port");
    assert!(refused.json["message"].as_str().unwrap().starts_with("line 7: "), "{}", refused.text);
    assert!(client.fake.config.lock().unwrap().trunks.is_empty());
}

#[tokio::test]
async fn an_export_has_no_passwords() {
    let client = Client::new();
    let body = json!({ "name": "Twilio", "host": "sip.example", "username": "u", "password": "hunter-two" });
    client.create("/v1.0/trunks", body).await;
    let toml = client.get("/v1.0/configuration").await;
    assert!(toml.json["text"].as_str().unwrap().contains("[[trunk]]\nname = \"Twilio\""), "{}", toml.text);
    let xml = client.get("/v1.0/configuration?format=freeswitch").await;
    assert!(xml.json["text"].as_str().unwrap().contains("<gateway name=\"Twilio\">"), "{}", xml.text);
    assert!(!toml.text.contains("hunter") && !xml.text.contains("hunter"));
    assert_eq!(client.get("/v1.0/configuration?format=xml").await.refused(), (400, "UNKNOWN_VALUE"));
}

#[tokio::test]
async fn what_is_created_at_once_is_as_old_as_it_stands_in_the_text() {
    let client = Client::new();
    let trunk = |n: usize| format!("[[trunk]]\nname = \"t{n}\"\nhost = \"t{n}.example\"\n");
    let text: String = (0..20).map(trunk).collect();
    client.post("/v1.0/configuration/apply", json!({ "text": text })).await;
    let config = client.fake.config.lock().unwrap().clone();
    let names: Vec<String> = config.trunks.values().map(|trunk| trunk.name.clone()).collect();
    assert_eq!(names, (0..20).map(|n| format!("t{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_may_not_be_meant_is_warned_of_and_the_systems_is_not_a_tenants_to_see() {
    let client = Client::new();
    assert_eq!(client.get("/v1.0/configuration/warnings").await.json["items"], json!([]));
    let trunk = json!({ "name": "t", "mode": "ip_auth", "host": "192.0.2.1" });
    let trunk = client.post("/v1.0/trunks", trunk).await.json["id"].clone();
    let route = json!({ "name": "all", "steps": [{ "trunk_id": trunk }] });
    let first = client.post("/v1.0/routes", route.clone()).await;
    let second = client.post("/v1.0/routes", route).await;
    assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::CREATED));
    let warned = client.get("/v1.0/configuration/warnings").await.json["items"].clone();
    let of = |n: usize| (warned[n]["reason"].clone(), warned[n]["id"].clone());
    assert_eq!(of(0), (json!("NO_EMERGENCY_ROUTE"), json!(null)));
    assert_eq!(of(1), (json!("SHADOWED_ROUTE"), second.json["id"].clone()));
    assert!(warned[1]["fix"].as_str().unwrap().contains("priority"));
}
