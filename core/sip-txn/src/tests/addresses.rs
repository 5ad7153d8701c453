//! RFC 3261 §18.2.2, RFC 3581 §4.

use super::rig::{Rig, peer_request};
use crate::Transactions;
use tandem_sip_msg::Message;

const TO: &str = "<sip:bob@example.org>";

#[test]
fn a_response_goes_to_the_source_by_rport_or_by_the_port_of_sent_by() {
    let mut rig = Rig::udp();
    rig.flow.remote = "192.0.2.9:40000".parse().unwrap();
    for (via, goes_to) in [
        ("SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKa;rport", "192.0.2.9:40000"),
        ("SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKb", "192.0.2.9:5062"),
        ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKc", "192.0.2.9:5060"),
        ("SIP/2.0/UDP 10.0.0.1:0;branch=z9hG4bKd", "192.0.2.9:40000"),
        ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKe;maddr=224.0.1.75", "192.0.2.9:5060"),
        ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKf;received=203.0.113.5", "192.0.2.9:5060"),
    ] {
        rig.arrive(peer_request("CANCEL", via, TO));
        assert_eq!(rig.flows.last().unwrap().remote.to_string(), goes_to, "{via}");
    }
}

#[test]
fn a_response_goes_back_by_the_connection_of_its_request_and_by_sent_by_once_that_is_gone() {
    let mut rig = Rig::tcp();
    rig.flow.remote = "192.0.2.9:40000".parse().unwrap();
    for (via, then) in [
        ("SIP/2.0/TCP 10.0.0.1:5062;branch=z9hG4bKa", "192.0.2.9:5062"),
        ("SIP/2.0/TCP 10.0.0.1:5062;branch=z9hG4bKa;rport", "192.0.2.9:5062"),
        ("SIP/2.0/TCP 10.0.0.1;branch=z9hG4bKa", "192.0.2.9:5060"),
        ("SIP/2.0/TCP 10.0.0.1:0;branch=z9hG4bKa", "192.0.2.9:40000"),
    ] {
        let request = Message::parse(peer_request("OPTIONS", via, TO)).unwrap();
        let reply = Transactions::reply_flow(&request, rig.flow);
        assert_eq!(reply.connection, rig.flow.connection);
        assert_eq!(reply.remote.to_string(), then, "{via}");
    }
}

#[test]
fn who_claims_to_be_a_whole_network_gets_no_response() {
    let mut rig = Rig::udp();
    for source in [
        "255.255.255.255:5060",
        "224.0.1.75:5060",
        "0.0.0.0:5060",
        "[ff02::1]:5060",
        "[::]:5060",
        "192.0.2.1:0",
    ] {
        rig.arrive_from(rig.peer_request("OPTIONS", "z9hG4bKone"), source.parse().unwrap());
    }
    rig.expect(&[]);
    assert_eq!(rig.txn.counters().unanswerable, 6);
    rig.expect_empty();
}
