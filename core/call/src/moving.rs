//! A leg goes from one call into another: an attended transfer. Its tag and its transactions go on to name the place where it began;
//! the engine knows where it is now.

use crate::attempt::{Outgoing, Stage, present};
use crate::call::{Call, Ctx, Phase};
use crate::media_end::MediaEnd;
use crate::replacing::REPLACED;
use crate::{Seat, Source, Target};
use tandem_model::{CallId, Cause, TransferKind};
use tandem_routing::Onward;
use tandem_sip_dialog::Leg;
use tandem_sip_msg::{Flow, Replaces};
use tandem_time::Time;

/// A leg between two calls, with all that belongs to it.
pub struct Moved {
    /// The call that it comes from.
    pub(crate) from: CallId,
    leg: Leg,
    media: MediaEnd,
    target: Target,
    number: String,
    flow: Flow,
    seat: Option<Seat>,
    /// Until when the route that it was reached by lets it talk.
    until: Option<Time>,
}

impl Call {
    /// Who a leg talks with may go into another call with who asks: a leg of the same extension, or trunk, whose call stands.
    pub fn may_let_go(
        &mut self,
        leg: usize,
        replaces: &Replaces,
        who: &Source,
    ) -> Result<(), (u16, &'static str)> {
        self.replaceable(leg, replaces)?;
        let Phase::Talking(talk) = &self.phase else { return Err((481, "No Such Call")) };
        if !self.source_of(leg).is_same(who) {
            return Err((403, "Not Your Call"));
        }
        let Some(place) = talk.who(leg) else { return Err(REPLACED) };
        let (asker, other) = self.talkers(place);
        let settled = other.leg.is_confirmed() && !asker.media.has_offer() && !other.media.has_offer();
        if settled && other.media.has_session() { Ok(()) } else { Err((491, "Request Pending")) }
    }

    /// Whether who remains in a transfer, and the one whom this leg of another call talks with, have a codec in common.
    pub fn fits(&self, other: &Call, leg: usize) -> bool {
        let (Phase::Talking(here), Phase::Talking(there)) = (&self.phase, &other.phase) else { return false };
        let (Some(transfer), Some(who)) = (&here.transfer, there.who(leg)) else { return false };
        let (ours, theirs) = (here.leg(transfer.who.other()), there.leg(who.other()));
        let allowed = common(&self.source_of(ours), &other.source_of(theirs));
        self.media_of(ours).understands(other.media_of(theirs), &allowed)
    }

    /// Who asks in the transfer that waits for a leg of another call.
    pub fn seeker(&self) -> Option<&Source> {
        match &self.phase {
            Phase::Talking(talk) => talk.transfer.as_ref().map(|transfer| &transfer.source),
            _ => None,
        }
    }

    /// Lets the one whom this leg talks with go into another call. This one ends.
    pub fn let_go(&mut self, leg: usize, to: CallId, ctx: &mut Ctx) -> Option<Box<Moved>> {
        let Phase::Talking(talk) = &self.phase else { return None };
        let who = talk.who(leg)?;
        let other = talk.leg(who.other());
        let (by, target) = (self.source_of(leg), self.source_of(other).as_target());
        self.abandon_change(ctx);
        let flow = self.talkers(who).1.leg.flow();
        let vacant = MediaEnd::new(self.no, &flow, ctx);
        let talker = self.talkers(who).1;
        let media = std::mem::replace(talker.media, vacant);
        let moved_leg = talker.leg.take();
        let (number, seat, until) = match other.checked_sub(1) {
            None => (self.caller.who.party.number.clone(), self.caller.who.seat.take(), None),
            Some(n) => {
                let out = &mut self.outs[n];
                let seat = out.seat.take();
                out.leaves(ctx.sip.now);
                (out.record.number.clone(), seat, out.until)
            }
        };
        self.note_transfer(TransferKind::Attended, &by, &number, ctx.sip.now);
        self.conclude_transfer(200, "OK", Some(to));
        let cause = Cause { q850: Some(16), ..Cause::with_phrase(200, "Joined to another call") };
        self.finish(who.side(), cause, &[], ctx);
        self.settle(ctx);
        let from = self.id;
        Some(Box::new(Moved { from, leg: moved_leg, media, target, number, flow, seat, until }))
    }

    /// Takes in a leg of another call; its number here.
    pub(crate) fn adopt(&mut self, moved: Moved, ctx: &mut Ctx) -> usize {
        let Moved { leg, mut media, target, number, flow, seat, until, .. } = moved;
        media.hand_over(self.no, ctx);
        let now = ctx.sip.now;
        let mut record = present(&target, number, &flow, "Joined from another call", now);
        record.codec = media.codec();
        self.outs.push(Outgoing {
            onward: Onward::Never,
            leg,
            media,
            stage: Stage::Answered,
            target,
            place: self.outs.len() + self.unsent.len(),
            timeout: None,
            give_up: None,
            longest: None,
            until,
            record,
            seat,
            started: now,
        });
        self.outs.len()
    }

    pub(crate) fn media_of(&self, leg: usize) -> &MediaEnd {
        leg.checked_sub(1).map_or(&self.caller.media, |n| &self.outs[n].media)
    }

    pub(crate) fn leg_media(&mut self, leg: usize) -> &mut MediaEnd {
        match leg.checked_sub(1) {
            None => &mut self.caller.media,
            Some(n) => &mut self.outs[n].media,
        }
    }

    /// Codecs that two legs may use: of the second, in its order, as far as the first may use them too.
    pub(crate) fn codecs_between(&self, one: usize, other: usize) -> Vec<&'static str> {
        common(&self.source_of(one), &self.source_of(other))
    }
}

/// Codecs of the second, in its order, that the first has too.
pub(crate) fn common(one: &Source, other: &Source) -> Vec<&'static str> {
    let ours = one.codecs();
    let both = other.codecs().iter().filter(|codec| ours.contains(codec));
    both.filter(|codec| one.may_use(**codec) && other.may_use(**codec)).map(|codec| codec.name()).collect()
}
