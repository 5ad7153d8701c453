//! How requests arrive: a retransmission, an ACK, a CANCEL, a merged copy, or the beginning of a server transaction.

use crate::layer::{Judge, Slot, Transactions};
use crate::servers::{Action, Identity, Input, Server};
use crate::timer::Cx;
use crate::{Output, ServerKey, Verdict, build, matching};
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
        let room = self.config.max_server * if arrival.request.to_tag().is_some() { 2 } else { 1 };
        if self.servers.len() >= room {
            self.counters.overload_dropped += 1;
            return;
        }
        let Arrival { request, flow, reply, hash, now } = arrival;
        let identity = Identity { bytes: identity.as_slice().into(), split, hash, merge_hash };
        let cx = Cx { now, config: &self.config, reliable: flow.transport.is_reliable() };
        let server = Server::start(&request, flow, reply, identity, &cx);
        let due = server.due();
        let key = self.servers.insert(server);
        self.index.insert(hash, key);
        if let Some(hash) = merge_hash {
            self.merge_index.insert(hash, key);
        }
        if let Some((_, at)) = due {
            self.timers.set(Slot::Server(key), at);
        }
        self.outputs.push_back(Output::Request { key, message: request, flow });
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

    /// RFC 3261 §9.2. A CANCEL is answered without a transaction of its own: as long as what it cancels is there its
    /// answer is always the same, and afterwards the client no longer asks.
    fn receive_cancel(&mut self, cancel: Arrival, identity: &[u8]) {
        let Some(key) = self.find_server(cancel.hash, identity, |_| true) else {
            self.refuse(&cancel, 481, None);
            return;
        };
        let action = self.step_server(key, Input::Cancel, cancel.now);
        let Some(server) = self.servers.get(key) else { return };
        let (owner, tag) = (server.owner, server.to_tag());
        self.reply(&cancel, 200, tag, None);
        match action {
            Action::Cancelled => {
                self.outputs.push_back(Output::Cancelled { key, owner, message: cancel.request });
            }
            _ => self.counters.retransmits_received += 1,
        }
    }

    /// Answers without remembering.
    fn refuse(&mut self, arrival: &Arrival, code: u16, retry_after: Option<u32>) {
        if arrival.request.method() == Method::Invite {
            self.forgotten.note(arrival.hash);
        }
        self.reply(arrival, code, None, retry_after);
    }

    /// Without another, the To tag follows from the request, so that it is the same each time (RFC 3261 §8.2.7).
    fn reply(&mut self, arrival: &Arrival, code: u16, tag: Option<String>, retry_after: Option<u32>) {
        let tag = tag.unwrap_or_else(|| {
            let masked = self.mask.hash_one(arrival.hash);
            matching::hex(masked, &mut [0; 16]).to_owned()
        });
        let bytes = build::refusal(&arrival.request, arrival.flow.remote, code, &tag, retry_after);
        self.answer_unverified(arrival.request.as_bytes().len(), arrival.reply, bytes);
    }
}
