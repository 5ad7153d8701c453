//! How a receiver of a webhook knows that it was us: HMAC-SHA256 (RFC 2104) over the moment and the body.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The value of `Tandem-Signature`: `t=<seconds since the Unix epoch>,v1=<HMAC of "t.body" in hexadecimal>`.
pub fn signature(secret: &str, seconds: u64, body: &str) -> String {
    let mut mac = match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    };
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_openssl_makes_of_moment_and_body() {
        // printf '1700000000.{"id":1}' | openssl dgst -sha256 -hmac 'a secret of many letters'
        let expected = "t=1700000000,v1=9963b332b7cff143b33e904a1e8857cccc83ecd59f7e36f4e41b1e3abf034601";
        assert_eq!(signature("a secret of many letters", 1_700_000_000, r#"{"id":1}"#), expected);
    }
}
