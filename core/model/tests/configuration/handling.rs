//! Rules on how a trunk's calls and probes are treated, and on trunks of PBXs that call out by way of us.

use crate::bench::*;
use serde_json::{Value, json};
use tandem_model::{Config, Entity};

fn refuses_with(change: Value, field: &str, reason: &str, fix: &str) {
    refuses(&Config::default(), Trunk, 9, with(trunk(), change), (Invalid, field, reason, fix));
}

fn accepts_with(change: Value) {
    accepts(&Config::default(), Trunk, 9, with(trunk(), change));
}

#[test]
fn seconds_and_shares_have_bounds() {
    for value in [5, 3600] {
        accepts_with(json!({ "timeout_retry": value }));
    }
    for value in [0, 4, 3601] {
        refuses_with(json!({ "timeout_retry": value }), "timeout_retry", "OUT_OF_RANGE", "5 to 3600");
    }
    for field in ["rtp_timeout", "rtp_timeout_hold"] {
        for value in [json!(0), json!(5), json!(86_400), json!(null)] {
            accepts_with(json!({ field: value }));
        }
        for value in [1, 4, 86_401] {
            refuses_with(json!({ field: value }), field, "OUT_OF_RANGE", "5 to 86400");
        }
    }
    accepts_with(json!({ "weight": 1000, "max_in": 0, "max_out": 4, "cps": 5, "emergency_ok": false }));
    for value in [0, 1001] {
        refuses_with(json!({ "weight": value }), "weight", "OUT_OF_RANGE", "1 to 1000");
    }
    for field in ["max_in", "max_out", "cps"] {
        refuses_with(json!({ field: -1 }), field, "OUT_OF_RANGE", "from 0 up");
    }
}

#[test]
fn words_are_known_ones() {
    for (field, known, fix) in [
        ("dtmf", vec!["auto", "rfc4733", "inband", "info", "auto_info"], "rfc4733"),
        ("capture", vec!["off", "on_failure", "ring", "full"], "on_failure"),
        ("ping_accept", vec!["any_final", "2xx"], "any_final"),
    ] {
        for word in known {
            accepts_with(json!({ field: word }));
        }
        refuses_with(json!({ field: "sometimes" }), field, "UNKNOWN_VALUE", fix);
    }
    accepts_with(
        json!({ "ping_user_agent": "Acme PBX 1.0", "ping_contact": true, "ping_unregisters": true }),
    );
    refuses_with(json!({ "ping_user_agent": "a\r\nb" }), "ping_user_agent", "BAD_FORMAT", "remove it");
}

#[test]
fn what_comes_later_is_refused_by_name() {
    accepts_with(json!({ "media_encryption": "none" }));
    for later in ["sdes", "dtls"] {
        let fix = "SRTP comes later";
        refuses_with(json!({ "media_encryption": later }), "media_encryption", "UNKNOWN_VALUE", fix);
    }
    refuses_with(json!({ "technology": "iax2" }), "technology", "UNKNOWN_VALUE", "IAX2 comes later");
}

fn pbx(more: Value) -> Value {
    with(json!({ "name": "Customer", "mode": "peer_in" }), more)
}

#[test]
fn a_pbx_is_known_by_its_credentials_its_addresses_or_both() {
    let empty = Config::default();
    let login = json!({ "username": "pbx", "password": "secret" });
    let address = json!({ "associated_ips": ["192.0.2.1"] });
    accepts(&empty, Trunk, 1, pbx(login.clone()));
    accepts(&empty, Trunk, 1, pbx(address.clone()));
    accepts(&empty, Trunk, 1, with(pbx(login.clone()), address.clone()));
    refuses(
        &empty,
        Trunk,
        1,
        pbx(json!({})),
        (Invalid, "associated_ips", "REQUIRED", "`username` and `password`"),
    );
    let half = pbx(json!({ "username": "pbx" }));
    refuses(&empty, Trunk, 1, half, (Invalid, "password", "REQUIRED", "password"));
    let known = config([
        (Trunk, 1, pbx(address.clone())),
        (Extension, 2, json!({ "number": "7", "password": "secure-password" })),
    ]);
    let second = pbx(with(address, json!({ "name": "Other" })));
    refuses(
        &known,
        Trunk,
        3,
        second,
        (Conflict, "associated_ips", "AMBIGUOUS_SOURCE", "different usernames"),
    );
    let twin = pbx(json!({ "name": "Other", "username": "7", "password": "secret" }));
    refuses(&known, Trunk, 3, twin, (Conflict, "username", "USERNAME_TAKEN", "another username"));
    let entity = Entity::create(Trunk, id(9), pbx(login)).unwrap().to_json();
    assert_eq!(entity["trust_identity"], false, "a customer is not believed unless it is said so");
}
