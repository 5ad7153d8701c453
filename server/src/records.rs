//! Call records on their way to the store: kept here and tried again while the store cannot take them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tandem_model::CallRecord;
use tandem_store::{Store, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Records written with one transaction at most.
const BATCH: usize = 256;
/// What comes within this time is written together: a transaction costs far more than a record.
const GATHER: Duration = Duration::from_millis(20);
/// Records kept while the store is away; beyond that new ones are lost, and it is said so.
const KEPT: usize = 100_000;

/// Takes records, never waits.
#[derive(Clone)]
pub struct RecordWriter {
    sender: mpsc::UnboundedSender<Word>,
    waiting: Arc<AtomicUsize>,
}

/// What is said of a call.
#[derive(Clone)]
enum Word {
    /// It was answered.
    Open(CallRecord),
    /// It is over.
    Over(CallRecord),
}

impl RecordWriter {
    /// Starts the task that writes. It ends, with everything written that can be, when the last writer is dropped.
    pub fn start(store: Store) -> (RecordWriter, JoinHandle<()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(run(store, receiver, waiting.clone()));
        (RecordWriter { sender, waiting }, task)
    }

    /// Notes a call that was answered, with what its record is if we die before it ends.
    pub fn open(&self, record: CallRecord) {
        self.send(Word::Open(record));
    }

    /// Keeps the record of a call that is over.
    pub fn keep(&self, record: CallRecord) {
        self.send(Word::Over(record));
    }

    /// Records not on disk yet.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn send(&self, word: Word) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= KEPT {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            tracing::error!("a call record is lost: the store has been away for too long");
            return;
        }
        let _ = self.sender.send(word);
    }
}

async fn run(store: Store, mut words: mpsc::UnboundedReceiver<Word>, waiting: Arc<AtomicUsize>) {
    let mut batch = Vec::new();
    while words.recv_many(&mut batch, BATCH).await > 0 {
        tokio::time::sleep(GATHER).await;
        while batch.len() < BATCH
            && let Ok(word) = words.try_recv()
        {
            batch.push(word);
        }
        let mut pause = Duration::from_millis(250);
        while let Err(error) = write(&store, &batch).await {
            if words.is_closed() && pause > Duration::from_secs(4) {
                tracing::error!(%error, lost = batch.len(), "call records could not be written before the end");
                break;
            }
            tracing::warn!(%error, records = batch.len(), "call records wait for the store");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(10));
        }
        waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        batch.clear();
    }
}

async fn write(store: &Store, batch: &[Word]) -> Result<(), StoreError> {
    let mut open = Vec::new();
    let mut over = Vec::new();
    for word in batch {
        match word {
            Word::Open(record) => open.push(record.clone()),
            Word::Over(record) => over.push(record.clone()),
        }
    }
    // A call that is over already need not be noted as open.
    let ended: BTreeSet<_> = over.iter().map(|record| record.id).collect();
    open.retain(|record| !ended.contains(&record.id));
    store.write_calls(open, over).await
}
