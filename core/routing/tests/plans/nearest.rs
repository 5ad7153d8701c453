//! The number that somebody may have meant.

use crate::bench::*;
use serde_json::json;
use tandem_model::Config;
use tandem_routing::NoDestination;

fn house() -> Config {
    let number = |n: u128, text: &str| (Number, n, json!({ "number": text, "extension_id": id(11) }));
    with(&base(), [number(30, "+15551234567"), number(31, "03012345"), number(32, "77")])
}

fn nearest(called: &str) -> Option<String> {
    match from_trunk(&house(), called, &HEALTHY) {
        Err(NoDestination::Unmatched { nearest }) => nearest,
        other => panic!("{called} is matched: {other:?}"),
    }
}

#[test]
fn digits_in_front_are_named_whichever_side_has_them() {
    for (called, expected) in [
        ("5551234567", "+15551234567 (differs only by the leading 1)"),
        ("1234567", "+15551234567 (differs only by the leading 1555)"),
        ("01115551234567", "+15551234567 (differs only by the leading 011)"),
        ("+115551234567", "+15551234567 (differs only by the leading 1)"),
        ("05551234567", "+15551234567 (differs only by the leading 1 in place of 0)"),
        ("3012345", "03012345 (differs only by the leading 0)"),
        ("493012345", "03012345 (differs only by the leading 0 in place of 49)"),
    ] {
        assert_eq!(nearest(called).as_deref().unwrap_or("nothing"), expected, "{called}");
    }
}

#[test]
fn one_slip_is_recognised() {
    for called in [
        "15551234576",
        "15551234568",
        "1555123456",
        "155512345677",
        "25551234567",
        "15515234567",
        "155501234567",
    ] {
        assert_eq!(nearest(called).as_deref(), Some("+15551234567 (differs by one digit)"), "{called}");
    }
}

#[test]
fn what_resembles_nothing_has_no_nearest() {
    for called in ["4420123456", "15551234599", "78", "567", "777", "office"] {
        assert_eq!(nearest(called), None, "{called}");
    }
}

#[test]
fn an_extension_that_misdials_our_own_number_is_told_as_well() {
    let Err(NoDestination::Unmatched { nearest }) = from_extension(&house(), "5551234567", &HEALTHY) else {
        panic!()
    };
    assert_eq!(nearest.as_deref(), Some("+15551234567 (differs only by the leading 1)"));
}

#[test]
fn among_a_hundred_thousand_numbers_the_nearest_is_found_without_reading_them_all() {
    let number = |n: u128| {
        (Number, n + 100, json!({ "number": (15_550_000_000 + 2 * n).to_string(), "extension_id": id(11) }))
    };
    let config = with(&base(), (0..100_000u128).map(number));
    // Whoever compares each call with each number will notice that this test takes minutes.
    for _ in 0..200 {
        let result = from_trunk(&config, "99999999999999999999999999999999", &HEALTHY);
        assert_eq!(result, Err(NoDestination::Unmatched { nearest: None }));
    }
}
