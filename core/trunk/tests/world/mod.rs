//! A world for tests: virtual time, our trunks or our registrar on one side, and a script on the other.

#![allow(dead_code)] // each test file uses its part

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{Config, Entity, Event, Trunk, TrunkId, TrunkState, TrunkStatus};
use tandem_sip_dialog::Sip;
use tandem_sip_dialog::digest::verify;
use tandem_sip_msg::{Credentials, DomainId, Flow, Header, Message, Transport, Writer, standard_reason};
use tandem_sip_txn::{Config as TxnConfig, Output, Transactions};
use tandem_time::Time;
use tandem_trunk::{Local, Query, Resolved, Target, TrunkOutput, Trunks};

pub const PASSWORD: &str = "s3cret-Zebra";
pub const NONCE: &str = r#"Digest realm="carrier", nonce="n1", qop="auth", algorithm=MD5"#;

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn id(n: u64) -> TrunkId {
    TrunkId(uuid::Uuid::from_u128(u128::from(n)))
}

pub fn local() -> Local {
    Local {
        listeners: vec![
            (Transport::Udp, address("198.51.100.1:5060")),
            (Transport::Tcp, address("198.51.100.1:5060")),
            (Transport::Tls, address("198.51.100.1:5061")),
        ],
    }
}

/// A trunk that registers to 192.0.2.1 and is not probed, with `fields` laid over.
pub fn trunk(n: u64, fields: Value) -> Arc<Trunk> {
    let mut body = json!({
        "id": id(n).to_string(), "name": format!("trunk {n}"), "slug": format!("trunk-{n}"), "mode": "register_out", "host": "192.0.2.1",
        "username": format!("100{n}"), "password": PASSWORD, "caller_id_in_from": false, "trust_identity": true, "ping_interval": 0,
    });
    for (key, value) in fields.as_object().unwrap() {
        body[key] = value.clone();
    }
    Arc::new(serde_json::from_value(body).unwrap())
}

pub fn config(trunks: &[Arc<Trunk>]) -> Arc<Config> {
    Arc::new(Config::load(trunks.iter().cloned().map(Entity::Trunk)))
}

/// A request that went out.
#[derive(Clone, Debug)]
pub struct Sent {
    pub message: Message,
    pub flow: Flow,
    pub at: Time,
}

impl Sent {
    pub fn is(&self, method: &str) -> bool {
        self.message.method_name() == method
    }

    pub fn header(&self, name: Header) -> &str {
        self.message.header(name).unwrap_or("")
    }

    /// Whether it takes a Contact back.
    pub fn unregisters(&self) -> bool {
        self.is("REGISTER") && self.message.expires() == Some(0)
    }

    pub fn credentials(&self) -> Option<Credentials> {
        let value = self.message.header(Header::Authorization);
        Credentials::parse(value.or(self.message.header(Header::ProxyAuthorization))?)
    }
}

/// What a carrier says to a request: `None` is silence.
pub type Carrier = Box<dyn FnMut(&Sent) -> Option<(u16, Vec<(Header, String)>)>>;

pub struct World {
    pub now: Time,
    pub rng: StdRng,
    pub txn: Transactions,
    pub trunks: Trunks,
    /// Requests not looked at yet, without repetitions.
    pub sent: VecDeque<Sent>,
    /// What went out, and what was answered to it.
    seen: BTreeMap<Bytes, Option<Bytes>>,
    pub retransmissions: u32,
    /// Datagrams in both directions so far, and which of them are lost or doubled.
    pub datagrams: u32,
    pub lost: Option<u32>,
    pub doubled: Option<u32>,
    pub events: Vec<Event>,
    pub queries: VecDeque<Query>,
    /// Names that certificates have to be for.
    pub domains: BTreeMap<DomainId, String>,
    pub carrier: Option<Carrier>,
    /// How long the carrier takes.
    pub delay: Duration,
    coming: VecDeque<(Time, Bytes, Flow)>,
}

impl World {
    /// A world with these trunks, started at noon of some day.
    pub fn with(trunks: &[Arc<Trunk>]) -> World {
        let mut world = World::empty(1);
        world.configure(trunks);
        world
    }

    pub fn empty(seed: u64) -> World {
        let config = TxnConfig {
            sent_by: local().listeners.iter().map(|(_, at)| at.to_string()).collect(),
            ..TxnConfig::default()
        };
        World {
            now: Time::from_secs(1_700_000_000),
            rng: StdRng::seed_from_u64(seed),
            txn: Transactions::new(config),
            trunks: Trunks::new(local(), [9; 32]),
            sent: VecDeque::new(),
            seen: BTreeMap::new(),
            retransmissions: 0,
            datagrams: 0,
            lost: None,
            doubled: None,
            events: Vec::new(),
            queries: VecDeque::new(),
            domains: BTreeMap::new(),
            carrier: None,
            delay: Duration::ZERO,
            coming: VecDeque::new(),
        }
    }

    /// Runs `input` with the surroundings, then lets everything that follows at once happen.
    pub fn act<T>(&mut self, input: impl FnOnce(&mut Trunks, &mut Sip<'_>) -> T) -> T {
        let mut sip = Sip { txn: &mut self.txn, rng: &mut self.rng, now: self.now };
        let result = input(&mut self.trunks, &mut sip);
        self.drain();
        result
    }

    pub fn configure(&mut self, trunks: &[Arc<Trunk>]) {
        let config = config(trunks);
        self.act(|trunks, sip| trunks.configure(&config, sip));
    }

    fn drain(&mut self) {
        loop {
            if let Some((id, name)) = self.trunks.poll_domain() {
                self.domains.insert(id, name);
            } else if let Some(output) = self.txn.poll_output() {
                self.on_txn(output);
            } else if let Some(output) = self.trunks.poll_output() {
                match output {
                    TrunkOutput::Resolve(query) => self.queries.push_back(query),
                    TrunkOutput::Event(event) => self.events.push(event),
                }
            } else {
                return;
            }
        }
    }

    fn on_txn(&mut self, output: Output) {
        let mut sip = Sip { txn: &mut self.txn, rng: &mut self.rng, now: self.now };
        match output {
            Output::Transmit(transmit) => {
                if self.is_lost() {
                    return;
                }
                if let Some(reply) = self.seen.get(&transmit.bytes) {
                    self.retransmissions += 1;
                    if let Some(reply) = reply.clone() {
                        self.coming.push_back((self.now + self.delay, reply, transmit.flow));
                    }
                    return;
                }
                let bytes = transmit.bytes.clone();
                let message = Message::parse(transmit.bytes).expect("what we send can be read");
                let sent = Sent { message, flow: transmit.flow, at: self.now };
                let said = self.carrier.as_mut().and_then(|carrier| carrier(&sent));
                let said = said.map(|(code, headers)| reply(&sent, code, &headers));
                if let Some(reply) = said.clone() {
                    self.coming.push_back((self.now + self.delay, reply, sent.flow));
                }
                self.seen.insert(bytes, said);
                self.sent.push_back(sent);
            }
            Output::Response { key, owner, message, flow } => {
                self.trunks.on_response(owner, key, &message, flow, &mut sip);
            }
            Output::Failed { key, owner, failure } => self.trunks.on_failed(owner, key, failure, &mut sip),
            other => panic!("unexpected: {other:?}"),
        }
    }

    fn is_lost(&mut self) -> bool {
        self.datagrams += 1;
        self.lost == Some(self.datagrams)
    }

    /// Lets time pass.
    pub fn pass(&mut self, wait: Duration) {
        let end = self.now + wait;
        while self.step(end) {}
        self.now = end;
    }

    /// Goes to the next thing that happens by `end`. `false`: there is none.
    fn step(&mut self, end: Time) -> bool {
        let coming = self.coming.front().map(|(at, ..)| *at);
        let next = [self.txn.poll_timeout(), self.trunks.poll_timeout(), coming];
        let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else { return false };
        self.now = self.now.max(next);
        if coming.is_some_and(|at| at <= self.now) {
            let (_, bytes, flow) = self.coming.pop_front().unwrap();
            if self.is_lost() {
                return true;
            }
            if self.doubled == Some(self.datagrams) {
                self.coming.push_back((self.now, bytes.clone(), flow));
            }
            self.txn.receive(Message::parse(bytes).unwrap(), flow, self.now);
        }
        self.txn.handle_timeout(self.now);
        self.act(|trunks, sip| trunks.handle_timeout(sip));
        true
    }

    /// The next request with this method, waiting for it up to two hours; others before it are dropped.
    pub fn expect(&mut self, method: &str) -> Sent {
        self.find(secs(7200), |sent| sent.is(method)).unwrap_or_else(|| panic!("no {method} is sent"))
    }

    /// The request with this method that has been sent already, without any time passing.
    #[track_caller]
    pub fn at_once(&mut self, method: &str) -> Sent {
        while let Some(sent) = self.sent.pop_front() {
            if sent.is(method) {
                return sent;
            }
        }
        panic!("no {method} is sent at once");
    }

    /// The next request for which `wanted` holds, within `wait`.
    pub fn find(&mut self, wait: Duration, wanted: impl Fn(&Sent) -> bool) -> Option<Sent> {
        let end = self.now + wait;
        loop {
            while let Some(sent) = self.sent.pop_front() {
                if wanted(&sent) {
                    return Some(sent);
                }
            }
            if !self.step(end) {
                self.now = end;
                return None;
            }
        }
    }

    /// Nothing with this method is sent for so long.
    #[track_caller]
    pub fn expect_none(&mut self, method: &str, wait: Duration) {
        let end = self.now + wait;
        if let Some(sent) = self.find(wait, |sent| sent.is(method)) {
            panic!("{:?} is sent {:?} too early", sent.message, end.since(sent.at));
        }
    }

    pub fn answer(&mut self, sent: &Sent, code: u16, headers: &[(Header, &str)]) {
        let headers: Vec<(Header, String)> = headers.iter().map(|(n, v)| (*n, v.to_string())).collect();
        self.txn.receive(Message::parse(reply(sent, code, &headers)).unwrap(), sent.flow, self.now);
        self.drain();
    }

    /// The same from another address than the request went to.
    pub fn answer_from(&mut self, source: &str, sent: &Sent, code: u16, headers: &[(Header, &str)]) {
        let headers: Vec<(Header, String)> = headers.iter().map(|(n, v)| (*n, v.to_string())).collect();
        let flow = Flow { remote: address(source), ..sent.flow };
        self.txn.receive(Message::parse(reply(sent, code, &headers)).unwrap(), flow, self.now);
        self.drain();
    }

    /// 200 with our Contact for so many seconds.
    pub fn accept(&mut self, sent: &Sent, expires: u32) {
        let contact = sent.message.contact().unwrap().uri().as_str().to_owned();
        self.answer(sent, 200, &[(Header::Contact, &format!("<{contact}>;expires={expires}"))]);
    }

    /// Registers trunk without a challenge, for an hour.
    pub fn register(&mut self) -> Sent {
        let register = self.expect("REGISTER");
        self.accept(&register, 3600);
        assert_eq!(self.state(), TrunkState::Registered);
        register
    }

    pub fn resolve(&mut self, targets: &[&str], ttl: u64) {
        let query = self.queries.pop_front().expect("something is looked up");
        let targets = targets.iter().map(|target| address(target).into()).collect();
        let resolved = Resolved { targets, ttl: secs(ttl), by_service: false };
        self.act(|trunks, sip| trunks.resolved(query.id, Ok(resolved), sip));
    }

    /// Answers a look-up with what NAPTR and SRV name.
    pub fn resolve_with_transports(&mut self, targets: &[(Transport, &str)], ttl: u64) {
        let query = self.queries.pop_front().expect("something is looked up");
        let target =
            |(transport, at): &(Transport, &str)| Target { at: address(at), transport: Some(*transport) };
        let resolved =
            Resolved { targets: targets.iter().map(target).collect(), ttl: secs(ttl), by_service: false };
        self.act(|trunks, sip| trunks.resolved(query.id, Ok(resolved), sip));
    }

    /// The way to an address over UDP, as a call takes it.
    pub fn udp_to(&self, at: &str) -> Flow {
        local().flow_to(Transport::Udp, address(at)).unwrap()
    }

    pub fn fail_to_resolve(&mut self, why: &str) {
        let query = self.queries.pop_front().expect("something is looked up");
        self.act(|trunks, sip| trunks.resolved(query.id, Err(why.to_owned()), sip));
    }

    /// How long it takes until something is looked up.
    pub fn until_query(&mut self) -> Duration {
        let start = self.now;
        while self.queries.is_empty() {
            self.pass(secs(1));
            assert!(self.now.since(start) < secs(7200), "nothing is looked up any more");
        }
        self.now.since(start)
    }

    /// The network says that nobody listens where this request went.
    pub fn unreachable(&mut self, sent: &Sent) {
        self.txn.unreachable(sent.flow.remote, self.now);
        self.drain();
    }

    pub fn status(&self) -> TrunkStatus {
        self.trunks.status(id(1)).unwrap()
    }

    pub fn state(&self) -> TrunkState {
        self.status().state
    }

    pub fn is_up(&self) -> bool {
        self.trunks.is_up(id(1))
    }

    /// The states told by events, of trunk 1.
    pub fn told(&self) -> Vec<TrunkState> {
        let of_one = |event: &Event| match event {
            Event::TrunkState { trunk_id, new, .. } if *trunk_id == id(1) => Some(*new),
            _ => None,
        };
        self.events.iter().filter_map(of_one).collect()
    }
}

/// The bytes of a response.
pub fn reply(sent: &Sent, code: u16, headers: &[(Header, String)]) -> Bytes {
    let mut writer =
        Writer::reply(&sent.message, address("198.51.100.1:5060"), code, standard_reason(code), Some("c"));
    for (name, value) in headers {
        writer.header(*name, value);
    }
    writer.finish()
}

/// Whether the credentials of a request are right.
pub fn credentials_are_right(sent: &Sent) -> bool {
    sent.credentials().is_some_and(|credentials| verify(&credentials, sent.message.method_name(), PASSWORD))
}

/// A carrier that takes registrations with the right password for an hour and answers everything else with 200.
pub fn good_carrier() -> Carrier {
    Box::new(|sent| {
        if !sent.is("REGISTER") {
            return Some((200, vec![]));
        }
        if !credentials_are_right(sent) {
            return Some((401, vec![(Header::WwwAuthenticate, NONCE.to_owned())]));
        }
        let expires = sent.message.expires().unwrap_or(0);
        let contact = sent.message.contact().unwrap().uri().as_str().to_owned();
        Some((200, vec![(Header::Contact, format!("<{contact}>;expires={expires}"))]))
    })
}
