//! Creation bodies: strict, with defaults that depend.

use crate::bench::*;
use serde_json::{Value, json};
use tandem_model::{Config, Entity, Kind, OnExhausted, TrunkMode};

fn create(kind: Kind, body: Value) -> Entity {
    Entity::create(kind, id(9), body).unwrap_or_else(|rejection| panic!("{rejection}"))
}

fn created_trunk(body: Value) -> std::sync::Arc<tandem_model::Trunk> {
    let Entity::Trunk(trunk) = create(Trunk, body) else { panic!("a trunk") };
    trunk
}

#[test]
fn the_three_bodies_of_the_voipbin_page_are_accepted_word_for_word() {
    let provider = r#"{ "name": "Primary SIP Provider", "type": "sip", "hostname": "sip.provider.com" }"#;
    let route = r#"{ "name": "Default Outbound Route", "provider_id": "00000000-0000-0000-0000-000000000001", "priority": 1 }"#;
    let extension = r#"{ "name": "office-phone", "username": "office1", "password": "secure-password" }"#;
    let body = |text: &str| serde_json::from_str(text).unwrap();
    let config =
        config([(Trunk, 1, body(provider)), (Route, 2, body(route)), (Extension, 3, body(extension))]);

    let trunk = config.trunks.values().next().unwrap();
    assert_eq!((trunk.mode, trunk.host.as_deref()), (TrunkMode::IpAuth, Some("sip.provider.com")));
    let route = config.routes.values().next().unwrap();
    assert_eq!(
        (route.steps.len(), route.steps[0].trunk_id, route.on_exhausted),
        (1, trunk.id, OnExhausted::NextRule)
    );
    assert_eq!((route.steps[0].timeout, route.priority, route.matches.patterns.len()), (60, 1, 0));
    let extension = config.extension_by_number(None, "office1").unwrap();
    assert_eq!((&*extension.name, &*extension.username), ("office-phone", "office1"));
}

#[test]
fn a_trunk_with_a_username_registers_and_one_without_is_known_by_its_address() {
    let registering = created_trunk(json!({ "name": "a", "host": "h", "username": "u", "password": "p" }));
    assert_eq!((registering.mode, registering.caller_id_in_from), (TrunkMode::RegisterOut, false));
    let known = created_trunk(json!({ "name": "a", "host": "h" }));
    assert_eq!((known.mode, known.caller_id_in_from), (TrunkMode::IpAuth, true));
    assert!(registering.trust_identity && known.trust_identity);
    let said = created_trunk(
        json!({ "name": "a", "host": "h", "username": "u", "mode": "ip_auth", "caller_id_in_from": false }),
    );
    assert_eq!((said.mode, said.caller_id_in_from), (TrunkMode::IpAuth, false));
    let null_username = created_trunk(json!({ "name": "a", "host": "h", "username": null }));
    assert_eq!(null_username.mode, TrunkMode::IpAuth);
}

#[test]
fn number_and_username_of_an_extension_stand_in_for_each_other_and_for_the_name() {
    let of = |body| match create(Extension, body) {
        Entity::Extension(e) => (e.name.clone(), e.number.clone(), e.username.clone()),
        _ => panic!("an extension"),
    };
    let three = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(of(json!({ "number": "1000" })), three("1000", "1000", "1000"));
    assert_eq!(of(json!({ "extension": "1000", "name": "Ann" })), three("Ann", "1000", "1000"));
    assert_eq!(of(json!({ "username": "ann" })), three("ann", "ann", "ann"));
    assert_eq!(of(json!({ "number": "1000", "username": "ann" })), three("1000", "1000", "ann"));
}

#[test]
fn a_route_of_steps_stops_and_a_route_of_a_provider_goes_on() {
    let of = |body| match create(Route, body) {
        Entity::Route(route) => route.on_exhausted,
        _ => panic!("a route"),
    };
    assert_eq!(of(route(1)), OnExhausted::Stop);
    assert_eq!(of(json!({ "name": "r", "provider_id": id(1) })), OnExhausted::NextRule);
    assert_eq!(of(json!({ "name": "r", "provider_id": id(1), "on_exhausted": "stop" })), OnExhausted::Stop);
    assert_eq!(
        of(json!({ "name": "r", "provider_id": null, "steps": [{ "provider_id": id(1) }] })),
        OnExhausted::Stop
    );
}

#[test]
fn a_route_names_its_trunks_only_once() {
    let both = with(route(1), json!({ "provider_id": id(1) }));
    refuses(&Config::default(), Route, 9, both, (Invalid, "provider_id", "CONFLICTING_FIELDS", "only one"));
    let none = json!({ "name": "r" });
    refuses(&Config::default(), Route, 9, none, (Invalid, "steps", "REQUIRED", "provider_id"));
}

#[test]
fn fields_of_other_programs_are_let_pass_and_not_kept() {
    let created = created_trunk(with(trunk(), json!({ "x_crm": { "account": 7 } })));
    assert_eq!(created, created_trunk(trunk()));
    refuses(
        &Config::default(),
        Trunk,
        1,
        with(trunk(), json!({ "crm": 7 })),
        (Invalid, "crm", "UNKNOWN_FIELD", ""),
    );
}

#[test]
fn an_unknown_field_is_refused_with_the_name_that_was_meant() {
    let cases = [
        (Trunk, with(trunk(), json!({ "hostnam": "x" })), "hostnam", "`hostname`"),
        (Trunk, with(trunk(), json!({ "user_name": "x" })), "user_name", "`username`"),
        (Trunk, with(trunk(), json!({ "colour": "red" })), "colour", "`retry_base`"),
        (Route, with(route(1), json!({ "providr_id": "x" })), "providr_id", "`provider_id`"),
        (Route, with(route(1), json!({ "match": { "pattern": [] } })), "match.pattern", "`patterns`"),
        (
            Route,
            json!({ "name": "r", "steps": [{ "trunk_id": id(1), "stripp": 1 }] }),
            "steps[0].stripp",
            "`strip`",
        ),
        (Extension, with(extension(), json!({ "ringtimeout": 5 })), "ringtimeout", "`ring_timeout`"),
        (Number, json!({ "number": "1", "extension": "x" }), "extension", "`extension_id`"),
    ];
    for (kind, body, field, fix) in cases {
        refuses(&Config::default(), kind, 9, body, (Invalid, field, "UNKNOWN_FIELD", fix));
    }
}

#[test]
fn a_wrong_type_is_refused_where_it_stands() {
    let cases = [
        (Trunk, with(trunk(), json!({ "port": "5060" })), "port", "from 1 to 65535"),
        (Trunk, with(trunk(), json!({ "expires": 60.5 })), "expires", "from 60 to 86400"),
        (Trunk, with(trunk(), json!({ "max_calls": "many" })), "max_calls", "whole number"),
        (Trunk, with(trunk(), json!({ "enabled": "yes" })), "enabled", "true or false"),
        (Trunk, with(trunk(), json!({ "codecs": "PCMA" })), "codecs", "a list"),
        (Trunk, with(trunk(), json!({ "codecs": ["PCMA", 8] })), "codecs[1]", "text"),
        (Trunk, with(trunk(), json!({ "name": 5 })), "name", "double quotes"),
        (Trunk, with(trunk(), json!({ "type": true })), "type", "text"),
        (Trunk, with(trunk(), json!({ "hostname": [] , "host": null})), "hostname", "text"),
        (Trunk, with(trunk(), json!({ "associated_ips": [1] })), "associated_ips[0]", "text"),
        (Route, json!({ "name": "r", "provider_id": 7 }), "provider_id", "text"),
        (Route, json!({ "name": "r", "steps": {} }), "steps", "a list"),
        (
            Route,
            json!({ "name": "r", "steps": [{ "trunk_id": id(1), "timeout": "5" }] }),
            "steps[0].timeout",
            "2 to 300",
        ),
        (Route, with(route(1), json!({ "match": "9." })), "match", "an object"),
        (Route, with(route(1), json!({ "match": { "patterns": "9." } })), "match.patterns", "a list"),
        (Extension, with(extension(), json!({ "max_contacts": true })), "max_contacts", "from 1 to 20"),
        (Number, json!({ "number": 15551234567u64, "extension_id": id(1) }), "number", "double quotes"),
    ];
    for (kind, body, field, fix) in cases {
        refuses(&Config::default(), kind, 9, body, (Invalid, field, "WRONG_TYPE", fix));
    }
}

#[test]
fn a_number_that_no_integer_of_that_field_holds_is_out_of_range() {
    for (field, value, fix) in [
        ("port", json!(70000), "from 1 to 65535"),
        ("port", json!(-1), "65535"),
        ("expires", json!(-5), "86400"),
    ] {
        let body = with(trunk(), json!({ field: value }));
        refuses(&Config::default(), Trunk, 9, body, (Invalid, field, "OUT_OF_RANGE", fix));
    }
    let body = json!({ "name": "r", "steps": [{ "trunk_id": id(1), "strip": 300 }] });
    refuses(&Config::default(), Route, 9, body, (Invalid, "steps[0].strip", "OUT_OF_RANGE", "from 0 to 30"));
}

#[test]
fn an_unknown_word_is_refused_with_those_that_are_known() {
    let cases = [
        (json!({ "mode": "register" }), "mode", "`register_out`"),
        (json!({ "transport": "sctp" }), "transport", "`udp`, `tcp`"),
        (json!({ "codecs": ["pcma"] }), "codecs[0]", "`PCMA`"),
        (json!({ "technology": "iax2" }), "technology", "IAX2 comes later"),
        (json!({ "type": "h323" }), "type", "only `sip`"),
    ];
    for (change, field, fix) in cases {
        refuses(&Config::default(), Trunk, 9, with(trunk(), change), (Invalid, field, "UNKNOWN_VALUE", fix));
    }
}

#[test]
fn what_is_no_id_no_network_and_no_pattern_is_refused_as_badly_formed() {
    let cases = [
        (
            Route,
            json!({ "name": "r", "provider_id": "provider-uuid-123" }),
            "provider_id",
            "as the API shows it",
        ),
        (Route, json!({ "name": "r", "steps": [{ "trunk": "x" }] }), "steps[0].trunk", "as the API shows it"),
        (
            Route,
            with(route(1), json!({ "match": { "patterns": ["9.", ".9"] } })),
            "match.patterns[1]",
            "move it to the end",
        ),
        (
            Trunk,
            with(trunk(), json!({ "associated_ips": ["192.0.2.1", "192.0.2.0/33"] })),
            "associated_ips[1]",
            "192.0.2.0/24",
        ),
        (Number, json!({ "number": "1", "trunk_id": "x" }), "trunk_id", "as the API shows it"),
    ];
    for (kind, body, field, fix) in cases {
        refuses(&Config::default(), kind, 9, body, (Invalid, field, "BAD_FORMAT", fix));
    }
}

#[test]
fn what_is_missing_is_named() {
    let cases = [
        (Trunk, json!({ "host": "h" }), "name", "1 to 64"),
        (Route, json!({ "provider_id": id(1) }), "name", "1 to 64"),
        (Extension, json!({ "name": "Ann", "password": "secure-password" }), "number", "username"),
        (Number, json!({ "extension_id": id(1) }), "number", "+15551234567"),
        (Route, json!({ "name": "r", "steps": [{ "strip": 1 }] }), "steps[0].trunk_id", "trunk_id"),
    ];
    for (kind, body, field, fix) in cases {
        refuses(&Config::default(), kind, 9, body, (Invalid, field, "REQUIRED", fix));
    }
}

#[test]
fn every_wrong_field_of_a_body_is_reported_at_once() {
    let body = json!({ "host": 5, "port": "x", "colour": 1, "mode": "peer", "caller_id_in_from": "no" });
    let mut expected = vec![
        ("name", "REQUIRED"),
        ("caller_id_in_from", "WRONG_TYPE"),
        ("colour", "UNKNOWN_FIELD"),
        ("host", "WRONG_TYPE"),
        ("mode", "UNKNOWN_VALUE"),
        ("port", "WRONG_TYPE"),
    ];
    let rejection = refused(&Config::default(), Trunk, 9, body);
    let mut found = reasons(&rejection);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{rejection}");
}

#[test]
fn two_names_of_one_field_are_not_given_together() {
    let body = with(trunk(), json!({ "hostname": "other.example.com" }));
    refuses(&Config::default(), Trunk, 9, body, (Invalid, "hostname", "DUPLICATE_FIELD", "only `host`"));
    let body = json!({ "name": "r", "steps": [{ "trunk_id": id(1), "provider_id": id(2) }] });
    refuses(&Config::default(), Route, 9, body, (Invalid, "steps[0].trunk_id", "DUPLICATE_FIELD", "only"));
}

#[test]
fn the_id_is_not_chosen_by_the_body_but_may_be_repeated_by_it() {
    let foreign = with(trunk(), json!({ "id": id(8) }));
    refuses(&Config::default(), Trunk, 9, foreign, (Invalid, "id", "IMMUTABLE", "leave `id` out"));
    create(Trunk, with(trunk(), json!({ "id": id(9) })));
}

#[test]
fn what_is_no_object_is_no_body() {
    for body in [json!([]), json!("trunk"), json!(null)] {
        refuses(&Config::default(), Trunk, 9, body, (Invalid, "", "WRONG_TYPE", "{ ... }"));
    }
}

#[test]
fn a_refusal_never_quotes_a_password() {
    for password in
        [json!(987_654_321), json!(["hunter-two"]), json!({ "p": "hunter-two" }), json!("hunter\ntwo")]
    {
        for kind in [Trunk, Extension] {
            let base = if kind == Trunk { trunk() } else { extension() };
            let rejection = refused(&Config::default(), kind, 9, with(base, json!({ "password": password })));
            let shown = format!("{rejection} {rejection:?}");
            assert!(!shown.contains("987") && !shown.contains("hunter"), "{shown}");
        }
    }
}

#[test]
fn addresses_are_networks_and_host_bits_are_dropped() {
    let written =
        json!({ "associated_ips": ["192.0.2.77/24", "198.51.100.1", "2001:db8::1", "2001:db8:1::1/48"] });
    let trunk = created_trunk(with(trunk(), written));
    let shown: Vec<String> = trunk.associated_ips.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["192.0.2.0/24", "198.51.100.1/32", "2001:db8::1/128", "2001:db8:1::/48"]);
}

#[test]
fn no_value_in_any_field_is_taken_silently_or_brings_the_server_down() {
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("`, expected u16"),
        json!("a.b[0]"),
        json!("\u{0}\r\n"),
        json!([]),
        json!([[{}]]),
        json!({}),
        json!({ "a.b": { "`": [null] } }),
    ];
    let base = config([(Trunk, 1, trunk()), (Extension, 2, extension())]);
    let number = json!({ "number": "1555", "extension_id": id(2), "trunk_id": null, "name": null });
    for (kind, body) in [(Trunk, trunk()), (Extension, extension()), (Route, route(1)), (Number, number)] {
        let whole = create(kind, body.clone());
        let fields: Vec<String> = whole.to_stored().as_object().unwrap().keys().cloned().collect();
        let more =
            ["provider_id", "hostname", "type", "extension", "", ".", "a.b", "`", "[0]"].map(str::to_owned);
        for field in fields.into_iter().chain(more) {
            for value in &odd {
                let mut changed = body.clone();
                changed[&field] = value.clone();
                let created = Entity::create(kind, id(9), changed);
                let patched = whole.patch(json!({ &field: value }));
                for outcome in [created, patched] {
                    let outcome =
                        outcome.and_then(|entity| base.apply(&[tandem_model::Change::Put(entity)]).map(drop));
                    let problems = outcome.err().map(|rejection| rejection.problems);
                    assert!(problems.is_none_or(|problems| !problems.is_empty()
                        && problems.iter().all(|p| !p.message.is_empty() && !p.fix.is_empty())));
                }
            }
        }
    }
}
