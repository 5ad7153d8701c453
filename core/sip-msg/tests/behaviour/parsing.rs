//! Heads: what is taken, what is refused, what is not even answered.

use tandem_sip_msg::{Header, Method, Writer};

use crate::{junk, parse, refusal, request, sound, why};

const OK: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa1\r\n\
    From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>;tag=b\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n\r\n";

#[test]
fn a_request_tells_its_parts() {
    let m = sound(request("INVITE", "Content-Type: text/plain\r\n", "hello"));
    assert!(m.is_request());
    assert_eq!((m.method(), m.method_name()), (Method::Invite, "INVITE"));
    assert_eq!(m.request_uri().unwrap().as_str(), "sip:bob@example.com");
    assert_eq!((m.code(), m.reason_phrase()), (None, ""));
    assert_eq!((m.call_id(), m.cseq(), m.max_forwards()), ("c1@example.com", 7, Some(70)));
    assert_eq!((m.from_tag(), m.to_tag()), (Some("a"), None));
    assert_eq!((m.content_type(), m.body()), (Some("text/plain"), &b"hello"[..]));
    assert_eq!(m.body_bytes(), "hello");
    assert_eq!(m.as_bytes().len(), request("INVITE", "Content-Type: text/plain\r\n", "hello").len());
}

#[test]
fn a_response_tells_its_parts() {
    let m = sound(OK);
    assert!(!m.is_request());
    assert_eq!((m.code(), m.reason_phrase()), (Some(200), "OK"));
    assert_eq!((m.method(), m.method_name(), m.cseq()), (Method::Invite, "INVITE", 7));
    assert!(m.request_uri().is_none());
    assert_eq!(m.to_tag(), Some("b"));
}

#[test]
fn a_reason_phrase_may_be_missing_with_its_space() {
    assert_eq!(sound(OK.replace("200 OK", "200")).reason_phrase(), "");
}

#[test]
fn broken_responses_are_junk() {
    for (good, broken) in [
        ("200 OK", "99 OK"),
        ("200 OK", "700 OK"),
        ("200 OK", "2000 OK"),
        ("200 OK", "+20 OK"),
        ("SIP/2.0", "SIP/3.0"),
        ("Via: SIP", "Vie: SIP"),
        ("Call-ID: c1\r\n", ""),
        ("From: <sip:alice@example.com>;tag=a", "From: nobody"),
        ("CSeq: 7 INVITE", "CSeq: 7"),
        ("CSeq: 7 INVITE", "CSeq: 2147483648 INVITE"),
        ("To: ", "From: <sip:x@y>\r\nTo: "),
    ] {
        assert!(OK.contains(good));
        junk(OK.replacen(good, broken, 1));
    }
}

#[test]
fn a_response_with_an_odd_contact_is_kept_for_the_sake_of_the_call() {
    let m = sound(OK.replace("CSeq", "Contact: <sip:x@y>;;;\r\nCSeq"));
    assert!(m.contact().is_none());
}

#[test]
fn keep_alives_are_no_messages() {
    for bytes in [&b""[..], b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0", b"  \r\n"] {
        assert_eq!(junk(bytes), "keep-alive");
    }
}

#[test]
fn what_is_not_sip_is_junk() {
    for text in [
        "GET / HTTP/1.1\r\n\r\n",
        "INVITE sip:bob@example.com\r\n\r\n",
        "hello",
        "\u{1}\u{2}\r\n\r\n",
        "SIP/2.0",
    ] {
        junk(text);
    }
}

#[test]
fn a_request_without_a_usable_via_cannot_be_answered() {
    junk(request("INVITE", "", "").replace("Via:", "Vai:"));
    junk(request("INVITE", "", "").replace("SIP/2.0/UDP 192.0.2.1:5062", "SIP/2.0/UDP"));
    junk(request("INVITE", "", "").replace("192.0.2.1:5062", "192.0.2.1:99999"));
}

#[test]
fn a_broken_ack_is_never_answered() {
    assert_eq!(junk(request("ACK", "Content-Length: 9\r\n", "")), "broken ACK");
}

#[test]
fn empty_lines_before_the_start_line_are_ignored() {
    assert_eq!(sound(format!("\r\n\r\n{}", request("OPTIONS", "", ""))).method(), Method::Options);
}

#[test]
fn bare_line_feeds_end_lines_in_datagrams() {
    let m = sound(request("INVITE", "Subject: hi\r\n", "v=0\r\n").replace("\r\n", "\n"));
    assert_eq!(m.header_named("subject"), Some("hi"));
    assert_eq!(m.body(), b"v=0\n");
}

#[test]
fn a_bare_carriage_return_is_refused_for_it_ends_lines_in_some_parsers() {
    assert_eq!(why(request("INVITE", "Subject: a\rRoute: <sip:evil.example>\r\n", "")), "Bare CR in Head");
    assert_eq!(why(request("INVITE", "Subject: a\r\r\n", "")), "Bare CR in Head");
}

#[test]
fn a_nul_is_refused_unless_it_is_escaped() {
    assert_eq!(why(request("INVITE", "Subject: a\0b\r\n", "")), "NUL in Head");
    assert_eq!(why(request("INVITE", "Subject: a\\\\\0b\r\n", "")), "NUL in Head");
    sound(request("INVITE", "Subject: \"a\\\0b\"\r\n", ""));
    assert_eq!(why(request("INVITE", "Subject: \"a\\\\\0b\"\r\n", "")), "NUL in Head");
    assert_eq!(why(request("INVITE", "Subject: \"a\"\\\0b\r\n", "")), "NUL in Head");
    sound(request("INVITE", "Subject: \"a\\\0\\\0\r\n b\\\0\"\r\n", ""));
    sound(request("INVITE", "", "a\0b"));
}

#[test]
fn what_names_a_dialog_or_transaction_is_visible_text() {
    for bad in ["a b", "a\u{1}b", "\"\\\0\""] {
        assert_eq!(
            why(request("INVITE", "", "").replace("c1@example.com", bad)),
            "Missing or Malformed Call-ID"
        );
        assert_eq!(why(request("INVITE", "", "").replace("z9hG4bKa1", bad)), "Missing or Malformed Via");
        assert_eq!(
            why(request("INVITE", "", "").replace("tag=a", &format!("tag={bad}"))),
            "Missing or Malformed From"
        );
    }
}

#[test]
fn a_head_that_is_not_utf8_is_refused_and_its_sound_parts_read() {
    let mut bytes = request("INVITE", "Subject: X\r\n", "").into_bytes();
    let at = bytes.iter().position(|&b| b == b'X').unwrap();
    bytes[at] = 0xff;
    let (status, why, m) = refusal(bytes);
    assert_eq!((status, why), (400, "Head Is Not UTF-8"));
    assert_eq!((m.call_id(), m.from_tag(), m.method()), ("c1@example.com", Some("a"), Method::Invite));
}

#[test]
fn white_space_around_colons_and_values_does_not_matter() {
    let m = sound(request("INVITE", "Subject \t:  hi there \t \r\nX:y\r\nZ:\r\n", ""));
    assert_eq!(m.header_named("Subject"), Some("hi there"));
    assert_eq!((m.header_named("x"), m.header_named("Z")), (Some("y"), Some("")));
}

#[test]
fn folds_read_as_spaces_and_the_bytes_stay_as_they_came() {
    let text = request("INVITE", "Subject: one\r\n two\r\n\tthree\r\n", " body\r\n starts with a space");
    let m = sound(text.as_str());
    assert_eq!(m.header_named("Subject"), Some("one   two  \tthree"));
    assert_eq!(m.body(), b" body\r\n starts with a space");
    assert_eq!(m.as_bytes(), text.as_bytes());
    assert_eq!(m.from_tag(), Some("a"));
}

#[test]
fn folds_work_with_bare_line_feeds_too() {
    let m = sound(request("INVITE", "Subject: one\n two\n", "").replace("\r\n", "\n"));
    assert_eq!(m.header_named("Subject"), Some("one  two"));
}

#[test]
fn a_content_length_may_be_folded() {
    assert_eq!(sound(request("INVITE", "Content-Length:\r\n  3\r\n", "abcdef")).body(), b"abc");
}

#[test]
fn a_line_without_a_colon_or_a_name_is_refused() {
    for line in ["Foobar roobar\r\n", ": x\r\n", "Sub ject: x\r\n", "Sub<ject: x\r\n"] {
        assert_eq!(why(request("INVITE", line, "")), "Malformed Header Line", "{line}");
    }
}

#[test]
fn a_head_without_an_end_is_refused() {
    let text = request("INVITE", "", "");
    assert_eq!(why(text.trim_end().to_owned() + "\r\n"), "Head Does Not End");
}

#[test]
fn headers_that_may_stand_once_are_refused_twice() {
    for (line, reason) in [
        ("From: <sip:alice@example.com>;tag=a", "Two From Headers"),
        ("t: <sip:x@example.com>", "Two To Headers"),
        ("i: other", "Two Call-ID Headers"),
        ("CSEQ: 7 INVITE", "Two CSeq Headers"),
        ("max-forwards: 70", "Two Max-Forwards Headers"),
        ("Content-Length: 0\r\nl: 0", "Two Content-Length Headers"),
    ] {
        assert_eq!(why(request("INVITE", &format!("{line}\r\n"), "")), reason);
    }
}

#[test]
fn mandatory_headers_are_missed() {
    for (name, reason) in [
        ("From: ", "Missing or Malformed From"),
        ("To: ", "Missing or Malformed To"),
        ("Call-ID: ", "Missing or Malformed Call-ID"),
        ("CSeq: ", "Missing or Malformed CSeq"),
    ] {
        let (status, why, m) = refusal(request("INVITE", "", "").replace(&format!("\n{name}"), "\nX-Gone: "));
        assert_eq!((status, why), (400, reason));
        assert_eq!(m.top_via().branch(), Some("z9hG4bKa1"));
    }
}

#[test]
fn request_lines_have_one_space_between_their_parts() {
    let good = "INVITE sip:bob@example.com SIP/2.0";
    for (line, status) in [
        ("INVITE  sip:bob@example.com SIP/2.0", 400),
        ("INVITE sip:bob@example.com  SIP/2.0", 400),
        ("INVITE sip:bob@example.com SIP/2.0 ", 400),
        (" INVITE sip:bob@example.com SIP/2.0", 400),
        ("INVITE SIP/2.0", 400),
        ("INV<ITE sip:bob@example.com SIP/2.0", 400),
        ("INVITE <sip:bob@example.com> SIP/2.0", 400),
        ("INVITE sip:bob@exam\u{7}ple.com SIP/2.0", 400),
        ("INVITE sip:bob@example.com;a b SIP/2.0", 400),
        ("INVITE sip:bob@example.com?Route=x SIP/2.0", 400),
        ("INVITE bob SIP/2.0", 400),
        ("INVITE sip:bob@example.com SIP/1.0", 505),
        ("INVITE sip:bob@example.com SIP/2.00", 505),
    ] {
        let (found, why, m) = refusal(request("INVITE", "", "").replacen(good, line, 1));
        assert_eq!(found, status, "{line}: {why}");
        assert_eq!(m.call_id(), "c1@example.com");
    }
}

#[test]
fn the_version_is_read_in_any_case() {
    sound(request("INVITE", "", "").replacen("SIP/2.0", "sip/2.0", 1));
}

#[test]
fn cseq_counts_to_two_to_the_31st() {
    let with = |value: &str| request("INVITE", "", "").replace("CSeq: 7 INVITE", &format!("CSeq: {value}"));
    assert_eq!(sound(with("2147483647 INVITE")).cseq(), 2_147_483_647);
    assert_eq!(sound(with("0000000007\t INVITE")).cseq(), 7);
    for bad in [
        "2147483648 INVITE",
        "4294967303 INVITE",
        "18446744073709551623 INVITE",
        "-1 INVITE",
        "7INVITE",
        "INVITE",
        "7",
        " INVITE",
        "7 INVITE x",
    ] {
        assert_eq!(why(with(bad)), "Missing or Malformed CSeq", "{bad}");
    }
    assert_eq!(why(with("7 Invite")), "CSeq Method Mismatch");
}

#[test]
fn max_forwards_is_a_number_up_to_255() {
    let with = |value: &str| request("INVITE", "", "").replace("Forwards: 70", &format!("Forwards: {value}"));
    assert_eq!(sound(with("255")).max_forwards(), Some(255));
    assert_eq!(sound(with("000")).max_forwards(), Some(0));
    assert_eq!(sound(request("INVITE", "", "").replace("Max-Forwards: 70\r\n", "")).max_forwards(), None);
    for bad in ["256", "4294967296", "-1", "", "7 0", "x"] {
        assert_eq!(why(with(bad)), "Malformed Max-Forwards", "{bad}");
    }
}

#[test]
fn an_overlarge_expires_is_as_large_as_can_be() {
    let with = |value: &str| sound(request("REGISTER", &format!("Expires: {value}\r\n"), "")).expires();
    assert_eq!(with("3600"), Some(3600));
    assert_eq!(with("4294967295"), Some(u32::MAX));
    assert_eq!(with("100000000000000000000000000"), Some(u32::MAX));
    assert_eq!(with("soon"), None);
}

#[test]
fn content_length_cuts_the_body() {
    let with = |value: &str| request("INVITE", &format!("Content-Length: {value}\r\n"), "abcdef");
    assert_eq!(sound(with("0")).body(), b"");
    assert_eq!(sound(with("006")).body(), b"abcdef");
    assert_eq!(sound(with("3")).body_bytes(), "abc");
    for bad in ["7", "4294967296", "99999999999999999999999"] {
        assert_eq!(why(with(bad)), "Body Shorter than Content-Length", "{bad}");
    }
    for bad in ["-1", "+3", "3,3", "3 3", "0x3", ""] {
        assert_eq!(why(with(bad)), "Malformed Content-Length", "{bad}");
    }
}

#[test]
fn unterminated_quotes_are_refused_where_addresses_stand() {
    for line in ["Contact: \"Bob <sip:bob@example.com>\r\n", "Contact: <sip:bob@example.com>;x=\"y\r\n"] {
        assert_eq!(why(request("INVITE", line, "")), "Malformed Contact", "{line}");
    }
    let from = request("INVITE", "", "").replace("From: <", "From: \"A <");
    assert_eq!(why(from), "Missing or Malformed From");
}

#[test]
fn contacts_of_requests_have_to_be_addresses_or_a_star() {
    sound(request("REGISTER", "Contact: *\r\n", ""));
    sound(request("REGISTER", "Contact: <sip:a@b>;q=0.5, \"x, y\" <sip:c@d;x=1>,sip:e@f\r\n", ""));
    for bad in [
        "<sip:a@b>;;x",
        "<sip:a@b>,,<sip:c@d>",
        "sip:a@b?Route=%3Csip:x%3E",
        "<sip:a@b",
        "Bell, Alex <sip:a@b>",
        "",
    ] {
        assert_eq!(
            why(request("REGISTER", &format!("Contact: {bad}\r\n"), "")),
            "Malformed Contact",
            "{bad}"
        );
    }
}

#[test]
fn vias_below_the_top_may_be_odd_but_not_empty() {
    sound(request("INVITE", "Via: SIP/2.0/X y;;(old style)\r\n", ""));
    assert_eq!(why(request("INVITE", "Via: SIP/2.0/UDP y, ,\r\n", "")), "Missing or Malformed Via");
}

#[test]
fn a_tag_or_branch_given_twice_has_two_readings() {
    assert_eq!(why(request("INVITE", "", "").replace("tag=a", "tag=a;TAG=b")), "Missing or Malformed From");
    assert_eq!(why(request("INVITE", "", "").replace("tag=a", "tag=")), "Missing or Malformed From");
    let twice = request("INVITE", "", "").replace("branch=z9hG4bKa1", "branch=z9hG4bKa1;branch=z9hG4bKa2");
    assert_eq!(why(twice), "Missing or Malformed Via");
}

#[test]
fn what_is_refused_can_still_be_answered() {
    let text = request("INVITE", "", "").replace("rport", ";rport").replace("From: <", "From: \"");
    let (status, why, m) = refusal(text);
    let reply = Writer::reply(&m, "198.51.100.1:5999".parse().unwrap(), status, why, Some("t")).finish();
    let reply = String::from_utf8(reply.to_vec()).unwrap();
    assert_eq!(
        reply,
        "SIP/2.0 400 Missing or Malformed Via\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa1;received=198.51.100.1\r\n\
         From: \"sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>;tag=t\r\nCall-ID: c1@example.com\r\n\
         CSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn a_head_has_at_most_256_lines_and_64_kib() {
    let lines = |n: usize| "X: y\r\n".repeat(n);
    assert_eq!(sound(request("INVITE", &lines(250), "")).lines().count(), 256);
    assert_eq!(why(request("INVITE", &lines(251), "")), "Too Many Header Lines");
    let (status, why, _) = refusal(request("INVITE", &format!("X: {}\r\n", "y".repeat(70_000)), ""));
    assert_eq!((status, why), (513, "Head Too Large"));
    let (status, ..) =
        refusal(request("INVITE", &format!("X: {}\r\n {}\r\n", "y".repeat(60_000), "y".repeat(9_000)), ""));
    assert_eq!(status, 513);
    sound(request("INVITE", &format!("X: {}\r\n", "y".repeat(65_000)), &"b".repeat(100_000)));
}

#[test]
fn debug_output_shows_neither_credentials_nor_body() {
    let m = sound(request("INVITE", "Authorization: Digest secret\r\n", "secret"));
    assert_eq!(format!("{m:?}"), "INVITE sip:bob@example.com (Call-ID \"c1@example.com\")");
    assert_eq!(format!("{:?}", sound(OK)), "200 OK to INVITE (Call-ID \"c1\")");
    assert_eq!(parse("").unwrap_err().to_string(), "not a SIP message: keep-alive");
}

#[test]
fn extension_methods_are_case_sensitive_tokens() {
    let m = sound(request("invite", "", ""));
    assert_eq!((m.method(), m.method_name()), (Method::Other, "invite"));
}

#[test]
fn a_clone_reads_the_same() {
    let m = sound(request("INVITE", "Subject: a\r\n b\r\n", "body")).clone();
    assert_eq!(m.header(Header::CallId), Some("c1@example.com"));
    assert_eq!(m.body(), b"body");
}
