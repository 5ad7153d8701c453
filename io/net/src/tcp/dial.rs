//! Making a connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tandem_sip_msg::Transport;
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
        () = ends.cut.notified() => Err("more to send than may wait".to_owned()),
    };
    match made {
        Ok((wire, names)) => {
            let _ = ends.up.send(Inner::Event(NetEvent::Connected { flow, names })).await;
            Connection::new(wire, ends, false).run().await;
        }
        Err(why) => {
            tracing::debug!(remote = %flow.remote, why, "cannot connect");
            let _ = ends.up.send(Inner::Event(NetEvent::ConnectFailed { flow, why })).await;
            ends.give_up(false, []).await;
        }
    }
}

async fn make(ends: &Ends, source: Option<IpAddr>, secure: Secure) -> Result<(Wire, Vec<String>), String> {
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
        return Err("no connection in TLS is made to who cannot be asked for a certificate.".to_owned());
    };
    let (session, verifier) = tls.connect(&domain)?;
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

fn not_made(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nobody listens there (connection refused). Check host, port and transport.".to_owned()
        }
        io::ErrorKind::TimedOut => {
            "no connection could be made in time: it is down, or a firewall drops the connection. Check host, port and transport."
                .to_owned()
        }
        _ => format!("no connection could be made: {error}. Check host, port and transport."),
    }
}
