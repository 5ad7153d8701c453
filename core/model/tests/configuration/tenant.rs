//! Tenants: what belongs to whom, and that nobody learns of anybody else.

use crate::bench::*;
use Kind::{Assignment, InboundRoute, Schedule, Tenant};
use serde_json::{Value, json};
use tandem_model::{Change, Config, Interval, Kind, TenantId, TrunkId};

const ACME: u128 = 101;
const BETA: u128 = 102;

/// Trunk 1 of the system, assigned to Acme (pool 13322496213 to ...19) and to Beta (16468097069); Acme has a trunk of its own, 2.
fn two_tenants() -> Config {
    config([
        (Tenant, ACME, json!({ "name": "Acme" })),
        (Tenant, BETA, json!({ "name": "Beta" })),
        (Trunk, 1, json!({ "name": "Carrier", "host": "sip.carrier.example" })),
        (Trunk, 2, json!({ "name": "Own", "host": "pbx.acme.example", "tenant_id": id(ACME) })),
        (Assignment, 11, assignment(ACME, "13322496213-13322496219")),
        (Assignment, 12, assignment(BETA, "16468097069")),
    ])
}

fn assignment(tenant: u128, pool: &str) -> Value {
    json!({ "trunk_id": id(1), "tenant_id": id(tenant), "did_pool": pool })
}

fn of(tenant: u128, body: Value) -> Value {
    with(body, json!({ "tenant_id": id(tenant) }))
}

#[test]
fn a_tenant_has_a_slug_made_of_its_name() {
    let config = config([(Tenant, 1, json!({ "name": "Müller & Sons" }))]);
    let slug = &config.tenants[&TenantId(id(1))].slug;
    assert_eq!(slug, "m-ller---sons");
    assert!(config.tenant_of_domain("M-LLER---SONS.registrar.voip.example").is_some());
    assert!(config.tenant_of_domain("registrar.voip.example").is_none());
}

#[test]
fn the_fields_of_a_tenant_are_checked() {
    let nobody = Config::default();
    for (change, field, reason, fix) in [
        (json!({ "slug": "A" }), "slug", "BAD_FORMAT", "2 to 31"),
        (json!({ "slug": "9a" }), "slug", "BAD_FORMAT", "letter first"),
        (json!({ "sip_domain": "sip:acme.example" }), "sip_domain", "BAD_FORMAT", "`acme.example`"),
        (json!({ "timezone": "Berlin" }), "timezone", "UNKNOWN_TIMEZONE", "Europe/Berlin"),
        (json!({ "country": "us" }), "country", "UNKNOWN_COUNTRY", "capitals"),
        (json!({ "allowed_countries": ["US", "UK"] }), "allowed_countries[1]", "UNKNOWN_COUNTRY", "`US`"),
        (json!({ "blocked_prefixes": ["+1900"] }), "blocked_prefixes[0]", "BAD_FORMAT", "1 to 15 digits"),
        (json!({ "international_prefix": "" }), "international_prefix", "BAD_FORMAT", "1 to 6 digits"),
        (json!({ "area_code": "x" }), "area_code", "BAD_FORMAT", "digits"),
        (json!({ "default_caller_id": "office" }), "default_caller_id", "BAD_FORMAT", "+15551234567"),
        (json!({ "max_cps": 100_001 }), "max_cps", "OUT_OF_RANGE", "100000"),
        (json!({ "retention_days": 36_501 }), "retention_days", "OUT_OF_RANGE", "36500"),
        (
            json!({ "outbound_schedule_id": id(9) }),
            "outbound_schedule_id",
            "UNKNOWN_SCHEDULE",
            "create it first",
        ),
    ] {
        refuses(&nobody, Tenant, 1, with(json!({ "name": "Acme" }), change), (Invalid, field, reason, fix));
    }
    refuses(&nobody, Tenant, 1, json!({}), (Invalid, "name", "REQUIRED", "1 to 64"));
}

#[test]
fn slugs_and_domains_are_one_tenants() {
    let base = config([(Tenant, ACME, json!({ "name": "Acme", "sip_domain": "Voice.acme.example" }))]);
    let twin = json!({ "name": "acme" });
    refuses(&base, Tenant, BETA, twin, (Conflict, "slug", "SLUG_TAKEN", "its own"));
    let twin = json!({ "name": "Beta", "sip_domain": "voice.ACME.example" });
    refuses(&base, Tenant, BETA, twin, (Conflict, "sip_domain", "DOMAIN_TAKEN", "another domain"));
    assert_eq!(base.tenant_of_domain("voice.acme.EXAMPLE").unwrap().id.0, id(ACME));
}

#[test]
fn each_tenant_has_its_own_names_extensions_and_short_numbers() {
    let mut config = two_tenants();
    for (n, tenant) in [(20, ACME), (30, BETA)] {
        config = accepts(&config, Extension, n, of(tenant, extension()));
        config = accepts(
            &config,
            Trunk,
            n + 1,
            of(tenant, with(trunk(), json!({ "host": format!("t{n}.example") }))),
        );
        config = accepts(&config, Number, n + 2, of(tenant, json!({ "number": "100" })));
    }
    assert_eq!(config.extension_by_number(Some(TenantId(id(ACME))), "1000").unwrap().id.0, id(20));
    assert_eq!(config.extension_by_username(Some(TenantId(id(BETA))), "1000").unwrap().id.0, id(30));
    assert!(config.extension_by_number(None, "1000").is_none() && config.only_extension("1000").is_none());
    assert_eq!(config.number(Some(TenantId(id(BETA))), "100").unwrap().id.0, id(32));
}

#[test]
fn a_long_number_is_one_tenants_only() {
    let config = accepts(&two_tenants(), Number, 40, of(ACME, json!({ "number": "+49301234567" })));
    let twin = of(BETA, json!({ "number": "0049301234567" }));
    refuses(&config, Number, 41, twin, (Conflict, "number", "NUMBER_TAKEN", "another number"));
}

#[test]
fn pools_of_two_tenants_share_no_number_and_the_answer_does_not_say_whose_it_is() {
    let base = two_tenants();
    let base = accepts(&base, Trunk, 3, json!({ "name": "Other", "host": "sip.other.example" }));
    let overlap = json!({ "trunk_id": id(3), "tenant_id": id(BETA), "did_pool": "13322496219-13322496230" });
    let rejection = refused(&base, Assignment, 13, overlap.clone());
    only(&rejection, (Conflict, "did_pool", "DID_POOL_OVERLAP", "leave these numbers out"), "overlap");
    let words = rejection.to_string();
    assert!(
        words.contains("13322496219 belongs") && !words.contains("Acme") && !words.contains("496230"),
        "{words}"
    );
    // The same tenant may hold a number on several trunks.
    accepts(&base, Assignment, 13, with(overlap, json!({ "tenant_id": id(ACME) })));
    let number = of(BETA, json!({ "number": "13322496215" }));
    refuses(&base, Number, 40, number, (Conflict, "number", "DID_POOL_OVERLAP", "leave these"));
}

#[test]
fn short_numbers_are_each_providers_own() {
    let base = two_tenants();
    let base = accepts(&base, Trunk, 3, json!({ "name": "Other", "host": "sip.other.example" }));
    let base = accepts(&base, Assignment, 11, assignment(ACME, "1000-2000"));
    let beta = json!({ "trunk_id": id(3), "tenant_id": id(BETA), "did_pool": "2000-3000" });
    accepts(&base, Assignment, 13, beta.clone());
    let same = json!({ "trunk_id": id(1), "tenant_id": id(BETA), "did_pool": "2000-3000" });
    let rejection = refused(&base, Assignment, 12, same);
    only(&rejection, (Conflict, "did_pool", "DID_POOL_OVERLAP", "leave"), "2000");
    assert!(rejection.to_string().contains("2000 belongs"), "{rejection}");
}

#[test]
fn two_trunks_with_a_host_or_an_address_in_common_are_one_providers() {
    let own = |name: &str, tenant: u128, host: &str, network: &str| {
        let more =
            json!({ "associated_ips": [network], "username": name, "password": "pw", "did_pool": "100-109" });
        of(tenant, with(json!({ "name": name, "host": host }), more))
    };
    let first = own("first", ACME, "a.example", "192.0.2.0/24");
    let base = accepts(&two_tenants(), Trunk, 3, first);
    for (host, network) in
        [("A.example", "203.0.113.1"), ("b.example", "192.0.2.7"), ("c.example", "192.0.0.0/16")]
    {
        let clash = own("second", BETA, host, network);
        refuses(&base, Trunk, 4, clash, (Conflict, "did_pool", "DID_POOL_OVERLAP", "leave"));
    }
    accepts(&base, Trunk, 4, own("second", BETA, "b.example", "203.0.113.1"));
}

#[test]
fn a_trunk_of_the_system_is_assigned_once_to_each_tenant_and_one_of_a_tenant_never() {
    let base = two_tenants();
    let twice = assignment(ACME, "49301234567");
    refuses(&base, Assignment, 13, twice, (Conflict, "tenant_id", "ALREADY_ASSIGNED", "that assignment"));
    let private = json!({ "trunk_id": id(2), "tenant_id": id(BETA) });
    assert_eq!(refused(&base, Assignment, 13, private).problems[0].field, "trunk_id");
    let pool = with(trunk(), json!({ "did_pool": "49301234567" }));
    refuses(&base, Trunk, 5, pool, (Invalid, "did_pool", "CONFLICTING_FIELDS", "assign the trunk"));
}

#[test]
fn nothing_refers_to_what_another_tenant_has() {
    let base = accepts(&two_tenants(), Extension, 20, of(ACME, extension()));
    let number = |tenant| of(tenant, json!({ "number": "77", "extension_id": id(20) }));
    accepts(&base, Number, 40, number(ACME));
    refuses(&base, Number, 40, number(BETA), (Invalid, "extension_id", "UNKNOWN_EXTENSION", "exists"));
    let of_system = json!({ "number": "77", "extension_id": id(20) });
    refuses(&base, Number, 40, of_system, (Invalid, "extension_id", "OTHER_TENANT", "same `tenant_id`"));
    refuses(&base, Route, 50, of(BETA, route(2)), (Invalid, "steps[0].trunk_id", "UNKNOWN_TRUNK", "exists"));
    accepts(&base, Route, 50, of(BETA, route(1)));
    let unassigned = accepts(&base, Trunk, 3, json!({ "name": "Other", "host": "sip.other.example" }));
    refuses(
        &unassigned,
        Route,
        50,
        of(BETA, route(3)),
        (Invalid, "steps[0].trunk_id", "TRUNK_NOT_ASSIGNED", "assigned"),
    );
    let stranger = of(999, extension());
    refuses(&base, Extension, 60, stranger, (Invalid, "tenant_id", "UNKNOWN_TENANT", "create it first"));
}

#[test]
fn a_tenant_uses_only_numbers_that_it_owns() {
    let base = two_tenants();
    let own = of(ACME, with(extension(), json!({ "outbound_cid": "+1 332 249 6213" })));
    accepts(&base, Extension, 20, own.clone());
    let foreign = with(own, json!({ "outbound_cid": "16468097069" }));
    refuses(&base, Extension, 20, foreign, (Invalid, "outbound_cid", "NUMBER_NOT_OWNED", "its pools"));
    let step = json!({ "trunk_id": id(1), "caller_id": "16468097069" });
    let out = of(ACME, json!({ "name": "Out", "steps": [step] }));
    refuses(&base, Route, 50, out, (Invalid, "steps[0].caller_id", "NUMBER_NOT_OWNED", "its pools"));
    let inbound =
        |did: &str| of(ACME, json!({ "name": "In", "did": did, "destination": { "type": "busy" } }));
    for did in ["13322496214", "13322496213-13322496219", "1332*", "*"] {
        accepts(&base, InboundRoute, 50, inbound(did));
    }
    for did in ["16468097069", "13322496213-13322496220"] {
        refuses(&base, InboundRoute, 50, inbound(did), (Invalid, "did", "NUMBER_NOT_OWNED", "its pools"));
    }
    let default = json!({ "name": "Acme", "default_caller_id": "16468097069" });
    refuses(&base, Tenant, ACME, default, (Invalid, "default_caller_id", "NUMBER_NOT_OWNED", "its pools"));
}

#[test]
fn a_number_of_the_tenant_is_owned_without_a_pool() {
    let base = accepts(&two_tenants(), Number, 40, of(ACME, json!({ "number": "+49301234567" })));
    let phone = of(ACME, with(extension(), json!({ "outbound_cid": "+49301234567" })));
    let base = accepts(&base, Extension, 20, phone);
    let gone = base.apply(&[Change::Delete(Number, id(40))]).unwrap_err();
    only(&gone, (Conflict, "", "POOL_IN_USE", "change these"), "number");
}

#[test]
fn a_pool_does_not_shrink_below_what_is_used() {
    let phone = of(ACME, with(extension(), json!({ "name": "Front desk", "outbound_cid": "13322496219" })));
    let base = accepts(&two_tenants(), Extension, 20, phone);
    let rejection = refused(&base, Assignment, 11, assignment(ACME, "13322496213-13322496218"));
    only(&rejection, (Conflict, "did_pool", "POOL_IN_USE", "change these"), "shrunk");
    assert!(rejection.to_string().contains("extension `Front desk`"), "{rejection}");
    let number = of(ACME, json!({ "number": "+13322496218" }));
    let with_number = accepts(&base, Number, 40, number);
    let rejection = refused(&with_number, Assignment, 11, assignment(ACME, "13322496219"));
    only(&rejection, (Conflict, "did_pool", "POOL_IN_USE", "change these"), "shrunk");
    assert!(rejection.to_string().contains("number `+13322496218`"), "{rejection}");
    accepts(&with_number, Assignment, 11, assignment(ACME, "13322496218-13322496219"));
    accepts(&base, Assignment, 11, assignment(ACME, "13322496219"));
    let gone = base.apply(&[Change::Delete(Assignment, id(11))]).unwrap_err();
    assert_eq!(reasons(&gone), [("did_pool", "POOL_IN_USE")]);
}

#[test]
fn an_assignment_stays_while_routes_use_the_trunk() {
    let base = accepts(&two_tenants(), Route, 50, of(BETA, route(1)));
    let gone = base.apply(&[Change::Delete(Assignment, id(12))]).unwrap_err();
    only(&gone, (Conflict, "", "REFERENCED", "take it out"), "assignment");
    assert!(gone.to_string().contains("route `Out`"), "{gone}");
    base.apply(&[Change::Delete(Route, id(50)), Change::Delete(Assignment, id(12))]).unwrap();
}

#[test]
fn a_tenant_with_anything_left_is_not_deleted() {
    let gone = two_tenants().apply(&[Change::Delete(Tenant, id(ACME))]).unwrap_err();
    only(&gone, (Conflict, "", "REFERENCED", "delete them too"), "tenant");
    assert!(gone.to_string().contains("trunk `Own`"), "{gone}");
}

#[test]
fn who_owns_a_number_is_told_by_the_trunk_that_it_comes_over() {
    let config = two_tenants();
    let owner =
        |trunk: u128, number: &str| config.pool_owner(TrunkId(id(trunk)), number).map(|tenant| tenant.0);
    assert_eq!(owner(1, "13322496215"), Some(id(ACME)));
    assert_eq!(owner(1, "16468097069"), Some(id(BETA)));
    for (trunk, number) in [(1, "13322496220"), (1, "13322496212"), (2, "13322496215"), (1, "office")] {
        assert_eq!(owner(trunk, number), None, "{number}");
    }
    assert!(config.owns(TenantId(id(ACME)), &Interval::parse("13322496213-13322496219").unwrap()));
    assert!(!config.owns(TenantId(id(BETA)), &Interval::single("13322496213").unwrap()));
}

#[test]
fn pools_that_follow_each_other_make_one_range() {
    let base = two_tenants();
    let base = accepts(&base, Trunk, 3, json!({ "name": "Other", "host": "sip.other.example" }));
    let more = json!({ "trunk_id": id(3), "tenant_id": id(ACME), "did_pool": "13322496220-13322496225" });
    let base = accepts(&base, Assignment, 13, more);
    assert!(base.owns(TenantId(id(ACME)), &Interval::parse("13322496213-13322496225").unwrap()));
}

#[test]
fn schedules_and_inbound_routes_are_checked() {
    let base = accepts(&config([]), Extension, 20, extension());
    let base = accepts(&base, Schedule, 30, json!({ "name": "Office" }));
    for (change, field, reason, fix) in [
        (json!({ "timezone": "Mars" }), "timezone", "UNKNOWN_TIMEZONE", "Europe/Berlin"),
        (json!({ "hours": [{ "from": "9" }] }), "hours[0].from", "BAD_FORMAT", "`09:00`"),
        (json!({ "hours": [{ "from": "09:00", "to": "09:00" }] }), "hours[0].to", "BAD_RANGE", "24:00"),
        (json!({ "holidays": [{ "date": "2026-02-30" }] }), "holidays[0].date", "BAD_FORMAT", "2026-12-25"),
        (
            json!({ "holidays": [{ "date": "2026-12-26", "last_date": "2026-12-25" }] }),
            "holidays[0].last_date",
            "BAD_RANGE",
            "not before",
        ),
    ] {
        let body = with(json!({ "name": "Shop" }), change);
        refuses(&base, Schedule, 31, body, (Invalid, field, reason, fix));
    }
    let inbound = json!({ "name": "In", "destination": { "type": "extension", "extension_id": id(20) } });
    let base = accepts(&base, InboundRoute, 40, inbound.clone());
    for (change, field, reason, fix) in [
        (json!({ "did": "office" }), "did", "BAD_FORMAT", "1332*"),
        (json!({ "caller": "a b" }), "caller", "BAD_FORMAT", "1332*"),
        (json!({ "out_of_hours": { "type": "busy" } }), "out_of_hours", "REQUIRED", "schedule_id"),
        (json!({ "schedule_id": id(99) }), "schedule_id", "UNKNOWN_SCHEDULE", "exists"),
        (json!({ "trunk_id": id(99) }), "trunk_id", "UNKNOWN_TRUNK", "exists"),
        (json!({ "priority": 10_000 }), "priority", "OUT_OF_RANGE", "9999"),
        (json!({ "no_answer_timeout": 7_401 }), "no_answer_timeout", "OUT_OF_RANGE", "7400"),
        (
            json!({ "destination": { "type": "hangup", "code": 200 } }),
            "destination.code",
            "OUT_OF_RANGE",
            "400 to 699",
        ),
        (
            json!({ "did": "100-102", "destination": { "type": "extension_range", "first": "999" } }),
            "destination.first",
            "OUT_OF_RANGE",
            "lower",
        ),
        (
            json!({ "did": "5*", "destination": { "type": "extension_range", "first": "100" } }),
            "destination.first",
            "CONFLICTING_FIELDS",
            "range",
        ),
        (
            json!({ "did": "100", "destination": { "type": "number", "number": "100" } }),
            "destination.number",
            "LOOP",
            "another",
        ),
    ] {
        let body = with(inbound.clone(), with(json!({ "did": "5" }), change));
        refuses(&base, InboundRoute, 41, body, (Invalid, field, reason, fix));
    }
    refuses(&base, InboundRoute, 41, inbound, (Conflict, "did", "DUPLICATE_ROUTE", "something else"));
    let gone = base.apply(&[Change::Delete(Extension, id(20))]).unwrap_err();
    only(&gone, (Conflict, "", "REFERENCED", "take it out"), "extension");
    assert!(gone.to_string().contains("inbound route `In`"), "{gone}");
}

#[test]
fn the_hours_of_a_tenant_are_a_schedule_of_its_own_which_then_stays() {
    let config = config([
        (Tenant, ACME, json!({ "name": "Acme" })),
        (Tenant, BETA, json!({ "name": "Beta" })),
        (Schedule, 21, of(ACME, json!({ "name": "Office" }))),
        (Schedule, 22, of(BETA, json!({ "name": "Office" }))),
        (Schedule, 23, json!({ "name": "Office" })),
    ]);
    let acme = |schedule: u128| json!({ "name": "Acme", "outbound_schedule_id": id(schedule) });
    for others in [22, 23] {
        let refused = (Invalid, "outbound_schedule_id", "UNKNOWN_SCHEDULE", "that exists");
        refuses(&config, Tenant, ACME, acme(others), refused);
    }
    let config = accepts(&config, Tenant, ACME, acme(21));
    let gone = config.apply(&[Change::Delete(Schedule, id(21))]).unwrap_err();
    assert_eq!(gone.problems[0].reason, "REFERENCED");
    assert!(gone.problems[0].message.contains("tenant `Acme`"), "{gone}");
}
