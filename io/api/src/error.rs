//! Everything that can be refused, in one envelope.

use crate::backend::{ChangeError, ReadError};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tandem_model::{Problem, Rejection, RejectionKind};
use utoipa::ToSchema;
use uuid::Uuid;

/// What every refused request is answered with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ErrorEnvelope {
    /// The HTTP status.
    pub status: u16,
    /// Stable code of the first problem, in upper snake case.
    #[schema(value_type = String)]
    pub reason: &'static str,
    /// What is wrong.
    pub message: String,
    /// Path of the field or name of the parameter, as `steps[1].trunk_id`; null when it is none in particular.
    pub field: Option<String>,
    /// What to do.
    pub fix: String,
    /// As in the header `X-Request-Id` and in the log.
    pub request_id: Uuid,
    /// All problems found, the first of them among them.
    pub problems: Vec<Problem>,
}

/// A refusal on its way out. It travels as an extension of an empty response; `finish` writes the envelope, because
/// only there the request id is known.
#[derive(Clone, Debug)]
pub(crate) struct ApiError(Box<Refusal>);

#[derive(Clone, Debug)]
struct Refusal {
    status: StatusCode,
    header: Option<(HeaderName, HeaderValue)>,
    first: Problem,
    others: Vec<Problem>,
}

impl ApiError {
    /// A refusal for one problem; an empty field means none in particular.
    pub(crate) fn new(
        status: StatusCode,
        field: &str,
        reason: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> ApiError {
        let first = Problem { field: field.to_owned(), reason, message: message.into(), fix: fix.into() };
        ApiError(Box::new(Refusal { status, header: None, first, others: Vec::new() }))
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> ApiError {
        self.0.header = Some((name, value));
        self
    }

    pub(crate) fn envelope(self, request_id: Uuid) -> ErrorEnvelope {
        let Refusal { status, first, others, .. } = *self.0;
        ErrorEnvelope {
            status: status.as_u16(),
            reason: first.reason,
            message: first.message.clone(),
            field: Some(first.field.clone()).filter(|field| !field.is_empty()),
            fix: first.fix.clone(),
            request_id,
            problems: std::iter::once(first).chain(others).collect(),
        }
    }
}

// The refusals that are not about the content of an entity.
impl ApiError {
    pub(crate) fn not_found(what: &str, listing: &str) -> ApiError {
        let fix = format!("`GET {listing}` lists what there is");
        ApiError::new(
            StatusCode::NOT_FOUND,
            "id",
            "NOT_FOUND",
            format!("there is no {what} with this id"),
            fix,
        )
    }

    pub(crate) fn no_such_path() -> ApiError {
        let message = "there is nothing at this path";
        ApiError::new(
            StatusCode::NOT_FOUND,
            "",
            "NO_SUCH_PATH",
            message,
            "`/docs` lists all paths; mind trailing slashes",
        )
    }

    pub(crate) fn method_not_allowed() -> ApiError {
        let (message, fix) =
            ("this path does not take this method", "the header `Allow` names those that it takes");
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "", "METHOD_NOT_ALLOWED", message, fix)
    }

    pub(crate) fn token_missing() -> ApiError {
        let message = "this needs a token";
        let fix = "send `Authorization: Bearer <token>`, or `?token=<token>`";
        ApiError::new(StatusCode::UNAUTHORIZED, "", "TOKEN_MISSING", message, fix).challenge()
    }

    pub(crate) fn token_invalid() -> ApiError {
        let fix = "look the token up: it may have expired or been switched off; or have a new one made";
        ApiError::new(StatusCode::UNAUTHORIZED, "", "TOKEN_INVALID", "this token is not taken", fix)
            .challenge()
    }

    /// This role may not do this, whatever it is about.
    pub(crate) fn forbidden() -> ApiError {
        let fix = "ask somebody with another role; `GET /v1.0/me` says which yours is";
        let message = "your role does not allow this";
        ApiError::new(StatusCode::FORBIDDEN, "", "FORBIDDEN", message, fix)
    }

    fn challenge(self) -> ApiError {
        self.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tandem\""))
    }

    pub(crate) fn unavailable(why: impl Into<String>) -> ApiError {
        let fix = "nothing was changed; try again, and look into the server's log if it goes on";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "", "STORE_UNAVAILABLE", why, fix)
            .with_header(header::RETRY_AFTER, 5.into())
    }

    pub(crate) fn timeout() -> ApiError {
        let fix =
            "a change that was begun is finished all the same: look whether it was made before trying again";
        let message = "the server took too long to answer";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "", "TIMEOUT", message, fix)
            .with_header(header::RETRY_AFTER, 5.into())
    }

    pub(crate) fn too_many_readers() -> ApiError {
        let (message, fix) = ("as many read the events as may", "close another stream, or use a webhook");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "", "TOO_MANY_READERS", message, fix)
            .with_header(header::RETRY_AFTER, 30.into())
    }

    pub(crate) fn internal() -> ApiError {
        let fix = "report it with the request id and the server's log around it";
        let message = "this request hit a fault in tandem";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", "INTERNAL_ERROR", message, fix)
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> ApiError {
        let status = match rejection.kind {
            RejectionKind::Invalid => StatusCode::BAD_REQUEST,
            RejectionKind::Conflict => StatusCode::CONFLICT,
            RejectionKind::NotFound => StatusCode::NOT_FOUND,
        };
        let mut problems = rejection.problems.into_iter();
        match problems.next() {
            Some(first) => {
                ApiError(Box::new(Refusal { status, header: None, first, others: problems.collect() }))
            }
            None => ApiError::internal(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> ApiError {
        match error {
            ChangeError::Rejected(rejection) => rejection.into(),
            ChangeError::Unavailable(why) => ApiError::unavailable(why),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> ApiError {
        match error {
            ReadError::NoSuchCursor => {
                let (message, fix) = ("there is no record to go on after", "begin again without `after`");
                ApiError::new(StatusCode::NOT_FOUND, "after", "UNKNOWN_CURSOR", message, fix)
            }
            ReadError::Unavailable(why) => ApiError::unavailable(why),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        headers.extend(self.0.header.clone());
        let mut response = (self.0.status, headers, Body::empty()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
