//! One examination: which stage it is at, and what each input is for. Every state has a moment at which it ends by itself.

use crate::asking::Asking;
use crate::calling::Calling;
use crate::doctor::{Cx, DoctorOutput};
use crate::listening::Listening;
use crate::masking::masked;
use crate::registering::Registering;
use crate::sheet::Sheet;
use crate::{DOCTOR_BIT, LOOKUP_BIT};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_media::MediaEvent;
use tandem_model::{Diagnosis, ExamStage, Examination, StageOutcome, TrunkId};
use tandem_routing::PlannedStep;
use tandem_sip_dialog::{Leg, LegEvent};
use tandem_sip_msg::{Flow, Message, NoAddress, NoConnection, Why};
use tandem_sip_txn::{ClientKey, Failure, Owner, ServerKey};
use tandem_time::Time;
use tandem_trunk::{Examinee, Purpose, Resolved};

/// For a look-up, which the resolver ends by itself before that.
const LOOK_UP: Duration = Duration::from_secs(8);
/// No examination takes longer. The stages end before, each by itself.
const LONGEST: Duration = Duration::from_secs(110);
/// What is left on the wire of a test call is waited for no longer than its transactions last.
const LINGER: Duration = Duration::from_secs(40);

/// What the server knows before anything is asked.
#[derive(Debug, Default)]
pub struct Prior {
    /// What its configuration shows, each with what was seen.
    pub found: Vec<(Diagnosis, StageOutcome, String)>,
    /// What the configuration shows that is in order.
    pub in_order: String,
    /// How the routes would send a call to the test number over this trunk, if they do.
    pub route: Route,
}

/// What the routes say of the test number.
#[derive(Debug, Default)]
pub enum Route {
    /// Nothing: the number is written as the trunk's settings have it.
    #[default]
    None,
    /// This.
    Step(Box<PlannedStep>),
    /// The tenant whose trunk it is may not call there, for this reason.
    Forbidden(String),
}

pub(crate) enum State {
    /// Nothing was asked yet, or everything has been.
    Idle,
    /// So many names are being looked up.
    Resolving(usize),
    Asking(Asking),
    Registering(Registering),
    Calling(Box<Calling>),
    Listening(Box<Listening>),
}

pub(crate) struct Exam {
    pub(crate) no: u64,
    pub(crate) examinee: Examinee,
    pub(crate) asked: Examination,
    pub(crate) route: Route,
    pub(crate) sheet: Sheet,
    pub(crate) state: State,
    /// When the present state ends by itself.
    pub(crate) due: Option<Time>,
    deadline: Time,
    /// The way that answered.
    pub(crate) way: Option<Flow>,
    /// OPTIONS found nobody; what is sent next may.
    pub(crate) is_silent: bool,
    /// Connections that could not be made, by address and domain.
    broken: Vec<(Flow, Why<NoConnection>)>,
    /// The call, until nothing of it is left on the wire.
    pub(crate) leg: Option<Leg>,
    reported: bool,
}

impl Exam {
    pub(crate) fn new(no: u64, examinee: Examinee, asked: Examination, now: Time) -> Exam {
        Exam {
            no,
            examinee,
            asked,
            route: Route::None,
            sheet: Sheet::new(now),
            state: State::Idle,
            due: None,
            deadline: now + LONGEST,
            way: None,
            is_silent: false,
            broken: Vec::new(),
            leg: None,
            reported: false,
        }
    }

    pub(crate) fn owner(&self) -> Owner {
        DOCTOR_BIT | self.no
    }

    pub(crate) fn trunk_id(&self) -> TrunkId {
        self.examinee.trunk().id
    }

    pub(crate) fn is_reported(&self) -> bool {
        self.reported
    }

    pub(crate) fn has_leg(&self) -> bool {
        self.leg.is_some()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.reported && self.leg.is_none() && matches!(self.state, State::Idle)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        let leg = self.leg.as_ref().and_then(Leg::poll_timeout);
        self.due.into_iter().chain(leg).chain([self.deadline]).min()
    }

    pub(crate) fn begin(&mut self, prior: Prior, cx: &mut Cx) {
        let now = cx.now();
        self.route = prior.route;
        self.sheet.begin(ExamStage::Configuration, now);
        let mut fails = false;
        for (what, outcome, detail) in prior.found {
            fails |= outcome == StageOutcome::Failed;
            self.sheet.find(ExamStage::Configuration, outcome, what, detail, now);
        }
        if self.sheet.outcome(ExamStage::Configuration) == StageOutcome::Skipped {
            self.sheet.end(ExamStage::Configuration, StageOutcome::Passed, prior.in_order, now);
        }
        match fails {
            true => self.finish(cx),
            false => self.look_up(cx),
        }
    }

    /// The names of the trunk.
    fn look_up(&mut self, cx: &mut Cx) {
        self.sheet.begin(ExamStage::Dns, cx.now());
        let questions = self.examinee.questions(LOOKUP_BIT | self.no << 8);
        if questions.is_empty() {
            return self.resolved_all(cx);
        }
        self.state = State::Resolving(questions.len());
        self.due = Some(cx.now() + LOOK_UP);
        for query in questions {
            let by = match (query.port, query.transport) {
                (Some(port), _) => format!("A and AAAA of {} for port {port}", query.host),
                (None, Some(transport)) => {
                    format!("SRV for SIP over {}, else A and AAAA, of {}", transport.via_name(), query.host)
                }
                (None, None) => format!("NAPTR and SRV for SIP, else A and AAAA, of {}", query.host),
            };
            self.sheet.sent(ExamStage::Dns, by);
            cx.outputs.push_back(DoctorOutput::Resolve(query));
        }
    }

    pub(crate) fn on_resolved(
        &mut self,
        place: usize,
        result: Result<Resolved, Why<NoAddress>>,
        cx: &mut Cx,
    ) {
        let State::Resolving(left) = &mut self.state else { return };
        *left = left.saturating_sub(1);
        let is_last = *left == 0;
        let now = cx.now();
        match result {
            Ok(found) => {
                let targets: Vec<String> = found.targets.iter().map(|target| target.at.to_string()).collect();
                let by = if found.by_service { "by SRV" } else { "by address records" };
                self.sheet.received(ExamStage::Dns, format!("{} ({by})", targets.join(", ")));
                if !found.by_service && self.examinee.trunk().port.is_none() {
                    let host = self.examinee.hosts().nth(place).map(|(host, _)| host).unwrap_or_default();
                    let detail = format!("{host} has address records only");
                    self.sheet.find(ExamStage::Dns, StageOutcome::Passed, Diagnosis::DnsNoSrv, detail, now);
                }
                self.examinee.learn(place, Ok(found));
            }
            Err(why) => {
                let what = match why.kind {
                    NoAddress::NoSuchName => Diagnosis::DnsNoSuchName,
                    NoAddress::NoRecords => Diagnosis::DnsNoAddress,
                    NoAddress::NotOffered => Diagnosis::DnsNotOffered,
                    NoAddress::Silent => Diagnosis::DnsTimeout,
                    NoAddress::Failed => Diagnosis::DnsServerFailed,
                };
                self.sheet.received(ExamStage::Dns, why.words.clone());
                self.sheet.find(ExamStage::Dns, StageOutcome::Failed, what, why.words, now);
            }
        }
        if is_last {
            self.resolved_all(cx);
        }
    }

    fn resolved_all(&mut self, cx: &mut Cx) {
        let now = cx.now();
        if self.sheet.outcome(ExamStage::Dns) == StageOutcome::Failed {
            return self.finish(cx);
        }
        let known: Vec<String> = self
            .examinee
            .hosts()
            .map(|(host, targets)| match targets {
                [one]
                    if one.at.ip().to_string() == host.trim_matches(['[', ']'])
                        || one.at.to_string() == host =>
                {
                    format!("{host} is an address")
                }
                _ => format!(
                    "{host} has {}",
                    targets.iter().map(|t| t.at.to_string()).collect::<Vec<_>>().join(", ")
                ),
            })
            .collect();
        if known.is_empty() {
            for stage in [ExamStage::Dns, ExamStage::Transport, ExamStage::Tls, ExamStage::Options] {
                self.sheet.skip(stage, "the trunk has no host: its other side comes to us");
            }
            return self.register(cx);
        }
        self.sheet.end(ExamStage::Dns, StageOutcome::Passed, known.join("; "), now);
        self.ask(cx);
    }

    /// A request of ours went out.
    pub(crate) fn on_sent(&mut self, bytes: &Bytes) {
        let stage = stage_of(bytes.split(|b| *b == b' ').next().unwrap_or_default());
        self.sheet.sent(stage, masked(bytes));
    }

    pub(crate) fn on_response(&mut self, key: ClientKey, message: &Message, flow: Flow, cx: &mut Cx) {
        if !self.reported {
            self.sheet.received(stage_of(message.method_name().as_bytes()), masked(message.as_bytes()));
        }
        match &self.state {
            State::Asking(_) => self.on_asked_response(key, message, flow, cx),
            State::Registering(_) => self.on_register_response(key, message, flow, cx),
            _ => {
                self.note_answer(message, flow, cx);
                self.with_leg(
                    cx,
                    |leg, cx| leg.on_response(key, message, flow, &mut cx.ctx.sip),
                    Some(message),
                );
            }
        }
    }

    pub(crate) fn on_failed(&mut self, key: ClientKey, failure: Failure, cx: &mut Cx) {
        match &self.state {
            State::Asking(_) => self.on_asked_failed(key, failure, cx),
            State::Registering(_) => self.on_register_failed(key, failure, cx),
            _ => self.with_leg(cx, |leg, cx| leg.on_failed(key, failure, &mut cx.ctx.sip), None),
        }
    }

    pub(crate) fn on_request(&mut self, key: ServerKey, message: &Message, flow: Flow, cx: &mut Cx) {
        if !self.reported {
            self.sheet.received(stage_of(message.method_name().as_bytes()), masked(message.as_bytes()));
        }
        self.with_leg(
            cx,
            |leg, cx| {
                leg.on_request(key, message, flow, &mut cx.ctx.sip);
                leg.release(&mut cx.ctx.sip);
            },
            None,
        );
    }

    pub(crate) fn on_connection_failed(&mut self, flow: Flow, why: &Why<NoConnection>) {
        self.broken.retain(|(at, _)| !is_same(at, &flow));
        self.broken.push((flow, why.clone()));
        self.broken.truncate(16);
    }

    /// Why there was no connection by this way.
    pub(crate) fn broken_by(&self, flow: &Flow) -> Option<&Why<NoConnection>> {
        self.broken.iter().find(|(at, _)| is_same(at, flow)).map(|(_, why)| why)
    }

    /// Does something with the leg, and lets happen what it tells.
    pub(crate) fn with_leg(
        &mut self,
        cx: &mut Cx,
        act: impl FnOnce(&mut Leg, &mut Cx),
        answer: Option<&Message>,
    ) {
        let Some(mut leg) = self.leg.take() else { return };
        act(&mut leg, cx);
        let events: Vec<LegEvent> = std::iter::from_fn(|| leg.poll_event()).collect();
        self.leg = (!leg.is_gone()).then_some(leg);
        for event in events {
            self.on_leg_event(event, answer, cx);
        }
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx) {
        let now = cx.now();
        if self.leg.as_ref().and_then(Leg::poll_timeout).is_some_and(|at| at <= now) {
            self.with_leg(cx, |leg, cx| leg.handle_timeout(&mut cx.ctx.sip), None);
        }
        if self.due.is_some_and(|at| at <= now) {
            self.due = None;
            match &self.state {
                State::Idle => {}
                State::Resolving(_) => {
                    let why = "the look-up was not answered";
                    self.sheet.find(ExamStage::Dns, StageOutcome::Failed, Diagnosis::DnsTimeout, why, now);
                    self.finish(cx);
                }
                State::Asking(_) => self.on_asked_timeout(cx),
                State::Registering(_) => self.on_register_timeout(cx),
                State::Calling(_) => self.on_calling_timeout(cx),
                State::Listening(_) => self.on_listening_timeout(cx),
            }
        }
        if self.deadline <= now {
            match self.reported {
                // What is left on the wire is no matter of ours any more.
                true => (self.leg, self.state) = (None, State::Idle),
                false => self.give_up("the examination took too long", cx),
            }
        }
    }

    pub(crate) fn on_media(&mut self, event: MediaEvent, cx: &mut Cx) {
        match event {
            MediaEvent::OpenFailed { port, error } => {
                cx.ctx.media.failed(port, cx.now());
                self.port_failed(port, &error, cx);
            }
            MediaEvent::Silent { .. } => {}
            MediaEvent::Closed { port, stats } => {
                cx.ctx.media.closed(port, cx.now());
                self.port_closed(port, &stats, cx);
            }
        }
    }

    /// Ends it here.
    pub(crate) fn give_up(&mut self, why: &str, cx: &mut Cx) {
        for stage in ExamStage::ALL {
            self.sheet.skip(stage, why);
        }
        self.with_leg(cx, |leg, cx| leg.hang_up(487, "Given up", &[], &mut cx.ctx.sip), None);
        self.drop_media(cx);
        self.finish(cx);
    }

    /// Writes the report. What is left on the wire of a call ends by itself.
    pub(crate) fn finish(&mut self, cx: &mut Cx) {
        if std::mem::replace(&mut self.reported, true) {
            return;
        }
        for stage in ExamStage::ALL {
            self.sheet.skip(stage, "an earlier stage failed");
        }
        self.due = None;
        self.state = State::Idle;
        self.deadline = cx.now() + LINGER;
        let report = self.sheet.report(self.examinee.trunk(), cx.now());
        cx.outputs.push_back(DoctorOutput::Report { no: self.no, report: Box::new(report) });
    }

    /// Where calls go, who answered first.
    pub(crate) fn ways(&self, to: Purpose, cx: &Cx) -> Vec<Flow> {
        let mut ways = self.examinee.ways(to, cx.local);
        ways.sort_by_key(|flow| !self.way.is_some_and(|way| is_same(&way, flow)));
        ways
    }
}

/// The same address by the same transport.
pub(crate) fn is_same(one: &Flow, other: &Flow) -> bool {
    let of = |flow: &Flow| (flow.transport, canonical(flow.remote));
    of(one) == of(other)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn stage_of(method: &[u8]) -> ExamStage {
    match method {
        b"OPTIONS" => ExamStage::Options,
        b"REGISTER" => ExamStage::Register,
        _ => ExamStage::Invite,
    }
}
