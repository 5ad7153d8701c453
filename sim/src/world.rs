//! An engine among user agents on a virtual network, in virtual time.

mod cast;
mod script;

use crate::network::{Fate, Network};
use crate::{Faults, Ladder, Observer, Packet, Ua};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tandem_engine::{BindingChange, Engine, Limits, Local, Output, RegistrarConfig, Resolved, Settings};
use tandem_media::Switchboard;
use tandem_model::{Binding, CallId, CallRecord, Change, Config, Event, Rejection};
use tandem_sip_msg::{Flow, ListenerId, Transport};
use tandem_time::Time;

/// The moment that every world begins at.
const BEGINNING: Time = Time::from_secs(1_700_000_000);
/// How long a write takes.
const DISK: Duration = Duration::from_millis(2);

/// A world.
pub struct World {
    /// Now.
    pub now: Time,
    /// The engine under test.
    pub engine: Engine,
    /// Every signalling message that was sent.
    pub ladder: Ladder,
    /// Looks at each of them.
    pub observer: Observer,
    /// Everything that happened.
    pub events: Vec<Event>,
    /// Every call record that was written.
    pub records: Vec<CallRecord>,
    /// Calls noted on disk as answered and not over.
    open: BTreeMap<CallId, CallRecord>,
    /// What names resolve to; a name that is missing does not exist.
    pub dns: BTreeMap<String, Vec<SocketAddr>>,
    /// The disk refuses to write.
    pub disk_is_full: bool,
    /// Addresses that the network says nobody listens at (ICMP).
    pub unreachable: BTreeSet<SocketAddr>,
    config: Config,
    settings: Settings,
    network: Network,
    board: Switchboard,
    uas: Vec<Ua>,
    bindings: BTreeMap<(String, String), Binding>,
    writing: Vec<(Time, u64, Vec<BindingChange>)>,
    resolving: Vec<(Time, u64, String, Option<u16>)>,
    seed: u64,
    next_id: u8,
}

/// Where the engine is.
pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060);

impl World {
    /// A world on a good network.
    pub fn new() -> World {
        World::with(1, Faults::default())
    }

    /// A world on a network with faults, decided by `seed`.
    pub fn with(seed: u64, faults: Faults) -> World {
        World::with_settings(seed, faults, |_| {})
    }

    /// A world whose engine has these limits.
    pub fn with_limits(seed: u64, faults: Faults, limits: Limits) -> World {
        World::with_settings(seed, faults, |settings| settings.limits = limits)
    }

    /// A world whose engine is started otherwise than usual.
    pub fn with_settings(seed: u64, faults: Faults, change: impl FnOnce(&mut Settings)) -> World {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut settings = Settings {
            local: Local { listeners: vec![(Transport::Udp, SERVER)] },
            media_address: SERVER.ip(),
            media_ports: (20_000, 20_999),
            media_quarantine: Duration::from_secs(30),
            limits: Limits::default(),
            max_calls: 1_000,
            registrar: RegistrarConfig::default(),
            secret: [7; 32],
            seed: bytes,
        };
        change(&mut settings);
        let config = Config::default();
        let engine = Engine::new(settings.clone(), Arc::new(config.clone()), Vec::new(), BEGINNING);
        let mut ladder = Ladder::default();
        ladder.name(SERVER, "tandem");
        World {
            now: BEGINNING,
            engine,
            ladder,
            observer: Observer::default(),
            events: Vec::new(),
            records: Vec::new(),
            open: BTreeMap::new(),
            dns: BTreeMap::new(),
            disk_is_full: false,
            unreachable: BTreeSet::new(),
            config,
            settings,
            network: Network::new(seed, faults),
            board: Switchboard::default(),
            uas: Vec::new(),
            bindings: BTreeMap::new(),
            writing: Vec::new(),
            resolving: Vec::new(),
            seed,
            next_id: 1,
        }
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), Rejection> {
        self.config = self.config.apply(changes)?;
        self.engine.configure(Arc::new(self.config.clone()), self.now);
        self.drain_engine();
        Ok(())
    }

    /// Puts a user agent on the network, at 10.0.1.n:5060; its index.
    pub fn add(&mut self, name: &str, user: &str) -> usize {
        let n = self.uas.len() as u8 + 1;
        let address = SocketAddr::from(([10, 0, 1, n], 5060));
        self.add_at(name, user, address)
    }

    /// Puts a user agent on the network at this address.
    pub fn add_at(&mut self, name: &str, user: &str, address: SocketAddr) -> usize {
        self.ladder.name(address, name);
        self.observer.meet(address.ip());
        let n = self.uas.len();
        let mut ua = Ua::new(name, address, user, 40_000 + 200 * n as u16, self.seed * 1000 + n as u64);
        ua.tone = 400.0 + 100.0 * n as f64;
        self.uas.push(ua);
        n
    }

    /// A user agent.
    pub fn ua(&mut self, n: usize) -> &mut Ua {
        &mut self.uas[n]
    }

    /// The n-th signalling packet from now is treated so.
    pub fn set_fate(&mut self, n: u64, fate: Fate) {
        self.network.set_fate(n, fate);
    }

    /// The network changes.
    pub fn set_faults(&mut self, faults: Faults) {
        self.network.set_faults(faults);
    }

    /// From now on packets to this address that begin so, `BYE` or `SIP/2.0 200`, are lost.
    pub fn lose_to(&mut self, to: SocketAddr, start: &'static str) {
        self.network.lose(Some((to, start)));
    }

    /// Nothing of that kind is lost any more.
    pub fn lose_no_more(&mut self) {
        self.network.lose(None);
    }

    /// A packet appears on the network, whoever sent it.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: impl Into<bytes::Bytes>) {
        let is_media = to.ip() == SERVER.ip() && to != SERVER;
        self.network.send(Packet { from, to, bytes: bytes.into(), is_media }, self.now);
    }

    /// Signalling packets sent so far.
    pub fn packets_sent(&self) -> u64 {
        self.network.sent()
    }

    /// Bindings on disk.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values()
    }

    /// The server dies without a word and is started again: what is left is what was on disk.
    pub fn crash(&mut self) {
        self.writing.clear();
        self.resolving.clear();
        self.records.extend(std::mem::take(&mut self.open).into_values());
        self.board = Switchboard::default();
        self.observer.restarted();
        let bindings = self.bindings.values().cloned().collect();
        let mut settings = self.settings.clone();
        settings.seed[31] = settings.seed[31].wrapping_add(1);
        self.settings = settings.clone();
        self.engine = Engine::new(settings, Arc::new(self.config.clone()), bindings, self.now);
        self.drain_engine();
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// Lets time pass until something holds, for ten minutes at most.
    pub fn run_until(&mut self, what: &str, holds: impl Fn(&World) -> bool) {
        let until = self.now + Duration::from_secs(600);
        while !holds(self) {
            if !self.step(until) {
                panic!("{what}: not within ten minutes\n{}", self.ladder.text(0, &["OPTIONS"]));
            }
        }
    }

    /// Does what is next, if it is due by `until`.
    fn step(&mut self, until: Time) -> bool {
        self.drain_all();
        let uas = self.uas.iter().filter_map(Ua::poll_timeout);
        let writing = self.writing.iter().map(|(at, ..)| *at);
        let resolving = self.resolving.iter().map(|(at, ..)| *at);
        let rest = [self.engine.poll_timeout(), self.network.next(), self.board.poll_timeout()];
        let next = uas.chain(writing).chain(resolving).chain(rest.into_iter().flatten()).min();
        let Some(next) = next.filter(|next| *next <= until) else { return false };
        self.now = self.now.max(next);
        while let Some(packet) = self.network.arrived(self.now) {
            self.arrive(&packet);
        }
        self.disk_and_dns();
        if self.engine.poll_timeout().is_some_and(|due| due <= self.now) {
            self.engine.handle_timeout(self.now);
        }
        self.board.handle_timeout(self.now);
        for ua in &mut self.uas {
            if ua.poll_timeout().is_some_and(|due| due <= self.now) {
                ua.handle_timeout(self.now);
            }
        }
        self.drain_all();
        true
    }

    fn arrive(&mut self, packet: &Packet) {
        if self.unreachable.contains(&packet.to) {
            self.engine.unreachable(packet.to, self.now);
        } else if packet.to == SERVER {
            let flow = Flow {
                transport: Transport::Udp,
                listener: ListenerId(0),
                remote: packet.from,
                connection: None,
            };
            self.observer.received(self.now, packet.from, Transport::Udp, &packet.bytes);
            self.engine.receive(flow, packet.bytes.clone(), self.now);
            self.drain_engine();
        } else if packet.to.ip() == SERVER.ip() {
            if let Ok(forward) = self.board.packet(packet.to.port(), packet.from, &packet.bytes, self.now) {
                let from = SocketAddr::new(SERVER.ip(), forward.local);
                let packet = Packet { from, to: forward.to, bytes: packet.bytes.clone(), is_media: true };
                self.network.send(packet, self.now);
            }
        } else if let Some(ua) = self.uas.iter_mut().find(|ua| {
            if packet.is_media { ua.address.ip() == packet.to.ip() } else { ua.address == packet.to }
        }) {
            ua.receive(packet, self.now);
        }
    }

    fn disk_and_dns(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.writing.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, id, changes) in due {
            if !self.disk_is_full {
                changes.into_iter().for_each(|change| self.write(change));
            }
            self.engine.persisted(id, !self.disk_is_full, now);
        }
        let due: Vec<_> = self.resolving.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, id, host, _) in due {
            let result = match self.dns.get(&host) {
                Some(targets) => Ok(Resolved { targets: targets.clone(), ttl: Duration::from_secs(60) }),
                None => Err(format!("{host} does not exist")),
            };
            self.engine.resolved(id, result, now);
        }
    }

    fn write(&mut self, change: BindingChange) {
        match change {
            BindingChange::Put(binding) => {
                self.bindings.insert((format!("{:?}", binding.owner), binding.contact.clone()), binding);
            }
            BindingChange::Delete { owner, contact } => {
                self.bindings.remove(&(format!("{owner:?}"), contact));
            }
        }
    }

    fn drain_all(&mut self) {
        loop {
            self.drain_engine();
            let Some(event) = self.board.poll_event() else { break };
            self.engine.media(event, self.now);
        }
        for n in 0..self.uas.len() {
            self.drain_ua(n);
        }
    }

    fn drain_engine(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { flow, bytes, .. } => {
                    self.ladder.add(self.now, SERVER, flow.remote, &bytes);
                    self.observer.sent(self.now, flow.remote, flow.transport, &bytes);
                    let packet = Packet { from: SERVER, to: flow.remote, bytes, is_media: false };
                    self.network.send(packet, self.now);
                }
                Output::Resolve(query) => {
                    self.resolving.push((
                        self.now + Duration::from_millis(20),
                        query.id,
                        query.host,
                        query.port,
                    ));
                }
                Output::Persist { id, changes } => self.writing.push((self.now + DISK, id, changes)),
                Output::Media(command) => self.board.handle(command, self.now),
                Output::Open(record) => drop(self.open.insert(record.id, *record)),
                Output::Record(record) => {
                    self.open.remove(&record.id);
                    self.records.push(*record);
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn drain_ua(&mut self, n: usize) {
        while let Some(packet) = self.uas[n].poll_output() {
            if !packet.is_media {
                self.ladder.add(self.now, packet.from, packet.to, &packet.bytes);
            }
            self.network.send(packet, self.now);
        }
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

fn uuid_of(now: Time, n: u8) -> uuid::Uuid {
    let mut random = [0; 10];
    random[0] = n;
    uuid::Builder::from_unix_timestamp_millis(now.as_millis(), &random).into_uuid()
}
