//! The outermost layer: request id, error envelope, headers that every answer has, and the log.

use crate::error::ApiError;
use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::{Duration, Instant};
use uuid::Uuid;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Finishes an answer, whoever gave it.
pub(crate) async fn finish(request_id: Uuid, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    // The query may hold the token: it never gets further than `auth`.
    let path: String = request.uri().path().chars().take(200).collect();
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let headers = std::mem::take(response.headers_mut());
        let envelope = error.envelope(request_id);
        log(&method, &path, response.status(), request_id, begun, Some(envelope.reason));
        let mut written = (response.status(), Json(envelope)).into_response();
        for (name, value) in headers.into_iter().filter_map(|(name, value)| Some((name?, value))) {
            if name != header::CONTENT_LENGTH {
                written.headers_mut().insert(name, value);
            }
        }
        response = written;
    } else {
        log(&method, &path, response.status(), request_id, begun, None);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(&REQUEST_ID, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A page that was opened with `?token=` must not tell it to the next one.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn log(
    method: &Method,
    path: &str,
    status: StatusCode,
    request_id: Uuid,
    begun: Instant,
    reason: Option<&str>,
) {
    let (status, ms) = (status.as_u16(), begun.elapsed().as_millis() as u64);
    if status >= 500 {
        tracing::error!(%method, path, status, reason, ms, %request_id, "request failed");
    } else if method.is_safe() {
        tracing::debug!(%method, path, status, reason, ms, %request_id, "request");
    } else {
        tracing::info!(%method, path, status, reason, ms, %request_id, "request");
    }
}

/// Answers in time, whatever the handler is waiting for.
pub(crate) async fn in_time(
    limit: Duration,
    handler: impl Future<Output = Result<Response, ApiError>>,
) -> Result<Response, ApiError> {
    tokio::time::timeout(limit, handler).await.unwrap_or_else(|_| Err(ApiError::timeout()))
}

/// What a panic is answered with; its message goes to the log only.
pub(crate) fn after_panic(panic: Box<dyn std::any::Any + Send>) -> Response {
    let message = match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(message), _) => message,
        (None, Some(message)) => *message,
        (None, None) => "without a message",
    };
    tracing::error!(message, "a request handler panicked");
    ApiError::internal().into_response()
}
