//! Rules on the fields of an extension.

use crate::bench::*;
use serde_json::{Value, json};
use tandem_model::{Config, ExtensionId};

fn refuses_with(change: Value, field: &str, reason: &str, fix: &str) {
    refuses(&Config::default(), Extension, 9, with(extension(), change), (Invalid, field, reason, fix));
}

fn accepts_with(change: Value) {
    accepts(&Config::default(), Extension, 9, with(extension(), change));
}

#[test]
fn a_number_is_short_and_plain() {
    for number in ["", "10 00", "(1000)", "+1000", "é", "a@b", &"1".repeat(33)] {
        let change = json!({ "number": number, "username": "ann", "name": "Ann" });
        refuses_with(change, "number", "BAD_FORMAT", "1 to 32");
    }
    accepts_with(json!({ "number": "Ann.B_c-9" }));
    accepts_with(json!({ "number": "1".repeat(32) }));
}

#[test]
fn a_username_may_hold_a_plus_besides() {
    accepts_with(json!({ "username": "+15551234567" }));
    refuses_with(json!({ "username": "ann smith" }), "username", "BAD_FORMAT", "`+`");
    refuses_with(json!({ "username": "" }), "username", "BAD_FORMAT", "1 to 32");
}

#[test]
fn a_password_is_required_and_not_easily_guessed() {
    refuses_with(json!({ "password": null }), "password", "REQUIRED", "8 to 128");
    refuses_with(json!({ "password": "short12" }), "password", "WEAK_PASSWORD", "8 to 128");
    refuses_with(
        json!({ "number": "10001000", "password": "10001000" }),
        "password",
        "WEAK_PASSWORD",
        "guessed",
    );
    refuses_with(
        json!({ "username": "annsmith", "password": "AnnSmith" }),
        "password",
        "WEAK_PASSWORD",
        "guessed",
    );
    refuses_with(json!({ "password": "x".repeat(129) }), "password", "TOO_LONG", "128");
    refuses_with(json!({ "password": "secure\npassword" }), "password", "BAD_FORMAT", "remove it");
    accepts_with(json!({ "password": "8 chärs!" }));
}

#[test]
fn counts_and_times_have_bounds() {
    for (field, low, high) in [("max_contacts", 1, 20), ("ring_timeout", 5, 300)] {
        for value in [low - 1, high + 1] {
            refuses_with(json!({ field: value }), field, "OUT_OF_RANGE", &format!("{low} to {high}"));
        }
        for value in [low, high] {
            accepts_with(json!({ field: value }));
        }
    }
}

#[test]
fn the_number_shown_to_trunks_is_a_telephone_number() {
    refuses_with(json!({ "outbound_cid": "office" }), "outbound_cid", "BAD_FORMAT", "+15551234567");
    accepts_with(json!({ "outbound_cid": "+1 (555) 123-4567" }));
}

#[test]
fn its_name_and_codecs_follow_the_rules_of_trunks() {
    refuses_with(json!({ "name": "" }), "name", "REQUIRED", "1 to 64");
    refuses_with(json!({ "codecs": ["telephone-event"] }), "codecs", "NO_AUDIO_CODEC", "PCMA");
}

#[test]
fn the_networks_that_it_may_be_in_are_networks_and_not_many() {
    let fix = "`192.0.2.0/24`";
    refuses_with(json!({ "allowed_cidrs": ["office"] }), "allowed_cidrs[0]", "BAD_FORMAT", fix);
    refuses_with(json!({ "allowed_cidrs": ["192.0.2.0/33"] }), "allowed_cidrs[0]", "BAD_FORMAT", fix);
    let many: Vec<String> = (0..65).map(|n| format!("192.0.2.{n}")).collect();
    refuses_with(json!({ "allowed_cidrs": many }), "allowed_cidrs", "TOO_MANY", "wider");
    let config = config([(
        Extension,
        9,
        with(extension(), json!({ "allowed_cidrs": ["192.0.2.9/24", "2001:db8::1"] })),
    )]);
    let extension = &config.extensions[&ExtensionId(id(9))];
    assert_eq!(
        serde_json::to_value(&extension.allowed_cidrs).unwrap(),
        json!(["192.0.2.0/24", "2001:db8::1/128"])
    );
    for (address, may) in
        [("192.0.2.200", true), ("::ffff:192.0.2.1", true), ("192.0.3.1", false), ("2001:db8::2", false)]
    {
        assert_eq!(extension.may_be_at(address.parse().unwrap()), may, "{address}");
    }
}

#[test]
fn groups_have_names_and_are_not_many() {
    refuses_with(json!({ "groups": ["Sales", ""] }), "groups[1]", "REQUIRED", "1 to 64");
    refuses_with(json!({ "groups": ["x".repeat(65)] }), "groups[0]", "TOO_LONG", "64");
    refuses_with(json!({ "groups": ["a", "b", "a"] }), "groups[2]", "DUPLICATE_VALUE", "remove one");
    let many: Vec<String> = (0..33).map(|n| n.to_string()).collect();
    refuses_with(json!({ "groups": many }), "groups", "TOO_MANY", "up to 32");
    accepts_with(json!({ "groups": many[..32] }));
}

#[test]
fn there_is_no_voicemail_yet() {
    refuses_with(json!({ "voicemail": true }), "voicemail", "NOT_SUPPORTED", "`false`");
    accepts_with(json!({ "voicemail": false }));
}

#[test]
fn its_transport_is_one_of_four() {
    refuses_with(json!({ "transport": "ws" }), "transport", "UNKNOWN_VALUE", "`tls`");
    for transport in ["any", "udp", "tcp", "tls"] {
        accepts_with(json!({ "transport": transport }));
    }
}

#[test]
fn what_it_forwards_to_can_be_dialled_and_is_another() {
    for field in ["forward_busy", "forward_no_answer", "forward_unregistered"] {
        refuses_with(json!({ field: "" }), field, "BAD_FORMAT", "leave the field out");
        refuses_with(json!({ field: "a@b" }), field, "BAD_FORMAT", "before `@`");
        refuses_with(json!({ "number": "1000", field: "1000" }), field, "LOOP", "another number");
        accepts_with(json!({ "number": "1000", field: "+15551234567" }));
        accepts_with(json!({ field: null }));
    }
}

#[test]
fn its_direct_token_is_not_short_and_its_own_within_the_tenant() {
    for token in ["", "1234567", "with-dash-8", &"x".repeat(65)] {
        refuses_with(json!({ "direct_token": token }), "direct_token", "BAD_FORMAT", "8 to 64 letters");
    }
    accepts_with(json!({ "direct_token": "abcDEF12" }));
    accepts_with(json!({ "direct_token": null }));
    let token = json!({ "direct_token": "abcDEF12" });
    let base = config([
        (Extension, 1, with(extension(), token.clone())),
        (tandem_model::Kind::Tenant, 2, json!({ "name": "Acme" })),
    ]);
    let other =
        with(extension(), json!({ "number": "2000", "username": "2000", "direct_token": "abcDEF12" }));
    refuses(&base, Extension, 9, other.clone(), (Conflict, "direct_token", "TOKEN_TAKEN", "another token"));
    accepts(&base, Extension, 9, with(other, json!({ "tenant_id": id(2) })));
    for (domain, token, found) in [
        ("192.0.2.1", "abcDEF12", true),
        ("192.0.2.1", "abcDEF13", false),
        ("acme.registrar.x", "abcDEF12", false),
    ] {
        assert_eq!(base.extension_by_direct_token(domain, token).is_some(), found, "{domain} {token}");
    }
}
