//! Variations of an input for tests: what a fuzzer does, in small and always the same.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Pieces that change the meaning of a message.
const PIECES: [&str; 20] = [
    "\r\n",
    "\n",
    "\r\n\r\n",
    "\r\n ",
    "\0",
    ";",
    ",",
    "\"",
    "<",
    ">",
    "@",
    ":",
    "%00",
    "%41",
    "\u{e9}",
    "4294967296",
    "-1",
    ";tag=x",
    "Content-Length: 3\r\n",
    "SIP/2.0",
];

/// The seed with a few edits, decided by `n`.
pub fn vary(seed: &[u8], n: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(n);
    let mut data = seed.to_vec();
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..=data.len());
        match rng.random_range(0..5) {
            0 if at < data.len() => data[at] ^= 1 << rng.random_range(0..8),
            1 => drop(data.splice(at..at, PIECES[rng.random_range(0..PIECES.len())].bytes())),
            2 => {
                let end = (at + rng.random_range(1..20)).min(data.len());
                data.drain(at..end);
            }
            3 => {
                let end = (at + rng.random_range(1..60)).min(data.len());
                let copy = data[at..end].to_vec();
                let to = rng.random_range(0..=data.len());
                data.splice(to..to, copy);
            }
            _ => data.truncate(at.max(data.len() / 2)),
        }
    }
    data
}
