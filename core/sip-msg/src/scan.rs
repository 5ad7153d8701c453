//! The first pass over a head: it finds the lines, and looks at nothing behind the colon.

use bytes::Bytes;
use memchr::{memchr, memchr3};

use crate::header::Header;
use crate::message::{Line, LineList, Span};
use crate::text::{is_blank, skip_blank, skip_token};

/// The most bytes a head may have, start line and blank line included.
pub(crate) const MAX_HEAD: usize = u16::MAX as usize;
/// The most header lines a message may have.
const MAX_LINES: usize = 256;

/// Status and reason of an answer.
pub(crate) type Fault = (u16, &'static str);

pub(crate) const fn bad(why: &'static str) -> Fault {
    (400, why)
}

/// What the first pass found.
pub(crate) struct Scan {
    /// `None` when not even that ends.
    pub(crate) start_line: Option<Span>,
    pub(crate) lines: LineList,
    /// Behind the blank line, or the end of everything.
    pub(crate) body_start: usize,
    /// The first thing wrong; the pass goes on behind it where it can, for the sake of the answer.
    pub(crate) fault: Option<Fault>,
    /// The pass stopped at a folded line.
    pub(crate) folded: bool,
}

pub(crate) fn scan(raw: &[u8]) -> Scan {
    let buf = &raw[..raw.len().min(MAX_HEAD)];
    let mut scan =
        Scan { start_line: None, lines: LineList::new(), body_start: raw.len(), fault: None, folded: false };
    let mut at = 0;
    loop {
        let Some(row) = row(buf, at, &mut scan.fault) else {
            let cut = raw.len() > buf.len();
            scan.fault.get_or_insert(if cut { (513, "Head Too Large") } else { bad("Head Does Not End") });
            return scan;
        };
        if scan.start_line.is_none() {
            scan.start_line = Some(span(at, row.end));
        } else if row.end == at {
            scan.body_start = row.next;
            return scan;
        } else if is_blank(buf[at]) {
            scan.folded = true;
            return scan;
        } else if scan.lines.len() == MAX_LINES {
            scan.fault.get_or_insert(bad("Too Many Header Lines"));
            return scan;
        } else {
            match line(&buf[..row.end], at) {
                Some(line) => scan.lines.push(line),
                None => _ = scan.fault.get_or_insert(bad("Malformed Header Line")),
            }
        }
        at = row.next;
    }
}

/// One line: its end without the line break, and where the next one starts.
struct Row {
    end: usize,
    next: usize,
}

/// Ends at CRLF, or at a bare LF, which sloppy peers send. A CR alone is a line end to some and none to others, so it
/// is refused; a NUL is let through as a quoted pair only (RFC 3261 §25.1).
fn row(buf: &[u8], from: usize, fault: &mut Option<Fault>) -> Option<Row> {
    let mut at = from;
    let mut quoted = false;
    loop {
        let hit = at + memchr3(b'\n', b'\r', 0, &buf[at..])?;
        match buf[hit] {
            b'\n' => return Some(Row { end: hit, next: hit + 1 }),
            b'\r' if buf.get(hit + 1) == Some(&b'\n') => return Some(Row { end: hit, next: hit + 2 }),
            b'\r' => _ = fault.get_or_insert(bad("Bare CR in Head")),
            _ if ends_in_escape(&buf[at..hit], &mut quoted) => {}
            _ => _ = fault.get_or_insert(bad("NUL in Head")),
        }
        at = hit + 1;
    }
}

/// Whether the next character is escaped, in a quoted string. `quoted` carries over from piece to piece of a line.
fn ends_in_escape(piece: &[u8], quoted: &mut bool) -> bool {
    let mut escaped = false;
    for &b in piece {
        if escaped {
            escaped = false;
        } else if b == b'"' {
            *quoted = !*quoted;
        } else {
            escaped = *quoted && b == b'\\';
        }
    }
    escaped
}

fn line(buf: &[u8], start: usize) -> Option<Line> {
    let name = span(start, skip_token(buf, start));
    let colon = skip_blank(buf, name.end.into());
    if name.start == name.end || buf.get(colon) != Some(&b':') {
        return None;
    }
    let start = skip_blank(buf, colon + 1);
    let mut end = buf.len();
    while end > start && is_blank(buf[end - 1]) {
        end -= 1;
    }
    Some(Line { name, value: span(start, end), id: Header::from_bytes(name.of(buf)) })
}

/// Both ends are within a head, which is shorter than 64 KiB.
fn span(start: usize, end: usize) -> Span {
    Span { start: start as u16, end: end as u16 }
}

/// The head with every line break before a space or tab turned into spaces (RFC 3261 §7.3.1). Nothing moves.
pub(crate) fn unfold(raw: &[u8]) -> Bytes {
    let mut head = raw[..raw.len().min(MAX_HEAD + 1)].to_vec();
    let mut at = 0;
    while let Some(feed) = memchr(b'\n', &head[at..]).map(|hit| at + hit) {
        match (head.get(feed + 1), head.get(feed + 2)) {
            (Some(b' ' | b'\t'), _) => {
                head[feed] = b' ';
                if feed > 0 && head[feed - 1] == b'\r' {
                    head[feed - 1] = b' ';
                }
            }
            // The body is left out: spans never point at it.
            (Some(b'\n'), _) => {
                head.truncate(feed + 2);
                break;
            }
            (Some(b'\r'), Some(b'\n')) => {
                head.truncate(feed + 3);
                break;
            }
            _ => {}
        }
        at = feed + 1;
    }
    head.into()
}
