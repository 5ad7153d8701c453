//! The error queue of a UDP socket: which peer a datagram of ours did not reach.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::batch::{BATCH, to_std};
use crate::NetEvent;
use crate::event::Inner;

/// `SO_EE_ORIGIN_ICMP` and `SO_EE_ORIGIN_ICMP6`: said by the network, not by our own system.
const FROM_NETWORK: [u8; 2] = [2, 3];

/// Tells of every peer that the network reports as unreachable, for as long as the [`Net`](crate::Net) lives.
pub(crate) async fn watch(socket: Arc<AsyncFd<UdpSocket>>, up: mpsc::Sender<Inner>) {
    while let Ok(mut ready) = socket.ready(Interest::ERROR).await {
        let mut reported = Vec::new();
        while reported.len() < BATCH {
            match take(socket.get_ref()) {
                Ok(remote) => reported.extend(remote),
                Err(Errno::EINTR) => {}
                // Once the queue is empty the next turn waits for a new error.
                Err(_) => {
                    ready.clear_ready();
                    break;
                }
            }
        }
        drop(ready);
        for remote in reported {
            if up.send(Inner::Event(NetEvent::Unreachable { remote })).await.is_err() {
                return;
            }
        }
    }
}

/// The next report: whom the datagram was for, if it is a report of that kind.
fn take(socket: &UdpSocket) -> Result<Option<SocketAddr>, Errno> {
    let mut payload = [0u8; 64];
    let mut slices = [IoSliceMut::new(&mut payload)];
    let mut control = nix::cmsg_space!([u8; 128]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
    let reported = message.cmsgs()?.any(|control| match control {
        ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
            FROM_NETWORK.contains(&error.ee_origin)
                && matches!(
                    Errno::from_raw(error.ee_errno.cast_signed()),
                    Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EHOSTDOWN
                )
        }
        _ => false,
    });
    Ok(message.address.as_ref().filter(|_| reported).and_then(to_std))
}
