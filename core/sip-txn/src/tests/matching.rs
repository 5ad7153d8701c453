//! RFC 3261 §17.1.3, RFC 3261 §17.2.3, RFC 3261 §18.1.2.

use super::rig::{Rig, answer, edited, peer_request};
use crate::matching::{Branch, SentBy};
use crate::timer::{Cx, Timer};
use crate::{ClientKey, Config};
use slotmap::Key;
use std::collections::HashSet;
use std::time::Duration;
use tandem_sip_msg::{Message, Via};
use tandem_time::Time;

const TO: &str = "<sip:bob@example.org>";

#[test]
fn a_response_with_another_branch_method_or_sent_by_is_a_stray() {
    let mut rig = Rig::udp();
    rig.request("INVITE");
    let ok = answer(&rig.sent[0], 200, "b", rig.flow.remote);
    let branch = Message::parse(rig.sent[0].clone()).unwrap().top_via().branch().unwrap().to_owned();
    let last = if branch.ends_with('0') { "1" } else { "0" };
    let neighbour = format!("{}{last}", &branch[..branch.len() - 1]);
    for (from, to) in [
        (branch.as_str(), neighbour.as_str()),
        (&branch, "z9hG4bK"),
        (&branch, "z9hG4bKshort"),
        (&branch, "z9hG4bK+fffffffffffffff0000000000000000"),
        ("CSeq: 17 INVITE", "CSeq: 17 OPTIONS"),
        ("CSeq: 17 INVITE", "CSeq: 17 CANCEL"),
        ("tandem.example.org:5060", "tandem.example.org:5061"),
        ("tandem.example.org:5060", "192.0.2.1:5060"),
        ("CSeq:", "Via: SIP/2.0/UDP further.example.org;branch=z9hG4bKx\r\nCSeq:"),
    ] {
        rig.arrive(edited(&ok, from, to));
    }
    rig.expect(&["0.0 sent INVITE"]);
    assert_eq!(rig.txn.counters().stray_responses, 9);
    rig.arrive(edited(&ok, "tandem.example.org:5060", "TANDEM.example.org"));
    rig.expect(&["0.0 got 200"]);
}

#[test]
fn a_branch_leads_back_to_its_key_and_no_two_are_alike() {
    let mask = ahash::RandomState::with_seeds(1, 2, 3, 4);
    let mut seen = HashSet::new();
    for random in 0..1000u64 {
        let branch = Branch { random, key: ClientKey::null() };
        let text = branch.write(&mask).as_str().to_owned();
        assert!(text.starts_with("z9hG4bK") && text.len() == 7 + 32);
        assert_eq!(Branch::read(&text, &mask), Some(branch));
        assert_eq!(Branch::read(&text.to_ascii_uppercase(), &mask), Some(branch));
        assert!(seen.insert(text));
    }
}

#[test]
fn requests_of_one_branch_and_different_sent_by_are_different() {
    let mut rig = Rig::udp();
    rig.peer("INVITE", "z9hG4bKone");
    let other = edited(&rig.peer_request("INVITE", "z9hG4bKone"), "peer.example.com", "other.example.com");
    rig.arrive(edited(&other, "inbound", "another"));
    rig.expect(&["0.0 request INVITE", "0.0 request INVITE"]);
}

#[test]
fn host_names_in_sent_by_compare_without_case_and_the_default_port_is_5060() {
    let mut rig = Rig::udp();
    rig.arrive(peer_request("INVITE", "SIP/2.0/UDP peer.example.com;branch=z9hG4bKone", TO));
    rig.arrive(peer_request("INVITE", "SIP/2.0/UDP PEER.example.com:5060;branch=z9hG4bKone", TO));
    rig.expect(&["0.0 request INVITE"]);
    assert_eq!(rig.txn.counters().retransmits_received, 1);
}

#[test]
fn an_old_peer_is_matched_by_its_headers() {
    for via in [
        "SIP/2.0/UDP peer.example.com:5062",
        "SIP/2.0/UDP peer.example.com:5062;branch=1",
        "SIP/2.0/UDP peer.example.com:5062;branch=z9hG4bK",
    ] {
        let mut rig = Rig::udp();
        let invite = peer_request("INVITE", via, TO);
        rig.arrive(invite.clone());
        rig.arrive(invite.clone());
        rig.arrive(edited(&invite, "inbound", "another"));
        rig.arrive(edited(&invite, "CSeq: 1 ", "CSeq: 2 "));
        rig.expect(&["0.0 request INVITE", "0.0 request INVITE", "0.0 request INVITE"]);
        assert_eq!(rig.txn.counters().retransmits_received, 1);
    }
}

#[test]
fn the_ack_of_an_old_peer_belongs_to_the_response_whose_tag_it_has() {
    let mut rig = Rig::udp();
    let via = "SIP/2.0/UDP peer.example.com:5062";
    rig.arrive(peer_request("INVITE", via, TO));
    rig.respond(486);
    rig.arrive(peer_request("ACK", via, "<sip:bob@example.org>;tag=of-another"));
    rig.run_to(0.5);
    rig.expect(&["0.0 request INVITE", "0.0 sent 486 INVITE", "0.5 sent 486 INVITE"]);
    rig.arrive(peer_request("ACK", via, "<sip:bob@example.org>;tag=owners"));
    rig.run_to(5.5);
    rig.expect(&[]);
    rig.expect_empty();
}

#[test]
fn plain_requests_of_an_old_peer_differ_by_to_tag_and_method() {
    let mut rig = Rig::udp();
    let via = "SIP/2.0/UDP peer.example.com:5062";
    for to in [TO, "<sip:bob@example.org>;tag=x"] {
        for method in ["OPTIONS", "INFO", "OPTIONS"] {
            rig.arrive(peer_request(method, via, to));
        }
    }
    rig.expect(&["0.0 request OPTIONS", "0.0 request INFO", "0.0 request OPTIONS", "0.0 request INFO"]);
}

#[test]
fn an_ack_that_matches_nothing_acknowledges_an_answer() {
    let mut rig = Rig::udp();
    rig.peer("ACK", "z9hG4bKone");
    rig.expect(&["0.0 ack"]);
    rig.expect_empty();
}

#[test]
fn our_sent_by_is_read_as_a_via_would_write_it() {
    for (ours, via, same) in [
        ("192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1", true),
        ("192.0.2.1", "SIP/2.0/UDP 192.0.2.1:5060", true),
        ("192.0.2.1:5061", "SIP/2.0/TLS 192.0.2.1", true),
        ("[2001:db8::1]:5060", "SIP/2.0/UDP [2001:DB8:0::1]:5060", true),
        ("192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1:5070", false),
        ("a.example.org", "SIP/2.0/TCP b.example.org", false),
    ] {
        assert_eq!(SentBy::parse(ours).wrote(&Via::parse(via).unwrap()), same, "{ours} {via}");
    }
}

#[test]
fn the_timers_are_as_long_as_the_tables_of_the_rfcs_say() {
    let config = Config::default();
    let length =
        |timer: Timer, reliable| timer.length(&Cx { now: Time::default(), config: &config, reliable });
    let ms = Duration::from_millis;
    for (timer, udp, tcp) in [
        (Timer::B, 32_000, 32_000),
        (Timer::D, 32_000, 0),
        (Timer::F, 32_000, 32_000),
        (Timer::H, 32_000, 32_000),
        (Timer::I, 5_000, 0),
        (Timer::J, 32_000, 0),
        (Timer::K, 5_000, 0),
        (Timer::L, 32_000, 32_000),
        (Timer::M, 32_000, 32_000),
        (Timer::Cancelled, 32_000, 32_000),
        (Timer::Trying, 3_500, 3_500),
        (Timer::Late, 32_000, 32_000),
    ] {
        assert_eq!((length(timer, false), length(timer, true)), (ms(udp), ms(tcp)), "{timer:?}");
    }
    assert_eq!([Timer::A, Timer::E, Timer::G].map(|timer| length(timer, false)), [ms(500); 3]);
}
