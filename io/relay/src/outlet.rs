//! How datagrams leave: those of a turn with one system call where the system lets us (io_uring, Linux 6.1), else one by one.

use crate::address::Address;
use crate::ring::Ring;
use nix::errno::Errno;
use nix::libc;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

/// A datagram to be sent.
pub struct Message<'a> {
    /// Tells it from the others.
    pub id: usize,
    pub socket: RawFd,
    pub bytes: &'a [u8],
    pub to: &'a Address,
    pub to_len: libc::socklen_t,
}

/// Sends datagrams.
pub enum Outlet {
    Ring(Box<Ring>),
    OneByOne,
}

impl Outlet {
    /// The best that the system lets us have, for the thread that will [`Outlet::open`] it.
    pub fn new() -> Outlet {
        Ring::new().map_or_else(Outlet::without_ring, |ring| Outlet::Ring(Box::new(ring)))
    }

    /// Makes it the calling thread's own, and tries whether it works: old systems have rings that do not send to an address.
    pub fn open(&mut self) {
        if let Outlet::Ring(ring) = self
            && let Err(error) = try_out(ring)
        {
            *self = Outlet::without_ring(error);
        }
    }

    fn without_ring(error: io::Error) -> Outlet {
        tracing::info!(%error, "no io_uring: media is sent packet by packet");
        Outlet::OneByOne
    }

    /// Sends up to [`crate::batch::BATCH`] messages, and tells those that the system `refused`: whether its buffers are full or the
    /// address is unreachable, voice does not wait.
    pub fn send<'a>(&mut self, messages: impl Iterator<Item = Message<'a>>, mut refused: impl FnMut(usize)) {
        match self {
            Outlet::Ring(ring) => {
                if let Err(error) = ring.send(messages, |id, _| refused(id)) {
                    *self = Outlet::without_ring(error);
                }
            }
            Outlet::OneByOne => {
                messages.filter(|message| send_one(message).is_err()).for_each(|message| refused(message.id));
            }
        }
    }
}

/// Sends a datagram to its own sender.
fn try_out(ring: &mut Ring) -> io::Result<()> {
    ring.enable()?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut to = Address::default();
    let to_len = to.encode(socket.local_addr()?, false);
    let message = Message { id: 0, socket: socket.as_raw_fd(), bytes: b"?", to: &to, to_len };
    let mut result = Ok(());
    ring.send([message].into_iter(), |_, error| result = Err(error))?;
    result
}

fn send_one(message: &Message) -> Result<(), Errno> {
    loop {
        // SAFETY: the pointers and lengths are those of values borrowed, which the kernel only reads.
        let sent = unsafe {
            libc::sendto(
                message.socket,
                message.bytes.as_ptr().cast(),
                message.bytes.len(),
                libc::MSG_DONTWAIT,
                std::ptr::from_ref(message.to).cast(),
                message.to_len,
            )
        };
        match Errno::result(sent) {
            Err(Errno::EINTR) => {}
            sent => return sent.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_fails_is_given_up_and_the_next_datagram_goes_on() {
        // It belongs to no thread, and so sends nothing.
        let mut outlet = Outlet::new();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut to = Address::default();
        let to_len = to.encode(socket.local_addr().unwrap(), false);
        for bytes in [b"one", b"two"] {
            let message = Message { id: 0, socket: socket.as_raw_fd(), bytes, to: &to, to_len };
            outlet.send([message].into_iter(), |_| panic!("refused"));
        }
        assert!(matches!(outlet, Outlet::OneByOne));
        socket.set_nonblocking(true).unwrap();
        let came = std::iter::from_fn(|| {
            let mut bytes = [0; 3];
            socket.recv(&mut bytes).ok().map(|_| bytes)
        });
        assert!(came.last() == Some(*b"two"));
    }
}
