//! The blocklist: what stands in it, and what is found there.

use crate::bench::*;
use Kind::{Block, Tenant};
use serde_json::{Value, json};
use tandem_model::{BlockKind, Change, Config, Entity, Kind, TenantId};

const ACME: u128 = 101;

fn refuses_with(body: Value, field: &str, reason: &str, fix: &str) {
    let config = config([(Tenant, ACME, json!({ "name": "Acme" }))]);
    refuses(&config, Block, 9, body, (Invalid, field, reason, fix));
}

fn block(kind: &str, value: &str) -> Value {
    json!({ "kind": kind, "value": value })
}

/// The value of the entry that a number is found by.
fn found(config: &Config, kind: BlockKind, number: &str) -> Option<String> {
    config.block_of_number(kind, None, [number].into_iter(), 0).map(|block| block.value.clone())
}

#[test]
fn what_cannot_be_blocked_is_refused_with_what_to_write() {
    refuses_with(json!({ "value": "1" }), "kind", "REQUIRED", "`user_agent`");
    refuses_with(json!({ "kind": "ip" }), "value", "REQUIRED", "192.0.2.0/24");
    refuses_with(block("ip", "office"), "value", "BAD_FORMAT", "`192.0.2.0/24`");
    refuses_with(block("number", "1"), "kind", "UNKNOWN_VALUE", "destination");
    refuses_with(block("caller", "x y"), "value", "BAD_FORMAT", "`1332*`");
    refuses_with(block("destination", "anonymous"), "value", "BAD_FORMAT", "a beginning");
    refuses_with(block("user_agent", "ab"), "value", "BAD_FORMAT", "3 to 64");
    refuses_with(with(block("caller", "1"), json!({ "note": "a\nb" })), "note", "BAD_FORMAT", "one line");
    refuses_with(
        with(block("caller", "1"), json!({ "source": "auto" })),
        "source",
        "IMMUTABLE",
        "leave `source` out",
    );
    for (kind, action, fix) in [
        ("caller", "drop", "`reject`"),
        ("destination", "drop", "`reject`"),
        ("caller", "allow", "only an `ip`"),
        ("user_agent", "allow", "only an `ip`"),
    ] {
        let body = with(block(kind, "12345"), json!({ "action": action }));
        refuses_with(body, "action", "CONFLICTING_FIELDS", fix);
    }
    for (kind, value) in [("ip", "192.0.2.1"), ("user_agent", "sipvicious")] {
        let body = with(block(kind, value), json!({ "tenant_id": id(ACME) }));
        refuses_with(body, "tenant_id", "CONFLICTING_FIELDS", "leave `tenant_id` out");
    }
}

#[test]
fn a_value_is_there_once_however_it_is_written() {
    for (kind, value, again) in [
        ("ip", "192.0.2.9/24", "192.0.2.0/24"),
        ("caller", "+1 555 123", "1555123"),
        ("destination", "+1900*", "1900*"),
        ("user_agent", "SIPVicious", "sipvicious"),
        ("caller", "1NXX.", "1NXX."),
    ] {
        let config = config([(Block, 1, block(kind, value))]);
        refuses(
            &config,
            Block,
            2,
            block(kind, again),
            (Conflict, "value", "VALUE_TAKEN", "change that entry"),
        );
        accepts(
            &config,
            Block,
            2,
            block(kind, "199999999").as_object().map_or(Value::Null, |body| {
                let value = if kind == "ip" { "198.51.100.1" } else { "199999999" };
                with(Value::Object(body.clone()), json!({ "value": value }))
            }),
        );
    }
    let config = config([(Block, 1, block("ip", "192.0.2.9/24"))]);
    assert_eq!(config.get(Block, id(1)).unwrap().to_json()["value"], "192.0.2.0/24");
}

#[test]
fn the_smallest_network_counts_and_one_that_has_expired_does_not() {
    let config = config([
        (Block, 1, block("ip", "0.0.0.0/0")),
        (Block, 2, with(block("ip", "192.0.2.0/24"), json!({ "action": "allow" }))),
        (Block, 3, with(block("ip", "192.0.2.9"), json!({ "action": "drop", "expires_at": 1000 }))),
        (Block, 4, block("ip", "2001:db8::/32")),
    ]);
    let at = |address: &str, now: u64| {
        let block = config.block_of_address(address.parse().unwrap(), now);
        block.map(|block| serde_json::to_value(block.action).unwrap())
    };
    assert_eq!(at("203.0.113.1", 0), Some(json!("reject")));
    assert_eq!(at("192.0.2.8", 0), Some(json!("allow")));
    assert_eq!(at("192.0.2.9", 999), Some(json!("drop")));
    assert_eq!(at("::ffff:192.0.2.9", 1000), Some(json!("allow")));
    assert_eq!(at("2001:db8::1", 0), Some(json!("reject")));
    assert_eq!(at("2001:db9::1", 0), None);
}

#[test]
fn numbers_are_found_exactly_by_their_beginning_by_pattern_and_as_nobodys() {
    let config = config([
        (Block, 1, block("caller", "1900*")),
        (Block, 2, block("caller", "+19005551234")),
        (Block, 3, block("caller", "44NXX.")),
        (Block, 4, block("caller", "500-599")),
        (Block, 5, block("caller", "anonymous")),
        (Block, 6, block("destination", "1976*")),
    ]);
    for (number, entry) in [
        ("+19005551234", Some("+19005551234")),
        ("19005550000", Some("1900*")),
        ("+4420712345", Some("44NXX.")),
        ("550", Some("500-599")),
        ("", Some("anonymous")),
        ("Anonymous", Some("anonymous")),
        ("18005551234", None),
        ("19765551234", None),
    ] {
        assert_eq!(found(&config, BlockKind::Caller, number).as_deref(), entry, "{number}");
    }
    assert_eq!(found(&config, BlockKind::Destination, "19765551234").as_deref(), Some("1976*"));
}

#[test]
fn a_tenant_blocks_for_itself_and_the_system_for_all() {
    let config = config([
        (Tenant, ACME, json!({ "name": "Acme" })),
        (Block, 1, with(block("caller", "1900*"), json!({ "tenant_id": id(ACME) }))),
        (Block, 2, block("caller", "1976*")),
    ]);
    let blocked = |tenant: Option<TenantId>, number: &str| {
        config.block_of_number(BlockKind::Caller, tenant, [number].into_iter(), 0).is_some()
    };
    let acme = Some(TenantId(id(ACME)));
    assert_eq!([blocked(acme, "1900555"), blocked(acme, "1976555")], [true, true]);
    assert_eq!([blocked(None, "1900555"), blocked(None, "1976555")], [false, true]);
}

/// Entries of every kind, so many.
fn many(count: u32) -> Config {
    let entry = |n: u32| {
        let body = match n % 4 {
            0 => block("ip", &format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255)),
            1 => block("caller", &format!("1555{n:07}")),
            2 => block("destination", &format!("44{n:08}*")),
            _ => block("user_agent", &format!("scanner {n}")),
        };
        Change::Put(Entity::create(Block, id(u128::from(n) + 1), body).unwrap())
    };
    let changes: Vec<Change> = (0..count).map(entry).collect();
    Config::default().apply(&changes).unwrap()
}

#[test]
fn a_hundred_thousand_entries_are_found_one_by_one_and_no_more_are_taken() {
    let all = many(100_000);
    for n in (0..100_000_u32).step_by(997) {
        let last = n.to_be_bytes();
        let address = std::net::IpAddr::from([10, last[1], last[2], last[3]]);
        let is_there = match n % 4 {
            0 => all.block_of_address(address, 0).is_some(),
            1 => found(&all, BlockKind::Caller, &format!("+1555{n:07}")).is_some(),
            2 => found(&all, BlockKind::Destination, &format!("44{n:08}123")).is_some(),
            _ => all.block_of_agent(&format!("Scanner {n}/1.0"), 0).is_some(),
        };
        assert!(is_there, "{n}");
    }
    assert!(all.block_of_address("203.0.113.1".parse().unwrap(), 0).is_none());
    assert!(all.block_of_agent("Some phone/1.2.3", 0).is_none());
    assert_eq!(found(&all, BlockKind::Destination, "+12025550100"), None);
    let one_more = Entity::create(Block, id(999_999), block("caller", "1")).unwrap();
    let refused = all.apply(&[Change::Put(one_more)]).unwrap_err();
    assert_eq!(reasons(&refused), [("", "TOO_MANY")]);
}
