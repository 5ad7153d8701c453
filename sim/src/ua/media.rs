//! The media of a call: a tone out every 20 ms, and an ear; pictures that are none, and fax that nobody reads.

use super::{Packet, Ua};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_media::g711::Law;
use tandem_media::rtp::Header;
use tandem_media::tone::{Ear, Talker};
use tandem_sdp::{Direction, Kind, Sdp};
use tandem_time::Time;

/// Packet time.
const PTIME: Duration = Duration::from_millis(20);

pub(super) struct Media {
    pub(super) local: SocketAddr,
    pub(super) remote: Option<SocketAddr>,
    pub(super) next: Option<Time>,
    pub(super) talks: bool,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) ear: Ear,
    /// Sound has given way to fax.
    pub(super) is_fax: bool,
    pub(super) fax_received: u64,
    pub(super) video_received: u64,
    /// Media lines said at most.
    pub(super) lines: usize,
    video_remote: Option<SocketAddr>,
    /// The picture of this moment was sent; its sound follows.
    video_sent: bool,
    sequence: u16,
    talker: Option<Talker>,
}

impl Media {
    pub(super) fn new(local: SocketAddr) -> Media {
        Media {
            local,
            remote: None,
            next: None,
            talks: true,
            sent: 0,
            received: 0,
            ear: Ear::default(),
            is_fax: false,
            fax_received: 0,
            video_received: 0,
            lines: 0,
            video_remote: None,
            video_sent: false,
            sequence: 0,
            talker: None,
        }
    }

    /// Where its pictures come in.
    pub(super) fn video_address(&self) -> SocketAddr {
        SocketAddr::new(self.local.ip(), self.local.port() + 100)
    }

    /// Sends to where the peer's SDP says, as long as it wants to hear.
    pub(super) fn connect(&mut self, sdp: &Sdp, video: bool, tone: f64, ssrc: u32, now: Time) {
        self.video_remote =
            sdp.stream(Kind::Video).filter(|stream| video && !stream.refused()).map(|stream| stream.address);
        self.is_fax = sdp.has(Kind::Image) && !sdp.has(Kind::Audio);
        if self.is_fax {
            self.remote = sdp.stream(Kind::Image).map(|fax| fax.address);
            if self.talks {
                self.next.get_or_insert(now);
            }
        }
        let Some(audio) = sdp.audio().filter(|_| !self.is_fax) else { return };
        let wants = matches!(audio.direction, Direction::SendRecv | Direction::RecvOnly)
            && !audio.rtp.ip().is_unspecified();
        self.remote = (wants && !audio.refused).then_some(audio.rtp);
        let law = match audio.codecs.first() {
            Some(codec) if codec.name.eq_ignore_ascii_case("PCMA") => Law::A,
            _ => Law::Mu,
        };
        self.talker.get_or_insert_with(|| Talker::new(law, tone, ssrc));
        if self.talks {
            self.next.get_or_insert(now);
        }
    }

    pub(super) fn stop(&mut self) {
        self.next = None;
        self.remote = None;
        self.video_remote = None;
    }

    /// The packet that is due.
    pub(super) fn packet(&mut self, now: Time) -> Option<Packet> {
        let at = self.next.filter(|at| *at <= now)?;
        if !std::mem::replace(&mut self.video_sent, false)
            && let Some(to) = self.video_remote
        {
            self.video_sent = true;
            return Some(Packet { from: self.video_address(), to, bytes: self.picture(), is_media: true });
        }
        self.next = Some(at + PTIME);
        let bytes = match self.is_fax {
            true => self.fax(),
            false => Bytes::copy_from_slice(&self.talker.as_mut()?.packet()),
        };
        let to = self.remote?;
        self.sent += 1;
        Some(Packet { from: self.local, to, bytes, is_media: true })
    }

    fn picture(&mut self) -> Bytes {
        self.sequence = self.sequence.wrapping_add(1);
        let (sequence, timestamp) = (self.sequence, u32::from(self.sequence) * 1_800);
        let header =
            Header { marker: false, payload_type: 96, sequence, timestamp, ssrc: 77, payload_at: 12 };
        [&header.to_bytes()[..], &[0x65; 100]].concat().into()
    }

    /// A UDPTL packet with an indicator of no signal (ITU-T T.38 §9.1).
    fn fax(&mut self) -> Bytes {
        self.sequence = self.sequence.wrapping_add(1) & 0x7fff;
        let [high, low] = self.sequence.to_be_bytes();
        Bytes::copy_from_slice(&[high, low, 1, 0, 0, 0])
    }
}

impl Ua {
    /// From now on it receives its latest call at another port; whoever asks is told so.
    pub fn move_media(&mut self) {
        let local = self.media_address();
        if let Some(call) = self.calls.last_mut() {
            call.media.local = local;
            call.sdp_version += 1;
        }
    }

    pub(super) fn receive_media(&mut self, packet: &Packet) {
        let mine = |media: &Media| media.local == packet.to || media.video_address() == packet.to;
        let Some(call) = self.calls.iter_mut().rfind(|call| mine(&call.media)) else { return };
        let media = &mut call.media;
        match Header::parse(&packet.bytes) {
            _ if media.video_address() == packet.to => media.video_received += 1,
            None => media.fax_received += 1,
            Some(_) => {
                media.received += 1;
                media.ear.packet(&packet.bytes);
            }
        }
    }
}
