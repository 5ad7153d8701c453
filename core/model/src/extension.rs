//! An extension: a phone or softphone that registers to us.

use crate::{ClassOfServiceId, Codec, ExtensionId, Secret, TenantId, TrunkId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use utoipa::ToSchema;

/// When an extension calls without showing its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Anonymous {
    /// Never, whatever its device asks.
    Never,
    /// Always.
    Always,
    /// When its device asks (RFC 3323).
    #[default]
    Auto,
}

/// How the devices of an extension may come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceTransport {
    /// As they like.
    #[default]
    Any,
    /// Over UDP alone.
    Udp,
    /// Over TCP alone.
    Tcp,
    /// Over TLS alone.
    Tls,
}

impl DeviceTransport {
    /// Whether a request may come over a transport of this name, as it stands in URIs.
    pub fn takes(self, transport: &str) -> bool {
        match self {
            DeviceTransport::Any => true,
            DeviceTransport::Udp => transport == "udp",
            DeviceTransport::Tcp => transport == "tcp",
            DeviceTransport::Tls => transport == "tls",
        }
    }
}

/// An extension as configured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// Assigned when created.
    pub id: ExtensionId,
    /// The tenant whose it is; empty: the system's.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// A label.
    pub name: String,
    /// What others dial to reach it, `[A-Za-z0-9._-]{1,32}`. When absent on creation: the username.
    #[serde(alias = "extension")]
    pub number: String,
    /// What it registers and authenticates as. When absent on creation: the number.
    pub username: String,
    /// Write-only.
    #[serde(default, skip_serializing)]
    #[schema(write_only, value_type = Option<String>)]
    pub password: Option<Secret>,
    /// Devices registered at once; a further one replaces the oldest.
    #[serde(default = "max_contacts")]
    pub max_contacts: u32,
    /// Networks that it may register and call from, as `192.0.2.0/24`; none: from anywhere.
    #[serde(default, deserialize_with = "crate::network::list")]
    #[schema(value_type = Vec<String>)]
    pub allowed_cidrs: Vec<IpNet>,
    /// The transport that it has to register and call over.
    #[serde(default)]
    pub transport: DeviceTransport,
    /// Groups that it is in, up to 32 names of 1 to 64 characters: outbound routes may be for some of them only.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What it may call of what its tenant may; empty: all of it.
    #[serde(default)]
    pub class_of_service_id: Option<ClassOfServiceId>,
    /// The caller number shown to trunks when this extension calls out; empty: its number.
    #[serde(default)]
    pub outbound_cid: Option<String>,
    /// The caller number shown to certain trunks, by the trunk's id.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub outbound_cid_by_trunk: BTreeMap<TrunkId, String>,
    /// Whether trunks are told who calls: `never` keeps it back from none, `always` from all, `auto` as its device asks.
    #[serde(default)]
    pub anonymous: Anonymous,
    /// Codecs offered to and accepted from its devices, best first.
    #[serde(default = "Codec::defaults")]
    pub codecs: Vec<Codec>,
    /// How long it rings before the caller is told that nobody answers, seconds, 5 to 300.
    #[serde(default = "ring_timeout")]
    pub ring_timeout: u32,
    /// The number that a call goes on to when all devices are busy, dialled as by the extension itself: another extension, or outside
    /// as far as it may call there. Empty: the caller hears busy.
    #[serde(default)]
    pub forward_busy: Option<String>,
    /// The same when nobody answers in `ring_timeout`.
    #[serde(default)]
    pub forward_no_answer: Option<String>,
    /// The same when no device is registered, or none can be reached.
    #[serde(default)]
    pub forward_unregistered: Option<String>,
    /// Lets anybody call it, and nobody else, at `sip:direct.TOKEN@` the domain of its tenant: 8 to 64 letters and digits. Such a call is
    /// never forwarded, and of one extension there are four at once at most. Empty: only who is known calls.
    #[serde(default)]
    pub direct_token: Option<String>,
    /// Only `false` so far: nobody who does not answer has a voicemail.
    #[serde(default)]
    pub voicemail: bool,
    /// Media may go directly between its devices and the other side, where that side may too; otherwise it goes by here.
    #[serde(default)]
    pub direct_media: bool,
    /// A disabled extension can neither register nor call nor be called.
    #[serde(default = "yes")]
    pub enabled: bool,
}

impl Extension {
    /// Whether a device of it may be at this address.
    pub fn may_be_at(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed_cidrs.is_empty() || self.allowed_cidrs.iter().any(|network| network.contains(&address))
    }
}

fn max_contacts() -> u32 {
    5
}
fn ring_timeout() -> u32 {
    25
}
fn yes() -> bool {
    true
}
