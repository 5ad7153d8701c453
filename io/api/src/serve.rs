//! The HTTP server: connections of bounded number, patience and size, each a stranger to the others.

use crate::auth::Peer;
use crate::backend::Backend;
use crate::router::{Options, router};
use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower_service::Service;

/// Connections at once; beyond, the longest idle ones must time out first.
const CONNECTIONS: usize = 1024;
/// Connections at once from one address, so that nobody can take them all.
const CONNECTIONS_EACH: usize = 128;
/// How long a request's head may take, and how long a connection may idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_BYTES: usize = 32 * 1024;
/// How long requests may go on after shutdown was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// Serves the API until `shutdown` is ready; then takes no more connections and lets requests under way finish.
pub async fn serve<B: Backend>(
    listener: TcpListener,
    backend: B,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let router = router(backend, options);
    let graceful = GracefulShutdown::new();
    let seats = Arc::new(Seats::default());
    let (closing, _) = watch::channel(false);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match Seats::take(&seats, peer.ip()) {
                Some(seat) => {
                    let connection =
                        connection(stream, peer, router.clone(), graceful.watcher(), closing.subscribe());
                    tokio::spawn(async move {
                        connection.await;
                        drop(seat);
                    });
                }
                None => tracing::warn!(%peer, "too many API connections: one was closed at once"),
            },
            Err(error) => {
                // Out of file descriptors, mostly: others must close theirs first.
                tracing::warn!(%error, "an API connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    closing.send_replace(true);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("API requests were cut off at shutdown");
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
    closing: watch::Receiver<bool>,
) {
    // An answer is written at once; waiting for more to send gains nothing.
    let _ = stream.set_nodelay(true);
    let asked = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let asked = asked.clone();
        move |mut request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(Peer(peer));
            router.clone().call(request)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = watcher.watch(connection) => {
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "an API connection broke");
            }
        }
        () = closed_unasked(closing, &asked) => {}
    }
}

/// Ready at shutdown if nothing has been asked until then: hyper would wait for a first request all the same.
async fn closed_unasked(mut closing: watch::Receiver<bool>, asked: &AtomicBool) {
    let _ = closing.wait_for(|closing| *closing).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// Counts connections by address.
#[derive(Debug, Default)]
struct Seats(Mutex<HashMap<IpAddr, usize>>);

/// One connection's place; free again when dropped.
#[derive(Debug)]
struct Seat(Arc<Seats>, IpAddr);

impl Seats {
    fn take(seats: &Arc<Seats>, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        let mut taken = seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let of_address = taken.get(&address).copied().unwrap_or_default();
        if all >= CONNECTIONS || of_address >= CONNECTIONS_EACH {
            return None;
        }
        taken.insert(address, of_address + 1);
        Some(Seat(seats.clone(), address))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.1) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_connections() {
        let seats = Arc::new(Seats::default());
        let greedy: IpAddr = "192.0.2.1".parse().unwrap();
        let held: Vec<Seat> = std::iter::from_fn(|| Seats::take(&seats, greedy)).collect();
        assert_eq!(held.len(), CONNECTIONS_EACH);
        let other = Seats::take(&seats, "192.0.2.2".parse().unwrap());
        assert!(other.is_some());
        drop((held, other));
        assert!(seats.0.lock().unwrap().is_empty());
    }
}
