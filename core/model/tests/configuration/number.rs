//! Rules on the fields of a number.

use crate::bench::*;
use serde_json::json;
use tandem_model::{Config, Entity, NumberId, NumberStatus, NumberType};

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

#[test]
fn its_sort_and_status_follow_from_what_is_said_of_it() {
    for (body, kind, status) in [
        (json!({ "number": "+15551234567" }), NumberType::Geographic, NumberStatus::Assigned),
        (json!({ "number": "100" }), NumberType::Private, NumberStatus::Assigned),
        (json!({ "number": "100", "extension_id": id(2) }), NumberType::Private, NumberStatus::Active),
        (json!({ "number": "100", "enabled": false }), NumberType::Private, NumberStatus::Disabled),
        (
            json!({ "number": "+15551234567", "status": "active" }),
            NumberType::Geographic,
            NumberStatus::Assigned,
        ),
        (json!({ "number": "+8991234567", "type": "virtual" }), NumberType::Virtual, NumberStatus::Assigned),
        (
            json!({ "number": "+15551234567", "status": "available" }),
            NumberType::Geographic,
            NumberStatus::Available,
        ),
    ] {
        let config = accepts(&base(), Number, 9, body.clone());
        let number = &config.numbers[&NumberId(id(9))];
        assert_eq!((number.kind, number.status), (kind, status), "{body}");
        assert_eq!(number.enabled, status.is_in_force(), "{body}");
    }
}

#[test]
fn one_that_was_stored_before_there_was_a_status_has_one() {
    for (enabled, status) in [(true, NumberStatus::Active), (false, NumberStatus::Disabled)] {
        let stored = json!({
            "id": id(9), "number": "+15551234567", "tenant_id": null, "name": null, "extension_id": id(2), "trunk_id": null,
            "enabled": enabled,
        });
        let Entity::Number(number) = Entity::from_stored(Number, stored).unwrap() else { unreachable!() };
        assert_eq!(
            (number.enabled, number.status, number.kind, number.t38),
            (enabled, status, NumberType::Geographic, true)
        );
    }
}

#[test]
fn it_is_switched_by_either_of_two_names() {
    let number =
        Entity::create(Number, id(9), json!({ "number": "+15551234567", "extension_id": id(2) })).unwrap();
    let off = number.patch(json!({ "enabled": false })).unwrap();
    assert_eq!(off, number.patch(json!({ "status": "disabled" })).unwrap());
    assert_eq!(off.patch(json!({ "enabled": true })).unwrap(), number);
    assert_eq!(off.patch(json!({ "status": "active" })).unwrap(), number);
    assert_eq!(off.patch(json!({ "enabled": null })).unwrap(), number);
}
