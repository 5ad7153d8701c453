//! The whole configuration as one file of ours, TOML: written, and compared with what is there.

mod names;
mod read;
mod toml_text;
mod write;

pub use read::{Reading, read_configuration};
pub use write::write_configuration;
