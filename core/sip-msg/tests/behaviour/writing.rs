//! What is written.

use std::net::SocketAddr;

use tandem_sip_msg::{Header, Message, NameAddr, Writer, insert_top, quote_display};

use crate::{request, sound};

fn text(bytes: bytes::Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn source(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn top_via_of_reply(via: &str, from: &str) -> String {
    let m =
        sound(request("OPTIONS", "", "").replace("SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa1;rport", via));
    let reply = sound(Writer::reply(&m, source(from), 200, "OK", None).finish());
    reply.header(Header::Via).unwrap().to_owned()
}

#[test]
fn a_request_is_written_and_parses_back() {
    let mut w = Writer::request("INVITE", "sip:bob@example.com");
    w.header(Header::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx")
        .header(Header::From, format_args!("{}<sip:a@b>;tag=1", quote_display("A, B")))
        .header(Header::To, "<sip:c@d>")
        .header(Header::CallId, "id")
        .header(Header::CSeq, format_args!("{} INVITE", 5))
        .named("X-Extra", 7);
    let bytes = w.finish_with("application/sdp", b"v=0\r\n");
    assert_eq!(
        text(bytes.clone()),
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n\
         From: \"A, B\" <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: id\r\nCSeq: 5 INVITE\r\nX-Extra: 7\r\n\
         Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    );
    assert_eq!(sound(bytes).from().display().unwrap(), "A, B");
}

#[test]
fn no_value_becomes_another_header() {
    let evil = "a\r\nRoute: <sip:evil>\r\n\r\nINVITE\0";
    let mut w = Writer::request(evil, evil);
    w.header(Header::Via, evil).named("X", evil).named("Bad Name", "x").named("X\r\nY", "x").named("", "x");
    w.named("X-Bytes", String::from_utf8_lossy(b"\r\n\r\n"));
    let written = text(w.finish_with(evil, b"\r\n"));
    let (head, _) = written.split_once("\r\n\r\n").unwrap();
    let lines: Vec<_> = head.split("\r\n").collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(head.replace("\r\n", "").bytes().all(|b| b != b'\r' && b != b'\n' && b != 0));
    assert_eq!(lines[0], "aRoutesipevilINVITE aRoute:<sip:evil>INVITE SIP/2.0");
}

#[test]
fn a_lost_character_does_not_let_a_backslash_escape_the_closing_quote() {
    let mut w = Writer::request("INVITE", "sip:a");
    w.header(Header::From, "\"x\\\0\" <sip:a@b>;tag=1");
    let written = text(w.finish());
    let from = written.lines().find_map(|line| line.strip_prefix("From: ")).unwrap();
    assert_eq!(NameAddr::parse(from).unwrap().display().unwrap(), "x ");
}

#[test]
fn content_length_is_written_once_and_last() {
    let mut w = Writer::request("INVITE", "sip:a");
    w.header(Header::ContentLength, 99)
        .named("l", 98)
        .named("content-length", 97)
        .header(Header::Server, "t");
    assert_eq!(text(w.finish()), "INVITE sip:a SIP/2.0\r\nServer: t\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn a_reply_copies_what_makes_it_belong_to_its_request() {
    let m = sound(request(
        "INVITE",
        "v: SIP/2.0/TCP h2;branch=2, SIP/2.0/TCP h3\r\nRecord-Route: <sip:a;lr>,<sip:b;lr>\r\nTimestamp: 54\r\n",
        "",
    ));
    let reply = text(Writer::reply(&m, source("192.0.2.1:40000"), 180, "Ringing", Some("tt")).finish());
    assert_eq!(
        reply,
        "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa1;received=192.0.2.1;rport=40000\r\n\
         Via: SIP/2.0/TCP h2;branch=2, SIP/2.0/TCP h3\r\nRecord-Route: <sip:a;lr>,<sip:b;lr>\r\n\
         From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>;tag=tt\r\nCall-ID: c1@example.com\r\n\
         CSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
    let trying = sound(Writer::reply(&m, source("192.0.2.1:40000"), 100, "Trying", None).finish());
    assert_eq!((trying.header(Header::RecordRoute), trying.header_named("Timestamp")), (None, Some("54")));
    let busy = sound(Writer::reply(&m, source("192.0.2.1:40000"), 486, "Busy Here", Some("x")).finish());
    assert_eq!((busy.header(Header::RecordRoute), busy.to_tag()), (None, Some("x")));
}

#[test]
fn a_to_tag_that_is_there_stays() {
    let m = sound(
        request("BYE", "", "").replace("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=old"),
    );
    let reply = sound(Writer::reply(&m, source("192.0.2.1:1"), 200, "OK", Some("new")).finish());
    assert_eq!(reply.to_tag(), Some("old"));
}

#[test]
fn a_folded_request_is_answered_without_folds() {
    let m = sound(request("BYE", "", "").replace(";tag=a", "\r\n ;tag=a"));
    let reply = sound(Writer::reply(&m, source("192.0.2.1:1"), 200, "OK", Some("new")).finish());
    assert_eq!(reply.from_tag(), Some("a"));
}

#[test]
fn received_is_added_where_the_source_is_another_than_the_host() {
    assert_eq!(
        top_via_of_reply("SIP/2.0/UDP 192.0.2.1;branch=b", "192.0.2.1:7"),
        "SIP/2.0/UDP 192.0.2.1;branch=b"
    );
    assert_eq!(
        top_via_of_reply("SIP/2.0/UDP 192.0.2.1;branch=b", "192.0.2.2:7"),
        "SIP/2.0/UDP 192.0.2.1;branch=b;received=192.0.2.2"
    );
    assert_eq!(
        top_via_of_reply("SIP/2.0/UDP host.example;branch=b", "192.0.2.2:7"),
        "SIP/2.0/UDP host.example;branch=b;received=192.0.2.2"
    );
    assert_eq!(
        top_via_of_reply("SIP/2.0/UDP 192.0.2.1;branch=b", "[::ffff:192.0.2.1]:7"),
        "SIP/2.0/UDP 192.0.2.1;branch=b"
    );
}

#[test]
fn rport_is_filled_in_only_where_it_was_asked_for() {
    assert_eq!(
        top_via_of_reply("SIP/2.0/UDP 192.0.2.1:9;rport;branch=b", "192.0.2.1:7"),
        "SIP/2.0/UDP 192.0.2.1:9;branch=b;received=192.0.2.1;rport=7"
    );
    assert_eq!(
        top_via_of_reply("SIP/2.0/UDP 192.0.2.1 ; RPORT = 1 ;branch=b", "[2001:db8::1]:7"),
        "SIP/2.0/UDP 192.0.2.1;branch=b;received=2001:db8::1;rport=7"
    );
}

#[test]
fn received_is_never_believed_from_the_sender() {
    assert_eq!(
        top_via_of_reply("SIP/2.0/UDP 192.0.2.1;received=10.0.0.1;branch=b", "192.0.2.2:7"),
        "SIP/2.0/UDP 192.0.2.1;branch=b;received=192.0.2.2"
    );
}

#[test]
fn only_the_top_value_of_a_via_line_is_changed() {
    let via = top_via_of_reply("SIP/2.0/UDP a;branch=b , SIP/2.0/UDP c;rport", "192.0.2.2:7");
    assert_eq!(via, "SIP/2.0/UDP a;branch=b;received=192.0.2.2");
    let m = sound(request("OPTIONS", "", "").replace(";rport", ", SIP/2.0/UDP c;rport"));
    let reply = sound(Writer::reply(&m, source("192.0.2.2:7"), 200, "OK", None).finish());
    assert_eq!(reply.headers(Header::Via).nth(1), Some("SIP/2.0/UDP c;rport"));
}

#[test]
fn a_header_is_inserted_below_the_start_line() {
    let below = insert_top(
        b"ACK sip:a SIP/2.0\r\nTo: x\r\n\r\nbody",
        Header::Via,
        &["SIP/2.0/UDP h\r\n", ";branch=1"],
    );
    assert_eq!(text(below), "ACK sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=1\r\nTo: x\r\n\r\nbody");
}

#[test]
fn an_escaped_nul_in_a_request_does_not_reach_the_answer() {
    let m = sound(request("BYE", "", "").replace("From: <", "From: \"a\\\0\" <"));
    let reply = Writer::reply(&m, source("192.0.2.1:1"), 200, "OK", Some("new")).finish();
    assert!(!reply.contains(&0));
    assert_eq!(Message::parse(reply).unwrap().from().uri().as_str(), "sip:alice@example.com");
}
