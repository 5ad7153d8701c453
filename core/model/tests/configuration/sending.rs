//! Rules on what a trunk is sent: slug, caller, numbers, Contact, headers.

use crate::bench::*;
use serde_json::{Value, json};
use tandem_model::{Config, Entity};

fn refuses_with(change: Value, field: &str, reason: &str, fix: &str) {
    refuses(&Config::default(), Trunk, 9, with(trunk(), change), (Invalid, field, reason, fix));
}

fn accepts_with(change: Value) {
    accepts(&Config::default(), Trunk, 9, with(trunk(), change));
}

#[test]
fn a_slug_is_a_short_word_and_is_made_of_the_name_where_none_is_given() {
    for slug in ["", "a b", "a/b", "é", "a+b"] {
        refuses_with(json!({ "slug": slug }), "slug", "BAD_FORMAT", "1 to 48");
    }
    refuses_with(json!({ "slug": "x".repeat(49) }), "slug", "BAD_FORMAT", "1 to 48");
    accepts_with(json!({ "slug": "My_carrier.2-b" }));
    let made = Entity::create(Trunk, id(9), with(trunk(), json!({ "name": "My carrier (main)" }))).unwrap();
    assert_eq!(made.to_json()["slug"], "My-carrier--main");
    let renamed = made.patch(json!({ "name": "Another" })).unwrap();
    assert_eq!(renamed.to_json()["slug"], "My-carrier--main", "it stays when the name changes");
    assert_eq!(renamed.patch(json!({ "slug": null })).unwrap().to_json()["slug"], "Another");
}

#[test]
fn a_slug_is_one_trunks_alone() {
    let config = config([(Trunk, 1, with(trunk(), json!({ "name": "My carrier" })))]);
    let second = with(trunk(), json!({ "name": "My-carrier", "username": "other" }));
    refuses(&config, Trunk, 2, second.clone(), (Conflict, "slug", "SLUG_TAKEN", "a `slug` of its own"));
    accepts(&config, Trunk, 2, with(second, json!({ "slug": "second" })));
    let same_name = with(trunk(), json!({ "name": "My carrier", "username": "other" }));
    refuses(&config, Trunk, 2, same_name, (Conflict, "name", "NAME_TAKEN", "another name"));
    assert_eq!(config.trunk_by_slug("My-carrier").unwrap().name, "My carrier");
}

#[test]
fn what_from_copies_of_the_caller_is_said_in_the_right_field() {
    for words in ["caller", "acme"] {
        accepts_with(json!({ "from_user": words }));
    }
    for words in ["aleg_domain", "aleg_full", "auto-aleg-domain", "auto-aleg-full"] {
        accepts_with(json!({ "from_domain": words }));
        refuses_with(json!({ "from_user": words }), "from_user", "BAD_FORMAT", "`from_domain`");
    }
    refuses_with(json!({ "from_domain": "caller" }), "from_domain", "BAD_FORMAT", "`aleg_domain`");
}

#[test]
fn the_number_of_a_trunk_is_a_telephone_number() {
    for number in ["+15551234567", "5551234"] {
        accepts_with(json!({ "caller_id_number": number, "override_extension_cid": true }));
    }
    for number in ["", "acme", "1\r\n2", &"1".repeat(41)] {
        refuses_with(json!({ "caller_id_number": number }), "caller_id_number", "BAD_FORMAT", "+15551234567");
    }
    refuses_with(
        json!({ "override_extension_cid": true }),
        "override_extension_cid",
        "REQUIRED",
        "caller_id_number",
    );
    accepts_with(json!({ "caller_id_name": "Acme \"Corp\" Ü" }));
    refuses_with(json!({ "caller_id_name": "a\r\nb" }), "caller_id_name", "BAD_FORMAT", "remove it");
    refuses_with(json!({ "caller_id_name": "x".repeat(65) }), "caller_id_name", "TOO_LONG", "64");
}

#[test]
fn the_host_of_a_contact_is_a_host_with_or_without_a_port() {
    for host in ["pbx.example", "192.0.2.1:5080", "[2001:db8::1]:5080", "2001:db8::1"] {
        accepts_with(json!({ "contact_host": host }));
    }
    for host in ["sip:pbx.example;x", "a b", "pbx.example:0"] {
        refuses_with(json!({ "contact_host": host }), "contact_host", "BAD_FORMAT", "write");
    }
    refuses_with(
        json!({ "contact_user": "gateway" }),
        "contact_user",
        "UNKNOWN_VALUE",
        "`username`, `token`",
    );
}

#[test]
fn a_country_is_known_by_its_digits() {
    accepts_with(
        json!({ "country_code": "49", "national_prefix": "0", "area_code": "30", "international_prefix": "00" }),
    );
    accepts_with(json!({ "country_code": "1", "national_prefix": "1", "international_prefix": "011" }));
    for code in ["", "+49", "049", "1234", "DE"] {
        refuses_with(json!({ "country_code": code }), "country_code", "BAD_FORMAT", "as `49`");
    }
    for area in ["", "(30)", "1234567"] {
        refuses_with(json!({ "area_code": area }), "area_code", "BAD_FORMAT", "as `30`");
    }
    for field in ["international_prefix", "national_prefix"] {
        for prefix in ["+", "0x", "123456"] {
            refuses_with(json!({ field: prefix }), field, "BAD_FORMAT", "digits");
        }
    }
    refuses_with(json!({ "number_format_out": "national" }), "country_code", "REQUIRED", "country_code");
    refuses_with(json!({ "number_format_out": "e.164" }), "number_format_out", "UNKNOWN_VALUE", "`e164`");
    accepts_with(json!({ "number_format_out": "national", "country_code": "34" }));
}

#[test]
fn prefix_and_postfix_can_stand_beside_a_number() {
    for field in ["tech_prefix", "tech_postfix"] {
        accepts_with(json!({ field: "0011#+*Ab._@;=-" }));
        for affix in ["a b", "<", "a:b", "é", "1\r\n"] {
            refuses_with(json!({ field: affix }), field, "BAD_FORMAT", "32 letters");
        }
        refuses_with(json!({ field: "1".repeat(33) }), field, "BAD_FORMAT", "32 letters");
    }
}

#[test]
fn headers_that_say_where_a_request_goes_are_not_to_be_written() {
    for name in [
        "Via",
        "v",
        "From",
        "To",
        "Call-ID",
        "i",
        "CSeq",
        "Contact",
        "Max-Forwards",
        "Route",
        "Record-Route",
        "Content-Type",
        "Content-Foo",
        "c",
        "Authorization",
        "proxy-authorization",
        "Identity",
        "Require",
        "P-Asserted-Identity",
        "Privacy",
        "Session-Expires",
        "User-Agent",
    ] {
        let at = format!("extra_headers.{name}");
        refuses_with(json!({ "extra_headers": { name: "x" } }), &at, "RESERVED_HEADER", "another header");
        let map = json!({ "header_map": { "X-Here": name } });
        refuses_with(map, "header_map.X-Here", "RESERVED_HEADER", "another header");
    }
    let secret = json!({ "header_map": { "Proxy-Authorization": "X-There" } });
    refuses_with(secret, "header_map.Proxy-Authorization", "RESERVED_HEADER", "another header");
    for end in ["a\r\nVia: x", "a\nb", "a\u{0}b"] {
        let headers = json!({ "extra_headers": { "X-Account": end } });
        refuses_with(headers, "extra_headers.X-Account", "BAD_FORMAT", "in one line");
    }
    for name in ["", "X Y", "X:Y", "X\r\nY", &"X".repeat(65)] {
        let at = format!("extra_headers.{name}");
        refuses_with(json!({ "extra_headers": { name: "x" } }), &at, "BAD_FORMAT", "letters, digits");
    }
    let long = json!({ "extra_headers": { "X-A": "x".repeat(513) } });
    refuses_with(long, "extra_headers.X-A", "TOO_LONG", "512");
    let many: Value = (0..33).map(|n| (format!("X-{n:02}"), json!("x"))).collect();
    refuses_with(json!({ "extra_headers": many }), "extra_headers", "TOO_MANY", "32");
    accepts_with(json!({ "extra_headers": { "X-Account": "7", "P-Called-Party-ID": "<sip:1@h>" },
        "header_map": { "X-Here": "X-There", "Diversion": "X-Diverted" } }));
    let spelled =
        Entity::create(Trunk, id(9), with(trunk(), json!({ "tech_headers": { "X-A": "1" } }))).unwrap();
    assert_eq!(spelled.to_json()["extra_headers"], json!({ "X-A": "1" }), "as VoIPBIN spells it");
}

#[test]
fn what_a_back_to_back_user_agent_does_anyway_cannot_be_switched_off() {
    for field in ["single_via", "rewrite_via"] {
        accepts_with(json!({ field: true }));
        refuses_with(json!({ field: false }), field, "NOT_SUPPORTED", "set it to true");
    }
}
