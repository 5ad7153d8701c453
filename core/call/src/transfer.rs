//! A transfer, asked by one of two who talk (RFC 3515, RFC 5589): whom the other is connected to, and what becomes of it. Neither
//! the other nor whoever is called hears anything of a REFER.

use crate::call::{Call, CallOutput, Ctx, Phase};
use crate::callee::target_of;
use crate::change::Who;
use crate::joining::Joining;
use crate::moving::Moved;
use crate::setup::{Trying, own_failure};
use crate::{Caller, Identity, Named, Source};
use bytes::Bytes;
use tandem_model::{CallId, Cause, Event, Side, TransferKind, TransferRecord};
use tandem_routing::Round;
use tandem_sdp::{Sdp, SdpError};
use tandem_sip_dialog::{LegFailure, Refer};
use tandem_sip_msg::standard_reason;
use tandem_sip_txn::Owner;
use tandem_time::Time;

/// Transfers in a call at most, failed ones included.
pub(crate) const MAX_TRANSFERS: usize = 8;

/// A transfer under way.
pub(crate) struct Transfer {
    /// Who asked for it, and is to be replaced.
    pub(crate) who: Who,
    /// The same, as known to routing.
    pub(crate) source: Source,
    /// Somebody who answers is looked for; `None`: another call is, where they talk already.
    pub(crate) trying: Option<Trying>,
    /// Who asked has hung up since.
    has_left: bool,
}

impl Transfer {
    pub(crate) fn due(&self) -> Option<Time> {
        self.trying.as_ref().map(|trying| trying.until)
    }
}

impl Call {
    pub(crate) fn referred(&mut self, who: Who, refer: Refer, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &self.phase else { return };
        let busy = talk.transfer.is_some() || talk.joining.is_some();
        let source = self.source_of(talk.leg(who));
        let full = self.transfers.len() >= MAX_TRANSFERS;
        let (asker, other) = self.talkers(who);
        if busy || !other.leg.can_change() || asker.media.has_offer() || other.media.has_offer() {
            return asker.leg.refuse_refer(491, "Request Pending", &mut ctx.sip);
        }
        if full {
            return asker.leg.refuse_refer(403, "Too Many Transfers", &mut ctx.sip);
        }
        asker.leg.accept_refer(&mut ctx.sip);
        let Refer { target, replaces } = refer;
        let kind = if replaces.is_some() { TransferKind::Attended } else { TransferKind::Blind };
        self.note_transfer(kind, &source, &target, ctx.sip.now);
        let until = ctx.sip.now + self.limits.setup;
        let trying = replaces.is_none().then(|| Trying::until(until));
        let transfer = Transfer { who, source, trying, has_left: false };
        if let Phase::Talking(talk) = &mut self.phase {
            talk.transfer = Some(transfer);
        }
        match replaces {
            Some(replaces) => self.outputs.push_back(CallOutput::Seek(replaces)),
            None => self.call_target(&target, ctx),
        }
    }

    /// The target of a blind transfer is called as if who asks had dialled it.
    fn call_target(&mut self, target: &str, ctx: &mut Ctx) {
        let Some(Transfer { source, who, .. }) = self.transfer() else { return };
        let (source, who) = (source.clone(), *who);
        if self.max_forwards == 0 {
            return self.transfer_failed(own_failure(483, standard_reason(483)), ctx);
        }
        self.max_forwards -= 1;
        let rounds = match ctx.exchange.route(&source, target) {
            Ok(rounds) => rounds,
            Err((code, why)) => return self.transfer_failed(own_failure(code, &why), ctx),
        };
        let Phase::Talking(talk) = &self.phase else { return };
        let remaining = self.source_of(talk.leg(who.other()));
        let is_here = |round: &Round| {
            let Some(there) = target_of(round).map(|target| target.as_source()) else { return false };
            matches!(there, Source::Extension(_)) && (there.is_same(&source) || there.is_same(&remaining))
        };
        if rounds.iter().any(is_here) {
            return self.transfer_failed(own_failure(482, "They talk to each other already"), ctx);
        }
        self.rounds = rounds.into();
        self.next_round(ctx);
    }

    /// Somebody answered for the target of a transfer.
    pub(crate) fn target_answered(&mut self, n: usize, body: Option<Bytes>, ctx: &mut Ctx) {
        match body.map(|body| Sdp::parse(&body)).transpose() {
            Ok(Some(answer)) => self.outs[n].media.hear_answer(answer, ctx),
            // A 2xx without SDP confirms what a provisional response said.
            Ok(None) if self.outs[n].media.has_session() => {}
            Ok(None) => return self.unusable_answer(n, &SdpError::NoAudio, ctx),
            Err(error) => return self.unusable_answer(n, &error, ctx),
        }
        self.outs[n].answers(ctx.sip.now);
        self.outs[n].record.codec = self.outs[n].media.codec();
        self.give_up_others(n, ctx);
        let Some(who) = self.transfer().map(|transfer| transfer.who) else { return };
        self.transfer_succeeded(None, ctx);
        self.take_place(who, n + 1, Joining::one(who.other()), ctx);
        self.reopen(ctx);
    }

    fn unusable_answer(&mut self, n: usize, error: &SdpError, ctx: &mut Ctx) {
        self.outs[n].leg.hang_up(488, &error.to_string(), &[], &mut ctx.sip);
        self.attempt_failed(n, own_failure(488, &error.to_string()), ctx);
    }

    /// The one that the other leg of who asks talks with comes into this call, which waits for it. Whom its transactions belong to, as
    /// its tag says, and its number here.
    pub fn join(&mut self, moved: Box<Moved>, ctx: &mut Ctx) -> Option<(Owner, usize)> {
        let who = self.transfer()?.who;
        let other = moved.from;
        let leg = self.adopt(*moved, ctx);
        let owner = self.leg(leg)?.owner();
        self.transfer_succeeded(Some(other), ctx);
        self.take_place(who, leg, Joining::both(who), ctx);
        self.reopen(ctx);
        self.settle(ctx);
        Some((owner, leg))
    }

    /// There is nobody whom the other leg of who asks talks with, or nobody that this call may be joined to.
    pub fn not_found(&mut self, (code, why): (u16, &str), ctx: &mut Ctx) {
        self.transfer_failed(own_failure(code, why), ctx);
        self.settle(ctx);
    }

    /// How a transfer goes that is under way.
    pub(crate) fn transfer_progress(&mut self, code: u16, ctx: &mut Ctx) {
        if let Some(who) = self.transfer().map(|transfer| transfer.who) {
            self.talkers(who).0.leg.tell_referrer(code, standard_reason(code), &mut ctx.sip);
        }
    }

    fn transfer_succeeded(&mut self, other: Option<CallId>, ctx: &mut Ctx) {
        let Some(who) = self.transfer().map(|transfer| transfer.who) else { return };
        self.talkers(who).0.leg.tell_referrer(200, "OK", &mut ctx.sip);
        self.conclude_transfer(200, "OK", other);
    }

    /// The target was not reached: the two talk on, or, where one of them has left, that is the end.
    pub(crate) fn transfer_failed(&mut self, failure: LegFailure, ctx: &mut Ctx) {
        let Phase::Talking(talk) = &mut self.phase else { return };
        let Some(transfer) = talk.transfer.take() else { return };
        self.rounds.clear();
        // What the target's side said of credentials or other places is not for who asked.
        let code = crate::setup::told_code(failure.code);
        self.talkers(transfer.who).0.leg.tell_referrer(code, &failure.phrase, &mut ctx.sip);
        self.conclude_transfer(code, &failure.phrase, None);
        if transfer.has_left {
            let cause = Cause::with_phrase(code, format!("The transfer failed: {}", failure.phrase));
            self.finish(Side::System, cause, &failure.reasons, ctx);
        }
    }

    /// Who asked for a transfer hangs up before it is over: the other waits for its outcome. `false`: there is no transfer.
    pub(crate) fn referrer_left(&mut self, who: Who, ctx: &mut Ctx) -> bool {
        let Some(transfer) = self.transfer().filter(|transfer| transfer.who == who) else { return false };
        transfer.has_left = true;
        self.abandon_change(ctx);
        self.talkers(who).0.media.close(ctx);
        true
    }

    pub(crate) fn transfer_timeout(&mut self, ctx: &mut Ctx) {
        self.joining_timeout(ctx);
        self.attempts_timeout(ctx);
        let now = ctx.sip.now;
        if self.transfer().and_then(|transfer| transfer.due()).is_some_and(|until| until <= now) {
            self.give_up_attempts(ctx);
            self.transfer_failed(own_failure(480, "No answer"), ctx);
        }
    }

    /// Gives up whoever is being called still.
    fn give_up_attempts(&mut self, ctx: &mut Ctx) {
        for out in self.outs.iter_mut().filter(|out| out.is_live()) {
            out.leg.hang_up(487, "No answer", &[], &mut ctx.sip);
            out.failed(&own_failure(487, "Given up"), ctx.sip.now);
            out.media.close(ctx);
        }
    }

    pub(crate) fn transfer(&mut self) -> Option<&mut Transfer> {
        match &mut self.phase {
            Phase::Talking(talk) => talk.transfer.as_mut(),
            _ => None,
        }
    }

    /// The leg that attempts are to be connected to: the caller's, or, in a transfer, that of who remains.
    pub(crate) fn connected(&self) -> usize {
        match &self.phase {
            Phase::Talking(talk) => {
                talk.transfer.as_ref().map_or(0, |transfer| talk.leg(transfer.who.other()))
            }
            _ => 0,
        }
    }

    /// As whom the target of a transfer is called. A phone sees who it will talk with, as far as that one wants to be seen; outside
    /// an extension calls as itself, since it is the one that may.
    pub(crate) fn presented(&self, round: &Round) -> Option<Caller> {
        let Phase::Talking(talk) = &self.phase else { return None };
        let transfer = talk.transfer.as_ref()?;
        let identity = match (&transfer.source, round) {
            (Source::Extension(extension), Round::Trunk(_)) => {
                let name = Some(extension.name.clone()).filter(|name| !name.is_empty());
                named(extension.number.clone(), name)
            }
            _ => match self.connected().checked_sub(1) {
                None => self.caller.who.identity.clone(),
                Some(n) => named(self.outs[n].record.number.clone(), None),
            },
        };
        let source = transfer.source.clone();
        Some(Caller { party: identity.party(&source), source, identity, headers: Vec::new(), seat: None })
    }

    /// Who a leg belongs to.
    pub(crate) fn source_of(&self, leg: usize) -> Source {
        match leg.checked_sub(1) {
            None => self.caller.who.source.clone(),
            Some(n) => self.outs[n].target.as_source(),
        }
    }

    pub(crate) fn note_transfer(&mut self, kind: TransferKind, by: &Source, target: &str, now: Time) {
        self.transfers.push(TransferRecord {
            at: now.as_millis(),
            kind,
            by: by.as_party(),
            target: target.to_owned(),
            code: 0,
            reason: "Under way when the call ended".to_owned(),
            other_call_id: None,
        });
    }

    pub(crate) fn conclude_transfer(&mut self, code: u16, reason: &str, other: Option<CallId>) {
        let Some(record) = self.transfers.last_mut() else { return };
        record.code = code;
        record.reason = reason.to_owned();
        record.other_call_id = other;
        let record = record.clone();
        self.tell(Event::CallTransferred {
            call_id: self.id,
            kind: record.kind,
            by: record.by.number,
            target: record.target,
            cause: Cause::with_phrase(code, reason),
            other_call_id: other,
            tenant_id: self.tenant,
        });
    }

    /// What the record is if the server dies has changed.
    pub(crate) fn reopen(&mut self, ctx: &mut Ctx) {
        let record = self.record_if_lost(ctx.sip.now);
        self.outputs.push_back(CallOutput::Open(Box::new(record)));
    }
}

fn named(number: String, name: Option<String>) -> Identity {
    Identity { shown: Named { number, name }, ..Identity::default() }
}
