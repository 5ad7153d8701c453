//! The tables: header names, methods, transports, reason phrases.

use tandem_sip_msg::{Header, Method, Transport, standard_reason};

#[test]
fn header_names_are_read_in_any_case() {
    for name in [
        "Accept",
        "Allow",
        "Allow-Events",
        "Authorization",
        "Call-ID",
        "Contact",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "CSeq",
        "Date",
        "Diversion",
        "Event",
        "Expires",
        "From",
        "History-Info",
        "Identity",
        "Max-Forwards",
        "Min-Expires",
        "Min-SE",
        "P-Asserted-Identity",
        "P-Preferred-Identity",
        "P-Called-Party-ID",
        "Path",
        "Privacy",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Require",
        "RAck",
        "RSeq",
        "Reason",
        "Record-Route",
        "Refer-To",
        "Referred-By",
        "Remote-Party-ID",
        "Replaces",
        "Require",
        "Retry-After",
        "Route",
        "Server",
        "Service-Route",
        "Session-Expires",
        "Supported",
        "To",
        "Unsupported",
        "User-Agent",
        "Via",
        "Warning",
        "WWW-Authenticate",
    ] {
        let header = Header::parse(name).unwrap_or_else(|| panic!("{name} is known"));
        assert_eq!(header.name(), name);
        assert_eq!(Header::parse(&name.to_lowercase()), Some(header));
        assert_eq!(Header::parse(&name.to_uppercase()), Some(header));
    }
    for name in ["", "Accepd", "Vi", "x-foo", "Toto", "Content_Length", "q"] {
        assert_eq!(Header::parse(name), None, "{name}");
    }
}

#[test]
fn compact_header_names_are_read() {
    for (compact, name) in [
        ("b", "Referred-By"),
        ("C", "Content-Type"),
        ("e", "Content-Encoding"),
        ("F", "From"),
        ("i", "Call-ID"),
        ("k", "Supported"),
        ("L", "Content-Length"),
        ("m", "Contact"),
        ("o", "Event"),
        ("r", "Refer-To"),
        ("T", "To"),
        ("u", "Allow-Events"),
        ("v", "Via"),
        ("x", "Session-Expires"),
        ("y", "Identity"),
    ] {
        assert_eq!(Header::parse(compact), Header::parse(name));
        assert!(Header::parse(compact).is_some());
    }
}

#[test]
fn methods_are_read_as_written() {
    for name in [
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "REGISTER",
        "OPTIONS",
        "PRACK",
        "UPDATE",
        "INFO",
        "REFER",
        "NOTIFY",
        "SUBSCRIBE",
        "MESSAGE",
        "PUBLISH",
    ] {
        assert_eq!(Method::parse(name).name(), Some(name));
        assert_eq!(Method::parse(&name.to_lowercase()), Method::Other);
    }
    assert_eq!(Method::Other.name(), None);
}

#[test]
fn transports_have_names_and_ports() {
    for (transport, via, param, port, reliable) in [
        (Transport::Udp, "UDP", "udp", 5060, false),
        (Transport::Tcp, "TCP", "tcp", 5060, true),
        (Transport::Tls, "TLS", "tls", 5061, true),
        (Transport::Ws, "WS", "ws", 80, true),
        (Transport::Wss, "WSS", "wss", 443, true),
    ] {
        assert_eq!((transport.via_name(), transport.param_name()), (via, param));
        assert_eq!((transport.default_port(), transport.is_reliable()), (port, reliable));
        assert_eq!((Transport::parse(via), Transport::parse(param)), (Some(transport), Some(transport)));
    }
    assert_eq!(Transport::parse("sctp"), None);
}

#[test]
fn every_code_has_a_reason() {
    assert_eq!(standard_reason(180), "Ringing");
    assert_eq!(standard_reason(481), "Call/Transaction Does Not Exist");
    assert_eq!(standard_reason(499), "Request Failure");
    assert!((100..700).all(|code| !standard_reason(code).is_empty()));
}
