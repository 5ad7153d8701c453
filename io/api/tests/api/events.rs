//! The stream of events.

use crate::client::Client;
use crate::fake::TOKEN;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use std::time::Duration;
use tandem_model::{CallId, Event, TrunkId};
use tower::ServiceExt;

fn answered() -> Event {
    Event::CallAnswered { call_id: CallId::NIL, trunk_id: None, extension_id: None, tenant_id: None }
}

fn deleted(name: &str) -> Event {
    Event::TrunkDeleted { trunk_id: TrunkId::NIL, name: name.to_owned(), tenant_id: None }
}

/// A stream that is open.
async fn open(client: &Client, path: &str, last: Option<&str>) -> Body {
    let mut request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
    if let Some(last) = last {
        request = request.header("Last-Event-ID", last);
    }
    let answer = client.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut body = answer.into_body();
    assert!(chunk(&mut body).await.unwrap().starts_with("retry: "));
    body
}

async fn chunk(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn events_come_with_their_id_and_type_and_the_stream_ends_with_the_server() {
    let client = Client::new();
    let mut stream = open(&client, "/v1.0/events", None).await;
    client.fake.feed.publish(1_000, deleted("Carrier"));
    assert_eq!(
        chunk(&mut stream).await.unwrap(),
        "id: 1\nevent: trunk.deleted\ndata: {\"id\":1,\"at\":1000,\"tenant_id\":null,\"type\":\"trunk.deleted\",\
         \"data\":{\"trunk_id\":\"00000000-0000-0000-0000-000000000000\",\"name\":\"Carrier\"}}\n\n"
    );
    client.fake.feed.close();
    assert_eq!(chunk(&mut stream).await, None);
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was() {
    let client = Client::new();
    (0..3).for_each(|_| drop(client.fake.feed.publish(1, answered())));
    for (path, last) in [("/v1.0/events?after=1", None), ("/v1.0/events?after=0", Some("1"))] {
        let mut stream = open(&client, path, last).await;
        let chunk = chunk(&mut stream).await.unwrap();
        let ids: Vec<&str> = chunk.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
        assert_eq!(ids, ["2", "3"], "{path}");
    }
    let mut stream = open(&client, "/v1.0/events?after=77", None).await;
    assert_eq!(chunk(&mut stream).await.unwrap(), "event: stream.gap\ndata: {\"next\":1}\n\n");
    assert!(chunk(&mut stream).await.unwrap().contains("id: 3\n"));
}

#[tokio::test]
async fn types_are_chosen_whole_or_by_their_beginning() {
    let client = Client::new();
    for event in [answered(), deleted("a"), answered()] {
        client.fake.feed.publish(1, event);
    }
    let mut stream = open(&client, "/v1.0/events?after=0&types=failover,%20trunk.", None).await;
    let only = chunk(&mut stream).await.unwrap();
    assert!(only.contains("trunk.deleted") && !only.contains("call."), "{only}");
    let refused = client.get("/v1.0/events?types=calls.").await;
    assert_eq!(refused.refused(), (400, "UNKNOWN_VALUE"));
    assert!(refused.json["fix"].as_str().unwrap().contains("call.started"), "{}", refused.text);
    assert_eq!(client.get("/v1.0/events?after=x").await.refused(), (400, "OUT_OF_RANGE"));
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_and_cut_off() {
    let client = Client::new();
    let mut stream = open(&client, "/v1.0/events", None).await;
    client.fake.feed.publish(1, answered());
    assert!(chunk(&mut stream).await.unwrap().starts_with("id: 1\n"));
    (0..20_000).for_each(|_| drop(client.fake.feed.publish(1, answered())));
    assert!(chunk(&mut stream).await.unwrap().starts_with("event: stream.lagging\n"));
    assert_eq!(chunk(&mut stream).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_shows_that_it_is_alive_longer_than_a_request_may_take() {
    let client = Client::new();
    let mut stream = open(&client, "/v1.0/events", None).await;
    for _ in 0..10 {
        let asked = tokio::time::Instant::now();
        assert_eq!(chunk(&mut stream).await.unwrap(), ": still there\n\n");
        assert_eq!(asked.elapsed().as_secs(), Duration::from_secs(15).as_secs());
    }
    client.fake.feed.publish(1, answered());
    assert!(chunk(&mut stream).await.unwrap().starts_with("id: 1\n"));
}

#[tokio::test]
async fn only_so_many_may_read_at_once() {
    let client = Client::new();
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(open(&client, "/v1.0/events", None).await);
    }
    let answer = client.get("/v1.0/events").await;
    assert_eq!(answer.refused(), (503, "TOO_MANY_READERS"));
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    streams.pop();
    let _ = open(&client, "/v1.0/events", None).await;
}
