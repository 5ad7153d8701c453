//! One port of a media end, from its opening to what it had counted.

use crate::call::Ctx;
use std::net::IpAddr;
use tandem_media::{Content, MediaCommand, PortId, PortStats};
use tandem_model::MediaRecord;
use tandem_sdp::Stream;

/// A port that faces a peer.
#[derive(Default)]
pub(crate) enum MediaPort {
    #[default]
    None,
    Open(PortId),
    /// It was asked to close.
    Closing(PortId),
    /// What it had counted, if it ever was open.
    Closed(Option<MediaRecord>),
}

impl MediaPort {
    /// Opens it for a call; its UDP port, if one is free.
    pub(crate) fn open(&mut self, call: u64, ctx: &mut Ctx) -> Option<u16> {
        let (port, local) = ctx.media.open(call, ctx.sip.now)?;
        *self = MediaPort::Open(port);
        Some(local)
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self, MediaPort::Open(_))
    }

    /// From now on it takes this.
    pub(crate) fn carry(&self, content: Content, ctx: &mut Ctx) {
        if let MediaPort::Open(port) = *self {
            ctx.media.order(MediaCommand::Carry { port, content });
        }
    }

    /// The peer, whose signalling comes from there, describes its stream so.
    pub(crate) fn face(&self, stream: Option<Stream>, signalling: IpAddr, ctx: &mut Ctx) {
        if let (MediaPort::Open(port), Some(stream)) = (self, stream) {
            ctx.media.order(MediaCommand::Remote {
                port: *port,
                rtp: stream.address,
                rtcp: stream.rtcp,
                signalling,
                clock_rate: stream.clock_rate,
            });
        }
    }

    pub(crate) fn join(&self, other: &MediaPort, ctx: &mut Ctx) {
        if let (MediaPort::Open(a), MediaPort::Open(b)) = (self, other) {
            ctx.media.order(MediaCommand::Bridge { a: *a, b: *b });
        }
    }

    pub(crate) fn close(&mut self, ctx: &mut Ctx) {
        if let MediaPort::Open(port) = *self {
            ctx.media.order(MediaCommand::Close { port });
            *self = MediaPort::Closing(port);
        }
    }

    /// Whether it goes by this name.
    pub(crate) fn is(&self, port: PortId) -> bool {
        matches!(self, MediaPort::Open(own) | MediaPort::Closing(own) if *own == port)
    }

    /// No word of the media side is due any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, MediaPort::None | MediaPort::Closed(_))
    }

    pub(crate) fn record(&self) -> Option<MediaRecord> {
        match self {
            MediaPort::Closed(record) => record.clone(),
            _ => None,
        }
    }

    /// What a call record says of a port.
    pub(crate) fn record_of(stats: &PortStats) -> MediaRecord {
        MediaRecord {
            packets: stats.packets,
            bytes: stats.bytes,
            lost: stats.lost,
            jitter_ms: stats.jitter_ms,
            dropped: stats.dropped.total(),
        }
    }
}
