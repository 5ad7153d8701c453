//! Too much of everything: more calls than are held, a server that runs late, sources that flood, guess or come in masses.

use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tandem_engine::{GuardLimits, Rate};
use tandem_model::{Event, Kind, Outcome};
use tandem_sim::{Faults, SERVER, Stage, World};
use tandem_sip_msg::{Header, Method};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A phone, a carrier, a route out and a number in.
fn people(mut w: World) -> (World, usize, usize) {
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    (w, phone, carrier)
}

fn limited_to(per_second: u32, burst: u32) -> World {
    World::with_settings(1, Faults::default(), |settings| {
        settings.door.source = Rate { per_second, burst };
    })
}

/// A request that nobody asked for; each `n` makes another.
fn request(method: &str, from: SocketAddr, n: usize) -> String {
    let contact = if method == "OPTIONS" { String::new() } else { format!("Contact: <sip:x@{from}>\r\n") };
    format!(
        "{method} sip:15550001@{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKflood{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:x@x.example>;tag=f{n}\r\nTo: <sip:15550001@{SERVER}>\r\nCall-ID: flood-{n}\r\nCSeq: 1 {method}\r\n\
         {contact}Content-Length: 0\r\n\r\n"
    )
}

/// A stranger at its own address.
fn stranger(n: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0xcb00_0000 + n), 5060))
}

fn answers(w: &World, to: SocketAddr, code: u16) -> usize {
    w.ladder.messages(SERVER, to).iter().filter(|message| message.code() == Some(code)).count()
}

#[test]
fn a_server_that_runs_late_takes_no_new_calls_and_goes_on_with_the_others() {
    let (mut w, phone, carrier) = people(World::new());
    w.talk(phone, "5551234");
    w.engine.set_lag(millis(150));
    let refused = w.dial(phone, "5555678");
    let from_carrier = w.dial(carrier, "15550001");
    w.run_for(secs(1));
    for (ua, call) in [(phone, refused), (carrier, from_carrier)] {
        assert_eq!(w.call(ua, call).code, Some(503));
        let answer = w.sent_to(ua).into_iter().rfind(|m| m.code() == Some(503)).unwrap();
        let later: u32 = answer.header(Header::RetryAfter).expect("it says when").parse().unwrap();
        assert!((5..=15).contains(&later));
    }
    let first = tandem_sim::CallRef(0);
    w.with_ua(phone, |ua, now| ua.change(first, tandem_sdp::Direction::SendOnly, false, now));
    w.run_for(secs(1));
    assert_eq!(w.call(phone, first).stage, Stage::Talking);
    w.with_ua(phone, |ua, now| ua.hang_up(first, now));
    w.run_for(secs(1));
    assert_eq!(w.ua(carrier).calls()[0].ended_by_peer, Some(true));
    assert_eq!(w.only_record().outcome, Outcome::Answered);
    w.assert_quiet();
}

#[test]
fn it_takes_calls_again_only_when_it_is_well_ahead() {
    let (mut w, phone, _) = people(World::new());
    let outcomes: Vec<bool> = [90, 101, 60, 51, 50, 90, 101]
        .into_iter()
        .map(|lag| {
            w.engine.set_lag(millis(lag));
            w.engine.is_behind()
        })
        .collect();
    assert_eq!(outcomes, [false, true, true, true, false, false, true]);
    w.engine.set_lag(Duration::ZERO);
    w.talk(phone, "5551234");
}

#[test]
fn registrations_wait_too_while_it_is_late_and_options_are_answered() {
    let (mut w, phone, carrier) = people(World::new());
    w.engine.set_lag(secs(1));
    w.with_ua(phone, |ua, now| ua.register_at(SERVER, 3600, now));
    w.inject(w.address(carrier), SERVER, request("OPTIONS", w.address(carrier), 1));
    w.run_for(secs(1));
    assert_eq!(w.ua(phone).registration_code(), Some(503));
    assert_eq!(w.sent_to(carrier).last().unwrap().code(), Some(200));
}

#[test]
fn a_copy_of_a_call_that_was_turned_away_never_becomes_a_call() {
    let (mut w, phone, carrier) = people(World::new());
    w.engine.set_lag(secs(1));
    let call = w.dial(carrier, "15550001");
    w.run_for(millis(200));
    assert_eq!(w.call(carrier, call).code, Some(503));
    w.engine.set_lag(Duration::ZERO);
    let invite = w.ladder.requests(w.address(carrier), SERVER, "INVITE").remove(0).1;
    w.inject(w.address(carrier), SERVER, invite.as_bytes().clone());
    w.run_for(secs(1));
    assert_eq!(answers(&w, w.address(carrier), 503), 2);
    assert!(w.ua(phone).calls().is_empty(), "the carrier has gone elsewhere meanwhile");
    w.assert_quiet();
}

#[test]
fn a_source_that_floods_stalls_only_itself() {
    let (mut w, phone, carrier) = people(limited_to(10, 20));
    let flooder = stranger(1);
    for round in 0..50 {
        for n in 0..200 {
            w.inject(flooder, SERVER, request("INVITE", flooder, round * 200 + n));
        }
        w.run_for(millis(20));
        if round == 10 {
            w.dial(phone, "5551234");
            w.dial(carrier, "15550001");
        }
    }
    w.run_for(secs(2));
    assert_eq!(w.ua(phone).calls().iter().filter(|call| call.stage == Stage::Talking).count(), 2);
    let (challenged, told) = (answers(&w, flooder, 407), answers(&w, flooder, 503));
    assert!((20..=31).contains(&challenged), "{challenged} challenged");
    assert!((20..=31).contains(&told), "{told} told to come later; the rest was not worth a word");
    let events = w
        .events
        .iter()
        .filter(|event| matches!(event, Event::RequestRefused { reason: "TOO_FAST", .. }))
        .count();
    assert_eq!(events, 1, "one line in the log a flood");
    assert_eq!(w.engine.counters().limited as usize, 10_000 - challenged);
    w.run_for(secs(5));
    w.inject(flooder, SERVER, request("INVITE", flooder, 1_000_000));
    w.run_for(secs(1));
    assert_eq!(answers(&w, flooder, 407), challenged + 1, "it is served again once it behaves");
}

#[test]
fn a_registered_phone_is_not_stalled_by_who_shares_its_address() {
    let (mut w, phone, _) = people(limited_to(1, 2));
    let neighbour = SocketAddr::new(w.address(phone).ip(), 6000);
    for n in 0..100 {
        w.inject(neighbour, SERVER, request("REGISTER", neighbour, n));
    }
    w.run_for(millis(100));
    w.talk(phone, "5551234");
}

#[test]
fn trunks_call_as_fast_as_they_like() {
    let (mut w, phone, carrier) = people(limited_to(1, 2));
    for n in 0..50 {
        w.inject(w.address(carrier), SERVER, request("OPTIONS", w.address(carrier), n));
    }
    w.run_for(secs(1));
    assert_eq!(answers(&w, w.address(carrier), 200), 50);
    for _ in 0..3 {
        w.dial(carrier, "15550001");
    }
    w.run_for(secs(2));
    assert_eq!(w.ua(phone).calls().len(), 3);
}

#[test]
fn junk_is_refused_no_faster_than_anything_else() {
    let (mut w, _, _) = people(limited_to(1, 5));
    let from = stranger(2);
    for n in 0..100 {
        let broken = request("OPTIONS", from, n).replace("Max-Forwards: 70", "Max-Forwards: many");
        w.inject(from, SERVER, broken);
    }
    w.run_for(millis(100));
    assert_eq!(answers(&w, from, 400), 5);
}

#[test]
fn who_guesses_passwords_is_shut_out_for_a_while_and_nobody_else() {
    let guard = GuardLimits { failures: 5, window: secs(60), block: secs(120) };
    let world = World::with_settings(1, Faults::default(), |settings| settings.registrar.guard = guard);
    let (mut w, phone, _) = people(world);
    let thief = w.add("thief", "1001");
    for guess in 0..5 {
        w.ua(thief).set_password(&format!("guess-{guess}"));
        w.with_ua(thief, |ua, now| ua.register_at(SERVER, 3600, now));
        w.run_for(secs(1));
    }
    let blocked = |event: &&Event| matches!(event, Event::AuthBlocked { seconds: 120, .. });
    assert_eq!(w.events.iter().filter(blocked).count(), 1);
    w.ua(thief).set_password("1001-password");
    w.with_ua(thief, |ua, now| ua.register_at(SERVER, 3600, now));
    w.dial(thief, "5551234");
    w.run_for(secs(1));
    assert_eq!(w.ua(thief).registration_code(), Some(403), "even the right one is not looked at");
    assert_eq!(w.last_call(thief).code, Some(403));
    w.talk(phone, "5551234");
    w.run_for(secs(120));
    w.register(thief);
    assert_eq!(w.ua(thief).registration_code(), Some(200));
}

#[test]
fn wrong_passwords_from_the_address_of_a_trunk_shut_nobody_out() {
    let guard = GuardLimits { failures: 3, window: secs(60), block: secs(120) };
    let world = World::with_settings(1, Faults::default(), |settings| settings.registrar.guard = guard);
    let (mut w, phone, _) = people(world);
    let pbx = w.add("pbx", "branch");
    let ip = w.address(pbx).ip().to_string();
    let trunk = json!({"name": "pbx", "mode": "ip_auth", "host": "198.51.100.1", "associated_ips": [ip], "ping_interval": 0});
    w.create(Kind::Trunk, trunk);
    for guess in 0..10 {
        w.ua(pbx).set_password(&format!("guess-{guess}"));
        w.with_ua(pbx, |ua, now| ua.register_at(SERVER, 3600, now));
        w.run_for(secs(1));
    }
    assert!(!w.events.iter().any(|event| matches!(event, Event::AuthBlocked { .. })));
    w.dial(pbx, "15550001");
    w.run_for(secs(2));
    assert_eq!(w.stage(phone), Stage::Talking);
}

#[test]
fn unknown_sources_in_masses_leave_nothing_behind() {
    let (mut w, phone, _) = people(World::new());
    w.run_for(secs(40));
    let mut n = 0;
    for _ in 0..3 {
        for source in 0..2_000 {
            let from = stranger(source);
            for method in ["REGISTER", "INVITE"] {
                n += 1;
                w.engine.receive(
                    tandem_sip_msg::Flow {
                        transport: tandem_sip_msg::Transport::Udp,
                        listener: tandem_sip_msg::ListenerId(0),
                        remote: from,
                        connection: None,
                        domain: None,
                    },
                    request(method, from, n).into(),
                    w.now,
                );
            }
            while w.engine.poll_output().is_some() {}
        }
        assert_eq!(w.engine.transaction_count(), (0, 0), "strangers are answered and forgotten");
        assert_eq!((w.engine.call_count(), w.engine.binding_count()), (0, 1));
    }
    w.talk(phone, "5551234");
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn strays_of_strangers_count_as_well_and_those_of_calls_never_do() {
    let (mut w, phone, carrier) = people(limited_to(1, 3));
    w.run_for(secs(10));
    let from = stranger(3);
    for n in 0..50 {
        let bye = request("BYE", from, n).replace("5060>\r\nCall-ID", "5060>;tag=1.0000\r\nCall-ID");
        w.inject(from, SERVER, bye);
    }
    w.run_for(millis(100));
    assert_eq!(answers(&w, from, 481), 3);
    let call = w.talk(phone, "5551234");
    for _ in 0..10 {
        w.with_ua(phone, |ua, now| ua.change(call, tandem_sdp::Direction::SendRecv, false, now));
        w.run_for(millis(50));
    }
    let sent = w.sent_to(phone);
    let accepted = sent.iter().filter(|m| m.code() == Some(200) && m.method() == Method::Invite);
    assert_eq!(accepted.count(), 11);
    w.hang_up(carrier);
    w.assert_quiet();
}

#[test]
fn a_copy_of_a_call_that_a_full_trunk_could_not_take_never_becomes_a_call() {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", json!({"max_calls": 1}));
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    w.talk(carrier, "15550001");
    let second = w.dial(carrier, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.call(carrier, second).code, Some(486));
    w.hang_up(phone);
    w.run_for(secs(1));
    let refused = w.ladder.requests(w.address(carrier), SERVER, "INVITE").pop().unwrap().1;
    w.inject(w.address(carrier), SERVER, refused.as_bytes().clone());
    w.run_for(secs(1));
    assert_eq!(w.ua(phone).calls().len(), 1, "there is room now, but the caller is gone");
    w.assert_quiet();
}
