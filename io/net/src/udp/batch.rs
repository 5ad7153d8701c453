//! Many datagrams a system call, through buffers that every socket of a thread shares.

use std::array;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, sendto};

use super::Datagram;

/// Datagrams taken or given a call.
pub(crate) const BATCH: usize = 64;
/// No datagram is larger.
const SLOT: usize = 65_536;

struct Buffers {
    /// Touched only as far as datagrams reach into each slot.
    arena: Vec<u8>,
    /// One set a family: the system writes the length of an address into it, and takes it for the room of the next.
    incoming: [MultiHeaders<SockaddrStorage>; 2],
    outgoing: MultiHeaders<SockaddrStorage>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers {
        arena: vec![0; BATCH * SLOT],
        incoming: [MultiHeaders::preallocate(BATCH, None), MultiHeaders::preallocate(BATCH, None)],
        outgoing: MultiHeaders::preallocate(BATCH, None),
    });
}

/// Receives at most `most` datagrams without waiting; tells how many there were.
pub(crate) fn receive(
    socket: &UdpSocket,
    local: SocketAddr,
    most: usize,
    mut each: impl FnMut(SocketAddr, &[u8]),
) -> Result<usize, Errno> {
    BUFFERS.with_borrow_mut(|buffers| {
        let Buffers { arena, incoming, .. } = buffers;
        let headers = &mut incoming[usize::from(local.is_ipv6())];
        let mut found: [(Option<SocketAddr>, usize); BATCH] = [(None, 0); BATCH];
        let mut count = 0;
        {
            let mut slots = arena.chunks_exact_mut(SLOT);
            let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
                array::from_fn(|_| [IoSliceMut::new(slots.next().unwrap_or_default())]);
            let most = most.clamp(1, BATCH);
            let flags = MsgFlags::MSG_DONTWAIT;
            let results = recvmmsg(socket.as_raw_fd(), headers, slices[..most].iter_mut(), flags, None)?;
            for (slot, message) in found.iter_mut().zip(results) {
                *slot = (message.address.as_ref().and_then(to_std), message.bytes);
                count += 1;
            }
        }
        for (slot, (remote, length)) in arena.chunks_exact(SLOT).zip(&found[..count]) {
            if let (Some(remote), Some(bytes)) = (remote, slot.get(..*length)) {
                each(*remote, bytes);
            }
        }
        Ok(count)
    })
}

/// Sends the first datagrams of `queue`, up to [`BATCH`], without waiting, and takes away those that went out. An error is
/// that of the first.
pub(super) fn send(socket: &UdpSocket, queue: &mut VecDeque<Datagram>) -> Result<(), Errno> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let sent = if let [Datagram { remote, bytes, .. }] = queue.make_contiguous() {
        sendto(socket.as_raw_fd(), bytes, &SockaddrStorage::from(*remote), flags).map(|_| 1)?
    } else {
        BUFFERS.with_borrow_mut(|buffers| {
            let first = || queue.iter().take(BATCH);
            let slices: Vec<[IoSlice<'_>; 1]> =
                first().map(|datagram| [IoSlice::new(&datagram.bytes)]).collect();
            let addresses: Vec<Option<SockaddrStorage>> =
                first().map(|datagram| Some(datagram.remote.into())).collect();
            sendmmsg(socket.as_raw_fd(), &mut buffers.outgoing, slices.iter(), &addresses, [], flags)
                .map(Iterator::count)
        })?
    };
    queue.drain(..sent);
    Ok(())
}

pub(super) fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*v4).into());
    }
    address.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into())
}
