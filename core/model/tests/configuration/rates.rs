//! Rate tables, and what refers to them.

use crate::bench::*;
use Kind::{RateTable, Route, Tenant, Trunk};
use serde_json::{Value, json};
use tandem_model::{Config, Kind};

fn table(rates: Value) -> Value {
    json!({ "name": "Carrier", "rates": rates })
}

#[test]
fn the_fields_of_a_rate_table_are_checked() {
    let nothing = Config::default();
    let one = |more: Value| table(json!([with(json!({ "prefix": "49", "per_minute": "0.01" }), more)]));
    for (body, field, reason, fix) in [
        (json!({}), "name", "REQUIRED", "1 to 64"),
        (with(table(json!([])), json!({ "currency": "euro" })), "currency", "BAD_FORMAT", "EUR"),
        (one(json!({ "prefix": "+49" })), "rates[0].prefix", "BAD_FORMAT", "without `+`"),
        (one(json!({ "prefix": "0049" })), "rates[0].prefix", "BAD_FORMAT", "without `+`"),
        (one(json!({ "prefix": "" })), "rates[0].prefix", "BAD_FORMAT", "1 to 15"),
        (one(json!({ "per_minute": "1,5" })), "rates[0].per_minute", "BAD_FORMAT", "0.0125"),
        (one(json!({ "per_minute": 0.01 })), "rates[0].per_minute", "WRONG_TYPE", "double quotes"),
        (one(json!({ "increment": 0 })), "rates[0].increment", "OUT_OF_RANGE", "1 to 3600"),
        (
            one(json!({ "first_date": "2026-02-01", "last_date": "2026-01-01" })),
            "rates[0].last_date",
            "BAD_RANGE",
            "before the first",
        ),
        (
            table(json!([
                { "prefix": "49", "per_minute": "0.01" },
                { "prefix": "1", "per_minute": "0.01" },
                { "prefix": "49", "per_minute": "0.02", "first_date": "2026-07-01" },
            ])),
            "rates[2].prefix",
            "DUPLICATE_VALUE",
            "end before",
        ),
    ] {
        refuses(&nothing, RateTable, 1, body, (Invalid, field, reason, fix));
    }
    let dated = json!([
        { "prefix": "49", "per_minute": "0.02", "first_date": "2026-07-01" },
        { "prefix": "49", "per_minute": "0.01", "last_date": "2026-06-30" },
    ]);
    config([(RateTable, 1, table(dated))]);
}

#[test]
fn a_trunk_names_a_rate_table_that_is_there_and_keeps_it_there() {
    let trunk = json!({ "name": "t", "mode": "ip_auth", "host": "192.0.2.1", "cost_table_id": id(1) });
    let nothing = Config::default();
    let unknown = (Invalid, "cost_table_id", "UNKNOWN_RATE_TABLE", "create it first");
    refuses(&nothing, Trunk, 2, trunk.clone(), unknown);
    let both = config([(RateTable, 1, table(json!([]))), (Trunk, 2, trunk)]);
    let refused = both.apply(&[tandem_model::Change::Delete(RateTable, id(1))]).unwrap_err();
    assert_eq!(refused.problems[0].reason, "REFERENCED");
    assert!(refused.problems[0].message.contains("trunk `t`"));
}

#[test]
fn amounts_are_text_with_six_places_at_most() {
    let nothing = Config::default();
    let tenant = |limit: Value| json!({ "name": "Acme", "max_daily_cost": limit });
    refuses(&nothing, Tenant, 1, tenant(json!("-1")), (Invalid, "max_daily_cost", "BAD_FORMAT", "0.0125"));
    refuses(
        &nothing,
        Tenant,
        1,
        tenant(json!(20)),
        (Invalid, "max_daily_cost", "WRONG_TYPE", "double quotes"),
    );
    let minutes = json!({ "name": "Acme", "max_daily_intl_minutes": 10_000_001 });
    refuses(
        &nothing,
        Tenant,
        1,
        minutes,
        (Invalid, "max_daily_intl_minutes", "OUT_OF_RANGE", "0 to 10000000"),
    );
    let trunk = json!({ "name": "t", "mode": "ip_auth", "host": "192.0.2.1" });
    let some = config([(Trunk, 2, trunk)]);
    let route = json!({ "name": "r", "steps": [{ "trunk_id": id(2) }], "max_per_minute": "0.1234567" });
    refuses(&some, Route, 3, route, (Invalid, "max_per_minute", "BAD_FORMAT", "six places"));
    let kept = config([(Tenant, 1, tenant(json!("20.5")))]);
    let shown = kept.all(Tenant)[0].to_json();
    assert_eq!(shown["max_daily_cost"], "20.50");
}
