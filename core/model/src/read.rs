//! Strict reading of JSON, and the errors of serde put into words for the person who wrote it. No message quotes a value that could be
//! a secret.

use crate::body::aliases;
use crate::{Kind, Problem, rules, suggest};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// Why a value did not read: where, and serde's words for it.
pub(crate) struct Fault {
    path: String,
    words: String,
}

/// Reads a value.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        Fault { path, words: error.inner().to_string() }
    })
}

impl Fault {
    /// A field that is not known, with those that are.
    pub fn unknown(path: &str, known: &[String]) -> Fault {
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        Fault {
            path: path.to_owned(),
            words: format!("unknown field `{path}`, expected one of {}", known.join(", ")),
        }
    }

    /// Path of the value that does not fit.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same path with the field `name` as the writer called it.
    pub fn path_as_written(&self, name: &str, written: &str) -> String {
        match self.path.strip_prefix(name) {
            Some(rest) => format!("{written}{rest}"),
            // What became a step: the path inside of it means nothing to who wrote `provider_id`.
            None => written.to_owned(),
        }
    }

    /// The problem that it is, at `path`.
    pub fn problem(&self, kind: Kind, path: &str) -> Problem {
        let words = self.words.as_str();
        let quoted = words.split('`').nth(1).unwrap_or_default();
        let (head, expected) = words.rsplit_once(", expected ").unwrap_or((words, ""));
        if let Some(found) = head.strip_prefix("invalid type: ") {
            let message = format!("this is {}, not {}", found_words(found), expected_words(expected));
            return Problem::new(path, "WRONG_TYPE", message, how_to_write(path, expected));
        }
        if head.starts_with("invalid value: integer") {
            let message = format!("this number is out of range for {}", expected_words(expected));
            return Problem::new(path, "OUT_OF_RANGE", message, how_to_write(path, expected));
        }
        if head.starts_with("unknown field") {
            let path = with_last(path, quoted);
            return Problem::new(path, "UNKNOWN_FIELD", format!("`{quoted}` is not a field here"), {
                let names = backticked(words)
                    .skip(1)
                    .chain((kind == Kind::Route && self.at_top()).then_some("provider_id"));
                suggest::field(quoted, names, aliases(kind))
            });
        }
        if head.starts_with("unknown variant") {
            let fix = if last_name(path) == "technology" || last_name(path) == "type" {
                format!(
                    "only `sip` works so far{}",
                    if quoted.starts_with("iax") { "; IAX2 comes later" } else { "" }
                )
            } else if last_name(path) == "media_encryption" {
                let later = matches!(quoted, "sdes" | "dtls" | "srtp");
                format!("only `none` works so far{}", if later { "; SRTP comes later" } else { "" })
            } else if last_name(path) == "pin_class" {
                "only `none` works so far; authorization codes come with call flows".to_owned()
            } else {
                suggest::word(quoted, backticked(words).skip(1))
            };
            return Problem::new(
                path,
                "UNKNOWN_VALUE",
                format!("`{quoted}` is not one of the known values"),
                fix,
            );
        }
        if head.starts_with("missing field") {
            let message = format!("`{quoted}` is missing");
            return Problem::new(with_last(path, quoted), "REQUIRED", message, format!("give `{quoted}`"));
        }
        if head.starts_with("duplicate field") {
            let message = format!("`{quoted}` is given twice, once under another name");
            return Problem::new(
                with_last(path, quoted),
                "DUPLICATE_FIELD",
                message,
                format!("give only `{quoted}`"),
            );
        }
        if words.starts_with("UUID") {
            let message = "this is not an id";
            return Problem::new(
                path,
                "BAD_FORMAT",
                message,
                "give an id as the API shows it, such as `0198c5f2-...`",
            );
        }
        let (message, fix) = words.split_once("; ").unwrap_or((words, "correct it"));
        Problem::new(path, "BAD_FORMAT", message, fix)
    }

    fn at_top(&self) -> bool {
        !self.path.contains(['.', '['])
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.words)
    }
}

/// serde's `unknown` and `missing` stand at the object or at the field; the problem is always the field's.
fn with_last(path: &str, name: &str) -> String {
    match path.strip_suffix(name) {
        Some(front) if front.is_empty() || front.ends_with('.') => path.to_owned(),
        _ if path.is_empty() => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

/// The last field name in a path.
pub(crate) fn last_name(path: &str) -> &str {
    let last = path.rsplit('.').next().unwrap_or_default();
    last.split('[').next().unwrap_or_default()
}

fn backticked(words: &str) -> impl Iterator<Item = &str> {
    words.split('`').skip(1).step_by(2)
}

fn found_words(found: &str) -> &'static str {
    match found.split([' ', '`']).next().unwrap_or_default() {
        "string" => "text",
        "integer" => "a number",
        "floating" => "a fraction",
        "boolean" => "true or false",
        "null" => "null",
        "sequence" => "a list",
        "map" => "an object",
        _ => "something else",
    }
}

fn expected_words(expected: &str) -> &'static str {
    match expected {
        "u8" | "u16" | "u32" | "u64" => "a whole number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        _ if expected.starts_with("struct ") => "an object",
        _ => "text",
    }
}

fn how_to_write(path: &str, expected: &str) -> String {
    match (rules::range_of(path), expected_words(expected)) {
        (Some((low, high)), _) => format!("give a whole number from {low} to {high}, without quotes"),
        (None, "a whole number") => "give a whole number from 0 up, without quotes".to_owned(),
        (None, "true or false") => "give true or false, without quotes".to_owned(),
        (None, "a list") => "give a list, as `[ ... ]`".to_owned(),
        (None, "an object") => "give an object, as `{ ... }`".to_owned(),
        _ => "give text in double quotes".to_owned(),
    }
}
