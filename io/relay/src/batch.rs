//! Datagrams on their way through: those of one turn are read from their sockets, then all sent on out of others, without
//! a copy or an allocation.
//!
//! Sent close together they wake who receives on this machine once, and not once each: a wake-up costs more than a
//! datagram.

use crate::address::Address;
use crate::outlet::{Message, Outlet};
use nix::errno::Errno;
use nix::libc;
use std::mem::size_of;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::NonNull;
use tandem_media::Forward;

/// Datagrams on their way at once.
pub const BATCH: usize = 64;
/// Datagrams read from one socket at once; more wait for the next turn, so that one busy socket does not hold up the others.
pub const BURST: usize = 32;
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
    parts: [libc::iovec; BATCH],
    from: [Address; BATCH],
    outgoing: [Outgoing; BATCH],
    datagrams: [[u8; DATAGRAM]; BATCH],
}

/// A datagram that is to be sent.
#[repr(C)]
struct Outgoing {
    to: Address,
    to_len: libc::socklen_t,
    /// Which of the datagrams received.
    datagram: u16,
    /// The port that it goes out of.
    local: u16,
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
                (*arena).parts[n].iov_base = (&raw mut (*arena).datagrams[n]).cast();
                (*arena).parts[n].iov_len = DATAGRAM;
                let incoming = &raw mut (*arena).incoming[n].msg_hdr;
                (*incoming).msg_iov = &raw mut (*arena).parts[n];
                (*incoming).msg_iovlen = 1;
                (*incoming).msg_name = (&raw mut (*arena).from[n]).cast();
                (*incoming).msg_namelen = size_of::<Address>() as libc::socklen_t;
            }
        }
        // SAFETY: a Box is never null.
        let arena = unsafe { NonNull::new_unchecked(arena) };
        Batch { arena, received: 0, queued: 0, mapped: ipv6 }
    }

    /// Whether no more datagrams can be read before [`Batch::send`].
    pub fn is_full(&self) -> bool {
        self.received == BATCH
    }

    /// Reads one datagram from `socket`, if one waits: which it is. Plain `recvfrom` is cheaper than `recvmmsg` for one.
    pub fn receive_one(&mut self, socket: BorrowedFd) -> Result<Range<usize>, Errno> {
        let (arena, n) = (self.arena.as_ptr(), self.received);
        assert!(n < BATCH);
        let mut address_len = size_of::<Address>() as libc::socklen_t;
        // SAFETY: `&mut self` makes the arena ours and n is within it; the kernel writes within the lengths given, and
        // the length returned is the datagram's own, even when it was cut (MSG_TRUNC).
        let len = unsafe {
            libc::recvfrom(
                socket.as_raw_fd(),
                (&raw mut (*arena).datagrams[n]).cast(),
                DATAGRAM,
                libc::MSG_DONTWAIT | libc::MSG_TRUNC,
                (&raw mut (*arena).from[n]).cast(),
                &raw mut address_len,
            )
        };
        let len = Errno::result(len)? as usize;
        // SAFETY: as above; written as `recvmmsg` would.
        unsafe {
            (*arena).incoming[n].msg_len = len.min(DATAGRAM) as libc::c_uint;
            (*arena).incoming[n].msg_hdr.msg_flags = if len > DATAGRAM { libc::MSG_TRUNC } else { 0 };
        }
        self.received += 1;
        Ok(n..n + 1)
    }

    /// Reads what waits at `socket`, up to [`BURST`] datagrams and what there is room for: which they are.
    pub fn receive(&mut self, socket: BorrowedFd) -> Result<Range<usize>, Errno> {
        let (arena, first) = (self.arena.as_ptr(), self.received);
        let room = BURST.min(BATCH - first);
        // SAFETY: `room` headers from `first` on, each with the buffers that `new` has given it; the kernel writes within
        // their lengths.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                (&raw mut (*arena).incoming).cast::<libc::mmsghdr>().add(first),
                room as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        self.received += Errno::result(received)? as usize;
        for n in first..self.received {
            // SAFETY: n < BATCH, and `&mut self` makes the arena ours. The kernel has shortened the length.
            unsafe { (*arena).incoming[n].msg_hdr.msg_namelen = size_of::<Address>() as libc::socklen_t };
        }
        Ok(first..self.received)
    }

    /// The `n`th datagram received and where it came from; `None` if it was too long to be read whole.
    pub fn datagram(&self, n: usize) -> Option<(SocketAddr, &[u8])> {
        // SAFETY: the header and the sender of a datagram received were written by the kernel, which writes no more
        // while `&self` is borrowed.
        let (message, from) = unsafe {
            let arena = self.arena.as_ptr();
            (&(&(*arena).incoming)[..self.received][n], &(&(*arena).from)[n])
        };
        let whole = message.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
        if whole { Some((from.decode()?, self.bytes(n))) } else { None }
    }

    fn bytes(&self, n: usize) -> &[u8] {
        assert!(n < self.received);
        let arena = self.arena.as_ptr();
        // SAFETY: n is of a datagram received, so the kernel has written `msg_len` bytes of its buffer, and writes no
        // more while `&self` is borrowed.
        unsafe {
            let datagram: &[u8; DATAGRAM] = &(*arena).datagrams[n];
            &datagram[..((*arena).incoming[n].msg_len as usize).min(DATAGRAM)]
        }
    }

    /// Lets the `n`th datagram received be sent on.
    pub fn queue(&mut self, n: usize, Forward { local, to }: Forward) {
        assert!(n < self.received && self.queued < BATCH);
        // SAFETY: the slot is within the array, and `&mut self` makes the arena ours.
        let outgoing = unsafe { &mut (*self.arena.as_ptr()).outgoing[self.queued] };
        outgoing.to_len = outgoing.to.encode(to, self.mapped);
        (outgoing.datagram, outgoing.local) = (n as u16, local);
        self.queued += 1;
    }

    /// Sends what is queued, each out of the `socket` of its port, and makes room for more: how many datagrams these were. Tells
    /// the ports of those that were `refused`.
    pub fn send(
        &mut self,
        outlet: &mut Outlet,
        socket: impl Fn(u16) -> RawFd,
        mut refused: impl FnMut(u16),
    ) -> usize {
        // SAFETY: the slots are within the array, and nobody writes to the arena while `self` is borrowed.
        let outgoing = unsafe { &(&(*self.arena.as_ptr()).outgoing)[..self.queued] };
        let messages = outgoing.iter().enumerate().map(|(id, outgoing)| Message {
            id,
            socket: socket(outgoing.local),
            bytes: self.bytes(outgoing.datagram.into()),
            to: &outgoing.to,
            to_len: outgoing.to_len,
        });
        outlet.send(messages, |id| refused(outgoing[id].local));
        self.received = 0;
        std::mem::take(&mut self.queued)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: it came from `Box::into_raw` in `new`, and no borrow of it outlives `self`.
        drop(unsafe { Box::from_raw(self.arena.as_ptr()) });
    }
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

    /// Both ways to send.
    fn outlets() -> [Outlet; 2] {
        let mut outlet = Outlet::new();
        outlet.open();
        [outlet, Outlet::OneByOne]
    }

    /// Sends what is queued out of `socket`, whatever the port: the ports refused.
    fn send(batch: &mut Batch, outlet: &mut Outlet, socket: &UdpSocket) -> Vec<u16> {
        let mut refused = Vec::new();
        batch.send(outlet, |_| socket.as_raw_fd(), |local| refused.push(local));
        refused
    }

    fn forward(local: u16, to: SocketAddr) -> Forward {
        Forward { local, to }
    }

    #[test]
    fn datagrams_are_read_in_order_with_their_sender() {
        for (host, ipv6) in [("127.0.0.1", false), ("::1", true)] {
            let (socket, from) = waiting(host, &[b"one", b"", b"three"]);
            let mut batch = Batch::new(ipv6);
            assert_eq!(batch.receive(socket.as_fd()), Ok(0..3));
            let sender = from.local_addr().unwrap();
            for (n, datagram) in [&b"one"[..], b"", b"three"].into_iter().enumerate() {
                assert_eq!(batch.datagram(n), Some((sender, datagram)));
            }
            assert_eq!(batch.receive(socket.as_fd()), Err(Errno::EAGAIN));
        }
    }

    #[test]
    fn datagrams_are_read_one_by_one_too() {
        let (socket, from) = waiting("127.0.0.1", &[b"one", &[7; DATAGRAM], &[7; DATAGRAM + 1], b"after"]);
        let mut batch = Batch::new(false);
        for n in 0..4 {
            assert_eq!(batch.receive_one(socket.as_fd()), Ok(n..n + 1));
        }
        let lengths = [0, 1, 2].map(|n| batch.datagram(n).map(|(_, bytes)| bytes.len()));
        assert_eq!(lengths, [Some(3), Some(DATAGRAM), None]);
        assert_eq!(batch.datagram(3), Some((from.local_addr().unwrap(), &b"after"[..])));
        assert_eq!(batch.receive_one(socket.as_fd()), Err(Errno::EAGAIN));
    }

    #[test]
    fn only_what_is_queued_is_sent_on() {
        for mut outlet in outlets() {
            let (socket, from) = waiting("127.0.0.1", &[b"one", b"two", b"three"]);
            let mut batch = Batch::new(false);
            batch.receive(socket.as_fd()).unwrap();
            for n in [0, 2] {
                batch.queue(n, forward(6000, from.local_addr().unwrap()));
            }
            assert!(send(&mut batch, &mut outlet, &socket).is_empty());
            assert_eq!([read(&from), read(&from)], [&b"one"[..], b"three"]);

            from.send_to(b"four", socket.local_addr().unwrap()).unwrap();
            assert_eq!(batch.receive(socket.as_fd()), Ok(0..1), "there is room again");
            batch.queue(0, forward(6000, from.local_addr().unwrap()));
            assert!(send(&mut batch, &mut outlet, &socket).is_empty());
            assert_eq!(read(&from), b"four", "nothing was left");
        }
    }

    #[test]
    fn each_goes_out_of_the_socket_of_its_port() {
        for mut outlet in outlets() {
            let (a, from) = waiting("127.0.0.1", &[b"one", b"two"]);
            let b = UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut batch = Batch::new(false);
            batch.receive(a.as_fd()).unwrap();
            let ports = [&a, &b].map(|socket| socket.local_addr().unwrap());
            for (n, out) in ports.iter().enumerate() {
                batch.queue(n, forward(out.port(), from.local_addr().unwrap()));
            }
            let socket = |local| if local == ports[0].port() { a.as_raw_fd() } else { b.as_raw_fd() };
            assert_eq!(batch.send(&mut outlet, socket, |local| panic!("{local} is refused")), 2);
            let came = [(); 2].map(|()| {
                let mut bytes = [0; 3];
                let (_, sender) = from.recv_from(&mut bytes).unwrap();
                (bytes, sender)
            });
            assert_eq!(came, [(*b"one", ports[0]), (*b"two", ports[1])]);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_told_and_the_rest_goes_on() {
        for mut outlet in outlets() {
            let (socket, from) = waiting("127.0.0.1", &[b"one", b"two", b"three"]);
            let mut batch = Batch::new(false);
            batch.receive(socket.as_fd()).unwrap();
            batch.queue(0, forward(6000, "[::1]:9".parse().unwrap()));
            batch.queue(1, forward(6002, from.local_addr().unwrap()));
            batch.queue(2, forward(6004, "[::1]:9".parse().unwrap()));
            assert_eq!(send(&mut batch, &mut outlet, &socket), [6000, 6004]);
            assert_eq!(read(&from), b"two");
        }
    }

    #[test]
    fn what_has_no_socket_any_more_is_refused() {
        for mut outlet in outlets() {
            let (socket, from) = waiting("127.0.0.1", &[b"one"]);
            let mut batch = Batch::new(false);
            batch.receive(socket.as_fd()).unwrap();
            batch.queue(0, forward(6000, from.local_addr().unwrap()));
            let mut refused = Vec::new();
            batch.send(&mut outlet, |_| -1, |local| refused.push(local));
            assert_eq!(refused, [6000]);
        }
    }

    #[test]
    fn a_datagram_longer_than_its_buffer_is_told_apart() {
        let (socket, _from) = waiting("127.0.0.1", &[&[7; DATAGRAM], &[7; DATAGRAM + 1], b"after"]);
        let mut batch = Batch::new(false);
        assert_eq!(batch.receive(socket.as_fd()), Ok(0..3));
        assert_eq!(batch.datagram(0).unwrap().1.len(), DATAGRAM);
        assert_eq!(batch.datagram(1), None);
        assert_eq!(batch.datagram(2).unwrap().1, b"after");
    }

    #[test]
    fn what_there_is_no_room_for_waits_at_its_socket() {
        let (socket, _from) = waiting("127.0.0.1", &[&b"x"[..]; BATCH + 3]);
        let mut batch = Batch::new(false);
        assert_eq!(batch.receive_one(socket.as_fd()), Ok(0..1));
        assert_eq!(batch.receive(socket.as_fd()), Ok(1..1 + BURST));
        assert!(!batch.is_full());
        assert_eq!(batch.receive(socket.as_fd()), Ok(1 + BURST..BATCH));
        assert!(batch.is_full());
        assert!(send(&mut batch, &mut Outlet::OneByOne, &socket).is_empty());
        assert_eq!(batch.receive(socket.as_fd()), Ok(0..3));
    }

    #[test]
    fn ipv4_peers_of_an_ipv6_socket_keep_their_ipv4_addresses() {
        for mut outlet in outlets() {
            let dual = UdpSocket::bind("[::]:0").unwrap();
            let v4 = UdpSocket::bind("127.0.0.1:0").unwrap();
            v4.send_to(b"hello", ("127.0.0.1", dual.local_addr().unwrap().port())).unwrap();
            let mut batch = Batch::new(true);
            assert_eq!(batch.receive(dual.as_fd()), Ok(0..1));
            assert_eq!(batch.datagram(0), Some((v4.local_addr().unwrap(), &b"hello"[..])));
            batch.queue(0, forward(6000, v4.local_addr().unwrap()));
            assert!(send(&mut batch, &mut outlet, &dual).is_empty());
            assert_eq!(read(&v4), b"hello");
        }
    }
}
