//! Transport, TLS and OPTIONS: one request shows all three. It goes to one address after the other until somebody answers.

use crate::doctor::Cx;
use crate::exam::{Exam, State, is_same};
use crate::judging::{self, Judgement};
use crate::scope::is_hidden;
use std::collections::VecDeque;
use std::time::Duration;
use tandem_model::{Diagnosis, ExamStage, PingAccept, StageOutcome};
use tandem_sip_msg::{Flow, Message, NoConnection, Transport};
use tandem_sip_txn::{ClientKey, Failure};
use tandem_trunk::Purpose;

/// Addresses that are asked.
const MOST: usize = 3;
/// How long an answer is waited for.
const DATAGRAM: Duration = Duration::from_secs(6);
/// The same over a stream, which is given up before that if there is no connection, or no TLS over it.
const STREAM: Duration = Duration::from_secs(12);

/// OPTIONS under way.
pub(crate) struct Asking {
    under_way: Vec<(ClientKey, Flow)>,
    rest: VecDeque<Flow>,
    /// Those that were not answered, and whether by silence.
    unanswered: Vec<(Flow, bool)>,
    /// All addresses were in vain: others are tried that the trunk is not configured with.
    elsewhere: bool,
}

impl Exam {
    /// Whether anybody answers.
    pub(crate) fn ask(&mut self, cx: &mut Cx) {
        self.sheet.begin(ExamStage::Transport, cx.now());
        self.sheet.begin(ExamStage::Options, cx.now());
        let is_tls =
            self.examinee.ways(Purpose::Calls, cx.local).iter().any(|flow| flow.transport == Transport::Tls);
        match is_tls {
            true => self.sheet.begin(ExamStage::Tls, cx.now()),
            false => self.sheet.skip(ExamStage::Tls, "the trunk is not reached over TLS"),
        }
        let mut rest: VecDeque<Flow> = self.ways(Purpose::Calls, cx).into();
        rest.truncate(MOST);
        if rest.is_empty() {
            let transport = Transport::from(self.examinee.trunk().transport).via_name();
            let detail =
                format!("there is no {transport} listener of the address family of the trunk's host");
            self.sheet.find(
                ExamStage::Transport,
                StageOutcome::Failed,
                Diagnosis::NoListener,
                detail,
                cx.now(),
            );
            return self.finish(cx);
        }
        self.state =
            State::Asking(Asking { under_way: Vec::new(), rest, unanswered: Vec::new(), elsewhere: false });
        self.ask_next(cx);
    }

    fn ask_next(&mut self, cx: &mut Cx) {
        let State::Asking(asking) = &mut self.state else { return };
        let Some(flow) = asking.rest.pop_front() else { return self.asked_all(cx) };
        let request = self.examinee.options(&flow, cx.local, cx.ctx.sip.rng);
        let key = cx.send(request, flow, self.no);
        asking.under_way.push((key, flow));
        self.due = Some(cx.now() + if flow.transport.is_reliable() { STREAM } else { DATAGRAM });
    }

    pub(crate) fn on_asked_response(&mut self, key: ClientKey, answer: &Message, flow: Flow, cx: &mut Cx) {
        let Some(code) = answer.code().filter(|code| *code >= 200) else { return };
        let State::Asking(asking) = &mut self.state else { return };
        let Some(at) = asking.under_way.iter().position(|(under_way, _)| *under_way == key) else { return };
        let (_, way) = asking.under_way.swap_remove(at);
        if asking.elsewhere {
            return self.answers_elsewhere(way, cx);
        }
        let dead = asking.unanswered.first().map(|(flow, _)| *flow);
        self.way = Some(way);
        self.answered_at(way, dead, cx);
        self.judge_options(answer, code, cx);
        self.note_nat(answer, way, flow, cx);
        self.register(cx);
    }

    /// There is a way: what that says of transport and TLS.
    fn answered_at(&mut self, way: Flow, dead: Option<Flow>, cx: &Cx) {
        let now = cx.now();
        if let Some(dead) = dead {
            let detail =
                format!("{} does not answer, {} does", judging::address(&dead), judging::address(&way));
            self.sheet.find(
                ExamStage::Transport,
                StageOutcome::Warned,
                Diagnosis::FirstTargetDead,
                detail,
                now,
            );
        } else {
            let detail = format!("{} can be reached", judging::address(&way));
            self.sheet.end(ExamStage::Transport, StageOutcome::Passed, detail, now);
        }
        if way.transport == Transport::Tls {
            let detail = "its certificate is for the trunk's host, from an issuer that is trusted";
            self.sheet.end(ExamStage::Tls, StageOutcome::Passed, detail, now);
        }
    }

    fn judge_options(&mut self, answer: &Message, code: u16, cx: &Cx) {
        let came = judging::came(answer);
        let (outcome, found) = match code {
            200..=299 => (StageOutcome::Passed, None),
            408 | 503 => (StageOutcome::Warned, Some(Diagnosis::OptionsUnavailable)),
            // Whatever it says, it is there.
            _ if self.examinee.trunk().ping_accept == PingAccept::AnyFinal => (StageOutcome::Passed, None),
            _ => (StageOutcome::Warned, Some(Diagnosis::OptionsRefused)),
        };
        match found {
            Some(what) => self.sheet.find(ExamStage::Options, outcome, what, came, cx.now()),
            None => self.sheet.end(ExamStage::Options, outcome, format!("answered with {came}"), cx.now()),
        }
    }

    /// The provider writes down where it saw our request come from (RFC 3261 §18.2.1, RFC 3581 §4).
    fn note_nat(&mut self, answer: &Message, way: Flow, source: Flow, cx: &Cx) {
        let via = answer.top_via();
        let ours = cx.local.listeners.get(usize::from(way.listener.0)).map(|(_, address)| address.ip());
        let (Some(ours), Some(seen)) = (ours, via.received()) else { return };
        if seen.to_canonical() != ours.to_canonical() && is_hidden(ours, source.remote.ip()) {
            let detail = format!("we say that we are {ours}, and are seen at {seen}");
            self.sheet.find(
                ExamStage::Options,
                StageOutcome::Warned,
                Diagnosis::NatInBetween,
                detail,
                cx.now(),
            );
        }
    }

    pub(crate) fn on_asked_failed(&mut self, key: ClientKey, failure: Failure, cx: &mut Cx) {
        let State::Asking(asking) = &mut self.state else { return };
        let Some(at) = asking.under_way.iter().position(|(under_way, _)| *under_way == key) else { return };
        let (_, flow) = asking.under_way.swap_remove(at);
        if asking.elsewhere {
            if asking.under_way.is_empty() {
                self.nobody_anywhere(cx);
            }
            return;
        }
        asking.unanswered.push((flow, failure == Failure::Timeout));
        self.ask_next(cx);
    }

    pub(crate) fn on_asked_timeout(&mut self, cx: &mut Cx) {
        let State::Asking(asking) = &mut self.state else { return };
        let late: Vec<(ClientKey, Flow)> = asking.under_way.drain(..).collect();
        late.iter().for_each(|(key, _)| cx.ctx.sip.txn.disown(*key));
        if asking.elsewhere {
            return self.nobody_anywhere(cx);
        }
        asking.unanswered.extend(late.into_iter().map(|(_, flow)| (flow, true)));
        self.ask_next(cx);
    }

    /// Nobody answered. If that was silence, the next request may be one that is answered.
    fn asked_all(&mut self, cx: &mut Cx) {
        let State::Asking(asking) = &self.state else { return };
        let Some(&(first, silent)) = asking.unanswered.first() else { return };
        if silent && self.broken_by(&first).is_none() {
            self.is_silent = true;
            let may_be_answered = self.examinee.registers() || self.asked.test_number.is_some();
            if may_be_answered {
                return self.register(cx);
            }
        }
        self.look_elsewhere(cx);
    }

    /// Nobody answers anything where the trunk is configured to be: is anybody near?
    pub(crate) fn look_elsewhere(&mut self, cx: &mut Cx) {
        let ways = self.examinee.ways(Purpose::Calls, cx.local);
        let Some(first) = ways.first().copied() else { return self.finish(cx) };
        let others: Vec<Flow> = match self.broken_by(&first) {
            // Who answers there is who it should be, or nobody whom we could talk to otherwise.
            Some(why) if why.kind.is_tls() && why.kind != NoConnection::NotTls => Vec::new(),
            _ => self.examinee.other_ways(first.remote, cx.local),
        };
        let send = |flow: Flow| {
            let request = self.examinee.options(&flow, cx.local, cx.ctx.sip.rng);
            (cx.send(request, flow, self.no), flow)
        };
        let under_way: Vec<(ClientKey, Flow)> = others.into_iter().map(send).collect();
        let is_empty = under_way.is_empty();
        let unanswered = match std::mem::replace(&mut self.state, State::Idle) {
            State::Asking(asking) => asking.unanswered,
            _ => Vec::new(),
        };
        self.state = State::Asking(Asking { under_way, rest: VecDeque::new(), unanswered, elsewhere: true });
        self.due = Some(cx.now() + DATAGRAM);
        if is_empty {
            self.nobody_anywhere(cx);
        }
    }

    fn answers_elsewhere(&mut self, way: Flow, cx: &mut Cx) {
        let ways = self.examinee.ways(Purpose::Calls, cx.local);
        let is_other_transport = ways.iter().all(|flow| flow.transport != way.transport);
        let what =
            if is_other_transport { Diagnosis::OtherTransportAnswers } else { Diagnosis::OtherPortAnswers };
        let detail = format!("{} answers", judging::address(&way));
        self.sheet.find(ExamStage::Transport, StageOutcome::Failed, what, detail, cx.now());
        self.nobody_anywhere(cx);
    }

    /// What the silence means, or the refusal.
    fn nobody_anywhere(&mut self, cx: &mut Cx) {
        let now = cx.now();
        if let State::Asking(asking) = &self.state {
            asking.under_way.iter().for_each(|(key, _)| cx.ctx.sip.txn.disown(*key));
        }
        let ways = self.examinee.ways(Purpose::Calls, cx.local);
        let Some(first) = ways.first().copied() else { return self.finish(cx) };
        let to = judging::address(&first);
        match self.broken_by(&first).cloned() {
            Some(why) => {
                let Judgement { stage, what } = judging::of_connection(why.kind);
                if stage == ExamStage::Tls {
                    let detail = format!("{to} can be reached");
                    self.sheet.end(ExamStage::Transport, StageOutcome::Passed, detail, now);
                }
                self.sheet.find(stage, StageOutcome::Failed, what, format!("{to}: {}", why.words), now);
            }
            None if self.is_silent => {
                if first.transport.is_reliable() {
                    self.sheet.end(
                        ExamStage::Transport,
                        StageOutcome::Passed,
                        format!("{to} takes a connection"),
                        now,
                    );
                    if first.transport == Transport::Tls {
                        self.sheet.end(ExamStage::Tls, StageOutcome::Passed, "TLS is spoken", now);
                    }
                } else {
                    let detail = "whether UDP gets there cannot be told from silence";
                    self.sheet.end(ExamStage::Transport, StageOutcome::Passed, detail, now);
                }
                let detail = format!("no answer to any request from {to}");
                self.sheet.find(ExamStage::Options, StageOutcome::Failed, Diagnosis::NoAnswer, detail, now);
            }
            None => {
                let what = match first.transport {
                    Transport::Udp => Diagnosis::UdpPortClosed,
                    _ => Diagnosis::ConnectionRefused,
                };
                self.sheet.find(
                    ExamStage::Transport,
                    StageOutcome::Failed,
                    what,
                    format!("nobody listens at {to}"),
                    now,
                );
            }
        }
        self.finish(cx);
    }

    /// Something else than OPTIONS was answered by this way.
    pub(crate) fn heard_at(&mut self, flow: Flow, cx: &Cx) {
        if !std::mem::take(&mut self.is_silent) {
            return;
        }
        let ways = self.examinee.ways(Purpose::Calls, cx.local);
        let way = ways.into_iter().find(|way| is_same(way, &flow)).unwrap_or(flow);
        self.way = Some(way);
        self.answered_at(way, None, cx);
        let outcome = if self.examinee.trunk().ping_interval == 0 {
            StageOutcome::Passed
        } else {
            StageOutcome::Warned
        };
        let detail = format!("no answer to OPTIONS from {}", judging::address(&way));
        self.sheet.find(ExamStage::Options, outcome, Diagnosis::OptionsUnanswered, detail, cx.now());
    }
}
