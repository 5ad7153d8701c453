//! An engine among user agents on a virtual network, in virtual time.

use crate::network::{Fate, Network};
use crate::{Behaviour, CallRef, Faults, Ladder, Packet, Ua, UaCall};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tandem_engine::{BindingChange, Engine, Limits, Local, Output, RegistrarConfig, Resolved, Settings};
use tandem_media::Switchboard;
use tandem_model::{Binding, CallRecord, Change, Config, Entity, Event, Kind, Rejection};
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
    /// Everything that happened.
    pub events: Vec<Event>,
    /// Every call record that was written.
    pub records: Vec<CallRecord>,
    /// What names resolve to; a name that is missing does not exist.
    pub dns: BTreeMap<String, Vec<SocketAddr>>,
    /// The disk refuses to write.
    pub disk_is_full: bool,
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
        World::with_limits(seed, faults, Limits::default())
    }

    /// A world whose engine has these limits.
    pub fn with_limits(seed: u64, faults: Faults, limits: Limits) -> World {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let settings = Settings {
            local: Local { listeners: vec![(Transport::Udp, SERVER)] },
            media_address: SERVER.ip(),
            media_ports: (20_000, 20_999),
            media_quarantine: Duration::from_secs(30),
            limits,
            max_calls: 1_000,
            registrar: RegistrarConfig::default(),
            seed: bytes,
        };
        let config = Config::default();
        let engine = Engine::new(settings.clone(), Arc::new(config.clone()), Vec::new(), BEGINNING);
        let mut ladder = Ladder::default();
        ladder.name(SERVER, "tandem");
        World {
            now: BEGINNING,
            engine,
            ladder,
            events: Vec::new(),
            records: Vec::new(),
            dns: BTreeMap::new(),
            disk_is_full: false,
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

    /// Creates something as the API would; its id.
    pub fn create(&mut self, kind: Kind, body: Value) -> String {
        self.try_create(kind, body).unwrap_or_else(|rejection| panic!("{rejection}"))
    }

    /// The same, for what may be refused.
    pub fn try_create(&mut self, kind: Kind, body: Value) -> Result<String, Rejection> {
        let id = uuid_of(self.now, self.next_id);
        self.next_id += 1;
        let entity = Entity::create(kind, id, body)?;
        self.change(&[Change::Put(entity)])?;
        Ok(id.to_string())
    }

    /// Changes something as the API would.
    pub fn patch(&mut self, kind: Kind, id: &str, patch: Value) {
        let id = id.parse().expect("an id");
        let entity = self.config.get(kind, id).expect("it exists").patch(patch).unwrap_or_else(|r| panic!("{r}"));
        self.change(&[Change::Put(entity)]).unwrap_or_else(|rejection| panic!("{rejection}"));
    }

    fn change(&mut self, changes: &[Change]) -> Result<(), Rejection> {
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
        let n = self.uas.len();
        let mut ua = Ua::new(name, address, user, 40_000 + 200 * n as u16, self.seed * 1000 + n as u64);
        ua.tone = 400.0 + 100.0 * n as f64;
        self.uas.push(ua);
        n
    }

    /// An extension with its password, and a phone that has registered as it; the phone.
    pub fn phone(&mut self, number: &str) -> usize {
        let password = format!("{number}-password");
        self.create(Kind::Extension, serde_json::json!({"name": number, "number": number, "password": password}));
        let phone = self.add(number, number);
        self.uas[phone].set_password(&password);
        self.register(phone);
        phone
    }

    /// Registers a phone and waits for the outcome.
    pub fn register(&mut self, phone: usize) {
        let now = self.now;
        self.uas[phone].register_at(SERVER, 3600, now);
        self.run_until("the registration ends", |w| w.uas[phone].registration_code().is_some());
    }

    /// A carrier at its own address that needs no credentials, and an `ip_auth` trunk to it; (carrier, trunk id).
    pub fn carrier(&mut self, name: &str) -> (usize, String) {
        let carrier = self.add(name, name);
        let address = self.uas[carrier].address;
        let body = serde_json::json!({"name": name, "mode": "ip_auth", "host": address.ip().to_string(), "port": address.port()});
        let id = self.create(Kind::Trunk, body);
        self.run_for(Duration::from_secs(3));
        (carrier, id)
    }

    /// A route for every number over these trunks in order.
    pub fn route(&mut self, trunks: &[&str]) -> String {
        let steps: Vec<Value> = trunks.iter().map(|id| serde_json::json!({"trunk_id": id})).collect();
        self.create(Kind::Route, serde_json::json!({"name": "out", "steps": steps}))
    }

    /// A user agent.
    pub fn ua(&mut self, n: usize) -> &mut Ua {
        &mut self.uas[n]
    }

    /// A phone calls a number at the server.
    pub fn dial(&mut self, phone: usize, number: &str) -> CallRef {
        let now = self.now;
        let call = self.uas[phone].dial(SERVER, number, now);
        self.drain_ua(phone);
        call
    }

    /// Does something with a user agent at this moment.
    pub fn with_ua<T>(&mut self, n: usize, act: impl FnOnce(&mut Ua, Time) -> T) -> T {
        let now = self.now;
        let result = act(&mut self.uas[n], now);
        self.drain_ua(n);
        result
    }

    /// A call of a user agent.
    pub fn call(&self, ua: usize, call: CallRef) -> &UaCall {
        self.uas[ua].call(call)
    }

    /// The latest call of a user agent.
    pub fn last_call(&self, ua: usize) -> &UaCall {
        self.uas[ua].calls().last().unwrap_or_else(|| panic!("{} has had no call", self.uas[ua].name))
    }

    /// How a user agent treats calls from now on.
    pub fn treat(&mut self, ua: usize, behaviour: Behaviour) {
        self.uas[ua].treat_calls(move |_| behaviour.clone());
    }

    /// The n-th signalling packet from now is treated so.
    pub fn set_fate(&mut self, n: u64, fate: Fate) {
        self.network.set_fate(n, fate);
    }

    /// The network changes.
    pub fn set_faults(&mut self, faults: Faults) {
        self.network.set_faults(faults);
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
        self.board = Switchboard::default();
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
        if packet.to == SERVER {
            let flow =
                Flow { transport: Transport::Udp, listener: ListenerId(0), remote: packet.from, connection: None };
            self.engine.receive(flow, packet.bytes.clone(), self.now);
        } else if packet.to.ip() == SERVER.ip() {
            if let Ok(forward) = self.board.packet(packet.to.port(), packet.from, &packet.bytes, self.now) {
                let from = SocketAddr::new(SERVER.ip(), forward.local);
                let packet = Packet { from, to: forward.to, bytes: packet.bytes.clone(), is_media: true };
                self.network.send(packet, self.now);
            }
        } else if let Some(ua) =
            self.uas.iter_mut().find(|ua| if packet.is_media { ua.address.ip() == packet.to.ip() } else { ua.address == packet.to })
        {
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
                    let packet = Packet { from: SERVER, to: flow.remote, bytes, is_media: false };
                    self.network.send(packet, self.now);
                }
                Output::Resolve(query) => {
                    self.resolving.push((self.now + Duration::from_millis(20), query.id, query.host, query.port));
                }
                Output::Persist { id, changes } => self.writing.push((self.now + DISK, id, changes)),
                Output::Media(command) => self.board.handle(command, self.now),
                Output::Record(record) => self.records.push(*record),
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
