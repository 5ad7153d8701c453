//! Prints what hostile datagrams cost an engine, the worst first: `cargo run --release -p tandem-sim --example datagram_cost`.

#[allow(dead_code)]
#[path = "../tests/hostile/bench.rs"]
mod bench;
#[path = "../tests/hostile/generators.rs"]
mod generators;

use bench::{Bench, From};
use std::time::Duration;

/// The largest payload of a datagram over IPv4.
const SIZE: usize = 65_000;
const SHOWN: usize = 20;
/// Other work on the machine is not ours: the best of so many tries, each with a datagram that was not seen before.
const TRIES: usize = 9;

fn main() {
    let mut found: Vec<(Duration, From, String)> = Vec::new();
    for from in [From::Trunk, From::Stranger] {
        let names = generators::all(SIZE).into_iter().map(|datagram| datagram.name);
        let mut best: Vec<(Duration, From, String)> = names.map(|name| (Duration::MAX, from, name)).collect();
        for _ in 0..TRIES {
            let mut bench = Bench::new();
            for (datagram, best) in generators::all(SIZE).iter().zip(&mut best) {
                best.0 = best.0.min(bench.cost(datagram, from).time);
            }
        }
        found.extend(best);
    }
    found.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
    println!("{} datagrams; ms each, the worst {SHOWN}:", found.len());
    for (time, from, name) in found.iter().take(SHOWN) {
        println!("{:8.3}  {from:?}: {name}", time.as_secs_f64() * 1000.0);
    }
}
