//! Messages of calls: the newest are kept.

use crate::bindings::json;
use crate::{Store, StoreError};
use tandem_model::{CallId, Capture, Captured, CapturedMessage};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Calls of a trunk in mode `ring` that are kept.
const RING: i64 = 20;
/// Calls of all trunks together that are kept.
const MOST: i64 = 10_000;
/// That may wait for the disk; more are lost, which costs nobody a call.
const WAITING: usize = 1_000;
/// Written together.
const BATCH: usize = 64;

/// Takes messages of calls, never waits.
#[derive(Clone, Debug)]
pub struct CapturesWriter(mpsc::Sender<Captured>);

impl CapturesWriter {
    /// Keeps the messages of a call.
    pub fn keep(&self, captured: Captured) {
        if self.0.try_send(captured).is_err() {
            tracing::warn!("the messages of a call are not kept: the disk is slow or away");
        }
    }
}

impl Store {
    /// Starts the task that writes messages of calls; it ends when the last writer is dropped.
    pub fn captures_writer(&self) -> (CapturesWriter, JoinHandle<()>) {
        let (sender, mut captures) = mpsc::channel(WAITING);
        let store = self.clone();
        let task = tokio::spawn(async move {
            let mut batch = Vec::new();
            while captures.recv_many(&mut batch, BATCH).await > 0 {
                if let Err(error) = store.write_captures(&batch).await {
                    tracing::warn!(%error, calls = batch.len(), "the messages of calls are not kept");
                }
                batch.clear();
            }
        });
        (CapturesWriter(sender), task)
    }

    /// Writes messages of calls, and lets go of the oldest.
    pub async fn write_captures(&self, captures: &[Captured]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for captured in captures {
            let ring = captured.mode == Capture::Ring;
            sqlx::query("INSERT INTO captures (call_id, trunk_id, ring, messages) VALUES ($1, $2, $3, $4)")
                .bind(captured.call.to_string())
                .bind(captured.trunk.to_string())
                .bind(ring)
                .bind(json(&captured.messages)?)
                .execute(&mut *transaction)
                .await?;
            if ring {
                let older = "DELETE FROM captures WHERE ring = 1 AND trunk_id = $1 AND id <= \
                             (SELECT id FROM captures WHERE ring = 1 AND trunk_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
                sqlx::query(older)
                    .bind(captured.trunk.to_string())
                    .bind(RING)
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        sqlx::query("DELETE FROM captures WHERE id <= (SELECT max(id) - $1 FROM captures)")
            .bind(MOST)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// The messages that were kept of a call, in the order of its trunks.
    pub async fn captured(&self, call: CallId) -> Result<Vec<CapturedMessage>, StoreError> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT messages FROM captures WHERE call_id = $1 ORDER BY id")
                .bind(call.to_string())
                .fetch_all(self.reader())
                .await?;
        let mut messages = Vec::new();
        for (row,) in rows {
            let read: Vec<CapturedMessage> = serde_json::from_str(&row).map_err(unreadable)?;
            messages.extend(read);
        }
        messages.sort_by_key(|message| message.at);
        Ok(messages)
    }
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Unreadable { what: "messages of a call".to_owned(), why: error.to_string() }
}
