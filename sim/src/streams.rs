//! TCP in virtual time: connections with the ids that the server knows them by, their bytes in pieces, late, cut off and lost in
//! silence. The server's end is that of io: one connection to an address is used again, and the same framer cuts the messages.

use crate::network::Faults;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sip_msg::{ConnectionId, Flow, Frame, Framer, ListenerId, Transport};
use tandem_time::Time;

/// How long the server tries to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a peer may leave bytes unacknowledged before the system gives the connection up.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);
/// How long the server takes to close a stream that lost its framing.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The listener of the server for streams.
pub(crate) const LISTENER: ListenerId = ListenerId(1);

/// Who reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Server,
    Peer,
}

/// What is at an address that the server connects to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// Somebody takes connections: the user agent with this number.
    Listens(usize),
    /// Nobody does, and it is said so.
    Refuses,
    /// Nothing comes back.
    Silent,
}

/// What came out of the streams.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A message for the server.
    Message { flow: Flow, bytes: Bytes },
    /// What the server got makes no sense any more.
    Broken { flow: Flow, head: Option<Bytes>, why: &'static str },
    /// A message for a user agent.
    ToPeer { ua: usize, id: ConnectionId, bytes: Bytes },
    /// A connection is gone, and both ends know it.
    Closed { ua: usize, id: ConnectionId },
    /// What the server sent with this tag went nowhere.
    SendFailed(u64),
}

struct Stream {
    ua: usize,
    remote: SocketAddr,
    /// What the server has to send once it is connected, with its tags.
    waiting: Option<Vec<(Bytes, Option<u64>)>>,
    /// When the last byte reaches each end.
    last: [Time; 2],
    framers: [Framer; 2],
    /// Bytes go nowhere any more; the ends learn of it later.
    is_dead: bool,
    /// The server reads it no more.
    is_broken: bool,
}

enum Step {
    Connected,
    NotConnected,
    Bytes(End, Bytes),
    Closed,
}

/// All connections.
pub(crate) struct Streams {
    rng: StdRng,
    faults: Faults,
    all: BTreeMap<ConnectionId, Stream>,
    by_remote: BTreeMap<SocketAddr, ConnectionId>,
    steps: BTreeMap<(Time, u64), (ConnectionId, Step)>,
    ready: VecDeque<Arrival>,
    ids: u64,
    order: u64,
    /// Bytes carried, both ways together.
    carried: u64,
    /// The connection that carries this byte is cut right before it.
    cut_at: Option<u64>,
}

impl Streams {
    pub(crate) fn new(seed: u64, faults: Faults) -> Streams {
        Streams {
            rng: StdRng::seed_from_u64(seed ^ 0x7c9),
            faults,
            all: BTreeMap::new(),
            by_remote: BTreeMap::new(),
            steps: BTreeMap::new(),
            ready: VecDeque::new(),
            ids: 1,
            order: 0,
            carried: 0,
            cut_at: None,
        }
    }

    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    pub(crate) fn carried(&self) -> u64 {
        self.carried
    }

    pub(crate) fn cut_after(&mut self, bytes: u64) {
        self.cut_at = Some(self.carried + bytes);
    }

    /// Connections that are open or being made.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The server sends: over the connection that it means, else over one to that address, else over a new one.
    pub(crate) fn send(&mut self, flow: Flow, bytes: Bytes, tag: Option<u64>, reach: Reach, now: Time) {
        let known = [flow.connection, self.by_remote.get(&flow.remote).copied()];
        let id = match known.into_iter().flatten().find(|id| self.all.contains_key(id)) {
            Some(id) => id,
            None => self.connect(flow.remote, reach, now),
        };
        match self.all.get_mut(&id).and_then(|stream| stream.waiting.as_mut()) {
            Some(waiting) => waiting.push((bytes, tag)),
            None => self.carry(id, End::Peer, &bytes, now),
        }
    }

    fn connect(&mut self, remote: SocketAddr, reach: Reach, now: Time) -> ConnectionId {
        let way = self.faults.delay * 2;
        let (ua, at, step) = match reach {
            Reach::Listens(ua) => (ua, now + way, Step::Connected),
            Reach::Refuses => (usize::MAX, now + way, Step::NotConnected),
            Reach::Silent => (usize::MAX, now + CONNECT, Step::NotConnected),
        };
        let id = self.open(ua, remote, Some(Vec::new()), now);
        self.plan(at, id, step);
        id
    }

    /// A user agent sends: over the connection that a request came by, else over its newest, else over a new one, which it makes
    /// from a port of its own.
    pub(crate) fn send_from(
        &mut self,
        ua: usize,
        address: SocketAddr,
        came_by: Option<ConnectionId>,
        bytes: &Bytes,
        now: Time,
    ) -> ConnectionId {
        let newest = self.all.iter().rfind(|(_, stream)| stream.ua == ua && stream.waiting.is_none());
        let known = came_by.filter(|id| self.all.contains_key(id)).or(newest.map(|(id, _)| *id));
        let id = known.unwrap_or_else(|| {
            let port = 30_000 + (self.ids % 30_000) as u16;
            let ready = now + self.faults.delay * 2;
            self.open(ua, SocketAddr::new(address.ip(), port), None, ready)
        });
        self.carry(id, End::Server, bytes, now);
        id
    }

    fn open(
        &mut self,
        ua: usize,
        remote: SocketAddr,
        waiting: Option<Vec<(Bytes, Option<u64>)>>,
        ready: Time,
    ) -> ConnectionId {
        let id = ConnectionId(self.ids);
        self.ids += 1;
        let framers = [Framer::default(), Framer::default()];
        let stream =
            Stream { ua, remote, waiting, last: [ready; 2], framers, is_dead: false, is_broken: false };
        self.all.insert(id, stream);
        self.by_remote.insert(remote, id);
        id
    }

    /// Cuts bytes into pieces, each of which comes when it comes, but none before those sent earlier.
    fn carry(&mut self, id: ConnectionId, to: End, bytes: &Bytes, now: Time) {
        if self.all.get(&id).is_none_or(|stream| stream.is_dead) {
            return;
        }
        if self.rng.random_bool(self.faults.half_open) {
            return self.die(id, now + UNACKNOWLEDGED);
        }
        let mut end = bytes.len();
        let mut is_cut = self.rng.random_bool(self.faults.cut);
        if is_cut {
            end = self.rng.random_range(0..=bytes.len());
        }
        if let Some(at) =
            self.cut_at.filter(|at| (self.carried..self.carried + bytes.len() as u64).contains(at))
        {
            end = (at - self.carried) as usize;
            is_cut = true;
            self.cut_at = None;
        }
        self.carried += bytes.len() as u64;
        let mut start = 0;
        let mut at = now;
        while start < end {
            let stop = match self.rng.random_range(0..4) {
                0 => self.rng.random_range(start + 1..=end),
                _ => end,
            };
            let late = self.late();
            let Some(stream) = self.all.get_mut(&id) else { return };
            let last = &mut stream.last[to as usize];
            *last = (*last).max(now + late) + self.faults.delay.min(Duration::from_micros(1));
            at = *last;
            self.plan(at, id, Step::Bytes(to, bytes.slice(start..stop)));
            start = stop;
        }
        if is_cut {
            self.die(id, at + self.faults.delay);
        }
    }

    /// How long a piece takes: one that is lost comes again after a while.
    fn late(&mut self) -> Duration {
        let mut late = self.faults.delay;
        if self.rng.random_bool(self.faults.loss) {
            late += Duration::from_millis(200 << self.rng.random_range(0..4));
        }
        if self.rng.random_bool(self.faults.reordering) {
            late += self.faults.jitter.mul_f64(self.rng.random_range(0.0..=1.0));
        }
        late
    }

    fn die(&mut self, id: ConnectionId, at: Time) {
        if let Some(stream) = self.all.get_mut(&id) {
            stream.is_dead = true;
        }
        self.plan(at, id, Step::Closed);
    }

    fn plan(&mut self, at: Time, id: ConnectionId, step: Step) {
        self.order += 1;
        self.steps.insert((at, self.order), (id, step));
    }

    /// When something comes next.
    pub(crate) fn next(&self) -> Option<Time> {
        self.steps.first_key_value().map(|((at, _), _)| *at)
    }

    /// What has come by now.
    pub(crate) fn arrived(&mut self, now: Time) -> Option<Arrival> {
        loop {
            if let Some(arrival) = self.ready.pop_front() {
                return Some(arrival);
            }
            let (id, step) = self.due(now)?;
            match step {
                Step::Connected => {
                    let waiting = self.all.get_mut(&id).and_then(|stream| stream.waiting.take());
                    for (bytes, _) in waiting.unwrap_or_default() {
                        self.carry(id, End::Peer, &bytes, now);
                    }
                }
                Step::NotConnected => {
                    let waiting = self.forget(id).and_then(|stream| stream.waiting).unwrap_or_default();
                    self.ready
                        .extend(waiting.into_iter().filter_map(|(_, tag)| tag).map(Arrival::SendFailed));
                }
                Step::Closed => {
                    let closed = self.forget(id).map(|stream| Arrival::Closed { ua: stream.ua, id });
                    self.ready.extend(closed);
                }
                Step::Bytes(end, mut bytes) => {
                    // What comes at once is read at once.
                    while let Some(entry) = self.steps.first_entry()
                        && entry.key().0 <= now
                        && matches!(entry.get(), (next, Step::Bytes(to, _)) if (*next, *to) == (id, end))
                        && let (_, Step::Bytes(_, more)) = entry.remove()
                    {
                        bytes = [bytes, more].concat().into();
                    }
                    self.read(id, end, &bytes, now);
                }
            }
        }
    }

    fn due(&mut self, now: Time) -> Option<(ConnectionId, Step)> {
        let entry = self.steps.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    fn read(&mut self, id: ConnectionId, end: End, bytes: &[u8], now: Time) {
        let Some(stream) = self.all.get_mut(&id) else { return };
        if stream.is_broken && end == End::Server {
            return;
        }
        let (ua, flow) = (stream.ua, flow_of(id, stream.remote));
        let framer = &mut stream.framers[end as usize];
        framer.push(bytes);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(bytes))) => self.ready.push_back(match end {
                    End::Server => Arrival::Message { flow, bytes },
                    End::Peer => Arrival::ToPeer { ua, id, bytes },
                }),
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) => {
                    assert!(end == End::Server, "the server's stream to {} is broken: {error}", flow.remote);
                    stream.is_broken = true;
                    self.ready.push_back(Arrival::Broken { flow, head: error.head, why: error.why });
                    return self.plan(now + LAST_WORDS, id, Step::Closed);
                }
            }
        }
    }

    fn forget(&mut self, id: ConnectionId) -> Option<Stream> {
        let stream = self.all.remove(&id)?;
        if self.by_remote.get(&stream.remote) == Some(&id) {
            self.by_remote.remove(&stream.remote);
        }
        Some(stream)
    }

    /// The server is gone, and with it every connection; the user agents that had one.
    pub(crate) fn server_died(&mut self) -> Vec<(usize, ConnectionId)> {
        self.steps.clear();
        self.ready.clear();
        self.by_remote.clear();
        let all = std::mem::take(&mut self.all).into_iter();
        all.filter(|(_, stream)| stream.waiting.is_none()).map(|(id, stream)| (stream.ua, id)).collect()
    }
}

fn flow_of(id: ConnectionId, remote: SocketAddr) -> Flow {
    Flow { transport: Transport::Tcp, listener: LISTENER, remote, connection: Some(id), domain: None }
}
