//! One side's media as one thing: what we say on its leg, the ports that face its peer, and what the peer said.
//!
//! Offers and answers are taken and told leg by leg (RFC 3264): what one end hears, another end of any leg can tell. Any two ends
//! can be joined, at any time. Between two ends of which one has no port, media goes directly from peer to peer.

use crate::call::Ctx;
use crate::media_port::MediaPort;
use bytes::Bytes;
use rand::Rng;
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;
use tandem_media::{Content, MediaCommand, PortId, PortStats};
use tandem_model::MediaRecord;
use tandem_sdp::{Direction, Kind, LocalEnd, Path, Sdp, SdpError};
use tandem_sip_msg::Flow;

/// The media of one leg.
pub(crate) struct MediaEnd {
    /// The call that its ports are opened for.
    call: u64,
    /// What we say.
    local: LocalEnd,
    /// For sound, or fax in its place.
    main: MediaPort,
    /// For what few calls have.
    beside: Option<Box<Beside>>,
    /// Where the peer's signalling comes from: behind a NAT, its media comes from there too.
    signalling: IpAddr,
    /// An offer of the peer that is not answered yet.
    offered: Option<Box<Sdp>>,
    /// What the peer said last of the session that stands.
    said: Option<Box<Sdp>>,
    /// Media is sent already to where the offer says.
    sends_early: bool,
    /// The main port carries fax.
    carries_fax: bool,
    /// A number of this side takes no fax: between it and whomever it is refused.
    no_fax: bool,
    /// The peer was told something else than what holds, and must be told anew.
    owes: bool,
}

/// Ports beside the main one.
#[derive(Default)]
struct Beside {
    video: MediaPort,
    fax: MediaPort,
}

impl MediaEnd {
    /// The end of a leg to a peer on this flow; without a port, until it is opened.
    pub(crate) fn new(call: u64, flow: &Flow, ctx: &mut Ctx) -> MediaEnd {
        MediaEnd {
            call,
            local: LocalEnd::new(ctx.sip.rng.next_u32().into(), ctx.exchange.media_address(flow), 0),
            main: MediaPort::None,
            beside: None,
            signalling: flow.remote.ip(),
            offered: None,
            said: None,
            sends_early: false,
            carries_fax: false,
            no_fax: false,
            owes: false,
        }
    }

    /// The same, with fax refused where that is so.
    pub(crate) fn without_fax(self, no_fax: bool) -> MediaEnd {
        MediaEnd { no_fax, ..self }
    }

    /// Opens its port, unless it is open. `false`: none is free.
    pub(crate) fn open(&mut self, ctx: &mut Ctx) -> bool {
        if self.main.is_open() {
            return true;
        }
        let Some(local) = self.main.open(self.call, ctx) else { return false };
        self.local.receive_at(Kind::Audio, local);
        self.carries_fax = false;
        self.send_early(ctx);
        true
    }

    /// The peer is now tried at another address.
    pub(crate) fn moves_to(&mut self, flow: &Flow) {
        self.signalling = flow.remote.ip();
    }

    /// The peer makes an offer: kept until it is answered, by [`MediaEnd::tell_answer`] and [`MediaEnd::agree`], or refused.
    pub(crate) fn hear_offer(&mut self, offer: Sdp) {
        self.offered = Some(Box::new(offer));
        self.sends_early = false;
    }

    /// The peer answers what it was told: that is the session now.
    pub(crate) fn hear_answer(&mut self, answer: Sdp, ctx: &mut Ctx) {
        self.face(&answer, ctx);
        self.local.agree();
        self.owes = false;
        self.said = Some(Box::new(answer));
    }

    /// Sends to where the peer's offer says before it is answered, as a caller expects.
    pub(crate) fn send_early(&mut self, ctx: &mut Ctx) {
        if let Some(offer) = self.offered.take() {
            self.sends_early = self.main.is_open() && offer.has(Kind::Audio);
            self.face_main(&offer, ctx);
            self.offered = Some(offer);
        }
    }

    /// Our answer to the peer's offer stands: the offer is the session now.
    pub(crate) fn agree(&mut self, ctx: &mut Ctx) {
        if let Some(offer) = self.offered.take() {
            match std::mem::take(&mut self.sends_early) && !self.local.is_fax_alone() {
                true => self.face_beside(&offer, ctx),
                false => self.face(&offer, ctx),
            }
            self.said = Some(offer);
        }
        self.local.agree();
    }

    /// An offer that is under way, of either side, came to nothing: the session is as it was.
    pub(crate) fn take_back(&mut self) {
        self.offered = None;
        self.local.take_back();
    }

    /// What the peer of `other` offers, or else has last said, as an offer for this one.
    pub(crate) fn tell_offer(
        &mut self,
        other: &MediaEnd,
        allowed: &[&str],
        ctx: &mut Ctx,
    ) -> Result<Bytes, SdpError> {
        let offer = other.offered.as_deref().or(other.said.as_deref()).ok_or(SdpError::NoAudio)?;
        let mut offer = Cow::Borrowed(offer);
        if !self.may_fax_with(other) {
            refuse_fax(offer.to_mut())?;
        }
        let path = self.path_to(other);
        self.open_beside(path, &offer, ctx);
        self.local.offer_by(path, &offer, allowed).map(Bytes::from)
    }

    fn may_fax_with(&self, other: &MediaEnd) -> bool {
        !self.no_fax && !other.no_fax
    }

    /// What the peer of `other` last said, as the answer to the offer of this one; or what it offers, while its own is not answered.
    pub(crate) fn tell_answer(
        &mut self,
        other: &MediaEnd,
        allowed: &[&str],
        ctx: &mut Ctx,
    ) -> Result<Bytes, SdpError> {
        let answer = other.said.as_ref().or(other.offered.as_ref()).ok_or(SdpError::NoAudio)?;
        // Without an offer that is open, it was answered in a reliable provisional response (RFC 3262 §5).
        let is_settled = self.offered.is_none();
        let mut offer = self.offered.take().or_else(|| self.said.clone()).ok_or(SdpError::NoAudio)?;
        if !self.may_fax_with(other) {
            refuse_fax(&mut offer)?;
        }
        let path = self.path_to(other);
        self.open_beside(path, &offer, ctx);
        let told = match self.local.again().filter(|_| is_settled || self.said.is_none()) {
            Some(first) => self.tell_again(first, is_settled, path, answer, &offer, allowed),
            None => self.local.answer_by(path, answer, &offer, allowed),
        };
        if !is_settled {
            self.offered = Some(offer);
        }
        told.map(Bytes::from)
    }

    /// The first answer to an INVITE is the answer, whatever comes later (RFC 3261 §13.2.1). Where media is anchored and the first was
    /// not acknowledged, that is no matter, because it stays here; else the peer gets the same again, and is told anew when it can be.
    fn tell_again(
        &mut self,
        first: Vec<u8>,
        is_settled: bool,
        path: Path,
        answer: &Sdp,
        offer: &Sdp,
        allowed: &[&str],
    ) -> Result<Vec<u8>, SdpError> {
        let was_led = self.local.path();
        let before = is_settled || (path, was_led) != (Path::Anchored, Path::Anchored);
        let before = before.then(|| self.local.clone());
        let told = self.local.answer_by(path, answer, offer, allowed)?;
        self.owes = before.is_some() && told != first;
        match before.filter(|_| self.owes) {
            Some(before) => {
                self.local = before;
                Ok(first)
            }
            None => Ok(told),
        }
    }

    /// What we last said here, once more: for a refresh of the session (RFC 4028 §7.4).
    pub(crate) fn again(&self) -> Option<Bytes> {
        self.local.again().map(Bytes::from)
    }

    /// Whether the peer says what it said before: it only refreshes the session.
    pub(crate) fn has_heard(&self, sdp: &Sdp) -> bool {
        self.said.as_deref() == Some(sdp)
    }

    /// Whether its peer need not hear of an offer of the other side: nothing in it takes away a codec that was agreed on here, nor
    /// gives it another number.
    pub(crate) fn can_follow(&self, offer: &Sdp) -> bool {
        let codecs = |sdp: &Sdp| sdp.audio().map(|audio| audio.codecs).unwrap_or_default();
        let offered = codecs(offer);
        let ours = self.local.again().and_then(|said| Sdp::parse(&said).ok()).map(|said| codecs(&said));
        let theirs = self.said.as_deref().or(self.offered.as_deref()).map(codecs).unwrap_or_default();
        let agreed = theirs.iter().filter(|codec| ours.iter().flatten().any(|own| own == *codec));
        agreed.filter(|codec| codec.is_audio_codec()).all(|codec| offered.contains(codec))
    }

    /// The session that the peer of `other` has, with nobody on hold, as an offer for this one, with media by way of us. `None`: it
    /// is what stands here already, and need not be told.
    pub(crate) fn tell_session(
        &mut self,
        other: &MediaEnd,
        allowed: &[&str],
        ctx: &mut Ctx,
    ) -> Result<Option<Bytes>, SdpError> {
        let mut session = other.resumed()?;
        if !self.may_fax_with(other) {
            refuse_fax(&mut session)?;
        }
        self.open_beside(Path::Anchored, &session, ctx);
        let offer = self.local.offer_by(Path::Anchored, &session, allowed)?;
        if self.local.has_news() {
            return Ok(Some(offer.into()));
        }
        self.local.take_back();
        Ok(None)
    }

    /// The session that the peer of `other` has, with nobody on hold, as the answer to the offer of this one.
    pub(crate) fn answer_session(
        &mut self,
        other: &MediaEnd,
        allowed: &[&str],
        ctx: &mut Ctx,
    ) -> Result<Bytes, SdpError> {
        let session = other.resumed()?;
        self.answer_with(other, &session, allowed, ctx)
    }

    /// What the peer of `other` offers, as the answer to the offer of this one: both have offered, and each gets the other's.
    pub(crate) fn answer_offer(
        &mut self,
        other: &MediaEnd,
        allowed: &[&str],
        ctx: &mut Ctx,
    ) -> Result<Bytes, SdpError> {
        let theirs = other.offered.as_ref().ok_or(SdpError::NoAudio)?;
        self.answer_with(other, theirs, allowed, ctx)
    }

    fn answer_with(
        &mut self,
        other: &MediaEnd,
        answer: &Sdp,
        allowed: &[&str],
        ctx: &mut Ctx,
    ) -> Result<Bytes, SdpError> {
        let mut offer = self.offered.take().ok_or(SdpError::NoAudio)?;
        if !self.may_fax_with(other) {
            refuse_fax(&mut offer)?;
        }
        self.open_beside(Path::Anchored, &offer, ctx);
        let told = self.local.answer_by(Path::Anchored, answer, &offer, allowed);
        self.offered = Some(offer);
        told.map(Bytes::from)
    }

    fn resumed(&self) -> Result<Sdp, SdpError> {
        Ok(self.said.as_deref().cloned().ok_or(SdpError::NoAudio)?.resumed())
    }

    /// Whether the peer has said anything of a session that stands.
    pub(crate) fn has_session(&self) -> bool {
        self.said.is_some()
    }

    /// Whether the sessions of both peers have a codec in common.
    pub(crate) fn understands(&self, other: &MediaEnd, allowed: &[&str]) -> bool {
        let (Some(ours), Some(theirs)) = (self.audio(), other.audio()) else { return false };
        let is_voice = |name: &str| !name.eq_ignore_ascii_case("telephone-event");
        let may = |name: &str| allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
        ours.codecs
            .iter()
            .filter(|codec| is_voice(&codec.name) && may(&codec.name))
            .any(|codec| theirs.codecs.iter().any(|other| other.name.eq_ignore_ascii_case(&codec.name)))
    }

    fn audio(&self) -> Option<tandem_sdp::Audio> {
        self.said.as_ref()?.audio()
    }

    /// The call that it belongs to from now on.
    pub(crate) fn hand_over(&mut self, call: u64, ctx: &mut Ctx) {
        self.call = call;
        for port in self.ports() {
            if let MediaPort::Open(port) = *port {
                ctx.media.hand_over(port, call);
            }
        }
    }

    /// Whether the peer made an offer that is not answered yet.
    pub(crate) fn has_offer(&self) -> bool {
        self.offered.is_some()
    }

    /// Whether the peer has to be told what holds, by an offer.
    pub(crate) fn owes(&self) -> bool {
        self.owes
    }

    /// The peer was told to send its media to us.
    pub(crate) fn promised(&self) -> bool {
        self.main.is_open() && self.local.again().is_some() && self.local.path() == Path::Anchored
    }

    /// Both sides of the session that stands may talk: nobody holds.
    pub(crate) fn talks(&self) -> bool {
        let sound = self.said.as_ref().and_then(|said| said.stream(Kind::Audio));
        sound.is_some_and(|sound| !sound.refused() && sound.direction == Direction::SendRecv)
    }

    /// The first audio codec of what we last said.
    pub(crate) fn codec(&self) -> Option<String> {
        self.local.codec().map(str::to_owned)
    }

    /// What comes in here goes out at `other`, both ways.
    pub(crate) fn join(&self, other: &MediaEnd, ctx: &mut Ctx) {
        self.main.join(&other.main, ctx);
        self.join_beside(other, ctx);
    }

    /// The two have a session: what came up beside the sound is joined, and what one of them refused is closed.
    pub(crate) fn settle_beside(&mut self, other: &mut MediaEnd, ctx: &mut Ctx) {
        for kind in [Kind::Video, Kind::Image] {
            if !(self.wants(kind) && other.wants(kind)) {
                self.close_beside(kind, ctx);
                other.close_beside(kind, ctx);
            }
        }
        self.join_beside(other, ctx);
    }

    fn wants(&self, kind: Kind) -> bool {
        self.said.as_ref().is_some_and(|said| said.has(kind))
    }

    fn close_beside(&mut self, kind: Kind, ctx: &mut Ctx) {
        if let Some(beside) = &mut self.beside {
            let port = if kind == Kind::Video { &mut beside.video } else { &mut beside.fax };
            port.close(ctx);
            self.local.receive_at(kind, 0);
        }
    }

    fn join_beside(&self, other: &MediaEnd, ctx: &mut Ctx) {
        if let (Some(here), Some(there)) = (&self.beside, &other.beside) {
            here.video.join(&there.video, ctx);
            here.fax.join(&there.fax, ctx);
        }
    }

    /// Reports silence of the peer that lasts this long.
    pub(crate) fn watch(&self, after: Option<Duration>, ctx: &mut Ctx) {
        if let MediaPort::Open(port) = self.main {
            ctx.media.order(MediaCommand::Watch { port, after });
        }
    }

    /// Closes its ports; [`MediaEnd::closed`] follows for each.
    pub(crate) fn close(&mut self, ctx: &mut Ctx) {
        self.ports_mut().for_each(|port| port.close(ctx));
    }

    /// The media side is done with a port of this end.
    pub(crate) fn closed(&mut self, port: PortId, stats: Option<&PortStats>) {
        if let Some(port) = self.ports_mut().find(|own| own.is(port)) {
            *port = MediaPort::Closed(stats.map(MediaPort::record_of));
        }
    }

    /// Whether this port is its own.
    pub(crate) fn has(&self, port: PortId) -> bool {
        self.ports().any(|own| own.is(port))
    }

    /// No word of the media side is due any more.
    pub(crate) fn is_over(&self) -> bool {
        self.ports().all(MediaPort::is_over)
    }

    /// It has no port: its peer sends to the other peer.
    pub(crate) fn is_direct(&self) -> bool {
        matches!(self.main, MediaPort::None)
    }

    /// What came from the peer of sound and fax, once the port is closed.
    pub(crate) fn record(&self) -> Option<MediaRecord> {
        self.main.record()
    }

    /// What came of video.
    pub(crate) fn video_record(&self) -> Option<MediaRecord> {
        self.beside.as_ref().and_then(|beside| beside.video.record())
    }

    /// Media between the two: by us, unless one of them never had a port. A port that is closed was one: its peer has left, and where
    /// that was is nobody's business.
    fn path_to(&self, other: &MediaEnd) -> Path {
        if self.is_direct() || other.is_direct() { Path::Direct } else { Path::Anchored }
    }

    /// Opens what an offer needs beside the main port. Where none is free, the line is refused.
    fn open_beside(&mut self, path: Path, offer: &Sdp, ctx: &mut Ctx) {
        let has_video = offer.has(Kind::Video);
        let has_fax = offer.has(Kind::Image) && offer.has(Kind::Audio);
        if path == Path::Direct || !(has_video || has_fax) {
            return;
        }
        let beside = self.beside.get_or_insert_default();
        if has_video
            && !beside.video.is_open()
            && let Some(local) = beside.video.open(self.call, ctx)
        {
            self.local.receive_at(Kind::Video, local);
        }
        if has_fax
            && !beside.fax.is_open()
            && let Some(local) = beside.fax.open(self.call, ctx)
        {
            self.local.receive_at(Kind::Image, local);
            beside.fax.carry(Content::Udptl, ctx);
        }
    }

    /// Tells the media side where the peer wants its media.
    fn face(&mut self, sdp: &Sdp, ctx: &mut Ctx) {
        self.face_main(sdp, ctx);
        self.face_beside(sdp, ctx);
    }

    fn face_main(&mut self, sdp: &Sdp, ctx: &mut Ctx) {
        let is_fax = self.local.is_fax_alone();
        if std::mem::replace(&mut self.carries_fax, is_fax) != is_fax {
            self.main.carry(if is_fax { Content::Udptl } else { Content::Rtp }, ctx);
        }
        let kind = if is_fax { Kind::Image } else { Kind::Audio };
        self.main.face(sdp.stream(kind), self.signalling, ctx);
    }

    fn face_beside(&self, sdp: &Sdp, ctx: &mut Ctx) {
        if let Some(beside) = &self.beside {
            beside.video.face(sdp.stream(Kind::Video), self.signalling, ctx);
            let fax = sdp.stream(Kind::Image).filter(|_| !self.local.is_fax_alone());
            beside.fax.face(fax, self.signalling, ctx);
        }
    }

    fn ports(&self) -> impl Iterator<Item = &MediaPort> {
        std::iter::once(&self.main).chain(self.beside.iter().flat_map(|beside| [&beside.video, &beside.fax]))
    }

    fn ports_mut(&mut self) -> impl Iterator<Item = &mut MediaPort> {
        let beside = self.beside.iter_mut().flat_map(|beside| [&mut beside.video, &mut beside.fax]);
        std::iter::once(&mut self.main).chain(beside)
    }
}

/// Leaves no fax in what somebody offers, if there is sound beside it; fax alone is refused as a whole.
fn refuse_fax(offer: &mut Sdp) -> Result<(), SdpError> {
    if offer.has(Kind::Image) {
        offer.refuse(Kind::Image);
        if !offer.has(Kind::Audio) {
            return Err(SdpError::NoAudio);
        }
    }
    Ok(())
}
