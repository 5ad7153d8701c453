//! Opening and closing, and the connections in between.

use crate::StoreError;
use crate::folder::Folder;
use crate::key::SecretsKey;
use crate::sealing;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqlSafeStr, Sqlite, Transaction};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The open store. Clones share it; the data folder is free again once all are dropped.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// One connection: SQLite takes one writer at a time, and a queue here is fair where its busy handler is not.
    writer: SqlitePool,
    readers: SqlitePool,
    key: SecretsKey,
    // Dropped last: the folder stays ours while a connection is open.
    folder: Folder,
}

impl Store {
    /// Opens the store in `folder`, which is made if it is missing, and brings its tables up to date.
    pub async fn open(folder: &Path) -> Result<Store, StoreError> {
        let folder = Folder::take(folder)?;
        let options = SqliteConnectOptions::new()
            .filename(&folder.database)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // Another process may hold the file for a moment. Longer, and whoever waits is told instead, devices first of all.
            .busy_timeout(Duration::from_secs(2))
            .disable_statement_logging();
        // A refresh touches pages all over the file: 8 MiB of them are kept, and the log is moved into the file every
        // 16 MiB, when many have been written to it more than once.
        let writing = options
            .clone()
            .pragma("cache_size", "-8192")
            .pragma("wal_autocheckpoint", "4096")
            .pragma("journal_size_limit", "67108864");
        let writer = pool(1).connect_with(writing).await?;
        migrations().run(&writer).await?;
        let key = key(&writer, &folder.path).await?;
        // A whole configuration is read row by row, on another thread: fewer of them wait for each other.
        let reading = options.pragma("query_only", "ON").row_buffer_size(1_000);
        let readers = pool(2).connect_with(reading).await?;
        Ok(Store(Arc::new(Inner { writer, readers, key, folder })))
    }

    /// Waits for writes under way, moves the log into the database file and closes it. Whatever comes later is
    /// refused with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.0.readers.close().await;
        self.0.writer.close().await;
    }

    /// A transaction that holds the write lock; dropping it undoes it.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        const BEGIN: &str = "BEGIN IMMEDIATE";
        match self.0.writer.begin_with(BEGIN).await {
            // SQLite took the last transaction back by itself, as it does when the disk is full, and sqlx takes it for open still:
            // only a new connection can begin another.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.0.writer.acquire().await?.close().await?;
                Ok(self.0.writer.begin_with(BEGIN).await?)
            }
            begun => Ok(begun?),
        }
    }

    /// The key of the passwords.
    pub(crate) fn key(&self) -> &SecretsKey {
        &self.0.key
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.0.folder.path
    }

    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.0.readers
    }
}

/// The key of the passwords, with which they all are encrypted from here on.
async fn key(writer: &SqlitePool, folder: &Path) -> Result<SecretsKey, StoreError> {
    let mut connection = writer.acquire().await?;
    let wanted = sealing::key_id(&mut connection).await?;
    let key = SecretsKey::of_folder(folder, wanted.as_deref())?;
    if wanted.is_none() {
        sealing::adopt(&mut connection, &key).await?;
    }
    sealing::wipe(&mut connection).await?;
    Ok(key)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(30))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Each file of `migrations/`, in order. A file that has been released is never edited: its checksum is stored.
fn migrations() -> Migrator {
    const FILES: [(&str, &str); 3] = [
        ("first", include_str!("../migrations/0001_first.sql")),
        ("journal", include_str!("../migrations/0002_journal.sql")),
        ("captures", include_str!("../migrations/0003_captures.sql")),
    ];
    let migrations = (1..).zip(FILES).map(|(version, (description, sql))| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_that_was_full_is_written_to_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&store.0.writer).await.unwrap();
        let limit = format!("PRAGMA max_page_count = {}", pages + 2);
        sqlx::raw_sql(sqlx::AssertSqlSafe(limit)).execute(&store.0.writer).await.unwrap();
        let long = "x".repeat(100_000);
        assert!(matches!(store.set_setting("long", &long).await, Err(StoreError::Full)));
        // The limit went with the connection.
        store.set_setting("long", &long).await.unwrap();
        assert_eq!(store.setting("long").await.unwrap(), Some(long));
    }

    #[tokio::test]
    async fn every_commit_is_synced_and_readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let pragma = async |pool: &SqlitePool, pragma: &'static str| -> i64 {
            sqlx::query_scalar(pragma).fetch_one(pool).await.unwrap()
        };
        const FULL: i64 = 2; // https://sqlite.org/pragma.html#pragma_synchronous
        assert_eq!(pragma(&store.0.writer, "PRAGMA synchronous").await, FULL);
        assert_eq!(pragma(&store.0.readers, "PRAGMA query_only").await, 1);
        let mode: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.0.writer).await.unwrap();
        assert_eq!(mode, "wal");
    }
}
