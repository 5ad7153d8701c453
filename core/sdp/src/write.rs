//! A description of ours as text, without its `o=` version.

use std::fmt::Write;
use std::net::IpAddr;

use crate::Direction;
use crate::media::{Format, Media};

/// `IP4 192.0.2.1` or `IP6 2001:db8::1`.
pub(crate) fn typed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => format!("IP4 {ip}"),
        IpAddr::V6(ip) => format!("IP6 {ip}"),
    }
}

/// Everything above the first media line.
pub(crate) fn session(out: &mut String, session_id: u64, version: u64, address: IpAddr) {
    let address = typed(address);
    let _ =
        write!(out, "v=0\r\no=- {session_id} {version} IN {address}\r\ns=-\r\nc=IN {address}\r\nt=0 0\r\n");
}

/// The audio line that we carry, with `formats` of `media`.
pub(crate) fn audio(out: &mut String, media: &Media, port: u16, formats: &[&Format], direction: Direction) {
    let _ = write!(out, "m=audio {port} {}", media.proto);
    for format in formats {
        let _ = write!(out, " {}", format.payload.number);
    }
    out.push_str("\r\n");
    for line in &media.bandwidth {
        let _ = write!(out, "b={line}\r\n");
    }
    for Format { payload, encoding, fmtp } in formats {
        let _ = write!(out, "a=rtpmap:{} {encoding}\r\n", payload.number);
        if let Some(fmtp) = fmtp {
            let _ = write!(out, "a=fmtp:{} {fmtp}\r\n", payload.number);
        }
    }
    for line in &media.passed {
        let _ = write!(out, "a={line}\r\n");
    }
    let _ = write!(out, "a={}\r\n", direction.name());
}

/// A line that is not carried (RFC 3264 §6).
pub(crate) fn refused(media: &Media) -> String {
    format!("m={} 0 {} {}\r\n", media.kind, media.proto, media.first_format)
}
