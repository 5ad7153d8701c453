//! The media streams of a description that can be carried: audio, video, fax.

use std::net::SocketAddr;

use crate::audio::rtcp_of;
use crate::media::Media;
use crate::{Direction, Sdp, SdpError};

/// What kind of media a line that can be carried describes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Sound over RTP.
    Audio,
    /// Pictures over RTP.
    Video,
    /// Fax: T.38 over UDPTL (RFC 3362).
    Image,
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 3] = [Kind::Audio, Kind::Video, Kind::Image];
}

/// One stream as its describer wants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    /// Where it wants the media; port 0 when refused.
    pub address: SocketAddr,
    /// Where it wants RTCP; port 0 when there is none.
    pub rtcp: SocketAddr,
    /// Direction as the describer means it.
    pub direction: Direction,
    /// Ticks a second of the RTP timestamps of its first format; 0 for fax.
    pub clock_rate: u32,
}

impl Stream {
    /// It has port 0.
    pub fn refused(&self) -> bool {
        self.address.port() == 0
    }
}

impl Sdp {
    /// The first stream of a kind that is not refused, else the first; `None` when there is none at an IP address.
    pub fn stream(&self, kind: Kind) -> Option<Stream> {
        let of_kind = |media: &&Media| media.kind() == Some(kind);
        let media = self.media.iter().find(|media| self.is_usable(media) && of_kind(media));
        let media = media.or_else(|| self.media.iter().find(of_kind))?;
        let address = SocketAddr::new(self.address_of(media)?, media.port);
        let clock_rate = media.formats.first().map_or(0, |format| format.payload.clock_rate);
        let nowhere = SocketAddr::new(address.ip(), 0);
        let rtcp = if kind == Kind::Image { nowhere } else { rtcp_of(media, address) };
        Some(Stream { address, rtcp, direction: self.direction_of(media), clock_rate })
    }

    /// Whether a kind of media is offered or accepted here.
    pub fn has(&self, kind: Kind) -> bool {
        self.stream(kind).is_some_and(|stream| !stream.refused())
    }

    /// Of each line, what it can be carried as: one stream of a kind. A call needs sound or fax.
    pub(crate) fn carried(&self) -> Result<Vec<Option<Kind>>, SdpError> {
        let mut found: Vec<Kind> = Vec::new();
        let mut lines = Vec::with_capacity(self.media.len());
        for media in &self.media {
            let kind = media.kind().filter(|kind| self.is_usable(media) && !found.contains(kind));
            found.extend(kind);
            lines.push(kind);
        }
        if !found.contains(&Kind::Audio) && !found.contains(&Kind::Image) {
            // Audio that is refused may be told on, but not alongside what cannot be carried: refusing lets them fall back.
            self.audio_index()?;
            if self.media.iter().any(|media| media.port != 0) {
                return Err(SdpError::NoAudio);
            }
        }
        Ok(lines)
    }

    fn is_usable(&self, media: &Media) -> bool {
        // Of a picture whose formats nobody explains nothing could be told on.
        let is_told = media.kind() != Some(Kind::Video) || !media.formats.is_empty();
        media.port != 0 && is_told && self.address_of(media).is_some()
    }
}
