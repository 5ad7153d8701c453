//! The relay as the server sees it: threads started, orders sent to the right one, threads joined.

use crate::batch::Batch;
use crate::counters::{Counters, Totals};
use crate::handed::Handed;
use crate::offload::Offload;
use crate::outlet::Outlet;
use crate::sockets::Sockets;
use crate::worker::{DENSE, Moving, Order, WAKE, Worker};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};
use tandem_media::{MediaCommand, MediaEvent, PortId, Switchboard};
use tandem_time::{Pace, Time};

/// Tells the time; asked once for each turn of packets. Give the relay the engine's, so that records agree.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

pub(crate) type OnEvent = Arc<dyn Fn(MediaEvent) + Send + Sync>;

/// How a relay is set up.
#[derive(Clone)]
pub struct RelayConfig {
    /// The address that all media sockets are bound to. `::` serves IPv4 too.
    pub bind: IpAddr,
    /// Media threads; 0 counts as 1.
    pub threads: usize,
    /// The time.
    pub clock: Clock,
    /// Whether the kernel is to send on what it can.
    pub offload: bool,
}

impl RelayConfig {
    /// One thread, with a clock of its own: wall time at this moment, then monotonic.
    pub fn new(bind: IpAddr) -> RelayConfig {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (start, started) = (Time::default() + wall, Instant::now());
        RelayConfig { bind, threads: 1, clock: Arc::new(move || start + started.elapsed()), offload: true }
    }
}

impl fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayConfig")
            .field("bind", &self.bind)
            .field("threads", &self.threads)
            .field("offload", &self.offload)
            .finish_non_exhaustive()
    }
}

/// Running media threads. Dropped, it closes all ports, reports them closed, and waits for its threads.
#[derive(Debug)]
pub struct Relay {
    threads: Vec<Thread>,
    homes: Arc<Homes>,
    offload: Arc<OnceLock<Option<Offload>>>,
}

#[derive(Debug)]
struct Thread {
    /// Taken away to end the thread.
    orders: Option<Sender<Order>>,
    wake: Arc<EventFd>,
    counters: Arc<Counters>,
    handle: Option<JoinHandle<()>>,
}

/// Which thread serves a port.
#[derive(Debug, Default)]
pub(crate) struct Homes(Mutex<BTreeMap<PortId, usize>>);

impl Relay {
    /// Starts the media threads. `on_event` is called on them: it must neither block nor send orders itself,
    /// but hand the event over to the engine's own loop.
    pub fn start(
        config: RelayConfig,
        on_event: impl Fn(MediaEvent) + Send + Sync + 'static,
    ) -> io::Result<Relay> {
        let mut relay = Relay { threads: Vec::new(), homes: Arc::default(), offload: Arc::default() };
        let on_event: OnEvent = Arc::new(on_event);
        if config.offload {
            load_offload(&config, &relay.offload);
        }
        for n in 0..config.threads.max(1) {
            // On an error, dropping the relay ends those that run already.
            let thread =
                Thread::start(n, &config, on_event.clone(), relay.homes.clone(), relay.offload.clone())?;
            relay.threads.push(thread);
        }
        Ok(relay)
    }

    /// Has a command carried out, in the order of sending; returns at once. Orders for the ports of one call
    /// are to come from one thread.
    ///
    /// A bridge between ports of two threads moves the second port to the first one's thread, and waits for
    /// that.
    pub fn send(&self, command: MediaCommand) {
        self.send_all([command]);
    }

    /// Has several commands carried out: as [`Relay::send`] one after the other, with one wake-up of a thread.
    pub fn send_all(&self, commands: impl IntoIterator<Item = MediaCommand>) {
        let mut woken = 0u64;
        for command in commands {
            if let Some(home) = self.queue(command) {
                woken |= 1 << (home % 64);
            }
        }
        for (n, thread) in self.threads.iter().enumerate() {
            if woken & 1 << (n % 64) != 0 {
                thread.wake();
            }
        }
    }

    /// Leaves a command with the thread that it is for, which is yet to be woken.
    fn queue(&self, command: MediaCommand) -> Option<usize> {
        let home = match command {
            _ if self.threads.len() == 1 => Some(0),
            MediaCommand::Open { port, group, .. } => {
                let home = (group % self.threads.len() as u64) as usize;
                self.homes.set(port, home);
                Some(home)
            }
            MediaCommand::Bridge { a, b } => self.brought_together(a, b),
            MediaCommand::Remote { port, .. }
            | MediaCommand::Carry { port, .. }
            | MediaCommand::Watch { port, .. }
            | MediaCommand::Send { port, .. }
            | MediaCommand::Close { port } => self.homes.of(port),
        };
        let home = home?;
        self.threads[home].queue(Order::Command(command)).then_some(home)
    }

    /// Whether the kernel sends on what it can; `None` while that is not known.
    pub fn offloads(&self) -> Option<bool> {
        self.offload.get().map(Option::is_some)
    }

    /// What all ports together have done so far.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.threads.iter().for_each(|thread| thread.counters.add_to(&mut totals));
        totals
    }

    /// The thread that serves both ports, if both are open.
    fn brought_together(&self, a: PortId, b: PortId) -> Option<usize> {
        let (to, from) = (self.homes.of(a)?, self.homes.of(b)?);
        if from != to {
            let moving = self.threads[from].give_up(b)?;
            self.homes.set(b, to);
            self.threads[to].order(Order::Plug(moving));
        }
        Some(to)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for thread in &mut self.threads {
            thread.orders = None;
            thread.wake();
        }
        for handle in self.threads.iter_mut().filter_map(|thread| thread.handle.take()) {
            if handle.join().is_err() {
                tracing::error!("a media thread had panicked");
            }
        }
    }
}

impl Thread {
    fn start(
        n: usize,
        config: &RelayConfig,
        on_event: OnEvent,
        homes: Arc<Homes>,
        offload: Arc<OnceLock<Option<Offload>>>,
    ) -> io::Result<Thread> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        // Edge-triggered, so that nobody has to read it.
        epoll.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, WAKE))?;
        let (wake, outlet) = (Arc::new(wake), Outlet::new());
        let counters = Arc::new(Counters::default());
        let (sender, orders) = channel();
        let (bind, clock, keeps) = (config.bind, config.clock.clone(), config.threads <= 1);
        let (thread_wake, thread_counters) = (wake.clone(), counters.clone());
        let handle = std::thread::Builder::new().name(format!("media-{n}")).spawn(move || {
            let worker = Worker {
                bind,
                clock,
                orders,
                wake: thread_wake,
                homes,
                on_event,
                counters: thread_counters,
                sockets: Sockets::new(epoll, keeps),
                switchboard: Switchboard::default(),
                batch: Batch::new(bind.is_ipv6()),
                outlet,
                pace: Pace::new(DENSE),
                handed: Handed::new(offload),
                settled: Vec::new(),
            };
            worker.run();
        })?;
        Ok(Thread { orders: Some(sender), wake, counters, handle: Some(handle) })
    }

    fn order(&self, order: Order) {
        if self.queue(order) {
            self.wake();
        }
    }

    /// `false` when the thread is gone; it has said why then, and its ports are closed.
    fn queue(&self, order: Order) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.send(order).is_ok())
    }

    fn wake(&self) {
        // It could fail only by overflow, and then the thread is awake.
        let _ = self.wake.write(1);
    }

    fn give_up(&self, port: PortId) -> Option<Moving> {
        let (reply, moving) = sync_channel(1);
        self.order(Order::Unplug(port, reply));
        moving.recv().ok().flatten()
    }
}

impl Homes {
    pub fn forget(&self, port: PortId) {
        self.lock().remove(&port);
    }

    fn of(&self, port: PortId) -> Option<usize> {
        self.lock().get(&port).copied()
    }

    fn set(&self, port: PortId, home: usize) {
        self.lock().insert(port, home);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<PortId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the kernel its part, on a thread of its own, since it takes milliseconds; until then it has none.
fn load_offload(config: &RelayConfig, offload: &Arc<OnceLock<Option<Offload>>>) {
    let (bind, clock, place) = (config.bind, config.clock.clone(), Arc::downgrade(offload));
    let load = move || {
        let loaded = Offload::load(bind, clock);
        match &loaded {
            Ok(_) => tracing::info!("the kernel sends on the media of settled streams"),
            Err(error) => tracing::info!(%error, "media is sent on by our own threads alone"),
        }
        if let Some(place) = place.upgrade() {
            let _ = place.set(loaded.ok());
        }
    };
    if let Err(error) = std::thread::Builder::new().name("offload".to_owned()).spawn(load) {
        tracing::info!(%error, "media is sent on by our own threads alone");
        let _ = offload.set(None);
    }
}
