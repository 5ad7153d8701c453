//! Calls over real sockets on loopback.

mod common;

use common::{PATIENCE, Rig, free_port};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use tandem_media::g711::Law;
use tandem_media::tone::{Ear, Talker};
use tandem_media::{MediaCommand, MediaEvent, PortId};

const RECEIVER_REPORT: [u8; 8] = [0x80, 201, 0, 1, 1, 2, 3, 4];

fn talker() -> Talker {
    Talker::new(Law::A, 440.0, 7)
}

#[test]
fn a_tone_is_heard_both_ways() {
    let rig = Rig::new(1);
    let (alice, bob) = rig.call(1);
    let (mut low, mut high) = (Talker::new(Law::A, 440.0, 1), Talker::new(Law::Mu, 1_000.0, 2));
    let (mut alices_ear, mut bobs_ear) = (Ear::default(), Ear::default());
    for _ in 0..10 {
        alice.says(&low.packet());
        bob.says(&high.packet());
        bobs_ear.packet(&bob.hears());
        alices_ear.packet(&alice.hears());
    }
    assert!(bobs_ear.hears(440.0) && alices_ear.hears(1_000.0));
    let (from_alice, from_bob) = (rig.close(&alice), rig.close(&bob));
    assert_eq!((from_alice.packets, from_alice.sent, from_alice.lost), (10, 10, 0));
    assert_eq!((from_bob.packets, from_bob.sent, from_bob.payload_type), (10, 10, Some(0)));
    assert_eq!(rig.relay.totals().forwarded, 20);
}

#[test]
fn ipv6_peers_are_served_too() {
    let rig = Rig::on(Ipv6Addr::LOCALHOST.into(), 1);
    let (alice, bob) = rig.call(1);
    let packet = talker().packet();
    alice.says(&packet);
    assert_eq!(bob.hears(), packet);
}

#[test]
fn rtcp_goes_through_the_odd_ports() {
    let rig = Rig::new(1);
    let (alice, bob) = rig.call(1);
    let [alices, bobs] = [&alice, &bob].map(|peer| {
        let socket = rig.socket();
        let (rtp, rtcp) = (peer.socket.local_addr().unwrap(), socket.local_addr().unwrap());
        let (port, signalling) = (peer.port, rtp.ip());
        rig.send(MediaCommand::Remote { port, rtp, rtcp, signalling, clock_rate: 8_000 });
        socket
    });
    rig.settle(&alice);
    alices.send_to(&RECEIVER_REPORT, (rig.host, alice.local + 1)).unwrap();
    let mut bytes = [0; 100];
    let (len, from) = bobs.recv_from(&mut bytes).unwrap();
    assert_eq!((&bytes[..len], from.port()), (&RECEIVER_REPORT[..], bob.local + 1));
    assert_eq!(rig.close(&bob).rtcp_sent, 1);
}

#[test]
fn once_latched_a_third_address_is_refused() {
    let rig = Rig::new(1);
    let (alice, bob) = rig.call(1);
    let mut talker = talker();
    bob.says(&talker.packet());
    alice.hears();
    let intruder = rig.socket();
    intruder.send_to(&talker.packet(), bob.relay).unwrap();
    let packet = talker.packet();
    bob.says(&packet);
    assert_eq!(alice.hears(), packet, "the intruder's came before and was dropped");
    assert_eq!(rig.close(&bob).dropped.foreign, 1);
    assert_eq!(rig.relay.totals().dropped.foreign, 1);
}

#[test]
fn a_peer_behind_a_nat_is_answered_where_it_comes_from() {
    let rig = Rig::new(1);
    let (alice, bob) = rig.call(1);
    let natted = rig.socket();
    let mut talker = talker();
    natted.send_to(&talker.packet(), bob.relay).unwrap();
    alice.hears();
    alice.says(&talker.packet());
    let mut bytes = [0; 2048];
    assert_eq!(natted.recv_from(&mut bytes).unwrap().1, bob.relay);
    assert!(bob.hears_nothing());
}

#[test]
fn garbage_of_all_lengths_leaves_the_call_up() {
    let rig = Rig::new(1);
    let (alice, bob) = rig.call(1);
    for len in [0, 1, 4, 11, 12, 100, 1_500, 2_049, 9_000] {
        alice.says(&vec![0; len]);
        alice.socket.send_to(&vec![0x16; len], (rig.host, alice.local + 1)).unwrap();
    }
    let packet = talker().packet();
    alice.says(&packet);
    assert_eq!(bob.hears(), packet);
    // Of the RTCP socket's nine some may still wait.
    assert!(rig.close(&alice).dropped.malformed >= 9);
}

#[test]
fn a_burst_at_one_port_comes_through_in_order() {
    let rig = Rig::new(1);
    let (alice, bob) = rig.call(1);
    let mut talker = talker();
    for _ in 0..10 {
        let packets: Vec<_> = (0..20).map(|_| talker.packet()).collect();
        packets.iter().for_each(|packet| alice.says(packet));
        packets.iter().for_each(|packet| assert_eq!(bob.hears(), packet));
    }
    let stats = rig.close(&alice);
    assert_eq!((stats.packets, stats.lost, stats.out_of_order), (200, 0, 0));
}

#[test]
fn packets_after_the_close_get_nowhere() {
    let rig = Rig::new(1);
    let (alice, bob) = rig.call(1);
    let mut talker = talker();
    alice.says(&talker.packet());
    bob.hears();
    rig.close(&bob);
    alice.says(&talker.packet());
    bob.says(&talker.packet());
    assert_eq!(until(|| rig.relay.totals().dropped.no_peer, 1), 1);
    assert!(alice.hears_nothing() && bob.hears_nothing());
    assert_eq!(rig.close(&alice).dropped.no_peer, 1);
}

#[test]
fn a_peer_that_cannot_be_reached_is_counted_and_does_no_harm() {
    let rig = Rig::new(1);
    let (alice, bob) = rig.call(1);
    let nowhere: SocketAddr = "[2001:db8::1]:4000".parse().unwrap();
    let signalling = nowhere.ip();
    let remote =
        MediaCommand::Remote { port: bob.port, rtp: nowhere, rtcp: nowhere, signalling, clock_rate: 0 };
    rig.send(remote);
    rig.settle(&alice);
    let mut talker = talker();
    alice.says(&talker.packet());
    assert_eq!(until(|| rig.relay.totals().send_failed, 1), 1);
    let stats = rig.close(&bob);
    assert_eq!((stats.sent, stats.send_failed), (0, 1));
}

#[test]
fn a_peer_that_has_hung_up_its_socket_does_no_harm() {
    let rig = Rig::new(1);
    let (alice, bob) = rig.call(1);
    let mut talker = talker();
    let gone = bob.relay;
    drop(bob.socket);
    for _ in 0..5 {
        alice.says(&talker.packet());
    }
    assert_eq!(until(|| rig.relay.totals().forwarded, 5), 5);
    let back = rig.socket();
    back.send_to(&talker.packet(), gone).unwrap();
    alice.hears();
}

#[test]
fn a_port_in_use_is_reported_and_can_be_had_later() {
    let rig = Rig::new(1);
    let local = free_port();
    for taken in [local, local + 1] {
        let occupant = UdpSocket::bind((rig.host, taken)).unwrap();
        rig.send(MediaCommand::Open { port: PortId(9), group: 1, local });
        let MediaEvent::OpenFailed { port, error } = rig.event() else { panic!("it opened") };
        assert_eq!(port, PortId(9));
        assert!(error.contains("in use"), "{error}");
        drop(occupant);
    }
    rig.send(MediaCommand::Open { port: PortId(9), group: 1, local });
    rig.send(MediaCommand::Close { port: PortId(9) });
    assert!(matches!(rig.event(), MediaEvent::Closed { .. }));
}

#[test]
fn silence_is_reported_in_time() {
    let rig = Rig::new(1);
    let (alice, bob) = rig.call(1);
    let after = Duration::from_millis(150);
    rig.send(MediaCommand::Watch { port: bob.port, after: Some(after) });
    let begun = Instant::now();
    let MediaEvent::Silent { port, silence } = rig.event() else { panic!("it is not silent") };
    assert_eq!(port, bob.port);
    assert!(silence >= after && begun.elapsed() >= after);
    assert_eq!(rig.close(&alice).packets, 0);
}

#[test]
fn calls_of_two_threads_can_be_joined() {
    let rig = Rig::new(2);
    let ((alice, bob), (carol, dave)) = (rig.call(1), rig.call(2));
    let mut talker = talker();
    carol.says(&talker.packet());
    dave.hears();
    rig.send(MediaCommand::Bridge { a: alice.port, b: carol.port });
    rig.settle(&alice);
    for (one, other) in [(&alice, &carol), (&carol, &alice)] {
        let packet = talker.packet();
        one.says(&packet);
        assert_eq!(other.hears(), packet);
    }
    assert_eq!(rig.close(&carol).packets, 2, "the count goes on");
    for peer in [alice, bob, dave] {
        rig.close(&peer);
    }
    assert_eq!(rig.relay.totals().open_ports, 0);
}

#[test]
fn a_relay_that_stops_reports_every_open_port_closed() {
    let rig = Rig::new(2);
    let calls = [rig.call(1), rig.call(2)];
    drop(rig.relay);
    let mut closed: Vec<PortId> = rig.events.iter().map(|event| port_closed(&event)).collect();
    closed.sort_unstable();
    let open: Vec<PortId> = calls.iter().flat_map(|(a, b)| [a.port, b.port]).collect();
    assert_eq!(closed, open);
}

#[test]
fn a_wildcard_relay_serves_both_families() {
    let rig = Rig::on(Ipv6Addr::UNSPECIFIED.into(), 1);
    let [v4, v6] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].map(|ip: std::net::IpAddr| {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    });
    let ports = [(PortId(1), free_port(), &v4), (PortId(2), free_port(), &v6)];
    for (port, local, socket) in ports {
        let rtp = socket.local_addr().unwrap();
        rig.send(MediaCommand::Open { port, group: 1, local });
        rig.send(MediaCommand::Remote { port, rtp, rtcp: rtp, signalling: rtp.ip(), clock_rate: 8_000 });
    }
    rig.send(MediaCommand::Bridge { a: PortId(1), b: PortId(2) });
    rig.send(MediaCommand::Watch { port: PortId(1), after: Some(Duration::from_millis(1)) });
    rig.event();
    let (mut talker, mut bytes) = (talker(), [0; 2048]);
    v4.send_to(&talker.packet(), (Ipv4Addr::LOCALHOST, ports[0].1)).unwrap();
    assert_eq!(v6.recv_from(&mut bytes).unwrap().1.port(), ports[1].1);
    v6.send_to(&talker.packet(), (Ipv6Addr::LOCALHOST, ports[1].1)).unwrap();
    assert_eq!(v4.recv_from(&mut bytes).unwrap().1.port(), ports[0].1);
}

fn port_closed(event: &MediaEvent) -> PortId {
    match event {
        MediaEvent::Closed { port, .. } => *port,
        other => panic!("{other:?} at the end"),
    }
}

/// What `value` is once it is `expected`, or after long patience.
fn until(value: impl Fn() -> u64, expected: u64) -> u64 {
    let begun = Instant::now();
    while value() != expected && begun.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    value()
}
