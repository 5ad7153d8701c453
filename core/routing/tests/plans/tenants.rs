//! Calls of tenants: out over what they may use, in to what is theirs.

use crate::bench::{HEALTHY, Health, id};
use serde_json::{Value, json};
use tandem_model::Kind::{Assignment, Extension, InboundRoute, Number, Route, Schedule, Tenant, Trunk};
use tandem_model::{Config, ExtensionId, Kind, TrunkId};
use tandem_routing::{
    Destination, Line, Moment, NoDestination, Onward, Round, Trail, Verdict, from_extension, from_trunk,
};

/// Noon of 26 November 2026, a Thursday, in UTC.
const NOON: Moment = Moment { millis: 1_795_694_400_000, random: 7 };

/// Trunk 1 of the system and 2 besides; Acme (tenant 1) may use trunk 1 with the pool 13322496213 to ...19, and has extensions 100
/// (id 21) and 101 (id 22); Beta (tenant 2) has 16468097069 there and an extension 100 (id 31).
fn house() -> Config {
    let acme = json!({ "name": "Acme", "country": "US", "allowed_countries": ["US"], "default_caller_id": "13322496213" });
    let phone = |tenant: u128, number: &str| json!({ "tenant_id": id(tenant), "number": number, "password": "secure-password" });
    with(
        &Config::default(),
        [
            (Tenant, 1, acme),
            (Tenant, 2, json!({ "name": "Beta" })),
            (Trunk, 1, json!({ "name": "1", "host": "t1.example" })),
            (Trunk, 2, json!({ "name": "2", "host": "t2.example" })),
            (
                Assignment,
                11,
                json!({ "trunk_id": id(1), "tenant_id": id(1), "did_pool": "13322496213-13322496219" }),
            ),
            (Assignment, 12, json!({ "trunk_id": id(1), "tenant_id": id(2), "did_pool": "16468097069" })),
            (Extension, 21, phone(1, "100")),
            (Extension, 22, phone(1, "101")),
            (Extension, 31, phone(2, "100")),
        ],
    )
}

fn with(config: &Config, entities: impl IntoIterator<Item = (Kind, u128, Value)>) -> Config {
    crate::bench::with(config, entities)
}

fn route(n: u128, body: Value) -> (Kind, u128, Value) {
    named(Route, n, json!({ "steps": [{ "trunk_id": id(1) }] }), body)
}

fn inbound(n: u128, body: Value) -> (Kind, u128, Value) {
    named(
        InboundRoute,
        n,
        json!({ "tenant_id": id(1), "destination": { "type": "extension", "extension_id": id(21) } }),
        body,
    )
}

fn named(kind: Kind, n: u128, mut base: Value, body: Value) -> (Kind, u128, Value) {
    base["name"] = json!(n.to_string());
    base.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    (kind, n, base)
}

fn out(config: &Config, extension: u128, dialled: &str) -> Result<Destination, NoDestination> {
    let extension = &config.extensions[&ExtensionId(id(extension))];
    from_extension(config, extension, ("", dialled), NOON, &HEALTHY, &mut Trail::none())
}

fn came(config: &Config, trunk: u128, called: &str) -> Result<Destination, NoDestination> {
    came_at(config, trunk, ("+4930555", called), NOON)
}

fn came_at(
    config: &Config,
    trunk: u128,
    numbers: (&str, &str),
    moment: Moment,
) -> Result<Destination, NoDestination> {
    from_trunk(config, &config.trunks[&TrunkId(id(trunk))], numbers, moment, &HEALTHY, &mut Trail::none())
}

/// Whom a call reaches, in order: `100`, `1:number`, `486`.
fn rounds(destination: Result<Destination, NoDestination>) -> Vec<String> {
    let destination = destination.unwrap_or_else(|none| panic!("{none:?}"));
    let name = |round: Round| match round {
        Round::Extension { extension, .. } => extension.number.clone(),
        Round::Trunk(step) => format!("{}:{}", step.trunk.name, step.number),
        Round::Refuse { code } => code.to_string(),
    };
    destination.rounds.into_iter().map(name).collect()
}

fn forbidden(result: Result<Destination, NoDestination>) -> &'static str {
    match result {
        Err(NoDestination::Forbidden { reason, .. }) => reason,
        other => panic!("not forbidden but {other:?}"),
    }
}

#[test]
fn an_extension_reaches_its_own_tenants_extensions_only() {
    let config = house();
    let destination = out(&config, 31, "100").unwrap();
    assert!(
        matches!(&destination.rounds[..], [Round::Extension { extension, .. }] if extension.id.0 == id(31))
    );
    assert!(matches!(out(&config, 31, "101"), Err(NoDestination::Unmatched { .. })));
}

#[test]
fn a_tenants_routes_come_before_those_of_the_system() {
    let own = route(
        50,
        json!({ "tenant_id": id(1), "priority": 900, "steps": [{ "trunk_id": id(1), "postfix": "#" }] }),
    );
    let config = with(&house(), [route(51, json!({ "priority": 1 }))]);
    assert_eq!(rounds(out(&config, 21, "12125550100")), ["1:+12125550100"]);
    let config = with(&config, [own]);
    assert_eq!(rounds(out(&config, 21, "12125550100")), ["1:+12125550100#"]);
}

#[test]
fn what_is_not_assigned_is_not_used() {
    let config = with(&house(), [route(51, json!({ "steps": [{ "trunk_id": id(2) }] }))]);
    let Err(NoDestination::Unavailable(reasons)) = out(&config, 21, "12125550100") else {
        panic!("it is used")
    };
    assert_eq!(reasons[0].verdict, Verdict::NotAssigned);
    let mute = json!({ "trunk_id": id(2), "tenant_id": id(1), "can_outbound": false });
    let config = with(&config, [(Assignment, 13, mute)]);
    assert!(matches!(out(&config, 21, "12125550100"), Err(NoDestination::Unavailable(_))));
}

/// Acme's own trunk 3, and what its routes make of a number.
fn with_steps(step: Value) -> Config {
    let own = json!({
        "tenant_id": id(1), "name": "Own", "host": "own.example", "username": "a", "password": "secure-password",
        "did_pool": "18005550100",
    });
    let mut step = step;
    step["trunk_id"] = step.get("trunk_id").cloned().unwrap_or(json!(id(1)));
    let out = route(50, json!({ "tenant_id": id(1), "match": { "patterns": ["XXXX."] }, "steps": [step] }));
    with(&house(), [(Trunk, 3, own), out])
}

#[test]
fn the_country_is_asked_of_the_number_that_a_step_makes() {
    let config = with_steps(json!({ "strip": 1 }));
    assert_eq!(rounds(out(&config, 21, "912125550100")), ["1:+12125550100"], "an access code is none of it");
    assert_eq!(forbidden(out(&config, 21, "9442071234567")), "COUNTRY_NOT_ALLOWED");
    assert_eq!(forbidden(out(&config, 21, "900442071234567")), "COUNTRY_NOT_ALLOWED");
    for (step, dialled) in [
        (json!({ "strip": 1, "prepend": "+44" }), "12125550100"),
        (json!({ "prepend": "0044" }), "2125550100"),
        (json!({ "prepend": "44" }), "2125550100"),
        (json!({ "prepend": "44", "postfix": "#" }), "2125550100"),
    ] {
        assert_eq!(forbidden(out(&with_steps(step.clone()), 21, dialled)), "COUNTRY_NOT_ALLOWED", "{step}");
    }
}

#[test]
fn what_is_sent_over_a_shared_trunk_is_what_was_allowed() {
    // Without a country code a carrier could take 44... for another country's.
    let config = with_steps(json!({ "strip": 1 }));
    assert_eq!(rounds(out(&config, 21, "14155550100")), ["1:+14155550100"]);
    let own = with_steps(json!({ "trunk_id": id(3), "prepend": "#31#" }));
    assert_eq!(
        rounds(out(&own, 21, "12125550100")),
        ["Own:#31#12125550100"],
        "its own carrier is told what it likes"
    );
}

#[test]
fn a_number_that_a_tenant_wrote_down_for_its_own_trunk_is_not_shown_over_a_shared_one() {
    let mine = json!({ "outbound_cid": "18005550100" });
    let config = with_steps(json!({}));
    let config = crate::bench::patched(&config, Extension, 21, mine.clone());
    let shown = |config: &Config| match &out(config, 21, "12125550100").unwrap().rounds[..] {
        [Round::Trunk(step)] => step.caller_id.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(shown(&config).as_deref(), Some("13322496213"), "its default, which the system gave it");
    let config = with_steps(json!({ "trunk_id": id(3) }));
    let config = crate::bench::patched(&config, Extension, 21, mine);
    assert_eq!(shown(&config).as_deref(), Some("18005550100"));
}

#[test]
fn no_inbound_route_leads_out_to_where_the_tenant_may_not_call() {
    let away = |number: &str| {
        let destination = json!({ "type": "trunk", "trunk_id": id(1), "number": number });
        let config =
            with(&house(), [inbound(40, json!({ "did": "13322496213", "destination": destination }))]);
        came(&config, 1, "13322496213")
    };
    assert_eq!(forbidden(away("+442071234567")), "COUNTRY_NOT_ALLOWED");
    assert_eq!(rounds(away("+12125550100")), ["1:+12125550100"]);
}

#[test]
fn a_tenant_calls_only_countries_that_it_may() {
    let config = with(&house(), [route(51, json!({}))]);
    assert_eq!(rounds(out(&config, 21, "2125550100")), ["1:+12125550100"]);
    assert_eq!(forbidden(out(&config, 21, "+442071234567")), "COUNTRY_NOT_ALLOWED");
    assert_eq!(
        forbidden(out(&config, 21, "01114165550100")),
        "COUNTRY_NOT_ALLOWED",
        "with 00 as the prefix this is no number"
    );
    assert_eq!(forbidden(out(&config, 21, "+14165550100")), "COUNTRY_NOT_ALLOWED", "Toronto is in Canada");
    assert_eq!(
        forbidden(out(&config, 31, "+12125550100")),
        "COUNTRY_NOT_ALLOWED",
        "who may call nowhere calls nobody"
    );
    let blocked = json!({
        "name": "Acme", "country": "US", "allowed_countries": ["US"], "blocked_prefixes": ["1900"], "default_caller_id": "13322496213",
    });
    let config = with(&config, [(Tenant, 1, blocked)]);
    assert_eq!(forbidden(out(&config, 21, "19005550100")), "PREFIX_BLOCKED");
}

#[test]
fn a_suspended_tenant_still_calls_for_help() {
    let emergency = json!({ "emergency": true, "match": { "patterns": ["911"] }, "priority": 9999, "steps": [{ "trunk_id": id(2) }] });
    let suspended = json!({ "name": "Beta", "status": "suspended" });
    let config = with(&house(), [route(51, json!({})), route(52, emergency), (Tenant, 2, suspended)]);
    assert_eq!(rounds(out(&config, 31, "911")), ["2:911"]);
    for dialled in ["100", "+12125550100"] {
        assert_eq!(forbidden(out(&config, 31, dialled)), "TENANT_SUSPENDED", "{dialled}");
    }
    assert_eq!(forbidden(came(&config, 1, "16468097069")), "TENANT_SUSPENDED");
}

#[test]
fn the_caller_number_is_one_that_the_tenant_owns() {
    let shown =
        |config: &Config, extension: u128| match &out(config, extension, "12125550100").unwrap().rounds[0] {
            Round::Trunk(step) => step.caller_id.clone().unwrap_or_default(),
            other => panic!("{other:?}"),
        };
    let config = with(&house(), [route(51, json!({}))]);
    assert_eq!(shown(&config, 21), "13322496213", "the tenant's default");
    let step = json!({ "tenant_id": id(1), "steps": [{ "trunk_id": id(1), "caller_id": "13322496214" }] });
    let config = with(&config, [route(50, step)]);
    assert_eq!(shown(&config, 21), "13322496214", "the step's");
    let phone = |more: Value| {
        named(
            Extension,
            21,
            json!({ "tenant_id": id(1), "number": "100", "password": "secure-password" }),
            more,
        )
    };
    let config = with(&config, [phone(json!({ "outbound_cid": "13322496215" }))]);
    assert_eq!(shown(&config, 21), "13322496215", "the extension's");
    let by_trunk = json!({ "outbound_cid": "13322496215", "outbound_cid_by_trunk": { id(1).to_string(): "13322496216" } });
    let config = with(&config, [phone(by_trunk)]);
    assert_eq!(shown(&config, 21), "13322496216", "the extension's for this trunk");
}

#[test]
fn who_owns_no_caller_number_uses_no_trunk_of_the_system() {
    let free = json!({ "name": "Beta", "country": "US", "allowed_countries": ["US"] });
    let config = with(&house(), [(Tenant, 2, free), route(51, json!({}))]);
    let Err(NoDestination::Unavailable(reasons)) = out(&config, 31, "12125550100") else {
        panic!("it is used")
    };
    assert_eq!(reasons[0].verdict, Verdict::NoCallerId);
}

#[test]
fn a_route_asks_for_prefixes_lengths_extensions_and_countries() {
    for (asks, dialled, takes) in [
        (json!({ "prefixes": ["1212", "1213"] }), "12125550100", true),
        (json!({ "prefixes": ["1213"] }), "12125550100", false),
        (json!({ "lengths": [7, 11] }), "12125550100", true),
        (json!({ "lengths": [7] }), "12125550100", false),
        (json!({ "extensions": ["100-120"] }), "12125550100", true),
        (json!({ "extensions": ["101", "200-300"] }), "12125550100", false),
        (json!({ "countries": ["US"] }), "+12125550100", true),
        (json!({ "countries": ["DE"] }), "+12125550100", false),
        (json!({ "patterns": ["1NXXNXXXXXX"], "prefixes": ["1212"] }), "+12125550100", true),
    ] {
        let config = with(&house(), [route(51, json!({ "match": asks }))]);
        assert_eq!(out(&config, 21, dialled).is_ok(), takes, "{asks} {dialled}");
    }
}

#[test]
fn a_pattern_takes_a_number_in_any_of_its_forms() {
    let config = with(&house(), [route(51, json!({ "match": { "patterns": ["1NXXNXXXXXX"] } }))]);
    for (dialled, sent) in
        [("12125550100", "12125550100"), ("+12125550100", "12125550100"), ("2125550100", "12125550100")]
    {
        assert_eq!(rounds(out(&config, 21, dialled)), [format!("1:+{sent}")], "{dialled}");
    }
}

#[test]
fn a_schedule_closes_a_route_but_none_for_emergencies() {
    let evenings = json!({ "name": "Evenings", "hours": [{ "from": "18:00", "to": "22:00" }] });
    let config = with(&house(), [(Schedule, 60, evenings), route(51, json!({ "schedule_id": id(60) }))]);
    assert!(matches!(out(&config, 21, "12125550100"), Err(NoDestination::Unmatched { .. })));
    let config = with(&config, [route(51, json!({ "schedule_id": id(60), "emergency": true }))]);
    assert!(out(&config, 21, "12125550100").is_ok());
}

#[test]
fn chance_orders_steps_by_their_weights_and_the_same_chance_the_same_way() {
    let steps = json!([{ "trunk_id": id(1), "weight": 900 }, { "trunk_id": id(2), "weight": 100 }]);
    let phone = json!({ "number": "9", "password": "secure-password" });
    let base = with(&house(), [(Extension, 41, phone)]);
    let first = |strategy: &str, random: u64| {
        let config = with(&base, [route(51, json!({ "strategy": strategy, "steps": steps }))]);
        let moment = Moment { random, ..NOON };
        let extension = &config.extensions[&ExtensionId(id(41))];
        let found =
            from_extension(&config, extension, ("", "12125550100"), moment, &HEALTHY, &mut Trail::none());
        rounds(found)[0].clone()
    };
    for (strategy, least, most) in [("prioritized", 300, 300), ("weighted", 250, 290), ("random", 120, 180)] {
        let ones = (0..300).filter(|n| first(strategy, *n).starts_with("1:")).count();
        assert!((least..=most).contains(&ones), "{strategy}: {ones}");
    }
    assert_eq!(first("random", 5), first("random", 5));
}

#[test]
fn a_step_without_a_weight_has_that_of_its_trunk() {
    let steps = json!([{ "trunk_id": id(1) }, { "trunk_id": id(2) }]);
    let heavy = json!({ "name": "1", "host": "t1.example", "weight": 900 });
    let base = with(
        &house(),
        [(Trunk, 1, heavy), (Extension, 41, json!({ "number": "9", "password": "secure-password" }))],
    );
    let config = with(&base, [route(51, json!({ "strategy": "weighted", "steps": steps }))]);
    let extension = &config.extensions[&ExtensionId(id(41))];
    let first = |random: u64| {
        let moment = Moment { random, ..NOON };
        let found =
            from_extension(&config, extension, ("", "12125550100"), moment, &HEALTHY, &mut Trail::none());
        rounds(found)[0].clone()
    };
    let ones = (0..300).filter(|n| first(*n).starts_with("1:")).count();
    assert!(ones >= 285, "900 to 10: {ones}");
}

#[test]
fn a_pool_tells_whose_call_it_is() {
    let config = with(
        &house(),
        [
            inbound(70, json!({ "did": "13322496214" })),
            (
                InboundRoute,
                71,
                json!({ "tenant_id": id(2), "name": "b", "destination": { "type": "extension", "extension_id": id(31) } }),
            ),
        ],
    );
    let whom = |called: &str| match &came(&config, 1, called).unwrap().rounds[..] {
        [Round::Extension { extension, .. }] => extension.id.0,
        other => panic!("{other:?}"),
    };
    assert_eq!(whom("+13322496214"), id(21));
    assert_eq!(whom("16468097069"), id(31));
    for called in ["13322496215", "13322496220", "100"] {
        assert!(matches!(came(&config, 1, called), Err(NoDestination::Unmatched { .. })), "{called}");
    }
    assert!(
        matches!(came(&config, 2, "13322496214"), Err(NoDestination::Unmatched { .. })),
        "it came over another trunk"
    );
}

#[test]
fn a_tenant_that_takes_no_calls_over_a_trunk_gets_none() {
    let mute = json!({ "trunk_id": id(1), "tenant_id": id(1), "did_pool": "13322496213-13322496219", "can_inbound": false });
    let config = with(&house(), [inbound(70, json!({ "did": "*" })), (Assignment, 11, mute)]);
    assert!(matches!(came(&config, 1, "13322496214"), Err(NoDestination::Unmatched { .. })));
}

#[test]
fn the_most_particular_route_comes_first_then_the_one_for_the_caller() {
    let config = with(
        &house(),
        [
            inbound(70, json!({ "did": "*", "destination": { "type": "hangup", "code": 470 } })),
            inbound(71, json!({ "did": "1332*", "destination": { "type": "hangup", "code": 471 } })),
            inbound(
                72,
                json!({ "did": "13322496214-13322496216", "destination": { "type": "hangup", "code": 472 } }),
            ),
            inbound(
                73,
                json!({ "did": "13322496214", "priority": 5, "destination": { "type": "hangup", "code": 473 } }),
            ),
            inbound(
                74,
                json!({ "did": "13322496214", "caller": "+4930*", "priority": 9, "destination": { "type": "hangup", "code": 474 } }),
            ),
        ],
    );
    let code = |caller: &str, called: &str| rounds(came_at(&config, 1, (caller, called), NOON));
    assert_eq!(code("+4930555", "13322496214"), ["474"]);
    assert_eq!(code("+4989555", "13322496214"), ["473"]);
    assert_eq!(code("+4989555", "13322496215"), ["472"]);
    assert_eq!(code("+4989555", "13322496219"), ["471"]);
}

#[test]
fn hours_and_holidays_send_a_call_elsewhere() {
    let office = json!({
        "name": "Office", "tenant_id": id(1), "hours": [{ "from": "09:00", "to": "17:00" }], "holidays": [{ "date": "2026-11-27" }],
    });
    let route = json!({
        "schedule_id": id(60), "out_of_hours": { "type": "extension", "extension_id": id(22) }, "holiday": { "type": "busy" },
    });
    let config = with(&house(), [(Schedule, 60, office), inbound(70, route)]);
    let at = |hours: u64| {
        let moment = Moment { millis: NOON.millis + hours * 3_600_000, ..NOON };
        rounds(came_at(&config, 1, ("", "13322496214"), moment))
    };
    assert_eq!(
        (at(0), at(6), at(24)),
        (vec!["100".to_owned()], vec!["101".to_owned()], vec!["486".to_owned()])
    );
}

#[test]
fn nobody_there_goes_on_to_the_next_rule_and_busy_does_not() {
    let config = with(
        &house(),
        [
            inbound(70, json!({ "did": "13322496214", "no_answer_timeout": 10 })),
            inbound(
                71,
                json!({ "did": "*", "destination": { "type": "extension", "extension_id": id(22) } }),
            ),
        ],
    );
    let destination = came(&config, 1, "13322496214").unwrap();
    let told = destination.rounds.iter().map(|round| match round {
        Round::Extension { extension, ring_timeout, onward, .. } => {
            (extension.number.as_str(), *ring_timeout, onward.clone())
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), [("100", 10, Onward::NoAnswer), ("101", 25, Onward::Never)]);
}

#[test]
fn a_rule_may_say_itself_what_follows_no_answer() {
    let route = json!({ "no_answer": { "type": "trunk", "trunk_id": id(1), "number": "16468090000" } });
    let config = with(
        &house(),
        [inbound(70, route), inbound(71, json!({ "did": "1332*", "destination": { "type": "busy" } }))],
    );
    assert_eq!(rounds(came(&config, 1, "13322496214")), ["486"], "the more particular one");
    let config = with(
        &house(),
        [inbound(
            70,
            json!({ "no_answer": { "type": "trunk", "trunk_id": id(1), "number": "16468090000" } }),
        )],
    );
    assert_eq!(rounds(came(&config, 1, "13322496214")), ["100", "1:16468090000"]);
}

#[test]
fn a_range_of_numbers_rings_an_extension_for_each() {
    let range = json!({ "did": "13322496213-13322496214", "destination": { "type": "extension_range", "first": "100" } });
    let config = with(&house(), [inbound(70, range)]);
    assert_eq!(rounds(came(&config, 1, "13322496213")), ["100"]);
    assert_eq!(rounds(came(&config, 1, "+13322496214")), ["101"]);
}

#[test]
fn a_number_of_its_own_comes_after_the_routes_that_ask_for_exactly_it() {
    let number = json!({ "tenant_id": id(1), "number": "+13322496214", "extension_id": id(22) });
    let range = json!({ "did": "13322496213-13322496219" });
    let config = with(&house(), [(Number, 80, number), inbound(70, range)]);
    assert_eq!(rounds(came(&config, 1, "13322496214")), ["101"]);
    let config = with(&config, [inbound(71, json!({ "did": "13322496214" }))]);
    assert_eq!(rounds(came(&config, 1, "13322496214")), ["100", "101"]);
}

#[test]
fn a_route_may_send_a_call_where_a_device_would_get_by_dialling() {
    let config = with(
        &house(),
        [
            route(51, json!({})),
            inbound(
                70,
                json!({ "did": "13322496214", "destination": { "type": "number", "number": "101" } }),
            ),
            inbound(
                71,
                json!({ "did": "13322496215", "destination": { "type": "number", "number": "12125550100" } }),
            ),
            inbound(
                72,
                json!({ "did": "13322496216", "destination": { "type": "number", "number": "+442071234567" } }),
            ),
        ],
    );
    assert_eq!(rounds(came(&config, 1, "13322496214")), ["101"]);
    assert_eq!(rounds(came(&config, 1, "13322496215")), ["1:+12125550100"]);
    assert_eq!(forbidden(came(&config, 1, "13322496216")), "COUNTRY_NOT_ALLOWED");
}

#[test]
fn a_number_of_the_house_is_reached_from_within_as_from_outside() {
    let config = with(
        &house(),
        [
            route(51, json!({})),
            inbound(
                70,
                json!({ "did": "13322496214", "destination": { "type": "extension", "extension_id": id(22) } }),
            ),
            inbound(71, json!({ "did": "*", "trunk_id": id(1), "destination": { "type": "busy" } })),
        ],
    );
    for dialled in ["13322496214", "3322496214", "+13322496214"] {
        assert_eq!(rounds(out(&config, 21, dialled)), ["101", "486"], "{dialled}");
    }
    assert_eq!(rounds(out(&config, 21, "13322496215")), ["486"], "it is in the pool, and the rest takes it");
    assert_eq!(rounds(out(&config, 21, "13322496220")), ["1:+13322496220"], "it is not in the pool");
}

#[test]
fn numbers_that_lead_to_each_other_lead_nowhere() {
    let to = |number: &str| json!({ "type": "number", "number": number });
    let config = with(
        &house(),
        [
            inbound(70, json!({ "did": "13322496214", "destination": to("13322496215") })),
            inbound(71, json!({ "did": "13322496215", "destination": to("13322496214") })),
        ],
    );
    assert_eq!(came(&config, 1, "13322496214"), Err(NoDestination::Disabled));
    assert_eq!(out(&config, 21, "13322496214"), Err(NoDestination::Disabled));
}

#[test]
fn an_international_number_is_never_taken_for_a_local_one() {
    let berlin = json!({
        "name": "Acme", "country": "DE", "area_code": "30", "allowed_countries": ["DE"], "default_caller_id": "13322496213",
    });
    let config =
        with(&house(), [(Tenant, 1, berlin), route(51, json!({ "match": { "patterns": ["49."] } }))]);
    assert_eq!(rounds(out(&config, 21, "004912345")), ["1:+4912345"]);
}

#[test]
fn who_asks_is_told_of_every_rule_kept_and_skipped() {
    let config = with(
        &house(),
        [
            route(51, json!({ "match": { "patterns": ["49."] } })),
            route(52, json!({ "steps": [{ "trunk_id": id(2) }, { "trunk_id": id(1) }] })),
        ],
    );
    let mut trail = Trail::full();
    let extension = &config.extensions[&ExtensionId(id(21))];
    from_extension(&config, extension, ("", "12125550100"), NOON, &Health(&[]), &mut trail).unwrap();
    let told = |line: Line| (line.name, line.step.map(|(n, _)| n), line.kept, line.why);
    let lines: Vec<_> = trail.into_lines().into_iter().map(told).collect();
    let line = |name: &str, step, kept, why: &str| (name.to_owned(), step, kept, why.to_owned());
    assert_eq!(
        lines,
        [
            line("51", None, false, "does not take the number"),
            line("52", None, true, "takes 12125550100"),
            line("52", Some(1), false, "is not assigned to the tenant for outgoing calls"),
            line("52", Some(2), true, "will be tried"),
        ]
    );
}
