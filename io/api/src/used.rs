//! When each token was last shown, as long as the server runs: nothing of it is written down, so that no request costs a write.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tandem_model::{Config, TokenId};

/// Unix seconds by token.
#[derive(Debug, Default)]
pub(crate) struct Used(Mutex<BTreeMap<TokenId, u64>>);

impl Used {
    /// A token was taken at this moment, milliseconds since the Unix epoch. Those that are there no more are forgotten.
    pub(crate) fn note(&self, token: TokenId, config: &Config, now: u64) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(token, now / 1000);
        if used.len() > config.tokens.len() {
            used.retain(|token, _| config.tokens.contains_key(token));
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeMap<TokenId, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
