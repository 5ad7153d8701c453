//! What a description says of its audio stream.

use std::net::{IpAddr, SocketAddr};

use crate::media::{Connection, Media};
use crate::{Direction, Payload, Sdp, SdpError};

/// What a description says of its audio stream: the first one over plain RTP that is not refused, else the first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audio {
    /// Where the describer wants RTP; 0.0.0.0 when it wants none, port 0 when refused.
    pub rtp: SocketAddr,
    /// Where it wants RTCP: `a=rtcp` (RFC 3605) or the next port (RFC 3550 §11). Port 0 when there is none.
    pub rtcp: SocketAddr,
    /// Direction as the describer means it, with an address of 0.0.0.0 counted as not receiving (RFC 3264 §8.4).
    pub direction: Direction,
    /// Payload types in order of preference, telephone-event and the like among them.
    pub codecs: Vec<Payload>,
    /// Packet time in milliseconds, as asked for.
    pub ptime: Option<u32>,
    /// The stream has port 0.
    pub refused: bool,
}

impl Sdp {
    /// The audio stream; `None` when there is none over plain RTP with an IP address.
    pub fn audio(&self) -> Option<Audio> {
        let media = &self.media[self.audio_index().ok()?];
        let address = self.address_of(media)?;
        let rtp = SocketAddr::new(address, media.port);
        Some(Audio {
            rtp,
            rtcp: rtcp_of(media, rtp),
            direction: self.direction_of(media),
            codecs: media.formats.iter().map(|format| format.payload.clone()).collect(),
            ptime: media.passed.iter().find_map(|line| line.strip_prefix("ptime:")?.trim().parse().ok()),
            refused: media.port == 0,
        })
    }

    /// Position of the audio stream, or what keeps the description from having one.
    pub(crate) fn audio_index(&self) -> Result<usize, SdpError> {
        let plain = |m: &&Media| m.is_plain_audio();
        let usable = |m: &Media| m.is_plain_audio() && m.port != 0 && self.address_of(m).is_some();
        if let Some(index) = self.media.iter().position(usable) {
            return Ok(index);
        }
        if self.media.iter().filter(plain).any(|m| m.port != 0) {
            return Err(SdpError::UnusableAddress);
        }
        if self.media.iter().any(|m| m.kind == "audio" && m.port != 0) {
            return Err(SdpError::SecureAudioOnly);
        }
        self.media.iter().position(Media::is_plain_audio).ok_or(SdpError::NoAudio)
    }

    /// Direction with hold by address told as hold by attribute.
    pub(crate) fn direction_of(&self, media: &Media) -> Direction {
        let said = media.direction.or(self.direction).unwrap_or_default();
        match self.address_of(media) {
            Some(address) if address.is_unspecified() => said.and(Direction::SendOnly),
            _ => said,
        }
    }

    pub(crate) fn address_of(&self, media: &Media) -> Option<IpAddr> {
        match media.connection.or(self.connection) {
            Some(Connection::Ip(ip)) => Some(ip),
            None if media.port == 0 => Some(IpAddr::from([0, 0, 0, 0])),
            _ => None,
        }
    }
}

pub(crate) fn rtcp_of(media: &Media, rtp: SocketAddr) -> SocketAddr {
    match media.rtcp {
        _ if media.port == 0 => rtp,
        Some((port, address)) => SocketAddr::new(address.unwrap_or(rtp.ip()), port),
        None => SocketAddr::new(rtp.ip(), rtp.port().checked_add(1).unwrap_or(0)),
    }
}
