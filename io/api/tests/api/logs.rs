//! What is written to the log, at its most talkative.

use crate::client::Client;
use crate::fake::TOKEN;
use axum::body::Body;
use axum::http::Request;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_token_nor_password_is_ever_logged() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let client = Client::new();
    let token: String = form_urlencoded::byte_serialize(TOKEN.as_bytes()).collect();
    let body =
        r#"{ "name": "carrier", "host": "sip.example.com", "username": "u", "password": "pass-of-trunk" }"#;
    for path in ["/v1.0/trunks", "/v1.0/nowhere", "/health", "/", "/v1.0/trunks/x"] {
        for token in [&token, "wrong-t0ken"] {
            let request = Request::post(format!("{path}?token={token}")).body(Body::from(body)).unwrap();
            client.send(request).await;
            let request = Request::get(format!("{path}?token={token}"))
                .header("authorization", format!("Bearer {token}"));
            client.send(request.body(Body::empty()).unwrap()).await;
        }
    }
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("/v1.0/trunks") && log.contains("a wrong API token was refused"),
        "something is logged: {log}"
    );
    for secret in [TOKEN, &token, "wrong-t0ken", "token=", "pass-of-trunk"] {
        assert!(!log.contains(secret), "{secret} in:\n{log}");
    }
}
