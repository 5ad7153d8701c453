use crate::client::Client;
use crate::fake::id;
use axum::http::{StatusCode, header};
use serde_json::json;
use std::sync::atomic::Ordering;
use tandem_model::{
    CallId, Direction, LiveCall, LiveCallState, Party, RegistrationState, RegistrationView, TrunkId,
};

pub fn live_call(n: u64) -> LiveCall {
    LiveCall {
        id: CallId(id(n)),
        state: LiveCallState::Ringing,
        tenant_id: None,
        direction: Direction::Outbound,
        caller: Party { number: "100".to_owned(), ..Party::default() },
        callee: Party { number: "+15551234567".to_owned(), ..Party::default() },
        started_at: 1_700_000_000_000 + n,
        answered_at: None,
        attempts: 1,
        codec: None,
    }
}

pub fn registration(n: u64) -> RegistrationView {
    RegistrationView {
        direction: if n.is_multiple_of(2) { "inbound" } else { "outbound" }.to_owned(),
        trunk_id: Some(TrunkId(id(n))),
        extension_id: None,
        username: format!("account{}", n / 2),
        state: RegistrationState::Registered,
        contact: format!("sip:account{n}@192.0.2.1;line=ä%20&x"),
        address: "udp:192.0.2.1:5060".to_owned(),
        expires_at: Some(1_700_000_000_000),
        next_at: None,
        failures: 0,
        last_code: Some(200),
        last_phrase: Some("OK".to_owned()),
        user_agent: None,
    }
}

#[tokio::test]
async fn calls_are_listed_oldest_first_in_pages_and_can_be_ended() {
    let client = Client::new();
    client.fake.calls.lock().unwrap().extend([5, 3, 4, 1].map(live_call));
    let page = client.get("/v1.0/calls?limit=3").await.json;
    let ids: Vec<&str> =
        page["items"].as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [1, 3, 4].map(|n| id(n).to_string()));
    let last =
        client.get(&format!("/v1.0/calls?limit=3&after={}", page["next"].as_str().unwrap())).await.json;
    assert_eq!((last["items"].as_array().unwrap().len(), last["next"].is_null()), (1, true));

    let path = format!("/v1.0/calls/{}", id(4));
    assert_eq!(client.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.delete(&path).await.refused(), (404, "NOT_FOUND"));
    assert_eq!(client.get("/v1.0/calls").await.json["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn registrations_are_paged_though_they_have_no_ids() {
    let client = Client::new();
    client.fake.registrations.lock().unwrap().extend((0..9).rev().map(registration));
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/v1.0/registrations?limit=2{after}")).await.json;
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|view| view["contact"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let by_direction = [0, 2, 4, 6, 8, 1, 3, 5, 7].map(|n| registration(n).contact);
    assert_eq!(seen, by_direction);
    assert_eq!(client.get("/v1.0/registrations?after=zzz").await.json, json!({ "items": [], "next": null }));
}

#[tokio::test]
async fn health_needs_no_token_and_fails_loudly() {
    let client = Client::new();
    let well = client.get("/health").await;
    let expected = json!({
        "status": "ok", "version": "1.2.3", "uptime_s": 60,
        "checks": [{ "name": "store", "ok": true, "message": null }],
    });
    assert_eq!((well.status, well.json), (StatusCode::OK, expected));
    client.fake.failing.store(true, Ordering::Relaxed);
    let ill = client.get("/health").await;
    assert_eq!((ill.status, &ill.json["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("failing")));
}

#[tokio::test]
async fn metrics_are_passed_on_as_prometheus_reads_them() {
    let answer = Client::new().get("/metrics").await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    assert!(answer.text.ends_with("tandem_calls 0\n"));
}
