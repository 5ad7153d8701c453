//! What is told of calls on its way to the disk: into the journal first, then into the database.

use crate::bindings::json;
use crate::journal::{Journal, Past};
use crate::records::Row;
use crate::{Store, StoreError};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tandem_model::CallRecord;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Written with one sync of the journal at most.
const BATCH: usize = 1024;
/// Syncs begin this far apart: what comes meanwhile is written together. The first after a while does not wait.
const GATHER: Duration = Duration::from_millis(10);
/// What comes within this time goes into the database together: a transaction costs far more than a record.
const LOAD: Duration = Duration::from_millis(250);
/// Kept while the disk is full or away; beyond that new records are lost, and it is said so.
const KEPT: usize = 100_000;
/// For how long it is tried after the server was told to end.
const LAST_TRIES: Duration = Duration::from_secs(4);

/// Takes what is told of calls, never waits. Clones share the thread and the task that write; these end, with everything
/// written that can be, when the last one is dropped.
#[derive(Clone, Debug)]
pub struct CallsWriter {
    jobs: mpsc::UnboundedSender<Job>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Job {
    id: u64,
    word: Word,
}

#[derive(Debug)]
enum Word {
    /// A call was answered: what its record is if nothing more is heard of it.
    Open(CallRecord),
    /// It is over.
    Over(CallRecord),
}

impl Store {
    /// Takes up the journal of calls: makes records of what the last server left there, and starts the thread that writes it
    /// and the task that brings it into the database. `written` is told up to which number everything is on disk. Returns
    /// how many calls were up when the last server ended, too.
    pub async fn calls_writer(
        &self,
        written: impl Fn(u64) + Send + 'static,
    ) -> Result<(CallsWriter, JoinHandle<()>, usize), StoreError> {
        let folder = self.folder();
        let refused = |source| StoreError::Folder { folder: folder.to_owned(), source: Arc::new(source) };
        let past = Past::read(folder).map_err(refused)?;
        self.write_records(&past.over).await?;
        self.write_records(&past.up).await?;
        let up = past.up.len();
        let journal = past.close(folder).map_err(refused)?;

        let (sender, jobs) = mpsc::unbounded_channel();
        let (rows, to_load) = mpsc::unbounded_channel();
        let waiting = Arc::<AtomicUsize>::default();
        let loaded = Arc::<AtomicU64>::default();
        let task = tokio::spawn(load(self.clone(), to_load, waiting.clone(), loaded.clone()));
        let writer =
            Writer { journal, jobs, rows, waiting: waiting.clone(), handed_over: 0, loaded, old: Vec::new() };
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(written))
            .map_err(refused)?;
        Ok((CallsWriter { jobs: sender, waiting }, task, up))
    }
}

impl CallsWriter {
    /// Notes a call that was answered, with what its record is if we die before it ends.
    pub fn open(&self, id: u64, record: CallRecord) {
        self.send(Job { id, word: Word::Open(record) });
    }

    /// Keeps the record of a call that is over.
    pub fn keep(&self, id: u64, record: CallRecord) {
        self.send(Job { id, word: Word::Over(record) });
    }

    /// Notes that are not on disk yet, and records that are not in the database.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    fn send(&self, job: Job) {
        if self.waiting.fetch_add(1, Relaxed) >= KEPT {
            self.waiting.fetch_sub(1, Relaxed);
            tracing::error!("a call record is lost: the disk has been full or away for too long");
            return;
        }
        let _ = self.jobs.send(job);
    }
}

/// The thread that writes the journal.
struct Writer {
    journal: Journal,
    jobs: mpsc::UnboundedReceiver<Job>,
    rows: mpsc::UnboundedSender<Row>,
    waiting: Arc<AtomicUsize>,
    /// Records given to the task that loads them, and how many of them it has loaded.
    handed_over: u64,
    loaded: Arc<AtomicU64>,
    /// Former files of the journal, each with the number of the last record in it.
    old: Vec<(u64, PathBuf)>,
}

impl Writer {
    fn run(mut self, written: impl Fn(u64)) {
        let mut batch = Vec::new();
        let mut next = Instant::now();
        while self.jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next = Instant::now() + GATHER;
            while batch.len() < BATCH
                && let Ok(job) = self.jobs.try_recv()
            {
                batch.push(job);
            }
            let last = batch.last().map(|job| job.id);
            let rows = self.add(batch.drain(..));
            let is_written = self.sync();
            // A record that the journal does not take may yet find its place in the database.
            self.hand_over(rows);
            if let Some(last) = last.filter(|_| is_written) {
                written(last);
            }
            self.tidy();
        }
    }

    /// Adds to the journal; the records among it for the database.
    fn add(&mut self, batch: impl Iterator<Item = Job>) -> Vec<Row> {
        let mut rows = Vec::new();
        for Job { word, .. } in batch {
            let written = match &word {
                Word::Open(record) => json(record).map(|text| self.journal.open(record.id, &text)),
                Word::Over(record) => Row::new(record).map(|row| {
                    self.journal.over(record.id, row.record());
                    rows.push(row);
                }),
            };
            if let Err(error) = &written {
                tracing::error!(%error, "a call record is lost");
            }
            if written.is_err() || matches!(word, Word::Open(_)) {
                self.waiting.fetch_sub(1, Relaxed);
            }
        }
        rows
    }

    /// Puts on disk what was added, however long it takes; `false` when the server ends before the disk takes it.
    fn sync(&mut self) -> bool {
        let mut pause = Duration::from_millis(250);
        while let Err(error) = self.journal.sync() {
            if self.jobs.is_closed() && pause > LAST_TRIES {
                tracing::error!(%error, "call records could not be written before the end");
                return false;
            }
            tracing::warn!(%error, "call records wait for the disk");
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        true
    }

    fn hand_over(&mut self, rows: Vec<Row>) {
        for row in rows {
            self.handed_over += 1;
            let _ = self.rows.send(row);
        }
    }

    /// Goes on in a new file when the journal has grown, and removes those whose records are all in the database.
    fn tidy(&mut self) {
        if self.journal.is_large() {
            match self.journal.turn() {
                Ok(old) => self.old.push((self.handed_over, old)),
                Err(error) => tracing::warn!(%error, "the journal of calls grows"),
            }
        }
        let loaded = self.loaded.load(Relaxed);
        for (_, file) in self.old.extract_if(.., |(last, _)| *last <= loaded) {
            // What stays is read at the next start, and known to the database by then.
            let _ = fs::remove_file(file);
        }
    }
}

/// Brings records into the database, however long it takes.
async fn load(
    store: Store,
    mut rows: mpsc::UnboundedReceiver<Row>,
    waiting: Arc<AtomicUsize>,
    loaded: Arc<AtomicU64>,
) {
    let mut batch = Vec::new();
    while rows.recv_many(&mut batch, BATCH).await > 0 {
        if !rows.is_closed() {
            tokio::time::sleep(LOAD).await;
        }
        while batch.len() < BATCH
            && let Ok(row) = rows.try_recv()
        {
            batch.push(row);
        }
        let mut pause = Duration::from_millis(250);
        while let Err(error) = store.write_rows(&batch).await {
            if rows.is_closed() && pause > LAST_TRIES {
                tracing::error!(%error, records = batch.len(), "call records are left to the next start");
                return;
            }
            tracing::warn!(%error, records = batch.len(), "call records wait for the database");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        loaded.fetch_add(batch.len() as u64, Relaxed);
        waiting.fetch_sub(batch.len(), Relaxed);
        batch.clear();
    }
}
