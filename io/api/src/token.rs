//! The administrator's token: kept as its SHA-256, compared in constant time.

use sha2::{Digest, Sha256};
use std::fmt;
use std::hint::black_box;

/// The SHA-256 of a token. A plain hash is enough because a token is 256 random bits, not a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> TokenHash {
        TokenHash(Sha256::digest(token.as_bytes()).into())
    }

    /// Whether this is the token that was hashed. Takes as long for every wrong one.
    pub fn matches(&self, token: &str) -> bool {
        let offered = TokenHash::of(token);
        let difference = self.0.iter().zip(offered.0).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
        difference == 0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_matches_its_hash() {
        let hash = TokenHash::of("correct horse");
        assert!(hash.matches("correct horse"));
        for wrong in ["", "correct hors", "correct horse ", "Correct horse"] {
            assert!(!hash.matches(wrong), "{wrong:?}");
        }
    }
}
