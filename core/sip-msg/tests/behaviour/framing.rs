//! Messages cut out of streams.

use tandem_sip_msg::{Frame, Framer, FramingError, Message};

use crate::{request, sound};

fn message(method: &str, body: &str) -> String {
    request(method, &format!("Content-Length: {}\r\n", body.len()), body)
}

#[derive(Debug, PartialEq)]
enum Seen {
    Message(String),
    Ping,
    Pong,
}

fn drain(framer: &mut Framer) -> Result<Vec<Seen>, FramingError> {
    let mut seen = Vec::new();
    while let Some(frame) = framer.next()? {
        seen.push(match frame {
            Frame::Message(bytes) => Seen::Message(String::from_utf8(bytes.to_vec()).unwrap()),
            Frame::Ping => Seen::Ping,
            Frame::Pong => Seen::Pong,
        });
    }
    Ok(seen)
}

/// The frames of a stream that comes in these pieces.
fn frames(pieces: &[&[u8]]) -> Result<Vec<Seen>, FramingError> {
    let mut framer = Framer::default();
    let mut seen = Vec::new();
    for piece in pieces {
        framer.push(piece);
        seen.extend(drain(&mut framer)?);
    }
    Ok(seen)
}

#[track_caller]
fn error(text: &str) -> FramingError {
    let whole = frames(&[text.as_bytes()]).unwrap_err();
    let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
    assert_eq!(frames(&bytes).unwrap_err().why, whole.why);
    whole
}

#[test]
fn every_split_of_two_messages_gives_the_same_two() {
    let (one, two) = (message("INVITE", "v=0\r\n\r\no=-"), message("BYE", ""));
    let stream = format!("{one}{two}").into_bytes();
    let expected = [Seen::Message(one), Seen::Message(two)];
    for at in 0..=stream.len() {
        assert_eq!(frames(&[&stream[..at], &stream[at..]]).unwrap(), expected, "split at {at}");
    }
    let bytes: Vec<_> = stream.chunks(1).collect();
    assert_eq!(frames(&bytes).unwrap(), expected);
}

#[test]
fn every_split_of_a_folded_content_length_gives_the_same_message() {
    let one = request("INVITE", "l :\r\n \t3\r\n  \r\nX: y\r\n", "abc");
    for at in 0..=one.len() {
        let seen = frames(&[&one.as_bytes()[..at], &one.as_bytes()[at..]]).unwrap();
        assert_eq!(seen, [Seen::Message(one.clone())]);
    }
    assert_eq!(sound(one).body(), b"abc");
}

#[test]
fn a_ping_is_two_line_ends_and_a_pong_is_one() {
    assert_eq!(frames(&[b"\r\n\r\n"]).unwrap(), [Seen::Ping]);
    assert_eq!(frames(&[b"\r\n"]).unwrap(), [Seen::Pong]);
    assert_eq!(frames(&[b"\r", b"\n"]).unwrap(), [Seen::Pong]);
    assert_eq!(frames(&[b"\r\n\r", b"\n"]).unwrap(), [Seen::Ping]);
    assert_eq!(frames(&[b"\r\n", b"\r\n"]).unwrap(), [Seen::Pong, Seen::Ping]);
}

#[test]
fn line_ends_between_messages_are_keep_alives_and_no_harm() {
    let one = message("OPTIONS", "");
    let seen = frames(&[format!("\r\n{one}\r\n\r\n{one}\r\n").as_bytes()]).unwrap();
    let one = || Seen::Message(one.clone());
    assert_eq!(seen, [Seen::Pong, one(), Seen::Ping, one(), Seen::Pong]);
}

#[test]
fn a_flood_of_line_ends_is_answered_once() {
    assert_eq!(frames(&["\r\n".repeat(10_000).as_bytes()]).unwrap(), [Seen::Ping]);
}

#[test]
fn a_bad_content_length_ends_the_stream_and_hands_out_the_head() {
    for (lines, why) in [
        ("", "Missing Content-Length"),
        ("Content-Length: 3\r\nl: 3\r\n", "Two Content-Length Headers"),
        ("Content-Length: -1\r\n", "Malformed Content-Length"),
        ("Content-Length: 3, 3\r\n", "Malformed Content-Length"),
        ("Content-Length: \r\n", "Malformed Content-Length"),
        ("Content-Length: 1\r\n 0\r\n", "Malformed Content-Length"),
        ("Content-Length: 0x10\r\n", "Malformed Content-Length"),
        ("Content-Length: +3\r\n", "Malformed Content-Length"),
        ("Content-Length: 3\r\nContent-Length: 30\r\n", "Two Content-Length Headers"),
        ("l: 3\r\nL : 0\r\n", "Two Content-Length Headers"),
        ("Content-Length: 3 3\r\n", "Malformed Content-Length"),
        ("Content-Length: 4294967296\r\n", "Body Too Large"),
        ("Content-Length: 262145\r\n", "Body Too Large"),
        ("Content-Length: 18446744073709551616\r\n", "Body Too Large"),
    ] {
        let text = request("INVITE", lines, "");
        let error = error(&text);
        assert_eq!(error.why, why, "{lines}");
        assert_eq!(error.head.unwrap(), text.as_bytes());
    }
}

#[test]
fn nothing_comes_after_an_error() {
    let hidden = message("MESSAGE", "");
    let mut framer = Framer::default();
    framer.push(request("INVITE", "Content-Length: 0\r\nContent-Length: 5\r\n", "").as_bytes());
    framer.push(hidden.as_bytes());
    assert!(framer.next().is_err());
    framer.push(hidden.as_bytes());
    assert!(framer.next().is_err());
    assert_eq!(framer.pending(), 0);
}

#[test]
fn what_the_framer_cut_the_parser_reads_as_one_message() {
    let inner = message("MESSAGE", "");
    let outer = message("INVITE", &inner);
    let seen = frames(&[outer.as_bytes()]).unwrap();
    assert_eq!(seen, [Seen::Message(outer.clone())]);
    assert_eq!(Message::parse(outer.into()).unwrap().body(), inner.as_bytes());
}

#[test]
fn bare_line_feeds_are_refused_in_a_stream() {
    let hidden = message("INVITE", "").replacen("\r\n\r\n", "\n\nINVITE sip:x SIP/2.0\r\n\r\n", 1);
    assert_eq!(error(&hidden).why, "Bare LF in Head");
    assert_eq!(error("\n").why, "No SIP Message");
}

#[test]
fn what_cannot_be_a_message_ends_the_stream_at_once() {
    for start in ["\x16\x03\x01", "\0", " INVITE", "\rX", ": x"] {
        assert_eq!(error(start).why, "No SIP Message", "{start:?}");
    }
    assert_eq!(error("GET / HTTP/1.1\r\n\r\n").why, "Missing Content-Length");
}

#[test]
fn a_head_without_end_is_an_error_at_64_kib() {
    let mut framer = Framer::default();
    framer.push(b"INVITE sip:x SIP/2.0\r\n");
    let mut pushed = 0;
    while framer.next().is_ok() {
        framer.push(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n");
        pushed += 1;
        assert!(framer.pending() < 70_000);
    }
    assert!(pushed > 1000);
    let ended = format!("INVITE sip:x SIP/2.0\r\nX: {}\r\n\r\n", "y".repeat(70_000));
    assert_eq!(frames(&[ended.as_bytes()]).unwrap_err().why, "Head Too Large");
}

#[test]
fn pending_counts_what_waits() {
    let one = message("OPTIONS", "0123456789");
    let mut framer = Framer::default();
    framer.push(&one.as_bytes()[..one.len() - 4]);
    assert!(matches!(framer.next(), Ok(None)));
    assert_eq!(framer.pending(), one.len() - 4);
    framer.push(&one.as_bytes()[one.len() - 4..]);
    framer.push(b"BYE");
    assert!(matches!(framer.next(), Ok(Some(Frame::Message(_)))));
    assert!(matches!(framer.next(), Ok(None)));
    assert_eq!(framer.pending(), 3);
}

#[test]
fn a_body_as_large_as_allowed_passes_in_small_pieces() {
    let big = message("MESSAGE", &"x".repeat(256 * 1024));
    let pieces: Vec<_> = big.as_bytes().chunks(7).collect();
    assert_eq!(frames(&pieces).unwrap().len(), 1);
}

#[test]
fn in_whatever_pieces_two_empty_lines_come_they_are_a_ping() {
    let (one, lines) = (message("OPTIONS", ""), "\r\n".repeat(5));
    for count in 0..=5 {
        let stream = format!("{one}{}{one}", &lines[..2 * count]).into_bytes();
        for size in 1..stream.len() {
            let seen = frames(&stream.chunks(size).collect::<Vec<_>>()).unwrap();
            assert_eq!(seen.contains(&Seen::Ping), count > 1, "{count} lines in pieces of {size}");
            assert_eq!(seen.iter().filter(|frame| matches!(frame, Seen::Message(_))).count(), 2);
        }
    }
}

#[test]
fn a_line_end_on_either_side_of_a_message_is_no_ping() {
    let one = message("OPTIONS", "");
    let seen = frames(&[b"\r\n", one.as_bytes(), b"\r\n"]).unwrap();
    assert_eq!(seen, [Seen::Pong, Seen::Message(one), Seen::Pong]);
}

/// A framer that has these bytes and waits for more.
fn waiting(text: &str) -> Framer {
    let mut framer = Framer::default();
    framer.push(text.as_bytes());
    assert!(matches!(framer.next(), Ok(None)), "{text:?}");
    framer
}

#[test]
fn only_a_head_that_lacks_nothing_but_its_empty_line_is_taken_for_finished() {
    let whole = request("OPTIONS", "X: y\r\nContent-Length: 0\r\n", "");
    let head = whole.strip_suffix("\r\n").unwrap();
    for end in 1..head.len() {
        assert!(!waiting(&head[..end]).lacks_only_its_end(), "{:?}", &head[..end]);
    }
    assert!(waiting(head).lacks_only_its_end());
    let with_body = request("OPTIONS", "Content-Length: 5\r\n", "");
    assert!(!waiting(with_body.strip_suffix("\r\n").unwrap()).lacks_only_its_end());
    assert!(!waiting(&with_body).lacks_only_its_end());
}

#[test]
fn a_stream_that_ends_within_a_message_tells_what_is_missing_and_gives_its_head() {
    let whole = request("OPTIONS", "Content-Length: 5\r\n", "");
    for (text, why) in [
        (whole.strip_suffix("\r\n").unwrap(), "Head Does Not End"),
        (&whole[..], "Body Shorter than Content-Length"),
    ] {
        let mut framer = waiting(text);
        let error = framer.finish().unwrap();
        assert_eq!((error.why, &error.head.unwrap()[..]), (why, text.as_bytes()));
        assert!(framer.next().is_err() && framer.finish().is_none() && framer.pending() == 0);
    }
    assert!(Framer::default().finish().is_none());
}
