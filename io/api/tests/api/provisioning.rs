//! Numbers searched, bought and given back; and what the system grants to a tenant.

use crate::client::{Answer, Client};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const NUMBERS: &str = "/v1.0/numbers";
const AVAILABLE: &str = "/v1.0/available_numbers";

/// Numbers of the system that may be bought, and two tenants with the tokens of their administrators.
struct Shop {
    client: Client,
    acme: (String, String),
    beta: (String, String),
    berlin: String,
    york: String,
}

async fn shop() -> Shop {
    let client = Client::new();
    let carrier = client.create("/v1.0/trunks", json!({ "name": "Carrier", "host": "192.0.2.10" })).await;
    let mut tenants = Vec::new();
    for (name, pool) in [("Acme", "13322496213"), ("Beta", "16468097069")] {
        let tenant = client.create("/v1.0/tenants", json!({ "name": name, "country": "US" })).await;
        let share = json!({ "trunk_id": carrier, "tenant_id": tenant, "did_pool": pool });
        client.create("/v1.0/assignments", share).await;
        let token = json!({ "name": name, "role": "tenant_admin", "tenant_id": tenant });
        let token = client.post("/v1.0/tokens", token).await.json["token"].as_str().unwrap().to_owned();
        tenants.push((tenant, token));
    }
    let berlin = json!({ "number": "+49301234567", "status": "available", "emergency": true, "provisioning_ref": "B-1" });
    let berlin = client.create(NUMBERS, berlin).await;
    let york = json!({ "number": "+18005550100", "status": "available", "type": "tollfree", "t38": false });
    let york = client.create(NUMBERS, york).await;
    client.create(NUMBERS, json!({ "number": "+12125550199" })).await;
    let beta = tenants.pop().unwrap();
    Shop { client, acme: tenants.pop().unwrap(), beta, berlin, york }
}

impl Shop {
    async fn ask(&self, (_, token): &(String, String), method: Method, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client.ask_as(token, method, path, body).await
    }

    async fn post(&self, who: &(String, String), path: &str) -> Answer {
        self.ask(who, Method::POST, path, Value::Null).await
    }

    async fn search(&self, query: &str) -> Vec<String> {
        let answer = self.ask(&self.acme, Method::GET, &format!("{AVAILABLE}{query}"), Value::Null).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let items = answer.json["items"].as_array().unwrap();
        items.iter().map(|item| item["number"].as_str().unwrap().to_owned()).collect()
    }
}

fn buy(number: &str) -> String {
    format!("{NUMBERS}/{number}/buy")
}

fn release(number: &str) -> String {
    format!("{NUMBERS}/{number}/release")
}

#[tokio::test]
async fn the_inventory_is_searched_by_country_type_and_beginning() {
    let shop = shop().await;
    for (query, found) in [
        ("", vec!["+49301234567", "+18005550100"]),
        ("?country=DE", vec!["+49301234567"]),
        ("?type=tollfree", vec!["+18005550100"]),
        ("?prefix=1800", vec!["+18005550100"]),
        ("?prefix=1212", vec![]),
        ("?country=DE&type=tollfree", vec![]),
        ("?limit=1", vec!["+49301234567"]),
    ] {
        assert_eq!(shop.search(query).await, found, "{query}");
    }
    let page = shop.client.get(&format!("{AVAILABLE}?limit=1")).await;
    assert_eq!(page.json["next"], page.json["items"][0]["id"]);
    let expected = json!({
        "id": shop.berlin, "number": "+49301234567", "type": "geographic", "country": "DE", "emergency": true, "t38": true,
    });
    assert_eq!(page.json["items"][0], expected, "where the system has it from is not told");
    let rest = format!("?after={}", shop.berlin);
    assert_eq!(shop.search(&rest).await, ["+18005550100"]);
    for (query, field, reason) in [
        ("country=de", "country", "UNKNOWN_COUNTRY"),
        ("prefix=%2B49", "prefix", "BAD_FORMAT"),
        ("type=pretty", "type", "UNKNOWN_VALUE"),
        ("number=1", "number", "UNKNOWN_PARAMETER"),
    ] {
        let answer = shop.client.get(&format!("{AVAILABLE}?{query}")).await;
        assert_eq!(answer.refused(), (400, reason));
        assert_eq!(answer.json["field"], field);
    }
}

#[tokio::test]
async fn a_number_is_bought_used_and_given_back() {
    let shop = shop().await;
    let bought = shop.post(&shop.acme, &buy(&shop.berlin)).await;
    assert_eq!(bought.status, StatusCode::OK, "{}", bought.text);
    let of_acme = |body: &Value| body["tenant_id"] == json!(shop.acme.0);
    assert!(of_acme(&bought.json) && bought.json["status"] == "assigned" && bought.json["enabled"] == true);
    assert_eq!(shop.search("").await, ["+18005550100"]);
    let path = format!("{NUMBERS}/{}", shop.berlin);
    let phone = json!({ "tenant_id": shop.acme.0, "number": "100", "password": "correct horse", "outbound_cid": "+49301234567" });
    let phone = shop.client.create("/v1.0/extensions", phone).await;
    let used = json!({ "extension_id": phone, "label": "Front desk" });
    let used = shop.ask(&shop.acme, Method::PATCH, &path, used).await;
    assert_eq!((&used.json["status"], &used.json["name"]), (&json!("active"), &json!("Front desk")));
    let refused = shop.post(&shop.acme, &release(&shop.berlin)).await;
    assert_eq!(refused.refused(), (409, "POOL_IN_USE"));
    assert!(refused.text.contains("extension `100`"), "{}", refused.text);
    shop.client.patch(&format!("/v1.0/extensions/{phone}"), json!({ "outbound_cid": null })).await;
    assert_eq!(shop.post(&shop.acme, &release(&shop.berlin)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(shop.ask(&shop.acme, Method::GET, &path, Value::Null).await.refused(), (404, "NOT_FOUND"));
    let released = shop.client.get(&path).await.json;
    assert_eq!(released["status"], "released");
    for field in ["tenant_id", "name", "extension_id"] {
        assert_eq!(released[field], Value::Null, "{field}");
    }
    assert_eq!(shop.post(&shop.beta, &buy(&shop.berlin)).await.refused(), (409, "NOT_AVAILABLE"));
    assert_eq!(shop.search("?country=DE").await, [""; 0]);
    assert_eq!(shop.client.patch(&path, json!({ "status": "available" })).await.status, StatusCode::OK);
    let path = format!("{}?tenant_id={}", buy(&shop.berlin), shop.beta.0);
    assert_eq!(
        shop.client.post(&path, Value::Null).await.status,
        StatusCode::OK,
        "by the system for a tenant"
    );
}

#[tokio::test]
async fn of_two_who_buy_a_number_at_once_one_gets_it() {
    let shop = shop().await;
    *shop.client.fake.delay.lock().unwrap() = Duration::from_millis(20);
    let path = buy(&shop.york);
    let (one, other) = tokio::join!(shop.post(&shop.acme, &path), shop.post(&shop.beta, &path));
    let mut both = [one.status.as_u16(), other.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [200, 409]);
    let refused = if one.status == 409 { one } else { other };
    assert_eq!(refused.refused(), (409, "NOT_AVAILABLE"));
}

#[tokio::test]
async fn what_cannot_be_bought_or_given_back_is_refused_and_nothing_of_others_told() {
    let shop = shop().await;
    let (acme, beta) = (&shop.acme, &shop.beta);
    assert_eq!(shop.post(beta, &buy(&shop.york)).await.status, StatusCode::OK);
    let nowhere = uuid::Uuid::from_u128(7).to_string();
    let mut told = Vec::new();
    for number in [&shop.york, &nowhere] {
        let answer = shop.post(acme, &buy(number)).await;
        assert_eq!(answer.refused(), (409, "NOT_AVAILABLE"));
        told.push(answer.json["message"].clone());
        assert_eq!(shop.post(acme, &release(number)).await.refused(), (404, "NOT_FOUND"));
    }
    assert_eq!(told[0], told[1], "whether it is there is not said");
    let for_other = format!("{}?tenant_id={}", buy(&shop.berlin), beta.0);
    assert_eq!(shop.post(acme, &for_other).await.refused(), (403, "OTHER_TENANT"));
    let by_system = async |path: String| shop.client.post(&path, Value::Null).await;
    assert_eq!(by_system(buy(&shop.berlin)).await.refused(), (400, "REQUIRED"));
    let path = format!("{}?tenant_id={nowhere}", buy(&shop.berlin));
    assert_eq!(by_system(path).await.refused(), (400, "UNKNOWN_TENANT"));
    assert_eq!(by_system(release(&shop.berlin)).await.refused(), (409, "NOT_ASSIGNED"));
    let own = shop.ask(acme, Method::POST, NUMBERS, json!({ "number": "13322496213" })).await;
    assert_eq!(own.status, StatusCode::CREATED, "{}", own.text);
    let own = release(own.json["id"].as_str().unwrap());
    assert_eq!(shop.post(acme, &own).await.refused(), (409, "NOT_GIVEN"));
}

#[tokio::test]
async fn what_a_number_is_the_system_says_and_what_becomes_of_it_the_tenant() {
    let shop = shop().await;
    let acme = &shop.acme;
    shop.post(acme, &buy(&shop.berlin)).await;
    let path = format!("{NUMBERS}/{}", shop.berlin);
    for (patch, refused) in [
        (json!({ "type": "mobile" }), (403, "FORBIDDEN_FIELD")),
        (json!({ "emergency": false }), (403, "FORBIDDEN_FIELD")),
        (json!({ "t38": false }), (403, "FORBIDDEN_FIELD")),
        (json!({ "provisioning_ref": "mine" }), (403, "FORBIDDEN_FIELD")),
        (json!({ "number": "13322496213" }), (403, "NUMBER_NOT_OWNED")),
        (json!({ "status": "available" }), (400, "CONFLICTING_FIELDS")),
        (json!({ "status": "released", "tenant_id": null }), (403, "OTHER_TENANT")),
    ] {
        let answer = shop.ask(acme, Method::PATCH, &path, patch.clone()).await;
        assert_eq!(answer.refused(), refused, "{patch}: {}", answer.text);
    }
    assert_eq!(shop.ask(acme, Method::DELETE, &path, Value::Null).await.refused(), (403, "GIVEN_BY_SYSTEM"));
    let off = shop.ask(acme, Method::PATCH, &path, json!({ "enabled": false, "name": "Hall" })).await;
    assert_eq!((&off.json["status"], &off.json["name"]), (&json!("disabled"), &json!("Hall")));
    let created = shop.ask(acme, Method::POST, NUMBERS, json!({ "number": "+18005550100" })).await;
    assert_eq!(created.refused(), (403, "NUMBER_NOT_OWNED"));
    assert!(created.text.contains("available_numbers"), "it says where to find one: {}", created.text);
}

#[tokio::test]
async fn a_number_has_one_status_and_goes_from_hand_to_hand_in_order() {
    let shop = shop().await;
    let client = &shop.client;
    for (body, field, reason) in [
        (json!({ "status": "lost" }), "status", "UNKNOWN_VALUE"),
        (json!({ "type": "pretty" }), "type", "UNKNOWN_VALUE"),
        (json!({ "status": "available", "enabled": true }), "enabled", "CONFLICTING_FIELDS"),
        (json!({ "status": "active", "enabled": false }), "enabled", "CONFLICTING_FIELDS"),
        (json!({ "status": "available", "tenant_id": shop.acme.0 }), "status", "CONFLICTING_FIELDS"),
        (json!({ "number": "100", "status": "available" }), "status", "CONFLICTING_FIELDS"),
        (json!({ "number": "100", "type": "mobile" }), "type", "CONFLICTING_FIELDS"),
        (json!({ "provisioning_ref": "x".repeat(129) }), "provisioning_ref", "TOO_LONG"),
        (json!({ "name": "a", "label": "b" }), "name", "DUPLICATE_FIELD"),
    ] {
        let mut whole = json!({ "number": "+4940123456" });
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let answer = client.post(NUMBERS, whole).await;
        assert_eq!(answer.refused(), (400, reason), "{body}: {}", answer.text);
        assert_eq!(answer.json["field"], field, "{body}");
    }
    let path = format!("{NUMBERS}/{}", shop.york);
    assert_eq!(client.patch(&path, json!({ "status": "released" })).await.refused(), (400, "NOT_ASSIGNED"));
    assert_eq!(
        client.patch(&path, json!({ "enabled": false })).await.json["status"],
        "available",
        "so it is"
    );
    assert_eq!(client.patch(&path, json!({ "status": "disabled" })).await.json["status"], "disabled");
    assert_eq!(client.patch(&path, json!({ "status": "released" })).await.json["status"], "released");
    assert_eq!(client.patch(&path, json!({ "enabled": true })).await.refused(), (400, "NOT_AVAILABLE"));
    assert_eq!(client.patch(&path, json!({ "status": "available" })).await.json["enabled"], false);
    assert_eq!(
        client.patch(&path, json!({ "status": null })).await.json["status"],
        "assigned",
        "the default"
    );
}

#[tokio::test]
async fn a_tenant_has_no_more_extensions_than_it_may() {
    let shop = shop().await;
    let path = format!("/v1.0/tenants/{}", shop.acme.0);
    assert_eq!(shop.client.patch(&path, json!({ "max_extensions": 2 })).await.status, StatusCode::OK);
    let phone = |number: u32| json!({ "number": number.to_string(), "password": "correct horse" });
    let create = |number: u32| shop.ask(&shop.acme, Method::POST, "/v1.0/extensions", phone(number));
    for number in [100, 101] {
        assert_eq!(create(number).await.status, StatusCode::CREATED);
    }
    let refused = create(102).await;
    assert_eq!(refused.refused(), (409, "EXTENSION_LIMIT"));
    assert!(refused.json["message"].as_str().unwrap().contains("2 extensions (max_extensions)"));
    shop.client.create("/v1.0/extensions", phone(102)).await;
    let beta = shop.ask(&shop.beta, Method::POST, "/v1.0/extensions", phone(100)).await;
    assert_eq!(beta.status, StatusCode::CREATED, "nobody else is concerned");
    // Fewer than there are: those stay, and can be changed.
    assert_eq!(shop.client.patch(&path, json!({ "max_extensions": 1 })).await.status, StatusCode::OK);
    let listed = shop.ask(&shop.acme, Method::GET, "/v1.0/extensions", Value::Null).await;
    let ids: Vec<&str> =
        listed.json["items"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    let one = format!("/v1.0/extensions/{}", ids[0]);
    let renamed = shop.ask(&shop.acme, Method::PATCH, &one, json!({ "name": "Front desk" })).await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.text);
    shop.ask(&shop.acme, Method::DELETE, &one, Value::Null).await;
    assert_eq!(create(103).await.refused(), (409, "EXTENSION_LIMIT"), "one is as many as it may have");
    assert_eq!(shop.client.patch(&path, json!({ "max_extensions": 0 })).await.status, StatusCode::OK);
    assert_eq!(create(103).await.status, StatusCode::CREATED, "0 is no limit");
}

#[tokio::test]
async fn recording_is_refused_by_name_until_it_comes() {
    let client = Client::new();
    for policy in [json!("all"), json!(true)] {
        let answer =
            client.post("/v1.0/tenants", json!({ "name": "Acme", "recording_policy": policy })).await;
        assert_eq!(answer.refused(), (400, "NOT_SUPPORTED"));
        assert_eq!(answer.json["field"], "recording_policy");
    }
    let made = client.post("/v1.0/tenants", json!({ "name": "Acme", "recording_policy": "off" })).await;
    assert_eq!(made.json["recording_policy"], "off");
    let route = json!({ "name": "in", "destination": { "type": "busy" }, "recording_notice": true });
    let answer = client.post("/v1.0/inbound_routes", route).await;
    assert_eq!(answer.refused(), (400, "NOT_SUPPORTED"));
    assert_eq!(answer.json["field"], "recording_notice");
    let route = json!({ "name": "in", "destination": { "type": "busy" }, "recording_notice": false });
    assert_eq!(client.post("/v1.0/inbound_routes", route).await.status, StatusCode::CREATED);
}
