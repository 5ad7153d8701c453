//! Our own end of one leg: one leg's words told to the other as ours.

use std::net::IpAddr;

use crate::line::{Line, Spot};
use crate::media::{Format, Media};
use crate::{Direction, Kind, Sdp, SdpError, write};

/// Where the media is to go that an end speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    /// To us.
    Anchored,
    /// From peer to peer: each is told the other's addresses.
    Direct,
}

/// Our own end of one leg: session id, version counted up whenever what we say changes (RFC 3264 §8), media address and ports.
#[derive(Clone, Debug)]
pub struct LocalEnd {
    session_id: u64,
    version: u64,
    address: IpAddr,
    path: Path,
    /// Where we receive sound, or fax in its place.
    port: u16,
    /// Where we receive what comes beside the sound; 0: it is refused.
    video_port: u16,
    image_port: u16,
    /// The fax of this session has taken the place of the sound.
    fax_alone: bool,
    /// What was last said below `s=`, by which a change is known.
    said: String,
    /// Per media line ever said, how it looks refused: lines never become fewer (RFC 3264 §8).
    lines: Vec<String>,
    /// What stood before an offer that is not agreed on yet.
    before: Option<Box<Before>>,
}

/// What an end goes back to when its offer is refused.
#[derive(Clone, Debug)]
struct Before {
    said: String,
    lines: Vec<String>,
    fax_alone: bool,
    path: Path,
}

impl LocalEnd {
    /// An end that has said nothing yet. RTCP is expected on the port after `rtp_port`.
    pub fn new(session_id: u64, address: IpAddr, rtp_port: u16) -> LocalEnd {
        LocalEnd {
            session_id,
            version: 0,
            address,
            path: Path::Anchored,
            port: rtp_port,
            video_port: 0,
            image_port: 0,
            fax_alone: false,
            said: String::new(),
            lines: Vec::new(),
            before: None,
        }
    }

    /// From now on media of a kind is received at this port. Fax beside sound needs one of its own, fax alone does not.
    pub fn receive_at(&mut self, kind: Kind, port: u16) {
        match kind {
            Kind::Audio => self.port = port,
            Kind::Video => self.video_port = port,
            Kind::Image => self.image_port = port,
        }
    }

    /// Which way what was last told leads the media.
    pub fn path(&self) -> Path {
        self.path
    }

    /// Fax has taken the place of the sound, and its port.
    pub fn is_fax_alone(&self) -> bool {
        self.fax_alone
    }

    /// Where we receive media of a kind in the session that is spoken of; 0: nowhere.
    pub fn port_of(&self, kind: Kind) -> u16 {
        match kind {
            Kind::Audio if self.fax_alone => 0,
            Kind::Audio => self.port,
            Kind::Video => self.video_port,
            Kind::Image if self.fax_alone => self.port,
            Kind::Image => self.image_port,
        }
    }

    /// What was last said on this leg, once more and under the same version: for a refresh of the session
    /// (RFC 4028 §7.4). `None` before the first offer or answer.
    pub fn again(&self) -> Option<Vec<u8>> {
        (self.version > 0).then(|| self.described())
    }

    /// The first audio codec of what was last said on this leg.
    pub fn codec(&self) -> Option<&str> {
        // A payload number means something within its media line only: another one may give it to video.
        let mut sections = self.said.split("\r\nm=").skip(1);
        sections.find_map(|section| {
            let mut lines = section.split("\r\n");
            let mut words = lines.next()?.strip_prefix("audio ")?.split(' ');
            words.next().filter(|port| *port != "0")?;
            let number = words.nth(1)?;
            let encoding = lines
                .find_map(|line| line.strip_prefix("a=rtpmap:")?.strip_prefix(number)?.strip_prefix(' '))?;
            encoding.split('/').next()
        })
    }

    /// The offer of the other leg told on this one: the same media lines in order, one stream of each [`Kind`] with our address and
    /// port, every other line with port 0. Codecs of audio are filtered to `allowed` and in that order; numbers and fmtp are as the
    /// offerer has them.
    pub fn offer(&mut self, theirs: &Sdp, allowed: &[&str]) -> Result<Vec<u8>, SdpError> {
        self.offer_by(Path::Anchored, theirs, allowed)
    }

    /// The same by a path: [`Path::Direct`] tells every line, and where the other leg wants its media.
    pub fn offer_by(&mut self, path: Path, theirs: &Sdp, allowed: &[&str]) -> Result<Vec<u8>, SdpError> {
        let carried = theirs.carried()?;
        let was_alone = std::mem::replace(&mut self.fax_alone, is_fax_alone(&carried));
        let was_led = std::mem::replace(&mut self.path, path);
        let mut lines = Vec::with_capacity(carried.len());
        for (media, kind) in theirs.media.iter().zip(carried) {
            let direction = theirs.direction_of(media);
            let line = match kind {
                Some(Kind::Audio) => match formats_offered(media, allowed) {
                    Ok(formats) => self.line(Kind::Audio, theirs, media, &formats, direction),
                    Err(error) => {
                        (self.fax_alone, self.path) = (was_alone, was_led);
                        return Err(error);
                    }
                },
                Some(kind) => {
                    let formats: Vec<&Format> = media.formats.iter().collect();
                    self.line(kind, theirs, media, &formats, direction)
                }
                None => self.other(theirs, media),
            };
            lines.push(line);
        }
        if self.version > 0 && self.before.is_none() {
            let (said, lines) = (self.said.clone(), self.lines.clone());
            self.before = Some(Box::new(Before { said, lines, fax_alone: was_alone, path: was_led }));
        }
        Ok(self.say(lines, true))
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
        self.answer_by(Path::Anchored, their_answer, offer_received, allowed)
    }

    /// The same by a path.
    pub fn answer_by(
        &mut self,
        path: Path,
        their_answer: &Sdp,
        offer_received: &Sdp,
        allowed: &[&str],
    ) -> Result<Vec<u8>, SdpError> {
        let carried = offer_received.carried()?;
        self.fax_alone = is_fax_alone(&carried);
        self.path = path;
        let mut lines = Vec::with_capacity(carried.len());
        let (mut is_call, mut failed) = (false, None);
        for (at, (offered, kind)) in offer_received.media.iter().zip(carried).enumerate() {
            let line = match kind.map(|kind| (kind, answered_line(their_answer, at, kind))) {
                Some((kind, Ok(Some(answered)))) => {
                    match self.answer_line(kind, answered, their_answer, offered, offer_received, allowed) {
                        Ok(line) => {
                            is_call |= kind != Kind::Video;
                            line
                        }
                        Err(error) => {
                            failed = Some(error);
                            Line::refused(offered)
                        }
                    }
                }
                Some((_, Err(error))) => {
                    failed = Some(error);
                    Line::refused(offered)
                }
                Some((_, Ok(None))) => Line::refused(offered),
                None => match their_answer.media.get(at) {
                    Some(answered) if answered.kind == offered.kind => self.other(their_answer, answered),
                    _ => Line::refused(offered),
                },
            };
            lines.push(line);
        }
        match failed {
            Some(error) if !is_call => Err(error),
            _ => Ok(self.say(lines, false)),
        }
    }

    /// What was last said stands: an offer was answered.
    pub fn agree(&mut self) {
        self.before = None;
    }

    /// An offer of ours was refused: what was said before it stands, under a version of its own.
    pub fn take_back(&mut self) {
        if let Some(before) = self.before.take() {
            self.version += u64::from(self.said != before.said);
            let Before { said, lines, fax_alone, path } = *before;
            (self.said, self.lines, self.fax_alone, self.path) = (said, lines, fax_alone, path);
        }
    }

    /// Whether the offer that is not agreed on yet says anything else than what stands, in whatever order.
    pub fn has_news(&self) -> bool {
        self.before.as_ref().is_none_or(|before| unordered(&before.said) != unordered(&self.said))
    }

    fn answer_line(
        &self,
        kind: Kind,
        answered: &Media,
        their_answer: &Sdp,
        offered: &Media,
        offer_received: &Sdp,
        allowed: &[&str],
    ) -> Result<Line, SdpError> {
        if their_answer.address_of(answered).is_none() {
            return Err(SdpError::UnusableAddress);
        }
        let common = |f: &&Format| offers(offered, f) && (kind != Kind::Audio || rank(f, allowed).is_some());
        let mut formats: Vec<&Format> = answered.formats.iter().filter(common).collect();
        match kind {
            Kind::Audio => {
                require_codec(&formats)?;
                let first = formats.iter().position(|f| f.payload.is_audio_codec()).unwrap_or(0);
                formats[..=first].rotate_right(1);
            }
            Kind::Video if formats.is_empty() => return Ok(Line::refused(offered)),
            Kind::Video | Kind::Image => {}
        }
        // No answer claims more than the offer left open (RFC 3264 §6.1).
        let open = offer_received.direction_of(offered).reversed();
        let direction = their_answer.direction_of(answered).and(open);
        let answered = Media { proto: offered.proto.clone(), ..answered.clone() };
        Ok(self.line(kind, their_answer, &answered, &formats, direction))
    }

    /// A line of a kind that is carried, of `sdp`; refused where there is no port for it.
    fn line(&self, kind: Kind, sdp: &Sdp, media: &Media, formats: &[&Format], direction: Direction) -> Line {
        let spot = match self.path {
            Path::Anchored => Some(self.port_of(kind)).filter(|port| *port != 0).map(Spot::ours),
            Path::Direct => Spot::theirs(sdp, media),
        };
        spot.map_or_else(|| Line::refused(media), |spot| Line::new(media, &spot, formats, direction))
    }

    /// A line of no kind that is carried: told from peer to peer as it is, else refused.
    fn other(&self, sdp: &Sdp, media: &Media) -> Line {
        match Spot::theirs(sdp, media).filter(|_| self.path == Path::Direct && media.port != 0) {
            Some(spot) => Line::as_it_is(media, &spot),
            None => Line::refused(media),
        }
    }

    fn say(&mut self, lines: Vec<Line>, is_offer: bool) -> Vec<u8> {
        // Some peers read no c= line but that of the session.
        let connection = lines.iter().find_map(|line| line.address).unwrap_or(self.address);
        let mut body = write::connection(connection);
        lines.iter().for_each(|line| line.write(connection, &mut body));
        // An offer never has fewer lines than were said before, an answer those of its offer (RFC 3264 §8, §6).
        if is_offer {
            body.extend(self.lines.iter().skip(lines.len()).map(String::as_str));
        }
        let kept = self.lines.len().min(lines.len());
        self.lines.splice(..kept, lines.into_iter().map(|line| line.refused));
        if self.version == 0 || self.said != body {
            self.version += 1;
            self.said = body;
        }
        self.described()
    }

    fn described(&self) -> Vec<u8> {
        let mut out = String::with_capacity(96 + self.said.len());
        write::origin(&mut out, self.session_id, self.version, self.address);
        out.push_str(&self.said);
        out.into_bytes()
    }
}

/// What is said of the session and of each of its media lines, these in their order, what is said of one in any order.
fn unordered(said: &str) -> Vec<Vec<&str>> {
    let sections = said.split("\r\nm=").map(|section| {
        let (media, attributes) = section.split_once("\r\n").unwrap_or((section, ""));
        let mut words: Vec<&str> = media.split(' ').chain(attributes.lines()).collect();
        words.sort_unstable();
        words
    });
    sections.collect()
}

/// Fax in the place of the sound, not beside it: it takes its port, too.
fn is_fax_alone(carried: &[Option<Kind>]) -> bool {
    carried.contains(&Some(Kind::Image)) && !carried.contains(&Some(Kind::Audio))
}

/// The line of an answer that answers the line at this place. Audio that slipped to another place is found there.
fn answered_line(answer: &Sdp, at: usize, kind: Kind) -> Result<Option<&Media>, SdpError> {
    let media = match answer.media.get(at) {
        Some(media) if media.kind() == Some(kind) => media,
        _ if kind == Kind::Audio => &answer.media[answer.audio_index()?],
        _ => return Ok(None),
    };
    Ok(Some(media).filter(|media| media.port != 0))
}

/// The codecs of an audio line that are allowed, in that order.
fn formats_offered<'m>(audio: &'m Media, allowed: &[&str]) -> Result<Vec<&'m Format>, SdpError> {
    let mut formats: Vec<(usize, &Format)> =
        audio.formats.iter().filter_map(|f| Some((rank(f, allowed)?, f))).collect();
    formats.sort_by_key(|(rank, _)| *rank);
    let formats: Vec<&Format> = formats.into_iter().map(|(_, format)| format).collect();
    require_codec(&formats)?;
    Ok(formats)
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
