//! A binding: where a device that registered to us can be reached (RFC 3261 §10).

use crate::{ExtensionId, TrunkId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whose binding it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BindingOwner {
    /// An extension's device.
    Extension(ExtensionId),
    /// A trunk in mode `register_in`.
    Trunk(TrunkId),
}

/// One registered contact, as kept on disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// Whose it is.
    pub owner: BindingOwner,
    /// The Contact URI as sent; with the owner the key of the binding.
    pub contact: String,
    /// Call-ID of the registration.
    pub call_id: String,
    /// Its last CSeq number.
    pub cseq: u32,
    /// When it ends, seconds since the Unix epoch.
    pub expires_at: u64,
    /// `udp` or `tcp`.
    pub transport: String,
    /// Where it was sent from: requests go back there, not to the Contact's host (symmetric routing for devices behind NAT).
    pub source: std::net::SocketAddr,
    /// The listener that it came in by, by its position.
    pub listener: u16,
    /// The stream connection that it came in by, in this process; meaningless after a restart.
    #[serde(skip)]
    pub connection: Option<u64>,
    /// Path header values (RFC 3327), outermost first.
    #[serde(default)]
    pub path: Vec<String>,
    /// The device's User-Agent.
    pub user_agent: Option<String>,
}

/// One step of a change of bindings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BindingChange {
    /// Creates the binding, or replaces the one of its owner and contact.
    Put(Binding),
    /// Deletes it; that there is none is no error.
    Delete {
        /// Whose it is.
        owner: BindingOwner,
        /// Its Contact URI.
        contact: String,
    },
}
