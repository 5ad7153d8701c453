use crate::client::Client;
use crate::fake::{Fake, id};
use axum::http::StatusCode;
use std::sync::atomic::Ordering;
use tandem_model::{
    CallId, CallRecord, CapturedMessage, Cause, Direction, ExtensionId, Outcome, Party, Side, TrunkId,
};

pub fn record(n: u64, trunk: u64, outcome: Outcome) -> CallRecord {
    CallRecord {
        id: CallId(id(n)),
        tenant_id: None,
        direction: Direction::Outbound,
        caller: Party {
            extension_id: Some(ExtensionId(id(200))),
            number: "100".to_owned(),
            ..Party::default()
        },
        callee: Party {
            trunk_id: Some(TrunkId(id(trunk))),
            number: "+15551234567".to_owned(),
            ..Party::default()
        },
        started_at: 1_700_000_000_000 + n,
        ringing_at: None,
        answered_at: None,
        ended_at: 1_700_000_009_000 + n,
        duration_ms: 0,
        outcome,
        ended_by: Side::Callee,
        cause: Cause::of(486),
        sip_call_id: format!("{n}@192.0.2.1"),
        attempts: Vec::new(),
        media_from_caller: None,
        media_from_callee: None,
        direct_media: false,
        video_from_caller: None,
        video_from_callee: None,
        transfers: Vec::new(),
    }
}

fn fill(fake: &Fake) {
    let outcomes = [Outcome::Busy, Outcome::Answered, Outcome::NoAnswer];
    fake.records.lock().unwrap().extend((0..6).map(|n| record(n, 100 + n % 2, outcomes[n as usize % 3])));
}

async fn found(client: &Client, query: &str) -> Vec<u64> {
    let answer = client.get(&format!("/v1.0/cdrs?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let started = |record: &serde_json::Value| record["started_at"].as_u64().unwrap() - 1_700_000_000_000;
    answer.json["items"].as_array().unwrap().iter().map(started).collect()
}

#[tokio::test]
async fn records_are_found_by_every_parameter() {
    let client = Client::new();
    fill(&client.fake);
    assert_eq!(found(&client, "").await, [5, 4, 3, 2, 1, 0]);
    assert_eq!(found(&client, &format!("trunk_id={}", id(101))).await, [5, 3, 1]);
    assert_eq!(found(&client, &format!("extension_id={}", id(200))).await.len(), 6);
    assert_eq!(found(&client, "outcome=no_answer").await, [5, 2]);
    assert_eq!(found(&client, "since=1700000000002&until=1700000000004").await, [3, 2]);
    assert_eq!(found(&client, &format!("limit=2&after={}", id(4))).await, [3, 2]);
}

#[tokio::test]
async fn a_page_says_where_the_next_one_goes_on() {
    let client = Client::new();
    fill(&client.fake);
    let page = client.get("/v1.0/cdrs?limit=4").await.json;
    assert_eq!(page["next"], id(2).to_string());
    assert!(client.get("/v1.0/cdrs?limit=6").await.json["next"].is_null());
}

#[tokio::test]
async fn one_record_is_found_by_the_id_of_its_call() {
    let client = Client::new();
    fill(&client.fake);
    let answer = client.get(&format!("/v1.0/cdrs/{}", id(3))).await;
    assert_eq!(answer.json, serde_json::to_value(record(3, 101, Outcome::Busy)).unwrap());
    assert_eq!(client.get(&format!("/v1.0/cdrs/{}", id(77))).await.refused(), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn wrong_parameters_and_a_lost_cursor_are_refused() {
    let client = Client::new();
    for (query, status, reason, field) in [
        ("outcome=missed".to_owned(), 400, "UNKNOWN_VALUE", "outcome"),
        ("since=yesterday".to_owned(), 400, "OUT_OF_RANGE", "since"),
        ("trunk_id=carrier".to_owned(), 400, "INVALID_ID", "trunk_id"),
        (format!("after={}", id(77)), 404, "UNKNOWN_CURSOR", "after"),
    ] {
        let answer = client.get(&format!("/v1.0/cdrs?{query}")).await;
        assert_eq!(answer.refused(), (status, reason), "{query}");
        assert_eq!(answer.json["field"], field);
    }
    let message = client.get("/v1.0/cdrs?outcome=missed").await.json["message"].to_string();
    assert!(message.contains("`no_answer`"), "{message}");
    client.fake.broken.store(true, Ordering::Relaxed);
    assert_eq!(client.get("/v1.0/cdrs").await.refused(), (503, "STORE_UNAVAILABLE"));
}

#[tokio::test]
async fn messages_that_were_kept_of_a_call_are_listed_and_none_where_there_are_none() {
    let client = Client::new();
    fill(&client.fake);
    let message = CapturedMessage {
        at: 1_700_000_000_000,
        trunk_id: TrunkId(id(100)),
        sent: true,
        peer: "udp:192.0.2.1:5060".to_owned(),
        text: "INVITE sip:+15551234567@192.0.2.1 SIP/2.0".to_owned(),
    };
    client.fake.messages.lock().unwrap().insert(CallId(id(0)), vec![message.clone()]);
    let of = |n: u64| format!("/v1.0/cdrs/{}/messages", id(n));
    let listed = client.get(&of(0)).await.json;
    assert_eq!(listed["items"], serde_json::json!([message]));
    assert_eq!(client.get(&of(1)).await.json["items"], serde_json::json!([]));
    assert_eq!(client.get(&of(77)).await.status, StatusCode::NOT_FOUND);
}
