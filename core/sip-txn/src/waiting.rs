//! Who waits where for a first response, so that ICMP messages find them (RFC 3261 §17.1.4).

use crate::ClientKey;
use crate::clients::{Client, Input};
use crate::layer::Transactions;
use std::net::SocketAddr;
use tandem_time::Time;

/// How many client transactions wait for a first response, by the hash of whom they wait for: an ICMP message about an
/// address where nobody waits, which anyone can provoke, costs no search.
pub(crate) struct Waiting {
    counts: Box<[u32; 1024]>,
    hasher: ahash::RandomState,
}

impl Waiting {
    pub(crate) fn new(hasher: ahash::RandomState) -> Waiting {
        Waiting { counts: Box::new([0; 1024]), hasher }
    }

    /// The count of those who wait for `remote`, and maybe for some other.
    pub(crate) fn at(&mut self, remote: SocketAddr) -> &mut u32 {
        let slot = self.hasher.hash_one(remote) as usize % 1024;
        &mut self.counts[slot]
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.iter().all(|&count| count == 0)
    }
}

impl Transactions {
    pub(crate) fn fail_waiting_for(&mut self, remote: SocketAddr, now: Time) {
        if *self.waiting.at(remote) == 0 {
            return;
        }
        let there = |client: &Client| client.waits() && client.flow.remote == remote;
        let keys: Vec<ClientKey> =
            self.clients.iter().filter(|(_, client)| there(client)).map(|(key, _)| key).collect();
        for key in keys {
            self.feed_client(key, Input::Unreachable, now);
        }
    }
}
