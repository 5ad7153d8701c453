//! What is told of calls, from one server to the next.

use crate::samples::{id, record, store};
use std::sync::mpsc::channel;
use std::time::Duration;
use tandem_model::{CallId, CallRecord, Outcome};
use tandem_store::Store;

const PATIENCE: Duration = Duration::from_secs(20);

fn call(n: u64) -> CallRecord {
    record(n, 100, 200, Outcome::Answered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_were_up_when_the_server_died_have_a_record_each() {
    let (store, _folder) = store().await;
    let (sender, written) = channel();
    let (writer, task, up) = store.calls_writer(move |id| sender.send(id).unwrap()).await.unwrap();
    assert_eq!(up, 0);
    writer.open(1, call(1));
    writer.open(2, call(2));
    let ended = CallRecord { duration_ms: 5_000, ..call(1) };
    writer.keep(3, ended.clone());
    while written.recv_timeout(PATIENCE).unwrap() < 3 {}
    // As after `kill -9`: what is left is the journal.
    drop(writer);
    task.abort();
    let (_writer, _task, up) = store.calls_writer(|_| ()).await.unwrap();
    assert_eq!(up, 1);
    assert_eq!(store.record(ended.id).await.unwrap(), Some(ended));
    assert_eq!(store.record(CallId(id(2))).await.unwrap(), Some(call(2)));
    let (_writer, _task, up) = store.calls_writer(|_| ()).await.unwrap();
    assert_eq!(up, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_in_the_database_when_the_writer_has_ended() {
    let (store, folder) = store().await;
    let (writer, task, _) = store.calls_writer(|_| ()).await.unwrap();
    // More than a file of the journal takes.
    for n in 0..5_000 {
        writer.open(2 * n, call(n));
        writer.keep(2 * n + 1, call(n));
    }
    let again = writer.clone();
    drop(writer);
    drop(again);
    task.await.unwrap();
    for n in [0, 1, 2_500, 4_999] {
        assert!(store.record(CallId(id(n))).await.unwrap().is_some(), "{n}");
    }
    drop(store);
    let files = std::fs::read_dir(folder.path()).unwrap().filter_map(Result::ok);
    let journals = files.filter(|file| file.file_name().to_string_lossy().ends_with(".journal")).count();
    assert!((1..=5).contains(&journals), "{journals}");
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.calls_writer(|_| ()).await.unwrap().2, 0);
}
