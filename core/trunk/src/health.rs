//! Whether a trunk answers: OPTIONS to each of its targets, one at a time, counted against thresholds.

use crate::contact;
use crate::live::{Cx, Due, Live, Part, hop};
use crate::registration::State;
use crate::request;
use crate::target::Target;
use crate::words;
use std::collections::VecDeque;
use std::time::Duration;
use tandem_model::TrunkMode;
use tandem_sip_msg::{Flow, Message};
use tandem_sip_txn::{ClientKey, Failure};
use tandem_time::Time;

/// Targets probed of one trunk.
const MAX_PROBED: usize = 4;
/// While a target that was down is proving itself, it is asked again this soon.
const PROVING: Duration = Duration::from_secs(5);
/// While the registration has just begun, probes wait this long for it.
const NOT_YET: Duration = Duration::from_secs(2);

/// What probes have shown.
#[derive(Debug, Default)]
pub(crate) struct Health {
    targets: Vec<Record>,
    /// Those that failed lately, whatever came of them before, and until when that counts.
    failed: Vec<(Target, Time)>,
    under_way: Option<UnderWay>,
    /// Targets still to be asked in this round.
    round: VecDeque<(Target, Flow)>,
    /// When this round began.
    began: Option<Time>,
    /// Round trip of the last answered OPTIONS.
    pub(crate) rtt: Option<Duration>,
    /// What the last failure was, in words.
    pub(crate) last_failure: Option<String>,
}

/// The one OPTIONS that is out.
#[derive(Debug)]
struct UnderWay {
    key: ClientKey,
    target: Target,
    flow: Flow,
    sent: Time,
}

/// One address and its record, in a row each.
#[derive(Clone, Debug)]
struct Record {
    at: Target,
    misses: u32,
    answers: u32,
    down: bool,
}

/// What all targets together come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Condition {
    /// Nobody was asked, or nobody has answered or failed yet.
    Unknown,
    /// Every target that was asked answers.
    Good,
    /// Some probes fail, or some targets are down.
    Impaired,
    /// No target answers.
    Down,
}

impl Health {
    /// Whether this target has failed so often in a row that it counts as gone.
    pub(crate) fn is_down(&self, at: Target) -> bool {
        self.targets.iter().any(|target| target.at == at && target.down)
    }

    /// Whether anything was asked yet.
    pub(crate) fn was_asked(&self) -> bool {
        self.under_way.is_some() || !self.targets.is_empty()
    }

    /// Whether one of its targets has failed lately.
    pub(crate) fn is_impaired(&self) -> bool {
        !self.failed.is_empty() || matches!(self.condition(), Condition::Impaired | Condition::Down)
    }

    pub(crate) fn condition(&self) -> Condition {
        let mut all_down = true;
        let mut all_well = true;
        for target in &self.targets {
            all_down &= target.down;
            all_well &= !target.down && target.misses == 0;
        }
        match (self.targets.is_empty(), all_down, all_well) {
            (true, ..) => Condition::Unknown,
            (_, true, _) => Condition::Down,
            (_, _, true) => Condition::Good,
            _ => Condition::Impaired,
        }
    }

    /// Round trip of the last answered OPTIONS, milliseconds.
    pub(crate) fn rtt_ms(&self) -> Option<f64> {
        self.rtt.map(|rtt| rtt.as_secs_f64() * 1e3)
    }

    /// Targets down, of all that were asked.
    pub(crate) fn down_of(&self) -> (usize, usize) {
        (self.targets.iter().filter(|target| target.down).count(), self.targets.len())
    }

    /// The longest row of failures below the threshold.
    pub(crate) fn misses(&self) -> u32 {
        self.targets.iter().map(|target| target.misses).max().unwrap_or(0)
    }

    /// Forgets addresses that the trunk no longer has.
    pub(crate) fn keep_only(&mut self, targets: &[Target]) {
        self.targets.retain(|record| targets.contains(&record.at));
        self.failed.retain(|(target, _)| targets.contains(target));
        self.round.retain(|(target, _)| targets.contains(target));
    }

    /// Something better than an OPTIONS has shown that this target is there.
    pub(crate) fn revive(&mut self, at: Target) {
        self.failed.retain(|(target, _)| *target != at);
        if let Some(target) = self.targets.iter_mut().find(|target| target.at == at) {
            *target = Record { at, misses: 0, answers: target.answers.saturating_add(1), down: false };
        }
    }

    /// Whether it has failed lately.
    pub(crate) fn has_just_failed(&self, at: Target) -> bool {
        self.failed.iter().any(|(target, _)| *target == at)
    }

    /// It has failed; that counts for so long.
    pub(crate) fn note_failure(&mut self, at: Target, until: Time) {
        self.failed.retain(|(target, _)| *target != at);
        self.failed.push((at, until));
    }

    /// Forgets what has counted long enough; when the next does.
    pub(crate) fn forgive(&mut self, now: Time) -> Option<Time> {
        self.failed.retain(|(_, until)| *until > now);
        self.failed.iter().map(|(_, until)| *until).min()
    }

    fn target(&mut self, at: Target) -> &mut Record {
        let known = self.targets.iter().position(|target| target.at == at);
        let position = known.unwrap_or_else(|| {
            self.targets.push(Record { at, misses: 0, answers: 0, down: false });
            self.targets.len() - 1
        });
        &mut self.targets[position]
    }

    /// An answer: (whether it had been failing, whether it had been down).
    fn answered(&mut self, at: Target, enough: u32) -> (bool, bool) {
        let target = self.target(at);
        let before = (target.misses > 0 || target.down, target.down);
        target.misses = 0;
        target.answers = target.answers.saturating_add(1);
        target.down = target.down && target.answers < enough;
        before
    }

    /// A failure. `true`: with it the target is down.
    fn missed(&mut self, at: Target, enough: u32) -> bool {
        let target = self.target(at);
        target.answers = 0;
        target.misses = target.misses.saturating_add(1);
        let lost = !target.down && target.misses >= enough;
        target.down |= lost;
        lost
    }

    fn is_proving(&self) -> bool {
        self.targets.iter().any(|target| target.down && target.answers > 0)
    }
}

impl Live {
    fn is_probed(&self) -> bool {
        self.config.enabled && self.config.ping_interval > 0 && self.config.mode != TrunkMode::RegisterIn
    }

    /// Sends the first probe soon after `delay`.
    pub(crate) fn begin_probing(&mut self, delay: Duration, cx: &mut Cx<'_, '_>) {
        if self.is_probed() && self.places.calls().is_some() {
            let soon = cx.jitter(Duration::from_secs(1));
            cx.due_in(Due::Probe, delay + soon);
        }
    }

    pub(crate) fn stop_probing(&mut self, cx: &mut Cx<'_, '_>) {
        if let Some(probe) = self.health.under_way.take() {
            cx.sip.txn.disown(probe.key);
        }
        self.health.round.clear();
        cx.never(Due::Probe);
        cx.never(Due::ProbeTimeout);
    }

    /// The next round is due.
    pub(crate) fn on_probe_due(&mut self, cx: &mut Cx<'_, '_>) {
        if !self.is_probed() || self.health.under_way.is_some() {
            return;
        }
        let first_registration = self.registers() && !self.registration.has_been_tried();
        let ways = self.call_ways(cx.local);
        if first_registration || ways.is_empty() {
            let unresolved = matches!(self.registration.state, State::Resolving) || ways.is_empty();
            return cx.due_in(Due::Probe, if unresolved { 5 * NOT_YET } else { NOT_YET });
        }
        self.health.began = Some(cx.now());
        self.health.round = ways.into_iter().take(MAX_PROBED).collect();
        self.probe_next(cx);
    }

    /// Asks the next target of the round; after the last one, waits for the next round.
    fn probe_next(&mut self, cx: &mut Cx<'_, '_>) {
        let Some((target, flow)) = self.health.round.pop_front() else {
            return self.wait_for_next_round(cx);
        };
        let contact_host = cx.local.contact_host(&flow);
        let route = self.places.call_route();
        let token = &self.registration.account.token;
        let contact = self.config.ping_contact.then(|| contact::uri(&self.config, &contact_host, token));
        let request = request::options(&self.config, &contact_host, contact.as_deref(), route, cx.sip.rng);
        let key = cx.send(request, flow, Part::Health);
        self.health.under_way = Some(UnderWay { key, target, flow, sent: cx.now() });
        cx.due_in(Due::ProbeTimeout, Duration::from_secs(u64::from(self.config.ping_timeout.max(1))));
    }

    fn wait_for_next_round(&mut self, cx: &mut Cx<'_, '_>) {
        let mut interval = Duration::from_secs(u64::from(self.config.ping_interval));
        if self.health.is_proving() {
            interval = interval.min(PROVING);
        }
        let from_start = self.health.began.map_or(cx.now(), |began| began + interval);
        cx.due(Due::Probe, from_start.max(cx.now() + Duration::from_secs(1)));
    }

    pub(crate) fn on_probe_timeout(&mut self, cx: &mut Cx<'_, '_>) {
        let Some(probe) = self.health.under_way.take() else { return };
        cx.sip.txn.disown(probe.key);
        let words = self.unanswered("OPTIONS", probe.flow, Failure::Timeout, self.config.ping_timeout);
        self.probe_failed(probe.target, words, cx);
    }

    pub(crate) fn on_probe_failed(&mut self, key: ClientKey, failure: Failure, cx: &mut Cx<'_, '_>) {
        let Some(probe) = self.health.under_way.take_if(|probe| probe.key == key) else { return };
        let words = self.unanswered("OPTIONS", probe.flow, failure, self.config.ping_timeout);
        self.probe_failed(probe.target, words, cx);
    }

    /// By default any final answer but 408 and 503 shows that somebody is there.
    pub(crate) fn on_probe_response(&mut self, key: ClientKey, answer: &Message, cx: &mut Cx<'_, '_>) {
        let Some(code) = answer.code().filter(|code| *code >= 200) else { return };
        let Some(probe) = self.health.under_way.take_if(|probe| probe.key == key) else { return };
        self.last_code = Some(code);
        if !self.config.ping_accept.takes(code) {
            let words = words::refused(answer, "OPTIONS", false, &self.config);
            return self.probe_failed(probe.target, words, cx);
        }
        self.health.rtt = Some(cx.now().since(probe.sent));
        self.heard_from((probe.target, probe.flow), cx);
        self.probe_done(cx);
    }

    fn probe_failed(&mut self, at: Target, words: String, cx: &mut Cx<'_, '_>) {
        self.not_heard_from(at, words, cx);
        self.probe_done(cx);
    }

    fn probe_done(&mut self, cx: &mut Cx<'_, '_>) {
        cx.never(Due::ProbeTimeout);
        self.probe_next(cx);
    }

    fn heard_from(&mut self, (at, flow): (Target, Flow), cx: &mut Cx<'_, '_>) {
        self.health.failed.retain(|(target, _)| *target != at);
        self.broken.retain(|(remote, _)| *remote != flow.remote);
        let all_were_down = self.health.condition() == Condition::Down;
        let (was_silent, was_down) = self.health.answered(at, self.config.ping_ok);
        let was_unreachable = all_were_down || (was_down && self.registration.holder() == Some(hop(&flow)));
        self.on_sign_of_life(was_silent, was_unreachable, cx);
    }

    fn not_heard_from(&mut self, at: Target, words: String, cx: &mut Cx<'_, '_>) {
        self.put_last(at, cx);
        self.health.last_failure = Some(words);
        if self.health.missed(at, self.config.ping_fail.max(1)) {
            if self.health.condition() == Condition::Down {
                self.take_other_transport(cx.local);
                if self.config.ping_unregisters {
                    return self.on_unreachable(cx);
                }
            }
            self.on_target_lost(at, cx);
        }
    }

    /// Failures that counted for long enough are forgotten.
    pub(crate) fn on_forgive_due(&mut self, cx: &mut Cx<'_, '_>) {
        if let Some(next) = self.health.forgive(cx.now()) {
            cx.due(Due::Forgive, next);
        }
    }

    /// What a call has shown of a target: `Ok` for any answer, else why there was none. Counts as a probe does.
    pub(crate) fn on_call_evidence(&mut self, to: Flow, heard: Result<(), Failure>, cx: &mut Cx<'_, '_>) {
        let ways = self.call_ways(cx.local);
        let Some((target, flow)) = ways.into_iter().find(|(_, flow)| hop(flow) == hop(&to)) else { return };
        match heard {
            Ok(()) if self.is_probed() => self.heard_from((target, flow), cx),
            Ok(()) => self.health.revive(target),
            Err(failure) if self.is_probed() => {
                let words = match failure {
                    Failure::Timeout => words::call_unanswered(flow, failure),
                    Failure::Transport => self.unanswered("INVITE", flow, failure, 0),
                };
                self.not_heard_from(target, words, cx);
            }
            Err(_) => self.put_last(target, cx),
        }
    }
}
