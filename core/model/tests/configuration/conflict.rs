//! What contradicts another entity.

use crate::bench::*;
use serde_json::{Value, json};
use tandem_model::{Config, Kind};

fn by_address(name: &str, change: Value) -> Value {
    with(json!({ "name": name, "host": format!("{name}.example") }), change)
}

fn conflicts(config: &Config, body: Value, field: &str, reason: &str, fix: &str) {
    refuses(config, Trunk, 9, body, (Conflict, field, reason, fix));
}

#[test]
fn a_trunk_name_is_taken_once() {
    let one = config([(Trunk, 1, trunk())]);
    conflicts(&one, by_address("Telnyx", json!({})), "name", "NAME_TAKEN", "another name");
    accepts(&one, Trunk, 1, by_address("Telnyx", json!({})));
}

#[test]
fn an_older_trunk_cannot_take_the_name_of_a_younger_one() {
    let two = config([(Trunk, 1, trunk()), (Trunk, 2, by_address("young", json!({})))]);
    let renamed = with(trunk(), json!({ "name": "young" }));
    refuses(&two, Trunk, 1, renamed, (Conflict, "name", "NAME_TAKEN", "another name"));
}

#[test]
fn an_account_at_a_host_is_configured_once() {
    let one = config([(Trunk, 1, trunk())]);
    let twin = with(trunk(), json!({ "name": "twin" }));
    let refused =
        |change| conflicts(&one, with(twin.clone(), change), "username", "DUPLICATE_ACCOUNT", "another host");
    refused(json!({}));
    refused(json!({ "host": "SIP.telnyx.com." }));
    refused(json!({ "port": 5060 }));
    refused(json!({ "mode": "credential" }));
    refused(json!({ "username": "other", "auth_username": "acme" }));
    for change in [
        json!({ "host": "eu.telnyx.com" }),
        json!({ "port": 5070 }),
        json!({ "username": "other" }),
        json!({ "auth_username": "x" }),
    ] {
        accepts(&one, Trunk, 9, with(twin.clone(), change));
    }
}

#[test]
fn two_trunks_known_by_the_same_address_need_usernames_to_tell_them_apart() {
    let one = config([(Trunk, 1, by_address("a", json!({ "username": "first", "mode": "ip_auth" })))]);
    let same_place = by_address("b", json!({ "host": "a.example" }));
    conflicts(&one, same_place.clone(), "host", "AMBIGUOUS_SOURCE", "different usernames");
    accepts(&one, Trunk, 9, with(same_place.clone(), json!({ "port": 5070 })));
    accepts(&one, Trunk, 9, with(same_place.clone(), json!({ "username": "second", "mode": "ip_auth" })));
    let same_account = with(same_place, json!({ "username": "first", "mode": "ip_auth" }));
    conflicts(&one, same_account, "username", "DUPLICATE_ACCOUNT", "another host");
}

#[test]
fn networks_of_two_trunks_do_not_overlap_unless_usernames_tell_them_apart() {
    let networks = |name: &str, networks: Value| by_address(name, json!({ "associated_ips": networks }));
    let one = config([(Trunk, 1, networks("a", json!(["192.0.2.0/24", "2001:db8::/32"])))]);
    for overlapping in
        ["192.0.2.0/24", "192.0.2.7", "192.0.0.0/16", "2001:db8:1::/48", "2001:d00::/24", "192.0.2.255"]
    {
        let body = networks("b", json!(["203.0.113.1", overlapping]));
        conflicts(&one, body, "associated_ips", "AMBIGUOUS_SOURCE", "different usernames");
    }
    for apart in ["192.0.3.0/24", "192.0.1.255", "2001:db9::/32", "192.0.4.0/22"] {
        accepts(&one, Trunk, 9, networks("b", json!([apart])));
    }
    let named = |name: &str, username: &str| {
        by_address(name, json!({ "associated_ips": ["192.0.2.1"], "mode": "ip_auth", "username": username }))
    };
    let one = config([(Trunk, 1, named("a", "first"))]);
    accepts(&one, Trunk, 9, named("b", "second"));
    conflicts(&one, named("b", "first"), "associated_ips", "AMBIGUOUS_SOURCE", "different usernames");
}

#[test]
fn one_trunk_may_list_overlapping_networks_of_its_own() {
    let body = by_address("a", json!({ "associated_ips": ["192.0.2.0/24", "192.0.2.7", "192.0.2.7"] }));
    accepts(&Config::default(), Trunk, 9, body);
}

#[test]
fn trunks_that_authenticate_may_share_addresses() {
    let shared = json!({ "associated_ips": ["192.0.2.0/24"] });
    let one = config([(Trunk, 1, with(trunk(), shared.clone()))]);
    accepts(&one, Trunk, 9, by_address("b", shared));
}

#[test]
fn a_username_that_devices_register_with_is_taken_once() {
    let gateway =
        |name: &str| json!({ "name": name, "mode": "register_in", "username": "gw", "password": "pw" });
    let one = config([(Trunk, 1, gateway("a"))]);
    conflicts(&one, gateway("b"), "username", "USERNAME_TAKEN", "another username");
    let by_digest = with(gateway("b"), json!({ "username": "x", "auth_username": "gw" }));
    conflicts(&one, by_digest, "auth_username", "USERNAME_TAKEN", "another username");
    let extension = with(extension(), json!({ "username": "gw" }));
    refuses(
        &one,
        Extension,
        9,
        extension.clone(),
        (Conflict, "username", "USERNAME_TAKEN", "another username"),
    );
    let extension_first = config([(Extension, 1, extension)]);
    conflicts(&extension_first, gateway("a"), "username", "USERNAME_TAKEN", "another username");
    let registering = with(trunk(), json!({ "username": "gw" }));
    accepts(&one, Trunk, 9, registering);
}

#[test]
fn extension_numbers_and_usernames_are_taken_once() {
    let one = config([(Extension, 1, with(extension(), json!({ "username": "ann" })))]);
    let twin = with(extension(), json!({ "username": "bob" }));
    refuses(&one, Extension, 9, twin, (Conflict, "number", "NUMBER_TAKEN", "another number"));
    let twin = with(extension(), json!({ "number": "2000", "username": "ann" }));
    refuses(&one, Extension, 9, twin, (Conflict, "username", "USERNAME_TAKEN", "another username"));
}

#[test]
fn a_number_is_taken_however_it_is_written() {
    let base =
        config([(Trunk, 1, trunk()), (Number, 2, json!({ "number": "+15551234567", "trunk_id": id(1) }))]);
    let twin = json!({ "number": "001 555 123 4567", "trunk_id": id(1) });
    refuses(&base, Number, 9, twin, (Conflict, "number", "NUMBER_TAKEN", "another number"));
}

#[test]
fn what_is_wrong_in_itself_comes_before_what_is_taken() {
    let one = config([(Trunk, 1, trunk())]);
    let rejection = refused(&one, Trunk, 9, with(trunk(), json!({ "port": 0 })));
    assert_eq!(rejection.kind, Invalid);
    assert_eq!(reasons(&rejection)[0], ("port", "OUT_OF_RANGE"));
    assert!(reasons(&rejection).contains(&("name", "NAME_TAKEN")));
}

#[test]
fn certificates_tell_trunks_apart_as_long_as_they_are_for_different_names() {
    let named = |name: &str, names: Value| {
        by_address(name, json!({ "associated_ips": ["192.0.2.0/24"], "mtls_san": names }))
    };
    let one = config([(Trunk, 1, named("a", json!(["a.example", "shared.example"])))]);
    accepts(&one, Trunk, 9, named("b", json!(["b.example"])));
    accepts(&one, Trunk, 9, named("b", json!([])));
    conflicts(
        &one,
        named("b", json!(["Shared.example"])),
        "mtls_san",
        "AMBIGUOUS_SOURCE",
        "different usernames",
    );
    // Trunks that register are known by their certificates too.
    let other = with(trunk(), json!({ "mtls_san": ["a.example"] }));
    conflicts(&one, other, "mtls_san", "AMBIGUOUS_SOURCE", "different usernames");
}

#[test]
fn a_trunk_does_not_lead_back_to_this_server() {
    let here = ["192.0.2.1:5060", "[2001:db8::1]:5080", "0.0.0.0:5070", "192.0.2.9:5061"];
    let config = Config::default().listening_at(here.map(|at| at.parse().unwrap()));
    for (change, field) in [
        (json!({ "host": "192.0.2.1" }), "host"),
        (json!({ "host": "192.0.2.1", "port": 5060 }), "host"),
        (json!({ "host": "2001:db8::1", "port": 5080 }), "host"),
        (json!({ "host": "127.0.0.1", "port": 5070 }), "host"),
        (json!({ "host": "192.0.2.9", "transport": "tls" }), "host"),
        (json!({ "outbound_proxy": "[2001:db8::1]:5080" }), "outbound_proxy"),
        (json!({ "registrar": "192.0.2.1" }), "registrar"),
    ] {
        refuses(&config, Trunk, 9, with(trunk(), change), (Invalid, field, "LOOP", "provider"));
    }
    for change in [
        json!({ "host": "192.0.2.1", "port": 5061 }),
        json!({ "host": "192.0.2.2" }),
        json!({ "host": "192.0.2.9" }),
        json!({ "host": "192.0.2.2", "port": 5070 }),
        json!({ "host": "192.0.2.1", "mode": "register_in" }),
    ] {
        let config = accepts(&config, Trunk, 9, with(trunk(), change));
        let again = with(trunk(), json!({ "name": "again", "host": "192.0.2.1" }));
        refuses(&config, Trunk, 10, again, (Invalid, "host", "LOOP", "provider"));
    }
}

#[test]
fn who_registers_here_does_so_in_no_tenants_domain() {
    let guest = |field: &str, domain: &str| json!({ "name": "Gateway", "mode": "register_in", "username": "gw", "password": "pw", field: domain });
    let acme = json!({ "name": "Acme", "sip_domain": "pbx.acme.example" });
    let one = config([(Kind::Tenant, 1, acme.clone())]);
    for (field, domain) in [
        ("realm", "PBX.acme.example"),
        ("host", "pbx.acme.example"),
        ("realm", "acme.registrar.voip.example"),
    ] {
        conflicts(&one, guest(field, domain), field, "DOMAIN_TAKEN", "made up");
    }
    accepts(&one, Trunk, 9, guest("realm", "gateways.example"));
    // A provider may well be called as a tenant is.
    accepts(&one, Trunk, 9, with(trunk(), json!({ "realm": "pbx.acme.example" })));
    for (domain, field) in [("pbx.ACME.example", "sip_domain"), ("acme.registrar.voip.example", "slug")] {
        let one = config([(Trunk, 1, guest("realm", domain))]);
        refuses(&one, Kind::Tenant, 9, acme.clone(), (Conflict, field, "DOMAIN_TAKEN", "another"));
    }
}

#[test]
fn a_slug_is_one_trunks_and_one_tenants_whatever_they_are_called() {
    let tenant = |name: &str| json!({ "name": name });
    let pbx = |tenant: u128, host: &str| json!({ "name": "PBX", "host": host, "tenant_id": id(tenant) });
    let two = config([
        (Kind::Tenant, 1, tenant("Acme")),
        (Kind::Tenant, 2, tenant("Beta")),
        (Trunk, 3, pbx(1, "a.example")),
    ]);
    accepts(&two, Trunk, 9, pbx(2, "b.example"));
    let first = with(pbx(1, "a.example"), json!({ "slug": "pbx" }));
    let two = accepts(&two, Trunk, 3, first);
    let twin = with(pbx(2, "b.example"), json!({ "slug": "pbx" }));
    conflicts(&two, twin, "slug", "SLUG_TAKEN", "of its own");
    for name in ["Acme", "ACME"] {
        refuses(&two, Kind::Tenant, 9, tenant(name), (Conflict, "slug", "SLUG_TAKEN", "of its own"));
    }
}
