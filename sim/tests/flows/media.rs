//! What media does in a call: directly from peer to peer, video beside the sound, fax in its place.

use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tandem_model::Kind as Of;
use tandem_sdp::{Direction, Kind, Sdp};
use tandem_sim::{Behaviour, SERVER, Stage, World};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone that may do without us, where `direct` says so.
fn phone(w: &mut World, direct: bool) -> usize {
    let body = json!({"name": "1001", "number": "1001", "password": "1001-password", "direct_media": direct});
    w.create(Of::Extension, body);
    w.another_phone("1001", "1001")
}

/// A phone and a carrier, neither of which needs us between their media.
fn direct() -> (World, usize, usize) {
    let mut w = World::new();
    w.observer.direct_media = true;
    let (carrier, trunk) = w.plain_carrier("carrier", json!({"direct_media": true}));
    w.route(&[&trunk]);
    let phone = phone(&mut w, true);
    (w, phone, carrier)
}

fn anchored() -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    (w, phone, carrier)
}

/// Where somebody was last told to send its sound.
fn told(w: &World, ua: usize) -> SocketAddr {
    let sdp = w.last_call(ua).remote_sdp.clone().expect("it was told something");
    Sdp::parse(&sdp).unwrap().audio().expect("of sound").rtp
}

fn ip(w: &World, ua: usize) -> IpAddr {
    w.address(ua).ip()
}

/// A change asked by somebody, which has time to take effect.
fn change(w: &mut World, ua: usize, direction: Direction, late: bool) -> Option<u16> {
    let call = w.ua(ua).last_call().unwrap();
    w.with_ua(ua, |ua, now| ua.change(call, direction, late, now));
    w.run_for(secs(1));
    w.last_call(ua).change_code
}

fn fax(w: &mut World, ua: usize, fax: bool) -> Option<u16> {
    let call = w.ua(ua).last_call().unwrap();
    w.with_ua(ua, |ua, now| ua.change_to_fax(call, fax, now));
    w.run_for(secs(1));
    w.last_call(ua).change_code
}

fn both_hear(w: &mut World, one: usize, other: usize) {
    assert!(w.hears_packets(one) > 40 && w.hears_packets(other) > 40, "{}", w.ladder.text(0, &["REGISTER"]));
}

fn end(mut w: World, who: usize) {
    w.hang_up(who);
    w.only_record();
    w.assert_quiet();
    assert_eq!(w.observer.complaints(), [""; 0]);
}

#[test]
fn media_goes_from_peer_to_peer_and_takes_no_port() {
    let (mut w, phone, carrier) = direct();
    w.talk(phone, "5551234");
    assert_eq!(w.engine.media_ports_in_use(), 0);
    assert_eq!((told(&w, phone).ip(), told(&w, carrier).ip()), (ip(&w, carrier), ip(&w, phone)));
    both_hear(&mut w, phone, carrier);
    w.run_for(secs(400));
    assert_eq!(w.stage(phone), Stage::Talking, "nobody watches what does not come by");
    w.hang_up(phone);
    let record = w.only_record();
    assert!(record.direct_media && record.media_from_caller.is_none() && record.media_from_callee.is_none());
    assert!(record.attempts[0].codec.is_some());
    w.assert_quiet();
}

#[test]
fn where_one_side_needs_us_media_goes_by_here() {
    for (trunk_may, phone_may) in [(true, false), (false, true)] {
        let mut w = World::new();
        let (carrier, trunk) = w.plain_carrier("carrier", json!({"direct_media": trunk_may}));
        w.route(&[&trunk]);
        let phone = phone(&mut w, phone_may);
        w.talk(phone, "5551234");
        assert_eq!((told(&w, phone).ip(), told(&w, carrier).ip()), (SERVER.ip(), SERVER.ip()));
        both_hear(&mut w, phone, carrier);
        w.hang_up(phone);
        let record = w.only_record();
        assert!(!record.direct_media && record.media_from_caller.is_some());
    }
}

#[test]
fn an_offer_that_comes_late_leads_media_from_peer_to_peer() {
    let (mut w, phone, carrier) = direct();
    w.ua(phone).offers_late = true;
    w.talk(phone, "5551234");
    assert_eq!(w.engine.media_ports_in_use(), 0);
    both_hear(&mut w, phone, carrier);
    end(w, carrier);
}

#[test]
fn direct_media_is_held_and_resumed_and_moved() {
    let (mut w, phone, carrier) = direct();
    w.talk(phone, "5551234");
    for (holder, held) in [(phone, carrier), (carrier, phone)] {
        assert_eq!(change(&mut w, holder, Direction::SendOnly, false), Some(200));
        assert_eq!(w.hears_packets(holder), 0);
        assert_eq!(change(&mut w, holder, Direction::SendRecv, false), Some(200));
        w.ua(holder).move_media();
        assert_eq!(change(&mut w, holder, Direction::SendRecv, false), Some(200));
        assert_eq!(told(&w, held), w.last_call(holder).media_address());
        both_hear(&mut w, phone, carrier);
    }
    assert_eq!(change(&mut w, phone, Direction::SendRecv, true), Some(200), "without an offer");
    both_hear(&mut w, phone, carrier);
    assert_eq!(w.engine.media_ports_in_use(), 0);
    end(w, phone);
}

#[test]
fn early_media_goes_from_peer_to_peer() {
    let (mut w, phone, carrier) = direct();
    w.treat(carrier, Behaviour::Answer { ring: secs(3), early: true, talks: true });
    w.dial(phone, "5551234");
    w.run_for(secs(1));
    assert!(w.hears_packets(phone) > 40);
    w.run_for(secs(3));
    both_hear(&mut w, phone, carrier);
    assert_eq!(
        (w.last_call(phone).changes, w.engine.media_ports_in_use()),
        (0, 0),
        "nothing had to be told anew"
    );
    end(w, phone);
}

/// Two carriers, of which the first fails: whether each may do without us.
fn failover(first: bool, second: bool, fails: Behaviour) -> (World, usize, usize) {
    let mut w = World::new();
    w.observer.direct_media = first || second;
    let (failing, a) = w.plain_carrier("first", json!({"direct_media": first}));
    let (carrier, b) = w.plain_carrier("second", json!({"direct_media": second}));
    w.treat(failing, fails);
    w.route(&[&a, &b]);
    let phone = phone(&mut w, true);
    w.talk(phone, "5551234");
    w.run_for(secs(1));
    (w, phone, carrier)
}

#[test]
fn failover_goes_from_direct_to_anchored_and_back() {
    for (first, second) in [(true, false), (false, true), (true, true), (false, false)] {
        let (mut w, phone, carrier) = failover(first, second, Behaviour::refuse(503, "Down"));
        assert_eq!(w.engine.media_ports_in_use(), if second { 0 } else { 2 }, "{first} {second}");
        both_hear(&mut w, phone, carrier);
        assert_eq!(w.last_call(phone).changes, 0);
        w.hang_up(phone);
        let record = w.only_record();
        assert_eq!(record.direct_media, second);
        assert_eq!(record.media_from_caller.is_some(), !second);
        w.assert_quiet();
    }
}

#[test]
fn who_was_told_an_address_with_early_media_is_told_another_by_a_change_only() {
    let plays = || Behaviour::PlayThenRefuse { code: 503, play: secs(2) };
    for (first, second, changes, ports) in
        [(true, false, 1, 2), (true, true, 1, 0), (false, true, 0, 2), (false, false, 0, 2)]
    {
        let (mut w, phone, carrier) = failover(first, second, plays());
        let what = format!("{first} {second}");
        assert_eq!(w.last_call(phone).changes, changes, "{what}");
        assert_eq!(w.engine.media_ports_in_use(), ports, "{what}");
        both_hear(&mut w, phone, carrier);
        let answers = w.sent_to(phone).into_iter().filter(|m| matches!(m.code(), Some(183 | 200)));
        let mut said: Vec<_> = answers.filter(|m| !m.body().is_empty()).map(|m| m.body_bytes()).collect();
        said.dedup();
        assert_eq!(said.len(), 1, "{what}: every response has the same answer");
        end(w, phone);
    }
}

#[test]
fn a_change_that_is_owed_and_refused_ends_the_call() {
    let mut w = World::new();
    let (failing, a) = w.plain_carrier("first", json!({"direct_media": true}));
    let (_, b) = w.plain_carrier("second", json!({}));
    w.treat(failing, Behaviour::PlayThenRefuse { code: 503, play: secs(2) });
    w.route(&[&a, &b]);
    let phone = phone(&mut w, true);
    w.ua(phone).refuses_changes = Some(488);
    w.talk(phone, "5551234");
    w.run_until_over(phone);
    assert_eq!(w.only_record().cause.code, 488);
    w.assert_quiet();
}

#[test]
fn answers_with_another_port_than_the_early_media_are_followed() {
    for (mut w, phone, carrier) in [anchored(), direct()] {
        w.ua(carrier).moves_on_answer = true;
        w.treat(carrier, Behaviour::Answer { ring: secs(2), early: true, talks: true });
        w.talk(phone, "5551234");
        w.run_for(secs(1));
        both_hear(&mut w, phone, carrier);
        end(w, phone);
    }
}

#[test]
fn video_is_relayed_on_ports_of_its_own() {
    let (mut w, phone, carrier) = anchored();
    w.ua(phone).has_video = true;
    w.ua(carrier).has_video = true;
    w.talk(phone, "5551234");
    assert_eq!(w.engine.media_ports_in_use(), 4);
    w.run_for(secs(1));
    both_hear(&mut w, phone, carrier);
    for ua in [phone, carrier] {
        assert!(w.last_call(ua).video_received() > 100);
    }
    assert_eq!(change(&mut w, phone, Direction::SendOnly, false), Some(200));
    assert_eq!(w.engine.media_ports_in_use(), 4);
    w.hang_up(phone);
    let record = w.only_record();
    for video in [record.video_from_caller.as_ref(), record.video_from_callee.as_ref()] {
        assert!(video.is_some_and(|video| video.packets > 100 && video.lost == 0), "{record:?}");
    }
    w.assert_quiet();
}

#[test]
fn video_that_one_side_does_not_have_is_refused_in_its_place() {
    let (mut w, phone, carrier) = anchored();
    w.ua(phone).has_video = true;
    w.talk(phone, "5551234");
    let answer = w.last_call(phone).remote_sdp.clone().unwrap();
    let answer = Sdp::parse(&answer).unwrap();
    assert!(!answer.has(Kind::Video) && answer.stream(Kind::Video).is_some());
    both_hear(&mut w, phone, carrier);
    assert_eq!(w.last_call(phone).video_received(), 0);
    end(w, phone);
}

#[test]
fn video_comes_up_during_the_call_and_goes_again() {
    let (mut w, phone, carrier) = anchored();
    w.talk(phone, "5551234");
    w.ua(phone).has_video = true;
    w.ua(carrier).has_video = true;
    assert_eq!(change(&mut w, phone, Direction::SendRecv, false), Some(200));
    let before = w.last_call(carrier).video_received();
    w.run_for(secs(1));
    assert!(w.last_call(carrier).video_received() > before + 40);
    w.ua(phone).has_video = false;
    assert_eq!(change(&mut w, phone, Direction::SendRecv, false), Some(200));
    let before = w.last_call(phone).video_received();
    both_hear(&mut w, phone, carrier);
    assert_eq!(w.last_call(phone).video_received(), before);
    end(w, carrier);
}

#[test]
fn a_third_address_is_let_in_neither_to_the_video_nor_to_the_fax() {
    let (mut w, phone, carrier) = anchored();
    for ua in [phone, carrier] {
        w.ua(ua).has_video = true;
        w.ua(ua).takes_fax = true;
    }
    w.talk(phone, "5551234");
    let sdp = Sdp::parse(&w.last_call(phone).remote_sdp.clone().unwrap()).unwrap();
    let intruder: SocketAddr = "203.0.113.66:4000".parse().unwrap();
    w.run_for(secs(1));
    let before = w.last_call(carrier).video_received();
    let at = w.now;
    for _ in 0..50 {
        w.inject(
            intruder,
            sdp.stream(Kind::Video).unwrap().address,
            [0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9].to_vec(),
        );
    }
    w.run_for(secs(1));
    let sent = (w.now.since(at).as_millis() / 20) as u64;
    assert!(w.last_call(carrier).video_received() - before <= sent + 1);
    assert_eq!(fax(&mut w, phone, true), Some(200));
    let to = Sdp::parse(&w.last_call(phone).remote_sdp.clone().unwrap()).unwrap();
    let before = w.last_call(carrier).fax_received();
    let at = w.now;
    for _ in 0..50 {
        w.inject(intruder, to.stream(Kind::Image).unwrap().address, [0, 1, 1, 0, 0, 0].to_vec());
    }
    w.run_for(secs(1));
    let sent = (w.now.since(at).as_millis() / 20) as u64;
    assert!(w.last_call(carrier).fax_received() - before <= sent + 1);
    end(w, phone);
}

#[test]
fn a_call_changes_to_fax_and_back_to_sound() {
    for (by_phone, directly) in [(true, false), (false, false), (true, true)] {
        let (mut w, phone, carrier) = if directly { direct() } else { anchored() };
        w.ua(phone).takes_fax = true;
        w.ua(carrier).takes_fax = true;
        w.talk(phone, "5551234");
        let (asker, other) = if by_phone { (phone, carrier) } else { (carrier, phone) };
        both_hear(&mut w, phone, carrier);
        assert_eq!(fax(&mut w, asker, true), Some(200));
        assert!(w.last_call(other).is_fax());
        assert_eq!(
            w.engine.media_ports_in_use(),
            if directly { 0 } else { 2 },
            "fax takes the ports of the sound"
        );
        let before = [phone, carrier].map(|ua| w.last_call(ua).fax_received());
        assert_eq!((w.hears_packets(phone), w.hears_packets(carrier)), (0, 0));
        let after = [phone, carrier].map(|ua| w.last_call(ua).fax_received());
        assert!(after[0] > before[0] + 40 && after[1] > before[1] + 40, "{before:?} {after:?}");
        assert_eq!(fax(&mut w, asker, false), Some(200));
        assert!(!w.last_call(other).is_fax());
        both_hear(&mut w, phone, carrier);
        end(w, other);
    }
}

#[test]
fn a_fax_may_be_silent_for_as_long_as_a_call_on_hold() {
    let (mut w, phone, carrier) = anchored();
    w.ua(phone).takes_fax = true;
    w.ua(carrier).takes_fax = true;
    w.talk(phone, "5551234");
    assert_eq!(fax(&mut w, phone, true), Some(200));
    w.ua(carrier).is_off = true;
    w.run_for(secs(200));
    assert_eq!(w.stage(phone), Stage::Talking, "a page takes its time");
    w.run_for(secs(200));
    assert_eq!(w.records.len(), 1, "for ever it does not");
}

#[test]
fn a_fax_that_is_refused_leaves_the_sound_as_it_was() {
    let (mut w, phone, carrier) = anchored();
    w.ua(phone).takes_fax = true;
    w.talk(phone, "5551234");
    let before = told(&w, phone);
    assert_eq!(fax(&mut w, phone, true), Some(488));
    assert_eq!(told(&w, phone), before);
    both_hear(&mut w, phone, carrier);
    // G.711 is the way back, with what a fax needs of it.
    assert_eq!(fax(&mut w, phone, false), Some(200));
    both_hear(&mut w, phone, carrier);
    end(w, phone);
}

#[test]
fn the_latch_follows_the_new_address_of_a_change_and_nothing_else() {
    let (mut w, phone, carrier) = anchored();
    w.talk(phone, "5551234");
    let to = told(&w, carrier);
    let old = w.last_call(carrier).media_address();
    w.ua(carrier).move_media();
    assert_eq!(w.hears_packets(phone), 0, "it has moved and told nobody");
    assert_eq!(w.hears_packets(carrier), 0);
    assert_eq!(change(&mut w, carrier, Direction::SendRecv, false), Some(200));
    both_hear(&mut w, phone, carrier);
    w.run_for(secs(3));
    w.with_ua(carrier, |ua, _| ua.is_mute = true);
    let before = w.last_call(phone).packets_received();
    for n in 0..50u8 {
        w.inject(old, to, [0x80, 0, 0, n, 0, 0, 0, 0, 0, 0, 0, 9].to_vec());
    }
    w.run_for(secs(1));
    assert!(w.last_call(phone).packets_received() - before <= 51, "the old address is foreign now");
    end(w, phone);
}

/// RFC 3515: the new side has no video, and the ports for it are closed.
#[test]
fn a_transfer_leads_media_by_here_and_leaves_no_port_behind() {
    for video in [true, false] {
        let (mut w, phone, carrier) = if video { anchored() } else { direct() };
        w.create(Of::Extension, json!({"name": "1002", "number": "1002", "password": "1002-password"}));
        let other = w.another_phone("1002", "1002");
        w.ua(phone).has_video = video;
        w.ua(carrier).has_video = video;
        w.talk(phone, "5551234");
        assert_eq!(w.engine.media_ports_in_use(), if video { 4 } else { 0 });
        let call = w.ua(phone).last_call().unwrap();
        let to = format!("<sip:1002@{SERVER}>");
        w.with_ua(phone, |ua, now| ua.refer(call, &to, now));
        w.run_for(secs(6));
        assert_eq!(w.stage(other), Stage::Talking);
        both_hear(&mut w, other, carrier);
        w.run_for(secs(3));
        assert_eq!(w.engine.media_ports_in_use(), 2);
        w.hang_up(other);
        w.run_for(secs(3));
        w.assert_quiet();
    }
}
