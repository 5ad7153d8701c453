//! The engine: owns every layer of core, hands each input to the layer it concerns, and drains what the layers put out.

use crate::captures::{Captures, call_id_of};
use crate::door::Door;
use crate::examine::is_doctors;
use crate::ledger::Ledger;
use crate::places::Places;
use crate::surroundings::around;
use crate::writes::{Writes, Written};
use crate::{BindingChange, Counters, DoorLimits, Local, Query, RegistrarConfig, Resolved};
use bytes::Bytes;
use hashbrown::HashMap;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use slotmap::{Key, KeyData};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tandem_call::{Call, CallOutput, Ctx, Limits, MediaDesk, Seats};
use tandem_doctor::{Doctor, DoctorOutput, LOOKUP_BIT};
use tandem_media::{MediaCommand, MediaEvent, PortPool};
use tandem_model::{
    Binding, BindingOwner, CallId, CallRecord, Captured, Config, Event, ExamReport, TrunkId, TrunkMode,
};
use tandem_sip_dialog::{LateAnswers, Leg, Sip};
use tandem_sip_msg::{
    ConnectionId, DomainId, Flow, Header, Message, Method, NoAddress, NoConnection, ParseError, Replaces, Why,
};
use tandem_sip_txn::{self as txn, ClientKey, Failure, Transactions};
use tandem_time::{Time, Timers};
use tandem_trunk::{OWNER_BIT, Registrar, RegistrarOutput, TrunkOutput, Trunks};

/// What an engine is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The listeners, with the addresses that others reach them at.
    pub local: Local,
    /// The address that media is reached at.
    pub media_address: IpAddr,
    /// First and last UDP port for media.
    pub media_ports: (u16, u16),
    /// How long a media port rests after a call.
    pub media_quarantine: Duration,
    /// How long calls may take.
    pub limits: Limits,
    /// Calls held at once; more are turned away with 503.
    pub max_calls: usize,
    /// Who is let in, and how many.
    pub door: DoorLimits,
    /// The registrar's realm and limits.
    pub registrar: RegistrarConfig,
    /// Kept over restarts, and with it our Contacts at providers.
    pub secret: [u8; 32],
    /// Where all randomness comes from: unguessable in a server, chosen in a test.
    pub seed: [u8; 32],
}

/// What the engine wants done.
#[derive(Debug)]
pub enum Output {
    /// Bytes for the wire. If they cannot be sent, [`Engine::send_failed`] wants to know the tag.
    Transmit {
        /// Where to.
        flow: Flow,
        /// One message.
        bytes: Bytes,
        /// Names the request, if somebody waits for its response.
        tag: Option<u64>,
    },
    /// From now on a flow's `domain` with this id is this host, as which TLS servers have to prove themselves.
    Domain(DomainId, String),
    /// A host to look up; answered with [`Engine::resolved`].
    Resolve(Query),
    /// Bindings to write; answered with [`Engine::persisted`] when they are on disk.
    Persist {
        /// Names the write.
        id: u64,
        /// What to write, all or nothing.
        changes: Vec<BindingChange>,
    },
    /// For the media side; answered by [`Engine::media`] with what happens there.
    Media(MediaCommand),
    /// A call was answered: what its record is if we die before it ends. To be kept until the record comes. Answered with
    /// [`Engine::written`].
    Open {
        /// Higher than that of every write before.
        id: u64,
        /// What to keep.
        record: Box<CallRecord>,
    },
    /// A call is over: its record, to be kept. Answered with [`Engine::written`].
    Record {
        /// Higher than that of every write before.
        id: u64,
        /// What to keep.
        record: Box<CallRecord>,
    },
    /// SIP messages of a call that is over, to be kept.
    Captured(Box<Captured>),
    /// Something happened.
    Event(Event),
    /// A trunk was examined.
    Examined {
        /// What [`Engine::examine`] gave.
        no: u64,
        /// What it has shown.
        report: Box<ExamReport>,
    },
}

/// The server minus its sockets.
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) config: Arc<Config>,
    pub(crate) rng: StdRng,
    pub(crate) txn: Transactions,
    pub(crate) trunks: Trunks,
    pub(crate) registrar: Registrar,
    /// Names in the certificates of those who are connected.
    pub(crate) certificates: BTreeMap<ConnectionId, Vec<String>>,
    pub(crate) doctor: Doctor,
    pub(crate) desk: MediaDesk,
    pub(crate) seats: Seats,
    pub(crate) ledger: Ledger,
    pub(crate) captures: Captures,
    /// Looked up by number only; what is listed is listed by id.
    pub(crate) calls: HashMap<u64, Box<Call>, ahash::RandomState>,
    pub(crate) by_id: BTreeMap<CallId, u64>,
    pub(crate) next_call: u64,
    pub(crate) places: Places,
    /// Calls that look for the leg of another one, which they are to be joined to.
    pub(crate) seeks: VecDeque<(u64, Replaces)>,
    late: LateAnswers,
    timers: Timers<u64>,
    pub(crate) writes: Writes,
    pub(crate) door: Door,
    pub(crate) draining: bool,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) counters: Counters,
}

impl Engine {
    /// An engine with what was kept from before: configuration and bindings.
    pub fn new(settings: Settings, config: Arc<Config>, bindings: Vec<Binding>, now: Time) -> Engine {
        let mut rng = StdRng::from_seed(settings.seed);
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        let sent_by = settings.local.listeners.iter().map(|(_, address)| address.to_string()).collect();
        let streams = settings.local.streams();
        let txn = Transactions::seeded(txn::Config { sent_by, streams, ..txn::Config::default() }, &mut rng);
        let registrar =
            Registrar::new(settings.registrar.clone(), settings.local.clone(), bindings, secret, now);
        let pool = PortPool::new(settings.media_ports.0, settings.media_ports.1)
            .with_quarantine(settings.media_quarantine);
        let hasher =
            ahash::RandomState::with_seeds(rng.next_u64(), rng.next_u64(), rng.next_u64(), rng.next_u64());
        let mut engine = Engine {
            trunks: Trunks::new(settings.local.clone(), settings.secret),
            registrar,
            certificates: BTreeMap::new(),
            doctor: Doctor::new(settings.local.clone()),
            desk: MediaDesk::new(pool),
            seats: Seats::default(),
            ledger: Ledger::default(),
            captures: Captures::default(),
            calls: HashMap::with_hasher(hasher),
            by_id: BTreeMap::new(),
            next_call: 1,
            places: Places::default(),
            seeks: VecDeque::new(),
            late: LateAnswers::default(),
            timers: Timers::default(),
            writes: Writes::default(),
            door: Door::new(settings.door, &mut rng),
            draining: false,
            outputs: VecDeque::new(),
            counters: Counters::default(),
            config: Arc::default(),
            settings,
            rng,
            txn,
        };
        engine.configure(config, now);
        engine
    }

    /// A new configuration takes effect; calls under way keep the one they began with.
    pub fn configure(&mut self, config: Arc<Config>, now: Time) {
        self.config = config.clone();
        self.ledger.configure(&config);
        self.registrar.configure(&config, now);
        self.trunks.configure(&config, &mut sip(&mut self.txn, &mut self.rng, now));
        for trunk in config.trunks.values().filter(|trunk| trunk.mode == TrunkMode::RegisterIn) {
            self.trunks.set_bound(trunk.id, self.registrar.is_bound(BindingOwner::Trunk(trunk.id), now), now);
        }
        self.settle(now);
    }

    /// A call of today that ended before the engine began, so that it counts for its tenant's daily limits.
    pub fn recall(&mut self, record: &CallRecord) {
        self.ledger.close(record, &self.config);
    }

    /// One datagram, or one message cut from a stream.
    pub fn receive(&mut self, flow: Flow, bytes: Bytes, now: Time) {
        self.counters.messages_in += 1;
        match Message::parse(bytes) {
            Ok(message) => {
                if !self.captures.is_idle() {
                    self.captures.catch(message.call_id(), false, flow, message.as_bytes(), now);
                }
                self.let_in(message, flow, now);
            }
            Err(ParseError::Refuse { message, status, why }) => {
                self.refuse_unparsed(&message, flow, status, why, now)
            }
            Err(ParseError::Junk(_)) => self.counters.junk += 1,
        }
        self.settle(now);
    }

    /// A stream lost its framing; `head` is what could be read of the message that broke it.
    pub fn stream_broken(&mut self, flow: Flow, head: Option<Bytes>, why: &'static str, now: Time) {
        self.counters.junk += 1;
        match head.map(Message::parse) {
            // RFC 2543 let a stream leave the length out. What follows cannot be told apart any more, so the request is taken
            // without a body, and the stream is closed after its answer.
            Some(Ok(message)) if message.header(Header::ContentLength).is_none() => {
                self.let_in(message, flow, now)
            }
            Some(Ok(message) | Err(ParseError::Refuse { message, .. })) => {
                self.refuse_unparsed(&message, flow, 400, why, now)
            }
            _ => {}
        }
        self.settle(now);
    }

    /// Bytes with this tag could not be sent.
    pub fn send_failed(&mut self, tag: u64, now: Time) {
        self.txn.send_failed(ClientKey::from(KeyData::from_ffi(tag)), now);
        self.settle(now);
    }

    /// The network said that nobody listens at `remote`.
    pub fn unreachable(&mut self, remote: SocketAddr, now: Time) {
        self.txn.unreachable(remote, now);
        self.settle(now);
    }

    /// A stream connection is open. `names` are those of the peer's certificate, if it has proved to have one.
    pub fn connected(&mut self, connection: ConnectionId, names: Vec<String>) {
        if !names.is_empty() {
            self.certificates.insert(connection, names);
        }
    }

    /// A connection to `flow` could not be made, or its other end is not who it should be. What was to be sent over it fails by
    /// itself.
    pub fn connection_failed(&mut self, flow: Flow, why: &Why<NoConnection>, now: Time) {
        self.doctor.connection_failed(flow, why);
        self.trunks.connection_failed(flow.remote, flow.domain, &why.words, now);
        self.settle(now);
    }

    /// A stream connection ended.
    pub fn disconnected(&mut self, connection: ConnectionId, now: Time) {
        self.certificates.remove(&connection);
        self.registrar.disconnected(connection);
        self.settle(now);
    }

    /// The answer to [`Output::Resolve`].
    pub fn resolved(&mut self, id: u64, result: Result<Resolved, Why<NoAddress>>, now: Time) {
        if id & LOOKUP_BIT != 0 {
            self.with_doctor(now, |doctor, ctx| doctor.resolved(id, result, ctx));
        } else {
            let result = result.map_err(|why| why.words);
            self.trunks.resolved(id, result, &mut sip(&mut self.txn, &mut self.rng, now));
        }
        self.settle(now);
    }

    /// The answer to [`Output::Persist`].
    pub fn persisted(&mut self, id: u64, ok: bool, now: Time) {
        self.registrar.persisted(id, ok, &mut sip(&mut self.txn, &mut self.rng, now));
        self.settle(now);
    }

    /// Every [`Output::Open`] and [`Output::Record`] up to this one is on disk.
    pub fn written(&mut self, id: u64, now: Time) {
        while let Some((no, what)) = self.writes.next_done(id) {
            self.with_call(no, now, |call, ctx| match what {
                Written::Note => call.noted(ctx),
                Written::Record => call.recorded(ctx),
            });
        }
        self.settle(now);
    }

    /// Something happened on the media side.
    pub fn media(&mut self, event: MediaEvent, now: Time) {
        let (MediaEvent::OpenFailed { port, .. }
        | MediaEvent::Silent { port, .. }
        | MediaEvent::Closed { port, .. }) = &event;
        match self.desk.call_of(*port) {
            Some(no) if self.calls.contains_key(&no) => {
                self.with_call(no, now, |call, ctx| call.on_media(event, ctx))
            }
            Some(owner) if is_doctors(owner) && !self.doctor.is_idle() => {
                self.with_doctor(now, |doctor, ctx| doctor.on_media(owner, event, ctx));
            }
            _ => self.desk.closed(*port, now),
        }
        self.settle(now);
    }

    /// Ends a call from our side; `false` when there is none with this id.
    pub fn hang_up(&mut self, id: CallId, why: &str, now: Time) -> bool {
        let Some(&no) = self.by_id.get(&id) else { return false };
        self.with_call(no, now, |call, ctx| call.hang_up(why, ctx));
        self.settle(now);
        true
    }

    /// Registers a trunk at once, whatever it waits for; `false` when there is none that registers.
    pub fn register_now(&mut self, id: TrunkId, now: Time) -> bool {
        let done = self.trunks.register_now(id, &mut sip(&mut self.txn, &mut self.rng, now));
        self.settle(now);
        done
    }

    /// From now on no new calls; those under way go on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends every call and takes our registrations back.
    pub fn shut_down(&mut self, now: Time) {
        self.draining = true;
        let calls: Vec<u64> = self.by_id.values().copied().collect();
        for no in calls {
            self.with_call(no, now, |call, ctx| call.hang_up("The server is going down", ctx));
        }
        self.with_doctor(now, |doctor, ctx| doctor.shut_down(ctx));
        self.trunks.shut_down(&mut sip(&mut self.txn, &mut self.rng, now));
        self.settle(now);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(command) = self.desk.poll() {
            return Some(Output::Media(command));
        }
        self.outputs.pop_front()
    }

    /// When [`Engine::handle_timeout`] is due.
    pub fn poll_timeout(&mut self) -> Option<Time> {
        let all = [
            self.txn.poll_timeout(),
            self.timers.due(),
            self.trunks.poll_timeout(),
            self.doctor.poll_timeout(),
            self.registrar.poll_timeout(),
            self.captures.due(),
        ];
        all.into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.txn.handle_timeout(now);
        self.trunks.handle_timeout(&mut sip(&mut self.txn, &mut self.rng, now));
        self.registrar.handle_timeout(&mut sip(&mut self.txn, &mut self.rng, now));
        if self.doctor.poll_timeout().is_some_and(|due| due <= now) {
            self.with_doctor(now, |doctor, ctx| doctor.handle_timeout(ctx));
        }
        while let Some((_, no)) = self.timers.pop(now) {
            self.with_call(no, now, |call, ctx| call.handle_timeout(ctx));
        }
        while self.captures.due().is_some_and(|due| due <= now) {
            let kept = self.captures.poll(now).into_iter();
            self.outputs.extend(kept.map(|captured| Output::Captured(Box::new(captured))));
        }
        self.settle(now);
    }

    /// Runs something on a call, passes on what it tells, and lets it go when nothing of it is left.
    pub(crate) fn with_call(&mut self, no: u64, now: Time, act: impl FnOnce(&mut Call, &mut Ctx)) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let mut around = around!(self, now);
        let sip = Sip { txn: &mut self.txn, rng: &mut self.rng, now };
        act(call, &mut Ctx { sip, media: &mut self.desk, exchange: &mut around });
        self.after_call(no, now);
    }

    /// What a call told, when it is due again, and whether anything of it is left.
    pub(crate) fn after_call(&mut self, no: u64, now: Time) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        for (trunk, call_id) in call.attempts(self.captures.seen(no)) {
            self.captures.calls(no, trunk, call_id);
        }
        while let Some(output) = call.poll_output() {
            self.outputs.push_back(match output {
                CallOutput::Event(event) => {
                    match &event {
                        Event::CallAnswered { .. } => self.counters.calls_answered += 1,
                        Event::CallEnded { .. } => self.counters.calls_ended += 1,
                        Event::Failover { .. } => self.counters.failovers += 1,
                        _ => {}
                    }
                    Output::Event(event)
                }
                CallOutput::Open(record) => {
                    self.ledger.open(&record, &self.config, now);
                    self.captures.answered(no, &record);
                    Output::Open { id: self.writes.begin(no, Written::Note, now), record }
                }
                CallOutput::Record(record) => {
                    self.ledger.close(&record, &self.config);
                    self.captures.over(no, &record);
                    Output::Record { id: self.writes.begin(no, Written::Record, now), record }
                }
                CallOutput::Seek(replaces) => {
                    self.seeks.push_back((no, replaces));
                    continue;
                }
                CallOutput::Unheard(trunk, target) => {
                    let mut sip = sip(&mut self.txn, &mut self.rng, now);
                    self.trunks.call_evidence(trunk, target, Err(Failure::Timeout), &mut sip);
                    continue;
                }
            });
        }
        if call.is_over() {
            self.by_id.remove(&call.id());
        }
        if call.is_gone() {
            self.captures.gone(no, now);
            for (owner, leg) in call.adopted() {
                self.places.gone(owner, (no, leg));
            }
            self.calls.remove(&no);
            self.timers.cancel(no);
        } else {
            match call.poll_timeout() {
                Some(at) => self.timers.set(no, at),
                None => self.timers.cancel(no),
            }
        }
    }

    /// Lets everything that the layers have to tell take its effect, which may make them tell more.
    pub(crate) fn settle(&mut self, now: Time) {
        loop {
            if let Some(full) = self.seats.poll_full() {
                self.outputs.push_back(Output::Event(full));
            } else if let Some((id, name)) = self.trunks.poll_domain() {
                self.outputs.push_back(Output::Domain(id, name));
            } else if let Some(output) = self.txn.poll_output() {
                self.on_txn(output, now);
            } else if let Some(output) = self.trunks.poll_output() {
                self.outputs.push_back(match output {
                    TrunkOutput::Resolve(query) => Output::Resolve(query),
                    TrunkOutput::Event(event) => Output::Event(event),
                });
            } else if let Some(output) = self.registrar.poll_output() {
                let output = match output {
                    RegistrarOutput::Persist { id, changes } => Output::Persist { id, changes },
                    // Nothing has become of it.
                    RegistrarOutput::Event(Event::AuthBlocked { source, .. })
                        if self.is_spared(source, now) =>
                    {
                        continue;
                    }
                    RegistrarOutput::Event(event) => {
                        if matches!(event, Event::RegistrationRejected { code: 403, .. }) {
                            self.counters.refused += 1;
                        }
                        self.note_binding(&event, now);
                        Output::Event(event)
                    }
                };
                self.outputs.push_back(output);
            } else if let Some(output) = self.doctor.poll_output() {
                match output {
                    DoctorOutput::Resolve(query) => self.outputs.push_back(Output::Resolve(query)),
                    DoctorOutput::Report { no, report } => {
                        self.outputs.push_back(Output::Examined { no, report });
                    }
                    DoctorOutput::RegisterNow(id) => {
                        self.trunks.register_now(id, &mut sip(&mut self.txn, &mut self.rng, now));
                    }
                }
            } else if let Some((no, replaces)) = self.seeks.pop_front() {
                self.join(no, &replaces, now);
            } else {
                return;
            }
        }
    }

    /// A trunk that registers to us has a status that follows its bindings.
    fn note_binding(&mut self, event: &Event, now: Time) {
        if let Event::RegistrationAdded { owner, .. }
        | Event::RegistrationExpired { owner, .. }
        | Event::RegistrationRemoved { owner, .. } = event
            && let BindingOwner::Trunk(id) = *owner
        {
            self.trunks.set_bound(id, self.registrar.is_bound(*owner, now), now);
        }
    }

    /// What a call meets on a trunk counts as a probe does.
    fn note_evidence(&mut self, no: u64, leg: usize, heard: Result<(), Failure>, now: Time) {
        if let Some((trunk, target)) = self.calls.get(&no).and_then(|call| call.trunk_of(leg)) {
            self.trunks.call_evidence(trunk, target, heard, &mut sip(&mut self.txn, &mut self.rng, now));
        }
    }

    /// An answer to an INVITE of which nothing else is left.
    fn end_late(&mut self, message: &Message, flow: Flow, now: Time) {
        if message.method() == Method::Invite && message.code().is_some_and(|c| c / 100 == 2) {
            self.late.end(message, flow, &mut sip(&mut self.txn, &mut self.rng, now));
        }
    }

    fn on_txn(&mut self, output: txn::Output, now: Time) {
        match output {
            txn::Output::Transmit(transmit) => {
                self.counters.messages_out += 1;
                if !self.doctor.is_idle()
                    && let Some(owner) = transmit.client.and_then(|key| self.txn.owner_of(key))
                    && is_doctors(owner)
                {
                    self.doctor.on_sent(owner, &transmit.bytes);
                }
                if !self.captures.is_idle()
                    && let Some(call_id) = call_id_of(&transmit.bytes)
                {
                    self.captures.catch(call_id, true, transmit.flow, &transmit.bytes, now);
                }
                let tag = transmit.client.map(|key| key.data().as_ffi());
                self.outputs.push_back(Output::Transmit { flow: transmit.flow, bytes: transmit.bytes, tag });
            }
            txn::Output::Request { key, message, flow } => self.on_request(key, message, flow, now),
            txn::Output::Ack { message, .. } => {
                if let Some(owner) = message.to_tag().and_then(Leg::owner_of_tag) {
                    let (no, leg) = self.places.of(owner);
                    self.with_call(no, now, |call, ctx| call.on_ack(leg, &message, ctx));
                }
            }
            txn::Output::Cancelled { owner, message, .. } => {
                if let Some(owner) = owner {
                    let (no, leg) = self.places.of(owner);
                    self.with_call(no, now, |call, ctx| call.on_cancel(leg, &message, ctx));
                }
            }
            txn::Output::Response { key, owner, message, flow } => {
                if owner & OWNER_BIT != 0 {
                    let mut sip = sip(&mut self.txn, &mut self.rng, now);
                    return self.trunks.on_response(owner, key, &message, flow, &mut sip);
                }
                if is_doctors(owner) {
                    let heard = self
                        .with_doctor(now, |doctor, ctx| doctor.on_response(owner, key, &message, flow, ctx));
                    if !heard {
                        self.end_late(&message, flow, now);
                    }
                    return;
                }
                let (no, leg) = self.places.of(owner);
                // 408 and 503 say that the trunk is not well, as they do to OPTIONS.
                let given_up = self.calls.get(&no).is_some_and(|call| call.has_given_up(leg, key));
                if let Some(code) = message.code().filter(|code| *code >= 200 && !given_up) {
                    let heard = if matches!(code, 408 | 503) { Err(Failure::Timeout) } else { Ok(()) };
                    self.note_evidence(no, leg, heard, now);
                }
                if self.calls.get(&no).is_some_and(|call| call.has_leg(leg)) {
                    self.with_call(no, now, |call, ctx| call.on_response(leg, key, &message, flow, ctx));
                } else {
                    self.end_late(&message, flow, now);
                }
            }
            txn::Output::Failed { key, owner, failure } => {
                if owner & OWNER_BIT != 0 {
                    let mut sip = sip(&mut self.txn, &mut self.rng, now);
                    return self.trunks.on_failed(owner, key, failure, &mut sip);
                }
                if is_doctors(owner) {
                    return self.with_doctor(now, |doctor, ctx| doctor.on_failed(owner, key, failure, ctx));
                }
                let (no, leg) = self.places.of(owner);
                if !self.calls.get(&no).is_some_and(|call| call.has_given_up(leg, key)) {
                    self.note_evidence(no, leg, Err(failure), now);
                }
                self.with_call(no, now, |call, ctx| call.on_failed(leg, key, failure, ctx));
            }
            txn::Output::NoAck { .. } => {}
        }
    }
}

/// The context for a layer, of parts that the engine owns side by side with it.
pub(crate) fn sip<'a>(txn: &'a mut Transactions, rng: &'a mut StdRng, now: Time) -> Sip<'a> {
    Sip { txn, rng, now }
}
