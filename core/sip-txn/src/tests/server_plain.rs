//! RFC 3261 §17.2.2, RFC 4320 §4.

use super::rig::Rig;

const BRANCH: &str = "z9hG4bKone";

#[test]
fn a_retransmitted_request_brings_its_answer_again_until_timer_j() {
    let mut rig = Rig::udp();
    rig.peer("OPTIONS", BRANCH);
    rig.peer("OPTIONS", BRANCH);
    rig.run_to(1.0);
    assert!(rig.respond(200));
    rig.run_to(32.9);
    rig.peer("OPTIONS", BRANCH);
    rig.expect(&["0.0 request OPTIONS", "1.0 sent 200 OPTIONS", "32.9 sent 200 OPTIONS"]);
    rig.run_to(33.0);
    rig.expect_empty();
    rig.peer("OPTIONS", BRANCH);
    rig.expect(&["33.0 request OPTIONS"]);
}

#[test]
fn over_tcp_it_is_over_with_its_answer() {
    let mut rig = Rig::tcp();
    rig.peer("OPTIONS", BRANCH);
    rig.respond(404);
    rig.expect(&["0.0 request OPTIONS", "0.0 sent 404 OPTIONS"]);
    rig.expect_empty();
}

#[test]
fn an_answer_is_given_once() {
    let mut rig = Rig::udp();
    rig.peer("BYE", BRANCH);
    assert!(rig.respond(200));
    assert!(!rig.respond(200));
    assert!(!rig.respond(481));
    rig.expect(&["0.0 request BYE", "0.0 sent 200 BYE"]);
}

#[test]
fn who_waits_for_3_and_a_half_seconds_is_told_100() {
    for mut rig in [Rig::udp(), Rig::tcp()] {
        rig.peer("INFO", BRANCH);
        rig.run_to(3.5);
        rig.peer("INFO", BRANCH);
        rig.run_to(20.0);
        rig.respond(200);
        rig.expect(&["0.0 request INFO", "3.5 sent 100 INFO", "3.5 sent 100 INFO", "20.0 sent 200 INFO"]);
    }
}

#[test]
fn over_udp_a_100_is_not_sent_before_its_time() {
    let mut rig = Rig::udp();
    rig.peer("INFO", BRANCH);
    assert!(rig.respond(100));
    rig.run_to(4.0);
    rig.expect(&["0.0 request INFO", "3.5 sent 100 INFO"]);

    let mut rig = Rig::tcp();
    rig.peer("INFO", BRANCH);
    assert!(rig.respond(100));
    rig.run_to(4.0);
    rig.expect(&["0.0 request INFO", "0.0 sent 100 INFO"]);
}

#[test]
fn no_other_provisional_response_and_no_408_is_sent() {
    let mut rig = Rig::udp();
    rig.peer("INFO", BRANCH);
    assert!(!rig.respond(183));
    assert!(rig.respond(408));
    rig.peer("INFO", BRANCH);
    rig.expect(&["0.0 request INFO"]);
}

#[test]
fn after_32_seconds_it_is_too_late_for_an_answer() {
    let mut rig = Rig::udp();
    rig.peer("INFO", BRANCH);
    rig.run_to(32.0);
    assert!(!rig.respond(200));
    rig.expect(&["0.0 request INFO", "3.5 sent 100 INFO"]);
    rig.expect_empty();
}

#[test]
fn requests_of_unknown_methods_with_one_branch_are_told_apart() {
    let mut rig = Rig::udp();
    rig.peer("WIBBLE", BRANCH);
    rig.peer("WOBBLE", BRANCH);
    rig.peer("OPTIONS", BRANCH);
    rig.peer("WIBBLE", BRANCH);
    rig.expect(&["0.0 request WIBBLE", "0.0 request WOBBLE", "0.0 request OPTIONS"]);
}

#[test]
fn what_is_answered_takes_no_room_from_new_requests_and_the_oldest_gives_way() {
    let mut rig = Rig::udp().with_max_server(2);
    for (method, branch) in [("OPTIONS", BRANCH), ("INFO", "z9hG4bKtwo"), ("MESSAGE", "z9hG4bKthree")] {
        rig.peer(method, branch);
        rig.respond(200);
        rig.expect(&[&format!("0.0 request {method}"), &format!("0.0 sent 200 {method}")]);
    }
    assert_eq!((rig.txn.len(), rig.txn.counters().overload_dropped), ((0, 2), 0));

    rig.peer("MESSAGE", "z9hG4bKthree");
    rig.peer("INFO", "z9hG4bKtwo");
    rig.peer("OPTIONS", BRANCH);
    rig.expect(&["0.0 sent 200 MESSAGE", "0.0 sent 200 INFO", "0.0 request OPTIONS"]);

    rig.respond(200);
    rig.run_to(32.0);
    rig.expect(&["0.0 sent 200 OPTIONS"]);
    rig.expect_empty();
}
