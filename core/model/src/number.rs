//! A number (DID) and what a call to it reaches; and the canonical form in which numbers are compared.

use crate::{ExtensionId, NumberId, TenantId, TrunkId};
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use utoipa::ToSchema;

/// Numbers with fewer digits are private: each tenant's own.
pub(crate) const GLOBAL: usize = 7;

/// What sort of number it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberType {
    /// Of a place.
    Geographic,
    /// Of a mobile network.
    Mobile,
    /// Free for the caller.
    Tollfree,
    /// Of no network: it is reached over the Internet alone.
    Virtual,
    /// Of one's own house, as every number of fewer than 7 digits.
    Private,
}

/// Where a number is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberStatus {
    /// In the inventory: nobody's, until a tenant buys it.
    Available,
    /// In force, and says itself of nothing that it reaches. An inbound route may.
    Assigned,
    /// In force, and says what it reaches.
    Active,
    /// Switched off.
    Disabled,
    /// Given back by the tenant that had it: nobody's, and not available before the system says so.
    Released,
}

impl NumberStatus {
    /// Whether a number of this status reaches something, and can be shown as a caller number.
    pub fn is_in_force(self) -> bool {
        matches!(self, NumberStatus::Assigned | NumberStatus::Active)
    }

    /// Whether a number of this status is nobody's.
    pub fn is_nobodys(self) -> bool {
        matches!(self, NumberStatus::Available | NumberStatus::Released)
    }

    /// As the API has it.
    pub fn key(self) -> &'static str {
        match self {
            NumberStatus::Available => "available",
            NumberStatus::Assigned => "assigned",
            NumberStatus::Active => "active",
            NumberStatus::Disabled => "disabled",
            NumberStatus::Released => "released",
        }
    }
}

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
    /// What sort of number it is. When absent on creation: `private` for one of fewer than 7 digits, else `geographic`.
    #[serde(rename = "type")]
    pub kind: NumberType,
    /// Calls to it ring this extension.
    #[serde(default)]
    pub extension_id: Option<ExtensionId>,
    /// Calls to it go out over this trunk (a PBX, say), with the number as the destination.
    #[serde(default)]
    pub trunk_id: Option<TrunkId>,
    /// Whether it is in force: one that is not reaches nothing, and is not shown as a caller number. `status` says the same and
    /// more: give one of the two.
    pub enabled: bool,
    /// `assigned` and `active` are one thing to write: it is `active` where `extension_id` or `trunk_id` says what it reaches.
    /// `disabled` is what `enabled` false makes. Those that are `available`, to be bought by tenants, and `released`, given back by
    /// them, belong to nobody.
    pub status: NumberStatus,
    /// It may be shown as the caller of emergency calls: who has such numbers shows one of them there rather than any other.
    #[serde(default)]
    pub emergency: bool,
    /// Calls to it, and calls that show it as their caller, may change to fax (T.38). Otherwise such an offer is refused.
    #[serde(default = "yes")]
    pub t38: bool,
    /// What it is known as where it came from; up to 128 characters.
    #[serde(default)]
    pub provisioning_ref: Option<String>,
}

impl Number {
    /// Its digits; none where it is no number, which is refused.
    pub fn digits(&self) -> Option<Digits> {
        Digits::parse(&self.number)
    }
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

    /// Whether it is one of a house only, of which several may have the same.
    pub fn is_private(&self) -> bool {
        self.0.len() < GLOBAL
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
