//! The calling side of a call: its leg, its media and who it is.

use crate::Identity;
use crate::change::Talker;
use crate::media_end::MediaEnd;
use crate::{Limits, Seat, Target};
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{Codec, Extension, Party, TenantId, Trunk};
use tandem_sip_dialog::Leg;

/// Who calls, as identified.
#[derive(Clone, Debug)]
pub enum Source {
    /// One of our extensions, authenticated.
    Extension(Arc<Extension>),
    /// A trunk, identified.
    Trunk(Arc<Trunk>),
    /// A stranger who knows the direct token of this extension, and may call it; nothing else is known of them.
    Guest(Arc<Extension>),
}

impl Source {
    /// The tenant that it belongs to; none: the system.
    pub fn tenant_id(&self) -> Option<TenantId> {
        match self {
            Source::Extension(extension) | Source::Guest(extension) => extension.tenant_id,
            Source::Trunk(trunk) => trunk.tenant_id,
        }
    }

    /// Codecs that this side may use.
    pub fn codecs(&self) -> &[Codec] {
        match self {
            Source::Extension(extension) | Source::Guest(extension) => &extension.codecs,
            Source::Trunk(trunk) => &trunk.codecs,
        }
    }

    /// Whether its settings let a codec of its list be used.
    pub(crate) fn may_use(&self, codec: Codec) -> bool {
        match self {
            Source::Extension(_) | Source::Guest(_) => true,
            Source::Trunk(trunk) => trunk.may_use(codec),
        }
    }

    /// How long it may send no RTP, and how long while either side holds; `None`: for ever.
    pub(crate) fn media_timeouts(&self, limits: &Limits) -> (Option<Duration>, Option<Duration>) {
        let of = |seconds: Option<u32>, usual| match seconds {
            None => usual,
            Some(0) => None,
            Some(seconds) => Some(Duration::from_secs(seconds.into())),
        };
        match self {
            Source::Extension(_) | Source::Guest(_) => (limits.media_timeout, limits.hold_timeout),
            Source::Trunk(trunk) => {
                (of(trunk.rtp_timeout, limits.media_timeout), of(trunk.rtp_timeout_hold, limits.hold_timeout))
            }
        }
    }

    /// Its media may go directly to the other side, if that side's may.
    pub(crate) fn direct_media(&self) -> bool {
        match self {
            Source::Extension(extension) => extension.direct_media,
            Source::Trunk(trunk) => trunk.direct_media,
            // It is shown no address but ours.
            Source::Guest(_) => false,
        }
    }

    /// How long its session may go on without a refresh, seconds; 0: as long as it likes.
    pub(crate) fn session_timer(&self, limits: &Limits) -> u32 {
        match self {
            Source::Extension(_) | Source::Guest(_) => limits.session_timer,
            Source::Trunk(trunk) => trunk.session_timer,
        }
    }

    /// Whether it may transfer calls.
    pub fn may_transfer(&self) -> bool {
        match self {
            Source::Extension(_) => true,
            Source::Trunk(trunk) => trunk.allow_transfer,
            Source::Guest(_) => false,
        }
    }

    /// Whether digits go to and from it by INFO.
    pub(crate) fn tells_digits(&self) -> bool {
        match self {
            Source::Extension(_) | Source::Guest(_) => true,
            Source::Trunk(trunk) => trunk.tells_digits(),
        }
    }

    /// Whether both are the same extension or trunk. Of a guest nobody knows.
    pub fn is_same(&self, other: &Source) -> bool {
        match (self, other) {
            (Source::Extension(one), Source::Extension(other)) => one.id == other.id,
            (Source::Trunk(one), Source::Trunk(other)) => one.id == other.id,
            _ => false,
        }
    }

    /// Itself as a party of a call.
    pub fn as_party(&self) -> Party {
        match self {
            Source::Extension(extension) => Party {
                extension_id: Some(extension.id),
                trunk_id: None,
                number: extension.number.clone(),
                name: Some(extension.name.clone()),
            },
            Source::Trunk(trunk) => Party {
                extension_id: None,
                trunk_id: Some(trunk.id),
                number: String::new(),
                name: Some(trunk.name.clone()),
            },
            Source::Guest(_) => Party::default(),
        }
    }

    /// The same as the target of a call.
    pub fn as_target(&self) -> Target {
        match self {
            Source::Extension(extension) => Target::Extension(extension.clone()),
            Source::Trunk(trunk) => Target::Trunk(trunk.clone()),
            Source::Guest(extension) => Target::Guest(extension.clone()),
        }
    }
}

/// Who calls and what is known of them when the call begins.
pub struct Caller {
    /// Who.
    pub source: Source,
    /// Number and name as they go into the record.
    pub party: Party,
    /// What the called side may be told of it.
    pub identity: Identity,
    /// Headers of its INVITE that trunks of its call are told, as they are named there.
    pub headers: Vec<(String, String)>,
    /// The seat on the calling trunk.
    pub seat: Option<Seat>,
}

/// The calling side while the call lives.
pub(crate) struct CallerSide {
    pub(crate) who: Caller,
    pub(crate) leg: Leg,
    pub(crate) media: MediaEnd,
    /// It was told of ringing or early media.
    pub(crate) told: bool,
    /// It asked us for an offer instead of making one.
    pub(crate) late: bool,
}

impl CallerSide {
    pub(crate) fn talker(&mut self) -> Talker<'_> {
        Talker { leg: &mut self.leg, media: &mut self.media }
    }
}
