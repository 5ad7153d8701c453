//! One side's media as one thing: what we say on its leg, the port that faces its peer, and what the peer said.
//!
//! Offers and answers are taken and told leg by leg (RFC 3264): what one end hears, another end of any leg can tell. Any two ends
//! can be joined, at any time.

use crate::call::Ctx;
use bytes::Bytes;
use rand::Rng;
use std::net::IpAddr;
use std::time::Duration;
use tandem_media::{MediaCommand, PortId, PortStats};
use tandem_model::MediaRecord;
use tandem_sdp::{Direction, LocalEnd, Sdp, SdpError};
use tandem_sip_msg::Flow;

/// The media of one leg.
pub(crate) struct MediaEnd {
    /// What we say.
    local: LocalEnd,
    port: Port,
    /// Where the peer's signalling comes from: behind a NAT, its media comes from there too.
    signalling: IpAddr,
    /// An offer of the peer that is not answered yet.
    offered: Option<Sdp>,
    /// What the peer said last of the session that stands.
    said: Option<Sdp>,
}

/// The port that faces the peer.
enum Port {
    None,
    Open(PortId),
    /// It was asked to close.
    Closing(PortId),
    /// What it had counted, if it ever was open.
    Closed(Option<MediaRecord>),
}

impl MediaEnd {
    /// The end of a leg to a peer on this flow; without a port, until it is opened.
    pub(crate) fn new(flow: &Flow, ctx: &mut Ctx) -> MediaEnd {
        let local = LocalEnd::new(ctx.sip.rng.next_u32().into(), ctx.exchange.media_address(flow), 0);
        MediaEnd { local, port: Port::None, signalling: flow.remote.ip(), offered: None, said: None }
    }

    /// Opens its port, for a call. `false`: none is free.
    pub(crate) fn open(&mut self, call: u64, ctx: &mut Ctx) -> bool {
        let Some((port, local)) = ctx.media.open(call, ctx.sip.now) else { return false };
        self.port = Port::Open(port);
        self.local.receive_at(local);
        true
    }

    /// The peer is now tried at another address.
    pub(crate) fn moves_to(&mut self, flow: &Flow) {
        self.signalling = flow.remote.ip();
    }

    /// The peer makes an offer: kept until it is answered, by [`MediaEnd::tell_answer`] and [`MediaEnd::agree`], or refused.
    pub(crate) fn hear_offer(&mut self, offer: Sdp) {
        self.offered = Some(offer);
    }

    /// The peer answers what it was told: that is the session now.
    pub(crate) fn hear_answer(&mut self, answer: Sdp, ctx: &mut Ctx) {
        self.face(&answer, ctx);
        self.local.agree();
        self.said = Some(answer);
    }

    /// Sends to where the peer's offer says before it is answered, as a caller expects.
    pub(crate) fn send_early(&self, ctx: &mut Ctx) {
        if let Some(offer) = &self.offered {
            self.face(offer, ctx);
        }
    }

    /// Our answer to the peer's offer stands: the offer is the session now.
    pub(crate) fn agree(&mut self, ctx: &mut Ctx) {
        if let Some(offer) = self.offered.take() {
            self.face(&offer, ctx);
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
    pub(crate) fn tell_offer(&mut self, other: &MediaEnd, allowed: &[&str]) -> Result<Bytes, SdpError> {
        let offer = other.offered.as_ref().or(other.said.as_ref()).ok_or(SdpError::NoAudio)?;
        self.local.offer(offer, allowed).map(Bytes::from)
    }

    /// What the peer of `other` last said, as the answer to the offer of this one.
    pub(crate) fn tell_answer(&mut self, other: &MediaEnd, allowed: &[&str]) -> Result<Bytes, SdpError> {
        let answer = other.said.as_ref().ok_or(SdpError::NoAudio)?;
        let offer = self.offered.as_ref().ok_or(SdpError::NoAudio)?;
        self.local.answer(answer, offer, allowed).map(Bytes::from)
    }

    /// Whether the peer made an offer that is not answered yet.
    pub(crate) fn has_offer(&self) -> bool {
        self.offered.is_some()
    }

    /// Both sides of the session that stands may talk: nobody holds.
    pub(crate) fn talks(&self) -> bool {
        self.said
            .as_ref()
            .and_then(Sdp::audio)
            .is_some_and(|audio| !audio.refused && audio.direction == Direction::SendRecv)
    }

    /// The first audio codec of what we last said.
    pub(crate) fn codec(&self) -> Option<String> {
        let said = Sdp::parse(&self.local.again()?).ok()?;
        Some(said.audio()?.codecs.first()?.name.clone())
    }

    /// What comes in here goes out at `other`, both ways.
    pub(crate) fn join(&self, other: &MediaEnd, ctx: &mut Ctx) {
        if let (Port::Open(a), Port::Open(b)) = (&self.port, &other.port) {
            ctx.media.order(MediaCommand::Bridge { a: *a, b: *b });
        }
    }

    /// Reports silence of the peer that lasts this long.
    pub(crate) fn watch(&self, after: Option<Duration>, ctx: &mut Ctx) {
        if let Port::Open(port) = self.port {
            ctx.media.order(MediaCommand::Watch { port, after });
        }
    }

    /// Closes its port; [`MediaEnd::closed`] follows.
    pub(crate) fn close(&mut self, ctx: &mut Ctx) {
        if let Port::Open(port) = self.port {
            ctx.media.order(MediaCommand::Close { port });
            self.port = Port::Closing(port);
        }
    }

    /// The media side is done with a port of this end.
    pub(crate) fn closed(&mut self, stats: Option<&PortStats>) {
        self.port = Port::Closed(stats.map(media_record));
    }

    /// Whether this port is its own.
    pub(crate) fn has(&self, port: PortId) -> bool {
        matches!(self.port, Port::Open(own) | Port::Closing(own) if own == port)
    }

    /// No word of the media side is due any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.port, Port::None | Port::Closed(_))
    }

    /// What came from the peer, once the port is closed.
    pub(crate) fn record(&self) -> Option<MediaRecord> {
        match &self.port {
            Port::Closed(record) => record.clone(),
            _ => None,
        }
    }

    /// Tells the media side where the peer wants its media.
    fn face(&self, sdp: &Sdp, ctx: &mut Ctx) {
        if let (Port::Open(port), Some(audio)) = (&self.port, sdp.audio()) {
            ctx.media.order(MediaCommand::Remote {
                port: *port,
                rtp: audio.rtp,
                rtcp: audio.rtcp,
                signalling: self.signalling,
                clock_rate: audio.codecs.first().map_or(8000, |codec| codec.clock_rate),
            });
        }
    }
}

fn media_record(stats: &PortStats) -> MediaRecord {
    MediaRecord {
        packets: stats.packets,
        bytes: stats.bytes,
        lost: stats.lost,
        jitter_ms: stats.jitter_ms,
        dropped: stats.dropped.total(),
    }
}
