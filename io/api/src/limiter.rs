//! Counts wrong tokens by source address, in a table that cannot grow.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong tokens that an address may try in a window before each further one is answered late.
const ALLOWED: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
const ADDRESSES: usize = 1024;

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Limiter(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Limiter {
    /// Counts a wrong token; true when there were too many. A right one is never looked up here: whoever shares an
    /// address with a guesser, behind a proxy say, is not held up by him.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) -> bool {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = network(address);
        if !table.contains_key(&key) && table.len() >= ADDRESSES {
            make_room(&mut table, now);
        }
        let failures = table.entry(key).or_insert(Failures { count: 0, since: now });
        if now.duration_since(failures.since) >= WINDOW {
            *failures = Failures { count: 0, since: now };
        }
        failures.count = failures.count.saturating_add(1);
        failures.count > ALLOWED
    }
}

fn make_room(table: &mut HashMap<IpAddr, Failures>, now: Instant) {
    table.retain(|_, failures| now.duration_since(failures.since) < WINDOW);
    if table.len() >= ADDRESSES {
        let oldest = table.iter().min_by_key(|(_, failures)| failures.since).map(|(address, _)| *address);
        oldest.map(|address| table.remove(&address));
    }
}

/// IPv6 hosts own a /64 and would otherwise have a fresh address for every guess.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_wrong_token_in_a_minute_is_too_many() {
        let (limiter, start) = (Limiter::default(), Instant::now());
        let guesser = "192.0.2.1".parse().unwrap();
        assert!((0..ALLOWED).all(|_| !limiter.failed(guesser, start)));
        let later = start + Duration::from_secs(20);
        assert!(limiter.failed(guesser, later));
        assert!(!limiter.failed("192.0.2.2".parse().unwrap(), later), "somebody else");
        assert!(!limiter.failed(guesser, start + WINDOW), "a minute later");
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        let failed = (0..=ALLOWED).map(|n| limiter.failed(format!("2001:db8::{n}").parse().unwrap(), now));
        assert_eq!(failed.last(), Some(true));
    }

    #[test]
    fn the_table_does_not_grow_beyond_its_bound() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        for n in 0..5_000_u32 {
            limiter.failed(IpAddr::V4(n.into()), now);
        }
        assert_eq!(limiter.0.lock().unwrap().len(), ADDRESSES);
    }
}
