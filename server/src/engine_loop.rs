//! The thread that an engine lives on: sockets, clock and commands in, the engine's outputs out.

use crate::clock::Clock;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tandem_engine::{Counters, Engine, Output, Usage};
use tandem_media::{MediaCommand, MediaEvent};
use tandem_model::{
    Block, BlockId, CallId, CallRecord, Config, Event, ExamReport, Examination, Explanation, LiveCall,
    NoExamination, Question, RegistrationView, TrunkId, TrunkStatus,
};
use tandem_net::{Net, NetEvent, Tls};
use tandem_relay::Relay;
use tandem_store::{BindingsWriter, CallsWriter, CapturesWriter};
use tandem_time::{Pace, Time};
use tokio::sync::{mpsc, oneshot};

/// What the rest of the server asks of the engine.
pub enum Command {
    /// Take a new configuration; answered when it is in effect.
    Configure(Arc<Config>, oneshot::Sender<()>),
    /// The calls under way.
    Calls(oneshot::Sender<Vec<LiveCall>>),
    /// The status of every trunk.
    TrunkStatuses(oneshot::Sender<BTreeMap<TrunkId, TrunkStatus>>),
    /// All registrations.
    Registrations(oneshot::Sender<Vec<RegistrationView>>),
    /// How many calls each trunk carries, of those that carry any.
    Usage(oneshot::Sender<Usage>),
    /// Counters and gauges.
    Figures(oneshot::Sender<Figures>),
    /// End a call.
    HangUp(CallId, oneshot::Sender<bool>),
    /// Whom the server shut out by itself.
    AutoBlocks(oneshot::Sender<Vec<Block>>),
    /// Let such a one in again.
    LiftBlock(BlockId, oneshot::Sender<bool>),
    /// Register a trunk at once.
    RegisterNow(TrunkId, oneshot::Sender<bool>),
    /// What would become of a call.
    Explain(Question, oneshot::Sender<Option<Explanation>>),
    /// Examine a trunk; answered when that is over.
    Examine(TrunkId, Examination, oneshot::Sender<Result<Box<ExamReport>, NoExamination>>),
    /// Bindings are on disk, or could not be written.
    Persisted(u64, bool),
    /// Notes and records of calls are on disk up to this one.
    Written(u64),
    /// Something happened on the media side.
    Media(MediaEvent),
    /// New connections in TLS have these certificates.
    UseTls(Tls),
    /// No new calls.
    Drain,
    /// End everything; the loop ends when nothing is left, or after a few seconds.
    ShutDown,
}

/// Counters and gauges of the engine, for the metrics.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// What was counted.
    pub counters: Counters,
    /// What the transactions counted.
    pub transactions: tandem_sip_txn::Counters,
    /// Calls under way.
    pub calls: usize,
    /// Calls with a leg that is not yet gone, though they may be over.
    pub calls_kept: usize,
    /// Client and server transactions.
    pub open_transactions: usize,
    /// Devices registered.
    pub bindings: usize,
    /// Media ports in use.
    pub media_ports: usize,
}

/// A hold on the engine's loop; clones share it.
#[derive(Clone)]
pub struct EngineHandle {
    commands: mpsc::UnboundedSender<Command>,
}

impl EngineHandle {
    /// Tells the engine something.
    pub fn tell(&self, command: Command) {
        // An engine that is gone has nothing to be told.
        let _ = self.commands.send(command);
    }

    /// Asks the engine something; the default when it is gone.
    pub async fn ask<T: Default>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Command) -> T {
        let (sender, answer) = oneshot::channel();
        self.tell(question(sender));
        answer.await.unwrap_or_default()
    }
}

/// A handle and the commands that come through it, before there is an engine.
pub fn channel() -> (EngineHandle, mpsc::UnboundedReceiver<Command>) {
    let (commands, receiver) = mpsc::unbounded_channel();
    (EngineHandle { commands }, receiver)
}

/// What the loop works with.
pub struct Parts {
    /// The engine.
    pub engine: Engine,
    /// Its clock.
    pub clock: Clock,
    /// Its media side.
    pub relay: Arc<Relay>,
    /// Where bindings go.
    pub bindings: BindingsWriter,
    /// Where records go.
    pub records: CallsWriter,
    /// Where messages of calls go.
    pub captures: CapturesWriter,
    /// Told of everything that happens.
    pub on_event: Box<dyn Fn(Event) + Send>,
    /// Shown the record of each call.
    pub on_record: Box<dyn Fn(&CallRecord) + Send>,
    /// The way back for what the store answers.
    pub handle: EngineHandle,
}

/// Starts the loop on a thread of its own. `net` is bound on it.
pub fn start(
    parts: Parts,
    bind: impl AsyncFnOnce() -> io::Result<Net> + Send + 'static,
    commands: mpsc::UnboundedReceiver<Command>,
) -> io::Result<JoinHandle<()>> {
    let (bound, is_bound) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(bound.send(Err(error))),
        };
        runtime.block_on(async {
            match bind().await {
                Ok(net) => {
                    let _ = bound.send(Ok(()));
                    let (orders, examining) = (Vec::new(), BTreeMap::new());
                    let pace = Pace::new(DENSE);
                    Loop { parts, net, commands, orders, examining, pace, ending: None }.run().await;
                }
                Err(error) => drop(bound.send(Err(error))),
            }
        });
    })?;
    is_bound.recv().unwrap_or_else(|_| Err(io::Error::other("the engine ended before it began")))?;
    Ok(thread)
}

/// How long everything is given to end when the server goes down.
const LAST_WORDS: Duration = Duration::from_secs(4);
/// So many messages a second are dense: some three hundred calls that begin and end.
const DENSE: usize = 2_000;
/// Where messages are dense, turns begin this far apart. A message waits for half of that, which no timer of SIP notices.
const TURN: Duration = Duration::from_millis(1);

struct Loop {
    parts: Parts,
    net: Net,
    commands: mpsc::UnboundedReceiver<Command>,
    /// For the media side, between the turns; empty after each.
    orders: Vec<MediaCommand>,
    /// Who waits for which examination.
    examining: BTreeMap<u64, oneshot::Sender<Result<Box<ExamReport>, NoExamination>>>,
    pace: Pace,
    ending: Option<Time>,
}

impl Loop {
    async fn run(mut self) {
        let mut events = Vec::new();
        // Set anew only when something is due before it: most timers of transactions are taken back before they fire, and it
        // costs less to wake up once in vain than to set it at each turn.
        let mut alarm = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        let mut began = self.parts.clock.now();
        loop {
            self.carry_out();
            let now = self.gather(began);
            if self.ending.is_some_and(|until| now >= until || self.parts.engine.is_idle()) {
                return;
            }
            let due = self.parts.engine.poll_timeout().into_iter().chain(self.ending).min();
            let due = due.unwrap_or(now + Duration::from_secs(3600));
            let is_due = due <= now;
            if !is_due {
                let due = self.parts.clock.instant(due).into();
                if alarm.is_elapsed() || due < alarm.deadline() {
                    alarm.as_mut().reset(due);
                }
            }
            tokio::select! {
                biased;
                () = self.net.next(&mut events) => {}
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                () = &mut alarm, if !is_due => {}
                // Connections and lookups, which are tasks on this thread, get their turn however much is due.
                () = tokio::task::yield_now(), if is_due => {}
            }
            self.parts.engine.set_lag(self.net.lag());
            began = self.take_in(&mut events);
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
            }
            let now = self.parts.clock.now();
            if self.parts.engine.poll_timeout().is_some_and(|due| due <= now) {
                self.parts.engine.handle_timeout(now);
            }
        }
    }

    /// Where messages are dense, lets the next ones gather: to be woken for each costs more than half of what it takes to serve it.
    /// What other threads have to tell gathers meanwhile, and so does what this one has for them. Returns the time.
    fn gather(&self, began: Time) -> Time {
        let now = self.parts.clock.now();
        let rest = TURN.saturating_sub(now.since(began));
        if rest.is_zero() || !self.pace.is_dense() || self.net.has_more() {
            return now;
        }
        std::thread::sleep(rest);
        self.parts.clock.now()
    }

    /// Gives the engine what has come. Returns when that was.
    fn take_in(&mut self, events: &mut Vec<NetEvent>) -> Time {
        let now = self.parts.clock.now();
        self.pace.took(now, events.len());
        let engine = &mut self.parts.engine;
        for event in events.drain(..) {
            match event {
                NetEvent::Message { flow, bytes } => engine.receive(flow, bytes, now),
                NetEvent::Broken { flow, head, why } => engine.stream_broken(flow, head, why, now),
                NetEvent::SendFailed { tag } => engine.send_failed(tag, now),
                NetEvent::Unreachable { remote } => engine.unreachable(remote, now),
                NetEvent::Connected { flow, names } => {
                    if let Some(connection) = flow.connection {
                        engine.connected(connection, names);
                    }
                }
                NetEvent::ConnectFailed { flow, why } => engine.connection_failed(flow, &why, now),
                NetEvent::Disconnected(connection) => engine.disconnected(connection, now),
                NetEvent::Resolved { id, result } => {
                    let target = |target: tandem_net::Target| tandem_engine::Target {
                        at: target.at,
                        transport: target.transport,
                    };
                    let result = result.map(|found| tandem_engine::Resolved {
                        targets: found.targets.into_iter().map(target).collect(),
                        ttl: found.ttl,
                        by_service: found.by_service,
                    });
                    engine.resolved(id, result, now);
                }
            }
        }
        now
    }

    fn obey(&mut self, command: Command) {
        let now = self.parts.clock.now();
        let engine = &mut self.parts.engine;
        match command {
            Command::Configure(config, done) => {
                engine.configure(config, now);
                reply(done, ());
            }
            Command::Calls(answer) => reply(answer, engine.calls()),
            Command::TrunkStatuses(answer) => reply(answer, engine.trunk_statuses(now)),
            Command::Registrations(answer) => reply(answer, engine.registrations(now)),
            Command::Usage(answer) => reply(answer, engine.usage(now)),
            Command::Figures(answer) => reply(answer, figures(engine)),
            Command::HangUp(id, answer) => {
                reply(answer, engine.hang_up(id, "Ended by the administrator", now))
            }
            Command::AutoBlocks(answer) => reply(answer, engine.auto_blocks(now)),
            Command::LiftBlock(id, answer) => reply(answer, engine.lift_block(id, now)),
            Command::RegisterNow(id, answer) => reply(answer, engine.register_now(id, now)),
            Command::Explain(question, answer) => reply(answer, engine.explain(&question, now)),
            Command::Examine(id, asked, answer) => match engine.examine(id, asked, now) {
                Ok(no) => drop(self.examining.insert(no, answer)),
                Err(why) => reply(answer, Err(why)),
            },
            Command::Persisted(id, ok) => engine.persisted(id, ok, now),
            Command::Written(id) => engine.written(id, now),
            Command::Media(event) => engine.media(event, now),
            Command::UseTls(tls) => self.net.use_tls(tls),
            Command::Drain => engine.drain(),
            Command::ShutDown => {
                engine.shut_down(now);
                self.ending.get_or_insert(now + LAST_WORDS);
            }
        }
    }

    /// Does what the engine wants done. What it wants of the media side goes over in one piece, with one wake-up.
    fn carry_out(&mut self) {
        while let Some(output) = self.parts.engine.poll_output() {
            match output {
                Output::Transmit { flow, bytes, tag } => self.net.send(flow, bytes, tag),
                Output::Domain(id, name) => self.net.name_domain(id, &name),
                Output::Resolve(query) => {
                    self.net.resolve(query.id, &query.host, query.port, query.transport)
                }
                Output::Persist { id, changes } => self.persist(id, changes),
                Output::Media(command) => self.orders.push(command),
                Output::Open { id, record } => self.parts.records.open(id, *record),
                Output::Record { id, record } => {
                    (self.parts.on_record)(&record);
                    self.parts.records.keep(id, *record);
                }
                Output::Captured(captured) => self.parts.captures.keep(*captured),
                Output::Event(event) => (self.parts.on_event)(event),
                Output::Examined { no, report } => {
                    if let Some(answer) = self.examining.remove(&no) {
                        reply(answer, Ok(report));
                    }
                }
            }
        }
        if !self.orders.is_empty() {
            self.parts.relay.send_all(self.orders.drain(..));
        }
        self.net.flush();
    }

    fn persist(&self, id: u64, changes: Vec<tandem_model::BindingChange>) {
        let handle = self.parts.handle.clone();
        let written = self.parts.bindings.submit_then(changes, move |result| {
            handle.tell(Command::Persisted(id, result.is_ok()));
        });
        if let Err(error) = written {
            tracing::error!(%error, "a registration could not be written");
            self.parts.handle.tell(Command::Persisted(id, false));
        }
    }
}

/// Answers a question. Whoever asked may have gone meanwhile.
fn reply<T>(answer: oneshot::Sender<T>, value: T) {
    let _ = answer.send(value);
}

fn figures(engine: &Engine) -> Figures {
    let (clients, servers) = engine.transaction_count();
    let open_transactions = clients + servers;
    Figures {
        counters: engine.counters(),
        transactions: engine.transaction_counters(),
        calls: engine.calls().len(),
        calls_kept: engine.call_count(),
        open_transactions,
        bindings: engine.binding_count(),
        media_ports: engine.media_ports_in_use(),
    }
}
