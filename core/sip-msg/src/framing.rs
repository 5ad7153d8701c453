//! Cutting messages out of a byte stream. Strict: what two readers could cut differently closes the connection, so that
//! no request can hide in the body of another.

use bytes::Bytes;
use memchr::memchr;

use crate::header::Header;
use crate::message::Message;
use crate::parse::ParseError;
use crate::scan::MAX_HEAD;
use crate::text::{digits, is_blank, is_token_byte};

/// The largest body that a stream may carry.
const MAX_BODY: usize = 256 * 1024;
/// A buffer that grew beyond this is given back once it is empty.
const KEPT: usize = 16 * 1024;

/// Cuts messages out of a byte stream (RFC 3261 §18.3), one value a connection.
#[derive(Default)]
pub struct Framer {
    buf: Vec<u8>,
    /// Where the frame under way starts.
    start: usize,
    /// Up to where its head was searched for an end.
    searched: usize,
    /// Its whole length, once the head is known.
    length: Option<usize>,
    /// An odd number of empty lines came last: one more makes a ping of them.
    half: bool,
    /// Nothing comes after an error.
    failed: Option<&'static str>,
}

/// What the framer found.
#[derive(Debug)]
pub enum Frame {
    /// One whole message as bytes, for [`Message::parse`](crate::Message::parse).
    Message(Bytes),
    /// CRLF CRLF: a keep-alive that wants a CRLF back (RFC 5626 §3.5.1).
    Ping,
    /// CRLF alone: the answer to ours.
    Pong,
}

/// Why a stream cannot go on. The connection is to be closed after answering `head` if there is one.
#[derive(Debug)]
pub struct FramingError {
    /// What is wrong, fit for a reason phrase.
    pub why: &'static str,
    /// The head of the message at fault, for [`Message::parse`](crate::Message::parse) and an answer of 400 or 413.
    pub head: Option<Bytes>,
}

impl std::fmt::Display for FramingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.why)
    }
}

impl std::error::Error for FramingError {}

impl Framer {
    /// Appends received bytes. After an error they are thrown away.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        // Moving the rest down only once half is used keeps the moves within the bytes received.
        if self.start > self.buf.len() / 2 {
            self.buf.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buf.extend_from_slice(bytes);
    }

    /// Takes the next whole frame; `Ok(None)` when more bytes are needed. Missing, doubled, negative, non-numeric or
    /// huge Content-Length is an error (no resynchronising, so nothing can be smuggled); so are a bare LF in a head, a
    /// head over 64 KiB and a body over 256 KiB.
    ///
    /// Empty lines between messages are one frame: a [`Frame::Pong`] if it is one, else one [`Frame::Ping`] however
    /// many they are, so that a flood of them is answered once. A lone CRLF is never waited for to become two: it is told
    /// as it comes, and makes a ping of the next one.
    #[allow(clippy::should_implement_trait)] // an Iterator it is not: `None` means later
    pub fn next(&mut self) -> Result<Option<Frame>, FramingError> {
        if let Some(why) = self.failed {
            return Err(FramingError { why, head: None });
        }
        let found = self.advance();
        if let Err(error) = &found {
            self.fail(error.why);
        } else if self.start == self.buf.len() {
            if self.buf.capacity() > KEPT {
                self.buf = Vec::new();
            }
            self.buf.clear();
            (self.start, self.searched) = (0, 0);
        }
        found
    }

    /// Bytes waiting for the rest of their message.
    pub fn pending(&self) -> usize {
        self.buf.len() - self.start
    }

    /// Whether the sender may believe that it has finished: what waits would be a message without a body, if only an
    /// empty line followed. Another head that is under way stops in front of a line's end, or before its Content-Length.
    pub fn lacks_only_its_end(&self) -> bool {
        let head = &self.buf[self.start..];
        if self.length.is_some() || !head.ends_with(b"\r\n") {
            return false;
        }
        match Message::parse([head, b"\r\n"].concat().into()) {
            Ok(message) | Err(ParseError::Refuse { message, .. }) => message
                .header(Header::ContentLength)
                .is_some_and(|length| digits(length.as_bytes()) == Some(0)),
            Err(ParseError::Junk(_)) => false,
        }
    }

    /// Nothing more will come: what is wrong with what waits, if anything does. The stream has ended with it.
    pub fn finish(&mut self) -> Option<FramingError> {
        if self.failed.is_some() || self.pending() == 0 {
            return None;
        }
        let why =
            if self.length.is_none() { "Head Does Not End" } else { "Body Shorter than Content-Length" };
        let head = Bytes::copy_from_slice(&self.buf[self.start..]);
        self.fail(why);
        Some(FramingError { why, head: Some(head) })
    }

    fn fail(&mut self, why: &'static str) {
        *self = Framer { failed: Some(why), ..Framer::default() };
    }

    fn advance(&mut self) -> Result<Option<Frame>, FramingError> {
        let length = match self.length {
            Some(length) => length,
            None => {
                if self.searched == self.start
                    && let Some(frame) = self.empty_lines()?
                {
                    return Ok(Some(frame));
                }
                let Some(length) = self.measure()? else { return Ok(None) };
                *self.length.insert(length)
            }
        };
        let Some(frame) = self.buf.get(self.start..self.start + length) else { return Ok(None) };
        let frame = Bytes::copy_from_slice(frame);
        self.start += length;
        self.searched = self.start;
        self.length = None;
        self.half = false;
        Ok(Some(Frame::Message(frame)))
    }

    /// The empty lines at the start of what is waiting.
    fn empty_lines(&mut self) -> Result<Option<Frame>, FramingError> {
        let waiting = &self.buf[self.start..];
        let count = waiting.chunks_exact(2).take_while(|pair| pair == b"\r\n").count();
        let rest = &waiting[count * 2..];
        // With a CR more, the LF that makes a ping of it may be under way.
        if count == 0 || (count == 1 && rest == b"\r") {
            return Ok(None);
        }
        self.start += count * 2;
        self.searched = self.start;
        let is_ping = count > 1 || self.half;
        self.half ^= count % 2 == 1;
        Ok(Some(if is_ping { Frame::Ping } else { Frame::Pong }))
    }

    /// The length of the message under way, once its head has ended.
    fn measure(&mut self) -> Result<Option<usize>, FramingError> {
        let fail = |why| Err(FramingError { why, head: None });
        match &self.buf[self.start..] {
            [] | b"\r" | b"\r\n\r" => return Ok(None),
            [first, ..] if !is_token_byte(*first) => return fail("No SIP Message"),
            _ => {}
        }
        while let Some(feed) = memchr(b'\n', &self.buf[self.searched..]).map(|hit| self.searched + hit) {
            let line = &self.buf[self.start..feed];
            if !line.ends_with(b"\r") {
                return fail("Bare LF in Head");
            }
            self.searched = feed + 1;
            if line.ends_with(b"\r\n\r") {
                let size = feed + 1 - self.start;
                return if size > MAX_HEAD {
                    fail("Head Too Large")
                } else {
                    self.body_length(size).map(Some)
                };
            }
        }
        self.searched = self.buf.len();
        if self.pending() > MAX_HEAD { fail("Head Too Large") } else { Ok(None) }
    }

    /// Head and body together.
    fn body_length(&self, size: usize) -> Result<usize, FramingError> {
        let head = &self.buf[self.start..self.start + size];
        match content_length(head) {
            Ok(length) if length <= MAX_BODY => Ok(size + length),
            Ok(_) => Err(FramingError { why: "Body Too Large", head: Some(Bytes::copy_from_slice(head)) }),
            Err(why) => Err(FramingError { why, head: Some(Bytes::copy_from_slice(head)) }),
        }
    }
}

/// The one Content-Length of a head whose lines all end in CRLF.
fn content_length(head: &[u8]) -> Result<usize, &'static str> {
    let mut length = None;
    let mut at = 0;
    while let Some(feed) = memchr(b'\n', &head[at..]).map(|hit| at + hit) {
        let line = &head[at..feed];
        let start = at;
        at = feed + 1;
        if !matches!(line.first(), Some(b'c' | b'C' | b'l' | b'L')) {
            continue;
        }
        let name = line.iter().take_while(|&&b| is_token_byte(b)).count();
        let blank = line[name..].iter().take_while(|&&b| is_blank(b)).count();
        let is_length = Header::from_bytes(&line[..name]) == Some(Header::ContentLength);
        if start == 0 || !is_length || line.get(name + blank) != Some(&b':') {
            continue;
        }
        // A folded value goes on where the next line starts with a space.
        while head.get(at).is_some_and(|&b| is_blank(b)) {
            at += memchr(b'\n', &head[at..]).map_or(head.len() - at, |hit| hit + 1);
        }
        if length.is_some() {
            return Err("Two Content-Length Headers");
        }
        let value = trim(&head[start + name + blank + 1..at]);
        length = Some(digits(value).ok_or("Malformed Content-Length")? as usize);
    }
    length.ok_or("Missing Content-Length")
}

/// What may stand around a value, folds included; nothing more than [`Message::parse`](crate::Message::parse) takes.
fn trim(mut value: &[u8]) -> &[u8] {
    const EDGE: [u8; 4] = *b" \t\r\n";
    while let [first, rest @ ..] = value
        && EDGE.contains(first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && EDGE.contains(last)
    {
        value = rest;
    }
    value
}
