//! The parsed message: spans into the bytes it came as, values read on demand.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::header::{Header, unlisted_compact};
use crate::method::Method;
use crate::name_addr::NameAddr;
use crate::text::{digits, split_list};
use crate::uri::Uri;
use crate::via::Via;

/// A piece of the head. A head has at most 65,535 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Span {
    pub(crate) start: u16,
    pub(crate) end: u16,
}

impl Span {
    pub(crate) fn of(self, head: &[u8]) -> &[u8] {
        head.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }
}

/// One header line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) name: Span,
    pub(crate) value: Span,
    pub(crate) id: Option<Header>,
}

/// Room for what trunks and phones send without an allocation.
pub(crate) type LineList = SmallVec<[Line; 24]>;

/// What the start line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    Request { uri: Span },
    Response { code: u16, reason: Span },
}

/// A parsed message whose mandatory headers are known to be there and well formed. Cloning is cheap.
///
/// The one in [`ParseError::Refuse`](crate::ParseError::Refuse) carries no such promise: what is absent from it reads
/// as empty text, 0 or `None`.
#[derive(Clone)]
pub struct Message(pub(crate) Arc<Parts>);

/// What a message is made of; it is handed around a lot, so all of it is behind one pointer.
pub(crate) struct Parts {
    pub(crate) raw: Bytes,
    /// The head with its folds turned into spaces, where there were any; spans then point here.
    pub(crate) unfolded: Option<Bytes>,
    pub(crate) lines: LineList,
    pub(crate) start: Start,
    pub(crate) method: Method,
    pub(crate) method_name: Span,
    /// The first Via value, From, To and Call-ID.
    pub(crate) top_via: Span,
    pub(crate) from: Span,
    pub(crate) to: Span,
    pub(crate) call_id: Span,
    pub(crate) from_tag: Option<Span>,
    pub(crate) to_tag: Option<Span>,
    pub(crate) cseq: u32,
    pub(crate) body: (u32, u32),
}

impl Message {
    /// Parses one datagram, or one message cut from a stream by [`Framer`](crate::Framer). In a datagram, octets after
    /// Content-Length are ignored; fewer than Content-Length is a refusal. Guarantees after `Ok`: exactly one From, To,
    /// Call-ID, CSeq, at least one Via that parses, CSeq number below 2^31 and its method that of the request line; in
    /// a request, every Contact that is not `*` parses.
    pub fn parse(datagram: Bytes) -> Result<Message, crate::ParseError> {
        crate::parse::parse(datagram)
    }

    /// The bytes as received, from the start line on.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0.raw
    }

    /// Whether this is a request; else it is a response.
    pub fn is_request(&self) -> bool {
        matches!(self.0.start, Start::Request { .. })
    }

    /// Of a request its method, of a response the one of its CSeq.
    pub fn method(&self) -> Method {
        self.0.method
    }

    /// The method as written.
    pub fn method_name(&self) -> &str {
        self.0.method.name().unwrap_or_else(|| self.text(self.0.method_name))
    }

    /// The Request-URI; `None` in a response. An unknown scheme is [`Scheme::Other`](crate::Scheme::Other).
    pub fn request_uri(&self) -> Option<Uri<'_>> {
        match self.0.start {
            Start::Request { uri } => Uri::parse(self.text(uri)),
            Start::Response { .. } => None,
        }
    }

    /// Status code 100..=699; `None` in a request.
    pub fn code(&self) -> Option<u16> {
        match self.0.start {
            Start::Request { .. } => None,
            Start::Response { code, .. } => Some(code),
        }
    }

    /// Reason phrase, empty in a request.
    pub fn reason_phrase(&self) -> &str {
        match self.0.start {
            Start::Request { .. } => "",
            Start::Response { reason, .. } => self.text(reason),
        }
    }

    /// The first value of a header, unfolded and trimmed; of a list its first element.
    pub fn header(&self, name: Header) -> Option<&str> {
        self.headers(name).next()
    }

    /// Every value in order, comma-separated lists split where the header is a list (never inside quotes or `<>`).
    /// Empty elements of a list are passed over.
    pub fn headers(&self, name: Header) -> Values<'_> {
        Values { message: self, lines: self.0.lines.iter(), name, list: None }
    }

    /// The first value of a header by its text name, for those that [`Header`] does not list. The compact form of
    /// Subject and the like is found by the long one.
    pub fn header_named(&self, name: &str) -> Option<&str> {
        if let Some(known) = Header::parse(name) {
            return self.header(known);
        }
        let compact = unlisted_compact(name);
        self.lines().find_map(|(n, value)| {
            let same = n.eq_ignore_ascii_case(name) || compact.is_some_and(|c| n.eq_ignore_ascii_case(c));
            same.then_some(value)
        })
    }

    /// Every header line as (name as written, value unfolded and trimmed), in order.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        self.0.lines.iter().map(|line| (self.text(line.name), self.text(line.value)))
    }

    /// The first Via.
    pub fn top_via(&self) -> Via<'_> {
        Via::salvage(self.text(self.0.top_via)).unwrap_or(Via::NOTHING)
    }

    /// Every Via, top first.
    pub fn vias(&self) -> impl Iterator<Item = Via<'_>> + '_ {
        self.headers(Header::Via).filter_map(Via::salvage)
    }

    /// The From header.
    pub fn from(&self) -> NameAddr<'_> {
        NameAddr::parse(self.text(self.0.from)).unwrap_or(NameAddr::NOTHING)
    }

    /// The To header.
    pub fn to(&self) -> NameAddr<'_> {
        NameAddr::parse(self.text(self.0.to)).unwrap_or(NameAddr::NOTHING)
    }

    /// The tag of From; absent from RFC 2543 peers.
    pub fn from_tag(&self) -> Option<&str> {
        self.0.from_tag.map(|tag| self.text(tag))
    }

    /// The tag of To.
    pub fn to_tag(&self) -> Option<&str> {
        self.0.to_tag.map(|tag| self.text(tag))
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        self.text(self.0.call_id)
    }

    /// CSeq number; its method is [`Message::method`].
    pub fn cseq(&self) -> u32 {
        self.0.cseq
    }

    /// The first Contact that is a name-addr (`*` is none).
    pub fn contact(&self) -> Option<NameAddr<'_>> {
        self.headers(Header::Contact).find_map(NameAddr::parse)
    }

    /// `None` when absent; a value that is no number 0..=255 was refused by `parse`.
    pub fn max_forwards(&self) -> Option<u8> {
        digits(self.header(Header::MaxForwards)?.as_bytes())?.try_into().ok()
    }

    /// The Expires header in seconds; a value too large is read as `u32::MAX`, one that is no number as absent.
    pub fn expires(&self) -> Option<u32> {
        digits(self.header(Header::Expires)?.as_bytes())
    }

    /// The Content-Type, with its parameters.
    pub fn content_type(&self) -> Option<&str> {
        self.header(Header::ContentType)
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.0.raw.get(self.0.body.0 as usize..self.0.body.1 as usize).unwrap_or_default()
    }

    /// The body sharing the message's buffer.
    pub fn body_bytes(&self) -> Bytes {
        self.0.raw.slice(self.0.body.0 as usize..self.0.body.1 as usize)
    }

    /// What the spans point into.
    pub(crate) fn head(&self) -> &[u8] {
        self.0.unfolded.as_ref().unwrap_or(&self.0.raw)
    }

    /// The head was checked to be UTF-8 and spans end at ASCII, so that the fallback is for refused messages only.
    pub(crate) fn text(&self, span: Span) -> &str {
        std::str::from_utf8(span.of(self.head())).unwrap_or("")
    }
}

impl fmt::Debug for Message {
    /// The start line and Call-ID only: bodies and credentials stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.start {
            Start::Request { uri } => write!(f, "{} {}", self.method_name(), self.text(uri))?,
            Start::Response { code, reason } => {
                write!(f, "{code} {} to {}", self.text(reason), self.method_name())?;
            }
        }
        write!(f, " (Call-ID {:?})", self.call_id())
    }
}

/// The values of one header, see [`Message::headers`].
#[derive(Clone)]
pub struct Values<'a> {
    message: &'a Message,
    lines: std::slice::Iter<'a, Line>,
    name: Header,
    /// What is left of the line under way.
    list: Option<&'a str>,
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            while let Some(list) = self.list.take() {
                let (value, rest) = split_list(list);
                self.list = rest;
                if !value.is_empty() {
                    return Some(value);
                }
            }
            let line = self.lines.find(|line| line.id == Some(self.name))?;
            let value = self.message.text(line.value);
            if !self.name.is_list() {
                return Some(value);
            }
            self.list = Some(value);
        }
    }
}
