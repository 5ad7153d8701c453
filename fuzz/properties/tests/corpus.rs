//! The seeds of every fuzz target, and variations of them.

use std::fs;
use std::path::{Path, PathBuf};
use tandem_properties::{engine, media, message, sdp, stream, uri, vary};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder, in order.
fn files(folder: PathBuf) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    files(root().join("../seeds").join(target))
}

/// Runs a property over seeds and so many variations of each.
fn replay(seeds: &[(PathBuf, Vec<u8>)], variations: u64, property: fn(&[u8])) {
    assert!(!seeds.is_empty());
    for (path, seed) in seeds {
        for n in 0..=variations {
            let data = if n == 0 { seed.clone() } else { vary(seed, n) };
            let shown = data.clone();
            if std::panic::catch_unwind(move || property(&data)).is_err() {
                panic!("{}, variation {n}: {:?}", path.display(), String::from_utf8_lossy(&shown));
            }
        }
    }
}

/// Also the torture messages of RFC 4475 and RFC 5118.
fn all_messages() -> Vec<(PathBuf, Vec<u8>)> {
    let tests = root().join("../../core/sip-msg/tests");
    [seeds("message"), files(tests.join("rfc4475")), files(tests.join("rfc5118"))].concat()
}

#[test]
fn messages() {
    replay(&all_messages(), 40, message);
}

#[test]
fn streams() {
    replay(&seeds("stream"), 300, stream);
}

#[test]
fn uris() {
    replay(&seeds("uri"), 2_000, uri);
}

#[test]
fn descriptions() {
    replay(&seeds("sdp"), 200, sdp);
}

#[test]
fn packets() {
    replay(&seeds("media"), 300, media);
}

#[test]
fn dialogues() {
    replay(&seeds("engine"), 6, engine);
}

#[test]
fn a_failing_case_of_a_fuzzer_is_replayed() {
    let Some(case) = std::env::var_os("CASE") else { return };
    let path = PathBuf::from(case);
    let data = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let target = std::env::var("TARGET").unwrap_or_default();
    match target.as_str() {
        "message" => message(&data),
        "stream" => stream(&data),
        "uri" => uri(&data),
        "sdp" => sdp(&data),
        "media" => media(&data),
        "engine" => engine(&data),
        other => panic!("TARGET={other:?} names no target"),
    }
}
