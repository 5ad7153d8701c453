//! Datagrams on their way through: read from one socket and sent out of another, without a copy or an
//! allocation.
//!
//! As a rule one datagram waits at a socket, and plain `recvfrom` and `sendto` are the cheapest (by 0.6 µs of
//! 4.7 µs); from two on `recvmmsg` and `sendmmsg` are.

use nix::errno::Errno;
use nix::libc;
use std::mem::size_of;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

/// Datagrams read at once; more wait for the next turn, so that one busy socket does not hold up the others.
pub const BATCH: usize = 32;
/// Room for one datagram. Voice needs a few hundred bytes, and what does not fit is no voice.
const DATAGRAM: usize = 2048;

/// Buffers for [`BATCH`] datagrams on their way through.
pub struct Batch {
    /// Owned. Reached only through this pointer, since its parts hold pointers to each other.
    arena: NonNull<Arena>,
    received: usize,
    queued: usize,
    /// The sockets are IPv6, and IPv4 addresses are written as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
    mapped: bool,
}

/// Plain C data, for which all zeroes is valid.
#[repr(C)]
struct Arena {
    incoming: [libc::mmsghdr; BATCH],
    outgoing: [libc::mmsghdr; BATCH],
    incoming_parts: [libc::iovec; BATCH],
    outgoing_parts: [libc::iovec; BATCH],
    from: [Address; BATCH],
    to: [Address; BATCH],
    datagrams: [[u8; DATAGRAM]; BATCH],
}

/// A socket address of either family, told apart by its first field as in C.
#[repr(C)]
union Address {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Batch {
    /// Buffers for sockets of one family.
    pub fn new(ipv6: bool) -> Batch {
        // SAFETY: Arena is integers, raw pointers and unions of these: all zeroes is a value of it.
        let arena = Box::into_raw(unsafe { Box::<Arena>::new_zeroed().assume_init() });
        for n in 0..BATCH {
            // SAFETY: `arena` is valid and nobody else's; n is within its arrays. The pointers stored point
            // into the same allocation, which does not move.
            unsafe {
                (*arena).incoming_parts[n].iov_base = (&raw mut (*arena).datagrams[n]).cast();
                (*arena).incoming_parts[n].iov_len = DATAGRAM;
                (*arena).outgoing_parts[n].iov_base = (&raw mut (*arena).datagrams[n]).cast();
                let incoming = &raw mut (*arena).incoming[n].msg_hdr;
                (*incoming).msg_iov = &raw mut (*arena).incoming_parts[n];
                (*incoming).msg_iovlen = 1;
                (*incoming).msg_name = (&raw mut (*arena).from[n]).cast();
                (*incoming).msg_namelen = size_of::<Address>() as libc::socklen_t;
                let outgoing = &raw mut (*arena).outgoing[n].msg_hdr;
                (*outgoing).msg_iovlen = 1;
                (*outgoing).msg_name = (&raw mut (*arena).to[n]).cast();
            }
        }
        // SAFETY: a Box is never null.
        let arena = unsafe { NonNull::new_unchecked(arena) };
        Batch { arena, received: 0, queued: 0, mapped: ipv6 }
    }

    /// Reads one datagram from `socket`, if one waits: how many it was.
    pub fn receive_one(&mut self, socket: BorrowedFd) -> Result<usize, Errno> {
        (self.received, self.queued) = (0, 0);
        let arena = self.arena.as_ptr();
        let mut address_len = size_of::<Address>() as libc::socklen_t;
        // SAFETY: `&mut self` makes the arena ours; the kernel writes within the lengths given, and the
        // length returned is the datagram's own, even when it was cut (MSG_TRUNC).
        let len = unsafe {
            libc::recvfrom(
                socket.as_raw_fd(),
                (&raw mut (*arena).datagrams[0]).cast(),
                DATAGRAM,
                libc::MSG_DONTWAIT | libc::MSG_TRUNC,
                (&raw mut (*arena).from[0]).cast(),
                &raw mut address_len,
            )
        };
        let len = Errno::result(len)? as usize;
        // SAFETY: as above; written as `recvmmsg` would.
        unsafe {
            (*arena).incoming[0].msg_len = len.min(DATAGRAM) as libc::c_uint;
            (*arena).incoming[0].msg_hdr.msg_flags = if len > DATAGRAM { libc::MSG_TRUNC } else { 0 };
        }
        self.received = 1;
        Ok(1)
    }

    /// Reads what waits at `socket`, up to [`BATCH`] datagrams: how many it was.
    pub fn receive(&mut self, socket: BorrowedFd) -> Result<usize, Errno> {
        let arena = self.arena.as_ptr();
        (self.received, self.queued) = (0, 0);
        // SAFETY: BATCH headers, each with the buffers that `new` has given it; the kernel writes within
        // their lengths.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                (&raw mut (*arena).incoming).cast(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        self.received = Errno::result(received)? as usize;
        for n in 0..self.received {
            // SAFETY: n < BATCH, and `&mut self` makes the arena ours. The kernel has shortened the length.
            unsafe { (*arena).incoming[n].msg_hdr.msg_namelen = size_of::<Address>() as libc::socklen_t };
        }
        Ok(self.received)
    }

    /// The `n`th datagram received and where it came from; `None` if it was too long to be read whole.
    pub fn datagram(&self, n: usize) -> Option<(SocketAddr, &[u8])> {
        assert!(n < self.received);
        let arena = self.arena.as_ptr();
        // SAFETY: n is of a datagram received, so the kernel has written its header, its sender and `msg_len`
        // bytes of its buffer, and writes no more while `&self` is borrowed.
        unsafe {
            let message = &(*arena).incoming[n];
            if message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                return None;
            }
            let len = (message.msg_len as usize).min(DATAGRAM);
            let datagram: &[u8; DATAGRAM] = &(*arena).datagrams[n];
            Some((decode(&(*arena).from[n])?, &datagram[..len]))
        }
    }

    /// Lets the `n`th datagram received be sent on to `to`.
    pub fn queue(&mut self, n: usize, to: SocketAddr) {
        assert!(n < self.received && self.queued < BATCH);
        let (arena, slot) = (self.arena.as_ptr(), self.queued);
        // SAFETY: n and slot are within the arrays, and `&mut self` makes the arena ours. The part points at
        // the whole of datagram n, of which `msg_len` bytes were written.
        unsafe {
            let part = &raw mut (*arena).outgoing_parts[n];
            (*part).iov_len = ((*arena).incoming[n].msg_len as usize).min(DATAGRAM);
            let outgoing = &raw mut (*arena).outgoing[slot].msg_hdr;
            (*outgoing).msg_iov = part;
            (*outgoing).msg_namelen = encode(to, self.mapped, &mut (*arena).to[slot]);
        }
        self.queued += 1;
    }

    /// Sends what is queued out of `socket`: how many datagrams the system refused.
    pub fn send(&mut self, socket: BorrowedFd) -> u64 {
        let queued = std::mem::take(&mut self.queued);
        let (mut next, mut refused) = (0, 0);
        while next < queued {
            let sent = if queued == 1 { self.send_one(socket) } else { self.send_from(next, queued, socket) };
            match sent {
                Ok(sent) => next += sent,
                Err(Errno::EINTR) => {}
                // Whether the buffers are full or the address is unreachable: voice does not wait.
                Err(_) => {
                    next += 1;
                    refused += 1;
                }
            }
        }
        refused
    }

    fn send_one(&self, socket: BorrowedFd) -> Result<usize, Errno> {
        let arena = self.arena.as_ptr();
        // SAFETY: `queue` has filled the first header with an address and a datagram in the same arena, which
        // the kernel only reads.
        let sent = unsafe {
            let header = &(*arena).outgoing[0].msg_hdr;
            libc::sendto(
                socket.as_raw_fd(),
                (*header.msg_iov).iov_base,
                (*header.msg_iov).iov_len,
                libc::MSG_DONTWAIT,
                header.msg_name.cast(),
                header.msg_namelen,
            )
        };
        Errno::result(sent).map(|_| 1)
    }

    fn send_from(&self, next: usize, queued: usize, socket: BorrowedFd) -> Result<usize, Errno> {
        // SAFETY: `queue` has filled the headers from `next` to `queued`, as above; the kernel writes the
        // lengths sent into them and nothing else.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                &raw mut (*self.arena.as_ptr()).outgoing[next],
                (queued - next) as libc::c_uint,
                libc::MSG_DONTWAIT as _,
            )
        };
        Errno::result(sent).map(|sent| sent as usize)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: it came from `Box::into_raw` in `new`, and no borrow of it outlives `self`.
        drop(unsafe { Box::from_raw(self.arena.as_ptr()) });
    }
}

fn decode(address: &Address) -> Option<SocketAddr> {
    // SAFETY: every byte of the union is initialised (zeroed at first) and any bytes are valid integers; the
    // family says which view the kernel meant.
    unsafe {
        match i32::from(address.family) {
            libc::AF_INET => {
                let v4 = address.v4;
                let ip = u32::from_be(v4.sin_addr.s_addr).into();
                Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
            }
            libc::AF_INET6 => {
                let v6 = address.v6;
                let (ip, port) = (Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port));
                Some(match ip.to_ipv4_mapped() {
                    Some(ip) => SocketAddr::V4(SocketAddrV4::new(ip, port)),
                    // Without the flow label: one stream may have several.
                    None => SocketAddr::V6(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id)),
                })
            }
            _ => None,
        }
    }
}

/// Writes `to` and gives its length.
fn encode(to: SocketAddr, mapped: bool, address: &mut Address) -> libc::socklen_t {
    let v6 = match to {
        SocketAddr::V4(to) if !mapped => {
            address.v4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as _,
                sin_port: to.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*to.ip()).to_be() },
                sin_zero: [0; 8],
            };
            return size_of::<libc::sockaddr_in>() as _;
        }
        SocketAddr::V4(to) => SocketAddrV6::new(to.ip().to_ipv6_mapped(), to.port(), 0, 0),
        SocketAddr::V6(to) => to,
    };
    address.v6 = libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as _,
        sin6_port: v6.port().to_be(),
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
        sin6_scope_id: v6.scope_id(),
    };
    size_of::<libc::sockaddr_in6>() as _
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    /// A socket that has `datagrams` waiting, and the one that sent them.
    fn waiting(host: &str, datagrams: &[&[u8]]) -> (UdpSocket, UdpSocket) {
        let [to, from] = [0, 1].map(|_| UdpSocket::bind((host, 0)).unwrap());
        for datagram in datagrams {
            from.send_to(datagram, to.local_addr().unwrap()).unwrap();
        }
        (to, from)
    }

    fn read(socket: &UdpSocket) -> Vec<u8> {
        let mut bytes = [0; 4096];
        let len = socket.recv(&mut bytes).unwrap();
        bytes[..len].to_vec()
    }

    #[test]
    fn datagrams_are_read_in_order_with_their_sender() {
        for (host, ipv6) in [("127.0.0.1", false), ("::1", true)] {
            let (socket, from) = waiting(host, &[b"one", b"", b"three"]);
            let mut batch = Batch::new(ipv6);
            assert_eq!(batch.receive(socket.as_fd()), Ok(3));
            let sender = from.local_addr().unwrap();
            for (n, datagram) in [&b"one"[..], b"", b"three"].into_iter().enumerate() {
                assert_eq!(batch.datagram(n), Some((sender, datagram)));
            }
            socket.set_nonblocking(true).unwrap();
            assert_eq!(batch.receive(socket.as_fd()), Err(Errno::EAGAIN));
        }
    }

    #[test]
    fn datagrams_are_read_one_by_one_too() {
        let (socket, from) = waiting("127.0.0.1", &[b"one", &[7; DATAGRAM], &[7; DATAGRAM + 1], b"after"]);
        let mut batch = Batch::new(false);
        let mut read = |len: Option<usize>| {
            assert_eq!(batch.receive_one(socket.as_fd()), Ok(1));
            assert_eq!(batch.datagram(0).map(|(_, bytes)| bytes.len()), len);
        };
        [Some(3), Some(DATAGRAM), None].into_iter().for_each(&mut read);
        assert_eq!(batch.receive_one(socket.as_fd()), Ok(1));
        assert_eq!(batch.datagram(0), Some((from.local_addr().unwrap(), &b"after"[..])));
        assert_eq!(batch.receive_one(socket.as_fd()), Err(Errno::EAGAIN));
    }

    #[test]
    fn only_what_is_queued_is_sent_on() {
        let (socket, from) = waiting("127.0.0.1", &[b"one", b"two", b"three"]);
        let mut batch = Batch::new(false);
        batch.receive(socket.as_fd()).unwrap();
        for n in [0, 2] {
            batch.queue(n, from.local_addr().unwrap());
        }
        assert_eq!(batch.send(socket.as_fd()), 0);
        assert_eq!([read(&from), read(&from)], [&b"one"[..], b"three"]);
        assert_eq!(batch.send(socket.as_fd()), 0, "nothing is left");
        batch.queue(1, from.local_addr().unwrap());
        assert_eq!(batch.send(socket.as_fd()), 0);
        assert_eq!(read(&from), b"two");
    }

    #[test]
    fn what_cannot_be_sent_is_counted_and_the_rest_goes_on() {
        let (socket, from) = waiting("127.0.0.1", &[b"one", b"two", b"three"]);
        let mut batch = Batch::new(false);
        batch.receive(socket.as_fd()).unwrap();
        batch.queue(0, "[::1]:9".parse().unwrap());
        batch.queue(1, from.local_addr().unwrap());
        batch.queue(2, "[::1]:9".parse().unwrap());
        assert_eq!(batch.send(socket.as_fd()), 2);
        assert_eq!(read(&from), b"two");
    }

    #[test]
    fn a_datagram_longer_than_its_buffer_is_told_apart() {
        let (socket, _from) = waiting("127.0.0.1", &[&[7; DATAGRAM], &[7; DATAGRAM + 1], b"after"]);
        let mut batch = Batch::new(false);
        assert_eq!(batch.receive(socket.as_fd()), Ok(3));
        assert_eq!(batch.datagram(0).unwrap().1.len(), DATAGRAM);
        assert_eq!(batch.datagram(1), None);
        assert_eq!(batch.datagram(2).unwrap().1, b"after");
    }

    #[test]
    fn more_than_a_batch_waits_for_the_next_turn() {
        let (socket, _from) = waiting("127.0.0.1", &[&b"x"[..]; BATCH + 3]);
        let mut batch = Batch::new(false);
        assert_eq!(batch.receive(socket.as_fd()), Ok(BATCH));
        assert_eq!(batch.receive(socket.as_fd()), Ok(3));
    }

    #[test]
    fn ipv4_peers_of_an_ipv6_socket_keep_their_ipv4_addresses() {
        let dual = UdpSocket::bind("[::]:0").unwrap();
        let v4 = UdpSocket::bind("127.0.0.1:0").unwrap();
        v4.send_to(b"hello", ("127.0.0.1", dual.local_addr().unwrap().port())).unwrap();
        let mut batch = Batch::new(true);
        assert_eq!(batch.receive(dual.as_fd()), Ok(1));
        assert_eq!(batch.datagram(0), Some((v4.local_addr().unwrap(), &b"hello"[..])));
        batch.queue(0, v4.local_addr().unwrap());
        assert_eq!(batch.send(dual.as_fd()), 0);
        assert_eq!(read(&v4), b"hello");
    }
}
