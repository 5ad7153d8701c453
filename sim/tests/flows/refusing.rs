//! Requests that are refused for their form, their place or their way: 405, 420, 481, 482; and what we say of ourselves meanwhile.

use serde_json::json;
use std::time::Duration;
use tandem_model::Kind;
use tandem_sdp::Direction;
use tandem_sim::{Behaviour, Line, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone, a carrier and a route to it.
fn people() -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    (w, phone, carrier)
}

fn text(message: &Message) -> String {
    String::from_utf8(message.as_bytes().to_vec()).unwrap()
}

fn list(message: &Message, header: Header) -> Vec<String> {
    message.headers(header).map(|value| value.trim().to_owned()).collect()
}

#[test]
fn allow_and_supported_tell_the_truth_wherever_they_stand() {
    let (mut w, phone, carrier) = people();
    let call = w.talk(phone, "5551234");
    w.with_ua(phone, |ua, now| ua.request_within(call, "OPTIONS", now));
    w.run_for(secs(1));
    w.with_ua(phone, |ua, now| ua.request_within(call, "MESSAGE", now));
    w.run_for(secs(1));
    let mut seen = 0;
    let of_calls = |message: &&Message| message.method_name() != "REGISTER";
    // A phone may transfer calls and tell digits by INFO, and a carrier may not.
    for (peer, more) in [(phone, vec!["replaces", "norefersub"]), (carrier, vec![])] {
        for message in w.sent_to(peer).iter().filter(of_calls) {
            let allowed = list(message, Header::Allow);
            if !allowed.is_empty() {
                seen += 1;
                for method in ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE"] {
                    assert!(allowed.iter().any(|allowed| allowed == method), "{method}: {}", text(message));
                }
                for method in ["REFER", "INFO"] {
                    assert_eq!(allowed.iter().any(|allowed| allowed == method), peer == phone, "{method}");
                }
            }
            for option in list(message, Header::Supported) {
                let mut known = tandem_sip_dialog::SUPPORTED.split(", ").chain(more.iter().copied());
                assert!(known.any(|known| known == option), "{option}");
            }
        }
    }
    assert!(seen >= 4, "INVITE, its 200, that to OPTIONS, and a 405: {seen}");
    let refused = w.sent_to(phone).last().unwrap().clone();
    assert_eq!(refused.code(), Some(405));
}

#[test]
fn only_what_is_not_known_of_a_require_is_named_in_the_refusal() {
    let (mut w, phone, _) = people();
    let line = Line::number("5551234", SERVER).with(Header::Require, "timer, tele-porting, 100rel");
    let call = w.dial_line(phone, line);
    w.run_for(secs(1));
    assert_eq!(w.call(phone, call).code, Some(420));
    assert_eq!(list(w.sent_to(phone).last().unwrap(), Header::Unsupported), ["tele-porting"]);
    w.assert_quiet();
}

#[test]
fn a_change_that_requires_what_nobody_knows_is_420_and_the_call_goes_on() {
    let (mut w, phone, carrier) = people();
    let call = w.talk(phone, "5551234");
    w.with_ua(phone, |ua, now| ua.change(call, Direction::SendOnly, false, now));
    w.run_for(secs(1));
    let (_, change) = w.ladder.requests(w.address(phone), SERVER, "INVITE").pop().unwrap();
    let cseq = change.cseq();
    let odd = text(&change)
        .replace("z9hG4bK", "z9hG4bKodd")
        .replace(&format!("CSeq: {cseq} "), &format!("CSeq: {} ", cseq + 1))
        .replace("Max-Forwards", "Require: tele-porting\r\nMax-Forwards");
    w.inject(w.address(phone), SERVER, odd);
    w.run_for(secs(1));
    let refused = w.sent_to(phone).last().unwrap().clone();
    assert_eq!((refused.code(), refused.header(Header::Unsupported)), (Some(420), Some("tele-porting")));
    assert_eq!((w.stage(phone), w.last_call(carrier).changes), (Stage::Talking, 1));
}

#[test]
fn a_call_that_comes_by_two_ways_is_one_call() {
    let (mut w, _, carrier) = people();
    w.number("5550001", "1001");
    w.dial(carrier, "5550001");
    w.run_for(Duration::from_millis(100));
    let (_, invite) = w.ladder.requests(w.address(carrier), SERVER, "INVITE").remove(0);
    w.inject(w.address(carrier), SERVER, text(&invite).replace("z9hG4bK", "z9hG4bKother"));
    w.run_for(secs(1));
    assert!(w.sent_to(carrier).iter().any(|answer| answer.code() == Some(482)), "RFC 3261 §8.2.2.2");
    w.run_until("the first is answered", |w| w.stage(carrier) == Stage::Talking);
    w.hang_up(carrier);
    w.only_record();
    w.assert_quiet();
}

#[test]
fn a_call_that_comes_back_to_us_as_we_sent_it_is_a_loop() {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", json!({}));
    let us = json!({"name": "loop", "mode": "ip_auth", "host": SERVER.ip().to_string(), "ping_interval": 0});
    let us = w.create(Kind::Trunk, us);
    w.create(Kind::Number, json!({"number": "15550001", "trunk_id": us}));
    let call = w.dial(carrier, "15550001");
    w.run_for(secs(30));
    assert_eq!(w.call(carrier, call).code, Some(482));
    assert_eq!(w.only_record().attempts[0].code, 482, "the first copy is recognised");
    w.assert_quiet();
}

#[test]
fn a_call_that_comes_back_for_somebody_else_is_none() {
    let (mut w, phone, carrier) = people();
    w.phone("1002");
    w.number("15550002", "1002");
    w.treat(carrier, Behaviour::RingForever);
    w.dial(phone, "5551234");
    w.run_for(secs(1));
    // The carrier's proxy sends it on to a number of ours: RFC 3261 §16.3 calls it a spiral.
    let invite = w.last_call(carrier).invite.clone().unwrap();
    let uri = invite.request_uri().unwrap().as_str().to_owned();
    let back = text(&invite)
        .replacen(&format!("INVITE {uri}"), &format!("INVITE sip:15550002@{SERVER}"), 1)
        .replacen("Via:", "Via: SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bKproxy\r\nVia:", 1);
    w.inject(w.address(carrier), SERVER, back);
    w.run_for(secs(1));
    assert_eq!(w.engine.call_count(), 2);
}

#[test]
fn what_belongs_to_no_dialog_is_481_whatever_its_method() {
    let (mut w, phone, carrier) = people();
    w.talk(phone, "5551234");
    let (_, ack) = w.ladder.requests(w.address(phone), SERVER, "ACK").pop().unwrap();
    let tag = ack.to_tag().unwrap().to_owned();
    for (n, method) in ["UPDATE", "PRACK", "BYE", "INVITE", "OPTIONS"].into_iter().enumerate() {
        let stray = text(&ack)
            .replace("ACK", method)
            .replace("z9hG4bK", &format!("z9hG4bKs{n}"))
            .replace(&tag, &format!("{tag}0"));
        w.inject(w.address(phone), SERVER, stray);
        w.run_for(secs(1));
        let answers = w.sent_to(phone);
        let answer = answers.iter().rev().find(|m| m.method_name() == method && m.code().is_some()).unwrap();
        assert_eq!(answer.code(), Some(481), "{method}");
    }
    let stray = text(&ack).replace("ACK", "CANCEL").replace("z9hG4bK", "z9hG4bKcancel");
    w.inject(w.address(phone), SERVER, stray);
    w.run_for(secs(1));
    assert_eq!(w.sent_to(phone).last().unwrap().code(), Some(481));
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
}

#[test]
fn an_answer_with_another_port_than_the_early_media_is_followed() {
    let (mut w, phone, carrier) = people();
    w.treat(carrier, Behaviour::Answer { ring: secs(3), early: true, talks: true });
    w.dial(phone, "5551234");
    w.run_for(secs(2));
    let (own, theirs) = (w.ua(phone).tone, w.ua(carrier).tone);
    assert!(w.last_call(phone).hears(theirs));
    w.ua(carrier).move_media();
    w.run_for(secs(3));
    assert!(w.hears_packets(carrier) > 40 && w.hears_packets(phone) > 40);
    assert!(w.last_call(carrier).hears(own) && w.last_call(phone).hears(theirs));
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn another_codec_and_another_address_are_followed_by_both_sides() {
    for by_phone in [true, false] {
        let (mut w, phone, carrier) = people();
        w.talk(phone, "5551234");
        let (changer, other) = if by_phone { (phone, carrier) } else { (carrier, phone) };
        w.ua(changer).codecs = vec!["PCMA"];
        w.ua(changer).move_media();
        w.change(changer, Direction::SendRecv);
        assert_eq!(w.last_call(changer).change_code, Some(200));
        let told = tandem_sdp::Sdp::parse(w.last_call(other).remote_sdp.as_ref().unwrap()).unwrap();
        assert_eq!(told.audio().unwrap().codecs[0].name, "PCMA");
        assert!(w.hears_packets(phone) > 40 && w.hears_packets(carrier) > 40);
        w.hang_up(other);
        w.assert_quiet();
    }
}

#[test]
fn a_change_without_a_common_codec_is_refused_and_nothing_changes() {
    let (mut w, phone, carrier) = people();
    w.talk(phone, "5551234");
    w.ua(phone).codecs = vec!["GSM"];
    w.change(phone, Direction::SendRecv);
    assert_eq!(w.last_call(phone).change_code, Some(488));
    assert_eq!(w.last_call(carrier).changes, 0);
    w.ua(phone).codecs = vec!["PCMU"];
    w.change(carrier, Direction::SendRecv);
    assert_eq!(w.last_call(carrier).change_code, Some(200));
    assert!(w.hears_packets(phone) > 40 && w.hears_packets(carrier) > 40);
}
