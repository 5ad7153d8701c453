//! A carrier calls in: which trunk it is, which number, which phones ring, and who is turned away.

use serde_json::json;
use std::time::Duration;
use tandem_model::{Direction, Event, Kind, Outcome};
use tandem_sim::{Behaviour, Line, SERVER, Stage, World};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A carrier whose number 15550001 rings the phone of extension 1001.
fn world() -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", json!({}));
    let phone = w.phone("1001");
    w.number("+15550001", "1001");
    (w, carrier, phone)
}

fn refusal<'a>(w: &'a World, reason: &str) -> &'a str {
    let why = |event: &'a Event| match event {
        Event::RequestRefused { reason: why, message, .. } if *why == reason => Some(message.as_str()),
        Event::InboundAmbiguous { message, .. } if reason == "AMBIGUOUS_SOURCE" => Some(message.as_str()),
        _ => None,
    };
    w.events.iter().find_map(why).unwrap_or_else(|| panic!("no {reason} in {:#?}", w.events))
}

#[test]
fn a_number_rings_its_extension_however_the_carrier_writes_it() {
    for written in ["+15550001", "15550001", "0015550001", "+1 555 0001"] {
        let (mut w, carrier, phone) = world();
        w.talk(carrier, written);
        assert_eq!(w.stage(phone), Stage::Talking, "{written}");
        w.run_for(secs(1));
        let tone = w.ua(carrier).tone;
        assert!(w.last_call(phone).hears(tone));
        w.hang_up(carrier);
        w.run_for(secs(1));
        let record = w.only_record();
        assert_eq!((record.direction, record.outcome), (Direction::Inbound, Outcome::Answered));
        w.assert_quiet();
    }
}

#[test]
fn the_phone_sees_who_calls() {
    let (mut w, carrier, phone) = world();
    let line = Line::number("15550001", SERVER).with_from("\"Ann\" <sip:+4930123@carrier.example>");
    w.dial_line(carrier, line);
    w.run_for(secs(1));
    let shown = w.last_call(phone).from.clone();
    assert!(shown.contains("Ann") && shown.contains("+4930123@"), "{shown}");
    assert!(!shown.contains("carrier.example"), "{shown}");
    let ended = w.ua(carrier).last_call().unwrap();
    w.with_ua(carrier, |ua, now| ua.hang_up(ended, now));
    let record = w.only_record();
    assert_eq!((record.caller.number.as_str(), record.caller.name.as_deref()), ("+4930123", Some("Ann")));
}

#[test]
fn where_the_request_uri_names_our_account_the_number_is_in_to() {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", json!({"username": "acme"}));
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    let line = Line::number("acme", SERVER).with_to("sip:+15550001@carrier.example");
    let call = w.dial_line(carrier, line);
    w.run_for(secs(1));
    assert_eq!(w.call(carrier, call).stage, Stage::Talking);
    assert_eq!(w.stage(phone), Stage::Talking);
}

#[test]
fn a_call_to_our_registered_contact_is_that_trunks_whatever_its_source() {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier_with_account("carrier", "register_out", json!({}));
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    w.run_for(secs(3));
    let now = w.now;
    let contact = w.ua(carrier).registered("account", now).expect("we are registered").contact.clone();
    let media_gateway = w.add("gateway", "gateway");
    let line = Line::to(contact).with_to("sip:15550001@carrier.example");
    let call = w.dial_line(media_gateway, line);
    w.run_for(secs(1));
    assert_eq!(w.call(media_gateway, call).stage, Stage::Talking);
    assert_eq!(w.stage(phone), Stage::Talking);
    w.hang_up(phone);
    assert_eq!(w.only_record().caller.trunk_id.unwrap().to_string(), trunk);
    w.assert_quiet_but_for_registrations();
}

#[test]
fn accounts_on_one_address_are_told_apart_by_the_name_that_is_called() {
    let mut w = World::new();
    let (carrier, first) = w.plain_carrier("carrier", json!({"username": "north"}));
    let ip = w.address(carrier).ip().to_string();
    let second =
        json!({"name": "south", "mode": "ip_auth", "host": ip, "username": "south", "ping_interval": 0});
    let second = w.create(Kind::Trunk, second);
    w.phone("1001");
    w.number("15550001", "1001");
    for (account, trunk) in [("north", first), ("south", second)] {
        w.records.clear();
        w.dial_line(carrier, Line::number(account, SERVER).with_to("sip:15550001@x.example"));
        w.run_for(secs(1));
        w.hang_up(carrier);
        assert_eq!(w.only_record().caller.trunk_id.unwrap().to_string(), trunk);
    }
    let call = w.dial(carrier, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.call(carrier, call).code, Some(403), "neither account is named");
    refusal(&w, "AMBIGUOUS_SOURCE");
}

#[test]
fn a_stranger_is_challenged_and_then_refused_and_nothing_rings() {
    let (mut w, _, phone) = world();
    let stranger = w.add("stranger", "1001");
    let call = w.dial(stranger, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.call(stranger, call).code, Some(407));
    w.ua(stranger).set_password("guess");
    let call = w.dial(stranger, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.call(stranger, call).code, Some(403));
    refusal(&w, "WRONG_CREDENTIALS");
    assert!(w.ua(phone).calls().is_empty());
    assert!(w.records.is_empty());
    w.assert_quiet();
}

#[test]
fn a_number_that_nothing_takes_is_refused_with_the_nearest() {
    let (mut w, carrier, _) = world();
    let call = w.dial(carrier, "5550001");
    w.run_for(secs(1));
    assert_eq!(w.call(carrier, call).code, Some(404));
    let near = w.events.iter().find_map(|event| match event {
        Event::InboundUnmatched { number, target, to, nearest, .. } => {
            assert!(number == "5550001" && target.contains("5550001") && to.contains("5550001"), "{event:?}");
            nearest.clone()
        }
        _ => None,
    });
    assert_eq!(near.as_deref(), Some("+15550001 (differs only by the leading 1)"));
    assert!(w.records.is_empty());
}

#[test]
fn a_carrier_cannot_call_out_again_over_our_routes() {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let call = w.dial(carrier, "0900123456");
    w.run_for(secs(1));
    assert_eq!(w.call(carrier, call).code, Some(404));
    assert_eq!(w.count_to(carrier, "INVITE"), 0);
}

#[test]
fn all_phones_ring_and_the_first_answer_wins() {
    let (mut w, carrier, first) = world();
    let second = w.another_phone("second", "1001");
    let third = w.another_phone("third", "1001");
    w.treat(first, Behaviour::RingForever);
    w.treat(second, Behaviour::answer_after(2_000));
    w.treat(third, Behaviour::RingForever);
    w.talk(carrier, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.stage(second), Stage::Talking);
    for other in [first, third] {
        assert_eq!(w.last_call(other).code, Some(487));
        assert_eq!(w.last_call(other).reasons, ["SIP;cause=200;text=\"Call completed elsewhere\""]);
    }
    w.hang_up(second);
    assert_eq!(w.only_record().attempts.len(), 3);
    w.assert_quiet();
}

#[test]
fn two_phones_that_answer_at_the_same_moment_leave_one_call() {
    let (mut w, carrier, first) = world();
    let second = w.another_phone("second", "1001");
    for phone in [first, second] {
        w.treat(phone, Behaviour::answer_after(1_000));
    }
    w.talk(carrier, "15550001");
    w.run_for(secs(1));
    let talking = [first, second].into_iter().filter(|phone| w.stage(*phone) == Stage::Talking).count();
    assert_eq!(talking, 1, "the other was acknowledged and hung up");
    w.hang_up(carrier);
    w.only_record();
    w.assert_quiet();
}

#[test]
fn a_phone_that_does_not_answer_is_no_answer() {
    let (mut w, carrier, phone) = world();
    w.treat(phone, Behaviour::RingForever);
    let call = w.dial(carrier, "15550001");
    w.run_for(secs(24));
    assert_eq!(w.call(carrier, call).stage, Stage::Ringing);
    w.run_for(secs(2));
    assert_eq!(w.call(carrier, call).code, Some(480));
    assert_eq!(w.stage(phone), Stage::Over);
    assert_eq!(w.only_record().outcome, Outcome::NoAnswer);
    w.assert_quiet();
}

#[test]
fn all_phones_busy_is_busy() {
    let (mut w, carrier, first) = world();
    let second = w.another_phone("second", "1001");
    w.treat(first, Behaviour::refuse(486, "Busy Here"));
    w.treat(second, Behaviour::RingThenRefuse { code: 486, ring: secs(2) });
    let call = w.dial(carrier, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.call(carrier, call).stage, Stage::Ringing, "one of them may still answer");
    w.run_for(secs(2));
    assert_eq!(w.call(carrier, call).code, Some(486));
    assert_eq!(w.only_record().outcome, Outcome::Busy);
}

#[test]
fn one_phone_declines_and_the_other_rings_on() {
    let (mut w, carrier, first) = world();
    let second = w.another_phone("second", "1001");
    w.treat(first, Behaviour::refuse(603, "Decline"));
    w.treat(second, Behaviour::answer_after(3_000));
    w.talk(carrier, "15550001");
    assert_eq!(w.stage(second), Stage::Talking);
}

#[test]
fn an_extension_without_a_phone_is_unavailable() {
    let (mut w, carrier, phone) = world();
    w.with_ua(phone, |ua, now| ua.register_at(SERVER, 0, now));
    w.run_for(secs(1));
    let call = w.dial(carrier, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.call(carrier, call).code, Some(480));
    let record = w.only_record();
    assert_eq!(record.cause.phrase, "The extension is not registered");
    assert_eq!((record.attempts.len(), record.attempts[0].target.as_str()), (1, ""));
}

#[test]
fn a_phone_that_is_switched_off_is_no_answer() {
    let (mut w, carrier, phone) = world();
    w.ua(phone).is_off = true;
    let call = w.dial(carrier, "15550001");
    w.run_for(secs(30));
    assert_eq!(w.call(carrier, call).code, Some(480));
    w.assert_quiet();
}

#[test]
fn a_disabled_extension_is_unavailable() {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", json!({}));
    w.create(
        Kind::Extension,
        json!({"name": "off", "number": "1001", "password": "1001-password", "enabled": false}),
    );
    w.number("15550001", "1001");
    let call = w.dial(carrier, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.call(carrier, call).code, Some(480));
}

#[test]
fn an_extension_calls_another() {
    let mut w = World::new();
    let ann = w.phone("1001");
    let bob = w.phone("1002");
    let call = w.talk(ann, "1002");
    assert!(w.last_call(bob).from.contains("sip:1001@"));
    w.run_for(secs(1));
    let tone = w.ua(bob).tone;
    assert!(w.call(ann, call).hears(tone));
    w.hang_up(bob);
    assert_eq!(w.only_record().direction, Direction::Internal);
    w.assert_quiet();
}

#[test]
fn an_extension_is_itself_whatever_its_from_says() {
    let mut w = World::new();
    let ann = w.phone("1001");
    let bob = w.phone("1002");
    w.dial_line(ann, Line::number("1002", SERVER).with_from("\"The Boss\" <sip:1@boss.example>"));
    w.run_for(secs(1));
    assert!(w.last_call(bob).from.contains("sip:1001@"), "{}", w.last_call(bob).from);
}

#[test]
fn a_number_that_names_a_trunk_is_passed_on_to_it() {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", json!({}));
    let (pbx, trunk) = w.plain_carrier("pbx", json!({}));
    w.create(Kind::Number, json!({"number": "+15550077", "trunk_id": trunk}));
    w.talk(carrier, "0015550077");
    assert_eq!(w.last_call(pbx).called, "+15550077", "as it is configured");
    w.run_for(secs(1));
    let tone = w.ua(carrier).tone;
    assert!(w.last_call(pbx).hears(tone));
    w.hang_up(pbx);
    assert_eq!(w.only_record().direction, Direction::Transit);
    w.assert_quiet();
}

#[test]
fn a_phone_that_dials_our_own_number_reaches_its_extension_directly() {
    let (mut w, carrier, phone) = world();
    let other = w.phone("1002");
    w.talk(other, "15550001");
    assert_eq!(w.stage(phone), Stage::Talking);
    assert!(w.ua(carrier).calls().is_empty());
}

#[test]
fn an_address_in_an_associated_network_is_the_trunks() {
    let mut w = World::new();
    let (_, trunk) = w.plain_carrier("carrier", json!({"associated_ips": ["198.51.100.0/24"]}));
    w.phone("1001");
    w.number("15550001", "1001");
    let gateway = w.add_at("gateway 7", "gw", "198.51.100.7:5080".parse().unwrap());
    w.talk(gateway, "15550001");
    w.hang_up(gateway);
    assert_eq!(w.only_record().caller.trunk_id.unwrap().to_string(), trunk);
}

#[test]
fn a_disabled_trunk_is_a_stranger() {
    let (mut w, carrier, phone) = world();
    let trunk = w.engine.trunk_statuses(w.now).keys().next().unwrap().to_string();
    w.patch(Kind::Trunk, &trunk, json!({"enabled": false}));
    let call = w.dial(carrier, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.call(carrier, call).code, Some(407));
    assert!(w.ua(phone).calls().is_empty());
}
