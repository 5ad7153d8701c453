//! The checks that a message has to stand before anything else sees it. Lenient where peers are sloppy and nothing is
//! at stake, strict where two readers could differ.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use memchr::{memchr, memrchr};

use crate::header::Header;
use crate::message::{Line, Message, Parts, Span, Start};
use crate::method::Method;
use crate::name_addr::NameAddr;
use crate::scan::{Fault, bad, scan, unfold};
use crate::text::{digits, is_blank, is_token, skip_blank, split_list};
use crate::uri::Uri;
use crate::via::Via;

/// Why bytes are no acceptable message.
pub enum ParseError {
    /// Not answerable: no SIP start line, a response that is broken, no usable Via, an ACK.
    Junk(&'static str),
    /// A request that is to be answered with `status` (400, 505, 513) and `why` as reason phrase.
    Refuse {
        /// What could be read (Via, From, To, Call-ID, CSeq as far as present): enough for
        /// [`Writer::reply`](crate::Writer::reply).
        message: Message,
        /// The status code of the answer.
        status: u16,
        /// What is wrong, fit for a reason phrase.
        why: &'static str,
    },
}

impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Junk(why) => write!(f, "Junk({why:?})"),
            ParseError::Refuse { message, status, why } => write!(f, "Refuse({status} {why:?}, {message:?})"),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Junk(why) => write!(f, "not a SIP message: {why}"),
            ParseError::Refuse { status, why, .. } => write!(f, "{status} {why}"),
        }
    }
}

impl std::error::Error for ParseError {}

pub(crate) fn parse(datagram: Bytes) -> Result<Message, ParseError> {
    // Peers keep NAT bindings alive with empty lines, and some with NULs.
    if datagram.iter().all(|b| matches!(b, b'\r' | b'\n' | b' ' | 0)) {
        return Err(ParseError::Junk("keep-alive"));
    }
    // RFC 3261 §7.5: empty lines before the start line are ignored.
    let blank = datagram.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let raw = if blank == 0 { datagram } else { datagram.slice(blank..) };
    let mut found = scan(&raw);
    let mut unfolded = None;
    if found.folded {
        let head = unfold(&raw);
        found = scan(&head);
        unfolded = Some(head);
    }
    let head: &[u8] = unfolded.as_ref().unwrap_or(&raw);
    let Some(start_line) = found.start_line else { return Err(ParseError::Junk("no start line")) };
    let (start, method_name, fault) = start_line_of(head, start_line).map_err(ParseError::Junk)?;
    let mut fault = fault.or(found.fault);
    // The body is left out: it may be of any bytes.
    let text = std::str::from_utf8(&head[..found.body_start.min(head.len())]).ok();
    if text.is_none() {
        fault.get_or_insert(bad("Head Is Not UTF-8"));
    }
    let body = (found.body_start.min(raw.len()) as u32, u32::try_from(raw.len()).unwrap_or(u32::MAX));
    let is_request = matches!(start, Start::Request { .. });
    let mut checks = Checks { head, text, lines: &found.lines, is_request, fault };
    let facts = checks.run(method_name, body);
    let fault = checks.fault;
    let answerable = || Via::salvage(checks.str(facts.top_via)).is_some();
    match fault {
        Some((_, why)) if !is_request => return Err(ParseError::Junk(why)),
        // RFC 3261 §17: nothing is ever sent in answer to an ACK.
        Some(_) if facts.method == Method::Ack => return Err(ParseError::Junk("broken ACK")),
        Some(_) if !answerable() => return Err(ParseError::Junk("no usable Via")),
        _ => {}
    }
    let Facts { method, method_name, top_via, from, to, call_id, from_tag, to_tag, cseq, body } = facts;
    let lines = found.lines;
    let message = Message(Arc::new(Parts {
        raw,
        unfolded,
        lines,
        start,
        method,
        method_name,
        top_via,
        from,
        to,
        call_id,
        from_tag,
        to_tag,
        cseq,
        body,
    }));
    match fault {
        None => Ok(message),
        Some((status, why)) => Err(ParseError::Refuse { message, status, why }),
    }
}

type StartLine = (Start, Span, Option<Fault>);

/// Start, method, and what is wrong with it; an error is no SIP start line at all.
fn start_line_of(head: &[u8], at: Span) -> Result<StartLine, &'static str> {
    let line = at.of(head);
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return status_line(line, at).map(|start| (start, Span::default(), None));
    }
    request_line(line, at)
}

fn status_line(line: &[u8], at: Span) -> Result<Start, &'static str> {
    let version = line.get(..8).filter(|version| version.eq_ignore_ascii_case(b"SIP/2.0 "));
    version.ok_or("status line of another version")?;
    let code = digits(line.get(8..11).unwrap_or_default()).filter(|code| (100..=699).contains(code));
    let (Some(code), None | Some(b' ')) = (code, line.get(11)) else { return Err("bad status code") };
    let reason = Span { start: (at.start + 12).min(at.end), end: at.end };
    Ok(Start::Response { code: code as u16, reason })
}

/// RFC 3261 §7.1: method, Request-URI and version with exactly one space between.
fn request_line(line: &[u8], at: Span) -> Result<StartLine, &'static str> {
    const NONE: &str = "no SIP start line";
    let trailing = line.iter().rev().take_while(|&&b| is_blank(b)).count();
    let text = &line[..line.len() - trailing];
    let first = memchr(b' ', text).ok_or(NONE)?;
    let last = memrchr(b' ', text).ok_or(NONE)?;
    let version = &text[last + 1..];
    if version.len() < 4 || !version[..4].eq_ignore_ascii_case(b"SIP/") {
        return Err(NONE);
    }
    let method = Span { start: at.start, end: at.start + first as u16 };
    let uri = Span { start: method.end + 1, end: (at.start + last as u16).max(method.end + 1) };
    let fault = if &version[4..] != b"2.0" {
        Some((505, "Version Not Supported"))
    } else if !is_token(&text[..first]) || trailing > 0 || last == first {
        Some(bad("Malformed Request Line"))
    } else {
        match std::str::from_utf8(&text[first + 1..last]).ok().and_then(Uri::parse) {
            None => Some(bad("Malformed Request-URI")),
            // RFC 3261 §19.1.1: embedded headers must not stand in a Request-URI; a Route in them would be followed.
            Some(uri) if uri.headers().is_some() => Some(bad("Headers in Request-URI")),
            Some(_) => None,
        }
    };
    Ok((Start::Request { uri }, method, fault))
}

/// Reads what every message has to have, and refuses what two readers could read differently.
struct Checks<'m> {
    head: &'m [u8],
    /// The head, where it is UTF-8.
    text: Option<&'m str>,
    lines: &'m [Line],
    is_request: bool,
    /// The first fault is the one that is told.
    fault: Option<Fault>,
}

/// What the checks read on their way, for the message to keep.
struct Facts {
    method: Method,
    method_name: Span,
    top_via: Span,
    from: Span,
    to: Span,
    call_id: Span,
    from_tag: Option<Span>,
    to_tag: Option<Span>,
    cseq: u32,
    body: (u32, u32),
}

/// The first line of each header that may stand once, and the first Via.
#[derive(Default)]
struct Seen {
    via: Option<Span>,
    from: Option<Span>,
    to: Option<Span>,
    call_id: Option<Span>,
    cseq: Option<Span>,
    max_forwards: Option<Span>,
    content_length: Option<Span>,
}

impl<'m> Checks<'m> {
    fn run(&mut self, method_name: Span, body: (u32, u32)) -> Facts {
        let seen = self.look();
        let mut facts = Facts {
            method: Method::parse(self.str(method_name)),
            method_name,
            top_via: Span::default(),
            from: seen.from.unwrap_or_default(),
            to: seen.to.unwrap_or_default(),
            call_id: seen.call_id.unwrap_or_default(),
            from_tag: None,
            to_tag: None,
            cseq: 0,
            body,
        };
        let result = self.vias(seen.via, &mut facts);
        self.note(result);
        let result = self.cseq(seen.cseq, &mut facts);
        self.note(result);
        match self.tag(seen.from) {
            Ok(tag) => facts.from_tag = tag,
            Err(()) => self.note(Err(bad("Missing or Malformed From"))),
        }
        match self.tag(seen.to) {
            Ok(tag) => facts.to_tag = tag,
            Err(()) => self.note(Err(bad("Missing or Malformed To"))),
        }
        let call_id = facts.call_id.of(self.head);
        if call_id.is_empty() || !is_visible(call_id) {
            self.note(Err(bad("Missing or Malformed Call-ID")));
        }
        if self.is_request {
            self.note(self.max_forwards(seen.max_forwards));
            self.note(self.contacts());
        }
        let result = self.length(seen.content_length, &mut facts);
        self.note(result);
        facts
    }

    fn look(&mut self) -> Seen {
        let mut seen = Seen::default();
        for line in self.lines {
            let (slot, doubled) = match line.id {
                Some(Header::Via) => {
                    seen.via.get_or_insert(line.value);
                    continue;
                }
                Some(Header::From) => (&mut seen.from, "Two From Headers"),
                Some(Header::To) => (&mut seen.to, "Two To Headers"),
                Some(Header::CallId) => (&mut seen.call_id, "Two Call-ID Headers"),
                Some(Header::CSeq) => (&mut seen.cseq, "Two CSeq Headers"),
                Some(Header::MaxForwards) => (&mut seen.max_forwards, "Two Max-Forwards Headers"),
                Some(Header::ContentLength) => (&mut seen.content_length, "Two Content-Length Headers"),
                _ => continue,
            };
            if slot.is_none() {
                *slot = Some(line.value);
            } else {
                self.fault.get_or_insert(bad(doubled));
            }
        }
        seen
    }

    fn note(&mut self, result: Result<(), Fault>) {
        if let Err(fault) = result {
            self.fault.get_or_insert(fault);
        }
    }

    fn str(&self, span: Span) -> &'m str {
        match self.text {
            Some(text) => text.get(span.start.into()..span.end.into()).unwrap_or(""),
            None => std::str::from_utf8(span.of(self.head)).unwrap_or(""),
        }
    }

    /// Every element of every line of a list header, empty ones too.
    fn elements(&self, id: Header) -> impl Iterator<Item = &'m str> {
        self.lines.iter().filter(move |line| line.id == Some(id)).flat_map(|line| {
            let mut rest = Some(self.str(line.value));
            std::iter::from_fn(move || {
                let (value, after) = split_list(rest?);
                rest = after;
                Some(value)
            })
        })
    }

    /// The top one has to be sound, those below only to be read as far as their host: they are other hops' own.
    fn vias(&self, first: Option<Span>, facts: &mut Facts) -> Result<(), Fault> {
        const FAULT: Fault = bad("Missing or Malformed Via");
        let first = first.ok_or(FAULT)?;
        let (top, _) = split_list(self.str(first));
        // The line is trimmed already, so its first element starts where it does.
        facts.top_via = Span { start: first.start, end: first.start + top.len() as u16 };
        let via = Via::parse(top).ok_or(FAULT)?;
        let branch = via.params().get_once("branch").map_err(|()| FAULT)?;
        if !is_visible(branch.unwrap_or("").as_bytes()) {
            return Err(FAULT);
        }
        let mut below = self.elements(Header::Via).skip(1);
        if !self.is_request || below.all(|value| Via::salvage(value).is_some()) { Ok(()) } else { Err(FAULT) }
    }

    /// RFC 3261 §8.1.1.5: a number below 2^31 and the method.
    fn cseq(&self, value: Option<Span>, facts: &mut Facts) -> Result<(), Fault> {
        const FAULT: Fault = bad("Missing or Malformed CSeq");
        let value = value.ok_or(FAULT)?;
        let text = value.of(self.head);
        let end = text.iter().take_while(|b| b.is_ascii_digit()).count();
        let method = skip_blank(text, end);
        if method == end || !is_token(&text[method..]) {
            return Err(FAULT);
        }
        let name = Span { start: value.start + method as u16, end: value.end };
        if !self.is_request {
            facts.method_name = name;
            facts.method = Method::parse(self.str(name));
        } else if name.of(self.head) != facts.method_name.of(self.head) {
            return Err(bad("CSeq Method Mismatch"));
        }
        facts.cseq = digits(&text[..end]).filter(|&number| number < 1 << 31).ok_or(FAULT)?;
        Ok(())
    }

    /// The tag of a From or To that is sound.
    fn tag(&self, value: Option<Span>) -> Result<Option<Span>, ()> {
        let value = value.ok_or(())?;
        let text = self.str(value);
        let address = NameAddr::parse(text).ok_or(())?;
        let Some(tag) = address.params().get_once("tag")? else { return Ok(None) };
        if !is_token(tag.as_bytes()) {
            return Err(());
        }
        let start = value.start + (tag.as_ptr().addr() - text.as_ptr().addr()) as u16;
        Ok(Some(Span { start, end: start + tag.len() as u16 }))
    }

    /// RFC 3261 §20.22: 0 to 255. RFC 2543 peers send none.
    fn max_forwards(&self, value: Option<Span>) -> Result<(), Fault> {
        match value.map(|value| digits(value.of(self.head))) {
            None | Some(Some(0..=255)) => Ok(()),
            _ => Err(bad("Malformed Max-Forwards")),
        }
    }

    fn contacts(&self) -> Result<(), Fault> {
        let sound = |value: &str| value == "*" || NameAddr::parse(value).is_some();
        if self.elements(Header::Contact).all(sound) { Ok(()) } else { Err(bad("Malformed Contact")) }
    }

    /// RFC 3261 §18.3: what is beyond Content-Length is not the message, and less than it is none. Without one, the
    /// body is all that came.
    fn length(&self, value: Option<Span>, facts: &mut Facts) -> Result<(), Fault> {
        let Some(value) = value else { return Ok(()) };
        let length = digits(value.of(self.head)).ok_or(bad("Malformed Content-Length"))?;
        let end = facts.body.0.checked_add(length).filter(|&end| end <= facts.body.1);
        facts.body.1 = end.ok_or(bad("Body Shorter than Content-Length"))?;
        Ok(())
    }
}

/// No space or control: what names a transaction or dialog has to come back unchanged.
fn is_visible(text: &[u8]) -> bool {
    text.iter().all(|&b| b > b' ' && b != 0x7f)
}
