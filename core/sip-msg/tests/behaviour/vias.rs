//! Via values.

use tandem_sip_msg::{Host, Transport, Via};

#[test]
fn a_via_tells_its_parts() {
    let via =
        Via::parse("SIP/2.0/TLS edge.example.com:5061;branch=z9hG4bK1;rport;received=192.0.2.9").unwrap();
    assert_eq!(via.transport(), Some(Transport::Tls));
    assert_eq!((via.host(), via.port()), (Host::Name("edge.example.com"), Some(5061)));
    assert_eq!((via.branch(), via.params().get("rport")), (Some("z9hG4bK1"), Some("")));
    assert_eq!(via.received(), "192.0.2.9".parse().ok());
}

#[test]
fn white_space_may_stand_around_slashes_and_the_colon() {
    let via = Via::parse("SIP / 2.0 / UDP   [::1] : 5070 ; branch = x").unwrap();
    assert_eq!((via.transport(), via.port(), via.branch()), (Some(Transport::Udp), Some(5070), Some("x")));
    assert_eq!(via.host(), Host::Ip("::1".parse().unwrap()));
}

#[test]
fn unknown_transports_are_kept() {
    let via = Via::parse("SIP/2.0/SCTP h").unwrap();
    assert_eq!((via.transport(), via.port(), via.branch(), via.received()), (None, None, None, None));
    assert_eq!(via.as_str(), "SIP/2.0/SCTP h");
}

#[test]
fn what_is_no_via_is_none() {
    for text in [
        "",
        "SIP/2.0",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0/ h",
        "SIP//UDP h",
        "/2.0/UDP h",
        "SIP/2.0/UDPh",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:x",
        "SIP/2.0/UDP h:70000",
        "SIP/2.0/UDP h x",
        "SIP/2.0/UDP h;;branch=1",
        "SIP/2.0/UDP h,",
        "SIP/2.0/UDP ::1",
        "SIP/2.0/UDP h;branch=\"",
        "SIP/2.0/UDP <h>",
    ] {
        assert!(Via::parse(text).is_none(), "{text:?}");
    }
}
