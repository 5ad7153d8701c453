//! Which route comes first, and where the collection ends.

use crate::bench::*;
use serde_json::json;

#[test]
fn a_lower_priority_number_comes_first() {
    let config = with(
        &base(),
        [
            route(20, "", &[1], json!({ "priority": 20, "on_exhausted": "next_rule" })),
            route(21, "", &[2], json!({ "priority": 10, "on_exhausted": "next_rule" })),
        ],
    );
    assert_eq!(trunks(&plan(&config, "5551234", &HEALTHY)), ["2", "1"]);
}

#[test]
fn of_equal_priority_the_longer_literal_prefix_comes_first_then_the_older() {
    let on = json!({ "on_exhausted": "next_rule" });
    let config = with(
        &base(),
        [
            route(20, "", &[1], on.clone()),
            route(21, "+1XXX.", &[2], on.clone()),
            route(22, "+1212.", &[3], on.clone()),
            route(23, "+12.", &[1, 2], json!({ "priority": 101, "on_exhausted": "next_rule" })),
        ],
    );
    let of = |dialled| {
        plan(&config, dialled, &HEALTHY).reasons.iter().map(|r| r.route_id.0.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(of("+12125551234"), [22, 21, 20, 23, 23]);
    assert_eq!(of("+13125551234"), [21, 20]);
    let config = with(&config, [route(19, "+1XXX.", &[3], on)]);
    assert_eq!(trunks(&plan(&config, "+13125551234", &HEALTHY)), ["3", "2", "1"]);
}

#[test]
fn the_pattern_that_matched_says_how_specific_a_route_is() {
    let on = json!({ "on_exhausted": "next_rule" });
    let several = json!({ "match": { "patterns": ["+49151.", "+1."] }, "on_exhausted": "next_rule" });
    let config = with(&base(), [route(20, "", &[1], several), route(21, "+12.", &[2], on)]);
    assert_eq!(trunks(&plan(&config, "+12125551234", &HEALTHY)), ["2", "1"]);
}

#[test]
fn stop_ends_the_collection_and_next_rule_goes_on() {
    let config = with(
        &base(),
        [
            route(20, "", &[1], json!({ "priority": 1, "on_exhausted": "next_rule" })),
            route(21, "", &[2], json!({ "priority": 2, "on_exhausted": "stop" })),
            route(22, "", &[3], json!({ "priority": 3, "on_exhausted": "next_rule" })),
        ],
    );
    assert_eq!(trunks(&plan(&config, "5551234", &HEALTHY)), ["1", "2"]);
}

#[test]
fn a_route_that_stops_does_so_even_when_none_of_its_trunks_can_be_tried() {
    let config = with(
        &base(),
        [
            route(20, "", &[4], json!({ "priority": 1, "on_exhausted": "stop" })),
            route(21, "", &[1], json!({ "priority": 2 })),
        ],
    );
    assert!(unavailable(&config, "5551234", &HEALTHY).steps.is_empty());
}

#[test]
fn three_routes_of_one_provider_each_are_tried_in_turn() {
    let provider = |n: u128, trunk: u128, priority: u32| {
        (Route, n, json!({ "name": "r", "provider_id": id(trunk), "priority": priority }))
    };
    let config = with(&base(), [provider(20, 3, 3), provider(21, 1, 1), provider(22, 2, 2)]);
    assert_eq!(trunks(&plan(&config, "+15551234567", &HEALTHY)), ["1", "2", "3"]);
}
