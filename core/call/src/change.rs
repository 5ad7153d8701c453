//! Changes of the session, passed from one side to the other: re-INVITE, and UPDATE or PRACK with an offer, which may come before
//! the answer too.

use crate::attempt::Outgoing;
use crate::call::{Call, Ctx, Phase};
use crate::media_end::MediaEnd;
use bytes::Bytes;
use tandem_model::{Cause, Side};
use tandem_sdp::Sdp;
use tandem_sip_dialog::{Leg, LegEvent};
use tandem_sip_msg::Method;

/// A change of the session under way from one side to the other.
pub(crate) struct Change {
    /// Who asked for it.
    from: Who,
    /// The attempt on the called side.
    callee: usize,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With an offer.
    Offer,
    /// Asking for an offer instead of making one.
    Late,
    /// Nobody asked: one side is told what the other has said already.
    Ours,
}

/// One of the two who talk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Caller,
    Callee,
}

impl Who {
    pub(crate) fn other(self) -> Who {
        match self {
            Who::Caller => Who::Callee,
            Who::Callee => Who::Caller,
        }
    }

    pub(crate) fn side(self) -> Side {
        match self {
            Who::Caller => Side::Caller,
            Who::Callee => Side::Callee,
        }
    }
}

/// One of the two as a change needs it.
pub(crate) struct Talker<'a> {
    pub(crate) leg: &'a mut Leg,
    pub(crate) media: &'a mut MediaEnd,
}

impl Call {
    /// What a leg tells of changes, in a call that is answered or not.
    pub(crate) fn on_change(&mut self, who: Who, n: usize, event: LegEvent, ctx: &mut Ctx) {
        match event {
            LegEvent::ChangeAsked { body, by } => self.change_asked(who, n, body, by, ctx),
            LegEvent::Changed { body } => self.changed(who, n, body, ctx),
            LegEvent::ChangeRefused { code, phrase } => self.change_refused(who, code, &phrase, ctx),
            LegEvent::ChangeAcked { body } => self.change_acked(who, n, body, ctx),
            LegEvent::ChangeCancelled => self.change_cancelled(ctx),
            LegEvent::RefreshDue => {
                let (side, _) = self.sides(who, n);
                side.leg.refresh(side.media.again(), &mut ctx.sip);
            }
            LegEvent::Refreshed { body } => self.refreshed(who, n, body, ctx),
            _ => {}
        }
    }

    /// The caller changes something before the answer: that concerns the one attempt that is under way.
    pub(crate) fn caller_changes_early(&mut self, event: LegEvent, ctx: &mut Ctx) {
        let mut live = (0..self.outs.len()).filter(|n| self.outs[*n].is_live());
        let only = live.next().filter(|_| live.next().is_none());
        match self.change.as_ref().map(|change| change.callee).or(only) {
            Some(n) => self.on_change(Who::Caller, n, event, ctx),
            None => self.caller.leg.refuse_change(500, "Several Are Called", &mut ctx.sip),
        }
    }

    fn change_asked(&mut self, who: Who, n: usize, body: Option<Bytes>, by: Method, ctx: &mut Ctx) {
        let offer = match body.map(|body| Sdp::parse(&body)).transpose() {
            Ok(offer) => offer,
            Err(error) => {
                let (asker, _) = self.sides(who, n);
                return asker.leg.refuse_change(error.status(), &error.to_string(), &mut ctx.sip);
            }
        };
        let (asker, other) = self.sides(who, n);
        // A refresh is nobody else's business (RFC 4028 §7.4).
        if offer.as_ref().is_some_and(|offer| asker.media.has_heard(offer)) {
            return self.answer_here(who, n, offer, ctx);
        }
        let by_update = by != Method::Invite && other.leg.can_update();
        if by_update || other.leg.can_change() {
            return self.pass_on(who, n, offer, by_update, ctx);
        }
        let answered = matches!(self.phase, Phase::Talking(_));
        let (asker, other) = self.sides(who, n);
        if answered && by != Method::Prack {
            asker.leg.refuse_change(491, "Request Pending", &mut ctx.sip);
        } else if offer
            .as_ref()
            .is_some_and(|offer| !asker.media.is_direct() && other.media.can_follow(offer))
        {
            self.answer_here(who, n, offer, ctx);
        } else {
            asker.leg.refuse_change(488, "Not Acceptable Here", &mut ctx.sip);
        }
    }

    /// Answers with what the other side has said already; our address stays, and it need not know.
    fn answer_here(&mut self, who: Who, n: usize, offer: Option<Sdp>, ctx: &mut Ctx) {
        let allowed = self.codecs(&self.target_of(n));
        let (asker, other) = self.sides(who, n);
        let Some(offer) = offer else { return };
        asker.media.hear_offer(offer);
        match asker.media.tell_answer(other.media, &allowed, ctx) {
            Ok(answer) => {
                asker.media.agree(ctx);
                asker.leg.accept_change(&answer, &mut ctx.sip);
            }
            Err(error) => {
                asker.media.take_back();
                asker.leg.refuse_change(error.status(), &error.to_string(), &mut ctx.sip);
            }
        }
    }

    fn pass_on(&mut self, who: Who, n: usize, offer: Option<Sdp>, by_update: bool, ctx: &mut Ctx) {
        let allowed = self.codecs(&self.target_of(n));
        let (asker, other) = self.sides(who, n);
        let kind = if offer.is_some() { Kind::Offer } else { Kind::Late };
        let told = offer.map(|offer| {
            asker.media.hear_offer(offer);
            other.media.tell_offer(asker.media, &allowed, ctx)
        });
        match told.transpose() {
            Ok(told) => {
                match told {
                    Some(told) if by_update => other.leg.update(told, &mut ctx.sip),
                    told => other.leg.change(told, &mut ctx.sip),
                }
                self.change = Some(Change { from: who, callee: n, kind });
            }
            Err(error) => {
                asker.media.take_back();
                asker.leg.refuse_change(error.status(), &error.to_string(), &mut ctx.sip)
            }
        }
    }

    /// The other side accepted: the side that asked is told.
    fn changed(&mut self, who: Who, n: usize, body: Option<Bytes>, ctx: &mut Ctx) {
        let allowed = self.codecs(&self.target_of(n));
        let ours = self.change.take_if(|change| change.from == who.other() && change.callee == n);
        let (accepter, asker) = self.sides(who, n);
        let Some(change) = ours else {
            // It crossed our CANCEL: an offer in it must not wait for its ACK.
            return accepter.leg.acknowledge(None, &mut ctx.sip);
        };
        match change.kind {
            Kind::Late => {
                let Some(offer) = body.and_then(|body| Sdp::parse(&body).ok()) else {
                    return self.broken_change(who, n, ctx);
                };
                accepter.media.hear_offer(offer);
                let Ok(offer) = asker.media.tell_offer(accepter.media, &allowed, ctx) else {
                    return self.broken_change(who, n, ctx);
                };
                asker.leg.accept_change(&offer, &mut ctx.sip);
                self.change = Some(change);
            }
            Kind::Offer => {
                let Some(answer) = answer_in(body, accepter.media, asker.media, &allowed, ctx) else {
                    return self.broken_change(who, n, ctx);
                };
                asker.leg.accept_change(&answer, &mut ctx.sip);
                self.watch_both(ctx);
            }
            Kind::Ours => match body.and_then(|body| Sdp::parse(&body).ok()) {
                Some(answer) => accepter.media.hear_answer(answer, ctx),
                None => self.broken_change(who, n, ctx),
            },
        }
    }

    /// The side that asked for an offer answered it in its ACK.
    fn change_acked(&mut self, who: Who, n: usize, body: Option<Bytes>, ctx: &mut Ctx) {
        let allowed = self.codecs(&self.target_of(n));
        if self.change.take_if(|change| change.from == who && change.kind == Kind::Late).is_none() {
            return;
        }
        let (asker, other) = self.sides(who, n);
        let Some(answer) = answer_in(body, asker.media, other.media, &allowed, ctx) else {
            return self.broken_change(who, n, ctx);
        };
        other.leg.acknowledge(Some(answer), &mut ctx.sip);
        self.watch_both(ctx);
    }

    fn change_refused(&mut self, who: Who, code: u16, phrase: &str, ctx: &mut Ctx) {
        if let Some(change) = self.change.take_if(|change| change.from == who.other()) {
            let (asker, other) = self.sides(change.from, change.callee);
            other.media.take_back();
            match change.kind {
                // Theirs crossed ours, and its answer tells what holds (RFC 3261 §14.1).
                Kind::Ours if code == 491 => {}
                Kind::Ours => self.broken_change(who, change.callee, ctx),
                Kind::Offer | Kind::Late => {
                    asker.media.take_back();
                    asker.leg.refuse_change(code, phrase, &mut ctx.sip);
                }
            }
        }
    }

    /// The side that asked took it back: so do we on the other (RFC 3261 §9.1).
    fn change_cancelled(&mut self, ctx: &mut Ctx) {
        if let Some(change) = self.change.take() {
            let (asker, other) = self.sides(change.from, change.callee);
            asker.media.take_back();
            other.media.take_back();
            other.leg.cancel_change(&mut ctx.sip);
        }
    }

    /// An attempt is over, and with it a change that it had a part in.
    pub(crate) fn drop_change(&mut self, n: usize, ctx: &mut Ctx) {
        if let Some(change) = self.change.take_if(|change| change.callee == n)
            && change.from == Who::Caller
        {
            self.caller.media.take_back();
            self.caller.leg.refuse_change(500, "Another Is Called", &mut ctx.sip);
        }
    }

    /// The caller was told one thing before the answer, and another holds.
    pub(crate) fn tell_anew(&mut self, ctx: &mut Ctx) {
        if let Phase::Talking(talk) = &self.phase
            && self.caller.media.owes()
            && self.change.is_none()
        {
            self.tell_what_holds(Who::Caller, talk.callee, ctx);
        }
    }

    /// Tells one side what the other has said last, though nobody asked.
    fn tell_what_holds(&mut self, who: Who, n: usize, ctx: &mut Ctx) {
        let allowed = self.codecs(&self.target_of(n));
        let (side, other) = self.sides(who, n);
        match side.media.tell_offer(other.media, &allowed, ctx) {
            Ok(offer) if side.leg.can_update() => side.leg.update(offer, &mut ctx.sip),
            Ok(offer) if side.leg.can_change() => side.leg.change(Some(offer), &mut ctx.sip),
            _ => return self.broken_change(who, n, ctx),
        }
        self.change = Some(Change { from: who.other(), callee: n, kind: Kind::Ours });
    }

    /// A side answered our refresh; it may have moved meanwhile, which the other has to know where media goes directly.
    fn refreshed(&mut self, who: Who, n: usize, body: Option<Bytes>, ctx: &mut Ctx) {
        let (side, _) = self.sides(who, n);
        let answer = body.and_then(|body| Sdp::parse(&body).ok());
        let Some(answer) = answer.filter(|answer| !side.media.has_heard(answer)) else { return };
        side.media.hear_answer(answer, ctx);
        if side.media.is_direct() && self.change.is_none() {
            self.tell_what_holds(who.other(), n, ctx);
        }
    }

    /// One side has changed and the other cannot follow: there is no session left that both know.
    fn broken_change(&mut self, who: Who, n: usize, ctx: &mut Ctx) {
        self.sides(who, n).1.leg.refuse_change(488, "Not Acceptable Here", &mut ctx.sip);
        self.finish(
            Side::System,
            Cause::with_phrase(488, "A change of the session could not be carried over"),
            &[],
            ctx,
        );
    }

    /// One of the two, and the other; the called side is that of an attempt.
    pub(crate) fn sides(&mut self, who: Who, n: usize) -> (Talker<'_>, Talker<'_>) {
        let (caller, Outgoing { leg, media, .. }) = (&mut self.caller, &mut self.outs[n]);
        let caller = Talker { leg: &mut caller.leg, media: &mut caller.media };
        let callee = Talker { leg, media };
        match who {
            Who::Caller => (caller, callee),
            Who::Callee => (callee, caller),
        }
    }
}

/// Takes the answer of one side to what it was told, and gives it as the answer to the other, who offered. `None`: there is none,
/// or the other cannot follow.
pub(crate) fn answer_in(
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
