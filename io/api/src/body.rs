//! Bodies: JSON, of bounded size and in bounded time, where every key of an object stands once.

use crate::error::ApiError;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;
use std::time::Duration;

/// The largest body that is read.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// The largest that is read where a whole configuration comes.
pub(crate) const MAX_TEXT: usize = 32 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a JSON body.
pub(crate) async fn read(headers: &HeaderMap, body: Body, most: usize) -> Result<Value, ApiError> {
    check_type(headers)?;
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    let bytes = match tokio::time::timeout(PATIENCE, Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large(most)),
        Ok(Err(_)) => {
            let message = "the body ended before it was complete";
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "",
                "BODY_CUT_SHORT",
                message,
                "send all of it",
            ));
        }
        Err(_) => {
            let message = "the body did not arrive in time";
            return Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "",
                "BODY_TIMEOUT",
                message,
                "send it faster",
            ));
        }
    };
    parse(&bytes)
}

/// JSON under any of its names, or with none given. Anything else was meant for somebody else.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let unsupported = |message: String, fix: &str| {
        Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "", "UNSUPPORTED_MEDIA_TYPE", message, fix))
    };
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return unsupported(
            "compressed bodies are not read".to_owned(),
            "send it without `Content-Encoding`",
        );
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence =
        value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = matches!(essence.as_str(), "application/json" | "text/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if json {
        return Ok(());
    }
    unsupported(
        format!("the body is said to be `{essence}`, not JSON"),
        "send `Content-Type: application/json`",
    )
}

fn too_large(most: usize) -> ApiError {
    let fix = format!("send at most {most} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "", "BODY_TOO_LARGE", "the body is too large", fix)
}

/// Parses JSON as RFC 8259 has it, less repeated keys: of two, one would be ignored.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    let refuse = |field: &str, reason, message: String, fix: &str| {
        ApiError::new(StatusCode::BAD_REQUEST, field, reason, message, fix)
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(refuse("", "EMPTY_BODY", "the body is empty".to_owned(), "send a JSON object"));
    }
    let repeated = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Strict(&repeated).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| match repeated.take() {
        Some(key) => refuse(&key, "DUPLICATE_KEY", error.to_string(), "give each key of an object once"),
        None => refuse(
            "",
            "MALFORMED_JSON",
            format!("this is not JSON: {error}"),
            "mend it where the message says",
        ),
    })
}

/// Builds a value, and leaves in the cell a key that an object has twice.
#[derive(Clone, Copy)]
struct Strict<'a>(&'a Cell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    /// `600.0` is a whole number (JSON Schema 2020-12, validation, §6.1.1), as far as fractions can hold one exactly.
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() < EXACT {
            return Ok((value as i64).into());
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                let message = format!("the key `{}` stands twice", key.chars().take(100).collect::<String>());
                self.0.set(Some(key));
                return Err(A::Error::custom(message));
            }
            let value = entries.next_value_seed(self)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(text: &str) -> (&'static str, String) {
        let envelope = parse(text.as_bytes()).unwrap_err().envelope(uuid::Uuid::nil());
        (envelope.reason, envelope.message)
    }

    #[test]
    fn json_is_read_as_it_is_written() {
        let text = r#" {"a": [1, -2, 2.5, 3.0, 1e30, "x\u00e9", true, null], "b": {"a": {}}} "#;
        let expected = json!({"a": [1, -2, 2.5, 3, 1e30, "xé", true, null], "b": {"a": {}}});
        assert_eq!(parse(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_mistake_is_shown_with_line_and_column() {
        let (reason, message) = refusal("{\n  \"name\": \"x\"\n  \"host\": 1\n}");
        assert_eq!(reason, "MALFORMED_JSON");
        assert!(message.contains("line 3 column 3"), "{message}");
    }

    #[test]
    fn what_only_looks_like_json_is_refused() {
        for text in [
            "{'a': 1}",
            "{\"a\": 1,}",
            "{} {}",
            "NaN",
            "1e999",
            "\"\\ud800\"",
            "{\"a\": 01}",
            &"[".repeat(1_000),
        ] {
            assert_eq!(refusal(text).0, "MALFORMED_JSON", "{text:.20}");
        }
        assert_eq!(refusal(" \n").0, "EMPTY_BODY");
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth() {
        let (reason, message) = refusal("{\"a\": [{\"b\": 1,\n \"b\": 2}]}");
        assert_eq!(reason, "DUPLICATE_KEY");
        assert!(message.contains("`b`") && message.contains("line 2"), "{message}");
        assert!(parse(br#"{"a": {"a": 1}, "b": {"a": 1}}"#).is_ok());
    }
}
