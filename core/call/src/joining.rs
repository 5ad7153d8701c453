//! Two legs that were not made for each other come together: media is bridged at once, and each is told of the other's session as
//! far as it has to be.

use crate::call::{Call, Ctx, Phase};
use crate::change::Who;
use bytes::Bytes;
use rand::RngExt;
use std::time::Duration;
use tandem_model::{Cause, Side};
use tandem_sdp::Sdp;
use tandem_sip_dialog::LegEvent;
use tandem_time::Time;

/// How long a leg that was replaced may take to hang up by itself.
const FAREWELL: Duration = Duration::from_secs(4);

/// How often a side is asked again that had a change of its own under way, or for another reason could not take ours just then.
const TRIES: u8 = 8;

/// Two sides are told of each other.
pub(crate) struct Joining {
    /// Who is told.
    told: Who,
    /// The other is told after it.
    both: bool,
    step: Step,
    tries: u8,
}

enum Step {
    /// As soon as its leg can take it.
    Ready,
    /// Not before this moment: it was busy.
    Waiting(Time),
    /// Our offer is under way.
    Asked,
    /// Our 2xx had the offer; the answer is due in the ACK.
    Answering,
}

impl Joining {
    /// One side is told of the session of the other, who knows all.
    pub(crate) fn one(told: Who) -> Joining {
        Joining { told, both: false, step: Step::Ready, tries: 0 }
    }

    /// Both are told, this one first.
    pub(crate) fn both(first: Who) -> Joining {
        Joining { both: true, ..Joining::one(first) }
    }

    /// This one was told in a 2xx and answers in its ACK; then the other is told.
    pub(crate) fn late(first: Who) -> Joining {
        Joining { step: Step::Answering, ..Joining::both(first) }
    }

    pub(crate) fn due(&self) -> Option<Time> {
        match self.step {
            Step::Waiting(at) => Some(at),
            _ => None,
        }
    }
}

impl Call {
    /// A leg takes another's place beside who remains.
    pub(crate) fn take_place(&mut self, who: Who, leg: usize, joining: Joining, ctx: &mut Ctx) {
        self.abandon_change(ctx);
        let now = ctx.sip.now;
        let Phase::Talking(talk) = &mut self.phase else { return };
        let old = std::mem::replace(&mut talk.sides[who.place()], leg);
        talk.transfer = None;
        talk.joining = Some(joining);
        let earlier = talk.farewell.replace((old, now + FAREWELL));
        self.rounds.clear();
        if let Some((earlier, _)) = earlier {
            self.dismiss(earlier, ctx);
        }
        match old.checked_sub(1) {
            Some(n) => self.outs[n].leaves(now),
            None => self.caller.who.seat = None,
        }
        self.two(old, leg).0.media.close(ctx);
        let (new, remaining) = self.talkers(who);
        // Whatever went before, from now on media goes by here.
        if !(new.media.open(ctx) && remaining.media.open(ctx)) {
            return self.finish(Side::System, Cause::with_phrase(503, "No media port is free"), &[], ctx);
        }
        new.media.join(remaining.media, ctx);
        self.watch_both(ctx);
    }

    /// Hangs up a leg that another one has replaced.
    pub(crate) fn dismiss(&mut self, leg: usize, ctx: &mut Ctx) {
        if let Some(leg) = self.leg(leg) {
            leg.hang_up(487, "Replaced", &["SIP;cause=200;text=\"Replaced\"".to_owned()], &mut ctx.sip);
        }
    }

    /// What a leg does that has no place in the talk any more.
    pub(crate) fn leg_aside(&mut self, leg: usize, event: LegEvent, ctx: &mut Ctx) {
        if let (LegEvent::Ended { .. }, Phase::Talking(talk)) = (&event, &mut self.phase) {
            talk.farewell.take_if(|(leaving, _)| *leaving == leg);
        }
        let Some(leg) = self.leg(leg) else { return };
        match event {
            LegEvent::ChangeAsked { .. } => leg.refuse_change(488, "Replaced", &mut ctx.sip),
            LegEvent::Changed { .. } => leg.acknowledge(None, &mut ctx.sip),
            LegEvent::Referred(_) => leg.refuse_refer(403, "Replaced", &mut ctx.sip),
            _ => {}
        }
    }

    pub(crate) fn farewell_timeout(&mut self, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &mut self.phase else { return };
        if let Some((leg, _)) = talk.farewell.take_if(|(_, at)| *at <= ctx.sip.now) {
            self.dismiss(leg, ctx);
        }
    }

    pub(crate) fn joining_timeout(&mut self, ctx: &mut Ctx) {
        if let Some(joining) = self.joining()
            && matches!(joining.step, Step::Waiting(at) if at <= ctx.sip.now)
        {
            joining.step = Step::Ready;
        }
    }

    /// Tells whoever is to be told next, if it can be now. `false`: nothing was to do.
    pub(crate) fn join_further(&mut self, ctx: &mut Ctx) -> bool {
        let Some(Joining { told, step: Step::Ready, .. }) = self.joining() else { return false };
        let told = *told;
        let allowed = self.talk_codecs();
        let (side, other) = self.talkers(told);
        if !side.leg.can_change() {
            return false;
        }
        match side.media.tell_session(other.media, &allowed, ctx) {
            Ok(Some(offer)) => {
                side.leg.change(Some(offer), &mut ctx.sip);
                self.set_step(Step::Asked);
            }
            Ok(None) => self.is_told_now(ctx),
            Err(error) => {
                self.finish(Side::System, Cause::with_phrase(error.status(), error.to_string()), &[], ctx);
            }
        }
        true
    }

    fn is_told_now(&mut self, ctx: &mut Ctx) {
        let Some(joining) = self.joining() else { return };
        joining.step = Step::Ready;
        joining.told = joining.told.other();
        joining.tries = 0;
        if !std::mem::replace(&mut joining.both, false)
            && let Phase::Talking(talk) = &mut self.phase
        {
            talk.joining = None;
            let (caller, callee) = self.talkers(Who::Caller);
            caller.media.settle_beside(callee.media, ctx);
        }
        self.watch_both(ctx);
    }

    /// A side has accepted what it was told.
    pub(crate) fn joining_told(&mut self, who: Who, body: Option<Bytes>, ctx: &mut Ctx) {
        let Some(answer) = body.and_then(|body| Sdp::parse(&body).ok()) else {
            return self.not_joined("One side did not answer our offer", ctx);
        };
        self.talkers(who).0.media.hear_answer(answer, ctx);
        self.is_told_now(ctx);
    }

    /// A side has refused what it was told. It is asked again if it was busy only; and if the two understand each other as it is,
    /// they may go on so.
    pub(crate) fn joining_refused(&mut self, who: Who, code: u16, phrase: &str, ctx: &mut Ctx) {
        let allowed = self.talk_codecs();
        let (side, other) = self.talkers(who);
        side.media.take_back();
        let good = side.media.talks() && other.media.talks() && side.media.understands(other.media, &allowed);
        let Some(joining) = self.joining() else { return };
        joining.tries += 1;
        if matches!(code, 491 | 500) && joining.tries < TRIES {
            // RFC 3261 §14.1, for the one who does not know whether it owns the Call-ID: the wider of both ranges.
            let pause = Duration::from_millis(ctx.sip.rng.random_range(0..400) * 10);
            joining.step = Step::Waiting(ctx.sip.now + pause);
        } else if good {
            self.is_told_now(ctx);
        } else {
            self.not_joined(&format!("One side refused to be joined: {code} {phrase}"), ctx);
        }
    }

    fn not_joined(&mut self, why: &str, ctx: &mut Ctx) {
        self.finish(Side::System, Cause::with_phrase(488, why), &[], ctx);
    }

    pub(crate) fn is_joining(&self) -> bool {
        matches!(&self.phase, Phase::Talking(talk) if talk.joining.is_some())
    }

    /// Whether this side has an offer of ours under way that tells it of the other.
    pub(crate) fn is_told(&self, who: Who) -> bool {
        let Phase::Talking(talk) = &self.phase else { return false };
        matches!(&talk.joining, Some(Joining { told, step: Step::Asked, .. }) if *told == who)
    }

    /// Whether this side got our offer in a 2xx, as it asked to.
    pub(crate) fn takes_offer(&self, who: Who) -> bool {
        let Phase::Talking(talk) = &self.phase else { return false };
        matches!(&talk.joining, Some(Joining { told, step: Step::Answering, .. }) if *told == who)
    }

    fn joining(&mut self) -> Option<&mut Joining> {
        match &mut self.phase {
            Phase::Talking(talk) => talk.joining.as_mut(),
            _ => None,
        }
    }

    fn set_step(&mut self, step: Step) {
        if let Some(joining) = self.joining() {
            joining.step = step;
        }
    }
}
