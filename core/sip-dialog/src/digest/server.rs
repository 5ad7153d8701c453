//! The server role: writing challenges and checking what comes back (RFC 7616 §3.3 and §3.4, RFC 3261 §22.4).

use super::algorithm::{Algorithm, Input, Protection};
use super::client::Quoted;
use tandem_sip_msg::Credentials;

/// Values for WWW-Authenticate or Proxy-Authenticate, one for each algorithm, the preferred one first (RFC 8760 §2.3).
/// All carry the same nonce.
pub fn challenge_values(realm: &str, nonce: &str, stale: bool, algorithms: &[Algorithm]) -> Vec<String> {
    let stale = if stale { ", stale=true" } else { "" };
    algorithms
        .iter()
        .map(|algorithm| {
            let algorithm = algorithm.name();
            let realm = Quoted(realm);
            let nonce = Quoted(nonce);
            format!("Digest realm={realm}, nonce={nonce}, algorithm={algorithm}, qop=\"auth\"{stale}")
        })
        .collect()
}

/// Whether these credentials, sent in a request with this method, were made with this password. Says nothing about the
/// nonce, the realm or the user: those are looked at before. Accepts what has no qop, as RFC 2069 clients send it.
pub fn verify(credentials: &Credentials, method: &str, password: &str) -> bool {
    let Some(algorithm) = Algorithm::parse(credentials.algorithm.as_deref()) else { return false };
    let cnonce = credentials.cnonce.as_deref();
    let protection = match (credentials.qop.as_deref(), credentials.nc.as_deref(), cnonce) {
        (None, ..) if !algorithm.is_session() || cnonce.is_some() => {
            Protection::Legacy { cnonce: cnonce.unwrap_or_default() }
        }
        (Some(qop), Some(nc), Some(cnonce)) if qop.eq_ignore_ascii_case("auth") => {
            Protection::Auth { nc, cnonce }
        }
        _ => return false,
    };
    let expected = algorithm.response(&Input {
        username: &credentials.username,
        realm: &credentials.realm,
        password,
        method,
        uri: &credentials.uri,
        nonce: &credentials.nonce,
        protection,
    });
    same_text(expected.as_bytes(), credentials.response.to_ascii_lowercase().as_bytes())
}

/// Equality in a time that does not tell how much of it matched.
pub(super) fn same_text(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differences, (x, y)| differences | (x ^ y)) == 0
}
