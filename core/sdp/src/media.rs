//! One `m=` section: its line, and of its attributes those that we read or pass on.

use std::net::{IpAddr, Ipv4Addr};

use crate::codec::{Payload, is_token, parse_encoding, static_encoding};
use crate::{Direction, Kind, SdpError};

/// A session that offers more than this in one line is no telephone call.
const MAX_FORMATS: usize = 64;

/// Media attributes that say something of the sound or picture and nothing of the network; each may stand once.
const PASSED: &[&str] =
    &["ptime", "maxptime", "silenceSupp", "lang", "sdplang", "content", "framerate", "imageattr"];

/// More attributes than this are kept of no line.
const MAX_PASSED: usize = 64;

/// Address of a `c=` line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Connection {
    Ip(IpAddr),
    /// A host name or multicast address.
    Unusable,
}

impl Connection {
    /// Reads `IN IP4 192.0.2.1` (RFC 8866 §5.7). The domain `.invalid` stands for "none" where IPv6 has no 0.0.0.0.
    pub(crate) fn parse(value: &str) -> Result<Connection, SdpError> {
        let mut fields = value.split_ascii_whitespace();
        let (Some(net), Some(_), Some(address)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(SdpError::Malformed("a c= line has too few fields"));
        };
        if !net.eq_ignore_ascii_case("IN") {
            return Ok(Connection::Unusable);
        }
        let lower = address.trim_end_matches('.');
        if lower.len() >= 8 && lower.as_bytes()[lower.len() - 8..].eq_ignore_ascii_case(b".invalid") {
            return Ok(Connection::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        }
        Ok(match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) if ip.is_broadcast() || ip.is_multicast() => Connection::Unusable,
            Ok(ip) if ip.is_multicast() => Connection::Unusable,
            Ok(ip) => Connection::Ip(ip),
            Err(_) => Connection::Unusable,
        })
    }
}

/// One payload type with the attributes that follow it from leg to leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Format {
    pub(crate) payload: Payload,
    /// `opus/48000/2`
    pub(crate) encoding: String,
    pub(crate) fmtp: Option<String>,
}

/// One `m=` section.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Media {
    pub(crate) kind: String,
    pub(crate) port: u16,
    pub(crate) proto: String,
    /// The first format as written: all that a refused line needs.
    pub(crate) first_format: String,
    /// Formats of an RTP line that mean something to us, in order.
    pub(crate) formats: Vec<Format>,
    pub(crate) connection: Option<Connection>,
    pub(crate) direction: Option<Direction>,
    /// Port and, where it differs from that of RTP, address (RFC 3605 §2.1).
    pub(crate) rtcp: Option<(u16, Option<IpAddr>)>,
    /// `ptime:20` and the like, in order.
    pub(crate) passed: Vec<String>,
    /// `b=` values.
    pub(crate) bandwidth: Vec<String>,
    /// A line of a kind that we do not carry: for peers whose media does not come by here.
    pub(crate) unread: Option<Box<Unread>>,
}

/// What is told on of a line without being understood.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Unread {
    /// As they stand in the `m=` line.
    pub(crate) formats: String,
    pub(crate) attributes: Vec<String>,
}

impl Media {
    /// Reads the value of an `m=` line (RFC 8866 §5.14).
    pub(crate) fn parse(value: &str) -> Result<MediaReader<'_>, SdpError> {
        let mut fields = value.split_ascii_whitespace();
        let (Some(kind), Some(port), Some(proto)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(SdpError::Malformed("an m= line has too few fields"));
        };
        if !is_token(kind) || !proto.split('/').all(is_token) {
            return Err(SdpError::Malformed("the media or protocol of an m= line is no token"));
        }
        let port = port.split('/').next().unwrap_or_default();
        let port = port.parse().map_err(|_| SdpError::Malformed("the port of an m= line is not 0..65535"))?;
        let numbers: Vec<&str> = fields.take(MAX_FORMATS + 1).collect();
        if numbers.is_empty() || !numbers[0].split('/').all(is_token) {
            return Err(SdpError::Malformed("an m= line has no format"));
        }
        if numbers.len() > MAX_FORMATS {
            return Err(SdpError::Malformed("an m= line has more than 64 formats"));
        }
        let mut media = Media {
            kind: kind.to_ascii_lowercase(),
            port,
            proto: proto.to_owned(),
            first_format: numbers[0].to_owned(),
            ..Media::default()
        };
        if media.kind().is_none() {
            media.unread = Some(Box::new(Unread { formats: numbers.join(" "), attributes: Vec::new() }));
        }
        Ok(MediaReader { media, numbers, rtpmap: [None; 128], fmtp: [None; 128] })
    }

    /// What it can be carried as.
    pub(crate) fn kind(&self) -> Option<Kind> {
        let over = |names: &[&str]| names.iter().any(|name| self.proto.eq_ignore_ascii_case(name));
        match self.kind.as_str() {
            "audio" if over(&["RTP/AVP", "RTP/AVPF"]) => Some(Kind::Audio),
            "video" if over(&["RTP/AVP", "RTP/AVPF"]) => Some(Kind::Video),
            "image" if over(&["udptl"]) && self.first_format.eq_ignore_ascii_case("t38") => Some(Kind::Image),
            _ => None,
        }
    }

    /// Audio over plain RTP.
    pub(crate) fn is_plain_audio(&self) -> bool {
        self.kind() == Some(Kind::Audio)
    }
}

/// An `m=` section whose attributes are still coming.
pub(crate) struct MediaReader<'a> {
    media: Media,
    numbers: Vec<&'a str>,
    rtpmap: [Option<&'a str>; 128],
    fmtp: [Option<&'a str>; 128],
}

impl<'a> MediaReader<'a> {
    pub(crate) fn connection(&mut self, value: &str) -> Result<(), SdpError> {
        let connection = Connection::parse(value)?;
        self.media.connection.get_or_insert(connection);
        Ok(())
    }

    pub(crate) fn bandwidth(&mut self, value: &str) {
        let Some((kind, amount)) = value.split_once(':') else { return };
        if is_token(kind) && amount.parse::<u32>().is_ok() && self.media.bandwidth.len() < 4 {
            self.media.bandwidth.push(value.to_owned());
        }
    }

    pub(crate) fn attribute(&mut self, text: &'a str) {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "rtpmap" => keep_first(&mut self.rtpmap, value),
            "fmtp" => keep_first(&mut self.fmtp, value),
            "rtcp" if self.media.rtcp.is_none() => self.media.rtcp = parse_rtcp(value),
            name if PASSED.contains(&name) => self.pass(name, text),
            // ITU-T T.38 Annex D, RFC 4585 §4.2: of each, several may stand.
            name if name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("T38")) => self.keep(text),
            "rtcp-fb" => self.keep(text),
            name => {
                if let Some(direction) = Direction::parse(name) {
                    self.media.direction.get_or_insert(direction);
                }
            }
        }
        if let Some(unread) = &mut self.media.unread
            && unread.attributes.len() < MAX_PASSED
        {
            unread.attributes.push(text.to_owned());
        }
    }

    fn keep(&mut self, text: &str) {
        if text.len() <= 256 && self.media.passed.len() < MAX_PASSED {
            self.media.passed.push(text.to_owned());
        }
    }

    fn pass(&mut self, name: &str, text: &str) {
        let said = |line: &String| line.split(':').next() == Some(name);
        if !self.media.passed.iter().any(said) {
            self.keep(text);
        }
    }

    pub(crate) fn finish(self) -> Media {
        let MediaReader { mut media, numbers, rtpmap, fmtp } = self;
        let mut seen = [false; 128];
        for number in numbers.iter().filter_map(|text| text.parse::<u8>().ok()).filter(|n| *n < 128) {
            let at = usize::from(number);
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            let mapped = rtpmap[at].and_then(|text| Some((text, parse_encoding(text)?)));
            let (encoding, (name, clock_rate)) = match (mapped, static_encoding(number)) {
                (Some((text, parsed)), _) => (text.to_owned(), parsed),
                (None, Some((name, rate))) => (format!("{name}/{rate}"), (name, rate)),
                (None, None) => continue,
            };
            let payload = Payload { number, name: name.to_owned(), clock_rate };
            media.formats.push(Format { payload, encoding, fmtp: fmtp[at].map(str::to_owned) });
        }
        media
    }
}

/// Files `97 opus/48000/2` under 97; a format has one such attribute (RFC 8866 §6.6, §6.15).
fn keep_first<'a>(table: &mut [Option<&'a str>; 128], value: &'a str) {
    let Some((number, rest)) = value.split_once(' ') else { return };
    if let Some(slot) = number.parse::<usize>().ok().and_then(|at| table.get_mut(at)) {
        slot.get_or_insert(rest.trim());
    }
}

/// `53020` or `53020 IN IP6 2001:db8::1` (RFC 3605 §2.1).
fn parse_rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut fields = value.split_ascii_whitespace();
    let port = fields.next()?.parse().ok()?;
    let address = fields.nth(2).and_then(|text| text.parse::<IpAddr>().ok());
    Some((port, address.filter(|ip| !ip.is_multicast() && !ip.is_unspecified())))
}
