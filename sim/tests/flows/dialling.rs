//! What the fields of a tenant and of its share of a trunk do to its calls.

use crate::tenants::{Town, rings, town};
use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::{Event, Kind};
use tandem_sim::Stage;
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Acme with these settings, and a phone of it that may show 13322496214.
fn acme(more: Value) -> (Town, usize) {
    let mut town = town();
    let acme = town.acme.clone();
    town.w.patch(Kind::Tenant, &acme, more);
    let (phone, _) = town.phone(&acme, "100", json!({"outbound_cid": "13322496214"}));
    (town, phone)
}

/// What the carrier gets when the phone dials; the status where it gets nothing.
fn sent(town: &mut Town, phone: usize, number: &str) -> Result<Message, u16> {
    let before = town.w.ua(town.carrier).calls().len();
    town.dials(phone, "acme", number);
    town.w.run_for(secs(1));
    let calls = town.w.ua(town.carrier).calls().len();
    let result = match calls > before {
        true => Ok(town.w.last_call(town.carrier).invite.clone().unwrap()),
        false => Err(town.w.last_call(phone).code.unwrap()),
    };
    town.w.with_ua(phone, |ua, now| ua.hang_up_all(now));
    town.w.run_for(secs(1));
    result
}

fn number(sent: Result<Message, u16>) -> Result<String, u16> {
    sent.map(|invite| invite.request_uri().unwrap().user().unwrap().to_owned())
}

fn shown(sent: Result<Message, u16>) -> Result<String, u16> {
    sent.map(|invite| {
        let asserted = invite.header(Header::PAssertedIdentity).unwrap();
        asserted.split("sip:").nth(1).unwrap().split('@').next().unwrap().to_owned()
    })
}

#[test]
fn numbers_are_dialled_as_the_country_of_the_tenant_does() {
    for (plan, dialled, e164) in [
        (json!({"country": "US"}), "2125550100", "+12125550100"),
        (json!({"country": "US"}), "12125550100", "+12125550100"),
        (json!({"country": "US", "area_code": "212"}), "5550100", "+12125550100"),
        (json!({"country": "US", "international_prefix": "011"}), "0114989123456", "+4989123456"),
        (json!({"country": "DE"}), "089123456", "+4989123456"),
        (json!({"country": "DE"}), "004989123456", "+4989123456"),
        (json!({"country": "DE", "area_code": "89"}), "123456", "+4989123456"),
        (json!({"country": "DE", "national_prefix": "9"}), "989123456", "+4989123456"),
        (json!({"country": "DE"}), "+12125550100", "+12125550100"),
    ] {
        let mut settings = json!({"allowed_countries": ["US", "DE"]});
        settings.as_object_mut().unwrap().extend(plan.as_object().unwrap().clone());
        let (mut town, phone) = acme(settings);
        assert_eq!(number(sent(&mut town, phone, dialled)), Ok(e164.to_owned()), "{plan} {dialled}");
    }
}

#[test]
fn countries_that_are_not_allowed_and_blocked_beginnings_are_refused() {
    let refused = |town: &Town, reason: &str| {
        town.w
            .events
            .iter()
            .any(|event| matches!(event, Event::RequestRefused { reason: r, .. } if *r == reason))
    };
    let (mut town, phone) = acme(json!({"allowed_countries": ["US"], "blocked_prefixes": ["1900"]}));
    assert_eq!(number(sent(&mut town, phone, "+12125550100")), Ok("+12125550100".to_owned()));
    assert_eq!(number(sent(&mut town, phone, "+4989123456")), Err(403));
    assert!(refused(&town, "COUNTRY_NOT_ALLOWED"));
    assert_eq!(number(sent(&mut town, phone, "19005550100")), Err(403));
    assert!(refused(&town, "PREFIX_BLOCKED"));
    let (mut town, phone) = acme(json!({"allowed_countries": []}));
    assert_eq!(number(sent(&mut town, phone, "12125550100")), Err(403), "none allowed is none");
}

#[test]
fn a_suspended_tenant_neither_calls_nor_is_called_and_an_active_one_is() {
    let (mut town, phone) = acme(json!({"status": "suspended"}));
    let extension = town.w.config().extensions.values().next().unwrap().id.to_string();
    town.inbound(json!({"did": "13322496213", "destination": rings(&extension)}));
    assert_eq!(number(sent(&mut town, phone, "12125550100")), Err(403));
    let carrier = town.carrier;
    let call = town.w.dial(carrier, "13322496213");
    town.w.run_for(secs(2));
    assert!(town.w.call(carrier, call).code.is_some_and(|code| code >= 400));
    let acme = town.acme.clone();
    town.w.patch(Kind::Tenant, &acme, json!({"status": "active"}));
    assert!(sent(&mut town, phone, "12125550100").is_ok());
    town.w.talk(carrier, "13322496213");
    assert_eq!(town.w.stage(phone), Stage::Talking);
}

#[test]
fn the_caller_number_is_the_first_that_the_tenant_owns() {
    let (mut town, phone) = acme(json!({}));
    let (tenant, trunk) = (town.acme.clone(), town.trunk.clone());
    let extension = town.w.config().extensions.values().next().unwrap().id.to_string();
    assert_eq!(shown(sent(&mut town, phone, "12125550100")), Ok("13322496214".to_owned()));
    let by_trunk = json!({"outbound_cid_by_trunk": {trunk.as_str(): "13322496215"}});
    town.w.patch(Kind::Extension, &extension, by_trunk);
    assert_eq!(shown(sent(&mut town, phone, "12125550100")), Ok("13322496215".to_owned()), "for this trunk");
    town.w.patch(Kind::Extension, &extension, json!({"outbound_cid": null, "outbound_cid_by_trunk": null}));
    assert_eq!(number(sent(&mut town, phone, "12125550100")), Err(503), "who owns none uses no shared trunk");
    town.w.patch(Kind::Tenant, &tenant, json!({"default_caller_id": "13322496216"}));
    assert_eq!(shown(sent(&mut town, phone, "12125550100")), Ok("13322496216".to_owned()), "the tenant's");
}

#[test]
fn a_number_that_is_not_owned_is_replaced_or_the_call_refused() {
    // The trunk's own number, shown for everybody, is not Acme's.
    for (policy, expected) in [("replace", Ok("13322496214".to_owned())), ("reject", Err(503))] {
        let (mut town, phone) = acme(json!({"unowned_caller_id": policy}));
        let trunk = town.trunk.clone();
        town.w.patch(
            Kind::Trunk,
            &trunk,
            json!({"caller_id_number": "+15550000", "override_extension_cid": true}),
        );
        assert_eq!(shown(sent(&mut town, phone, "12125550100")), expected, "{policy}");
    }
}

#[test]
fn a_device_is_of_the_tenant_whose_domain_it_names() {
    let mut town = town();
    let acme = town.acme.clone();
    town.w.patch(Kind::Tenant, &acme, json!({"sip_domain": "pbx.acme.example"}));
    let body = json!({"tenant_id": acme, "number": "100", "password": "acme-100-password"});
    town.w.create(Kind::Extension, body);
    for (domain, code) in [
        ("pbx.acme.example", 200),
        ("acme.registrar.voip.example", 200),
        ("beta.registrar.voip.example", 401),
    ] {
        let phone = town.w.add(domain, "100");
        town.w.with_ua(phone, |ua, _| {
            ua.domain = Some(domain.to_owned());
            ua.set_password("acme-100-password");
        });
        town.w.register(phone);
        assert_eq!(town.w.ua(phone).registration_code(), Some(code), "{domain}");
    }
}

#[test]
fn the_hours_of_a_schedule_without_a_zone_are_those_of_the_tenant() {
    let (mut town, phone) = acme(json!({"timezone": "UTC"}));
    let tenant = town.acme.clone();
    // It is 22:13 UTC, and 07:13 in Tokyo.
    let hours = json!({"tenant_id": tenant, "name": "Mornings", "hours": [{"from": "06:00", "to": "09:00"}]});
    let hours = town.w.create(Kind::Schedule, hours);
    let extension = town.w.config().extensions.values().next().unwrap().id.to_string();
    town.inbound(json!({"did": "*", "schedule_id": hours, "destination": rings(&extension), "out_of_hours": {"type": "busy"}}));
    let carrier = town.carrier;
    let call = town.w.dial(carrier, "13322496213");
    town.w.run_for(secs(2));
    assert_eq!(town.w.call(carrier, call).code, Some(486));
    town.w.patch(Kind::Tenant, &tenant, json!({"timezone": "Asia/Tokyo"}));
    town.w.talk(carrier, "13322496213");
    assert_eq!(town.w.stage(phone), Stage::Talking);
}

#[test]
fn a_share_of_a_trunk_may_be_for_one_direction_only() {
    let (mut town, phone) = acme(json!({}));
    let extension = town.w.config().extensions.values().next().unwrap().id.to_string();
    town.inbound(json!({"did": "*", "destination": rings(&extension)}));
    let share = town.w.config().assignments.values().find(|a| a.tenant_id.to_string() == town.acme).unwrap();
    let share = share.id.to_string();
    let carrier = town.carrier;
    for (inbound, outbound) in [(true, true), (false, true), (true, false)] {
        town.w.patch(Kind::Assignment, &share, json!({"can_inbound": inbound, "can_outbound": outbound}));
        assert_eq!(sent(&mut town, phone, "12125550100").is_ok(), outbound);
        let call = town.w.dial(carrier, "13322496213");
        town.w.run_for(secs(2));
        assert_eq!(town.w.call(carrier, call).stage == Stage::Talking, inbound);
        town.w.with_ua(carrier, |ua, now| ua.hang_up_all(now));
        town.w.run_for(secs(1));
    }
}

#[test]
fn a_pool_is_what_a_tenant_is_called_at_whether_of_a_share_or_of_a_trunk_of_its_own() {
    // The four pools of PortSIP's guide, each with numbers in and beside it.
    for (pool, within, beside) in [
        ("13322496213", vec!["13322496213"], "13322496214"),
        ("13322496213;13322496215", vec!["13322496213", "13322496215"], "13322496214"),
        ("13322496213-13322496215;16468097069", vec!["13322496214", "16468097069"], "16468097070"),
        (
            "13322496213-13322496215;16468097069-16468097079",
            vec!["13322496215", "16468097079"],
            "16468097080",
        ),
    ] {
        for own_trunk in [false, true] {
            let mut w = tandem_sim::World::new();
            let tenant = w.create(Kind::Tenant, json!({"name": "Acme"}));
            let more = if own_trunk { json!({"tenant_id": tenant, "did_pool": pool}) } else { json!({}) };
            let (carrier, trunk) = w.plain_carrier("carrier", more);
            if !own_trunk {
                w.create(Kind::Assignment, json!({"trunk_id": trunk, "tenant_id": tenant, "did_pool": pool}));
            }
            let busy =
                json!({"tenant_id": tenant, "name": "all", "did": "*", "destination": {"type": "busy"}});
            w.create(Kind::InboundRoute, busy);
            let mut comes = |number: &str| {
                w.dial(carrier, number);
                w.run_for(secs(1));
                w.last_call(carrier).code
            };
            for number in within.iter() {
                assert_eq!(comes(&format!("+{number}")), Some(486), "{pool} {number}");
            }
            // A trunk of the tenant's own brings it every call; one that is shared only those to its pool.
            if !own_trunk {
                assert_eq!(comes(beside), Some(404), "{pool}");
            }
        }
    }
}
