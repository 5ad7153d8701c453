//! Every connection by its id and by the address at its other end.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use tandem_sip_msg::{ConnectionId, DomainId, Flow, Transport};
use tokio::sync::{Notify, mpsc};

use super::connection::Ends;
use super::dial::dial;
use super::door::{Admitted, Door};
use crate::event::Inner;
use crate::tls::Shared;
use crate::{Limits, NetEvent};

/// Something to write, and the tag to fail it by.
pub(super) type Order = (Bytes, Option<u64>);

/// An id that no other connection of the process has.
pub(super) fn next_id() -> ConnectionId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What a connection may serve: all that goes to this address by this transport, to whom it was made for.
type Place = (Transport, SocketAddr, Option<DomainId>);

fn place(flow: &Flow) -> Place {
    (flow.transport, flow.remote, flow.domain)
}

/// The near end of a connection's task.
#[derive(Debug)]
pub(crate) struct Handle {
    place: Place,
    orders: mpsc::UnboundedSender<Order>,
    /// Bytes ordered and not yet written.
    backlog: Arc<AtomicUsize>,
    cut: Arc<Notify>,
}

impl Handle {
    /// Both ends of a connection that is not served yet.
    pub(super) fn new(
        flow: Flow,
        admitted: Admitted,
        limits: Arc<Limits>,
        up: mpsc::Sender<Inner>,
    ) -> (Handle, Ends) {
        let (sender, orders) = mpsc::unbounded_channel();
        let (backlog, cut) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let handle =
            Handle { place: place(&flow), orders: sender, backlog: backlog.clone(), cut: cut.clone() };
        (handle, Ends { flow, orders, backlog, cut, up, limits, admitted })
    }
}

/// What became of something to send.
enum Sent {
    Yes,
    /// The connection is no more.
    Gone(Order),
    /// The peer reads too slowly and was cut off.
    Cut,
}

/// The connections of one [`Net`](crate::Net).
pub(crate) struct Streams {
    by_id: HashMap<ConnectionId, Handle>,
    by_place: HashMap<Place, ConnectionId>,
    /// By listener: where connections that we make come from.
    sources: Vec<Option<IpAddr>>,
    tls: Shared,
    /// Whom certificates have to be for.
    domains: HashMap<DomainId, Arc<str>>,
    door: Arc<Door>,
    limits: Arc<Limits>,
    up: mpsc::Sender<Inner>,
}

impl Streams {
    pub(crate) fn new(
        sources: Vec<Option<IpAddr>>,
        tls: Shared,
        door: Arc<Door>,
        limits: Arc<Limits>,
        up: mpsc::Sender<Inner>,
    ) -> Streams {
        Streams {
            by_id: HashMap::new(),
            by_place: HashMap::new(),
            sources,
            tls,
            domains: HashMap::new(),
            door,
            limits,
            up,
        }
    }

    /// Sends over the connection of the flow, else over one to its remote address, else over a new one (RFC 3261 §18.2.2,
    /// RFC 5923 §5).
    pub(crate) fn send(&mut self, flow: Flow, order: Order, events: &mut Vec<NetEvent>) {
        let tag = order.1;
        let mut order = order;
        let known = [flow.connection, self.by_place.get(&place(&flow)).copied()];
        for id in known.into_iter().flatten() {
            match self.try_send(id, order) {
                Sent::Yes => return,
                Sent::Gone(back) => order = back,
                Sent::Cut => return fail(tag, events),
            }
        }
        let Some(id) = self.open(flow) else { return fail(tag, events) };
        if !matches!(self.try_send(id, order), Sent::Yes) {
            fail(tag, events);
        }
    }

    pub(crate) fn name(&mut self, id: DomainId, name: &str) {
        self.domains.insert(id, name.into());
    }

    pub(crate) fn accepted(&mut self, flow: Flow, handle: Handle) {
        if let Some(id) = flow.connection {
            self.by_place.insert(place(&flow), id);
            self.by_id.insert(id, handle);
        }
    }

    pub(crate) fn ended(&mut self, id: ConnectionId) {
        let Some(handle) = self.by_id.remove(&id) else { return };
        if self.by_place.get(&handle.place) == Some(&id) {
            self.by_place.remove(&handle.place);
        }
    }

    fn try_send(&mut self, id: ConnectionId, order: Order) -> Sent {
        let Some(handle) = self.by_id.get(&id) else { return Sent::Gone(order) };
        let length = order.0.len();
        if handle.backlog.load(Ordering::Relaxed) + length > self.limits.stream_backlog {
            handle.cut.notify_one();
            self.ended(id);
            return Sent::Cut;
        }
        handle.backlog.fetch_add(length, Ordering::Relaxed);
        match handle.orders.send(order) {
            Ok(()) => Sent::Yes,
            Err(mpsc::error::SendError(order)) => {
                self.ended(id);
                Sent::Gone(order)
            }
        }
    }

    /// Begins a connection; what is sent meanwhile waits in its orders, within the same bound.
    fn open(&mut self, flow: Flow) -> Option<ConnectionId> {
        if !matches!(flow.transport, Transport::Tcp | Transport::Tls) {
            return None;
        }
        let admitted = self.door.admit(None)?;
        let id = next_id();
        let flow = Flow { connection: Some(id), ..flow };
        let (handle, ends) = Handle::new(flow, admitted, self.limits.clone(), self.up.clone());
        let source = self.sources.get(usize::from(flow.listener.0)).copied().flatten();
        let domain = flow.domain.and_then(|domain| self.domains.get(&domain).cloned());
        tokio::spawn(dial(ends, source, (self.tls.get(), domain)));
        self.by_place.insert(place(&flow), id);
        self.by_id.insert(id, handle);
        Some(id)
    }
}

fn fail(tag: Option<u64>, events: &mut Vec<NetEvent>) {
    events.extend(tag.map(|tag| NetEvent::SendFailed { tag }));
}
