//! Rules on what comes from a trunk: its addresses, where numbers are, variables.

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
fn a_number_is_in_a_place_that_is_known() {
    for source in ["auto", "request_uri", "to", "diversion", "p_called_party_id", "header:X-DID"] {
        accepts_with(json!({ "did_source": source }));
    }
    for source in ["auto", "from", "pai", "rpid", "header:P-CID"] {
        accepts_with(json!({ "cid_source": source }));
    }
    for (field, others) in [("did_source", "`p_called_party_id`"), ("cid_source", "`rpid`")] {
        for source in ["", "X-DID", "header:", "header:a b", "header:a\r\nb"] {
            refuses_with(json!({ field: source }), field, "BAD_FORMAT", others);
        }
    }
    let shown = Entity::create(Trunk, id(9), with(trunk(), json!({ "did_source": "header:X-DID" }))).unwrap();
    assert_eq!(shown.to_json()["did_source"], "header:X-DID");
    assert_eq!(Entity::from_stored(Trunk, shown.to_stored()).unwrap(), shown);
}

#[test]
fn a_pattern_is_a_regular_expression_of_linear_time() {
    for field in ["did_pattern", "cid_pattern"] {
        accepts_with(json!({ field: "^<sip:\\+?([0-9]+)@" }));
        accepts_with(json!({ field: "x".repeat(255) }));
        for pattern in ["(", "[", "*", "(?=a)", "(a)\\1", "(?<!a)b"] {
            refuses_with(json!({ field: pattern }), field, "BAD_FORMAT", "write it as");
        }
        for pattern in ["".to_owned(), "x".repeat(256), "a\r\n".to_owned()] {
            refuses_with(json!({ field: pattern }), field, "BAD_FORMAT", "shorten it");
        }
        refuses_with(json!({ field: "((a{99}){99}){99}" }), field, "BAD_FORMAT", "smaller repetitions");
    }
    let entity = Entity::create(Trunk, id(9), with(trunk(), json!({ "did_pattern": "did=(.*)" }))).unwrap();
    assert_eq!(Entity::from_stored(Trunk, entity.to_stored()).unwrap(), entity);
}

#[test]
fn delimiters_stand_alone_and_are_something() {
    accepts_with(json!({ "did_delimiters": { "after": "<sip:", "before": "@" } }));
    accepts_with(json!({ "cid_delimiters": { "after": "cid=" } }));
    for which in ["did", "cid"] {
        let (field, pattern) = (format!("{which}_delimiters"), format!("{which}_pattern"));
        refuses_with(json!({ &field: {} }), &field, "REQUIRED", "`after`");
        let both = json!({ &field: { "after": "x" }, &pattern: "x" });
        refuses_with(both, &field, "CONFLICTING_FIELDS", "only one");
        refuses_with(json!({ &field: { "after": "a\nb" } }), &field, "BAD_FORMAT", "255");
        refuses_with(json!({ &field: { "before": "x".repeat(256) } }), &field, "BAD_FORMAT", "255");
        refuses_with(
            json!({ &field: { "begin": "x" } }),
            &format!("{field}.begin"),
            "UNKNOWN_FIELD",
            "`before`",
        );
    }
}

#[test]
fn an_inbound_extension_can_be_dialled() {
    for extension in ["1001", "office1", "+15551234567", "auto_to_user", "auto"] {
        accepts_with(json!({ "inbound_extension": extension }));
    }
    for extension in ["a b", "<1>", "1\r\n"] {
        refuses_with(
            json!({ "inbound_extension": extension }),
            "inbound_extension",
            "BAD_FORMAT",
            "remove it",
        );
    }
}

#[test]
fn variables_have_names_and_values_of_one_line() {
    for field in ["inbound_context_vars", "outbound_vars"] {
        accepts_with(json!({ field: { "tenant": "7", "sip_h_X-Account": "9" } }));
        for name in ["", "a b", "a${b}", "é"] {
            let at = format!("{field}.{name}");
            refuses_with(json!({ field: { name: "x" } }), &at, "BAD_FORMAT", "letters, digits");
        }
        for name in ["sip_h_Via", "sip_h_", "sip_h_Content-Type"] {
            let at = format!("{field}.{name}");
            refuses_with(json!({ field: { name: "x" } }), &at, "RESERVED_HEADER", "another header");
        }
        for value in ["a\r\nb".to_owned(), "x".repeat(256)] {
            let at = format!("{field}.tenant");
            refuses_with(json!({ field: { "tenant": value } }), &at, "BAD_FORMAT", "one line");
        }
        let many: Value = (0..65).map(|n| (format!("v{n:02}"), json!("x"))).collect();
        refuses_with(json!({ field: many }), field, "TOO_MANY", "64");
    }
}

#[test]
fn who_may_be_the_trunk_or_challenge_us_is_named_in_bounds() {
    accepts_with(json!({ "associated_hosts": ["sbc1.example", "192.0.2.1:5080", "[2001:db8::1]:5060"] }));
    refuses_with(
        json!({ "associated_hosts": ["a.example", "a b"] }),
        "associated_hosts[1]",
        "BAD_FORMAT",
        "write",
    );
    let many: Vec<String> = (0..17).map(|n| format!("h{n}.example")).collect();
    refuses_with(json!({ "associated_hosts": many }), "associated_hosts", "TOO_MANY", "`associated_ips`");
    accepts_with(json!({ "challengers": ["192.0.2.0/24", "2001:db8::1"] }));
    refuses_with(json!({ "challengers": ["0.0.0.0/0"] }), "challengers[0]", "NETWORK_TOO_WIDE", "networks");
    refuses_with(json!({ "challengers": ["sbc.example"] }), "challengers[0]", "BAD_FORMAT", "192.0.2.0/24");
}

#[test]
fn some_digest_algorithm_is_left() {
    for algorithms in [json!(["MD5"]), json!(["SHA-256"]), json!(["SHA-256", "MD5"])] {
        accepts_with(json!({ "auth_algorithms": algorithms }));
    }
    refuses_with(json!({ "auth_algorithms": [] }), "auth_algorithms", "REQUIRED", "`SHA-256`");
    let twice = json!({ "auth_algorithms": ["MD5", "MD5"] });
    refuses_with(twice, "auth_algorithms[1]", "DUPLICATE_VALUE", "remove one");
    refuses_with(json!({ "auth_algorithms": ["SHA-1"] }), "auth_algorithms[0]", "UNKNOWN_VALUE", "SHA-256");
}
