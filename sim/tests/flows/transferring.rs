//! Transfers, which the server does itself: no carrier and no other phone ever sees a REFER.

use serde_json::json;
use std::time::Duration;
use tandem_model::{CallRecord, Event, Kind, Outcome, Side, TransferKind};
use tandem_sdp::Direction;
use tandem_sim::{Behaviour, CallRef, Leaves, Line, SERVER, Stage, World};
use tandem_sip_msg::Header;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A carrier whose customers reach extension 1001 by 5550001, phones 1001 and 1002, and a route out; (world, 1001, 1002, carrier).
fn world() -> (World, usize, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let (first, second) = (w.phone("1001"), w.phone("1002"));
    w.number("5550001", "1001");
    (w, first, second, carrier)
}

/// The same, and the carrier's customer talks with 1001.
fn called() -> (World, usize, usize, usize) {
    let (mut w, first, second, carrier) = world();
    w.talk(carrier, "5550001");
    (w, first, second, carrier)
}

fn last(w: &mut World, ua: usize) -> CallRef {
    w.ua(ua).last_call().unwrap()
}

/// What the latest REFER of somebody was answered with, and what was told of it.
fn told(w: &World, ua: usize) -> (Option<u16>, Vec<u16>) {
    let call = w.last_call(ua);
    (call.refer_code, call.notified.iter().map(|news| news.code).collect())
}

fn refer_with(w: &mut World, ua: usize, headers: &[(&str, &str)]) -> Option<u16> {
    let call = last(w, ua);
    w.with_ua(ua, |ua, now| ua.refer_with(call, headers, now));
    w.run_for(secs(1));
    w.call(ua, call).refer_code
}

fn assert_talk(w: &mut World, one: usize, other: usize) {
    assert_eq!((w.stage(one), w.stage(other)), (Stage::Talking, Stage::Talking), "{}", w.ladder.text(0, &[]));
    let (here, there) = (w.hears_packets(one), w.hears_packets(other));
    assert!(here > 40 && there > 40, "{here} {there}\n{}", w.ladder.text(0, &["OPTIONS", "REGISTER"]));
    let (a, b) = (w.ua(one).tone, w.ua(other).tone);
    assert!(w.last_call(one).hears(b) && w.last_call(other).hears(a));
}

fn assert_no_breaches(w: &World) {
    for ua in w.everybody() {
        assert!(ua.breaches().is_empty(), "{:?}", ua.breaches());
    }
}

/// The end of a test: nothing is left, and so many records were written.
fn records(w: &mut World, count: usize) -> Vec<CallRecord> {
    w.assert_quiet();
    assert_no_breaches(w);
    assert_eq!(w.records.len(), count, "{:#?}", w.records);
    w.records.clone()
}

#[test]
fn a_caller_from_outside_is_transferred_to_another_phone() {
    let (mut w, first, second, carrier) = called();
    w.refer(first, "1002");
    w.run_for(secs(2));
    assert_eq!(told(&w, first), (Some(202), vec![100, 180, 200]));
    assert_eq!(w.stage(first), Stage::Over);
    assert_talk(&mut w, carrier, second);
    assert_eq!(w.count_to(carrier, "REFER") + w.count_to(second, "REFER"), 0);
    assert_eq!(w.last_call(second).from.contains("carrier"), w.last_call(first).from.contains("carrier"));
    w.hang_up(carrier);
    let [record] = records(&mut w, 1).try_into().unwrap();
    assert_eq!((record.outcome, record.ended_by), (Outcome::Answered, Side::Caller));
    let [transfer] = record.transfers.as_slice() else { panic!("{:#?}", record.transfers) };
    assert_eq!((transfer.kind, transfer.code, transfer.target.as_str()), (TransferKind::Blind, 200, "1002"));
    assert_eq!((transfer.by.number.as_str(), transfer.other_call_id), ("1001", None));
    let attempts: Vec<_> = record.attempts.iter().map(|a| (a.number.as_str(), a.code)).collect();
    assert_eq!(attempts, [("1001", 200), ("1002", 200)]);
    assert!(record.attempts[1].started_at >= transfer.at);
    assert!(record.attempts[0].ended_at < record.attempts[1].ended_at);
    assert!(record.media_from_callee.is_some_and(|media| media.packets > 40));
    let outcome = |event: &Event| matches!(event, Event::CallTransferred { cause, .. } if cause.code == 200);
    assert_eq!(w.events.iter().filter(|event| outcome(event)).count(), 1);
}

#[test]
fn whom_a_phone_has_called_is_transferred_to_another_phone() {
    let (mut w, first, second, carrier) = world();
    w.talk(first, "5551234");
    w.refer(first, "1002");
    w.run_for(secs(2));
    assert_eq!(told(&w, first), (Some(202), vec![100, 180, 200]));
    assert_talk(&mut w, carrier, second);
    w.hang_up(second);
    let [record] = records(&mut w, 1).try_into().unwrap();
    assert_eq!((record.caller.number.as_str(), record.callee.number.as_str()), ("1001", "5551234"));
    assert_eq!(record.ended_by, Side::Caller, "who has the caller's place now");
}

#[test]
fn a_caller_is_transferred_to_a_number_outside_over_the_route_with_failover() {
    let (mut w, first, _, carrier) = called();
    w.delete_all_routes();
    let (busy, trunk) = w.plain_carrier("busy", json!({}));
    let (good, other) = w.plain_carrier("good", json!({}));
    w.treat(busy, Behaviour::refuse(503, "Full"));
    w.route(&[&trunk, &other]);
    w.refer(first, "5559999");
    w.run_for(secs(2));
    assert_eq!(told(&w, first), (Some(202), vec![100, 180, 200]));
    assert_talk(&mut w, carrier, good);
    let from = w.last_call(good).from.clone();
    assert!(from.contains("sip:1001@"), "who transfers pays: {from}");
    w.hang_up(good);
    let [record] = records(&mut w, 1).try_into().unwrap();
    let codes: Vec<_> = record.attempts.iter().map(|attempt| attempt.code).collect();
    assert_eq!(codes, [200, 503, 200]);
}

#[test]
fn who_is_on_hold_is_resumed_when_the_target_answers() {
    let (mut w, first, second, carrier) = called();
    w.change(first, Direction::SendOnly);
    assert_eq!(w.hears_packets(first), 0);
    w.refer(first, "1002");
    w.run_for(secs(2));
    assert_eq!(w.last_call(carrier).changes, 2, "held, and resumed");
    assert_talk(&mut w, carrier, second);
    w.hang_up(second);
    records(&mut w, 1);
}

#[test]
fn who_remains_is_not_bothered_where_nothing_changes_for_it() {
    let (mut w, first, second, carrier) = called();
    w.refer(first, "1002");
    w.run_for(secs(2));
    assert_talk(&mut w, carrier, second);
    assert_eq!(w.last_call(carrier).changes, 0);
    w.hang_up(carrier);
    records(&mut w, 1);
}

#[test]
fn who_remains_is_told_of_another_codec() {
    let (mut w, first, second, carrier) = called();
    w.ua(second).codecs = vec!["PCMA", "telephone-event"];
    w.refer(first, "1002");
    w.run_for(secs(2));
    assert_eq!(w.last_call(carrier).changes, 1);
    assert_talk(&mut w, carrier, second);
    w.hang_up(carrier);
    records(&mut w, 1);
}

#[test]
fn a_transfer_that_fails_leaves_the_call_as_it_was() {
    for (behaviour, code) in [
        (Behaviour::refuse(486, "Busy Here"), 486),
        (Behaviour::RingThenRefuse { code: 603, ring: secs(1) }, 603),
        (Behaviour::refuse(302, "Moved"), 480),
    ] {
        let (mut w, first, second, carrier) = called();
        w.treat(second, behaviour);
        w.refer(first, "1002");
        w.run_for(secs(3));
        assert_eq!(told(&w, first).1.last(), Some(&code));
        assert_talk(&mut w, carrier, first);
        w.refer(first, "1002");
        w.run_for(secs(3));
        assert_eq!(told(&w, first).0, Some(202), "and it may be tried again");
        w.hang_up(first);
        let [record] = records(&mut w, 1).try_into().unwrap();
        assert_eq!(record.transfers.iter().map(|t| t.code).collect::<Vec<_>>(), [code, code]);
    }
}

#[test]
fn a_number_that_goes_nowhere_is_told_so() {
    let (mut w, first, _, carrier) = called();
    w.delete_all_routes();
    w.refer(first, "5559999");
    w.run_for(secs(1));
    assert_eq!(told(&w, first), (Some(202), vec![100, 404]));
    assert_talk(&mut w, carrier, first);
    w.hang_up(first);
    records(&mut w, 1);
}

#[test]
fn a_phone_that_leaves_at_once_leaves_the_other_waiting_for_the_target() {
    let (mut w, first, second, carrier) = called();
    w.ua(first).leaves = Leaves::Accepted;
    w.treat(second, Behaviour::answer_after(3_000));
    w.refer(first, "1002");
    w.run_for(secs(2));
    assert_eq!((w.stage(first), w.stage(carrier)), (Stage::Over, Stage::Talking));
    w.run_for(secs(2));
    assert_eq!(told(&w, first).1.last(), Some(&200), "the subscription outlives the call");
    assert_talk(&mut w, carrier, second);
    w.hang_up(second);
    records(&mut w, 1);
}

#[test]
fn who_waits_for_a_target_that_fails_is_hung_up() {
    let (mut w, first, second, carrier) = called();
    w.ua(first).leaves = Leaves::Accepted;
    w.treat(second, Behaviour::RingThenRefuse { code: 486, ring: secs(2) });
    w.refer(first, "1002");
    w.run_for(secs(4));
    assert_eq!(w.last_call(carrier).ended_by_peer, Some(true));
    assert_eq!(told(&w, first).1.last(), Some(&486));
    let [record] = records(&mut w, 1).try_into().unwrap();
    assert_eq!((record.ended_by, record.cause.code), (Side::System, 486));
    assert!(record.cause.phrase.starts_with("The transfer failed"));
}

#[test]
fn who_remains_may_hang_up_before_the_target_answers() {
    for leaves in [Leaves::Accepted, Leaves::Told] {
        let (mut w, first, second, carrier) = called();
        w.ua(first).leaves = leaves;
        w.treat(second, Behaviour::RingForever);
        w.refer(first, "1002");
        w.run_for(secs(2));
        w.hang_up(carrier);
        w.run_for(secs(1));
        assert_eq!((w.stage(first), w.stage(second)), (Stage::Over, Stage::Over));
        assert_eq!(told(&w, first).1.last(), Some(&487));
        let [record] = records(&mut w, 1).try_into().unwrap();
        assert_eq!((record.ended_by, record.transfers[0].code), (Side::Caller, 487));
    }
}

#[test]
fn a_phone_that_does_not_hang_up_after_its_transfer_is_hung_up() {
    let (mut w, first, second, carrier) = called();
    w.ua(first).leaves = Leaves::Never;
    w.refer(first, "1002");
    w.run_for(secs(3));
    assert_eq!(w.stage(first), Stage::Talking);
    w.run_for(secs(3));
    assert_eq!(w.last_call(first).ended_by_peer, Some(true));
    assert_talk(&mut w, carrier, second);
    w.hang_up(carrier);
    records(&mut w, 1);
}

#[test]
fn a_phone_that_wants_to_hear_nothing_hears_nothing() {
    let (mut w, first, second, carrier) = called();
    let code = refer_with(&mut w, first, &[("Refer-To", "<sip:1002@10.0.0.1>"), ("Refer-Sub", "false")]);
    assert_eq!(code, Some(202));
    let accepted = w.sent_to(first).into_iter().rfind(|m| m.code() == Some(202)).unwrap();
    assert_eq!(accepted.header_named("Refer-Sub"), Some("false"));
    w.run_for(secs(8));
    assert_eq!(w.count_to(first, "NOTIFY"), 0);
    assert_eq!(w.last_call(first).ended_by_peer, Some(true));
    assert_talk(&mut w, carrier, second);
    w.hang_up(carrier);
    records(&mut w, 1);
}

#[test]
fn a_phone_that_wants_credentials_for_its_news_gets_none_and_the_transfer_goes_on() {
    let (mut w, first, second, carrier) = called();
    w.ua(first).challenges_notify = true;
    w.refer(first, "1002");
    w.run_for(secs(8));
    assert_eq!(told(&w, first), (Some(202), vec![]));
    assert_eq!(w.count_to(first, "NOTIFY"), 1);
    assert_talk(&mut w, carrier, second);
    w.hang_up(carrier);
    records(&mut w, 1);
}

#[test]
fn one_transfer_at_a_time() {
    let (mut w, first, second, carrier) = called();
    w.treat(second, Behaviour::RingForever);
    w.refer(first, "1002");
    w.run_for(secs(1));
    let call = last(&mut w, first);
    w.with_ua(first, |ua, now| ua.refer(call, "<sip:5551234@10.0.0.1>", now));
    w.run_for(secs(1));
    assert_eq!(w.last_call(first).refer_code, Some(491));
    w.hang_up(carrier);
    w.assert_quiet();
}

#[test]
fn a_refer_without_sense_is_refused_by_what_is_wrong_with_it() {
    let (mut w, first, _, carrier) = called();
    let good = ("Refer-To", "<sip:1002@10.0.0.1>");
    for (headers, code) in [
        (vec![], 400),
        (vec![good, good], 400),
        (vec![("Refer-To", "<sip:1002@10.0.0.1>, <sip:1002@10.0.0.1>")], 400),
        (vec![("Refer-To", "<>")], 400),
        (vec![("Refer-To", "<http://www.example.com/>")], 416),
        (vec![("Refer-To", "<sip:1002@10.0.0.1;method=BYE>")], 501),
        (vec![("Refer-To", "<sip:1002@10.0.0.1?Replaces=abc>")], 400),
        (vec![("Refer-To", "<sip:1002@10.0.0.1?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=b>")], 400),
    ] {
        assert_eq!(refer_with(&mut w, first, &headers), Some(code), "{headers:?}");
    }
    assert_talk(&mut w, carrier, first);
    w.hang_up(first);
    records(&mut w, 1);
}

#[test]
fn a_transfer_to_one_of_the_two_is_a_loop() {
    let (mut w, first, second, _) = world();
    w.talk(first, "1002");
    for number in ["1001", "1002", "5550001"] {
        w.refer(first, number);
        w.run_for(secs(1));
        assert_eq!(told(&w, first), (Some(202), vec![100, 482]), "{number}");
    }
    assert_talk(&mut w, first, second);
    w.hang_up(first);
    records(&mut w, 1);
}

#[test]
fn transfers_of_a_call_come_to_an_end() {
    let (mut w, first, second, carrier) = called();
    w.treat(second, Behaviour::refuse(486, "Busy Here"));
    for _ in 0..8 {
        w.refer(first, "1002");
        w.run_for(secs(1));
        assert_eq!(told(&w, first).0, Some(202));
    }
    w.refer(first, "1002");
    w.run_for(secs(1));
    assert_eq!(told(&w, first), (Some(403), vec![]));
    assert_talk(&mut w, carrier, first);
    w.hang_up(first);
    records(&mut w, 1);
}

#[test]
fn whoever_was_transferred_to_may_transfer_on() {
    let (mut w, first, second, carrier) = called();
    let third = w.phone("1003");
    w.refer(first, "1002");
    w.run_for(secs(2));
    w.refer(second, "1003");
    w.run_for(secs(2));
    assert_talk(&mut w, carrier, third);
    w.refer(third, "1001");
    w.run_for(secs(2));
    assert_talk(&mut w, carrier, first);
    w.hang_up(first);
    let [record] = records(&mut w, 1).try_into().unwrap();
    let by: Vec<_> = record.transfers.iter().map(|transfer| transfer.by.number.as_str()).collect();
    assert_eq!(by, ["1001", "1002", "1003"]);
}

#[test]
fn hold_and_resume_go_between_the_two_that_were_joined() {
    let (mut w, first, second, carrier) = called();
    w.refer(first, "1002");
    w.run_for(secs(2));
    w.change(second, Direction::SendOnly);
    assert_eq!(w.hears_packets(second), 0);
    w.change(second, Direction::SendRecv);
    assert_talk(&mut w, carrier, second);
    w.hang_up(carrier);
    records(&mut w, 1);
}

#[test]
fn a_carrier_may_not_transfer_unless_its_trunk_says_so() {
    let (mut w, first, second, carrier) = called();
    let good = [("Refer-To", "<sip:5550002@10.0.0.1>")];
    w.number("5550002", "1002");
    assert_eq!(refer_with(&mut w, carrier, &good), Some(403));
    let allow = w.sent_to(carrier).into_iter().rfind(|m| m.code() == Some(200)).unwrap();
    assert!(!allow.headers(Header::Allow).any(|method| method == "REFER"), "and is told so");
    w.hang_up(first);
    w.run_for(secs(1));
    let trunk = w.trunk_ids()[0].clone();
    w.patch(Kind::Trunk, &trunk, json!({"allow_transfer": true}));
    w.talk(carrier, "5550001");
    assert_eq!(refer_with(&mut w, carrier, &[("Refer-To", "<sip:5551234@10.0.0.1>")]), Some(202));
    assert_eq!(told(&w, carrier).1, [100, 404], "nothing but what its own calls reach");
    assert_eq!(refer_with(&mut w, carrier, &good), Some(202));
    w.run_for(secs(2));
    assert_talk(&mut w, first, second);
    w.hang_up(first);
    records(&mut w, 2);
}

#[test]
fn what_a_phone_may_do_stands_in_allow_and_supported() {
    let (w, first, ..) = called();
    let invite = w.ladder.requests(SERVER, w.address(first), "INVITE").pop().unwrap().1;
    assert!(invite.headers(Header::Allow).any(|method| method == "REFER"));
    let supported: Vec<_> = invite.headers(Header::Supported).collect();
    assert!(supported.contains(&"replaces") && supported.contains(&"norefersub"), "{supported:?}");
}

/// 1001 talks with the carrier's customer, who holds, and then with 1002, by a call in this direction; the two calls of 1001.
fn consulting(consulted_calls: bool) -> (World, usize, usize, usize, CallRef, CallRef) {
    let (mut w, first, second, carrier) = called();
    w.change(first, Direction::SendOnly);
    let one = last(&mut w, first);
    if consulted_calls {
        w.talk(second, "1001")
    } else {
        w.talk(first, "1002")
    };
    let other = last(&mut w, first);
    assert_talk(&mut w, first, second);
    (w, first, second, carrier, one, other)
}

fn refer_to_call(w: &mut World, ua: usize, call: CallRef, other: CallRef) {
    w.with_ua(ua, |ua, now| ua.refer_to_call(call, other, now));
    w.run_for(secs(2));
}

#[test]
fn two_calls_of_a_phone_become_one() {
    for consulted_calls in [false, true] {
        for swapped in [false, true] {
            let (mut w, first, second, carrier, one, other) = consulting(consulted_calls);
            let (by, to) = if swapped { (other, one) } else { (one, other) };
            refer_to_call(&mut w, first, by, to);
            assert_eq!(w.call(first, by).refer_code, Some(202));
            assert_eq!(w.call(first, by).notified.last().map(|news| news.code), Some(200));
            assert_eq!((w.call(first, one).stage, w.call(first, other).stage), (Stage::Over, Stage::Over));
            assert_talk(&mut w, carrier, second);
            w.change(second, Direction::SendOnly);
            assert_eq!(w.hears_packets(second), 0);
            w.change(second, Direction::SendRecv);
            assert_talk(&mut w, carrier, second);
            w.change(carrier, Direction::SendRecv);
            assert_talk(&mut w, carrier, second);
            w.hang_up(if swapped { carrier } else { second });
            let [released, kept] = records(&mut w, 2).try_into().unwrap();
            let joined = |record: &CallRecord| {
                record.transfers.iter().map(|t| (t.kind, t.code, t.other_call_id)).collect::<Vec<_>>()
            };
            assert_eq!(joined(&released), [(TransferKind::Attended, 200, Some(kept.id))]);
            assert_eq!(joined(&kept), [(TransferKind::Attended, 200, Some(released.id))]);
            assert_eq!(released.cause.phrase, "Joined to another call");
        }
    }
}

#[test]
fn a_leg_that_moved_moves_on() {
    let (mut w, first, second, carrier, one, other) = consulting(false);
    refer_to_call(&mut w, first, one, other);
    let third = w.phone("1003");
    let kept = last(&mut w, second);
    w.talk(second, "1003");
    let consulted = last(&mut w, second);
    refer_to_call(&mut w, second, consulted, kept);
    assert_talk(&mut w, carrier, third);
    w.hang_up(carrier);
    records(&mut w, 3);
}

#[test]
fn two_calls_without_a_common_codec_stay_two() {
    let (mut w, first, second, carrier) = world();
    w.ua(carrier).codecs = vec!["PCMA"];
    w.talk(carrier, "5550001");
    let one = last(&mut w, first);
    w.ua(second).codecs = vec!["PCMU"];
    w.talk(first, "1002");
    let other = last(&mut w, first);
    refer_to_call(&mut w, first, one, other);
    assert_eq!(w.call(first, one).notified.last().map(|news| news.code), Some(488));
    assert_eq!((w.stage(carrier), w.stage(second)), (Stage::Talking, Stage::Talking));
    w.with_ua(first, |ua, now| ua.hang_up_all(now));
    records(&mut w, 2);
}

#[test]
fn a_call_that_nobody_has_is_not_joined() {
    let (mut w, first, second, carrier, one, other) = consulting(false);
    let nobodys = "<sip:1002@10.0.0.1?Replaces=x%3Bto-tag%3D1.2%3Bfrom-tag%3D2>";
    w.with_ua(first, |ua, now| ua.refer(one, nobodys, now));
    w.run_for(secs(1));
    assert_eq!(w.call(first, one).notified.last().map(|news| news.code), Some(481));
    w.with_ua(first, |ua, now| ua.refer_to_call(one, one, now));
    w.run_for(secs(1));
    assert_eq!(w.call(first, one).notified.last().map(|news| news.code), Some(482));
    let theirs = w.ua(second).last_call().map(|call| w.ua(second).replaces(call)).unwrap();
    let escaped = theirs.replace(';', "%3B").replace('=', "%3D").replace('@', "%40");
    w.with_ua(first, |ua, now| ua.refer(one, &format!("<sip:1@10.0.0.1?Replaces={escaped}>"), now));
    w.run_for(secs(1));
    assert_eq!(w.call(first, one).notified.last().map(|news| news.code), Some(403), "another's leg");
    assert_eq!(w.stage(carrier), Stage::Talking);
    assert_eq!(w.call(first, other).stage, Stage::Talking);
    w.with_ua(first, |ua, now| ua.hang_up_all(now));
    records(&mut w, 2);
}

/// Somebody calls with a Replaces value; the call.
fn replace(w: &mut World, ua: usize, value: &str) -> CallRef {
    let line = Line::number("1001", SERVER).with(Header::Replaces, value);
    let call = w.dial_line(ua, line.with(Header::Require, "replaces"));
    w.run_for(secs(2));
    call
}

#[test]
fn another_device_of_the_extension_takes_a_call_over() {
    for late in [false, true] {
        let (mut w, first, _, carrier) = called();
        let mobile = w.another_phone("mobile", "1001");
        w.ua(mobile).offers_late = late;
        let call = last(&mut w, first);
        let value = w.ua(first).replaces(call);
        let taken = replace(&mut w, mobile, &value);
        assert_eq!(w.call(mobile, taken).code, Some(200));
        assert_eq!(w.last_call(first).ended_by_peer, Some(true));
        assert_talk(&mut w, carrier, mobile);
        w.hang_up(carrier);
        let [record] = records(&mut w, 1).try_into().unwrap();
        assert_eq!(record.transfers[0].kind, TransferKind::Replaced);
        assert_eq!(record.attempts.len(), 2);
    }
}

#[test]
fn a_ringing_device_is_picked_up_from_another_one() {
    let (mut w, first, _, carrier) = world();
    let mobile = w.another_phone("mobile", "1001");
    for phone in [first, mobile] {
        w.treat(phone, Behaviour::RingForever);
    }
    w.dial(carrier, "5550001");
    w.run_for(secs(2));
    let call = last(&mut w, first);
    let value = format!("{};early-only", w.ua(first).replaces(call));
    let taken = replace(&mut w, mobile, &value);
    assert_eq!(w.call(mobile, taken).code, Some(200));
    assert_eq!((w.call(first, call).stage, w.call(mobile, CallRef(0)).stage), (Stage::Over, Stage::Over));
    assert_talk(&mut w, carrier, mobile);
    w.hang_up(mobile);
    records(&mut w, 1);
}

#[test]
fn a_replaces_that_may_not_be_is_refused() {
    let (mut w, first, second, carrier) = called();
    let mobile = w.another_phone("mobile", "1001");
    let call = last(&mut w, first);
    let value = w.ua(first).replaces(call);
    let outside = last(&mut w, carrier);
    let trunks = w.ua(carrier).replaces(outside);
    let tagged = |tag: &str| value.replace("to-tag=", &format!("to-tag={tag}"));
    for (who, value, code) in [
        (mobile, tagged("f"), 481),
        (mobile, "nonsense".to_owned(), 400),
        (mobile, format!("{value};early-only"), 486),
        (mobile, trunks.clone(), 403),
        (second, value.clone(), 403),
        (carrier, trunks, 403),
    ] {
        let refused = replace(&mut w, who, &value);
        assert_eq!(w.call(who, refused).code, Some(code), "{value} by {}", w.everybody()[who].name);
    }
    let twice = Line::number("1001", SERVER).with(Header::Replaces, value.as_str());
    let refused = w.dial_line(mobile, twice.with(Header::Replaces, value.as_str()));
    w.run_for(secs(1));
    assert_eq!(w.call(mobile, refused).code, Some(400));
    w.lose_to(SERVER, "SIP/2.0 200");
    w.with_ua(first, |ua, now| ua.hang_up(call, now));
    w.run_for(secs(1));
    let late = replace(&mut w, mobile, &value);
    assert_eq!(w.call(mobile, late).code, Some(603));
    w.lose_no_more();
    assert_no_breaches(&w);
}
