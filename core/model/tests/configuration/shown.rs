//! JSON out: what the API shows and what the store keeps.

use crate::bench::*;
use serde_json::json;
use tandem_model::{Entity, Kind};

fn one_of_each() -> Vec<Entity> {
    let secret = json!({ "password": "hunter-two", "username": "acme" });
    [
        (Trunk, with(trunk(), secret)),
        (Route, with(route(1), json!({ "match": { "patterns": ["9X."] } }))),
        (Extension, with(extension(), json!({ "password": "hunter-two" }))),
        (Number, json!({ "number": "+1 555 1234567", "extension_id": id(1) })),
    ]
    .map(|(kind, body)| Entity::create(kind, id(9), body).unwrap())
    .to_vec()
}

#[test]
fn no_password_is_ever_shown() {
    for entity in one_of_each() {
        let shown = format!("{} {entity:?} {entity:#?}", entity.to_json());
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(entity.to_json().get("password").is_none());
    }
}

#[test]
fn the_store_gets_back_what_it_kept() {
    for entity in one_of_each() {
        let stored = entity.to_stored();
        assert_eq!(Entity::from_stored(entity.kind(), stored).unwrap(), entity);
    }
}

#[test]
fn the_store_keeps_passwords() {
    let kept =
        |kind: Kind| one_of_each().into_iter().find(|entity| entity.kind() == kind).unwrap().to_stored();
    assert_eq!(kept(Trunk)["password"], "hunter-two");
    assert_eq!(kept(Extension)["password"], "hunter-two");
    assert!(kept(Route).get("password").is_none());
}

#[test]
fn what_the_store_cannot_read_is_named() {
    let mut stored = one_of_each()[0].to_stored();
    stored["port"] = json!("x");
    let error = Entity::from_stored(Trunk, stored).unwrap_err();
    assert!(
        error.contains("trunk") && error.contains(&id(9).to_string()) && error.contains("port"),
        "{error}"
    );
    assert!(Entity::from_stored(Trunk, json!([])).is_err());
}

#[test]
fn a_route_shows_its_steps_however_it_was_made() {
    let entity = Entity::create(Route, id(9), json!({ "name": "r", "provider_id": id(1) })).unwrap();
    let expected = json!({
        "id": id(9), "tenant_id": null, "name": "r", "priority": 100, "enabled": true, "emergency": false, "max_minutes": 0, "pin_class": "none", "schedule_id": null,
        "match": { "patterns": [], "prefixes": [], "lengths": [], "extensions": [], "groups": [], "countries": [] },
        "strategy": "prioritized", "max_per_minute": null, "on_exhausted": "next_rule",
        "steps": [{
            "trunk_id": id(1), "enabled": true, "strip": 0, "prepend": "", "postfix": "", "caller_id": null, "timeout": 60,
            "failover_on": null, "weight": null,
        }],
    });
    assert_eq!(entity.to_json(), expected);
}

#[test]
fn a_trunk_shows_every_field_under_its_proper_name() {
    let shown = Entity::create(Trunk, id(9), json!({ "name": "t", "type": "sip", "hostname": "h" }))
        .unwrap()
        .to_json();
    let mut expected = json!({
        "id": id(9), "name": "t", "technology": "sip", "mode": "ip_auth", "enabled": true, "host": "h", "port": null,
        "transport": "udp", "realm": null, "username": null, "auth_username": null, "registrar": null, "outbound_proxy": null,
        "from_user": null, "from_domain": null, "caller_id_in_from": true, "identity_header": "pai",
        "privacy_default": "none", "trust_identity": true, "diversion": "make", "contact_params": null, "expires": 3600,
        "retry_base": 30, "retry_max": 1800, "register_timeout": 32, "ping_interval": 30, "ping_timeout": 5, "ping_fail": 3,
        "ping_ok": 2, "session_timer": 1800, "codecs": ["PCMA", "PCMU", "G722", "telephone-event"], "max_calls": 0, "allow_transfer": false, "associated_ips": [], "mtls_san": [],
        "direct_media": false, "tenant_id": null, "did_pool": null, "brand": "generic",
    });
    let sending = json!({
        "slug": "t", "caller_id_name": null, "caller_id_number": null, "override_extension_cid": false,
        "header_map": {}, "extra_headers": {}, "contact_user": "username", "contact_host": null, "distinct_to": false,
        "outbound_rfc5626": false, "number_format_out": "e164_plus", "country_code": null, "area_code": null,
        "international_prefix": "00", "national_prefix": "", "strip_plus": false, "tech_prefix": "", "tech_postfix": "",
        "tel_uri_rline": false, "tel_uri_to": false, "single_via": true, "rewrite_via": true,
    });
    let receiving = json!({
        "auth_algorithms": ["MD5", "SHA-256"], "associated_hosts": [], "resolve_host_to_acl": true, "verify_source_port": false,
        "challengers": [], "did_source": "auto", "did_pattern": null, "did_delimiters": null, "cid_source": "auto",
        "cid_pattern": null, "cid_delimiters": null, "inbound_extension": null, "inbound_context_vars": {}, "outbound_vars": {},
        "imported_params": {},
    });
    let handling = json!({
        "timeout_retry": null, "ping_accept": "any_final", "ping_unregisters": false, "ping_contact": false, "ping_user_agent": null,
        "dtmf": "auto", "media_encryption": "none", "stir_sign": false, "stir_certificate_url": null, "stir_policy": "off", "stir_attest": "auto", "rtp_timeout": null, "rtp_timeout_hold": null, "max_in": 0, "max_out": 0,
        "cps": 0, "cost_table_id": null, "weight": 10, "emergency_ok": true, "capture": "on_failure",
    });
    expected.as_object_mut().unwrap().extend(handling.as_object().unwrap().clone());
    expected.as_object_mut().unwrap().extend(receiving.as_object().unwrap().clone());
    expected.as_object_mut().unwrap().extend(sending.as_object().unwrap().clone());
    assert_eq!(shown, expected);
}

#[test]
fn a_trunk_stored_before_a_field_was_thought_of_has_its_default() {
    for (mode, trusted) in [("ip_auth", true), ("register_in", false)] {
        let body = json!({ "name": "t", "host": "h", "mode": mode, "username": "u", "password": "p" });
        let mut stored = Entity::create(Trunk, id(9), body).unwrap().to_stored();
        for field in ["identity_header", "privacy_default", "trust_identity", "diversion"] {
            stored.as_object_mut().unwrap().remove(field).expect(field);
        }
        let read = Entity::from_stored(Trunk, stored).unwrap().to_json();
        assert_eq!((&read["identity_header"], &read["trust_identity"]), (&json!("pai"), &json!(trusted)));
    }
}
