//! A datagram: what is taken keeps its promises, and what we answer is a message that belongs to it.

use bytes::Bytes;
use std::net::SocketAddr;
use tandem_sip_msg::{
    Challenge, Credentials, Header, Message, Method, NameAddr, ParseError, Uri, Via, Writer, escape_user,
    quote_display,
};

/// Reads a datagram, and everything in it.
pub fn message(data: &[u8]) {
    match Message::parse(Bytes::copy_from_slice(data)) {
        Ok(message) => {
            read(&message);
            keeps_its_promises(&message);
        }
        Err(ParseError::Refuse { message, status, why }) => {
            read(&message);
            assert!(message.is_request() && message.method() != Method::Ack, "only requests are refused");
            let reply = Writer::reply(&message, source(), status, why, Some("t")).finish();
            is_well_formed(&reply);
        }
        Err(ParseError::Junk(_)) => {}
    }
}

fn source() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], 5999))
}

fn keeps_its_promises(m: &Message) {
    for name in [Header::From, Header::To, Header::CallId, Header::CSeq] {
        assert_eq!(m.headers(name).count(), 1, "{name:?}");
    }
    assert!(m.cseq() < 1 << 31);
    assert!(m.code().is_none_or(|code| (100..700).contains(&code)));
    assert_eq!((m.from().tag(), m.to().tag()), (m.from_tag(), m.to_tag()));
    let bytes = Writer::reply(m, source(), 183, "x", Some("t")).finish();
    is_well_formed(&bytes);
    let reply = Message::parse(bytes).expect("an answer to what was taken is a message");
    assert_eq!(
        (reply.call_id(), reply.cseq(), reply.method_name()),
        (m.call_id(), m.cseq(), m.method_name())
    );
    assert_eq!((reply.from_tag(), reply.to_tag()), (m.from_tag(), m.to_tag().or(Some("t"))));
    assert_eq!(reply.top_via().branch(), m.top_via().branch());
    assert_eq!(reply.vias().count(), m.vias().count());
    // A list with no elements is as good as none.
    let has_elements = |value: &str| value.contains(|c: char| c != ',' && !c.is_whitespace());
    assert!(m.lines().all(|(name, value)| m.header_named(name).is_some()
        || Header::parse(name).is_some() && !has_elements(value)));
    // Another reader of the same bytes finds the same.
    let again = Message::parse(m.as_bytes().clone()).expect("it was taken before");
    assert!(again.lines().eq(m.lines()));
    assert_eq!(again.body(), m.body());
}

/// What goes out: lines that end in CRLF, one empty one, a length that is right.
fn is_well_formed(bytes: &[u8]) {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("a head has an end");
    assert_eq!(head + 4, bytes.len(), "these have no body");
    for line in bytes[..head].split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(!line.contains(&0) && !line.contains(&b'\r'), "{:?}", String::from_utf8_lossy(bytes));
    }
    assert!(bytes.ends_with(b"Content-Length: 0\r\n\r\n"));
}

/// Reads all there is to read.
fn read(m: &Message) {
    for (name, value) in m.lines() {
        if let Some(header) = Header::parse(name) {
            m.headers(header).for_each(read_value);
        }
        read_value(value);
    }
    for end in [Some(m.from()), Some(m.to()), m.contact()].into_iter().flatten() {
        read_value(end.as_str());
    }
    if let Some(uri) = m.request_uri() {
        read_uri(&uri);
    }
    let _ = (m.max_forwards(), m.expires(), m.content_type(), m.body_bytes(), m.reason_phrase());
    m.vias().for_each(|via| read_value(via.as_str()));
}

fn read_value(text: &str) {
    if let Some(address) = NameAddr::parse(text) {
        let _ = (address.display(), address.tag(), address.params().iter().count());
        read_uri(&address.uri());
    }
    if let Some(uri) = Uri::parse(text) {
        read_uri(&uri);
    }
    if let Some(via) = Via::parse(text) {
        let _ = (via.transport(), via.host().to_string(), via.port(), via.branch(), via.received());
    }
    let _ = (Challenge::parse(text), Credentials::parse(text));
    let quoted = format!("{}<sip:{}@h>", quote_display(text), escape_user(text));
    let clean = !text.chars().any(char::is_control);
    assert!(!clean || NameAddr::parse(&quoted).is_some(), "{quoted:?}");
}

fn read_uri(uri: &Uri<'_>) {
    let _ = (uri.user_unescaped(), uri.host().to_string(), uri.port(), uri.headers());
    assert!(uri.equivalent(uri) && uri.params().iter().count() <= uri.as_str().len());
}
