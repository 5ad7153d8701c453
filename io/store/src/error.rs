//! What can go wrong with the store, and what to do about it.

use std::path::PathBuf;
use std::sync::Arc;

/// Why the store could not do what was asked; nothing of it was written. Cheap to clone: all writers of a batch get it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The data folder cannot be made, or we may not write into it.
    #[error(
        "the data folder {folder} cannot be used: {source}. Let the user that tandem runs as write there, or name another folder"
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        source: Arc<std::io::Error>,
    },
    /// Another tandem has the data folder open.
    #[error(
        "the data folder {folder} is in use by another tandem (process {holder}). Stop that one, or name another folder"
    )]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The process that holds it, as it wrote down itself.
        holder: String,
    },
    /// A newer tandem has been here.
    #[error(
        "tandem.db was written by a newer tandem (its migration {0} is unknown here). Run that one, or restore a backup"
    )]
    Newer(i64),
    /// The file is no SQLite database, or a damaged one.
    #[error("tandem.db is damaged ({0}). Restore a backup, or move the file away to begin with nothing")]
    Damaged(Arc<sqlx::Error>),
    /// The key of the passwords cannot be read or made.
    #[error("the key {path} of the passwords in tandem.db cannot be used: {why}. {fix}; nothing was changed")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        fix: &'static str,
    },
    /// A stored thing does not read as what it should be.
    #[error("{what} in tandem.db cannot be read: {why}")]
    Unreadable {
        /// What and which.
        what: String,
        /// What does not fit.
        why: String,
    },
    /// No space is left.
    #[error("the disk of the data folder is full. Free some space; nothing was written")]
    Full,
    /// SQLite refused for another reason.
    #[error("the database failed: {0}")]
    Database(Arc<sqlx::Error>),
    /// More writes are queued than the writer takes.
    #[error("the database does not keep up: too many writes are waiting")]
    Busy,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// A page was asked for after a record that is not there.
    #[error("there is no call record {0} to go on after")]
    NoSuchCursor(tandem_model::CallId),
}

// Primary result codes (https://sqlite.org/rescode.html).
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_NOTADB: i32 = 26;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        match error {
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => StoreError::Closed,
            sqlx::Error::PoolTimedOut => StoreError::Busy,
            error => match primary_code(&error) {
                Some(SQLITE_FULL) => StoreError::Full,
                Some(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreError::Damaged(Arc::new(error)),
                _ => StoreError::Database(Arc::new(error)),
            },
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> StoreError {
        use sqlx::migrate::MigrateError;
        match error {
            MigrateError::VersionMissing(version) => StoreError::Newer(version),
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => StoreError::Database(Arc::new(sqlx::Error::Migrate(Box::new(other)))),
        }
    }
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}
