//! A carrier whose proxy forks: several early dialogs of one INVITE, and more than one that answers (RFC 3261 §13.2.2.4).

use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tandem_sim::{Behaviour, Rel, SERVER, Stage, World};
use tandem_sip_msg::Message;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn branch(ring: u64, early: bool) -> Behaviour {
    Behaviour::Answer { ring: Duration::from_millis(ring), early, talks: true }
}

/// A phone, and a carrier that forks to these branches.
fn world(rel: Rel, branches: Vec<Behaviour>) -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    w.ua(carrier).rel = rel;
    w.treat(carrier, Behaviour::Fork(branches));
    let phone = w.phone("1001");
    (w, phone, carrier)
}

fn no_breach(w: &World) {
    for ua in w.everybody() {
        assert!(ua.breaches().is_empty(), "{:?}\n{}", ua.breaches(), w.ladder.text(0, &["REGISTER"]));
    }
}

/// To tags of the requests with this method that we sent.
fn tags(w: &World, carrier: usize, method: &str) -> Vec<String> {
    let all = w.ladder.requests(SERVER, w.address(carrier), method);
    all.iter().map(|(_, request)| request.to_tag().unwrap_or_default().to_owned()).collect()
}

#[test]
fn each_branch_gets_pracks_of_its_own() {
    let (mut w, phone, carrier) =
        world(Rel::Supported, vec![branch(3_000, true), Behaviour::RingForever, branch(9_000, true)]);
    w.dial(phone, "5551234");
    w.run_for(secs(2));
    assert_eq!(tags(&w, carrier, "PRACK").into_iter().collect::<BTreeSet<_>>().len(), 3);
    let invite = w.last_call(carrier).invite.clone().unwrap();
    for (_, prack) in w.ladder.requests(SERVER, w.address(carrier), "PRACK") {
        assert_eq!(prack.cseq(), invite.cseq() + 1, "each dialog counts by itself");
    }
    w.run_for(secs(3));
    assert_eq!(w.stage(phone), Stage::Talking);
    let answered: Vec<_> = w.ua(carrier).calls().iter().filter(|call| call.code == Some(200)).collect();
    assert_eq!(answered.len(), 1);
    w.hang_up(phone);
    w.run_for(secs(1));
    let first = w.ua(carrier).calls()[0].tag().to_owned();
    assert_eq!(tags(&w, carrier, "BYE"), [first]);
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn early_media_is_that_of_the_branch_that_spoke_last_and_then_of_the_one_that_answers() {
    for (answers, ring) in [(0, [3_000, 60_000]), (1, [60_000, 3_000])] {
        for rel in [Rel::Unknown, Rel::Supported] {
            let (mut w, phone, carrier) = world(rel, vec![branch(ring[0], true), branch(ring[1], true)]);
            w.dial(phone, "5551234");
            w.run_for(secs(2));
            let own = w.ua(phone).tone;
            let ports: Vec<_> = w.ua(carrier).calls().iter().map(|call| call.media_address()).collect();
            assert_ne!(ports[0], ports[1]);
            w.run_for(secs(3));
            assert_eq!(w.stage(phone), Stage::Talking);
            let heard = w.ua(carrier).calls()[answers].packets_received();
            w.run_for(secs(1));
            let call = &w.ua(carrier).calls()[answers];
            assert!(call.packets_received() > heard + 40, "branch {answers}, {rel:?}: it hears the phone");
            assert!(call.hears(own));
            let tone = w.ua(carrier).tone;
            assert!(w.last_call(phone).hears(tone), "branch {answers}, {rel:?}: and is heard");
            w.hang_up(phone);
            w.assert_quiet();
            no_breach(&w);
        }
    }
}

#[test]
fn a_second_branch_that_answers_is_acknowledged_and_hung_up() {
    for rel in [Rel::Unknown, Rel::Supported] {
        let (mut w, phone, carrier) = world(rel, vec![branch(2_000, true), branch(2_003, true)]);
        w.ua(carrier).forks_answer_twice = true;
        w.talk(phone, "5551234");
        w.run_for(secs(2));
        let calls = w.ua(carrier).calls();
        let ended: Vec<_> = calls.iter().map(|call| call.ended_by_peer).collect();
        assert_eq!(ended, [None, Some(true)], "{rel:?}");
        assert!(calls.iter().all(|call| !call.never_acked));
        assert_eq!(w.stage(phone), Stage::Talking);
        let first = tandem_sim::CallRef(0);
        w.with_ua(carrier, |ua, now| ua.hang_up(first, now));
        w.only_record();
        w.assert_quiet();
        no_breach(&w);
    }
}

#[test]
fn a_branch_that_answers_when_the_call_is_over_is_acknowledged_and_hung_up_once() {
    for rel in [Rel::Unknown, Rel::Supported] {
        let (mut w, phone, carrier) = world(rel, vec![branch(2_000, true), branch(9_000, true)]);
        w.ua(carrier).forks_answer_twice = true;
        w.dial(phone, "5551234");
        w.run_for(secs(4));
        w.hang_up(phone);
        w.run_for(secs(4));
        assert_eq!(w.stage(phone), Stage::Over);
        // Our first ACKs to the late branch get lost, so that it repeats its answer.
        w.lose_to(w.address(carrier), "ACK");
        w.run_for(secs(3));
        w.lose_no_more();
        w.run_for(secs(6));
        let late = w.ua(carrier).calls()[1].tag().to_owned();
        let to_it = |method| tags(&w, carrier, method).into_iter().filter(|tag| *tag == late).count();
        assert_eq!((to_it("ACK") >= 1, to_it("BYE")), (true, 1));
        w.assert_quiet();
        no_breach(&w);
    }
}

#[test]
fn a_call_taken_back_ends_all_branches() {
    let (mut w, phone, carrier) = world(Rel::Supported, vec![branch(60_000, true), Behaviour::RingForever]);
    w.dial(phone, "5551234");
    w.run_for(secs(2));
    w.cancel(phone);
    w.run_for(secs(1));
    assert_eq!(w.count_to(carrier, "CANCEL"), 1);
    assert_eq!(w.last_call(phone).code, Some(487));
    w.only_record();
    w.assert_quiet();
    no_breach(&w);
}

#[test]
fn more_branches_than_anybody_rings_are_not_kept() {
    let (mut w, phone, carrier) = world(Rel::Supported, vec![branch(60_000, true); 20]);
    w.dial(phone, "5551234");
    w.run_for(secs(1));
    assert_eq!(tags(&w, carrier, "PRACK").into_iter().collect::<BTreeSet<_>>().len(), 8);
    w.cancel(phone);
    w.assert_quiet();
}

#[test]
fn a_caller_that_was_answered_reliably_learns_of_another_answer_after_its_ack() {
    for knows_update in [false, true] {
        let mut w = World::new();
        let (carrier, _) = w.plain_carrier("carrier", json!({}));
        let desk = w.phone("1001");
        let mobile = w.another_phone("mobile", "1001");
        w.number("15550001", "1001");
        w.ua(carrier).rel = Rel::Supported;
        w.ua(carrier).knows_update = knows_update;
        w.ua(desk).codecs = vec!["PCMU"];
        w.ua(mobile).codecs = vec!["PCMA"];
        w.treat(desk, branch(60_000, true));
        w.treat(mobile, branch(3_000, false));
        w.talk(carrier, "15550001");
        assert_eq!(w.last_call(carrier).pracks, 1);
        w.run_for(secs(1));
        let ok = |m: &Message| m.code() == Some(200) && m.method_name() == "INVITE";
        let answer = w.sent_to(carrier).into_iter().find(ok).unwrap();
        assert!(answer.body().is_empty(), "it would not be looked at (RFC 3261 §13.2.1)");
        let told = if knows_update { "UPDATE" } else { "INVITE" };
        let (_, told) = w.ladder.requests(SERVER, w.address(carrier), told).remove(0);
        let audio = tandem_sdp::Sdp::parse(told.body()).unwrap().audio().unwrap();
        assert_eq!(audio.codecs.iter().map(|codec| codec.name.as_str()).collect::<Vec<_>>(), ["PCMA"]);
        assert!(w.hears_packets(carrier) > 40 && w.hears_packets(mobile) > 40);
        w.hang_up(carrier);
        w.only_record();
        w.assert_quiet();
        no_breach(&w);
    }
}
