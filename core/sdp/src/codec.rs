//! Payload types: the static numbers of RFC 3551 and what `a=rtpmap` makes of the others.

/// One payload type of an audio stream.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Payload {
    /// RTP payload type, 0..=127.
    pub number: u8,
    /// Encoding name as written by the describer; names compare without case (RFC 4855 §3).
    pub name: String,
    /// RTP clock rate in Hz. G.722 says 8000 (RFC 3551 §4.5.2).
    pub clock_rate: u32,
}

impl Payload {
    /// Whether this is the encoding called `name`.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether this carries speech: not telephone-event (RFC 4733), tone, comfort noise (RFC 3389) or redundancy.
    pub fn is_audio_codec(&self) -> bool {
        !["telephone-event", "tone", "CN", "red"].iter().any(|name| self.is(name))
    }

    pub(crate) fn same_encoding(&self, other: &Payload) -> bool {
        self.is(&other.name) && self.clock_rate == other.clock_rate
    }
}

/// RFC 3551 §6, Tables 4 and 5: number, name, clock rate.
const STATIC: &[(u8, &str, u32)] = &[
    (0, "PCMU", 8000),
    (3, "GSM", 8000),
    (4, "G723", 8000),
    (5, "DVI4", 8000),
    (6, "DVI4", 16000),
    (7, "LPC", 8000),
    (8, "PCMA", 8000),
    (9, "G722", 8000),
    (10, "L16", 44100),
    (11, "L16", 44100),
    (12, "QCELP", 8000),
    (13, "CN", 8000),
    (14, "MPA", 90000),
    (15, "G728", 8000),
    (16, "DVI4", 11025),
    (17, "DVI4", 22050),
    (18, "G729", 8000),
    (25, "CelB", 90000),
    (26, "JPEG", 90000),
    (28, "nv", 90000),
    (31, "H261", 90000),
    (32, "MPV", 90000),
    (33, "MP2T", 90000),
    (34, "H263", 90000),
];

/// What a payload number means without `a=rtpmap`.
pub(crate) fn static_encoding(number: u8) -> Option<(&'static str, u32)> {
    STATIC.iter().find(|(n, ..)| *n == number).map(|&(_, name, rate)| (name, rate))
}

/// The number that a demo or test description gives to an encoding, its clock rate and the rest of its rtpmap.
pub(crate) fn usual_number(name: &str) -> Option<(u8, u32, &'static str)> {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    if is("telephone-event") {
        return Some((101, 8000, ""));
    }
    if is("opus") {
        return Some((111, 48000, "/2")); // RFC 7587 §7
    }
    STATIC.iter().find(|(_, known, _)| is(known)).map(|&(number, _, rate)| (number, rate, ""))
}

/// `name/clock[/channels]` of an `a=rtpmap`; `None` when it is none (RFC 8866 §6.6).
pub(crate) fn parse_encoding(text: &str) -> Option<(&str, u32)> {
    let mut parts = text.split('/');
    let name = parts.next().filter(|name| is_token(name) && name.len() <= 64)?;
    let clock_rate = parts.next()?.parse().ok().filter(|rate| *rate > 0)?;
    let channels = parts.next();
    if channels.is_some_and(|count| count.parse::<u8>().is_err()) || parts.next().is_some() {
        return None;
    }
    Some((name, clock_rate))
}

/// A token of RFC 8866 §9.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&b))
}
