//! A network between two, made worse: datagrams are lost, doubled and overtaken, as a seed decides.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How bad a network is. Probabilities are parts of 1.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Datagrams that are lost.
    pub loss: f64,
    /// Datagrams that come twice.
    pub duplication: f64,
    /// Datagrams that are held back, so that others overtake them.
    pub reordering: f64,
    /// The longest that one is held back.
    pub late: Duration,
}

/// What happened to the datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Datagrams that came.
    pub came: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Of these, doubled.
    pub doubled: u64,
}

#[derive(Default)]
struct Counts {
    came: AtomicU64,
    lost: AtomicU64,
    doubled: AtomicU64,
}

/// A way through: what comes to `near` from anybody goes on from `far` to one address, and back to who came last.
pub struct Relay {
    near: SocketAddr,
    far: SocketAddr,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Opens a way to `target`. Both its sockets are on `ip`, so that the target knows who is behind by that address.
    #[track_caller]
    pub fn start(ip: IpAddr, target: SocketAddr, weather: Weather, seed: u64) -> Relay {
        let [near, far] = [(); 2].map(|()| socket(ip));
        let [near_address, far_address] =
            [&near, &far].map(|socket| socket.local_addr().expect("it is bound"));
        let (counts, stop) = (Arc::<Counts>::default(), Arc::new(AtomicBool::new(false)));
        let mut way = Way {
            sockets: [near, far],
            ends: [None, Some(target)],
            weather,
            rng: StdRng::seed_from_u64(seed),
            late: BinaryHeap::new(),
            held: BTreeMap::new(),
            next: 0,
            counts: counts.clone(),
        };
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if !way.carry() {
                    thread::sleep(Duration::from_micros(500));
                }
            }
        });
        Relay { near: near_address, far: far_address, counts, stop, thread: Some(thread) }
    }

    /// Where its users send to.
    pub fn near(&self) -> SocketAddr {
        self.near
    }

    /// Where the target gets everything from.
    pub fn far(&self) -> SocketAddr {
        self.far
    }

    /// What it has carried so far.
    pub fn carried(&self) -> Carried {
        let Counts { came, lost, doubled } = &*self.counts;
        let [came, lost, doubled] = [came, lost, doubled].map(|count| count.load(Ordering::Relaxed));
        Carried { came, lost, doubled }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn socket(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).expect("a port is free");
    socket.set_nonblocking(true).expect("a socket can be made not to wait");
    let buffers = nix::sys::socket::sockopt::RcvBuf;
    // What the kernel grants of it is enough: more loss than intended is what the test would show.
    let _ = nix::sys::socket::setsockopt(&socket, buffers, &(4 << 20));
    socket
}

struct Way {
    sockets: [UdpSocket; 2],
    /// Who is at each.
    ends: [Option<SocketAddr>; 2],
    weather: Weather,
    rng: StdRng,
    late: BinaryHeap<Reverse<(Instant, u64)>>,
    held: BTreeMap<u64, (usize, Vec<u8>)>,
    next: u64,
    counts: Arc<Counts>,
}

impl Way {
    /// Carries what is there; whether there was anything.
    fn carry(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let mut busy = false;
        for side in 0..2 {
            // So many at a time, so that neither side waits for the other.
            for _ in 0..64 {
                match self.sockets[side].recv_from(&mut buffer) {
                    Ok((len, from)) => {
                        if side == 0 {
                            self.ends[0] = Some(from);
                        }
                        self.take(1 - side, &buffer[..len]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // Nobody listened where something was sent to.
                    Err(_) => {}
                }
                busy = true;
            }
        }
        let now = Instant::now();
        while let Some(Reverse((_, id))) = self.late.peek().filter(|Reverse((at, _))| *at <= now).copied() {
            self.late.pop();
            if let Some((side, bytes)) = self.held.remove(&id) {
                self.send(side, &bytes);
            }
            busy = true;
        }
        busy
    }

    /// One datagram meets its fate.
    fn take(&mut self, side: usize, bytes: &[u8]) {
        self.counts.came.fetch_add(1, Ordering::Relaxed);
        if self.rng.random_bool(self.weather.loss) {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let copies = if self.rng.random_bool(self.weather.duplication) { 2 } else { 1 };
        self.counts.doubled.fetch_add(copies - 1, Ordering::Relaxed);
        for _ in 0..copies {
            if self.rng.random_bool(self.weather.reordering) {
                let late = self.weather.late.mul_f64(self.rng.random_range(0.0..=1.0));
                self.late.push(Reverse((Instant::now() + late, self.next)));
                self.held.insert(self.next, (side, bytes.to_vec()));
                self.next += 1;
            } else {
                self.send(side, bytes);
            }
        }
    }

    fn send(&self, side: usize, bytes: &[u8]) {
        if let Some(to) = self.ends[side] {
            // What cannot be sent is lost, as things are here.
            let _ = self.sockets[side].send_to(bytes, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_and_doubled_is_as_it_was_asked_for() {
        let target = socket("127.0.0.1".parse().unwrap());
        let weather =
            Weather { loss: 0.2, duplication: 0.1, reordering: 0.5, late: Duration::from_millis(20) };
        let relay = Relay::start("127.0.0.1".parse().unwrap(), target.local_addr().unwrap(), weather, 7);
        let sender = socket("127.0.0.1".parse().unwrap());
        for n in 0..1_000u32 {
            sender.send_to(&n.to_be_bytes(), relay.near()).unwrap();
            thread::sleep(Duration::from_micros(50));
        }
        thread::sleep(Duration::from_millis(200));
        let mut got = Vec::new();
        let mut buffer = [0; 16];
        while let Ok((4, from)) = target.recv_from(&mut buffer) {
            assert_eq!(from, relay.far());
            got.push(u32::from_be_bytes(buffer[..4].try_into().unwrap()));
        }
        let Carried { came, lost, doubled } = relay.carried();
        assert_eq!((came, came - lost + doubled), (1_000, got.len() as u64));
        assert!((150..250).contains(&lost) && (50..150).contains(&doubled), "{lost} lost, {doubled} doubled");
        assert!(got.windows(2).any(|pair| pair[0] > pair[1]), "some were overtaken");
        target.send_to(b"back", relay.far()).unwrap();
    }
}
