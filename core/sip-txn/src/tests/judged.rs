//! Requests that are turned away before anything is kept of them.

use super::rig::Rig;
use crate::Verdict;
use tandem_sip_msg::{Header, Message};

const BRANCH: &str = "z9hG4bKjudged";
const LATER: Verdict = Verdict::Refuse { code: 503, retry_after: Some(7) };

#[test]
fn one_turned_away_costs_nothing_and_its_ack_and_cancel_find_nothing() {
    let mut rig = Rig::udp();
    assert_eq!(rig.judged("INVITE", BRANCH, LATER), [false]);
    rig.expect(&["0.0 sent 503 INVITE"]);
    let answer = Message::parse(rig.sent[0].clone()).unwrap();
    assert_eq!(answer.header(Header::RetryAfter), Some("7"));
    rig.expect_empty();
    rig.peer_acks(0, BRANCH);
    rig.peer("CANCEL", BRANCH);
    rig.expect(&["0.0 sent 481 CANCEL"]);
    rig.expect_empty();
}

#[test]
fn a_copy_of_one_turned_away_is_known_and_answered_with_the_same_tag() {
    let mut rig = Rig::udp();
    rig.judged("INVITE", BRANCH, LATER);
    assert_eq!(rig.judged("INVITE", BRANCH, LATER), [true]);
    let tag = |n: usize| Message::parse(rig.sent[n].clone()).unwrap().to_tag().map(str::to_owned);
    assert!(tag(0).is_some() && tag(0) == tag(1));
    assert_eq!(rig.judged("INVITE", "z9hG4bKanother", LATER), [false], "the next try is a new one");
}

#[test]
fn one_dropped_is_not_answered() {
    let mut rig = Rig::udp();
    rig.judged("REGISTER", BRANCH, Verdict::Drop);
    rig.expect(&[]);
    rig.expect_empty();
}

#[test]
fn nobody_is_asked_about_a_retransmission() {
    let mut rig = Rig::udp();
    assert_eq!(rig.judged("INVITE", BRANCH, Verdict::Take), [false]);
    rig.respond(180);
    assert!(rig.judged("INVITE", BRANCH, LATER).is_empty());
    rig.expect(&["0.0 request INVITE", "0.0 sent 180 INVITE", "0.0 sent 180 INVITE"]);
}
