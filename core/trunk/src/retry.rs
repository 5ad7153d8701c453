//! How long to wait after a failure: the fast lane for troubles that pass, the slow lane for refusals.

use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;

/// The slow lane begins here, so that no provider bans us.
const SLOW_FIRST: Duration = Duration::from_secs(5 * 60);
/// No wait is longer than this, whatever a Retry-After says.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);
/// A Retry-After below this is taken for this.
const SHORTEST: Duration = Duration::from_secs(5);

/// Base doubled with each failure in a row (`failures` counts from 1), up to `max`, spread by ±20 %.
pub(crate) fn fast(base: u32, max: u32, failures: u32, rng: &mut StdRng) -> Duration {
    let max = Duration::from_secs(u64::from(max.max(base)));
    spread(doubled(Duration::from_secs(u64::from(base.max(1))), failures, max), rng).min(max)
}

/// 5 minutes doubled with each refusal in a row, up to an hour, spread by ±20 %.
pub(crate) fn slow(refusals: u32, rng: &mut StdRng) -> Duration {
    spread(doubled(SLOW_FIRST, refusals, LONGEST), rng).min(LONGEST)
}

/// What the peer asked for in Retry-After, within bounds.
pub(crate) fn asked(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds)).clamp(SHORTEST, LONGEST)
}

fn doubled(first: Duration, failures: u32, max: Duration) -> Duration {
    let factor = 1_u32 << failures.saturating_sub(1).min(16);
    first.saturating_mul(factor).min(max)
}

fn spread(wait: Duration, rng: &mut StdRng) -> Duration {
    wait.mul_f64(rng.random_range(0.8..=1.2))
}

/// When a registration granted for `granted` is refreshed: `max(15 s, 10 %)` before its end, at half of it when it is
/// 30 s or shorter.
pub(crate) fn refresh_after(granted: Duration) -> Duration {
    if granted <= Duration::from_secs(30) {
        return granted / 2;
    }
    granted - Duration::from_secs(15).max(granted / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_registration_is_refreshed_a_tenth_or_fifteen_seconds_before_its_end() {
        assert_eq!(refresh_after(secs(3600)), secs(3240));
        assert_eq!(refresh_after(secs(120)), secs(105));
        assert_eq!(refresh_after(secs(60)), secs(45));
        assert_eq!(refresh_after(secs(31)), secs(16));
        assert_eq!(refresh_after(secs(30)), secs(15));
        assert_eq!(refresh_after(secs(4)), secs(2));
    }

    #[test]
    fn the_wait_doubles_to_its_cap_and_never_leaves_its_spread() {
        let mut rng = StdRng::seed_from_u64(1);
        for failures in 1..60 {
            let plain = secs(30 << (failures - 1).min(6)).min(secs(1800));
            let wait = fast(30, 1800, failures, &mut rng);
            assert!(
                wait >= plain.mul_f64(0.8) && wait <= plain.mul_f64(1.2).min(secs(1800)),
                "{failures}: {wait:?}"
            );
            let wait = slow(failures, &mut rng);
            assert!(wait >= secs(240) && wait <= LONGEST);
        }
        assert!(slow(9, &mut rng) >= secs(2880));
    }

    #[test]
    fn a_retry_after_is_obeyed_within_an_hour() {
        assert_eq!(asked(0), secs(5));
        assert_eq!(asked(77), secs(77));
        assert_eq!(asked(u32::MAX), secs(3600));
    }
}
