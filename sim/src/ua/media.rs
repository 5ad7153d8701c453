//! The audio of a call: a tone out every 20 ms, and an ear.

use super::{Packet, Ua};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_media::g711::Law;
use tandem_media::tone::{Ear, Talker};
use tandem_sdp::{Direction, Sdp};
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
            talker: None,
        }
    }

    /// Sends to where the peer's SDP says, as long as it wants to hear.
    pub(super) fn connect(&mut self, sdp: &Sdp, tone: f64, ssrc: u32, now: Time) {
        let Some(audio) = sdp.audio() else { return };
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
    }

    /// The packet that is due.
    pub(super) fn packet(&mut self, now: Time) -> Option<Packet> {
        let at = self.next.filter(|at| *at <= now)?;
        self.next = Some(at + PTIME);
        let bytes = Bytes::copy_from_slice(&self.talker.as_mut()?.packet());
        let to = self.remote?;
        self.sent += 1;
        Some(Packet { from: self.local, to, bytes, is_media: true })
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
        if let Some(call) = self.calls.iter_mut().rfind(|call| call.media.local == packet.to) {
            call.media.received += 1;
            call.media.ear.packet(&packet.bytes);
        }
    }
}
