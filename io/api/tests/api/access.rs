//! Roles and tenants: who may ask for what, and that nobody learns anything of somebody else's.

use crate::client::{Answer, Client};
use crate::fake::{NOW, id};
use crate::live::{live_call, registration};
use crate::records::record;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tandem_api::openapi;
use tandem_model::{
    Alert, AlertKind, AlertRuleId, Block, BlockAction, BlockId, BlockKind, BlockSource, CallRecord, Event,
    LiveCall, Outcome, RegistrationView, TenantId, TrunkId,
};
use tower::ServiceExt;
use uuid::Uuid;

/// Two tenants with one of everything, and the system's own. All that is Beta's alone has `zebra` in it, all that is the system's
/// alone `okapi`.
struct House {
    client: Client,
    acme: Owned,
    beta: Owned,
    system: Owned,
    /// A trunk of the system that both tenants may use.
    shared: String,
}

/// What one of them has, and the tokens of its people.
struct Owned {
    tenant: Option<String>,
    /// Path and id of each thing.
    things: Vec<(&'static str, String)>,
    admin: String,
    viewer: String,
}

impl Owned {
    fn of(&self, path: &str) -> &str {
        &self.things.iter().find(|(known, _)| *known == path).unwrap().1
    }
}

const TRUNKS: &str = "/v1.0/trunks";
const EXTENSIONS: &str = "/v1.0/extensions";
const ROUTES: &str = "/v1.0/routes";
const NUMBERS: &str = "/v1.0/numbers";
const USERS: &str = "/v1.0/users";
const TOKENS: &str = "/v1.0/tokens";
const WEBHOOKS: &str = "/v1.0/webhooks";
const BLOCKS: &str = "/v1.0/blocks";

impl House {
    async fn new() -> House {
        let client = Client::new();
        let shared =
            json!({ "name": "Carrier", "host": "okapi-sip.example", "brand": "generic", "max_calls": 77 });
        let shared = client.create(TRUNKS, shared).await;
        let acme = own(&client, Some("acme"), "acme", "1202555", &shared).await;
        let beta = own(&client, Some("zebra"), "zebra", "1303555", &shared).await;
        let system = own(&client, None, "okapi", "1404555", &shared).await;
        let house = House { client, acme, beta, system, shared };
        for (n, owner) in [&house.acme, &house.beta, &house.system].into_iter().enumerate() {
            house.happens(2 * n as u64, owner);
        }
        // So that streams of events end with what there is.
        house.client.fake.feed.close();
        house
    }

    /// A call under way, one that ended, and a registration.
    fn happens(&self, n: u64, owner: &Owned) {
        let tenant_id = owner.tenant.as_ref().map(|id| TenantId(id.parse().unwrap()));
        let trunk = TrunkId(owner.of(TRUNKS).parse().unwrap());
        let fake = &self.client.fake;
        fake.calls.lock().unwrap().push(LiveCall { tenant_id, ..live_call(n) });
        fake.records.lock().unwrap().push(CallRecord { tenant_id, ..record(n, 100, Outcome::Busy) });
        let registered = RegistrationView { trunk_id: Some(trunk), ..registration(n) };
        fake.registrations.lock().unwrap().push(registered);
        let name = if tenant_id.is_some() { "zebra" } else { "okapi" };
        if n > 0 {
            fake.alerts.lock().unwrap().push(alert(name, tenant_id));
        }
        fake.feed.publish(n, Event::TrunkDeleted { trunk_id: trunk, name: String::new(), tenant_id });
    }

    async fn ask(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client.ask_as(token, method.parse().unwrap(), path, body).await
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        self.ask(token, "GET", path, Value::Null).await
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.ask(token, "POST", path, body).await
    }

    async fn token(&self, body: Value) -> String {
        issue(&self.client, body).await
    }
}

fn alert(name: &str, tenant_id: Option<TenantId>) -> Alert {
    Alert {
        rule_id: AlertRuleId(id(90)),
        name: name.to_owned(),
        kind: AlertKind::TrunkDown,
        tenant_id,
        trunk_id: None,
        value: None,
        threshold: None,
        raised_at: 0,
        message: name.to_owned(),
    }
}

async fn issue(client: &Client, body: Value) -> String {
    let answer = client.post(TOKENS, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.json["token"].as_str().unwrap().to_owned()
}

/// One of everything, for a tenant or for the system.
async fn own(client: &Client, slug: Option<&str>, mark: &str, area: &str, shared: &str) -> Owned {
    let tenant = match slug {
        Some(slug) => {
            Some(client.create("/v1.0/tenants", json!({ "name": mark, "slug": slug, "country": "US" })).await)
        }
        None => None,
    };
    let mut things = Vec::new();
    if let Some(tenant) = &tenant {
        let pool = format!("{area}0100-{area}0199");
        let body = json!({ "trunk_id": shared, "tenant_id": tenant, "did_pool": pool });
        things.push(("/v1.0/tenants", tenant.clone()));
        things.push(("/v1.0/assignments", client.create("/v1.0/assignments", body).await));
    }
    let with = |mut body: Value| {
        body["tenant_id"] = json!(tenant);
        body
    };
    let host = format!("{mark}.example");
    let body = json!({ "name": mark, "host": host, "username": mark, "password": "correct horse battery" });
    let trunk = client.create(TRUNKS, with(body)).await;
    let phone = json!({ "username": format!("{mark}1"), "password": "correct horse battery" });
    let phone = client.create(EXTENSIONS, with(phone)).await;
    let reached = json!({ "type": "extension", "extension_id": phone });
    for (path, body) in [
        (ROUTES, json!({ "name": mark, "steps": [{ "trunk_id": trunk }] })),
        (
            "/v1.0/inbound_routes",
            json!({ "name": mark, "did": format!("{area}0100"), "destination": reached }),
        ),
        ("/v1.0/schedules", json!({ "name": mark })),
        ("/v1.0/classes_of_service", json!({ "name": mark, "denied": { "countries": ["FR"] } })),
        ("/v1.0/blocks", json!({ "kind": "caller", "value": format!("{area}999*"), "note": mark })),
        (NUMBERS, json!({ "number": format!("+{area}0101"), "name": mark, "extension_id": phone })),
        (USERS, json!({ "email": format!("kim@{mark}.example"), "role": "viewer" })),
        (
            WEBHOOKS,
            json!({ "name": mark, "url": format!("https://{mark}.example/"), "secret": "correct horse battery" }),
        ),
        ("/v1.0/alert_rules", json!({ "name": mark, "kind": "trunk_down" })),
    ] {
        things.push((path, client.create(path, with(body)).await));
    }
    let admin = if tenant.is_some() { "tenant_admin" } else { "system_admin" };
    let token = client.post(TOKENS, with(json!({ "name": mark, "role": admin }))).await;
    things.push((TOKENS, token.json["id"].as_str().unwrap().to_owned()));
    things.extend([(TRUNKS, trunk), (EXTENSIONS, phone)]);
    let viewer = issue(client, with(json!({ "name": mark, "role": "viewer" }))).await;
    Owned { tenant, things, admin: token.json["token"].as_str().unwrap().to_owned(), viewer }
}

/// Who may ask for an operation, by its name: letters of roles. A new operation is missing here until somebody thinks of it.
///
/// `a` system_admin, `o` operator, `v` viewer of the system, `A` tenant_admin, `V` viewer of a tenant.
fn allowed(operation: &str) -> &'static str {
    let (verb, rest) = operation.split_once('_').unwrap();
    match (verb, rest) {
        ("list" | "get", "users" | "user" | "tokens" | "token" | "webhooks" | "webhook") => "aA",
        ("get", "metrics") => "aov",
        ("list" | "get", _) | ("explain", "route") | ("stream", "events") => "aovAV",
        ("create" | "delete", "tenant" | "assignment") | ("update", "assignment") => "a",
        ("update", "trunk" | "provider") => "aoA",
        ("create" | "update" | "delete", _) | ("buy" | "release", "number") => "aA",
        ("register" | "examine", _) | ("hang", "up_call") => "aoA",
        ("export" | "plan" | "apply" | "import", _) => "a",
        _ => panic!("who may {operation}?"),
    }
}

#[tokio::test]
async fn each_role_is_let_to_what_it_may_ask_for_and_to_nothing_else() {
    let house = House::new().await;
    let operator = house.token(json!({ "name": "o", "role": "operator" })).await;
    let roles = [
        ('a', &house.system.admin),
        ('o', &operator),
        ('v', &house.system.viewer),
        ('A', &house.acme.admin),
        ('V', &house.acme.viewer),
    ];
    for (path, item) in openapi()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            let method = method.to_uppercase();
            // Neither the path nor the body says anything that could be done.
            let path = path.replace("{id}", "x");
            for (letter, token) in roles {
                let answer = house.ask(token, &method, &path, Value::Null).await;
                let operation = if name == "import" { "import_" } else { name };
                let open = operation_is_open(name);
                let may = open || allowed(operation).contains(letter);
                assert_eq!(answer.status != StatusCode::FORBIDDEN, may, "{letter} {name}: {}", answer.text);
            }
        }
    }
}

fn operation_is_open(name: &str) -> bool {
    matches!(name, "get_health" | "get_openapi")
}

#[tokio::test]
async fn nothing_of_others_is_ever_shown() {
    let house = House::new().await;
    for token in [&house.acme.admin, &house.acme.viewer] {
        for (path, item) in openapi()["paths"].as_object().unwrap() {
            if item.get("get").is_none() || path == "/openapi.json" {
                continue;
            }
            let ids = [&house.acme, &house.beta, &house.system].into_iter().flat_map(|owned| &owned.things);
            let mut paths: Vec<String> = ids.map(|(_, id)| path.replace("{id}", id)).collect();
            paths.extend((0..6).map(|n| path.replace("{id}", &id(n).to_string())));
            paths.dedup();
            for path in paths {
                let answer = house.get(token, &path).await;
                for mark in ["zebra", "okapi", house.beta.tenant.as_deref().unwrap()] {
                    assert!(!answer.text.contains(mark), "{path} tells of {mark}: {}", answer.text);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_tenant_hears_of_its_own_events_and_the_system_of_all() {
    let house = House::new().await;
    let beta = house.beta.tenant.as_deref().unwrap();
    for (token, heard) in [(&house.acme.viewer, vec![1]), (&house.system.viewer, vec![1, 2, 3])] {
        let stream = house.get(token, "/v1.0/events?after=0").await;
        let ids: Vec<u64> =
            stream.text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
        assert_eq!(ids, heard, "{}", stream.text);
        assert_eq!(stream.text.contains(beta), heard.len() > 1);
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_it_was_opened_with() {
    let client = Client::new();
    let body = json!({ "name": "mine", "role": "viewer" });
    let token = client.post(TOKENS, body).await.json;
    let request = Request::get("/v1.0/events")
        .header(header::AUTHORIZATION, format!("Bearer {}", token["token"].as_str().unwrap()));
    let stream = client.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    client.delete(&format!("{TOKENS}/{}", token["id"].as_str().unwrap())).await;
    let text = to_bytes(stream.into_body(), usize::MAX).await.unwrap();
    assert!(text.starts_with(b"retry: "), "only the greeting came, and the end");
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there() {
    let house = House::new().await;
    for token in [&house.acme.admin, &house.acme.viewer] {
        for (path, id) in house.beta.things.iter().chain(&house.system.things) {
            let by_viewer = token == &house.acme.viewer && [USERS, TOKENS, WEBHOOKS].contains(path);
            let missing = if by_viewer { 403 } else { 404 };
            assert_eq!(house.get(token, &format!("{path}/{id}")).await.refused().0, missing, "{path}");
        }
        for n in [2, 4] {
            let record = format!("/v1.0/cdrs/{}", id(n));
            assert_eq!(house.get(token, &record).await.refused().0, 404);
        }
    }
    let admin = &house.acme.admin;
    for (path, id) in house.beta.things.iter().chain(&house.system.things) {
        if *path == "/v1.0/assignments" {
            continue; // refused by role alone
        }
        let path = format!("{path}/{id}");
        let patched = house.ask(admin, "PATCH", &path, json!({ "enabled": true })).await;
        assert_eq!(patched.refused(), (404, "NOT_FOUND"), "{path}");
        if !path.starts_with("/v1.0/tenants") {
            assert_eq!(house.ask(admin, "DELETE", &path, Value::Null).await.refused(), (404, "NOT_FOUND"));
        }
    }
    let register = format!("{TRUNKS}/{}/register", house.beta.of(TRUNKS));
    assert_eq!(house.post(admin, &register, Value::Null).await.refused(), (404, "NOT_FOUND"));
    let hang_up = format!("/v1.0/calls/{}", id(2));
    assert_eq!(house.ask(admin, "DELETE", &hang_up, Value::Null).await.refused(), (404, "NOT_FOUND"));
    let own = format!("/v1.0/calls/{}", id(0));
    assert_eq!(house.ask(admin, "DELETE", &own, Value::Null).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_listing_has_what_is_ones_own() {
    let house = House::new().await;
    for (path, own) in [
        ("/v1.0/tenants", 1),
        (TRUNKS, 2),
        ("/v1.0/providers", 2),
        ("/v1.0/assignments", 1),
        (EXTENSIONS, 1),
        (ROUTES, 1),
        ("/v1.0/inbound_routes", 1),
        ("/v1.0/schedules", 1),
        ("/v1.0/classes_of_service", 1),
        ("/v1.0/blocks", 1),
        (NUMBERS, 1),
        (USERS, 1),
        (TOKENS, 2),
        ("/v1.0/calls", 1),
        ("/v1.0/cdrs", 1),
        ("/v1.0/registrations", 1),
    ] {
        let answer = house.get(&house.acme.admin, path).await;
        assert_eq!(answer.json["items"].as_array().unwrap().len(), own, "{path}");
        let all = house.get(&house.system.admin, path).await;
        assert!(all.json["items"].as_array().unwrap().len() > own, "{path}");
    }
    // Asking for another tenant's calls does not help.
    let others = format!("/v1.0/cdrs?tenant_id={}", house.beta.tenant.as_deref().unwrap());
    assert_eq!(house.get(&house.acme.admin, &others).await.json["items"][0]["id"], id(0).to_string());
    assert_eq!(house.get(&house.system.admin, &others).await.json["items"][0]["id"], id(2).to_string());
}

#[tokio::test]
async fn another_tenants_thing_cannot_be_told_from_one_that_is_nowhere() {
    let house = House::new().await;
    let admin = &house.acme.admin;
    let nowhere = Uuid::from_u128(7).to_string();
    type Body = fn(&str) -> Value;
    let bodies: [(&str, &str, Body); 4] = [
        (ROUTES, TRUNKS, |id| json!({ "name": "x", "steps": [{ "trunk_id": id }] })),
        (NUMBERS, EXTENSIONS, |id| json!({ "number": "12025550150", "extension_id": id })),
        (TOKENS, USERS, |id| json!({ "name": "x", "user_id": id })),
        ("/v1.0/routes/explain", EXTENSIONS, |id| json!({ "number": "1", "extension_id": id })),
    ];
    for (path, kind, body) in bodies {
        let theirs = house.post(admin, path, body(house.beta.of(kind))).await;
        let none = house.post(admin, path, body(&nowhere)).await;
        assert_eq!(theirs.refused(), none.refused(), "{path}");
        let without = |answer: &Answer, id: &str| {
            let message = answer.json["message"].as_str().unwrap().replace(id, "");
            (answer.status, message, answer.json["fix"].clone())
        };
        assert_eq!(without(&theirs, house.beta.of(kind)), without(&none, &nowhere), "{path}");
    }
    for tenant in [house.beta.tenant.as_deref().unwrap(), &nowhere] {
        let body = json!({ "username": "x1", "password": "correct horse battery", "tenant_id": tenant });
        let answer = house.post(admin, EXTENSIONS, body).await;
        assert_eq!(answer.refused(), (403, "OTHER_TENANT"));
    }
    let away = format!("{EXTENSIONS}/{}", house.acme.of(EXTENSIONS));
    let away = house.ask(admin, "PATCH", &away, json!({ "tenant_id": house.beta.tenant })).await;
    assert_eq!(away.refused(), (403, "OTHER_TENANT"));
}

#[tokio::test]
async fn what_somebody_else_has_already_is_refused_without_saying_who() {
    let house = House::new().await;
    let account = json!({
        "name": "x", "host": "zebra.example", "username": "zebra", "password": "correct horse battery",
    });
    let slug = json!({
        "name": "x", "slug": "okapi", "host": "x.example", "username": "x", "password": "correct horse battery",
    });
    for (path, body, reason) in [
        (TRUNKS, account, "DUPLICATE_ACCOUNT"),
        (TRUNKS, slug, "SLUG_TAKEN"),
        (USERS, json!({ "email": "KIM@zebra.example", "role": "viewer" }), "EMAIL_TAKEN"),
    ] {
        let answer = house.post(&house.acme.admin, path, body).await;
        assert_eq!(answer.refused(), (409, reason));
        let message = answer.json["message"].as_str().unwrap();
        assert!(message.starts_with("somebody else"), "{message}");
        assert!(!message.contains("zebra") && !message.contains("okapi"), "{message}");
    }
}

#[tokio::test]
async fn what_a_tenant_makes_is_its_own() {
    let house = House::new().await;
    for tenant_id in [json!({}), json!({ "tenant_id": null }), json!({ "tenant_id": house.acme.tenant })] {
        let mut body = json!({ "username": "desk2", "password": "correct horse battery" });
        body.as_object_mut().unwrap().extend(tenant_id.as_object().unwrap().clone());
        let made = house.post(&house.acme.admin, EXTENSIONS, body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        assert_eq!(made.json["tenant_id"].as_str(), house.acme.tenant.as_deref());
        let path = format!("{EXTENSIONS}/{}", made.json["id"].as_str().unwrap());
        let gone = house.ask(&house.acme.admin, "DELETE", &path, Value::Null).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn a_tenant_does_not_grant_itself_what_the_system_grants() {
    let house = House::new().await;
    let admin = &house.acme.admin;
    let tenant = format!("/v1.0/tenants/{}", house.acme.tenant.as_deref().unwrap());
    for (field, value) in [
        ("allowed_countries", json!(["CU"])),
        ("max_concurrent_calls", json!(500)),
        ("country", json!("DE")),
        ("international_prefix", json!("011")),
        ("blocked_prefixes", json!(["1900"])),
        ("slug", json!("other")),
        ("retention_days", json!(0)),
        ("max_extensions", json!(9)),
        ("sip_domain", json!("other.example")),
        ("status", json!("suspended")),
    ] {
        let answer = house.ask(admin, "PATCH", &tenant, json!({ field: value })).await;
        assert_eq!(answer.refused(), (403, "FORBIDDEN_FIELD"), "{field}");
        assert_eq!(answer.json["field"], field);
    }
    let renamed =
        house.ask(admin, "PATCH", &tenant, json!({ "name": "Acme Inc", "timezone": "Asia/Tokyo" })).await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.text);
    let step = json!([{ "trunk_id": house.acme.of(TRUNKS) }]);
    for (path, body, field, reason) in [
        (ROUTES, json!({ "name": "x", "emergency": true, "steps": step }), "emergency", "FORBIDDEN_FIELD"),
        (TRUNKS, json!({ "name": "x", "host": "192.0.2.1", "mode": "ip_auth" }), "mode", "FORBIDDEN_MODE"),
        (NUMBERS, json!({ "number": "+13035550101" }), "number", "NUMBER_NOT_OWNED"),
        (NUMBERS, json!({ "number": "+18005550101" }), "number", "NUMBER_NOT_OWNED"),
    ] {
        let answer = house.post(admin, path, body).await;
        assert_eq!(answer.refused(), (403, reason), "{}", answer.text);
        assert_eq!(answer.json["field"], field);
    }
    let help = json!({ "name": "Help", "emergency": true, "tenant_id": house.acme.tenant, "steps": step });
    let help = format!("{ROUTES}/{}", house.client.create(ROUTES, help).await);
    let elsewhere = house.ask(admin, "PATCH", &help, json!({ "match": { "patterns": ["."] } })).await;
    assert_eq!(elsewhere.refused(), (403, "FORBIDDEN_FIELD"), "no limit holds what such a route takes");
    for number in ["+12025550102", "777"] {
        let made = house.post(admin, NUMBERS, json!({ "number": number })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    }
}

#[tokio::test]
async fn a_shared_trunk_is_seen_by_name_and_used_and_not_touched() {
    let house = House::new().await;
    let admin = &house.acme.admin;
    let path = format!("{TRUNKS}/{}", house.shared);
    let seen = house.get(admin, &path).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!((&seen.json["name"], &seen.json["host"]), (&json!("Carrier"), &Value::Null));
    assert_eq!(seen.json["max_calls"], 0, "what the system agreed with the carrier is not told");
    assert_eq!(
        (&seen.json["status"]["state"], &seen.json["status"]["reason"]),
        (&json!("static"), &json!(""))
    );
    assert_eq!(
        house.ask(admin, "PATCH", &path, json!({ "enabled": false })).await.refused(),
        (403, "SHARED")
    );
    assert_eq!(house.ask(admin, "DELETE", &path, Value::Null).await.refused(), (403, "SHARED"));
    assert_eq!(house.post(admin, &format!("{path}/register"), Value::Null).await.refused(), (403, "SHARED"));
    assert_eq!(house.post(admin, &format!("{path}/doctor"), json!({})).await.refused(), (403, "SHARED"));
    let route = json!({ "name": "Out", "steps": [{ "trunk_id": house.shared }] });
    assert_eq!(house.post(admin, ROUTES, route).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_operator_switches_trunks_and_changes_nothing_else() {
    let house = House::new().await;
    let operator = house.token(json!({ "name": "o", "role": "operator" })).await;
    let path = format!("{TRUNKS}/{}", house.beta.of(TRUNKS));
    let off = house.ask(&operator, "PATCH", &path, json!({ "enabled": false })).await;
    assert_eq!((off.status, &off.json["enabled"]), (StatusCode::OK, &json!(false)));
    for (field, value) in [("host", json!("other.example")), ("password", json!("another password"))] {
        let answer = house.ask(&operator, "PATCH", &path, json!({ "enabled": true, field: value })).await;
        assert_eq!(answer.refused(), (403, "FORBIDDEN_FIELD"));
        assert_eq!(answer.json["field"], field);
        assert!(!answer.text.contains("another password"));
    }
    assert_eq!(house.get(&operator, &path).await.json["enabled"], false, "nothing was half done");
}

#[tokio::test]
async fn a_token_is_shown_once_and_its_hash_never() {
    let house = House::new().await;
    let made = house.client.post(TOKENS, json!({ "name": "Wallboard", "role": "viewer" })).await;
    let (token, id) = (made.json["token"].as_str().unwrap(), made.json["id"].as_str().unwrap());
    assert!(token.len() > 60 && token.starts_with(made.json["prefix"].as_str().unwrap()));
    let path = format!("{TOKENS}/{id}");
    for answer in [house.client.get(&path).await, house.client.get(TOKENS).await] {
        assert!(!answer.text.contains(token) && !answer.text.contains("\"hash\""), "{}", answer.text);
    }
    for body in [json!({ "hash": "00" }), json!({ "prefix": "tandem_" }), json!({ "last_used_at": 1 })] {
        assert_eq!(house.client.patch(&path, body.clone()).await.refused(), (400, "IMMUTABLE"));
        let mut create = body;
        create["name"] = json!("x");
        create["role"] = json!("viewer");
        assert_eq!(house.client.post(TOKENS, create).await.refused(), (400, "IMMUTABLE"));
    }
    let renamed = house.client.patch(&path, json!({ "name": "Wall" })).await;
    assert_eq!(renamed.json["prefix"], made.json["prefix"]);
    assert_eq!(house.get(token, "/v1.0/me").await.json["token_id"], id, "it goes on to be taken");
}

#[tokio::test]
async fn a_token_shows_when_it_was_last_used() {
    let house = House::new().await;
    let body = json!({ "name": "Wallboard", "role": "viewer" });
    let made = house.client.post(TOKENS, body).await;
    assert_eq!(made.json["last_used_at"], Value::Null);
    let (token, path) =
        (made.json["token"].as_str().unwrap(), format!("{TOKENS}/{}", made.json["id"].as_str().unwrap()));
    assert_eq!(house.client.get(&path).await.json["last_used_at"], Value::Null);
    house.get(token, "/v1.0/me").await;
    let listed = house.client.get(TOKENS).await.json;
    let listed =
        listed["items"].as_array().unwrap().iter().find(|one| one["id"] == made.json["id"]).unwrap().clone();
    for shown in [house.client.get(&path).await.json, listed] {
        assert_eq!(shown["last_used_at"], NOW / 1000);
    }
    let off = json!({ "name": "Off", "role": "viewer", "enabled": false });
    let off = house.client.post(TOKENS, off).await.json;
    house.get(off["token"].as_str().unwrap(), "/v1.0/me").await;
    let path = format!("{TOKENS}/{}", off["id"].as_str().unwrap());
    assert_eq!(house.client.get(&path).await.json["last_used_at"], Value::Null, "it was not taken");
}

#[tokio::test]
async fn a_token_is_taken_as_long_as_it_is_in_force() {
    let house = House::new().await;
    let me = |token: String| {
        let house = &house;
        async move { house.get(&token, "/v1.0/me").await.status }
    };
    let until = |expires| json!({ "name": "x", "role": "viewer", "expires_at": expires });
    assert_eq!(me(house.token(until(NOW + 1)).await).await, StatusCode::OK);
    assert_eq!(me(house.token(until(NOW)).await).await, StatusCode::UNAUTHORIZED);
    let user = json!({ "email": "lee@example.com", "role": "operator" });
    let user = house.client.create(USERS, user).await;
    let token = house.token(json!({ "name": "x", "user_id": user })).await;
    let seen = house.get(&token, "/v1.0/me").await;
    assert_eq!((&seen.json["role"], &seen.json["user_id"]), (&json!("operator"), &json!(user)));
    house.client.patch(&format!("{USERS}/{user}"), json!({ "role": "viewer" })).await;
    assert_eq!(house.get(&token, "/v1.0/me").await.json["role"], "viewer");
    house.client.patch(&format!("{USERS}/{user}"), json!({ "enabled": false })).await;
    assert_eq!(me(token).await, StatusCode::UNAUTHORIZED);
    let path = format!("{TOKENS}/{}", house.acme.of(TOKENS));
    assert_eq!(me(house.acme.admin.clone()).await, StatusCode::OK);
    house.client.patch(&path, json!({ "enabled": false })).await;
    assert_eq!(me(house.acme.admin.clone()).await, StatusCode::UNAUTHORIZED);
    house.client.patch(&path, json!({ "enabled": true })).await;
    house.client.delete(&path).await;
    assert_eq!(me(house.acme.admin.clone()).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn roles_and_tenants_fit_each_other() {
    let house = House::new().await;
    let tenant = house.acme.tenant.as_deref().unwrap();
    for (body, status, field, reason) in [
        (json!({ "name": "x" }), 400, "role", "REQUIRED"),
        (json!({ "name": "x", "role": "owner" }), 400, "role", "UNKNOWN_VALUE"),
        (json!({ "name": "x", "role": "operator", "tenant_id": tenant }), 400, "role", "CONFLICTING_FIELDS"),
        (json!({ "name": "x", "role": "tenant_admin" }), 400, "tenant_id", "REQUIRED"),
        (
            json!({ "name": "x", "role": "viewer", "user_id": house.system.of(USERS) }),
            400,
            "role",
            "CONFLICTING_FIELDS",
        ),
        (json!({ "name": "x", "user_id": house.acme.of(USERS) }), 400, "user_id", "OTHER_TENANT"),
        (json!({ "role": "viewer" }), 400, "name", "REQUIRED"),
    ] {
        let answer = house.client.post(TOKENS, body).await;
        assert_eq!(answer.refused(), (status, reason), "{}", answer.text);
        assert_eq!(answer.json["field"], field);
    }
    for (email, reason) in [("kim", "BAD_FORMAT"), ("kim @x.example", "BAD_FORMAT"), ("", "BAD_FORMAT")] {
        let answer = house.client.post(USERS, json!({ "email": email, "role": "viewer" })).await;
        assert_eq!(answer.refused(), (400, reason));
    }
    // A tenant's administrator makes no one who is more than that.
    let answer =
        house.post(&house.acme.admin, USERS, json!({ "email": "a@b.example", "role": "system_admin" })).await;
    assert_eq!(answer.refused(), (400, "CONFLICTING_FIELDS"));
}

#[tokio::test]
async fn a_user_with_tokens_is_not_deleted() {
    let house = House::new().await;
    let user = house.system.of(USERS);
    house.token(json!({ "name": "Laptop", "user_id": user })).await;
    let gone = house.client.ask(Method::DELETE, &format!("{USERS}/{user}"), "").await;
    assert_eq!(gone.refused(), (409, "REFERENCED"));
    assert!(gone.json["message"].as_str().unwrap().contains("token `Laptop`"));
}

#[tokio::test]
async fn a_tenant_blocks_callers_and_destinations_and_nobody_at_the_door() {
    let house = House::new().await;
    let admin = &house.acme.admin;
    for (kind, value) in [("caller", "anonymous"), ("destination", "1900*")] {
        let made = house.post(admin, BLOCKS, json!({ "kind": kind, "value": value })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        assert_eq!(made.json["tenant_id"].as_str(), house.acme.tenant.as_deref());
    }
    for (kind, value) in [("ip", "192.0.2.1"), ("user_agent", "scanner")] {
        let refused = house.post(admin, BLOCKS, json!({ "kind": kind, "value": value })).await;
        assert_eq!(refused.refused(), (400, "CONFLICTING_FIELDS"));
        assert_eq!(refused.json["field"], "tenant_id");
    }
    // Another tenant's entry about the same caller is nobody else's business.
    let theirs = json!({ "kind": "caller", "value": "1303555999*" });
    assert_eq!(house.post(admin, BLOCKS, theirs).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn whom_the_server_shut_out_is_in_the_list_of_the_system_and_let_in_by_its_admin() {
    let house = House::new().await;
    let id = BlockId::auto(7);
    let shut_out = Block {
        id,
        tenant_id: None,
        kind: BlockKind::Ip,
        value: "203.0.113.7/32".to_owned(),
        action: BlockAction::Reject,
        expires_at: Some(NOW + 1),
        note: None,
        source: BlockSource::Auto,
    };
    house.client.fake.auto_blocks.lock().unwrap().push(shut_out);
    let path = format!("{BLOCKS}/{id}");
    for token in [&house.acme.admin, &house.acme.viewer] {
        assert!(!house.get(token, BLOCKS).await.text.contains("203.0.113.7"));
        assert_eq!(house.get(token, &path).await.refused(), (404, "NOT_FOUND"));
    }
    let listed = house.get(&house.system.viewer, BLOCKS).await.json;
    let last = listed["items"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["value"], &last["source"]), (&json!("203.0.113.7/32"), &json!("auto")));
    assert_eq!(house.get(&house.system.viewer, &path).await.json, *last);
    let patched = house.ask(&house.system.admin, "PATCH", &path, json!({ "note": "x" })).await;
    assert_eq!(patched.refused(), (409, "MADE_BY_SERVER"));
    for (token, status) in [
        (&house.system.viewer, 403),
        (&house.acme.admin, 404),
        (&house.system.admin, 204),
        (&house.system.admin, 404),
    ] {
        assert_eq!(house.ask(token, "DELETE", &path, Value::Null).await.status.as_u16(), status);
    }
    assert!(house.client.fake.auto_blocks.lock().unwrap().is_empty());
}
