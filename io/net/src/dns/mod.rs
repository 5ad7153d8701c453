//! Names to addresses (RFC 3263 §4), each lookup in a task of its own.

mod lookup;
mod naptr;
mod order;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Hosts, ResolverBuilder, TokioResolver};
use tandem_sip_msg::{NoAddress, Transport, Why};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::event::Inner;
use crate::{Limits, NetEvent};
use lookup::{Answer, Lookup};

/// A name server gets so long before it is asked again, or another is.
const ATTEMPT: Duration = Duration::from_millis(1500);
/// Lookups that may wait for each that runs.
const WAITING: usize = 16;

/// The families that we can send from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Families {
    pub(crate) v4: bool,
    pub(crate) v6: bool,
}

/// The transport that is asked for, and what each that may be told can be sent over.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// `None`: the host names it.
    pub(crate) transport: Option<Transport>,
    /// In our order of preference.
    pub(crate) of: Vec<(Transport, Families)>,
}

impl Wanted {
    /// Of the transport, or of any.
    pub(crate) fn families(&self, transport: Option<Transport>) -> Families {
        let fits = self.of.iter().filter(|(other, _)| transport.is_none_or(|transport| transport == *other));
        fits.fold(Families { v4: false, v6: false }, |all, (_, one)| Families {
            v4: all.v4 | one.v4,
            v6: all.v6 | one.v6,
        })
    }
}

/// The resolver of one [`Net`](crate::Net).
pub(crate) struct Dns {
    resolver: Option<Arc<TokioResolver>>,
    hosts: Arc<Hosts>,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    limits: Arc<Limits>,
    up: mpsc::Sender<Inner>,
}

impl Dns {
    /// Asks the name servers of `/etc/resolv.conf`, or as resolv.conf(5) has it without one, that of this host.
    pub(crate) fn new(limits: Arc<Limits>, up: mpsc::Sender<Inner>) -> Dns {
        let builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::warn!(%error, "/etc/resolv.conf is unusable; asking the name server on 127.0.0.1");
            asking(&[SocketAddr::from(([127, 0, 0, 1], 53))])
        });
        Dns {
            resolver: build(builder),
            hosts: Arc::new(Hosts::from_system().unwrap_or_default()),
            running: Arc::new(Semaphore::new(limits.lookups)),
            waiting: Arc::new(Semaphore::new(limits.lookups * (WAITING + 1))),
            limits,
            up,
        }
    }

    pub(crate) fn ask(&mut self, servers: &[SocketAddr]) {
        self.resolver = build(asking(servers));
    }

    /// Begins a lookup; its answer comes as an event.
    pub(crate) fn resolve(
        &self,
        id: u64,
        host: &str,
        port: Option<u16>,
        wanted: Wanted,
    ) -> Result<(), Why<NoAddress>> {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let Ok(place) = self.waiting.clone().try_acquire_owned() else {
            let why = format!("{host} was not looked up: too many lookups are waiting");
            return Err(Why::new(NoAddress::Failed, why));
        };
        let Some(resolver) = self.resolver.clone() else {
            let why = format!("{host} was not looked up: no name server can be used");
            return Err(Why::new(NoAddress::Failed, why));
        };
        let lookup = Lookup { resolver, hosts: self.hosts.clone(), host, port, wanted };
        let (running, up) = (self.running.clone(), self.up.clone());
        let deadline = Instant::now() + self.limits.lookup;
        tokio::spawn(async move {
            let found = timeout_at(deadline, async {
                let _running = running.acquire().await;
                lookup.run(deadline).await
            });
            let result: Answer = found.await.unwrap_or_else(|_| Err(lookup.unanswered()));
            let _ = up.send(Inner::Event(NetEvent::Resolved { id, result })).await;
            drop(place);
        });
        Ok(())
    }
}

fn asking(servers: &[SocketAddr]) -> ResolverBuilder<TokioRuntimeProvider> {
    let server = |address: &SocketAddr| {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        connections.iter_mut().for_each(|connection| connection.port = address.port());
        NameServerConfig::new(address.ip(), true, connections)
    };
    let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
}

fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Option<Arc<TokioResolver>> {
    let options = builder.options_mut();
    options.timeout = options.timeout.min(ATTEMPT);
    builder
        .build()
        .inspect_err(|error| tracing::warn!(%error, "no name server can be used"))
        .ok()
        .map(Arc::new)
}
