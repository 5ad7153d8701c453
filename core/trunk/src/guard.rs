//! Who has tried too many wrong passwords. The table is bounded, and only wrong answers to our own challenges count: those
//! prove that the address is the sender's, so that nobody can have another one shut out.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use tandem_time::Time;

/// How many wrong passwords are too many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuardLimits {
    /// Wrong answers within `window` that shut a source out; 0: nobody ever is.
    pub failures: u32,
    /// How long a wrong answer counts.
    pub window: Duration,
    /// For how long a source is shut out.
    pub block: Duration,
}

impl Default for GuardLimits {
    /// 50 in 5 minutes, 10 minutes.
    fn default() -> GuardLimits {
        GuardLimits { failures: 50, window: Duration::from_secs(300), block: Duration::from_secs(600) }
    }
}

/// Sources remembered; beyond, the one that came first is forgotten.
const MAX_SOURCES: usize = 8_192;

/// Sources with wrong passwords.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    limits: GuardLimits,
    sources: BTreeMap<IpAddr, Tally>,
    /// In the order they came; one that was forgiven may still stand here.
    order: VecDeque<(IpAddr, u64)>,
    next: u64,
}

#[derive(Debug)]
struct Tally {
    number: u64,
    since: Time,
    wrong: u32,
    banned_until: Option<Time>,
}

impl Guard {
    pub(crate) fn new(limits: GuardLimits) -> Guard {
        Guard { limits, ..Guard::default() }
    }

    /// Whether nothing of this source is looked at now.
    pub(crate) fn is_banned(&self, source: IpAddr, now: Time) -> bool {
        let tally = self.sources.get(&network(source));
        tally.and_then(|tally| tally.banned_until).is_some_and(|until| now < until)
    }

    /// Whom nothing of is looked at now: a number for each, and until when.
    pub(crate) fn shut_out(&self, now: Time) -> impl Iterator<Item = (u64, IpAddr, Time)> {
        let until = move |tally: &Tally| tally.banned_until.filter(|until| now < *until);
        self.sources.iter().filter_map(move |(source, tally)| Some((tally.number, *source, until(tally)?)))
    }

    /// Counts a wrong password; whether it is the one that shuts the source out.
    pub(crate) fn wrong(&mut self, source: IpAddr, now: Time) -> bool {
        let source = network(source);
        let limits = self.limits;
        let next = &mut self.next;
        let order = &mut self.order;
        let tally = self.sources.entry(source).or_insert_with(|| {
            *next += 1;
            order.push_back((source, *next));
            Tally { number: *next, since: now, wrong: 0, banned_until: None }
        });
        if now.since(tally.since) >= limits.window {
            tally.since = now;
            tally.wrong = 0;
        }
        tally.wrong += 1;
        let shut_out = limits.failures != 0 && tally.wrong >= limits.failures;
        if shut_out {
            tally.banned_until = Some(now + limits.block);
            tally.wrong = 0;
        }
        self.bound();
        shut_out
    }

    /// A right password: what was before is forgiven.
    pub(crate) fn right(&mut self, source: IpAddr) {
        self.sources.remove(&network(source));
    }

    fn bound(&mut self) {
        while self.order.len() > 2 * MAX_SOURCES || self.sources.len() > MAX_SOURCES {
            let Some((source, number)) = self.order.pop_front() else { return };
            if self.sources.get(&source).is_some_and(|tally| tally.number == number) {
                self.sources.remove(&source);
            }
        }
    }
}

/// Who has one address of a /64 has them all.
pub fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn fifty_wrong_passwords_in_five_minutes_shut_a_source_out_for_ten() {
        let mut guard = Guard::default();
        for second in 0..50 {
            assert!(!guard.is_banned(ip(1), Time::from_secs(second)));
            assert_eq!(guard.wrong(ip(1), Time::from_secs(second)), second == 49);
        }
        assert!(guard.is_banned(ip(1), Time::from_secs(50)));
        assert!(!guard.is_banned(ip(2), Time::from_secs(50)));
        assert!(guard.is_banned(ip(1), Time::from_secs(648)));
        assert!(!guard.is_banned(ip(1), Time::from_secs(650)));
    }

    #[test]
    fn without_a_limit_nobody_is_shut_out() {
        let mut guard = Guard::new(GuardLimits { failures: 0, ..GuardLimits::default() });
        for _ in 0..1000 {
            assert!(!guard.wrong(ip(1), Time::from_secs(1)));
        }
        assert!(!guard.is_banned(ip(1), Time::from_secs(1)));
    }

    #[test]
    fn wrong_passwords_now_and_then_shut_nobody_out() {
        let mut guard = Guard::default();
        for n in 0..200 {
            guard.wrong(ip(1), Time::from_secs(n * 7));
            assert!(!guard.is_banned(ip(1), Time::from_secs(n * 7)));
        }
    }

    #[test]
    fn a_success_forgives() {
        let mut guard = Guard::default();
        for _ in 0..49 {
            guard.wrong(ip(1), Time::from_secs(1));
        }
        guard.right(ip(1));
        guard.wrong(ip(1), Time::from_secs(1));
        assert!(!guard.is_banned(ip(1), Time::from_secs(1)));
    }

    #[test]
    fn a_million_sources_cost_no_more_than_the_table() {
        let mut guard = Guard::default();
        for n in 0..200_000 {
            guard.wrong(ip(n), Time::from_secs(1));
            if n % 3 == 0 {
                guard.right(ip(n));
            }
        }
        assert!(guard.sources.len() <= MAX_SOURCES && guard.order.len() <= 2 * MAX_SOURCES);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_source() {
        let mut guard = Guard::default();
        for n in 0..50_u16 {
            guard.wrong(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]), Time::from_secs(1));
        }
        assert!(guard.is_banned("2001:db8::ffff".parse().unwrap(), Time::from_secs(2)));
    }
}
