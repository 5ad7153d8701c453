//! The data folder: made and kept private, and held by one process at a time.

use crate::StoreError;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A data folder that is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// The database file, which exists and which only we may read.
    pub(crate) database: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder and the database file where they are missing, and takes the folder for this process.
    pub(crate) fn take(folder: &Path) -> Result<Folder, StoreError> {
        let refused = |source| StoreError::Folder { folder: folder.to_owned(), source: Arc::new(source) };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refused)?;
        let mut lock = private(&folder.join("tandem.lock")).map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => write_holder(&mut lock).map_err(refused)?,
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { folder: folder.to_owned(), holder: read_holder(&mut lock) });
            }
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        let database = folder.join("tandem.db");
        let file = private(&database).map_err(refused)?;
        file.set_permissions(Permissions::from_mode(0o600)).map_err(refused)?;
        // The names must be as durable as what will be written into the files.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(refused)?;
        Ok(Folder { path: folder.to_owned(), database, _lock: lock })
    }
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn write_holder(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn read_holder(lock: &mut File) -> String {
    let mut holder = String::new();
    match lock.take(20).read_to_string(&mut holder) {
        Ok(_) if !holder.trim().is_empty() => holder.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
