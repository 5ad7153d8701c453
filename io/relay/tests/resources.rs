//! What a relay holds and gives back. One test, since descriptors and allocations are the whole process's.
#![allow(unsafe_code)] // a global allocator that counts

mod common;

use common::{PATIENCE, Rig, free_port};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tandem_media::g711::Law;
use tandem_media::tone::{PACKET_LEN, Talker};
use tandem_media::{MediaCommand, MediaEvent, PortId};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: the system's allocator does all the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn descriptors_are_given_back_and_packets_allocate_nothing() {
    let at_first = descriptors();
    let rig = Rig::new(2);
    let idle = descriptors();

    // 200 pairs are opened and closed, a few of them twice and some in vain.
    let locals: Vec<u16> = (0..200).map(|_| free_port()).collect();
    for (id, &local) in (0..).zip(&locals) {
        rig.send(MediaCommand::Open { port: PortId(id), group: id / 2, local });
        rig.send(MediaCommand::Bridge { a: PortId(id), b: PortId(id ^ 1) });
    }
    for (id, &local) in (1_000..).zip(&locals[..10]) {
        rig.send(MediaCommand::Open { port: PortId(id), group: id / 2, local });
        assert!(matches!(rig.event(), MediaEvent::OpenFailed { port: PortId(failed), .. } if failed == id));
    }
    assert_eq!(descriptors(), idle + 2 * 200);
    assert_eq!(rig.relay.totals().open_ports, 200);
    for id in 0..200 {
        rig.send(MediaCommand::Close { port: PortId(id) });
        rig.send(MediaCommand::Close { port: PortId(id) });
    }
    for _ in 0..200 {
        assert!(matches!(rig.event(), MediaEvent::Closed { .. }));
    }
    assert_eq!(descriptors(), idle);

    // A call of 2,000 packets, among them bursts and an intruder's.
    let (alice, bob) = rig.call(7_000);
    let intruder = rig.socket();
    let (mut talker, mut heard) = (Talker::new(Law::A, 440.0, 7), [0; PACKET_LEN]);
    let mut burst = |packets: usize| {
        for _ in 0..packets {
            let packet = talker.packet();
            alice.socket.send_to(&packet, alice.relay).unwrap();
            bob.socket.send_to(&packet, bob.relay).unwrap();
            intruder.send_to(&packet, alice.relay).unwrap();
        }
        for _ in 0..packets {
            bob.socket.recv(&mut heard).unwrap();
            alice.socket.recv(&mut heard).unwrap();
        }
    };
    burst(1);
    let before = ALLOCATIONS.load(Relaxed);
    (0..100).for_each(|n| burst(1 + n % 19));
    assert_eq!(ALLOCATIONS.load(Relaxed), before);

    drop((alice, bob, intruder));
    drop(rig.relay);
    drop(rig.events.recv_timeout(PATIENCE));
    assert_eq!(descriptors(), at_first);
}
