//! Client transactions: how requests leave, and what becomes of the responses.

use crate::large::Large;
use crate::layer::{Slot, Transactions};
use crate::matching::Branch;
use crate::timer::{Cx, Timer};
use crate::{ClientKey, Config, Failure, Output, Owner, Transmit};
use crate::{build, client_invite, client_plain};
use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use slotmap::Key;
use tandem_sip_msg::{Flow, Header, Message, Method, Transport};
use tandem_time::Time;

/// One client transaction.
pub(crate) struct Client {
    pub(crate) machine: Machine,
    pub(crate) flow: Flow,
    /// It took another way than its owner wanted.
    pub(crate) large: Option<Box<Large>>,
    /// Nobody for a CANCEL, and once the owner has gone.
    owner: Option<Owner>,
    method: Method,
    /// The random part of the branch.
    random: u64,
    /// ICMP is not believed.
    insists: bool,
    /// The transaction of the CANCEL, which shares our branch (RFC 3261 §9.1).
    cancel: Option<ClientKey>,
}

#[derive(Debug)]
pub(crate) enum Machine {
    Invite(client_invite::State),
    Plain(client_plain::State),
}

/// What happens to a client transaction.
pub(crate) enum Input<'a> {
    Provisional,
    Success,
    /// A final response other than 2xx.
    Refusal(&'a Message),
    /// The owner wants the INVITE cancelled, for this Reason.
    Cancel(Option<&'a str>),
    /// The owner is gone.
    Abandon,
    Fired(Timer),
    SendFailed,
    /// Nobody listens there.
    Unreachable,
}

/// What a client transaction asks for in return.
pub(crate) enum Action {
    Nothing,
    Resend(Bytes),
    Deliver,
    /// A 2xx that the owner may have had before.
    DeliverAgain,
    AckAndDeliver(Option<Bytes>),
    AckAgain(Option<Bytes>),
    DeliverAndCancel(Bytes),
    Cancel(Bytes),
    /// A retransmitted final response, of which the owner need not know.
    Absorb,
    /// A response that fits no state.
    Stray,
    Fail(Failure),
}

impl Client {
    pub(crate) fn owner(&self) -> Option<Owner> {
        self.owner
    }

    fn step(&mut self, input: Input<'_>, cx: &Cx<'_>) -> Action {
        use client_invite::State as Invite;
        use client_plain::State as Plain;
        match &mut self.machine {
            Machine::Invite(state) => {
                let (next, action) = std::mem::replace(state, Invite::Terminated).step(input, cx);
                *state = next;
                action
            }
            Machine::Plain(state) => {
                let (next, action) = std::mem::replace(state, Plain::Terminated).step(input, cx);
                *state = next;
                action
            }
        }
    }

    fn due(&self) -> Option<(Timer, Time)> {
        let machine = match &self.machine {
            Machine::Invite(state) => state.due(),
            Machine::Plain(state) => state.due(),
        };
        let stream = self.large.as_ref().and_then(|large| large.due());
        match (machine, stream) {
            (Some(machine), Some(stream)) if stream.1 >= machine.1 => Some(machine),
            (machine, None) => machine,
            (_, stream) => stream,
        }
    }

    fn is_over(&self) -> bool {
        matches!(
            self.machine,
            Machine::Invite(client_invite::State::Terminated)
                | Machine::Plain(client_plain::State::Terminated)
        )
    }

    /// Whether it waits for the very first response over UDP, where an ICMP message may tell that none will come.
    pub(crate) fn waits(&self) -> bool {
        self.flow.transport == Transport::Udp
            && !self.insists
            && matches!(
                self.machine,
                Machine::Invite(client_invite::State::Calling { .. })
                    | Machine::Plain(client_plain::State::Trying { .. })
            )
    }
}

impl Transactions {
    pub(crate) fn start_client(
        &mut self,
        request: Bytes,
        flow: Flow,
        owner: Owner,
        rng: &mut StdRng,
        now: Time,
    ) -> ClientKey {
        let method = method_of(&request);
        let random = rng.next_u64();
        let mut sent = Bytes::new();
        let mut way = flow;
        let key = self.clients.insert_with_key(|key| {
            let branch = Branch { random, key }.write(&self.mask);
            let written =
                |flow: Flow| build::with_via(&request, flow.transport, sent_by(&self.config, flow), &branch);
            sent = written(flow);
            let mut large = None;
            if let Some(stream) = self.streams.instead_of(flow, sent.len(), &self.config, now) {
                let cx = Cx { now, config: &self.config, reliable: true };
                large = Some(Box::new(Large::new(std::mem::replace(&mut sent, written(stream)), flow, &cx)));
                way = stream;
            }
            let cx = Cx { now, config: &self.config, reliable: way.transport.is_reliable() };
            let machine = match method {
                Method::Invite => Machine::Invite(client_invite::State::start(sent.clone(), &cx)),
                _ => Machine::Plain(client_plain::State::start(sent.clone(), &cx)),
            };
            Client {
                machine,
                flow: way,
                large,
                owner: Some(owner),
                method,
                random,
                insists: false,
                cancel: None,
            }
        });
        self.counters.streamed += u64::from(way != flow);
        self.started(key, way, sent);
        key
    }

    /// Nothing came over the stream that a request took because of its size: it goes over UDP. `false`: it took none, or
    /// something did come.
    fn fall_back(&mut self, key: ClientKey, now: Time) -> bool {
        let Some(client) = self.clients.get_mut(key) else { return false };
        let Some(request) = client.fall_back(&self.config, now) else { return false };
        let flow = client.flow;
        self.counters.fallen_back += 1;
        self.streams.refused(flow.remote, now);
        self.started(key, flow, request);
        true
    }

    /// The CANCEL is a transaction of its own, but for its branch and its owner.
    fn start_cancel(&mut self, invite: ClientKey, cancel: Bytes, now: Time) {
        let Some(client) = self.clients.get(invite) else { return };
        let (flow, random) = (client.flow, client.random);
        let cx = Cx { now, config: &self.config, reliable: flow.transport.is_reliable() };
        let machine = Machine::Plain(client_plain::State::start(cancel.clone(), &cx));
        let method = Method::Cancel;
        let cancel_of =
            Client { machine, flow, large: None, owner: None, method, random, insists: false, cancel: None };
        let key = self.clients.insert(cancel_of);
        if let Some(client) = self.clients.get_mut(invite) {
            client.cancel = Some(key);
        }
        self.started(key, flow, cancel);
    }

    fn started(&mut self, key: ClientKey, flow: Flow, bytes: Bytes) {
        let client = &self.clients[key];
        if client.waits() {
            *self.waiting.at(flow.remote) += 1;
        }
        if let Some((_, at)) = client.due() {
            self.timers.set(Slot::Client(key), at);
        }
        self.transmit(Transmit { flow, bytes, client: Some(key) });
    }

    pub(crate) fn send_with_via(&mut self, request: &[u8], flow: Flow, rng: &mut StdRng) -> (Bytes, Flow) {
        let branch = Branch { random: rng.next_u64(), key: ClientKey::null() }.write(&self.mask);
        let written =
            |flow: Flow| build::with_via(request, flow.transport, sent_by(&self.config, flow), &branch);
        let mut sent = (written(flow), flow);
        if let Some(stream) = self.streams.surely_instead_of(flow, sent.0.len(), &self.config) {
            sent = (written(stream), stream);
        }
        self.transmit(Transmit { flow: sent.1, bytes: sent.0.clone(), client: None });
        sent
    }

    pub(crate) fn receive_response(&mut self, response: Message, flow: Flow, now: Time) {
        let Some(key) = self.client_of(&response) else {
            self.counters.stray_responses += 1;
            return;
        };
        let input = match response.code().unwrap_or(0) {
            100..=199 => Input::Provisional,
            200..=299 => Input::Success,
            _ => Input::Refusal(&response),
        };
        let flow = self.heard_over(key, flow);
        let action = self.step_client(key, input, now);
        self.act_client(key, action, Some((response, flow)), now);
    }

    /// A response came by `flow`; the owner is told the way that it wanted, whichever the request took.
    fn heard_over(&mut self, key: ClientKey, flow: Flow) -> Flow {
        let Some(client) = self.clients.get_mut(key) else { return flow };
        let before = client.due();
        client.stream_carries();
        let after = client.due();
        if let Some((_, at)) = after.filter(|_| before != after) {
            self.timers.set(Slot::Client(key), at);
        }
        let Some(large) = &client.large else { return flow };
        if flow.transport.is_reliable() {
            self.streams.answered(large.wanted.remote);
        }
        large.wanted
    }

    /// RFC 3261 §17.1.3: the branch is one of ours and the method that of its request. And RFC 3261 §18.1.2: the top
    /// Via names us; RFC 3261 §8.1.3.3: it is the only one.
    fn client_of(&self, response: &Message) -> Option<ClientKey> {
        let via = response.top_via();
        let Branch { random, key } = Branch::read(via.branch()?, &self.mask)?;
        let named = self.clients.get(key).filter(|client| client.random == random)?;
        let (key, client) = match (response.method(), named.method) {
            (Method::Cancel, Method::Invite) => (named.cancel?, self.clients.get(named.cancel?)?),
            _ => (key, named),
        };
        let ours = self.sent_by.get(client.flow.listener.0 as usize).unwrap_or(&self.nowhere);
        let fits = client.method == response.method()
            && ours.wrote(&via)
            && response.headers(Header::Via).nth(1).is_none();
        fits.then_some(key)
    }

    pub(crate) fn let_insist(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.waits() {
            *self.waiting.at(client.flow.remote) -= 1;
        }
        client.insists = true;
    }

    pub(crate) fn has_sent(&self, invite: &Message) -> bool {
        let uri = invite.request_uri().map(|uri| uri.as_str().as_bytes());
        invite.vias().filter_map(|via| Branch::read(via.branch()?, &self.mask)).any(
            |Branch { random, key }| {
                let client = self.clients.get(key).filter(|client| client.random == random);
                let Some(Client { machine: Machine::Invite(state), .. }) = client else { return false };
                state.request().and_then(|ours| ours.split(|&b| b == b' ').nth(1)) == uri
            },
        )
    }

    /// Feeds one input that is no response to one client transaction.
    pub(crate) fn feed_client(&mut self, key: ClientKey, input: Input<'_>, now: Time) {
        if matches!(input, Input::SendFailed | Input::Fired(Timer::Stream)) && self.fall_back(key, now) {
            return;
        }
        let action = self.step_client(key, input, now);
        self.act_client(key, action, None, now);
    }

    fn step_client(&mut self, key: ClientKey, input: Input<'_>, now: Time) -> Action {
        let Some(client) = self.clients.get_mut(key) else { return Action::Nothing };
        let cx = Cx { now, config: &self.config, reliable: client.flow.transport.is_reliable() };
        let (waited, before) = (client.waits(), client.due());
        let action = client.step(input, &cx);
        let (waits, after, remote) = (client.waits(), client.due(), client.flow.remote);
        if waited && !waits {
            *self.waiting.at(remote) -= 1;
        }
        if before != after {
            match after {
                Some((_, at)) => self.timers.set(Slot::Client(key), at),
                None => self.timers.cancel(Slot::Client(key)),
            }
        }
        action
    }

    fn act_client(&mut self, key: ClientKey, action: Action, response: Option<(Message, Flow)>, now: Time) {
        match action {
            Action::Nothing => {}
            Action::Resend(bytes) => self.resend_client(key, Some(bytes)),
            Action::Deliver => self.deliver(key, response),
            Action::DeliverAgain => {
                self.counters.retransmits_received += 1;
                self.deliver(key, response);
            }
            Action::AckAndDeliver(ack) => {
                self.send_client(key, ack);
                self.deliver(key, response);
            }
            Action::AckAgain(ack) => {
                self.counters.retransmits_received += 1;
                self.resend_client(key, ack);
            }
            Action::DeliverAndCancel(cancel) => {
                self.deliver(key, response);
                self.start_cancel(key, cancel, now);
            }
            Action::Cancel(cancel) => self.start_cancel(key, cancel, now),
            Action::Absorb => self.counters.retransmits_received += 1,
            Action::Stray => self.counters.stray_responses += 1,
            Action::Fail(failure) => {
                if let Some(owner) = self.clients.get(key).and_then(|client| client.owner) {
                    self.outputs.push_back(Output::Failed { key, owner, failure });
                }
            }
        }
        self.bury_client(key);
    }

    /// Lets go of a transaction that is over, and of its CANCEL.
    fn bury_client(&mut self, key: ClientKey) {
        if !self.clients.get(key).is_some_and(Client::is_over) {
            return;
        }
        let Some(key) = self.clients.remove(key).and_then(|client| client.cancel) else { return };
        let Some(cancel) = self.clients.remove(key) else { return };
        self.timers.cancel(Slot::Client(key));
        if cancel.waits() {
            *self.waiting.at(cancel.flow.remote) -= 1;
        }
    }

    fn deliver(&mut self, key: ClientKey, response: Option<(Message, Flow)>) {
        let (Some(client), Some((message, flow))) = (self.clients.get(key), response) else { return };
        match client.owner {
            Some(owner) => self.outputs.push_back(Output::Response { key, owner, message, flow }),
            None if client.method == Method::Invite && message.code().is_some_and(|c| c / 100 == 2) => {
                self.counters.orphaned_answers += 1;
            }
            None => {}
        }
    }

    fn send_client(&mut self, key: ClientKey, bytes: Option<Bytes>) {
        let (Some(client), Some(bytes)) = (self.clients.get(key), bytes) else { return };
        let transmit = Transmit { flow: client.flow, bytes, client: Some(key) };
        self.transmit(transmit);
    }

    fn resend_client(&mut self, key: ClientKey, bytes: Option<Bytes>) {
        self.counters.retransmits_sent += 1;
        self.send_client(key, bytes);
    }

    pub(crate) fn client_due(&self, key: ClientKey) -> Option<Timer> {
        self.clients.get(key).and_then(Client::due).map(|(timer, _)| timer)
    }

    pub(crate) fn disown_client(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key) {
            client.owner = None;
        }
        self.feed_client(key, Input::Abandon, self.now);
    }
}

/// What stands in Via for a listener that the configuration does not name.
pub(crate) const NOWHERE: &str = "unknown.invalid";

fn sent_by(config: &Config, flow: Flow) -> &str {
    config.sent_by.get(flow.listener.0 as usize).map_or(NOWHERE, String::as_str)
}

/// The method of a written request, read from its request line.
fn method_of(request: &[u8]) -> Method {
    let token = request.split(|&b| b == b' ').next().unwrap_or_default();
    std::str::from_utf8(token).map_or(Method::Other, Method::parse)
}
