//! The blocklist: who is kept out at the door, who may not call, what may not be called, and that none of it keeps back a call for help.

use crate::tenants::{Town, rings, town};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tandem_engine::{GuardLimits, Rate};
use tandem_model::{BlockSource, Event, Kind};
use tandem_sim::{Faults, Line, SERVER, Stage, World};
use tandem_sip_msg::Header;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn block(w: &mut World, kind: &str, value: &str, more: Value) -> String {
    let mut body = json!({ "kind": kind, "value": value });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    w.create(Kind::Block, body)
}

/// A phone, and a carrier that is called at any number and calls at 15550001, which rings the phone.
fn people(mut w: World) -> (World, usize, usize) {
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    (w, phone, carrier)
}

fn dials(w: &mut World, phone: usize, number: &str) -> Option<u16> {
    let call = w.dial(phone, number);
    w.run_for(secs(2));
    let code = w.call(phone, call).code;
    w.with_ua(phone, |ua, now| ua.hang_up_all(now));
    w.run_for(secs(1));
    code
}

/// What becomes of a call by this caller over a carrier.
fn comes(w: &mut World, carrier: usize, caller: &str, number: &str) -> Option<u16> {
    let line = Line::number(number, SERVER).with_from(format!("<sip:{caller}@a.example>"));
    let call = w.dial_line(carrier, line);
    w.run_for(secs(2));
    let code = w.call(carrier, call).code;
    w.with_ua(carrier, |ua, now| ua.hang_up_all(now));
    w.run_for(secs(1));
    code
}

fn reasons(w: &World) -> Vec<&str> {
    let refused = w.events.iter().filter_map(|event| match event {
        Event::RequestRefused { reason, .. } => Some(*reason),
        _ => None,
    });
    refused.collect()
}

#[test]
fn an_address_is_refused_or_dropped_and_let_in_again_when_the_entry_is_gone() {
    let (mut w, phone, carrier) = people(World::new());
    let network = format!("{}/24", w.address(phone).ip());
    let entry = block(&mut w, "ip", &network, json!({}));
    assert_eq!(dials(&mut w, phone, "5551234"), Some(403));
    w.register(phone);
    assert_eq!(w.ua(phone).registration_code(), Some(403));
    assert_eq!(w.engine.counters().blocked, 2);
    assert_eq!(
        comes(&mut w, carrier, "5550", "15550001"),
        Some(200),
        "a trunk is let in whatever stands there"
    );
    w.patch(Kind::Block, &entry, json!({ "action": "drop" }));
    let before = w.sent_to(phone).len();
    w.dial(phone, "5551234");
    w.run_for(secs(40));
    assert_eq!(w.sent_to(phone).len(), before, "not a word");
    w.delete(Kind::Block, &entry);
    w.register(phone);
    assert_eq!(w.ua(phone).registration_code(), Some(200));
}

#[test]
fn a_call_under_way_goes_on_when_its_address_is_blocked() {
    let (mut w, phone, carrier) = people(World::new());
    let call = w.talk(phone, "5551234");
    let address = w.address(phone).ip().to_string();
    block(&mut w, "ip", &address, json!({ "action": "drop" }));
    w.with_ua(phone, |ua, now| ua.hang_up(call, now));
    w.run_for(secs(2));
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Over, Stage::Over));
}

#[test]
fn an_entry_has_no_effect_once_it_has_expired() {
    let (mut w, phone, _) = people(World::new());
    let address = w.address(phone).ip().to_string();
    let expires = w.now.as_millis() + 60_000;
    block(&mut w, "ip", &address, json!({ "expires_at": expires }));
    assert_eq!(dials(&mut w, phone, "5551234"), Some(403));
    w.run_for(secs(60));
    assert_eq!(dials(&mut w, phone, "5551234"), Some(200));
}

/// A request of a stranger.
fn options(from: SocketAddr, n: usize, agent: &str) -> String {
    format!(
        "OPTIONS sip:{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKa{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:x@x.example>;tag=f{n}\r\nTo: <sip:{SERVER}>\r\nCall-ID: a-{n}\r\nCSeq: 1 OPTIONS\r\n\
         User-Agent: {agent}\r\nContent-Length: 0\r\n\r\n"
    )
}

fn codes(w: &World, to: SocketAddr) -> Vec<Option<u16>> {
    w.ladder.messages(SERVER, to).iter().map(|message| message.code()).collect()
}

#[test]
fn a_scanner_is_known_by_how_its_user_agent_begins() {
    let (mut w, ..) = people(World::new());
    let stranger: SocketAddr = "203.0.113.7:5060".parse().unwrap();
    block(&mut w, "user_agent", "friendly-scanner", json!({ "action": "drop" }));
    block(&mut w, "user_agent", "SIPVicious", json!({}));
    for (n, agent) in ["Friendly-Scanner 1.2", "sipvicious", "A friendly-scanner", "Phone"].iter().enumerate()
    {
        w.inject(stranger, SERVER, options(stranger, n, agent));
        w.run_for(secs(1));
    }
    assert_eq!(codes(&w, stranger), [Some(403), Some(200), Some(200)]);
    let allowed = block(&mut w, "ip", "203.0.113.0/24", json!({ "action": "allow" }));
    w.inject(stranger, SERVER, options(stranger, 9, "sipvicious"));
    w.run_for(secs(1));
    assert_eq!(codes(&w, stranger).last(), Some(&Some(200)), "who is let in is not asked what it is");
    w.delete(Kind::Block, &allowed);
}

#[test]
fn who_is_allowed_is_let_in_past_a_wider_network_the_rate_and_wrong_passwords() {
    let guard = GuardLimits { failures: 3, window: secs(60), block: secs(120) };
    let world = World::with_settings(1, Faults::default(), |settings| {
        settings.registrar.guard = guard;
        settings.door.source = Rate { per_second: 1, burst: 5 };
    });
    let (mut w, ..) = people(world);
    block(&mut w, "ip", "203.0.113.0/24", json!({}));
    block(&mut w, "ip", "203.0.113.7", json!({ "action": "allow" }));
    let stranger: SocketAddr = "203.0.113.7:5060".parse().unwrap();
    for n in 0..50 {
        w.inject(stranger, SERVER, options(stranger, n, "Phone"));
    }
    w.run_for(secs(1));
    assert_eq!(codes(&w, stranger), [Some(200); 50]);
    let office = w.add("office", "1001");
    let address = w.address(office).ip().to_string();
    block(&mut w, "ip", &address, json!({ "action": "allow" }));
    for guess in 0..5 {
        w.ua(office).set_password(&format!("guess-{guess}"));
        w.with_ua(office, |ua, now| ua.register_at(SERVER, 3600, now));
        w.run_for(secs(1));
    }
    assert!(!w.events.iter().any(|event| matches!(event, Event::AuthBlocked { .. })));
    assert!(w.engine.auto_blocks(w.now).is_empty());
    w.ua(office).set_password("1001-password");
    w.register(office);
    assert_eq!(w.ua(office).registration_code(), Some(200));
}

#[test]
fn who_is_shut_out_for_wrong_passwords_is_in_the_list_and_let_in_again_from_there() {
    let guard = GuardLimits { failures: 3, window: secs(60), block: secs(120) };
    let world = World::with_settings(1, Faults::default(), |settings| settings.registrar.guard = guard);
    let (mut w, ..) = people(world);
    let thief = w.add("thief", "1001");
    for guess in 0..3 {
        w.ua(thief).set_password(&format!("guess-{guess}"));
        w.with_ua(thief, |ua, now| ua.register_at(SERVER, 3600, now));
        w.run_for(secs(1));
    }
    let shut_out = w.engine.auto_blocks(w.now);
    let [entry] = shut_out.as_slice() else { panic!("{shut_out:?}") };
    let address = w.address(thief).ip();
    assert_eq!((entry.value.as_str(), entry.source), (format!("{address}/32").as_str(), BlockSource::Auto));
    assert!(entry.id.is_auto() && entry.expires_at.is_some_and(|at| at > w.now.as_millis()));
    w.ua(thief).set_password("1001-password");
    w.register(thief);
    assert_eq!(w.ua(thief).registration_code(), Some(403));
    let (id, now) = (entry.id, w.now);
    assert!(w.engine.lift_block(id, now) && !w.engine.lift_block(id, now));
    assert!(w.engine.auto_blocks(now).is_empty());
    w.register(thief);
    assert_eq!(w.ua(thief).registration_code(), Some(200));
}

#[test]
fn a_caller_is_declined_over_every_trunk_and_nobody_else_is() {
    let (mut w, _, carrier) = people(World::new());
    for value in ["1900*", "+4930111", "44207XXXXXXX", "anonymous"] {
        block(&mut w, "caller", value, json!({}));
    }
    for caller in ["19005551234", "+4930111", "00442071234567", "anonymous"] {
        assert_eq!(comes(&mut w, carrier, caller, "15550001"), Some(603), "{caller}");
    }
    for caller in ["18005551234", "+4930112", "442081234567"] {
        assert_eq!(comes(&mut w, carrier, caller, "15550001"), Some(200), "{caller}");
    }
    assert_eq!(reasons(&w), ["CALLER_BLOCKED"; 4]);
    assert_eq!(w.sent_to(carrier).iter().filter(|m| m.header(Header::Reason).is_some()).count(), 0);
}

#[test]
fn a_destination_is_refused_with_the_reason_unless_it_is_a_call_for_help() {
    let (mut w, phone, carrier) = people(World::new());
    let trunk = w.trunk_ids()[0].clone();
    block(&mut w, "destination", "1900*", json!({}));
    block(&mut w, "destination", "911", json!({}));
    assert_eq!(dials(&mut w, phone, "+19005551234"), Some(403));
    let told = w.sent_to(phone).into_iter().rfind(|message| message.code() == Some(403)).unwrap();
    let words = "Q.850;cause=21;text=\"the blocklist has the destination 1900*\"";
    assert_eq!(told.header(Header::Reason), Some(words));
    assert_eq!(dials(&mut w, phone, "911"), Some(403));
    assert_eq!(reasons(&w), ["DESTINATION_BLOCKED"; 2]);
    assert!(w.ua(carrier).calls().is_empty());
    let steps = json!([{ "trunk_id": trunk }]);
    w.create(
        Kind::Route,
        json!({"name": "help", "emergency": true, "match": {"patterns": ["911"]}, "steps": steps}),
    );
    assert_eq!(dials(&mut w, phone, "911"), Some(200));
    assert_eq!(dials(&mut w, phone, "+18005551234"), Some(200));
}

#[test]
fn a_blocked_caller_at_a_pbx_still_reaches_help() {
    let (mut w, _, carrier) = people(World::new());
    let trunk = w.trunk_ids()[0].clone();
    let pbx = w.add("pbx", "pbx");
    let address = w.address(pbx).ip().to_string();
    w.create(Kind::Trunk, json!({"name": "pbx", "mode": "peer_in", "associated_ips": [address]}));
    let steps = json!([{ "trunk_id": trunk }]);
    w.create(
        Kind::Route,
        json!({"name": "help", "emergency": true, "match": {"patterns": ["911"]}, "steps": steps}),
    );
    block(&mut w, "caller", "200", json!({}));
    assert_eq!(comes(&mut w, pbx, "200", "5551234"), Some(603));
    assert_eq!(comes(&mut w, pbx, "200", "1001"), Some(603));
    assert_eq!(comes(&mut w, pbx, "200", "911"), Some(200));
    assert_eq!(comes(&mut w, pbx, "201", "5551234"), Some(200));
    assert_eq!(w.ua(carrier).calls().len(), 2);
}

/// Acme, whose phone dials out and is rung at 13322496213, and a phone of Beta.
fn two_tenants() -> (Town, [usize; 2], String) {
    let mut town = town();
    let (acme, beta) = (town.acme.clone(), town.beta.clone());
    let (desk, extension) = town.phone(&acme, "100", json!({"outbound_cid": "13322496214"}));
    let (other, _) = town.phone(&beta, "200", json!({"outbound_cid": "16468097069"}));
    town.inbound(json!({"did": "13322496213", "destination": rings(&extension)}));
    (town, [desk, other], extension)
}

#[test]
fn a_tenant_blocks_in_its_own_calls_alone() {
    let (mut town, [desk, other], _) = two_tenants();
    let acme = town.acme.clone();
    block(&mut town.w, "destination", "1212*", json!({ "tenant_id": acme }));
    block(&mut town.w, "caller", "15559999", json!({ "tenant_id": acme }));
    for (phone, slug, code) in [(desk, "acme", 403), (other, "beta", 200)] {
        town.dials(phone, slug, "12125550100");
        assert_eq!(town.w.last_call(phone).code, Some(code), "{slug}");
    }
    assert_eq!(comes(&mut town.w, town.carrier, "15559999", "13322496213"), Some(603));
    assert_eq!(comes(&mut town.w, town.carrier, "15559998", "13322496213"), Some(200));
}

#[test]
fn what_a_step_makes_of_a_number_is_looked_up_as_well() {
    let (mut town, [desk, _], _) = two_tenants();
    let acme = town.acme.clone();
    block(&mut town.w, "destination", "+12125550100", json!({ "tenant_id": acme }));
    let steps = json!([{ "trunk_id": town.trunk, "strip": 3, "prepend": "+" }]);
    let route = json!({"name": "own", "tenant_id": acme, "priority": 1, "match": {"patterns": ["777."]}, "steps": steps});
    town.w.create(Kind::Route, route);
    town.dials(desk, "acme", "77712125550100");
    assert_eq!(town.w.last_call(desk).code, Some(403));
    town.dials(desk, "acme", "77712125550101");
    assert_eq!(town.w.last_call(desk).code, Some(200));
}

#[test]
fn an_explanation_names_the_entry() {
    let (mut town, _, extension) = two_tenants();
    block(&mut town.w, "destination", "1212*", json!({}));
    block(&mut town.w, "caller", "15559999", json!({}));
    let out = town.explain(json!({ "extension_id": extension, "number": "12125550100" }));
    let trunk = town.trunk.clone();
    let in_ = town.explain(json!({ "trunk_id": trunk, "number": "13322496213", "caller": "15559999" }));
    for (explained, code, reason, entry) in
        [(out, 403, "DESTINATION_BLOCKED", "1212*"), (in_, 603, "CALLER_BLOCKED", "15559999")]
    {
        assert_eq!((explained.code, explained.reason.as_deref()), (Some(code), Some(reason)));
        let line = explained.steps.last().map(|step| (step.kind.as_str(), step.name.as_str(), step.kept));
        assert_eq!(line, Some(("block", entry, false)));
    }
}
