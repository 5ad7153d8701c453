//! A UDP socket to the server, read and written in batches, so that the load costs as little as it can of the
//! cores that it shares with the server.

use crate::lab;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt};
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Datagrams a system call.
const BATCH: usize = 64;
/// No message of the load is longer.
const SLOT: usize = 4096;
/// What the server may send at once before this program gets to run.
const BUFFER: usize = 8 * 1024 * 1024;

/// One end of the load.
pub struct Wire {
    socket: UdpSocket,
    arena: Vec<u8>,
    incoming: MultiHeaders<SockaddrStorage>,
    outgoing: MultiHeaders<SockaddrStorage>,
    /// What is to be sent, one message behind the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Wire {
    /// Takes an address of ours. The system lets nobody but the server through to it.
    pub fn bind(at: SocketAddrV4) -> Wire {
        let socket = UdpSocket::bind(at).expect("an address of ours is free");
        socket.connect(lab::SERVER).expect("a socket can be connected");
        socket.set_nonblocking(true).expect("a socket need not block");
        // Where more than the system allows is not to be had, what it allows has to do.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
        let _ = setsockopt(&socket, sockopt::SndBufForce, &BUFFER);
        Wire {
            socket,
            arena: vec![0; BATCH * SLOT],
            incoming: MultiHeaders::preallocate(BATCH, None),
            outgoing: MultiHeaders::preallocate(BATCH, None),
            text: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// For waiting.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Writes one message, to go out with the others.
    pub fn send(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.text);
        self.ends.push(self.text.len());
    }

    /// Sends what was written. A message that the system does not take is lost, as on a network.
    pub fn flush(&mut self) {
        let mut start = 0;
        let messages: Vec<&[u8]> = self
            .ends
            .iter()
            .map(|end| {
                let message = &self.text[start..*end];
                start = *end;
                message
            })
            .collect();
        let mut rest = &messages[..];
        while !rest.is_empty() {
            let count = rest.len().min(BATCH);
            let slices: Vec<[IoSlice; 1]> = rest[..count].iter().map(|m| [IoSlice::new(m)]).collect();
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            let fd = self.socket.as_raw_fd();
            let nowhere = vec![None::<SockaddrStorage>; count];
            let sent = sendmmsg(fd, &mut self.outgoing, slices.iter(), &nowhere, [], flags);
            rest = match sent.map(Iterator::count) {
                Ok(sent) => &rest[sent..],
                // What ICMP left on the socket concerns an earlier one.
                Err(Errno::EINTR | Errno::ECONNREFUSED) => rest,
                Err(_) => &rest[1..],
            };
        }
        self.text.clear();
        self.ends.clear();
    }

    /// Reads what waits, at most a batch; whether there may be more.
    pub fn receive(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        let mut lengths = [0; BATCH];
        let mut count = 0;
        {
            let mut slices: Vec<[IoSliceMut; 1]> =
                self.arena.chunks_exact_mut(SLOT).map(|slot| [IoSliceMut::new(slot)]).collect();
            let flags = MsgFlags::MSG_DONTWAIT;
            let fd = self.socket.as_raw_fd();
            let Ok(received) = recvmmsg(fd, &mut self.incoming, slices.iter_mut(), flags, None) else {
                return false;
            };
            for message in received {
                lengths[count] = message.bytes;
                count += 1;
            }
        }
        for (slot, length) in self.arena.chunks_exact(SLOT).zip(&lengths[..count]) {
            each(&slot[..*length]);
        }
        count == BATCH
    }
}
