//! Hold and resume, by direction and by address (RFC 3264 §8.4).

mod common;

use common::{USUAL, ours, text, with};
use tandem_sdp::{Direction, Sdp};

const AUDIO: &str = "m=audio 4000 RTP/AVP 0";

fn direction_said(body: Vec<u8>) -> Direction {
    Sdp::parse(&body).unwrap().audio().unwrap().direction
}

#[test]
fn hold_by_direction_is_passed_and_resumed() {
    let mut end = ours();
    for (line, direction) in [
        ("a=sendonly", Direction::SendOnly),
        ("a=inactive", Direction::Inactive),
        ("a=recvonly", Direction::RecvOnly),
        ("a=sendrecv", Direction::SendRecv),
        ("a=x", Direction::SendRecv),
    ] {
        let theirs = with(&[AUDIO, line]);
        assert_eq!(theirs.audio().unwrap().direction, direction);
        assert_eq!(direction_said(end.offer(&theirs, USUAL).unwrap()), direction);
    }
}

#[test]
fn hold_by_address_becomes_hold_by_direction_with_our_address() {
    let theirs = with(&[AUDIO, "c=IN IP4 0.0.0.0"]);
    assert_eq!(theirs.audio().unwrap().direction, Direction::SendOnly);
    let said = text(ours().offer(&theirs, USUAL).unwrap());
    assert!(said.contains("c=IN IP4 203.0.113.1\r\n") && said.contains("a=sendonly\r\n"));
    assert!(!said.contains("0.0.0.0"));
    let theirs = with(&[AUDIO, "c=IN IP4 0.0.0.0", "a=recvonly"]);
    assert_eq!(direction_said(ours().offer(&theirs, USUAL).unwrap()), Direction::Inactive);
}

#[test]
fn the_ipv6_ways_of_no_address_are_hold_too() {
    for address in ["c=IN IP6 ::", "c=IN IP6 nobody.invalid"] {
        assert_eq!(with(&[AUDIO, address]).audio().unwrap().direction, Direction::SendOnly);
    }
}

#[test]
fn the_answer_to_hold_is_passed() {
    let offer = with(&[AUDIO, "a=sendonly"]);
    let answer = with(&["m=audio 6000 RTP/AVP 0", "a=recvonly"]);
    assert_eq!(direction_said(ours().answer(&answer, &offer, USUAL).unwrap()), Direction::RecvOnly);
}

#[test]
fn an_answer_claims_no_more_than_the_offer_left_open() {
    let answer = with(&["m=audio 6000 RTP/AVP 0"]);
    for (offered, answered) in [
        ("a=sendonly", Direction::RecvOnly),
        ("a=recvonly", Direction::SendOnly),
        ("a=inactive", Direction::Inactive),
        ("c=IN IP4 0.0.0.0", Direction::RecvOnly),
    ] {
        let offer = with(&[AUDIO, offered]);
        assert_eq!(direction_said(ours().answer(&answer, &offer, USUAL).unwrap()), answered, "{offered}");
    }
}
