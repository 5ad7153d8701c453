//! From INVITE to answer: rounds of attempts, early media, failover (as far as routing allows it), and the first answer that wins.

use crate::attempt::{Outgoing, Stage, blank_record};
use crate::call::{Call, Ctx, Phase, Setup};
use crate::callee::{Outset, contact, dial, target_of, told_headers, trunk_of};
use crate::caller::CallerSide;
use crate::change::Who;
use crate::forwarding::why_not_taken;
use crate::media_end::MediaEnd;
use crate::moving::common;
use crate::signature::Stamp;
use crate::{CallOutput, Target, Way};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use tandem_media::PortId;
use tandem_model::{Cause, Event, ForwardReason, Party, Side, TrunkMode};
use tandem_routing::{Failed, Onward, Round, fails_over};
use tandem_sdp::{Sdp, SdpError};
use tandem_sip_dialog::{Leg, LegEvent, LegFailure};
use tandem_sip_msg::{Flow, Scheme};
use tandem_time::Time;

/// Attempts in a call at most; what a plan holds beyond is not tried.
const MAX_ATTEMPTS: usize = 64;

/// Looking for somebody who answers.
pub(crate) struct Trying {
    /// The caller is told that nobody answers.
    pub(crate) until: Time,
    /// The current round.
    pub(crate) round: Option<Round>,
    /// Failures of the current round so far, with whether it had rung.
    failures: Vec<(LegFailure, bool)>,
    /// What the last peer that spoke said.
    last_upstream: Option<LegFailure>,
    /// The last failure of any kind.
    last: Option<LegFailure>,
}

impl Trying {
    /// Nobody was tried yet.
    pub(crate) fn until(until: Time) -> Trying {
        Trying { until, round: None, failures: Vec::new(), last_upstream: None, last: None }
    }
}

impl Call {
    /// Begins a call: tries the first round, or refuses the caller at once.
    pub fn begin(setup: Setup, ctx: &mut Ctx) -> Call {
        let Setup {
            id,
            no,
            invite,
            message,
            flow,
            mut caller,
            tenant,
            direction,
            dialled,
            rounds,
            no_fax,
            limits,
            seat,
        } = setup;
        let now = ctx.sip.now;
        let user = caller.party.number.clone();
        let own_trunk = caller.source.as_target();
        let sips = message.request_uri().is_some_and(|uri| uri.scheme() == Scheme::Sips);
        let contact = contact(trunk_of(&own_trunk), &dialled, ctx.exchange, &flow, sips);
        caller.headers = told_headers(&rounds, &message);
        let symmetric = !matches!(caller.source, crate::Source::Trunk(_));
        let (mut leg, offer) =
            Leg::incoming(no * crate::LEGS, invite, &message, flow, contact, symmetric, &mut ctx.sip);
        let media = MediaEnd::new(no, &flow, ctx).without_fax(no_fax);
        let trying = Trying::until(now + limits.setup);
        leg.take_refers(caller.source.may_transfer());
        leg.take_digits(caller.source.tells_digits());
        leg.limit_session(caller.source.session_timer(&limits));
        let late = offer.is_none();
        let side = CallerSide { who: caller, leg, media, told: false, late };
        let mut call = Call {
            id,
            no,
            tenant,
            direction,
            caller: side,
            callee: Party { number: dialled.clone(), ..Party::default() },
            seat,
            rounds: VecDeque::from(rounds),
            outs: Vec::new(),
            unsent: Vec::new(),
            phase: Phase::Trying(trying),
            change: None,
            limits,
            max_forwards: message.max_forwards().unwrap_or(70).saturating_sub(1),
            started: now,
            ringing: None,
            answered: None,
            held: None,
            transfers: Vec::new(),
            outputs: VecDeque::new(),
        };
        call.tell(Event::CallStarted {
            call_id: id,
            direction,
            caller: user,
            callee: dialled,
            tenant_id: tenant,
        });
        match offer.map(|offer| Sdp::parse(&offer)).transpose() {
            Ok(offer) => call.take_offer(offer, ctx),
            Err(error) => {
                call.finish(Side::System, Cause::with_phrase(error.status(), error.to_string()), &[], ctx)
            }
        }
        call.settle(ctx);
        call
    }

    fn take_offer(&mut self, offer: Option<Sdp>, ctx: &mut Ctx) {
        if let Some(offer) = offer {
            self.caller.media.hear_offer(offer);
        }
        self.next_round(ctx);
    }

    /// What is looked for: who answers the caller, or whom a transfer is to.
    fn trying(&mut self) -> Option<&mut Trying> {
        match &mut self.phase {
            Phase::Trying(trying) => Some(trying),
            Phase::Talking(talk) => talk.transfer.as_mut()?.trying.as_mut(),
            Phase::Ending(_) | Phase::Done => None,
        }
    }

    /// Begins the next round that can be begun, or ends the call, or the transfer.
    pub(crate) fn next_round(&mut self, ctx: &mut Ctx) {
        while let Some(round) = self.rounds.pop_front() {
            let Some(target) = target_of(&round) else {
                if let Round::Refuse { code } = round {
                    return self.finish_failed(own_failure(code, tandem_sip_msg::standard_reason(code)), ctx);
                }
                continue;
            };
            if matches!(self.phase, Phase::Trying(_)) {
                (self.callee.extension_id, self.callee.trunk_id) = match &target {
                    Target::Extension(extension) => (Some(extension.id), None),
                    Target::Trunk(trunk) => (None, Some(trunk.id)),
                    Target::Guest(_) => (None, None),
                };
            }
            let ways = ctx.exchange.ways(&target);
            if ways.is_empty() {
                self.not_sent(&round, None, unreachable(&target), ctx);
                self.forward(round, ForwardReason::Unregistered);
                continue;
            }
            let before = self.outs.len();
            for way in &ways {
                self.attempt(&round, &target, way, ctx);
            }
            if self.outs.len() > before {
                if let Some(trying) = self.trying() {
                    trying.round = Some(round);
                }
                return;
            }
        }
        self.exhausted(ctx);
    }

    fn attempt(&mut self, round: &Round, target: &Target, way: &Way, ctx: &mut Ctx) {
        let now = ctx.sip.now;
        let flow = way.flows[0];
        if self.outs.len() >= MAX_ATTEMPTS {
            return self.not_sent(round, Some(&flow), own_failure(503, "Too many attempts in one call"), ctx);
        }
        let seat = match round {
            Round::Trunk(step) => match ctx.exchange.take_seat(step) {
                Ok(seat) => Some(seat),
                Err(full) => {
                    let why = format!("At the limit of {} ({})", full.whose(), full.field());
                    return self.not_sent(round, Some(&flow), own_failure(503, &why), ctx);
                }
            },
            Round::Extension { .. } | Round::Refuse { .. } => None,
        };
        let connected = self.connected();
        let allowed = common(&self.source_of(connected), &target.as_source());
        let no_fax = matches!(round, Round::Trunk(step) if step.no_fax);
        let mut media = MediaEnd::new(self.no, &flow, ctx).without_fax(no_fax);
        let has_ports =
            self.may_be_direct(target) || (self.leg_media(connected).open(ctx) && media.open(ctx));
        if !has_ports {
            return self.not_sent(round, Some(&flow), own_failure(503, "No media port is free"), ctx);
        }
        let theirs = self.media_of(connected);
        let offer = match self.phase {
            Phase::Talking(_) => media.tell_session(theirs, &allowed, ctx),
            _ if self.caller.late => Ok(None),
            _ => media.tell_offer(theirs, &allowed, ctx).map(Some),
        };
        let body = match offer {
            Ok(body) => body,
            Err(error) => {
                media.close(ctx);
                return self.not_sent(
                    round,
                    Some(&flow),
                    own_failure(error.status(), &error.to_string()),
                    ctx,
                );
            }
        };
        let presented = self.presented(round);
        let caller = presented.as_ref().unwrap_or(&self.caller.who);
        let stamp = Some(Stamp { call: self.id, now });
        let outset = Outset { max_forwards: self.max_forwards, limits: &self.limits, stamp };
        let dial = dial(round, target, way, caller, outset, ctx.exchange);
        let dial = tandem_sip_dialog::Dial { body, ..dial };
        let leg = Leg::dial(self.owner(self.outs.len() + 1), dial, &mut ctx.sip);
        let (patience, timeout, onward, longest) = match round {
            Round::Extension { ring_timeout, onward, .. } => {
                (timeout_of(*ring_timeout), None, onward.clone(), None)
            }
            Round::Trunk(step) => {
                let timeout = timeout_of(step.timeout);
                (self.limits.silence.min(timeout), Some(timeout), step.onward.clone(), step.longest())
            }
            Round::Refuse { .. } => (Duration::ZERO, None, Onward::Never, None),
        };
        self.outs.push(Outgoing {
            leg,
            media,
            stage: Stage::Calling,
            target: target.clone(),
            onward,
            give_up: Some(now + patience),
            timeout,
            longest,
            until: None,
            place: self.outs.len() + self.unsent.len(),
            record: blank_record(round, Some(&flow), now),
            seat,
            started: now,
        });
    }

    /// An attempt that could not even be sent.
    fn not_sent(&mut self, round: &Round, flow: Option<&Flow>, failure: LegFailure, ctx: &mut Ctx) {
        let mut record = blank_record(round, flow, ctx.sip.now);
        record.code = failure.code;
        record.reason = failure.phrase.clone();
        self.unsent.push((self.outs.len() + self.unsent.len(), record));
        if let Some(trying) = self.trying() {
            trying.last = Some(failure);
        }
    }

    /// Every round failed: the caller gets what the last peer said, or why none could be asked.
    fn exhausted(&mut self, ctx: &mut Ctx) {
        let Some(trying) = self.trying() else { return };
        let failure = trying.last_upstream.take().or(trying.last.take());
        let failure = failure.unwrap_or_else(|| own_failure(503, "No trunk could be tried"));
        self.finish_failed(failure, ctx);
    }

    fn finish_failed(&mut self, failure: LegFailure, ctx: &mut Ctx) {
        if matches!(self.phase, Phase::Talking(_)) {
            return self.transfer_failed(failure, ctx);
        }
        let code = told_code(failure.code);
        let cause = Cause { reasons: failure.reasons.clone(), ..Cause::with_phrase(code, failure.phrase) };
        let by = if failure.upstream { Side::Callee } else { Side::System };
        self.finish(by, cause, &failure.reasons, ctx);
    }

    pub(crate) fn caller_while_trying(&mut self, event: LegEvent, ctx: &mut Ctx) {
        match event {
            LegEvent::Cancelled { reasons } => self.cancelled(&reasons, ctx),
            LegEvent::Ended { reasons, broken } => {
                let why = broken.unwrap_or("the caller hung up before the answer");
                self.finish(Side::System, Cause::with_phrase(504, why), &reasons, ctx);
            }
            event => self.caller_changes_early(event, ctx),
        }
    }

    /// The caller took its INVITE back.
    pub(crate) fn cancelled(&mut self, reasons: &[String], ctx: &mut Ctx) {
        let cause = Cause { reasons: reasons.to_vec(), ..Cause::of(487) };
        self.finish(Side::Caller, cause, reasons, ctx);
    }

    pub(crate) fn callee_while_trying(&mut self, n: usize, event: LegEvent, ctx: &mut Ctx) {
        if !self.outs[n].is_live() {
            return;
        }
        match event {
            LegEvent::Progress { code, body } => self.progress(n, code, body, ctx),
            LegEvent::Answered { body } if self.transfer().is_some() => self.target_answered(n, body, ctx),
            LegEvent::Answered { body } => self.answer(n, body, ctx),
            LegEvent::Failed(failure) => self.attempt_failed(n, failure, ctx),
            // Who remains has a session already, and is not told before it is settled.
            LegEvent::ChangeAsked { .. } if self.transfer().is_some() => {
                self.outs[n].leg.refuse_change(488, "Not Before The Answer", &mut ctx.sip)
            }
            _ if self.transfer().is_some() => {}
            event => self.on_change(Who::Callee, [0, n + 1], event, ctx),
        }
    }

    fn progress(&mut self, n: usize, code: u16, body: Option<Bytes>, ctx: &mut Ctx) {
        let out = &mut self.outs[n];
        if code == 100 {
            if out.stage == Stage::Calling {
                out.stage = Stage::Trying;
                out.give_up = out.timeout.map_or(out.give_up, |timeout| Some(out.started + timeout));
            }
            return;
        }
        if out.stage != Stage::Ringing {
            out.rings(ctx.sip.now);
            out.give_up = out.timeout.map_or(out.give_up, |timeout| Some(ctx.sip.now + timeout));
        }
        if self.transfer().is_some() {
            if let Some(early) = body.and_then(|body| Sdp::parse(&body).ok()) {
                self.outs[n].media.hear_answer(early, ctx);
            }
            return self.transfer_progress(code, ctx);
        }
        self.ringing.get_or_insert(ctx.sip.now);
        self.caller.told = true;
        let early = body.and_then(|body| Sdp::parse(&body).ok());
        match early.and_then(|early| self.early_media(n, early, ctx)) {
            Some(answer) => {
                self.caller.leg.ring(183, Some(&answer), &mut ctx.sip);
                if self.caller.leg.is_answering_early() {
                    self.caller.media.agree(ctx);
                }
            }
            // 181, 182 and a 183 without media are passed as 180: a phone knows what to do with that.
            None => self.caller.leg.ring(180, None, &mut ctx.sip),
        }
    }

    /// Connects the caller to the early media of an attempt; its answer for the caller.
    fn early_media(&mut self, n: usize, early: Sdp, ctx: &mut Ctx) -> Option<Bytes> {
        if self.caller.late {
            return None;
        }
        let allowed = self.codecs(&self.target_of(n));
        let callee = &mut self.outs[n].media;
        callee.hear_answer(early, ctx);
        let answer = self.caller.media.tell_answer(callee, &allowed, ctx).ok();
        self.caller.media.join(callee, ctx);
        answer
    }

    fn answer(&mut self, n: usize, body: Option<Bytes>, ctx: &mut Ctx) {
        let now = ctx.sip.now;
        self.outs[n].answers(now);
        self.give_up_others(n, ctx);
        match self.answer_for_caller(n, body, ctx) {
            Ok(body) => {
                self.answered = Some(now);
                self.caller.leg.answer(&body, &mut ctx.sip);
                self.begin_talk(n, ctx);
            }
            Err(error) => {
                let cause = Cause::with_phrase(error.status().max(488), error.to_string());
                self.finish(Side::System, cause, &[], ctx);
            }
        }
    }

    /// What the caller is answered with: the callee's answer, or, when the caller asked for an offer, the callee's offer.
    fn answer_for_caller(&mut self, n: usize, body: Option<Bytes>, ctx: &mut Ctx) -> Result<Bytes, SdpError> {
        let allowed = self.codecs(&self.target_of(n));
        let theirs = body.map(|body| Sdp::parse(&body)).transpose()?;
        let (caller, out) = (&mut self.caller.media, &mut self.outs[n]);
        let told = if !self.caller.late {
            // A 2xx without SDP confirms what a provisional response said.
            if let Some(answer) = theirs {
                out.media.hear_answer(answer, ctx);
            }
            let answer = caller.tell_answer(&out.media, &allowed, ctx)?;
            caller.agree(ctx);
            caller.settle_beside(&mut out.media, ctx);
            out.record.codec = caller.codec();
            answer
        } else {
            out.media.hear_offer(theirs.ok_or(SdpError::NoAudio)?);
            out.media.send_early(ctx);
            caller.tell_offer(&out.media, &allowed, ctx)?
        };
        caller.join(&out.media, ctx);
        Ok(told)
    }

    pub(crate) fn give_up_others(&mut self, winner: usize, ctx: &mut Ctx) {
        let elsewhere = ["SIP;cause=200;text=\"Call completed elsewhere\"".to_owned()];
        for n in 0..self.outs.len() {
            if n != winner && self.outs[n].is_live() {
                self.outs[n].leg.hang_up(487, "Answered elsewhere", &elsewhere, &mut ctx.sip);
                self.outs[n].failed(&own_failure(487, "Answered elsewhere"), ctx.sip.now);
                self.outs[n].media.close(ctx);
                self.drop_change(n, ctx);
            }
        }
    }

    pub(crate) fn attempt_failed(&mut self, n: usize, failure: LegFailure, ctx: &mut Ctx) {
        let rang = self.outs[n].stage == Stage::Ringing;
        self.outs[n].failed(&failure, ctx.sip.now);
        self.outs[n].media.close(ctx);
        self.drop_change(n, ctx);
        let is_last = !self.outs.iter().any(Outgoing::is_live);
        let Some(trying) = self.trying() else { return };
        trying.failures.push((failure, rang));
        if !is_last {
            return;
        }
        let failures = std::mem::take(&mut trying.failures);
        let forwarding = trying.round.take().zip(why_not_taken(&failures));
        let Some((failure, rang)) = failures.into_iter().min_by_key(|(failure, _)| rank(failure)) else {
            return;
        };
        if failure.upstream {
            trying.last_upstream = Some(failure.clone());
        }
        trying.last = Some(failure.clone());
        let unanswered = !failure.upstream && matches!(failure.code, 408 | 480);
        let is_forwarded = forwarding.is_some_and(|(round, why)| self.forward(round, why));
        if is_forwarded || fails_over(Failed { code: failure.code, rang, unanswered }, &self.outs[n].onward) {
            let cause = Cause::with_phrase(failure.code, failure.phrase.clone());
            let trunk_id = self.outs[n].record.trunk_id;
            self.tell(Event::Failover { call_id: self.id, trunk_id, cause, tenant_id: self.tenant });
            self.next_round(ctx);
        } else {
            self.finish_failed(failure, ctx);
        }
    }

    pub(crate) fn trying_timeout(&mut self, ctx: &mut Ctx) {
        self.attempts_timeout(ctx);
        if let Phase::Trying(trying) = &self.phase
            && trying.until <= ctx.sip.now
        {
            self.finish(Side::System, Cause::with_phrase(480, "No answer"), &[], ctx);
        }
    }

    /// Gives up the attempts that have taken too long.
    pub(crate) fn attempts_timeout(&mut self, ctx: &mut Ctx) {
        let now = ctx.sip.now;
        for n in 0..self.outs.len() {
            let out = &mut self.outs[n];
            if !out.is_live() || out.give_up.is_none_or(|at| at > now) {
                continue;
            }
            if out.stage == Stage::Calling
                && let Target::Trunk(trunk) = &out.target
            {
                self.outputs.push_back(CallOutput::Unheard(trunk.id, out.leg.flow()));
            }
            if out.stage == Stage::Calling && out.leg.try_next_target(&mut ctx.sip) {
                out.media.moves_to(&out.leg.flow());
                out.give_up = Some(now + self.limits.silence);
                continue;
            }
            let is_device = matches!(out.target, Target::Extension(_));
            let failure = match out.stage {
                // A person who is not reached is unavailable; a 408 would have the caller's carrier try another way here.
                Stage::Calling if is_device => own_failure(480, "No response"),
                Stage::Trying if is_device => own_failure(480, "No answer"),
                Stage::Calling => own_failure(408, "No response"),
                Stage::Trying => own_failure(408, "No ringing in time"),
                _ => own_failure(480, "No answer"),
            };
            out.leg.hang_up(487, &failure.phrase, &[], &mut ctx.sip);
            self.attempt_failed(n, failure, ctx);
            if self.trying().is_none() {
                return;
            }
        }
    }

    /// A media port could not be opened: the attempt that it was for fails, or the call.
    pub(crate) fn port_failed(&mut self, port: PortId, error: &str, ctx: &mut Ctx) {
        ctx.media.failed(port, ctx.sip.now);
        let attempt = self.outs.iter().position(|out| out.media.has(port));
        self.port_closed(port, None, ctx);
        match attempt {
            Some(n) if self.outs[n].is_live() => {
                let failure = own_failure(503, &format!("The media port could not be opened: {error}"));
                self.outs[n].leg.hang_up(487, "No media", &[], &mut ctx.sip);
                self.attempt_failed(n, failure, ctx);
            }
            _ => self.finish(
                Side::System,
                Cause::with_phrase(503, "The media port could not be opened"),
                &[],
                ctx,
            ),
        }
    }

    pub(crate) fn target_of(&self, n: usize) -> Target {
        self.outs[n].target.clone()
    }

    /// Media goes by here unless both sides may do without. Once the caller was told to send it here, it stays here.
    fn may_be_direct(&self, target: &Target) -> bool {
        let caller = &self.caller;
        matches!(self.phase, Phase::Trying(_))
            && caller.who.source.direct_media()
            && target.direct_media()
            && !caller.media.promised()
    }

    /// Codecs that may be used towards a target: its own in its order, as far as the caller's side may use them too.
    pub(crate) fn codecs(&self, target: &Target) -> Vec<&'static str> {
        common(&self.caller.who.source, &target.as_source())
    }
}

/// A challenge meant for us is none that the caller could answer, and a redirection none that it should follow: it would show it the
/// carrier.
pub(crate) fn told_code(code: u16) -> u16 {
    match code {
        401 | 407 => 403,
        300..=399 => 480,
        code => code,
    }
}

fn timeout_of(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

pub(crate) fn own_failure(code: u16, phrase: &str) -> LegFailure {
    LegFailure { code, phrase: phrase.to_owned(), reasons: Vec::new(), upstream: false }
}

fn unreachable(target: &Target) -> LegFailure {
    match target {
        Target::Extension(_) | Target::Guest(_) => own_failure(480, "The extension is not registered"),
        Target::Trunk(trunk) if trunk.host.is_none() && trunk.mode == TrunkMode::PeerIn => {
            own_failure(503, "The trunk has no host to send calls to")
        }
        Target::Trunk(trunk) if trunk.host.is_none() => own_failure(503, "The trunk is not registered"),
        Target::Trunk(_) => own_failure(503, "The trunk's host has no known address"),
    }
}

/// Which of several failures of devices that rang together the caller is told: a 6xx, then busy, then the lowest class
/// (RFC 3261 §16.7).
pub(crate) fn rank(failure: &LegFailure) -> (u16, u16) {
    match failure.code {
        600..=699 => (0, failure.code),
        486 => (1, failure.code),
        code => (2, code),
    }
}
