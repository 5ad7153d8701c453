//! Accepting connections, up to a number in all and a number from one source.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tandem_sip_msg::{Flow, ListenerId, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::connection::Connection;
use super::table::{Handle, next_id};
use crate::event::Inner;
use crate::tls::{Secured, Shared, Wire, handshake_failed};
use crate::{Limits, Tls};

const BACKLOG: i32 = 1024;
/// Rest after the system refused to accept, most likely for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Refusals are told of this far apart, so that nobody fills the log from outside.
const TOLD: Duration = Duration::from_secs(1);

/// Opens a listening socket.
pub(crate) fn listen(bind: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?; // so that a restart need not wait for TIME_WAIT
    if bind.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&bind.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections for as long as the [`Net`](crate::Net) lives; in TLS if there is what it takes.
pub(crate) async fn serve(
    listener: TcpListener,
    id: ListenerId,
    door: Arc<Door>,
    limits: Arc<Limits>,
    up: mpsc::Sender<Inner>,
    tls: Option<Shared>,
) {
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(admitted) = door.admit(Some(remote.ip())) else {
            tracing::debug!(%remote, "connection refused: too many");
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            continue;
        };
        keep_alive(&stream);
        let (limits, up) = (limits.clone(), up.clone());
        match &tls {
            None => {
                let flow = accepted_from(remote, Transport::Tcp, id);
                let (handle, ends) = Handle::new(flow, admitted, limits, up.clone());
                if up.send(Inner::Accepted { flow, handle, names: Vec::new() }).await.is_err() {
                    return;
                }
                tokio::spawn(Connection::new(Wire::Plain(stream), ends, true).run());
            }
            Some(tls) => {
                let (Some(tls), door) = (tls.get(), door.clone()) else { continue };
                tokio::spawn(async move {
                    match timeout(limits.handshake, secured(stream, tls)).await {
                        Ok(Ok(secured)) => {
                            let flow = accepted_from(remote, Transport::Tls, id);
                            let (handle, ends) = Handle::new(flow, admitted, limits, up.clone());
                            let names = secured.names();
                            if up.send(Inner::Accepted { flow, handle, names }).await.is_ok() {
                                Connection::new(Wire::Secured(secured.into()), ends, true).run().await;
                            }
                        }
                        Ok(Err(error)) => {
                            let why = handshake_failed(&error);
                            match door.may_tell() {
                                true => tracing::info!(%remote, %why, "TLS connection refused"),
                                false => tracing::debug!(%remote, %why, "TLS connection refused"),
                            }
                        }
                        Err(_) => {
                            tracing::debug!(%remote, "TLS connection refused: its handshake takes too long")
                        }
                    }
                });
            }
        }
    }
}

fn accepted_from(remote: SocketAddr, transport: Transport, listener: ListenerId) -> Flow {
    Flow { transport, listener, remote, connection: Some(next_id()), domain: None }
}

async fn secured(stream: TcpStream, tls: Tls) -> io::Result<Secured> {
    Secured::handshake(stream, tls.accept().map_err(io::Error::other)?).await
}

/// What every stream of ours is set to: no delay, and a dead peer is noticed within some two minutes.
pub(super) fn keep_alive(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&probes);
    let _ = socket.set_tcp_user_timeout(Some(Duration::from_secs(60)));
}

/// Counts the connections.
#[derive(Debug)]
pub(crate) struct Door {
    most: usize,
    most_per_source: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
    /// When a refusal was told of last.
    told: Option<Instant>,
}

/// One connection counted; no longer once dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    door: Arc<Door>,
    source: Option<IpAddr>,
}

impl Door {
    pub(crate) fn new(limits: &Limits) -> Arc<Door> {
        Arc::new(Door {
            most: limits.connections,
            most_per_source: limits.connections_per_source,
            inside: Mutex::default(),
        })
    }

    /// Whether a refusal may be told of: one was not just now.
    fn may_tell(&self) -> bool {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let may = inside.told.is_none_or(|told| told.elapsed() >= TOLD);
        if may {
            inside.told = Some(Instant::now());
        }
        may
    }

    /// Counts one more, unless that is too many; those that we make have no source.
    pub(crate) fn admit(self: &Arc<Door>, source: Option<IpAddr>) -> Option<Admitted> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.all >= self.most {
            return None;
        }
        let source = source.map(network);
        if let Some(source) = source {
            let count = inside.by_source.entry(source).or_default();
            if *count >= self.most_per_source {
                return None;
            }
            *count += 1;
        }
        inside.all += 1;
        drop(inside);
        Some(Admitted { door: self.clone(), source })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut inside = self.door.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.all -= 1;
        let Some(source) = self.source else { return };
        if let Some(count) = inside.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                inside.by_source.remove(&source);
            }
        }
    }
}

/// One host of IPv6 commonly has a whole /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_counts_in_all_and_by_source_and_forgets_those_who_leave() {
        let limits = Limits { connections: 3, connections_per_source: 2, ..Limits::default() };
        let door = Door::new(&limits);
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let other: IpAddr = "192.0.2.1".parse().unwrap();
        let first = door.admit(Some(one)).unwrap();
        let _second = door.admit(Some(neighbour)).unwrap();
        assert!(door.admit(Some(one)).is_none(), "a /64 is one source");
        let third = door.admit(Some(other)).unwrap();
        assert!(door.admit(None).is_none(), "three are all");
        drop(first);
        assert!(door.admit(Some(neighbour)).is_some());
        drop(third);
        assert!(!door.inside.lock().unwrap().by_source.contains_key(&other));
    }
}
