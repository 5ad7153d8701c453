//! A session changes while both sides talk: hold and resume, offers that come late, changes that meet.

use serde_json::json;
use std::time::Duration;
use tandem_engine::Limits;
use tandem_sdp::Direction;
use tandem_sim::{Faults, SERVER, Stage, World};
use tandem_sip_msg::{Header, Writer};

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

#[test]
fn hold_and_resume_from_either_side() {
    for by_phone in [true, false] {
        let (mut w, phone, carrier) = world();
        let (holder, held) = if by_phone { (phone, carrier) } else { (carrier, phone) };
        assert_eq!(change_code(&mut w, holder, Direction::SendOnly, false), Some(200));
        assert_eq!(w.last_call(held).changes, 1);
        assert_eq!(w.hears_packets(holder), 0, "the held one is silent");
        assert!(w.hears_packets(held) > 40, "and hears music");
        assert_eq!(change_code(&mut w, holder, Direction::SendRecv, false), Some(200));
        assert!(w.hears_packets(holder) > 40 && w.hears_packets(held) > 40);
        w.hang_up(held);
        w.only_record();
        w.assert_quiet();
    }
}

#[test]
fn who_answers_a_change_under_another_tag_does_not_know_the_call_any_more() {
    let (mut w, phone, carrier) = world();
    w.lose_to(w.address(carrier), "INVITE");
    let call = w.ua(phone).last_call().unwrap();
    w.with_ua(phone, |ua, now| ua.change(call, Direction::SendOnly, false, now));
    w.run_for(secs(1));
    let asked = w.ladder.requests(SERVER, w.address(carrier), "INVITE").pop().unwrap().1;
    let to = asked.header(Header::To).unwrap().to_owned();
    let tag = asked.to_tag().unwrap();
    let answer = Writer::reply(&asked, w.address(carrier), 200, "OK", None)
        .finish_with("application/sdp", asked.body());
    let answer = String::from_utf8(answer.to_vec()).unwrap().replace(&to, &to.replace(tag, "another"));
    w.inject(w.address(carrier), SERVER, answer);
    w.run_for(secs(1));
    assert_eq!(w.stage(phone), Stage::Over);
    w.lose_no_more();
    w.run_for(secs(40));
    w.only_record();
    w.assert_quiet();
}

#[test]
fn an_inactive_session_is_silent_both_ways_and_wakes_up() {
    let (mut w, phone, carrier) = world();
    assert_eq!(change_code(&mut w, phone, Direction::Inactive, false), Some(200));
    assert_eq!((w.hears_packets(phone), w.hears_packets(carrier)), (0, 0));
    change_code(&mut w, phone, Direction::SendRecv, false);
    assert!(w.hears_packets(phone) > 40 && w.hears_packets(carrier) > 40);
}

#[test]
fn a_change_without_an_offer_carries_the_others_offer() {
    for by_phone in [true, false] {
        let (mut w, phone, carrier) = world();
        let (asker, other) = if by_phone { (phone, carrier) } else { (carrier, phone) };
        assert_eq!(change_code(&mut w, asker, Direction::SendRecv, true), Some(200));
        assert_eq!(w.last_call(other).changes, 1);
        w.run_for(secs(40));
        assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
        assert!(w.hears_packets(phone) > 40 && w.hears_packets(carrier) > 40);
        w.hang_up(asker);
        w.assert_quiet();
    }
}

#[test]
fn a_refused_change_leaves_the_session_as_it_was() {
    let (mut w, phone, carrier) = world();
    w.ua(carrier).refuses_changes = Some(488);
    assert_eq!(change_code(&mut w, phone, Direction::SendOnly, false), Some(488));
    assert!(w.hears_packets(phone) > 40 && w.hears_packets(carrier) > 40);
    w.ua(carrier).refuses_changes = None;
    assert_eq!(change_code(&mut w, carrier, Direction::SendOnly, false), Some(200));
}

#[test]
fn changes_that_meet_are_both_asked_to_wait() {
    let (mut w, phone, carrier) = world();
    for ua in [phone, carrier] {
        let call = w.ua(ua).last_call().unwrap();
        w.with_ua(ua, |ua, now| ua.change(call, Direction::SendOnly, false, now));
    }
    w.run_for(secs(1));
    assert_eq!((w.last_call(phone).change_code, w.last_call(carrier).change_code), (Some(491), Some(491)));
    assert_eq!(change_code(&mut w, phone, Direction::SendOnly, false), Some(200));
}

#[test]
fn a_second_change_upon_the_first_is_told_to_come_later() {
    let (mut w, phone, carrier) = world();
    let call = w.ua(phone).last_call().unwrap();
    w.with_ua(phone, |ua, now| ua.change(call, Direction::SendOnly, false, now));
    w.with_ua(phone, |ua, now| ua.change(call, Direction::SendRecv, false, now));
    w.run_for(secs(1));
    let refused =
        w.sent_to(phone).into_iter().find(|answer| answer.code() == Some(500)).expect("one is refused");
    assert!(refused.header(Header::RetryAfter).is_some());
    assert_eq!(w.last_call(carrier).changes, 1);
}

#[test]
fn a_change_that_is_taken_back_is_taken_back_on_the_other_side() {
    let (mut w, phone, carrier) = world();
    w.ua(carrier).is_off = true;
    let call = w.ua(phone).last_call().unwrap();
    w.with_ua(phone, |ua, now| ua.change(call, Direction::SendOnly, false, now));
    w.run_for(secs(1));
    w.ua(carrier).is_off = false;
    w.ua(carrier).refuses_changes = Some(488);
    w.with_ua(phone, |ua, now| ua.cancel(call, now));
    w.run_for(Duration::from_millis(100));
    assert_eq!(w.last_call(phone).change_code, Some(487));
    w.run_for(secs(10));
    w.ua(carrier).refuses_changes = None;
    assert_eq!(
        change_code(&mut w, phone, Direction::SendOnly, false),
        Some(200),
        "and another one may follow"
    );
}
