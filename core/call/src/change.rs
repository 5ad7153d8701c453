//! Changes of the session, passed from one side to the other: re-INVITE, and UPDATE or PRACK with an offer, which may come before
//! the answer too.

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
    /// Between whom.
    pair: Pair,
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

/// The legs of two sides: in the caller's place, and in that of whom is called.
pub(crate) type Pair = [usize; 2];

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

    /// Its place in a pair.
    pub(crate) fn place(self) -> usize {
        usize::from(self == Who::Callee)
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
    pub(crate) fn on_change(&mut self, who: Who, pair: Pair, event: LegEvent, ctx: &mut Ctx) {
        match event {
            LegEvent::ChangeAsked { body, by } => self.change_asked(who, pair, body, by, ctx),
            LegEvent::Changed { body } => self.changed(who, pair, body, ctx),
            LegEvent::ChangeRefused { code, phrase } => self.change_refused(who, code, &phrase, ctx),
            LegEvent::ChangeAcked { body } => self.change_acked(who, pair, body, ctx),
            LegEvent::ChangeCancelled => self.change_cancelled(ctx),
            LegEvent::RefreshDue => {
                let (side, _) = self.sides(who, pair);
                side.leg.refresh(side.media.again(), &mut ctx.sip);
            }
            LegEvent::Refreshed { body } => self.refreshed(who, pair, body, ctx),
            _ => {}
        }
    }

    /// The caller changes something before the answer: that concerns the one attempt that is under way.
    pub(crate) fn caller_changes_early(&mut self, event: LegEvent, ctx: &mut Ctx) {
        let mut live = (0..self.outs.len()).filter(|n| self.outs[*n].is_live());
        let only = live.next().filter(|_| live.next().is_none());
        match self.change.as_ref().map(|change| change.pair).or(only.map(|n| [0, n + 1])) {
            Some(pair) => self.on_change(Who::Caller, pair, event, ctx),
            None => self.caller.leg.refuse_change(500, "Several Are Called", &mut ctx.sip),
        }
    }

    fn change_asked(&mut self, who: Who, pair: Pair, body: Option<Bytes>, by: Method, ctx: &mut Ctx) {
        let offer = match body.map(|body| Sdp::parse(&body)).transpose() {
            Ok(offer) => offer,
            Err(error) => {
                let (asker, _) = self.sides(who, pair);
                return asker.leg.refuse_change(error.status(), &error.to_string(), &mut ctx.sip);
            }
        };
        // Both are being told of each other.
        if self.is_joining() {
            return self.sides(who, pair).0.leg.refuse_change(491, "Request Pending", &mut ctx.sip);
        }
        let (asker, other) = self.sides(who, pair);
        // A refresh is nobody else's business (RFC 4028 §7.4).
        if offer.as_ref().is_some_and(|offer| asker.media.has_heard(offer)) {
            return self.answer_here(who, pair, offer, ctx);
        }
        let by_update = by != Method::Invite && other.leg.can_update();
        if by_update || other.leg.can_change() {
            return self.pass_on(who, pair, offer, by_update, ctx);
        }
        let answered = matches!(self.phase, Phase::Talking(_));
        let (asker, other) = self.sides(who, pair);
        if answered && by != Method::Prack {
            asker.leg.refuse_change(491, "Request Pending", &mut ctx.sip);
        } else if offer
            .as_ref()
            .is_some_and(|offer| !asker.media.is_direct() && other.media.can_follow(offer))
        {
            self.answer_here(who, pair, offer, ctx);
        } else {
            asker.leg.refuse_change(488, "Not Acceptable Here", &mut ctx.sip);
        }
    }

    /// Answers with what the other side has said already; our address stays, and it need not know.
    fn answer_here(&mut self, who: Who, pair: Pair, offer: Option<Sdp>, ctx: &mut Ctx) {
        let allowed = self.codecs_between(pair[0], pair[1]);
        let (asker, other) = self.sides(who, pair);
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

    fn pass_on(&mut self, who: Who, pair: Pair, offer: Option<Sdp>, by_update: bool, ctx: &mut Ctx) {
        let allowed = self.codecs_between(pair[0], pair[1]);
        let (asker, other) = self.sides(who, pair);
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
                self.change = Some(Change { from: who, pair, kind });
            }
            Err(error) => {
                asker.media.take_back();
                asker.leg.refuse_change(error.status(), &error.to_string(), &mut ctx.sip)
            }
        }
    }

    /// The other side accepted: the side that asked is told.
    fn changed(&mut self, who: Who, pair: Pair, body: Option<Bytes>, ctx: &mut Ctx) {
        let allowed = self.codecs_between(pair[0], pair[1]);
        let ours = self.change.take_if(|change| change.from == who.other() && change.pair == pair);
        let Some(change) = ours else {
            return self.changed_all_the_same(who, pair, body, ctx);
        };
        let (accepter, asker) = self.sides(who, pair);
        match change.kind {
            Kind::Late => {
                let Some(offer) = body.and_then(|body| Sdp::parse(&body).ok()) else {
                    return self.broken_change(who, pair, ctx);
                };
                accepter.media.hear_offer(offer);
                let Ok(offer) = asker.media.tell_offer(accepter.media, &allowed, ctx) else {
                    return self.broken_change(who, pair, ctx);
                };
                asker.leg.accept_change(&offer, &mut ctx.sip);
                self.change = Some(change);
            }
            Kind::Offer => {
                let Some(answer) = answer_in(body, accepter.media, asker.media, &allowed, ctx) else {
                    return self.broken_change(who, pair, ctx);
                };
                asker.leg.accept_change(&answer, &mut ctx.sip);
                self.watch_both(ctx);
            }
            Kind::Ours => match body.and_then(|body| Sdp::parse(&body).ok()) {
                Some(answer) => accepter.media.hear_answer(answer, ctx),
                None => self.broken_change(who, pair, ctx),
            },
        }
    }

    /// It crossed our CANCEL. An offer in it is answered with what the other side, whoever that is by now, has said.
    fn changed_all_the_same(&mut self, who: Who, pair: Pair, body: Option<Bytes>, ctx: &mut Ctx) {
        let allowed = self.codecs_between(pair[0], pair[1]);
        let (accepter, other) = self.sides(who, pair);
        if !accepter.leg.owes_answer() {
            return;
        }
        let answer = body.and_then(|body| Sdp::parse(&body).ok()).and_then(|offer| {
            accepter.media.hear_offer(offer);
            accepter.media.tell_answer(other.media, &allowed, ctx).ok()
        });
        match answer {
            Some(answer) => {
                accepter.media.agree(ctx);
                accepter.leg.acknowledge(Some(answer), &mut ctx.sip);
            }
            None => self.broken_change(who, pair, ctx),
        }
    }

    /// The side that asked for an offer answered it in its ACK.
    fn change_acked(&mut self, who: Who, pair: Pair, body: Option<Bytes>, ctx: &mut Ctx) {
        let allowed = self.codecs_between(pair[0], pair[1]);
        if self.change.take_if(|change| change.from == who && change.kind == Kind::Late).is_none() {
            return;
        }
        let (asker, other) = self.sides(who, pair);
        let Some(answer) = answer_in(body, asker.media, other.media, &allowed, ctx) else {
            return self.broken_change(who, pair, ctx);
        };
        other.leg.acknowledge(Some(answer), &mut ctx.sip);
        self.watch_both(ctx);
    }

    fn change_refused(&mut self, who: Who, code: u16, phrase: &str, ctx: &mut Ctx) {
        if let Some(change) = self.change.take_if(|change| change.from == who.other()) {
            let (asker, other) = self.sides(change.from, change.pair);
            other.media.take_back();
            match change.kind {
                // Theirs crossed ours, and its answer tells what holds (RFC 3261 §14.1).
                Kind::Ours if code == 491 => {}
                Kind::Ours => self.broken_change(who, change.pair, ctx),
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
            let (asker, other) = self.sides(change.from, change.pair);
            asker.media.take_back();
            other.media.take_back();
            other.leg.cancel_change(&mut ctx.sip);
        }
    }

    /// An attempt is over, and with it a change that it had a part in.
    pub(crate) fn drop_change(&mut self, n: usize, ctx: &mut Ctx) {
        if let Some(change) = self.change.take_if(|change| change.pair == [0, n + 1])
            && change.from == Who::Caller
        {
            self.caller.media.take_back();
            self.caller.leg.refuse_change(500, "Another Is Called", &mut ctx.sip);
        }
    }

    /// The caller was told one thing before the answer, and another holds.
    pub(crate) fn tell_anew(&mut self, ctx: &mut Ctx) {
        if let Phase::Talking(talk) = &self.phase
            && self.media_of(talk.sides[0]).owes()
            && self.change.is_none()
            && talk.joining.is_none()
        {
            self.tell_what_holds(Who::Caller, talk.sides, ctx);
        }
    }

    /// Tells one side what the other has said last, though nobody asked.
    fn tell_what_holds(&mut self, who: Who, pair: Pair, ctx: &mut Ctx) {
        let allowed = self.codecs_between(pair[0], pair[1]);
        let (side, other) = self.sides(who, pair);
        match side.media.tell_offer(other.media, &allowed, ctx) {
            Ok(offer) if side.leg.can_update() => side.leg.update(offer, &mut ctx.sip),
            Ok(offer) if side.leg.can_change() => side.leg.change(Some(offer), &mut ctx.sip),
            _ => return self.broken_change(who, pair, ctx),
        }
        self.change = Some(Change { from: who.other(), pair, kind: Kind::Ours });
    }

    /// A side answered our refresh; it may have moved meanwhile, which the other has to know where media goes directly.
    fn refreshed(&mut self, who: Who, pair: Pair, body: Option<Bytes>, ctx: &mut Ctx) {
        let (side, _) = self.sides(who, pair);
        let answer = body.and_then(|body| Sdp::parse(&body).ok());
        let Some(answer) = answer.filter(|answer| !side.media.has_heard(answer)) else { return };
        side.media.hear_answer(answer, ctx);
        if side.media.is_direct() && self.change.is_none() {
            self.tell_what_holds(who.other(), pair, ctx);
        }
    }

    /// One side has changed and the other cannot follow: there is no session left that both know.
    fn broken_change(&mut self, who: Who, pair: Pair, ctx: &mut Ctx) {
        self.sides(who, pair).1.leg.refuse_change(488, "Not Acceptable Here", &mut ctx.sip);
        self.finish(
            Side::System,
            Cause::with_phrase(488, "A change of the session could not be carried over"),
            &[],
            ctx,
        );
    }

    /// A change that is under way is refused to who asked for it, and taken back on the other side.
    pub(crate) fn abandon_change(&mut self, ctx: &mut Ctx) {
        if let Some(change) = self.change.take() {
            let (asker, other) = self.sides(change.from, change.pair);
            asker.media.take_back();
            other.media.take_back();
            other.leg.cancel_change(&mut ctx.sip);
            asker.leg.refuse_change(491, "Request Pending", &mut ctx.sip);
        }
    }

    /// One of the two, and the other.
    pub(crate) fn sides(&mut self, who: Who, pair: Pair) -> (Talker<'_>, Talker<'_>) {
        self.two(pair[who.place()], pair[who.other().place()])
    }

    /// Two legs, which are not the same.
    pub(crate) fn two(&mut self, one: usize, other: usize) -> (Talker<'_>, Talker<'_>) {
        match (one.checked_sub(1), other.checked_sub(1)) {
            (Some(one), Some(other)) => {
                let legs = self.outs.get_disjoint_mut([one, other]);
                let [one, other] = legs.expect("they are legs of this call, and not the same");
                (one.talker(), other.talker())
            }
            (None, Some(other)) => (self.caller.talker(), self.outs[other].talker()),
            (Some(one), None) => (self.outs[one].talker(), self.caller.talker()),
            (None, None) => unreachable!("the caller is not both"),
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
    to.settle_beside(from, ctx);
    Some(answer)
}
