//! While both sides talk: changes of the session passed from one to the other, silence, limits, and who hangs up.

use crate::call::{Call, CallOutput, Ctx, Phase};
use crate::media_end::MediaEnd;
use bytes::Bytes;
use std::time::Duration;
use tandem_media::PortId;
use tandem_model::{Cause, Event, Side};
use tandem_sdp::Sdp;
use tandem_sip_dialog::{Leg, LegEvent};
use tandem_time::Time;

/// An answered call.
pub(crate) struct Talk {
    /// Which attempt answered.
    pub(crate) callee: usize,
    /// The longest that it may last.
    pub(crate) until: Option<Time>,
    change: Option<Change>,
}

/// A change of the session under way from one side to the other.
struct Change {
    /// Who asked for it.
    from: Who,
    /// It asked for an offer instead of making one.
    late: bool,
    /// Nobody asked: what the other side was told before the answer does not hold.
    owed: bool,
}

/// One of the two who talk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Caller,
    Callee,
}

impl Who {
    fn other(self) -> Who {
        match self {
            Who::Caller => Who::Callee,
            Who::Callee => Who::Caller,
        }
    }

    fn side(self) -> Side {
        match self {
            Who::Caller => Side::Caller,
            Who::Callee => Side::Callee,
        }
    }
}

/// One of the two as a change needs it.
struct Talker<'a> {
    leg: &'a mut Leg,
    media: &'a mut MediaEnd,
}

impl Call {
    pub(crate) fn begin_talk(&mut self, callee: usize, ctx: &mut Ctx) {
        let until = self.limits.duration.map(|limit| ctx.sip.now + limit);
        self.phase = Phase::Talking(Talk { callee, until, change: None });
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
            LegEvent::ChangeAsked { body, .. } => self.change_asked(who, body, ctx),
            LegEvent::Changed { body } => self.changed(who, body, ctx),
            LegEvent::ChangeRefused { code, phrase } => self.change_refused(who, code, &phrase, ctx),
            LegEvent::ChangeAcked { body } => self.change_acked(who, body, ctx),
            LegEvent::ChangeCancelled => self.change_cancelled(who, ctx),
            _ => {}
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

    /// The caller was told one thing before the answer, and another holds.
    fn tell_anew(&mut self, ctx: &mut Ctx) {
        if !matches!(self.phase, Phase::Talking(_)) || !self.caller.media.owes() {
            return;
        }
        let allowed = self.talk_codecs();
        let (caller, callee) = self.sides(Who::Caller);
        match caller.media.tell_offer(callee.media, &allowed, ctx) {
            Ok(offer) if caller.leg.can_change() => {
                caller.leg.change(Some(offer), &mut ctx.sip);
                self.set_change(Some(Change { from: Who::Callee, late: false, owed: true }));
            }
            _ => self.broken_change(Who::Caller, ctx),
        }
    }

    fn change_asked(&mut self, who: Who, body: Option<Bytes>, ctx: &mut Ctx) {
        let allowed = self.talk_codecs();
        let (asker, other) = self.sides(who);
        if !other.leg.can_change() {
            return asker.leg.refuse_change(491, "Request Pending", &mut ctx.sip);
        }
        let told = body.map(|body| {
            asker.media.hear_offer(Sdp::parse(&body)?);
            other.media.tell_offer(asker.media, &allowed, ctx)
        });
        match told.transpose() {
            Ok(told) => {
                let late = told.is_none();
                other.leg.change(told, &mut ctx.sip);
                self.set_change(Some(Change { from: who, late, owed: false }));
            }
            Err(error) => {
                asker.media.take_back();
                asker.leg.refuse_change(error.status(), &error.to_string(), &mut ctx.sip)
            }
        }
    }

    /// The other side accepted: the side that asked is told.
    fn changed(&mut self, who: Who, body: Option<Bytes>, ctx: &mut Ctx) {
        let allowed = self.talk_codecs();
        let Some(change) = self.set_change(None).filter(|change| change.from == who.other()) else {
            // It crossed our CANCEL: an offer in it must not wait for its ACK.
            return self.sides(who).0.leg.acknowledge(None, &mut ctx.sip);
        };
        let (accepter, asker) = self.sides(who);
        if change.owed {
            match body.and_then(|body| Sdp::parse(&body).ok()) {
                Some(answer) => accepter.media.hear_answer(answer, ctx),
                None => self.broken_change(who, ctx),
            }
        } else if change.late {
            let Some(offer) = body.and_then(|body| Sdp::parse(&body).ok()) else {
                return self.broken_change(who, ctx);
            };
            accepter.media.hear_offer(offer);
            let Ok(offer) = asker.media.tell_offer(accepter.media, &allowed, ctx) else {
                return self.broken_change(who, ctx);
            };
            asker.leg.accept_change(&offer, &mut ctx.sip);
            self.set_change(Some(change));
        } else {
            let Some(answer) = answer_in(body, accepter.media, asker.media, &allowed, ctx) else {
                return self.broken_change(who, ctx);
            };
            asker.leg.accept_change(&answer, &mut ctx.sip);
            self.watch_both(ctx);
        }
    }

    /// The side that asked for an offer answered it in its ACK.
    fn change_acked(&mut self, who: Who, body: Option<Bytes>, ctx: &mut Ctx) {
        let allowed = self.talk_codecs();
        if self.set_change(None).is_none_or(|change| change.from != who || !change.late) {
            return;
        }
        let (asker, other) = self.sides(who);
        let Some(answer) = answer_in(body, asker.media, other.media, &allowed, ctx) else {
            return self.broken_change(who, ctx);
        };
        other.leg.acknowledge(Some(answer), &mut ctx.sip);
        self.watch_both(ctx);
    }

    fn change_refused(&mut self, who: Who, code: u16, phrase: &str, ctx: &mut Ctx) {
        if let Some(change) = self.set_change(None).filter(|change| change.from == who.other()) {
            let (asker, other) = self.sides(change.from);
            asker.media.take_back();
            other.media.take_back();
            match change.owed {
                // Theirs crossed ours, and its answer tells what holds (RFC 3261 §14.1).
                true if code == 491 => {}
                true => self.broken_change(who, ctx),
                false => asker.leg.refuse_change(code, phrase, &mut ctx.sip),
            }
        }
    }

    /// The side that asked took it back: so do we on the other (RFC 3261 §9.1).
    fn change_cancelled(&mut self, who: Who, ctx: &mut Ctx) {
        if let Some(change) = self.set_change(None) {
            debug_assert!(change.from == who, "only who asked can take it back");
            let (asker, other) = self.sides(change.from);
            asker.media.take_back();
            other.media.take_back();
            other.leg.cancel_change(&mut ctx.sip);
        }
    }

    /// One side has changed and the other cannot follow: there is no session left that both know.
    fn broken_change(&mut self, who: Who, ctx: &mut Ctx) {
        self.sides(who).1.leg.refuse_change(488, "Not Acceptable Here", &mut ctx.sip);
        self.finish(
            Side::System,
            Cause::with_phrase(488, "A change of the session could not be carried over"),
            &[],
            ctx,
        );
    }

    /// How long the two may be silent: longer while one of them holds.
    fn watch_both(&mut self, ctx: &mut Ctx) {
        let (media, hold) = (self.limits.media_timeout, self.limits.hold_timeout);
        let (caller, callee) = self.sides(Who::Caller);
        let after = if caller.media.talks() && callee.media.talks() { media } else { hold };
        caller.media.watch(after, ctx);
        callee.media.watch(after, ctx);
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

    /// One of the two, and the other.
    fn sides(&mut self, who: Who) -> (Talker<'_>, Talker<'_>) {
        let Phase::Talking(talk) = &self.phase else { unreachable!("only asked while talking") };
        let (caller, callee) = (&mut self.caller, &mut self.outs[talk.callee]);
        let caller = Talker { leg: &mut caller.leg, media: &mut caller.media };
        let callee = Talker { leg: &mut callee.leg, media: &mut callee.media };
        match who {
            Who::Caller => (caller, callee),
            Who::Callee => (callee, caller),
        }
    }

    fn set_change(&mut self, change: Option<Change>) -> Option<Change> {
        match &mut self.phase {
            Phase::Talking(talk) => std::mem::replace(&mut talk.change, change),
            _ => None,
        }
    }

    fn talk_codecs(&self) -> Vec<&'static str> {
        match &self.phase {
            Phase::Talking(talk) => self.codecs(&self.target_of(talk.callee)),
            _ => Vec::new(),
        }
    }
}

/// Takes the answer of one side to what it was told, and gives it as the answer to the other, who offered. `None`: there is none,
/// or the other cannot follow.
fn answer_in(
    body: Option<Bytes>,
    from: &mut MediaEnd,
    to: &mut MediaEnd,
    allowed: &[&str],
    ctx: &mut Ctx,
) -> Option<Bytes> {
    from.hear_answer(Sdp::parse(&body?).ok()?, ctx);
    let answer = to.tell_answer(from, allowed, ctx).ok()?;
    to.agree(ctx);
    to.join_beside(from, ctx);
    Some(answer)
}
