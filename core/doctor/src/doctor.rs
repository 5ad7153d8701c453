//! All examinations: which one an input is for, and how many there may be.

use crate::exam::{Exam, Prior};
use crate::{DOCTOR_BIT, LOOKUP_BIT};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use tandem_call::Ctx;
use tandem_media::{MediaEvent, PortId};
use tandem_model::{ExamReport, Examination, NoExamination, TrunkId};
use tandem_sip_msg::{Flow, Message, NoAddress, NoConnection, Transport, Why};
use tandem_sip_txn::{ClientKey, Failure, Owner, ServerKey};
use tandem_time::Time;
use tandem_trunk::{Examinee, Local, Query, Resolved};

/// Examinations at once.
const MOST: usize = 4;

/// What the doctor wants of the outside.
#[derive(Debug)]
pub enum DoctorOutput {
    /// A name to look up.
    Resolve(Query),
    /// An examination is over.
    Report {
        /// Which, as [`Doctor::begin`] called it.
        no: u64,
        /// What it has shown.
        report: Box<ExamReport>,
    },
    /// The provider takes the registration of a trunk that is not registered: let it register at once.
    RegisterNow(TrunkId),
}

/// All examinations that are under way, or of which something is left on the wire.
pub struct Doctor {
    local: Local,
    exams: BTreeMap<u64, Exam>,
    next: u64,
    outputs: VecDeque<DoctorOutput>,
}

impl Doctor {
    /// Nobody is examined yet.
    pub fn new(local: Local) -> Doctor {
        Doctor { local, exams: BTreeMap::new(), next: 1, outputs: VecDeque::new() }
    }

    /// Begins an examination; its number, which the report comes with.
    pub fn begin(
        &mut self,
        examinee: Examinee,
        asked: Examination,
        prior: Prior,
        ctx: &mut Ctx,
    ) -> Result<u64, NoExamination> {
        let under_way = || self.exams.values().filter(|exam| !exam.is_reported());
        if under_way().any(|exam| exam.trunk_id() == examinee.trunk().id) {
            return Err(NoExamination::UnderWay);
        }
        if under_way().count() >= MOST {
            return Err(NoExamination::Busy);
        }
        let no = self.next;
        self.next += 1;
        self.exams.insert(no, Exam::new(no, examinee, asked, ctx.sip.now));
        self.with(no, ctx, |exam, cx| exam.begin(prior, cx));
        Ok(no)
    }

    /// A look-up ended whose id has [`LOOKUP_BIT`].
    pub fn resolved(&mut self, id: u64, result: Result<Resolved, Why<NoAddress>>, ctx: &mut Ctx) {
        let (no, place) = ((id & !LOOKUP_BIT) >> 8, (id & 0xff) as usize);
        self.with(no, ctx, |exam, cx| exam.on_resolved(place, result, cx));
    }

    /// A request of ours goes out, perhaps once more.
    pub fn on_sent(&mut self, owner: Owner, bytes: &Bytes) {
        if let Some(exam) = self.exams.get_mut(&(owner & !DOCTOR_BIT)) {
            exam.on_sent(bytes);
        }
    }

    /// A response to a request whose owner has [`DOCTOR_BIT`]. `false`: nobody waits for it.
    pub fn on_response(
        &mut self,
        owner: Owner,
        key: ClientKey,
        message: &Message,
        flow: Flow,
        ctx: &mut Ctx,
    ) -> bool {
        self.with(owner & !DOCTOR_BIT, ctx, |exam, cx| exam.on_response(key, message, flow, cx))
    }

    /// Such a request ended without a response.
    pub fn on_failed(&mut self, owner: Owner, key: ClientKey, failure: Failure, ctx: &mut Ctx) {
        self.with(owner & !DOCTOR_BIT, ctx, |exam, cx| exam.on_failed(key, failure, cx));
    }

    /// A connection could not be made, or its other end is not who it should be.
    pub fn connection_failed(&mut self, flow: Flow, why: &Why<NoConnection>) {
        self.exams.values_mut().for_each(|exam| exam.on_connection_failed(flow, why));
    }

    /// A request within a dialog of ours. `false`: there is none.
    pub fn on_request(
        &mut self,
        owner: Owner,
        key: ServerKey,
        message: &Message,
        flow: Flow,
        ctx: &mut Ctx,
    ) -> bool {
        let no = owner & !DOCTOR_BIT;
        let has_leg = self.exams.get(&no).is_some_and(Exam::has_leg);
        has_leg && self.with(no, ctx, |exam, cx| exam.on_request(key, message, flow, cx))
    }

    /// Something happened at a port of ours.
    pub fn on_media(&mut self, owner: u64, event: MediaEvent, ctx: &mut Ctx) {
        self.with(owner & !DOCTOR_BIT, ctx, |exam, cx| exam.on_media(event, cx));
    }

    /// The server goes down: calls are ended, reports come as they are.
    pub fn shut_down(&mut self, ctx: &mut Ctx) {
        for no in self.exams.keys().copied().collect::<Vec<_>>() {
            self.with(no, ctx, |exam, cx| exam.give_up("the server is going down", cx));
        }
    }

    /// Nothing is left of any examination.
    pub fn is_idle(&self) -> bool {
        self.exams.is_empty()
    }

    /// What is wanted of the outside next.
    pub fn poll_output(&mut self) -> Option<DoctorOutput> {
        self.outputs.pop_front()
    }

    /// When [`Doctor::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.exams.values().filter_map(Exam::poll_timeout).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, ctx: &mut Ctx) {
        let now = ctx.sip.now;
        let due = |exam: &Exam| exam.poll_timeout().is_some_and(|at| at <= now);
        let due: Vec<u64> = self.exams.iter().filter(|(_, exam)| due(exam)).map(|(no, _)| *no).collect();
        for no in due {
            self.with(no, ctx, |exam, cx| exam.handle_timeout(cx));
        }
    }

    fn with(&mut self, no: u64, ctx: &mut Ctx, input: impl FnOnce(&mut Exam, &mut Cx<'_, '_>)) -> bool {
        let Some(exam) = self.exams.get_mut(&no) else { return false };
        input(exam, &mut Cx { ctx, local: &self.local, outputs: &mut self.outputs });
        if exam.is_gone() {
            self.exams.remove(&no);
        }
        true
    }
}

/// What an examination is handed with each input.
pub(crate) struct Cx<'a, 'c> {
    pub(crate) ctx: &'a mut Ctx<'c>,
    pub(crate) local: &'a Local,
    pub(crate) outputs: &'a mut VecDeque<DoctorOutput>,
}

impl Cx<'_, '_> {
    pub(crate) fn now(&self) -> Time {
        self.ctx.sip.now
    }

    pub(crate) fn send(&mut self, request: Bytes, flow: Flow, no: u64) -> ClientKey {
        let sip = &mut self.ctx.sip;
        sip.txn.request(request, flow, DOCTOR_BIT | no, sip.rng, sip.now)
    }

    /// The address that our media is reached at.
    pub(crate) fn own_media_address(&self, peer: IpAddr) -> IpAddr {
        let flow = self.local.flow_to(Transport::Udp, SocketAddr::new(peer, 0));
        flow.map_or(peer, |flow| self.ctx.exchange.media_address(&flow))
    }

    /// A media port of an examination is given back.
    pub(crate) fn close(&mut self, port: PortId) {
        self.ctx.media.order(tandem_media::MediaCommand::Close { port });
    }
}
