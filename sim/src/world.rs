//! An engine among user agents on a virtual network, in virtual time.

mod cast;
mod script;
mod services;
mod step;

use crate::network::{Fate, Network};
use crate::streams::Streams;
use crate::{Faults, Ladder, Observer, Packet, Ua};
pub use services::Services;
use services::Work;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use step::Death;
use tandem_engine::{DoorLimits, Engine, Limits, Local, RegistrarConfig, Settings};
use tandem_media::Switchboard;
use tandem_model::{Binding, CallId, CallRecord, Captured, Change, Config, Event, ExamReport, Rejection};
use tandem_sip_msg::{ConnectionId, Transport};
use tandem_time::Time;

/// The moment that every world begins at.
const BEGINNING: Time = Time::from_secs(1_700_000_000);

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
    /// Every examination that is over.
    pub reports: Vec<ExamReport>,
    /// Every call record on the disk.
    pub records: Vec<CallRecord>,
    /// Messages that were kept of calls.
    pub captures: Vec<Captured>,
    /// Calls noted on disk as answered and not over.
    open: BTreeMap<CallId, CallRecord>,
    /// What names resolve to; a name that is missing does not exist.
    pub dns: BTreeMap<String, Vec<SocketAddr>>,
    /// The disk refuses to write.
    pub disk_is_full: bool,
    /// How disk and DNS work.
    pub services: Services,
    /// The transport of those who come from now on.
    pub transport: Transport,
    /// Which of them use TCP all the same: a bit for each, by its index.
    pub on_tcp: u64,
    /// Addresses that the network says nobody listens at (ICMP).
    pub unreachable: BTreeSet<SocketAddr>,
    config: Config,
    settings: Settings,
    network: Network,
    board: Switchboard,
    uas: Vec<Ua>,
    streams: Streams,
    /// The connections that requests of the server came by, by user agent and branch.
    came_by: BTreeMap<(usize, String), ConnectionId>,
    bindings: BTreeMap<(String, String), Binding>,
    work: Work,
    /// Outputs of the engine carried out so far.
    outputs: u64,
    /// Those of them before which the engine had nothing left to put out.
    firsts: BTreeSet<u64>,
    death: Option<Death>,
    crashes: u32,
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
            local: Local { listeners: vec![(Transport::Udp, SERVER), (Transport::Tcp, SERVER)] },
            media_address: SERVER.ip(),
            media_ports: (20_000, 20_999),
            media_quarantine: Duration::from_secs(30),
            limits: Limits::default(),
            max_calls: 1_000,
            door: DoorLimits::default(),
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
            reports: Vec::new(),
            records: Vec::new(),
            captures: Vec::new(),
            open: BTreeMap::new(),
            dns: BTreeMap::new(),
            disk_is_full: false,
            services: Services::default(),
            transport: Transport::Udp,
            on_tcp: 0,
            unreachable: BTreeSet::new(),
            config,
            settings,
            network: Network::new(seed, faults),
            board: Switchboard::default(),
            uas: Vec::new(),
            bindings: BTreeMap::new(),
            streams: Streams::new(seed, faults),
            came_by: BTreeMap::new(),
            work: Work::new(seed),
            outputs: 0,
            firsts: BTreeSet::new(),
            death: None,
            crashes: 0,
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
        let on_tcp = n < 64 && self.on_tcp >> n & 1 == 1;
        ua.transport = if on_tcp { Transport::Tcp } else { self.transport };
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
        self.streams.set_faults(faults);
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

    /// Bytes carried by streams so far, both ways together.
    pub fn bytes_streamed(&self) -> u64 {
        self.streams.carried()
    }

    /// The connection that carries the n-th byte from now is reset right before it.
    pub fn cut_after(&mut self, bytes: u64) {
        self.streams.cut_after(bytes);
    }

    /// Stream connections that are there.
    pub fn connections(&self) -> usize {
        self.streams.len()
    }

    /// Bindings on disk.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values()
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
