//! What is going on now: registrations and calls.

use crate::access::Who;
use crate::backend::Backend;
use crate::call::Call;
use crate::error::ApiError;
use crate::page::Page;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tandem_model::{
    Alert, CallId, Config, Explanation, Kind, Question, RegistrationView, Role, TenantId, TokenId, UserId,
};
use utoipa::ToSchema;

type Answer = Result<Response, ApiError>;

/// The listing of live calls.
pub(crate) const CALLS: &str = "/v1.0/calls";

pub(crate) async fn registrations<B: Backend>(call: Call<B>) -> Answer {
    let (limit, after) = (call.params.limit()?, call.params.text("after").unwrap_or_default());
    let config = call.backend().config();
    let mut all = call.backend().registrations().await;
    all.retain(|view| call.who.sees_registration(&config, view));
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
    left.retain(|live| call.who.sees_of(live.tenant_id) && after.is_none_or(|after| live.id > after));
    left.sort_by_key(|live| live.id);
    Ok(Page::first(left, limit, |live| live.id.to_string()).into_response())
}

pub(crate) async fn hang_up<B: Backend>(call: Call<B>) -> Answer {
    let id = CallId(call.id()?);
    let is_theirs = match call.who.tenant {
        None => true,
        tenant => call.backend().calls().await.iter().any(|live| live.id == id && live.tenant_id == tenant),
    };
    match is_theirs && call.backend().hang_up(id).await {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(ApiError::not_found("live call", CALLS)),
    }
}

/// Alerts that stand. They have no id: they are listed by rule and trunk, and their place is who raised them on what.
pub(crate) async fn alerts<B: Backend>(call: Call<B>) -> Answer {
    let (limit, after) = (call.params.limit()?, call.params.text("after").unwrap_or_default());
    let place = |alert: &Alert| {
        let trunk = alert.trunk_id.map(|id| id.0.simple().to_string()).unwrap_or_default();
        format!("{}{trunk}", alert.rule_id.0.simple())
    };
    let mut left = call.backend().alerts();
    left.retain(|alert| call.who.sees_of(alert.tenant_id) && place(alert).as_str() > after);
    left.sort_by_cached_key(place);
    Ok(Page::first(left, limit, place).into_response())
}

/// What is known of providers; they fit on one page.
pub(crate) fn presets() -> Answer {
    let all = tandem_model::presets();
    Ok(Page::new(all.iter().collect(), None).into_response())
}

/// What would become of a call, and why.
pub(crate) async fn explain<B: Backend>(mut call: Call<B>) -> Answer {
    let config = call.backend().config();
    let who = call.who;
    let question = Question::read(call.body.take(), &config, |entity| who.sees(&config, entity))?;
    match call.backend().explain(question).await {
        Some(explanation) => Ok(Json(told(&who, &config, explanation)).into_response()),
        None => Err(ApiError::internal()),
    }
}

/// An explanation as who asks may see it: what they do not see is not told of, and a call that is another tenant's is nobody's.
fn told(who: &Who, config: &Config, explanation: Explanation) -> Explanation {
    if !who.sees_of(explanation.tenant_id) {
        return Explanation {
            at: explanation.at,
            code: Some(404),
            reason: Some("UNMATCHED".to_owned()),
            message: Some("nothing of yours takes this number".to_owned()),
            ..Explanation::default()
        };
    }
    let sees = |kind: &str, id| {
        let kind = Kind::ALL.iter().find(|known| known.key() == kind);
        kind.and_then(|kind| config.get(*kind, id)).is_some_and(|entity| who.sees(config, &entity))
    };
    let mut explanation = explanation;
    explanation.steps.retain(|step| sees(&step.kind, step.id));
    explanation
}

/// Who asks, as the server knows them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// What they may do.
    role: Role,
    /// The tenant that they are confined to; null: the whole system.
    tenant_id: Option<TenantId>,
    /// The user, if it is a token of one.
    user_id: Option<UserId>,
    /// The token; null: the installation's own.
    token_id: Option<TokenId>,
}

pub(crate) fn me<B: Backend>(call: &Call<B>) -> Answer {
    let Who { role, tenant, user, token } = call.who;
    Ok(Json(Me { role, tenant_id: tenant, user_id: user, token_id: token }).into_response())
}
