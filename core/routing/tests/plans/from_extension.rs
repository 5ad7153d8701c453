//! Calls by our extensions.

use crate::bench::*;
use serde_json::json;
use tandem_routing::NoDestination;

fn extension_rung(result: Result<Destination, NoDestination>) -> String {
    match result {
        Ok(Destination::Extension(extension)) => extension.number.clone(),
        other => panic!("no extension but {other:?}"),
    }
}

#[test]
fn an_extension_rings_when_its_number_is_dialled() {
    assert_eq!(extension_rung(from_extension(&base(), "1000", &HEALTHY)), "1000");
}

#[test]
fn an_extension_comes_before_every_route() {
    let config = with(&base(), [route(20, "", &[1], json!({ "priority": 0 }))]);
    assert_eq!(extension_rung(from_extension(&config, "1000", &HEALTHY)), "1000");
}

#[test]
fn an_extension_that_is_switched_off_is_not_called_elsewhere() {
    let config = with(&base(), [route(20, "", &[1], json!({}))]);
    assert_eq!(from_extension(&config, "2000", &HEALTHY), Err(NoDestination::Disabled));
}

#[test]
fn our_own_number_stays_in_the_house_however_it_is_dialled() {
    let own = (Number, 30, json!({ "number": "+1 555 123 4567", "extension_id": id(11) }));
    let config = with(&base(), [own, route(20, "", &[1], json!({}))]);
    for dialled in ["+15551234567", "0015551234567", "15551234567", "1 (555) 123-4567"] {
        assert_eq!(extension_rung(from_extension(&config, dialled, &HEALTHY)), "1000", "{dialled}");
    }
    assert_eq!(trunks(&plan(&config, "+15551234568", &HEALTHY)), ["1"]);
}

#[test]
fn our_own_number_may_reach_a_trunk() {
    let own = (Number, 30, json!({ "number": "+1 555 123 4567", "trunk_id": id(3) }));
    let config = with(&base(), [own, route(20, "", &[1], json!({}))]);
    let plan = plan(&config, "0015551234567", &HEALTHY);
    assert_eq!((trunks(&plan), plan.steps[0].number.as_str()), (vec!["3"], "+1 555 123 4567"));
    assert_eq!(plan.steps[0].route(), None);
}

#[test]
fn a_route_sends_what_strip_and_prepend_leave_of_the_number() {
    let steps = json!([
        { "trunk_id": id(1), "strip": 1, "prepend": "+", "timeout": 7 },
        { "trunk_id": id(2), "strip": 2 },
        { "trunk_id": id(3), "prepend": "00" },
    ]);
    let config = with(&base(), [route(20, "91X.", &[], json!({ "steps": steps }))]);
    let plan = plan(&config, "915551234567", &HEALTHY);
    let sent: Vec<_> =
        plan.steps.iter().map(|step| (step.number.as_str(), step.timeout, step.step)).collect();
    assert_eq!(sent, [("+15551234567", 7, 1), ("5551234567", 60, 2), ("00915551234567", 60, 3)]);
    assert!(
        plan.steps
            .iter()
            .all(|step| step.route() == Some((step.route_id, step.step)) && step.route_id.0 == id(20))
    );
}

#[test]
fn any_of_several_patterns_may_match() {
    let config = with(&base(), [route(20, "", &[1], json!({ "match": { "patterns": ["911", "112"] } }))]);
    for dialled in ["911", "112"] {
        assert_eq!(trunks(&plan(&config, dialled, &HEALTHY)), ["1"]);
    }
    assert!(matches!(
        from_extension(&config, "110", &HEALTHY),
        Err(NoDestination::Unmatched { nearest: None })
    ));
}

#[test]
fn a_route_that_is_switched_off_matches_nothing() {
    let config = with(&base(), [route(20, "", &[1], json!({ "enabled": false }))]);
    assert_eq!(from_extension(&config, "5551234", &HEALTHY), Err(NoDestination::Unmatched { nearest: None }));
}

#[test]
fn names_are_dialled_by_routes_as_well_as_numbers() {
    let config = with(&base(), [route(20, "sales", &[1], json!({}))]);
    assert_eq!(plan(&config, "sales", &HEALTHY).steps[0].number, "sales");
}

#[test]
fn stripping_cuts_characters_and_not_bytes() {
    let steps = json!([{ "trunk_id": id(1), "strip": 1 }]);
    let config = with(&base(), [route(20, "9.", &[], json!({ "steps": steps }))]);
    assert_eq!(plan(&config, "9é1", &HEALTHY).steps[0].number, "é1");
}
