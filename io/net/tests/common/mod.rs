//! Words shared by the tests: everything waits on a condition, and for no longer than five seconds.
#![allow(dead_code)]

pub mod certificates;

use std::future::Future;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use bytes::Bytes;
use tandem_net::{Limits, Listen, Net, NetEvent};
use tandem_sip_msg::{Flow, ListenerId, Transport};

pub const UDP: Listen = on(Transport::Udp);
pub const TCP: Listen = on(Transport::Tcp);
pub const TLS: Listen = on(Transport::Tls);

/// A whole message of a stream.
pub const MESSAGE: &[u8] = b"OPTIONS sip:a@example.com SIP/2.0\r\nContent-Length: 4\r\n\r\nbody";

const fn on(transport: Transport) -> Listen {
    Listen { transport, bind: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0) }
}

/// A net and what it told so far that no test has asked for.
pub struct Watched {
    net: Net,
    pub seen: Vec<NetEvent>,
}

impl Deref for Watched {
    type Target = Net;
    fn deref(&self) -> &Net {
        &self.net
    }
}

impl DerefMut for Watched {
    fn deref_mut(&mut self) -> &mut Net {
        &mut self.net
    }
}

pub async fn net(listens: &[Listen]) -> Watched {
    limited(listens, Limits::default()).await
}

pub async fn limited(listens: &[Listen], limits: Limits) -> Watched {
    Watched { net: Net::bind(listens, limits).await.unwrap(), seen: Vec::new() }
}

pub fn flow(transport: Transport, remote: SocketAddr) -> Flow {
    Flow { transport, listener: ListenerId(0), remote, connection: None, domain: None }
}

pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), what).await.expect("within five seconds")
}

/// Waits until what was seen is enough.
pub async fn gather(watched: &mut Watched, enough: impl Fn(&[NetEvent]) -> bool) {
    soon(async {
        while !enough(&watched.seen) {
            watched.net.next(&mut watched.seen).await;
        }
    })
    .await;
}

/// Takes the first event that is what is looked for, waiting for it; the others stay.
pub async fn until<T>(watched: &mut Watched, mut found: impl FnMut(&NetEvent) -> Option<T>) -> T {
    soon(async {
        let mut from = 0;
        loop {
            for at in from..watched.seen.len() {
                if let Some(found) = found(&watched.seen[at]) {
                    watched.seen.remove(at);
                    return found;
                }
            }
            from = watched.seen.len();
            watched.net.next(&mut watched.seen).await;
        }
    })
    .await
}

pub async fn message(net: &mut Watched) -> (Flow, Bytes) {
    until(net, |event| match event {
        NetEvent::Message { flow, bytes } => Some((*flow, bytes.clone())),
        _ => None,
    })
    .await
}

pub async fn connected(net: &mut Watched) -> Flow {
    until(net, |event| match event {
        NetEvent::Connected { flow, .. } => Some(*flow),
        _ => None,
    })
    .await
}

/// The tags of failures, once there are `count`.
pub async fn failures(net: &mut Watched, count: usize) -> Vec<u64> {
    let mut tags = Vec::new();
    while tags.len() < count {
        let tag = until(net, |event| match event {
            NetEvent::SendFailed { tag } => Some(*tag),
            _ => None,
        });
        tags.push(tag.await);
    }
    tags.sort_unstable();
    tags
}

pub async fn disconnected(net: &mut Watched, flow: Flow) {
    let end = NetEvent::Disconnected(flow.connection.unwrap());
    until(net, |event| (*event == end).then_some(())).await;
}

/// Lets the net run beside something else that ends.
pub async fn beside<T>(watched: &mut Watched, what: impl Future<Output = T>) -> T {
    tokio::pin!(what);
    soon(async {
        loop {
            tokio::select! {
                done = &mut what => return done,
                () = watched.net.next(&mut watched.seen) => {}
            }
        }
    })
    .await
}
