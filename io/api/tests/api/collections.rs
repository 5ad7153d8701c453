use crate::client::Client;
use crate::fake::id;
use axum::http::{StatusCode, header};
use serde_json::{Value, json};

fn trunk(name: &str) -> Value {
    json!({ "name": name, "host": format!("{name}.example.com"), "username": "account", "password": "pass-of-trunk" })
}

#[tokio::test]
async fn each_collection_creates_lists_shows_changes_and_deletes() {
    let client = Client::new();
    let trunk_id = client.create("/v1.0/trunks", trunk("carrier")).await;
    let extension_id = client
        .create("/v1.0/extensions", json!({ "username": "office1", "password": "correct horse" }))
        .await;
    for (path, body, patch) in [
        ("/v1.0/trunks", trunk("backup"), json!({ "max_calls": 3 })),
        ("/v1.0/providers", trunk("third"), json!({ "max_calls": 3 })),
        (
            "/v1.0/routes",
            json!({ "name": "all", "steps": [{ "trunk_id": trunk_id }] }),
            json!({ "priority": 3 }),
        ),
        (
            "/v1.0/extensions",
            json!({ "number": "200", "password": "correct horse" }),
            json!({ "ring_timeout": 30 }),
        ),
        (
            "/v1.0/numbers",
            json!({ "number": "+15551234567", "extension_id": extension_id }),
            json!({ "name": "office" }),
        ),
    ] {
        let created = client.post(path, body).await;
        assert_eq!(created.status, StatusCode::CREATED, "{path}: {}", created.text);
        let location = created.headers[header::LOCATION].to_str().unwrap();
        assert_eq!(location, format!("{path}/{}", created.json["id"].as_str().unwrap()));

        assert_eq!(client.get(location).await.json, created.json);
        let listed = client.get(path).await.json;
        assert!(
            listed["items"].as_array().unwrap().contains(&created.json) && listed["next"].is_null(),
            "{listed}"
        );

        let patched = client.patch(location, patch.clone()).await;
        let mut expected = created.json.clone();
        expected.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        assert_eq!((patched.status, &patched.json), (StatusCode::OK, &expected), "{path}");
        assert_eq!(client.get(location).await.json, expected);

        let deleted = client.delete(location).await;
        assert_eq!((deleted.status, deleted.text.as_str()), (StatusCode::NO_CONTENT, ""));
        for gone in [
            client.get(location).await,
            client.patch(location, json!({})).await,
            client.delete(location).await,
        ] {
            assert_eq!(gone.refused(), (404, "NOT_FOUND"));
        }
    }
}

#[tokio::test]
async fn a_trunk_and_a_provider_are_one_thing_that_shows_its_status() {
    let client = Client::new();
    let id = client.create("/v1.0/providers", trunk("carrier")).await;
    let shown = client.get(&format!("/v1.0/trunks/{id}")).await.json;
    assert_eq!(shown, client.get(&format!("/v1.0/providers/{id}")).await.json);
    assert_eq!(shown["status"]["state"], "registered");
    assert_eq!(shown["status"]["reason"], "200 OK");
    assert_eq!(client.get("/v1.0/trunks").await.json["items"][0], shown);
}

#[tokio::test]
async fn no_answer_holds_a_password() {
    let client = Client::new();
    let trunk_id = client.create("/v1.0/trunks", trunk("carrier")).await;
    let body = json!({ "username": "office1", "password": "pass-of-extension" });
    let extension_id = client.create("/v1.0/extensions", body).await;
    let answers = [
        client.get(&format!("/v1.0/trunks/{trunk_id}")).await,
        client.get("/v1.0/trunks").await,
        client.get("/v1.0/providers").await,
        client.patch(&format!("/v1.0/trunks/{trunk_id}"), json!({ "password": "pass-of-trunk-2" })).await,
        client.patch(&format!("/v1.0/trunks/{trunk_id}"), json!({ "password": "pass-of\n-trunk" })).await,
        client
            .post(
                "/v1.0/trunks",
                json!({ "name": 5, "password": "pass-of-trunk", "passwort": "pass-of-typo" }),
            )
            .await,
        client.get("/v1.0/extensions").await,
        client.get(&format!("/v1.0/extensions/{extension_id}")).await,
        client.patch(&format!("/v1.0/extensions/{extension_id}"), json!({ "password": "pass-of" })).await,
        client.post(&format!("/v1.0/trunks/{trunk_id}/register"), Value::Null).await,
    ];
    for answer in answers {
        assert!(!answer.text.contains("pass-of"), "{}", answer.text);
    }
    let stored = client.fake.config.lock().unwrap().clone();
    let kept = stored.trunks.values().next().unwrap().password.clone().unwrap();
    assert_eq!(kept.expose(), "pass-of-trunk-2");
}

#[tokio::test]
async fn a_password_that_a_patch_does_not_mention_stays() {
    let client = Client::new();
    let id = client.create("/v1.0/trunks", trunk("carrier")).await;
    client.patch(&format!("/v1.0/trunks/{id}"), json!({ "name": "renamed" })).await;
    let config = client.fake.config.lock().unwrap().clone();
    let kept = config.trunks.values().next().unwrap().clone();
    assert_eq!((kept.name.as_str(), kept.password.as_ref().unwrap().expose()), ("renamed", "pass-of-trunk"));
}

#[tokio::test]
async fn a_listing_comes_in_pages_oldest_first() {
    let client = Client::new();
    let mut created = Vec::new();
    for n in 0..7 {
        created.push(
            client
                .create(
                    "/v1.0/extensions",
                    json!({ "number": format!("{n}00"), "password": "correct horse" }),
                )
                .await,
        );
    }
    let (mut seen, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = client.get(&format!("/v1.0/extensions?limit=3{after}")).await.json;
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!((seen, pages), (created.clone(), 3));
    // A cursor whose item is gone still says where to go on.
    client.delete(&format!("/v1.0/extensions/{}", created[2])).await;
    let page = client.get(&format!("/v1.0/extensions?after={}", created[2])).await.json;
    assert_eq!(page["items"][0]["id"], created[3]);
    assert_eq!(client.get("/v1.0/trunks").await.json, json!({ "items": [], "next": null }));
}

#[tokio::test]
async fn of_two_patches_at_once_none_is_lost() {
    let client = Client::new();
    let id = client.create("/v1.0/trunks", trunk("carrier")).await;
    *client.fake.delay.lock().unwrap() = std::time::Duration::from_millis(20);
    let path = format!("/v1.0/trunks/{id}");
    let (a, b) = tokio::join!(
        client.patch(&path, json!({ "max_calls": 7 })),
        client.patch(&path, json!({ "expires": 777 }))
    );
    assert_eq!((a.status, b.status), (StatusCode::OK, StatusCode::OK));
    let shown = client.get(&path).await.json;
    assert_eq!((&shown["max_calls"], &shown["expires"]), (&json!(7), &json!(777)));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_begun_is_finished_though_the_client_goes_away() {
    let client = Client::new();
    *client.fake.delay.lock().unwrap() = std::time::Duration::from_secs(5);
    let asked = tokio::time::timeout(
        std::time::Duration::from_secs(1),
        client.post("/v1.0/trunks", trunk("carrier")),
    );
    assert!(asked.await.is_err(), "the client left");
    assert_eq!(client.get("/v1.0/trunks").await.json["items"], json!([]));
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(client.get("/v1.0/trunks").await.json["items"][0]["name"], "carrier");
}

#[tokio::test]
async fn what_contradicts_something_else_is_a_conflict() {
    let client = Client::new();
    let trunk_id = client.create("/v1.0/trunks", trunk("carrier")).await;
    client.create("/v1.0/routes", json!({ "name": "all", "provider_id": trunk_id })).await;
    let referenced = client.delete(&format!("/v1.0/providers/{trunk_id}")).await;
    assert_eq!(referenced.refused(), (409, "REFERENCED"));
    let body = json!({ "name": "carrier", "host": "other.example.com" });
    let taken = client.post("/v1.0/trunks", body).await;
    assert_eq!((taken.refused(), &taken.json["field"]), ((409, "NAME_TAKEN"), &json!("name")));
}

#[tokio::test]
async fn every_wrong_field_is_named_with_a_fix() {
    let client = Client::new();
    let answer = client
        .post(
            "/v1.0/trunks",
            json!({ "name": "x", "host": "sip.example.com", "expires": 5, "retry_base": 1 }),
        )
        .await;
    assert_eq!(answer.refused(), (400, "OUT_OF_RANGE"));
    let problems = answer.json["problems"].as_array().unwrap();
    let fields: Vec<&str> = problems.iter().map(|problem| problem["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["expires", "retry_base"]);
    let nested =
        client.post("/v1.0/routes", json!({ "name": "x", "steps": [{ "trunk_id": id(999) }] })).await;
    assert_eq!(
        (nested.status, &nested.json["field"]),
        (StatusCode::BAD_REQUEST, &json!("steps[0].trunk_id"))
    );
}

#[tokio::test]
async fn a_store_that_fails_is_told_apart_from_a_wrong_request() {
    let client = Client::new();
    client.fake.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    let answer = client.post("/v1.0/trunks", trunk("carrier")).await;
    assert_eq!(answer.refused(), (503, "STORE_UNAVAILABLE"));
    assert_eq!(answer.json["message"], "the disk is full");
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn a_trunk_is_examined_unless_it_is_already_or_too_many_are() {
    let client = Client::new();
    let trunk = client.create("/v1.0/trunks", trunk("carrier")).await;
    let path = format!("/v1.0/trunks/{trunk}/doctor");
    let report = client.post(&path, json!({})).await;
    assert_eq!((report.status, &report.json["trunk_id"]), (StatusCode::OK, &json!(trunk)));
    let refused = async |number: &str| client.post(&path, json!({ "test_number": number })).await;
    assert_eq!(refused("1").await.refused(), (409, "UNDER_WAY"));
    assert_eq!(refused("2").await.refused(), (429, "TOO_MANY_EXAMINATIONS"));
    assert_eq!(refused("not a number").await.refused(), (400, "BAD_FORMAT"));
    assert_eq!(refused("").await.refused(), (400, "BAD_FORMAT"));
    assert_eq!(client.post(&path, json!({ "number": "5" })).await.refused(), (400, "UNKNOWN_FIELD"));
    let missing = client.post(&format!("/v1.0/providers/{}/doctor", id(999)), json!({})).await;
    assert_eq!(missing.refused(), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn only_a_trunk_that_registers_can_be_made_to() {
    let client = Client::new();
    let registers = client.create("/v1.0/trunks", trunk("carrier")).await;
    let by_address = client.create("/v1.0/trunks", json!({ "name": "peer", "host": "192.0.2.1" })).await;
    let begun = client.post(&format!("/v1.0/trunks/{registers}/register"), Value::Null).await;
    assert_eq!(
        (begun.status, begun.json["id"].as_str().unwrap()),
        (StatusCode::ACCEPTED, registers.as_str())
    );
    let refused = client.post(&format!("/v1.0/providers/{by_address}/register"), Value::Null).await;
    assert_eq!(refused.refused(), (409, "DOES_NOT_REGISTER"));
    let missing = client.post(&format!("/v1.0/trunks/{}/register", id(999)), Value::Null).await;
    assert_eq!(missing.refused(), (404, "NOT_FOUND"));
}
