//! RFC 3261 §17.2.1, RFC 6026 §7.1.

use super::rig::Rig;

const BRANCH: &str = "z9hG4bKone";

#[test]
fn a_retransmitted_invite_brings_the_newest_provisional_response_again() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    rig.peer("INVITE", BRANCH);
    rig.expect(&["0.0 request INVITE"]);
    assert!(rig.respond(100));
    rig.peer("INVITE", BRANCH);
    assert!(rig.respond(180));
    rig.peer("INVITE", BRANCH);
    rig.expect(&["0.0 sent 100 INVITE", "0.0 sent 100 INVITE", "0.0 sent 180 INVITE", "0.0 sent 180 INVITE"]);
    assert_eq!(rig.txn.counters().retransmits_received, 3);
    assert_eq!(rig.txn.counters().retransmits_sent, 2);
}

#[test]
fn a_refusal_is_sent_again_up_to_every_4_seconds_until_nobody_acknowledged_it() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    rig.respond(486);
    rig.run_to(40.0);
    rig.expect(&[
        "0.0 request INVITE",
        "0.0 sent 486 INVITE",
        "0.5 sent 486 INVITE",
        "1.5 sent 486 INVITE",
        "3.5 sent 486 INVITE",
        "7.5 sent 486 INVITE",
        "11.5 sent 486 INVITE",
        "15.5 sent 486 INVITE",
        "19.5 sent 486 INVITE",
        "23.5 sent 486 INVITE",
        "27.5 sent 486 INVITE",
        "31.5 sent 486 INVITE",
        "32.0 no ack",
    ]);
    rig.expect_empty();
}

#[test]
fn the_ack_ends_retransmission_and_its_copies_are_absorbed() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    rig.respond(486);
    rig.run_to(0.5);
    rig.peer("INVITE", BRANCH);
    rig.peer_acks(0, BRANCH);
    rig.peer_acks(0, BRANCH);
    rig.peer("INVITE", BRANCH);
    rig.run_to(5.4);
    assert_eq!(rig.txn.len(), (0, 1));
    rig.run_to(5.5);
    rig.expect(&["0.0 request INVITE", "0.0 sent 486 INVITE", "0.5 sent 486 INVITE", "0.5 sent 486 INVITE"]);
    rig.expect_empty();
}

#[test]
fn over_tcp_a_refusal_is_sent_once_and_over_with_its_ack() {
    let mut rig = Rig::tcp();
    rig.peer("INVITE", BRANCH);
    rig.respond(486);
    rig.run_to(20.0);
    rig.peer_acks(0, BRANCH);
    rig.expect(&["0.0 request INVITE", "0.0 sent 486 INVITE"]);
    rig.expect_empty();
}

#[test]
fn over_tcp_a_refusal_without_an_ack_is_counted_too() {
    let mut rig = Rig::tcp();
    rig.peer("INVITE", BRANCH);
    rig.respond(486);
    rig.run_to(32.0);
    rig.expect(&["0.0 request INVITE", "0.0 sent 486 INVITE", "32.0 no ack"]);
    rig.expect_empty();
}

#[test]
fn an_answer_is_sent_as_often_as_its_owner_likes_and_copies_of_the_invite_are_absorbed() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    assert!(rig.respond(200));
    rig.peer("INVITE", BRANCH);
    rig.run_to(0.5);
    assert!(rig.respond(200));
    assert!(!rig.respond(486));
    assert!(!rig.respond(180));
    rig.peer("ACK", "z9hG4bKother");
    rig.run_to(31.9);
    assert!(rig.respond(200));
    rig.run_to(32.0);
    assert!(!rig.respond(200));
    rig.expect(&[
        "0.0 request INVITE",
        "0.0 sent 200 INVITE",
        "0.5 sent 200 INVITE",
        "0.5 ack",
        "31.9 sent 200 INVITE",
    ]);
    rig.expect_empty();
}

#[test]
fn an_ack_to_an_answer_with_the_branch_of_its_invite_is_passed_on() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    rig.respond(200);
    rig.peer_acks(0, BRANCH);
    rig.expect(&["0.0 request INVITE", "0.0 sent 200 INVITE", "0.0 ack"]);
}

#[test]
fn after_a_refusal_no_other_response_is_taken() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    assert!(rig.respond(486));
    assert!(!rig.respond(486));
    assert!(!rig.respond(200));
    assert!(!rig.respond(180));
    rig.expect(&["0.0 request INVITE", "0.0 sent 486 INVITE"]);
}

#[test]
fn the_request_is_at_hand_until_its_final_response() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    let key = rig.servers[0];
    rig.respond(180);
    let (request, flow) = rig.txn.request_of(key).unwrap();
    assert_eq!((request.call_id(), flow), ("inbound", rig.flow));
    rig.respond(200);
    assert!(rig.txn.request_of(key).is_none());
}

#[test]
fn a_stranger_is_answered_and_forgotten_with_its_ack() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", BRANCH);
    rig.respond_and_forget(401);
    rig.expect_empty();
    rig.peer("ACK", BRANCH);
    rig.expect(&["0.0 request INVITE", "0.0 sent 401 INVITE"]);
    rig.peer("INVITE", BRANCH);
    rig.expect(&["0.0 request INVITE"]);
}

#[test]
fn beyond_the_bound_requests_are_dropped_and_counted() {
    let mut rig = Rig::udp().with_max_server(1);
    rig.peer("INVITE", BRANCH);
    rig.arrive(super::rig::edited(&rig.peer_request("INVITE", "z9hG4bKtwo"), "inbound", "another"));
    rig.expect(&["0.0 request INVITE"]);
    assert_eq!(rig.txn.counters().overload_dropped, 1);
}
