//! SIP and telephone URIs (RFC 3261 §19.1, RFC 3966).

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::memchr;
use smallvec::SmallVec;

use crate::params::Params;
use crate::text::{digits, is_host_byte, is_uri_byte, is_user_byte, percent_decode, trim_start};

/// URI scheme (RFC 3261 §19.1, RFC 3966).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Anything else.
    Other,
}

/// Host of a URI or Via.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Host<'a> {
    /// A name, as written.
    Name(&'a str),
    /// An address.
    Ip(IpAddr),
}

impl fmt::Display for Host<'_> {
    /// IPv6 in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

impl<'a> Host<'a> {
    /// Reads a host at the start of `text`: (host, what follows it).
    pub(crate) fn split(text: &'a str) -> Option<(Host<'a>, &'a str)> {
        if let Some(inner) = text.strip_prefix('[') {
            let (address, rest) = inner.split_once(']')?;
            return Some((Host::Ip(IpAddr::V6(ipv6(address)?)), rest));
        }
        let bytes = text.as_bytes();
        let mut end = 0;
        let mut letters = false;
        while let Some(&b) = bytes.get(end)
            && is_host_byte(b)
        {
            letters |= !b.is_ascii_digit() && b != b'.';
            end += 1;
        }
        if end == 0 || !matches!(bytes.get(end), None | Some(b':' | b';' | b'?' | b' ' | b'\t')) {
            return None;
        }
        let (host, rest) = text.split_at(end);
        let address = if letters { None } else { ipv4(host) };
        Some((address.map_or(Host::Name(host), |ip| Host::Ip(IpAddr::V4(ip))), rest))
    }

    /// Reads `:port` at the start of `text`, if it is there: (port, what follows it).
    pub(crate) fn split_port(text: &'a str) -> Option<(Option<u16>, &'a str)> {
        let Some(after) = text.strip_prefix(':').map(trim_start) else { return Some((None, text)) };
        let end = after.bytes().take_while(u8::is_ascii_digit).count();
        let (port, rest) = after.split_at(end);
        Some((Some(u16::try_from(digits(port.as_bytes())?).ok()?), rest))
    }

    fn same(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        }
    }
}

/// Four decimal numbers; one with a leading zero is octal to some, so it is no address.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut rest = text.as_bytes();
    let mut octets = [0; 4];
    for (i, octet) in octets.iter_mut().enumerate() {
        let end = rest.iter().position(|&b| b == b'.').unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        if part.len() > 3 || (part.len() > 1 && part[0] == b'0') || (i == 3) != after.is_empty() {
            return None;
        }
        *octet = u8::try_from(digits(part)?).ok()?;
        rest = after.get(1..).unwrap_or_default();
    }
    Some(octets.into())
}

/// An IPv6 address without brackets. Three colons, which an early grammar led to, read as two (RFC 5118 §4.10).
pub(crate) fn ipv6(text: &str) -> Option<Ipv6Addr> {
    // The longest text of an address has 45 characters; beyond, nothing is worth a copy.
    if text.len() > 48 {
        return None;
    }
    text.parse().ok().or_else(|| text.contains(":::").then(|| text.replacen(":::", "::", 1))?.parse().ok())
}

/// A parsed URI borrowed from its text.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    text: &'a str,
    scheme: Scheme,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: Host<'a>,
    port: Option<u16>,
    params: Params<'a>,
    headers: Option<&'a str>,
}

impl<'a> Uri<'a> {
    /// Parses `sip:`, `sips:`, `tel:`; any other scheme parses as [`Scheme::Other`] with only its text.
    pub fn parse(text: &'a str) -> Option<Uri<'a>> {
        let bytes = text.as_bytes();
        let mut colon = 0;
        while bytes.get(colon).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) {
            colon += 1;
        }
        if colon == 0 || bytes.get(colon) != Some(&b':') || !bytes[0].is_ascii_alphabetic() {
            return None;
        }
        let rest = &text[colon + 1..];
        let mut at = None;
        for (i, &b) in rest.as_bytes().iter().enumerate() {
            if !is_uri_byte(b) {
                return None;
            }
            if b == b'@' && at.is_none() {
                at = Some(i);
            }
        }
        let scheme = &bytes[..colon];
        if rest.is_empty() {
            None
        } else if scheme.eq_ignore_ascii_case(b"sip") {
            Uri::parse_sip(text, Scheme::Sip, rest, at)
        } else if scheme.eq_ignore_ascii_case(b"sips") {
            Uri::parse_sip(text, Scheme::Sips, rest, at)
        } else if scheme.eq_ignore_ascii_case(b"tel") {
            let end = memchr(b';', rest.as_bytes()).unwrap_or(rest.len());
            let (number, params) = rest.split_at(end);
            let user = (!number.is_empty()).then_some(number)?;
            Some(Uri {
                scheme: Scheme::Tel,
                user: Some(user),
                params: Params::new(params),
                ..Uri::opaque(text)
            })
        } else {
            Some(Uri::opaque(text))
        }
    }

    /// A URI of which nothing but its text is known.
    pub(crate) const fn opaque(text: &'a str) -> Uri<'a> {
        Uri {
            text,
            scheme: Scheme::Other,
            user: None,
            password: None,
            host: Host::Name(""),
            port: None,
            params: Params::EMPTY,
            headers: None,
        }
    }

    /// An unescaped `@` may stand nowhere before the one that ends the user part, so the first one is it, and a `;` or
    /// `?` before it belongs to the user.
    fn parse_sip(text: &'a str, scheme: Scheme, rest: &'a str, at: Option<usize>) -> Option<Uri<'a>> {
        let (userinfo, hostport) = at.map_or(("", rest), |at| (&rest[..at], &rest[at + 1..]));
        let (user, password) = match userinfo.bytes().position(|b| b == b':') {
            Some(colon) => (&userinfo[..colon], Some(&userinfo[colon + 1..])),
            None => (userinfo, None),
        };
        let (host, rest) = Host::split(hostport)?;
        let (port, rest) = Host::split_port(rest)?;
        let (params, headers) = match memchr(b'?', rest.as_bytes()) {
            Some(mark) => (&rest[..mark], Some(&rest[mark + 1..])),
            None => (rest, None),
        };
        if !params.is_empty() && !params.starts_with(';') {
            return None;
        }
        let user = (!user.is_empty()).then_some(user);
        Some(Uri { text, scheme, user, password, host, port, params: Params::new(params), headers })
    }

    /// The whole URI as written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The user part as written (still escaped), without password and without `@`. For `tel:` the number as written.
    pub fn user(&self) -> Option<&'a str> {
        self.user
    }

    /// The password as written; it has no business in a SIP URI (RFC 3261 §19.1.1).
    pub fn password(&self) -> Option<&'a str> {
        self.password
    }

    /// The user part unescaped (`%2B` -> `+`); borrowed when nothing was escaped.
    pub fn user_unescaped(&self) -> Option<Cow<'a, str>> {
        Some(match percent_decode(self.user?) {
            Cow::Borrowed(_) => Cow::Borrowed(self.user?),
            Cow::Owned(bytes) => Cow::Owned(
                String::from_utf8(bytes)
                    .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
            ),
        })
    }

    /// The user part unescaped; of a telephone number without its parameters, as `+15551234567` of `+15551234567;npdi`
    /// (RFC 3261 §19.1.6).
    pub fn number(&self) -> Option<Cow<'a, str>> {
        match self.split_subscriber() {
            Some((number, _)) => Some(Cow::Borrowed(number)),
            None => self.user_unescaped(),
        }
    }

    /// A parameter of the telephone number (RFC 3966 §3), which a SIP URI has within its user part.
    pub fn number_param(&self, name: &str) -> Option<&'a str> {
        match self.scheme {
            Scheme::Tel => self.params.get(name),
            _ => self.split_subscriber()?.1.get(name),
        }
    }

    /// The number and its parameters, where the user part has both.
    fn split_subscriber(&self) -> Option<(&'a str, Params<'a>)> {
        let user = self.user.filter(|user| user.starts_with(|c: char| c == '+' || c.is_ascii_digit()))?;
        let (number, params) = user.split_at(memchr(b';', user.as_bytes())?);
        Some((number, Params::new(params)))
    }

    /// `Host::Name("")` for `tel:` and other schemes.
    pub fn host(&self) -> Host<'a> {
        self.host
    }

    /// The port, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// URI parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// Embedded headers after `?`, as written.
    pub fn headers(&self) -> Option<&'a str> {
        self.headers
    }

    /// The embedded headers of one name, unescaped; what is no text is left out.
    pub fn embedded(&self, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
        let pairs = self.headers.unwrap_or("").split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(move |(found, _)| same_in_any_case(found, name)).filter_map(|(_, value)| {
            match percent_decode(value) {
                Cow::Borrowed(_) => Some(Cow::Borrowed(value)),
                Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
            }
        })
    }

    /// Comparison by the rules of RFC 3261 §19.1.4, and for `tel:` of RFC 3966 §5.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        if self.text == other.text {
            return true;
        }
        if self.scheme != other.scheme || self.text.len().max(other.text.len()) > LONGEST_COMPARED {
            return false;
        }
        match self.scheme {
            Scheme::Other => false,
            Scheme::Tel => {
                let bare = |user: Option<&'a str>| number_bytes(user.unwrap_or(""));
                bare(self.user).eq(number_bytes(other.user.unwrap_or("")))
                    && params_match(&self.params, &other.params, |_| true)
            }
            Scheme::Sip | Scheme::Sips => {
                same_text(self.user, other.user)
                    && same_text(self.password, other.password)
                    && self.host.same(&other.host)
                    && self.port == other.port
                    && params_match(&self.params, &other.params, is_significant)
                    && headers_match(self.headers, other.headers)
            }
        }
    }
}

/// Escapes are the same as what they stand for (RFC 3261 §19.1.4).
fn same_text(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || percent_decode(a) == percent_decode(b),
        (None, None) => true,
        _ => false,
    }
}

fn number_bytes(number: &str) -> impl Iterator<Item = u8> + '_ {
    let visual = |b: &u8| !matches!(b, b'-' | b'.' | b'(' | b')');
    number.bytes().filter(visual).map(|b| b.to_ascii_lowercase())
}

/// Parameters that make a difference even where only one side has them (RFC 3261 §19.1.4).
fn is_significant(name: &str) -> bool {
    ["transport", "user", "ttl", "method", "maddr"].iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// Beyond so many parameters or bytes, URIs match only as written: looking each parameter up among the others must stay
/// cheap.
const MOST_COMPARED: usize = 64;
const LONGEST_COMPARED: usize = 4096;

type Pairs<'t> = SmallVec<[(&'t str, &'t str); 8]>;

fn pairs<'t>(all: impl Iterator<Item = (&'t str, &'t str)>) -> Option<Pairs<'t>> {
    let pairs: Pairs<'t> = all.take(MOST_COMPARED + 1).collect();
    (pairs.len() <= MOST_COMPARED).then_some(pairs)
}

fn same_in_any_case(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || percent_decode(a).eq_ignore_ascii_case(&percent_decode(b))
}

/// Whether what `a` has is the same in `b`, or absent where that makes no difference.
fn covered(a: &Pairs<'_>, b: &Pairs<'_>, matters: impl Fn(&str) -> bool) -> bool {
    a.iter().all(|(name, value)| match b.iter().find(|(other, _)| same_in_any_case(name, other)) {
        Some((_, other)) => same_in_any_case(value, other),
        None => !matters(name),
    })
}

fn params_match(a: &Params<'_>, b: &Params<'_>, matters: impl Fn(&str) -> bool) -> bool {
    if a.as_str() == b.as_str() {
        return true;
    }
    let read = |(name, value): (_, Option<_>)| (name, value.unwrap_or(""));
    match (pairs(a.iter().map(read)), pairs(b.iter().map(read))) {
        (Some(a), Some(b)) => covered(&a, &b, &matters) && covered(&b, &a, &matters),
        _ => false,
    }
}

fn headers_match(a: Option<&str>, b: Option<&str>) -> bool {
    fn read(headers: &str) -> impl Iterator<Item = (&str, &str)> {
        headers.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }
    match (a, b) {
        (Some(a), Some(b)) if a != b => match (pairs(read(a)), pairs(read(b))) {
            (Some(a), Some(b)) => covered(&a, &b, |_| true) && covered(&b, &a, |_| true),
            _ => false,
        },
        _ => a == b,
    }
}

/// Escapes what may not stand in the user part of a SIP URI (RFC 3261 §25.1).
pub fn escape_user(user: &str) -> Cow<'_, str> {
    if user.bytes().all(is_user_byte) {
        return user.into();
    }
    let mut out = String::with_capacity(user.len() + 8);
    for b in user.bytes() {
        if is_user_byte(b) {
            out.push(b as char);
        } else {
            let hex = |nibble: u8| char::from(b"0123456789ABCDEF"[nibble as usize]);
            out.extend(['%', hex(b >> 4), hex(b & 15)]);
        }
    }
    out.into()
}
