//! One transaction layer and its peer, with a log of what the layer did and when.
//!
//! A line of the log is the second and what happened: `0.5 sent INVITE`, `0.5 sent 200 OPTIONS`, `0.5 got 180`,
//! `32.0 failed Timeout`, `0.0 request INVITE`, `1.0 ack`, `1.0 cancelled`, `32.0 no ack`.

use crate::{ClientKey, Config, Output, Owner, ServerKey, Transactions, Verdict};
use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sip_msg::{ConnectionId, Flow, Header, ListenerId, Message, Transport, Writer};
use tandem_time::Time;

pub(super) const OWNER: Owner = 7;
const START: Time = Time::from_secs(1_000_000);

pub(super) struct Rig {
    pub(super) txn: Transactions,
    pub(super) now: Time,
    pub(super) flow: Flow,
    pub(super) rng: StdRng,
    /// What was sent, oldest first.
    pub(super) sent: Vec<Bytes>,
    /// By which way.
    pub(super) flows: Vec<Flow>,
    /// Server transactions, oldest first.
    pub(super) servers: Vec<ServerKey>,
    /// By which way responses came, as their owner was told.
    pub(super) owners_flows: Vec<Flow>,
    log: Vec<String>,
}

impl Rig {
    pub(super) fn udp() -> Rig {
        Rig::over(Transport::Udp)
    }

    pub(super) fn tcp() -> Rig {
        Rig::over(Transport::Tcp)
    }

    fn over(transport: Transport) -> Rig {
        let mut rng = StdRng::seed_from_u64(42);
        let config = Config { sent_by: vec!["tandem.example.org:5060".into()], ..Config::default() };
        let connection = (transport != Transport::Udp).then_some(ConnectionId(1));
        let remote = "192.0.2.9:5062".parse().unwrap();
        Rig {
            txn: Transactions::seeded(config, &mut rng),
            now: START,
            flow: Flow { transport, listener: ListenerId(0), remote, connection, domain: None },
            rng,
            sent: Vec::new(),
            flows: Vec::new(),
            servers: Vec::new(),
            owners_flows: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Over UDP, with a TCP listener at the same address, to a peer that may be addressed over either.
    pub(super) fn with_a_stream_beside() -> Rig {
        let mut rig = Rig::udp();
        rig.txn.config.streams = vec![Some(ListenerId(1)), None];
        rig.txn.config.sent_by.push("tandem.example.org:5060".into());
        rig.txn.sent_by.push(rig.txn.sent_by[0].clone());
        rig.txn.allow_stream(rig.flow.remote);
        rig
    }

    pub(super) fn with_max_server(mut self, max_server: usize) -> Rig {
        self.txn.config.max_server = max_server;
        self
    }

    /// We send a request of this method.
    pub(super) fn request(&mut self, method: &str) -> ClientKey {
        self.request_of(method, 0)
    }

    /// The same with so many bytes more.
    pub(super) fn request_of(&mut self, method: &str, more: usize) -> ClientKey {
        let mut writer = Writer::request(method, "sip:bob@example.net");
        writer
            .header(Header::Route, "<sip:edge.example.net;lr>")
            .header(Header::Route, "<sip:core.example.net;lr>")
            .header(Header::MaxForwards, 70)
            .header(Header::From, "<sip:alice@example.org>;tag=ours")
            .header(Header::To, "<sip:bob@example.net>")
            .header(Header::CallId, "outbound")
            .header(Header::CSeq, format_args!("17 {method}"));
        if more > 0 {
            writer.named("X-Filler", "x".repeat(more));
        }
        let key = self.txn.request(writer.finish(), self.flow, OWNER, &mut self.rng, self.now);
        self.drain();
        key
    }

    pub(super) fn cancel(&mut self, key: ClientKey) {
        self.txn.cancel(key, Some("SIP ;cause=200"), self.now);
        self.drain();
    }

    /// The peer answers what we sent as number `nth`, with this To tag.
    pub(super) fn answer(&mut self, nth: usize, code: u16, tag: &str) {
        let response = answer(&self.sent[nth], code, tag, self.flow.remote);
        self.arrive(response);
    }

    /// Bytes come from the peer.
    pub(super) fn arrive(&mut self, bytes: Bytes) {
        self.arrive_from(bytes, self.flow.remote);
    }

    pub(super) fn arrive_from(&mut self, bytes: Bytes, remote: SocketAddr) {
        let message = Message::parse(bytes).expect("the test writes sound messages");
        self.txn.receive(message, Flow { remote, ..self.flow }, self.now);
        self.drain();
    }

    /// The peer sends a request with this branch.
    pub(super) fn peer(&mut self, method: &str, branch: &str) {
        self.arrive(self.peer_request(method, branch));
    }

    /// The same, judged so; what the judge was told each time it was asked.
    pub(super) fn judged(&mut self, method: &str, branch: &str, verdict: Verdict) -> Vec<bool> {
        let mut told = Vec::new();
        let message =
            Message::parse(self.peer_request(method, branch)).expect("the test writes sound messages");
        self.txn.receive_judged(message, self.flow, self.now, &mut |_, _, again| {
            told.push(again);
            verdict
        });
        self.drain();
        told
    }

    pub(super) fn peer_request(&self, method: &str, branch: &str) -> Bytes {
        let transport = self.flow.transport.via_name();
        let via = format!("SIP/2.0/{transport} peer.example.com:5062;branch={branch};rport");
        peer_request(method, &via, "<sip:bob@example.org>")
    }

    /// The peer acknowledges our response number `nth`, as RFC 3261 §17.1.1.3 has it.
    pub(super) fn peer_acks(&mut self, nth: usize, branch: &str) {
        let response = Message::parse(self.sent[nth].clone()).unwrap();
        let via = format!("SIP/2.0/UDP peer.example.com:5062;branch={branch};rport");
        self.arrive(peer_request("ACK", &via, response.header(Header::To).unwrap()));
    }

    /// We respond in the newest server transaction.
    pub(super) fn respond(&mut self, code: u16) -> bool {
        let key = *self.servers.last().expect("a request came");
        self.respond_in(key, code)
    }

    pub(super) fn respond_in(&mut self, key: ServerKey, code: u16) -> bool {
        let method = match self.txn.request_of(key) {
            Some((request, _)) => request.method_name().to_owned(),
            None => "INVITE".into(),
        };
        let response = self.response(&method, code);
        let taken = self.txn.respond(key, code, response, self.now);
        self.drain();
        taken
    }

    pub(super) fn respond_and_forget(&mut self, code: u16) {
        let key = *self.servers.last().expect("a request came");
        let response = self.response("INVITE", code);
        self.txn.respond_and_forget(key, code, response);
        self.drain();
    }

    fn response(&self, method: &str, code: u16) -> Bytes {
        let request = self.peer_request(method, "z9hG4bKany");
        answer(&request, code, if code == 100 { "" } else { "owners" }, self.flow.remote)
    }

    /// Lets time pass until `seconds` after the start.
    pub(super) fn run_to(&mut self, seconds: f64) {
        let end = START + Duration::from_secs_f64(seconds);
        while let Some(at) = self.txn.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.txn.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// What happened since the last time that somebody asked.
    #[track_caller]
    pub(super) fn expect(&mut self, lines: &[&str]) {
        assert_eq!(std::mem::take(&mut self.log), lines);
    }

    /// Nothing lives any more, nor anything that belonged to it.
    #[track_caller]
    pub(super) fn expect_empty(&mut self) {
        assert_eq!(self.txn.len(), (0, 0));
        assert_eq!((self.txn.poll_timeout(), self.txn.lingering.len()), (None, 0));
        assert!(self.txn.index.is_empty() && self.txn.merge_index.is_empty() && self.txn.waiting.is_empty());
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.txn.poll_output() {
            let line = self.note(output);
            self.log.push(format!("{:.1} {line}", self.now.since(START).as_secs_f64()));
        }
    }

    fn note(&mut self, output: Output) -> String {
        match output {
            Output::Transmit(transmit) => {
                let message = Message::parse(transmit.bytes.clone()).expect("what we send is sound");
                self.sent.push(transmit.bytes);
                self.flows.push(transmit.flow);
                match message.code() {
                    Some(code) => format!("sent {code} {}", message.method_name()),
                    None => format!("sent {}", message.method_name()),
                }
            }
            Output::Request { key, message, .. } => {
                self.servers.push(key);
                self.txn.own(key, OWNER);
                format!("request {}", message.method_name())
            }
            Output::Ack { .. } => "ack".into(),
            Output::Cancelled { owner, .. } => {
                assert_eq!(owner, Some(OWNER));
                "cancelled".into()
            }
            Output::Response { owner, message, flow, .. } => {
                assert_eq!(owner, OWNER);
                self.owners_flows.push(flow);
                format!("got {}", message.code().unwrap())
            }
            Output::Failed { failure, .. } => format!("failed {failure:?}"),
            Output::NoAck { .. } => "no ack".into(),
        }
    }
}

/// A request as the peer writes it.
pub(super) fn peer_request(method: &str, via: &str, to: &str) -> Bytes {
    let mut writer = Writer::request(method, "sip:bob@example.org");
    writer
        .header(Header::Via, via)
        .header(Header::MaxForwards, 70)
        .header(Header::From, "<sip:carol@example.com>;tag=theirs")
        .header(Header::To, to)
        .header(Header::CallId, "inbound")
        .header(Header::CSeq, format_args!("1 {method}"));
    writer.finish()
}

/// A response to a request, as text of its headers.
pub(super) fn answer(request: &Bytes, code: u16, tag: &str, source: SocketAddr) -> Bytes {
    let request = Message::parse(request.clone()).unwrap();
    let tag = (!tag.is_empty()).then_some(tag);
    Writer::reply(&request, source, code, "Because", tag).finish()
}

/// Replaces text in a message.
pub(super) fn edited(message: &Bytes, from: &str, to: &str) -> Bytes {
    let text = std::str::from_utf8(message).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    text.replace(from, to).into_bytes().into()
}
