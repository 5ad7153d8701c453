//! Routes that look at what calls cost, and at how well trunks answer.

use crate::bench::*;

use serde_json::{Value, json};
use tandem_model::{Config, Kind::RateTable};
use tandem_routing::{NoDestination, Verdict};

/// Trunk 1 costs 3 cents to +1 and 5 to +1900, trunk 2 costs 2 and 9, trunk 3 has no prices.
fn priced(more: Value) -> Config {
    let table = |n: u128, prices: [(&str, &str); 2]| {
        let rates = prices.map(|(prefix, price)| json!({ "prefix": prefix, "per_minute": price }));
        (RateTable, n, json!({ "name": n.to_string(), "rates": rates }))
    };
    let config = with(
        &base(),
        [
            table(31, [("1", "0.03"), ("1900", "0.05")]),
            table(32, [("1", "0.02"), ("1900", "0.09")]),
            route(20, "", &[3, 1, 2], more),
        ],
    );
    let config = patched(&config, Trunk, 1, json!({ "cost_table_id": id(31) }));
    patched(&config, Trunk, 2, json!({ "cost_table_id": id(32) }))
}

#[test]
fn the_cheapest_trunk_for_the_number_comes_first_and_one_without_a_price_last() {
    let config = priced(json!({ "strategy": "least_cost" }));
    assert_eq!(trunks(&plan(&config, "+12125551234", &HEALTHY)), ["2", "1", "3"]);
    assert_eq!(trunks(&plan(&config, "+19005551234", &HEALTHY)), ["1", "2", "3"]);
    assert_eq!(trunks(&plan(&config, "+493012345", &HEALTHY)), ["3", "1", "2"], "as they stand");
}

#[test]
fn a_step_carries_the_country_and_the_price_that_it_was_chosen_by() {
    let config = priced(json!({}));
    let steps = plan(&config, "+19005551234", &HEALTHY).steps;
    let of = |n: usize| {
        let charge = steps[n].charge.as_ref()?;
        Some((charge.prefix.as_str(), charge.per_minute.to_string(), charge.currency.as_str()))
    };
    assert_eq!((of(0), of(1)), (None, Some(("1900", "0.05".to_owned(), "USD"))));
    assert_eq!(steps[0].country, Some("US"));
}

#[test]
fn what_is_dearer_than_the_route_allows_or_has_no_price_is_not_tried() {
    let config = priced(json!({ "max_per_minute": "0.02" }));
    let made = plan(&config, "+12125551234", &HEALTHY);
    assert_eq!(verdicts(&made), [(3, Verdict::TooDear), (1, Verdict::TooDear), (2, Verdict::Kept)]);
    let nothing = unavailable(&config, "+19005551234", &HEALTHY);
    assert!(nothing.reasons.iter().all(|reason| reason.verdict == Verdict::TooDear));
}

#[test]
fn whoever_calls_for_help_pays_no_regard_to_prices() {
    let config = priced(json!({ "max_per_minute": "0.01", "emergency": true }));
    assert_eq!(trunks(&plan(&config, "+12125551234", &HEALTHY)).len(), 3);
    let dear = priced(json!({ "max_per_minute": "0.01" }));
    assert!(matches!(from_extension(&dear, "+12125551234", &HEALTHY), Err(NoDestination::Unavailable(_))));
}

#[test]
fn trunks_that_have_just_failed_come_last() {
    let config = priced(json!({ "strategy": "health" }));
    assert_eq!(trunks(&plan(&config, "+12125551234", &HEALTHY)), ["3", "1", "2"]);
    assert_eq!(trunks(&plan(&config, "+12125551234", &Impaired(&[3, 1]))), ["2", "3", "1"]);
}
