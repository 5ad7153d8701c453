//! One trunk fails and the next is tried; when all fail the caller hears what the last one said.

use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_model::{Event, Kind, Outcome, TrunkState};
use tandem_sim::{Behaviour, CallRef, SERVER, Stage, World};
use tandem_time::Time;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone and a route over so many carriers in order; (world, phone, carriers, trunks).
fn world(carriers: usize) -> (World, usize, Vec<usize>, Vec<String>) {
    let mut w = World::new();
    let made: Vec<(usize, String)> =
        (0..carriers).map(|n| w.plain_carrier(&format!("carrier {n}"), json!({}))).collect();
    let (carriers, trunks): (Vec<usize>, Vec<String>) = made.into_iter().unzip();
    let ids: Vec<&str> = trunks.iter().map(String::as_str).collect();
    w.route(&ids);
    let phone = w.phone("1001");
    (w, phone, carriers, trunks)
}

fn dial(w: &mut World, phone: usize, wait: Duration) -> CallRef {
    let call = w.dial(phone, "5551234");
    w.run_for(wait);
    call
}

fn since(w: &World, then: Time) -> u64 {
    w.now.since(then).as_secs()
}

#[test]
fn the_third_answers_when_the_first_refuses_and_the_second_is_silent() {
    let (mut w, phone, carriers, _) = world(3);
    w.treat(carriers[0], Behaviour::refuse(503, "Service Unavailable"));
    w.treat(carriers[1], Behaviour::Silent);
    let began = w.now;
    let call = w.talk(phone, "5551234");
    assert!(since(&w, began) < 12, "after {} s", since(&w, began));
    assert_eq!(w.stage(carriers[2]), Stage::Talking);
    w.run_for(secs(1));
    let tone = w.ua(carriers[2]).tone;
    assert!(w.call(phone, call).hears(tone));
    w.hang_up(phone);
    let codes: Vec<u16> = w.only_record().attempts.iter().map(|attempt| attempt.code).collect();
    assert_eq!(codes, [503, 408, 200]);
    assert_eq!(w.events.iter().filter(|event| matches!(event, Event::Failover { .. })).count(), 2);
    w.assert_quiet();
}

#[test]
fn when_all_fail_the_caller_hears_the_last_that_spoke() {
    let (mut w, phone, carriers, _) = world(3);
    w.treat(carriers[0], Behaviour::refuse(503, "First"));
    w.treat(carriers[1], Behaviour::refuse(500, "Second"));
    w.treat(carriers[2], Behaviour::Silent);
    let call = dial(&mut w, phone, secs(20));
    assert_eq!((w.call(phone, call).code, w.call(phone, call).phrase.as_str()), (Some(500), "Second"));
    assert_eq!(w.only_record().outcome, Outcome::Failed);
    w.assert_quiet();
}

#[test]
fn failures_of_the_trunk_are_followed_by_the_next() {
    for code in [403, 404, 408, 500, 502, 503, 504, 580, 606] {
        let (mut w, phone, carriers, _) = world(2);
        w.treat(carriers[0], Behaviour::Refuse { code, phrase: "No", reason: None });
        w.talk(phone, "5551234");
        assert_eq!(w.stage(carriers[1]), Stage::Talking, "{code}");
    }
}

#[test]
fn answers_of_the_called_person_are_final() {
    for code in [486, 600, 603, 607, 608] {
        let (mut w, phone, carriers, _) = world(2);
        w.treat(carriers[0], Behaviour::Refuse { code, phrase: "No", reason: None });
        let call = dial(&mut w, phone, secs(2));
        assert_eq!(w.call(phone, call).code, Some(code));
        assert!(w.ua(carriers[1]).calls().is_empty(), "{code}");
    }
}

#[test]
fn unavailable_after_ringing_is_final_and_before_it_is_not() {
    let (mut w, phone, carriers, _) = world(2);
    w.treat(carriers[0], Behaviour::RingThenRefuse { code: 480, ring: secs(2) });
    let call = dial(&mut w, phone, secs(4));
    assert_eq!(w.call(phone, call).code, Some(480));
    assert!(w.ua(carriers[1]).calls().is_empty());
    w.treat(carriers[0], Behaviour::refuse(480, "Temporarily Unavailable"));
    w.talk(phone, "5551234");
    assert_eq!(w.stage(carriers[1]), Stage::Talking);
}

#[test]
fn a_trunk_whose_name_does_not_exist_is_passed_over() {
    let mut w = World::new();
    let lost = json!({"name": "lost", "mode": "ip_auth", "host": "sip.nowhere.example", "ping_interval": 0});
    let lost = w.create(Kind::Trunk, lost);
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&lost, &trunk]);
    let phone = w.phone("1001");
    w.run_for(secs(5));
    assert_eq!(w.status(&lost).state, TrunkState::Unreachable);
    w.talk(phone, "5551234");
    assert_eq!(w.stage(carrier), Stage::Talking);
}

#[test]
fn an_unreachable_trunk_is_passed_over_at_once() {
    let (mut w, phone, carriers, _) = world(2);
    let gone = w.address(carriers[0]);
    w.unreachable.insert(gone);
    let began = w.now;
    w.talk(phone, "5551234");
    assert!(since(&w, began) < 2);
    assert_eq!(w.stage(carriers[1]), Stage::Talking);
    w.hang_up(phone);
    assert_eq!(w.only_record().attempts[0].reason, "The peer cannot be reached");
    w.assert_quiet();
}

#[test]
fn a_caller_who_gives_up_stops_the_search() {
    let (mut w, phone, carriers, _) = world(2);
    w.treat(carriers[0], Behaviour::Silent);
    let call = dial(&mut w, phone, secs(3));
    w.cancel(phone);
    w.run_for(secs(30));
    assert_eq!(w.call(phone, call).code, Some(487));
    assert!(w.ua(carriers[1]).calls().is_empty());
    assert_eq!(w.only_record().outcome, Outcome::Cancelled);
    w.assert_quiet();
}

#[test]
fn trunks_that_are_off_or_down_are_not_tried() {
    let mut w = World::new();
    let (off, off_trunk) = w.plain_carrier("off", json!({"enabled": false}));
    let (down, down_trunk) = w.plain_carrier("down", json!({"ping_interval": 5, "ping_timeout": 2}));
    let (up, up_trunk) = w.plain_carrier("up", json!({}));
    w.ua(down).is_off = true;
    w.route(&[&off_trunk, &down_trunk, &up_trunk]);
    let phone = w.phone("1001");
    w.run_for(secs(60));
    assert_eq!(w.status(&down_trunk).state, TrunkState::Unreachable);
    let began = w.now;
    w.talk(phone, "5551234");
    assert!(since(&w, began) < 2);
    assert_eq!(w.stage(up), Stage::Talking);
    assert!(w.ua(off).calls().is_empty() && w.ua(down).calls().is_empty());
    w.hang_up(phone);
    assert_eq!(w.only_record().attempts.len(), 1, "what was skipped is no attempt");
}

#[test]
fn when_all_are_down_they_are_tried_all_the_same() {
    let mut w = World::new();
    let (carrier, trunk) =
        w.plain_carrier("down", json!({"ping_interval": 60, "ping_timeout": 2, "ping_fail": 1}));
    w.ua(carrier).is_off = true;
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.run_for(secs(10));
    assert_eq!(w.status(&trunk).state, TrunkState::Unreachable);
    w.ua(carrier).is_off = false;
    w.talk(phone, "5551234");
    assert_eq!(w.stage(carrier), Stage::Talking);
}

#[test]
fn every_trunk_switched_off_is_service_unavailable() {
    let mut w = World::new();
    let (_, trunk) = w.plain_carrier("off", json!({"enabled": false}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    let call = dial(&mut w, phone, secs(1));
    assert_eq!(w.call(phone, call).code, Some(503));
    w.assert_quiet();
}

#[test]
fn a_trunk_takes_no_more_calls_than_its_limit_and_frees_every_seat() {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("small", json!({"max_calls": 2}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    for round in 0..3 {
        let first = w.talk(phone, "5551");
        let second = w.talk(phone, "5552");
        assert_eq!(w.status(&trunk).calls, 2);
        let third = dial(&mut w, phone, secs(1));
        assert_eq!(w.call(phone, third).code, Some(503), "round {round}");
        w.with_ua(phone, |ua, now| ua.hang_up(first, now));
        w.run_for(secs(1));
        let again = w.talk(phone, "5553");
        w.with_ua(phone, |ua, now| ua.hang_up(second, now));
        w.with_ua(phone, |ua, now| ua.hang_up(again, now));
        w.run_for(secs(1));
        assert_eq!(w.status(&trunk).calls, 0);
    }
    w.treat(carrier, Behaviour::RingForever);
    dial(&mut w, phone, secs(1));
    w.cancel(phone);
    w.treat(carrier, Behaviour::refuse(486, "Busy Here"));
    dial(&mut w, phone, secs(1));
    w.treat(carrier, Behaviour::Silent);
    dial(&mut w, phone, secs(10));
    assert_eq!(w.status(&trunk).calls, 0, "nor do failed calls keep a seat");
    w.assert_quiet();
}

#[test]
fn calls_in_and_out_share_the_seats_of_a_trunk() {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("small", json!({"max_calls": 1}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    w.talk(phone, "5551");
    let call = w.dial(carrier, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.call(carrier, call).code, Some(486));
    assert!(w.events.iter().any(|event| matches!(event, Event::RequestRefused { reason: "TRUNK_FULL", .. })));
    w.with_ua(phone, |ua, now| ua.hang_up_all(now));
    w.run_for(secs(1));
    w.talk(carrier, "15550001");
    assert_eq!(w.status(&trunk).calls, 1);
}

#[test]
fn a_full_trunk_makes_room_for_the_next() {
    let (mut w, phone, carriers, trunks) = world(2);
    w.patch(Kind::Trunk, &trunks[0], json!({"max_calls": 1}));
    w.talk(phone, "5551");
    w.talk(phone, "5552");
    assert_eq!((w.ua(carriers[0]).calls().len(), w.ua(carriers[1]).calls().len()), (1, 1));
}

#[test]
fn routes_of_single_providers_fail_over_by_priority() {
    let mut w = World::new();
    let phone = w.phone("1001");
    let made: Vec<(usize, String)> =
        (0..3).map(|n| w.plain_carrier(&format!("provider {n}"), json!({}))).collect();
    for (n, priority) in [(2, 30), (0, 10), (1, 20)] {
        w.create(
            Kind::Route,
            json!({"name": format!("to {n}"), "provider_id": made[n].1, "priority": priority}),
        );
    }
    w.treat(made[0].0, Behaviour::refuse(503, "Service Unavailable"));
    w.treat(made[1].0, Behaviour::refuse(503, "Service Unavailable"));
    w.talk(phone, "5551234");
    assert_eq!(w.stage(made[2].0), Stage::Talking);
    w.hang_up(phone);
    let tried: Vec<String> =
        w.only_record().attempts.iter().map(|a| a.trunk_id.unwrap().to_string()).collect();
    assert_eq!(tried, [made[0].1.clone(), made[1].1.clone(), made[2].1.clone()]);
}

#[test]
fn a_late_answer_of_a_trunk_given_up_is_acknowledged_and_hung_up() {
    let (mut w, phone, carriers, _) = world(2);
    w.treat(carriers[0], Behaviour::Stuck);
    let slow = w.address(carriers[0]);
    w.delete_all_routes();
    let steps: Vec<_> = w.trunk_ids().iter().map(|id| json!({"trunk_id": id, "timeout": 3})).collect();
    w.create(Kind::Route, json!({"name": "quick", "steps": steps}));
    w.dial(phone, "5551234");
    // The CANCEL after three seconds is lost for a while, and the carrier answers meanwhile.
    w.run_for(Duration::from_millis(2_990));
    w.lose_to(slow, "CANCEL");
    w.run_for(Duration::from_millis(300));
    let ringing = w.ua(carriers[0]).last_call().unwrap();
    w.with_ua(carriers[0], |ua, now| ua.answer_call(ringing, now));
    w.run_for(secs(2));
    assert_eq!(w.stage(carriers[1]), Stage::Talking);
    assert_eq!(w.last_call(carriers[0]).code, Some(200));
    assert_eq!(w.last_call(carriers[0]).ended_by_peer, Some(true));
    let ours = w.ladder.between(SERVER, slow);
    assert!(ours.contains(&"ACK".to_owned()) && ours.contains(&"BYE".to_owned()), "{ours:?}");
    w.hang_up(phone);
    w.only_record();
    w.assert_quiet();
}

#[test]
fn the_next_address_of_a_silent_host_is_tried_before_the_next_trunk() {
    let mut w = World::new();
    let first = w.add("first address", "x");
    let second = w.add("second address", "x");
    let at: Vec<SocketAddr> = vec![w.address(first), w.address(second)];
    w.dns.insert("sip.carrier.example".to_owned(), at);
    w.treat(first, Behaviour::Silent);
    let named =
        json!({"name": "named", "mode": "ip_auth", "host": "sip.carrier.example", "ping_interval": 0});
    let named = w.create(Kind::Trunk, named);
    let (other, trunk) = w.plain_carrier("other", json!({}));
    w.route(&[&named, &trunk]);
    let phone = w.phone("1001");
    w.run_for(secs(3));
    let began = w.now;
    w.talk(phone, "5551234");
    assert!(since(&w, began) < 12, "{}", since(&w, began));
    assert_eq!(w.stage(second), Stage::Talking);
    assert!(w.ua(other).calls().is_empty());
    w.hang_up(second);
    w.only_record();
    w.assert_quiet();
}

#[test]
fn an_address_that_was_silent_is_not_tried_first_again_for_a_minute() {
    let mut w = World::new();
    let (first, second) = (w.add("first address", "x"), w.add("second address", "x"));
    let at: Vec<SocketAddr> = vec![w.address(first), w.address(second)];
    w.dns.insert("sip.carrier.example".to_owned(), at);
    w.treat(first, Behaviour::Silent);
    let named =
        json!({"name": "named", "mode": "ip_auth", "host": "sip.carrier.example", "ping_interval": 0});
    let named = w.create(Kind::Trunk, named);
    w.route(&[&named]);
    let phone = w.phone("1001");
    w.run_for(secs(3));
    let mut waited = Vec::new();
    for pause in [1, 1, 61] {
        let began = w.now;
        w.talk(phone, "5551234");
        waited.push(since(&w, began));
        w.hang_up(second);
        w.run_for(secs(pause));
    }
    w.treat(first, Behaviour::answer_after(0));
    w.talk(phone, "5551234");
    assert_eq!(w.stage(first), Stage::Talking, "the DNS puts it first");
    assert!(waited[0] >= 8 && waited[1] < 3 && waited[2] < 3, "{waited:?}");
}

#[test]
fn a_trunk_that_only_says_trying_is_given_up_after_its_timeout() {
    let (mut w, phone, carriers, trunks) = world(2);
    w.treat(carriers[0], Behaviour::Stuck);
    w.delete_all_routes();
    let steps = json!([{"trunk_id": trunks[0], "timeout": 5}, {"trunk_id": trunks[1]}]);
    w.create(Kind::Route, json!({"name": "quick", "steps": steps}));
    let began = w.now;
    w.talk(phone, "5551234");
    assert!((5..8).contains(&since(&w, began)));
    assert_eq!(w.last_call(carriers[0]).code, Some(487), "it was cancelled");
}

#[test]
fn the_whole_setup_has_its_limit() {
    let (mut w, phone, carriers, _) = world(5);
    for carrier in &carriers {
        w.treat(*carrier, Behaviour::Stuck);
    }
    let call = dial(&mut w, phone, secs(185));
    assert_eq!(w.call(phone, call).code, Some(480));
    w.assert_quiet();
}
