use crate::client::{Answer, Client};
use crate::fake::TOKEN;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use tandem_api::{Options, openapi};

async fn with_header(client: &Client, authorization: &str) -> Answer {
    let request = Request::get("/v1.0/trunks").header(header::AUTHORIZATION, authorization);
    client.send(request.body(Body::empty()).unwrap()).await
}

async fn plain(client: &Client, path: &str) -> Answer {
    client.send(Request::get(path).body(Body::empty()).unwrap()).await
}

fn escaped() -> String {
    form_urlencoded::byte_serialize(TOKEN.as_bytes()).collect()
}

#[tokio::test]
async fn the_token_is_taken_from_the_header_or_the_query() {
    let client = Client::new();
    for authorization in [format!("Bearer {TOKEN}"), format!("bearer {TOKEN}"), format!("Bearer  {TOKEN} ")] {
        assert_eq!(with_header(&client, &authorization).await.status, StatusCode::OK, "{authorization}");
    }
    for path in
        [format!("/v1.0/trunks?token={}", escaped()), format!("/v1.0/trunks?limit=5&token={}", escaped())]
    {
        assert_eq!(plain(&client, &path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn without_the_token_there_is_nothing_to_see() {
    let client = Client::new();
    let missing = plain(&client, "/v1.0/trunks").await;
    assert_eq!(missing.refused(), (401, "TOKEN_MISSING"));
    assert_eq!(missing.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"tandem\"");
    assert_eq!(plain(&client, "/v1.0/trunks?token=").await.refused(), (401, "TOKEN_MISSING"));
    assert_eq!(plain(&client, "/v1.0/trunks?token=wrong").await.refused(), (401, "TOKEN_INVALID"));
    assert_eq!(with_header(&client, "Bearer wrong").await.refused(), (401, "TOKEN_INVALID"));
    assert_eq!(with_header(&client, &format!("Basic {TOKEN}")).await.refused(), (401, "TOKEN_MISSING"));
    // A wrong header is not made good by a right query.
    let both = Request::get(format!("/v1.0/trunks?token={}", escaped()))
        .header(header::AUTHORIZATION, "Bearer wrong");
    assert_eq!(client.send(both.body(Body::empty()).unwrap()).await.refused(), (401, "TOKEN_INVALID"));
}

#[tokio::test]
async fn every_operation_asks_for_the_token_that_is_documented_to() {
    let client = Client::new();
    for (path, item) in openapi()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let path = path.replace("{id}", "not-even-an-id");
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
            let answer = client.send(request.body(Body::empty()).unwrap()).await;
            let open = operation["security"].as_array().unwrap().is_empty();
            assert_eq!(answer.status == StatusCode::UNAUTHORIZED, !open, "{}", operation["operationId"]);
        }
    }
}

#[tokio::test]
async fn settings_close_the_query_and_open_the_metrics() {
    let client = Client::with(Options { query_token: false, metrics_open: true, ..Options::default() });
    let path = format!("/v1.0/trunks?token={}", escaped());
    assert_eq!(plain(&client, &path).await.refused(), (401, "TOKEN_MISSING"));
    assert_eq!(with_header(&client, &format!("Bearer {TOKEN}")).await.status, StatusCode::OK);
    assert_eq!(plain(&client, "/metrics").await.status, StatusCode::OK);
    assert_eq!(plain(&Client::new(), "/metrics").await.refused(), (401, "TOKEN_MISSING"));
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_on_guessing_is_answered_late_and_the_right_token_at_once() {
    let client = Client::new();
    let begun = tokio::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(with_header(&client, "Bearer wrong").await.refused(), (401, "TOKEN_INVALID"));
    }
    assert_eq!(begun.elapsed().as_secs(), 0);
    assert_eq!(with_header(&client, "Bearer wrong").await.refused(), (401, "TOKEN_INVALID"));
    assert_eq!(begun.elapsed().as_secs(), 1);
    assert_eq!(with_header(&client, &format!("Bearer {TOKEN}")).await.status, StatusCode::OK);
    assert_eq!(begun.elapsed().as_secs(), 1);
}
