//! Devices that leave a challenge unanswered because it names an algorithm beside the one they know.
//!
//! RFC 8760 has a client skip what it does not know, but libre up to 1.x (baresip 1.0) gives up on the whole challenge.
//! So whoever comes again without credentials, from the same address for the same user, is asked with MD5 alone.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

/// Devices remembered; strangers cannot make it grow, only forget.
const SLOTS: usize = 4096;

#[derive(Debug)]
pub(crate) struct Shy {
    unanswered: Box<[u64]>,
}

impl Default for Shy {
    fn default() -> Shy {
        Shy { unanswered: vec![0; SLOTS].into() }
    }
}

impl Shy {
    /// Notes that a device is challenged; whether it was before, and did not answer with anything but MD5.
    pub(crate) fn challenged(&mut self, source: IpAddr, user: &str) -> bool {
        let (slot, mark) = self.slot(source, user);
        std::mem::replace(slot, mark) == mark
    }

    /// It answered with a better algorithm than MD5.
    pub(crate) fn answered_well(&mut self, source: IpAddr, user: &str) {
        let (slot, mark) = self.slot(source, user);
        if *slot == mark {
            *slot = 0;
        }
    }

    fn slot(&mut self, source: IpAddr, user: &str) -> (&mut u64, u64) {
        let mut hasher = DefaultHasher::new();
        (source, user).hash(&mut hasher);
        let mark = hasher.finish().max(1);
        (&mut self.unanswered[mark as usize % SLOTS], mark)
    }
}
