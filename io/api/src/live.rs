//! What is going on now: registrations and calls.

use crate::backend::Backend;
use crate::call::Call;
use crate::error::ApiError;
use crate::page::Page;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tandem_model::{CallId, Question, RegistrationView};

type Answer = Result<Response, ApiError>;

/// The listing of live calls.
pub(crate) const CALLS: &str = "/v1.0/calls";

pub(crate) async fn registrations<B: Backend>(call: Call<B>) -> Answer {
    let (limit, after) = (call.params.limit()?, call.params.text("after").unwrap_or_default());
    let all = call.backend().registrations().await;
    let mut left: Vec<(String, RegistrationView)> = all
        .into_iter()
        .map(|view| (cursor(&view), view))
        .filter(|(cursor, _)| cursor.as_str() > after)
        .collect();
    left.sort_by(|a, b| a.0.cmp(&b.0));
    let page = Page::first(left, limit, |(cursor, _)| cursor.clone());
    Ok(page.map(|(_, view)| view).into_response())
}

/// Registrations have no id of their own. Theirs is who and where, in hexadecimal: that keeps the order, needs no
/// escaping, and makes every text a cursor.
fn cursor(view: &RegistrationView) -> String {
    let owner = view.trunk_id.map(|id| id.0).or(view.extension_id.map(|id| id.0)).unwrap_or_default();
    let key = format!("{} {} {owner} {}", view.direction, view.username, view.contact);
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) async fn calls<B: Backend>(call: Call<B>) -> Answer {
    let (limit, after) = (call.params.limit()?, call.params.id::<CallId>("after")?);
    let mut left = call.backend().calls().await;
    left.retain(|live| after.is_none_or(|after| live.id > after));
    left.sort_by_key(|live| live.id);
    Ok(Page::first(left, limit, |live| live.id.to_string()).into_response())
}

pub(crate) async fn hang_up<B: Backend>(call: Call<B>) -> Answer {
    match call.backend().hang_up(CallId(call.id()?)).await {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(ApiError::not_found("live call", CALLS)),
    }
}

/// What is known of providers; they fit on one page.
pub(crate) fn presets() -> Answer {
    let all = tandem_model::presets();
    Ok(Page::new(all.iter().collect(), None).into_response())
}

/// What would become of a call, and why.
pub(crate) async fn explain<B: Backend>(mut call: Call<B>) -> Answer {
    let question = Question::read(call.body.take(), &call.backend().config())?;
    match call.backend().explain(question).await {
        Some(explanation) => Ok(Json(explanation).into_response()),
        None => Err(ApiError::internal()),
    }
}
