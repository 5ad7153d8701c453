//! One media port: decides on every packet that its peer, or anybody else, sends to it.

use crate::latch::Latch;
use crate::reception::Reception;
use crate::rtp::{self, Header};
use crate::settled::SETTLED_AFTER;
use crate::{Content, DropReason, Forward, Passed, PortStats, Settled};
use std::net::{IpAddr, SocketAddr};
use tandem_time::Time;

/// RTP packets a second that a port takes: voice sends 50, at most 400. It bounds what a hostile peer costs
/// others, and what calls cost whose peers point at each other's ports of ours.
const RTP_PER_SECOND: u32 = 1_000;
/// RTCP packets a second that a port takes; RFC 3550 §6.2 means one in five seconds.
const RTCP_PER_SECOND: u32 = 50;

/// A sequence number, a primary packet of no length, and no packets for error correction (ITU-T T.38 §9.1).
const SHORTEST_UDPTL: usize = 4;
/// More than any `T38FaxMaxDatagram` asks for.
const LONGEST_UDPTL: usize = 1_472;

/// What is to be done with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is the peer's: send it on to the other leg.
    Forward,
    /// It goes nowhere, and is counted.
    Drop(DropReason),
}

/// The state of one media port: who its peer is and what came from there.
#[derive(Debug, Default)]
pub struct Port {
    rtp: Latch,
    rtcp: Latch,
    rtp_rate: Rate,
    rtcp_rate: Rate,
    content: Content,
    reception: Reception,
    /// Without loss and jitter, which `reception` knows.
    stats: PortStats,
}

impl Port {
    /// The peer's SDP says that it wants `rtp` and `rtcp`, and its signalling comes from `signalling`. Media
    /// is taken from these hosts, from whatever port it comes first (see
    /// [`MediaCommand::Remote`](crate::MediaCommand::Remote)).
    pub fn remote(
        &mut self,
        rtp: SocketAddr,
        rtcp: SocketAddr,
        signalling: IpAddr,
        clock_rate: u32,
        now: Time,
    ) {
        self.rtp.announce(rtp, [rtp.ip(), signalling, rtp.ip()], now);
        self.rtcp.announce(rtcp, [rtp.ip(), signalling, rtcp.ip()], now);
        self.reception.jitter.set_clock_rate(clock_rate);
        self.reception.in_a_row = 0;
    }

    /// From now on the peer sends this.
    pub fn carry(&mut self, content: Content) {
        self.content = content;
    }

    /// Judges and counts a datagram that came to the RTP socket.
    pub fn receive_rtp(&mut self, packet: &[u8], from: SocketAddr, now: Time) -> Verdict {
        if self.content == Content::Udptl {
            return self.receive_udptl(packet, from, now);
        }
        let admitted = Header::parse(packet).ok_or(DropReason::Malformed).and_then(|header| {
            self.rtp.admit(from, now)?;
            self.rtp_rate.admit(RTP_PER_SECOND, now)?;
            Ok(header)
        });
        match admitted {
            Ok(header) => {
                self.stats.source = Some(from);
                self.reception.count(&header, now);
                self.count(packet, now);
                self.stats.payload_type = Some(header.payload_type);
                Verdict::Forward
            }
            Err(reason) => {
                if reason == DropReason::Foreign {
                    self.stats.stranger = Some(from);
                }
                self.drop_packet(reason)
            }
        }
    }

    fn receive_udptl(&mut self, packet: &[u8], from: SocketAddr, now: Time) -> Verdict {
        // The tail of the sound that was here before is no fax.
        let is_tail = Header::parse(packet).is_some_and(|header| self.reception.is_of_stream(&header));
        let is_whole = (SHORTEST_UDPTL..=LONGEST_UDPTL).contains(&packet.len()) && !is_tail;
        let admitted = if is_whole { self.rtp.admit(from, now) } else { Err(DropReason::Malformed) };
        match admitted.and_then(|()| self.rtp_rate.admit(RTP_PER_SECOND, now)) {
            Ok(()) => {
                self.count(packet, now);
                Verdict::Forward
            }
            Err(reason) => self.drop_packet(reason),
        }
    }

    fn count(&mut self, packet: &[u8], now: Time) {
        self.stats.packets += 1;
        self.stats.bytes += packet.len() as u64;
        self.stats.first_packet.get_or_insert(now);
        self.stats.last_packet = Some(now);
    }

    /// Judges and counts a datagram that came to the RTCP socket.
    pub fn receive_rtcp(&mut self, packet: &[u8], from: SocketAddr, now: Time) -> Verdict {
        let well_formed = if rtp::is_rtcp(packet) { Ok(()) } else { Err(DropReason::Malformed) };
        let admitted = well_formed
            .and_then(|()| self.rtcp.admit(from, now))
            .and_then(|()| self.rtcp_rate.admit(RTCP_PER_SECOND, now));
        match admitted {
            Ok(()) => {
                self.stats.rtcp_packets += 1;
                Verdict::Forward
            }
            Err(reason) => self.drop_packet(reason),
        }
    }

    /// Where RTP for the peer is to be sent: where its own comes from, until then where its SDP says. `None`
    /// while the SDP is unknown or wants none.
    pub fn destination_rtp(&self) -> Option<SocketAddr> {
        self.rtp.destination()
    }

    /// Where RTCP for the peer is to be sent, by the same rules.
    pub fn destination_rtcp(&self) -> Option<SocketAddr> {
        self.rtcp.destination()
    }

    /// Whether the last packets were nothing but RTP, one after the other.
    pub(crate) fn is_steady(&self) -> bool {
        self.content == Content::Rtp && self.reception.in_a_row >= SETTLED_AFTER
    }

    /// Whether RTP came from the peer, so that it is known for certain where it is.
    pub(crate) fn is_latched(&self) -> bool {
        self.content == Content::Rtp && self.rtp.latched().is_some()
    }

    /// What comes in at `local` and goes on as `forward` says, for a port that [`is_steady`](Self::is_steady).
    pub(crate) fn settled(&self, local: u16, forward: Forward) -> Option<Settled> {
        let (ssrc, position) = self.reception.position()?;
        Some(Settled {
            local,
            from: self.rtp.latched()?,
            forward,
            payload_type: self.stats.payload_type?,
            ssrc,
            clock_rate: self.reception.jitter.clock_rate(),
            per_second: RTP_PER_SECOND,
            position,
        })
    }

    /// Counts packets of a settled stream that went on without being judged each.
    pub(crate) fn passed(&mut self, passed: &Passed) {
        self.reception.passed(passed);
        self.stats.packets += passed.packets;
        self.stats.bytes += passed.bytes;
        self.stats.last_packet = Some(passed.position.arrived);
    }

    /// Counts packets that were sent to the peer without asking.
    pub(crate) fn sent(&mut self, packets: u64) {
        self.stats.sent += packets;
    }

    /// What the port has counted so far.
    pub fn stats(&self) -> PortStats {
        PortStats {
            lost: self.reception.lost(),
            out_of_order: self.reception.out_of_order,
            duplicates: self.reception.duplicates,
            jitter_ms: self.reception.jitter.millis(),
            jitter_max_ms: self.reception.jitter.highest_millis(),
            ..self.stats.clone()
        }
    }

    /// When the last RTP packet was accepted.
    pub fn last_packet(&self) -> Option<Time> {
        self.stats.last_packet
    }

    /// Counts a packet that was accepted but has nowhere to go, or that never became one.
    pub(crate) fn drop_packet(&mut self, reason: DropReason) -> Verdict {
        self.stats.dropped.count(reason);
        Verdict::Drop(reason)
    }

    /// Gives the address for a packet to the peer and counts it as sent.
    pub(crate) fn send(&mut self, rtcp: bool) -> Option<SocketAddr> {
        let (latch, sent) =
            if rtcp { (&self.rtcp, &mut self.stats.rtcp_sent) } else { (&self.rtp, &mut self.stats.sent) };
        let destination = latch.destination()?;
        *sent += 1;
        Some(destination)
    }

    /// Takes back that `packets` were sent: the system refused them.
    pub(crate) fn unsend(&mut self, rtcp: bool, packets: u64) {
        let sent = if rtcp { &mut self.stats.rtcp_sent } else { &mut self.stats.sent };
        *sent = sent.saturating_sub(packets);
        self.stats.send_failed += packets;
    }
}

/// Packets within the present second.
#[derive(Debug, Default)]
struct Rate {
    second: u64,
    packets: u32,
}

impl Rate {
    fn admit(&mut self, limit: u32, now: Time) -> Result<(), DropReason> {
        if self.second != now.as_secs() {
            *self = Rate { second: now.as_secs(), packets: 0 };
        }
        if self.packets == limit {
            return Err(DropReason::Flood);
        }
        self.packets += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const PEER: &str = "10.0.0.5:4000";

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn ms(ms: u64) -> Time {
        Time::from_secs(1_700_000_000) + Duration::from_millis(ms)
    }

    fn port() -> Port {
        let mut port = Port::default();
        port.remote(addr(PEER), addr("10.0.0.5:4001"), addr(PEER).ip(), 8_000, ms(0));
        port
    }

    fn rtp(sequence: u16) -> Vec<u8> {
        let (timestamp, payload_at) = (u32::from(sequence) * 160, rtp::HEADER_LEN);
        let header = Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: 9, payload_at };
        [&header.to_bytes()[..], &[0xd5; 160]].concat()
    }

    const RECEIVER_REPORT: [u8; 8] = [0x80, 201, 0, 1, 1, 2, 3, 4];

    #[test]
    fn a_stream_with_a_gap_is_counted_as_a_call_record_needs_it() {
        let mut port = port();
        for n in (0..50u16).filter(|n| n % 10 != 5) {
            let verdict = port.receive_rtp(&rtp(n), addr(PEER), ms(20 * u64::from(n)));
            assert_eq!(verdict, Verdict::Forward);
        }
        let stats = port.stats();
        assert_eq!((stats.packets, stats.lost, stats.bytes), (45, 5, 45 * 172));
        assert_eq!((stats.first_packet, stats.last_packet), (Some(ms(0)), Some(ms(980))));
        assert_eq!((stats.payload_type, stats.jitter_ms), (Some(8), 0.0));
    }

    #[test]
    fn packets_before_the_peer_is_known_are_dropped_and_do_not_latch() {
        let mut port = Port::default();
        assert_eq!(port.receive_rtp(&rtp(1), addr(PEER), ms(0)), Verdict::Drop(DropReason::NoPeer));
        assert_eq!(port.stats().dropped.no_peer, 1);
        assert_eq!(port.destination_rtp(), None);
    }

    #[test]
    fn garbage_neither_latches_nor_ends_anything() {
        let mut port = port();
        let elsewhere = addr("10.0.0.5:9999");
        for garbage in [&b""[..], b"\0", b"\x80", &[0x16; 200], &[0; 20], &[0xff; 2000], &[0x80, 200, 0, 1]] {
            let malformed = Verdict::Drop(DropReason::Malformed);
            assert_eq!(port.receive_rtp(garbage, elsewhere, ms(1)), malformed);
            assert_eq!(port.receive_rtcp(garbage, elsewhere, ms(1)), malformed);
        }
        assert_eq!(port.receive_rtp(&rtp(1), addr(PEER), ms(2)), Verdict::Forward);
        assert_eq!(port.destination_rtp(), Some(addr(PEER)));
        assert_eq!((port.stats().packets, port.stats().dropped.malformed), (1, 14));
    }

    #[test]
    fn rtp_and_rtcp_latch_each_on_its_own() {
        let mut port = port();
        assert_eq!(port.receive_rtp(&rtp(1), addr("10.0.0.5:7000"), ms(0)), Verdict::Forward);
        assert_eq!(port.destination_rtcp(), Some(addr("10.0.0.5:4001")));
        assert_eq!(port.receive_rtcp(&RECEIVER_REPORT, addr("10.0.0.5:7009"), ms(0)), Verdict::Forward);
        assert_eq!(port.destination_rtcp(), Some(addr("10.0.0.5:7009")));
        assert_eq!(port.destination_rtp(), Some(addr("10.0.0.5:7000")));
        assert_eq!(port.stats().rtcp_packets, 1);
    }

    #[test]
    fn rtcp_may_come_from_the_host_that_the_sdp_names_for_it() {
        let mut port = Port::default();
        port.remote(addr(PEER), addr("10.0.0.6:4001"), addr(PEER).ip(), 8_000, ms(0));
        assert_eq!(port.receive_rtcp(&RECEIVER_REPORT, addr("10.0.0.6:4001"), ms(0)), Verdict::Forward);
        let foreign = Verdict::Drop(DropReason::Foreign);
        assert_eq!(port.receive_rtp(&rtp(1), addr("10.0.0.6:4000"), ms(0)), foreign);
    }

    #[test]
    fn fax_is_taken_from_the_peer_alone_and_no_faster_than_sound() {
        let mut port = port();
        assert_eq!(port.receive_rtp(&rtp(1), addr(PEER), ms(0)), Verdict::Forward);
        port.carry(Content::Udptl);
        let fax = [0, 1, 1, 0xd6, 0, 0];
        let drop = |reason| Verdict::Drop(reason);
        assert_eq!(port.receive_rtp(&fax, addr("10.0.0.6:4000"), ms(20)), drop(DropReason::Foreign));
        assert_eq!(port.receive_rtp(&fax, addr("10.0.0.5:4002"), ms(20)), drop(DropReason::Foreign));
        assert_eq!(
            port.receive_rtp(&rtp(2), addr(PEER), ms(20)),
            drop(DropReason::Malformed),
            "sound's tail"
        );
        for bad in [&[][..], &[0, 1, 0], &[0; 1_500]] {
            assert_eq!(port.receive_rtp(bad, addr(PEER), ms(20)), drop(DropReason::Malformed));
        }
        let taken = (0..5_000).filter(|_| port.receive_rtp(&fax, addr(PEER), ms(1_000)) == Verdict::Forward);
        assert_eq!(taken.count(), 1_000);
        port.carry(Content::Rtp);
        assert_eq!(port.receive_rtp(&fax, addr(PEER), ms(2_000)), drop(DropReason::Malformed));
        assert_eq!(port.receive_rtp(&rtp(3), addr(PEER), ms(2_000)), Verdict::Forward);
        assert_eq!((port.stats().lost, port.stats().packets), (1, 1_002));
    }

    #[test]
    fn the_first_fax_latches_where_no_sound_did() {
        let mut port = port();
        port.carry(Content::Udptl);
        assert_eq!(port.receive_rtp(&[0; 8], addr("10.0.0.5:7000"), ms(0)), Verdict::Forward);
        assert_eq!(port.destination_rtp(), Some(addr("10.0.0.5:7000")));
        assert_eq!(port.receive_rtp(&[0; 8], addr(PEER), ms(0)), Verdict::Drop(DropReason::Foreign));
    }

    #[test]
    fn a_flood_from_the_peer_itself_is_cut_to_what_a_port_takes() {
        let mut port = port();
        for n in 0..5_000u16 {
            port.receive_rtp(&rtp(n), addr(PEER), ms(0) + Duration::from_micros(u64::from(n)));
        }
        assert_eq!((port.stats().packets, port.stats().dropped.flood), (1_000, 4_000));
        assert_eq!(port.receive_rtp(&rtp(5_000), addr(PEER), ms(1_000)), Verdict::Forward);
    }
}
