//! Making a connection.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::connection::{Connection, Ends};
use super::door::keep_alive;
use crate::NetEvent;
use crate::event::Inner;

/// Makes a connection from `source` if given, and is its task until it ends.
pub(super) async fn dial(ends: Ends, source: Option<IpAddr>) {
    let flow = ends.flow;
    let made = tokio::select! {
        made = timeout(ends.limits.connect, connect(flow.remote, source)) => {
            made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
        () = ends.cut.notified() => Err(io::Error::other("more to send than may wait")),
    };
    match made {
        Ok(stream) => {
            keep_alive(&stream);
            let _ = ends.up.send(Inner::Event(NetEvent::Connected { flow })).await;
            Connection::new(stream, ends, false).run().await;
        }
        Err(error) => {
            tracing::debug!(remote = %flow.remote, %error, "cannot connect");
            ends.give_up(false, []).await;
        }
    }
}

async fn connect(remote: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source.filter(|ip| ip.is_ipv4() == remote.is_ipv4()) {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(remote).await
}
