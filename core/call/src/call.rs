//! A call: what it is made of, and how the things that happen reach the right part of it.

use crate::attempt::Outgoing;
use crate::caller::CallerSide;
use crate::change::Change;
use crate::ending::Ending;
use crate::setup::Trying;
use crate::talk::Talk;
use crate::{Caller, Exchange, MediaDesk, Seat};
use std::collections::VecDeque;
use std::time::Duration;
use tandem_media::MediaEvent;
use tandem_model::{
    Attempt, CallId, CallRecord, Direction, Event, LiveCall, LiveCallState, Party, TenantId, TransferRecord,
    Trunk, TrunkId,
};
use tandem_routing::Round;
use tandem_sip_dialog::{Leg, LegEvent, Sip};
use tandem_sip_msg::{Flow, Message, Replaces};
use tandem_sip_txn::{ClientKey, Failure, Owner, ServerKey};
use tandem_time::Time;

/// Legs of a call are numbered: 0 is the caller's, the attempts follow. Transaction owners are the call's number times this, plus
/// the leg.
pub const LEGS: u64 = 1 << 10;

/// The longest that anything waits for the disk: enough for one that is busy, and so little that nobody takes a call for dead. A
/// peer may repeat its answer or its BYE once or twice meanwhile, which is absorbed.
pub const DISK_PATIENCE: Duration = Duration::from_secs(1);

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From INVITE to answer.
    pub setup: Duration,
    /// From answer to end; `None`: no limit.
    pub duration: Option<Duration>,
    /// How long a side that is to send RTP may be silent; `None`: for ever.
    pub media_timeout: Option<Duration>,
    /// The same for a side that is on hold.
    pub hold_timeout: Option<Duration>,
    /// How long a trunk may leave our INVITE without any response.
    pub silence: Duration,
    /// How long the session with a device of an extension may go on without a refresh, seconds; 0: as long as it likes (RFC 4028).
    /// Trunks have their own.
    pub session_timer: u32,
}

impl Default for Limits {
    /// 3 minutes, 4 hours, 60 s, 300 s, 8 s, 30 minutes.
    fn default() -> Limits {
        Limits {
            setup: Duration::from_secs(180),
            duration: Some(Duration::from_secs(4 * 3600)),
            media_timeout: Some(Duration::from_secs(60)),
            hold_timeout: Some(Duration::from_secs(300)),
            silence: Duration::from_secs(8),
            session_timer: 1800,
        }
    }
}

/// What a call is handed with each input.
pub struct Ctx<'a> {
    /// The signalling side.
    pub sip: Sip<'a>,
    /// The media side.
    pub media: &'a mut MediaDesk,
    /// The server around it.
    pub exchange: &'a mut dyn Exchange,
}

/// What a call tells.
#[derive(Clone, Debug)]
pub enum CallOutput {
    /// Something happened.
    Event(Event),
    /// It was answered: what its record is if the server dies before it ends.
    Open(Box<CallRecord>),
    /// It is over. Comes once.
    Record(Box<CallRecord>),
    /// A transfer to whom a leg of another call talks with; answered by [`Call::join`] or [`Call::not_found`].
    Seek(Replaces),
    /// A trunk's address left an INVITE without any response.
    Unheard(TrunkId, Flow),
}

/// Everything that is known when a call begins.
pub struct Setup {
    /// Its id.
    pub id: CallId,
    /// Its number in this process, which its transactions are owned by.
    pub no: u64,
    /// The INVITE's transaction.
    pub invite: ServerKey,
    /// The INVITE.
    pub message: Message,
    /// What it came by.
    pub flow: Flow,
    /// Who calls.
    pub caller: Caller,
    /// Whose call it is; none: the system's.
    pub tenant: Option<TenantId>,
    /// Which way it goes.
    pub direction: Direction,
    /// The number as dialled.
    pub dialled: String,
    /// Whom to try, in order.
    pub rounds: Vec<Round>,
    /// The number called takes no fax.
    pub no_fax: bool,
    /// How long things may take.
    pub limits: Limits,
    /// The seat among all calls of its tenant.
    pub seat: Option<Seat>,
}

pub(crate) enum Phase {
    /// Looking for somebody who answers.
    Trying(Trying),
    /// Both sides talk.
    Talking(Talk),
    /// Over; the media side has the last word for the record.
    Ending(Box<Ending>),
    /// The record is written; legs may still have a BYE under way.
    Done,
}

/// One call.
pub struct Call {
    pub(crate) id: CallId,
    pub(crate) no: u64,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) direction: Direction,
    pub(crate) caller: CallerSide,
    pub(crate) callee: Party,
    /// The seat among all calls of its tenant.
    pub(crate) seat: Option<Seat>,
    pub(crate) rounds: VecDeque<Round>,
    pub(crate) outs: Vec<Outgoing>,
    /// Attempts that never left, with their place among the others.
    pub(crate) unsent: Vec<(usize, Attempt)>,
    pub(crate) phase: Phase,
    pub(crate) change: Option<Change>,
    pub(crate) limits: Limits,
    pub(crate) max_forwards: u8,
    pub(crate) started: Time,
    pub(crate) ringing: Option<Time>,
    pub(crate) answered: Option<Time>,
    /// What its legs hold until it is on disk is let go at this moment whether it is or not.
    pub(crate) held: Option<Time>,
    pub(crate) transfers: Vec<TransferRecord>,
    pub(crate) outputs: VecDeque<CallOutput>,
}

impl Call {
    /// The owner of the transactions of one of its legs.
    pub(crate) fn owner(&self, leg: usize) -> Owner {
        self.no * LEGS + leg as u64
    }

    /// Whether there is a leg with this number.
    pub fn has_leg(&self, leg: usize) -> bool {
        leg <= self.outs.len()
    }

    /// A request within the dialog of a leg.
    pub fn on_request(&mut self, leg: usize, key: ServerKey, message: &Message, flow: Flow, ctx: &mut Ctx) {
        if let Some(leg) = self.leg(leg) {
            leg.on_request(key, message, flow, &mut ctx.sip);
        }
        self.settle(ctx);
    }

    /// An ACK within the dialog of a leg.
    pub fn on_ack(&mut self, leg: usize, message: &Message, ctx: &mut Ctx) {
        if let Some(leg) = self.leg(leg) {
            leg.on_ack(message, &mut ctx.sip);
        }
        self.settle(ctx);
        self.shrink();
    }

    /// It stands, and nothing may happen for long: gives back room that is not needed meanwhile.
    fn shrink(&mut self) {
        self.outputs.shrink_to_fit();
        self.rounds.shrink_to_fit();
        self.outs.shrink_to_fit();
        self.caller.leg.shrink();
        self.outs.iter_mut().for_each(|out| out.leg.shrink());
    }

    /// A CANCEL of an INVITE or re-INVITE that a leg has not answered yet.
    pub fn on_cancel(&mut self, leg: usize, message: &Message, ctx: &mut Ctx) {
        if let Some(leg) = self.leg(leg) {
            leg.on_cancel(message, &mut ctx.sip);
        }
        self.settle(ctx);
    }

    /// A response to a request of a leg.
    pub fn on_response(&mut self, leg: usize, key: ClientKey, message: &Message, flow: Flow, ctx: &mut Ctx) {
        if let Some(leg) = self.leg(leg) {
            leg.on_response(key, message, flow, &mut ctx.sip);
        }
        self.settle(ctx);
    }

    /// A request of a leg got no final response.
    pub fn on_failed(&mut self, leg: usize, key: ClientKey, failure: Failure, ctx: &mut Ctx) {
        if let Some(leg) = self.leg(leg) {
            leg.on_failed(key, failure, &mut ctx.sip);
        }
        self.settle(ctx);
    }

    /// Something happened to one of its media ports.
    pub fn on_media(&mut self, event: MediaEvent, ctx: &mut Ctx) {
        match event {
            MediaEvent::Closed { port, stats } => self.port_closed(port, Some(stats), ctx),
            MediaEvent::OpenFailed { port, error } => self.port_failed(port, &error, ctx),
            MediaEvent::Silent { port, silence } => self.silent(port, silence, ctx),
        }
        self.settle(ctx);
    }

    /// Ends it from our side: an administrator, a shutdown.
    pub fn hang_up(&mut self, why: &str, ctx: &mut Ctx) {
        self.end_by_system(why, ctx);
        self.settle(ctx);
    }

    /// When [`Call::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Time> {
        let legs = std::iter::once(&self.caller.leg).chain(self.outs.iter().map(|out| &out.leg));
        let own = match &self.phase {
            Phase::Trying(trying) => Some(trying.until),
            Phase::Talking(talk) => [talk.due(), self.over_routes_until(talk)].into_iter().flatten().min(),
            Phase::Ending(ending) => Some(ending.until),
            Phase::Done => None,
        };
        let attempts = self.outs.iter().filter_map(|out| out.give_up);
        legs.filter_map(Leg::poll_timeout).chain(own).chain(attempts).chain(self.held).min()
    }

    /// What it put out as [`CallOutput::Open`] is on disk.
    pub fn noted(&mut self, ctx: &mut Ctx) {
        if matches!(self.phase, Phase::Talking(_)) {
            self.release(ctx);
        }
    }

    /// What it put out as [`CallOutput::Record`] is on disk.
    pub fn recorded(&mut self, ctx: &mut Ctx) {
        self.release(ctx);
    }

    /// From now on what is held waits for the disk, unless that does not keep up.
    pub(crate) fn hold(&mut self, ctx: &mut Ctx) {
        self.held = ctx.exchange.store_keeps_up().then(|| ctx.sip.now + DISK_PATIENCE);
    }

    fn release(&mut self, ctx: &mut Ctx) {
        self.held = None;
        self.caller.leg.release(&mut ctx.sip);
        for out in &mut self.outs {
            out.leg.release(&mut ctx.sip);
        }
    }

    /// Something is due.
    pub fn handle_timeout(&mut self, ctx: &mut Ctx) {
        if self.held.is_some_and(|until| until <= ctx.sip.now) {
            self.release(ctx);
        }
        self.caller.leg.handle_timeout(&mut ctx.sip);
        for out in &mut self.outs {
            out.leg.handle_timeout(&mut ctx.sip);
        }
        self.settle(ctx);
        match self.phase {
            Phase::Trying(_) => self.trying_timeout(ctx),
            Phase::Talking(_) => self.talk_timeout(ctx),
            Phase::Ending(_) => self.ending_timeout(ctx),
            Phase::Done => {}
        }
        self.settle(ctx);
    }

    /// What it has to tell.
    pub fn poll_output(&mut self) -> Option<CallOutput> {
        self.outputs.pop_front()
    }

    /// Nothing of it is left: it may be dropped.
    pub fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Done)
            && self.held.is_none()
            && self.caller.leg.is_gone()
            && self.outs.iter().all(|out| out.leg.is_gone())
    }

    /// It has ended, though a BYE may still be under way.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ending(_) | Phase::Done)
    }

    /// Its id.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// As the API shows it.
    pub fn view(&self) -> LiveCall {
        let state = match &self.phase {
            Phase::Trying(_) if self.caller.told => LiveCallState::Ringing,
            Phase::Trying(_) => LiveCallState::Dialing,
            Phase::Talking(_) => LiveCallState::Answered,
            Phase::Ending(_) | Phase::Done => LiveCallState::Ending,
        };
        LiveCall {
            id: self.id,
            state,
            tenant_id: self.tenant,
            direction: self.direction,
            caller: self.caller.who.party.clone(),
            callee: self.callee.clone(),
            started_at: self.started.as_millis(),
            answered_at: self.answered.map(Time::as_millis),
            attempts: (self.outs.len() + self.unsent.len()) as u32,
            codec: self.outs.iter().find_map(|out| out.record.codec.clone()),
        }
    }

    /// The trunk that a leg is an attempt at and the way that it took.
    pub fn trunk_of(&self, leg: usize) -> Option<(TrunkId, Flow)> {
        let out = self.outs.get(leg.checked_sub(1)?)?;
        Some((out.record.trunk_id?, out.leg.flow()))
    }

    /// The legs to whom it is called from the one at `first` on: the trunk, if it goes to one, and the SIP Call-ID.
    pub fn attempts(&self, first: usize) -> impl Iterator<Item = (Option<&Trunk>, &str)> {
        self.outs.iter().skip(first).map(|out| match &out.target {
            crate::Target::Trunk(trunk) => (Some(trunk.as_ref()), out.leg.call_id()),
            crate::Target::Extension(_) | crate::Target::Guest(_) => (None, out.leg.call_id()),
        })
    }

    /// Whether a leg has given this INVITE up already, so that what becomes of it says nothing of where the leg is now.
    pub fn has_given_up(&self, leg: usize, key: ClientKey) -> bool {
        leg.checked_sub(1).and_then(|n| self.outs.get(n)).is_some_and(|out| out.leg.has_given_up(key))
    }

    /// The owners of legs that came from other calls, which name their places there, and where each is here.
    pub fn adopted(&self) -> impl Iterator<Item = (Owner, usize)> {
        let foreign = |owner: Owner| owner / LEGS != self.no;
        let legs = self.outs.iter().enumerate().map(|(n, out)| (out.leg.owner(), n + 1));
        legs.filter(move |(owner, _)| foreign(*owner))
    }

    pub(crate) fn leg(&mut self, leg: usize) -> Option<&mut Leg> {
        match leg {
            0 => Some(&mut self.caller.leg),
            n => self.outs.get_mut(n - 1).map(|out| &mut out.leg),
        }
    }

    /// Lets everything that the legs have to tell take its effect, which may make them tell more.
    pub(crate) fn settle(&mut self, ctx: &mut Ctx) {
        loop {
            if let Some(event) = self.caller.leg.poll_event() {
                self.on_caller(event, ctx);
                continue;
            }
            let next = self.outs.iter_mut().enumerate().find_map(|(n, out)| Some((n, out.leg.poll_event()?)));
            match next {
                Some((n, event)) => self.on_callee(n, event, ctx),
                None if self.join_further(ctx) => {}
                None => break,
            }
        }
        if self.held.is_none() {
            self.release(ctx);
        }
    }

    fn on_caller(&mut self, event: LegEvent, ctx: &mut Ctx) {
        match &self.phase {
            Phase::Trying(_) => self.caller_while_trying(event, ctx),
            Phase::Talking(_) => self.leg_while_talking(0, event, ctx),
            Phase::Ending(_) | Phase::Done => {}
        }
    }

    fn on_callee(&mut self, n: usize, event: LegEvent, ctx: &mut Ctx) {
        match &self.phase {
            Phase::Trying(_) => self.callee_while_trying(n, event, ctx),
            Phase::Talking(_) if self.outs[n].is_live() => self.callee_while_trying(n, event, ctx),
            Phase::Talking(_) => self.leg_while_talking(n + 1, event, ctx),
            Phase::Ending(_) | Phase::Done => {}
        }
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.outputs.push_back(CallOutput::Event(event));
    }
}
