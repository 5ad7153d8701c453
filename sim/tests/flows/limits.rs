//! Limits and oddities: a server that is full, numbers that lead in circles, forks, and messages that fit nothing.

use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_model::{Kind, Outcome};
use tandem_sdp::Direction;
use tandem_sim::{Behaviour, Faults, Line, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone, a carrier and a route to it.
fn people(mut w: World) -> (World, usize, usize) {
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    (w, phone, carrier)
}

fn text(message: &Message) -> String {
    String::from_utf8(message.as_bytes().to_vec()).unwrap()
}

#[test]
fn a_full_server_says_come_back_later() {
    let (mut w, phone, _) =
        people(World::with_settings(1, Faults::default(), |settings| settings.max_calls = 2));
    w.talk(phone, "1");
    w.talk(phone, "2");
    let third = w.dial(phone, "3");
    w.run_for(secs(1));
    assert_eq!(w.call(phone, third).code, Some(503));
    let later: u32 = w.sent_to(phone).last().unwrap().header(Header::RetryAfter).unwrap().parse().unwrap();
    assert!((5..=15).contains(&later));
    w.with_ua(phone, |ua, now| ua.hang_up_all(now));
    w.run_for(secs(1));
    w.talk(phone, "4");
}

#[test]
fn without_media_ports_a_call_is_refused_and_nothing_is_kept() {
    let few = |settings: &mut tandem_engine::Settings| settings.media_ports = (20_000, 20_005);
    let (mut w, phone, carrier) = people(World::with_settings(1, Faults::default(), few));
    w.talk(phone, "1");
    let second = w.dial(phone, "2");
    w.run_for(secs(1));
    assert_eq!(w.call(phone, second).code, Some(503));
    assert_eq!(w.ua(carrier).calls().len(), 1);
    w.with_ua(phone, |ua, now| ua.hang_up_all(now));
    w.assert_quiet();
    w.talk(phone, "3");
}

#[test]
fn a_second_answer_of_a_fork_is_acknowledged_and_hung_up() {
    let (mut w, phone, carrier) = people(World::new());
    w.talk(phone, "5551234");
    let ok = w.sent_by(carrier).into_iter().find(|m| m.code() == Some(200)).unwrap();
    let fork = text(&ok).replace(ok.to_tag().unwrap(), "another-branch");
    for _ in 0..2 {
        w.inject(w.address(carrier), SERVER, fork.clone());
        w.run_for(Duration::from_millis(500));
    }
    let to_fork = |method: &str| {
        let all = w.ladder.requests(SERVER, w.address(carrier), method);
        all.iter().filter(|(_, request)| request.to_tag() == Some("another-branch")).count()
    };
    assert_eq!((to_fork("ACK"), to_fork("BYE")), (2, 1));
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn a_silent_address_that_wakes_up_after_it_was_given_up_is_cancelled() {
    let mut w = World::new();
    let (first, second) = (w.add("first", "x"), w.add("second", "x"));
    let at: Vec<SocketAddr> = vec![w.address(first), w.address(second)];
    w.dns.insert("sip.carrier.example".to_owned(), at.clone());
    let trunk =
        json!({"name": "named", "mode": "ip_auth", "host": "sip.carrier.example", "ping_interval": 0});
    let trunk = w.create(Kind::Trunk, trunk);
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.run_for(secs(3));
    w.lose_to(at[0], "INVITE");
    w.treat(first, Behaviour::RingForever);
    w.talk(phone, "5551234");
    assert_eq!(w.stage(second), Stage::Talking);
    w.lose_no_more();
    w.run_for(secs(20));
    assert_eq!(w.last_call(first).code, Some(487));
    assert_eq!(w.stage(second), Stage::Talking);
    w.hang_up(second);
    w.only_record();
    w.run_for(secs(100));
    assert_eq!((w.engine.call_count(), w.engine.media_ports_in_use()), (0, 0));
}

#[test]
fn a_silent_address_that_answers_after_it_was_given_up_is_hung_up() {
    let mut w = World::new();
    let (first, second) = (w.add("first", "x"), w.add("second", "x"));
    let at: Vec<SocketAddr> = vec![w.address(first), w.address(second)];
    w.dns.insert("sip.carrier.example".to_owned(), at.clone());
    let trunk =
        json!({"name": "named", "mode": "ip_auth", "host": "sip.carrier.example", "ping_interval": 0});
    let trunk = w.create(Kind::Trunk, trunk);
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.run_for(secs(3));
    w.treat(first, Behaviour::answer_after(10_000));
    w.lose_to(SERVER, "SIP/2.0 1");
    w.dial(phone, "5551234");
    w.run_for(secs(9));
    assert_eq!(w.stage(second), Stage::Talking, "it was tried, as the first seems silent");
    w.run_for(secs(3));
    assert_eq!(w.last_call(first).ended_by_peer, Some(true), "the late answer was acknowledged and ended");
    assert_eq!(w.stage(second), Stage::Talking);
    w.hang_up(second);
    w.only_record();
    w.assert_quiet();
}

#[test]
fn a_pbx_that_registers_to_us_calls_out_with_its_credentials() {
    let (mut w, phone, _) = people(World::new());
    let pbx_trunk =
        json!({"name": "pbx", "mode": "register_in", "username": "branch", "password": "branch-secret"});
    let pbx_trunk = w.create(Kind::Trunk, pbx_trunk);
    w.number("15550001", "1001");
    let pbx = w.add("pbx", "branch");
    w.ua(pbx).set_password("branch-secret");
    w.register(pbx);
    w.talk(pbx, "15550001");
    assert_eq!(w.stage(phone), Stage::Talking);
    w.hang_up(pbx);
    assert_eq!(w.only_record().caller.trunk_id.unwrap().to_string(), pbx_trunk);
    let guess = w.add("guess", "branch");
    w.ua(guess).set_password("not it");
    let call = w.dial(guess, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.call(guess, call).code, Some(403));
}

#[test]
fn options_are_answered_for_everybody_and_tell_what_we_take() {
    let (mut w, phone, _) = people(World::new());
    let options = format!(
        "OPTIONS sip:{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.9:5060;branch=z9hG4bKo;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:x@10.0.1.9>;tag=1\r\nTo: <sip:{SERVER}>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    w.inject(w.address(phone), SERVER, options);
    w.run_for(secs(1));
    let answer = w.sent_to(phone).last().unwrap().clone();
    assert_eq!(answer.code(), Some(200));
    assert!(answer.headers(Header::Allow).any(|method| method == "INVITE"));
}

#[test]
fn methods_that_nobody_takes_are_refused_outside_of_calls() {
    let (mut w, phone, _) = people(World::new());
    for method in ["MESSAGE", "SUBSCRIBE", "REFER", "PUBLISH", "INFO", "NOTIFY", "UPDATE", "PRACK"] {
        let request = format!(
            "{method} sip:1001@{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.9:5060;branch=z9hG4bK{method};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:x@10.0.1.9>;tag=1\r\nTo: <sip:1001@{SERVER}>\r\nCall-ID: {method}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        w.inject(w.address(phone), SERVER, request);
        w.run_for(secs(1));
        let code = w.sent_to(phone).last().unwrap().code().unwrap();
        assert!(code == 405 || code == 481, "{method}: {code}");
    }
    w.assert_quiet();
}

#[test]
fn a_call_lost_by_kill_9_has_its_record_and_its_bye_is_481() {
    let (mut w, phone, carrier) = people(World::new());
    w.talk(phone, "5551234");
    w.crash();
    assert_eq!(w.records.len(), 1);
    assert_eq!(w.records[0].cause.code, 500);
    w.hang_up(phone);
    w.hang_up(carrier);
    w.run_for(secs(1));
    for ua in [phone, carrier] {
        assert_eq!(w.sent_to(ua).last().unwrap().code(), Some(481));
    }
    w.talk(phone, "5551234");
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn what_is_no_sip_at_all_is_not_answered() {
    let (mut w, phone, _) = people(World::new());
    let before = w.sent_to(phone).len();
    for junk in [&b"\0\0\0\0"[..], b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", &[0xff; 1400]] {
        w.inject(w.address(phone), SERVER, junk.to_vec());
    }
    w.run_for(secs(1));
    assert_eq!(w.sent_to(phone).len(), before);
}

#[test]
fn an_offer_that_is_no_sdp_is_refused() {
    let (mut w, phone, carrier) = people(World::new());
    w.talk(phone, "1");
    w.hang_up(phone);
    w.run_for(secs(1));
    let invite = w.ladder.requests(w.address(phone), SERVER, "INVITE").remove(0).1;
    let head = text(&invite).split("\r\n\r\n").next().unwrap().to_owned();
    let head = head.replace(invite.call_id(), "no-sdp").replace("z9hG4bK", "z9hG4bKnosdp");
    let head: Vec<&str> = head.split("\r\n").filter(|line| !line.starts_with("Content-Length")).collect();
    let from_trunk = head.join("\r\n").replace("5551234", "1");
    let (other, _) = w.plain_carrier("other", json!({}));
    w.number("15550001", "1001");
    let line = from_trunk.replacen("sip:1@", "sip:15550001@", 1);
    let rings = w.ua(phone).calls().len();
    w.inject(w.address(other), SERVER, format!("{line}\r\nContent-Length: 7\r\n\r\nm=audio"));
    w.run_for(secs(1));
    let code = w.sent_to(other).last().unwrap().code().unwrap();
    assert!(matches!(code, 400 | 488), "{code}");
    assert_eq!(w.ua(phone).calls().len(), rings);
    let _ = carrier;
    w.run_for(secs(100));
    assert_eq!((w.engine.call_count(), w.engine.media_ports_in_use()), (0, 0));
}

#[test]
fn what_is_written_in_a_callers_name_never_becomes_a_header() {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", json!({}));
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    let name = "Eve\\\" <sip:x@y>;q=\\\"%0d%0aX-Evil: 1";
    let line = Line::number("15550001", SERVER)
        .with_from(format!("\"{name}\" <sip:%0d%0aX-Evil%3a1@carrier.example>"));
    w.dial_line(carrier, line);
    w.run_for(secs(1));
    let invite = w.last_call(phone).invite.clone().expect("it rings all the same");
    assert!(invite.lines().all(|(name, _)| !name.contains("Evil")), "{}", text(&invite));
    assert!(!text(&invite).contains("\r\nX-Evil"));
}

#[test]
fn a_credential_is_never_sent_to_a_peer_that_asks_for_another_realm() {
    let mut w = World::new();
    let (carrier, trunk) =
        w.carrier_with_account("carrier", "credential", json!({"realm": "expected.example"}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    let call = w.dial(phone, "5551234");
    w.run_for(secs(2));
    assert_eq!(w.call(phone, call).code, Some(403));
    let given = w.sent_to(carrier).iter().any(|m| m.header(Header::ProxyAuthorization).is_some());
    assert!(!given, "the carrier calls itself otherwise");
    assert_eq!(w.only_record().outcome, Outcome::Failed);
}

#[test]
fn a_phone_that_challenges_our_call_gets_no_password() {
    let mut w = World::new();
    let ann = w.phone("1001");
    let bob = w.phone("1002");
    w.ua(bob).add_account("1002", "1002-password");
    let call = w.dial(ann, "1002");
    w.run_for(secs(2));
    assert_eq!(w.call(ann, call).code, Some(403));
    let given = w.sent_to(bob).iter().any(|m| m.header(Header::ProxyAuthorization).is_some());
    assert!(!given);
    w.assert_quiet();
}

#[test]
fn hold_by_an_address_of_zeros_is_a_hold() {
    let (mut w, phone, carrier) = people(World::new());
    let call = w.talk(phone, "5551234");
    let own = w.address(phone);
    w.ua(phone).shown = SocketAddr::from(([0, 0, 0, 0], own.port()));
    w.with_ua(phone, |ua, now| ua.change(call, Direction::SendRecv, false, now));
    w.ua(phone).shown = own;
    w.run_for(secs(1));
    assert_eq!(w.hears_packets(phone), 0);
    w.with_ua(phone, |ua, now| ua.change(call, Direction::SendRecv, false, now));
    w.run_for(secs(1));
    assert!(w.hears_packets(phone) > 40 && w.hears_packets(carrier) > 40);
    w.hang_up(phone);
    w.assert_quiet();
}
