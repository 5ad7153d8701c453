//! Words shared by the tests: everything waits on a condition, and for no longer than five seconds.
#![allow(dead_code)]

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tandem_net::{Limits, Listen, Net, NetEvent};
use tandem_sip_msg::{Flow, ListenerId, Transport};

pub const UDP: Listen = on(Transport::Udp);
pub const TCP: Listen = on(Transport::Tcp);

/// A whole message of a stream.
pub const MESSAGE: &[u8] = b"OPTIONS sip:a@example.com SIP/2.0\r\nContent-Length: 4\r\n\r\nbody";

const fn on(transport: Transport) -> Listen {
    Listen { transport, bind: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0) }
}

pub async fn net(listens: &[Listen]) -> Net {
    limited(listens, Limits::default()).await
}

pub async fn limited(listens: &[Listen], limits: Limits) -> Net {
    Net::bind(listens, limits).await.unwrap()
}

pub fn flow(transport: Transport, remote: SocketAddr) -> Flow {
    Flow { transport, listener: ListenerId(0), remote, connection: None }
}

pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), what).await.expect("within five seconds")
}

/// Goes through events until one is what is looked for; the others are dropped.
pub async fn until<T>(net: &mut Net, mut found: impl FnMut(NetEvent) -> Option<T>) -> T {
    soon(async {
        let mut events = Vec::new();
        loop {
            net.next(&mut events).await;
            if let Some(found) = events.drain(..).find_map(&mut found) {
                return found;
            }
        }
    })
    .await
}

pub async fn message(net: &mut Net) -> (Flow, Bytes) {
    until(net, |event| match event {
        NetEvent::Message { flow, bytes } => Some((flow, bytes)),
        _ => None,
    })
    .await
}

pub async fn connected(net: &mut Net) -> Flow {
    until(net, |event| match event {
        NetEvent::Connected { flow } => Some(flow),
        _ => None,
    })
    .await
}

/// Gathers the tags of failures until there are `count`.
pub async fn failures(net: &mut Net, count: usize) -> Vec<u64> {
    let mut tags = Vec::new();
    until(net, |event| {
        if let NetEvent::SendFailed { tag } = event {
            tags.push(tag);
        }
        (tags.len() == count).then_some(())
    })
    .await;
    tags.sort_unstable();
    tags
}

pub async fn disconnected(net: &mut Net, flow: Flow) {
    until(net, |event| (event == NetEvent::Disconnected(flow.connection.unwrap())).then_some(())).await;
}

/// Lets the net run beside something else that ends.
pub async fn beside<T>(net: &mut Net, what: impl Future<Output = T>) -> (T, Vec<NetEvent>) {
    let mut events = Vec::new();
    tokio::pin!(what);
    let done = soon(async {
        loop {
            tokio::select! {
                done = &mut what => return done,
                () = net.next(&mut events) => {}
            }
        }
    })
    .await;
    (done, events)
}
