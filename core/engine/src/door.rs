//! The door: what becomes of a request that begins something, before anything is kept of it.
//!
//! Whoever floods is stalled alone: a source that is no trunk has a rate of its own. When there are as many calls as the server
//! holds, or it runs late, new calls are told to come back later, so that those under way are served in time.

use crate::places::Places;
use crate::refuse::target_of;
use crate::sources::{Grant, Rate, Sources};
use crate::{Counters, Engine, Output};
use hashbrown::HashMap;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tandem_call::Call;
use tandem_model::{BindingOwner, Block, BlockAction, BlockId, BlockKind, BlockSource, Config, Event};
use tandem_sip_dialog::Leg;
use tandem_sip_msg::{Flow, Header, Message, Method};
use tandem_sip_txn::Verdict;
use tandem_time::Time;
use tandem_trunk::{Registrar, Trunks, network};

/// Who is let in, and how many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DoorLimits {
    /// New requests of one source that is no trunk: an IPv4 address, an IPv6 /64, or a registered device.
    pub source: Rate,
    /// How late messages may be taken in before new calls and registrations are turned away; `None`: however late.
    pub lag: Option<Duration>,
}

impl Default for DoorLimits {
    /// 100 a second and 1,000 at once from a source; 100 ms late.
    fn default() -> DoorLimits {
        DoorLimits { source: Rate { per_second: 100, burst: 1_000 }, lag: Some(Duration::from_millis(100)) }
    }
}

/// Who stands at the door.
pub(crate) struct Door {
    limits: DoorLimits,
    sources: Sources,
    hasher: ahash::RandomState,
    /// Turning new calls away because we are late.
    is_behind: bool,
}

/// What the door has to see of the engine.
pub(crate) struct House<'a> {
    pub(crate) config: &'a Config,
    pub(crate) trunks: &'a Trunks,
    pub(crate) registrar: &'a Registrar,
    pub(crate) calls: &'a HashMap<u64, Box<Call>, ahash::RandomState>,
    pub(crate) places: &'a Places,
    /// There is room for another call, and it may begin.
    pub(crate) has_room: bool,
    pub(crate) counters: &'a mut Counters,
    pub(crate) outputs: &'a mut std::collections::VecDeque<Output>,
    pub(crate) rng: &'a mut StdRng,
    pub(crate) now: Time,
}

impl Door {
    pub(crate) fn new(limits: DoorLimits, rng: &mut StdRng) -> Door {
        let hasher =
            ahash::RandomState::with_seeds(rng.next_u64(), rng.next_u64(), rng.next_u64(), rng.next_u64());
        Door { limits, sources: Sources::new(limits.source), hasher, is_behind: false }
    }

    /// Late beyond the limit, new calls are turned away until we are no more than half of it late.
    fn note_lag(&mut self, lag: Duration) {
        if let Some(limit) = self.limits.lag {
            self.is_behind = lag > if self.is_behind { limit / 2 } else { limit };
        }
    }

    /// What becomes of a request that would begin a transaction. `again`: this very one has been turned away before.
    pub(crate) fn judge(
        &mut self,
        message: &Message,
        flow: Flow,
        again: bool,
        house: &mut House<'_>,
    ) -> Verdict {
        let no = message.to_tag().and_then(Leg::owner_of_tag).map(|owner| house.places.of(owner).0);
        if no.is_some_and(|no| house.calls.contains_key(&no)) {
            return Verdict::Take;
        }
        if !is_trunk(flow.remote, house)
            && let Some(verdict) = self.judge_source(message, flow.remote, house)
        {
            return verdict;
        }
        let turned_away = match message.method() {
            Method::Invite if message.to_tag().is_none() => again || self.is_behind || !house.has_room,
            Method::Register => self.is_behind,
            _ => false,
        };
        if !turned_away {
            return Verdict::Take;
        }
        house.counters.overloaded += 1;
        later(house)
    }

    /// Whether anything may be said to a source whose request is not even one.
    pub(crate) fn may_answer(&mut self, source: SocketAddr, house: &House<'_>) -> bool {
        match listed(source, house) {
            Some(BlockAction::Allow) => return true,
            Some(BlockAction::Drop) => return is_trunk(source, house),
            Some(BlockAction::Reject) | None => {}
        }
        is_trunk(source, house) || self.sources.take(self.key(source, house), house.now) == Grant::Given
    }

    /// The part of those that are no trunk: not on the blocklist, not too many, and not after too many wrong passwords.
    fn judge_source(
        &mut self,
        message: &Message,
        source: SocketAddr,
        house: &mut House<'_>,
    ) -> Option<Verdict> {
        let listed = listed(source, house);
        if listed == Some(BlockAction::Allow) {
            return None;
        }
        if listed == Some(BlockAction::Drop) {
            house.counters.blocked += 1;
            return Some(Verdict::Drop);
        }
        match self.sources.take(self.key(source, house), house.now) {
            Grant::Given => {}
            Grant::Told { first } => {
                house.counters.limited += 1;
                if first {
                    house.outputs.push_back(Output::Event(too_fast(message, source, self.limits.source)));
                }
                return Some(later(house));
            }
            Grant::Silent => {
                house.counters.limited += 1;
                return Some(Verdict::Drop);
            }
        }
        let agent = listed.or_else(|| listed_agent(message, house));
        let is_banned = || house.registrar.is_banned(source, house.now);
        let verdict = match agent {
            Some(BlockAction::Drop) => Verdict::Drop,
            Some(BlockAction::Reject) => Verdict::Refuse { code: 403, retry_after: None },
            _ if is_banned() => Verdict::Refuse { code: 403, retry_after: None },
            _ => return None,
        };
        house.counters.blocked += 1;
        Some(verdict)
    }

    /// A registered device is one by its port too: others behind the same address do not stall it.
    fn key(&self, source: SocketAddr, house: &House<'_>) -> u64 {
        match house.registrar.at(source, house.now) {
            Some(_) => self.hasher.hash_one(source),
            None => self.hasher.hash_one(network(source.ip())),
        }
    }
}

fn is_trunk(source: SocketAddr, house: &House<'_>) -> bool {
    house.trunks.is_source(source)
        || matches!(house.registrar.at(source, house.now), Some(BindingOwner::Trunk(_)))
}

/// What the blocklist has of an address.
fn listed(source: SocketAddr, house: &House<'_>) -> Option<BlockAction> {
    house.config.block_of_address(source.ip(), house.now.as_millis()).map(|block| block.action)
}

/// What it has of who says to be this.
fn listed_agent(message: &Message, house: &House<'_>) -> Option<BlockAction> {
    let agent = message.header(Header::UserAgent)?;
    house.config.block_of_agent(agent, house.now.as_millis()).map(|block| block.action)
}

/// 503, each time with another Retry-After, so that those turned away together do not come back together.
fn later(house: &mut House<'_>) -> Verdict {
    Verdict::Refuse { code: 503, retry_after: Some(house.rng.random_range(5..=15)) }
}

/// An entry of the blocklist that nobody wrote.
fn auto_block(number: u64, source: IpAddr, until: Time) -> Block {
    let network = match source {
        IpAddr::V4(_) => format!("{source}/32"),
        IpAddr::V6(_) => format!("{source}/64"),
    };
    Block {
        id: BlockId::auto(number),
        tenant_id: None,
        kind: BlockKind::Ip,
        value: network,
        action: BlockAction::Reject,
        expires_at: Some(until.as_millis()),
        note: Some("too many wrong passwords".to_owned()),
        source: BlockSource::Auto,
    }
}

fn too_fast(message: &Message, source: SocketAddr, rate: Rate) -> Event {
    Event::RequestRefused {
        source,
        method: message.method_name().to_owned(),
        target: target_of(message),
        trunk_id: None,
        extension_id: None,
        reason: "TOO_FAST",
        message: format!(
            "this source begins more than {} requests a second; where it is a carrier or a PBX, put its address into \
             `associated_ips` of its trunk, else see `source_rate` in the settings",
            rate.per_second
        ),
        tenant_id: None,
    }
}

impl Engine {
    /// How late the driver is: how long the oldest message that it is about to hand over has been waiting.
    pub fn set_lag(&mut self, lag: Duration) {
        self.door.note_lag(lag);
    }

    /// Whether new calls are turned away because the driver is late.
    pub fn is_behind(&self) -> bool {
        self.door.is_behind
    }

    /// Whom nothing at the door keeps out or slows down.
    pub(crate) fn is_spared(&self, source: SocketAddr, now: Time) -> bool {
        let listed = self.config.block_of_address(source.ip(), now.as_millis()).map(|block| block.action);
        self.trunks.is_source(source) || listed == Some(BlockAction::Allow)
    }

    /// Who is shut out now for too many wrong passwords, as entries of the blocklist.
    pub fn auto_blocks(&self, now: Time) -> Vec<Block> {
        let shut_out = self
            .registrar
            .shut_out(now)
            .filter(|(_, source, _)| !self.is_spared(SocketAddr::new(*source, 0), now));
        shut_out.map(|(number, source, until)| auto_block(number, source, until)).collect()
    }

    /// Lets somebody in again; `false` when nobody is shut out under this id.
    pub fn lift_block(&mut self, id: BlockId, now: Time) -> bool {
        let found = self.registrar.shut_out(now).find(|(number, ..)| BlockId::auto(*number) == id);
        found.map(|(_, source, _)| self.registrar.forgive(source)).is_some()
    }

    /// The door, and what it looks at.
    pub(crate) fn at_door(&mut self, now: Time) -> (&mut Door, &mut tandem_sip_txn::Transactions, House<'_>) {
        let has_room = !self.draining && self.calls.len() < self.settings.max_calls;
        let house = House {
            config: &self.config,
            trunks: &self.trunks,
            registrar: &self.registrar,
            calls: &self.calls,
            places: &self.places,
            has_room,
            counters: &mut self.counters,
            outputs: &mut self.outputs,
            rng: &mut self.rng,
            now,
        };
        (&mut self.door, &mut self.txn, house)
    }

    /// Hands a message to the transactions, past the door.
    pub(crate) fn let_in(&mut self, message: Message, flow: Flow, now: Time) {
        let (door, txn, mut house) = self.at_door(now);
        txn.receive_judged(message, flow, now, &mut |message, flow, again| {
            door.judge(message, flow, again, &mut house)
        });
    }
}
