//! Whatever the bytes: nothing panics, what is taken keeps its promises, what is written parses back.

use std::net::SocketAddr;

use bytes::Bytes;
use proptest::prelude::*;
use tandem_sip_msg::*;

const INVITE: &str = "INVITE sip:+49301234;x=y@example.com:5070;transport=tcp SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa1;rport, SIP / 2.0 / TCP [2001:db8::1] ; received = \"x\"\r\n\
From: \"Alice \\\" Ex\" <sip:alice:pw@example.com;a=b?H=v>;tag=a1\r\n\
t : sip:bob@example.com;user=phone\r\n\
Call-ID: c1@example.com\r\nCSeq: 7 INVITE\r\nMax-Forwards: 70\r\n\
Contact: Alice <sip:alice@192.0.2.1>;q=0.5 ,\r\n <tel:+1-2>\r\n\
Proxy-Authorization: Digest username=\"a\", realm=\"b\\\"\", nonce=c, uri=\"sip:d\", response=\"e\",qop=auth\r\n\
Supported: 100rel, timer,\r\nRecord-Route: <sip:h;lr>\r\nReason: Q.850;cause=16;text=\"a, b\"\r\n\
Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";

const OK: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\n\
i: x\r\nCSeq: 1 BYE\r\nm: *\r\nl: 0\r\n\r\n";

fn source() -> SocketAddr {
    "198.51.100.7:5999".parse().unwrap()
}

/// Reads all there is to read.
fn read(m: &Message) {
    let mut all = format!("{m:?}{}{}{}", m.method_name(), m.reason_phrase(), m.call_id());
    for (name, value) in m.lines() {
        all += m.header_named(name).unwrap_or(value);
        let Some(header) = Header::parse(name) else { continue };
        for value in m.headers(header) {
            read_value(value);
        }
    }
    let ends = [Some(m.from()), Some(m.to()), m.contact()];
    for end in ends.into_iter().flatten() {
        read_value(end.as_str());
    }
    m.request_uri().map(|uri| (uri.user_unescaped(), uri.equivalent(&m.to().uri())));
    let _ = (
        m.top_via().as_str(),
        m.vias().count(),
        m.from_tag(),
        m.to_tag(),
        m.cseq(),
        m.code(),
        m.is_request(),
    );
    let _ = (m.max_forwards(), m.expires(), m.content_type(), m.body_bytes().len(), m.as_bytes().len());
}

fn read_value(text: &str) {
    if let Some(a) = NameAddr::parse(text) {
        let _ = (a.display(), a.tag(), a.params().iter().count());
        read_uri(&a.uri());
    }
    if let Some(uri) = Uri::parse(text) {
        read_uri(&uri);
    }
    if let Some(via) = Via::parse(text) {
        let _ = (via.transport(), via.host().to_string(), via.port(), via.branch(), via.received());
    }
    let _ = (Challenge::parse(text), Credentials::parse(text), quote_display(text), escape_user(text).len());
}

fn read_uri(uri: &Uri<'_>) {
    let _ = (
        uri.user_unescaped(),
        uri.host().to_string(),
        uri.port(),
        uri.headers(),
        uri.params().iter().count(),
    );
    assert!(uri.equivalent(uri), "{uri:?}");
}

/// What `Message::parse` promises of what it takes, and that an answer to it is a message.
fn check(bytes: Bytes) -> Result<(), TestCaseError> {
    match Message::parse(bytes) {
        Ok(m) => {
            read(&m);
            for name in [Header::From, Header::To, Header::CallId, Header::CSeq] {
                prop_assert_eq!(m.headers(name).count(), 1);
            }
            prop_assert!(m.cseq() < 1 << 31);
            prop_assert!(Via::parse(m.header(Header::Via).unwrap()).is_some());
            prop_assert!(NameAddr::parse(m.header(Header::From).unwrap()).is_some());
            prop_assert_eq!(m.from().tag(), m.from_tag());
            prop_assert_eq!(m.to().tag(), m.to_tag());
            prop_assert!(m.code().is_none_or(|code| (100..700).contains(&code)));
            let reply = Message::parse(Writer::reply(&m, source(), 183, "x", Some("t")).finish());
            prop_assert!(reply.is_ok(), "{:?} {:?}", reply, m.lines().collect::<Vec<_>>());
            let reply = reply.unwrap();
            prop_assert_eq!(reply.call_id(), m.call_id());
            prop_assert_eq!((reply.cseq(), reply.method_name()), (m.cseq(), m.method_name()));
            prop_assert_eq!(reply.from_tag(), m.from_tag());
            prop_assert_eq!(reply.top_via().branch(), m.top_via().branch());
            prop_assert_eq!(reply.to_tag(), m.to_tag().or(Some("t")));
        }
        Err(ParseError::Refuse { message, status, why }) => {
            read(&message);
            prop_assert!(message.is_request() && message.method() != Method::Ack);
            let reply = Writer::reply(&message, source(), status, why, Some("t")).finish();
            prop_assert!(reply.starts_with(b"SIP/2.0 ") && reply.ends_with(b"\r\nContent-Length: 0\r\n\r\n"));
            let head = &reply[..reply.len() - 2];
            prop_assert!(!head.contains(&0));
            prop_assert!(head.split(|&b| b == b'\n').all(|line| line.is_empty() || line.ends_with(b"\r")));
            prop_assert!(!head.windows(4).any(|w| w == b"\r\n\r\n"));
        }
        Err(ParseError::Junk(_)) => {}
    }
    Ok(())
}

/// An edit of a message: where (in thousandths), what goes, what comes.
fn edit() -> impl Strategy<Value = (usize, usize, Vec<u8>)> {
    let piece = prop_oneof![
        4 => prop::collection::vec(prop::sample::select(&b"\r\n\t :;,=<>\"\\@?/[]%*\0\xff9aZ"[..]), 0..4),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => prop::sample::select(&["\r\n\r\n", "\r\n ", "To: <sip:x@y>\r\n", "l: 3\r\n", "SIP/2.0", ",,", ";;"][..])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    (0..1000_usize, prop_oneof![Just(0), Just(1), 0..20_usize], piece)
}

fn edited() -> impl Strategy<Value = Bytes> {
    (prop::sample::select(&[INVITE, OK][..]), prop::collection::vec(edit(), 1..4)).prop_map(
        |(text, edits)| {
            let mut bytes = text.as_bytes().to_vec();
            for (place, gone, come) in edits {
                let at = bytes.len() * place / 1000;
                let end = (at + gone).min(bytes.len());
                bytes.splice(at..end, come);
            }
            bytes.into()
        },
    )
}

/// Text of what could do harm.
fn nasty() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,20}", "[ -~]{0,20}", "[\r\n\0\\\\\"<>;:@, aü]{0,12}"]
}

#[derive(PartialEq, Debug)]
enum Seen {
    Message(Bytes),
    Error(&'static str),
}

/// Messages and the error of a stream; keep-alives depend on the pieces that they come in.
fn frames<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> Vec<Seen> {
    let mut framer = Framer::default();
    let mut seen = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(bytes))) => seen.push(Seen::Message(bytes)),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    seen.push(Seen::Error(error.why));
                    return seen;
                }
            }
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check(bytes.clone().into())?;
        frames(bytes.chunks(7));
    }

    #[test]
    fn edited_messages_do_no_harm(bytes in edited()) {
        check(bytes)?;
    }

    #[test]
    fn values_of_any_text_do_no_harm(text in nasty(), list in "[a:@;=,<>\"\\\\\\[\\]/.1 ?%*sip]{0,24}") {
        read_value(&text);
        read_value(&list);
        read_value(&format!("sip:{list}"));
        read_value(&format!("Digest {list}"));
    }

    #[test]
    fn what_is_written_parses_back(
        display in nasty(), user in nasty(), extra in nasty(), reason in nasty(), body in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let from = format!("{}<sip:{}@example.com>;tag=a", quote_display(&display), escape_user(&user));
        let mut w = Writer::request("INVITE", &format!("sip:{}@example.org", escape_user(&user)));
        w.header(Header::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1").header(Header::From, from);
        w.header(Header::To, "<sip:b@example.org>").header(Header::CallId, "c").header(Header::CSeq, "1 INVITE");
        w.named("X-Extra", &extra).header(Header::Server, &extra);
        let m = Message::parse(w.finish_with("text/plain", &body)).unwrap();
        prop_assert_eq!(m.lines().count(), 9);
        prop_assert_eq!(m.body(), &body[..]);
        let expected: String = extra.chars().filter(|c| !"\r\n\0".contains(*c)).collect();
        if !extra.contains('\\') {
            prop_assert_eq!(m.header_named("X-Extra").unwrap(), expected.trim_matches([' ', '\t']));
        }
        let shown: String = display.trim().chars().filter(|c| !c.is_control()).collect();
        prop_assert_eq!(m.from().display().unwrap_or_default(), shown);
        if !user.is_empty() {
            prop_assert_eq!(m.request_uri().unwrap().user_unescaped().unwrap(), user.as_str());
            prop_assert_eq!(m.from().uri().user_unescaped().unwrap(), user);
        }
        let reply = Message::parse(Writer::reply(&m, source(), 404, &reason, Some("t")).finish()).unwrap();
        prop_assert_eq!(reply.lines().count(), 6);
        prop_assert_eq!(reply.from().display(), m.from().display());
    }

    #[test]
    fn a_stream_in_any_pieces_gives_the_same_messages(
        bodies in prop::collection::vec("[a\r\n]{0,30}", 1..4), sizes in prop::collection::vec(1..200_usize, 1..30), edit in prop::option::of(edit()),
    ) {
        let mut stream = Vec::new();
        for body in &bodies {
            stream.extend(INVITE.replace("Length: 5\r\n\r\nv=0\r\n", &format!("Length: {}\r\n\r\n{body}", body.len())).bytes());
        }
        if let Some((place, gone, come)) = edit {
            let at = stream.len() * place / 1000;
            let end = (at + gone).min(stream.len());
            stream.splice(at..end, come);
        }
        let mut rest = &stream[..];
        let pieces = sizes.iter().cycle().map_while(|&size| {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(frames(pieces), frames([&stream[..]].into_iter()));
    }

    #[test]
    fn parser_and_framer_agree_where_a_message_ends(bytes in edited()) {
        for seen in frames([&bytes[..]].into_iter()) {
            if let Seen::Message(frame) = seen
                && let Ok(m) = Message::parse(frame.clone())
            {
                prop_assert!(frame.ends_with(m.body()));
                let head = frame.len() - m.body().len();
                prop_assert!(frame[..head].ends_with(b"\r\n\r\n"));
                prop_assert!(!frame[..head - 2].windows(4).any(|w| w == b"\r\n\r\n"));
            }
        }
    }
}
