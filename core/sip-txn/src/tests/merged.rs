//! RFC 3261 §8.2.2.2 and §16.3: requests that come by two ways, and those that come back.

use super::rig::{Rig, edited};
use tandem_sip_msg::Message;

#[test]
fn a_copy_by_another_way_is_answered_482_with_its_ack_swallowed() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", "z9hG4bKone");
    rig.peer("INVITE", "z9hG4bKtwo");
    rig.peer("INVITE", "z9hG4bKtwo");
    rig.peer_acks(0, "z9hG4bKtwo");
    rig.expect(&["0.0 request INVITE", "0.0 sent 482 INVITE", "0.0 sent 482 INVITE"]);
    assert_eq!(rig.sent[0], rig.sent[1]);
    assert_eq!(rig.txn.counters().merged, 2);
    assert_eq!(rig.txn.len(), (0, 1));
}

#[test]
fn a_copy_of_an_answered_request_is_merged_too() {
    for method in ["INVITE", "MESSAGE"] {
        let mut rig = Rig::udp();
        rig.peer(method, "z9hG4bKone");
        rig.respond(200);
        rig.peer(method, "z9hG4bKtwo");
        assert_eq!(rig.txn.counters().merged, 1);
    }
}

#[test]
fn after_a_refusal_a_proxy_may_try_once_more_by_another_way() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", "z9hG4bKone");
    rig.respond(404);
    rig.peer("INVITE", "z9hG4bKtwo");
    rig.respond(404);
    rig.run_to(32.0);
    assert_eq!(rig.txn.counters().merged, 0);
    rig.expect_empty();
}

#[test]
fn a_request_within_a_dialog_and_one_of_another_number_are_not_merged() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", "z9hG4bKone");
    let copy = rig.peer_request("INVITE", "z9hG4bKtwo");
    rig.arrive(edited(&copy, "<sip:bob@example.org>", "<sip:bob@example.org>;tag=owners"));
    rig.arrive(edited(&rig.peer_request("INVITE", "z9hG4bKthree"), "CSeq: 1 ", "CSeq: 2 "));
    rig.arrive(edited(&rig.peer_request("INVITE", "z9hG4bKfour"), ";tag=theirs", ";tag=others"));
    rig.expect(&["0.0 request INVITE"; 4]);
}

#[test]
fn an_invite_of_ours_that_comes_back_is_known_until_it_is_answered() {
    let mut rig = Rig::udp();
    rig.request("INVITE");
    let ours = Message::parse(rig.sent[0].clone()).unwrap();
    assert!(rig.txn.is_looped(&ours));
    let proxied = edited(&rig.sent[0], "Via: ", "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKproxy\r\nVia: ");
    assert!(rig.txn.is_looped(&Message::parse(proxied).unwrap()), "by way of a proxy");
    let spiral = edited(&rig.sent[0], "INVITE sip:bob@", "INVITE sip:carol@");
    assert!(!rig.txn.is_looped(&Message::parse(spiral).unwrap()), "for somebody else");
    assert!(!rig.txn.is_looped(&Message::parse(rig.peer_request("INVITE", "z9hG4bKtheirs")).unwrap()));
    rig.answer(0, 486, "theirs");
    assert!(!rig.txn.is_looped(&ours));
}
