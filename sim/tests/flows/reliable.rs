//! Reliable provisional responses (RFC 3262), each leg by itself: what a carrier gets of us, and what a caller does.

use serde_json::json;
use std::time::Duration;
use tandem_model::{Outcome, Side};
use tandem_sdp::Direction;
use tandem_sim::{Behaviour, Fate, Rel, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone and a carrier that plays early media for three seconds; what each makes of 100rel.
fn world(phones: Rel, carriers: Rel) -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.ua(phone).rel = phones;
    w.ua(carrier).rel = carriers;
    w.treat(carrier, early());
    (w, phone, carrier)
}

fn early() -> Behaviour {
    Behaviour::Answer { ring: secs(3), early: true, talks: true }
}

fn is_reliable(message: &Message) -> bool {
    message.headers(Header::Require).any(|option| option == "100rel")
}

/// The reliable responses to an INVITE that we sent to somebody.
fn reliable_to(w: &World, ua: usize) -> Vec<Message> {
    w.sent_to(ua).into_iter().filter(is_reliable).collect()
}

fn no_breach(w: &World) {
    for ua in w.everybody() {
        assert!(ua.breaches().is_empty(), "{:?}\n{}", ua.breaches(), w.ladder.text(0, &["REGISTER"]));
    }
}

#[test]
fn a_reliable_response_of_a_carrier_gets_its_prack_and_its_media_is_heard() {
    let (mut w, phone, carrier) = world(Rel::Unknown, Rel::Supported);
    let call = w.dial(phone, "5551234");
    w.run_for(secs(2));
    assert_eq!(w.last_call(carrier).pracks, 1);
    assert_eq!(w.count_to(carrier, "PRACK"), 1);
    assert!(reliable_to(&w, phone).is_empty(), "the phone knows nothing of it");
    let tone = w.ua(carrier).tone;
    assert!(w.call(phone, call).hears(tone));
    w.run_for(secs(2));
    assert_eq!(w.stage(phone), Stage::Talking);
    let ok = w.sent_by(carrier).into_iter().find(|m| m.code() == Some(200) && m.method_name() == "INVITE");
    assert!(ok.unwrap().body().is_empty(), "the answer came reliably before");
    let own = w.ua(phone).tone;
    assert!(w.last_call(carrier).hears(own));
    w.hang_up(phone);
    w.only_record();
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn the_prack_names_its_response_and_goes_on_counting() {
    let (mut w, phone, carrier) = world(Rel::Unknown, Rel::Supported);
    w.dial(phone, "5551234");
    w.run_for(secs(5));
    let invite = w.last_call(carrier).invite.clone().unwrap();
    let (_, prack) = w.ladder.requests(SERVER, w.address(carrier), "PRACK").remove(0);
    let rseq = w.sent_by(carrier).into_iter().find(is_reliable).unwrap();
    let rseq = rseq.header(Header::RSeq).unwrap().to_owned();
    assert_eq!(prack.header(Header::RAck), Some(format!("{rseq} {} INVITE", invite.cseq()).as_str()));
    assert_eq!(prack.cseq(), invite.cseq() + 1);
    let (_, ack) = w.ladder.requests(SERVER, w.address(carrier), "ACK").remove(0);
    assert_eq!(ack.cseq(), invite.cseq(), "RFC 3261 §13.2.2.4");
    w.hang_up(phone);
    w.run_for(secs(1));
    let (_, bye) = w.ladder.requests(SERVER, w.address(carrier), "BYE").remove(0);
    assert_eq!(bye.cseq(), prack.cseq() + 1);
}

#[test]
fn a_carrier_that_challenges_everything_gets_credentials_with_the_prack() {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier_with_account("carrier", "credential", json!({}));
    w.ua(carrier).rel = Rel::Supported;
    w.ua(carrier).challenges_pracks = true;
    w.treat(carrier, early());
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.dial(phone, "5551234");
    w.run_for(secs(5));
    assert_eq!((w.last_call(carrier).pracks, w.count_to(carrier, "PRACK")), (1, 2));
    assert_eq!(w.stage(phone), Stage::Talking);
    w.hang_up(carrier);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn a_reliable_response_that_comes_again_is_acknowledged_once() {
    let (mut w, phone, carrier) = world(Rel::Unknown, Rel::Supported);
    w.lose_to(w.address(carrier), "PRACK");
    w.dial(phone, "5551234");
    w.run_for(secs(2));
    let repeated = w.sent_by(carrier).into_iter().filter(is_reliable).count();
    assert!(repeated >= 2, "{repeated}");
    let pracks = w.ladder.requests(SERVER, w.address(carrier), "PRACK");
    assert!(
        pracks.iter().all(|(_, prack)| prack.cseq() == pracks[0].1.cseq()),
        "one PRACK, repeated by itself"
    );
    w.lose_no_more();
    w.run_for(secs(6));
    assert_eq!(w.stage(phone), Stage::Talking);
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn a_reliable_response_before_its_turn_is_not_looked_at() {
    let (mut w, phone, carrier) = world(Rel::Unknown, Rel::Supported);
    w.treat(carrier, Behaviour::RingForever);
    w.dial(phone, "5551234");
    w.run_for(secs(1));
    assert_eq!(w.count_to(carrier, "PRACK"), 1);
    let first = w.sent_by(carrier).into_iter().find(is_reliable).unwrap();
    let rseq: u32 = first.header(Header::RSeq).unwrap().parse().unwrap();
    let text = String::from_utf8(first.as_bytes().to_vec()).unwrap();
    for (ahead, pracks) in [(2, 1), (0, 1), (1, 2), (1, 2), (2, 3)] {
        let next = text.replace(&format!("RSeq: {rseq}"), &format!("RSeq: {}", rseq + ahead));
        w.inject(w.address(carrier), SERVER, next);
        w.run_for(secs(1));
        let seen: std::collections::BTreeSet<_> =
            w.ladder.requests(SERVER, w.address(carrier), "PRACK").iter().map(|(_, p)| p.cseq()).collect();
        assert_eq!(seen.len(), pracks, "RSeq {ahead} after the first");
    }
    w.cancel(phone);
    w.assert_quiet();
}

#[test]
fn without_an_offer_we_do_not_ask_for_reliable_responses() {
    let (mut w, phone, carrier) = world(Rel::Unknown, Rel::Supported);
    w.ua(phone).offers_late = true;
    w.talk(phone, "5551234");
    let invite = w.last_call(carrier).invite.clone().unwrap();
    assert!(!invite.headers(Header::Supported).any(|option| option == "100rel"));
    assert_eq!(w.count_to(carrier, "PRACK"), 0);
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn a_caller_that_supports_it_gets_early_media_reliably_and_ringing_not() {
    let (mut w, phone, carrier) = world(Rel::Supported, Rel::Unknown);
    w.dial(phone, "5551234");
    w.run_for(secs(5));
    assert_eq!(reliable_to(&w, phone).len(), 1);
    assert_eq!(w.last_call(phone).pracks, 1);
    assert_eq!(w.last_call(phone).prack_code, Some(200));
    let tone = w.ua(carrier).tone;
    assert!(w.last_call(phone).hears(tone));
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
    w.treat(carrier, Behaviour::answer_after(2_000));
    w.talk(phone, "5551234");
    assert_eq!(w.last_call(phone).pracks, 0);
    assert_eq!(w.last_call(phone).heard, [100, 180]);
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn a_caller_that_requires_it_gets_everything_reliably() {
    let (mut w, phone, carrier) = world(Rel::Required, Rel::Unknown);
    w.treat(carrier, Behaviour::answer_after(2_000));
    w.talk(phone, "5551234");
    assert_eq!(w.last_call(phone).heard, [100, 180]);
    assert_eq!(w.last_call(phone).pracks, 1);
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn a_caller_that_requires_it_without_an_offer_hears_nothing_until_the_answer() {
    let (mut w, phone, _) = world(Rel::Required, Rel::Unknown);
    w.ua(phone).offers_late = true;
    w.talk(phone, "5551234");
    assert_eq!(w.last_call(phone).heard, [100]);
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn responses_are_reliable_one_at_a_time_and_count_up_by_one() {
    let (mut w, phone, carrier) = world(Rel::Required, Rel::Unknown);
    w.treat(carrier, Behaviour::RingForever);
    w.lose_to(SERVER, "PRACK");
    w.dial(phone, "5551234");
    w.run_for(Duration::from_millis(100));
    let ringing = w.ua(carrier).last_call().unwrap();
    w.with_ua(carrier, |ua, now| ua.play_early(ringing, now));
    w.run_for(secs(2));
    let rseqs = |w: &World| {
        let mut all: Vec<u32> =
            reliable_to(w, phone).iter().map(|m| m.header(Header::RSeq).unwrap().parse().unwrap()).collect();
        all.dedup();
        all
    };
    assert_eq!(rseqs(&w).len(), 1, "the second waits");
    w.lose_no_more();
    w.run_for(secs(3));
    let sent = rseqs(&w);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0] + 1, sent[1]);
    w.cancel(phone);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn the_answer_waits_for_the_prack_to_the_early_media() {
    let (mut w, phone, carrier) = world(Rel::Supported, Rel::Unknown);
    w.treat(carrier, Behaviour::Answer { ring: secs(1), early: true, talks: true });
    w.lose_to(SERVER, "PRACK");
    w.dial(phone, "5551234");
    w.run_for(secs(3));
    assert_eq!((w.stage(carrier), w.stage(phone)), (Stage::Talking, Stage::Ringing), "RFC 3262 §3");
    w.lose_no_more();
    w.run_for(secs(4));
    assert_eq!(w.stage(phone), Stage::Talking);
    w.hang_up(phone);
    w.only_record();
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn early_media_that_is_never_acknowledged_ends_the_call() {
    for answered in [false, true] {
        let (mut w, phone, carrier) = world(Rel::Supported, Rel::Unknown);
        let ring = if answered { secs(1) } else { secs(300) };
        w.treat(carrier, Behaviour::Answer { ring, early: true, talks: true });
        w.lose_to(SERVER, "PRACK");
        w.dial(phone, "5551234");
        w.run_for(secs(30));
        assert_eq!(w.last_call(phone).code, None);
        let repeated = reliable_to(&w, phone).len();
        assert_eq!(repeated, 6, "at 0, 0.5, 1.5, 3.5, 7.5, 15.5 s");
        w.run_for(secs(4));
        assert_eq!(w.last_call(phone).code, Some(504));
        assert_eq!(w.stage(carrier), Stage::Over);
        assert_eq!(w.only_record().ended_by, Side::System);
        w.assert_quiet();
    }
}

#[test]
fn a_prack_to_nothing_is_481() {
    let (mut w, phone, carrier) = world(Rel::Supported, Rel::Unknown);
    w.treat(carrier, Behaviour::Answer { ring: secs(20), early: true, talks: true });
    w.dial(phone, "5551234");
    w.run_for(secs(1));
    let (_, prack) = w.ladder.requests(w.address(phone), SERVER, "PRACK").remove(0);
    let text = String::from_utf8(prack.as_bytes().to_vec()).unwrap();
    let rack = prack.header(Header::RAck).unwrap();
    let (rseq, rest) = rack.split_once(' ').unwrap();
    let racks = [
        rack.to_owned(),
        format!("{} {rest}", rseq.parse::<u32>().unwrap() + 1),
        format!("{rseq} 99 INVITE"),
    ];
    for (n, guess) in racks.iter().enumerate() {
        let cseq = prack.cseq() + 1 + n as u32;
        let guess = text
            .replace("z9hG4bK", &format!("z9hG4bK{n}"))
            .replace(&format!("CSeq: {}", prack.cseq()), &format!("CSeq: {cseq}"))
            .replace(&format!("RAck: {rack}"), &format!("RAck: {guess}"));
        w.inject(w.address(phone), SERVER, guess);
        w.run_for(Duration::from_millis(100));
        assert_eq!(w.sent_to(phone).last().unwrap().code(), Some(481), "{n}");
    }
    w.cancel(phone);
    w.assert_quiet();
}

#[test]
fn a_call_taken_back_or_refused_while_a_prack_is_due_is_over_at_once() {
    for refused in [false, true] {
        let (mut w, phone, carrier) = world(Rel::Supported, Rel::Unknown);
        w.treat(carrier, Behaviour::Answer { ring: secs(60), early: true, talks: true });
        w.lose_to(SERVER, "PRACK");
        w.dial(phone, "5551234");
        w.run_for(secs(2));
        if refused {
            w.with_ua(carrier, |ua, now| ua.hang_up_all(now));
        } else {
            w.cancel(phone);
        }
        w.run_for(secs(1));
        assert_eq!(w.last_call(phone).code, Some(if refused { 486 } else { 487 }));
        let before = reliable_to(&w, phone).len();
        w.run_for(secs(40));
        assert_eq!(reliable_to(&w, phone).len(), before, "nothing is repeated any more");
        w.only_record();
        w.assert_quiet();
    }
}

#[test]
fn a_cancel_while_the_answer_waits_for_its_prack_ends_what_was_answered() {
    let (mut w, phone, carrier) = world(Rel::Supported, Rel::Unknown);
    w.treat(carrier, Behaviour::Answer { ring: secs(1), early: true, talks: true });
    w.lose_to(SERVER, "PRACK");
    w.dial(phone, "5551234");
    w.run_for(secs(2));
    w.cancel(phone);
    w.run_for(secs(1));
    assert_eq!(w.last_call(phone).code, Some(487));
    assert_eq!(w.last_call(carrier).ended_by_peer, Some(true));
    let record = w.only_record();
    assert_eq!((record.outcome, record.ended_by), (Outcome::Answered, Side::Caller));
    w.assert_quiet();
}

#[test]
fn a_callee_that_hangs_up_while_the_answer_waits_leaves_a_caller_that_was_never_answered() {
    let (mut w, phone, carrier) = world(Rel::Supported, Rel::Unknown);
    w.treat(carrier, Behaviour::Answer { ring: secs(1), early: true, talks: true });
    w.lose_to(SERVER, "PRACK");
    w.dial(phone, "5551234");
    w.run_for(secs(2));
    w.hang_up(carrier);
    w.run_for(secs(1));
    assert_eq!(w.last_call(phone).code, Some(480));
    w.only_record();
    w.assert_quiet();
}

#[test]
fn both_legs_are_reliable_each_by_itself() {
    let (mut w, phone, carrier) = world(Rel::Supported, Rel::Supported);
    w.set_fate(0, Fate::Delayed(Duration::from_millis(1)));
    w.dial(phone, "5551234");
    w.run_for(secs(5));
    assert_eq!((w.last_call(phone).pracks, w.last_call(carrier).pracks), (1, 1));
    let rseq_of = |messages: Vec<Message>| {
        messages.into_iter().find(is_reliable).unwrap().header(Header::RSeq).unwrap().to_owned()
    };
    assert_ne!(rseq_of(w.sent_to(phone)), rseq_of(w.sent_by(carrier)));
    w.hang_up(carrier);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn an_offer_in_a_prack_is_answered_in_its_200() {
    let (mut w, phone, carrier) = world(Rel::Supported, Rel::Unknown);
    let call = w.dial(phone, "5551234");
    w.with_ua(phone, |ua, _| ua.offer_in_prack(call, Direction::SendOnly));
    w.run_for(secs(2));
    assert_eq!(w.last_call(phone).prack_code, Some(200));
    let answer = w.sent_to(phone).into_iter().find(|m| m.method_name() == "PRACK").unwrap();
    let sdp = tandem_sdp::Sdp::parse(answer.body()).unwrap();
    assert_eq!(sdp.audio().unwrap().direction, Direction::RecvOnly);
    w.run_for(secs(3));
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
    w.hang_up(phone);
    w.assert_quiet();
    no_breach(&w);
}
