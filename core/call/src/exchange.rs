//! What a call asks of the server around it.

use crate::{Full, Seat, Source};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use tandem_model::{Extension, Trunk};
use tandem_routing::{PlannedStep, Round};
use tandem_sip_msg::Flow;

/// Whom an attempt goes to.
#[derive(Clone, Debug)]
pub enum Target {
    /// A trunk.
    Trunk(Arc<Trunk>),
    /// An extension.
    Extension(Arc<Extension>),
    /// A stranger who called this extension. None is ever called, but one may go into another call.
    Guest(Arc<Extension>),
}

impl Target {
    /// Its media may go directly to the other side, if that side's may.
    pub(crate) fn direct_media(&self) -> bool {
        match self {
            Target::Trunk(trunk) => trunk.direct_media,
            Target::Extension(extension) => extension.direct_media,
            Target::Guest(_) => false,
        }
    }

    /// The same as the source of a call.
    pub fn as_source(&self) -> Source {
        match self {
            Target::Trunk(trunk) => Source::Trunk(trunk.clone()),
            Target::Extension(extension) => Source::Extension(extension.clone()),
            Target::Guest(extension) => Source::Guest(extension.clone()),
        }
    }
}

/// One way to reach a target: a device that registered, or the addresses of a trunk.
#[derive(Clone, Debug)]
pub struct Way {
    /// The registered Contact, for the Request-URI; `None` where the trunk's host is used.
    pub contact: Option<String>,
    /// Addresses, best first; at least one.
    pub flows: Vec<Flow>,
    /// Path to go by (RFC 3327).
    pub routes: Vec<String>,
}

/// The server as a call sees it.
pub trait Exchange {
    /// How a target can be reached now; several ways ring together. Empty: not at all.
    fn ways(&self, target: &Target) -> Vec<Way>;
    /// Where a number goes that this one dials, by the same rules as for a call of its own; or a status and why it goes nowhere.
    fn route(&self, who: &Source, dialled: &str) -> Result<Vec<Round>, (u16, String)>;
    /// Who may challenge us where this trunk is called; `None`: anybody.
    fn challengers(&self, trunk: &Trunk) -> Option<Arc<[IpNet]>>;
    /// A seat on the trunk of a step for a call to it, or the limit that is reached.
    fn take_seat(&mut self, step: &PlannedStep) -> Result<Seat, Full>;
    /// `host:port` with parameters of the listener that a flow uses, for our Contact.
    fn contact_host(&self, flow: &Flow) -> String;
    /// The address that our media is reached at by a peer on this flow.
    fn media_address(&self, flow: &Flow) -> IpAddr;
    /// Whether what is put out to be written is written in time, so that it is worth waiting for.
    fn store_keeps_up(&self) -> bool;
}
