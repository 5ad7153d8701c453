//! Calls that come in over a trunk.

use crate::bench::*;
use serde_json::{Value, json};
use tandem_model::Config;
use tandem_routing::{NoDestination, Verdict};

fn house(more: Value) -> Config {
    let mut number = json!({ "number": "+1 555 123 4567" });
    number.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    with(&base(), [(Number, 30, number), route(20, "", &[1], json!({}))])
}

#[test]
fn a_number_rings_its_extension_however_the_provider_writes_it() {
    let config = house(json!({ "extension_id": id(11) }));
    for called in ["+15551234567", "15551234567", "0015551234567", "+1 555 123 4567", "+1.555.123.4567"] {
        let destination = from_trunk(&config, called, &HEALTHY).unwrap();
        let Destination::Extension(extension) = destination else { panic!("{destination:?}") };
        assert_eq!(extension.number, "1000");
    }
}

#[test]
fn a_number_goes_out_over_its_trunk_as_it_is_written_in_the_configuration() {
    let config = house(json!({ "trunk_id": id(3) }));
    let Destination::Trunks(plan) = from_trunk(&config, "15551234567", &HEALTHY).unwrap() else {
        panic!("no plan")
    };
    assert_eq!(
        (trunks(&plan), plan.steps[0].number.as_str(), plan.steps[0].timeout),
        (vec!["3"], "+1 555 123 4567", 60)
    );
    assert_eq!(plan.steps[0].route(), None);
    assert_eq!(verdicts(&plan), [(3, Verdict::Kept)]);
}

#[test]
fn the_only_trunk_of_a_number_is_tried_even_when_it_is_down() {
    let config = house(json!({ "trunk_id": id(3) }));
    let down = Health(&[(3, Down)]);
    let Destination::Trunks(plan) = from_trunk(&config, "15551234567", &down).unwrap() else {
        panic!("no plan")
    };
    assert_eq!(verdicts(&plan), [(3, Verdict::Hopeful)]);
    assert_eq!(trunks(&plan), ["3"]);
}

#[test]
fn a_full_trunk_takes_no_call_of_a_number() {
    let config = house(json!({ "trunk_id": id(3) }));
    let Err(NoDestination::Unavailable(reasons)) = from_trunk(&config, "15551234567", &Health(&[(3, Full)]))
    else {
        panic!("it is available")
    };
    assert_eq!(reasons.iter().map(|reason| reason.verdict).collect::<Vec<_>>(), [Verdict::Full]);
}

#[test]
fn what_is_switched_off_is_said_to_be_disabled() {
    for config in [house(json!({ "extension_id": id(12) })), house(json!({ "trunk_id": id(4) }))] {
        assert_eq!(from_trunk(&config, "15551234567", &HEALTHY), Err(NoDestination::Disabled));
    }
}

#[test]
fn a_number_that_is_not_in_force_reaches_nothing_and_is_named() {
    let config = house(json!({ "extension_id": id(11), "enabled": false }));
    let Err(NoDestination::Unmatched { nearest }) = from_trunk(&config, "15551234567", &HEALTHY) else {
        panic!("it reaches something")
    };
    assert_eq!(nearest.as_deref(), Some("+1 555 123 4567 (disabled)"));
}

#[test]
fn nothing_that_comes_in_goes_out_by_the_routes_or_to_an_extension_by_its_number() {
    let config = house(json!({ "extension_id": id(11) }));
    for called in ["5559999", "1000", "911"] {
        assert_eq!(
            from_trunk(&config, called, &HEALTHY),
            Err(NoDestination::Unmatched { nearest: None }),
            "{called}"
        );
    }
}

#[test]
fn what_is_no_number_matches_nothing() {
    let config = house(json!({ "extension_id": id(11) }));
    for called in ["", "office", "1555123456x", "+", "٣"] {
        assert_eq!(
            from_trunk(&config, called, &HEALTHY),
            Err(NoDestination::Unmatched { nearest: None }),
            "{called}"
        );
    }
}
