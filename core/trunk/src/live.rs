//! One trunk alive: its configuration, where it is, its registration and its health. What it needs of its surroundings
//! comes with each input as [`Cx`]; it touches nothing of another trunk.

use crate::domains::Domains;
use crate::health::Health;
use crate::index::Entries;
use crate::local::Local;
use crate::registration::Registration;
use crate::request::Account;
use crate::status::Shown;
use crate::target::{Place, Places, Target, UNANSWERED};
use crate::trunks::TrunkOutput;
use crate::{OWNER_BIT, Resolved, contact, retry, words};
use bytes::Bytes;
use ipnet::IpNet;
use rand::RngExt;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{SignallingTransport, Trunk, TrunkMode};
use tandem_sip_dialog::Sip;
use tandem_sip_msg::{Flow, Header, Transport};
use tandem_sip_txn::{ClientKey, Failure, Owner};
use tandem_time::{Time, Timers};

/// What falls due in a trunk's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Due {
    /// A name is looked up again: place by its position.
    Resolve(u8),
    /// The registration's state has lasted long enough: every state of it has one such moment.
    Register,
    /// The registrar no longer holds our Contact.
    Expire,
    /// A target that failed is no longer put last for it.
    Forgive,
    /// The next OPTIONS.
    Probe,
    /// The OPTIONS under way has failed.
    ProbeTimeout,
}

/// Which machine a transaction belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Registration,
    Health,
}

/// A place in the list of trunks, told apart from who had it before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Slot {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

const GENERATION_BITS: u32 = 30;

impl Slot {
    pub(crate) fn owner(self, part: Part) -> Owner {
        let part = match part {
            Part::Registration => 0,
            Part::Health => 1,
        };
        OWNER_BIT | part << 62 | u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn of(owner: Owner) -> Option<(Slot, Part)> {
        let part = if owner >> 62 & 1 == 0 { Part::Registration } else { Part::Health };
        let generation = (owner >> 32) as u32 & ((1 << GENERATION_BITS) - 1);
        (owner & OWNER_BIT != 0).then_some((Slot { index: owner as u32, generation }, part))
    }

    pub(crate) fn next_generation(self) -> Slot {
        Slot { generation: (self.generation + 1) & ((1 << GENERATION_BITS) - 1), ..self }
    }
}

/// Bits of a look-up's id that count; above them stand the place and the slot.
const QUERY_COUNT: u32 = (1 << 28) - 1;

/// What the id of a look-up says: index of the slot, position of the place.
pub(crate) fn slot_and_place(query: u64) -> (u32, usize) {
    ((query >> 32) as u32, (query as u32 >> QUERY_COUNT.count_ones()) as usize)
}

/// The surroundings of one trunk while it takes an input.
pub(crate) struct Cx<'a, 's> {
    pub(crate) slot: Slot,
    pub(crate) local: &'a Local,
    pub(crate) secret: &'a [u8; 32],
    pub(crate) timers: &'a mut Timers<(u32, Due)>,
    pub(crate) outputs: &'a mut VecDeque<TrunkOutput>,
    /// Counts look-ups.
    pub(crate) queries: &'a mut u32,
    pub(crate) domains: &'a mut Domains,
    pub(crate) sip: &'a mut Sip<'s>,
}

impl Cx<'_, '_> {
    pub(crate) fn now(&self) -> Time {
        self.sip.now
    }

    pub(crate) fn due(&mut self, due: Due, at: Time) {
        self.timers.set((self.slot.index, due), at);
    }

    pub(crate) fn due_in(&mut self, due: Due, wait: Duration) {
        self.due(due, self.sip.now + wait);
    }

    pub(crate) fn never(&mut self, due: Due) {
        self.timers.cancel((self.slot.index, due));
    }

    pub(crate) fn send(&mut self, request: Bytes, flow: Flow, part: Part) -> ClientKey {
        let owner = self.slot.owner(part);
        self.sip.txn.request(request, flow, owner, self.sip.rng, self.sip.now)
    }

    /// An id that leads back to the place it is for.
    fn query_id(&mut self, place: usize) -> u64 {
        *self.queries = self.queries.wrapping_add(1) & QUERY_COUNT;
        u64::from(self.slot.index) << 32
            | (place as u64) << QUERY_COUNT.count_ones()
            | u64::from(*self.queries)
    }

    /// A random wait up to `longest`.
    pub(crate) fn jitter(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.sip.rng.random_range(0.0..1.0))
    }
}

/// One trunk alive.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) config: Arc<Trunk>,
    pub(crate) places: Places,
    /// The one in use; of a trunk with `auto` the one that last had a chance.
    transport: Transport,
    pub(crate) registration: Registration,
    pub(crate) health: Health,
    pub(crate) shown: Shown,
    /// Addresses that could not be connected to, and why.
    pub(crate) broken: Vec<(SocketAddr, String)>,
    /// The last final answer to REGISTER or OPTIONS.
    pub(crate) last_code: Option<u16>,
    /// Of a trunk that registers to us: whether it has.
    pub(crate) bound: bool,
    /// It is no longer in the configuration (or another has taken its place there) and only takes its Contact back.
    pub(crate) leaving: bool,
    /// Who waits for that.
    pub(crate) successor: Option<Slot>,
}

impl Live {
    pub(crate) fn new(config: Arc<Trunk>, cx: &mut Cx<'_, '_>) -> Live {
        let token = contact::token(cx.secret, &config);
        Live {
            places: Places::of(&config, cx.domains),
            transport: config.transport.into(),
            registration: Registration::new(
                &config,
                Account::new(token, contact::instance(cx.secret), cx.sip.rng),
            ),
            health: Health::default(),
            shown: Shown::default(),
            broken: Vec::new(),
            last_code: None,
            bound: false,
            leaving: false,
            successor: None,
            config,
        }
    }

    /// Whether it is to be registered at a provider.
    pub(crate) fn registers(&self) -> bool {
        self.config.enabled && self.config.mode == TrunkMode::RegisterOut
    }

    /// Begins its life: looks its names up, and registers and probes after `delay`.
    pub(crate) fn begin(&mut self, delay: Duration, cx: &mut Cx<'_, '_>) {
        if !self.config.enabled {
            return;
        }
        self.resolve_all(cx);
        (0..self.places.all.len()).for_each(|place| self.allow_streams(place, cx));
        self.begin_registration(delay, cx);
        self.begin_probing(delay, cx);
    }

    /// Ends it: takes the Contact back if there is one. `true`: nothing is left to wait for.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_, '_>) -> bool {
        self.stop_resolving(cx);
        self.stop_probing(cx);
        self.unregister(cx)
    }

    /// Takes an edit that left the identity as it was.
    pub(crate) fn edit(&mut self, config: Arc<Trunk>, cx: &mut Cx<'_, '_>) {
        let before = std::mem::replace(&mut self.config, config);
        let now = &self.config;
        let credentials = |trunk: &Trunk| {
            let name = trunk.digest_username().map(str::to_owned);
            (name, trunk.password.clone(), trunk.realm.clone(), trunk.auth_algorithms.clone())
        };
        let new_credentials = credentials(&before) != credentials(now);
        let probes = |trunk: &Trunk| (trunk.ping_interval, trunk.ping_fail, trunk.ping_ok, trunk.ping_accept);
        let new_probes = probes(&before) != probes(now);
        let new_expires = before.expires != now.expires;
        let new_hosts = before.associated_hosts != now.associated_hosts;
        if new_credentials {
            self.registration.take_credentials(&self.config);
        }
        if new_expires {
            self.registration.ask_for(self.config.expires);
        }
        if new_hosts {
            self.stop_resolving(cx);
            let before = std::mem::replace(&mut self.places, Places::of(&self.config, cx.domains));
            self.places.take_over(before);
            if self.config.enabled {
                self.resolve_all(cx);
            }
        }
        match (before.enabled, self.config.enabled) {
            (true, false) => {
                self.end(cx);
                self.health = Health::default();
            }
            (false, true) => {
                self.begin(Duration::ZERO, cx);
            }
            (true, true) => {
                if new_credentials || new_expires {
                    self.register_at_once(cx);
                }
                if new_probes {
                    self.stop_probing(cx);
                    self.health = Health::default();
                    self.begin_probing(Duration::ZERO, cx);
                }
            }
            (false, false) => {}
        }
    }

    /// What its calls are known by.
    pub(crate) fn sources(&self) -> Entries {
        // Who has credentials to show is not let in for where its host is.
        let believes_host = self.config.resolve_host_to_acl && self.config.mode != TrunkMode::PeerIn;
        let believed = |place: &&Place| believes_host || place.is_source_only;
        Entries {
            targets: self
                .places
                .all
                .iter()
                .filter(believed)
                .flat_map(|place| place.targets.iter().map(|target| target.at))
                .collect(),
            exact: self.config.verify_source_port,
            nets: self.config.associated_ips.clone(),
            names: self.config.mtls_san.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// Whether it may be behind this port, where ports count.
    pub(crate) fn may_come_from(&self, source: SocketAddr) -> bool {
        let usual = self.config.port.unwrap_or_else(|| self.transport.default_port());
        let at = SocketAddr::new(source.ip().to_canonical(), source.port());
        !self.config.verify_source_port || source.port() == usual || self.sources().targets.contains(&at)
    }

    /// Who may challenge us: its hosts, its associated addresses, and those that are listed.
    pub(crate) fn challengers(&self) -> impl Iterator<Item = IpNet> {
        let hosts = self.places.all.iter().flat_map(|place| &place.targets);
        let listed = self.config.associated_ips.iter().chain(&self.config.challengers).copied();
        hosts.map(|target| IpNet::from(target.at.ip())).chain(listed)
    }

    fn resolve_all(&mut self, cx: &mut Cx<'_, '_>) {
        for place in 0..self.places.all.len() {
            self.resolve(place, cx);
        }
    }

    /// Has a place looked up, unless it is an address.
    pub(crate) fn resolve(&mut self, place: usize, cx: &mut Cx<'_, '_>) {
        let Some(at) = self.places.all.get_mut(place).filter(|place| place.is_name()) else { return };
        let query = at.ask(cx.query_id(place));
        cx.outputs.push_back(TrunkOutput::Resolve(query));
        cx.due_in(Due::Resolve(place as u8), UNANSWERED);
    }

    /// The moment to look a place up (again) has come, or its last look-up was never answered.
    pub(crate) fn on_resolve_due(&mut self, place: usize, cx: &mut Cx<'_, '_>) {
        let unanswered = self.places.all.get(place).is_some_and(|place| place.query.is_some());
        if unanswered {
            self.learn(place, Err("the look-up was not answered".to_owned()), cx);
        } else {
            self.resolve(place, cx);
        }
    }

    /// A look-up ended.
    pub(crate) fn learn(&mut self, place: usize, result: Result<Resolved, String>, cx: &mut Cx<'_, '_>) {
        let Some(at) = self.places.all.get_mut(place) else { return };
        let learned = at.learn(result);
        let spread = cx.jitter(learned.again / 10);
        cx.due_in(Due::Resolve(place as u8), learned.again + spread);
        if learned.changed {
            self.allow_streams(place, cx);
            self.on_moved(cx);
        }
    }

    /// What is too large for a datagram may go to these addresses over TCP.
    fn allow_streams(&self, place: usize, cx: &mut Cx<'_, '_>) {
        let targets = self.places.all.get(place).map(|place| place.targets.as_slice()).unwrap_or_default();
        targets.iter().for_each(|target| cx.sip.txn.allow_stream(target.at));
    }

    fn stop_resolving(&mut self, cx: &mut Cx<'_, '_>) {
        for (n, place) in self.places.all.iter_mut().enumerate() {
            place.query = None;
            cx.never(Due::Resolve(n as u8));
        }
    }

    /// A name has other addresses than before: what hangs on them is done again at once (spec 2.6).
    fn on_moved(&mut self, cx: &mut Cx<'_, '_>) {
        let calls: Vec<Target> = self.places.calls().map(|p| p.targets.clone()).unwrap_or_default();
        self.health.keep_only(&calls);
        self.on_addresses_changed(cx);
        if !self.health.was_asked() {
            let soon = cx.jitter(Duration::from_millis(500));
            self.begin_probing(soon, cx);
        }
    }

    /// Where REGISTER goes, best first: who holds the registration, then as the name service orders them; who does not
    /// answer comes last.
    pub(crate) fn register_flows(&self, local: &Local) -> Vec<Flow> {
        self.ways(self.places.register(), local).into_iter().map(|(_, flow)| flow).collect()
    }

    /// Where calls and OPTIONS go, best first.
    pub(crate) fn call_flows(&self, local: &Local) -> Vec<Flow> {
        self.call_ways(local).into_iter().map(|(_, flow)| flow).collect()
    }

    pub(crate) fn call_ways(&self, local: &Local) -> Vec<(Target, Flow)> {
        self.ways(self.places.calls(), local)
    }

    /// The trunk does not answer: if its transport is ours to choose, the next try takes the other one.
    pub(crate) fn take_other_transport(&mut self, local: &Local) {
        if self.config.transport != SignallingTransport::Auto {
            return;
        }
        let other = if self.transport == Transport::Udp { Transport::Tcp } else { Transport::Udp };
        let mut targets = self.places.all.iter().flat_map(|place| &place.targets);
        if targets.any(|target| target.transport.is_none() && local.flow_to(other, target.at).is_some()) {
            self.transport = other;
        }
    }

    pub(crate) fn ways(&self, place: Option<&Place>, local: &Local) -> Vec<(Target, Flow)> {
        let Some(place) = place else { return Vec::new() };
        let to = |target: &Target| {
            let flow = local.flow_to(target.transport.unwrap_or(self.transport), target.at)?;
            let domain = place.domain.filter(|_| flow.transport == Transport::Tls);
            Some((*target, Flow { domain, ..flow }))
        };
        let mut ways: Vec<(Target, Flow)> = place.targets.iter().filter_map(to).collect();
        let holder = self.registration.holder();
        // A stable sort: equal ones stay as the name service ordered them.
        ways.sort_by_key(|(target, flow)| {
            (self.health.is_down(*target), self.health.has_just_failed(*target), holder != Some(hop(flow)))
        });
        ways
    }

    /// A target that has not answered is put behind the others for a while, so that not every call has to find that out.
    pub(crate) fn put_last(&mut self, target: Target, cx: &mut Cx<'_, '_>) {
        self.health.note_failure(target, cx.now() + SHUNNED);
        self.on_forgive_due(cx);
    }

    /// What a connection to one of its addresses failed for.
    pub(crate) fn on_connection_failed(&mut self, remote: SocketAddr, why: String) {
        self.broken.retain(|(at, _)| *at != remote && self.places.all.iter().any(|p| p.has(*at)));
        self.broken.push((remote, why));
    }

    /// Nobody answered: in words, with what the connection failed for where that is known.
    pub(crate) fn unanswered(&self, what: &str, flow: Flow, failure: Failure, secs: u32) -> String {
        let why = self.broken.iter().find(|(at, _)| *at == flow.remote && flow.transport.is_reliable());
        match why {
            Some((_, why)) => words::not_connected(what, flow, why),
            None => words::unanswered(what, flow, failure, secs),
        }
    }
}

/// What tells ways to a trunk apart.
pub(crate) fn hop(flow: &Flow) -> (Transport, SocketAddr) {
    (flow.transport, flow.remote)
}

/// How long a target that failed comes after the others.
const SHUNNED: Duration = Duration::from_secs(60);

/// Credentials as they go into a request.
pub(crate) type Headers = Vec<(Header, String)>;

/// A registration refused for good is not asked for more often than this without news.
pub(crate) const WATCHDOG: Duration = retry::LONGEST;
