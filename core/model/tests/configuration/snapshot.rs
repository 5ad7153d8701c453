//! Snapshots: all or nothing, in order, with lookups that follow.

use crate::bench::*;
use serde_json::json;
use tandem_model::{Change, Config, Entity, Kind};

#[test]
fn a_change_makes_a_new_snapshot_and_leaves_the_old_one_alone() {
    let before = config([(Trunk, 1, trunk())]);
    let after = before.apply(&[Change::Delete(Trunk, id(1))]).unwrap();
    assert_eq!((before.version, after.version), (1, 2));
    assert_eq!((before.trunks.len(), after.trunks.len()), (1, 0));
    assert!(before.trunk_by_name(None, "Telnyx").is_some() && after.trunk_by_name(None, "Telnyx").is_none());
}

#[test]
fn one_wrong_change_undoes_all_and_paths_say_which_it_was() {
    let before = Config::default();
    let bad = [
        put(Trunk, 1, trunk()),
        put(Route, 2, route(7)),
        put(Extension, 3, with(extension(), json!({ "max_contacts": 0 }))),
    ];
    let rejection = before.apply(&bad).unwrap_err();
    let expected = [("[1].steps[0].trunk_id", "UNKNOWN_TRUNK"), ("[2].max_contacts", "OUT_OF_RANGE")];
    assert_eq!(reasons(&rejection), expected);
    assert!(before.trunks.is_empty());
}

#[test]
fn changes_may_build_on_each_other() {
    let changes = [
        put(Route, 3, route(1)),
        put(Number, 4, json!({ "number": "1555", "extension_id": id(2) })),
        put(Extension, 2, extension()),
        put(Trunk, 1, trunk()),
    ];
    assert!(Config::default().apply(&changes).is_ok());
}

#[test]
fn two_of_the_same_name_in_one_change_are_refused_at_the_second() {
    let twin = json!({ "name": "Telnyx", "host": "other.example" });
    let rejection = Config::default().apply(&[put(Trunk, 5, trunk()), put(Trunk, 1, twin)]).unwrap_err();
    only(&rejection, (Conflict, "[1].name", "NAME_TAKEN", "another name"), "twins");
}

#[test]
fn names_can_be_exchanged_in_one_change() {
    let named = |name: &str| json!({ "name": name, "host": format!("{name}.example") });
    let config = config([(Trunk, 1, named("a")), (Trunk, 2, named("b"))]);
    let swapped = |name: &str, host: &str| json!({ "name": name, "host": host });
    let changes = [put(Trunk, 1, swapped("b", "a.example")), put(Trunk, 2, swapped("a", "b.example"))];
    assert_eq!(config.apply(&changes).unwrap().trunk_by_name(None, "b").unwrap().id.0, id(1));
}

#[test]
fn routes_come_by_priority_then_by_age_and_only_enabled_ones() {
    let route =
        |priority: u32, enabled: bool| with(route(1), json!({ "priority": priority, "enabled": enabled }));
    let config = config([
        (Trunk, 1, trunk()),
        (Route, 2, route(50, true)),
        (Route, 3, route(10, true)),
        (Route, 4, route(50, true)),
        (Route, 5, route(1, false)),
    ]);
    let order: Vec<_> = config.routes_of(None).iter().map(|route| route.id.0).collect();
    assert_eq!(order, [id(3), id(2), id(4)]);
}

#[test]
fn lookups_find_by_every_key() {
    let gateway = json!({ "name": "gw", "mode": "register_in", "username": "gw", "auth_username": "gw-auth", "password": "pw" });
    let config = config([
        (Trunk, 1, trunk()),
        (Trunk, 2, gateway),
        (Extension, 3, with(extension(), json!({ "username": "ann" }))),
        (Number, 4, json!({ "number": "+1 555 1234567", "extension_id": id(3) })),
    ]);
    assert_eq!(config.extension_by_number(None, "1000").unwrap().id.0, id(3));
    assert!(config.extension_by_number(None, "ann").is_none());
    assert_eq!(config.extension_by_username(None, "ann").unwrap().id.0, id(3));
    assert_eq!(config.incoming_trunk("gw-auth").unwrap().id.0, id(2));
    assert!(config.incoming_trunk("gw").is_none());
    assert!(config.incoming_trunk("acme").is_none());
    assert_eq!(config.number(None, "15551234567").unwrap().id.0, id(4));
    assert_eq!(config.number_ending_in("1234567").unwrap().id.0, id(4));
    assert_eq!(config.number_ending_in("15551234567").unwrap().id.0, id(4));
    for other in ["234560", "", "115551234567", &"7".repeat(32), &"7".repeat(40)] {
        assert!(config.number_ending_in(other).is_none(), "{other}");
    }
    for (kind, n) in [(Trunk, 1), (Extension, 3), (Number, 4)] {
        assert_eq!(config.get(kind, id(n)).unwrap().id(), id(n));
        assert!(config.get(kind, id(99)).is_none());
    }
    assert_eq!(config.all(Trunk).iter().map(Entity::id).collect::<Vec<_>>(), [id(1), id(2)]);
}

#[test]
fn a_stored_configuration_loads_as_it_was() {
    let config = config([(Trunk, 1, trunk()), (Extension, 2, extension()), (Route, 3, route(1))]);
    let stored =
        Kind::ALL.iter().flat_map(|kind| config.all(*kind)).map(|entity| (entity.kind(), entity.to_stored()));
    let loaded = Config::load(stored.map(|(kind, stored)| Entity::from_stored(kind, stored).unwrap()));
    assert_eq!(
        (&loaded.trunks, &loaded.extensions, &loaded.routes),
        (&config.trunks, &config.extensions, &config.routes)
    );
    assert_eq!(loaded.extension_by_number(None, "1000").unwrap().id.0, id(2));
    assert_eq!(loaded.routes_of(None).len(), 1);
}

#[test]
fn a_hundred_thousand_numbers_are_one_change() {
    let extension = put(Extension, 1, extension());
    let numbers = (0..100_000u128).map(|n| {
        put(Number, n + 2, json!({ "number": (15_550_000_000 + n).to_string(), "extension_id": id(1) }))
    });
    let changes: Vec<Change> = std::iter::once(extension).chain(numbers).collect();
    let config = Config::default().apply(&changes).unwrap();
    assert_eq!(config.numbers.len(), 100_000);
    assert!(config.number(None, "15550099999").is_some());
    let twin = json!({ "number": "+15550012345", "extension_id": id(1) });
    refuses(&config, Number, 999_999, twin, (Conflict, "number", "NUMBER_TAKEN", "another number"));
}
