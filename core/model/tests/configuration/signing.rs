//! Signed calls: what a trunk needs to sign, and where what it says of callers counts.

use crate::bench::*;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

const URL: &str = "https://certificates.example.com/ours.pem";

/// A private key that nobody has, of the bytes 1 to 32 (RFC 5915).
fn key() -> String {
    let mut der = vec![0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
    der.extend(1..=32);
    der.extend([0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    let text = BASE64_STANDARD.encode(der);
    let (line, rest) = text.split_at(64);
    format!("-----BEGIN EC PRIVATE KEY-----\n{line}\n{rest}\n-----END EC PRIVATE KEY-----\n")
}

fn signing(more: Value) -> Value {
    with(with(trunk(), json!({ "stir_sign": true, "stir_key": key(), "stir_certificate_url": URL })), more)
}

#[test]
fn a_trunk_that_signs_needs_a_key_and_a_certificate_that_others_find() {
    let config = config([]);
    accepts(&config, Trunk, 1, signing(json!({ "stir_attest": "B" })));
    for (more, field, reason, fix) in [
        (json!({ "stir_key": null }), "stir_key", "REQUIRED", "openssl ecparam"),
        (json!({ "stir_certificate_url": null }), "stir_certificate_url", "REQUIRED", "https://"),
        (json!({ "stir_key": "tell nobody" }), "stir_key", "BAD_FORMAT", "prime256v1"),
        (json!({ "stir_key": format!("{}{}", key(), " ".repeat(4096)) }), "stir_key", "BAD_FORMAT", "PEM"),
        (
            json!({ "stir_certificate_url": "http://c.example.com/a" }),
            "stir_certificate_url",
            "BAD_FORMAT",
            "https://",
        ),
        (
            json!({ "stir_certificate_url": "https://c.example.com/a>b" }),
            "stir_certificate_url",
            "BAD_FORMAT",
            "https://",
        ),
        (
            json!({ "stir_certificate_url": "https://me@c.example.com/a" }),
            "stir_certificate_url",
            "BAD_FORMAT",
            "https://",
        ),
        (json!({ "stir_certificate_url": "https:///a" }), "stir_certificate_url", "BAD_FORMAT", ""),
        (json!({ "stir_attest": "D" }), "stir_attest", "UNKNOWN_VALUE", "`A`"),
        (json!({ "stir_policy": "verify" }), "stir_policy", "UNKNOWN_VALUE", "`off`"),
    ] {
        refuses(&config, Trunk, 1, signing(more), (Invalid, field, reason, fix));
    }
}

#[test]
fn a_key_is_kept_and_never_shown() {
    let config = config([(Trunk, 1, signing(json!({})))]);
    let stored = config.get(Trunk, id(1)).unwrap();
    assert_eq!(stored.to_stored()["stir_key"], key());
    assert!(stored.to_json().get("stir_key").is_none());

    let patched = stored.patch(json!({ "stir_attest": "C" })).unwrap();
    assert_eq!(patched.to_stored()["stir_key"], key());
    let without = stored.patch(json!({ "stir_key": null, "stir_sign": false })).unwrap();
    assert!(without.to_stored().get("stir_key").is_none());
}

#[test]
fn what_is_said_of_callers_counts_only_where_the_trunk_is_trusted_and_no_pbx_of_ours() {
    let config = config([]);
    accepts(&config, Trunk, 1, with(trunk(), json!({ "stir_policy": "refuse_failed" })));
    for (more, fix) in
        [(json!({ "trust_identity": false }), "`trust_identity`"), (json!({ "mode": "peer_in" }), "`off`")]
    {
        let body = with(with(trunk(), json!({ "stir_policy": "require_passed" })), more);
        refuses(&config, Trunk, 1, body, (Invalid, "stir_policy", "CONFLICTING_FIELDS", fix));
    }
}
