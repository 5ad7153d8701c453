//! Server transactions: what they keep, and what becomes of the answers. How they begin is in `arrival`.

use crate::layer::{Slot, Transactions};
use crate::timer::{Cx, Timer};
use crate::{Output, Owner, ServerKey, Transmit};
use crate::{build, server_invite, server_plain};
use bytes::Bytes;
use tandem_sip_msg::{Flow, Message, Method};
use tandem_time::Time;

/// One server transaction.
pub(crate) struct Server {
    machine: Machine,
    /// Where responses go.
    reply: Flow,
    pub(crate) owner: Option<Owner>,
    pub(crate) method: Method,
    pub(crate) identity: Identity,
    /// The request and how it came, until it is finally answered.
    request: Option<Box<(Message, Flow)>>,
}

/// What the transaction is found by; see `identity` and `merge_identity` in `matching`.
pub(crate) struct Identity {
    /// Both identities, one behind the other.
    pub(crate) bytes: Box<[u8]>,
    /// Where the second begins.
    pub(crate) split: usize,
    pub(crate) hash: u64,
    /// The hash of the second, while copies of the request are refused as merged.
    pub(crate) merge_hash: Option<u64>,
}

#[derive(Debug)]
enum Machine {
    Invite(server_invite::State),
    Plain(server_plain::State),
}

/// What happens to a server transaction.
pub(crate) enum Input {
    Retransmission,
    Ack,
    Cancel,
    Respond(u16, Bytes),
    Fired(Timer),
}

/// What a server transaction asks for in return.
pub(crate) enum Action {
    Nothing,
    Send(Bytes),
    Resend(Bytes),
    /// The response of the owner does not fit.
    Refuse,
    Cancelled,
    /// An ACK to a 2xx, sent with the branch of the INVITE.
    PassAck,
    /// RFC 4320 §4.1.
    SayTrying,
    NoAck,
}

impl Server {
    pub(crate) fn start(
        request: &Message,
        flow: Flow,
        reply: Flow,
        identity: Identity,
        cx: &Cx<'_>,
    ) -> Server {
        let method = request.method();
        let machine = match method {
            Method::Invite => Machine::Invite(server_invite::State::start()),
            _ => Machine::Plain(server_plain::State::start(cx)),
        };
        let request = Some(Box::new((request.clone(), flow)));
        Server { machine, reply, owner: None, method, identity, request }
    }

    fn step(&mut self, input: Input, cx: &Cx<'_>) -> Action {
        use server_invite::State as Invite;
        use server_plain::State as Plain;
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

    pub(crate) fn due(&self) -> Option<(Timer, Time)> {
        match &self.machine {
            Machine::Invite(state) => state.due(),
            Machine::Plain(state) => state.due(),
        }
    }

    fn is_over(&self) -> bool {
        matches!(
            self.machine,
            Machine::Invite(server_invite::State::Terminated)
                | Machine::Plain(server_plain::State::Terminated)
        )
    }

    /// Whether a final response is still to come.
    fn is_open(&self) -> bool {
        matches!(
            self.machine,
            Machine::Invite(server_invite::State::Proceeding { .. })
                | Machine::Plain(server_plain::State::Trying { .. } | server_plain::State::Proceeding { .. })
        )
    }

    /// The To tag that the owner gave, if it can be told.
    pub(crate) fn to_tag(&self) -> Option<String> {
        let last = match &self.machine {
            Machine::Invite(state) => state.last_response(),
            Machine::Plain(_) => None,
        };
        Message::parse(last?.clone()).ok()?.to_tag().map(str::to_owned)
    }
}

impl Transactions {
    pub(crate) fn answer(&mut self, key: ServerKey, code: u16, response: Bytes, now: Time) -> bool {
        let action = self.step_server(key, Input::Respond(code, response), now);
        let accepted = !matches!(action, Action::Refuse);
        self.act_server(key, action, now);
        accepted
    }

    pub(crate) fn answer_and_forget(&mut self, key: ServerKey, response: Bytes) {
        let Some(server) = self.servers.get(key).filter(|server| server.is_open()) else { return };
        if server.method == Method::Invite {
            self.forgotten.note(server.identity.hash);
        }
        let asked = server.request.as_deref().map_or(0, |(request, _)| request.as_bytes().len());
        let reply = server.reply;
        self.answer_unverified(asked, reply, response);
        self.remove_server(key);
    }

    pub(crate) fn feed_server(&mut self, key: ServerKey, input: Input, now: Time) {
        let action = self.step_server(key, input, now);
        self.act_server(key, action, now);
    }

    pub(crate) fn step_server(&mut self, key: ServerKey, input: Input, now: Time) -> Action {
        let Some(server) = self.servers.get_mut(key) else { return Action::Refuse };
        let cx = Cx { now, config: &self.config, reliable: server.reply.transport.is_reliable() };
        // A copy of a request that was refused is no longer merged: it may be the next try of a proxy that forks serially.
        let refused = matches!(input, Input::Respond(300.., _));
        let (open, before) = (server.is_open(), server.due());
        let action = server.step(input, &cx);
        let after = server.due();
        if open && !server.is_open() {
            server.request = None;
            if let Some(hash) = server.identity.merge_hash.take_if(|_| refused) {
                self.merge_index.remove(hash, key);
            }
        }
        if before != after {
            match after {
                Some((Timer::J, j)) => {
                    self.timers.cancel(Slot::Server(key));
                    self.lingering.push(j, key);
                }
                Some((_, at)) => self.timers.set(Slot::Server(key), at),
                None => self.timers.cancel(Slot::Server(key)),
            }
        }
        action
    }

    fn act_server(&mut self, key: ServerKey, action: Action, now: Time) {
        let Some(server) = self.servers.get(key) else { return };
        match action {
            Action::Nothing | Action::Refuse | Action::Cancelled | Action::PassAck => {}
            Action::Send(bytes) => {
                let flow = server.reply;
                self.transmit(Transmit { flow, bytes, client: None });
            }
            Action::Resend(bytes) => {
                let flow = server.reply;
                self.counters.retransmits_sent += 1;
                self.transmit(Transmit { flow, bytes, client: None });
            }
            Action::SayTrying => {
                let hundred =
                    server.request.as_deref().map(|(m, flow)| build::reply(m, flow.remote, 100, None));
                match hundred {
                    Some(hundred) => self.feed_server(key, Input::Respond(100, hundred), now),
                    None => self.remove_server(key),
                }
            }
            Action::NoAck => {
                let owner = server.owner;
                self.outputs.push_back(Output::NoAck { owner });
            }
        }
        self.bury_server(key);
        if let Some(oldest) = self.lingering.pop_beyond(self.config.max_server) {
            self.remove_server(oldest);
        }
    }

    pub(crate) fn bury_server(&mut self, key: ServerKey) {
        if self.servers.get(key).is_some_and(Server::is_over) {
            self.remove_server(key);
        }
    }

    fn remove_server(&mut self, key: ServerKey) {
        let Some(server) = self.servers.remove(key) else { return };
        self.index.remove(server.identity.hash, key);
        if let Some(hash) = server.identity.merge_hash {
            self.merge_index.remove(hash, key);
        }
        self.timers.cancel(Slot::Server(key));
    }

    pub(crate) fn server_due(&self, key: ServerKey) -> Option<Timer> {
        self.servers.get(key).and_then(Server::due).map(|(timer, _)| timer)
    }

    pub(crate) fn own_server(&mut self, key: ServerKey, owner: Owner) {
        if let Some(server) = self.servers.get_mut(key) {
            server.owner = Some(owner);
        }
    }

    pub(crate) fn open_request(&self, key: ServerKey) -> Option<(&Message, Flow)> {
        let (message, flow) = self.servers.get(key)?.request.as_deref()?;
        Some((message, *flow))
    }
}
