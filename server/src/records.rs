//! Call records on their way to the store: kept here and tried again while the store cannot take them. Whoever waits for one to
//! be on disk is told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tandem_model::CallRecord;
use tandem_store::Store;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Records written with one transaction at most.
const BATCH: usize = 256;
/// Transactions begin this far apart: what comes meanwhile is written together, since a transaction costs far more than a
/// record. The first record after a while does not wait.
const GATHER: Duration = Duration::from_millis(5);
/// Records kept while the store is away; beyond that new ones are lost, and it is said so.
const KEPT: usize = 100_000;

/// Takes records, never waits.
#[derive(Clone)]
pub struct RecordWriter {
    sender: mpsc::UnboundedSender<Job>,
    waiting: Arc<AtomicUsize>,
}

/// What is said of a call.
enum Word {
    /// It was answered.
    Open(CallRecord),
    /// It is over.
    Over(CallRecord),
}

/// A word and its number.
type Job = (u64, Word);

impl RecordWriter {
    /// Starts the task that writes. It ends, with everything written that can be, when the last writer is dropped. `written` is
    /// told up to which number everything is on disk.
    pub fn start(store: Store, written: impl Fn(u64) + Send + 'static) -> (RecordWriter, JoinHandle<()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(run(store, receiver, waiting.clone(), written));
        (RecordWriter { sender, waiting }, task)
    }

    /// Notes a call that was answered, with what its record is if we die before it ends.
    pub fn open(&self, id: u64, record: CallRecord) {
        self.send((id, Word::Open(record)));
    }

    /// Keeps the record of a call that is over.
    pub fn keep(&self, id: u64, record: CallRecord) {
        self.send((id, Word::Over(record)));
    }

    /// Records not on disk yet.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn send(&self, job: Job) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= KEPT {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            tracing::error!("a call record is lost: the store has been away for too long");
            return;
        }
        let _ = self.sender.send(job);
    }
}

async fn run(
    store: Store,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    waiting: Arc<AtomicUsize>,
    written: impl Fn(u64),
) {
    let mut batch = Vec::new();
    let mut next = Instant::now();
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        tokio::time::sleep_until(next).await;
        next = Instant::now() + GATHER;
        while batch.len() < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let (count, last) = (batch.len(), batch.last().map(|(id, _)| *id));
        let (open, over) = sorted(batch.drain(..));
        if write(&store, open, over, &jobs).await
            && let Some(last) = last
        {
            written(last);
        }
        waiting.fetch_sub(count, Ordering::Relaxed);
    }
}

/// Notes and records apart. A call that is over already need not be noted as open.
fn sorted(batch: impl Iterator<Item = Job>) -> (Vec<CallRecord>, Vec<CallRecord>) {
    let mut open = Vec::new();
    let mut over = Vec::new();
    for (_, word) in batch {
        match word {
            Word::Open(record) => open.push(record),
            Word::Over(record) => over.push(record),
        }
    }
    let ended: BTreeSet<_> = over.iter().map(|record| record.id).collect();
    open.retain(|record| !ended.contains(&record.id));
    (open, over)
}

/// Writes, however long it takes; `false` when the server ends before the store takes it.
async fn write(
    store: &Store,
    open: Vec<CallRecord>,
    over: Vec<CallRecord>,
    jobs: &mpsc::UnboundedReceiver<Job>,
) -> bool {
    let mut pause = Duration::from_millis(250);
    while let Err(error) = store.write_calls(&open, &over).await {
        if jobs.is_closed() && pause > Duration::from_secs(4) {
            tracing::error!(%error, lost = over.len(), "call records could not be written before the end");
            return false;
        }
        tracing::warn!(%error, records = open.len() + over.len(), "call records wait for the store");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
    true
}
