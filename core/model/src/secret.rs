//! Text that is never shown.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// A SIP password: opaque text that is read from input and kept in the store, and shows as `***` everywhere else.
///
/// Serialising it is an explicit act: entity structs skip it, and the store asks for [`Secret::expose`].
#[derive(Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The password itself, for computing a digest and for the store.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether no password is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_as_stars() {
        let secret = Secret::new("hunter-two");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
    }

    #[test]
    fn a_secret_is_given_away_on_demand_only() {
        let secret: Secret = serde_json::from_str("\"hunter-two\"").unwrap();
        assert_eq!(secret.expose(), "hunter-two");
        assert!(!secret.is_empty() && Secret::default().is_empty());
    }
}
