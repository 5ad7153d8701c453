//! Merge patches (RFC 7396).

use crate::bench::*;
use serde_json::{Value, json};
use tandem_model::{Entity, Kind, Rejection, TrunkMode};

fn patched(kind: Kind, body: Value, patch: Value) -> Result<Entity, Rejection> {
    Entity::create(kind, id(9), body).unwrap_or_else(|rejection| panic!("{rejection}")).patch(patch)
}

fn patched_trunk(patch: Value) -> std::sync::Arc<tandem_model::Trunk> {
    let Ok(Entity::Trunk(trunk)) = patched(Trunk, trunk(), patch) else { panic!("a trunk") };
    trunk
}

#[test]
fn what_is_not_mentioned_stays_and_so_does_the_password() {
    let trunk = patched_trunk(json!({ "port": 5070 }));
    assert_eq!(
        (trunk.port, trunk.host.as_deref(), trunk.name.as_str()),
        (Some(5070), Some("sip.telnyx.com"), "Telnyx")
    );
    assert_eq!(trunk.password.as_ref().unwrap().expose(), "pw");
    assert_eq!(trunk.id.0, id(9));
}

#[test]
fn a_password_is_replaced_when_given_and_removed_by_null() {
    assert_eq!(patched_trunk(json!({ "password": "new" })).password.as_ref().unwrap().expose(), "new");
    assert_eq!(patched_trunk(json!({ "password": null })).password, None);
}

#[test]
fn null_sets_back_to_the_default() {
    let trunk = patched_trunk(json!({ "expires": 600, "max_calls": 4, "ping_interval": 0 }));
    let Ok(Entity::Trunk(trunk)) = Entity::Trunk(trunk).patch(json!({ "expires": null, "max_calls": null }))
    else {
        panic!()
    };
    assert_eq!((trunk.expires, trunk.max_calls, trunk.ping_interval), (3600, 0, 0));
    let trunk =
        patched_trunk(json!({ "mode": null, "caller_id_in_from": null, "username": null, "codecs": null }));
    assert_eq!(
        (trunk.mode, trunk.caller_id_in_from, trunk.username.as_deref()),
        (TrunkMode::IpAuth, true, None)
    );
    assert_eq!(trunk.codecs, tandem_model::Codec::defaults());
}

#[test]
fn other_names_work_in_patches_too() {
    let trunk = patched_trunk(json!({ "hostname": "other.example.com", "type": "sip" }));
    assert_eq!(trunk.host.as_deref(), Some("other.example.com"));
    let Ok(Entity::Extension(extension)) = patched(Extension, extension(), json!({ "extension": "2000" }))
    else {
        panic!()
    };
    assert_eq!((&*extension.number, &*extension.username), ("2000", "1000"));
}

#[test]
fn a_provider_in_a_patch_replaces_the_steps() {
    let body = json!({ "name": "r", "steps": [{ "trunk_id": id(1) }, { "trunk_id": id(2) }] });
    let Ok(Entity::Route(route)) = patched(Route, body.clone(), json!({ "provider_id": id(3) })) else {
        panic!()
    };
    assert_eq!(route.steps.iter().map(|step| step.trunk_id.0).collect::<Vec<_>>(), [id(3)]);
    assert_eq!(route.on_exhausted, tandem_model::OnExhausted::Stop);
    let rejection =
        patched(Route, body, json!({ "provider_id": id(3), "steps": [{ "trunk_id": id(1) }] })).unwrap_err();
    only(&rejection, (Invalid, "provider_id", "CONFLICTING_FIELDS", "only one"), "both");
}

#[test]
fn inner_objects_merge_and_lists_are_replaced() {
    let body = with(route(1), json!({ "match": { "patterns": ["9.", "8."] } }));
    let Ok(Entity::Route(same)) = patched(Route, body.clone(), json!({ "match": {} })) else { panic!() };
    assert_eq!(same.matches.patterns.len(), 2);
    let Ok(Entity::Route(one)) = patched(Route, body.clone(), json!({ "match": { "patterns": ["7."] } }))
    else {
        panic!()
    };
    assert_eq!(one.matches.patterns[0].as_str(), "7.");
    let Ok(Entity::Route(none)) = patched(Route, body, json!({ "match": null })) else { panic!() };
    assert!(none.matches.patterns.is_empty());
}

#[test]
fn a_patch_is_as_strict_as_a_creation() {
    let cases = [
        (json!({ "id": id(8) }), "id", "IMMUTABLE", "leave `id` out"),
        (json!({ "id": null }), "id", "IMMUTABLE", "leave `id` out"),
        (json!({ "hostnam": "x" }), "hostnam", "UNKNOWN_FIELD", "`hostname`"),
        (json!({ "prot": null }), "prot", "UNKNOWN_FIELD", "`port`"),
        (json!({ "hostname": 5 }), "hostname", "WRONG_TYPE", "text"),
        (json!({ "name": null }), "name", "REQUIRED", "1 to 64"),
        (json!({ "host": "a", "hostname": "b" }), "hostname", "DUPLICATE_FIELD", "only `host`"),
        (json!([]), "", "WRONG_TYPE", "{ ... }"),
    ];
    for (patch, field, reason, fix) in cases {
        let rejection = patched(Trunk, trunk(), patch.clone()).unwrap_err();
        only(&rejection, (Invalid, field, reason, fix), &patch.to_string());
    }
    let rejection = patched(Route, route(1), json!({ "steps": null })).unwrap_err();
    only(&rejection, (Invalid, "steps", "REQUIRED", "provider_id"), "no steps");
}

#[test]
fn what_the_api_shows_can_be_sent_back_as_a_patch() {
    for (kind, body) in [
        (Trunk, trunk()),
        (Route, route(1)),
        (Extension, extension()),
        (Number, json!({ "number": "+1 555", "trunk_id": id(1) })),
    ] {
        let entity = Entity::create(kind, id(9), body).unwrap();
        assert_eq!(entity.patch(entity.to_json()).unwrap(), entity);
    }
}
