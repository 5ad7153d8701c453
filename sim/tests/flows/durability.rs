//! What is told waits for what is written: the note of an answered call, the record of an ended one.

use serde_json::json;
use std::time::Duration;
use tandem_model::Side;
use tandem_sim::{Behaviour, SERVER, World};
use tandem_time::Time;

/// What a packet needs to its destination.
const ON_THE_WIRE: Duration = Duration::from_millis(5);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A phone, and a carrier that answers after 100 ms.
fn world() -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.treat(carrier, Behaviour::answer_after(100));
    (w, phone, carrier)
}

/// When the server first sent somebody a message that begins so.
fn told(w: &World, ua: usize, start: &str) -> Option<Time> {
    let sent = w.ladder.timed(SERVER, w.address(ua));
    sent.into_iter().find(|(_, what)| what.starts_with(start)).map(|(at, _)| at)
}

#[test]
fn nobody_hears_of_an_answer_before_the_note_is_on_disk() {
    let (mut w, phone, carrier) = world();
    w.services.every_write = millis(68);
    w.talk(phone, "5551234");
    let noted = w.last_call(carrier).answered_at.unwrap() + ON_THE_WIRE + millis(70);
    assert_eq!(told(&w, phone, "200 OK [INVITE]"), Some(noted));
    assert_eq!(told(&w, carrier, "ACK"), Some(noted));
    w.hang_up(phone);
    w.only_record();
    w.assert_quiet();
}

#[test]
fn a_bye_is_answered_when_the_record_is_on_disk_and_told_on_at_once() {
    let (mut w, phone, carrier) = world();
    w.talk(phone, "5551234");
    w.services.every_write = millis(68);
    let arrives = w.now + ON_THE_WIRE;
    w.hang_up(phone);
    w.run_for(millis(1_000));
    assert_eq!(told(&w, carrier, "BYE"), Some(arrives));
    assert_eq!(told(&w, phone, "200 OK [BYE]"), Some(arrives + millis(70)));
    w.assert_quiet();
}

#[test]
fn a_refusal_waits_for_its_record_too() {
    let (mut w, phone, carrier) = world();
    w.treat(carrier, Behaviour::refuse(486, "Busy Here"));
    w.services.every_write = millis(68);
    let dialled = w.now;
    w.dial(phone, "5551234");
    w.run_for(millis(1_000));
    assert_eq!(told(&w, phone, "486 "), Some(dialled + 5 * ON_THE_WIRE + millis(70)));
    w.assert_quiet();
}

/// Plays a call and lets the server die `after` so long; the world, and whether somebody had been told that the call is up.
fn crash_while_setting_up(after: Duration) -> (World, bool) {
    let (mut w, phone, carrier) = world();
    w.services.every_write = millis(8);
    w.dial(phone, "5551234");
    w.run_for(after);
    w.crash();
    let up = told(&w, phone, "200 OK [INVITE]").or(told(&w, carrier, "ACK")).is_some();
    (w, up)
}

#[test]
fn whenever_the_server_dies_an_answered_call_has_one_record() {
    let mut seen = [0; 2];
    for after in 90..180 {
        let (w, up) = crash_while_setting_up(millis(after));
        seen[usize::from(up)] += 1;
        assert!(w.records.len() <= 1, "after {after} ms: {:#?}", w.records);
        assert!(!up || w.records.len() == 1, "after {after} ms: a call that was up has no record");
    }
    assert!(seen.iter().all(|seen| *seen > 10), "both happen: {seen:?}");
}

#[test]
fn whenever_the_server_dies_an_ended_call_has_its_own_record() {
    let mut seen = [0; 2];
    for after in 0..40 {
        let (mut w, phone, _) = world();
        w.services.every_write = millis(8);
        w.talk(phone, "5551234");
        w.hang_up(phone);
        w.run_for(millis(after));
        w.crash();
        let ended = told(&w, phone, "200 OK [BYE]").is_some();
        seen[usize::from(ended)] += 1;
        let [record] = w.records.as_slice() else { panic!("after {after} ms: {:#?}", w.records) };
        assert!(!ended || (record.ended_by, record.cause.code) == (Side::Caller, 200), "after {after} ms");
    }
    assert!(seen.iter().all(|seen| *seen > 10), "both happen: {seen:?}");
}

#[test]
fn a_slow_disk_delays_one_call_a_little_and_the_next_not_at_all() {
    let (mut w, phone, carrier) = world();
    w.services.every_write = Duration::from_secs(5);
    w.talk(phone, "5551234");
    let delay = |w: &World| {
        let (answered, told) =
            (w.last_call(carrier).answered_at.unwrap(), w.last_call(phone).answered_at.unwrap());
        told.since(answered)
    };
    assert_eq!(delay(&w), 2 * ON_THE_WIRE + millis(1_000));
    assert_eq!(w.sent_by(carrier).iter().filter(|m| m.code() == Some(200)).count(), 2, "it repeats itself");
    let answers = w.ladder.timed(SERVER, w.address(phone));
    let answers = answers.iter().filter(|(_, what)| what.starts_with("200 OK [INVITE]"));
    assert_eq!(answers.count(), 1, "and we do not");
    w.talk(phone, "5555678");
    assert_eq!(delay(&w), 2 * ON_THE_WIRE);
    w.with_ua(phone, |ua, now| ua.hang_up_all(now));
    w.run_for(Duration::from_secs(3));
    assert_eq!((w.records.len(), w.engine.call_count()), (0, 0));
    w.run_for(Duration::from_secs(6));
    assert_eq!(w.records.len(), 2);
    w.services.every_write = millis(8);
    w.talk(phone, "5559999");
    assert_eq!(delay(&w), 2 * ON_THE_WIRE + millis(10), "the next one waits for its note again");
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn with_the_disk_full_calls_go_on_and_their_records_follow() {
    let (mut w, phone, _) = world();
    w.disk_is_full = true;
    for _ in 0..3 {
        w.talk(phone, "5551234");
        w.hang_up(phone);
        w.run_for(Duration::from_secs(2));
    }
    w.assert_quiet();
    assert!(w.records.is_empty());
    w.disk_is_full = false;
    w.run_for(millis(1_000));
    assert_eq!(w.records.len(), 3);
    w.crash();
    assert_eq!(w.records.len(), 3, "no note is left of a call that is over");
}
