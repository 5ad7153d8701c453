//! Group commit for registrations: whatever has queued up while the last batch was being synced goes to disk with one
//! sync, and each submission is acknowledged once its batch is there.

use crate::{Store, StoreError};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tandem_model::BindingChange;
use tokio::sync::{mpsc, oneshot};

/// How many submissions may wait. A registration that finds the queue full is refused, and the device tries again.
const QUEUE: usize = 16_384;
/// What comes within this time goes to disk together: no device notices it, and a commit costs far more than a binding.
const GATHER: Duration = Duration::from_millis(5);
/// How many submissions go into one transaction, so that the first of them does not wait for ever.
const BATCH: usize = 4_096;

/// A handle on the task that writes bindings; clones share it. The task ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct BindingsWriter(mpsc::Sender<Job>);

struct Job {
    changes: Vec<BindingChange>,
    done: Done,
}

/// Called on the writer's task; it must not block.
type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Ready when the changes are on disk, or when it is certain that they are not.
#[derive(Debug)]
#[must_use = "nothing is acknowledged before this is ready"]
pub struct Acknowledgement(oneshot::Receiver<Result<(), StoreError>>);

impl Store {
    /// Starts the task that writes bindings on the current tokio runtime. One is enough: two would take turns.
    pub fn bindings_writer(&self) -> BindingsWriter {
        let (sender, jobs) = mpsc::channel(QUEUE);
        tokio::spawn(run(self.clone(), jobs));
        BindingsWriter(sender)
    }
}

impl BindingsWriter {
    /// Queues the changes, without waiting. Submissions of one caller are applied in their order.
    pub fn submit(&self, changes: Vec<BindingChange>) -> Result<Acknowledgement, StoreError> {
        let (done, acknowledged) = oneshot::channel();
        // Whoever asked may have gone meanwhile; the write stands.
        self.submit_then(changes, move |result| drop(done.send(result)))?;
        Ok(Acknowledgement(acknowledged))
    }

    /// The same for who does not wait either: `done` is called when the changes are on disk, or when it is certain that they
    /// are not. It must not block.
    pub fn submit_then(
        &self,
        changes: Vec<BindingChange>,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let job = Job { changes, done: Box::new(done) };
        self.0.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })
    }

    /// Queues the changes and waits until they are on disk.
    pub async fn write(&self, changes: Vec<BindingChange>) -> Result<(), StoreError> {
        self.submit(changes)?.await
    }
}

impl Future for Acknowledgement {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}

async fn run(store: Store, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        tokio::time::sleep(GATHER).await;
        while batch.len() < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let changes = batch.iter_mut().flat_map(|job| std::mem::take(&mut job.changes)).collect();
        let result = store.write_bindings(changes).await;
        if let Err(error) = &result {
            tracing::error!(%error, submissions = batch.len(), "bindings could not be written");
        }
        for job in batch.drain(..) {
            (job.done)(result.clone());
        }
    }
}
