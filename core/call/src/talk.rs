//! While both sides talk: changes of the session passed from one to the other, silence, limits, and who hangs up.

use crate::call::{Call, CallOutput, Ctx, Phase};
use crate::change::{Pair, Talker, Who, answer_in};
use crate::joining::Joining;
use crate::transfer::Transfer;
use bytes::Bytes;
use std::time::Duration;
use tandem_media::PortId;
use tandem_model::{Cause, Event, Side};
use tandem_sip_dialog::{Digits, LegEvent};
use tandem_time::Time;

/// An answered call.
pub(crate) struct Talk {
    /// The legs that talk.
    pub(crate) sides: Pair,
    /// The longest that it may last.
    pub(crate) until: Option<Time>,
    /// One of the two is being connected to somebody else.
    pub(crate) transfer: Option<Transfer>,
    /// Two legs that came together are told of each other's session.
    pub(crate) joining: Option<Joining>,
    /// A leg that was replaced is hung up at this moment, unless its peer hangs up before.
    pub(crate) farewell: Option<(usize, Time)>,
}

impl Talk {
    /// In whose place a leg talks.
    pub(crate) fn who(&self, leg: usize) -> Option<Who> {
        [Who::Caller, Who::Callee].into_iter().find(|who| self.leg(*who) == leg)
    }

    /// The leg in this place.
    pub(crate) fn leg(&self, who: Who) -> usize {
        self.sides[who.place()]
    }

    /// When something of it is due.
    pub(crate) fn due(&self) -> Option<Time> {
        let transfer = self.transfer.as_ref().and_then(|transfer| transfer.due());
        let joining = self.joining.as_ref().and_then(Joining::due);
        let farewell = self.farewell.map(|(_, at)| at);
        [self.until, transfer, joining, farewell].into_iter().flatten().min()
    }
}

impl Call {
    pub(crate) fn begin_talk(&mut self, callee: usize, ctx: &mut Ctx) {
        let until = self.limits.duration.map(|limit| ctx.sip.now + limit);
        let sides = [0, callee + 1];
        self.phase = Phase::Talking(Talk { sides, until, transfer: None, joining: None, farewell: None });
        self.rounds.clear();
        self.callee.extension_id = self.outs[callee].record.extension_id;
        self.callee.trunk_id = self.outs[callee].record.trunk_id;
        if self.outs[callee].media.is_direct() {
            // It may have been opened for an attempt that failed.
            self.caller.media.close(ctx);
        }
        let (of_caller, of_callee) = (self.media_timeouts(0).0, self.media_timeouts(callee + 1).0);
        self.caller.media.watch(of_caller, ctx);
        self.outs[callee].media.watch(of_callee, ctx);
        self.tell(Event::CallAnswered {
            call_id: self.id,
            trunk_id: self.callee.trunk_id,
            extension_id: self.callee.extension_id,
            tenant_id: self.tenant,
        });
        let record = self.record_if_lost(ctx.sip.now);
        self.outputs.push_back(CallOutput::Open(Box::new(record)));
        self.hold(ctx);
    }

    pub(crate) fn leg_while_talking(&mut self, leg: usize, event: LegEvent, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &self.phase else { return };
        match (talk.who(leg), event) {
            (who, LegEvent::Digits(digits)) => self.pass_digits(leg, who, digits, ctx),
            (_, LegEvent::DigitsTold { digits, code, phrase }) => {
                self.digits_told(&digits, code, &phrase, ctx)
            }
            (Some(who), event) => self.while_talking(who, event, ctx),
            (None, event) => self.leg_aside(leg, event, ctx),
        }
    }

    fn while_talking(&mut self, who: Who, event: LegEvent, ctx: &mut Ctx) {
        match event {
            LegEvent::Ended { .. } if self.referrer_left(who, ctx) => {}
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
            LegEvent::Changed { body } if self.is_told(who) => self.joining_told(who, body, ctx),
            LegEvent::ChangeRefused { code, phrase } if self.is_told(who) => {
                self.joining_refused(who, code, &phrase, ctx)
            }
            LegEvent::Acked { body } => {
                self.acked(who, body, ctx);
                self.tell_anew(ctx);
            }
            LegEvent::Referred(refer) => self.referred(who, refer, ctx),
            event => {
                let Phase::Talking(talk) = &self.phase else { return };
                self.on_change(who, talk.sides, event, ctx);
            }
        }
    }

    /// Digits by INFO go to the other side as they came. Nobody makes events or sound of them.
    fn pass_digits(&mut self, leg: usize, who: Option<Who>, digits: Digits, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &self.phase else { return };
        let other = who.map(|who| talk.leg(who.other()));
        let taker = other.and_then(|other| self.leg(other)).filter(|leg| leg.can_tell_digits());
        match taker {
            Some(taker) => taker.tell_digits(digits, &mut ctx.sip),
            None => {
                if let Some(leg) = self.leg(leg) {
                    leg.answer_digits(&digits, 488, "The Other Side Takes No INFO", &mut ctx.sip);
                }
            }
        }
    }

    /// What the other side answered goes back to the one leg that knows these digits.
    fn digits_told(&mut self, digits: &Digits, code: u16, phrase: &str, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &self.phase else { return };
        for leg in talk.sides {
            if let Some(leg) = self.leg(leg) {
                leg.answer_digits(digits, code, phrase, &mut ctx.sip);
            }
        }
    }

    /// Our 2xx is acknowledged: where it had an offer, as it was asked for, the answer comes with the ACK.
    fn acked(&mut self, who: Who, body: Option<Bytes>, ctx: &mut Ctx) {
        if self.takes_offer(who) {
            return self.joining_told(who, body, ctx);
        }
        let allowed = self.talk_codecs();
        let (asker, other) = self.talkers(who);
        if !other.media.has_offer() {
            return;
        }
        let Some(answer) = answer_in(body, asker.media, other.media, &allowed, ctx) else {
            return self.finish(
                Side::System,
                Cause::with_phrase(488, "The caller did not answer our offer"),
                &[],
                ctx,
            );
        };
        other.leg.acknowledge(Some(answer), &mut ctx.sip);
        let codec = other.media.codec();
        let Phase::Talking(talk) = &self.phase else { return };
        if let Some(n) = talk.leg(who.other()).checked_sub(1) {
            self.outs[n].record.codec = codec;
        }
    }

    /// How long the two may be silent: longer while one of them holds.
    pub(crate) fn watch_both(&mut self, ctx: &mut Ctx) {
        // Before the answer nobody has to say anything.
        let Phase::Talking(talk) = &self.phase else { return };
        let [of_caller, of_callee] = talk.sides.map(|leg| self.media_timeouts(leg));
        let (caller, callee) = self.talkers(Who::Caller);
        let is_talk = caller.media.talks() && callee.media.talks();
        let after = |(media, hold)| if is_talk { media } else { hold };
        caller.media.watch(after(of_caller), ctx);
        callee.media.watch(after(of_callee), ctx);
    }

    fn media_timeouts(&self, leg: usize) -> (Option<Duration>, Option<Duration>) {
        self.source_of(leg).media_timeouts(&self.limits)
    }

    /// RTP stopped: somebody is gone without a BYE.
    pub(crate) fn silent(&mut self, port: PortId, silence: Duration, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &self.phase else { return };
        let who = match () {
            () if self.media_of(talk.sides[0]).has(port) => "caller",
            () if self.media_of(talk.sides[1]).has(port) => "called side",
            () => return,
        };
        self.end_by_system(&format!("No media from the {who} for {} s", silence.as_secs()), ctx);
    }

    /// Until when the routes that the two were reached by let them talk.
    pub(crate) fn over_routes_until(&self, talk: &Talk) -> Option<Time> {
        let outs = talk.sides.iter().filter_map(|leg| self.outs.get(leg.checked_sub(1)?));
        outs.filter_map(|out| out.until).min()
    }

    pub(crate) fn talk_timeout(&mut self, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &self.phase else { return };
        let is_over = |until: Option<Time>| until.is_some_and(|until| until <= ctx.sip.now);
        if is_over(talk.until) {
            return self.end_by_system("The longest duration was reached", ctx);
        }
        if is_over(self.over_routes_until(talk)) {
            return self.end_by_system("The longest duration of its route was reached", ctx);
        }
        self.farewell_timeout(ctx);
        self.transfer_timeout(ctx);
    }

    pub(crate) fn end_by_system(&mut self, why: &str, ctx: &mut Ctx) {
        let code = if self.answered.is_some() { 200 } else { 480 };
        let cause = Cause { code, phrase: why.to_owned(), q850: Some(16), reasons: Vec::new() };
        self.finish(Side::System, cause, &[], ctx);
    }
    /// One of the two who talk, and the other.
    pub(crate) fn talkers(&mut self, who: Who) -> (Talker<'_>, Talker<'_>) {
        let Phase::Talking(talk) = &self.phase else { unreachable!("only asked while talking") };
        self.sides(who, talk.sides)
    }

    pub(crate) fn talk_codecs(&self) -> Vec<&'static str> {
        match &self.phase {
            Phase::Talking(talk) => self.codecs_between(talk.sides[0], talk.sides[1]),
            _ => Vec::new(),
        }
    }
}
