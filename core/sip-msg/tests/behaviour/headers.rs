//! Header values on demand.

use tandem_sip_msg::{Header, NameAddr};

use crate::{request, sound};

#[test]
fn lists_are_split_over_lines_and_commas() {
    let m = sound(request("INVITE", "Supported: 100rel, timer\r\nk: path ,,\r\nSupported: gruu\r\n", ""));
    assert_eq!(m.headers(Header::Supported).collect::<Vec<_>>(), ["100rel", "timer", "path", "gruu"]);
    assert_eq!(m.header(Header::Supported), Some("100rel"));
}

#[test]
fn commas_in_quotes_and_brackets_do_not_split() {
    let line = "Record-Route: \"a, \\\", b\" <sip:x,y@h;lr>;p=\"1,2\" , <sip:z>\r\n";
    let m = sound(request("INVITE", line, ""));
    assert_eq!(
        m.headers(Header::RecordRoute).collect::<Vec<_>>(),
        ["\"a, \\\", b\" <sip:x,y@h;lr>;p=\"1,2\"", "<sip:z>"]
    );
}

#[test]
fn reasons_and_diversions_are_lists() {
    let m = sound(request(
        "BYE",
        "Reason: Q.850;cause=16;text=\"a, b\", SIP;cause=200\r\nDiversion: <sip:a@b>;reason=busy, <tel:1>\r\n",
        "",
    ));
    assert_eq!(
        m.headers(Header::Reason).collect::<Vec<_>>(),
        ["Q.850;cause=16;text=\"a, b\"", "SIP;cause=200"]
    );
    assert_eq!(m.headers(Header::Diversion).count(), 2);
}

#[test]
fn headers_with_commas_of_their_own_are_not_split() {
    let date = "Sat, 01 Aug 2026 10:00:00 GMT";
    let digest = "Digest username=\"a\", realm=\"b\"";
    let m = sound(request("INVITE", &format!("Date: {date}\r\nAuthorization: {digest}\r\n"), ""));
    assert_eq!(m.header(Header::Date), Some(date));
    assert_eq!(m.headers(Header::Authorization).collect::<Vec<_>>(), [digest]);
}

#[test]
fn compact_names_are_the_same_headers() {
    let m = sound(request("INVITE", "s: hi\r\nm: <sip:me@here>\r\nx: 90\r\nc: a/b\r\n", ""));
    assert_eq!(m.header_named("SUBJECT"), Some("hi"));
    assert_eq!(m.header_named("Contact"), Some("<sip:me@here>"));
    assert_eq!(m.header(Header::SessionExpires), Some("90"));
    assert_eq!(m.content_type(), Some("a/b"));
    assert_eq!(m.contact().unwrap().uri().user(), Some("me"));
}

#[test]
fn a_star_is_no_contact() {
    let m = sound(request("REGISTER", "Contact: *\r\n", ""));
    assert!(m.contact().is_none());
    assert_eq!(m.header(Header::Contact), Some("*"));
}

#[test]
fn lines_come_in_order_and_as_written() {
    let m = sound(request("INVITE", "x-One : 1\r\nX-one:2\r\n", ""));
    assert_eq!(m.lines().skip(6).collect::<Vec<_>>(), [("x-One", "1"), ("X-one", "2")]);
    assert_eq!(m.header_named("X-ONE"), Some("1"));
}

#[test]
fn asserted_identities_hold_a_sip_and_a_tel_uri() {
    let line = "P-Asserted-Identity: \"A, B\" <sip:+1@h>, <tel:+1>\r\n";
    let m = sound(request("INVITE", line, ""));
    let users: Vec<_> =
        m.headers(Header::PAssertedIdentity).map(|v| NameAddr::parse(v).unwrap().uri().user()).collect();
    assert_eq!(users, [Some("+1"), Some("+1")]);
}
