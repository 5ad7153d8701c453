//! How requests arrive: a retransmission, an ACK, a CANCEL, a merged copy, or the beginning of a server transaction.

use crate::layer::{Judge, Slot, Transactions};
use crate::servers::{Action, Identity, Input, Server};
use crate::timer::Cx;
use crate::{Output, ServerKey, Transmit, Verdict, build, matching};
use bytes::Bytes;
use tandem_sip_msg::{Flow, Message, Method};
use tandem_time::Time;

/// A request on its way to its transaction.
struct Arrival {
    request: Message,
    flow: Flow,
    /// Where a response goes.
    reply: Flow,
    /// Of its identity.
    hash: u64,
    now: Time,
}

impl Transactions {
    pub(crate) fn receive_request(&mut self, request: Message, flow: Flow, now: Time, judge: &mut Judge<'_>) {
        if !matching::is_unicast(flow.remote) {
            self.counters.unanswerable += 1;
            return;
        }
        let mut identity = std::mem::take(&mut self.scratch);
        identity.clear();
        let via = request.top_via();
        matching::identity(&request, &via, &mut identity);
        let reply = matching::reply_flow(&via, flow);
        let hash = self.hasher.hash_one(&identity[..]);
        let arrival = Arrival { request, flow, reply, hash, now };
        match arrival.request.method() {
            Method::Ack => self.receive_ack(arrival, &identity),
            Method::Cancel => self.receive_cancel(arrival, &identity),
            method => match self.find_server(hash, &identity, |m| m == method) {
                Some(key) => {
                    self.counters.retransmits_received += 1;
                    self.feed_server(key, Input::Retransmission, now);
                }
                None => self.receive_new(arrival, &mut identity, judge),
            },
        }
        self.scratch = identity;
    }

    /// RFC 3261 §17.2.3.
    fn find_server(&self, hash: u64, identity: &[u8], method: impl Fn(Method) -> bool) -> Option<ServerKey> {
        self.index.find(hash, |key| {
            self.servers.get(key).is_some_and(|server| {
                let Identity { bytes, split, .. } = &server.identity;
                &bytes[..*split] == identity && method(server.method)
            })
        })
    }

    fn receive_new(&mut self, arrival: Arrival, identity: &mut Vec<u8>, judge: &mut Judge<'_>) {
        let split = identity.len();
        let may_merge = matching::merge_identity(&arrival.request, identity);
        let merge_hash = may_merge.then(|| self.hasher.hash_one(&identity[split..]));
        if merge_hash.is_some_and(|hash| self.is_merged(hash, &identity[split..])) {
            self.counters.merged += 1;
            self.refuse(&arrival, 482, None);
            return;
        }
        match judge(&arrival.request, arrival.flow, self.turned_away.knows(arrival.hash)) {
            Verdict::Take => {}
            Verdict::Refuse { code, retry_after } => {
                if arrival.request.method() == Method::Invite {
                    self.turned_away.note(arrival.hash);
                }
                return self.refuse(&arrival, code, retry_after);
            }
            Verdict::Drop => return,
        }
        let rooms = if arrival.request.to_tag().is_some() { 2 } else { 1 };
        if !self.has_room(rooms) {
            self.counters.overload_dropped += 1;
            return;
        }
        let Arrival { request, flow, reply, hash, now } = arrival;
        let identity = Identity { bytes: identity.as_slice().into(), split, hash, merge_hash };
        let key = self.start_server(&request, flow, reply, identity, now);
        self.outputs.push_back(Output::Request { key, message: request, flow });
    }

    /// Whether `Config::max_server`, so many times, is not reached.
    fn has_room(&self, rooms: usize) -> bool {
        self.servers.len() - self.lingering.len() < rooms * self.config.max_server
    }

    fn start_server(
        &mut self,
        request: &Message,
        flow: Flow,
        reply: Flow,
        identity: Identity,
        now: Time,
    ) -> ServerKey {
        let cx = Cx { now, config: &self.config, reliable: flow.transport.is_reliable() };
        let (hash, merge_hash) = (identity.hash, identity.merge_hash);
        let server = Server::start(request, flow, reply, identity, &cx);
        let due = server.due();
        let key = self.servers.insert(server);
        self.index.insert(hash, key);
        if let Some(hash) = merge_hash {
            self.merge_index.insert(hash, key);
        }
        if let Some((_, at)) = due {
            self.timers.set(Slot::Server(key), at);
        }
        key
    }

    /// RFC 3261 §8.2.2.2.
    fn is_merged(&self, hash: u64, identity: &[u8]) -> bool {
        let same = |key| {
            self.servers.get(key).is_some_and(|Server { identity: i, .. }| &i.bytes[i.split..] == identity)
        };
        self.merge_index.find(hash, same).is_some()
    }

    fn receive_ack(&mut self, ack: Arrival, identity: &[u8]) {
        let Arrival { request: message, flow, hash, now, .. } = ack;
        let Some(key) = self.find_server(hash, identity, |m| m == Method::Invite) else {
            if !self.forgotten.knows(hash) {
                self.outputs.push_back(Output::Ack { message, flow });
            }
            return;
        };
        // RFC 3261 §17.2.3: without a branch it is the To tag that tells to which response an ACK belongs.
        let other_tag = |server: &Server| server.to_tag().is_some_and(|tag| message.to_tag() != Some(&tag));
        if !matching::has_branch(&message.top_via()) && self.servers.get(key).is_some_and(other_tag) {
            return;
        }
        if let Action::PassAck = self.step_server(key, Input::Ack, now) {
            self.outputs.push_back(Output::Ack { message, flow });
        }
        self.bury_server(key);
    }

    /// RFC 3261 §9.2. A CANCEL that matched is remembered with its answer, so that a copy of it gets the same even when what it
    /// cancelled is gone; one that matches nothing may be a stranger's, and costs no memory.
    fn receive_cancel(&mut self, cancel: Arrival, identity: &[u8]) {
        if let Some(key) = self.find_server(cancel.hash, identity, |m| m == Method::Cancel) {
            self.counters.retransmits_received += 1;
            return self.feed_server(key, Input::Retransmission, cancel.now);
        }
        let Some(key) = self.find_server(cancel.hash, identity, |m| m != Method::Cancel) else {
            self.refuse(&cancel, 481, None);
            return;
        };
        let action = self.step_server(key, Input::Cancel, cancel.now);
        let Some(server) = self.servers.get(key) else { return };
        let (owner, tag) = (server.owner, server.to_tag());
        let answer = self.answer_to(&cancel, 200, tag, None);
        let (message, now) = (cancel.request.clone(), cancel.now);
        self.remember_cancel(cancel, identity, answer, now);
        if let Action::Cancelled = action {
            self.outputs.push_back(Output::Cancelled { key, owner, message });
        }
    }

    /// Answers a CANCEL in a transaction of its own (RFC 3261 §17.2.2), if there is room for one.
    fn remember_cancel(&mut self, cancel: Arrival, identity: &[u8], answer: Bytes, now: Time) {
        if !self.has_room(1) {
            return self.transmit(Transmit { flow: cancel.reply, bytes: answer, client: None });
        }
        let split = identity.len();
        let identity = Identity { bytes: identity.into(), split, hash: cancel.hash, merge_hash: None };
        let key = self.start_server(&cancel.request, cancel.flow, cancel.reply, identity, now);
        self.feed_server(key, Input::Respond(200, answer), now);
    }

    /// Answers without remembering.
    fn refuse(&mut self, arrival: &Arrival, code: u16, retry_after: Option<u32>) {
        if arrival.request.method() == Method::Invite {
            self.forgotten.note(arrival.hash);
        }
        let bytes = self.answer_to(arrival, code, None, retry_after);
        self.answer_unverified(arrival.request.as_bytes().len(), arrival.reply, bytes);
    }

    /// Without another, the To tag follows from the request, so that it is the same each time (RFC 3261 §8.2.7).
    fn answer_to(
        &self,
        arrival: &Arrival,
        code: u16,
        tag: Option<String>,
        retry_after: Option<u32>,
    ) -> Bytes {
        let tag = tag.unwrap_or_else(|| {
            let masked = self.mask.hash_one(arrival.hash);
            matching::hex(masked, &mut [0; 16]).to_owned()
        });
        build::refusal(&arrival.request, arrival.flow.remote, code, &tag, retry_after)
    }
}
