//! Tokens: made of random bytes, shown once, kept as their SHA-256.

use crate::error::ApiError;
use sha2::{Digest, Sha256};
use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use tandem_model::{Entity, Secret, Token};

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

impl TokenHash {
    /// In hexadecimal, as a configuration keeps it.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

/// What every token begins with, so that one that got lost is known for what it is.
const BEGINNING: &str = "tandem_";
/// Characters that are kept to know a token by.
const PREFIX: usize = BEGINNING.len() + 6;

/// Gives a token of the configuration its secret, which is in the answer once and nowhere afterwards.
fn issue(token: &mut Arc<Token>) -> Result<String, ApiError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| ApiError::internal())?;
    let secret = format!("{BEGINNING}{}", hex::encode(random));
    let token = Arc::make_mut(token);
    token.prefix = secret[..PREFIX].to_owned();
    token.hash = Secret::new(TokenHash::of(&secret).to_hex());
    Ok(secret)
}

/// The same for an entity that may be one.
pub(crate) fn issue_if_token(entity: &mut Entity) -> Result<Option<String>, ApiError> {
    match entity {
        Entity::Token(token) => issue(token).map(Some),
        _ => Ok(None),
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
