//! The doctor among providers with one fault each, in virtual time: it has to name it.

mod calls;
mod quiet;
mod rig;
mod rows;
mod signalling;
