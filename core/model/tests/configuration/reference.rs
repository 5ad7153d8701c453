//! Deleting, and what refers to what.

use crate::bench::*;
use serde_json::json;
use tandem_model::{Change, Config};

fn base() -> Config {
    config([
        (Trunk, 1, trunk()),
        (Extension, 2, extension()),
        (Route, 3, route(1)),
        (Number, 4, json!({ "number": "+15551234567", "extension_id": id(2) })),
        (Number, 5, json!({ "number": "+15557654321", "trunk_id": id(1) })),
    ])
}

#[test]
fn what_is_in_use_is_not_deleted_and_its_users_are_named() {
    let rejection = base().apply(&[Change::Delete(Trunk, id(1))]).unwrap_err();
    only(&rejection, (Conflict, "", "REFERENCED", "delete them too"), "trunk");
    let message = &rejection.problems[0].message;
    assert!(message.contains("route `Out`") && message.contains("+15557654321"), "{message}");

    let rejection = base().apply(&[Change::Delete(Extension, id(2))]).unwrap_err();
    only(&rejection, (Conflict, "", "REFERENCED", "delete them too"), "extension");
    assert!(rejection.problems[0].message.contains("number +15551234567"), "{rejection}");
}

#[test]
fn what_is_deleted_together_may_go() {
    let changes = [(Trunk, 1), (Route, 3), (Number, 5), (Number, 4), (Extension, 2)];
    let config = base().apply(&changes.map(|(kind, n)| Change::Delete(kind, id(n)))).unwrap();
    assert!(config.trunks.is_empty() && config.extensions.is_empty() && config.numbers.is_empty());
    assert!(config.routes_of(None).is_empty());
}

#[test]
fn a_reference_may_be_moved_in_the_same_change() {
    let other = with(trunk(), json!({ "name": "other", "username": "other" }));
    let changes = [
        Change::Delete(Trunk, id(1)),
        put(Trunk, 6, other),
        put(Route, 3, route(6)),
        put(Number, 5, json!({ "number": "+15557654321", "trunk_id": id(6) })),
    ];
    assert!(base().apply(&changes).is_ok());
}

#[test]
fn many_users_are_counted_not_listed() {
    let numbers = (10..40u128).map(|n| (Number, n, json!({ "number": n.to_string(), "trunk_id": id(1) })));
    let config = config([(Trunk, 1, trunk())].into_iter().chain(numbers));
    let rejection = config.apply(&[Change::Delete(Trunk, id(1))]).unwrap_err();
    assert!(rejection.problems[0].message.ends_with("and 20 more"), "{rejection}");
}

#[test]
fn what_is_not_there_cannot_be_deleted() {
    for kind in [Trunk, Route, Extension, Number] {
        let rejection = base().apply(&[Change::Delete(kind, id(99))]).unwrap_err();
        only(&rejection, (NotFound, "", "NOT_FOUND", "list"), "gone");
    }
    let twice = [Change::Delete(Route, id(3)), Change::Delete(Route, id(3))];
    let rejection = base().apply(&twice).unwrap_err();
    only(&rejection, (NotFound, "[1]", "NOT_FOUND", "list"), "twice");
}
