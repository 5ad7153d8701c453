//! Nonces that carry their own proof: the moment they were made and a keyed hash over it and the address they were given
//! to. Nothing is remembered of a nonce until a right password was seen with it, and of those a bounded number.

use super::server::same_text;
use rand::Rng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use tandem_sip_msg::Credentials;
use tandem_time::Time;

/// Nonces whose counts are remembered. Beyond, the oldest are declared too old, so that no count is ever forgotten of a
/// nonce that still holds.
const MAX_COUNTED: usize = 16_384;

/// How far below the highest count a late one may be.
const WINDOW: u32 = 64;

/// What is to be thought of a nonce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// We made it for this address, and not too long ago.
    Fresh(Ticket),
    /// Too old, made for another address, or not ours (any more): to be answered with a new one, `stale=true`.
    Stale,
}

/// A nonce that [`Nonces::standing`] found fresh, as its maker knows it: by age, then by chance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(u64, u64);

/// Makes nonces and counts their uses.
pub struct Nonces {
    secret: [u8; 32],
    lifetime: Duration,
    counted: BTreeMap<Ticket, Count>,
    /// Tickets up to here are too old, whatever their lifetime.
    floor: Option<Ticket>,
}

/// The nonce counts seen: the highest, and which of the 64 below it.
#[derive(Clone, Copy, Default)]
struct Count {
    highest: u32,
    /// Bit n: `highest - n` was seen.
    seen: u64,
}

impl Nonces {
    /// Nonces that hold for `lifetime`. Who has the secret can make them.
    pub fn new(secret: [u8; 32], lifetime: Duration) -> Nonces {
        Nonces { secret, lifetime, counted: BTreeMap::new(), floor: None }
    }

    /// A new nonce for someone at this address.
    pub fn issue(&self, to: IpAddr, rng: &mut StdRng, now: Time) -> String {
        let ticket = Ticket(now.as_micros(), rng.next_u64());
        format!("{:016x}{:016x}{}", ticket.0, ticket.1, self.proof(ticket, to))
    }

    /// What a nonce is worth when it comes from this address.
    pub fn standing(&self, nonce: &str, from: IpAddr, now: Time) -> Standing {
        let read = |at: usize| u64::from_str_radix(nonce.get(at..at + 16)?, 16).ok();
        let (Some(made), Some(chance), Some(proof)) = (read(0), read(16), nonce.get(32..)) else {
            return Standing::Stale;
        };
        let ticket = Ticket(made, chance);
        let age = now.since(Time::from_micros(made));
        let ours = same_text(self.proof(ticket, from).as_bytes(), proof.as_bytes());
        let made_before = made <= now.as_micros();
        if ours && made_before && age < self.lifetime && self.floor.is_none_or(|floor| ticket > floor) {
            Standing::Fresh(ticket)
        } else {
            Standing::Stale
        }
    }

    /// Notes a use of a nonce by credentials that were found right. `false`: their count was used before, or is none; they
    /// are to be answered with a new nonce, `stale=true`. A count a little out of order is let through.
    pub fn spend(&mut self, ticket: Ticket, credentials: &Credentials, now: Time) -> bool {
        let nc = match (&credentials.qop, &credentials.nc) {
            // Without a count a nonce serves once.
            (None, _) => u32::MAX,
            (Some(_), Some(nc)) if nc.len() <= 8 && nc.bytes().all(|b| b.is_ascii_hexdigit()) => {
                u32::from_str_radix(nc, 16).unwrap_or(0)
            }
            _ => 0,
        };
        self.forget_expired(now);
        let count = self.counted.entry(ticket).or_default();
        let fresh = (credentials.qop.is_some() || count.highest == 0) && count.take(nc);
        if self.counted.len() > MAX_COUNTED
            && let Some((oldest, _)) = self.counted.pop_first()
        {
            self.floor = self.floor.max(Some(oldest));
        }
        fresh
    }

    /// Nonces remembered now.
    pub fn counted(&self) -> usize {
        self.counted.len()
    }

    fn forget_expired(&mut self, now: Time) {
        while let Some(entry) = self.counted.first_entry() {
            if now.since(Time::from_micros(entry.key().0)) < self.lifetime {
                return;
            }
            entry.remove();
        }
    }

    /// HMAC-SHA-256 (RFC 2104), cut to 128 bits.
    fn proof(&self, ticket: Ticket, whose: IpAddr) -> String {
        let pad = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(self.secret).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(ticket.0.to_be_bytes())
            .chain_update(ticket.1.to_be_bytes())
            .chain_update(whose.to_canonical().to_string().as_bytes())
            .finalize();
        let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        hex::encode(&outer[..16])
    }
}

impl Count {
    /// Takes a count if it is new: above the highest, or within the window below it and not seen.
    fn take(&mut self, nc: u32) -> bool {
        if nc == 0 {
            return false;
        }
        if nc > self.highest {
            let step = nc - self.highest;
            self.seen = if step < WINDOW { self.seen << step } else { 0 } | 1;
            self.highest = nc;
            return true;
        }
        let back = self.highest - nc;
        if back >= WINDOW || self.seen & (1 << back) != 0 {
            return false;
        }
        self.seen |= 1 << back;
        true
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("counted", &self.counted.len()).finish_non_exhaustive()
    }
}
