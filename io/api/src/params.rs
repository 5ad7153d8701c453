//! Query parameters: each operation lists those that it knows, and every other is refused rather than ignored.

use crate::auth::TOKEN;
use crate::error::ApiError;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::str::FromStr;

/// A query parameter as documented and as read.
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) kind: ParamKind,
}

/// What a parameter may be.
pub(crate) enum ParamKind {
    /// 1 to 500.
    Limit,
    /// An opaque cursor: any text is one, most of them lie behind the last item or before the first.
    Cursor,
    /// A UUID.
    Id,
    /// A moment, milliseconds since the Unix epoch.
    Millis,
    /// The id of an event.
    EventId,
    /// A text of this form.
    Text(&'static str),
    /// Types of events, or beginnings of them, with commas between.
    EventTypes,
    /// A value of the schema with this name.
    Schema(&'static str),
}

pub(crate) const MAX_LIMIT: u32 = 500;
pub(crate) const DEFAULT_LIMIT: u32 = 100;
/// The last millisecond that JavaScript's dates can hold.
const MAX_MILLIS: u64 = 8_640_000_000_000_000;
/// The last whole number that JavaScript tells from the next.
const MAX_EVENT_ID: u64 = (1 << 53) - 1;

impl ParamKind {
    /// Its JSON schema.
    pub(crate) fn schema(&self) -> Value {
        match self {
            ParamKind::Limit => {
                json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT })
            }
            ParamKind::Cursor => json!({ "type": "string" }),
            ParamKind::Id => json!({ "type": "string", "format": "uuid" }),
            ParamKind::Millis => {
                json!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_MILLIS })
            }
            ParamKind::EventId => {
                json!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_EVENT_ID })
            }
            ParamKind::Text(pattern) => json!({ "type": "string", "pattern": pattern }),
            ParamKind::EventTypes => json!({ "type": "string", "example": "call.,trunk.state" }),
            ParamKind::Schema(schema) => json!({ "$ref": format!("#/components/schemas/{schema}") }),
        }
    }
}

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a query string, each of whose parameters must be in `known` and given once. The token is passed over.
    pub(crate) fn read(query: Option<&str>, known: &[Param]) -> Result<Params, ApiError> {
        let mut params = Params::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if name == TOKEN {
                continue;
            }
            if !known.iter().any(|param| param.name == name) {
                return Err(unknown(&name, known));
            }
            if params.0.insert(name.to_string(), value.into_owned()).is_some() {
                let message = format!("`{name}` is given more than once");
                return Err(ApiError::new(
                    StatusCode::BAD_REQUEST,
                    &name,
                    "DUPLICATE_PARAMETER",
                    message,
                    "give it once",
                ));
            }
        }
        Ok(params)
    }

    /// The text of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// How many items a page is to have.
    pub(crate) fn limit(&self) -> Result<u32, ApiError> {
        self.number("limit", 1, u64::from(MAX_LIMIT))
            .map(|limit| limit.map_or(DEFAULT_LIMIT, |limit| limit as u32))
    }

    /// A moment.
    pub(crate) fn millis(&self, name: &str) -> Result<Option<u64>, ApiError> {
        self.number(name, 0, MAX_MILLIS)
    }

    /// The id of an event.
    pub(crate) fn event_id(&self, name: &str) -> Result<Option<u64>, ApiError> {
        self.number(name, 0, MAX_EVENT_ID)
    }

    /// An id of any kind.
    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let (message, fix) =
                (format!("`{name}` is no id"), "ids look like `0198c0de-0000-7000-8000-000000000001`");
            ApiError::new(StatusCode::BAD_REQUEST, name, "INVALID_ID", message, fix)
        })
    }

    fn number(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse().ok().filter(|number| digits && (min..=max).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let message = format!("`{name}` is not a whole number from {min} to {max}");
                Err(ApiError::new(
                    StatusCode::BAD_REQUEST,
                    name,
                    "OUT_OF_RANGE",
                    message,
                    format!("give {min} to {max}"),
                ))
            }
        }
    }
}

fn unknown(name: &str, known: &[Param]) -> ApiError {
    let known: Vec<String> = known.iter().map(|param| format!("`{}`", param.name)).collect();
    let fix = if known.is_empty() {
        "leave it out".to_owned()
    } else {
        format!("this path knows {}", known.join(", "))
    };
    let message = format!("there is no parameter `{}` here", name.chars().take(100).collect::<String>());
    ApiError::new(StatusCode::BAD_REQUEST, name, "UNKNOWN_PARAMETER", message, fix)
}
