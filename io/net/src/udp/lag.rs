//! How long datagrams wait in a socket before they are taken.
//!
//! As long as the socket is emptied now and then, they do not wait, and nothing is measured. Only once it has not been for a
//! while, the kernel's own stamp of a datagram's arrival tells how long it has waited.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use nix::sys::time::TimeSpec;

use super::batch::to_std;

/// A socket that was emptied within this time is not worth measuring.
const SUSPECT: Duration = Duration::from_millis(20);
/// No datagram is larger.
const LARGEST: usize = 65_536;

/// What is known of the wait in one socket.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// When the socket was first not emptied since it last was.
    since: Option<Instant>,
    measured: Duration,
}

impl Lag {
    /// How long the datagrams that come next have waited, at least.
    pub(super) fn get(&self) -> Duration {
        self.measured
    }

    /// Whether the socket was not emptied.
    pub(super) fn is_left(&self) -> bool {
        self.since.is_some()
    }

    /// The socket was emptied, or there is more in it.
    pub(super) fn note(&mut self, emptied: bool) {
        if emptied {
            *self = Lag::default();
        } else {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// Whether to take the next datagram by [`Lag::measure`].
    pub(super) fn is_suspect(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= SUSPECT)
    }

    /// Takes one datagram and notes how long it has waited.
    pub(super) fn measure(
        &mut self,
        socket: &UdpSocket,
        each: impl FnOnce(SocketAddr, &[u8]),
    ) -> Result<(), Errno> {
        let mut buffer = vec![0; LARGEST];
        let (remote, length) = {
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let mut control = nix::cmsg_space!(TimeSpec);
            let flags = MsgFlags::MSG_DONTWAIT;
            let message =
                recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
            let stamp = message.cmsgs().ok().and_then(|mut all| {
                all.find_map(|control| match control {
                    ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
                    _ => None,
                })
            });
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.measured = stamp.map_or(Duration::ZERO, |at| now.saturating_sub(at));
            (message.address.as_ref().and_then(to_std), message.bytes)
        };
        if let (Some(remote), Some(bytes)) = (remote, buffer.get(..length)) {
            each(remote, bytes);
        }
        Ok(())
    }
}
