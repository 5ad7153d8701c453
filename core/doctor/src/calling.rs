//! A call to the test number, as calls to the trunk are made: the same INVITE, the same leg, a seat on the trunk.

use crate::doctor::Cx;
use crate::exam::{Exam, Route, State};
use crate::judging;
use crate::listening::Listening;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tandem_call::{Caller, Exchange, Full, Identity, Limits, Named, Seat, Source, Target, Way, preview};
use tandem_media::{MediaCommand, PortId, PortStats};
use tandem_model::{Diagnosis, ExamStage, RouteId, StageOutcome, TestCall, Trunk};
use tandem_routing::{Onward, PlannedStep, Round};
use tandem_sdp::Sdp;
use tandem_sip_dialog::digest::Unanswered;
use tandem_sip_dialog::{Dial, Leg, LegEvent, LegFailure};
use tandem_sip_msg::{Challenge, Flow, Header, Message};
use tandem_time::Time;
use tandem_trunk::Purpose;

/// How long the provider may say nothing at all.
const SILENCE: Duration = Duration::from_secs(8);
/// From INVITE to answer.
const RINGING: Duration = Duration::from_secs(30);
const STAGE: ExamStage = ExamStage::Invite;

/// A call under way.
pub(crate) struct Calling {
    pub(crate) port: PortId,
    /// Until the call is over.
    pub(crate) seat: Seat,
    began: Time,
    /// The provider has said something.
    heard: bool,
    rang: Option<Time>,
    /// Challenges in a row, with the last of them.
    challenges: u8,
    last_answer: Option<(Message, Flow)>,
}

/// The server as the call sees it, for a trunk that may be switched off: only where it is is known better here.
struct Seen<'a> {
    inner: &'a mut dyn Exchange,
    flows: Vec<Flow>,
    challengers: Arc<[IpNet]>,
}

impl Exchange for Seen<'_> {
    fn ways(&self, target: &Target) -> Vec<Way> {
        match self.flows.is_empty() {
            true => self.inner.ways(target),
            false => vec![Way { contact: None, flows: self.flows.clone(), routes: Vec::new() }],
        }
    }

    fn route(&self, who: &Source, dialled: &str) -> Result<Vec<Round>, (u16, String)> {
        self.inner.route(who, dialled)
    }

    fn challengers(&self, _trunk: &Trunk) -> Option<Arc<[IpNet]>> {
        Some(self.challengers.clone())
    }

    fn take_seat(&mut self, step: &PlannedStep) -> Result<Seat, Full> {
        self.inner.take_seat(step)
    }

    fn contact_host(&self, flow: &Flow) -> String {
        self.inner.contact_host(flow)
    }

    fn media_address(&self, flow: &Flow) -> IpAddr {
        self.inner.media_address(flow)
    }

    fn store_keeps_up(&self) -> bool {
        self.inner.store_keeps_up()
    }
}

impl Exam {
    /// Whether it takes a call.
    pub(crate) fn call(&mut self, cx: &mut Cx) {
        let now = cx.now();
        let Some(number) = self.asked.test_number.clone() else {
            let why = "no test number was given";
            self.sheet.skip(STAGE, why);
            self.sheet.skip(ExamStage::Rtp, why);
            return self.finish(cx);
        };
        self.sheet.begin(STAGE, now);
        let step = match self.step(&number) {
            Ok(step) => step,
            Err(why) => {
                self.sheet.find(STAGE, StageOutcome::Failed, Diagnosis::NumberForbidden, why, now);
                return self.finish(cx);
            }
        };
        let flows = self.ways(Purpose::Calls, cx);
        let challengers = self.examinee.challengers();
        let mut seen = Seen { inner: &mut *cx.ctx.exchange, flows, challengers };
        let seat = match seen.take_seat(&step) {
            Ok(seat) => seat,
            Err(full) => {
                let detail = format!("at the limit of {} ({})", full.whose(), full.field());
                self.sheet.find(STAGE, StageOutcome::Failed, Diagnosis::TrunkFull, detail, now);
                return self.finish(cx);
            }
        };
        let caller = caller(self.examinee.trunk());
        let Some(dial) = preview(&Round::Trunk(step), &caller, &Limits::default(), &seen) else {
            let what = Diagnosis::PeerNotRegistered;
            let detail = "there is no address to send a call to";
            self.sheet.find(STAGE, StageOutcome::Failed, what, detail, now);
            return self.finish(cx);
        };
        let address = seen.media_address(&dial.flows[0]);
        let Some((port, local)) = cx.ctx.media.open(self.owner(), now) else {
            self.sheet.find(STAGE, StageOutcome::Failed, Diagnosis::NoMediaPort, "no port is free", now);
            return self.finish(cx);
        };
        let trunk = self.examinee.trunk();
        let codecs: Vec<&str> =
            trunk.codecs.iter().filter(|codec| trunk.may_use(**codec)).map(|codec| codec.name()).collect();
        let body = Some(Sdp::build(address, local, &codecs).into());
        let dial = Dial { body, takes_refers: false, takes_digits: false, session_timer: 0, ..dial };
        self.leg = Some(Leg::dial(self.owner(), dial, &mut cx.ctx.sip));
        self.state = State::Calling(Box::new(Calling {
            port,
            seat,
            began: now,
            heard: false,
            rang: None,
            challenges: 0,
            last_answer: None,
        }));
        self.due = Some(now + SILENCE);
    }

    /// The number as a route sends it over this trunk, else as the trunk writes numbers.
    fn step(&mut self, number: &str) -> Result<PlannedStep, String> {
        let trunk = self.examinee.trunk().clone();
        let mut step = match std::mem::take(&mut self.route) {
            Route::Forbidden(why) => return Err(why),
            Route::Step(step) => *step,
            Route::None => PlannedStep {
                number: trunk.number_to_send(number),
                max_minutes: 0,
                caller_id: trunk.caller_id_number.clone(),
                attested: None,
                tenant: trunk.tenant_id,
                route_id: RouteId::NIL,
                step: 0,
                timeout: 30,
                onward: Onward::Never,
                country: None,
                charge: None,
                emergency: false,
                no_fax: false,
                diverted: Vec::new(),
                trunk,
            },
        };
        // A test is no emergency, and keeps to the limits.
        step.emergency = false;
        Ok(step)
    }

    pub(crate) fn on_leg_event(&mut self, event: LegEvent, answer: Option<&Message>, cx: &mut Cx) {
        match event {
            LegEvent::Progress { code, .. } => self.on_progress(code, cx),
            LegEvent::Answered { body } => self.on_answered(body.as_deref(), cx),
            LegEvent::Failed(failure) => self.on_call_failed(&failure, answer, cx),
            LegEvent::Ended { broken, .. } => self.on_call_ended(broken, cx),
            LegEvent::ChangeAsked { .. } => {
                self.with_leg(cx, |leg, cx| leg.refuse_change(488, "Not In A Test", &mut cx.ctx.sip), None);
            }
            _ => {}
        }
    }

    /// Every answer to the INVITE, before the leg makes something of it.
    pub(crate) fn note_answer(&mut self, answer: &Message, flow: Flow, cx: &Cx) {
        if answer.method_name() != "INVITE" || !matches!(self.state, State::Calling(_)) {
            return;
        }
        self.heard_at(flow, cx);
        let State::Calling(calling) = &mut self.state else { return };
        if matches!(answer.code(), Some(401 | 407)) {
            calling.challenges += 1;
        }
        if answer.code().is_some_and(|code| code >= 200) {
            calling.last_answer = Some((answer.clone(), flow));
        }
        if !std::mem::replace(&mut calling.heard, true) {
            self.due = Some(calling.began + RINGING);
        }
    }

    fn on_progress(&mut self, code: u16, cx: &Cx) {
        if let State::Calling(calling) = &mut self.state
            && code > 100
        {
            calling.rang.get_or_insert(cx.now());
        }
    }

    fn on_answered(&mut self, body: Option<&[u8]>, cx: &mut Cx) {
        let now = cx.now();
        let State::Calling(calling) = std::mem::replace(&mut self.state, State::Idle) else {
            // It crossed our CANCEL.
            return self.with_leg(cx, |leg, cx| leg.hang_up(487, "Given up", &[], &mut cx.ctx.sip), None);
        };
        self.due = None;
        self.with_leg(cx, |leg, cx| leg.release(&mut cx.ctx.sip), None);
        let pdd = calling.rang.unwrap_or(now).since(calling.began).as_millis() as u64;
        self.sheet.call = Some(TestCall { pdd_ms: Some(pdd), ..TestCall::default() });
        let audio = body.and_then(|body| Sdp::parse(body).ok()).and_then(|sdp| sdp.audio());
        let Some(audio) = audio else {
            let detail = "the answer has no audio that can be used";
            self.sheet.find(STAGE, StageOutcome::Failed, Diagnosis::AnswerWithoutAudio, detail, now);
            self.with_leg(cx, |leg, cx| leg.hang_up(487, "No audio", &[], &mut cx.ctx.sip), None);
            cx.close(calling.port);
            return self.finish(cx);
        };
        self.sheet.end(
            STAGE,
            StageOutcome::Passed,
            format!("answered, {pdd} ms after the INVITE it rang"),
            now,
        );
        let signalling = self.leg.as_ref().map(|leg| leg.flow().remote.ip());
        let signalling = signalling.unwrap_or(audio.rtp.ip());
        cx.ctx.media.order(MediaCommand::Remote {
            port: calling.port,
            rtp: audio.rtp,
            rtcp: audio.rtcp,
            signalling,
            clock_rate: audio.codecs.first().map_or(8_000, |codec| codec.clock_rate),
        });
        self.listen(Listening::new(*calling, audio, signalling, cx), cx);
    }

    fn on_call_failed(&mut self, failure: &LegFailure, answer: Option<&Message>, cx: &mut Cx) {
        let State::Calling(calling) = std::mem::replace(&mut self.state, State::Idle) else { return };
        cx.close(calling.port);
        let now = cx.now();
        let is_alone = self.is_silent && !calling.heard;
        let (what, detail) = match (failure.upstream, failure.code) {
            (true, code @ (401 | 407)) => {
                let last = answer.cloned().map(|answer| (answer, self.way));
                match last.or(calling.last_answer.map(|(answer, flow)| (answer, Some(flow)))) {
                    Some((answer, Some(flow))) => {
                        let why = self.why_unanswered(&answer, code, calling.challenges, flow);
                        self.of_challenge(why, &answer, code, flow)
                    }
                    _ => (Diagnosis::WrongPassword, format!("{code} {}", failure.phrase)),
                }
            }
            (true, code) => {
                let came = answer.map_or_else(|| format!("{code} {}", failure.phrase), judging::came);
                (judging::of_invite(code), format!("{came} to INVITE"))
            }
            (false, 408) => (Diagnosis::InviteUnanswered, "no answer to INVITE".to_owned()),
            (false, _) => {
                let flow = self.way.or(self.ways(Purpose::Calls, cx).first().copied());
                match flow.and_then(|flow| self.broken_by(&flow)) {
                    Some(why) => (judging::of_connection(why.kind).what, why.words.clone()),
                    None => (Diagnosis::ConnectionRefused, failure.phrase.clone()),
                }
            }
        };
        let detail = match what {
            Diagnosis::CallerRefused => format!("{detail}, which had {}", self.shown_caller()),
            _ => detail,
        };
        // Who is busy, away or declines was reached.
        let outcome = match what {
            Diagnosis::NumberBusy | Diagnosis::NumberUnavailable | Diagnosis::CallDeclined => {
                StageOutcome::Warned
            }
            _ => StageOutcome::Failed,
        };
        self.sheet.find(STAGE, outcome, what, detail, now);
        self.sheet.skip(ExamStage::Rtp, "the call was not answered");
        match is_alone {
            true => self.look_elsewhere(cx),
            false => self.finish(cx),
        }
    }

    /// Why the leg did not answer this challenge.
    fn why_unanswered(&self, answer: &Message, code: u16, challenges: u8, flow: Flow) -> Unanswered {
        let name = if code == 407 { Header::ProxyAuthenticate } else { Header::WwwAuthenticate };
        let realm = self.examinee.trunk().realm.as_ref();
        let mut asked = answer.headers(name).filter_map(Challenge::parse);
        let source = IpNet::from(flow.remote.ip().to_canonical());
        if !self.examinee.challengers().iter().any(|net| net.contains(&source)) {
            return Unanswered::Stranger;
        }
        match challenges {
            0 | 1 => Unanswered::NoMatch,
            _ if realm.is_some_and(|realm| asked.any(|challenge| challenge.realm != *realm)) => {
                Unanswered::NoMatch
            }
            _ if answer.headers(name).filter_map(Challenge::parse).any(|challenge| challenge.stale) => {
                Unanswered::Loop
            }
            _ => Unanswered::Refused,
        }
    }

    /// Who the INVITE said that calls.
    fn shown_caller(&self) -> String {
        let invite = self.sheet.first_sent(STAGE).unwrap_or_default();
        let named = |name: &str| invite.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        let from = named("From:").unwrap_or_default();
        let from = from.split(";tag=").next().unwrap_or_default().to_owned();
        let asserted = ["P-Asserted-Identity:", "P-Preferred-Identity:", "Remote-Party-ID:"]
            .iter()
            .find_map(|n| named(n));
        std::iter::once(from).chain(asserted).collect::<Vec<_>>().join(" and ")
    }

    pub(crate) fn on_calling_timeout(&mut self, cx: &mut Cx) {
        let State::Calling(calling) = &self.state else { return };
        let (heard, now) = (calling.heard, cx.now());
        if !heard {
            let mut goes_on = false;
            self.with_leg(cx, |leg, cx| goes_on = leg.try_next_target(&mut cx.ctx.sip), None);
            if goes_on {
                self.due = Some(now + SILENCE);
                return;
            }
        }
        let State::Calling(calling) = std::mem::replace(&mut self.state, State::Idle) else { return };
        cx.close(calling.port);
        self.with_leg(cx, |leg, cx| leg.hang_up(487, "No answer", &[], &mut cx.ctx.sip), None);
        self.sheet.skip(ExamStage::Rtp, "the call was not answered");
        match heard {
            true => {
                let detail = "nobody answered within 30 s";
                self.sheet.find(STAGE, StageOutcome::Warned, Diagnosis::NotAnswered, detail, now);
                self.finish(cx);
            }
            false => {
                let detail = "no response to INVITE, not even 100 Trying";
                self.sheet.find(STAGE, StageOutcome::Failed, Diagnosis::InviteUnanswered, detail, now);
                match self.is_silent {
                    true => self.look_elsewhere(cx),
                    false => self.finish(cx),
                }
            }
        }
    }

    pub(crate) fn port_failed(&mut self, port: PortId, error: &str, cx: &mut Cx) {
        if !matches!(&self.state, State::Calling(calling) if calling.port == port) {
            return;
        }
        self.state = State::Idle;
        self.with_leg(cx, |leg, cx| leg.hang_up(487, "No media", &[], &mut cx.ctx.sip), None);
        self.sheet.find(STAGE, StageOutcome::Failed, Diagnosis::NoMediaPort, error, cx.now());
        self.finish(cx);
    }

    pub(crate) fn port_closed(&mut self, port: PortId, stats: &PortStats, cx: &mut Cx) {
        if matches!(&self.state, State::Listening(listening) if listening.port() == port) {
            self.judge_sound(stats, cx);
        }
    }

    /// Its media port is given back.
    pub(crate) fn drop_media(&mut self, cx: &mut Cx) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Calling(calling) => cx.close(calling.port),
            State::Listening(listening) => cx.close(listening.port()),
            _ => {}
        }
    }
}

/// Who makes the test call: whoever the trunk names, else its account.
fn caller(trunk: &Arc<Trunk>) -> Caller {
    let number = trunk.caller_id_number.as_deref().or(trunk.account_user()).unwrap_or("anonymous");
    let named = Named { number: number.to_owned(), name: trunk.caller_id_name.clone() };
    let identity = Identity { shown: named.clone(), asserted: Some(named), ..Identity::default() };
    let source = Source::Trunk(trunk.clone());
    Caller { party: identity.party(&source), identity, headers: Vec::new(), source, seat: None }
}
