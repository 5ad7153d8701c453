//! The socket pairs of a thread, by local UDP port.

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;
use tandem_time::Time;

/// Expedited Forwarding, DSCP 46, in the place where the header has it (RFC 3246, RFC 2474 §3).
const EXPEDITED: u32 = 46 << 2;
/// More than a second of voice; what waits longer than that is worth nothing, and a flood fills no more than
/// this.
const RTP_BUFFER: usize = 32 * 1024;
/// RTCP comes once in seconds.
const RTCP_BUFFER: usize = 8 * 1024;
/// Voice packets are further apart than this: what is ready sooner has packets waiting.
const AGAIN: Duration = Duration::from_millis(5);

/// The RTP and the RTCP socket of one port.
#[derive(Debug)]
pub struct Pair {
    rtp: Entry,
    rtcp: Entry,
}

#[derive(Debug)]
struct Entry {
    fd: OwnedFd,
    last_ready: Time,
}

impl Pair {
    /// Binds `local` and the port above it.
    pub fn open(bind: IpAddr, local: u16) -> io::Result<Pair> {
        let above = local.checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
        let rtp = open(SocketAddr::new(bind, local), RTP_BUFFER)?;
        let rtcp = open(SocketAddr::new(bind, above), RTCP_BUFFER)?;
        let [rtp, rtcp] = [rtp, rtcp].map(|fd| Entry { fd, last_ready: Time::default() });
        Ok(Pair { rtp, rtcp })
    }
}

fn open(address: SocketAddr, buffer: usize) -> io::Result<OwnedFd> {
    // socket2 sets close-on-exec.
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
        socket.set_tclass_v6(EXPEDITED)?;
    } else {
        socket.set_tos_v4(EXPEDITED)?;
    }
    socket.set_recv_buffer_size(buffer)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// The open sockets, and the epoll that tells which of them have something to read.
#[derive(Debug)]
pub struct Sockets {
    epoll: Epoll,
    /// By half of the local port.
    pairs: Vec<Option<Pair>>,
}

impl Sockets {
    /// No sockets yet, to be watched by `epoll`.
    pub fn new(epoll: Epoll) -> Sockets {
        Sockets { epoll, pairs: Vec::new() }
    }

    /// The epoll, whose events carry the local port as their data.
    pub fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    /// Takes in the pair of `local` and has it watched.
    pub fn insert(&mut self, local: u16, pair: Pair) -> io::Result<()> {
        for (port, fd) in [(local, &pair.rtp.fd), (local + 1, &pair.rtcp.fd)] {
            self.epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, port.into()))?;
        }
        let index = usize::from(local / 2);
        if self.pairs.len() <= index {
            self.pairs.resize_with(index + 1, || None);
        }
        self.pairs[index] = Some(pair);
        Ok(())
    }

    /// Gives up the pair of `local`; dropped, it is closed and no longer watched.
    pub fn remove(&mut self, local: u16) -> Option<Pair> {
        let pair = self.pairs.get_mut(usize::from(local / 2))?.take()?;
        for fd in [&pair.rtp.fd, &pair.rtcp.fd] {
            // It was added by `insert`, and if the epoll has lost it all the same, so much the better.
            let _ = self.epoll.delete(fd);
        }
        Some(pair)
    }

    /// The socket of an RTP or RTCP port.
    pub fn get(&self, local: u16) -> Option<BorrowedFd<'_>> {
        let pair = self.pairs.get(usize::from(local / 2))?.as_ref()?;
        let entry = if local.is_multiple_of(2) { &pair.rtp } else { &pair.rtcp };
        Some(entry.fd.as_fd())
    }

    /// The socket of an RTP or RTCP port that has something to read, and whether it is likely to be more than
    /// one datagram: it was read a moment ago, and has something again.
    pub fn ready(&mut self, local: u16, now: Time) -> Option<(BorrowedFd<'_>, bool)> {
        let pair = self.pairs.get_mut(usize::from(local / 2))?.as_mut()?;
        let entry = if local.is_multiple_of(2) { &mut pair.rtp } else { &mut pair.rtcp };
        let again = now.since(entry.last_ready) < AGAIN;
        entry.last_ready = now;
        Some((entry.fd.as_fd(), again))
    }
}
