//! Asking the API without a network.

use crate::fake::{Fake, TOKEN};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::Value;
use tandem_api::{Options, router};
use tower::ServiceExt;

/// The API and what is behind it.
pub struct Client {
    pub fake: Fake,
    pub router: Router,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Client {
    pub fn new() -> Client {
        Client::with(Options::default())
    }

    pub fn with(options: Options) -> Client {
        let fake = Fake::default();
        Client { router: router(fake.clone(), options), fake }
    }

    /// Sends any request.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, text, json }
    }

    /// Sends a request with the installation's token and a body, if it is not empty.
    pub async fn ask(&self, method: Method, path: &str, body: impl Into<String>) -> Answer {
        self.ask_as(TOKEN, method, path, body).await
    }

    /// The same with any token.
    pub async fn ask_as(&self, token: &str, method: Method, path: &str, body: impl Into<String>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.into())).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "").await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, body.to_string()).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::PATCH, path, body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, "").await
    }

    /// Creates something and returns its id.
    pub async fn create(&self, path: &str, body: Value) -> String {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json["id"].as_str().unwrap().to_owned()
    }
}

impl Answer {
    /// The refusal that this must be: status and reason, in a complete envelope.
    #[track_caller]
    pub fn refused(&self) -> (u16, &str) {
        let envelope =
            self.json.as_object().unwrap_or_else(|| panic!("no envelope: {} {:?}", self.status, self.text));
        let keys: Vec<&str> = envelope.keys().map(String::as_str).collect();
        assert_eq!(keys, ["field", "fix", "message", "problems", "reason", "request_id", "status"]);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(self.headers["x-request-id"], self.json["request_id"].as_str().unwrap());
        assert_eq!(self.json["status"], self.status.as_u16());
        let first = &self.json["problems"][0];
        for key in ["reason", "message", "fix"] {
            assert_eq!(first[key], self.json[key]);
            assert!(!first[key].as_str().unwrap().is_empty(), "{key}");
        }
        (self.status.as_u16(), self.json["reason"].as_str().unwrap())
    }
}
