//! Taking a call down on both sides, and its record.

use crate::attempt::Stage;
use crate::call::{Call, CallOutput, Ctx, Phase};
use crate::media_end::MediaEnd;
use crate::setup::own_failure;
use std::time::Duration;
use tandem_media::{PortId, PortStats};
use tandem_model::{Attempt, CallRecord, Cause, Event, Outcome, Side, q850_of};
use tandem_sip_msg::standard_reason;
use tandem_time::Time;

/// How long the record waits for the last word of the media side.
const MEDIA_WAIT: Duration = Duration::from_secs(2);

/// A call that is over but for its record.
pub(crate) struct Ending {
    pub(crate) until: Time,
    by: Side,
    cause: Cause,
    ended: Time,
    /// The legs that talked last.
    sides: Option<[usize; 2]>,
}

impl Call {
    /// Ends the call on every leg that is left, each in the way that its state asks for. `reasons` are passed on as Reason headers.
    pub(crate) fn finish(&mut self, by: Side, cause: Cause, reasons: &[String], ctx: &mut Ctx) {
        if self.is_over() {
            return;
        }
        let now = ctx.sip.now;
        let reasons = with_q850(reasons, &cause);
        let sides = self.abandon_talk(ctx);
        // A caller whose answer still waits for its PRACK has none.
        let code = if cause.code < 400 { 480 } else { cause.code };
        self.caller.leg.hang_up(code, &cause.phrase, &reasons, &mut ctx.sip);
        for out in &mut self.outs {
            if out.stage == Stage::Over {
                continue;
            }
            out.leg.hang_up(487, &cause.phrase, &reasons, &mut ctx.sip);
            if out.stage == Stage::Answered {
                out.record.ended_at = now.as_millis();
                out.seat = None;
            } else {
                let why = if by == Side::Caller { "The caller gave up" } else { "Given up" };
                out.failed(&own_failure(487, why), now);
            }
            out.media.close(ctx);
        }
        self.caller.who.seat = None;
        self.seat = None;
        self.caller.media.close(ctx);
        let duration_ms = self.answered.map_or(0, |answered| now.since(answered).as_millis() as u64);
        let (call_id, tenant_id) = (self.id, self.tenant);
        self.tell(Event::CallEnded { call_id, cause: cause.clone(), duration_ms, tenant_id });
        self.phase =
            Phase::Ending(Box::new(Ending { until: now + MEDIA_WAIT, by, cause, ended: now, sides }));
        self.record_if_complete();
        self.hold(ctx);
    }

    /// Whoever waits for the outcome of a transfer hears that there is none, and a leg that was replaced is hung up. Who talked last
    /// comes back.
    fn abandon_talk(&mut self, ctx: &mut Ctx) -> Option<[usize; 2]> {
        if self.transfer().is_some() {
            self.conclude_transfer(487, "The call ended", None);
        }
        let legs = std::iter::once(&mut self.caller.leg).chain(self.outs.iter_mut().map(|out| &mut out.leg));
        for leg in legs.filter(|leg| leg.is_referring()) {
            leg.tell_referrer(487, standard_reason(487), &mut ctx.sip);
        }
        let Phase::Talking(talk) = &mut self.phase else { return None };
        let (sides, leaving) = (talk.sides, talk.farewell.take());
        if let Some((leg, _)) = leaving {
            self.dismiss(leg, ctx);
        }
        Some(sides)
    }

    /// The media side is done with a port.
    pub(crate) fn port_closed(&mut self, port: PortId, stats: Option<PortStats>, ctx: &mut Ctx) {
        ctx.media.closed(port, ctx.sip.now);
        if let Some(media) = self.media_ends().find(|media| media.has(port)) {
            media.closed(port, stats.as_ref());
        }
        self.record_if_complete();
    }

    fn media_ends(&mut self) -> impl Iterator<Item = &mut MediaEnd> {
        std::iter::once(&mut self.caller.media).chain(self.outs.iter_mut().map(|out| &mut out.media))
    }

    pub(crate) fn ending_timeout(&mut self, ctx: &mut Ctx) {
        if let Phase::Ending(ending) = &mut self.phase
            && ending.until <= ctx.sip.now
        {
            self.write_record();
        }
    }

    fn record_if_complete(&mut self) {
        if self.media_ends().all(|media| media.is_over()) {
            self.write_record();
        }
    }

    fn write_record(&mut self) {
        if matches!(self.phase, Phase::Ending(_))
            && let Phase::Ending(ending) = std::mem::replace(&mut self.phase, Phase::Done)
        {
            let record = self.record(*ending);
            self.outputs.push_back(CallOutput::Record(Box::new(record)));
        }
    }

    /// What the record is if nothing more is heard of the call, because the server died with it.
    pub(crate) fn record_if_lost(&self, now: Time) -> CallRecord {
        let cause = Cause::with_phrase(500, "The server stopped during the call; when it ended is not known");
        self.record(Ending { until: now, by: Side::System, cause, ended: now, sides: None })
    }

    fn record(&self, ending: Ending) -> CallRecord {
        let mut attempts: Vec<_> = self.unsent.clone();
        attempts.extend(self.outs.iter().map(|out| (out.place, out.record.clone())));
        attempts.sort_by_key(|(place, _)| *place);
        let sides = ending.sides;
        let (caller, callee) =
            (self.media_of(sides.map_or(0, |sides| sides[0])), sides.map(|sides| self.media_of(sides[1])));
        let is_direct = callee.is_some_and(MediaEnd::is_direct);
        CallRecord {
            id: self.id,
            tenant_id: self.tenant,
            direction: self.direction,
            caller: self.caller.who.party.clone(),
            callee: self.callee.clone(),
            started_at: self.started.as_millis(),
            ringing_at: self.ringing.map(Time::as_millis),
            answered_at: self.answered.map(Time::as_millis),
            ended_at: ending.ended.as_millis(),
            duration_ms: self.answered.map_or(0, |answered| ending.ended.since(answered).as_millis() as u64),
            outcome: self.outcome(&ending),
            ended_by: ending.by,
            cause: ending.cause,
            sip_call_id: self.caller.leg.call_id().to_owned(),
            attempts: attempts.into_iter().map(|(_, attempt)| charged(attempt)).collect(),
            direct_media: is_direct,
            media_from_caller: caller.record().filter(|_| !is_direct),
            media_from_callee: callee.and_then(MediaEnd::record),
            video_from_caller: caller.video_record(),
            video_from_callee: callee.and_then(MediaEnd::video_record),
            transfers: self.transfers.clone(),
        }
    }

    fn outcome(&self, ending: &Ending) -> Outcome {
        if self.answered.is_some() {
            return Outcome::Answered;
        }
        match ending.cause.code {
            _ if ending.by == Side::Caller => Outcome::Cancelled,
            486 | 600 | 603 | 607 | 608 => Outcome::Busy,
            408 | 480 | 487 if self.ringing.is_some() => Outcome::NoAnswer,
            _ => Outcome::Failed,
        }
    }
}

/// The attempt with what its talk time cost.
fn charged(mut attempt: Attempt) -> Attempt {
    if let (Some(charge), Some(answered)) = (&mut attempt.charge, attempt.answered_at) {
        charge.cost = charge.cost_of(Duration::from_millis(attempt.ended_at.saturating_sub(answered)));
    }
    attempt
}

/// Reason values for the other side: those received, and the Q.850 cause where none of them names it (RFC 3326).
fn with_q850(reasons: &[String], cause: &Cause) -> Vec<String> {
    let mut reasons = reasons.to_vec();
    if crate::attempt::q850_in(&reasons).is_none() {
        let q850 = cause.q850.unwrap_or_else(|| q850_of(cause.code));
        reasons.push(format!("Q.850;cause={q850}"));
    }
    reasons
}
