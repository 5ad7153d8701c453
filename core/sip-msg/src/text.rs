//! Character classes and the few text tools that every room shares; each is one pass over its input.

use memchr::{memchr, memchr2};

const TOKEN: u8 = 1;
const HOST: u8 = 2;
const URI: u8 = 4;
const USER: u8 = 8;

/// Class bits a byte, so that a check costs one load (RFC 3261 §25.1).
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        let alnum = b.is_ascii_alphanumeric();
        if alnum || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~') {
            table[i] |= TOKEN;
        }
        // The underscore is no host character, yet names in the field have it.
        if alnum || matches!(b, b'-' | b'.' | b'_') {
            table[i] |= HOST;
        }
        if b > b' ' && b != 0x7f && !matches!(b, b'<' | b'>' | b'"') {
            table[i] |= URI;
        }
        let mark = matches!(b, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')');
        if alnum || mark || matches!(b, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/') {
            table[i] |= USER;
        }
        i += 1;
    }
    table
}

/// A character of a token (RFC 3261 §25.1).
pub(crate) fn is_token_byte(b: u8) -> bool {
    CLASSES[b as usize] & TOKEN != 0
}

pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_token_byte(b))
}

/// A character of a host name.
pub(crate) fn is_host_byte(b: u8) -> bool {
    CLASSES[b as usize] & HOST != 0
}

/// A character that neither ends nor breaks a URI: no space, control, quote or angle bracket.
pub(crate) fn is_uri_byte(b: u8) -> bool {
    CLASSES[b as usize] & URI != 0
}

/// A character that stands unescaped in a user part (RFC 3261 §25.1, `user`).
pub(crate) fn is_user_byte(b: u8) -> bool {
    CLASSES[b as usize] & USER != 0
}

/// Space or tab: the white space that is left once folds are gone.
pub(crate) fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

/// Cuts spaces and tabs off both ends.
pub(crate) fn trim(text: &str) -> &str {
    let text = trim_start(text);
    let mut end = text.len();
    while end > 0 && is_blank(text.as_bytes()[end - 1]) {
        end -= 1;
    }
    &text[..end]
}

/// Cuts spaces and tabs off the start.
pub(crate) fn trim_start(text: &str) -> &str {
    &text[skip_blank(text.as_bytes(), 0)..]
}

/// The first index from `at` on that is no space or tab.
pub(crate) fn skip_blank(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|&b| is_blank(b)) {
        at += 1;
    }
    at
}

/// The first index from `at` on that is no token character.
pub(crate) fn skip_token(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|&b| is_token_byte(b)) {
        at += 1;
    }
    at
}

/// The index behind the quoted string whose opening quote is at `open`; `None` when it does not end.
pub(crate) fn quoted_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        let hit = at + memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[hit] == b'"' {
            return Some(hit + 1);
        }
        at = hit + 2;
    }
}

/// Resolves `\` escapes of what stood between quotes (RFC 3261 §25.1, `quoted-pair`).
pub(crate) fn unquote(inner: &str) -> std::borrow::Cow<'_, str> {
    if memchr(b'\\', inner.as_bytes()).is_none() {
        return inner.into();
    }
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    out.into()
}

/// Cuts the first element off a comma-separated list: (element trimmed, what follows the comma).
///
/// Commas in quotes and in `<>` do not count. A quote or bracket that does not end takes the rest with it.
pub(crate) fn split_list(list: &str) -> (&str, Option<&str>) {
    let bytes = list.as_bytes();
    if memchr(b',', bytes).is_none() {
        return (trim(list), None);
    }
    let mut at = 0;
    while at < bytes.len() {
        let next = match bytes[at] {
            b',' => return (trim(&list[..at]), Some(&list[at + 1..])),
            b'"' => quoted_end(bytes, at),
            b'<' => memchr(b'>', &bytes[at..]).map(|end| at + end + 1),
            _ => Some(at + 1),
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    (trim(list), None)
}

/// Reads decimal digits; one too large for `u32` saturates, anything but digits is `None`.
pub(crate) fn digits(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    let mut value: u32 = 0;
    for &b in text {
        if !b.is_ascii_digit() {
            return None;
        }
        value = value.saturating_mul(10).saturating_add(u32::from(b - b'0'));
    }
    Some(value)
}

/// Resolves `%HH` escapes; one that is broken stays as written.
pub(crate) fn percent_decode(text: &str) -> std::borrow::Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if memchr(b'%', bytes).is_none() {
        return bytes.into();
    }
    let hex = |b: Option<&u8>| b.and_then(|&b| (b as char).to_digit(16)).map(|d| d as u8);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            (b, ..) => {
                out.push(b);
                at += 1;
            }
        }
    }
    out.into()
}
