//! Where registered devices are: bindings by their owner, by the address and the connection they came from, and by the
//! moment they end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use tandem_model::{Binding, BindingOwner};
use tandem_sip_msg::{ConnectionId, Flow};
use tandem_time::Time;

/// A way to a registered device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// Whose device.
    pub owner: BindingOwner,
    /// Its Contact URI: the Request-URI of what is sent to it.
    pub uri: String,
    /// The way it registered by: requests take it back.
    pub flow: Flow,
    /// Route header values, outermost first (RFC 3327 §5.3).
    pub path: Vec<String>,
}

/// A binding in memory. The number tells which is newer.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) number: u64,
    pub(crate) binding: Binding,
}

/// All bindings.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    /// The most recent last.
    by_owner: BTreeMap<BindingOwner, Vec<Bound>>,
    by_number: BTreeMap<u64, BindingOwner>,
    by_source: BTreeMap<SocketAddr, Vec<u64>>,
    by_connection: BTreeMap<u64, Vec<u64>>,
    last_number: u64,
}

/// The second that `now` is in or at the end of: what is granted from it is never too short.
pub(crate) fn second(now: Time) -> u64 {
    now.as_micros().div_ceil(1_000_000)
}

impl Bindings {
    /// Adds a binding or replaces the one of its owner and Contact; returns its number.
    pub(crate) fn put(&mut self, binding: Binding) -> u64 {
        self.remove(binding.owner, &binding.contact);
        self.last_number += 1;
        let number = self.last_number;
        self.by_number.insert(number, binding.owner);
        self.by_source.entry(binding.source).or_default().push(number);
        if let Some(connection) = binding.connection {
            self.by_connection.entry(connection).or_default().push(number);
        }
        self.by_owner.entry(binding.owner).or_default().push(Bound { number, binding });
        number
    }

    /// Removes a binding by its Contact as text.
    pub(crate) fn remove(&mut self, owner: BindingOwner, contact: &str) -> Option<Binding> {
        let all = self.by_owner.get_mut(&owner)?;
        let at = all.iter().position(|bound| bound.binding.contact == contact)?;
        let bound = all.remove(at);
        if all.is_empty() {
            self.by_owner.remove(&owner);
        }
        self.by_number.remove(&bound.number);
        drop_number(&mut self.by_source, &bound.binding.source, bound.number);
        if let Some(connection) = bound.binding.connection {
            drop_number(&mut self.by_connection, &connection, bound.number);
        }
        Some(bound.binding)
    }

    /// Everyone's, the most recent last.
    pub(crate) fn of(&self, owner: BindingOwner) -> &[Bound] {
        self.by_owner.get(&owner).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn by_number(&self, number: u64) -> Option<&Binding> {
        let owner = self.by_number.get(&number)?;
        self.of(*owner).iter().find(|bound| bound.number == number).map(|bound| &bound.binding)
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = BindingOwner> + '_ {
        self.by_owner.keys().copied()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Binding> {
        self.by_owner.values().flatten().map(|bound| &bound.binding)
    }

    /// Who registered from exactly this address; `None` as well when several did, for none of them can be told.
    pub(crate) fn at(&self, source: SocketAddr, now: Time) -> Option<BindingOwner> {
        let numbers = self.by_source.get(&source)?;
        let mut owner = None;
        for number in numbers {
            let Some(binding) = self.by_number(*number).filter(|b| b.expires_at > now.as_secs()) else {
                continue;
            };
            match owner {
                Some(other) if other != binding.owner => return None,
                _ => owner = Some(binding.owner),
            }
        }
        owner
    }

    /// A connection is gone.
    pub(crate) fn disconnected(&mut self, connection: ConnectionId) {
        for number in self.by_connection.remove(&connection.0).unwrap_or_default() {
            let Some(owner) = self.by_number.get(&number) else { continue };
            let all = self.by_owner.get_mut(owner).map(Vec::as_mut_slice).unwrap_or_default();
            if let Some(bound) = all.iter_mut().find(|bound| bound.number == number) {
                bound.binding.connection = None;
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }
}

fn drop_number<K: Ord>(map: &mut BTreeMap<K, Vec<u64>>, key: &K, number: u64) {
    if let Some(numbers) = map.get_mut(key) {
        numbers.retain(|n| *n != number);
        if numbers.is_empty() {
            map.remove(key);
        }
    }
}
