//! While both sides talk: changes of the session passed from one to the other, silence, limits, and who hangs up.

use crate::call::{Call, CallOutput, Ctx, Phase};
use crate::setup::{codec_of, remote};
use bytes::Bytes;
use std::time::Duration;
use tandem_media::{MediaCommand, PortId};
use tandem_model::{Cause, Event, Side};
use tandem_sdp::{LocalEnd, Sdp};
use tandem_sip_dialog::{Leg, LegEvent};
use tandem_sip_msg::Flow;
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
    /// What it offered; `None`: it asked for an offer.
    offer: Option<Sdp>,
    /// What the other side offered instead.
    counter: Option<Sdp>,
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

/// What a side needs for a change: its leg, what we say there, its media port and where it is.
struct Parts<'a> {
    leg: &'a mut Leg,
    end: &'a mut LocalEnd,
    port: PortId,
    flow: Flow,
}

impl Call {
    pub(crate) fn begin_talk(&mut self, callee: usize, ctx: &mut Ctx) {
        let until = self.limits.duration.map(|limit| ctx.sip.now + limit);
        self.phase = Phase::Talking(Talk { callee, until, change: None });
        self.rounds.clear();
        self.callee.extension_id = self.outs[callee].record.extension_id;
        self.callee.trunk_id = self.outs[callee].record.trunk_id;
        for port in [self.caller.port, self.outs[callee].port] {
            ctx.media.order(MediaCommand::Watch { port, after: self.limits.media_timeout });
        }
        self.tell(Event::CallAnswered { call_id: self.id });
        let record = self.record_if_lost(ctx.sip.now);
        self.outputs.push_back(CallOutput::Open(Box::new(record)));
    }

    pub(crate) fn caller_while_talking(&mut self, event: LegEvent, ctx: &mut Ctx) {
        match event {
            LegEvent::Acked { body } => self.late_answer(body, ctx),
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
            LegEvent::ChangeAsked { body } => self.change_asked(who, body, ctx),
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
        let n = talk.callee;
        let Some(offer) = self.outs[n].offer.take() else { return };
        let allowed = self.codecs(&self.target_of(n));
        let theirs = body.and_then(|body| Sdp::parse(&body).ok());
        let answer =
            theirs.as_ref().and_then(|theirs| self.outs[n].end.answer(theirs, &offer, &allowed).ok());
        let (Some(theirs), Some(answer)) = (theirs, answer) else {
            return self.finish(
                Side::System,
                Cause::with_phrase(488, "The caller did not answer our offer"),
                &[],
                ctx,
            );
        };
        remote(self.caller.port, &theirs, &self.caller.flow, ctx);
        self.outs[n].record.codec = codec_of(&answer);
        self.outs[n].leg.acknowledge(Some(answer.into()), &mut ctx.sip);
    }

    fn change_asked(&mut self, who: Who, body: Option<Bytes>, ctx: &mut Ctx) {
        let allowed = self.talk_codecs();
        let parsed = body.map(|body| Sdp::parse(&body)).transpose();
        let other = self.parts(who.other());
        if !other.leg.can_change() {
            return self.parts(who).leg.refuse_change(491, "Request Pending", &mut ctx.sip);
        }
        let told = parsed.and_then(|offer| {
            let told = offer.as_ref().map(|offer| other.end.offer(offer, &allowed)).transpose()?;
            Ok((offer, told))
        });
        match told {
            Ok((offer, told)) => {
                other.leg.change(told.map(Bytes::from), &mut ctx.sip);
                self.set_change(Some(Change { from: who, offer, counter: None }));
            }
            Err(error) => self.parts(who).leg.refuse_change(error.status(), &error.to_string(), &mut ctx.sip),
        }
    }

    /// The other side accepted: the side that asked is told.
    fn changed(&mut self, who: Who, body: Option<Bytes>, ctx: &mut Ctx) {
        let allowed = self.talk_codecs();
        let Some(change) = self.set_change(None).filter(|change| change.from == who.other()) else {
            // It crossed our CANCEL: an offer in it must not wait for its ACK.
            return self.parts(who).leg.acknowledge(None, &mut ctx.sip);
        };
        let Some(theirs) = body.and_then(|body| Sdp::parse(&body).ok()) else {
            return self.broken_change(who, ctx);
        };
        let asker = self.parts(change.from);
        match &change.offer {
            Some(offer) => {
                let Ok(answer) = asker.end.answer(&theirs, offer, &allowed) else {
                    return self.broken_change(who, ctx);
                };
                asker.leg.accept_change(&answer, &mut ctx.sip);
                self.session_is(change.from, offer, ctx);
                self.session_is(who, &theirs, ctx);
            }
            None => {
                let Ok(offer) = asker.end.offer(&theirs, &allowed) else {
                    return self.broken_change(who, ctx);
                };
                asker.leg.accept_change(&offer, &mut ctx.sip);
                self.set_change(Some(Change { counter: Some(theirs), ..change }));
            }
        }
    }

    /// The side that asked for an offer answered it in its ACK.
    fn change_acked(&mut self, who: Who, body: Option<Bytes>, ctx: &mut Ctx) {
        let allowed = self.talk_codecs();
        let Some(Change { counter: Some(offer), .. }) =
            self.set_change(None).filter(|change| change.from == who)
        else {
            return;
        };
        let Some(theirs) = body.and_then(|body| Sdp::parse(&body).ok()) else {
            return self.broken_change(who, ctx);
        };
        let other = self.parts(who.other());
        let Ok(answer) = other.end.answer(&theirs, &offer, &allowed) else {
            return self.broken_change(who, ctx);
        };
        other.leg.acknowledge(Some(answer.into()), &mut ctx.sip);
        self.session_is(who, &theirs, ctx);
        self.session_is(who.other(), &offer, ctx);
    }

    fn change_refused(&mut self, who: Who, code: u16, phrase: &str, ctx: &mut Ctx) {
        if let Some(change) = self.set_change(None).filter(|change| change.from == who.other()) {
            self.parts(change.from).leg.refuse_change(code, phrase, &mut ctx.sip);
        }
    }

    /// The side that asked took it back: so do we on the other (RFC 3261 §9.1).
    fn change_cancelled(&mut self, who: Who, ctx: &mut Ctx) {
        if let Some(change) = self.set_change(None) {
            debug_assert!(change.from == who, "only who asked can take it back");
            self.parts(change.from.other()).leg.cancel_change(&mut ctx.sip);
        }
    }

    /// One side has changed and the other cannot follow: there is no session left that both know.
    fn broken_change(&mut self, who: Who, ctx: &mut Ctx) {
        self.parts(who.other()).leg.refuse_change(488, "Not Acceptable Here", &mut ctx.sip);
        self.finish(
            Side::System,
            Cause::with_phrase(488, "A change of the session could not be carried over"),
            &[],
            ctx,
        );
    }

    /// A side's new description takes effect: where it wants media, and how long it may be silent now.
    fn session_is(&mut self, who: Who, sdp: &Sdp, ctx: &mut Ctx) {
        let (media, hold) = (self.limits.media_timeout, self.limits.hold_timeout);
        let Parts { port, flow, .. } = self.parts(who);
        remote(port, sdp, &flow, ctx);
        let talks = sdp.audio().is_some_and(|audio| audio.direction == tandem_sdp::Direction::SendRecv);
        for port in [self.caller.port, self.parts(Who::Callee).port] {
            ctx.media.order(MediaCommand::Watch { port, after: if talks { media } else { hold } });
        }
    }

    /// RTP stopped: somebody is gone without a BYE.
    pub(crate) fn silent(&mut self, port: PortId, silence: Duration, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &self.phase else { return };
        if port == self.caller.port || port == self.outs[talk.callee].port {
            let who = if port == self.caller.port { "caller" } else { "called side" };
            self.end_by_system(&format!("No media from the {who} for {} s", silence.as_secs()), ctx);
        }
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

    fn parts(&mut self, who: Who) -> Parts<'_> {
        match who {
            Who::Caller => {
                let side = &mut self.caller;
                Parts { leg: &mut side.leg, end: &mut side.end, port: side.port, flow: side.flow }
            }
            Who::Callee => {
                let Phase::Talking(talk) = &self.phase else { unreachable!("only asked while talking") };
                let out = &mut self.outs[talk.callee];
                Parts { leg: &mut out.leg, end: &mut out.end, port: out.port, flow: out.flow }
            }
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
