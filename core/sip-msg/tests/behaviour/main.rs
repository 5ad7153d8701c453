//! What the crate promises, room by room.

mod addresses;
mod digest;
mod framing;
mod headers;
mod parsing;
mod tables;
mod uris;
mod vias;
mod writing;

use bytes::Bytes;
use tandem_sip_msg::{Message, ParseError};

/// A request with these header lines below the mandatory ones, and this body.
fn request(method: &str, lines: &str, body: &str) -> String {
    format!(
        "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa1;rport\r\n\
         From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: c1@example.com\r\n\
         CSeq: 7 {method}\r\nMax-Forwards: 70\r\n{lines}\r\n{body}"
    )
}

#[allow(clippy::result_large_err)] // as large as what it stands for
fn parse(text: impl Into<Vec<u8>>) -> Result<Message, ParseError> {
    Message::parse(Bytes::from(text.into()))
}

#[track_caller]
fn sound(text: impl Into<Vec<u8>>) -> Message {
    parse(text).expect("a sound message")
}

/// Status and reason of a refusal, and what could be read.
#[track_caller]
fn refusal(text: impl Into<Vec<u8>>) -> (u16, &'static str, Message) {
    match parse(text) {
        Err(ParseError::Refuse { message, status, why }) => (status, why, message),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[track_caller]
fn why(text: impl Into<Vec<u8>>) -> &'static str {
    refusal(text).1
}

#[track_caller]
fn junk(text: impl Into<Vec<u8>>) -> &'static str {
    match parse(text) {
        Err(ParseError::Junk(why)) => why,
        other => panic!("expected junk, got {other:?}"),
    }
}
