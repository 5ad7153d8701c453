//! Two legs of a call over a switchboard, as the engine drives it.

use std::net::SocketAddr;
use std::time::Duration;
use tandem_media::g711::Law;
use tandem_media::tone::{Ear, Talker};
use tandem_media::{DropReason, Forward, MediaCommand, MediaEvent, PortId, Switchboard};
use tandem_time::Time;

const ALICE: PortId = PortId(1);
const BOB: PortId = PortId(2);
const CAROL: PortId = PortId(3);
const RECEIVER_REPORT: [u8; 8] = [0x80, 201, 0, 1, 1, 2, 3, 4];

/// The local port that faces each peer.
fn local(port: PortId) -> u16 {
    10_000 + 2 * port.0 as u16
}

/// Where each peer has its media: RTP on 4000, RTCP on 4001.
fn peer(port: PortId) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, port.0 as u8], 4_000))
}

fn rtcp(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port() + 1)
}

fn ms(ms: u64) -> Time {
    Time::from_secs(1_700_000_000) + Duration::from_millis(ms)
}

struct Call {
    board: Switchboard,
    talker: Talker,
}

impl Call {
    /// The ports are open and know their peers; none is bridged.
    fn with(ports: &[PortId]) -> Call {
        let mut call = Call { board: Switchboard::default(), talker: Talker::new(Law::A, 440.0, 7) };
        for &port in ports {
            call.command(MediaCommand::Open { port, group: 1, local: local(port) }, 0);
            call.remote(port, peer(port), 0);
        }
        call
    }

    fn alice_and_bob() -> Call {
        let mut call = Call::with(&[ALICE, BOB]);
        call.command(MediaCommand::Bridge { a: ALICE, b: BOB }, 0);
        call
    }

    fn command(&mut self, command: MediaCommand, at: u64) {
        self.board.handle(command, ms(at));
    }

    fn remote(&mut self, port: PortId, rtp: SocketAddr, at: u64) {
        let remote =
            MediaCommand::Remote { port, rtp, rtcp: rtcp(rtp), signalling: rtp.ip(), clock_rate: 8_000 };
        self.command(remote, at);
    }

    /// The peer of `port` sends a packet of voice.
    fn voice(&mut self, port: PortId, at: u64) -> Result<Forward, DropReason> {
        self.board.packet(local(port), peer(port), &self.talker.packet(), ms(at))
    }

    fn timeout(&mut self, at: u64) -> Option<MediaEvent> {
        self.board.handle_timeout(ms(at));
        self.board.poll_event()
    }

    fn close(&mut self, port: PortId) -> tandem_media::PortStats {
        self.command(MediaCommand::Close { port }, 9_999);
        match self.board.poll_event() {
            Some(MediaEvent::Closed { port: closed, stats }) if closed == port => stats,
            other => panic!("{other:?} instead of the end of {port:?}"),
        }
    }
}

fn to(port: PortId) -> Result<Forward, DropReason> {
    Ok(Forward { local: local(port), to: peer(port) })
}

#[test]
fn voice_goes_both_ways_each_out_of_the_other_legs_own_port() {
    let mut call = Call::alice_and_bob();
    assert_eq!(call.voice(ALICE, 20), to(BOB));
    assert_eq!(call.voice(BOB, 20), to(ALICE));
}

#[test]
fn rtcp_goes_from_rtcp_port_to_rtcp_port() {
    let mut call = Call::alice_and_bob();
    let forward = call.board.packet(local(ALICE) + 1, rtcp(peer(ALICE)), &RECEIVER_REPORT, ms(0));
    assert_eq!(forward, Ok(Forward { local: local(BOB) + 1, to: rtcp(peer(BOB)) }));
    assert_eq!(call.close(ALICE).rtcp_packets, 1);
    assert_eq!(call.close(BOB).rtcp_sent, 1);
}

#[test]
fn a_tone_said_by_one_peer_is_heard_by_the_other() {
    let (mut call, mut ear) = (Call::alice_and_bob(), Ear::default());
    for n in 0..5 {
        let packet = call.talker.packet();
        assert_eq!(call.board.packet(local(ALICE), peer(ALICE), &packet, ms(20 * n)), to(BOB));
        ear.packet(&packet);
    }
    assert!(ear.hears(440.0));
}

#[test]
fn a_third_party_reaches_nobody_and_hears_nobody() {
    let mut call = Call::alice_and_bob();
    call.voice(ALICE, 0).unwrap();
    call.voice(BOB, 0).unwrap();
    let packet = call.talker.packet();
    for third in [peer(CAROL), SocketAddr::new(peer(BOB).ip(), 4_444)] {
        let verdict = call.board.packet(local(BOB), third, &packet, ms(20));
        assert_eq!(verdict, Err(DropReason::Foreign));
    }
    assert_eq!(call.voice(ALICE, 40), to(BOB));
    assert_eq!(call.close(BOB).dropped.foreign, 2);
}

#[test]
fn an_unbridged_port_counts_what_it_hears_and_forwards_nothing() {
    let mut call = Call::with(&[ALICE]);
    assert_eq!(call.voice(ALICE, 0), Err(DropReason::NoPeer));
    let stats = call.close(ALICE);
    assert_eq!((stats.packets, stats.dropped.no_peer), (1, 1));
}

#[test]
fn a_peer_that_is_not_known_yet_is_sent_nothing() {
    let mut call = Call::with(&[ALICE]);
    call.command(MediaCommand::Open { port: BOB, group: 1, local: local(BOB) }, 0);
    call.command(MediaCommand::Bridge { a: ALICE, b: BOB }, 0);
    assert_eq!(call.voice(ALICE, 0), Err(DropReason::NoPeer));
    call.remote(BOB, peer(BOB), 10);
    assert_eq!(call.voice(ALICE, 20), to(BOB));
}

#[test]
fn a_peer_on_hold_is_sent_nothing_and_is_heard() {
    let mut call = Call::alice_and_bob();
    call.voice(BOB, 0).unwrap();
    call.remote(BOB, "0.0.0.0:4000".parse().unwrap(), 10);
    assert_eq!(call.voice(ALICE, 20), Err(DropReason::NoPeer));
}

#[test]
fn bridges_are_replaced_on_all_sides() {
    let mut call = Call::with(&[ALICE, BOB, CAROL]);
    call.command(MediaCommand::Bridge { a: ALICE, b: BOB }, 0);
    call.command(MediaCommand::Bridge { a: CAROL, b: ALICE }, 0);
    assert_eq!(call.voice(ALICE, 0), to(CAROL));
    assert_eq!(call.voice(CAROL, 0), to(ALICE));
    assert_eq!(call.voice(BOB, 0), Err(DropReason::NoPeer));
}

#[test]
fn a_bridge_ordered_twice_is_a_bridge() {
    let mut call = Call::alice_and_bob();
    call.command(MediaCommand::Bridge { a: BOB, b: ALICE }, 0);
    assert_eq!(call.voice(ALICE, 0), to(BOB));
    assert_eq!(call.voice(BOB, 0), to(ALICE));
}

#[test]
fn a_port_bridged_to_itself_is_an_echo() {
    let mut call = Call::alice_and_bob();
    call.command(MediaCommand::Bridge { a: ALICE, b: ALICE }, 0);
    assert_eq!(call.voice(ALICE, 0), to(ALICE));
    assert_eq!(call.voice(BOB, 0), Err(DropReason::NoPeer));
}

#[test]
fn after_a_close_late_packets_get_nowhere() {
    let mut call = Call::alice_and_bob();
    call.voice(ALICE, 0).unwrap();
    call.voice(BOB, 0).unwrap();
    let stats = call.close(BOB);
    assert_eq!((stats.packets, stats.sent), (1, 1));
    assert_eq!(call.voice(ALICE, 20), Err(DropReason::NoPeer));
    assert_eq!(call.voice(BOB, 20), Err(DropReason::NoPeer));
    call.command(MediaCommand::Close { port: BOB }, 30);
    assert_eq!(call.board.poll_event(), None);
}

#[test]
fn the_port_of_a_closed_call_begins_anew_in_the_next() {
    let mut call = Call::alice_and_bob();
    call.voice(BOB, 0).unwrap();
    call.close(BOB);
    call.command(MediaCommand::Open { port: CAROL, group: 2, local: local(BOB) }, 20);
    assert_eq!(call.voice(BOB, 20), Err(DropReason::NoPeer));
    assert_eq!(call.voice(ALICE, 20), Err(DropReason::NoPeer));
    assert_eq!(call.close(CAROL).packets, 0);
}

#[test]
fn what_the_system_refused_to_send_was_not_sent() {
    let mut call = Call::alice_and_bob();
    call.voice(ALICE, 0).unwrap();
    call.voice(ALICE, 20).unwrap();
    call.board.send_failed(local(BOB), 1);
    let stats = call.close(BOB);
    assert_eq!((stats.sent, stats.send_failed), (1, 1));
}

#[test]
fn ports_that_cannot_be_are_refused_with_a_reason() {
    let mut call = Call::with(&[ALICE]);
    for (port, local) in [(BOB, 10_001), (BOB, local(ALICE)), (ALICE, local(BOB))] {
        call.command(MediaCommand::Open { port, group: 1, local }, 0);
        let refused = call.board.poll_event();
        assert!(matches!(refused, Some(MediaEvent::OpenFailed { port: failed, .. }) if failed == port));
    }
    assert_eq!(call.board.ports().collect::<Vec<_>>(), [ALICE]);
}

mod watch {
    use super::*;

    const AFTER: Duration = Duration::from_millis(500);

    fn watched() -> Call {
        let mut call = Call::alice_and_bob();
        call.command(MediaCommand::Watch { port: ALICE, after: Some(AFTER) }, 1_000);
        call
    }

    fn silent(ms: u64) -> Option<MediaEvent> {
        Some(MediaEvent::Silent { port: ALICE, silence: Duration::from_millis(ms) })
    }

    #[test]
    fn a_port_that_never_hears_anything_is_silent_from_the_command_on() {
        let mut call = watched();
        assert_eq!(call.board.poll_timeout(), Some(ms(1_500)));
        assert_eq!(call.timeout(1_499), None);
        assert_eq!(call.timeout(1_500), silent(500));
    }

    #[test]
    fn silence_counts_from_the_last_packet() {
        let mut call = watched();
        call.voice(ALICE, 1_300).unwrap();
        assert_eq!(call.timeout(1_500), None);
        assert_eq!(call.board.poll_timeout(), Some(ms(1_800)));
        assert_eq!(call.timeout(1_800), silent(500));
    }

    #[test]
    fn one_silence_is_told_once_and_the_next_again() {
        let mut call = watched();
        assert_eq!(call.timeout(1_500), silent(500));
        assert_eq!(call.timeout(2_000), None);
        assert_eq!(call.timeout(2_500), None);
        call.voice(ALICE, 2_600).unwrap();
        assert_eq!(call.timeout(3_000), None);
        assert_eq!(call.timeout(3_100), silent(500));
        assert_eq!(call.timeout(3_600), None);
    }

    #[test]
    fn a_watch_for_no_time_at_all_comes_to_an_end() {
        let mut call = watched();
        call.command(MediaCommand::Watch { port: ALICE, after: Some(Duration::ZERO) }, 1_000);
        assert_eq!(call.timeout(1_200), silent(200));
        assert_eq!(call.timeout(1_200), None);
    }

    #[test]
    fn foreign_packets_do_not_break_the_silence() {
        let mut call = watched();
        let packet = call.talker.packet();
        call.board.packet(local(ALICE), peer(CAROL), &packet, ms(1_400)).unwrap_err();
        assert_eq!(call.timeout(1_500), silent(500));
    }

    #[test]
    fn an_ended_watch_and_a_closed_port_are_silent_for_ever() {
        let mut call = watched();
        call.command(MediaCommand::Watch { port: ALICE, after: None }, 1_100);
        assert_eq!(call.board.poll_timeout(), None);
        call.command(MediaCommand::Watch { port: ALICE, after: Some(AFTER) }, 1_100);
        call.close(ALICE);
        assert_eq!(call.board.poll_timeout(), None);
    }

    #[test]
    fn a_port_moved_to_another_switchboard_takes_its_latch_counts_and_watch_along() {
        let mut call = watched();
        call.voice(ALICE, 1_100).unwrap();
        let mut there = Call::with(&[CAROL]);
        there.board.plug(call.board.unplug(ALICE).unwrap(), ms(1_200));
        there.command(MediaCommand::Bridge { a: ALICE, b: CAROL }, 1_200);
        assert_eq!(call.voice(BOB, 1_300), Err(DropReason::NoPeer));
        assert_eq!(call.timeout(9_000), None);
        assert_eq!(there.voice(CAROL, 1_300), to(ALICE));
        assert_eq!(there.timeout(1_700), silent(500));
        assert_eq!(there.close(ALICE).packets, 1);
    }
}
