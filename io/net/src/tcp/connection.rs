//! The task of one connection: reads frames, writes orders, and ends when the peer misbehaves or falls silent.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tandem_sip_msg::{Flow, Frame, Framer, NoConnection, Why};
use tokio::io::Interest;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::door::Admitted;
use super::table::Order;
use crate::event::Inner;
use crate::tls::{Wire, read_failed};
use crate::{Limits, NetEvent};

const READ: usize = 16 * 1024;
/// Time to answer a stream that lost its framing.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Silence after which a head that lacks only its empty line is taken for all that the peer has to say.
const PAUSE: Duration = Duration::from_millis(800);

/// What the task of a connection is given, made already or still to be made.
pub(super) struct Ends {
    pub(super) flow: Flow,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    /// Bytes ordered and not yet written.
    pub(super) backlog: Arc<AtomicUsize>,
    /// Told when the peer is to be cut off.
    pub(super) cut: Arc<Notify>,
    pub(super) up: mpsc::Sender<Inner>,
    pub(super) limits: Arc<Limits>,
    pub(super) admitted: Admitted,
}

/// One open connection.
pub(super) struct Connection {
    wire: Wire,
    ends: Ends,
    framer: Framer,
    out: VecDeque<Order>,
    /// What was written before the peer said anything: lost, if it then refuses us.
    unheard: Option<Vec<u64>>,
    /// When a byte last came or went.
    active: Instant,
    /// Since when a message is owed: the first one, or the rest of one that began.
    owed: Option<Instant>,
    /// When to ask whether the peer believes that it has finished what is owed.
    pause: Option<Instant>,
    /// Since when the peer has taken nothing of what waits for it.
    stuck: Option<Instant>,
    closing: Option<Closing>,
}

/// What a read brought.
enum Taken {
    Nothing,
    Bytes,
    /// The peer says, inside TLS, that it does not want us.
    Refused(Why<NoConnection>),
    /// The peer has closed its direction.
    End,
}

/// The stream is read no more.
struct Closing {
    until: Instant,
    answered: bool,
}

/// Why a connection ends, for the log.
type End = &'static str;

/// What follows when nothing happens.
enum Expired {
    End(End),
    Pause,
}

impl Connection {
    pub(super) fn new(wire: Wire, ends: Ends, speaks_first: bool) -> Connection {
        let active = Instant::now();
        Connection {
            wire,
            ends,
            framer: Framer::default(),
            out: VecDeque::new(),
            unheard: (!speaks_first).then(Vec::new),
            active,
            owed: speaks_first.then_some(active),
            pause: None,
            stuck: None,
            closing: None,
        }
    }

    /// Serves the connection until it ends, then fails whatever was not written.
    pub(super) async fn run(mut self) {
        let why = loop {
            match self.step().await {
                Ok(()) => {}
                Err(why) => break why,
            }
        };
        tracing::debug!(remote = %self.ends.flow.remote, why, "connection closed");
        if let Some(closing) = &self.closing {
            let _ = timeout(closing.until - Instant::now(), say_goodbye(&mut self.wire)).await;
        } else {
            self.wire.close();
        }
        drop(self.wire);
        self.ends.give_up(true, self.out).await;
    }

    async fn step(&mut self) -> Result<(), End> {
        if self
            .closing
            .as_ref()
            .is_some_and(|closing| closing.answered && self.out.is_empty() && !self.wire.wants_write())
        {
            return Err("answered after a framing error");
        }
        let (deadline, expired) = self.deadline();
        let interest = match (self.closing.is_none(), !self.out.is_empty() || self.wire.wants_write()) {
            (true, false) => Some(Interest::READABLE),
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        };
        let ready = async {
            match interest {
                Some(interest) => self.wire.ready(interest).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = self.ends.cut.notified() => Err("the peer does not read"),
            order = self.ends.orders.recv() => match order {
                Some(order) => {
                    if let Some(closing) = &mut self.closing {
                        closing.answered = true;
                    }
                    self.out.push_back(order);
                    self.write()
                }
                None => Err("no longer needed"),
            },
            ready = ready => {
                let ready = ready.map_err(|_| "the socket failed")?;
                if ready.is_writable() {
                    self.write()?;
                }
                if self.closing.is_none() && (ready.is_readable() || ready.is_read_closed()) {
                    self.read().await?;
                }
                Ok(())
            }
            () = sleep_until(deadline) => match expired {
                Expired::End(why) => Err(why),
                Expired::Pause => self.paused().await,
            },
        }
    }

    /// The peer has been silent for a while in the middle of a message.
    async fn paused(&mut self) -> Result<(), End> {
        self.pause = None;
        if self.framer.lacks_only_its_end() { self.finish().await } else { Ok(()) }
    }

    /// The peer says no more: an unfinished message is answered before the connection ends.
    async fn finish(&mut self) -> Result<(), End> {
        let error = self.framer.finish().ok_or("the peer closed it")?;
        let event = self.broken(error.head, error.why);
        self.tell(event).await
    }

    async fn tell(&mut self, event: NetEvent) -> Result<(), End> {
        self.ends.up.send(Inner::Event(event)).await.map_err(|_| "no longer needed")
    }

    fn deadline(&self) -> (Instant, Expired) {
        let end = |why| move |at| (at, Expired::End(why));
        if let Some(closing) = &self.closing {
            return end("a framing error")(closing.until);
        }
        let Limits { idle, stall, .. } = *self.ends.limits;
        let idle = end("idle")(self.active + idle);
        let owed = self.owed.map(|since| since + stall).map(end("a message was not finished"));
        let stuck = self.stuck.map(|since| since + stall).map(end("the peer does not read"));
        let pause = self.pause.map(|at| (at, Expired::Pause));
        [owed, stuck, pause].into_iter().flatten().fold(idle, |a, b| if b.0 < a.0 { b } else { a })
    }

    fn write(&mut self) -> Result<(), End> {
        while let Some((bytes, tag)) = self.out.front_mut() {
            match self.wire.try_write(bytes) {
                Ok(count) => {
                    bytes.advance(count);
                    if bytes.is_empty() {
                        if let Some(unheard) = &mut self.unheard {
                            unheard.extend(*tag);
                        }
                        self.out.pop_front();
                    }
                    self.ends.backlog.fetch_sub(count, Ordering::Relaxed);
                    self.active = Instant::now();
                    self.stuck = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stuck.get_or_insert_with(Instant::now);
                    return Ok(());
                }
                Err(_) => return Err("the peer closed it"),
            }
        }
        match self.wire.try_flush() {
            Ok(()) => {
                self.stuck = None;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.stuck.get_or_insert_with(Instant::now);
                Ok(())
            }
            Err(_) => Err("the peer closed it"),
        }
    }

    async fn read(&mut self) -> Result<(), End> {
        match self.take()? {
            Taken::Refused(why) => {
                // It took the bytes and not us: what they carried is lost.
                let lost = self.unheard.take().unwrap_or_default();
                self.out.extend(lost.into_iter().map(|tag| (Bytes::new(), Some(tag))));
                let flow = self.ends.flow;
                self.tell(NetEvent::ConnectFailed { flow, why }).await?;
                return Err("the peer refuses us");
            }
            Taken::Nothing => return Ok(()),
            Taken::Bytes => {
                self.active = Instant::now();
                self.unheard = None;
            }
            Taken::End => return self.finish().await,
        }
        loop {
            let event = match self.framer.next() {
                Ok(Some(Frame::Message(bytes))) => NetEvent::Message { flow: self.ends.flow, bytes },
                Ok(Some(Frame::Ping)) => {
                    self.owed = None;
                    self.pong()?;
                    continue;
                }
                Ok(Some(Frame::Pong)) => continue,
                Ok(None) if self.framer.pending() > self.ends.limits.message => {
                    self.broken(None, "Message Too Large")
                }
                Ok(None) => break,
                Err(error) => self.broken(error.head, error.why),
            };
            self.owed = None;
            self.tell(event).await?;
            if self.closing.is_some() {
                return Ok(());
            }
        }
        let waits = self.framer.pending() > 0;
        if waits {
            self.owed.get_or_insert(self.active);
        }
        self.pause = waits.then(|| self.active + PAUSE);
        Ok(())
    }

    /// Reads once.
    fn take(&mut self) -> Result<Taken, End> {
        let mut buffer = [0; READ];
        match self.wire.try_read(&mut buffer) {
            Ok(0) => Ok(Taken::End),
            Ok(count) => {
                self.framer.push(&buffer[..count]);
                Ok(Taken::Bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Taken::Nothing),
            Err(error) => match read_failed(&error).filter(|_| self.unheard.is_some()) {
                Some(why) => Ok(Taken::Refused(why)),
                None => Err("the peer broke it"),
            },
        }
    }

    /// Answers a keep-alive (RFC 5626 §4.4.1), within the bound of what may wait.
    fn pong(&mut self) -> Result<(), End> {
        let answer = Bytes::from_static(b"\r\n");
        if self.ends.backlog.fetch_add(answer.len(), Ordering::Relaxed) > self.ends.limits.stream_backlog {
            return Err("the peer does not read");
        }
        self.out.push_back((answer, None));
        self.write()
    }

    fn broken(&mut self, head: Option<Bytes>, why: &'static str) -> NetEvent {
        self.closing = Some(Closing { until: Instant::now() + LAST_WORDS, answered: false });
        NetEvent::Broken { flow: self.ends.flow, head, why }
    }
}

/// Closes our direction, then reads the other one empty: unread bytes would make the system reset the connection and take
/// the answer along.
async fn say_goodbye(wire: &mut Wire) {
    if wire.shutdown().await.is_err() {
        return;
    }
    let stream = wire.socket();
    let mut buffer = [0; 1024];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

impl Ends {
    /// The end of a connection: its place is free, and everything not written has failed.
    pub(super) async fn give_up(self, was_open: bool, unwritten: impl IntoIterator<Item = Order>) {
        let Ends { flow, mut orders, up, admitted, .. } = self;
        drop(admitted);
        orders.close();
        let late = std::iter::from_fn(|| orders.try_recv().ok());
        let tags: Vec<u64> = unwritten.into_iter().chain(late).filter_map(|(_, tag)| tag).collect();
        for tag in tags {
            let _ = up.send(Inner::Event(NetEvent::SendFailed { tag })).await;
        }
        if let Some(id) = flow.connection {
            let _ = up.send(Inner::Ended { id, was_open }).await;
        }
    }
}
