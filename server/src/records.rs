//! Call records on their way to the store: kept here and tried again while the store cannot take them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tandem_model::CallRecord;
use tandem_store::Store;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Records written with one transaction at most.
const BATCH: usize = 256;
/// Records kept while the store is away; beyond that the oldest are lost, and it is said so.
const KEPT: usize = 100_000;

/// Takes records, never waits.
#[derive(Clone)]
pub struct RecordWriter {
    sender: mpsc::UnboundedSender<CallRecord>,
    waiting: Arc<AtomicUsize>,
}

impl RecordWriter {
    /// Starts the task that writes. It ends, with everything written that can be, when the last writer is dropped.
    pub fn start(store: Store) -> (RecordWriter, JoinHandle<()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(run(store, receiver, waiting.clone()));
        (RecordWriter { sender, waiting }, task)
    }

    /// Keeps a record.
    pub fn keep(&self, record: CallRecord) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= KEPT {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            tracing::error!(call = %record.id, "a call record is lost: the store has been away for too long");
            return;
        }
        let _ = self.sender.send(record);
    }

    /// Records not on disk yet.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

async fn run(store: Store, mut records: mpsc::UnboundedReceiver<CallRecord>, waiting: Arc<AtomicUsize>) {
    let mut batch = Vec::new();
    while records.recv_many(&mut batch, BATCH).await > 0 {
        let mut pause = Duration::from_millis(250);
        while let Err(error) = store.write_records(batch.clone()).await {
            if records.is_closed() && pause > Duration::from_secs(4) {
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
