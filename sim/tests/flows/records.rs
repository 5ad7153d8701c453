//! One record for each call, and what it says.

use serde_json::json;
use std::time::Duration;
use tandem_model::{CallRecord, Direction, Event, Kind, Outcome, Side};
use tandem_sim::{Behaviour, World};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone, a carrier and a route; (world, phone, carrier, trunk, route).
fn world() -> (World, usize, usize, String, String) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    let route = w.route(&[&trunk]);
    let phone = w.phone("1001");
    (w, phone, carrier, trunk, route)
}

#[test]
fn the_record_of_a_call_says_all_that_happened() {
    let (mut w, phone, carrier, trunk, route) = world();
    w.treat(carrier, Behaviour::answer_after(3_000));
    let began = w.now.as_millis();
    w.talk(phone, "5551234");
    w.run_for(secs(10));
    w.hang_up(carrier);
    let call_id = w.last_call(phone).call_id().to_owned();
    let record = w.only_record().clone();
    assert_eq!(
        (record.direction, record.outcome, record.ended_by),
        (Direction::Outbound, Outcome::Answered, Side::Callee)
    );
    assert_eq!((record.caller.number.as_str(), record.callee.number.as_str()), ("1001", "5551234"));
    assert!(record.caller.extension_id.is_some());
    assert_eq!(record.callee.trunk_id.unwrap().to_string(), trunk);
    assert_eq!(record.sip_call_id, call_id);
    assert_eq!((record.cause.code, record.cause.q850), (200, Some(16)));
    assert!((began..began + 50).contains(&record.started_at));
    assert!((0..60).contains(&(record.ringing_at.unwrap() - record.started_at)));
    assert!((3_000..3_100).contains(&(record.answered_at.unwrap() - record.started_at)));
    assert!((10_000..10_200).contains(&record.duration_ms));
    assert_eq!(record.ended_at, record.answered_at.unwrap() + record.duration_ms);
    let [attempt] = record.attempts.as_slice() else { panic!("{:#?}", record.attempts) };
    assert_eq!(attempt.trunk_id.unwrap().to_string(), trunk);
    assert_eq!((attempt.route_id.unwrap().to_string(), attempt.step), (route, Some(1)));
    assert_eq!((attempt.code, attempt.reason.as_str(), attempt.codec.as_deref()), (200, "OK", Some("PCMU")));
    assert_eq!(attempt.target, format!("udp:{}", w.address(carrier)));
    assert!((9..12).contains(&attempt.pdd_ms.unwrap()));
    for media in [record.media_from_caller.unwrap(), record.media_from_callee.unwrap()] {
        assert!((500..=512).contains(&media.packets), "{media:?}");
        assert_eq!((media.lost, media.bytes), (0, media.packets * 172));
    }
}

#[test]
fn every_attempt_is_in_the_record_with_its_code_and_reason() {
    let mut w = World::new();
    let (a, first) = w.plain_carrier("a", json!({}));
    let (b, second) = w.plain_carrier("b", json!({}));
    let (c, third) = w.plain_carrier("c", json!({}));
    w.route(&[&first, &second, &third]);
    let phone = w.phone("1001");
    w.treat(a, Behaviour::Refuse { code: 503, phrase: "Full", reason: Some("Q.850;cause=34") });
    w.treat(b, Behaviour::Silent);
    w.treat(c, Behaviour::answer_after(200));
    w.talk(phone, "5551234");
    w.hang_up(phone);
    let attempts = w.only_record().attempts.clone();
    let shown: Vec<_> = attempts.iter().map(|a| (a.code, a.reason.as_str(), a.q850, a.step)).collect();
    assert_eq!(shown[0], (503, "Full", Some(34), Some(1)));
    assert_eq!(shown[1], (408, "No response", Some(102), Some(2)));
    assert_eq!((shown[2].0, shown[2].3), (200, Some(3)));
    assert_eq!((attempts[0].pdd_ms, attempts[1].pdd_ms), (None, None));
}

#[test]
fn a_call_taken_back_is_cancelled_by_the_caller() {
    let (mut w, phone, carrier, ..) = world();
    w.treat(carrier, Behaviour::RingForever);
    w.dial(phone, "5551234");
    w.run_for(secs(4));
    w.cancel(phone);
    let record = w.only_record();
    assert_eq!((record.outcome, record.ended_by, record.cause.code), (Outcome::Cancelled, Side::Caller, 487));
    assert_eq!((record.duration_ms, record.answered_at), (0, None));
    assert!(record.ringing_at.is_some());
    assert_eq!((record.attempts[0].code, record.attempts[0].reason.as_str()), (487, "The caller gave up"));
}

#[test]
fn outcomes_follow_what_the_called_side_said() {
    for (behaviour, outcome, code) in [
        (Behaviour::refuse(486, "Busy Here"), Outcome::Busy, 486),
        (Behaviour::refuse(603, "Decline"), Outcome::Busy, 603),
        (Behaviour::RingThenRefuse { code: 480, ring: secs(2) }, Outcome::NoAnswer, 480),
        (Behaviour::refuse(484, "Address Incomplete"), Outcome::Failed, 484),
        (Behaviour::Silent, Outcome::Failed, 408),
    ] {
        let (mut w, phone, carrier, ..) = world();
        w.treat(carrier, behaviour);
        w.dial(phone, "5551234");
        w.run_for(secs(10));
        let record = w.only_record();
        assert_eq!((record.outcome, record.cause.code), (outcome, code));
        let by = if code == 408 { Side::System } else { Side::Callee };
        assert_eq!(record.ended_by, by);
    }
}

#[test]
fn what_was_refused_before_it_was_a_call_has_an_event_and_no_record() {
    let (mut w, phone, carrier, ..) = world();
    let stranger = w.add("stranger", "x");
    w.dial(stranger, "5551234");
    w.dial(carrier, "5551234");
    w.delete_all_routes();
    w.dial(phone, "5551234");
    w.run_for(secs(5));
    assert!(w.records.is_empty());
    let refused =
        |event: &&Event| matches!(event, Event::RequestRefused { .. } | Event::InboundUnmatched { .. });
    assert_eq!(w.events.iter().filter(refused).count(), 2);
    let started = w.events.iter().any(|event| matches!(event, Event::CallStarted { .. }));
    assert!(!started);
}

#[test]
fn every_call_that_starts_is_answered_or_not_and_ends_once() {
    let (mut w, phone, carrier, ..) = world();
    for n in 0..4 {
        let behaviour = match n % 2 {
            0 => Behaviour::answer_after(100),
            _ => Behaviour::refuse(486, "Busy Here"),
        };
        w.treat(carrier, behaviour);
        w.dial(phone, "5551234");
        w.run_for(secs(2));
    }
    w.with_ua(phone, |ua, now| ua.hang_up_all(now));
    w.run_for(secs(3));
    let count = |w: &World, of: fn(&Event) -> bool| w.events.iter().filter(|event| of(event)).count();
    assert_eq!(count(&w, |event| matches!(event, Event::CallStarted { .. })), 4);
    assert_eq!(count(&w, |event| matches!(event, Event::CallAnswered { .. })), 2);
    assert_eq!(count(&w, |event| matches!(event, Event::CallEnded { .. })), 4);
    assert_eq!(w.records.len(), 4);
    let counters = w.engine.counters();
    assert_eq!((counters.calls_started, counters.calls_answered, counters.calls_ended), (4, 2, 4));
}

#[test]
fn a_call_without_a_common_codec_is_refused_and_recorded() {
    let (mut w, phone, carrier, trunk, _) = world();
    w.patch(Kind::Trunk, &trunk, json!({"codecs": ["G729"]}));
    let call = w.dial(phone, "5551234");
    w.run_for(secs(1));
    assert_eq!(w.call(phone, call).code, Some(488));
    assert!(w.ua(carrier).calls().is_empty());
    let record: &CallRecord = w.only_record();
    assert_eq!((record.outcome, record.attempts[0].code), (Outcome::Failed, 488));
    w.assert_quiet();
}

#[test]
fn the_codec_that_both_agree_on_is_in_the_record() {
    let (mut w, phone, carrier, ..) = world();
    w.ua(carrier).codecs = vec!["PCMA", "telephone-event"];
    w.talk(phone, "5551234");
    w.run_for(secs(1));
    let tone = w.ua(carrier).tone;
    assert!(w.last_call(phone).hears(tone));
    w.hang_up(phone);
    assert_eq!(w.only_record().attempts[0].codec.as_deref(), Some("PCMA"));
}

#[test]
fn a_live_call_is_listed_until_it_ends() {
    let (mut w, phone, carrier, ..) = world();
    w.treat(carrier, Behaviour::answer_after(2_000));
    w.dial(phone, "5551234");
    w.run_for(secs(1));
    let state = |w: &World| w.engine.calls().iter().map(|call| call.state).collect::<Vec<_>>();
    assert_eq!(state(&w), [tandem_model::LiveCallState::Ringing]);
    w.run_for(secs(2));
    assert_eq!(state(&w), [tandem_model::LiveCallState::Answered]);
    assert_eq!(w.engine.calls()[0].codec.as_deref(), Some("PCMU"));
    w.hang_up(phone);
    w.run_for(secs(1));
    assert_eq!(state(&w), []);
}
