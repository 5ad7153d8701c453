//! `kill -9` in the middle of everything.

use crate::samples::{binding, id, record, trunk};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use tandem_model::{BindingChange, CallId, Change, Outcome};
use tandem_store::Store;

const FOLDER: &str = "TANDEM_STORE_CRASH_FOLDER";

/// The process to be killed: this test binary again, with a folder to write into. It prints what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_victim_writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = Store::open(Path::new(&folder)).await.unwrap();
    let writer = store.bindings_writer();
    for lane in 0..8_u64 {
        let writer = writer.clone();
        tokio::spawn(async move {
            for n in (lane..).step_by(8) {
                writer.write(vec![BindingChange::Put(binding(n))]).await.unwrap();
                say("binding", n);
            }
        });
    }
    for n in 0.. {
        store.apply(&[Change::Put(trunk(n, &format!("trunk{n}")))]).await.unwrap();
        say("trunk", n);
        store.write_records(&[record(n, 100, 200, Outcome::Busy)]).await.unwrap();
        say("record", n);
    }
}

fn say(what: &str, n: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "acknowledged {what} {n}").unwrap();
    out.flush().unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_victim_writes_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acknowledged: Vec<(String, u64)> = Vec::new();
    for line in lines {
        let mut words = line.split(' ');
        if words.next() == Some("acknowledged") {
            acknowledged.push((words.next().unwrap().to_owned(), words.next().unwrap().parse().unwrap()));
        }
        if acknowledged.len() == 2_000 {
            victim.kill().unwrap(); // what it said until then is still read
        }
    }
    victim.wait().unwrap();
    assert!(acknowledged.len() >= 2_000);

    let store = Store::open(folder.path()).await.unwrap();
    let trunks: Vec<_> = store.load_config().await.unwrap().iter().map(|entity| entity.id()).collect();
    let bindings = store.load_bindings().await.unwrap();
    for (what, n) in acknowledged {
        let there = match what.as_str() {
            "binding" => bindings.contains(&binding(n)),
            "trunk" => trunks.contains(&id(n)),
            _ => store.record(CallId(id(n))).await.unwrap().is_some(),
        };
        assert!(there, "{what} {n} was acknowledged and is lost");
    }
}
