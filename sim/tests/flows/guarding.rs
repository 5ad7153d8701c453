//! What guards against calls that nobody should make: where an extension may be, when a tenant calls out, how long a route lets talk.

use crate::tenants::{Town, rings, town};
use serde_json::{Value, json};
use std::time::Duration;
use tandem_engine::Limits;
use tandem_model::{Event, Kind, Side};
use tandem_sim::{Faults, Stage, World};
use tandem_sip_msg::{Header, Transport};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Reason and words of refusals so far.
fn refusals(w: &World) -> Vec<(&str, &str)> {
    w.events
        .iter()
        .filter_map(|event| match event {
            Event::RequestRefused { reason, message, .. } => Some((*reason, message.as_str())),
            _ => None,
        })
        .collect()
}

/// What the last response to somebody says in its Reason header.
fn told(w: &World, ua: usize) -> String {
    w.sent_to(ua).last().and_then(|message| message.header(Header::Reason)).unwrap_or_default().to_owned()
}

#[test]
fn an_extension_registers_only_from_where_it_may_be() {
    let mut w = World::new();
    let body = json!({"number": "1001", "password": "1001-password", "allowed_cidrs": ["192.0.2.0/24"]});
    let extension = w.create(Kind::Extension, body);
    let phone = w.another_phone("phone", "1001");
    assert_eq!(w.ua(phone).registration_code(), Some(403));
    let phrase = w.sent_to(phone).last().unwrap().reason_phrase().to_owned();
    assert_eq!(phrase, "Not Allowed From This Address");
    assert_eq!(w.engine.counters().refused, 1);
    let rejected = w.events.iter().any(|event| {
        matches!(event, Event::RegistrationRejected { code: 403, owner: Some(_), phrase, .. } if phrase.contains("Address"))
    });
    assert!(rejected, "{:?}", w.events);
    let here = w.address(phone).ip().to_string();
    w.patch(Kind::Extension, &extension, json!({ "allowed_cidrs": [here] }));
    w.register(phone);
    assert_eq!(w.ua(phone).registration_code(), Some(200));
}

#[test]
fn a_device_that_may_not_be_where_it_is_any_more_is_forgotten_and_another_stays() {
    let mut w = World::new();
    let extension = w.create(Kind::Extension, json!({"number": "1001", "password": "1001-password"}));
    let (desk, away) = (w.another_phone("desk", "1001"), w.another_phone("away", "1001"));
    let caller = w.phone("1002");
    let here = w.address(desk).ip().to_string();
    w.patch(Kind::Extension, &extension, json!({ "allowed_cidrs": [here] }));
    w.run_for(secs(1));
    w.talk(caller, "1001");
    assert_eq!((w.stage(desk), w.ua(away).last_call()), (Stage::Talking, None));
    w.hang_up(caller);
    w.run_for(secs(1));
    let call = w.dial(away, "1002");
    w.run_for(secs(1));
    assert_eq!(w.call(away, call).code, Some(403));
    let address = w.address(away).ip();
    let words = format!("extension `1001` may not call from {address}");
    assert_eq!(refusals(&w), [("ADDRESS_NOT_ALLOWED", words.as_str())]);
    assert_eq!(told(&w, away), format!("Q.850;cause=21;text=\"{words}\""));
    w.talk(desk, "1002");
    assert_eq!(w.stage(caller), Stage::Talking);
}

#[test]
fn an_extension_registers_and_calls_only_over_the_transport_that_it_says() {
    let mut w = World::new();
    let body = json!({"number": "1001", "password": "1001-password", "transport": "tcp"});
    let extension = w.create(Kind::Extension, body);
    let (over_udp, colleague) = (w.another_phone("udp", "1001"), w.phone("1002"));
    assert_eq!(w.ua(over_udp).registration_code(), Some(403));
    let phrase = w.sent_to(over_udp).last().unwrap().reason_phrase().to_owned();
    assert_eq!(phrase, "Not Allowed Over This Transport");
    assert_eq!(w.engine.counters().refused, 1);
    let call = w.dial(over_udp, "1002");
    w.run_for(secs(1));
    assert_eq!(w.call(over_udp, call).code, Some(403));
    let words = "extension `1001` may not call over UDP";
    assert_eq!(refusals(&w), [("TRANSPORT_NOT_ALLOWED", words)]);
    assert_eq!(told(&w, over_udp), format!("Q.850;cause=21;text=\"{words}\""));
    w.transport = Transport::Tcp;
    let over_tcp = w.another_phone("tcp", "1001");
    assert_eq!(w.ua(over_tcp).registration_code(), Some(200));
    w.talk(over_tcp, "1002");
    assert_eq!(w.stage(colleague), Stage::Talking);
    w.hang_up(colleague);
    w.run_for(secs(1));
    for (transport, bindings) in [("any", 1), ("tls", 0)] {
        w.patch(Kind::Extension, &extension, json!({ "transport": transport }));
        w.run_for(secs(1));
        let of_extension = w.bindings().filter(|binding| binding.transport == "tcp").count();
        assert_eq!(of_extension, bindings, "what came over another transport is forgotten");
    }
}

/// Acme, which calls out on working days only, and the world begins on a Tuesday at 22:13 UTC; a phone of its and its extension.
fn after_hours() -> (Town, usize, String) {
    let mut town = town();
    let acme = town.acme.clone();
    let hours = json!([{ "weekdays": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00" }]);
    let office = town.w.create(Kind::Schedule, json!({"name": "Office", "tenant_id": acme, "hours": hours}));
    town.w.patch(Kind::Tenant, &acme, json!({ "outbound_schedule_id": office }));
    let (phone, extension) = town.phone(&acme, "100", json!({"outbound_cid": "13322496214"}));
    (town, phone, extension)
}

const CLOSED: &str = "the tenant calls nobody outside of the hours of its schedule `Office`";

#[test]
fn outside_of_its_hours_a_tenant_calls_nobody_but_for_help() {
    let (mut town, phone, _) = after_hours();
    let trunk = town.trunk.clone();
    let (beta, _) = town.phone(&town.beta.clone(), "200", json!({"outbound_cid": "16468097069"}));
    let steps = json!([{ "trunk_id": trunk }]);
    let help = json!({"name": "help", "emergency": true, "match": {"patterns": ["911"]}, "steps": steps});
    town.w.create(Kind::Route, help);
    town.dials(phone, "acme", "12125550100");
    assert_eq!(town.w.last_call(phone).code, Some(403));
    assert_eq!(told(&town.w, phone), format!("Q.850;cause=21;text=\"{CLOSED}\""));
    assert_eq!(refusals(&town.w), [("OUTSIDE_HOURS", CLOSED)]);
    assert!(town.w.ua(town.carrier).last_call().is_none());
    town.dials(phone, "acme", "911");
    assert_eq!(town.w.last_call(phone).code, Some(200));
    town.dials(beta, "beta", "12125550100");
    assert_eq!(town.w.last_call(beta).code, Some(200));
    for ua in [phone, beta] {
        town.w.with_ua(ua, |ua, now| ua.hang_up_all(now));
    }
    // Half past ten of the next morning.
    town.w.run_for(secs(12 * 3600 + 1000));
    town.dials(phone, "acme", "12125550100");
    assert_eq!(town.w.last_call(phone).code, Some(200));
}

#[test]
fn at_night_calls_come_in_and_stay_in_and_none_is_forwarded_out() {
    let (mut town, phone, extension) = after_hours();
    let (other, _) = town.phone(&town.acme.clone(), "101", json!({}));
    town.dials(phone, "acme", "101");
    assert_eq!(town.w.stage(other), Stage::Talking);
    town.inbound(json!({"did": "13322496213", "destination": rings(&extension)}));
    let away = json!({"type": "number", "number": "12125550100"});
    town.inbound(json!({"did": "13322496215", "destination": away}));
    let over = json!({"type": "trunk", "trunk_id": town.trunk, "number": "12125550100"});
    town.inbound(json!({"did": "13322496216", "destination": over}));
    for (number, code) in [("13322496213", 200), ("13322496215", 403), ("13322496216", 403)] {
        town.w.dial(town.carrier, number);
        town.w.run_for(secs(1));
        assert_eq!(town.w.last_call(town.carrier).code, Some(code), "{number}");
    }
    assert_eq!(told(&town.w, town.carrier), "", "a carrier is told nothing of the tenant");
}

#[test]
fn an_explanation_tells_of_the_hours() {
    let (mut town, _, extension) = after_hours();
    let at = |hours: u64| 1_700_000_000_000 + hours * 3_600_000;
    let mut ask = |number: &str, at: u64| {
        town.explain(json!({ "extension_id": extension, "number": number, "at": at }))
    };
    let night = ask("12125550100", at(0));
    assert_eq!((night.code, night.reason.as_deref()), (Some(403), Some("OUTSIDE_HOURS")));
    let line = night.steps.last().map(|step| (step.kind.as_str(), step.kept, step.why.as_str()));
    assert_eq!(line, Some(("tenant", false, CLOSED)));
    assert_eq!(ask("12125550100", at(12)).code, None);
}

/// A carrier with a route that ends calls, and a phone, at a server that lets them last for ten minutes.
fn short_calls(route: Value) -> (World, usize, usize) {
    let limits = Limits { duration: Some(secs(600)), ..Limits::default() };
    let mut w = World::with_limits(1, Faults::default(), limits);
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    let mut body = json!({"name": "out", "max_minutes": 2, "steps": [{"trunk_id": trunk}]});
    body.as_object_mut().unwrap().extend(route.as_object().unwrap().clone());
    w.create(Kind::Route, body);
    let phone = w.phone("1001");
    (w, phone, carrier)
}

#[test]
fn a_route_ends_its_calls_after_so_many_minutes_on_both_sides() {
    let (mut w, phone, carrier) = short_calls(json!({}));
    w.talk(phone, "5551234");
    w.run_for(secs(119));
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
    w.run_for(secs(3));
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Over, Stage::Over));
    assert_eq!((w.count_to(phone, "BYE"), w.count_to(carrier, "BYE")), (1, 1));
    let record = w.only_record();
    assert_eq!((record.ended_by, record.duration_ms / 1000), (Side::System, 120));
    assert_eq!(record.cause.phrase, "The longest duration of its route was reached");
    w.assert_quiet_but_for_registrations();
}

#[test]
fn no_route_lets_a_call_last_beyond_what_the_server_does_and_zero_is_no_limit() {
    for minutes in [0, 11] {
        let (mut w, phone, carrier) = short_calls(json!({ "max_minutes": minutes }));
        w.talk(phone, "5551234");
        w.run_for(secs(590));
        assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
        w.run_for(secs(15));
        assert_eq!(w.only_record().cause.phrase, "The longest duration was reached");
    }
}

#[test]
fn the_time_of_a_route_goes_on_with_the_leg_that_went_over_it() {
    let (mut w, phone, carrier) = short_calls(json!({}));
    let colleague = w.phone("1002");
    let outside = w.talk(phone, "5551234");
    w.run_for(secs(60));
    let inside = w.talk(phone, "1002");
    w.with_ua(phone, |ua, now| ua.refer_to_call(outside, inside, now));
    w.run_for(secs(5));
    assert_eq!((w.stage(colleague), w.stage(carrier)), (Stage::Talking, Stage::Talking));
    assert_eq!(w.stage(phone), Stage::Over);
    w.run_for(secs(60));
    assert_eq!((w.stage(colleague), w.stage(carrier)), (Stage::Over, Stage::Over));
}
