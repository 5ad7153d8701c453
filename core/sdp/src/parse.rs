//! Bytes to a session description. Lenient where peers differ and we do not care, strict where we would guess.

use crate::media::{Connection, Media, MediaReader};
use crate::{Direction, Kind, SdpError};

const MAX_BODY: usize = 64 * 1024;
const MAX_MEDIA: usize = 32;

/// A parsed session description: addresses, directions and media lines. Names, times, keys and unknown attributes of
/// the describer are not kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sdp {
    pub(crate) connection: Option<Connection>,
    pub(crate) direction: Option<Direction>,
    pub(crate) media: Vec<Media>,
}

impl Sdp {
    /// Parses a body of type application/sdp, at most 64 KiB, 32 media lines and 64 formats a line.
    pub fn parse(body: &[u8]) -> Result<Sdp, SdpError> {
        if body.len() > MAX_BODY {
            return Err(SdpError::Malformed("it is over 64 KiB"));
        }
        if body.contains(&0) {
            return Err(SdpError::Malformed("it contains a NUL"));
        }
        let mut lines = body.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        if lines.next().map(<[u8]>::trim_ascii_end) != Some(b"v=0") {
            return Err(SdpError::Malformed("it does not begin with v=0"));
        }
        let mut sdp = Sdp::default();
        let mut current: Option<MediaReader<'_>> = None;
        for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
            let [key, b'=', value @ ..] = line else {
                return Err(SdpError::Malformed("a line has not the form x=value"));
            };
            if *key == b'm' {
                if sdp.media.len() + usize::from(current.is_some()) == MAX_MEDIA {
                    return Err(SdpError::Malformed("it has more than 32 media lines"));
                }
                let next = Media::parse(needed(value)?)?;
                sdp.media.extend(current.replace(next).map(MediaReader::finish));
                continue;
            }
            sdp.line(current.as_mut(), *key, value)?;
        }
        sdp.media.extend(current.map(MediaReader::finish));
        if sdp.connection.is_none() && sdp.media.iter().any(|m| m.connection.is_none() && m.port != 0) {
            return Err(SdpError::Malformed("a media line has no connection address (c=)"));
        }
        Ok(sdp)
    }

    /// The same session with nobody on hold by attribute: for somebody else than the one who held.
    pub fn resumed(mut self) -> Sdp {
        self.direction = None;
        self.media.iter_mut().for_each(|media| media.direction = None);
        self
    }

    /// As if every line of a kind had come with port 0.
    pub fn refuse(&mut self, kind: Kind) {
        self.media.iter_mut().filter(|media| media.kind() == Some(kind)).for_each(|media| media.port = 0);
    }

    fn line<'a>(
        &mut self,
        media: Option<&mut MediaReader<'a>>,
        key: u8,
        value: &'a [u8],
    ) -> Result<(), SdpError> {
        match (key, media) {
            (b'c', Some(media)) => media.connection(needed(value)?)?,
            (b'c', None) => {
                let connection = Connection::parse(needed(value)?)?;
                self.connection.get_or_insert(connection);
            }
            (b'a', Some(media)) => {
                if let Some(text) = clean(value) {
                    media.attribute(text);
                }
            }
            (b'a', None) => {
                if let Some(direction) = clean(value).and_then(Direction::parse) {
                    self.direction.get_or_insert(direction);
                }
            }
            (b'b', Some(media)) => {
                if let Some(text) = clean(value) {
                    media.bandwidth(text);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Text without control characters, so that no value can become another line on its way out.
fn clean(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?.trim_end();
    (!text.chars().any(char::is_control)).then_some(text)
}

fn needed(value: &[u8]) -> Result<&str, SdpError> {
    clean(value).ok_or(SdpError::Malformed("a c= or m= line is no plain text"))
}
