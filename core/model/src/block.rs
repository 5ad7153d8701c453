//! An entry of the blocklist: who is not let in, who may not call, what may not be called.

use crate::{BlockId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What an entry is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// Where requests come from. Trunks are let in whatever stands here.
    Ip,
    /// Who calls over a trunk.
    Caller,
    /// What is called over a trunk, but for emergency calls.
    Destination,
    /// What a device or program says it is. Trunks are let in whatever stands here.
    UserAgent,
}

impl BlockKind {
    /// As it is written.
    pub fn key(self) -> &'static str {
        match self {
            BlockKind::Ip => "ip",
            BlockKind::Caller => "caller",
            BlockKind::Destination => "destination",
            BlockKind::UserAgent => "user_agent",
        }
    }
}

/// What becomes of what an entry is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockAction {
    /// It is refused: a caller with 603, everything else with 403.
    #[default]
    Reject,
    /// It is not answered at all. Only of addresses and user agents: a carrier that hears nothing takes us for down.
    Drop,
    /// Only of addresses: let in where a wider network is not, and neither slowed down nor shut out for wrong passwords.
    Allow,
}

/// Where an entry comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockSource {
    /// Somebody made it.
    #[default]
    Manual,
    /// The server made it of too many wrong passwords. It is gone when it expires, is deleted, or the server starts anew.
    Auto,
}

/// An entry of the blocklist.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Assigned when created.
    pub id: BlockId,
    /// The tenant whose calls it is about; empty: those of all. Addresses and user agents are the system's.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// What it is about.
    pub kind: BlockKind,
    /// `ip`: a network, as `192.0.2.0/24`; of several that an address is in, the smallest counts. `caller`, `destination`: a number, a
    /// beginning, as `1900*`, a range or a dial pattern; a caller also `anonymous`. `user_agent`: how it begins, in whatever case, 3 to
    /// 64 characters.
    pub value: String,
    /// What becomes of it.
    #[serde(default)]
    pub action: BlockAction,
    /// From when on it has no effect, milliseconds since the Unix epoch; empty: it has for ever. A day later it is deleted.
    #[serde(default)]
    pub expires_at: Option<u64>,
    /// Why, for people.
    #[serde(default)]
    pub note: Option<String>,
    /// Where it comes from.
    #[serde(default)]
    pub source: BlockSource,
}

impl Block {
    /// Whether it has an effect at this moment, milliseconds since the Unix epoch.
    pub fn is_in_force(&self, now: u64) -> bool {
        self.expires_at.is_none_or(|expires| now < expires)
    }
}

/// What the ids begin with of entries that the server made: after those of all others.
const AUTO: u128 = 0xffff_ffff_ffff_8fff_8000_0000_0000_0000;

impl BlockId {
    /// The id of the entry with this number that the server made.
    pub fn auto(number: u64) -> BlockId {
        BlockId(Uuid::from_u128(AUTO | u128::from(number & (u64::MAX >> 2))))
    }

    /// Whether the server made the entry.
    pub fn is_auto(self) -> bool {
        self.0.as_u128() >= AUTO
    }
}
