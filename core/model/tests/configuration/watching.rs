//! Webhooks and rules for alerts.

use crate::bench::*;
use Kind::{AlertRule, Tenant, Webhook};
use serde_json::{Value, json};
use tandem_model::{AlertRuleId, Change, Config, Entity, Kind, WebhookId};

fn webhook() -> Value {
    json!({ "name": "CRM", "url": "https://hooks.example.com/x", "secret": "hunter-two of many letters" })
}

#[test]
fn a_webhook_has_a_secret_that_nobody_reads_and_the_store_keeps() {
    let config = config([(Webhook, 1, with(webhook(), json!({ "events": ["call.", "trunk.state"] })))]);
    let hook = config.webhooks[&WebhookId(id(1))].clone();
    assert!(hook.enabled && hook.tenant_id.is_none());
    let entity = Entity::Webhook(hook);
    assert!(!format!("{} {entity:?}", entity.to_json()).contains("hunter"));
    assert_eq!(entity.to_stored()["secret"], "hunter-two of many letters");
    assert_eq!(Entity::from_stored(Webhook, entity.to_stored()).unwrap(), entity);
    let renamed = entity.patch(json!({ "name": "Other" })).unwrap();
    assert_eq!(renamed.to_stored()["secret"], "hunter-two of many letters", "it stays");
}

#[test]
fn the_fields_of_a_webhook_are_checked() {
    let nobody = Config::default();
    for (change, field, reason, fix) in [
        (json!({ "name": " " }), "name", "REQUIRED", "1 to 64"),
        (json!({ "url": "hooks.example.com" }), "url", "BAD_FORMAT", "https://"),
        (json!({ "url": "ftp://hooks.example.com" }), "url", "BAD_FORMAT", "https://"),
        (json!({ "url": "http://hooks.example.com/" }), "url", "BAD_FORMAT", "https://"),
        (json!({ "url": "https://user:pass@hooks.example.com/" }), "url", "BAD_FORMAT", "signature"),
        (json!({ "url": "https://hooks.example.com/#x" }), "url", "BAD_FORMAT", "leave it out"),
        (json!({ "url": "https://hooks.example.com/a b" }), "url", "BAD_FORMAT", "percent"),
        (json!({ "url": "https:///x" }), "url", "BAD_FORMAT", "value"),
        (json!({ "url": "https://hooks.example.com:0/" }), "url", "BAD_FORMAT", "proxy"),
        (json!({ "events": ["failover", "calls."] }), "events[1]", "UNKNOWN_VALUE", "call.started"),
        (json!({ "secret": null }), "secret", "REQUIRED", "openssl"),
        (json!({ "secret": "too short" }), "secret", "WEAK_PASSWORD", "16 to 128"),
        (json!({ "tenant_id": id(99) }), "tenant_id", "UNKNOWN_TENANT", "exists"),
    ] {
        refuses(&nobody, Webhook, 1, with(webhook(), change), (Invalid, field, reason, fix));
    }
    refuses(&nobody, Webhook, 1, json!({ "name": "x" }), (Invalid, "url", "REQUIRED", "posted"));
    for url in [
        "http://127.0.0.1:9000/x",
        "http://localhost/",
        "http://[::1]:80/",
        "https://192.0.2.1:8443/?a=b%20c",
    ] {
        config([(Webhook, 1, with(webhook(), json!({ "url": url })))]);
    }
}

fn rule(kind: &str) -> Value {
    json!({ "name": "Alarm", "kind": kind })
}

#[test]
fn a_rule_for_alerts_has_the_defaults_of_its_kind() {
    let of = |n: u128, body: Value| {
        let config = config([(Trunk, 1, trunk()), (AlertRule, n, body)]);
        let rule = config.alert_rules[&AlertRuleId(id(n))].clone();
        (rule.threshold, rule.clear_threshold, rule.for_s)
    };
    assert_eq!(of(2, rule("capacity")), (Some(80.0), Some(70.0), 10));
    assert_eq!(of(2, rule("trunk_down")), (None, None, 30));
    assert_eq!(of(2, rule("cert_expiring")), (Some(14.0), Some(15.0), 0));
    assert_eq!(of(2, with(rule("asr_low"), json!({ "threshold": 20 }))), (Some(20.0), Some(25.0), 60));
    assert_eq!(
        of(2, with(rule("asr_low"), json!({ "threshold": 90, "for_s": 5 }))),
        (Some(90.0), Some(100.0), 5)
    );
    assert_eq!(of(2, with(rule("loss_high"), json!({ "threshold": null }))), (Some(3.0), Some(2.0), 60));
}

#[test]
fn the_fields_of_a_rule_for_alerts_are_checked_alone_and_together() {
    let with_trunk = config([(Trunk, 1, trunk()), (Tenant, 9, json!({ "name": "Acme" }))]);
    for (kind, change, field, reason, fix) in [
        ("asr_low", json!({ "threshold": 101 }), "threshold", "OUT_OF_RANGE", "0 to 100"),
        ("asr_low", json!({ "threshold": -1 }), "threshold", "OUT_OF_RANGE", "0 to 100"),
        ("pdd_high", json!({ "clear_threshold": 1e9 }), "clear_threshold", "OUT_OF_RANGE", "300000"),
        (
            "asr_low",
            json!({ "threshold": 40, "clear_threshold": 30 }),
            "clear_threshold",
            "BAD_RANGE",
            "not below",
        ),
        (
            "loss_high",
            json!({ "threshold": 3, "clear_threshold": 4 }),
            "clear_threshold",
            "BAD_RANGE",
            "not above",
        ),
        ("trunk_down", json!({ "threshold": 1 }), "threshold", "CONFLICTING_FIELDS", "for_s"),
        (
            "registration_lost",
            json!({ "clear_threshold": 1 }),
            "clear_threshold",
            "CONFLICTING_FIELDS",
            "for_s",
        ),
        ("flapping", json!({ "window_s": 59 }), "window_s", "OUT_OF_RANGE", "60 to 900"),
        ("flapping", json!({ "for_s": 86_401 }), "for_s", "OUT_OF_RANGE", "86400"),
        ("cert_expiring", json!({ "trunk_id": id(1) }), "trunk_id", "CONFLICTING_FIELDS", "leave"),
        ("auth_failures", json!({ "tenant_id": id(9) }), "tenant_id", "SYSTEM_ONLY", "system"),
        ("capacity", json!({ "trunk_id": id(1) }), "trunk_id", "NO_LIMIT", "max_calls"),
        ("trunk_down", json!({ "trunk_id": id(8) }), "trunk_id", "UNKNOWN_TRUNK", "exists"),
        (
            "trunk_down",
            json!({ "trunk_id": id(1), "tenant_id": id(9) }),
            "trunk_id",
            "TRUNK_NOT_ASSIGNED",
            "assigned",
        ),
    ] {
        refuses(&with_trunk, AlertRule, 2, with(rule(kind), change), (Invalid, field, reason, fix));
    }
    refuses(&with_trunk, AlertRule, 2, json!({ "name": "x" }), (Invalid, "kind", "REQUIRED", "trunk_down"));
}

#[test]
fn a_trunk_that_a_rule_names_is_not_deleted() {
    let config =
        config([(Trunk, 1, trunk()), (AlertRule, 2, with(rule("trunk_down"), json!({ "trunk_id": id(1) })))]);
    let rejection = config.apply(&[Change::Delete(Trunk, id(1))]).unwrap_err();
    assert!(rejection.to_string().contains("Alarm"), "{rejection}");
}
