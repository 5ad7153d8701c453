//! What is right by every rule and may not be meant.

use crate::bench::*;
use Kind::{Route, Schedule, Tenant, Trunk};
use serde_json::{Value, json};
use tandem_model::{Config, Kind};

fn house(routes: impl IntoIterator<Item = (u128, Value)>) -> Config {
    let trunk = (Trunk, 1, json!({ "name": "t", "mode": "ip_auth", "host": "192.0.2.1" }));
    let hours = (Schedule, 2, json!({ "name": "hours" }));
    let tenant = (Tenant, 3, json!({ "name": "Acme" }));
    let own =
        (Trunk, 4, json!({ "name": "own", "mode": "ip_auth", "host": "192.0.2.4", "tenant_id": id(3) }));
    let routes = routes.into_iter().map(|(n, more)| {
        let trunk = if more.get("tenant_id").is_some() { 4 } else { 1 };
        (Route, n, with(json!({ "name": n.to_string(), "steps": [{ "trunk_id": id(trunk) }] }), more))
    });
    config([trunk, hours, tenant, own].into_iter().chain(routes))
}

/// Reason and id of each.
fn warnings(config: &Config) -> Vec<(&'static str, Option<u128>)> {
    config.warnings().into_iter().map(|warning| (warning.reason, warning.id.map(|id| id.as_u128()))).collect()
}

fn help() -> (u128, Value) {
    (30, json!({ "emergency": true, "match": { "patterns": ["911"] } }))
}

#[test]
fn a_system_that_calls_out_and_has_no_route_for_emergencies_is_warned_of() {
    assert_eq!(warnings(&house([])), [], "nobody calls out");
    let out = (10, json!({ "match": { "patterns": ["9."] } }));
    assert_eq!(warnings(&house([out.clone()])), [("NO_EMERGENCY_ROUTE", None)]);
    assert_eq!(warnings(&house([out.clone(), help()])), []);
    let off = (30, with(help().1, json!({ "enabled": false })));
    assert_eq!(warnings(&house([out, off])), [("NO_EMERGENCY_ROUTE", None)]);
}

#[test]
fn a_route_behind_one_that_takes_every_call_is_warned_of() {
    let all = |more: Value| (10, with(json!({ "priority": 10 }), more));
    let later = (11, json!({ "priority": 20, "match": { "patterns": ["9."] } }));
    let shadowed = house([all(json!({})), later.clone(), help()]);
    assert_eq!(warnings(&shadowed), [("SHADOWED_ROUTE", Some(11))]);
    let message = &shadowed.warnings()[0].message;
    assert!(message.contains("`11`") && message.contains("`10` with priority 10"), "{message}");
    for more in [
        json!({ "on_exhausted": "next_rule" }),
        json!({ "schedule_id": id(2) }),
        json!({ "match": { "countries": ["US"] } }),
        json!({ "enabled": false }),
        json!({ "priority": 30 }),
        json!({ "priority": 20 }),
    ] {
        assert_eq!(warnings(&house([all(more.clone()), later.clone(), help()])), [], "{more}");
    }
}

#[test]
fn of_two_that_take_everything_the_younger_is_never_reached_and_those_of_others_are() {
    let both = house([(10, json!({})), (11, json!({})), (12, json!({ "tenant_id": id(3) })), help()]);
    assert_eq!(warnings(&both), [("SHADOWED_ROUTE", Some(11))]);
}
