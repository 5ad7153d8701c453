//! Rules on the fields of a number.

use crate::bench::*;
use serde_json::json;
use tandem_model::Config;

fn base() -> Config {
    config([(Trunk, 1, trunk()), (Extension, 2, extension())])
}

#[test]
fn a_number_has_digits() {
    for number in ["", "office", "+", "1x2", &"1".repeat(33)] {
        let body = json!({ "number": number, "extension_id": id(2) });
        refuses(&base(), Number, 9, body, (Invalid, "number", "BAD_FORMAT", "+15551234567"));
    }
}

#[test]
fn a_number_is_kept_as_written() {
    let config = accepts(&base(), Number, 9, json!({ "number": "+1 (555) 123-4567", "extension_id": id(2) }));
    let found = config.number(None, "15551234567").unwrap();
    assert_eq!(found.number, "+1 (555) 123-4567");
}

#[test]
fn a_number_reaches_one_thing_or_what_an_inbound_route_says() {
    accepts(&base(), Number, 9, json!({ "number": "1" }));
    let both = json!({ "number": "1", "extension_id": id(2), "trunk_id": id(1) });
    refuses(&base(), Number, 9, both, (Invalid, "trunk_id", "CONFLICTING_FIELDS", "only one"));
    accepts(&base(), Number, 9, json!({ "number": "1", "trunk_id": id(1) }));
}

#[test]
fn what_it_reaches_exists() {
    let body = json!({ "number": "1", "extension_id": id(7) });
    refuses(&base(), Number, 9, body, (Invalid, "extension_id", "UNKNOWN_EXTENSION", "exists"));
    let body = json!({ "number": "1", "trunk_id": id(7) });
    refuses(&base(), Number, 9, body, (Invalid, "trunk_id", "UNKNOWN_TRUNK", "exists"));
}

#[test]
fn its_label_is_a_label() {
    let body = json!({ "number": "1", "trunk_id": id(1), "name": "x".repeat(65) });
    refuses(&base(), Number, 9, body, (Invalid, "name", "TOO_LONG", "64"));
}
