//! A number (DID) and what a call to it reaches; and the canonical form in which numbers are compared.

use crate::{ExtensionId, NumberId, TenantId, TrunkId};
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use utoipa::ToSchema;

/// A number as configured: `extension_id` or `trunk_id` says what it reaches, or else an inbound route.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// Assigned when created.
    pub id: NumberId,
    /// The number, kept as written; compared in its canonical form.
    pub number: String,
    /// The tenant whose it is; empty: the system's.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// A label.
    #[serde(default)]
    pub name: Option<String>,
    /// Calls to it ring this extension.
    #[serde(default)]
    pub extension_id: Option<ExtensionId>,
    /// Calls to it go out over this trunk (a PBX, say), with the number as the destination.
    #[serde(default)]
    pub trunk_id: Option<TrunkId>,
    /// A disabled number reaches nothing.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// A telephone number in canonical form: its digits without `+`, a leading `00`, spaces, dots, dashes and brackets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digits(String);

impl Digits {
    /// The canonical form of `text`; `None` when it is no number (1 to 32 digits after an optional `+`).
    pub fn parse(text: &str) -> Option<Digits> {
        let mut digits = String::with_capacity(text.len());
        let text = text.trim();
        let body = text.strip_prefix('+').unwrap_or(text);
        for c in body.chars() {
            match c {
                '0'..='9' => digits.push(c),
                ' ' | '.' | '-' | '(' | ')' | '/' => {}
                _ => return None,
            }
        }
        if body.len() == text.len() && digits.starts_with("00") {
            digits.drain(..2);
        }
        (1..=32).contains(&digits.len()).then_some(Digits(digits))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Digits> for String {
    fn from(digits: Digits) -> String {
        digits.0
    }
}

impl Borrow<str> for Digits {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let canonical = Digits::parse("15551234567").unwrap();
        for written in ["+15551234567", "0015551234567", "+1 (555) 123-45.67", " +1/555/1234567 "] {
            assert_eq!(Digits::parse(written).unwrap(), canonical, "{written}");
        }
    }

    #[test]
    fn what_is_no_number_has_no_digits() {
        for written in ["", "+", "office", "1x2", "+1+2", "123456789012345678901234567890123"] {
            assert_eq!(Digits::parse(written), None, "{written}");
        }
    }
}
