//! REGISTER without a hand on the registration: first one that only asks (RFC 3261 §10.2.3), which shows whether the account is
//! known and the credentials are right. Where the trunk is to be registered and is not, so that there is nothing to disturb, one
//! follows as the trunk's own are, under the same Contact; if it is taken, the trunk itself registers at once and keeps it.

use crate::doctor::{Cx, DoctorOutput};
use crate::exam::{Exam, State};
use crate::judging;
use crate::masking::realm_of;
use std::collections::VecDeque;
use std::time::Duration;
use tandem_model::{Diagnosis, ExamStage, StageOutcome};
use tandem_sip_dialog::digest::Unanswered;
use tandem_sip_msg::{Challenge, Flow, Header, Message};
use tandem_sip_txn::{ClientKey, Failure};
use tandem_trunk::Purpose;

/// How long an answer is waited for, at most.
const LONGEST: Duration = Duration::from_secs(10);
const STAGE: ExamStage = ExamStage::Register;

/// A REGISTER under way.
pub(crate) struct Registering {
    key: ClientKey,
    flow: Flow,
    rest: VecDeque<Flow>,
    /// The lifetime that is asked for; `None`: it is the one that only asks.
    expires: Option<u32>,
    /// Kinds of challenge (401, 407) that this request carries an answer to.
    answered: Vec<u16>,
    /// Challenges answered so far.
    rounds: u8,
}

/// No registrar is asked for longer, as the trunk does not.
const MAX_EXPIRES: u32 = 7 * 24 * 3600;

/// The credentials headers of a request.
type Headers = Vec<(Header, String)>;

/// More challenges to one request are a loop.
const MAX_ROUNDS: u8 = 3;

impl Exam {
    /// Whether the provider knows our account.
    pub(crate) fn register(&mut self, cx: &mut Cx) {
        if !self.examinee.registers() {
            let why = "the trunk's mode asks for no registration at a provider";
            self.sheet.skip(STAGE, why);
            return self.call(cx);
        }
        self.sheet.begin(STAGE, cx.now());
        let mut rest: VecDeque<Flow> = self.ways(Purpose::Registration, cx).into();
        rest.truncate(2);
        let Some(flow) = rest.pop_front() else {
            let detail = "there is no listener for the address of the registrar";
            self.sheet.find(STAGE, StageOutcome::Failed, Diagnosis::NoListener, detail, cx.now());
            return self.finish(cx);
        };
        self.send_register(flow, rest, None, Vec::new(), 0, cx);
    }

    fn send_register(
        &mut self,
        flow: Flow,
        rest: VecDeque<Flow>,
        expires: Option<u32>,
        credentials: Headers,
        rounds: u8,
        cx: &mut Cx,
    ) {
        let answered = credentials
            .iter()
            .map(|(header, _)| if *header == Header::ProxyAuthorization { 407 } else { 401 })
            .collect();
        let request = match expires {
            None => self.examinee.query(&credentials),
            Some(expires) => self.examinee.register(&flow, cx.local, expires, &credentials),
        };
        let key = cx.send(request, flow, self.no);
        self.state = State::Registering(Registering { key, flow, rest, expires, answered, rounds });
        let patience = Duration::from_secs(self.examinee.trunk().register_timeout.into()).min(LONGEST);
        self.due = Some(cx.now() + patience);
    }

    pub(crate) fn on_register_response(&mut self, key: ClientKey, answer: &Message, flow: Flow, cx: &mut Cx) {
        let State::Registering(trying) = &self.state else { return };
        let Some(code) = answer.code().filter(|code| *code >= 200 && trying.key == key) else { return };
        self.heard_at(flow, cx);
        match code {
            401 | 407 => self.on_challenge(answer, code, flow, cx),
            200..=299 => self.on_registered(answer, cx),
            423 => self.on_too_brief(answer, cx),
            _ => self.on_refused(answer, code, cx),
        }
    }

    fn on_challenge(&mut self, answer: &Message, code: u16, source: Flow, cx: &mut Cx) {
        let State::Registering(trying) = &mut self.state else { return };
        let name = if code == 407 { Header::ProxyAuthenticate } else { Header::WwwAuthenticate };
        let is_stale = answer.headers(name).filter_map(Challenge::parse).any(|challenge| challenge.stale);
        let was_answered = trying.answered.contains(&code);
        let (flow, rest, expires) = (trying.flow, std::mem::take(&mut trying.rest), trying.expires);
        let rounds = trying.rounds + 1;
        // A server that only wants another nonce says so; who does not means the credentials (RFC 7616 §3.3).
        let credentials = match was_answered && !is_stale {
            true => Err(Unanswered::Refused),
            false if rounds > MAX_ROUNDS => Err(Unanswered::Loop),
            false => self.examinee.answer(answer, source.remote.ip(), cx.ctx.sip.rng),
        };
        match credentials {
            Ok(credentials) => self.send_register(flow, rest, expires, credentials, rounds, cx),
            Err(why) => {
                let (what, detail) = self.of_challenge(why, answer, code, source);
                self.register_failed(what, detail, cx);
            }
        }
    }

    /// What a challenge means that is not answered (again).
    pub(crate) fn of_challenge(
        &self,
        why: Unanswered,
        answer: &Message,
        code: u16,
        source: Flow,
    ) -> (Diagnosis, String) {
        let came = judging::came(answer);
        let trunk = self.examinee.trunk();
        let name = if code == 407 { Header::ProxyAuthenticate } else { Header::WwwAuthenticate };
        let realms: Vec<String> = answer.headers(name).filter_map(realm_of).collect();
        let user = trunk.digest_username().unwrap_or_default();
        match why {
            _ if trunk.password.is_none() => {
                (Diagnosis::CredentialsMissing, format!("{came}, and the trunk has no password"))
            }
            Unanswered::Refused => {
                (Diagnosis::WrongPassword, format!("{came} again after the credentials of {user:?}"))
            }
            Unanswered::Loop => {
                (Diagnosis::NonceLoop, format!("{came} again and again, each with another nonce"))
            }
            Unanswered::Stranger => {
                (Diagnosis::StrangeChallenge, format!("{came} came from {}", source.remote.ip()))
            }
            Unanswered::NoMatch => match &trunk.realm {
                Some(realm) if !realms.is_empty() && !realms.contains(realm) => {
                    let asked = realms.join("\", \"");
                    (
                        Diagnosis::WrongRealm,
                        format!("{came} for the realm \"{asked}\"; the trunk answers \"{realm}\" only"),
                    )
                }
                _ => {
                    let asked = answer.headers(name).filter_map(Challenge::parse).find_map(|c| c.algorithm);
                    let asked = asked.unwrap_or_else(|| "nothing that can be read".to_owned());
                    (Diagnosis::AlgorithmRefused, format!("{came}; the challenge asks for {asked}"))
                }
            },
        }
    }

    fn on_registered(&mut self, answer: &Message, cx: &mut Cx) {
        let State::Registering(trying) = &mut self.state else { return };
        let (flow, expires) = (trying.flow, trying.expires);
        let now = cx.now();
        match expires {
            None => {
                let (listed, ours) = self.examinee.listed(answer);
                let is_held = self.examinee.is_registered();
                if is_held && listed > 0 && !ours {
                    let detail = format!("{listed} registered, and none of them is ours");
                    let what = Diagnosis::RegistrationReplaced;
                    self.sheet.find(STAGE, StageOutcome::Warned, what, detail, now);
                }
                let with = if trying.answered.is_empty() { "" } else { " and takes its password" };
                let detail = format!("the provider knows the account{with}");
                self.sheet.end(STAGE, StageOutcome::Passed, detail, now);
                match self.examinee.trunk().enabled && !is_held {
                    true => self.register_in_full(flow, cx),
                    false => self.call(cx),
                }
            }
            Some(_) if self.examinee.granted(answer, &flow, cx.local) == 0 => {
                self.register_failed(Diagnosis::RegisterGrantedNothing, judging::came(answer), cx);
            }
            Some(_) => {
                self.sheet.end(STAGE, StageOutcome::Passed, "the provider takes the registration", now);
                cx.outputs.push_back(DoctorOutput::RegisterNow(self.trunk_id()));
                self.call(cx);
            }
        }
    }

    /// As the trunk itself would.
    fn register_in_full(&mut self, flow: Flow, cx: &mut Cx) {
        self.examinee.begin_round();
        let credentials = self.examinee.known_credentials(cx.ctx.sip.rng);
        let expires = self.examinee.trunk().expires;
        self.send_register(flow, VecDeque::new(), Some(expires), credentials, 0, cx);
    }

    /// 423 Interval Too Brief (RFC 3261 §10.2.8). The trunk follows it by itself.
    fn on_too_brief(&mut self, answer: &Message, cx: &mut Cx) {
        let State::Registering(trying) = &mut self.state else { return };
        let (flow, asked) = (trying.flow, trying.expires.unwrap_or(0));
        let wanted = answer.header(Header::MinExpires).and_then(|value| value.trim().parse::<u32>().ok());
        let detail = format!("{}; `expires` is {}", judging::came(answer), self.examinee.trunk().expires);
        match wanted.filter(|wanted| (asked + 1..=MAX_EXPIRES).contains(wanted) && asked > 0) {
            Some(wanted) => {
                let what = Diagnosis::RegisterTooBrief;
                self.sheet.find(STAGE, StageOutcome::Warned, what, detail, cx.now());
                self.examinee.begin_round();
                let credentials = self.examinee.known_credentials(cx.ctx.sip.rng);
                self.send_register(flow, VecDeque::new(), Some(wanted), credentials, 0, cx);
            }
            None => self.register_failed(Diagnosis::RegisterTooBrief, detail, cx),
        }
    }

    fn on_refused(&mut self, answer: &Message, code: u16, cx: &mut Cx) {
        let State::Registering(trying) = &mut self.state else { return };
        let (flow, is_query) = (trying.flow, trying.expires.is_none());
        let what = judging::of_register(code, !trying.answered.is_empty());
        if what == Diagnosis::ServerUnavailable && self.try_next_registrar(cx) {
            return;
        }
        let detail = judging::came(answer);
        // It may be the asking alone that is refused.
        let is_about_asking =
            is_query && matches!(what, Diagnosis::RegisterRefused | Diagnosis::RegisterNotTaken);
        let trunk = self.examinee.trunk();
        if is_about_asking && self.examinee.is_registered() {
            let what = Diagnosis::RegisterQueryRefused;
            let detail = format!("{detail}; the registration itself stands");
            self.sheet.find(STAGE, StageOutcome::Passed, what, detail, cx.now());
            return self.call(cx);
        }
        if is_query && what == Diagnosis::RegisterRefused && trunk.enabled {
            let what = Diagnosis::RegisterQueryRefused;
            self.sheet.find(STAGE, StageOutcome::Passed, what, detail, cx.now());
            return self.register_in_full(flow, cx);
        }
        self.register_failed(what, detail, cx);
    }

    fn register_failed(&mut self, what: Diagnosis, detail: String, cx: &mut Cx) {
        self.sheet.find(STAGE, StageOutcome::Failed, what, detail, cx.now());
        match what {
            // Calls may work all the same.
            Diagnosis::RegisterNotTaken => self.call(cx),
            _ => self.finish(cx),
        }
    }

    fn try_next_registrar(&mut self, cx: &mut Cx) -> bool {
        let State::Registering(trying) = &mut self.state else { return false };
        let Some(flow) = trying.rest.pop_front() else { return false };
        let (rest, expires) = (std::mem::take(&mut trying.rest), trying.expires);
        self.examinee.begin_round();
        self.send_register(flow, rest, expires, Vec::new(), 0, cx);
        true
    }

    pub(crate) fn on_register_failed(&mut self, key: ClientKey, failure: Failure, cx: &mut Cx) {
        if matches!(&self.state, State::Registering(trying) if trying.key == key) {
            self.register_unanswered(failure, cx);
        }
    }

    pub(crate) fn on_register_timeout(&mut self, cx: &mut Cx) {
        if let State::Registering(trying) = &self.state {
            cx.ctx.sip.txn.disown(trying.key);
            self.register_unanswered(Failure::Timeout, cx);
        }
    }

    fn register_unanswered(&mut self, failure: Failure, cx: &mut Cx) {
        let State::Registering(trying) = &self.state else { return };
        let flow = trying.flow;
        if self.try_next_registrar(cx) {
            return;
        }
        if self.is_silent && self.asked.test_number.is_none() {
            self.sheet.find(
                STAGE,
                StageOutcome::Failed,
                Diagnosis::RegisterUnanswered,
                "no answer",
                cx.now(),
            );
            return self.look_elsewhere(cx);
        }
        let to = judging::address(&flow);
        let (what, detail) = match (self.broken_by(&flow), failure) {
            (Some(why), _) => (judging::of_connection(why.kind).what, format!("{to}: {}", why.words)),
            (None, Failure::Transport) => (Diagnosis::ConnectionRefused, format!("nobody listens at {to}")),
            (None, Failure::Timeout) => (Diagnosis::RegisterUnanswered, format!("no answer from {to}")),
        };
        self.sheet.find(STAGE, StageOutcome::Failed, what, detail, cx.now());
        match self.is_silent {
            true => self.look_elsewhere(cx),
            false => self.finish(cx),
        }
    }
}
