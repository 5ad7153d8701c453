//! Rules on the fields of a trunk.

use crate::bench::*;
use serde_json::{Value, json};
use tandem_model::Config;

fn refuses_with(change: Value, field: &str, reason: &str, fix: &str) {
    refuses(&Config::default(), Trunk, 9, with(trunk(), change), (Invalid, field, reason, fix));
}

fn accepts_with(change: Value) {
    accepts(&Config::default(), Trunk, 9, with(trunk(), change));
}

#[test]
fn a_name_has_1_to_64_characters() {
    refuses_with(json!({ "name": "" }), "name", "REQUIRED", "1 to 64");
    refuses_with(json!({ "name": "  " }), "name", "REQUIRED", "1 to 64");
    refuses_with(json!({ "name": "x".repeat(65) }), "name", "TOO_LONG", "64");
    refuses_with(json!({ "name": "a\u{7}b" }), "name", "BAD_FORMAT", "remove it");
    accepts_with(json!({ "name": "é".repeat(64) }));
}

#[test]
fn every_mode_but_register_in_needs_a_host() {
    for mode in ["register_out", "ip_auth", "credential"] {
        refuses_with(json!({ "mode": mode, "host": null }), "host", "REQUIRED", "sip.provider.com");
    }
    accepts_with(json!({ "mode": "register_in", "host": null }));
}

#[test]
fn a_host_is_a_host_and_nothing_else() {
    for (host, fix) in [
        ("sip:sip.provider.com", "write `sip.provider.com`"),
        ("https://sip.provider.com/path", "write `sip.provider.com`"),
        ("SIPS:user@sip.provider.com:5061;transport=tls", "write `sip.provider.com`"),
        ("acme@sip.provider.com", "write `sip.provider.com`; the user belongs in `username`"),
        ("sip.provider.com:5060", "write `sip.provider.com`, and put the port in `port`"),
        ("sip provider com", "sip.provider.com"),
        (" sip.provider.com", "write `sip.provider.com`"),
        ("[2001:db8::1]", "write `2001:db8::1`"),
        ("[2001:db8::1]:5060", "write `2001:db8::1`"),
        ("sip..provider", "sip.provider.com"),
        ("-sip.provider", "sip.provider.com"),
        ("999.1.1.1", "192.0.2.1"),
        ("sip.provider.com\r\nX: y", "remove it"),
        ("prövider.de", "sip.provider.com"),
        ("", "leave the field out"),
    ] {
        refuses_with(json!({ "host": host }), "host", "BAD_FORMAT", fix);
    }
    refuses_with(json!({ "host": "a".repeat(254) }), "host", "TOO_LONG", "253");
    for host in [
        "sip.provider.com",
        "sip.provider.com.",
        "localhost",
        "192.0.2.1",
        "2001:db8::1",
        "_sip.x_y.example",
        "3com.example",
    ] {
        accepts_with(json!({ "host": host }));
    }
}

#[test]
fn a_port_is_never_0() {
    refuses_with(json!({ "port": 0 }), "port", "OUT_OF_RANGE", "1 to 65535");
    accepts_with(json!({ "port": 65535 }));
}

#[test]
fn modes_with_digest_need_username_and_password() {
    for mode in ["register_out", "credential", "register_in"] {
        refuses_with(json!({ "mode": mode, "username": null }), "username", "REQUIRED", "account name");
        refuses_with(
            json!({ "mode": mode, "password": null }),
            "password",
            "REQUIRED",
            "password of the account",
        );
    }
    accepts_with(json!({ "mode": "ip_auth", "username": null, "password": null }));
}

#[test]
fn usernames_may_hold_a_plus_but_no_control_character() {
    for field in ["username", "auth_username"] {
        accepts_with(json!({ field: "+15551234567@ims.example" }));
        accepts_with(json!({ field: "x".repeat(128) }));
        refuses_with(json!({ field: "a\r\nb" }), field, "BAD_FORMAT", "remove it");
        refuses_with(json!({ field: "x".repeat(129) }), field, "TOO_LONG", "128");
        refuses_with(json!({ field: "" }), field, "BAD_FORMAT", "leave the field out");
    }
}

#[test]
fn a_password_is_opaque() {
    accepts_with(json!({ "password": "ä \"quoted\" \\ : @ <>" }));
    accepts_with(json!({ "password": "x".repeat(128) }));
    refuses_with(json!({ "password": "a\u{0}b" }), "password", "BAD_FORMAT", "remove it");
    refuses_with(json!({ "password": "x".repeat(129) }), "password", "TOO_LONG", "128");
    refuses_with(json!({ "password": "" }), "password", "BAD_FORMAT", "give it a value");
}

#[test]
fn what_goes_into_a_header_cannot_break_out_of_it() {
    for field in ["realm", "from_user", "from_domain", "contact_params", "registrar", "outbound_proxy"] {
        for end in ["a\rb", "a\nb", "a\r\nVia: x", "a\u{0}", "a\u{7f}", "a\u{85}b"] {
            refuses_with(json!({ field: end }), field, "BAD_FORMAT", "remove it");
        }
        refuses_with(json!({ field: "" }), field, "BAD_FORMAT", "leave the field out");
        refuses_with(json!({ field: "x".repeat(300) }), field, "TOO_LONG", "shorten");
    }
    refuses_with(json!({ "realm": "a\"b" }), "realm", "BAD_FORMAT", "without the quotes");
    accepts_with(json!({ "realm": "My Provider" }));
}

#[test]
fn the_user_of_from_stands_in_a_sip_address() {
    refuses_with(json!({ "from_user": "acme@x" }), "from_user", "BAD_FORMAT", "`from_domain`");
    for from_user in ["a b", "<a>", "a\"b", "a:b", "é"] {
        refuses_with(json!({ "from_user": from_user }), "from_user", "BAD_FORMAT", "remove it");
    }
    for from_user in ["+15551234567", "acme-1.x_y", "#31#5", "a;b=c"] {
        accepts_with(json!({ "from_user": from_user }));
    }
    refuses_with(json!({ "from_domain": "sip:x.example" }), "from_domain", "BAD_FORMAT", "write `x.example`");
    accepts_with(json!({ "from_domain": "x.example" }));
}

#[test]
fn registrar_and_outbound_proxy_are_a_host_with_or_without_a_port() {
    for field in ["registrar", "outbound_proxy"] {
        for place in [
            "x.example",
            "x.example:5070",
            "192.0.2.1:5060",
            "[2001:db8::1]:5060",
            "[2001:db8::1]",
            "2001:db8::1",
        ] {
            accepts_with(json!({ field: place }));
        }
        for place in [
            "x.example:0",
            "x.example:70000",
            "x.example:",
            "x.example:+1",
            "a b",
            "u@x.example",
            "[::1]5060",
            "[::1",
        ] {
            refuses_with(json!({ field: place }), field, "BAD_FORMAT", "[2001:db8::1]:5060");
        }
        refuses_with(json!({ field: "sip:x.example:5070;lr" }), field, "BAD_FORMAT", "write `x.example`");
    }
}

#[test]
fn contact_params_are_uri_parameters() {
    for params in ["line=1", "line=1;ob", "user=phone;x-a=b%20c;reg=[::1]:5"] {
        accepts_with(json!({ "contact_params": params }));
    }
    for params in [";line=1", "line=1;", "a=b=c;", "a=<x>", "a b", "a=\"q\"", "a,b", "=x", "a="] {
        refuses_with(json!({ "contact_params": params }), "contact_params", "BAD_FORMAT", "`name=value`");
    }
}

#[test]
fn timers_have_bounds() {
    for (field, low, high) in [
        ("expires", 60, 86_400),
        ("register_timeout", 5, 120),
        ("ping_timeout", 1, 60),
        ("ping_fail", 1, 100),
        ("ping_ok", 1, 100),
    ] {
        let fix = format!("{low} to {high}");
        for value in [low - 1, high + 1] {
            refuses_with(json!({ field: value }), field, "OUT_OF_RANGE", &fix);
        }
        for value in [low, high] {
            accepts_with(json!({ field: value }));
        }
    }
}

#[test]
fn a_session_is_refreshed_within_90_seconds_to_a_day_or_never() {
    for value in [0, 90, 1800, 86_400] {
        accepts_with(json!({ "session_timer": value }));
    }
    for value in [1, 89, 86_401] {
        refuses_with(json!({ "session_timer": value }), "session_timer", "OUT_OF_RANGE", "90 to 86400");
    }
}

#[test]
fn retries_start_at_5_seconds_and_only_grow() {
    refuses_with(json!({ "retry_base": 4 }), "retry_base", "OUT_OF_RANGE", "5 to 3600");
    refuses_with(json!({ "retry_base": 3601, "retry_max": 4000 }), "retry_base", "OUT_OF_RANGE", "5 to 3600");
    refuses_with(json!({ "retry_max": 86_401 }), "retry_max", "OUT_OF_RANGE", "86400");
    refuses_with(
        json!({ "retry_base": 60, "retry_max": 59 }),
        "retry_max",
        "OUT_OF_RANGE",
        "at least `retry_base`",
    );
    accepts_with(json!({ "retry_base": 3600, "retry_max": 86_400 }));
    accepts_with(json!({ "retry_base": 60, "retry_max": 60 }));
}

#[test]
fn pings_are_off_or_every_5_to_3600_seconds() {
    for interval in [1, 4, 3601] {
        refuses_with(
            json!({ "ping_interval": interval }),
            "ping_interval",
            "OUT_OF_RANGE",
            "0 to send no OPTIONS",
        );
    }
    for interval in [0, 5, 3600] {
        accepts_with(json!({ "ping_interval": interval }));
    }
}

#[test]
fn codecs_hold_sound_and_none_twice() {
    for codecs in [json!([]), json!(["telephone-event"])] {
        refuses_with(json!({ "codecs": codecs }), "codecs", "NO_AUDIO_CODEC", "PCMA");
    }
    refuses_with(json!({ "codecs": ["PCMA", "opus", "PCMA"] }), "codecs[2]", "DUPLICATE_VALUE", "remove one");
    accepts_with(json!({ "codecs": ["G729"] }));
}

#[test]
fn networks_are_not_half_of_the_internet() {
    for (network, fits) in [
        ("0.0.0.0/0", false),
        ("10.0.0.0/7", false),
        ("10.0.0.0/8", true),
        ("::/0", false),
        ("2001::/15", false),
        ("2001::/16", true),
    ] {
        let change = json!({ "associated_ips": ["192.0.2.1", network] });
        match fits {
            true => accepts_with(change),
            false => {
                refuses_with(change, "associated_ips[1]", "NETWORK_TOO_WIDE", "the provider's own networks")
            }
        }
    }
}

#[test]
fn problems_of_several_fields_are_reported_together() {
    let body =
        with(trunk(), json!({ "host": "a b", "port": 0, "expires": 1, "ping_interval": 2, "codecs": [] }));
    let rejection = refused(&Config::default(), Trunk, 9, body);
    let fields: Vec<&str> = reasons(&rejection).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["host", "port", "expires", "ping_interval", "codecs"]);
}

#[test]
fn a_trunk_transfers_no_calls_unless_it_is_allowed_to() {
    let plain = accepts(&Config::default(), Trunk, 9, trunk());
    assert!(plain.trunks.values().all(|trunk| !trunk.allow_transfer));
    let allowed = accepts(&Config::default(), Trunk, 9, with(trunk(), json!({ "allow_transfer": true })));
    assert!(allowed.trunks.values().all(|trunk| trunk.allow_transfer));
}

#[test]
fn a_name_of_a_certificate_is_a_host_without_a_wildcard() {
    for (names, field, reason, fix) in [
        (json!(["*.provider.com"]), "mtls_san[0]", "WILDCARD_NAME", "sbc1.provider.com"),
        (json!(["a.example", "A.example"]), "mtls_san[1]", "DUPLICATE", "once"),
        (json!(["sip:sbc.provider.com"]), "mtls_san[0]", "BAD_FORMAT", "write `sbc.provider.com`"),
        (json!(["a.example", "b c"]), "mtls_san[1]", "BAD_FORMAT", "sip.provider.com"),
        (json!([""]), "mtls_san[0]", "BAD_FORMAT", "give it a value"),
    ] {
        refuses_with(json!({ "mtls_san": names }), field, reason, fix);
    }
    let many: Vec<String> = (0..17).map(|n| format!("h{n}.example")).collect();
    refuses_with(json!({ "mtls_san": many }), "mtls_san", "TOO_MANY", "own certificates");
    accepts_with(
        json!({ "mtls_san": ["sbc1.provider.com", "192.0.2.1", "2001:db8::1"], "transport": "tls" }),
    );
}

#[test]
fn a_brand_is_a_known_one_and_does_not_do_what_its_provider_refuses() {
    let none = config([]);
    let unknown = with(trunk(), json!({ "brand": "twilo" }));
    refuses(&none, Trunk, 9, unknown, (Invalid, "brand", "UNKNOWN_BRAND", "twilio-elastic"));
    let registering = with(trunk(), json!({ "brand": "twilio-elastic", "mode": "register_out" }));
    refuses(&none, Trunk, 9, registering, (Invalid, "mode", "BRAND_REFUSES_REGISTER", "`credential`"));
    let config = accepts(&none, Trunk, 9, with(trunk(), json!({ "brand": "twilio-elastic" })));
    assert_eq!(config.trunk_by_name(None, "Telnyx").unwrap().mode, tandem_model::TrunkMode::Credential);
}
