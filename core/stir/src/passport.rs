//! What is said of a call.

use serde_json::json;
use std::fmt;

/// How well who signs knows the caller (RFC 8588 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attestation {
    /// The caller is a customer, and may use the number.
    A,
    /// The caller is a customer; whether the number is theirs is not known.
    B,
    /// The call came in from elsewhere.
    C,
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Attestation::A => "A",
            Attestation::B => "B",
            Attestation::C => "C",
        })
    }
}

/// A call as it is signed (RFC 8588 §5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passport<'a> {
    /// How well the caller is known.
    pub attest: Attestation,
    /// Who calls: digits with the country code first, and nothing else (RFC 8224 §8.3).
    pub orig: &'a str,
    /// Who is called, in the same form.
    pub dest: &'a str,
    /// When it is signed, seconds since the Unix epoch.
    pub iat: u64,
    /// Where the call came in, as a UUID that only who signs can make sense of.
    pub origid: &'a str,
}

impl Passport<'_> {
    /// The header for a certificate at this URL: keys in order, no space (RFC 8225 §9).
    pub(crate) fn header(&self, certificate: &str) -> String {
        json!({ "alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": certificate }).to_string()
    }

    /// The claims, in the same way.
    pub(crate) fn claims(&self) -> String {
        json!({
            "attest": self.attest.to_string(),
            "dest": { "tn": [self.dest] },
            "iat": self.iat,
            "orig": { "tn": self.orig },
            "origid": self.origid,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 8588 §5, with our URL.
    const CALL: Passport = Passport {
        attest: Attestation::A,
        orig: "12155551212",
        dest: "12155551213",
        iat: 1_443_208_345,
        origid: "123e4567-e89b-12d3-a456-426655440000",
    };

    #[test]
    fn keys_are_in_order_and_nothing_stands_between() {
        assert_eq!(
            CALL.header("https://cert.example.org/passport.cer"),
            r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/passport.cer"}"#
        );
        assert_eq!(
            CALL.claims(),
            r#"{"attest":"A","dest":{"tn":["12155551213"]},"iat":1443208345,"orig":{"tn":"12155551212"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#
        );
    }
}
