//! Health, metrics and the API's description of itself.

use crate::backend::{Backend, HealthStatus};
use crate::call::Call;
use crate::error::ApiError;
use crate::openapi;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

type Answer = Result<Response, ApiError>;

pub(crate) async fn health<B: Backend>(call: Call<B>) -> Answer {
    let health = call.backend().health().await;
    let status = match health.status {
        HealthStatus::Ok | HealthStatus::Degraded => StatusCode::OK,
        HealthStatus::Failing => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok((status, Json(health)).into_response())
}

pub(crate) async fn metrics<B: Backend>(call: Call<B>) -> Answer {
    let text = call.backend().metrics().await;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

pub(crate) async fn document<B: Backend>(_: Call<B>) -> Answer {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::document().to_string());
    Ok(([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response())
}
