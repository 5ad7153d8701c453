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
/// Pairs kept open after their call at most: to open and to close one takes fourteen system calls.
const RESTING: usize = 2_048;
/// For how long a pair is kept that nobody takes up again.
const KEEP: Duration = Duration::from_secs(60);
/// How often they are looked through.
const SWEEP: Duration = Duration::from_secs(10);
/// A peer that goes on after so many late packets does not know that the call is over. With the port closed the system
/// tells it (ICMP), and its packets cost nothing more.
const LATE: u32 = 64;

/// The RTP and the RTCP socket of one port.
#[derive(Debug)]
pub struct Pair {
    rtp: Entry,
    rtcp: Entry,
    /// Since when no call has it, and how many packets came meanwhile.
    resting: Option<(Time, u32)>,
}

/// A socket that has something to read.
#[derive(Debug)]
pub struct Ready<'a> {
    pub socket: BorrowedFd<'a>,
    /// It is likely to be more than one datagram: it was read a moment ago, and has something again.
    pub more: bool,
    /// No call has the port: what comes is late.
    pub resting: bool,
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
        Ok(Pair { rtp, rtcp, resting: None })
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
///
/// A pair stays open for a while after its call, watched as before, and is taken up again when its port is allotted anew:
/// under load no call then opens or closes a socket.
#[derive(Debug)]
pub struct Sockets {
    epoll: Epoll,
    /// By half of the local port.
    pairs: Vec<Option<Pair>>,
    /// How many may rest; and how many do.
    may_rest: usize,
    resting: usize,
    sweep: Option<Time>,
}

impl Sockets {
    /// No sockets yet, to be watched by `epoll`. Where a port may come back on another thread, no pair can be kept.
    pub fn new(epoll: Epoll, keeps: bool) -> Sockets {
        let may_rest = if keeps { RESTING } else { 0 };
        Sockets { epoll, pairs: Vec::new(), may_rest, resting: 0, sweep: None }
    }

    /// The epoll, whose events carry the local port as their data.
    pub fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    /// Takes up the pair of `local` that rests; `false` when there is none.
    pub fn wake(&mut self, local: u16) -> bool {
        let Some(Some(pair)) = self.pairs.get_mut(usize::from(local / 2)) else { return false };
        let rested = pair.resting.take().is_some();
        self.resting -= usize::from(rested);
        rested
    }

    /// Lets the pair of `local` rest, or closes it when as many rest as may.
    pub fn rest(&mut self, local: u16, now: Time) {
        if self.resting >= self.may_rest {
            return drop(self.remove(local));
        }
        if let Some(Some(pair)) = self.pairs.get_mut(usize::from(local / 2)) {
            pair.resting = Some((now, 0));
            self.resting += 1;
            self.sweep.get_or_insert(now + SWEEP);
        }
    }

    /// Counts packets that came to the resting pair of `local`, and closes it when they are too many.
    pub fn late(&mut self, local: u16, packets: u32) {
        let Some(Some(pair)) = self.pairs.get_mut(usize::from(local / 2)) else { return };
        if let Some((_, late)) = &mut pair.resting {
            *late = late.saturating_add(packets);
            if *late >= LATE {
                self.remove(local);
            }
        }
    }

    /// When [`Sockets::sweep`] is due.
    pub fn sweep_due(&self) -> Option<Time> {
        self.sweep
    }

    /// Closes the pairs that have rested for long.
    pub fn sweep(&mut self, now: Time) {
        if self.sweep.is_none_or(|due| due > now) {
            return;
        }
        let idle = |pair: &Pair| pair.resting.is_some_and(|(since, _)| now.since(since) >= KEEP);
        let locals = (0..).step_by(2).zip(&self.pairs);
        let idle: Vec<u16> =
            locals.filter(|(_, pair)| pair.as_ref().is_some_and(idle)).map(|(local, _)| local).collect();
        for local in idle {
            self.remove(local);
        }
        self.sweep = (self.resting > 0).then(|| now + SWEEP);
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
        self.resting -= usize::from(pair.resting.is_some());
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

    /// The socket of an RTP or RTCP port that has something to read.
    pub fn ready(&mut self, local: u16, now: Time) -> Option<Ready<'_>> {
        let pair = self.pairs.get_mut(usize::from(local / 2))?.as_mut()?;
        let resting = pair.resting.is_some();
        let entry = if local.is_multiple_of(2) { &mut pair.rtp } else { &mut pair.rtcp };
        let more = now.since(entry.last_ready) < AGAIN;
        entry.last_ready = now;
        Some(Ready { socket: entry.fd.as_fd(), more, resting })
    }
}
