//! Making a connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tandem_sip_msg::{NoConnection, Transport, Why};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, Ends};
use super::door::keep_alive;
use crate::event::Inner;
use crate::tls::{Secured, Wire, handshake_failed};
use crate::{NetEvent, Tls};

/// What a connection in TLS is made with: certificates, and the host that the other end has to be.
pub(super) type Secure = (Option<Tls>, Option<Arc<str>>);

/// Makes a connection from `source` if given, and is its task until it ends.
pub(super) async fn dial(ends: Ends, source: Option<IpAddr>, secure: Secure) {
    let flow = ends.flow;
    let made = tokio::select! {
        made = make(&ends, source, secure) => made,
        () = ends.cut.notified() => Err(Why::new(NoConnection::Network, "more to send than may wait")),
    };
    match made {
        Ok((wire, names)) => {
            let _ = ends.up.send(Inner::Event(NetEvent::Connected { flow, names })).await;
            Connection::new(wire, ends, false).run().await;
        }
        Err(why) => {
            tracing::debug!(remote = %flow.remote, %why, "cannot connect");
            let _ = ends.up.send(Inner::Event(NetEvent::ConnectFailed { flow, why })).await;
            ends.give_up(false, []).await;
        }
    }
}

type Made = Result<(Wire, Vec<String>), Why<NoConnection>>;

async fn make(ends: &Ends, source: Option<IpAddr>, secure: Secure) -> Made {
    let deadline = Instant::now() + ends.limits.connect;
    let connected = timeout_at(deadline, connect(ends.flow.remote, source)).await;
    let stream = connected
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|error| not_made(&error))?;
    keep_alive(&stream);
    if ends.flow.transport != Transport::Tls {
        return Ok((Wire::Plain(stream), Vec::new()));
    }
    let (Some(tls), Some(domain)) = secure else {
        let why = "no connection in TLS is made to who cannot be asked for a certificate.";
        return Err(Why::new(NoConnection::Handshake, why));
    };
    let (session, verifier) = tls.connect(&domain).map_err(|why| Why::new(NoConnection::Handshake, why))?;
    let handshake =
        timeout_at(Instant::now() + ends.limits.handshake, Secured::handshake(stream, session)).await;
    match handshake.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(secured) => {
            let names = secured.names();
            Ok((Wire::Secured(secured.into()), names))
        }
        Err(error) => Err(verifier.refused().unwrap_or_else(|| handshake_failed(&error))),
    }
}

async fn connect(remote: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source.filter(|ip| ip.is_ipv4() == remote.is_ipv4()) {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(remote).await
}

fn not_made(error: &io::Error) -> Why<NoConnection> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Why::new(
            NoConnection::Refused,
            "nobody listens there (connection refused). Check host, port and transport.",
        ),
        io::ErrorKind::TimedOut => Why::new(
            NoConnection::Silent,
            "no connection could be made in time: it is down, or a firewall drops the connection. Check host, port and transport.",
        ),
        _ => Why::new(
            NoConnection::Network,
            format!("no connection could be made: {error}. Check host, port and transport."),
        ),
    }
}
