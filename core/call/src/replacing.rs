//! INVITE with Replaces (RFC 3891): a new leg takes the place of one that talks, or of one that rings.

use crate::Source;
use crate::attempt::{Outgoing, Stage, present};
use crate::call::{Call, Ctx, Phase};
use crate::joining::Joining;
use crate::media_end::MediaEnd;
use crate::setup::own_failure;
use crate::transfer::MAX_TRANSFERS;
use bytes::Bytes;
use tandem_model::TransferKind;
use tandem_routing::Onward;
use tandem_sdp::{Sdp, SdpError};
use tandem_sip_dialog::{Leg, LegFailure, Replaced};
use tandem_sip_msg::{Flow, Message, Replaces, escape_user};
use tandem_sip_txn::ServerKey;

pub(crate) const NO_MATCH: (u16, &str) = (481, "No Such Call");
pub(crate) const REPLACED: (u16, &str) = (603, "The Call Has Ended");

/// Who wants to take the place of a leg.
pub struct Replacement {
    /// The INVITE's transaction.
    pub invite: ServerKey,
    /// The INVITE.
    pub message: Message,
    /// What it came by.
    pub flow: Flow,
    /// Who it is, as identified.
    pub source: Source,
}

impl Call {
    /// Whether another dialog may take the place of the one that this value names, and that this leg has (RFC 3891 §3).
    pub fn replaceable(&self, leg: usize, replaces: &Replaces) -> Result<(), (u16, &'static str)> {
        let leg_there = match leg.checked_sub(1) {
            None => &self.caller.leg,
            Some(n) => &self.outs.get(n).ok_or(NO_MATCH)?.leg,
        };
        let how_far = leg_there.replaced_by(replaces).ok_or(NO_MATCH)?;
        match (how_far, &self.phase) {
            (Replaced::Over, _) | (_, Phase::Ending(_) | Phase::Done) => Err(REPLACED),
            (Replaced::Ringing, Phase::Trying(_)) if leg > 0 && self.outs[leg - 1].is_live() => Ok(()),
            (Replaced::Ringing | Replaced::Unanswered, _) => Err(NO_MATCH),
            (Replaced::Confirmed, _) if replaces.early_only => Err((486, "Answered Already")),
            (Replaced::Confirmed, Phase::Talking(talk)) if talk.who(leg).is_none() => Err(REPLACED),
            (Replaced::Confirmed, Phase::Talking(talk))
                if talk.transfer.is_some() || talk.joining.is_some() =>
            {
                Err((491, "Request Pending"))
            }
            (Replaced::Confirmed, _) if self.transfers.len() >= MAX_TRANSFERS => {
                Err((403, "Too Many Transfers"))
            }
            (Replaced::Confirmed, Phase::Talking(_)) => Ok(()),
            (Replaced::Confirmed, Phase::Trying(_)) => Err(NO_MATCH),
        }
    }

    /// Who a leg belongs to; `None`: there is no such leg.
    pub fn owner_of(&self, leg: usize) -> Option<Source> {
        self.has_leg(leg).then(|| self.source_of(leg))
    }

    /// Whether these two talk to each other here.
    pub fn connects(&self, one: &Source, other: &Source) -> bool {
        let Phase::Talking(talk) = &self.phase else { return false };
        let [a, b] = talk.sides.map(|leg| self.source_of(leg));
        (a.is_same(one) && b.is_same(other)) || (a.is_same(other) && b.is_same(one))
    }

    /// Takes the INVITE of somebody who may take the place of this leg, of which [`Call::replaceable`] is true.
    pub fn replace(&mut self, leg: usize, by: Replacement, ctx: &mut Ctx) {
        let Replacement { invite, message, flow, source } = by;
        let number = source.as_party().number;
        let contact = format!("<sip:{}@{}>", escape_user(&number), ctx.exchange.contact_host(&flow));
        let symmetric = matches!(source, Source::Extension(_));
        let owner = self.owner(self.outs.len() + 1);
        let (mut new, offer) = Leg::incoming(owner, invite, &message, flow, contact, symmetric, &mut ctx.sip);
        new.take_refers(source.may_transfer());
        new.take_digits(source.tells_digits());
        new.limit_session(source.session_timer(&self.limits));
        let mut media = MediaEnd::new(self.no, &flow, ctx);
        let has_ports = media.open(ctx) && self.media_beside(leg).is_some_and(|media| media.open(ctx));
        let now = ctx.sip.now;
        let record = present(&source.as_target(), source.as_party().number, &flow, "OK", now);
        self.note_transfer(TransferKind::Replaced, &source, &record.number, now);
        let place = self.outs.len() + self.unsent.len();
        self.outs.push(Outgoing {
            onward: Onward::Never,
            leg: new,
            media,
            stage: Stage::Answered,
            target: source.as_target(),
            place,
            timeout: None,
            give_up: None,
            longest: None,
            until: None,
            record,
            seat: None,
            started: now,
        });
        let n = self.outs.len() - 1;
        let offer = offer.map(|offer| Sdp::parse(&offer)).transpose();
        let taken = match (offer, &self.phase) {
            _ if !has_ports => Err(own_failure(503, "No media port is free")),
            (Ok(offer), Phase::Talking(_)) => self.take_over(leg, n, offer, ctx).map_err(unusable),
            (Ok(Some(offer)), Phase::Trying(_)) => self.pick_up(n, offer, ctx).map_err(unusable),
            (Ok(_), _) => Err(unusable(SdpError::NoAudio)),
            (Err(error), _) => Err(unusable(error)),
        };
        match taken {
            Ok(()) => self.conclude_transfer(200, "OK", None),
            Err(failure) => {
                let out = &mut self.outs[n];
                out.leg.hang_up(failure.code, &failure.phrase, &[], &mut ctx.sip);
                out.failed(&failure, now);
                out.media.close(ctx);
                self.conclude_transfer(failure.code, &failure.phrase, None);
            }
        }
        self.settle(ctx);
    }

    /// The media of whom this leg talks with, or is to.
    fn media_beside(&mut self, leg: usize) -> Option<&mut MediaEnd> {
        let other = match &self.phase {
            Phase::Talking(talk) => talk.leg(talk.who(leg)?.other()),
            _ => 0,
        };
        Some(self.leg_media(other))
    }

    /// In a call that was answered: the new leg is told of the other side's session, and the other side of the new one's.
    fn take_over(&mut self, leg: usize, n: usize, offer: Option<Sdp>, ctx: &mut Ctx) -> Result<(), SdpError> {
        let Phase::Talking(talk) = &self.phase else { return Err(SdpError::NoAudio) };
        let Some(who) = talk.who(leg) else { return Err(SdpError::NoAudio) };
        let remaining = talk.leg(who.other());
        let allowed = self.codecs_between(remaining, n + 1);
        let (new, other) = self.two(n + 1, remaining);
        let is_late = offer.is_none();
        let body = match offer {
            Some(offer) => {
                new.media.hear_offer(offer);
                let answer = new.media.answer_session(other.media, &allowed, ctx)?;
                new.media.agree(ctx);
                answer
            }
            None => new.media.tell_session(other.media, &allowed, ctx)?.ok_or(SdpError::NoAudio)?,
        };
        new.leg.answer(&body, &mut ctx.sip);
        self.outs[n].record.codec = self.outs[n].media.codec();
        let joining = if is_late { Joining::late(who) } else { Joining::one(who.other()) };
        self.take_place(who, n + 1, joining, ctx);
        self.dismiss_now(ctx);
        self.reopen(ctx);
        Ok(())
    }

    /// In a call that rings: the new leg answers it. Both have made an offer, and each is answered with the other's.
    fn pick_up(&mut self, n: usize, offer: Sdp, ctx: &mut Ctx) -> Result<(), SdpError> {
        if !self.caller.media.has_offer() {
            return Err(SdpError::NoAudio);
        }
        let allowed = self.codecs_between(0, n + 1);
        let answers = {
            let (new, caller) = self.two(n + 1, 0);
            new.media.hear_offer(offer);
            let to_caller = caller.media.answer_offer(new.media, &allowed, ctx)?;
            let to_new: Bytes = new.media.answer_offer(caller.media, &allowed, ctx)?;
            caller.media.agree(ctx);
            new.media.agree(ctx);
            new.media.join(caller.media, ctx);
            new.leg.answer(&to_new, &mut ctx.sip);
            to_caller
        };
        self.give_up_others(n, ctx);
        self.outs[n].record.codec = self.outs[n].media.codec();
        self.answered = Some(ctx.sip.now);
        self.caller.leg.answer(&answers, &mut ctx.sip);
        self.begin_talk(n, ctx);
        Ok(())
    }

    /// The leg that was replaced is hung up at once: nothing more is due to it (RFC 3891 §3).
    fn dismiss_now(&mut self, ctx: &mut Ctx) {
        if let Phase::Talking(talk) = &mut self.phase
            && let Some((leg, _)) = talk.farewell.take()
        {
            self.dismiss(leg, ctx);
        }
    }
}

fn unusable(error: SdpError) -> LegFailure {
    own_failure(error.status(), &error.to_string())
}
