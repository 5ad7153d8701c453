//! One UDP socket: received and sent in batches.

mod batch;
mod lag;
mod unreachable;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tandem_sip_msg::{Flow, ListenerId, Transport};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::NetEvent;

pub(crate) use batch::BATCH;
use lag::Lag;
pub(crate) use unreachable::watch;

/// The largest payload of a UDP datagram over IPv4.
const MAX_DATAGRAM: usize = 65_507;
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// An error that ICMP left on the socket is told to whoever sends next, whom it does not concern.
const FOREIGN_ERRORS: u32 = 8;

pub(crate) struct Datagram {
    remote: SocketAddr,
    bytes: Bytes,
    tag: Option<u64>,
}

/// One UDP socket.
///
/// It is watched for what arrives only: to be told each time that a sent datagram has left its buffer would wake the engine
/// once more for every message.
pub(crate) struct UdpPort {
    socket: Arc<AsyncFd<UdpSocket>>,
    listener: ListenerId,
    local: SocketAddr,
    queue: VecDeque<Datagram>,
    capacity: usize,
    lag: Lag,
}

/// Whether datagrams are left in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    /// None is.
    Nothing,
    /// The socket or the system has no room for them now.
    Some,
}

impl UdpPort {
    pub(crate) fn bind(bind: SocketAddr, listener: ListenerId, capacity: usize) -> io::Result<UdpPort> {
        let socket = Socket::new(Domain::for_address(bind), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if bind.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        enlarge(&socket);
        match bind {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?,
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?,
        }
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        socket.bind(&bind.into())?;
        let socket = UdpSocket::from(socket);
        let local = socket.local_addr()?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types whose descriptor may change; that of a UdpSocket does not"
        )]
        let socket = AsyncFd::with_interest(socket, Interest::READABLE | Interest::ERROR)?;
        let socket = Arc::new(socket);
        Ok(UdpPort { socket, listener, local, queue: VecDeque::new(), capacity, lag: Lag::default() })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn socket(&self) -> Arc<AsyncFd<UdpSocket>> {
        self.socket.clone()
    }

    /// Whether datagrams may be left that had arrived when some were taken.
    pub(crate) fn has_more(&self) -> bool {
        self.lag.is_left()
    }

    /// How long datagrams wait here before they are taken.
    pub(crate) fn lag(&self) -> Duration {
        self.lag.get()
    }

    /// Takes up to `most` datagrams that have arrived; ready once there is one.
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        events: &mut Vec<NetEvent>,
    ) -> Poll<()> {
        let before = events.len();
        loop {
            let Poll::Ready(Ok(mut readable)) = self.socket.poll_read_ready(cx) else { return Poll::Pending };
            let flow = self.flow();
            let (socket, lag) = (self.socket.get_ref(), &mut self.lag);
            let mut each = |remote, bytes: &[u8]| events.extend(message(Flow { remote, ..flow }, bytes));
            if lag.is_suspect() {
                let _ = lag.measure(socket, &mut each);
            }
            let received = batch::receive(socket, self.local, most, each);
            lag.note(!matches!(received, Ok(count) if count == most));
            match received {
                Ok(count) if count == most => {}
                // Fewer than asked for: the socket was emptied, and what comes later raises readiness anew.
                Ok(_) | Err(Errno::EAGAIN) => readable.clear_ready(),
                // Left by ICMP; the watcher of the error queue tells whom it concerns.
                Err(_) => {}
            }
            if events.len() > before {
                return Poll::Ready(());
            }
        }
    }

    /// The way that datagrams come here, from ourselves for want of another.
    fn flow(&self) -> Flow {
        Flow {
            transport: Transport::Udp,
            listener: self.listener,
            remote: self.local,
            connection: None,
            domain: None,
        }
    }

    /// Queues a datagram; gives it back as failed when it can never go out or there is no room.
    pub(crate) fn send(&mut self, remote: SocketAddr, bytes: Bytes, tag: Option<u64>) -> Result<(), ()> {
        if bytes.len() > MAX_DATAGRAM || self.queue.len() >= self.capacity || remote.port() == 0 {
            return Err(());
        }
        self.queue.push_back(Datagram { remote, bytes, tag });
        Ok(())
    }

    pub(crate) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Sends what is queued, as far as the system takes it.
    pub(crate) fn flush(&mut self, events: &mut Vec<NetEvent>) -> Left {
        let mut errors = 0;
        while !self.queue.is_empty() {
            let Err(errno) = batch::send(self.socket.get_ref(), &mut self.queue) else {
                errors = 0;
                continue;
            };
            errors += 1;
            match errno {
                Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM => return Left::Some,
                Errno::EINTR => {}
                Errno::ECONNREFUSED if errors < FOREIGN_ERRORS => {}
                _ if errors < 2 => {}
                errno => {
                    errors = 0;
                    self.drop_first(errno, events);
                }
            }
        }
        Left::Nothing
    }

    fn drop_first(&mut self, errno: Errno, events: &mut Vec<NetEvent>) {
        let Some(datagram) = self.queue.pop_front() else { return };
        tracing::debug!(remote = %datagram.remote, error = errno.desc(), "datagram not sent");
        events.extend(datagram.tag.map(|tag| NetEvent::SendFailed { tag }));
    }
}

fn message(flow: Flow, bytes: &[u8]) -> Option<NetEvent> {
    let bytes = (!is_keep_alive(bytes)).then(|| Bytes::copy_from_slice(bytes))?;
    Some(NetEvent::Message { flow, bytes })
}

/// As large as allowed; the forced way needs a capability, the other is cut at `net.core.rmem_max`.
fn enlarge(socket: &Socket) {
    if setsockopt(socket, sockopt::RcvBufForce, &SOCKET_BUFFER).is_err() {
        let _ = SockRef::from(socket).set_recv_buffer_size(SOCKET_BUFFER);
    }
    if setsockopt(socket, sockopt::SndBufForce, &SOCKET_BUFFER).is_err() {
        let _ = SockRef::from(socket).set_send_buffer_size(SOCKET_BUFFER);
    }
}

/// What devices send to hold a NAT binding open: nothing, CRLF or NULs.
fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.len() <= 4 && bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0))
}
