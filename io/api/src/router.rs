//! From a request to its handler.

use crate::access::Who;
use crate::auth;
use crate::backend::Backend;
use crate::body;
use crate::call::{Call, Shared};
use crate::configuration;
use crate::docs;
use crate::error::ApiError;
use crate::finish;
use crate::limiter::Limiter;
use crate::operations::{Access, Action, OPERATIONS, Operation};
use crate::params::Params;
use crate::provisioning;
use crate::token::TokenHash;
use crate::used::Used;
use crate::{events, live, records, system};
use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{MethodFilter, get, on};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;

/// What an administrator may set about the API.
#[derive(Clone, Debug)]
pub struct Options {
    /// Metrics need no token.
    pub metrics_open: bool,
    /// The token may come as `?token=` beside the header.
    pub query_token: bool,
    /// How long a request may take, unless it is one of those that take longer by nature.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { metrics_open: false, query_token: true, timeout: Duration::from_secs(30) }
    }
}

/// The whole API as a service.
pub fn router<B: Backend>(backend: B, options: Options) -> Router {
    let usual = options.timeout;
    let shared = Arc::new(Shared {
        backend,
        options,
        limiter: Limiter::default(),
        used: Used::default(),
        changing: Arc::default(),
    });
    let mut router = Router::new();
    for operation in OPERATIONS.iter() {
        let shared = shared.clone();
        let handler = move |path: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
            finish::in_time(operation.time_limit(usual), run(operation, shared, path.ok(), request))
        };
        router = router.route(&operation.path, on(filter(operation), handler));
    }
    router
        .route("/", get(docs::to_page))
        .route("/docs", get(docs::page))
        .route("/docs/docs.js", get(docs::script))
        .route("/docs/docs.css", get(docs::style))
        .fallback(|| async { ApiError::no_such_path() })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(CatchPanicLayer::custom(finish::after_panic))
        .layer(from_fn(move |request: Request, next: Next| {
            finish::finish(shared.backend.new_uuid(), request, next)
        }))
}

fn filter(operation: &Operation) -> MethodFilter {
    MethodFilter::try_from(operation.method.clone()).unwrap_or(MethodFilter::GET)
}

async fn run<B: Backend>(
    operation: &'static Operation,
    shared: Arc<Shared<B>>,
    path: Option<RawPathParams>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let needs_token = match operation.access {
        Access::Open => false,
        Access::Token => true,
        Access::Metrics => !shared.options.metrics_open,
    };
    let who = match needs_token {
        true => {
            let authorize = |token: &str| who(&shared, token);
            auth::check(&parts, shared.options.query_token, &shared.limiter, authorize).await?
        }
        // What is open to anybody asks nothing of who it is.
        false => Who::INSTALLATION,
    };
    if !who.may(operation.action) {
        return Err(ApiError::forbidden());
    }
    let params = Params::read(parts.uri.query(), operation.query)?;
    let id = path.as_ref().and_then(|path| path.iter().next()).map(|(_, id)| id.to_owned());
    let body = match operation.body {
        Some(_) => body::read(&parts.headers, body, operation.largest_body()).await?,
        None => Value::Null,
    };
    dispatch(operation.action, Call { shared, who, params, id, headers: parts.headers, body }).await
}

fn who<B: Backend>(shared: &Shared<B>, token: &str) -> Option<Who> {
    let Shared { backend, used, .. } = shared;
    if backend.authorize(token) {
        return Some(Who::INSTALLATION);
    }
    let (config, now) = (backend.config(), backend.now());
    let who = Who::with_token(&config, &TokenHash::of(token).to_hex(), now)?;
    if let Some(token) = who.token {
        used.note(token, &config, now);
    }
    Some(who)
}

async fn dispatch<B: Backend>(action: Action, call: Call<B>) -> Result<Response, ApiError> {
    match action {
        Action::List(collection) => collection.list(call).await,
        Action::Create(collection) => collection.create(call).await,
        Action::Get(collection) => collection.get(call).await,
        Action::Patch(collection) => collection.patch(call).await,
        Action::Delete(collection) => collection.delete(call).await,
        Action::RegisterNow(collection) => collection.register(call).await,
        Action::Examine(collection) => collection.examine(call).await,
        Action::Quality(collection) => collection.quality(call).await,
        Action::AvailableNumbers => provisioning::search(call).await,
        Action::Buy => provisioning::buy(call).await,
        Action::Release => provisioning::release(call).await,
        Action::Alerts => live::alerts(call).await,
        Action::Registrations => live::registrations(call).await,
        Action::Calls => live::calls(call).await,
        Action::HangUp => live::hang_up(call).await,
        Action::Me => live::me(&call),
        Action::Presets => live::presets(),
        Action::Explain => live::explain(call).await,
        Action::Events => events::stream(call).await,
        Action::Records => records::list(call).await,
        Action::Record => records::get(call).await,
        Action::Messages => records::messages(call).await,
        Action::Export => configuration::export(call).await,
        Action::Import => configuration::import(call).await,
        Action::Plan => configuration::plan(call).await,
        Action::Apply => configuration::apply(call).await,
        Action::Warnings => Ok(configuration::warnings(&call)),
        Action::Health => system::health(call).await,
        Action::Metrics => system::metrics(call).await,
        Action::OpenApi => system::document(call).await,
    }
}
