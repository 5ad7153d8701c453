//! Writing messages. No value can become another header: CR, LF and NUL are lost on the way.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use bytes::Bytes;
use memchr::{memchr, memchr3};

use crate::header::Header;
use crate::message::Message;
use crate::text::{is_token, is_token_byte};
use crate::uri::Host;
use crate::via::Via;

/// Writes a message, once. Values lose CR, LF and NUL, so no value can become another header.
pub struct Writer {
    buf: Vec<u8>,
}

impl Writer {
    /// A request line. `method` is a token, `uri` a URI as text; what cannot stand in either is left out.
    pub fn request(method: &str, uri: &str) -> Writer {
        let mut buf = Vec::with_capacity(1024);
        buf.extend(method.bytes().filter(|&b| is_token_byte(b)));
        buf.push(b' ');
        buf.extend(uri.bytes().filter(|&b| b > b' ' && b != 0x7f));
        buf.extend_from_slice(b" SIP/2.0\r\n");
        Writer { buf }
    }

    /// A response to `request` with its Via (all; the top one given `received` and `rport` as RFC 3261 §18.2.1 and
    /// RFC 3581 §4 ask, from `source`), From, To (with `to_tag` where the request had none), Call-ID and CSeq copied.
    /// Record-Route is copied when `code` is 101..=299 and the request has any, Timestamp when it is 100 (RFC 3261
    /// §8.2.6.1). Works on what [`ParseError::Refuse`](crate::ParseError::Refuse) holds.
    pub fn reply(
        request: &Message,
        source: SocketAddr,
        code: u16,
        reason: &str,
        to_tag: Option<&str>,
    ) -> Writer {
        let mut writer = Writer { buf: Vec::with_capacity(1024) };
        writer.clean(b"SIP/2.0 ");
        push_number(&mut writer.buf, code.into());
        writer.clean(b" ");
        writer.clean(reason.as_bytes());
        writer.end_line();
        writer.copy_vias(request, source);
        if (101..=299).contains(&code) {
            writer.copy(request, Header::RecordRoute);
        }
        writer.copy(request, Header::From);
        writer.copy(request, Header::To);
        if let (Some(tag), None, true) = (to_tag, request.to_tag(), request.0.to.start < request.0.to.end) {
            // A lone `;` at the end was let through, and two in a row would not be.
            while let Some(b'\r' | b'\n' | b';' | b' ' | b'\t') = writer.buf.last() {
                writer.buf.pop();
            }
            writer.clean(b";tag=");
            writer.clean(tag.as_bytes());
            writer.end_line();
        }
        writer.copy(request, Header::CallId);
        writer.copy(request, Header::CSeq);
        if code == 100
            && let Some(timestamp) = request.header_named("Timestamp")
        {
            writer.named("Timestamp", timestamp);
        }
        writer
    }

    /// A header line. Content-Length is left to the end of the message, so one given here is passed over.
    pub fn header(&mut self, name: Header, value: impl fmt::Display) -> &mut Writer {
        if name != Header::ContentLength {
            self.start_line(name.name());
            // `Clean` never fails; a value whose `Display` does is cut where it did.
            let _ = write!(Clean(&mut self.buf), "{value}");
            self.end_line();
        }
        self
    }

    /// A header line whose value is made of these pieces: what [`Writer::header`] does, for text, at a fraction of the cost.
    pub fn text(&mut self, name: Header, pieces: &[&str]) -> &mut Writer {
        if name != Header::ContentLength {
            self.start_line(name.name());
            pieces.iter().for_each(|piece| self.clean(piece.as_bytes()));
            self.end_line();
        }
        self
    }

    /// A header by its text name, which must be a token (else the line is left out).
    pub fn named(&mut self, name: &str, value: impl fmt::Display) -> &mut Writer {
        if is_token(name.as_bytes()) && Header::parse(name) != Some(Header::ContentLength) {
            self.start_line(name);
            let _ = write!(Clean(&mut self.buf), "{value}");
            self.end_line();
        }
        self
    }

    /// Ends the message with Content-Length 0.
    pub fn finish(mut self) -> Bytes {
        self.buf.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        self.buf.into()
    }

    /// Ends the message with a body.
    pub fn finish_with(mut self, content_type: &str, body: &[u8]) -> Bytes {
        self.text(Header::ContentType, &[content_type]);
        self.buf.reserve(body.len() + 40);
        self.buf.extend_from_slice(b"Content-Length: ");
        push_number(&mut self.buf, body.len() as u64);
        self.buf.extend_from_slice(b"\r\n\r\n");
        self.buf.extend_from_slice(body);
        self.buf.into()
    }

    fn start_line(&mut self, name: &str) {
        self.buf.extend_from_slice(name.as_bytes());
        self.buf.extend_from_slice(b": ");
    }

    fn end_line(&mut self) {
        self.buf.extend_from_slice(b"\r\n");
    }

    fn clean(&mut self, bytes: &[u8]) {
        push_clean(&mut self.buf, bytes);
    }

    /// Every line of this header as it came; of those that may stand only once, the first.
    fn copy(&mut self, request: &Message, name: Header) {
        let lines = request.0.lines.iter().filter(|line| line.id == Some(name));
        for line in lines.take(if name.is_list() { usize::MAX } else { 1 }) {
            self.start_line(name.name());
            self.clean(line.value.of(request.head()));
            self.end_line();
        }
    }

    fn copy_vias(&mut self, request: &Message, source: SocketAddr) {
        let mut lines = request.0.lines.iter().filter(|line| line.id == Some(Header::Via));
        let Some(first) = lines.next() else { return };
        self.start_line(Header::Via.name());
        let value = first.value.of(request.head());
        match Via::salvage(request.text(request.0.top_via)) {
            None => self.clean(value),
            Some(via) => {
                self.top_via(&via, source);
                let rest = &value[request.text(request.0.top_via).len()..];
                // What a broken line has behind its top value is no list that anybody could read.
                if crate::text::trim_start(std::str::from_utf8(rest).unwrap_or("")).starts_with(',')
                    && Via::parse(via.as_str()).is_some()
                {
                    self.clean(rest);
                }
            }
        }
        self.end_line();
        for line in lines {
            self.start_line(Header::Via.name());
            self.clean(line.value.of(request.head()));
            self.end_line();
        }
    }

    /// `received` and `rport` are ours to set: what the sender wrote there itself is dropped.
    fn top_via(&mut self, via: &Via<'_>, source: SocketAddr) {
        let ip = source.ip().to_canonical();
        let mut wants_port = false;
        self.clean(via.hop().as_bytes());
        for piece in via.params().pieces().filter(|piece| !piece.is_empty()) {
            let name = &piece[..memchr(b'=', piece.as_bytes()).unwrap_or(piece.len())];
            let name = crate::text::trim(name);
            if name.eq_ignore_ascii_case("rport") {
                wants_port = true;
            } else if !name.eq_ignore_ascii_case("received") {
                self.buf.push(b';');
                self.clean(piece.as_bytes());
            }
        }
        if wants_port || via.host() != Host::Ip(ip) {
            let _ = write!(Clean(&mut self.buf), ";received={ip}");
        }
        if wants_port {
            self.clean(b";rport=");
            push_number(&mut self.buf, source.port().into());
        }
    }
}

/// Inserts a header line directly below the start line of a message that was already written (the way a Via is added).
pub fn insert_top(message: &[u8], name: Header, pieces: &[&str]) -> Bytes {
    let below = memchr(b'\n', message).map_or(message.len(), |feed| feed + 1);
    let mut buf = Vec::with_capacity(message.len() + 128);
    buf.extend_from_slice(&message[..below]);
    buf.extend_from_slice(name.name().as_bytes());
    buf.extend_from_slice(b": ");
    pieces.iter().for_each(|piece| push_clean(&mut buf, piece.as_bytes()));
    buf.extend_from_slice(b"\r\n");
    buf.extend_from_slice(&message[below..]);
    buf.into()
}

/// Takes text and loses what could end a line.
struct Clean<'b>(&'b mut Vec<u8>);

impl fmt::Write for Clean<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_clean(self.0, text.as_bytes());
        Ok(())
    }
}

fn push_number(buf: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return buf.extend_from_slice(&digits[at..]);
        }
    }
}

fn push_clean(buf: &mut Vec<u8>, mut bytes: &[u8]) {
    while let Some(hit) = memchr3(b'\r', b'\n', 0, bytes) {
        buf.extend_from_slice(&bytes[..hit]);
        // A backslash left alone would escape the quote that ends the string.
        if buf.last() == Some(&b'\\') {
            buf.push(b' ');
        }
        bytes = &bytes[hit + 1..];
    }
    buf.extend_from_slice(bytes);
}
