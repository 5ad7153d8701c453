//! While both sides talk: changes of the session passed from one to the other, silence, limits, and who hangs up.

use crate::call::{Call, CallOutput, Ctx, Phase};
use crate::change::{Who, answer_in};
use bytes::Bytes;
use std::time::Duration;
use tandem_media::PortId;
use tandem_model::{Cause, Event, Side};
use tandem_sip_dialog::LegEvent;
use tandem_time::Time;

/// An answered call.
pub(crate) struct Talk {
    /// Which attempt answered.
    pub(crate) callee: usize,
    /// The longest that it may last.
    pub(crate) until: Option<Time>,
}

impl Call {
    pub(crate) fn begin_talk(&mut self, callee: usize, ctx: &mut Ctx) {
        let until = self.limits.duration.map(|limit| ctx.sip.now + limit);
        self.phase = Phase::Talking(Talk { callee, until });
        self.rounds.clear();
        self.callee.extension_id = self.outs[callee].record.extension_id;
        self.callee.trunk_id = self.outs[callee].record.trunk_id;
        if self.outs[callee].media.is_direct() {
            // It may have been opened for an attempt that failed.
            self.caller.media.close(ctx);
        }
        self.caller.media.watch(self.limits.media_timeout, ctx);
        self.outs[callee].media.watch(self.limits.media_timeout, ctx);
        self.tell(Event::CallAnswered { call_id: self.id });
        let record = self.record_if_lost(ctx.sip.now);
        self.outputs.push_back(CallOutput::Open(Box::new(record)));
        self.hold(ctx);
    }

    pub(crate) fn caller_while_talking(&mut self, event: LegEvent, ctx: &mut Ctx) {
        match event {
            LegEvent::Acked { body } => {
                self.late_answer(body, ctx);
                self.tell_anew(ctx);
            }
            event => self.while_talking(Who::Caller, event, ctx),
        }
    }

    pub(crate) fn callee_while_talking(&mut self, event: LegEvent, ctx: &mut Ctx) {
        self.while_talking(Who::Callee, event, ctx);
    }

    fn while_talking(&mut self, who: Who, event: LegEvent, ctx: &mut Ctx) {
        match event {
            LegEvent::Ended { reasons, broken } => {
                let by = if broken.is_some() { Side::System } else { who.side() };
                let cause = match broken {
                    Some(why) => Cause::with_phrase(408, why),
                    None => Cause {
                        code: 200,
                        phrase: "Normal call clearing".to_owned(),
                        q850: Some(16),
                        reasons: reasons.clone(),
                    },
                };
                self.finish(by, cause, &reasons, ctx);
            }
            // Its answer waited for a PRACK.
            LegEvent::Cancelled { reasons } => self.cancelled(&reasons, ctx),
            event => {
                let Phase::Talking(talk) = &self.phase else { return };
                self.on_change(who, talk.callee, event, ctx);
            }
        }
    }

    /// The caller, who asked us for an offer, answers it in its ACK; the callee gets it in ours.
    fn late_answer(&mut self, body: Option<Bytes>, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &self.phase else { return };
        let allowed = self.codecs(&self.target_of(talk.callee));
        let (caller, callee) = (&mut self.caller.media, &mut self.outs[talk.callee]);
        if !callee.media.has_offer() {
            return;
        }
        match answer_in(body, caller, &mut callee.media, &allowed, ctx) {
            Some(answer) => {
                callee.record.codec = callee.media.codec();
                callee.leg.acknowledge(Some(answer), &mut ctx.sip);
            }
            None => self.finish(
                Side::System,
                Cause::with_phrase(488, "The caller did not answer our offer"),
                &[],
                ctx,
            ),
        }
    }

    /// How long the two may be silent: longer while one of them holds.
    pub(crate) fn watch_both(&mut self, ctx: &mut Ctx) {
        // Before the answer nobody has to say anything.
        let Phase::Talking(talk) = &self.phase else { return };
        let (media, hold) = (self.limits.media_timeout, self.limits.hold_timeout);
        let (caller, callee) = (&self.caller.media, &self.outs[talk.callee].media);
        let after = if caller.talks() && callee.talks() { media } else { hold };
        caller.watch(after, ctx);
        callee.watch(after, ctx);
    }

    /// RTP stopped: somebody is gone without a BYE.
    pub(crate) fn silent(&mut self, port: PortId, silence: Duration, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &self.phase else { return };
        let who = match () {
            () if self.caller.media.has(port) => "caller",
            () if self.outs[talk.callee].media.has(port) => "called side",
            () => return,
        };
        self.end_by_system(&format!("No media from the {who} for {} s", silence.as_secs()), ctx);
    }

    pub(crate) fn talk_timeout(&mut self, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &self.phase else { return };
        if talk.until.is_some_and(|until| until <= ctx.sip.now) {
            self.end_by_system("The longest duration was reached", ctx);
        }
    }

    pub(crate) fn end_by_system(&mut self, why: &str, ctx: &mut Ctx) {
        let code = if self.answered.is_some() { 200 } else { 480 };
        let cause = Cause { code, phrase: why.to_owned(), q850: Some(16), reasons: Vec::new() };
        self.finish(Side::System, cause, &[], ctx);
    }
}
