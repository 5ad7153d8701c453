//! Our own end of one leg: one leg's words told to the other as ours.

use std::net::{IpAddr, SocketAddr};

use crate::media::{Format, Media};
use crate::{Direction, Sdp, SdpError, write};

/// Our own end of one leg: session id, version counted up whenever what we say changes (RFC 3264 §8), media address.
#[derive(Clone, Debug)]
pub struct LocalEnd {
    session_id: u64,
    version: u64,
    address: IpAddr,
    port: u16,
    /// The media lines last said, by which a change is known.
    said: String,
    /// `said` and `lines` before an offer that is not agreed on yet.
    before: Option<Box<(String, Vec<String>)>>,
    /// Per media line ever said, how it looks refused: lines never become fewer (RFC 3264 §8).
    lines: Vec<String>,
}

impl LocalEnd {
    /// An end that has said nothing yet. RTCP is expected on the port after `rtp_port`.
    pub fn new(session_id: u64, address: IpAddr, rtp_port: u16) -> LocalEnd {
        let (said, before, lines) = (String::new(), None, Vec::new());
        LocalEnd { session_id, version: 0, address, port: rtp_port, said, before, lines }
    }

    /// From now on RTP is received at this port; before anything is said.
    pub fn receive_at(&mut self, rtp_port: u16) {
        self.port = rtp_port;
    }

    /// Where we receive RTP on this leg.
    pub fn rtp(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// What was last said on this leg, once more and under the same version: for a refresh of the session
    /// (RFC 4028 §7.4). `None` before the first offer or answer.
    pub fn again(&self) -> Option<Vec<u8>> {
        (self.version > 0).then(|| self.described())
    }

    /// The offer of the other leg told on this one: the same media lines in order, audio with our address and port and
    /// its codecs filtered to `allowed` and in that order (numbers and fmtp as the offerer has them), every other line
    /// and every further audio line with port 0.
    pub fn offer(&mut self, theirs: &Sdp, allowed: &[&str]) -> Result<Vec<u8>, SdpError> {
        let at = theirs.audio_index()?;
        let audio = &theirs.media[at];
        if audio.port == 0 {
            // Audio given up for something else, such as fax: refusing lets them fall back (RFC 3264 §6).
            if theirs.media.iter().any(|media| media.port != 0) {
                return Err(SdpError::NoAudio);
            }
            return Ok(self.say_offer(shape(&theirs.media, None)));
        }
        let mut formats: Vec<(usize, &Format)> =
            audio.formats.iter().filter_map(|f| Some((rank(f, allowed)?, f))).collect();
        formats.sort_by_key(|(rank, _)| *rank);
        let formats: Vec<&Format> = formats.into_iter().map(|(_, format)| format).collect();
        require_codec(&formats)?;
        let line = self.audio_line(audio, &formats, theirs.direction_of(audio));
        Ok(self.say_offer(shape(&theirs.media, Some((at, line)))))
    }

    /// The answer of the other leg told on this one, shaped to `offer_received`, the offer that this leg made: as many
    /// media lines in its order, port 0 where refused, only codecs that it offered and that are in `allowed`, an audio
    /// codec first. Payload numbers are those of the answer, so that each side is sent the numbers it asked for.
    pub fn answer(
        &mut self,
        their_answer: &Sdp,
        offer_received: &Sdp,
        allowed: &[&str],
    ) -> Result<Vec<u8>, SdpError> {
        let at = offer_received.audio_index()?;
        let offered = &offer_received.media[at];
        let answered = match their_answer.media.get(at) {
            Some(media) if media.is_plain_audio() => media,
            _ => &their_answer.media[their_answer.audio_index()?],
        };
        if offered.port == 0 || answered.port == 0 {
            return Ok(self.say(shape(&offer_received.media, None)));
        }
        if their_answer.address_of(answered).is_none() {
            return Err(SdpError::UnusableAddress);
        }
        let common = |f: &&Format| rank(f, allowed).is_some() && offers(offered, f);
        let mut formats: Vec<&Format> = answered.formats.iter().filter(common).collect();
        require_codec(&formats)?;
        let first = formats.iter().position(|f| f.payload.is_audio_codec()).unwrap_or(0);
        formats[..=first].rotate_right(1);
        // No answer claims more than the offer left open (RFC 3264 §6.1).
        let open = offer_received.direction_of(offered).reversed();
        let direction = their_answer.direction_of(answered).and(open);
        let answered = Media { proto: offered.proto.clone(), ..answered.clone() };
        let line = self.audio_line(&answered, &formats, direction);
        Ok(self.say(shape(&offer_received.media, Some((at, line)))))
    }

    fn audio_line(&self, media: &Media, formats: &[&Format], direction: Direction) -> Line {
        let mut text = String::new();
        write::audio(&mut text, media, self.port, formats, direction);
        Line { text, refused: write::refused(media) }
    }

    /// What was last said stands: an offer was answered.
    pub fn agree(&mut self) {
        self.before = None;
    }

    /// An offer of ours was refused: what was said before it stands, under a version of its own.
    pub fn take_back(&mut self) {
        if let Some(before) = self.before.take() {
            self.version += u64::from(self.said != before.0);
            (self.said, self.lines) = *before;
        }
    }

    fn say_offer(&mut self, lines: Vec<Line>) -> Vec<u8> {
        if self.version > 0 && self.before.is_none() {
            self.before = Some(Box::new((self.said.clone(), self.lines.clone())));
        }
        self.say(lines)
    }

    fn say(&mut self, lines: Vec<Line>) -> Vec<u8> {
        let mut body: String = lines.iter().map(|line| line.text.as_str()).collect();
        body.extend(self.lines.iter().skip(lines.len()).map(String::as_str));
        let kept = self.lines.len().min(lines.len());
        self.lines.splice(..kept, lines.into_iter().map(|line| line.refused));
        if self.version == 0 || self.said != body {
            self.version += 1;
            self.said = body;
        }
        self.described()
    }

    fn described(&self) -> Vec<u8> {
        let mut out = String::with_capacity(128 + self.said.len());
        write::session(&mut out, self.session_id, self.version, self.address);
        out.push_str(&self.said);
        out.into_bytes()
    }
}

/// One media line to say, and how it looks refused.
struct Line {
    text: String,
    refused: String,
}

/// Every line of `media` refused, but for the one at the given place.
fn shape(media: &[Media], carried: Option<(usize, Line)>) -> Vec<Line> {
    let mut lines: Vec<Line> =
        media.iter().map(write::refused).map(|refused| Line { text: refused.clone(), refused }).collect();
    if let Some((at, line)) = carried {
        lines[at] = line;
    }
    lines
}

fn rank(format: &Format, allowed: &[&str]) -> Option<usize> {
    allowed.iter().position(|name| format.payload.is(name))
}

fn offers(media: &Media, format: &Format) -> bool {
    media.formats.iter().any(|offered| offered.payload.same_encoding(&format.payload))
}

fn require_codec(formats: &[&Format]) -> Result<(), SdpError> {
    let found = formats.iter().any(|format| format.payload.is_audio_codec());
    if found { Ok(()) } else { Err(SdpError::NoCommonCodec) }
}
