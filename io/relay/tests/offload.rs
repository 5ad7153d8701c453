//! Streams that the kernel sends on by itself. Where it takes no programs from us there are none, and every test here says so.

mod common;

use common::{PATIENCE, Peer, Rig};
use std::net::{Ipv4Addr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tandem_media::g711::Law;
use tandem_media::tone::Talker;
use tandem_media::{MediaCommand, MediaEvent, PortStats};

/// Closer than telephones send, but apart: each packet is through before the next one is sent.
const SPACING: Duration = Duration::from_millis(2);
/// Enough for a stream to settle.
const SETTLING: usize = 20;

/// A call whose two streams are with the kernel.
struct Call {
    rig: Rig,
    alice: Peer,
    bob: Peer,
    alices: Talker,
    bobs: Talker,
}

impl Call {
    fn settled() -> Option<Call> {
        let rig = Rig::offloading(Ipv4Addr::LOCALHOST.into())?;
        let (alice, bob) = rig.call(1);
        let (alices, bobs) = (Talker::new(Law::A, 440.0, 1), Talker::new(Law::Mu, 1_000.0, 2));
        let mut call = Call { rig, alice, bob, alices, bobs };
        call.talks(SETTLING);
        Some(call)
    }

    /// Both say so many packets, and hear what the other says.
    fn talks(&mut self, packets: usize) {
        for _ in 0..packets {
            let (alices, bobs) = (self.alices.packet(), self.bobs.packet());
            self.alice.says(&alices);
            self.bob.says(&bobs);
            assert_eq!((self.bob.hears(), self.alice.hears()), (alices.to_vec(), bobs.to_vec()));
            sleep(SPACING);
        }
    }

    /// What was sent on past the media thread. Only what is closed is counted for certain.
    fn offloaded(&self) -> u64 {
        self.rig.relay.totals().offloaded
    }

    fn close(&self) -> (PortStats, PortStats) {
        (self.rig.close(&self.alice), self.rig.close(&self.bob))
    }
}

#[test]
fn a_settled_stream_is_sent_on_by_the_kernel_and_counted_all_the_same() {
    let Some(mut call) = Call::settled() else { return };
    call.talks(80);
    let (alice, bob) = call.close();
    for stats in [&alice, &bob] {
        assert_eq!((stats.packets, stats.sent, stats.bytes), (100, 100, 100 * 172));
        assert_eq!((stats.lost, stats.duplicates, stats.out_of_order), (0, 0, 0));
        assert!(stats.last_packet > stats.first_packet);
        assert!(stats.jitter_ms <= stats.jitter_max_ms);
    }
    let total = call.rig.relay.totals();
    assert_eq!((total.forwarded, total.dropped.total()), (200, 0));
    assert!((140..=180).contains(&total.offloaded), "{total:?}");
}

#[test]
fn what_is_no_next_packet_comes_to_us_and_is_sent_on_by_us() {
    let Some(mut call) = Call::settled() else { return };
    let (_lost, after) = (call.alices.packet(), call.alices.packet());
    call.alice.says(&after);
    assert_eq!(call.bob.hears(), after);
    call.alice.says(&after);
    assert_eq!(call.bob.hears(), after, "a double");
    let mut event = call.alices.packet();
    event[1] = 0x80 | 101;
    call.alice.says(&event);
    assert_eq!(call.bob.hears(), event);
    call.talks(5);
    let (alice, bob) = call.close();
    assert_eq!((alice.packets, alice.lost, alice.duplicates), (SETTLING as u64 + 8, 1, 1));
    assert_eq!(bob.sent, alice.packets);
}

#[test]
fn a_stranger_is_heard_by_nobody_and_gets_nothing() {
    let Some(mut call) = Call::settled() else { return };
    let stranger = call.rig.socket();
    let mut next = call.alices.packet();
    stranger.send_to(&next, call.alice.relay).unwrap();
    next[4] ^= 1;
    stranger.send_to(&next, call.alice.relay).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while call.rig.relay.totals().dropped.foreign < 2 && Instant::now() < deadline {
        sleep(SPACING);
    }
    assert!(call.bob.hears_nothing());
    call.talks(5);
    assert_eq!(call.close().0.dropped.foreign, 2);
}

#[test]
fn who_moves_is_sent_to_where_it_says() {
    let Some(mut call) = Call::settled() else { return };
    let elsewhere = call.rig.socket();
    let rtp = elsewhere.local_addr().unwrap();
    let (port, rtcp, signalling) = (call.bob.port, rtp, rtp.ip());
    call.rig.send(MediaCommand::Remote { port, rtp, rtcp, signalling, clock_rate: 8_000 });
    call.rig.settle(&call.bob);
    let packet = call.alices.packet();
    call.alice.says(&packet);
    let mut bytes = [0; 200];
    let (length, from) = elsewhere.recv_from(&mut bytes).unwrap();
    assert_eq!((&bytes[..length], from), (&packet[..], call.bob.relay));
    assert!(call.bob.hears_nothing());
}

#[test]
fn silence_is_told_when_there_is_some() {
    let Some(mut call) = Call::settled() else { return };
    let after = Some(Duration::from_millis(400));
    call.rig.send(MediaCommand::Watch { port: call.alice.port, after });
    call.talks(400);
    assert!(call.rig.events.try_recv().is_err(), "somebody talks");
    let offloaded = call.offloaded();
    assert!(offloaded > 100, "{offloaded}: it is looked at what the kernel did");
    match call.rig.event() {
        MediaEvent::Silent { port, silence } => {
            assert_eq!(port, call.alice.port);
            assert!(silence >= Duration::from_millis(400), "{silence:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_passes_after_the_end() {
    let Some(mut call) = Call::settled() else { return };
    call.close();
    let packet = call.alices.packet();
    call.alice.says(&packet);
    let deadline = Instant::now() + PATIENCE;
    while call.rig.relay.totals().late == 0 && Instant::now() < deadline {
        sleep(SPACING);
    }
    assert_eq!(call.rig.relay.totals().late, 1);
    assert!(call.bob.hears_nothing());
}

#[test]
fn a_flood_from_the_peer_itself_is_cut() {
    let Some(mut call) = Call::settled() else { return };
    let reader: UdpSocket = call.bob.socket.try_clone().unwrap();
    let begun = Instant::now();
    for _ in 0..20_000 {
        let packet = call.alices.packet();
        call.alice.says(&packet);
    }
    let seconds = begun.elapsed().as_secs() + 2;
    reader.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let (alice, _) = call.close();
    assert!(alice.packets <= 2_000 * seconds, "{} in {seconds} s", alice.packets);
    assert!(alice.dropped.flood > 0);
}
