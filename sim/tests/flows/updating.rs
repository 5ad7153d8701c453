//! UPDATE (RFC 3311): before the answer and after it, from either side, told on, answered here or refused.

use serde_json::json;
use std::time::Duration;
use tandem_sdp::Direction;
use tandem_sim::{Behaviour, Rel, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone and a carrier that both take UPDATE and 100rel; it plays early media for ten seconds.
fn world() -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    for ua in [phone, carrier] {
        w.ua(ua).rel = Rel::Supported;
        w.ua(ua).knows_update = true;
    }
    w.treat(carrier, Behaviour::Answer { ring: secs(10), early: true, talks: true });
    (w, phone, carrier)
}

/// The same, and they talk.
fn talking() -> (World, usize, usize) {
    let (mut w, phone, carrier) = world();
    w.treat(carrier, Behaviour::answer_after(500));
    w.talk(phone, "5551234");
    (w, phone, carrier)
}

/// The status of an UPDATE of the latest call of somebody.
fn update(w: &mut World, ua: usize, offer: Option<Direction>) -> Option<u16> {
    let call = w.ua(ua).last_call().unwrap();
    w.with_ua(ua, |ua, now| ua.update(call, offer, now));
    w.run_for(secs(1));
    w.last_call(ua).update_code
}

fn no_breach(w: &World) {
    for ua in w.everybody() {
        assert!(ua.breaches().is_empty(), "{:?}\n{}", ua.breaches(), w.ladder.text(0, &["REGISTER"]));
    }
    let complaints = w.observer.complaints();
    assert!(complaints.is_empty(), "{complaints:?}\n{}", w.ladder.text(0, &["REGISTER"]));
}

fn answers_to(w: &World, ua: usize, method: &str) -> Vec<Message> {
    w.sent_to(ua).into_iter().filter(|m| m.code().is_some() && m.method_name() == method).collect()
}

#[test]
fn an_update_without_a_body_is_answered_here() {
    for by_phone in [true, false] {
        let (mut w, phone, carrier) = talking();
        let (asker, other) = if by_phone { (phone, carrier) } else { (carrier, phone) };
        assert_eq!(update(&mut w, asker, None), Some(200));
        assert_eq!((w.last_call(other).updates, w.last_call(other).changes), (0, 0));
        w.hang_up(phone);
        w.assert_quiet();
        no_breach(&w);
    }
}

#[test]
fn an_update_moves_where_requests_go() {
    let (mut w, phone, carrier) = talking();
    let moved = std::net::SocketAddr::new(w.address(carrier).ip(), 5070);
    let old = w.ua(carrier).shown;
    w.ua(carrier).shown = moved;
    assert_eq!(update(&mut w, carrier, None), Some(200));
    w.ua(carrier).shown = old;
    w.hang_up(phone);
    w.run_for(Duration::from_millis(100));
    assert_eq!(w.ladder.requests(SERVER, moved, "BYE").len(), 1);
    w.with_ua(carrier, |ua, now| ua.hang_up_all(now));
    w.run_for(secs(40));
}

#[test]
fn an_offer_in_an_update_is_told_on_as_the_other_side_bears_it() {
    for by_phone in [true, false] {
        for other_knows in [true, false] {
            let (mut w, phone, carrier) = world();
            w.treat(carrier, Behaviour::answer_after(500));
            let (asker, other) = if by_phone { (phone, carrier) } else { (carrier, phone) };
            w.ua(other).knows_update = other_knows;
            w.talk(phone, "5551234");
            assert_eq!(update(&mut w, asker, Some(Direction::SendOnly)), Some(200));
            let updates = u32::from(other_knows);
            assert_eq!((w.last_call(other).updates, w.last_call(other).changes), (updates, 1));
            assert_eq!(w.hears_packets(asker), 0);
            assert!(w.hears_packets(other) > 40);
            assert_eq!(update(&mut w, asker, Some(Direction::SendRecv)), Some(200));
            assert!(w.hears_packets(asker) > 40 && w.hears_packets(other) > 40);
            w.hang_up(other);
            w.assert_quiet();
            no_breach(&w);
        }
    }
}

#[test]
fn a_refused_update_leaves_the_session_as_it_was() {
    let (mut w, phone, carrier) = talking();
    w.ua(carrier).refuses_changes = Some(488);
    assert_eq!(update(&mut w, phone, Some(Direction::SendOnly)), Some(488));
    assert!(w.hears_packets(phone) > 40 && w.hears_packets(carrier) > 40);
    w.ua(carrier).refuses_changes = None;
    assert_eq!(update(&mut w, carrier, Some(Direction::SendOnly)), Some(200));
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn updates_that_meet_are_both_asked_to_wait() {
    let (mut w, phone, carrier) = talking();
    for ua in [phone, carrier] {
        let call = w.ua(ua).last_call().unwrap();
        w.with_ua(ua, |ua, now| ua.update(call, Some(Direction::SendOnly), now));
    }
    w.run_for(secs(1));
    assert_eq!((w.last_call(phone).update_code, w.last_call(carrier).update_code), (Some(491), Some(491)));
    w.run_for(secs(1));
    assert_eq!(update(&mut w, phone, Some(Direction::SendOnly)), Some(200));
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn a_second_update_upon_the_first_is_told_to_come_later() {
    let (mut w, phone, carrier) = talking();
    let call = w.ua(phone).last_call().unwrap();
    w.with_ua(phone, |ua, now| ua.update(call, Some(Direction::SendOnly), now));
    w.with_ua(phone, |ua, now| ua.update(call, Some(Direction::SendRecv), now));
    w.run_for(secs(1));
    let refused = answers_to(&w, phone, "UPDATE").into_iter().find(|m| m.code() == Some(500)).unwrap();
    let after: u32 = refused.header(Header::RetryAfter).unwrap().parse().unwrap();
    assert!(after <= 10);
    assert_eq!(w.last_call(carrier).updates, 1);
}

#[test]
fn an_update_upon_a_change_of_the_same_side_is_told_to_come_later_unless_it_offers_nothing() {
    let (mut w, phone, carrier) = talking();
    w.ua(carrier).is_off = true;
    let call = w.ua(phone).last_call().unwrap();
    w.with_ua(phone, |ua, now| ua.change(call, Direction::SendOnly, false, now));
    w.run_for(Duration::from_millis(100));
    assert_eq!(update(&mut w, phone, Some(Direction::SendOnly)), Some(500));
    assert_eq!(update(&mut w, phone, None), Some(200));
    w.ua(carrier).is_off = false;
    w.run_for(secs(5));
    assert_eq!(w.last_call(phone).change_code, Some(200));
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn a_side_that_says_it_takes_update_and_does_not_gets_a_re_invite() {
    let (mut w, phone, carrier) = talking();
    w.ua(carrier).denies_update = true;
    assert_eq!(update(&mut w, phone, Some(Direction::SendOnly)), Some(200));
    assert_eq!((w.count_to(carrier, "UPDATE"), w.last_call(carrier).changes), (1, 1));
    assert_eq!(update(&mut w, phone, Some(Direction::SendRecv)), Some(200));
    assert_eq!(w.count_to(carrier, "UPDATE"), 1, "it is not asked again");
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn an_update_of_a_side_that_is_gone_ends_the_call() {
    let (mut w, phone, carrier) = talking();
    w.ua(carrier).forget_calls();
    update(&mut w, phone, Some(Direction::SendOnly));
    w.run_for(secs(1));
    assert_eq!(w.last_call(phone).ended_by_peer, Some(true));
    w.only_record();
    w.assert_quiet();
}

#[test]
fn before_the_answer_an_offer_of_either_side_is_told_on_where_that_is_borne() {
    for by_phone in [true, false] {
        let (mut w, phone, carrier) = world();
        let (asker, other) = if by_phone { (phone, carrier) } else { (carrier, phone) };
        w.dial(phone, "5551234");
        w.run_for(secs(2));
        assert_eq!(update(&mut w, asker, Some(Direction::SendOnly)), Some(200));
        assert_eq!(w.last_call(other).updates, 1, "by phone: {by_phone}");
        assert_eq!(update(&mut w, asker, Some(Direction::SendRecv)), Some(200));
        w.run_for(secs(10));
        assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
        assert!(w.hears_packets(phone) > 40 && w.hears_packets(carrier) > 40);
        w.hang_up(phone);
        w.assert_quiet();
        no_breach(&w);
    }
}

#[test]
fn before_the_answer_an_offer_is_answered_here_where_the_other_side_cannot_hear_of_it() {
    for by_phone in [true, false] {
        let (mut w, phone, carrier) = world();
        let (asker, other) = if by_phone { (phone, carrier) } else { (carrier, phone) };
        w.ua(other).knows_update = false;
        w.dial(phone, "5551234");
        w.run_for(secs(2));
        assert_eq!(update(&mut w, asker, Some(Direction::SendOnly)), Some(200), "by phone: {by_phone}");
        assert_eq!(update(&mut w, asker, Some(Direction::SendRecv)), Some(200), "by phone: {by_phone}");
        assert_eq!(w.last_call(other).updates, 0);
        w.run_for(secs(10));
        assert_eq!(w.stage(phone), Stage::Talking);
        assert!(w.hears_packets(phone) > 40 && w.hears_packets(carrier) > 40);
        w.hang_up(phone);
        w.assert_quiet();
        no_breach(&w);
    }
}

#[test]
fn before_the_answer_an_offer_that_the_other_side_cannot_follow_is_refused() {
    let (mut w, phone, carrier) = world();
    w.ua(carrier).knows_update = false;
    w.ua(carrier).codecs = vec!["PCMU"];
    w.dial(phone, "5551234");
    w.run_for(secs(2));
    w.ua(phone).codecs = vec!["PCMA"];
    assert_eq!(update(&mut w, phone, Some(Direction::SendRecv)), Some(488));
    w.ua(phone).codecs = vec!["PCMU", "PCMA"];
    w.run_for(secs(10));
    assert_eq!(w.stage(phone), Stage::Talking, "the call goes on as it was");
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn before_its_own_offer_is_answered_a_caller_has_no_business_with_another() {
    let (mut w, phone, carrier) = world();
    w.treat(carrier, Behaviour::RingForever);
    w.dial(phone, "5551234");
    w.run_for(secs(1));
    assert_eq!(update(&mut w, phone, Some(Direction::SendOnly)), Some(500));
    assert!(answers_to(&w, phone, "UPDATE")[0].header(Header::RetryAfter).is_some());
    assert_eq!(update(&mut w, phone, None), Some(200));
    w.cancel(phone);
    w.assert_quiet();
}

#[test]
fn a_callee_that_offers_while_ours_is_open_is_asked_to_wait() {
    let (mut w, phone, carrier) = world();
    w.ua(carrier).rel = Rel::Unknown;
    w.dial(phone, "5551234");
    w.run_for(secs(1));
    assert_eq!(update(&mut w, carrier, Some(Direction::SendOnly)), Some(491));
    assert_eq!(update(&mut w, carrier, None), Some(200));
    w.cancel(phone);
    w.assert_quiet();
}

#[test]
fn a_call_that_is_taken_back_or_refused_takes_an_update_under_way_with_it() {
    for refused in [false, true] {
        let (mut w, phone, carrier) = world();
        w.dial(phone, "5551234");
        w.run_for(secs(2));
        w.lose_to(w.address(carrier), "UPDATE");
        let call = w.ua(phone).last_call().unwrap();
        w.with_ua(phone, |ua, now| ua.update(call, Some(Direction::SendOnly), now));
        w.run_for(secs(1));
        if refused {
            w.with_ua(carrier, |ua, now| ua.hang_up_all(now));
        } else {
            w.cancel(phone);
        }
        w.run_for(secs(1));
        assert!(w.last_call(phone).update_code.is_some_and(|code| code >= 400));
        assert_eq!(w.last_call(phone).code, Some(if refused { 486 } else { 487 }));
        w.only_record();
        w.assert_quiet();
    }
}

#[test]
fn an_answer_while_an_update_is_under_way_waits_for_it() {
    let (mut w, phone, carrier) = world();
    w.dial(phone, "5551234");
    w.run_for(secs(2));
    w.lose_to(w.address(carrier), "UPDATE");
    let call = w.ua(phone).last_call().unwrap();
    w.with_ua(phone, |ua, now| ua.update(call, Some(Direction::SendOnly), now));
    w.run_for(Duration::from_millis(100));
    let ringing = w.ua(carrier).last_call().unwrap();
    w.with_ua(carrier, |ua, now| ua.answer_call(ringing, now));
    w.run_for(Duration::from_millis(200));
    assert_eq!((w.stage(carrier), w.stage(phone)), (Stage::Talking, Stage::Ringing));
    w.lose_no_more();
    w.run_for(secs(5));
    assert_eq!((w.stage(phone), w.last_call(phone).update_code), (Stage::Talking, Some(200)));
    w.hang_up(phone);
    w.only_record();
    w.assert_quiet();
    no_breach(&w);
}
