//! The fault sweep: every flow with every packet lost, doubled or late, and random networks as bad as they come.
//!
//! After each run nothing of any call may be left, and every call that began has one record.
//! `SEEDS=100000 cargo test -p tandem-sim --test sweep random` runs more seeds; a failing one prints how to replay it.

mod chaos;
mod flows;
mod stage;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stage::{Outcome, Stage};
use std::time::Duration;
use tandem_sim::{Fate, Faults};

/// What is done to each packet in turn.
const FATES: [Fate; 3] = [Fate::Dropped, Fate::Doubled, Fate::Delayed(Duration::from_secs(2))];

/// Flows that end in one way or another, as packets arrive (a 180 that is lost is not sent again: it never rang).
const RACES: [&str; 5] = [
    "nobody_answers",
    "a_cancel_crosses_the_answer",
    "two_phones_answer_at_once",
    "byes_cross",
    "a_change_meets_a_bye",
];

/// Plays a flow undisturbed, then again with each of its packets treated in each way.
fn sweep(name: &str, flow: stage::Flow) {
    let is_race = RACES.contains(&name);
    let clean = Stage::new(1, Faults::default()).play(flow, |_| {});
    clean.check(name, None);
    assert!(clean.packets > 0, "{name}: nothing was sent");
    for n in 0..clean.packets {
        for fate in FATES {
            let outcome = Stage::new(1, Faults::default()).play(flow, move |w| w.set_fate(n, fate));
            let what = format!("{name}, packet {n} {fate:?}");
            outcome.check(&what, Some((&clean, is_race)));
        }
    }
}

/// The same with every two packets of a flow treated in every two ways.
fn sweep_pairs(name: &str, flow: stage::Flow) {
    let clean = Stage::new(1, Faults::default()).play(flow, |_| {});
    for n in 0..clean.packets {
        for m in n + 1..clean.packets {
            for (one, other) in FATES.iter().flat_map(|one| FATES.map(|other| (*one, other))) {
                let both = move |w: &mut tandem_sim::World| {
                    w.set_fate(n, one);
                    w.set_fate(m, other);
                };
                let what = format!("{name}, packets {n} {one:?} and {m} {other:?}");
                Stage::new(1, Faults::default()).play(flow, both).check(&what, None);
            }
        }
    }
}

/// The network of a seed: anything from good to 30 % loss with copies, and packets up to two seconds late.
fn bad_network(seed: u64) -> Faults {
    let mut rng = StdRng::seed_from_u64(seed);
    Faults {
        loss: rng.random_range(0.0..0.3),
        duplication: rng.random_range(0.0..0.2),
        reordering: rng.random_range(0.0..0.3),
        jitter: Duration::from_millis(rng.random_range(0..2_000)),
        ..Faults::default()
    }
}

fn random(seed: u64) {
    let flows = flows::ALL;
    let (name, flow) = flows[(seed % flows.len() as u64) as usize];
    let outcome: Outcome = Stage::new(seed, Faults::default()).play_random(flow, bad_network(seed));
    outcome.check(&format!("{name}; replay it with\n  SEED={seed} cargo test -p tandem-sim --test sweep random -- --nocapture\n"), None);
}

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// Seeds that this half of the work takes.
fn random_half(half: u64) {
    if let Some(seed) = from_env("SEED") {
        return if seed % 2 == half {
            random(seed)
        };
    }
    let seeds = from_env("SEEDS").unwrap_or(300);
    (0..seeds).filter(|seed| seed % 2 == half).for_each(random);
}

#[test]
fn random_networks_even() {
    random_half(0);
}

#[test]
fn random_networks_odd() {
    random_half(1);
}

#[test]
#[ignore = "takes a minute or two: cargo test -p tandem-sim --test sweep pairs -- --ignored"]
fn all_pairs_of_packets() {
    for (name, flow) in flows::ALL {
        sweep_pairs(name, *flow);
    }
}

macro_rules! sweeps {
    ($($name:ident),*) => {$(
        #[test]
        fn $name() {
            sweep(stringify!($name), flows::$name);
        }
    )*};
}

sweeps!(
    the_caller_hangs_up,
    the_callee_hangs_up,
    the_caller_cancels,
    a_cancel_crosses_the_answer,
    the_callee_is_busy,
    nobody_answers,
    two_phones_ring,
    two_phones_answer_at_once,
    the_third_trunk_answers,
    every_trunk_refuses,
    a_challenged_call_with_early_media,
    hold_and_resume,
    a_change_without_offer,
    changes_meet,
    an_offer_that_comes_late,
    byes_cross,
    a_change_meets_a_bye,
    a_call_in_transit,
    the_longest_duration,
    a_silent_address_is_passed_over,
    registrations_come_and_go
);
