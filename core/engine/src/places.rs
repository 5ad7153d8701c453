//! Where legs are: in the call and at the place that their tags name, but for those that went into another call.

use std::collections::BTreeMap;
use tandem_call::LEGS;
use tandem_sip_txn::Owner;

/// A call's number, and the leg there.
pub(crate) type Place = (u64, usize);

/// The legs that went into another call, by the place where each began; as many as there are, each once.
#[derive(Debug, Default)]
pub(crate) struct Places(BTreeMap<Owner, Place>);

impl Places {
    /// The call and the leg that a transaction owner names: where the leg is now.
    pub(crate) fn of(&self, owner: Owner) -> Place {
        self.0.get(&owner).copied().unwrap_or((owner / LEGS, (owner % LEGS) as usize))
    }

    /// A leg went into another call.
    pub(crate) fn moved(&mut self, owner: Owner, to: Place) {
        self.0.insert(owner, to);
    }

    /// A call is gone, and with it this leg, unless it has gone on.
    pub(crate) fn gone(&mut self, owner: Owner, from: Place) {
        if self.0.get(&owner) == Some(&from) {
            self.0.remove(&owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_is_where_its_tag_says_until_it_moves() {
        let mut places = Places::default();
        let owner = 7 * LEGS + 2;
        assert_eq!(places.of(owner), (7, 2));
        places.moved(owner, (9, 3));
        places.moved(owner, (12, 5));
        assert_eq!(places.of(owner), (12, 5));
        places.gone(owner, (9, 3));
        assert_eq!(places.of(owner), (12, 5), "the call that it left says nothing of it");
        places.gone(owner, (12, 5));
        assert!(places.0.is_empty());
    }
}
