//! Classes of service: what may stand in one, and who may have it.

use crate::bench::*;
use Kind::{ClassOfService, Tenant};
use serde_json::{Value, json};
use tandem_model::{Change, Config, Kind};

const ACME: u128 = 101;
const BETA: u128 = 102;

fn tenants() -> Config {
    config([(Tenant, ACME, json!({ "name": "Acme" })), (Tenant, BETA, json!({ "name": "Beta" }))])
}

fn class(denied: Value) -> Value {
    json!({ "name": "Hall", "tenant_id": id(ACME), "denied": denied })
}

#[test]
fn a_class_says_something_that_can_be_asked_of_a_number() {
    let many: Vec<String> = (0..257).map(|n| n.to_string()).collect();
    for (body, field, reason, fix) in [
        (json!({ "denied": { "prefixes": ["00"] } }), "name", "REQUIRED", "1 to 64"),
        (json!({ "name": "Hall" }), "allowed", "REQUIRED", "`denied`"),
        (class(json!({ "countries": ["UK"] })), "denied.countries[0]", "UNKNOWN_COUNTRY", "capitals"),
        (class(json!({ "prefixes": ["1 9"] })), "denied.prefixes[0]", "BAD_FORMAT", "1 to 32 digits"),
        (class(json!({ "patterns": ["1.9"] })), "denied.patterns[0]", "BAD_FORMAT", "move it to the end"),
        (class(json!({ "kinds": ["premium"] })), "denied.kinds[0]", "UNKNOWN_VALUE", "international"),
        (class(json!({ "numbers": ["1"] })), "denied.numbers", "UNKNOWN_FIELD", "prefixes"),
        (class(json!({ "prefixes": many })), "denied.prefixes", "TOO_MANY", "fewer"),
        (
            json!({ "name": "Hall", "allowed": { "kinds": ["national"] } }),
            "allowed.kinds",
            "CONFLICTING_FIELDS",
            "`countries`",
        ),
    ] {
        refuses(&tenants(), ClassOfService, 9, body, (Invalid, field, reason, fix));
    }
    accepts(&tenants(), ClassOfService, 9, class(json!({ "kinds": ["international", "service"] })));
    accepts(&tenants(), ClassOfService, 9, json!({ "name": "Hall", "allowed": { "countries": ["DE"] } }));
}

#[test]
fn an_extension_has_a_class_of_its_own_tenant_which_then_stays() {
    let config = tenants();
    let config = accepts(&config, ClassOfService, 1, class(json!({ "prefixes": ["00"] })));
    let with_class =
        |tenant: u128| with(extension(), json!({ "tenant_id": id(tenant), "class_of_service_id": id(1) }));
    let refused = (Invalid, "class_of_service_id", "UNKNOWN_CLASS_OF_SERVICE", "that exists");
    refuses(&config, Extension, 9, with_class(BETA), refused);
    let config = accepts(&config, Extension, 9, with_class(ACME));
    let gone = config.apply(&[Change::Delete(ClassOfService, id(1))]).unwrap_err();
    assert_eq!(reasons(&gone), [("", "REFERENCED")]);
    assert!(
        gone.problems[0].message.contains("class of service `Hall` is used by extension `1000`"),
        "{gone}"
    );
}

#[test]
fn what_comes_later_is_refused_by_name() {
    let config = config([(Trunk, 1, trunk())]);
    let out = |pin: &str| with(route(1), json!({ "pin_class": pin }));
    refuses(
        &config,
        Route,
        2,
        out("0198c0de"),
        (Invalid, "pin_class", "UNKNOWN_VALUE", "come with call flows"),
    );
    accepts(&config, Route, 2, out("none"));
}
