//! The one door between an engine loop and the world.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tandem_sip_msg::{DomainId, Flow, ListenerId, Transport};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Sleep, sleep};

use crate::dns::{Dns, Families, Wanted};
use crate::event::Inner;
use crate::tcp::{self, Streams};
use crate::tls::Shared;
use crate::udp::{self, BATCH, Left, UdpPort};
use crate::{Limits, Listen, NetError, NetEvent, Tls};

/// Frames and other news of tasks that may wait for the engine; the rest waits in the sockets.
const INBOX: usize = 128;
/// Rest after the system had no room for datagrams.
const FULL: Duration = Duration::from_millis(1);

/// The sockets of one engine loop, which must run on a current-thread tokio runtime. Dropped, it closes them all.
pub struct Net {
    ports: Vec<UdpPort>,
    /// By listener: its place in `ports`, if it is UDP.
    by_listener: Vec<Option<usize>>,
    addresses: Vec<(Transport, SocketAddr)>,
    streams: Streams,
    tls: Shared,
    dns: Dns,
    inbox: mpsc::Receiver<Inner>,
    /// Events that came up while sending.
    ready: Vec<NetEvent>,
    /// Which port is asked first, in turn.
    turn: usize,
    /// The last call did not have to wait: others on this thread get their turn before the next.
    hot: bool,
    /// Until what is left in the queues is tried again.
    full: Option<Pin<Box<Sleep>>>,
    _tasks: JoinSet<()>,
}

impl Net {
    /// Opens every listener; their [`ListenerId`] is their position. The error names the address and the remedy.
    pub async fn bind(listens: &[Listen], limits: Limits) -> Result<Net, NetError> {
        if listens.len() > usize::from(u16::MAX) {
            return Err(NetError::TooMany);
        }
        let limits = Arc::new(limits);
        let (up, inbox) = mpsc::channel(INBOX);
        let (door, tls) = (tcp::Door::new(&limits), Shared::default());
        let mut tasks = JoinSet::new();
        let (mut ports, mut by_listener, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        for (id, listen) in (0u16..).map(ListenerId).zip(listens) {
            let Listen { transport, bind: address } = *listen;
            let failed = |source| NetError::Listen { transport, address, source };
            let (place, local) = match transport {
                Transport::Udp => {
                    let port = UdpPort::bind(address, id, limits.datagram_backlog).map_err(failed)?;
                    let local = port.local();
                    tasks.spawn(udp::watch(port.socket(), up.clone()));
                    ports.push(port);
                    (Some(ports.len() - 1), local)
                }
                Transport::Tcp | Transport::Tls => {
                    let listener = tcp::listen(address).map_err(failed)?;
                    let local = listener.local_addr().map_err(failed)?;
                    let secure = (transport == Transport::Tls).then(|| tls.clone());
                    tasks.spawn(tcp::serve(listener, id, door.clone(), limits.clone(), up.clone(), secure));
                    (None, local)
                }
                _ => return Err(NetError::Transport { transport, address }),
            };
            by_listener.push(place);
            addresses.push((transport, local));
        }
        let sources = addresses.iter().map(|(transport, local)| source(*transport, local.ip())).collect();
        Ok(Net {
            ports,
            by_listener,
            addresses,
            tls: tls.clone(),
            streams: Streams::new(sources, tls, door, limits.clone(), up.clone()),
            dns: Dns::new(limits, up),
            inbox,
            ready: Vec::new(),
            turn: 0,
            hot: false,
            full: None,
            _tasks: tasks,
        })
    }

    /// The real addresses of the listeners, in their order.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.iter().map(|(_, address)| *address).collect()
    }

    /// Waits for at least one event, then takes what is there: at most some 64 datagrams and 64 other events a call, in turn
    /// from every source. Cancelling it loses nothing.
    pub async fn next(&mut self, events: &mut Vec<NetEvent>) {
        if self.hot {
            yield_now().await;
        }
        let mut waited = false;
        poll_fn(|cx| {
            let polled = self.poll_next(cx, events);
            waited |= polled.is_pending();
            polled
        })
        .await;
        self.hot = !waited;
    }

    /// Whether the last [`Net::next`] left messages that had arrived.
    pub fn has_more(&self) -> bool {
        !self.inbox.is_empty() || self.ports.iter().any(UdpPort::has_more)
    }

    /// How long datagrams have been waiting when [`Net::next`] took them; zero while a socket is emptied now and then.
    pub fn lag(&self) -> Duration {
        self.ports.iter().map(UdpPort::lag).max().unwrap_or_default()
    }

    /// Queues a message for [`Net::flush`], or hands it to its connection, making one where there is none. Never waits. What
    /// cannot go out is told by [`NetEvent::SendFailed`] if it has a tag.
    pub fn send(&mut self, flow: Flow, bytes: Bytes, tag: Option<u64>) {
        if flow.transport != Transport::Udp {
            return self.streams.send(flow, (bytes, tag), &mut self.ready);
        }
        let place = self.by_listener.get(usize::from(flow.listener.0)).copied().flatten();
        let sent = match place {
            Some(place) => self.ports[place].send(flow.remote, bytes, tag),
            None => Err(()),
        };
        if sent.is_err() {
            self.ready.extend(tag.map(|tag| NetEvent::SendFailed { tag }));
        }
    }

    /// Sends the queued datagrams. Those that a socket takes no more go out during [`Net::next`].
    pub fn flush(&mut self) {
        for port in self.ports.iter_mut().filter(|port| port.has_queued()) {
            if port.flush(&mut self.ready) == Left::Some {
                self.full = Some(Box::pin(sleep(FULL)));
            }
        }
    }

    /// Looks a host up (RFC 3263 §4): an IP literal as it is; without a port the SRV records for the transport, else the
    /// addresses and the default port. Where no transport is given the host names it, by NAPTR or by which SRV records there are,
    /// as far as we listen on it; without those the targets have none. Answered by [`NetEvent::Resolved`] within the time of
    /// [`Limits::lookup`], with addresses of the families that we listen on.
    pub fn resolve(
        &mut self,
        id: u64,
        host: &str,
        port: Option<u16>,
        transport: impl Into<Option<Transport>>,
    ) {
        let wanted = match transport.into() {
            Some(transport) => {
                Wanted { transport: Some(transport), of: vec![(transport, self.families(transport))] }
            }
            None => {
                let served = [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter();
                let served =
                    served.filter(|transport| self.addresses.iter().any(|(other, _)| other == transport));
                Wanted {
                    transport: None,
                    of: served.map(|transport| (transport, self.families(transport))).collect(),
                }
            }
        };
        if let Err(why) = self.dns.resolve(id, host, port, wanted) {
            self.ready.push(NetEvent::Resolved { id, result: Err(why) });
        }
    }

    /// New connections in TLS are made with these certificates from now on; those that are open go on as they are. Without any,
    /// none is made or accepted.
    pub fn use_tls(&mut self, tls: Tls) {
        self.tls.set(tls);
    }

    /// Over flows with this domain, servers have to show a certificate for this host name or address.
    pub fn name_domain(&mut self, id: DomainId, name: &str) {
        self.streams.name(id, name);
    }

    /// Asks these name servers from now on, and not those of the system.
    pub fn use_name_servers(&mut self, servers: &[SocketAddr]) {
        self.dns.ask(servers);
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, events: &mut Vec<NetEvent>) -> Poll<()> {
        let before = events.len();
        self.poll_queued(cx, events);
        events.append(&mut self.ready);
        self.poll_inbox(cx, events);
        self.poll_ports(cx, events);
        if events.len() > before { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_queued(&mut self, cx: &mut Context<'_>, events: &mut Vec<NetEvent>) {
        let Some(full) = &mut self.full else { return };
        if full.as_mut().poll(cx).is_pending() {
            return;
        }
        self.full = None;
        for port in self.ports.iter_mut().filter(|port| port.has_queued()) {
            if port.flush(events) == Left::Some && self.full.is_none() {
                let mut rest = Box::pin(sleep(FULL));
                let _ = rest.as_mut().poll(cx);
                self.full = Some(rest);
            }
        }
    }

    fn poll_inbox(&mut self, cx: &mut Context<'_>, events: &mut Vec<NetEvent>) {
        for _ in 0..BATCH {
            match self.inbox.poll_recv(cx) {
                Poll::Ready(Some(Inner::Event(event))) => events.push(event),
                Poll::Ready(Some(Inner::Accepted { flow, handle, names })) => {
                    self.streams.accepted(flow, handle);
                    events.push(NetEvent::Connected { flow, names });
                }
                Poll::Ready(Some(Inner::Ended { id, was_open })) => {
                    self.streams.ended(id);
                    events.extend(was_open.then_some(NetEvent::Disconnected(id)));
                }
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
        cx.waker().wake_by_ref(); // there may be more
    }

    fn poll_ports(&mut self, cx: &mut Context<'_>, events: &mut Vec<NetEvent>) {
        let count = self.ports.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let _ = self.ports[at].poll_receive(cx, BATCH.div_ceil(count), events);
        }
        self.turn = self.turn.wrapping_add(1);
    }

    /// The families of the listeners of a transport; of all where there is none of it.
    fn families(&self, transport: Transport) -> Families {
        let same = self.addresses.iter().any(|(other, _)| *other == transport);
        let has = |v6: bool| {
            let fits = |(other, address): &(Transport, SocketAddr)| {
                (!same || *other == transport) && address.is_ipv6() == v6
            };
            self.addresses.is_empty() || self.addresses.iter().any(fits)
        };
        Families { v4: has(false), v6: has(true) }
    }
}

/// Connections come from the address that their listener has, if it has one.
fn source(transport: Transport, ip: IpAddr) -> Option<IpAddr> {
    (transport.is_reliable() && !ip.is_unspecified()).then_some(ip)
}
