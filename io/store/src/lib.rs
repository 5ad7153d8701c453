//! Configuration, bindings, call records and settings in one SQLite file of the data folder.
//!
//! Every write is on disk before its future is ready: the write-ahead log is synced at each commit (`synchronous=FULL`),
//! so what was acknowledged survives `kill -9` and, as far as the disk keeps its word, a power cut. Writes take turns on
//! one connection; readers have their own and never wait for a writer. What is told of calls is on disk in a journal first,
//! since a line at the end of a file costs a tenth of a row. Passwords are encrypted under a key that lies beside the database.

mod bindings;
mod calls;
mod captures;
mod config;
mod error;
mod folder;
mod journal;
mod key;
mod records;
mod retention;
mod rows;
mod sealing;
mod settings;
mod store;
mod writer;

pub use calls::CallsWriter;
pub use captures::CapturesWriter;
pub use error::StoreError;
pub use retention::{Retention, Sweep};
pub use store::Store;
pub use writer::{Acknowledgement, BindingsWriter};
