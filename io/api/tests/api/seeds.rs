//! The commands of VoIPBIN's own documentation, as curl sends them.

use crate::client::{Answer, Client};
use crate::fake::TOKEN;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};

/// `curl -X POST '<path>?token=<token>' --header 'Content-Type: application/json' --data '<data>'`
async fn curl(client: &Client, path: &str, data: &str) -> Answer {
    let token: String = form_urlencoded::byte_serialize(TOKEN.as_bytes()).collect();
    let request = Request::post(format!("{path}?token={token}"))
        .header(header::USER_AGENT, "curl/8.5.0")
        .header(header::ACCEPT, "*/*")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, data.len());
    client.send(request.body(Body::from(data.to_owned())).unwrap()).await
}

#[tokio::test]
async fn the_three_commands_of_the_trunk_overview_work_as_they_are_written() {
    let client = Client::new();
    let provider = curl(
        &client,
        "/v1.0/providers",
        r#"{
            "name": "Primary SIP Provider",
            "type": "sip",
            "hostname": "sip.provider.com"
        }"#,
    )
    .await;
    assert_eq!(provider.status, StatusCode::CREATED, "{}", provider.text);
    assert_eq!(
        (&provider.json["host"], &provider.json["mode"]),
        (&"sip.provider.com".into(), &"ip_auth".into())
    );

    // The one thing that is not verbatim: `provider-uuid-123` stands for the id that the first command answered.
    let provider_id = provider.json["id"].as_str().unwrap();
    let route = r#"{
            "name": "Default Outbound Route",
            "provider_id": "provider-uuid-123",
            "priority": 1
        }"#;
    let route = curl(&client, "/v1.0/routes", &route.replace("provider-uuid-123", provider_id)).await;
    assert_eq!(route.status, StatusCode::CREATED, "{}", route.text);
    assert_eq!(route.json["steps"][0]["trunk_id"], provider_id);
    assert_eq!((&route.json["priority"], &route.json["on_exhausted"]), (&1.into(), &"next_rule".into()));

    let extension = curl(
        &client,
        "/v1.0/extensions",
        r#"{
            "name": "office-phone",
            "username": "office1",
            "password": "secure-password"
        }"#,
    )
    .await;
    assert_eq!(extension.status, StatusCode::CREATED, "{}", extension.text);
    assert_eq!(
        (&extension.json["number"], &extension.json["username"]),
        (&"office1".into(), &"office1".into())
    );
}

#[tokio::test]
async fn a_placeholder_left_in_is_answered_with_what_to_put_there() {
    let client = Client::new();
    let answer =
        curl(&client, "/v1.0/routes", r#"{ "name": "x", "provider_id": "provider-uuid-123" }"#).await;
    assert_eq!(answer.refused().0, 400);
    assert_eq!(answer.json["field"], "provider_id");
}
