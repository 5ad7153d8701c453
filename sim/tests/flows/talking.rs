//! Two sides talk: crossings, the end in every order, and who may be heard.

use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_engine::Limits;
use tandem_model::{Outcome, Side};
use tandem_sdp::Direction;
use tandem_sim::{Behaviour, Faults, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone that talks with a carrier.
fn world() -> (World, usize, usize) {
    world_with(Limits::default())
}

fn world_with(limits: Limits) -> (World, usize, usize) {
    let mut w = World::with_limits(1, Faults::default(), limits);
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.talk(phone, "5551234");
    (w, phone, carrier)
}

/// A change asked by somebody, which has time to take effect.
fn change_code(w: &mut World, ua: usize, direction: Direction, late: bool) -> Option<u16> {
    let call = w.ua(ua).last_call().unwrap();
    w.with_ua(ua, |ua, now| ua.change(call, direction, late, now));
    w.run_for(secs(1));
    w.last_call(ua).change_code
}

fn media_port(w: &World, ua: usize) -> SocketAddr {
    let sdp = w.last_call(ua).remote_sdp.clone().unwrap();
    tandem_sdp::Sdp::parse(&sdp).unwrap().audio().unwrap().rtp
}

#[test]
fn byes_that_cross_end_one_call() {
    let (mut w, phone, carrier) = world();
    w.hang_up(phone);
    w.hang_up(carrier);
    w.run_for(secs(1));
    w.only_record();
    w.assert_quiet();
}

#[test]
fn a_bye_that_crosses_a_change_ends_both_sides() {
    for by_phone in [true, false] {
        let (mut w, phone, carrier) = world();
        let (leaver, changer) = if by_phone { (phone, carrier) } else { (carrier, phone) };
        let call = w.ua(changer).last_call().unwrap();
        w.with_ua(changer, |ua, now| ua.change(call, Direction::SendOnly, false, now));
        w.hang_up(leaver);
        w.run_for(secs(1));
        assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Over, Stage::Over));
        w.only_record();
        w.assert_quiet();
    }
}

#[test]
fn a_bye_in_place_of_the_ack_ends_both_sides() {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.lose_to(SERVER, "ACK");
    w.dial(phone, "5551234");
    w.run_until("it is answered", |w| w.stage(phone) == Stage::Talking);
    w.hang_up(phone);
    w.run_for(secs(1));
    assert_eq!(w.stage(carrier), Stage::Over);
    assert_eq!(w.only_record().outcome, Outcome::Answered);
    w.assert_quiet();
}

#[test]
fn a_callee_that_leaves_before_the_ack_has_the_caller_hung_up_after_it() {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.dial(phone, "5551234");
    w.lose_to(SERVER, "ACK");
    w.run_until("it is answered", |w| w.stage(phone) == Stage::Talking);
    w.hang_up(carrier);
    w.run_for(Duration::from_millis(300));
    assert_eq!(w.stage(phone), Stage::Talking, "RFC 3261 §15: no BYE before the ACK");
    w.lose_no_more();
    w.run_for(secs(2));
    assert_eq!(w.last_call(phone).ended_by_peer, Some(true));
    w.only_record();
    w.assert_quiet();
}

#[test]
fn an_answer_that_is_never_acknowledged_is_taken_back_after_32_seconds() {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.ua(phone).never_acks = true;
    w.dial(phone, "5551234");
    w.run_for(secs(30));
    assert_eq!(w.stage(carrier), Stage::Talking);
    w.run_for(secs(4));
    assert_eq!(w.last_call(carrier).ended_by_peer, Some(true));
    let ours = w.ladder.between(SERVER, w.address(phone));
    assert_eq!(ours.iter().filter(|what| what.starts_with("200 OK [INVITE]")).count(), 11, "{ours:?}");
    assert!(ours.contains(&"BYE".to_owned()));
    let record = w.only_record();
    assert_eq!(
        (record.ended_by, record.cause.phrase.as_str()),
        (Side::System, "our answer was never acknowledged")
    );
    w.run_for(secs(100));
    assert_eq!((w.engine.call_count(), w.engine.transaction_count()), (0, (0, 0)));
}

#[test]
fn the_longest_duration_ends_a_call() {
    let (mut w, phone, carrier) = world_with(Limits { duration: Some(secs(20)), ..Limits::default() });
    w.run_for(secs(21));
    assert_eq!(
        (w.last_call(phone).ended_by_peer, w.last_call(carrier).ended_by_peer),
        (Some(true), Some(true))
    );
    assert_eq!(w.only_record().ended_by, Side::System);
    w.assert_quiet();
}

#[test]
fn a_call_whose_media_stops_is_ended() {
    let (mut w, phone, carrier) = world();
    w.ua(carrier).is_off = true;
    w.run_for(secs(65));
    assert_eq!(w.last_call(phone).ended_by_peer, Some(true));
    let phrase = w.only_record().cause.phrase.clone();
    assert!(phrase.starts_with("No media from the called side"), "{phrase}");
    w.run_for(secs(100));
    assert_eq!((w.engine.call_count(), w.engine.transaction_count()), (0, (0, 0)));
}

#[test]
fn a_call_on_hold_may_be_silent_for_longer() {
    let (mut w, phone, carrier) = world();
    change_code(&mut w, phone, Direction::Inactive, false);
    w.run_for(secs(200));
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
    w.run_for(secs(120));
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Over, Stage::Over));
    w.assert_quiet();
}

#[test]
fn an_administrator_ends_a_call() {
    let (mut w, phone, carrier) = world();
    let id = w.engine.calls()[0].id;
    let now = w.now;
    assert!(w.engine.hang_up(id, "Ended from the console", now));
    w.run_for(secs(1));
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Over, Stage::Over));
    assert_eq!(w.only_record().cause.phrase, "Ended from the console");
    w.assert_quiet();
}

#[test]
fn a_bye_of_no_call_is_481() {
    let (mut w, phone, carrier) = world();
    let stray = w.ladder.requests(w.address(phone), SERVER, "ACK").pop().unwrap().1;
    let text = String::from_utf8(stray.as_bytes().to_vec())
        .unwrap()
        .replace("ACK", "BYE")
        .replace("z9hG4bK", "z9hG4bKstray");
    let tag = stray.to_tag().unwrap();
    let (call, rest) = tag.split_once('.').unwrap();
    let guesses = [
        text.replace(tag, "nonsense"),
        text.replace(tag, &format!("{call}.{}", rest.chars().rev().collect::<String>())),
        text.replace(tag, "7f3.0000"),
        text.replace(tag, &format!("{:x}.{rest}", u64::from_str_radix(call, 16).unwrap() + 77)),
        text.replace(stray.call_id(), "another-call"),
    ];
    for (n, guess) in guesses.into_iter().enumerate() {
        let guess = guess.replace("z9hG4bK", &format!("z9hG4bK{n}"));
        let before = w.sent_to(phone).len();
        w.inject(w.address(phone), SERVER, guess);
        w.run_for(secs(1));
        assert_eq!(w.sent_to(phone)[before].code(), Some(481), "guess {n}");
    }
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn a_method_that_nobody_takes_is_405_and_the_call_goes_on() {
    let (mut w, phone, carrier) = world();
    let call = w.ua(phone).last_call().unwrap();
    for method in ["PUBLISH", "SUBSCRIBE", "MESSAGE"] {
        w.with_ua(phone, |ua, now| ua.request_within(call, method, now));
        w.run_for(secs(1));
        let answer = w.sent_to(phone).last().unwrap().clone();
        assert_eq!(answer.code(), Some(405), "{method}");
        assert!(answer.headers(Header::Allow).any(|method| method == "BYE"));
    }
    w.with_ua(phone, |ua, now| ua.request_within(call, "OPTIONS", now));
    w.run_for(secs(1));
    assert_eq!(w.sent_to(phone).last().unwrap().code(), Some(200));
    assert_eq!(w.stage(carrier), Stage::Talking);
}

#[test]
fn a_third_address_neither_hears_nor_is_heard() {
    let (mut w, phone, carrier) = world();
    w.run_for(secs(1));
    let thief = w.add("thief", "thief");
    let at = media_port(&w, phone);
    let (before, talked) = (w.last_call(carrier).packets_received(), w.last_call(phone).packets_sent());
    let theirs = SocketAddr::new(w.address(thief).ip(), 40_000);
    for n in 0..50_u16 {
        let mut packet = vec![0x80, 0];
        packet.extend(n.to_be_bytes());
        packet.extend([0; 8]);
        packet.extend([0xff; 160]);
        w.inject(theirs, at, packet.clone());
        w.inject(SocketAddr::new(w.address(phone).ip(), 9_999), at, packet);
        w.run_for(Duration::from_millis(20));
    }
    let heard = w.last_call(carrier).packets_received() - before;
    let said = w.last_call(phone).packets_sent() - talked;
    assert!(heard.abs_diff(said) <= 1, "{heard} heard of {said} said");
    let tone = w.ua(carrier).tone;
    assert!(w.last_call(phone).hears(tone), "and the phone still hears its own");
    w.hang_up(phone);
    assert_eq!(w.only_record().media_from_caller.as_ref().unwrap().dropped, 100);
}

#[test]
fn after_the_end_packets_go_nowhere_and_the_ports_rest() {
    let (mut w, phone, carrier) = world();
    let first = media_port(&w, phone);
    w.hang_up(phone);
    w.run_for(secs(1));
    let from = w.last_call(phone).media_address();
    let before = w.last_call(carrier).packets_received();
    w.inject(from, first, vec![0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xff]);
    w.run_for(secs(1));
    assert_eq!(w.last_call(carrier).packets_received(), before);
    assert_eq!(w.engine.media_ports_in_use(), 0);
    let mut seen = vec![first.port()];
    for _ in 0..5 {
        w.talk(phone, "5551234");
        let port = media_port(&w, phone).port();
        assert!(!seen.contains(&port), "{port} came again within 30 s");
        seen.push(port);
        w.hang_up(phone);
        w.run_for(secs(1));
    }
    w.assert_quiet();
}

#[test]
fn a_side_that_forgot_the_call_has_the_other_hung_up() {
    let (mut w, phone, carrier) = world();
    w.ua(carrier).forget_calls();
    let call = w.ua(phone).last_call().unwrap();
    w.with_ua(phone, |ua, now| ua.change(call, Direction::SendOnly, false, now));
    w.run_for(secs(2));
    assert_eq!(w.stage(phone), Stage::Over, "the carrier said 481");
    assert_eq!(w.only_record().ended_by, Side::System);
    w.run_for(secs(100));
    assert_eq!((w.engine.call_count(), w.engine.transaction_count()), (0, (0, 0)));
}

#[test]
fn a_repeated_answer_is_acknowledged_each_time() {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    let at = w.address(carrier);
    w.lose_to(at, "ACK");
    w.talk(phone, "5551234");
    w.run_for(secs(3));
    w.lose_no_more();
    w.run_for(secs(40));
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
    let acks: Vec<Message> = w.ladder.requests(SERVER, at, "ACK").into_iter().map(|(_, ack)| ack).collect();
    assert!(acks.len() > 2 && acks.iter().all(|ack| ack.as_bytes() == acks[0].as_bytes()));
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn a_bye_that_comes_again_is_answered_again_and_ends_one_call() {
    let (mut w, phone, _) = world();
    w.hang_up(phone);
    w.run_for(secs(1));
    let (_, bye) = w.ladder.requests(w.address(phone), SERVER, "BYE").remove(0);
    w.inject(w.address(phone), SERVER, bye.as_bytes().to_vec());
    w.run_for(secs(1));
    let answers = w.ladder.between(SERVER, w.address(phone));
    assert_eq!(answers.iter().filter(|what| what.contains("[BYE]")).count(), 2);
    w.only_record();
    w.assert_quiet();
}

#[test]
fn the_server_going_down_ends_its_calls() {
    let (mut w, phone, carrier) = world();
    let now = w.now;
    w.engine.drain();
    let call = w.dial(phone, "5559999");
    w.run_for(secs(1));
    assert_eq!(w.call(phone, call).code, Some(503), "no new ones");
    assert_eq!(w.stage(carrier), Stage::Talking, "those under way go on");
    w.engine.shut_down(now + secs(1));
    w.run_for(secs(1));
    assert_eq!(w.stage(carrier), Stage::Over);
    assert!(w.engine.is_idle());
    w.only_record();
}

#[test]
fn a_carrier_that_answers_and_stays_silent_is_hung_up() {
    let (mut w, phone, carrier) = world();
    w.treat(carrier, Behaviour::Answer { ring: secs(0), early: false, talks: false });
    w.hang_up(phone);
    w.run_for(secs(1));
    w.talk(phone, "5550000");
    assert_eq!(w.hears_packets(phone), 0, "it says nothing");
    w.run_for(secs(62));
    assert_eq!(w.stage(phone), Stage::Over, "and a call without media is no call");
}

#[test]
fn a_request_that_was_overtaken_is_refused_and_changes_nothing() {
    let (mut w, phone, carrier) = world();
    let call = w.ua(phone).last_call().unwrap();
    for _ in 0..3 {
        w.with_ua(phone, |ua, now| ua.request_within(call, "OPTIONS", now));
        w.run_for(secs(1));
    }
    let first = w.ladder.requests(w.address(phone), SERVER, "OPTIONS").remove(0).1;
    let text = String::from_utf8(first.as_bytes().to_vec()).unwrap();
    let overtaken = text.replace("OPTIONS", "BYE").replace("z9hG4bK", "z9hG4bKlate");
    w.inject(w.address(phone), SERVER, overtaken);
    w.run_for(secs(1));
    assert_eq!(w.sent_to(phone).last().unwrap().code(), Some(500), "RFC 3261 §12.2.2");
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
    w.hang_up(phone);
    w.assert_quiet();
}
