//! How a trunk's calls are treated: PBXs that call out by way of us, digits, codecs, silence, limits.

use serde_json::{Value, json};
use std::time::Duration;
use tandem_engine::Limits;
use tandem_model::Kind;
use tandem_sdp::Direction;
use tandem_sim::{Faults, Stage, World};
use tandem_sip_msg::Message;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A PBX whose trunk is so, and a carrier that everything goes out to.
fn pbx(more: Value) -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let mut body = json!({"name": "pbx", "mode": "peer_in"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    w.create(Kind::Trunk, body);
    let pbx = w.add("pbx", "pbx");
    (w, pbx, carrier)
}

#[test]
fn a_pbx_with_credentials_calls_out_over_our_routes() {
    let (mut w, pbx, carrier) = pbx(json!({"username": "pbx", "password": "secret"}));
    w.dial(pbx, "5551234");
    w.run_for(secs(1));
    assert_eq!(w.last_call(pbx).code, Some(407), "nobody is let in without");
    w.ua(pbx).set_password("secret");
    w.talk(pbx, "5551234");
    assert_eq!(w.count_to(pbx, "REGISTER"), 0);
    let invite = w.last_call(carrier).invite.clone().unwrap();
    assert_eq!(invite.request_uri().unwrap().user(), Some("5551234"));
    w.ua(pbx).set_password("guess");
    w.dial(pbx, "5551234");
    w.run_for(secs(1));
    assert_eq!(w.last_call(pbx).code, Some(403));
}

#[test]
fn a_pbx_with_an_address_is_not_challenged() {
    let (mut w, pbx, _) = pbx(json!({"associated_ips": ["10.0.1.2"]}));
    w.talk(pbx, "5551234");
    assert!(w.sent_to(pbx).iter().all(|message| message.code() != Some(407)));
    let stranger = w.add("stranger", "pbx");
    w.dial(stranger, "5551234");
    w.run_for(secs(1));
    assert_eq!(w.last_call(stranger).code, Some(407));
}

#[test]
fn the_host_of_a_pbx_is_no_proof_that_it_calls() {
    let more = json!({"username": "pbx", "password": "secret", "host": "10.0.1.2", "ping_interval": 0});
    let (mut w, pbx, _) = pbx(more);
    w.dial(pbx, "5551234");
    w.run_for(secs(1));
    assert_eq!(w.last_call(pbx).code, Some(407));
}

#[test]
fn a_pbx_that_only_calls_does_not_register() {
    let (mut w, pbx, _) = pbx(json!({"username": "pbx", "password": "secret"}));
    w.ua(pbx).set_password("secret");
    w.register(pbx);
    let code = w.with_ua(pbx, |ua, _| ua.registration_code());
    assert!(code.is_some_and(|code| code >= 400), "{code:?}");
    assert_eq!(w.bindings().count(), 0);
}

/// A phone calls a carrier whose trunk is so; the offer that the carrier gets, and the answer that the phone gets.
fn offered(more: Value) -> (String, String) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", more);
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.talk(phone, "5551234");
    let invite = w.last_call(carrier).invite.clone().unwrap();
    let ok = w
        .sent_to(phone)
        .into_iter()
        .filter(|m| m.code() == Some(200) && !m.body().is_empty())
        .last()
        .unwrap();
    (body(&invite), body(&ok))
}

fn body(message: &Message) -> String {
    String::from_utf8(message.body().to_vec()).unwrap()
}

#[test]
fn digits_are_events_unless_the_trunk_wants_them_otherwise() {
    for (dtmf, events) in
        [("auto", true), ("rfc4733", true), ("inband", false), ("info", false), ("auto_info", true)]
    {
        let (offer, answer) = offered(json!({"dtmf": dtmf}));
        assert_eq!(offer.contains("telephone-event"), events, "{dtmf}: {offer}");
        assert_eq!(answer.contains("telephone-event"), events, "{dtmf}: {answer}");
    }
}

/// A call between a phone and a trunk with this `dtmf`, and whether telephone-events are offered.
fn with_digits(dtmf: &str) -> (World, usize, usize, bool) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({"dtmf": dtmf}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.talk(phone, "5551234");
    let events = body(&w.last_call(carrier).invite.clone().unwrap()).contains("telephone-event");
    (w, phone, carrier, events)
}

/// One side tells digits by INFO; what it is answered.
fn informs(w: &mut World, ua: usize, kind: &str, body: &str) -> Option<u16> {
    let call = w.ua(ua).last_call().unwrap();
    w.with_ua(ua, |ua, now| ua.inform(call, kind, body, now));
    w.run_for(secs(1));
    w.last_call(ua).info_code
}

const RELAY: &str = "application/dtmf-relay";
const FIVE: &str = "Signal=5\r\nDuration=160\r\n";

#[test]
fn digits_by_info_go_to_the_other_side_as_they_came() {
    for (dtmf, expects_events) in [("info", false), ("auto_info", true)] {
        let (mut w, phone, carrier, events) = with_digits(dtmf);
        assert_eq!(events, expects_events, "{dtmf}");
        for (from, to) in [(phone, carrier), (carrier, phone)] {
            for (kind, body) in [(RELAY, FIVE), ("application/dtmf", "5")] {
                assert_eq!(informs(&mut w, from, kind, body), Some(200));
                assert_eq!(w.last_call(to).informed.last(), Some(&(kind.to_owned(), body.to_owned())));
            }
        }
        w.hang_up(phone);
        w.only_record();
        w.assert_quiet();
    }
}

#[test]
fn what_the_other_side_says_to_an_info_is_told_to_who_sent_it() {
    let (mut w, phone, carrier, _) = with_digits("info");
    w.ua(carrier).answers_info = 415;
    assert_eq!(informs(&mut w, phone, RELAY, FIVE), Some(415));
    w.ua(carrier).answers_info = 408;
    assert_eq!(informs(&mut w, phone, RELAY, FIVE), Some(500), "a 408 would come too late");
    w.ua(carrier).is_off = true;
    assert_eq!(informs(&mut w, phone, RELAY, FIVE), None);
    w.hang_up(phone);
    w.run_for(secs(1));
    assert_eq!(w.last_call(phone).info_code, Some(487), "it ends with the call");
    w.ua(carrier).is_off = false;
    w.run_for(secs(60));
    assert_eq!((w.engine.call_count(), w.engine.transaction_count()), (0, (0, 0)));
}

#[test]
fn an_info_that_is_no_digit_or_that_the_other_side_does_not_take_is_refused() {
    let (mut w, phone, carrier, _) = with_digits("info");
    assert_eq!(informs(&mut w, phone, "text/plain", "hello"), Some(415));
    assert_eq!(informs(&mut w, phone, RELAY, &"Signal=5\r\n".repeat(60)), Some(415));
    assert_eq!(informs(&mut w, phone, RELAY, ""), Some(200), "it only asks whether we are there");
    assert!(w.last_call(carrier).informed.is_empty());
    for dtmf in ["auto", "rfc4733", "inband"] {
        let (mut w, phone, carrier, _) = with_digits(dtmf);
        assert_eq!(informs(&mut w, phone, RELAY, FIVE), Some(488), "{dtmf}");
        assert_eq!(informs(&mut w, carrier, RELAY, FIVE), Some(405), "{dtmf}");
        assert!(w.last_call(carrier).informed.is_empty() && w.last_call(phone).informed.is_empty());
    }
}

#[test]
fn a_carrier_that_wants_credentials_with_an_info_gets_them() {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier_with_account("carrier", "credential", json!({"dtmf": "info"}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.talk(phone, "5551234");
    w.ua(carrier).challenges_infos = true;
    assert_eq!(informs(&mut w, phone, RELAY, FIVE), Some(200));
    assert_eq!(w.last_call(carrier).informed.len(), 1);
}

#[test]
fn an_offer_has_the_codecs_of_the_trunk_in_its_order() {
    for (codecs, order) in [
        (json!(["PCMU", "PCMA", "telephone-event"]), "0 8 101"),
        (json!(["PCMA", "PCMU", "telephone-event"]), "8 0 101"),
        (json!(["PCMA"]), "8"),
    ] {
        let (offer, _) = offered(json!({"codecs": codecs}));
        let line = offer.lines().find(|line| line.starts_with("m=audio")).unwrap();
        assert!(line.ends_with(&format!("RTP/AVP {order}")), "{line}");
    }
}

#[test]
fn silence_ends_a_call_when_the_trunk_says() {
    for (timeout, ends_after) in [(json!(10), Some(10)), (json!(null), Some(60)), (json!(0), None)] {
        let mut w = World::new();
        let (carrier, trunk) = w.plain_carrier("carrier", json!({"rtp_timeout": timeout}));
        w.route(&[&trunk]);
        let phone = w.phone("1001");
        w.talk(phone, "5551234");
        w.ua(carrier).is_off = true;
        w.run_for(secs(ends_after.unwrap_or(120) - 2));
        assert_eq!(w.stage(phone), Stage::Talking, "{timeout}");
        w.run_for(secs(5));
        assert_eq!(w.stage(phone) == Stage::Talking, ends_after.is_none(), "{timeout}");
    }
}

#[test]
fn on_hold_silence_may_last_as_long_as_the_trunk_says() {
    // What phones may is no limit here.
    let limits = Limits { hold_timeout: None, ..Limits::default() };
    for (hold, ends_after) in [(20, Some(20)), (90, Some(90)), (0, None)] {
        let mut w = World::with_limits(1, Faults::default(), limits);
        let more = json!({"rtp_timeout": 10, "rtp_timeout_hold": hold});
        let (carrier, trunk) = w.plain_carrier("carrier", more);
        w.route(&[&trunk]);
        let phone = w.phone("1001");
        w.talk(phone, "5551234");
        w.change(phone, Direction::Inactive);
        w.run_for(secs(ends_after.unwrap_or(400) - 3));
        assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking), "{hold}");
        w.run_for(secs(10));
        assert_eq!(w.stage(carrier) == Stage::Talking, ends_after.is_none(), "{hold}");
    }
}

#[test]
fn each_direction_and_the_rate_have_limits_that_are_free_again_afterwards() {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({"max_in": 1, "max_out": 1}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    for _ in 0..3 {
        w.talk(phone, "5551234");
        w.dial(phone, "5551235");
        w.run_for(secs(1));
        assert_eq!(w.last_call(phone).code, Some(503), "one out");
        w.dial(carrier, "15550001");
        w.run_for(secs(1));
        assert_eq!(w.last_call(carrier).stage, Stage::Talking, "one in beside it");
        w.dial(carrier, "15550001");
        w.run_for(secs(1));
        assert_eq!(w.last_call(carrier).code, Some(486), "and no second");
        w.with_ua(phone, |ua, now| ua.hang_up_all(now));
        w.with_ua(carrier, |ua, now| ua.hang_up_all(now));
        w.run_for(secs(40));
        assert_eq!(w.status(&trunk).calls, 0);
    }
}

#[test]
fn calls_that_begin_within_a_second_are_counted() {
    let mut w = World::new();
    let (_, trunk) = w.plain_carrier("carrier", json!({"cps": 2}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    let calls: Vec<_> = (0..3).map(|n| w.dial(phone, &format!("555123{n}"))).collect();
    w.run_for(Duration::from_millis(900));
    let codes: Vec<_> = calls.iter().filter(|call| w.call(phone, **call).code == Some(503)).collect();
    assert_eq!(codes.len(), 1, "the third");
    w.run_for(secs(1));
    w.talk(phone, "5551239");
}
