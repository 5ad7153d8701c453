//! Streams that the kernel sends on from one network to another: three namespaces that play a carrier, this machine and a phone behind
//! a router. They take root's rights; where they or the tools lack, the test says so.

mod common;

use common::Rig;
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;
use tandem_media::g711::Law;
use tandem_media::tone::Talker;
use tandem_media::{MediaCommand, PortId};

/// Closer than telephones send, but apart.
const SPACING: Duration = Duration::from_millis(2);

/// Namespaces of the network, gone with this.
struct Networks {
    id: u32,
}

impl Networks {
    /// `carrier` 10.77.1.2 – 10.77.1.1 `us` 10.77.2.1 – 10.77.2.2 `phone`, which is 10.77.3.2 behind that.
    fn new() -> Option<Networks> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let id = std::process::id() * 8 + MADE.fetch_add(1, Relaxed);
        let networks = Networks { id };
        let made = ["carrier", "us", "phone"].iter().all(|name| networks.ip(&format!("netns add {{{name}}}")))
            && [
                "link add name c0 netns {us} type veth peer name c1 netns {carrier}",
                "link add name p0 netns {us} type veth peer name p1 netns {phone}",
                "-n {us} address add 10.77.1.1/24 dev c0",
                "-n {us} address add 10.77.2.1/24 dev p0",
                "-n {carrier} address add 10.77.1.2/24 dev c1",
                "-n {phone} address add 10.77.2.2/24 dev p1",
                "-n {phone} address add 10.77.3.2/32 dev lo",
                "-n {us} link set lo up",
                "-n {us} link set c0 up",
                "-n {us} link set p0 up",
                "-n {carrier} link set c1 up",
                "-n {phone} link set lo up",
                "-n {phone} link set p1 up",
                "-n {us} route add 10.77.3.0/24 via 10.77.2.2",
            ]
            .iter()
            .all(|command| networks.ip(command))
            // With checksums as they are on a wire: between such interfaces there would be none.
            && [("carrier", "c1"), ("phone", "p1")].iter().all(|(name, interface)| {
                networks.ip(&format!("netns exec {{{name}}} ethtool -K {interface} tx off"))
            });
        if !made {
            eprintln!("no network namespaces can be made: not tested");
        }
        made.then_some(networks)
    }

    fn name(&self, name: &str) -> String {
        format!("tandem-{name}-{}", self.id)
    }

    fn ip(&self, command: &str) -> bool {
        let names = ["carrier", "us", "phone"];
        let command = names.iter().fold(command.to_owned(), |command, name| {
            command.replace(&format!("{{{name}}}"), &self.name(name))
        });
        Command::new("ip").args(command.split(' ')).output().is_ok_and(|output| output.status.success())
    }

    /// What `make` makes in one of the namespaces; it stays there.
    fn within<T>(&self, name: &str, make: impl FnOnce() -> T) -> T {
        let here = File::open("/proc/thread-self/ns/net").unwrap();
        let there = File::open(format!("/run/netns/{}", self.name(name))).unwrap();
        setns(there, CloneFlags::CLONE_NEWNET).unwrap();
        let made = make();
        setns(here, CloneFlags::CLONE_NEWNET).unwrap();
        made
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for name in ["carrier", "us", "phone"] {
            self.ip(&format!("netns delete {{{name}}}"));
        }
    }
}

/// Someone elsewhere, and our address and port for them.
struct Far {
    socket: UdpSocket,
    at: SocketAddr,
    ours: SocketAddr,
}

impl Far {
    fn new(networks: &Networks, name: &str, address: &str, ours: &str) -> Far {
        let socket = networks.within(name, || UdpSocket::bind(address).unwrap());
        socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
        Far { socket, at: address.parse().unwrap(), ours: ours.parse().unwrap() }
    }

    fn open(&self, rig: &Rig, id: u64) -> PortId {
        let (port, local, rtp) = (PortId(id), self.ours.port(), self.at);
        rig.send(MediaCommand::Open { port, group: 1, local });
        let rtcp = SocketAddr::new(rtp.ip(), rtp.port() + 1);
        rig.send(MediaCommand::Remote { port, rtp, rtcp, signalling: rtp.ip(), clock_rate: 8_000 });
        port
    }

    fn hears(&self) -> Vec<u8> {
        let mut bytes = [0; 2048];
        let (length, from) = self.socket.recv_from(&mut bytes).unwrap();
        assert_eq!(from, self.ours);
        bytes[..length].to_vec()
    }
}

/// A call between the carrier and somebody else, in which the kernel sends on so many streams.
fn a_call_with(other: impl Fn(&Networks) -> Far, streams: u64) {
    let Some(networks) = Networks::new() else { return };
    let any: IpAddr = [0, 0, 0, 0].into();
    let Some(rig) = networks.within("us", || Rig::offloading(any)) else { return };
    let carrier = Far::new(&networks, "carrier", "10.77.1.2:4000", "10.77.1.1:20000");
    let other = other(&networks);
    let (a, b) = (carrier.open(&rig, 1), other.open(&rig, 2));
    rig.send(MediaCommand::Bridge { a, b });
    rig.settle_port(b);
    let (mut carriers, mut others) = (Talker::new(Law::A, 440.0, 1), Talker::new(Law::Mu, 1_000.0, 2));
    for _ in 0..100 {
        let (from_carrier, from_other) = (carriers.packet(), others.packet());
        carrier.socket.send_to(&from_carrier, carrier.ours).unwrap();
        other.socket.send_to(&from_other, other.ours).unwrap();
        assert_eq!((other.hears(), carrier.hears()), (from_carrier.to_vec(), from_other.to_vec()));
        sleep(SPACING);
    }
    for port in [a, b] {
        rig.send(MediaCommand::Close { port });
        rig.event();
    }
    let totals = rig.relay.totals();
    assert_eq!((totals.forwarded, totals.dropped.total()), (200, 0));
    assert!((80 * streams..=90 * streams).contains(&totals.offloaded), "{totals:?}");
}

#[test]
fn a_call_from_one_network_to_another_goes_through_the_kernel() {
    a_call_with(|networks| Far::new(networks, "phone", "10.77.3.2:4000", "10.77.2.1:20002"), 2);
}

#[test]
fn of_a_call_with_somebody_on_this_machine_one_way_goes_through_the_kernel() {
    a_call_with(|networks| Far::new(networks, "us", "10.77.2.1:4000", "10.77.2.1:20002"), 1);
}
