//! One media thread: waits for packets and orders, and has the switchboard decide.

use crate::batch::Batch;
use crate::counters::Counters;
use crate::handed::Handed;
use crate::outlet::Outlet;
use crate::relay::{Clock, Homes, OnEvent};
use crate::scheduling::run_soon;
use crate::sockets::{Pair, Ready, Sockets};
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollTimeout};
use nix::sys::eventfd::EventFd;
use nix::sys::socket::{MsgFlags, SockaddrStorage, sendto};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::Duration;
use tandem_media::{DropReason, Forward, MediaCommand, MediaEvent, PortId, Switchboard, Unplugged};
use tandem_time::{Pace, Time};

/// The epoll data of the wake-up; local ports are less.
pub(crate) const WAKE: u64 = 1 << 16;
/// Ready sockets served before orders and timers are looked at again.
const EVENTS: usize = 256;
/// Orders carried out before packets are served again: opening a pair takes 10 to 14 µs, closing one half of that, where
/// it cannot be kept.
const ORDERS: usize = 32;
/// Streams offered to the kernel in one turn, which takes some 30 µs each; the others are again with their next packet.
const OFFERS: usize = 8;
/// So many packets a second are dense: as many as forty calls have.
pub(crate) const DENSE: usize = 4_000;
/// For how long a turn waits for more packets where they are dense: a hundredth of what voice takes up in one.
const GATHERING: Duration = Duration::from_micros(150);

/// The port that an event is of; none where it is the wake-up.
fn port_of(event: &EpollEvent) -> Option<u16> {
    u16::try_from(event.data()).ok()
}

/// What a thread is asked to do.
pub(crate) enum Order {
    Command(MediaCommand),
    /// Give a port up to another thread.
    Unplug(PortId, SyncSender<Option<Moving>>),
    /// Take a port over from another thread.
    Plug(Moving),
}

/// A port on its way from thread to thread.
pub(crate) struct Moving {
    port: Unplugged,
    pair: Pair,
}

/// All that a media thread owns.
pub(crate) struct Worker {
    pub bind: IpAddr,
    pub clock: Clock,
    pub orders: Receiver<Order>,
    pub wake: Arc<EventFd>,
    pub homes: Arc<Homes>,
    pub on_event: OnEvent,
    pub counters: Arc<Counters>,
    pub sockets: Sockets,
    pub switchboard: Switchboard,
    pub batch: Batch,
    pub outlet: Outlet,
    pub pace: Pace,
    pub handed: Handed,
    /// Local ports whose stream is to be offered to the kernel when this turn's packets are sent.
    pub settled: Vec<u16>,
}

impl Worker {
    /// Serves until the senders of orders are gone, then closes what is open.
    pub fn run(mut self) {
        let mut events = [EpollEvent::empty(); EVENTS];
        self.outlet.open();
        if let Err(error) = run_soon() {
            tracing::info!(%error, "media threads run no sooner than others");
        }
        loop {
            let timeout = self.look_after_timers();
            let (ready, woken) = match self.wait(&mut events, timeout) {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(%error, "media thread cannot wait for packets and ends");
                    break;
                }
            };
            let now = (self.clock)();
            let ports = events[..ready].iter().filter_map(port_of);
            let packets: usize = ports.map(|local| self.serve(local, now)).sum();
            self.send();
            self.hand_over(now);
            self.pace.took(now, packets);
            if woken && !self.obey() {
                break;
            }
        }
        self.close_all();
    }

    /// Waits until something is to be done: how many events there are, and whether there are orders.
    fn wait(&self, events: &mut [EpollEvent], timeout: EpollTimeout) -> Result<(usize, bool), Errno> {
        let look = |events: &mut [EpollEvent], timeout| match self.sockets.epoll().wait(events, timeout) {
            Err(Errno::EINTR) => Ok(0),
            ready => ready,
        };
        let are_orders = |events: &[EpollEvent]| events.iter().any(|event| port_of(event).is_none());
        let mut ready = look(events, timeout)?;
        let mut woken = are_orders(&events[..ready]);
        if ready > usize::from(woken) && self.pace.is_dense() {
            std::thread::sleep(GATHERING);
            // Sockets are told again for as long as they have something; orders once.
            ready = look(events, EpollTimeout::ZERO)?;
            woken |= are_orders(&events[..ready]);
        }
        Ok((ready, woken))
    }

    /// Reads what waits at the socket of `local` and lets it be sent on out of the other leg's socket: how many packets came.
    fn serve(&mut self, local: u16, now: Time) -> usize {
        if self.batch.is_full() {
            self.send();
        }
        let Some(Ready { socket, more, resting }) = self.sockets.ready(local, now) else { return 0 };
        let received = if more { self.batch.receive(socket) } else { self.batch.receive_one(socket) };
        let received = match received {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return 0,
            // An error that waited at the socket (RFC 1122 §4.1.3.3): it is taken off by being read.
            Err(_) => {
                self.counters.receive_failed.fetch_add(1, Relaxed);
                return 0;
            }
        };
        let packets = received.len();
        if resting {
            self.counters.late.fetch_add(packets as u64, Relaxed);
            self.sockets.late(local, packets as u32);
            return packets;
        }
        for n in received {
            if let Some((from, _)) = self.batch.datagram(n)
                && self.handed.has(local, from)
            {
                self.take_back(local);
                self.handed.keep(local, now);
            }
            let judged = match self.batch.datagram(n) {
                Some((from, packet)) => self.switchboard.packet(local, from, packet, now),
                None => Err(self.switchboard.drop_packet(local, DropReason::Malformed)),
            };
            match judged {
                Ok(forward) => {
                    self.batch.queue(n, forward);
                    if self.handed.may_take(local) && self.switchboard.settled(local).is_some() {
                        self.settled.push(local);
                    }
                }
                Err(reason) => self.counters.dropped(reason),
            }
        }
        packets
    }

    /// Sends on what the turn has brought.
    fn send(&mut self) {
        let mut refused = 0;
        // Where there is no socket any more, the system refuses.
        let socket = |local| self.sockets.get(local).map_or(-1, |socket| socket.as_raw_fd());
        let packets = self.batch.send(&mut self.outlet, socket, |local| {
            refused += 1;
            self.switchboard.send_failed(local, 1);
        });
        self.counters.forwarded(packets as u64, refused);
    }

    /// Offers streams that have settled to the kernel, not too many at once.
    fn hand_over(&mut self, now: Time) {
        for local in self.settled.drain(..).take(OFFERS) {
            if self.handed.may_take(local)
                && let Some(stream) = self.switchboard.settled(local)
            {
                self.handed.hand_over(&stream, now);
            }
        }
    }

    /// Has the stream of a local port judged packet by packet again.
    fn take_back(&mut self, local: u16) {
        if let Some(passed) = self.handed.take_back(local) {
            self.switchboard.passed(local, &passed);
            self.counters.offloaded(passed.packets);
        }
    }

    /// Has what comes and goes at a port judged packet by packet again: something is about to change.
    fn take_back_both(&mut self, port: PortId) {
        let Some(local) = self.switchboard.local(port) else { return };
        let other = self.switchboard.bridged(local);
        [Some(local), other].into_iter().flatten().for_each(|local| self.take_back(local));
    }

    /// Carries out orders that wait; false when no more can come.
    fn obey(&mut self) -> bool {
        // The wake-up is told once for each write (edge-triggered), so there is nothing to reset.
        for _ in 0..ORDERS {
            match self.orders.try_recv() {
                Ok(order) => self.obey_one(order),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
            self.report();
        }
        // The rest after the packets that came meanwhile.
        let _ = self.wake.write(1);
        true
    }

    fn obey_one(&mut self, order: Order) {
        let now = (self.clock)();
        match order {
            Order::Command(MediaCommand::Open { port, group, local }) => self.open(port, group, local, now),
            Order::Command(MediaCommand::Close { port }) => self.close(port, now),
            Order::Command(command) => {
                match command {
                    MediaCommand::Remote { port, .. } | MediaCommand::Carry { port, .. } => {
                        self.take_back_both(port);
                    }
                    MediaCommand::Bridge { a, b } => {
                        [a, b].into_iter().for_each(|port| self.take_back_both(port))
                    }
                    _ => {}
                }
                self.switchboard.handle(command, now);
            }
            Order::Unplug(port, reply) => {
                self.take_back_both(port);
                let moving = self.switchboard.unplug(port).and_then(|port| {
                    let pair = self.sockets.remove(port.local())?;
                    Some(Moving { port, pair })
                });
                // Who asked waits for the answer.
                let _ = reply.send(moving);
            }
            Order::Plug(Moving { port, pair }) => match self.sockets.insert(port.local(), pair) {
                Ok(()) => self.switchboard.plug(port, now),
                Err(error) => tracing::error!(%error, "media port lost on its way to another thread"),
            },
        }
        self.send_own();
        self.count_ports();
    }

    /// Sends what did not come in anywhere.
    fn send_own(&mut self) {
        while let Some((Forward { local, to }, packet)) = self.switchboard.poll_packet() {
            let to = match to {
                SocketAddr::V4(v4) if self.bind.is_ipv6() => {
                    SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port()))
                }
                to => to,
            };
            let sent = self.sockets.get(local).is_some_and(|socket| {
                sendto(socket.as_raw_fd(), &packet, &SockaddrStorage::from(to), MsgFlags::MSG_DONTWAIT)
                    .is_ok()
            });
            if !sent {
                self.switchboard.send_failed(local, 1);
            }
        }
    }

    fn open(&mut self, port: PortId, group: u64, local: u16, now: Time) {
        if self.sockets.wake(local) {
            return self.switchboard.handle(MediaCommand::Open { port, group, local }, now);
        }
        let pair = match Pair::open(self.bind, local) {
            Ok(pair) => pair,
            Err(error) => return self.tell(MediaEvent::OpenFailed { port, error: error.to_string() }),
        };
        self.switchboard.handle(MediaCommand::Open { port, group, local }, now);
        // The switchboard may refuse it, and reports that itself.
        if self.switchboard.local(port) == Some(local)
            && let Err(error) = self.sockets.insert(local, pair)
        {
            self.switchboard.unplug(port);
            self.tell(MediaEvent::OpenFailed { port, error: error.to_string() });
        }
    }

    fn close(&mut self, port: PortId, now: Time) {
        self.take_back_both(port);
        let local = self.switchboard.local(port);
        self.switchboard.handle(MediaCommand::Close { port }, now);
        // Before it is reported: who hears of it may open the port again.
        if let Some(local) = local {
            self.sockets.rest(local, now);
        }
    }

    fn close_all(&mut self) {
        let now = (self.clock)();
        for port in self.switchboard.ports().collect::<Vec<_>>() {
            self.close(port, now);
        }
        self.count_ports();
        self.report();
    }

    fn report(&mut self) {
        while let Some(event) = self.switchboard.poll_event() {
            self.tell(event);
        }
    }

    fn tell(&self, event: MediaEvent) {
        if let MediaEvent::OpenFailed { port, .. } | MediaEvent::Closed { port, .. } = &event {
            self.homes.forget(*port);
        }
        (self.on_event)(event);
    }

    fn count_ports(&self) {
        self.counters.open_ports.store(self.switchboard.ports().len() as u64, Relaxed);
    }

    /// Reports the ports that are silent and closes those that have rested; until the next may be, rounded up to
    /// milliseconds.
    fn look_after_timers(&mut self) -> EpollTimeout {
        let due = |worker: &mut Worker| {
            let sweeps = [worker.sockets.sweep_due(), worker.handed.sweep_due()];
            sweeps.into_iter().flatten().chain(worker.switchboard.poll_timeout()).min()
        };
        let Some(mut next) = due(self) else { return EpollTimeout::NONE };
        let now = (self.clock)();
        if next <= now {
            while let Some(local) = self.switchboard.poll_watch(now) {
                self.take_back(local);
                self.switchboard.look_for_silence(local, now);
            }
            self.handed.over(now).into_iter().for_each(|local| self.take_back(local));
            self.report();
            self.sockets.sweep(now);
            next = due(self).unwrap_or(now);
        }
        EpollTimeout::try_from(next.since(now).as_micros().div_ceil(1_000)).unwrap_or(EpollTimeout::MAX)
    }
}
