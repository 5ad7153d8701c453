//! Digest challenges and credentials (RFC 7616, RFC 8760). Only their text: nothing here computes a response.

use memchr::memchr;

use crate::text::{is_blank, is_token_byte, quoted_end, trim_start, unquote};

/// A digest challenge out of WWW-Authenticate or Proxy-Authenticate (RFC 7616 §3.3, RFC 8760).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What the credentials are for.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// To be sent back as it is.
    pub opaque: Option<String>,
    /// As written; absent means MD5.
    pub algorithm: Option<String>,
    /// The qualities of protection on offer; empty from RFC 2069 peers.
    pub qop: Vec<String>,
    /// Whether only the nonce was too old.
    pub stale: bool,
}

impl Challenge {
    /// `None` for another scheme than Digest, without realm or nonce, or with a parameter given twice.
    pub fn parse(value: &str) -> Option<Challenge> {
        let [realm, nonce, opaque, algorithm, qop, stale] =
            collect(value, ["realm", "nonce", "opaque", "algorithm", "qop", "stale"])?;
        let qop = qop.unwrap_or_default();
        Some(Challenge {
            realm: realm?,
            nonce: nonce?,
            opaque,
            algorithm,
            qop: qop.split(',').map(str::trim).filter(|q| !q.is_empty()).map(String::from).collect(),
            stale: stale.is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

/// Digest credentials out of Authorization or Proxy-Authorization (RFC 7616 §3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user to look the secret up by.
    pub username: String,
    /// The realm of the challenge.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The URI that went into the response; need not be the Request-URI to the letter.
    pub uri: String,
    /// Hexadecimal, as written.
    pub response: String,
    /// As written; absent means MD5.
    pub algorithm: Option<String>,
    /// The client's nonce.
    pub cnonce: Option<String>,
    /// Copied from the challenge.
    pub opaque: Option<String>,
    /// The quality of protection that was chosen.
    pub qop: Option<String>,
    /// The nonce count, as written.
    pub nc: Option<String>,
}

impl Credentials {
    /// `None` for another scheme than Digest, without a mandatory field, or with a parameter given twice.
    pub fn parse(value: &str) -> Option<Credentials> {
        let [username, realm, nonce, uri, response, algorithm, cnonce, opaque, qop, nc] = collect(
            value,
            ["username", "realm", "nonce", "uri", "response", "algorithm", "cnonce", "opaque", "qop", "nc"],
        )?;
        Some(Credentials {
            username: username?,
            realm: realm?,
            nonce: nonce?,
            uri: uri?,
            response: response?,
            algorithm,
            cnonce,
            opaque,
            qop,
            nc,
        })
    }
}

/// The parameters of these names, unquoted; unknown ones are passed over. `None` for another scheme than Digest, bad
/// syntax, or a name given twice: a proxy before us could have read the other one.
fn collect<const N: usize>(value: &str, names: [&str; N]) -> Option<[Option<String>; N]> {
    let value = trim_start(value);
    let (scheme, mut rest) = value.split_at(value.bytes().position(is_blank)?);
    if !scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let mut found = [const { None }; N];
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(found);
        }
        let end = rest.bytes().position(|b| !is_token_byte(b)).filter(|&end| end > 0)?;
        let (name, after) = rest.split_at(end);
        let after = trim_start(trim_start(after).strip_prefix('=')?);
        let text;
        if after.starts_with('"') {
            let end = quoted_end(after.as_bytes(), 0)?;
            text = unquote(&after[1..end - 1]);
            rest = trim_start(&after[end..]);
        } else {
            let end = memchr(b',', after.as_bytes()).unwrap_or(after.len());
            text = after[..end].trim_end_matches([' ', '\t']).into();
            rest = &after[end..];
        }
        if !(rest.is_empty() || rest.starts_with(',')) || (text.is_empty() && !after.starts_with('"')) {
            return None;
        }
        if let Some(slot) = names.iter().position(|n| n.eq_ignore_ascii_case(name)) {
            if found[slot].is_some() {
                return None;
            }
            found[slot] = Some(text.into_owned());
        }
    }
}
