//! The torture tests of RFC 4475, as far as a parser decides them: one test a section, named after it.

use std::net::SocketAddr;

use bytes::Bytes;
use tandem_sip_msg::*;

macro_rules! message {
    ($name:literal) => {
        Bytes::from_static(include_bytes!(concat!("rfc4475/", $name, ".dat")))
    };
}

/// The message is well formed.
fn sound(bytes: Bytes) -> Message {
    Message::parse(bytes).expect("a sound message")
}

/// The message is refused with this status, and the answer to it is a sound response to it.
#[track_caller]
fn refused(bytes: Bytes, expected: u16) -> &'static str {
    let source: SocketAddr = "192.0.2.77:5099".parse().unwrap();
    match Message::parse(bytes) {
        Err(ParseError::Refuse { message, status, why }) => {
            assert_eq!(status, expected, "{why}");
            let answer = Writer::reply(&message, source, status, why, Some("ours")).finish();
            assert!(answer.starts_with(format!("SIP/2.0 {status} {why}\r\nVia: ").as_bytes()), "{answer:?}");
            why
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn junk(bytes: Bytes) -> &'static str {
    match Message::parse(bytes) {
        Err(ParseError::Junk(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn s3_1_1_1_short_tortuous_invite() {
    let m = sound(message!("wsinv"));
    assert_eq!(m.method(), Method::Invite);
    assert_eq!(m.from_tag(), Some("98asjd8"));
    assert_eq!(m.to_tag(), Some("1918181833n"));
    assert_eq!(m.from().display().unwrap(), "J Rosenberg \\\"");
    assert_eq!(m.max_forwards(), Some(68));
    assert_eq!(m.cseq(), 9);
    let hops: Vec<_> = m.vias().map(|v| (v.transport().unwrap(), v.host().to_string(), v.branch())).collect();
    assert_eq!(
        hops,
        [
            (Transport::Udp, "192.0.2.2".into(), Some("390skdjuw")),
            (Transport::Tcp, "spindle.example.com".into(), Some("z9hG4bK9ikj8")),
            (Transport::Udp, "192.168.255.111".into(), Some("z9hG4bK30239")),
        ]
    );
    let contact = m.contact().unwrap();
    assert_eq!(contact.display().unwrap(), "Quoted string \"\"");
    assert_eq!(contact.params().get("newparam"), Some("newvalue"));
    assert_eq!(contact.params().get("secondparam"), Some(""));
    assert_eq!(contact.params().get("q"), Some("0.33"));
    assert_eq!(m.header_named("Subject"), Some(""));
    assert_eq!(m.header_named("newfangledheader"), Some("newfangled value   continued newfangled value"));
    assert_eq!(m.header_named("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    let route = NameAddr::parse(m.header(Header::Route).unwrap()).unwrap();
    assert!(route.uri().params().has("lr"));
    assert_eq!(m.body().len(), 150);
}

#[test]
fn s3_1_1_2_wide_range_of_valid_characters() {
    let m = sound(message!("intmeth"));
    assert_eq!(m.method(), Method::Other);
    assert_eq!(m.method_name(), "!interesting-Method0123456789_*+`.%indeed'~");
    let uri = m.request_uri().unwrap();
    assert_eq!(uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(uri.host(), Host::Name("example.com"));
    assert_eq!(uri.headers(), None);
    assert_eq!(m.to().display().unwrap(), "BEL:\x07 NUL:\0 DEL:\x7f");
    assert_eq!(m.from().display().unwrap(), "token1~` token2'+_ token3*%!.-");
    assert_eq!(m.from_tag(), Some("_token~1'+`*%!-."));
    assert_eq!(m.from().params().get("fromParam''~+*_!.-%"), Some("работающий"));
    assert_eq!(m.header_named("extensionHeader-!.%*+_`'~"), Some("\u{feff}大停電"));
    assert_eq!(m.max_forwards(), Some(255));
}

#[test]
fn s3_1_1_3_valid_use_of_the_percent_escape() {
    let m = sound(message!("esc01"));
    let uri = m.request_uri().unwrap();
    assert_eq!(uri.scheme(), Scheme::Sip);
    assert_eq!(uri.user(), Some("sips%3Auser%40example.com"));
    assert_eq!(uri.user_unescaped().unwrap(), "sips:user@example.com");
    assert_eq!(uri.host(), Host::Name("example.net"));
    assert_eq!(m.from().uri().user_unescaped().unwrap(), "I have spaces");
    let contact = m.contact().unwrap().uri();
    assert!(contact.equivalent(&Uri::parse("sip:caller@host5.example.net;lr;name=value%25%34%31").unwrap()));
}

#[test]
fn s3_1_1_4_escaped_nulls_in_uris() {
    let m = sound(message!("escnull"));
    let contacts: Vec<_> = m.headers(Header::Contact).map(|c| NameAddr::parse(c).unwrap().uri()).collect();
    assert_eq!(contacts[0].user_unescaped().unwrap(), "\0");
    assert_eq!(contacts[1].user_unescaped().unwrap(), "\0\0");
    assert!(!contacts[0].equivalent(&contacts[1]));
}

#[test]
fn s3_1_1_5_use_of_percent_when_it_is_not_an_escape() {
    let m = sound(message!("esc02"));
    assert_eq!(m.method(), Method::Other);
    assert_eq!(m.method_name(), "RE%47IST%45R");
    assert_eq!(m.to().display().unwrap(), "%Z%45");
    assert_eq!(m.headers(Header::Contact).count(), 2);
}

#[test]
fn s3_1_1_6_no_lws_between_display_name_and_bracket() {
    let m = sound(message!("lwsdisp"));
    assert_eq!(m.from().display().unwrap(), "caller");
    assert_eq!(m.from().uri().as_str(), "sip:caller@example.com");
}

#[test]
fn s3_1_1_7_long_values_in_header_fields() {
    let m = sound(message!("longreq"));
    assert_eq!(m.vias().count(), 34);
    assert_eq!(m.top_via().host(), Host::Name("sip33.example.com"));
    assert!(m.vias().last().unwrap().branch().unwrap().ends_with("longbranchvalue"));
    assert_eq!(m.to().uri().port(), Some(6000));
    assert_eq!(m.from_tag().unwrap().len(), 253);
}

#[test]
fn s3_1_1_8_extra_trailing_octets_in_a_datagram() {
    let m = sound(message!("dblreq"));
    assert_eq!(m.method(), Method::Register);
    assert_eq!(m.body(), b"");
    assert_eq!(m.vias().count(), 1);
}

#[test]
fn s3_1_1_9_semicolon_separated_parameters_in_user_part() {
    let m = sound(message!("semiuri"));
    let uri = m.request_uri().unwrap();
    assert_eq!(uri.user_unescaped().unwrap(), "user;par=u@example.net");
    assert!(!uri.params().has("par"));
    assert_eq!(m.headers(Header::Accept).count(), 6);
}

#[test]
fn s3_1_1_10_varied_and_unknown_transport_types() {
    let m = sound(message!("transports"));
    let transports: Vec<_> = m.vias().map(|via| via.transport()).collect();
    assert_eq!(transports, [Some(Transport::Udp), None, Some(Transport::Tls), None, Some(Transport::Tcp)]);
}

#[test]
fn s3_1_1_11_multipart_body_with_binary() {
    let mut bytes = b"MESSAGE sip:kumiko@example.org SIP/2.0\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport\r\n\
        Max-Forwards: 70\r\nFrom: <sip:fluffy@example.com>;tag=2fb0dcc9\r\nTo: <sip:kumiko@example.org>\r\n\
        Call-ID: 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..\r\nCSeq: 1 MESSAGE\r\n\
        Content-Type: multipart/mixed;boundary=7a9cbec02ceef655\r\nContent-Length: 17\r\n\r\n"
        .to_vec();
    let body = b"--7a\0\r\xff\n\r\n\r\n--x--";
    bytes.extend_from_slice(body);
    assert_eq!(sound(bytes.into()).body(), body);
}

#[test]
fn s3_1_1_12_unusual_reason_phrase() {
    let m = sound(message!("unreason"));
    assert_eq!(m.code(), Some(200));
    assert!(m.reason_phrase().starts_with("= 2**3 * 5**2 но сто"));
}

#[test]
fn s3_1_1_13_empty_reason_phrase() {
    let m = sound(message!("noreason"));
    assert_eq!((m.code(), m.reason_phrase()), (Some(100), ""));
}

#[test]
fn s3_1_2_1_extraneous_header_field_separators() {
    assert_eq!(refused(message!("badinv01"), 400), "Missing or Malformed Via");
}

#[test]
fn s3_1_2_2_content_length_larger_than_message() {
    assert_eq!(refused(message!("clerr"), 400), "Body Shorter than Content-Length");
}

#[test]
fn s3_1_2_3_negative_content_length() {
    assert_eq!(refused(message!("ncl"), 400), "Malformed Content-Length");
}

#[test]
fn s3_1_2_4_request_scalar_fields_with_overlarge_values() {
    assert_eq!(refused(message!("scalar02"), 400), "Missing or Malformed CSeq");
}

#[test]
fn s3_1_2_5_response_scalar_fields_with_overlarge_values() {
    junk(message!("scalarlg"));
}

#[test]
fn s3_1_2_6_unterminated_quoted_string_in_display_name() {
    assert_eq!(refused(message!("quotbal"), 400), "Missing or Malformed To");
}

#[test]
fn s3_1_2_7_brackets_enclosing_request_uri() {
    assert_eq!(refused(message!("ltgtruri"), 400), "Malformed Request-URI");
}

#[test]
fn s3_1_2_8_malformed_request_uri_with_embedded_lws() {
    assert_eq!(refused(message!("lwsruri"), 400), "Malformed Request-URI");
}

#[test]
fn s3_1_2_9_multiple_spaces_separating_request_line_elements() {
    refused(message!("lwsstart"), 400);
}

#[test]
fn s3_1_2_10_spaces_at_the_end_of_the_request_line() {
    assert_eq!(refused(message!("trws"), 400), "Malformed Request Line");
}

#[test]
fn s3_1_2_11_escaped_headers_in_request_uri() {
    assert_eq!(refused(message!("escruri"), 400), "Headers in Request-URI");
}

#[test]
fn s3_1_2_12_invalid_time_zone_in_date() {
    // Nothing here reads dates for their meaning.
    assert_eq!(sound(message!("baddate")).header(Header::Date), Some("Fri, 01 Jan 2010 16:00:00 EST"));
}

#[test]
fn s3_1_2_13_failure_to_enclose_name_addr_uri_in_brackets() {
    assert_eq!(refused(message!("regbadct"), 400), "Malformed Contact");
}

#[test]
fn s3_1_2_14_spaces_within_addr_spec() {
    // The spaces stand at the rim of the brackets only, so that there is one way to read it.
    assert_eq!(sound(message!("badaspec")).to().uri().as_str(), "sip:t.watson@example.org");
}

#[test]
fn s3_1_2_15_non_token_characters_in_display_name() {
    let m = sound(message!("baddn"));
    assert_eq!(m.from().display().unwrap(), "Bell, Alexander");
    assert_eq!(m.from().uri().user(), Some("a.g.bell"));
}

#[test]
fn s3_1_2_16_unknown_protocol_version() {
    assert_eq!(refused(message!("badvers"), 505), "Version Not Supported");
}

#[test]
fn s3_1_2_17_start_line_and_cseq_method_mismatch() {
    assert_eq!(refused(message!("mismatch01"), 400), "CSeq Method Mismatch");
}

#[test]
fn s3_1_2_18_unknown_method_with_cseq_method_mismatch() {
    assert_eq!(refused(message!("mismatch02"), 400), "CSeq Method Mismatch");
}

#[test]
fn s3_1_2_19_overlarge_response_code() {
    assert_eq!(junk(message!("bigcode")), "bad status code");
}

#[test]
fn s3_2_1_missing_transaction_identifier() {
    assert_eq!(sound(message!("badbranch")).top_via().branch(), Some("z9hG4bK"));
}

#[test]
fn s3_3_1_missing_required_header_fields() {
    refused(message!("insuf"), 400);
}

#[test]
fn s3_3_2_request_uri_with_unknown_scheme() {
    let m = sound(message!("unkscm"));
    assert_eq!(m.request_uri().unwrap().scheme(), Scheme::Other);
    assert_eq!(m.request_uri().unwrap().as_str(), "nobodyKnowsThisScheme:totallyopaquecontent");
}

#[test]
fn s3_3_3_request_uri_with_known_but_atypical_scheme() {
    let m = sound(message!("novelsc"));
    assert_eq!(m.request_uri().unwrap().scheme(), Scheme::Other);
    assert_eq!(m.request_uri().unwrap().host(), Host::Name(""));
}

#[test]
fn s3_3_4_unknown_uri_schemes_in_header_fields() {
    let m = sound(message!("unksm2"));
    assert_eq!(m.to().uri().as_str(), "isbn:2983792873");
    assert_eq!(m.from().uri().as_str(), "http://www.example.com");
    assert_eq!(m.contact().unwrap().uri().scheme(), Scheme::Other);
}

#[test]
fn s3_3_5_proxy_require_and_require() {
    let m = sound(message!("bext01"));
    let tags: Vec<_> = m.headers(Header::Require).collect();
    assert_eq!(tags, ["nothingSupportsThis", "nothingSupportsThisEither"]);
    assert_eq!(m.headers(Header::ProxyRequire).count(), 2);
}

#[test]
fn s3_3_6_unknown_content_type() {
    let bytes = Bytes::from_static(
        b"INVITE sip:user@example.com SIP/2.0\r\nContact: <sip:caller@host5.example.net>\r\n\
        To: sip:j.user@example.com\r\nFrom: sip:caller@example.net;tag=8392034\r\nMax-Forwards: 70\r\n\
        Call-ID: invut.0ha0isndaksdjadsfij34n23d\r\nCSeq: 235448 INVITE\r\n\
        Via: SIP/2.0/UDP somehost.example.com;branch=z9hG4bKkdjuw\r\nContent-Type: application/unknownformat\r\n\
        Content-Length: 8\r\n\r\n<audio/>",
    );
    let m = sound(bytes);
    assert_eq!(m.content_type(), Some("application/unknownformat"));
    assert_eq!(m.body(), b"<audio/>");
}

#[test]
fn s3_3_7_unknown_authorization_scheme() {
    let m = sound(message!("regaut01"));
    let value = m.header(Header::Authorization).unwrap();
    assert_eq!(value, "NoOneKnowsThisScheme opaque-data=here");
    assert_eq!(Credentials::parse(value), None);
}

#[test]
fn s3_3_8_multiple_values_in_single_value_required_fields() {
    refused(message!("multi01"), 400);
}

#[test]
fn s3_3_9_multiple_content_length_values() {
    assert_eq!(refused(message!("mcl01"), 400), "Two Content-Length Headers");
    let mut framer = Framer::default();
    framer.push(&message!("mcl01"));
    let error = framer.next().unwrap_err();
    assert_eq!(error.why, "Two Content-Length Headers");
    refused(error.head.unwrap(), 400);
}

#[test]
fn s3_3_10_200_ok_response_with_broadcast_via() {
    // That a response with two Vias is not ours is for the layer that knows what it sent.
    let m = sound(message!("bcast"));
    assert_eq!(m.vias().count(), 2);
}

#[test]
fn s3_3_11_max_forwards_of_zero() {
    assert_eq!(sound(message!("zeromf")).max_forwards(), Some(0));
}

#[test]
fn s3_3_12_register_with_a_contact_header_parameter() {
    let m = sound(message!("cparam01"));
    let contact = m.contact().unwrap();
    assert!(contact.params().has("unknownparam"));
    assert!(!contact.uri().params().has("unknownparam"));
}

#[test]
fn s3_3_13_register_with_a_url_parameter() {
    let m = sound(message!("cparam02"));
    let contact = m.contact().unwrap();
    assert!(!contact.params().has("unknownparam"));
    assert!(contact.uri().params().has("unknownparam"));
}

#[test]
fn s3_3_14_register_with_a_url_escaped_header() {
    let m = sound(message!("regescrt"));
    assert_eq!(m.contact().unwrap().uri().headers(), Some("Route=%3Csip:sip.example.com%3E"));
    assert_eq!(m.header(Header::Route), None);
}

#[test]
fn s3_3_15_unacceptable_accept_offering() {
    assert_eq!(sound(message!("sdp01")).header(Header::Accept), Some("text/nobodyKnowsThis"));
}

#[test]
fn s3_4_1_invite_with_rfc2543_syntax() {
    let m = sound(message!("inv2543"));
    assert_eq!((m.from_tag(), m.to_tag(), m.max_forwards()), (None, None, None));
    assert_eq!(m.top_via().branch(), None);
    assert_eq!(m.to().params().get("user"), Some("phone"));
    assert!(m.body().starts_with(b"v=0\r\n"), "the body goes to the end without a Content-Length");
}
