//! Random seeds on every core: which are played, how fast, and what is said of one that fails.
//!
//! `make sim SEEDS=100000` plays seeds from `FROM` (0) on, until one fails or `KEEP_GOING` have; `FLOW="anything goes"` leaves out those
//! of other flows. `make sim SEED=n` plays one and shows its ladder.

use crate::flows;
use crate::stage::{Outcome, Stage};
use crate::weather::Weather;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{available_parallelism, scope};
use std::time::Instant;

/// Played where nobody says how many.
const FEW: u64 = 100;

/// Plays the seed that the environment names, or as many as it says.
pub fn play() {
    match from_env("SEED") {
        Some(seed) => show(seed),
        None => play_all(from_env("FROM").unwrap_or(0), from_env("SEEDS").unwrap_or(FEW)),
    }
}

fn from_env(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

fn show(seed: u64) {
    let (what, outcome) = play_one(seed);
    println!("seed {seed}: {what}\n{}", outcome.ladder());
    match outcome.wrong() {
        Some(wrong) => panic!("seed {seed}: {wrong}"),
        None => println!("no violation"),
    }
}

fn play_all(first: u64, count: u64) {
    let next = AtomicU64::new(first);
    let failures = AtomicU64::new(0);
    let enough = from_env("KEEP_GOING").unwrap_or(1);
    let wanted = std::env::var("FLOW").ok().filter(|flow| !flow.is_empty());
    let begun = Instant::now();
    let mut failed: Vec<(u64, String)> = scope(|scope| {
        let work = || {
            let mut failed = Vec::new();
            while failures.load(Ordering::Relaxed) < enough {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + count {
                    break;
                }
                if wanted.as_ref().is_some_and(|wanted| wanted != flow_of(seed).0) {
                    continue;
                }
                if let Some(why) = verdict(seed) {
                    failures.fetch_add(1, Ordering::Relaxed);
                    failed.push((seed, why));
                }
            }
            failed
        };
        let threads = available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    failed.sort();
    for (seed, why) in &failed[1.min(failed.len())..] {
        println!("seed {seed} fails too: {}", why.lines().last().unwrap_or_default());
    }
    let Some((seed, why)) = failed.into_iter().next() else {
        let rate = count as f64 / begun.elapsed().as_secs_f64();
        return println!("{count} seeds from {first}: no violation, {rate:.0} seeds a second");
    };
    panic!("seed {seed} fails: {why}\nreplay it with\n  make sim SEED={seed}\n");
}

/// What is wrong with a seed, with its ladder.
fn verdict(seed: u64) -> Option<String> {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let (what, outcome) = play_one(seed);
        outcome.wrong().map(|wrong| format!("{what}\n{}\n{wrong}", outcome.ladder()))
    }));
    played.unwrap_or_else(|why| Some(words(&*why)))
}

fn flow_of(seed: u64) -> (&'static str, fn(&mut Stage)) {
    flows::of_seed(seed)
}

fn play_one(seed: u64) -> (String, Outcome) {
    let (name, flow) = flow_of(seed);
    let weather = Weather::of(seed);
    (format!("{name}; {weather}"), Stage::in_weather(seed, weather).play_random(flow))
}

/// What a panic said.
fn words(why: &(dyn Any + Send)) -> String {
    let text =
        why.downcast_ref::<String>().map(String::as_str).or_else(|| why.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}
