//! All transactions of an engine behind one face: messages in, outputs and timers out.

use crate::clients::{self, Client, NOWHERE};
use crate::large::Streams;
use crate::lingering::Lingering;
use crate::matching::{self, Forgotten, Index, SentBy};
use crate::servers::{self, Server};
use crate::timer::Timer;
use crate::waiting::Waiting;
use crate::{ClientKey, Config, Counters, Output, Owner, ServerKey, Transmit, Verdict};
use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use slotmap::SlotMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sip_msg::{Flow, Message};
use tandem_time::{Time, Timers};

/// Decides about a request that would begin a transaction, by the way it came and whether it was turned away before.
pub type Judge<'a> = dyn FnMut(&Message, Flow, bool) -> Verdict + 'a;

/// How many times longer than the request an answer to a stranger may be.
const MOST_AMPLIFIED: usize = 3;

/// All transactions of one engine.
pub struct Transactions {
    pub(crate) config: Config,
    /// `config.sent_by`, to compare with.
    pub(crate) sent_by: Vec<SentBy>,
    pub(crate) nowhere: SentBy,
    /// Of the hash tables. No result of it may ever be seen outside, or a peer could make identities collide.
    pub(crate) hasher: ahash::RandomState,
    /// Of what is seen outside: branches and To tags.
    pub(crate) mask: ahash::RandomState,
    pub(crate) clients: SlotMap<ClientKey, Client>,
    pub(crate) waiting: Waiting,
    pub(crate) streams: Streams,
    pub(crate) servers: SlotMap<ServerKey, Server>,
    /// Those of `servers` whose timer is J.
    pub(crate) lingering: Lingering,
    pub(crate) index: Index,
    pub(crate) merge_index: Index,
    pub(crate) forgotten: Forgotten,
    /// INVITEs that were turned away: a copy that is still under way must not become a call that nobody waits for.
    pub(crate) turned_away: Forgotten,
    pub(crate) timers: Timers<Slot>,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) counters: Counters,
    /// The newest moment heard of, for what comes without one.
    pub(crate) now: Time,
    /// Kept for its capacity.
    pub(crate) scratch: Vec<u8>,
}

/// A transaction of either kind; each has one timer set, the one of its state that falls due next (but those of `Lingering`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Slot {
    Client(ClientKey),
    Server(ServerKey),
}

impl Transactions {
    /// No transaction yet. The keys of the hash tables are fixed, so a peer could make its branches collide: for tests;
    /// a server uses [`Transactions::seeded`].
    pub fn new(config: Config) -> Transactions {
        Transactions::with_seeds(config, [1, 2, 3, 4, 5, 6, 7, 8])
    }

    /// No transaction yet, and hash tables that nobody outside can predict.
    pub fn seeded(config: Config, rng: &mut StdRng) -> Transactions {
        Transactions::with_seeds(config, std::array::from_fn(|_| rng.next_u64()))
    }

    fn with_seeds(mut config: Config, [a, b, c, d, e, f, g, h]: [u64; 8]) -> Transactions {
        // A timer of no length would fall due for ever.
        for base in [&mut config.t1, &mut config.t2, &mut config.t4] {
            *base = (*base).clamp(Duration::from_millis(1), Duration::from_secs(3600));
        }
        let hasher = ahash::RandomState::with_seeds(a, b, c, d);
        Transactions {
            sent_by: config.sent_by.iter().map(|text| SentBy::parse(text)).collect(),
            config,
            nowhere: SentBy::parse(NOWHERE),
            waiting: Waiting::new(hasher.clone()),
            streams: Streams::default(),
            hasher,
            mask: ahash::RandomState::with_seeds(e, f, g, h),
            clients: SlotMap::with_key(),
            servers: SlotMap::with_key(),
            lingering: Lingering::default(),
            index: Index::default(),
            merge_index: Index::default(),
            forgotten: Forgotten::with_slots(1024),
            turned_away: Forgotten::with_slots(8192),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            now: Time::default(),
            scratch: Vec::new(),
        }
    }

    /// Feeds one parsed message. Retransmissions are absorbed (and answered with what was answered before).
    /// A merged request (RFC 3261 §8.2.2.2) is answered with 482 here.
    pub fn receive(&mut self, message: Message, flow: Flow, now: Time) {
        self.receive_judged(message, flow, now, &mut |_, _, _| Verdict::Take);
    }

    /// The same, asking `judge` about each request that would begin a transaction, before anything is kept of it. It is told as
    /// well whether this very request has been turned away before. Retransmissions, ACK and CANCEL are not asked about.
    pub fn receive_judged(&mut self, message: Message, flow: Flow, now: Time, judge: &mut Judge<'_>) {
        self.hear(now);
        if message.is_request() {
            self.receive_request(message, flow, now, judge);
        } else {
            self.receive_response(message, flow, now);
        }
    }

    /// Starts a client transaction. `request` is a complete request *without* the top Via, which is put in here with a
    /// fresh branch and the sent-by of `flow.listener`. INVITE or not is read from its request line.
    pub fn request(
        &mut self,
        request: Bytes,
        flow: Flow,
        owner: Owner,
        rng: &mut StdRng,
        now: Time,
    ) -> ClientKey {
        self.hear(now);
        self.start_client(request, flow, owner, rng, now)
    }

    /// Cancels an INVITE client transaction: the CANCEL goes out now if a provisional response came, otherwise as soon as one
    /// does (RFC 3261 §9.1); with a `Reason` header value if given. Nothing happens when a final response came already.
    /// If no final response follows the CANCEL within 64*T1 the transaction fails with `Timeout`.
    pub fn cancel(&mut self, key: ClientKey, reason: Option<&str>, now: Time) {
        self.hear(now);
        self.feed_client(key, clients::Input::Cancel(reason), now);
    }

    /// Sends a response. Provisional ones as often as wanted; one final non-2xx (kept and retransmitted as RFC 3261 §17.2.1);
    /// a 2xx to INVITE as often as wanted (the transaction user retransmits it, RFC 6026 §7.1).
    /// `false` when the transaction is gone or already has a final response of another kind.
    ///
    /// To a non-INVITE request RFC 4320 §4 leaves little: a provisional response other than 100 is refused with `false`;
    /// a 100 before its time and a 408 are taken but not sent; a 100 is sent unasked after 3.5 s; and after 64*T1 the
    /// transaction is gone, answered or not.
    pub fn respond(&mut self, key: ServerKey, code: u16, response: Bytes, now: Time) -> bool {
        self.hear(now);
        self.answer(key, code, response, now)
    }

    /// Like `respond` with a final response, but nothing is kept: a retransmission will be a new request. For answers to
    /// strangers, who must not be able to make us remember them. An ACK to it is swallowed as a stray. What is more than three
    /// times as long as a request over UDP is not sent: its source may be forged, and we would flood whom it names.
    pub fn respond_and_forget(&mut self, key: ServerKey, code: u16, response: Bytes) {
        debug_assert!(code >= 200, "nothing can follow a response that is forgotten");
        self.answer_and_forget(key, response);
    }

    /// Requests to this address that are too large for a datagram may go over a stream (RFC 3261 §18.1.1), if there is a
    /// listener for it. One that is not answered over it at once goes over UDP after all, and so do the others for an hour.
    pub fn allow_stream(&mut self, remote: SocketAddr) {
        self.streams.allow(remote);
    }

    /// Answers a request that began no transaction, being broken, and keeps nothing. The bounds of
    /// [`Transactions::respond_and_forget`] hold.
    pub fn respond_to_broken(&mut self, request: &Message, flow: Flow, response: Bytes) {
        let reply = Transactions::reply_flow(request, flow);
        self.answer_unverified(request.as_bytes().len(), reply, response);
    }

    /// Sends a request outside of any transaction: the ACK to a 2xx. The top Via is put in here. Returns what was sent and
    /// by which way, for [`Transactions::send_raw`] when the 2xx comes again.
    pub fn send_ack(&mut self, ack: Bytes, flow: Flow, rng: &mut StdRng) -> (Bytes, Flow) {
        self.send_with_via(&ack, flow, rng)
    }

    /// Sends bytes as they are (an ACK again, a stateless response).
    pub fn send_raw(&mut self, bytes: Bytes, flow: Flow) {
        self.transmit(Transmit { flow, bytes, client: None });
    }

    /// Where a response to this request goes (RFC 3261 §18.2.2, RFC 3581 §4): the connection it came by, or the source address
    /// with the rport or sent-by port.
    pub fn reply_flow(request: &Message, flow: Flow) -> Flow {
        matching::reply_flow(&request.top_via(), flow)
    }

    /// The To tag of an answer to this request of which nothing is kept: the same each time (RFC 3261 §8.2.7).
    pub fn stateless_tag(&self, request: &Message) -> String {
        let hash = self.mask.hash_one((request.call_id(), request.cseq(), request.from_tag()));
        matching::hex(hash, &mut [0; 16]).to_owned()
    }

    /// Attaches an owner to a server transaction, for `Cancelled`.
    pub fn own(&mut self, key: ServerKey, owner: Owner) {
        self.own_server(key, owner);
    }

    /// The request that began a server transaction, until its final response; and the way by which it came.
    pub fn request_of(&self, key: ServerKey) -> Option<(&Message, Flow)> {
        self.open_request(key)
    }

    /// Whether an INVITE is one of ours that has come back: it carries a Via of ours, of a transaction that has no final response
    /// yet, and asks for what we asked for there. One that asks for something else is a spiral, and lawful (RFC 3261 §16.3).
    pub fn is_looped(&self, invite: &Message) -> bool {
        self.has_sent(invite)
    }

    /// Whom a client transaction belongs to.
    pub fn owner_of(&self, key: ClientKey) -> Option<Owner> {
        self.clients.get(key)?.owner()
    }

    /// The owner is gone: no more events for this client transaction. It lives on to absorb and acknowledge what comes late;
    /// an INVITE that still rings is given up 64*T1 later.
    pub fn disown(&mut self, key: ClientKey) {
        self.disown_client(key);
    }

    /// This request is not given up because the network says that nobody listens there (RFC 1122 §3.2.2.1 calls that a hint): one
    /// within a dialog that stands, whose peer may have taken it all the same.
    pub fn insist(&mut self, key: ClientKey) {
        self.let_insist(key);
    }

    /// The driver could not send these bytes.
    pub fn send_failed(&mut self, key: ClientKey, now: Time) {
        self.hear(now);
        self.feed_client(key, clients::Input::SendFailed, now);
    }

    /// The network said that nobody listens at `remote` (ICMP): fails the client transactions that wait there for a first response.
    pub fn unreachable(&mut self, remote: SocketAddr, now: Time) {
        self.hear(now);
        self.fail_waiting_for(remote, now);
    }

    /// What is to be sent or told next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Transactions::handle_timeout`] is to be called.
    pub fn poll_timeout(&mut self) -> Option<Time> {
        [self.timers.due(), self.lingering.due()].into_iter().flatten().min()
    }

    /// Lets every timer fire that is due by `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        self.hear(now);
        while let Some((_, slot)) = self.timers.pop(now) {
            match slot {
                Slot::Client(key) => {
                    if let Some(timer) = self.client_due(key) {
                        self.feed_client(key, clients::Input::Fired(timer), now);
                    }
                }
                Slot::Server(key) => {
                    if let Some(timer) = self.server_due(key) {
                        self.feed_server(key, servers::Input::Fired(timer), now);
                    }
                }
            }
        }
        while let Some(key) = self.lingering.pop(now) {
            self.feed_server(key, servers::Input::Fired(Timer::J), now);
        }
    }

    /// The counters so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Live client and server transactions.
    pub fn len(&self) -> (usize, usize) {
        (self.clients.len(), self.servers.len())
    }

    /// Whether no transaction lives.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    pub(crate) fn transmit(&mut self, transmit: Transmit) {
        self.outputs.push_back(Output::Transmit(transmit));
    }

    /// Sends an answer to somebody who may not be who the source address says.
    pub(crate) fn answer_unverified(&mut self, asked: usize, flow: Flow, bytes: Bytes) {
        if !flow.transport.is_reliable() && bytes.len() > MOST_AMPLIFIED * asked {
            self.counters.amplifying += 1;
        } else {
            self.transmit(Transmit { flow, bytes, client: None });
        }
    }

    fn hear(&mut self, now: Time) {
        self.now = self.now.max(now);
    }
}
