use crate::client::Client;
use crate::fake::{TOKEN, id};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tandem_api::Options;

fn post(content_type: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post("/v1.0/trunks").header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    request.body(body.into()).unwrap()
}

const BODY: &str = r#"{ "name": "carrier", "host": "sip.example.com" }"#;

#[tokio::test]
async fn a_path_that_is_not_there_says_so() {
    let client = Client::new();
    for path in ["/nowhere", "/v1.0", "/v1.0/trunk", "/v1.0/trunks/", "/v2.0/trunks", "/docs/../etc"] {
        assert_eq!(client.get(path).await.refused(), (404, "NO_SUCH_PATH"), "{path}");
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_answered_with_those_it_does() {
    let client = Client::new();
    for (method, path, allowed) in [
        (Method::PUT, "/v1.0/trunks", "GET,HEAD,POST"),
        (Method::POST, "/v1.0/trunks/x", "DELETE,GET,HEAD,PATCH"),
        (Method::GET, "/v1.0/calls/x", "DELETE"),
        (Method::TRACE, "/health", "GET,HEAD"),
        (Method::OPTIONS, "/docs", "GET,HEAD"),
    ] {
        let answer = client.ask(method.clone(), path, "").await;
        assert_eq!(answer.refused(), (405, "METHOD_NOT_ALLOWED"), "{method} {path}");
        let mut listed: Vec<&str> =
            answer.headers[header::ALLOW].to_str().unwrap().split(',').map(str::trim).collect();
        listed.sort_unstable();
        assert_eq!(listed.join(","), allowed);
    }
}

#[tokio::test]
async fn a_mistake_in_the_json_is_shown_with_line_and_column() {
    let answer =
        Client::new().ask(Method::POST, "/v1.0/trunks", "{\n  \"name\": \"x\"\n  \"host\": 1\n}").await;
    assert_eq!(answer.refused(), (400, "MALFORMED_JSON"));
    assert!(answer.json["message"].as_str().unwrap().contains("line 3 column 3"));
}

#[tokio::test]
async fn repeated_keys_unknown_fields_and_other_shapes_are_refused() {
    let client = Client::new();
    for (body, reason, field) in [
        (r#"{"name": "x", "name": "y"}"#, "DUPLICATE_KEY", "name"),
        (r#"{"name": "x", "host": "h.example.com", "hots": 1}"#, "UNKNOWN_FIELD", "hots"),
        ("[]", "WRONG_TYPE", ""),
        ("null", "WRONG_TYPE", ""),
        ("", "EMPTY_BODY", ""),
    ] {
        let answer = client.ask(Method::POST, "/v1.0/trunks", body).await;
        assert_eq!(answer.refused(), (400, reason), "{body}");
        assert_eq!(answer.json["field"].as_str().unwrap_or_default(), field, "{body}");
    }
}

#[tokio::test]
async fn json_is_taken_under_any_of_its_names_and_nothing_else() {
    for content_type in [
        None,
        Some("application/json"),
        Some("Application/JSON; charset=utf-8"),
        Some("application/merge-patch+json"),
        Some("text/json"),
    ] {
        assert_eq!(
            Client::new().send(post(content_type, BODY)).await.status,
            StatusCode::CREATED,
            "{content_type:?}"
        );
    }
    for content_type in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "json", ""]
    {
        let answer = Client::new().send(post(Some(content_type), BODY)).await;
        assert_eq!(answer.refused(), (415, "UNSUPPORTED_MEDIA_TYPE"), "{content_type:?}");
    }
    let mut compressed = post(None, BODY);
    compressed.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    assert_eq!(Client::new().send(compressed).await.refused(), (415, "UNSUPPORTED_MEDIA_TYPE"));
}

#[tokio::test]
async fn a_body_above_one_mebibyte_is_not_read() {
    let client = Client::new();
    let body = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(client.send(post(None, body.clone())).await.refused(), (413, "BODY_TOO_LARGE"));
    let mut said = post(None, "{}");
    said.headers_mut().insert(header::CONTENT_LENGTH, 2_000_000.into());
    assert_eq!(client.send(said).await.refused(), (413, "BODY_TOO_LARGE"));
    // Just below it is read, and refused for what it holds.
    assert_eq!(
        client.send(post(None, body[..1024 * 1024].to_owned())).await.refused(),
        (400, "MALFORMED_JSON")
    );
}

#[tokio::test]
async fn parameters_are_known_given_once_and_in_range() {
    let client = Client::new();
    for (query, reason, field) in [
        ("limit=0", "OUT_OF_RANGE", "limit"),
        ("limit=501", "OUT_OF_RANGE", "limit"),
        ("limit=%2B5", "OUT_OF_RANGE", "limit"),
        ("limit=ten", "OUT_OF_RANGE", "limit"),
        ("limit=1&limit=2", "DUPLICATE_PARAMETER", "limit"),
        ("limt=5", "UNKNOWN_PARAMETER", "limt"),
        ("after=5", "INVALID_ID", "after"),
    ] {
        let answer = client.get(&format!("/v1.0/trunks?{query}")).await;
        assert_eq!(answer.refused(), (400, reason), "{query}");
        assert_eq!(answer.json["field"], field);
    }
    assert_eq!(client.get("/v1.0/trunks?limit=500").await.status, StatusCode::OK);
    assert_eq!(client.get("/health?x=1").await.refused(), (400, "UNKNOWN_PARAMETER"));
}

#[tokio::test]
async fn an_id_that_is_none_is_told_apart_from_one_that_is_not_there() {
    let client = Client::new();
    for path in ["/v1.0/trunks/office", "/v1.0/cdrs/1", "/v1.0/trunks/%FF"] {
        assert_eq!(client.get(path).await.refused(), (400, "INVALID_ID"), "{path}");
    }
    assert_eq!(client.get(&format!("/v1.0/trunks/{}", id(9))).await.refused(), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn a_fault_is_answered_without_its_details() {
    let client = Client::new();
    client.fake.panics.store(true, Ordering::Relaxed);
    let answer = client.get("/health").await;
    assert_eq!(answer.refused(), (500, "INTERNAL_ERROR"));
    assert!(!answer.text.contains("secret-detail"));
    client.fake.panics.store(false, Ordering::Relaxed);
    assert_eq!(client.get("/health").await.status, StatusCode::OK, "the next request is served");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_answered_all_the_same() {
    let client = Client::with(Options { timeout: Duration::from_secs(3), ..Options::default() });
    *client.fake.delay.lock().unwrap() = Duration::from_secs(60);
    let answer = client.post("/v1.0/trunks", json!({ "name": "x", "host": "192.0.2.1" })).await;
    assert_eq!(answer.refused(), (503, "TIMEOUT"));
}

#[tokio::test(start_paused = true)]
async fn a_whole_configuration_may_take_longer_than_a_request() {
    let client = Client::with(Options { timeout: Duration::from_secs(3), ..Options::default() });
    *client.fake.delay.lock().unwrap() = Duration::from_secs(300);
    let file = json!({ "text": "[[trunk]]\nname = \"x\"\nhost = \"192.0.2.1\"\nmode = \"ip_auth\"\n" });
    assert_eq!(client.post("/v1.0/configuration/apply", file.clone()).await.status, StatusCode::OK);
    *client.fake.delay.lock().unwrap() = Duration::from_secs(700);
    let file = json!({ "text": file["text"].as_str().unwrap().replace('x', "y") });
    assert_eq!(client.post("/v1.0/configuration/apply", file).await.refused(), (503, "TIMEOUT"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_waited_for_only_so_long() {
    assert_eq!(Client::new().send(post(None, Body::new(Silent))).await.refused(), (408, "BODY_TIMEOUT"));
}

/// A body of which nothing comes.
struct Silent;

impl hyper::body::Body for Silent {
    type Data = hyper::body::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_is_neither_cached_nor_guessed_at() {
    let client = Client::new();
    let mut ids = Vec::new();
    for path in [
        "/",
        "/docs",
        "/docs/docs.js",
        "/docs/docs.css",
        "/openapi.json",
        "/health",
        "/metrics",
        "/v1.0/calls",
        "/x",
    ] {
        let answer = client.get(path).await;
        ids.push(answer.headers["x-request-id"].clone());
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
    }
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all);
}
