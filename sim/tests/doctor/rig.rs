//! An engine and one provider with a fault, in virtual time.

use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tandem_engine::{DoorLimits, Engine, Limits, Local, Output, RegistrarConfig, Resolved, Settings};
use tandem_media::{MediaCommand, Switchboard, rtp};
use tandem_model::{
    Change, Config, Entity, ExamReport, ExamStage, Examination, Kind, NoExamination, StageOutcome,
    StageReport, TrunkId,
};
use tandem_sim::provider::Provider;
use tandem_sip_msg::{DomainId, Flow, Message, NoAddress, NoConnection, Transport, Why};
use tandem_time::Time;

pub const PROVIDER: &str = "203.0.113.10:5060";
pub const NUMBER: &str = "+4930123456";
const US: &str = "198.51.100.1:5060";

/// How sound comes back.
#[derive(Clone, Debug)]
pub struct Sound {
    /// Where from; `None`: not at all.
    pub from: Option<SocketAddr>,
    /// Every n-th packet is lost; 0: none.
    pub loses: u16,
    /// Every second packet is so late.
    pub late: Duration,
    /// The payload type.
    pub payload: u8,
    /// It is sent only to who sends, as a peer does that latches.
    pub latches: bool,
}

pub enum Due {
    Message(Flow, Bytes),
    Packet(SocketAddr, u16, Vec<u8>),
    Resolved(u64, Result<Resolved, Why<NoAddress>>),
    Unreachable(SocketAddr),
    Broken(Flow, Why<NoConnection>, Option<u64>),
}

pub struct Rig {
    pub engine: Engine,
    pub now: Time,
    pub provider: Provider,
    pub sound: Sound,
    /// What names come to; those that are missing do not exist.
    pub dns: BTreeMap<&'static str, Result<Resolved, Why<NoAddress>>>,
    /// Addresses where somebody answers, by transport.
    pub listens: Vec<(Transport, SocketAddr)>,
    /// Addresses where nobody listens and the network says so.
    pub closed: Vec<SocketAddr>,
    /// What every connection fails for.
    pub broken: Option<Why<NoConnection>>,
    /// Where its answers come from, if that is another address than where requests go.
    pub answers_from: Option<SocketAddr>,
    /// Our address as the provider sees it.
    pub seen: SocketAddr,
    config: Config,
    board: Switchboard,
    queue: Vec<(Time, u64, Due)>,
    order: u64,
    echoed: u16,
    pub reports: Vec<ExamReport>,
    pub sent: Vec<(Flow, Message)>,
    ids: u8,
    pub domains: Vec<(DomainId, String)>,
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Rig {
        let us = address(US);
        let tls = address("198.51.100.1:5061");
        let mut settings = Settings {
            local: Local {
                listeners: vec![(Transport::Udp, us), (Transport::Tcp, us), (Transport::Tls, tls)],
            },
            media_address: us.ip(),
            media_ports: (20_000, 20_099),
            media_quarantine: Duration::from_secs(1),
            limits: Limits::default(),
            max_calls: 100,
            door: DoorLimits::default(),
            registrar: RegistrarConfig::default(),
            secret: [7; 32],
            seed: [9; 32],
        };
        change(&mut settings);
        let now = Time::from_secs(1_700_000_000);
        let config = Config::default();
        let media = address("203.0.113.10:30000");
        Rig {
            engine: Engine::new(settings, Arc::new(config.clone()), Vec::new(), now),
            now,
            provider: Provider::new(media),
            sound: Sound { from: Some(media), loses: 0, late: Duration::ZERO, payload: 8, latches: true },
            dns: BTreeMap::new(),
            listens: [Transport::Udp, Transport::Tcp, Transport::Tls].map(|t| (t, address(PROVIDER))).into(),
            closed: Vec::new(),
            broken: None,
            answers_from: None,
            seen: us,
            config,
            board: Switchboard::default(),
            queue: Vec::new(),
            order: 0,
            echoed: 0,
            reports: Vec::new(),
            sent: Vec::new(),
            ids: 0,
            domains: Vec::new(),
        }
    }

    pub fn create(&mut self, kind: Kind, body: Value) -> uuid::Uuid {
        self.ids += 1;
        let id = uuid::Uuid::from_u128(self.ids.into());
        let entity = Entity::create(kind, id, body).unwrap_or_else(|rejection| panic!("{rejection}"));
        self.config =
            self.config.apply(&[Change::Put(entity)]).unwrap_or_else(|rejection| panic!("{rejection}"));
        self.engine.configure(Arc::new(self.config.clone()), self.now);
        self.carry_out();
        id
    }

    /// A trunk to the provider that a route leads to, so that nothing is missing in the configuration.
    pub fn trunk(&mut self, more: Value) -> TrunkId {
        let mut body = json!({"name": "carrier", "host": "203.0.113.10", "port": 5060, "ping_interval": 0, "mode": "ip_auth"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let id = self.create(Kind::Trunk, body);
        let tenant = more["tenant_id"].clone();
        self.create(Kind::Route, json!({"name": "out", "steps": [{"trunk_id": id}], "tenant_id": tenant}));
        self.create(
            Kind::InboundRoute,
            json!({"name": "in", "destination": {"type": "busy"}, "tenant_id": tenant}),
        );
        TrunkId(id)
    }

    /// A trunk that registers with `alice` and `wonderland`.
    pub fn account(&mut self, more: Value) -> TrunkId {
        let mut body = json!({"mode": "register_out", "username": "alice", "password": "wonderland"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.trunk(body)
    }

    pub fn begin(&mut self, trunk: TrunkId, number: Option<&str>) -> Result<u64, NoExamination> {
        let asked = Examination { test_number: number.map(str::to_owned) };
        let begun = self.engine.examine(trunk, asked, self.now);
        self.carry_out();
        begun
    }

    /// Examines a trunk, with a call if there is a number.
    pub fn examine(&mut self, trunk: TrunkId, number: Option<&str>) -> ExamReport {
        self.begin(trunk, number).expect("it may be examined");
        let until = self.now + Duration::from_secs(120);
        while self.reports.is_empty() && self.step(until) {}
        let report = self.reports.pop().unwrap_or_else(|| panic!("no report within two minutes"));
        // Whatever is left ends by itself.
        self.run_for(Duration::from_secs(60));
        report
    }

    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    fn later(&mut self, after: Duration, due: Due) {
        self.order += 1;
        self.queue.push((self.now + after, self.order, due));
    }

    fn step(&mut self, until: Time) -> bool {
        let next = self.queue.iter().map(|(at, order, _)| (*at, *order)).min();
        let engine = self.engine.poll_timeout();
        let Some(at) = next.map(|(at, _)| at).into_iter().chain(engine).min().filter(|at| *at <= until)
        else {
            return false;
        };
        self.now = self.now.max(at);
        let now = self.now;
        match next.filter(|(next, _)| *next <= at) {
            Some((_, order)) => {
                let place = self.queue.iter().position(|(_, o, _)| *o == order).unwrap();
                match self.queue.swap_remove(place).2 {
                    Due::Message(flow, bytes) => self.engine.receive(flow, bytes, now),
                    Due::Packet(from, local, bytes) => drop(self.board.packet(local, from, &bytes, now)),
                    Due::Resolved(id, result) => self.engine.resolved(id, result, now),
                    Due::Unreachable(remote) => self.engine.unreachable(remote, now),
                    Due::Broken(flow, why, tag) => {
                        self.engine.connection_failed(flow, &why, now);
                        if let Some(tag) = tag {
                            self.engine.send_failed(tag, now);
                        }
                    }
                }
            }
            None => self.engine.handle_timeout(now),
        }
        self.carry_out();
        true
    }

    fn carry_out(&mut self) {
        loop {
            while let Some(output) = self.engine.poll_output() {
                match output {
                    Output::Transmit { flow, bytes, tag } => self.transmit(flow, bytes, tag),
                    Output::Domain(id, name) => self.domains.push((id, name)),
                    Output::Resolve(query) => {
                        let none = || {
                            Err(Why::new(
                                NoAddress::NoSuchName,
                                format!("there is no host named {}", query.host),
                            ))
                        };
                        let result = self.dns.get(&*query.host).cloned().unwrap_or_else(none);
                        self.later(Duration::from_millis(20), Due::Resolved(query.id, result));
                    }
                    Output::Media(command) => self.order(command),
                    Output::Examined { report, .. } => self.reports.push(*report),
                    Output::Persist { .. }
                    | Output::Open { .. }
                    | Output::Record { .. }
                    | Output::Captured(_)
                    | Output::Event(_) => {}
                }
            }
            let Some(event) = self.board.poll_event() else { return };
            self.engine.media(event, self.now);
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes, tag: Option<u64>) {
        let soon = Duration::from_millis(10);
        if let Ok(message) = Message::parse(bytes.clone()) {
            self.sent.push((flow, message));
        }
        if self.closed.contains(&flow.remote) {
            return match flow.transport {
                Transport::Udp => self.later(soon, Due::Unreachable(flow.remote)),
                _ => {
                    let why = Why::new(NoConnection::Refused, "nobody listens there (connection refused).");
                    self.later(soon, Due::Broken(flow, why, tag));
                }
            };
        }
        if flow.transport != Transport::Udp
            && let Some(why) = self.broken.clone()
        {
            return self.later(soon, Due::Broken(flow, why, tag));
        }
        if !self.listens.contains(&(flow.transport, flow.remote)) {
            return;
        }
        let Ok(message) = Message::parse(bytes) else { return };
        for answer in self.provider.answer(&message, self.seen, flow.remote) {
            let from = Flow { remote: self.answers_from.unwrap_or(flow.remote), ..flow };
            self.later(soon, Due::Message(from, answer));
        }
    }

    fn order(&mut self, command: MediaCommand) {
        self.board.handle(command, self.now);
        while let Some((forward, _)) = self.board.poll_packet() {
            // Only who is where we send to hears us.
            let is_heard = forward.to.ip() == address(PROVIDER).ip() || !self.sound.latches;
            let Some(from) = self.sound.from.filter(|_| is_heard) else { continue };
            self.echoed += 1;
            if self.sound.loses > 0 && self.echoed.is_multiple_of(self.sound.loses) {
                continue;
            }
            let (sequence, timestamp) = (self.echoed, u32::from(self.echoed) * 160);
            let header = rtp::Header {
                marker: false,
                payload_type: self.sound.payload,
                sequence,
                timestamp,
                ssrc: 7,
                payload_at: rtp::HEADER_LEN,
            };
            let packet = [&header.to_bytes()[..], &[0xd5; 160]].concat();
            let late = if self.echoed.is_multiple_of(2) { self.sound.late } else { Duration::ZERO };
            self.later(Duration::from_millis(15) + late, Due::Packet(from, forward.local, packet));
        }
    }

    /// Examines a trunk before it has registered.
    pub fn examine_at_once(&mut self, trunk: TrunkId) -> ExamReport {
        // The first registration waits for a moment, and is then held up by a provider that does not hear it.
        let listens = std::mem::take(&mut self.listens);
        self.run_for(Duration::from_secs(3));
        self.listens = listens;
        self.examine(trunk, None)
    }

    /// Nothing is left of any examination, beside what the trunk does by itself.
    pub fn assert_quiet_but_for_the_trunk(&self) {
        assert!(self.engine.is_idle(), "the engine is not idle");
        assert_eq!(self.engine.media_ports_in_use(), 0);
    }

    /// Nothing is left of any examination.
    pub fn assert_quiet(&self) {
        assert!(self.engine.is_idle(), "the engine is not idle");
        assert_eq!(self.engine.media_ports_in_use(), 0);
        assert_eq!(self.engine.transaction_count(), (0, 0));
    }
}

pub fn found(targets: &[&str], by_service: bool) -> Result<Resolved, Why<NoAddress>> {
    let targets = targets.iter().map(|text| address(text).into()).collect();
    Ok(Resolved { targets, ttl: Duration::from_secs(60), by_service })
}

pub fn stage(report: &ExamReport, stage: ExamStage) -> &StageReport {
    report.stages.iter().find(|found| found.stage == stage).expect("every stage is there")
}

/// The cause of a failure, with the stage that it was found at and what that stage sent and got.
#[track_caller]
pub fn assert_fails(report: &ExamReport, at: ExamStage, code: &str) {
    let summary: Vec<_> =
        report.stages.iter().map(|s| (s.stage.key(), s.outcome, s.detail.as_str())).collect();
    assert_eq!((report.outcome, report.cause.as_deref()), (StageOutcome::Failed, Some(code)), "{summary:#?}");
    let failed = stage(report, at);
    assert_eq!(failed.outcome, StageOutcome::Failed, "{summary:#?}");
    let finding = &failed.findings[0];
    assert_eq!(finding.code, code);
    assert!(!finding.detail.is_empty() && !finding.meaning.is_empty() && !finding.fix.is_empty());
}

/// What is worth a look, where everything works.
#[track_caller]
pub fn assert_warns(report: &ExamReport, at: ExamStage, code: &str) {
    let summary: Vec<_> =
        report.stages.iter().map(|s| (s.stage.key(), s.outcome, s.detail.as_str())).collect();
    assert_eq!(report.outcome, StageOutcome::Warned, "{summary:#?}");
    assert!(stage(report, at).findings.iter().any(|finding| finding.code == code), "{code}: {summary:#?}");
}
