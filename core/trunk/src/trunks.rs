//! All trunks of the configuration. Each lives in a slot of its own with timers of its own, so that a sick one touches no
//! other; here is only who is meant by an input, and what is told of it.

use crate::domains::Domains;
use crate::index::{Entries, Index};
use crate::live::{Cx, Due, Live, Part, Slot, slot_and_place};
use crate::local::Local;
use crate::registration::State;
use crate::request::Account;
use crate::target::{HostPort, Places, Query, Resolved};
use crate::{Examinee, contact};
use ipnet::IpNet;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{Config, Event, RegistrationView, Trunk, TrunkId, TrunkStatus};
use tandem_sip_dialog::Sip;
use tandem_sip_msg::{DomainId, Flow, Message};
use tandem_sip_txn::{ClientKey, Failure, Owner};
use tandem_time::{Time, Timers};

/// First registrations and probes begin within this.
const FIRST: Duration = Duration::from_secs(1);
/// Between first registrations at the same host.
const SPACING: Duration = Duration::from_millis(50);
/// How long a changed trunk waits for its old Contact to be taken back before it registers anew.
const PATIENCE: Duration = Duration::from_secs(4);

/// What the trunks want of the outside.
#[derive(Debug)]
pub enum TrunkOutput {
    /// A name to look up.
    Resolve(Query),
    /// Something to tell.
    Event(Event),
}

/// All trunks of the configuration and what they are doing.
#[derive(Debug)]
pub struct Trunks {
    local: Local,
    /// Makes the tokens of Contacts.
    secret: [u8; 32],
    slots: Vec<Entry>,
    free: Vec<u32>,
    by_id: BTreeMap<TrunkId, u32>,
    index: Index,
    tokens: BTreeMap<String, u32>,
    /// Counts look-ups.
    queries: u32,
    domains: Domains,
    timers: Timers<(u32, Due)>,
    outputs: VecDeque<TrunkOutput>,
    /// The server is ending: nothing is begun any more.
    ending: bool,
}

/// A slot, and how often it has been used.
#[derive(Debug)]
struct Entry {
    slot: Slot,
    live: Option<Box<Live>>,
}

impl Trunks {
    /// No trunk yet. With the same `secret` Contacts stay the same over a restart.
    pub fn new(local: Local, secret: [u8; 32]) -> Trunks {
        Trunks {
            local,
            secret,
            slots: Vec::new(),
            free: Vec::new(),
            by_id: BTreeMap::new(),
            index: Index::default(),
            tokens: BTreeMap::new(),
            queries: 0,
            domains: Domains::default(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            ending: false,
        }
    }

    /// A trunk as an examination sees it, switched on or not.
    pub fn examinee(&mut self, trunk: &Arc<Trunk>, rng: &mut StdRng) -> Examinee {
        let token = contact::token(&self.secret, trunk);
        let account = Account::new(token, contact::instance(&self.secret), rng);
        let registered = self.live(trunk.id).is_some_and(|live| live.registration.held.is_some());
        Examinee::new(trunk.clone(), Places::of(trunk, &mut self.domains), account, registered)
    }

    /// Takes a new configuration: only what changed is touched (same Call-ID and CSeq kept where identity did not change).
    /// New registrations start with jitter within a second or two.
    pub fn configure(&mut self, config: &Arc<Config>, sip: &mut Sip) {
        if self.ending {
            return;
        }
        let gone: Vec<TrunkId> =
            self.by_id.keys().filter(|id| !config.trunks.contains_key(id)).copied().collect();
        for id in gone {
            self.remove(id, sip);
        }
        let mut at_host: BTreeMap<String, u32> = BTreeMap::new();
        for (id, trunk) in config.trunks.iter() {
            match self.by_id.get(id).copied() {
                None => {
                    let delay = self.first_delay(trunk, &mut at_host, sip);
                    self.add(trunk, delay, sip);
                }
                Some(slot) => self.change(slot, trunk, sip),
            }
        }
    }

    /// A look-up ended.
    pub fn resolved(&mut self, id: u64, result: Result<Resolved, String>, sip: &mut Sip) {
        let (index, place) = slot_and_place(id);
        let Some(entry) = self.slots.get(index as usize) else { return };
        self.with(entry.slot, sip, |live, cx| {
            // One that came too late has been asked anew.
            if live.places.all.get(place).is_some_and(|place| place.query == Some(id)) {
                live.learn(place, result, cx);
            }
        });
    }

    /// A response to a request whose owner has [`OWNER_BIT`](crate::OWNER_BIT).
    pub fn on_response(
        &mut self,
        owner: Owner,
        key: ClientKey,
        message: &Message,
        flow: Flow,
        sip: &mut Sip,
    ) {
        let Some((slot, part)) = Slot::of(owner) else { return };
        self.with(slot, sip, |live, cx| match part {
            Part::Registration => live.on_register_response(key, message, flow.remote.ip(), cx),
            Part::Health => live.on_probe_response(key, message, cx),
        });
    }

    /// Such a request ended without a response.
    pub fn on_failed(&mut self, owner: Owner, key: ClientKey, failure: Failure, sip: &mut Sip) {
        let Some((slot, part)) = Slot::of(owner) else { return };
        self.with(slot, sip, |live, cx| match part {
            Part::Registration => live.on_register_failed(key, failure, cx),
            Part::Health => live.on_probe_failed(key, failure, cx),
        });
    }

    /// Registers at once, whatever it waits for. `false`: there is no such trunk, or it does not register.
    pub fn register_now(&mut self, id: TrunkId, sip: &mut Sip) -> bool {
        let Some(slot) = self.by_id.get(&id).copied().filter(|_| !self.ending) else { return false };
        let mut registers = false;
        self.with(self.slots[slot as usize].slot, sip, |live, cx| {
            registers = live.registers();
            match live.registration.state {
                _ if !registers => {}
                State::Trying(_) => {}
                State::Resolving => (0..live.places.all.len()).for_each(|place| live.resolve(place, cx)),
                _ => live.register_at_once(cx),
            }
        });
        registers
    }

    /// What a call has shown of a trunk's target: `Ok` for any answer but 408 and 503, else that there was none. Counts as a
    /// probe does, so that a dead trunk is noticed before the next OPTIONS.
    pub fn call_evidence(&mut self, id: TrunkId, target: Flow, heard: Result<(), Failure>, sip: &mut Sip) {
        let Some(slot) = self.by_id.get(&id).copied().filter(|_| !self.ending) else { return };
        let slot = self.slots[slot as usize].slot;
        self.with(slot, sip, |live, cx| live.on_call_evidence(target, heard, cx));
    }

    /// Whether the other side of a trunk in mode `register_in` is registered here, from the registrar.
    pub fn set_bound(&mut self, id: TrunkId, bound: bool, now: Time) {
        let Some(slot) = self.by_id.get(&id).copied() else { return };
        if let Some(live) = &mut self.slots[slot as usize].live {
            live.bound = bound;
        }
        self.settle(slot, now);
    }

    /// Unregisters everywhere, for a graceful end. [`Trunks::unregistering`] tells when it is done.
    pub fn shut_down(&mut self, sip: &mut Sip) {
        self.ending = true;
        for n in 0..self.slots.len() {
            self.with(self.slots[n].slot, sip, |live, cx| {
                live.end(cx);
            });
        }
    }

    /// How many registrations are being taken back now.
    pub fn unregistering(&self) -> usize {
        let busy = |entry: &&Entry| {
            let state = entry.live.as_ref().map(|live| &live.registration.state);
            matches!(state, Some(State::Unregistering(_)))
        };
        self.slots.iter().filter(busy).count()
    }

    /// `calls` is filled in by the engine.
    pub fn status(&self, id: TrunkId) -> Option<TrunkStatus> {
        Some(self.live(id)?.status(&self.local))
    }

    /// Whether calls may be sent: enabled, resolved, registered if it must be, not unreachable. (`register_in`: has a binding,
    /// as [`Trunks::set_bound`] has told.)
    pub fn is_up(&self, id: TrunkId) -> bool {
        !self.ending && self.live(id).is_some_and(|live| live.is_up(&self.local))
    }

    /// Whether something of what was sent to it lately was not answered: a probe, or a call.
    pub fn is_impaired(&self, id: TrunkId) -> bool {
        self.live(id).is_some_and(|live| live.health.is_impaired())
    }

    /// Where calls to it go, best first; the target that took the registration first, those that do not answer last. Empty
    /// for `register_in`, whose contacts the registrar has.
    pub fn targets(&self, id: TrunkId) -> Vec<Flow> {
        self.live(id).map(|live| live.call_flows(&self.local)).unwrap_or_default()
    }

    /// Trunks that a source may be: those with a target of exactly this address and port, else those with a target or associated
    /// network of this address, the longest prefix first. Disabled ones are left out.
    pub fn at(&self, source: SocketAddr) -> Vec<TrunkId> {
        self.ids(self.index.at(source), source)
    }

    /// Those of them that the source fits best: by its port as well, else by the longest prefix.
    pub fn nearest(&self, source: SocketAddr) -> Vec<TrunkId> {
        self.ids(self.index.nearest(source), source)
    }

    fn ids(&self, slots: Vec<u32>, source: SocketAddr) -> Vec<TrunkId> {
        let live = |slot: u32| self.slots.get(slot as usize).and_then(|entry| entry.live.as_ref());
        let may_be = slots.into_iter().filter_map(live).filter(|live| live.may_come_from(source));
        may_be.map(|live| live.config.id).collect()
    }

    /// Who may challenge us where this trunk is called.
    pub fn challengers(&self, id: TrunkId) -> Option<Arc<[IpNet]>> {
        self.live(id).map(|live| live.challengers().collect())
    }

    /// Whether a source may be any trunk, as [`Trunks::at`] would say.
    pub fn is_source(&self, source: SocketAddr) -> bool {
        self.index.knows(source)
    }

    /// The trunk whose registered Contact carries this token (an unguessable URI parameter, [`CONTACT_TOKEN`](crate::CONTACT_TOKEN)).
    pub fn by_contact_token(&self, token: &str) -> Option<TrunkId> {
        let slot = self.tokens.get(token)?;
        let live = self.slots.get(*slot as usize)?.live.as_ref()?;
        // A Contact of before an edit still leads to the trunk, as long as there is one.
        let id = live.config.id;
        self.live(id).filter(|live| live.config.enabled).map(|_| id)
    }

    /// Our registrations as the API shows them.
    pub fn views(&self) -> Vec<RegistrationView> {
        self.by_id.keys().filter_map(|id| self.live(*id)?.view(&self.local)).collect()
    }

    /// Trunks that a peer may be whose certificate is for these names.
    pub fn certified(&self, names: &[String]) -> Vec<TrunkId> {
        let live = |slot: u32| self.slots.get(slot as usize).and_then(|entry| entry.live.as_ref());
        self.index.named(names).into_iter().filter_map(live).map(|live| live.config.id).collect()
    }

    /// A connection to `remote` could not be made, or was not to whom it should be: why, in words for whom the trunk belongs to.
    pub fn connection_failed(&mut self, remote: SocketAddr, domain: Option<DomainId>, why: &str, now: Time) {
        let meant = |live: &Live| match domain {
            Some(_) => live.places.all.iter().any(|place| place.domain == domain),
            None => live.places.all.iter().any(|place| place.has(remote)),
        };
        for slot in 0..self.slots.len() {
            if let Some(live) = self.slots[slot].live.as_mut().filter(|live| meant(live)) {
                live.on_connection_failed(remote, why.to_owned());
                self.settle(slot as u32, now);
            }
        }
    }

    /// A name that a [`DomainId`] stands for from now on. To be told before what is sent by flows with it.
    pub fn poll_domain(&mut self) -> Option<(DomainId, String)> {
        self.domains.poll()
    }

    /// What is wanted of the outside next.
    pub fn poll_output(&mut self) -> Option<TrunkOutput> {
        self.outputs.pop_front()
    }

    /// When [`Trunks::handle_timeout`] is to be called.
    pub fn poll_timeout(&mut self) -> Option<Time> {
        self.timers.due()
    }

    /// Lets happen what is due by now.
    pub fn handle_timeout(&mut self, sip: &mut Sip) {
        while let Some((_, (slot, due))) = self.timers.pop(sip.now) {
            let Some(entry) = self.slots.get(slot as usize) else { continue };
            self.with(entry.slot, sip, |live, cx| match due {
                Due::Resolve(place) => live.on_resolve_due(usize::from(place), cx),
                Due::Register => live.on_register_due(cx),
                Due::Expire => live.on_expired(cx),
                Due::Forgive => live.on_forgive_due(cx),
                Due::Probe => live.on_probe_due(cx),
                Due::ProbeTimeout => live.on_probe_timeout(cx),
            });
        }
    }

    fn live(&self, id: TrunkId) -> Option<&Live> {
        let slot = self.by_id.get(&id)?;
        self.slots.get(*slot as usize)?.live.as_deref()
    }

    /// Hands an input to the trunk in a slot, if it is still the one that is meant, and sees to what follows from it.
    fn with(&mut self, slot: Slot, sip: &mut Sip, input: impl FnOnce(&mut Live, &mut Cx<'_, '_>)) {
        let now = sip.now;
        let Some(entry) = self.slots.get_mut(slot.index as usize).filter(|entry| entry.slot == slot) else {
            return;
        };
        let Some(live) = &mut entry.live else { return };
        let mut cx = Cx {
            slot,
            local: &self.local,
            secret: &self.secret,
            timers: &mut self.timers,
            outputs: &mut self.outputs,
            queries: &mut self.queries,
            domains: &mut self.domains,
            sip,
        };
        input(live, &mut cx);
        if live.leaving && matches!(live.registration.state, State::Off) {
            self.bury(slot, now);
        } else {
            self.settle(slot.index, now);
        }
    }

    /// Looks what has become of a trunk: its addresses, and whether its state is another one.
    fn settle(&mut self, slot: u32, now: Time) {
        let Some(live) = &mut self.slots[slot as usize].live else { return };
        let known = live.config.enabled && !live.leaving;
        let entries = live.sources();
        self.index.put(slot, if known { entries } else { Entries::default() });
        let leaving = live.leaving;
        let news = [live.settle(&self.local, now), live.settle_health()];
        self.outputs.extend(news.into_iter().flatten().filter(|_| !leaving).map(TrunkOutput::Event));
    }

    fn add(&mut self, trunk: &Arc<Trunk>, delay: Duration, sip: &mut Sip) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            let index = self.slots.len() as u32;
            self.slots.push(Entry { slot: Slot { index, generation: 0 }, live: None });
            index
        });
        let entry = &mut self.slots[slot as usize];
        let slot = entry.slot;
        let mut cx = Cx {
            slot,
            local: &self.local,
            secret: &self.secret,
            timers: &mut self.timers,
            outputs: &mut self.outputs,
            queries: &mut self.queries,
            domains: &mut self.domains,
            sip,
        };
        let live = entry.live.insert(Box::new(Live::new(trunk.clone(), &mut cx)));
        self.tokens.insert(live.registration.account.token.clone(), slot.index);
        self.by_id.insert(trunk.id, slot.index);
        self.with(slot, sip, |live, cx| live.begin(delay, cx));
        slot
    }

    /// Those of the same host follow one another a little apart.
    fn first_delay(&self, trunk: &Trunk, at_host: &mut BTreeMap<String, u32>, sip: &mut Sip) -> Duration {
        use rand::RngExt;
        let host = trunk.registrar.as_deref().or(trunk.host.as_deref()).unwrap_or_default();
        let before = at_host.entry(HostPort::parse(host).host).or_default();
        let delay = FIRST.mul_f64(sip.rng.random_range(0.01..1.0)) + SPACING * *before;
        *before += 1;
        delay
    }

    fn change(&mut self, slot: u32, trunk: &Arc<Trunk>, sip: &mut Sip) {
        let entry = &self.slots[slot as usize];
        let Some(live) = &entry.live else { return };
        if Arc::ptr_eq(&live.config, trunk) || live.config == *trunk {
            return;
        }
        if identity(&live.config) == identity(trunk) {
            let trunk = trunk.clone();
            return self.with(entry.slot, sip, |live, cx| live.edit(trunk, cx));
        }
        // Another identity: the old one takes its leave, and then the new one begins.
        let old = entry.slot;
        self.leave(old, sip);
        let waits = self.slots[old.index as usize].slot == old;
        let new = self.add(trunk, if waits { PATIENCE } else { Duration::ZERO }, sip);
        if let Some(live) = &mut self.slots[old.index as usize].live
            && waits
        {
            live.successor = Some(new);
        }
    }

    fn remove(&mut self, id: TrunkId, sip: &mut Sip) {
        if let Some(slot) = self.by_id.remove(&id) {
            self.leave(self.slots[slot as usize].slot, sip);
        }
    }

    fn leave(&mut self, slot: Slot, sip: &mut Sip) {
        self.with(slot, sip, |live, cx| {
            live.leaving = true;
            live.end(cx);
        });
    }

    /// The trunk in this slot has nothing left to do.
    fn bury(&mut self, slot: Slot, now: Time) {
        let entry = &mut self.slots[slot.index as usize];
        let Some(live) = entry.live.take() else { return };
        entry.slot = slot.next_generation();
        self.free.push(slot.index);
        self.index.take(slot.index);
        // One that was changed and changed back has the same as the one before.
        let token = &live.registration.account.token;
        if self.tokens.get(token) == Some(&slot.index) {
            self.tokens.remove(token);
        }
        for due in [Due::Register, Due::Expire, Due::Forgive, Due::Probe, Due::ProbeTimeout] {
            self.timers.cancel((slot.index, due));
        }
        for place in 0..live.places.all.len() {
            self.timers.cancel((slot.index, Due::Resolve(place as u8)));
        }
        // Who waited need not wait any longer.
        if let Some(successor) = live.successor.filter(|_| !self.ending)
            && let Some(entry) = self.slots.get(successor.index as usize)
            && entry.slot == successor
            && let Some(live) = &entry.live
            && matches!(live.registration.state, State::Starting { .. })
        {
            self.timers.set((successor.index, Due::Register), now);
        }
    }
}

/// What makes another account of a trunk: where it is, and who we are there.
pub(crate) fn identity(trunk: &Trunk) -> impl PartialEq + fmt::Debug + '_ {
    let place =
        (trunk.mode, &trunk.host, trunk.port, trunk.transport, &trunk.registrar, &trunk.outbound_proxy);
    let who = (&trunk.username, trunk.account_user(), trunk.from_host(), trunk.distinct_to);
    let contact = (trunk.contact_name(), &trunk.contact_host, &trunk.contact_params, trunk.outbound_rfc5626);
    (place, who, contact)
}
