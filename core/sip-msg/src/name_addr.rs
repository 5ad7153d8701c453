//! Addresses with a display name: From, To, Contact, Route and their like.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::params::Params;
use crate::text::{is_token_byte, quoted_end, trim, unquote};
use crate::uri::Uri;

/// `"Display" <uri>;params` of From, To, Contact, Route, P-Asserted-Identity ...
#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    text: &'a str,
    display: &'a str,
    uri: Uri<'a>,
    params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    pub(crate) const NOTHING: NameAddr<'static> =
        NameAddr { text: "", display: "", uri: Uri::opaque(""), params: Params::EMPTY };

    /// Accepts name-addr and addr-spec; in the addr-spec form `;params` are header parameters, and a `?` or a comma
    /// in it is refused (RFC 3261 §20).
    pub fn parse(text: &'a str) -> Option<NameAddr<'a>> {
        let text = trim(text);
        let Some(open) = angle(text)? else {
            let end = memchr(b';', text.as_bytes()).unwrap_or(text.len());
            let (spec, params) = text.split_at(end);
            let spec = trim(spec);
            if memchr2(b'?', b',', spec.as_bytes()).is_some() {
                return None;
            }
            return Some(NameAddr {
                text,
                display: "",
                uri: Uri::parse(spec)?,
                params: Params::checked(params)?,
            });
        };
        let display = trim(&text[..open]);
        // Something like `sip:a@b;tag=1 <sip:c@d>` has two readings.
        if !display.starts_with('"') && memchr2(b';', b'>', display.as_bytes()).is_some() {
            return None;
        }
        let close = open + memchr(b'>', &text.as_bytes()[open..])?;
        let uri = Uri::parse(trim(&text[open + 1..close]))?;
        Some(NameAddr { text, display, uri, params: Params::checked(&text[close + 1..])? })
    }

    /// The display name without quotes and with `\` escapes resolved; `None` when absent or empty.
    pub fn display(&self) -> Option<Cow<'a, str>> {
        let name = match self.display.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
            Some(inner) => unquote(inner),
            None => Cow::Borrowed(self.display),
        };
        (!name.is_empty()).then_some(name)
    }

    /// The URI.
    pub fn uri(&self) -> Uri<'a> {
        self.uri
    }

    /// Header parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The `tag` parameter of From and To.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag")
    }

    /// The whole value as written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }
}

/// Where the `<` outside quotes is: `Some(None)` when there is none, `None` when a quote does not end.
fn angle(text: &str) -> Option<Option<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(hit) = memchr2(b'<', b'"', &bytes[at..]).map(|hit| at + hit) {
        if bytes[hit] == b'<' {
            return Some(Some(hit));
        }
        at = quoted_end(bytes, hit)?;
    }
    Some(None)
}

/// Writes a display name quoted and escaped where needed, followed by a space; nothing for an empty one. Control
/// characters are left out.
pub fn quote_display(name: &str) -> String {
    let name = name.trim();
    if name.is_empty() {
        return String::new();
    }
    if name.bytes().all(|b| is_token_byte(b) || b == b' ') {
        return format!("{name} ");
    }
    let mut out = String::with_capacity(name.len() + 4);
    out.push('"');
    for c in name.chars().filter(|c| !c.is_control()) {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push_str("\" ");
    out
}
