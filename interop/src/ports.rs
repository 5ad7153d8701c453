//! Loopback ports that no other test will take.
//!
//! Asking the kernel for port 0 and then closing the socket leaves a gap in which anyone may get
//! the same port. Instead ports are handed out in blocks below the kernel's own range, and a block
//! is taken by binding an abstract socket named after it: other tests see the name in use, in this
//! process or in another, and the kernel gives it back however the holder ends.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::process::{PATIENCE, wait_for};

/// Below 32768, where Linux picks the ports of outgoing connections, and above what programs usually listen at. Wide enough for
/// a few servers with thousands of media ports each, side by side.
const RANGE: std::ops::Range<u16> = 11_000..32_000;
/// Where `tandem demo` has its media, wherever it runs.
const DEMO: std::ops::Range<u16> = 20_000..21_000;
const BLOCK: u16 = 20;
const BLOCKS: u16 = (RANGE.end - RANGE.start) / BLOCK;

/// Neighbouring ports, ours until dropped.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    _held: Vec<UnixListener>,
}

impl Ports {
    /// Takes at least `count` neighbouring ports, free for UDP and TCP on every loopback address.
    /// The first is even, as RTP likes it. On a machine that is full of sockets it waits for some to go.
    #[track_caller]
    pub fn take(count: u16) -> Ports {
        wait_for(&format!("{count} neighbouring free ports"), PATIENCE, || Ports::take_now(count))
    }

    fn take_now(count: u16) -> Option<Ports> {
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        let blocks = count.div_ceil(BLOCK).max(1);
        // Each process starts looking elsewhere, so that they seldom meet.
        let start = (process::id() as u16).wrapping_mul(37);
        for _ in 0..BLOCKS {
            let index = start.wrapping_add(TAKEN.fetch_add(blocks, Ordering::Relaxed)) % BLOCKS;
            if index + blocks <= BLOCKS
                && let ports @ Some(_) = Ports::take_blocks(RANGE.start + index * BLOCK, blocks)
            {
                return ports;
            }
        }
        None
    }

    /// The port `offset` places after the first.
    pub fn port(&self, offset: u16) -> u16 {
        self.first + offset
    }

    /// The same port on 127.0.0.1.
    pub fn local(&self, offset: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port(offset)).into()
    }

    fn take_blocks(first: u16, blocks: u16) -> Option<Ports> {
        if first < DEMO.end && first + blocks * BLOCK > DEMO.start {
            return None;
        }
        let held = (0..blocks).map(|i| hold(first + i * BLOCK)).collect::<Option<Vec<_>>>()?;
        (first..first + blocks * BLOCK).all(is_free).then_some(Ports { first, _held: held })
    }
}

fn hold(first: u16) -> Option<UnixListener> {
    let name = UnixAddr::from_abstract_name(format!("tandem-interop-ports-{first}")).ok()?;
    UnixListener::bind_addr(&name).ok()
}

fn is_free(port: u16) -> bool {
    let any = (Ipv4Addr::UNSPECIFIED, port);
    UdpSocket::bind(any).is_ok() && TcpListener::bind(any).is_ok()
}

/// A loopback address beside 127.0.0.1. A peer that is to be known by its address alone needs one, because
/// the phones are on 127.0.0.1.
pub fn beside(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 1, number).into()
}

/// Whether some process receives datagrams at this address. Looks without touching the port, so
/// that it cannot get in the way of a peer that is just about to bind it.
pub fn udp_is_bound(addr: SocketAddr) -> bool {
    is_listed("/proc/net/udp", addr, None)
}

/// Whether some process accepts connections at this address.
pub fn tcp_is_bound(addr: SocketAddr) -> bool {
    const LISTEN: &str = "0A";
    is_listed("/proc/net/tcp", addr, Some(LISTEN))
}

fn is_listed(table: &str, addr: SocketAddr, state: Option<&str>) -> bool {
    let SocketAddr::V4(addr) = addr else { panic!("only IPv4 is looked up, not {addr}") };
    // The kernel prints the address as a number in the machine's own byte order.
    let ip = u32::from_ne_bytes(addr.ip().octets());
    let wanted = [format!("{ip:08X}:{:04X}", addr.port()), format!("00000000:{:04X}", addr.port())];
    fs::read_to_string(table).expect("the kernel lists its sockets").lines().skip(1).any(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let local = columns.next().unwrap_or_default();
        let current = columns.nth(1);
        wanted.iter().any(|w| w == local) && state.is_none_or(|s| current == Some(s))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_takers_never_share_a_port() {
        let (a, b) = (Ports::take(30), Ports::take(30));
        assert!(a.first.abs_diff(b.first) >= 40);
        assert_eq!(a.first % 2, 0);
    }

    #[test]
    fn nobody_takes_the_ports_of_the_demo() {
        assert!(Ports::take_blocks(DEMO.start - BLOCK, 2).is_none());
        assert!(Ports::take_blocks(DEMO.end - BLOCK, 2).is_none());
        let many = Ports::take(4_000);
        assert!(many.port(3_999) < DEMO.start || many.port(0) >= DEMO.end);
    }

    #[test]
    fn ports_come_back_when_dropped() {
        let first = Ports::take(1).first;
        assert!(Ports::take_blocks(first, 1).is_some());
    }

    #[test]
    fn bound_sockets_are_seen() {
        let ports = Ports::take(1);
        let addr = ports.local(0);
        assert!(!udp_is_bound(addr) && !tcp_is_bound(addr));
        let _udp = UdpSocket::bind(addr).unwrap();
        assert!(udp_is_bound(addr) && !tcp_is_bound(addr));
        let _tcp = TcpListener::bind(addr).unwrap();
        assert!(tcp_is_bound(addr));
    }
}
