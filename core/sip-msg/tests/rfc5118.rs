//! The IPv6 torture tests of RFC 5118, as far as a parser decides them.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use tandem_sip_msg::*;

macro_rules! message {
    ($name:literal) => {
        Bytes::from_static(include_bytes!(concat!("rfc5118/", $name, ".dat")))
    };
}

fn sound(bytes: Bytes) -> Message {
    Message::parse(bytes).expect("a sound message")
}

fn ip(text: &str) -> Host<'static> {
    Host::Ip(text.parse().unwrap())
}

#[test]
fn s4_1_valid_ipv6_reference() {
    let m = sound(message!("ipv6-good"));
    assert_eq!(m.request_uri().unwrap().host(), ip("2001:db8::10"));
    assert_eq!(m.top_via().host(), ip("2001:db8::9:1"));
    assert_eq!(m.contact().unwrap().uri().host(), ip("2001:db8::1"));
}

#[test]
fn s4_2_ipv6_address_without_brackets_in_request_uri() {
    match Message::parse(message!("ipv6-bad")) {
        Err(ParseError::Refuse { status, why, .. }) => {
            assert_eq!((status, why), (400, "Malformed Request-URI"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn s4_3_port_ambiguous() {
    let m = sound(message!("port-ambiguous"));
    let uri = m.request_uri().unwrap();
    assert_eq!((uri.host(), uri.port()), (ip("2001:db8::10:5070"), None));
}

#[test]
fn s4_4_port_unambiguous() {
    let m = sound(message!("port-unambiguous"));
    let uri = m.request_uri().unwrap();
    assert_eq!((uri.host(), uri.port()), (ip("2001:db8::10"), Some(5070)));
}

#[test]
fn s4_5_received_parameter_with_and_without_delimiters() {
    let expected: Option<IpAddr> = "2001:db8::9:255".parse().ok();
    for bytes in [message!("via-received-with-delim"), message!("via-received-no-delim")] {
        assert_eq!(sound(bytes).top_via().received(), expected);
    }
}

#[test]
fn s4_5_received_is_written_without_delimiters() {
    let m = sound(message!("ipv6-good"));
    let source: SocketAddr = "[2001:db8::9:255]:5060".parse().unwrap();
    let reply = sound(Writer::reply(&m, source, 200, "OK", Some("ours")).finish());
    assert_eq!(reply.top_via().params().get("received"), Some("2001:db8::9:255"));
}

#[test]
fn s4_7_multiple_addresses_in_headers() {
    let m = sound(message!("mult-ip-in-header"));
    let hosts: Vec<_> = m.vias().map(|via| via.host()).collect();
    assert_eq!(hosts, [ip("2001:db8::9:1"), ip("192.0.2.1"), ip("2001:db8::9:255")]);
    assert_eq!(m.top_via().port(), Some(6050));
}

#[test]
fn s4_9_ipv4_mapped_ipv6_addresses() {
    let m = sound(message!("ipv4-mapped-ipv6"));
    assert_eq!(m.top_via().host(), ip("::ffff:192.0.2.10"));
    assert_eq!(m.top_via().port(), Some(19823));
}

#[test]
fn s4_10_three_colons_are_read_as_two() {
    let three = sound(message!("three-colons"));
    let two = sound(message!("two-colons"));
    assert_eq!(three.request_uri().unwrap().host(), two.request_uri().unwrap().host());
    assert_eq!(two.to().uri().host(), ip("2001:db8::192.0.2.1"));
}
