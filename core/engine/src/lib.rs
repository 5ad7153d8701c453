//! The server minus its sockets.
//!
//! Everything comes in through the methods of [`Engine`], each with the moment it happens; everything goes out through
//! [`Engine::poll_output`]; [`Engine::poll_timeout`] says when to come back. Nothing in here waits.

mod called;
mod captures;
mod counters;
mod door;
mod engine;
mod examine;
mod explain;
mod identify;
mod invite;
mod ledger;
mod places;
mod refuse;
mod replacing;
mod requests;
mod sources;
mod surroundings;
mod view;
mod writes;

pub use counters::Counters;
pub use door::DoorLimits;
pub use engine::{Engine, Output, Settings};
pub use sources::Rate;
pub use tandem_call::Limits;
pub use tandem_sip_dialog::digest::Algorithm;
pub use tandem_trunk::{BindingChange, GuardLimits, Local, Query, RegistrarConfig, Resolved, Target};
pub use view::Usage;
