//! A set of ports and the bridges between them: carries out media commands and says where each packet goes.
//!
//! Sockets are known by their local UDP port alone. The simulator uses a switchboard bare; a thread of the
//! relay owns one and adds the sockets.

use crate::{DropReason, MediaCommand, MediaEvent, Passed, Port, PortId, PortStats, Settled, Verdict};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;
use tandem_time::{Time, Timers};

/// A shorter silence than this would be looked for without end.
const SHORTEST_WATCH: Duration = Duration::from_millis(1);

/// Where a packet goes on: out of the socket of `local`, to `to`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forward {
    /// The local UDP port to send from.
    pub local: u16,
    /// The address to send to.
    pub to: SocketAddr,
}

/// The open ports of one relay thread, or of a simulated relay.
#[derive(Debug, Default)]
pub struct Switchboard {
    /// By half of the local port, so that a packet finds its port without hashing.
    slots: Vec<Option<Box<Slot>>>,
    locals: BTreeMap<PortId, u16>,
    watches: Timers<u16>,
    events: VecDeque<MediaEvent>,
    /// What is to be sent that did not come in anywhere.
    outgoing: VecDeque<(Forward, Bytes)>,
}

/// A port in its place.
#[derive(Debug)]
struct Slot {
    id: PortId,
    local: u16,
    port: Port,
    /// The local port of the other side.
    bridged: Option<u16>,
    watch: Option<Watch>,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    after: Duration,
    since: Time,
    /// The last packet before the silence that was reported, if one was.
    reported: Option<Option<Time>>,
}

/// A port taken out of one switchboard to be put into another: a call that is joined to one of another
/// thread.
#[derive(Debug)]
pub struct Unplugged(Box<Slot>);

impl Unplugged {
    /// Its local RTP port.
    pub fn local(&self) -> u16 {
        self.0.local
    }
}

impl Switchboard {
    /// Carries out a command.
    pub fn handle(&mut self, command: MediaCommand, now: Time) {
        match command {
            MediaCommand::Open { port, local, .. } => self.open(port, local),
            MediaCommand::Remote { port, rtp, rtcp, signalling, clock_rate } => {
                if let Some(slot) = self.by_id(port) {
                    slot.port.remote(rtp, rtcp, signalling, clock_rate, now);
                }
            }
            MediaCommand::Carry { port, content } => {
                if let Some(slot) = self.by_id(port) {
                    slot.port.carry(content);
                }
            }
            MediaCommand::Bridge { a, b } => self.bridge(a, b),
            MediaCommand::Watch { port, after } => self.watch(port, after, now),
            MediaCommand::Send { port, packet } => {
                if let Some((local, to)) =
                    self.by_id(port).and_then(|slot| Some((slot.local, slot.port.send(false)?)))
                {
                    self.outgoing.push_back((Forward { local, to }, packet));
                }
            }
            MediaCommand::Close { port } => {
                if let Some(Unplugged(slot)) = self.unplug(port) {
                    self.events.push_back(MediaEvent::Closed { port, stats: slot.port.stats() });
                }
            }
        }
    }

    /// Judges a datagram that came `from` somewhere to the socket of `local`: where it goes on, or why it
    /// does not.
    pub fn packet(
        &mut self,
        local: u16,
        from: SocketAddr,
        packet: &[u8],
        now: Time,
    ) -> Result<Forward, DropReason> {
        let rtcp = is_rtcp(local);
        let slot = self.slot(local).ok_or(DropReason::NoPeer)?;
        let verdict = if rtcp {
            slot.port.receive_rtcp(packet, from, now)
        } else {
            slot.port.receive_rtp(packet, from, now)
        };
        if let Verdict::Drop(reason) = verdict {
            return Err(reason);
        }
        let bridged = slot.bridged;
        let forward = bridged.and_then(|other| {
            let to = self.slot(other)?.port.send(rtcp)?;
            Some(Forward { local: other + u16::from(rtcp), to })
        });
        forward.ok_or_else(|| self.drop_packet(local, DropReason::NoPeer))
    }

    /// The stream that comes in at the RTP port `local`, if nothing is left to decide about it: both peers are where they are heard
    /// from, and its last packets came one after the other. It stays so until a packet that is not ordinary is judged, or a command
    /// about either port is carried out.
    pub fn settled(&self, local: u16) -> Option<Settled> {
        let slot = self
            .slots
            .get(index(local))?
            .as_ref()
            .filter(|slot| slot.local == local && slot.port.is_steady())?;
        let other = self.slots.get(index(slot.bridged?))?.as_ref().filter(|other| other.port.is_latched())?;
        let forward = Forward { local: other.local, to: other.port.destination_rtp()? };
        slot.port.settled(local, forward)
    }

    /// Counts packets of the settled stream of `local` that went on without being judged each.
    pub fn passed(&mut self, local: u16, passed: &Passed) {
        let Some(slot) = self.slot(local) else { return };
        slot.port.passed(passed);
        if let Some(other) = slot.bridged.and_then(|other| self.slot(other)) {
            other.port.sent(passed.packets);
        }
    }

    /// The local port of the other side of the bridge.
    pub fn bridged(&self, local: u16) -> Option<u16> {
        self.slots.get(index(local))?.as_ref()?.bridged
    }

    /// Counts a datagram at the socket of `local` that is lost before it can be judged, or after.
    pub fn drop_packet(&mut self, local: u16, reason: DropReason) -> DropReason {
        if let Some(slot) = self.slot(local) {
            slot.port.drop_packet(reason);
        }
        reason
    }

    /// The system refused to send `packets` out of the socket of `local`.
    pub fn send_failed(&mut self, local: u16, packets: u64) {
        if let Some(slot) = self.slot(local) {
            slot.port.unsend(is_rtcp(local), packets);
        }
    }

    /// The next thing that the engine should know.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    /// The next packet to be sent that did not come in anywhere.
    pub fn poll_packet(&mut self) -> Option<(Forward, Bytes)> {
        self.outgoing.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&mut self) -> Option<Time> {
        self.watches.due()
    }

    /// Reports the ports that are silent for too long. Packets do not touch their port's timer: it is looked
    /// at when it is due, and set anew from the last packet.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(local) = self.poll_watch(now) {
            self.look_for_silence(local, now);
        }
    }

    /// The next port that [`handle_timeout`](Self::handle_timeout) would look at, for whoever has to bring it up to date first with
    /// [`passed`](Self::passed); [`look_for_silence`](Self::look_for_silence) is to follow.
    pub fn poll_watch(&mut self, now: Time) -> Option<u16> {
        self.watches.pop(now).map(|(_, local)| local)
    }

    /// Reports a port if it is silent for too long.
    pub fn look_for_silence(&mut self, local: u16, now: Time) {
        let Some(slot) = self.slot(local) else { return };
        let Some(watch) = &mut slot.watch else { return };
        let last_packet = slot.port.last_packet();
        let silent_since = last_packet.map_or(watch.since, |last| last.max(watch.since));
        let mut next = silent_since + watch.after;
        if next <= now {
            next = now + watch.after;
            if watch.reported != Some(last_packet) {
                watch.reported = Some(last_packet);
                let (port, silence) = (slot.id, now.since(silent_since));
                self.events.push_back(MediaEvent::Silent { port, silence });
            }
        }
        self.watches.set(local, next);
    }

    /// What an open port has counted so far.
    pub fn stats(&self, port: PortId) -> Option<PortStats> {
        let slot = self.slots.get(index(*self.locals.get(&port)?))?.as_ref()?;
        Some(slot.port.stats())
    }

    /// The local RTP port of an open port.
    pub fn local(&self, port: PortId) -> Option<u16> {
        self.locals.get(&port).copied()
    }

    /// All open ports, in the order of their ids.
    pub fn ports(&self) -> impl ExactSizeIterator<Item = PortId> {
        self.locals.keys().copied()
    }

    /// Takes a port out, with its latches, counts and watch but without its bridge.
    pub fn unplug(&mut self, port: PortId) -> Option<Unplugged> {
        let local = self.locals.remove(&port)?;
        self.part(local);
        self.watches.cancel(local);
        self.slots.get_mut(index(local))?.take().map(Unplugged)
    }

    /// Puts a port in that another switchboard has given up; its watch goes on from `now`.
    pub fn plug(&mut self, Unplugged(slot): Unplugged, now: Time) {
        let (id, local, watch) = (slot.id, slot.local, slot.watch);
        if self.slots.len() <= index(local) {
            self.slots.resize_with(index(local) + 1, || None);
        }
        self.slots[index(local)] = Some(slot);
        self.locals.insert(id, local);
        self.watch(id, watch.map(|watch| watch.after), now);
    }

    fn open(&mut self, port: PortId, local: u16) {
        let error = if is_rtcp(local) {
            "an RTP port must be even"
        } else if self.slot(local).is_some() {
            "the UDP port is in use"
        } else if self.locals.contains_key(&port) {
            "the media port is open already"
        } else {
            let slot = Slot { id: port, local, port: Port::default(), bridged: None, watch: None };
            return self.plug(Unplugged(Box::new(slot)), Time::default());
        };
        self.events.push_back(MediaEvent::OpenFailed { port, error: error.to_owned() });
    }

    fn bridge(&mut self, a: PortId, b: PortId) {
        let (Some(a), Some(b)) = (self.local(a), self.local(b)) else { return };
        self.part(a);
        self.part(b);
        for (one, other) in [(a, b), (b, a)] {
            if let Some(slot) = self.slot(one) {
                slot.bridged = Some(other);
            }
        }
    }

    /// Undoes the bridge of `local` on both sides.
    fn part(&mut self, local: u16) {
        let other = self.slot(local).and_then(|slot| slot.bridged.take());
        if let Some(other) = other.and_then(|other| self.slot(other)) {
            other.bridged.take_if(|back| *back == local);
        }
    }

    fn watch(&mut self, port: PortId, after: Option<Duration>, now: Time) {
        let Some(slot) = self.by_id(port) else { return };
        let local = slot.local;
        let after = after.map(|after| after.max(SHORTEST_WATCH));
        slot.watch = after.map(|after| Watch { after, since: now, reported: None });
        match after {
            Some(after) => self.watches.set(local, now + after),
            None => self.watches.cancel(local),
        }
    }

    fn by_id(&mut self, port: PortId) -> Option<&mut Slot> {
        self.slot(*self.locals.get(&port)?)
    }

    fn slot(&mut self, local: u16) -> Option<&mut Slot> {
        self.slots.get_mut(index(local))?.as_deref_mut()
    }
}

/// Both ports of a pair share a slot.
fn index(local: u16) -> usize {
    usize::from(local / 2)
}

/// RTP is on the even port, RTCP on the odd one above it (RFC 3550 §11).
fn is_rtcp(local: u16) -> bool {
    !local.is_multiple_of(2)
}
