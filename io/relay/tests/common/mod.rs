//! A relay on loopback, and peers with real sockets.
#![allow(dead_code)] // each test uses what it needs

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tandem_media::{MediaCommand, MediaEvent, PortId, PortStats};
use tandem_relay::{Relay, RelayConfig};

/// Long enough for a busy machine; nothing waits for it that goes well.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Rig {
    pub relay: Relay,
    pub events: Receiver<MediaEvent>,
    pub host: IpAddr,
}

impl Rig {
    pub fn new(threads: usize) -> Rig {
        Rig::on(Ipv4Addr::LOCALHOST.into(), threads)
    }

    pub fn on(host: IpAddr, threads: usize) -> Rig {
        Rig::with(RelayConfig { threads, offload: false, ..RelayConfig::new(host) })
    }

    /// A relay that has the kernel send on what it can; none where the kernel takes no programs from us.
    pub fn offloading(host: IpAddr) -> Option<Rig> {
        let rig = Rig::with(RelayConfig::new(host));
        let deadline = Instant::now() + PATIENCE;
        while rig.relay.offloads().is_none() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let offloads = rig.relay.offloads() == Some(true);
        if !offloads {
            eprintln!("the kernel takes no programs from us: not tested");
        }
        offloads.then_some(rig)
    }

    /// A relay whose threads serve.
    pub fn with(config: RelayConfig) -> Rig {
        let (host, threads) = (config.bind, config.threads as u64);
        let (sender, events) = channel();
        let relay = Relay::start(config, move |event| drop(sender.send(event))).unwrap();
        let rig = Rig { relay, events, host };
        for group in 0..threads {
            rig.send(MediaCommand::Open { port: PortId(u64::MAX - group), group, local: 1 });
            assert!(matches!(rig.event(), MediaEvent::OpenFailed { .. }), "an odd port");
        }
        rig
    }

    pub fn send(&self, command: MediaCommand) {
        self.relay.send(command);
    }

    pub fn event(&self) -> MediaEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// Opens a port that faces a new peer and tells it the peer's address.
    pub fn peer(&self, id: u64, group: u64) -> Peer {
        let (port, local) = (PortId(id), free_port());
        let socket = self.socket();
        let rtp = socket.local_addr().unwrap();
        let rtcp = SocketAddr::new(rtp.ip(), rtp.port() ^ 1);
        self.send(MediaCommand::Open { port, group, local });
        self.send(MediaCommand::Remote { port, rtp, rtcp, signalling: rtp.ip(), clock_rate: 8_000 });
        Peer { port, local, socket, relay: SocketAddr::new(self.host, local) }
    }

    /// Two peers, their ports bridged.
    pub fn call(&self, group: u64) -> (Peer, Peer) {
        let (alice, bob) = (self.peer(2 * group, group), self.peer(2 * group + 1, group));
        self.send(MediaCommand::Bridge { a: alice.port, b: bob.port });
        self.settle(&alice);
        (alice, bob)
    }

    /// A socket of the relay's host, waited at for no longer than [`PATIENCE`].
    pub fn socket(&self) -> UdpSocket {
        let socket = UdpSocket::bind((self.host, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// Waits until all orders for the thread of `peer` so far are carried out: a watch ordered after them has
    /// run out.
    pub fn settle(&self, peer: &Peer) {
        self.settle_port(peer.port);
    }

    /// The same for a port.
    pub fn settle_port(&self, port: PortId) {
        self.send(MediaCommand::Watch { port, after: Some(Duration::from_millis(1)) });
        assert!(matches!(self.event(), MediaEvent::Silent { port: silent, .. } if silent == port));
        self.send(MediaCommand::Watch { port, after: None });
    }

    pub fn close(&self, peer: &Peer) -> PortStats {
        self.send(MediaCommand::Close { port: peer.port });
        match self.event() {
            MediaEvent::Closed { port, stats } if port == peer.port => stats,
            other => panic!("{other:?} instead of the end of {:?}", peer.port),
        }
    }
}

/// Someone with a telephone.
pub struct Peer {
    pub port: PortId,
    pub local: u16,
    pub socket: UdpSocket,
    /// Where the relay listens for this peer.
    pub relay: SocketAddr,
}

impl Peer {
    pub fn says(&self, packet: &[u8]) {
        self.socket.send_to(packet, self.relay).unwrap();
    }

    /// The next packet, which must come from the relay's port for this peer.
    pub fn hears(&self) -> Vec<u8> {
        let mut bytes = [0; 2048];
        let (len, from) = self.socket.recv_from(&mut bytes).unwrap();
        assert_eq!(from, self.relay);
        bytes[..len].to_vec()
    }

    pub fn hears_nothing(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let nothing = self.socket.recv(&mut [0; 2048]).is_err();
        self.socket.set_nonblocking(false).unwrap();
        nothing
    }
}

/// An even port below the system's own, of which nobody else in this process has any.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + (std::process::id() % 64) as u16 * 256;
    loop {
        let port = first + NEXT.fetch_add(2, Relaxed) % 4_096;
        let free = [port, port + 1].map(|port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)));
        if free.iter().all(Result::is_ok) {
            return port;
        }
    }
}
