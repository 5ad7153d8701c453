//! Ports between their calls. One test, since descriptors are the whole process's.

mod common;

use common::{PATIENCE, Rig, free_port};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tandem_media::{MediaCommand, MediaEvent, PortId};
use tandem_relay::RelayConfig;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A relay of one thread whose clock can be put forward.
fn rig() -> (Rig, Arc<AtomicU64>) {
    let ahead = Arc::<AtomicU64>::default();
    let usual = RelayConfig::new(Ipv4Addr::LOCALHOST.into());
    let (clock, by) = (usual.clock.clone(), ahead.clone());
    let clock = Arc::new(move || clock() + Duration::from_secs(by.load(Relaxed)));
    (Rig::with(RelayConfig { clock, offload: false, ..usual }), ahead)
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_port_rests_open_is_taken_up_again_and_is_closed_in_the_end() {
    let (rig, ahead) = rig();
    let (local, stranger) = (free_port(), rig.socket());
    let idle = descriptors();
    let open = |id, local| rig.send(MediaCommand::Open { port: PortId(id), group: 0, local });
    let close = |id| {
        rig.send(MediaCommand::Close { port: PortId(id) });
        match rig.event() {
            MediaEvent::Closed { port, stats } => assert_eq!(port, PortId(id), "{stats:?}"),
            other => panic!("{other:?}"),
        }
    };

    // One call after the other has the same two sockets.
    for id in 1..=3 {
        open(id, local);
        close(id);
        assert_eq!(descriptors(), idle + 2);
    }
    assert_eq!(rig.relay.totals().open_ports, 0);

    // What comes in between is dropped and counted.
    let at = SocketAddr::new(rig.host, local);
    stranger.send_to(&[0x80; 172], at).unwrap();
    wait("the late packet to be counted", || rig.relay.totals().late == 1);
    assert_eq!(rig.relay.totals().forwarded, 0);

    // Who does not stop finds the port closed.
    wait("the port to be closed to late packets", || {
        let _ = stranger.send_to(&[0x80; 172], at);
        descriptors() == idle
    });

    // Nobody takes it up: it is closed. The clock is looked at with the next order.
    open(4, local);
    close(4);
    assert_eq!(descriptors(), idle + 2);
    ahead.store(100, Relaxed);
    open(5, free_port());
    close(5);
    wait("the first to be closed", || descriptors() == idle + 2);
    ahead.store(200, Relaxed);
    rig.send(MediaCommand::Close { port: PortId(9) });
    wait("the second to be closed", || descriptors() == idle);
}
