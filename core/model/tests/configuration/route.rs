//! Rules on the fields of a route.

use crate::bench::*;
use serde_json::{Value, json};
use tandem_model::Config;

fn one_trunk() -> Config {
    config([(Trunk, 1, trunk())])
}

fn refuses_step(patterns: Value, step: Value, field: &str, reason: &str, fix: &str) {
    let body = json!({ "name": "r", "match": { "patterns": patterns }, "steps": [with(json!({ "trunk_id": id(1) }), step)] });
    refuses(&one_trunk(), Route, 9, body, (Invalid, field, reason, fix));
}

fn accepts_step(patterns: Value, step: Value) {
    let body = json!({ "name": "r", "match": { "patterns": patterns }, "steps": [with(json!({ "trunk_id": id(1) }), step)] });
    accepts(&one_trunk(), Route, 9, body);
}

#[test]
fn a_route_has_a_name_and_a_priority_up_to_9999() {
    refuses(
        &one_trunk(),
        Route,
        9,
        with(route(1), json!({ "name": "" })),
        (Invalid, "name", "REQUIRED", "1 to 64"),
    );
    let late = with(route(1), json!({ "priority": 10_000 }));
    refuses(&one_trunk(), Route, 9, late, (Invalid, "priority", "OUT_OF_RANGE", "0 to 9999"));
    for priority in [0, 9999] {
        accepts(&one_trunk(), Route, 9, with(route(1), json!({ "priority": priority })));
    }
}

#[test]
fn a_route_has_1_to_6_steps() {
    let of = |n: usize| json!({ "name": "r", "steps": vec![json!({ "trunk_id": id(1) }); n] });
    refuses(&one_trunk(), Route, 9, of(0), (Invalid, "steps", "OUT_OF_RANGE", "next_rule"));
    refuses(&one_trunk(), Route, 9, of(7), (Invalid, "steps", "OUT_OF_RANGE", "next_rule"));
    accepts(&one_trunk(), Route, 9, of(6));
}

#[test]
fn each_step_names_a_trunk_that_exists() {
    let body = json!({ "name": "r", "steps": [{ "trunk_id": id(1) }, { "trunk_id": id(7) }] });
    refuses(&one_trunk(), Route, 9, body, (Invalid, "steps[1].trunk_id", "UNKNOWN_TRUNK", "exists"));
}

#[test]
fn stripping_leaves_something_of_every_number() {
    let too_long = "STRIP_TOO_LONG";
    refuses_step(json!(["9XXX", "9."]), json!({ "strip": 2 }), "steps[0].strip", too_long, "at most 1");
    refuses_step(json!(["911"]), json!({ "strip": 3 }), "steps[0].strip", too_long, "at most 2");
    refuses_step(json!([]), json!({ "strip": 1 }), "steps[0].strip", too_long, "patterns of longer numbers");
    refuses_step(json!([]), json!({ "strip": 31 }), "steps[0].strip", "OUT_OF_RANGE", "0 to 30");
    accepts_step(json!(["9."]), json!({ "strip": 1 }));
    accepts_step(json!([format!("{}.", "X".repeat(30))]), json!({ "strip": 30 }));
}

#[test]
fn what_is_put_before_a_number_can_be_dialled() {
    for prepend in [" ", "a;b", "@", "\r\n", "é", &"1".repeat(33)] {
        refuses_step(
            json!([]),
            json!({ "prepend": prepend }),
            "steps[0].prepend",
            "BAD_FORMAT",
            "at most 32",
        );
    }
    for prepend in ["", "+1", "*67#", "tech.1_a-B", &"1".repeat(32)] {
        accepts_step(json!([]), json!({ "prepend": prepend }));
    }
}

#[test]
fn a_step_may_take_2_to_300_seconds() {
    for timeout in [1, 301] {
        refuses_step(
            json!([]),
            json!({ "timeout": timeout }),
            "steps[0].timeout",
            "OUT_OF_RANGE",
            "2 to 300",
        );
    }
    for timeout in [2, 300] {
        accepts_step(json!([]), json!({ "timeout": timeout }));
    }
}

#[test]
fn a_route_may_end_calls_but_none_for_help() {
    let config = config([(Trunk, 1, trunk())]);
    let with_minutes = |minutes: u32, emergency: bool| json!({ "name": "Out", "steps": [{ "trunk_id": id(1) }], "max_minutes": minutes, "emergency": emergency });
    let range = (Invalid, "max_minutes", "OUT_OF_RANGE", "0 to 10080");
    refuses(&config, Route, 2, with_minutes(10_081, false), range);
    let never = (Invalid, "max_minutes", "CONFLICTING_FIELDS", "leave `max_minutes` out");
    refuses(&config, Route, 2, with_minutes(60, true), never);
    accepts(&config, Route, 2, with_minutes(60, false));
    accepts(&config, Route, 2, with_minutes(0, true));
}

#[test]
fn an_empty_prefix_is_refused_and_nothing_else_of_the_route() {
    let config = config([(Trunk, 1, json!({ "name": "t", "mode": "ip_auth", "host": "192.0.2.1" }))]);
    let route = json!({ "name": "r", "match": { "prefixes": [""] }, "steps": [{ "trunk_id": id(1) }] });
    refuses(&config, Route, 2, route, (Invalid, "match.prefixes[0]", "BAD_FORMAT", "1 to 32 digits"));
}
