//! RFC 3261 §9, both sides.

use super::rig::{Rig, edited, peer_request};
use tandem_sip_msg::{Header, Message, Method};

const BRANCH: &str = "z9hG4bKone";

#[test]
fn a_ringing_invite_is_cancelled_at_once() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.answer(0, 180, "b");
    rig.cancel(key);
    rig.cancel(key);
    rig.answer(1, 200, "b");
    rig.answer(0, 487, "b");
    rig.run_to(32.0);
    rig.expect(&["0.0 sent INVITE", "0.0 got 180", "0.0 sent CANCEL", "0.0 sent ACK", "0.0 got 487"]);
    rig.expect_empty();
    assert_eq!(rig.txn.counters().stray_responses, 0);
}

#[test]
fn the_cancel_is_built_from_the_invite() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.answer(0, 180, "b");
    rig.cancel(key);
    let invite = Message::parse(rig.sent[0].clone()).unwrap();
    let cancel = Message::parse(rig.sent[1].clone()).unwrap();
    assert_eq!((cancel.method(), cancel.cseq()), (Method::Cancel, 17));
    for header in [Header::Via, Header::From, Header::To, Header::CallId] {
        assert_eq!(cancel.header(header), invite.header(header));
    }
    assert!(cancel.headers(Header::Route).eq(invite.headers(Header::Route)));
    assert_eq!(cancel.header(Header::Reason), Some("SIP ;cause=200"));
}

#[test]
fn before_any_provisional_response_the_cancel_waits_for_one() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.cancel(key);
    rig.run_to(0.7);
    rig.answer(0, 100, "");
    rig.expect(&["0.0 sent INVITE", "0.5 sent INVITE", "0.7 got 100", "0.7 sent CANCEL"]);
}

#[test]
fn an_invite_cancelled_before_any_response_still_fails_by_timer_b() {
    let mut rig = Rig::tcp();
    let key = rig.request("INVITE");
    rig.cancel(key);
    rig.run_to(32.0);
    rig.expect(&["0.0 sent INVITE", "32.0 failed Timeout"]);
    rig.expect_empty();
}

#[test]
fn a_cancel_that_brings_no_final_response_fails_the_invite_after_32_seconds() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.answer(0, 180, "b");
    rig.run_to(10.0);
    rig.cancel(key);
    rig.answer(1, 200, "b");
    rig.run_to(42.0);
    rig.expect(&["0.0 sent INVITE", "0.0 got 180", "10.0 sent CANCEL", "42.0 failed Timeout"]);
    rig.expect_empty();
}

#[test]
fn a_cancel_is_retransmitted_like_any_request_and_its_failure_told_to_nobody() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.answer(0, 180, "b");
    rig.cancel(key);
    rig.run_to(1.0);
    rig.answer(0, 487, "b");
    rig.run_to(8.0);
    rig.expect(&[
        "0.0 sent INVITE",
        "0.0 got 180",
        "0.0 sent CANCEL",
        "0.5 sent CANCEL",
        "1.0 sent ACK",
        "1.0 got 487",
        "1.5 sent CANCEL",
        "3.5 sent CANCEL",
        "7.5 sent CANCEL",
    ]);
    rig.run_to(33.0);
    rig.expect_empty();
}

#[test]
fn an_answer_that_crosses_our_cancel_reaches_the_owner() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.answer(0, 180, "b");
    rig.cancel(key);
    rig.answer(0, 200, "b");
    rig.answer(1, 481, "b");
    rig.expect(&["0.0 sent INVITE", "0.0 got 180", "0.0 sent CANCEL", "0.0 got 200"]);
}

#[test]
fn an_answer_that_comes_instead_of_the_first_provisional_response_is_not_cancelled() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.cancel(key);
    rig.answer(0, 200, "b");
    rig.run_to(32.0);
    rig.expect(&["0.0 sent INVITE", "0.0 got 200"]);
    rig.expect_empty();
}

#[test]
fn after_a_final_response_there_is_nothing_to_cancel() {
    let mut rig = Rig::udp();
    let key = rig.request("INVITE");
    rig.answer(0, 486, "b");
    rig.cancel(key);
    rig.expect(&["0.0 sent INVITE", "0.0 sent ACK", "0.0 got 486"]);
}

#[test]
fn over_tcp_a_refusal_ends_the_cancel_with_its_invite() {
    let mut rig = Rig::tcp();
    let key = rig.request("INVITE");
    rig.answer(0, 180, "b");
    rig.cancel(key);
    rig.answer(0, 487, "b");
    rig.expect(&["0.0 sent INVITE", "0.0 got 180", "0.0 sent CANCEL", "0.0 sent ACK", "0.0 got 487"]);
    rig.expect_empty();
}

#[test]
fn a_cancel_from_the_peer_is_answered_here_and_told_once() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    rig.respond(180);
    rig.peer("CANCEL", BRANCH);
    rig.peer("CANCEL", BRANCH);
    rig.respond(487);
    rig.peer("CANCEL", BRANCH);
    rig.expect(&[
        "0.0 request INVITE",
        "0.0 sent 180 INVITE",
        "0.0 sent 200 CANCEL",
        "0.0 cancelled",
        "0.0 sent 200 CANCEL",
        "0.0 sent 487 INVITE",
        "0.0 sent 200 CANCEL",
    ]);
    let tags =
        rig.sent.iter().map(|bytes| Message::parse(bytes.clone()).unwrap().to_tag().unwrap().to_owned());
    assert!(tags.eq(["owners"; 5]));
}

#[test]
fn a_cancel_before_our_first_response_gets_the_same_tag_each_time() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    rig.peer("CANCEL", BRANCH);
    rig.peer("CANCEL", BRANCH);
    rig.expect(&["0.0 request INVITE", "0.0 sent 200 CANCEL", "0.0 cancelled", "0.0 sent 200 CANCEL"]);
    assert_eq!(rig.sent[0], rig.sent[1]);
}

#[test]
fn a_copy_of_a_cancel_gets_the_same_answer_when_the_invite_is_long_gone() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    rig.peer("CANCEL", BRANCH);
    rig.respond(487);
    rig.peer("ACK", BRANCH);
    rig.run_to(6.0);
    assert_eq!(rig.txn.len(), (0, 1), "only the CANCEL is remembered");
    rig.peer("CANCEL", BRANCH);
    assert_eq!(rig.sent[0], rig.sent[2]);
    rig.run_to(32.0);
    rig.expect_empty();
}

#[test]
fn a_cancel_that_crosses_our_answer_changes_nothing() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    rig.respond(200);
    rig.peer("CANCEL", BRANCH);
    rig.expect(&["0.0 request INVITE", "0.0 sent 200 INVITE", "0.0 sent 200 CANCEL"]);
}

#[test]
fn a_cancel_of_nothing_is_answered_481_and_nothing_is_kept() {
    let mut rig = Rig::udp();
    rig.peer("CANCEL", BRANCH);
    rig.peer("INVITE", "z9hG4bKtwo");
    rig.peer("CANCEL", BRANCH);
    rig.expect(&["0.0 sent 481 CANCEL", "0.0 request INVITE", "0.0 sent 481 CANCEL"]);
    assert_eq!(rig.sent[0], rig.sent[1]);
    assert_eq!(rig.txn.len(), (0, 1));
}

#[test]
fn a_cancel_from_another_sent_by_matches_nothing() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    rig.arrive(edited(&rig.peer_request("CANCEL", BRANCH), "peer.example.com:5062", "peer.example.com:5064"));
    rig.expect(&["0.0 request INVITE", "0.0 sent 481 CANCEL"]);
}

#[test]
fn a_cancel_of_another_request_is_answered_and_has_no_effect() {
    let mut rig = Rig::udp();
    rig.peer("INFO", BRANCH);
    rig.peer("CANCEL", BRANCH);
    rig.expect(&["0.0 request INFO", "0.0 sent 200 CANCEL"]);
}

#[test]
fn an_old_peer_cancels_without_a_branch() {
    let mut rig = Rig::udp();
    let via = "SIP/2.0/UDP peer.example.com:5062";
    rig.arrive(peer_request("INVITE", via, "<sip:bob@example.org>"));
    rig.arrive(peer_request("CANCEL", via, "<sip:bob@example.org>"));
    rig.expect(&["0.0 request INVITE", "0.0 sent 200 CANCEL", "0.0 cancelled"]);
}
