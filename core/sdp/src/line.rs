//! One media line that we say.

use std::fmt::Write;
use std::net::IpAddr;

use crate::media::{Format, Media};
use crate::{Direction, Kind, Sdp, write};

/// Where the media of a line is wanted.
pub(crate) struct Spot {
    port: u16,
    /// Where it is not ours.
    address: Option<IpAddr>,
    rtcp: Option<(u16, Option<IpAddr>)>,
}

impl Spot {
    /// A port of ours.
    pub(crate) fn ours(port: u16) -> Spot {
        Spot { port, address: None, rtcp: None }
    }

    /// Where the describer wants it.
    pub(crate) fn theirs(sdp: &Sdp, media: &Media) -> Option<Spot> {
        Some(Spot { port: media.port, address: Some(sdp.address_of(media)?), rtcp: media.rtcp })
    }
}

/// A media line to say, and how it looks refused.
pub(crate) struct Line {
    /// Its `c=` address, where it is not ours.
    pub(crate) address: Option<IpAddr>,
    pub(crate) refused: String,
    /// `m=` itself; empty: the line is refused.
    head: String,
    /// What follows `c=`.
    tail: String,
}

impl Line {
    /// A line that is not carried (RFC 3264 §6).
    pub(crate) fn refused(media: &Media) -> Line {
        let refused = format!("m={} 0 {} {}\r\n", media.kind, media.proto, media.first_format);
        Line { address: None, refused, head: String::new(), tail: String::new() }
    }

    /// A line that is carried, with `formats` of `media`.
    pub(crate) fn new(media: &Media, spot: &Spot, formats: &[&Format], direction: Direction) -> Line {
        let mut line = Line { address: spot.address, ..Line::refused(media) };
        let is_fax = media.kind() == Some(Kind::Image);
        let _ = write!(line.head, "m={} {} {}", media.kind, spot.port, media.proto);
        for format in formats {
            let _ = write!(line.head, " {}", format.payload.number);
        }
        if is_fax {
            line.head.push_str(" t38");
        }
        line.head.push_str("\r\n");
        let tail = &mut line.tail;
        for value in &media.bandwidth {
            let _ = write!(tail, "b={value}\r\n");
        }
        for Format { payload, encoding, fmtp } in formats {
            let _ = write!(tail, "a=rtpmap:{} {encoding}\r\n", payload.number);
            if let Some(fmtp) = fmtp {
                let _ = write!(tail, "a=fmtp:{} {fmtp}\r\n", payload.number);
            }
        }
        for value in &media.passed {
            let _ = write!(tail, "a={value}\r\n");
        }
        if let Some((port, address)) = spot.rtcp {
            let _ = write!(tail, "a=rtcp:{port}");
            if let Some(address) = address {
                let _ = write!(tail, " IN {}", write::typed(address));
            }
            tail.push_str("\r\n");
        }
        // Fax has no direction unless somebody gives it one.
        if !is_fax || direction != Direction::SendRecv {
            let _ = write!(tail, "a={}\r\n", direction.name());
        }
        line
    }

    /// A line of a kind that we know nothing of, in its describer's words.
    pub(crate) fn as_it_is(media: &Media, spot: &Spot) -> Line {
        let Some(unread) = &media.unread else { return Line::refused(media) };
        let mut line = Line { address: spot.address, ..Line::refused(media) };
        let _ = write!(line.head, "m={} {} {} {}\r\n", media.kind, spot.port, media.proto, unread.formats);
        for value in &media.bandwidth {
            let _ = write!(line.tail, "b={value}\r\n");
        }
        for value in &unread.attributes {
            let _ = write!(line.tail, "a={value}\r\n");
        }
        line
    }

    /// The line beneath a session's `c=`.
    pub(crate) fn write(&self, connection: IpAddr, out: &mut String) {
        if self.head.is_empty() {
            return out.push_str(&self.refused);
        }
        out.push_str(&self.head);
        if let Some(address) = self.address.filter(|address| *address != connection) {
            let _ = write!(out, "c=IN {}\r\n", write::typed(address));
        }
        out.push_str(&self.tail);
    }
}
