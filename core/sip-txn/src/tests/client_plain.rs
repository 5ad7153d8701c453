//! RFC 3261 §17.1.2.

use super::rig::Rig;

#[test]
fn an_options_nobody_answers_is_sent_eleven_times_and_fails_after_32_seconds() {
    let mut rig = Rig::udp();
    rig.request("OPTIONS");
    rig.run_to(40.0);
    rig.expect(&[
        "0.0 sent OPTIONS",
        "0.5 sent OPTIONS",
        "1.5 sent OPTIONS",
        "3.5 sent OPTIONS",
        "7.5 sent OPTIONS",
        "11.5 sent OPTIONS",
        "15.5 sent OPTIONS",
        "19.5 sent OPTIONS",
        "23.5 sent OPTIONS",
        "27.5 sent OPTIONS",
        "31.5 sent OPTIONS",
        "32.0 failed Timeout",
    ]);
    rig.expect_empty();
}

#[test]
fn over_tcp_an_options_is_sent_once_and_over_with_its_answer() {
    let mut rig = Rig::tcp();
    rig.request("OPTIONS");
    rig.run_to(20.0);
    rig.answer(0, 200, "b");
    rig.expect(&["0.0 sent OPTIONS", "20.0 got 200"]);
    rig.expect_empty();
}

#[test]
fn after_a_provisional_response_it_is_sent_every_4_seconds_and_still_fails() {
    let mut rig = Rig::udp();
    rig.request("BYE");
    rig.run_to(0.2);
    rig.answer(0, 100, "");
    rig.run_to(40.0);
    rig.expect(&[
        "0.0 sent BYE",
        "0.2 got 100",
        "0.5 sent BYE",
        "4.5 sent BYE",
        "8.5 sent BYE",
        "12.5 sent BYE",
        "16.5 sent BYE",
        "20.5 sent BYE",
        "24.5 sent BYE",
        "28.5 sent BYE",
        "32.0 failed Timeout",
    ]);
    rig.expect_empty();
}

#[test]
fn the_answer_is_told_once_and_its_copies_absorbed_until_timer_k() {
    let mut rig = Rig::udp();
    rig.request("BYE");
    rig.answer(0, 200, "b");
    rig.run_to(4.9);
    rig.answer(0, 200, "b");
    rig.run_to(5.0);
    rig.answer(0, 200, "b");
    rig.expect(&["0.0 sent BYE", "0.0 got 200"]);
    rig.expect_empty();
    assert_eq!(rig.txn.counters().retransmits_received, 1);
    assert_eq!(rig.txn.counters().stray_responses, 1);
}

#[test]
fn a_refusal_ends_it_without_an_ack() {
    let mut rig = Rig::udp();
    rig.request("REGISTER");
    rig.answer(0, 401, "b");
    rig.expect(&["0.0 sent REGISTER", "0.0 got 401"]);
}

#[test]
fn a_request_that_cannot_be_sent_fails() {
    let mut rig = Rig::tcp();
    let key = rig.request("OPTIONS");
    rig.answer(0, 100, "");
    rig.txn.send_failed(key, rig.now);
    rig.txn.send_failed(key, rig.now);
    rig.drain();
    rig.expect(&["0.0 sent OPTIONS", "0.0 got 100", "0.0 failed Transport"]);
    rig.expect_empty();
}

#[test]
fn nothing_is_told_once_the_owner_went() {
    let mut rig = Rig::udp();
    let key = rig.request("OPTIONS");
    rig.txn.disown(key);
    rig.answer(0, 200, "b");
    rig.expect(&["0.0 sent OPTIONS"]);
    rig.request("OPTIONS");
    rig.txn.disown(rig.txn.clients.keys().last().unwrap());
    rig.run_to(64.0);
    rig.expect_empty();
}

#[test]
fn cancelling_what_is_no_invite_does_nothing() {
    let mut rig = Rig::udp();
    let key = rig.request("OPTIONS");
    rig.answer(0, 100, "");
    rig.cancel(key);
    rig.expect(&["0.0 sent OPTIONS", "0.0 got 100"]);
}
