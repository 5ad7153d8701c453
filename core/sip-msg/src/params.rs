//! `;name=value` parameters of URIs and headers.

use memchr::memchr;

use crate::text::{quoted_end, skip_blank, skip_token, trim, trim_start};

/// `;name=value` parameters; names compare without case.
#[derive(Clone, Copy, Debug, Default)]
pub struct Params<'a> {
    /// Empty, or beginning with `;`.
    text: &'a str,
}

impl<'a> Params<'a> {
    pub(crate) const EMPTY: Params<'static> = Params { text: "" };

    /// `text` is empty or begins with `;`.
    pub(crate) fn new(text: &'a str) -> Params<'a> {
        Params { text }
    }

    /// Header parameters, refused where a peer and we could read them differently: empty ones (`;;`), quotes that
    /// do not end, commas and brackets outside quotes. One lone `;` at the end is let through.
    pub(crate) fn checked(text: &'a str) -> Option<Params<'a>> {
        let text = trim(text);
        let mut at = 0;
        while at < text.len() {
            at = match one(text.as_bytes(), at) {
                Some(next) => next,
                None if &text[at..] == ";" => break,
                None => return None,
            };
        }
        Some(Params { text })
    }

    /// As `checked`, but keeps what stands before the first unsound parameter.
    pub(crate) fn salvaged(text: &'a str) -> Params<'a> {
        let text = trim(text);
        let mut sound = 0;
        while let Some(next) = one(text.as_bytes(), sound) {
            sound = next;
        }
        Params { text: &text[..sound] }
    }

    /// The value of a parameter that may be there once: an error when it is there twice.
    pub(crate) fn get_once(&self, name: &str) -> Result<Option<&'a str>, ()> {
        let mut values = self.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let first = values.next().map(|(_, value)| value.unwrap_or(""));
        if values.next().is_some() { Err(()) } else { Ok(first) }
    }

    /// The value as written (quotes kept out, `""` for a flag), `None` when absent.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or(""))
    }

    /// Whether the parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every parameter in order as (name, value); a flag has no value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + 'a {
        self.pieces().filter(|piece| !piece.is_empty()).map(split)
    }

    /// As written, with the leading `;`.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Each parameter as written, without its `;`.
    pub(crate) fn pieces(&self) -> Pieces<'a> {
        Pieces { rest: self.text }
    }
}

/// What stands between semicolons.
pub(crate) struct Pieces<'a> {
    /// Empty, or beginning with the `;` of the next piece.
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.strip_prefix(';')?;
        let bytes = text.as_bytes();
        let mut at = 0;
        let end = loop {
            match bytes.get(at) {
                None | Some(b';') => break at,
                Some(b'"') => match quoted_end(bytes, at) {
                    Some(after) => at = after,
                    None => break bytes.len(),
                },
                Some(_) => at += 1,
            }
        };
        self.rest = &text[end..];
        Some(trim(&text[..end]))
    }
}

fn split(piece: &str) -> (&str, Option<&str>) {
    match memchr(b'=', piece.as_bytes()) {
        None => (piece, None),
        Some(equals) => {
            let value = trim_start(&piece[equals + 1..]);
            let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            (trim(&piece[..equals]), Some(inner.unwrap_or(value)))
        }
    }
}

/// The index behind the sound parameter whose `;` is at `at`.
fn one(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b';') {
        return None;
    }
    let name = skip_blank(bytes, at + 1);
    let end = skip_token(bytes, name);
    if end == name {
        return None;
    }
    let mut at = skip_blank(bytes, end);
    if bytes.get(at) == Some(&b'=') {
        at = skip_blank(bytes, at + 1);
        if bytes.get(at) == Some(&b'"') {
            at = skip_blank(bytes, quoted_end(bytes, at)?);
        } else {
            while let Some(&b) = bytes.get(at)
                && b != b';'
            {
                if matches!(b, b'"' | b',' | b'<' | b'>') {
                    return None;
                }
                at += 1;
            }
        }
    }
    matches!(bytes.get(at), None | Some(b';')).then_some(at)
}
