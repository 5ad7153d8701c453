//! Which trunks are kept and which are skipped, and the reason for each.

use crate::bench::*;
use serde_json::json;
use tandem_routing::Verdict;

#[test]
fn what_is_down_full_or_switched_off_is_skipped_with_its_reason() {
    let steps = json!([
        { "trunk_id": id(1) }, { "trunk_id": id(2) }, { "trunk_id": id(3) }, { "trunk_id": id(4) },
        { "trunk_id": id(3), "enabled": false, "prepend": "9" },
    ]);
    let config = with(&base(), [route(20, "", &[], json!({ "steps": steps }))]);
    let plan = plan(&config, "5551234", &Health(&[(1, Down), (2, Full)]));
    assert_eq!(trunks(&plan), ["3"]);
    let expected = [
        (1, Verdict::Down),
        (2, Verdict::Full),
        (3, Verdict::Kept),
        (4, Verdict::TrunkDisabled),
        (3, Verdict::StepDisabled),
    ];
    assert_eq!(verdicts(&plan), expected);
    assert_eq!(plan.reasons.iter().map(|reason| reason.step).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[test]
fn when_all_are_down_they_are_tried_in_hope() {
    let config = with(&base(), [route(20, "", &[1, 4, 2, 3], json!({}))]);
    let plan = plan(&config, "5551234", &Health(&[(1, Down), (2, Full), (3, Down)]));
    assert_eq!(trunks(&plan), ["1", "3"]);
    let expected =
        [(1, Verdict::Hopeful), (4, Verdict::TrunkDisabled), (2, Verdict::Full), (3, Verdict::Hopeful)];
    assert_eq!(verdicts(&plan), expected);
}

#[test]
fn a_trunk_that_is_up_in_a_later_route_ends_the_hope_in_an_earlier_one() {
    let config = with(
        &base(),
        [
            route(20, "", &[1], json!({ "priority": 1, "on_exhausted": "next_rule" })),
            route(21, "", &[2], json!({ "priority": 2 })),
        ],
    );
    let plan = plan(&config, "5551234", &Health(&[(1, Down)]));
    assert_eq!(verdicts(&plan), [(1, Verdict::Down), (2, Verdict::Kept)]);
    assert_eq!(trunks(&plan), ["2"]);
}

#[test]
fn full_and_disabled_trunks_are_never_tried() {
    let config = with(&base(), [route(20, "", &[1, 4], json!({}))]);
    let plan = unavailable(&config, "5551234", &Health(&[(1, Full)]));
    assert!(plan.steps.is_empty());
    assert_eq!(verdicts(&plan), [(1, Verdict::Full), (4, Verdict::TrunkDisabled)]);
}

#[test]
fn the_same_number_is_not_sent_to_the_same_trunk_twice() {
    let again = json!([{ "trunk_id": id(1) }, { "trunk_id": id(1), "prepend": "00" }, { "trunk_id": id(2) }]);
    let config = with(
        &base(),
        [
            route(20, "", &[1, 1], json!({ "priority": 1, "on_exhausted": "next_rule" })),
            route(21, "", &[], json!({ "priority": 2, "steps": again })),
        ],
    );
    let up = plan(&config, "5551234", &HEALTHY);
    let sent: Vec<_> = up.steps.iter().map(|step| (step.trunk.name.as_str(), step.number.as_str())).collect();
    assert_eq!(sent, [("1", "5551234"), ("1", "005551234"), ("2", "5551234")]);
    assert_eq!(verdicts(&up)[..3], [(1, Verdict::Kept), (1, Verdict::Duplicate), (1, Verdict::Duplicate)]);

    let hopeful = plan(&config, "5551234", &Health(&[(1, Down), (2, Down)]));
    assert_eq!(trunks(&hopeful), ["1", "1", "2"]);
    assert_eq!(
        verdicts(&hopeful)[..3],
        [(1, Verdict::Hopeful), (1, Verdict::Duplicate), (1, Verdict::Duplicate)]
    );

    let down = plan(&config, "5551234", &Health(&[(1, Down)]));
    assert_eq!(verdicts(&down).iter().filter(|(_, verdict)| *verdict == Verdict::Down).count(), 4);
}

#[test]
fn a_disabled_step_does_not_make_a_later_one_a_duplicate() {
    let steps = json!([{ "trunk_id": id(1), "enabled": false }, { "trunk_id": id(1) }]);
    let config = with(&base(), [route(20, "", &[], json!({ "steps": steps }))]);
    let plan = plan(&config, "5551234", &HEALTHY);
    assert_eq!(verdicts(&plan), [(1, Verdict::StepDisabled), (1, Verdict::Kept)]);
}
