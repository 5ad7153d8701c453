//! A settled stream is counted the same whether each of its packets is judged, or somebody lets those pass that are ordinary.

use std::net::SocketAddr;
use std::time::Duration;
use tandem_media::rtp::{HEADER_LEN, Header};
use tandem_media::{
    Content, Forward, MediaCommand, MediaEvent, Passed, PortId, PortStats, Settled, Switchboard,
};
use tandem_time::Time;

const ALICE: (PortId, u16) = (PortId(1), 6_000);
const BOB: (PortId, u16) = (PortId(2), 6_002);
const START: Time = Time::from_secs(1_000);
const FRAME: Duration = Duration::from_millis(20);
const CLOCK_RATE: u32 = 8_000;

fn at(port: u16) -> SocketAddr {
    ([10, 0, 0, 5], port).into()
}

/// Where Alice and Bob are.
fn alice() -> SocketAddr {
    at(4_000)
}
fn bob() -> SocketAddr {
    at(5_000)
}

fn remote((port, _): (PortId, u16), rtp: SocketAddr) -> MediaCommand {
    MediaCommand::Remote { port, rtp, rtcp: rtp, signalling: rtp.ip(), clock_rate: CLOCK_RATE }
}

/// A call of Alice and Bob.
fn call() -> Switchboard {
    let mut board = Switchboard::default();
    for ((port, local), rtp) in [(ALICE, alice()), (BOB, bob())] {
        board.handle(MediaCommand::Open { port, group: 0, local }, START);
        board.handle(remote((port, local), rtp), START);
    }
    board.handle(MediaCommand::Bridge { a: ALICE.0, b: BOB.0 }, START);
    board
}

/// A packet of Alice's.
#[derive(Clone, Copy)]
struct Packet {
    marker: bool,
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    arrives: Time,
}

/// The `n`th packet of an even stream.
fn even(n: u32) -> Packet {
    let (sequence, timestamp) = ((65_500 + n) as u16, (u32::MAX - 1_000).wrapping_add(n * 160));
    Packet { marker: false, payload_type: 8, ssrc: 7, sequence, timestamp, arrives: START + FRAME * n }
}

fn bytes(packet: &Packet) -> Vec<u8> {
    let Packet { marker, payload_type, sequence, timestamp, ssrc, .. } = *packet;
    let header = Header { marker, payload_type, sequence, timestamp, ssrc, payload_at: HEADER_LEN };
    [&header.to_bytes()[..], &[0xd5; 160]].concat()
}

fn judge(board: &mut Switchboard, packet: &Packet) {
    let _ = board.packet(ALICE.1, alice(), &bytes(packet), packet.arrives);
}

fn answer(board: &mut Switchboard, n: u32) {
    board.packet(BOB.1, bob(), &bytes(&even(n)), START + FRAME * n).unwrap();
}

/// Somebody who lets the ordinary packets of one stream pass, as [`Settled`] says.
struct Passing {
    stream: Settled,
    passed: Passed,
}

impl Passing {
    fn new(stream: Settled) -> Passing {
        Passing { stream, passed: Passed { packets: 0, bytes: 0, position: stream.position } }
    }

    /// Whether the packet passes.
    fn lets(&mut self, packet: &Packet) -> bool {
        let (stream, last) = (&self.stream, &mut self.passed.position);
        let ticks = packet.timestamp.wrapping_sub(last.timestamp);
        let is_next = packet.payload_type == stream.payload_type
            && packet.ssrc == stream.ssrc
            && !packet.marker
            && packet.sequence == last.sequence.wrapping_add(1)
            && (1..stream.clock_rate).contains(&ticks);
        let sampled_us = u64::from(ticks) * 1_000_000 / u64::from(stream.clock_rate);
        let late_us = packet.arrives.since(last.arrived).as_micros() as i64 - sampled_us as i64;
        if !is_next || packet.arrives < last.arrived || late_us.abs() >= 1_000_000 {
            return false;
        }
        last.jitter += late_us.abs() - ((last.jitter + 8) >> 4);
        last.jitter_highest = last.jitter_highest.max(last.jitter);
        (last.sequence, last.timestamp, last.arrived) = (packet.sequence, packet.timestamp, packet.arrives);
        self.passed.packets += 1;
        self.passed.bytes += bytes(packet).len() as u64;
        true
    }
}

/// The counts of both ports after a stream each of whose packets is judged, and after one whose ordinary ones pass; and how many did.
fn both_ways(packets: &[Packet]) -> ([(PortStats, PortStats); 2], u64) {
    let (mut judged, mut mixed) = (call(), call());
    answer(&mut judged, 0);
    answer(&mut mixed, 0);
    let (mut passing, mut passed): (Option<Passing>, _) = (None, 0);
    for packet in packets {
        judge(&mut judged, packet);
        if passing.as_mut().is_some_and(|passing| passing.lets(packet)) {
            continue;
        }
        if let Some(passing) = passing.take().filter(|passing| passing.passed.packets > 0) {
            mixed.passed(ALICE.1, &passing.passed);
            passed += passing.passed.packets;
        }
        judge(&mut mixed, packet);
        passing = mixed.settled(ALICE.1).map(Passing::new);
    }
    if let Some(passing) = passing.filter(|passing| passing.passed.packets > 0) {
        mixed.passed(ALICE.1, &passing.passed);
        passed += passing.passed.packets;
    }
    let stats = |board: &Switchboard| (board.stats(ALICE.0).unwrap(), board.stats(BOB.0).unwrap());
    ([stats(&judged), stats(&mixed)], passed)
}

#[test]
fn an_even_stream_passes_after_its_first_packets() {
    let packets: Vec<Packet> = (0..500).map(even).collect();
    let ([judged, mixed], passed) = both_ways(&packets);
    assert_eq!(judged, mixed);
    assert_eq!((mixed.0.packets, mixed.1.sent, passed), (500, 500, 489));
}

#[test]
fn a_stream_in_any_disorder_is_counted_the_same() {
    let mut all_passed = 0;
    for seed in 1..400u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut packets = Vec::new();
        let (mut skipped, mut ssrc) = (0, 7);
        for n in 0..300 {
            let mut packet = even(n + skipped);
            match random(60) {
                0 => continue,
                1 => packet.marker = true,
                2 => packet.payload_type = 101,
                3 => ssrc += 1,
                4 => skipped += random(4_000) as u32,
                5 => packet.timestamp = packet.timestamp.wrapping_sub(160),
                6 => packets.push(packet),
                7 => packet.arrives = packet.arrives + Duration::from_millis(random(2_500)),
                _ => packet.arrives = packet.arrives + Duration::from_micros(random(20_000)),
            }
            packet.ssrc = ssrc;
            packets.push(packet);
            if random(60) == 0 && packets.len() > 1 {
                let last = packets.len() - 1;
                packets.swap(last, last - 1);
            }
        }
        // They come in the order of their arrival.
        for n in 1..packets.len() {
            packets[n].arrives = packets[n].arrives.max(packets[n - 1].arrives);
        }
        let ([judged, mixed], passed) = both_ways(&packets);
        assert_eq!(judged, mixed, "seed {seed}");
        all_passed += passed;
    }
    assert!(all_passed > 10_000, "{all_passed}");
}

/// A board with a call whose streams have both settled.
fn settled() -> Switchboard {
    let mut board = call();
    for n in 0..20 {
        judge(&mut board, &even(n));
        answer(&mut board, n);
    }
    board
}

#[test]
fn a_settled_stream_says_where_it_comes_from_and_where_it_goes() {
    let board = settled();
    let stream = board.settled(ALICE.1).unwrap();
    assert_eq!((stream.local, stream.from), (ALICE.1, alice()));
    assert_eq!(stream.forward, Forward { local: BOB.1, to: bob() });
    assert_eq!((stream.ssrc, stream.payload_type, stream.clock_rate), (7, 8, CLOCK_RATE));
    assert_eq!(stream.position.sequence, even(19).sequence);
    assert_eq!(board.settled(BOB.1).unwrap().forward, Forward { local: ALICE.1, to: alice() });
    assert_eq!(board.settled(ALICE.1 + 1), None, "RTCP is no stream");
}

#[test]
fn nothing_is_settled_while_one_side_was_not_heard() {
    let mut board = call();
    (0..50).for_each(|n| judge(&mut board, &even(n)));
    assert_eq!(board.settled(ALICE.1), None, "Bob may be elsewhere than he says");
    answer(&mut board, 50);
    assert!(board.settled(ALICE.1).is_some());
}

#[test]
fn what_changes_a_call_unsettles_its_streams() {
    for command in [
        remote(ALICE, at(4_444)),
        remote(BOB, at(5_555)),
        remote(BOB, at(0)),
        MediaCommand::Carry { port: ALICE.0, content: Content::Udptl },
        MediaCommand::Close { port: BOB.0 },
    ] {
        let mut board = settled();
        board.handle(command.clone(), START);
        assert_eq!(board.settled(ALICE.1), None, "{command:?}");
    }
}

#[test]
fn silence_is_counted_from_the_last_packet_that_passed() {
    let mut board = settled();
    let mut passing = Passing::new(board.settled(ALICE.1).unwrap());
    let after = Duration::from_secs(1);
    board.handle(MediaCommand::Watch { port: ALICE.0, after: Some(after) }, even(19).arrives);
    assert!((20..100).all(|n| passing.lets(&even(n))));
    let due = board.poll_timeout().unwrap();
    assert_eq!(board.poll_watch(due), Some(ALICE.1));
    board.passed(ALICE.1, &passing.passed);
    board.look_for_silence(ALICE.1, due);
    assert_eq!(board.poll_event(), None);
    assert_eq!(board.poll_timeout(), Some(even(99).arrives + after));
    board.handle_timeout(even(99).arrives + after);
    assert_eq!(board.poll_event(), Some(MediaEvent::Silent { port: ALICE.0, silence: after }));
}
