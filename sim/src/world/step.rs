//! How a world moves on: what is due next, what the engine puts out, and how it dies.

use super::services::Word;
use super::{SERVER, World};
use crate::network;
use crate::streams::{Arrival, LISTENER, Reach};
use crate::{Packet, Ua};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use tandem_engine::{Engine, Output};
use tandem_media::{MediaCommand, Switchboard};
use tandem_sip_msg::{ConnectionId, Flow, ListenerId, Message, Transport};
use tandem_time::Time;

/// When the server dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Death {
    /// With this output of the engine.
    pub(super) output: u64,
    /// Right after it was carried out; otherwise right before.
    pub(super) after: bool,
}

impl World {
    /// The server will die without a word right after (or before) the n-th output of the engine from now is carried out, and is
    /// started again: what is left is what was on disk.
    pub fn die_at(&mut self, output: u64, after: bool) {
        self.death = Some(Death { output: self.outputs + output, after });
    }

    /// Outputs of the engine that were carried out so far.
    pub fn outputs(&self) -> u64 {
        self.outputs
    }

    /// Whether this output was the first after the engine had nothing to put out.
    pub fn is_first(&self, output: u64) -> bool {
        self.firsts.contains(&output)
    }

    /// How often the server has died.
    pub fn crashes(&self) -> u32 {
        self.crashes
    }

    /// The server dies without a word and is started again: what is left is what was on disk.
    pub fn crash(&mut self) {
        self.crashes += 1;
        self.work.forget();
        self.records.extend(std::mem::take(&mut self.open).into_values());
        self.board = Switchboard::default();
        self.observer.restarted();
        let cut_off = self.streams.server_died();
        let bindings = self.bindings.values().cloned().collect();
        let mut settings = self.settings.clone();
        settings.seed[31] = settings.seed[31].wrapping_add(1);
        self.settings = settings.clone();
        self.engine = Engine::new(settings, Arc::new(self.config.clone()), bindings, self.now);
        self.records.iter().for_each(|record| self.engine.recall(record));
        self.drain_engine();
        for (ua, id) in cut_off {
            self.cut_off(ua, id);
        }
    }

    /// Does what is next, if it is due by `until`.
    pub(super) fn step(&mut self, until: Time) -> bool {
        self.drain_all();
        let uas = self.uas.iter().filter_map(Ua::poll_timeout);
        let rest = [
            self.engine.poll_timeout(),
            self.network.next(),
            self.streams.next(),
            self.work.next(),
            self.board.poll_timeout(),
        ];
        let next = uas.chain(rest.into_iter().flatten()).min();
        let Some(next) = next.filter(|next| *next <= until) else { return false };
        self.now = self.now.max(next);
        while let Some(arrival) = self.network.arrived(self.now) {
            match arrival {
                network::Arrival::Packet(packet) => self.arrive(&packet),
                network::Arrival::Unreachable(remote) => {
                    self.observer.unreachable(self.now, remote);
                    self.engine.unreachable(remote, self.now);
                    self.drain_engine();
                }
            }
        }
        while let Some(arrival) = self.streams.arrived(self.now) {
            self.stream(arrival);
        }
        self.serve();
        if self.engine.poll_timeout().is_some_and(|due| due <= self.now) {
            self.engine.handle_timeout(self.now);
            self.drain_engine();
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
        if self.unreachable.contains(&packet.to) {
            self.observer.unreachable(self.now, packet.to);
            self.engine.unreachable(packet.to, self.now);
            self.drain_engine();
        } else if packet.to == SERVER {
            let listener = ListenerId(0);
            let flow = Flow {
                transport: Transport::Udp,
                listener,
                remote: packet.from,
                connection: None,
                domain: None,
            };
            self.hear(flow, packet.bytes.clone());
        } else if packet.to.ip() == SERVER.ip() {
            if let Ok(forward) = self.board.packet(packet.to.port(), packet.from, &packet.bytes, self.now) {
                let from = SocketAddr::new(SERVER.ip(), forward.local);
                let packet = Packet { from, to: forward.to, bytes: packet.bytes.clone(), is_media: true };
                self.network.send(packet, self.now);
            }
        } else if let Some(ua) = self.uas.iter_mut().find(|ua| {
            if packet.is_media { ua.address.ip() == packet.to.ip() } else { ua.address == packet.to }
        }) {
            ua.receive(packet, self.now);
        }
    }

    /// The server gets a message.
    fn hear(&mut self, flow: Flow, bytes: Bytes) {
        self.observer.received(self.now, flow.remote, flow.transport, &bytes);
        self.engine.receive(flow, bytes, self.now);
        self.drain_engine();
    }

    fn stream(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Message { flow, bytes } => self.hear(flow, bytes),
            Arrival::Broken { flow, head, why } => {
                self.engine.stream_broken(flow, head, why, self.now);
                self.drain_engine();
            }
            Arrival::ToPeer { ua, id, bytes } => {
                if let Some(branch) = branch_of(&bytes, true) {
                    self.came_by.insert((ua, branch), id);
                }
                let packet = Packet { from: SERVER, to: self.uas[ua].address, bytes, is_media: false };
                self.uas[ua].receive(&packet, self.now);
            }
            Arrival::Closed { ua, id } => {
                self.engine.disconnected(id, self.now);
                self.drain_engine();
                self.cut_off(ua, id);
            }
            Arrival::SendFailed(tag) => {
                self.engine.send_failed(tag, self.now);
                self.drain_engine();
            }
        }
    }

    fn cut_off(&mut self, ua: usize, id: ConnectionId) {
        self.came_by.retain(|_, by| *by != id);
        if let Some(ua) = self.uas.get_mut(ua) {
            ua.cut_off(self.now);
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

    /// Carries out what the engine wants, unless it dies meanwhile.
    pub(super) fn drain_engine(&mut self) {
        let mut is_first = true;
        while let Some(output) = self.engine.poll_output() {
            let n = self.outputs;
            if self.dies(n, false) {
                return;
            }
            if std::mem::take(&mut is_first) {
                self.firsts.insert(n);
            }
            self.outputs += 1;
            self.carry_out(output);
            if self.dies(n, true) {
                return;
            }
        }
    }

    fn dies(&mut self, output: u64, after: bool) -> bool {
        let dies = self.death.take_if(|death| *death == Death { output, after }).is_some();
        if dies {
            self.crash();
        }
        dies
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Transmit { flow, bytes, tag } => self.transmit(flow, bytes, tag),
            Output::Domain(..) => {} // nobody here speaks TLS
            Output::Resolve(query) => self.look_up(query),
            Output::Persist { id, changes } => self.write(id, changes),
            Output::Media(command) => self.order(command),
            Output::Open { id, record } => self.write_call(id, Word::Note(record)),
            Output::Record { id, record } => self.write_call(id, Word::Record(record)),
            Output::Captured(captured) => self.captures.push(*captured),
            Output::Event(event) => self.events.push(event),
            Output::Examined { report, .. } => self.reports.push(*report),
        }
    }

    fn order(&mut self, command: MediaCommand) {
        self.board.handle(command, self.now);
        while let Some((forward, bytes)) = self.board.poll_packet() {
            let from = SocketAddr::new(SERVER.ip(), forward.local);
            self.network.send(Packet { from, to: forward.to, bytes, is_media: true }, self.now);
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes, tag: Option<u64>) {
        self.observer.sent(self.now, flow.remote, flow.transport, &bytes);
        if flow.transport == Transport::Udp {
            self.ladder.add(self.now, SERVER, flow.remote, &bytes);
            let packet = Packet { from: SERVER, to: flow.remote, bytes, is_media: false };
            return self.network.send(packet, self.now);
        }
        let owner = self.uas.iter().position(|ua| ua.address.ip() == flow.remote.ip());
        self.ladder.add(self.now, SERVER, owner.map_or(flow.remote, |ua| self.uas[ua].address), &bytes);
        let reach = match self.uas.iter().position(|ua| ua.address == flow.remote) {
            Some(ua) if self.uas[ua].is_off || self.uas[ua].transport != Transport::Tcp => Reach::Silent,
            Some(ua) => Reach::Listens(ua),
            None => Reach::Refuses,
        };
        self.streams.send(Flow { listener: LISTENER, ..flow }, bytes, tag, reach, self.now);
    }

    pub(super) fn drain_ua(&mut self, n: usize) {
        while let Some(packet) = self.uas[n].poll_output() {
            if packet.is_media {
                self.network.send(packet, self.now);
                continue;
            }
            self.ladder.add(self.now, packet.from, packet.to, &packet.bytes);
            if self.uas[n].transport == Transport::Udp || packet.to != SERVER {
                self.network.send(packet, self.now);
                continue;
            }
            let came_by = branch_of(&packet.bytes, false).and_then(|branch| self.came_by.get(&(n, branch)));
            self.streams.send_from(n, packet.from, came_by.copied(), &packet.bytes, self.now);
        }
    }
}

/// The branch of a request, or of a response.
fn branch_of(bytes: &Bytes, of_request: bool) -> Option<String> {
    let message = Message::parse(bytes.clone()).ok().filter(|message| message.is_request() == of_request)?;
    message.top_via().branch().map(str::to_owned)
}
