//! RFC 3261 §17.1.1, RFC 6026 §7.2.

use super::rig::{Rig, edited};
use tandem_sip_msg::{Header, Message, Method};

#[test]
fn an_invite_nobody_answers_is_sent_seven_times_and_fails_after_32_seconds() {
    let mut rig = Rig::udp();
    rig.request("INVITE");
    rig.run_to(40.0);
    rig.expect(&[
        "0.0 sent INVITE",
        "0.5 sent INVITE",
        "1.5 sent INVITE",
        "3.5 sent INVITE",
        "7.5 sent INVITE",
        "15.5 sent INVITE",
        "31.5 sent INVITE",
        "32.0 failed Timeout",
    ]);
    rig.expect_empty();
    assert_eq!(rig.txn.counters().retransmits_sent, 6);
}

#[test]
fn over_tcp_an_invite_is_sent_once() {
    let mut rig = Rig::tcp();
    rig.request("INVITE");
    rig.run_to(40.0);
    rig.expect(&["0.0 sent INVITE", "32.0 failed Timeout"]);
    rig.expect_empty();
}

#[test]
fn a_provisional_response_ends_retransmission_and_the_call_may_ring_for_an_hour() {
    let mut rig = Rig::udp();
    rig.request("INVITE");
    rig.run_to(1.0);
    rig.answer(0, 100, "");
    rig.answer(0, 180, "b");
    rig.run_to(3600.0);
    rig.answer(0, 183, "b");
    rig.expect(&["0.0 sent INVITE", "0.5 sent INVITE", "1.0 got 100", "1.0 got 180", "3600.0 got 183"]);
    rig.answer(0, 200, "b");
    rig.expect(&["3600.0 got 200"]);
    rig.run_to(3632.0);
    rig.expect_empty();
}

#[test]
fn a_refusal_is_acknowledged_each_time_it_comes_and_told_once() {
    let mut rig = Rig::udp();
    rig.request("INVITE");
    rig.answer(0, 100, "");
    rig.answer(0, 486, "b");
    rig.run_to(1.0);
    rig.answer(0, 486, "b");
    rig.run_to(31.9);
    rig.answer(0, 486, "b");
    rig.expect(&[
        "0.0 sent INVITE",
        "0.0 got 100",
        "0.0 sent ACK",
        "0.0 got 486",
        "1.0 sent ACK",
        "31.9 sent ACK",
    ]);
    rig.run_to(32.0);
    rig.expect_empty();
    assert_eq!(rig.txn.counters().retransmits_received, 2);
}

#[test]
fn over_tcp_a_refused_invite_is_over_at_once() {
    let mut rig = Rig::tcp();
    rig.request("INVITE");
    rig.answer(0, 503, "b");
    rig.expect(&["0.0 sent INVITE", "0.0 sent ACK", "0.0 got 503"]);
    rig.expect_empty();
}

#[test]
fn the_ack_to_a_refusal_is_built_from_the_invite_and_the_to_of_the_response() {
    let mut rig = Rig::udp();
    rig.request("INVITE");
    rig.answer(0, 404, "refuser");
    let invite = Message::parse(rig.sent[0].clone()).unwrap();
    let ack = Message::parse(rig.sent[1].clone()).unwrap();
    assert_eq!(ack.method(), Method::Ack);
    assert_eq!(ack.cseq(), 17);
    assert_eq!(ack.to_tag(), Some("refuser"));
    assert_eq!(ack.request_uri().unwrap().as_str(), invite.request_uri().unwrap().as_str());
    assert_eq!(ack.max_forwards(), Some(70));
    assert_eq!(ack.vias().count(), 1);
    for header in [Header::Via, Header::From, Header::CallId] {
        assert_eq!(ack.header(header), invite.header(header));
    }
    assert!(ack.headers(Header::Route).eq(["<sip:edge.example.net;lr>", "<sip:core.example.net;lr>"]));
    assert!(ack.body().is_empty());
}

#[test]
fn retransmitted_and_forked_answers_reach_the_owner_until_timer_m() {
    let mut rig = Rig::udp();
    rig.request("INVITE");
    rig.answer(0, 180, "b");
    rig.answer(0, 200, "b");
    rig.answer(0, 200, "b");
    rig.answer(0, 200, "fork");
    rig.run_to(31.9);
    rig.answer(0, 200, "b");
    rig.run_to(32.0);
    rig.answer(0, 200, "b");
    rig.expect(&[
        "0.0 sent INVITE",
        "0.0 got 180",
        "0.0 got 200",
        "0.0 got 200",
        "0.0 got 200",
        "31.9 got 200",
    ]);
    rig.expect_empty();
    assert_eq!(rig.txn.counters().stray_responses, 1);
}

#[test]
fn over_tcp_an_accepted_invite_waits_for_forks_all_the_same() {
    let mut rig = Rig::tcp();
    rig.request("INVITE");
    rig.answer(0, 200, "b");
    rig.run_to(31.0);
    rig.answer(0, 200, "fork");
    rig.expect(&["0.0 sent INVITE", "0.0 got 200", "31.0 got 200"]);
}

#[test]
fn what_cannot_follow_a_final_response_is_a_stray() {
    let mut rig = Rig::udp();
    rig.request("INVITE");
    rig.answer(0, 200, "b");
    rig.answer(0, 486, "fork");
    rig.answer(0, 180, "b");
    rig.request("INVITE");
    rig.answer(1, 486, "b");
    rig.answer(1, 200, "fork");
    rig.expect(&["0.0 sent INVITE", "0.0 got 200", "0.0 sent INVITE", "0.0 sent ACK", "0.0 got 486"]);
    assert_eq!(rig.txn.counters().stray_responses, 3);
}

#[test]
fn a_request_that_cannot_be_sent_fails_but_not_after_its_answer() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.txn.send_failed(key, rig.now);
    rig.drain();
    rig.expect(&["0.0 sent INVITE", "0.0 failed Transport"]);
    rig.expect_empty();

    let key = rig.request("INVITE");
    rig.answer(1, 486, "b");
    rig.txn.send_failed(key, rig.now);
    rig.drain();
    rig.expect(&["0.0 sent INVITE", "0.0 sent ACK", "0.0 got 486"]);
    rig.expect_empty();
}

#[test]
fn a_closed_port_fails_those_who_wait_there_for_a_first_response() {
    let mut rig = Rig::udp();
    rig.request("INVITE");
    rig.request("OPTIONS");
    rig.request("INVITE");
    rig.answer(2, 100, "");
    rig.txn.unreachable("192.0.2.9:5063".parse().unwrap(), rig.now);
    rig.drain();
    rig.expect(&["0.0 sent INVITE", "0.0 sent OPTIONS", "0.0 sent INVITE", "0.0 got 100"]);
    rig.txn.unreachable(rig.flow.remote, rig.now);
    rig.drain();
    rig.expect(&["0.0 failed Transport", "0.0 failed Transport"]);
    assert_eq!(rig.txn.len(), (1, 0));
}

#[test]
fn icmp_says_nothing_about_a_stream() {
    let mut rig = Rig::tcp();
    rig.request("INVITE");
    rig.txn.unreachable(rig.flow.remote, rig.now);
    rig.drain();
    rig.expect(&["0.0 sent INVITE"]);
}

#[test]
fn an_answer_after_the_owner_went_is_counted_and_not_told() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.answer(0, 180, "b");
    rig.txn.disown(key);
    rig.answer(0, 200, "b");
    rig.expect(&["0.0 sent INVITE", "0.0 got 180"]);
    assert_eq!(rig.txn.counters().orphaned_answers, 1);
}

#[test]
fn a_ringing_invite_whose_owner_went_does_not_stay_for_ever() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.answer(0, 180, "b");
    rig.run_to(10.0);
    rig.answer(0, 180, "b");
    rig.txn.disown(key);
    rig.run_to(42.0);
    rig.expect(&["0.0 sent INVITE", "0.0 got 180", "10.0 got 180"]);
    rig.expect_empty();
}

#[test]
fn the_ack_to_an_answer_is_a_request_of_its_own_branch() {
    let mut rig = Rig::udp();
    rig.request("INVITE");
    rig.answer(0, 200, "b");
    let ack = edited(&rig.sent[0], "INVITE", "ACK");
    let ack = Message::parse(ack).unwrap();
    let without_via = edited(ack.as_bytes(), &format!("Via: {}\r\n", ack.top_via().as_str()), "");
    let (sent, _) = rig.txn.send_ack(without_via, rig.flow, &mut rig.rng);
    rig.txn.send_raw(sent.clone(), rig.flow);
    rig.drain();
    rig.expect(&["0.0 sent INVITE", "0.0 got 200", "0.0 sent ACK", "0.0 sent ACK"]);
    assert_eq!(rig.sent[1], rig.sent[2]);
    let sent = Message::parse(sent).unwrap();
    assert_ne!(sent.top_via().branch(), ack.top_via().branch());
}

#[test]
fn who_insists_is_not_given_up_because_of_icmp() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.txn.insist(key);
    rig.txn.unreachable(rig.flow.remote, rig.now);
    rig.drain();
    rig.answer(0, 200, "theirs");
    rig.expect(&["0.0 sent INVITE", "0.0 got 200"]);
    rig.run_to(32.0);
    assert!(rig.txn.waiting.is_empty());
}
