//! Session timers (RFC 4028): who refreshes and how, 422 in both directions, and legs whose peer is gone.

use serde_json::{Value, json};
use std::time::Duration;
use tandem_engine::Limits;
use tandem_model::Side;
use tandem_sdp::Direction;
use tandem_sim::{Behaviour, Faults, Rel, SERVER, SessionWish, Stage, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn wish(expires: u32, min_se: u32, refresher: Option<&'static str>) -> Option<SessionWish> {
    Some(SessionWish { expires, min_se, refresher })
}

/// A phone and a carrier without voices; sessions of phones and of the trunk are limited so, 0: not.
fn world(phones: u32, trunk: u32) -> (World, usize, usize) {
    let limits =
        Limits { session_timer: phones, media_timeout: None, hold_timeout: None, ..Limits::default() };
    let mut w = World::with_limits(1, Faults::default(), limits);
    let (carrier, trunk) = w.plain_carrier("carrier", json!({"session_timer": trunk}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    for ua in [phone, carrier] {
        w.ua(ua).is_mute = true;
    }
    w.treat(carrier, Behaviour::answer_after(500));
    (w, phone, carrier)
}

fn no_breach(w: &World) {
    for ua in w.everybody() {
        assert!(ua.breaches().is_empty(), "{:?}\n{}", ua.breaches(), w.ladder.text(0, &["REGISTER"]));
    }
}

fn talks(w: &World, phone: usize, carrier: usize) -> bool {
    let expired = |ua: usize| w.last_call(ua).expired;
    (w.stage(phone), w.stage(carrier)) == (Stage::Talking, Stage::Talking)
        && !expired(phone)
        && !expired(carrier)
}

fn answer_to_invite(w: &World, ua: usize) -> Message {
    let ok = |m: &Message| m.code() == Some(200) && m.method_name() == "INVITE";
    w.sent_to(ua).into_iter().find(ok).expect("it was answered")
}

#[test]
fn our_invite_asks_for_a_session_timer_unless_it_is_off() {
    for (trunk, asked) in [(1800, Some("1800")), (600, Some("600")), (0, None)] {
        let (mut w, phone, carrier) = world(1800, trunk);
        w.talk(phone, "5551234");
        let invite = w.last_call(carrier).invite.clone().unwrap();
        assert_eq!(invite.header(Header::SessionExpires), asked);
        assert_eq!(invite.header(Header::MinSe), asked.map(|_| "90"));
        assert!(invite.headers(Header::Supported).any(|option| option == "timer"));
        w.hang_up(phone);
        w.assert_quiet();
    }
}

#[test]
fn a_peer_that_knows_nothing_of_it_is_asked_from_time_to_time_whether_it_is_there() {
    let (mut w, phone, carrier) = world(600, 600);
    w.talk(phone, "5551234");
    w.run_for(secs(1_000));
    assert!(talks(&w, phone, carrier));
    for ua in [phone, carrier] {
        let ours = w.ladder.requests(SERVER, w.address(ua), "INVITE");
        let refreshes: Vec<_> = ours.iter().filter(|(_, m)| m.to_tag().is_some()).collect();
        assert_eq!(refreshes.len(), 3, "every 300 s");
        assert_eq!(w.last_call(ua).changes, 0, "it is told what it was told before");
    }
    w.hang_up(phone);
    w.only_record();
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn whoever_is_chosen_refreshes_by_update_or_re_invite_and_the_call_lasts() {
    for refresher in [None, Some("uac"), Some("uas")] {
        for knows_update in [false, true] {
            let (mut w, phone, carrier) = world(600, 600);
            for ua in [phone, carrier] {
                w.ua(ua).session = wish(300, 90, refresher);
                w.ua(ua).knows_update = knows_update;
            }
            w.talk(phone, "5551234");
            w.run_for(secs(1_000));
            let what = format!("{refresher:?}, {knows_update}\n{}", w.ladder.text(0, &["REGISTER"]));
            assert!(talks(&w, phone, carrier), "{what}");
            assert_eq!((w.last_call(phone).changes, w.last_call(carrier).changes), (0, 0), "{what}");
            let by_us = |ua: usize| w.last_call(ua).refreshed;
            // The phone called us, we called the carrier.
            let (phones, carriers) = match refresher {
                Some("uas") => (6, 0),
                _ => (0, 6),
            };
            assert_eq!((by_us(phone), by_us(carrier)), (phones, carriers), "{what}");
            w.hang_up(phone);
            w.assert_quiet();
            no_breach(&w);
        }
    }
}

#[test]
fn a_shorter_interval_than_ours_is_granted_and_a_longer_one_is_not() {
    for (asked, granted) in [(100, "100"), (5_000, "600")] {
        let (mut w, phone, _) = world(600, 600);
        w.ua(phone).session = wish(asked, 90, None);
        w.talk(phone, "5551234");
        let answer = answer_to_invite(&w, phone);
        let session = answer.header(Header::SessionExpires).unwrap();
        assert_eq!(session, format!("{granted};refresher=uac"));
        assert!(answer.headers(Header::Require).any(|option| option == "timer"));
        no_breach(&w);
    }
}

#[test]
fn a_least_interval_above_ours_is_respected() {
    let (mut w, phone, _) = world(600, 600);
    w.ua(phone).session = wish(2_000, 900, None);
    w.talk(phone, "5551234");
    assert_eq!(answer_to_invite(&w, phone).header(Header::SessionExpires), Some("900;refresher=uac"));
    no_breach(&w);
}

#[test]
fn who_asks_for_less_than_90_seconds_is_told_so() {
    let (mut w, phone, _) = world(600, 600);
    let call = w.dial_line(
        phone,
        tandem_sim::Line::number("5551234", SERVER)
            .with(Header::Supported, "timer")
            .with(Header::SessionExpires, "60"),
    );
    w.run_for(secs(1));
    assert_eq!(w.call(phone, call).code, Some(422));
    assert_eq!(w.sent_to(phone).last().unwrap().header(Header::MinSe), Some("90"));
    w.assert_quiet();
    w.ua(phone).session = wish(60, 30, None);
    let call = w.talk(phone, "5551234");
    assert_eq!(w.call(phone, call).code, Some(200), "it asked again with what we bear");
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn a_carrier_that_bears_only_longer_sessions_is_asked_again() {
    let (mut w, phone, carrier) = world(600, 600);
    w.ua(carrier).session = wish(3_600, 1_200, None);
    w.talk(phone, "5551234");
    let asked: Vec<String> = w
        .ladder
        .requests(SERVER, w.address(carrier), "INVITE")
        .iter()
        .map(|(_, m)| m.header(Header::SessionExpires).unwrap().to_owned())
        .collect();
    assert_eq!(asked, ["600", "1200"]);
    assert_eq!(w.ladder.call_ids(SERVER, w.address(carrier)).len(), 1, "the same call");
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn with_the_timer_off_we_ask_nobody_and_serve_who_refreshes() {
    let (mut w, phone, carrier) = world(0, 0);
    w.talk(phone, "5551234");
    w.run_for(secs(4_000));
    assert!(talks(&w, phone, carrier));
    assert_eq!((w.count_to(phone, "INVITE"), w.count_to(carrier, "INVITE")), (0, 1));
    w.hang_up(phone);
    w.assert_quiet();
    w.ua(phone).session = wish(300, 90, Some("uac"));
    w.talk(phone, "5551234");
    w.run_for(secs(1_000));
    assert!(talks(&w, phone, carrier));
    w.ua(phone).is_off = true;
    w.run_for(secs(300));
    assert_eq!(w.stage(carrier), Stage::Over, "it asked for the timer, and is gone");
    no_breach(&w);
}

#[test]
fn a_leg_whose_peer_is_gone_ends_by_itself() {
    let kinds: [(Option<SessionWish>, bool); 4] = [
        (None, false),
        (wish(300, 90, Some("uas")), true),
        (wish(300, 90, Some("uac")), false),
        (None, true),
    ];
    for phone_goes in [true, false] {
        for (session, knows_update) in kinds {
            let (mut w, phone, carrier) = world(300, 300);
            let (gone, left) = if phone_goes { (phone, carrier) } else { (carrier, phone) };
            w.ua(gone).session = session;
            w.ua(gone).knows_update = knows_update;
            w.talk(phone, "5551234");
            w.run_for(secs(100));
            w.ua(gone).is_off = true;
            w.run_for(secs(300));
            let what = format!("{phone_goes} {session:?}\n{}", w.ladder.text(0, &["REGISTER"]));
            assert_eq!(w.last_call(left).ended_by_peer, Some(true), "{what}");
            assert_eq!(w.only_record().ended_by, Side::System);
            w.run_for(secs(110));
            assert_eq!((w.engine.call_count(), w.engine.media_ports_in_use()), (0, 0));
        }
    }
}

#[test]
fn a_session_that_the_peer_does_not_refresh_ends_a_third_or_32_seconds_before() {
    for (interval, end) in [(300, 268), (90, 60)] {
        let (mut w, phone, carrier) = world(600, 600);
        w.ua(phone).session = wish(interval, 90, Some("uac"));
        w.talk(phone, "5551234");
        w.ua(phone).is_off = true;
        w.run_for(secs(end - 2));
        assert_eq!(w.stage(carrier), Stage::Talking);
        w.run_for(secs(3));
        assert_eq!(w.stage(carrier), Stage::Over, "{interval}");
        assert!(w.only_record().cause.phrase.contains("refreshed"));
    }
}

#[test]
fn a_peer_that_forgot_the_call_is_found_by_the_refresh() {
    for knows_update in [false, true] {
        let (mut w, phone, carrier) = world(0, 300);
        w.ua(carrier).knows_update = knows_update;
        w.talk(phone, "5551234");
        w.ua(carrier).forget_calls();
        w.run_for(secs(140));
        assert_eq!(w.stage(phone), Stage::Talking);
        w.run_for(secs(20));
        assert_eq!(w.last_call(phone).ended_by_peer, Some(true));
        w.only_record();
        w.assert_quiet();
    }
}

#[test]
fn a_refresh_that_meets_a_change_comes_later_on_our_side_of_the_call_id() {
    let (mut w, phone, carrier) = world(0, 300);
    w.ua(carrier).session = wish(300, 90, Some("uac"));
    w.talk(phone, "5551234");
    let refreshes = |w: &World| {
        let all = w.ladder.requests(SERVER, w.address(carrier), "INVITE");
        all.into_iter().filter(|(_, m)| m.to_tag().is_some()).map(|(at, _)| at).collect::<Vec<_>>()
    };
    w.run_until("our refresh is on its way", |w| !refreshes(w).is_empty());
    let call = w.ua(carrier).last_call().unwrap();
    w.with_ua(carrier, |ua, now| ua.change(call, Direction::SendOnly, false, now));
    w.run_for(secs(1));
    assert_eq!(w.last_call(carrier).change_code, Some(491));
    w.run_for(secs(5));
    let sent = refreshes(&w);
    assert_eq!(sent.len(), 2);
    let wait = sent[1].since(sent[0]);
    assert!((Duration::from_millis(2_100)..Duration::from_millis(4_100)).contains(&wait), "{wait:?}");
    assert!(talks(&w, phone, carrier));
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn a_refresh_of_a_call_that_we_got_waits_less_when_it_meets_a_change() {
    let (mut w, phone, carrier) = world(300, 0);
    w.ua(phone).session = wish(300, 90, Some("uas"));
    w.talk(phone, "5551234");
    let refreshes = |w: &World| {
        let all = w.ladder.requests(SERVER, w.address(phone), "INVITE");
        all.into_iter().map(|(at, _)| at).collect::<Vec<_>>()
    };
    w.run_until("our refresh is on its way", |w| !refreshes(w).is_empty());
    let call = w.ua(phone).last_call().unwrap();
    w.with_ua(phone, |ua, now| ua.change(call, Direction::SendOnly, false, now));
    w.run_for(secs(5));
    assert_eq!(w.last_call(phone).change_code, Some(491));
    let sent = refreshes(&w);
    assert_eq!(sent.len(), 2);
    assert!(sent[1].since(sent[0]) <= Duration::from_millis(2_050), "{:?}", sent[1].since(sent[0]));
    assert!(talks(&w, phone, carrier));
    no_breach(&w);
}

#[test]
fn a_peer_that_moves_with_its_answer_to_our_refresh_is_followed() {
    let (mut w, phone, carrier) = world(0, 300);
    for ua in [phone, carrier] {
        w.ua(ua).is_mute = false;
    }
    w.talk(phone, "5551234");
    w.with_ua(carrier, |ua, _| ua.move_media());
    w.run_for(secs(160));
    assert!(w.hears_packets(carrier) > 40, "at its new port");
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn a_change_is_a_refresh_too() {
    let (mut w, phone, carrier) = world(300, 300);
    w.ua(phone).session = wish(300, 90, Some("uas"));
    w.ua(carrier).session = wish(300, 90, Some("uac"));
    w.talk(phone, "5551234");
    for n in 0..5 {
        w.run_for(secs(120));
        w.change(phone, if n % 2 == 0 { Direction::SendOnly } else { Direction::SendRecv });
        assert_eq!(w.last_call(phone).change_code, Some(200));
    }
    assert_eq!((w.last_call(phone).refreshed, w.last_call(carrier).refreshed), (0, 5));
    assert_eq!(w.last_call(carrier).changes, 5);
    assert!(talks(&w, phone, carrier));
    w.hang_up(carrier);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn require_timer_and_100rel_are_no_reason_to_refuse() {
    let (mut w, phone, _) = world(1800, 1800);
    w.ua(phone).session = wish(1800, 90, None);
    w.ua(phone).rel = Rel::Required;
    let line = tandem_sim::Line::number("5551234", SERVER).with(Header::Require, "timer");
    let call = w.dial_line(phone, line);
    w.run_for(secs(2));
    assert_eq!(w.call(phone, call).code, Some(200));
    no_breach(&w);
}

#[test]
fn a_trunk_says_how_long_its_sessions_last() {
    let (w, ..) = world(0, 0);
    let mut w = w;
    let body = |seconds: u32| -> Value {
        json!({"name": format!("t{seconds}"), "mode": "ip_auth", "host": "192.0.2.1", "session_timer": seconds})
    };
    assert!(w.try_create(tandem_model::Kind::Trunk, body(60)).is_err());
    assert!(w.try_create(tandem_model::Kind::Trunk, body(90)).is_ok());
}
