//! A virtual network with scripted phones and carriers.
//!
//! [`Ua`] is a SIP user agent of its own making, so that the engine is never tested against itself: it plays phones,
//! carriers and gateways, in virtual time here and over real sockets in the demo. [`World`] puts an engine and any number
//! of them on a network that loses, doubles and delays what its seed says.

mod ladder;
mod network;
mod observer;
mod policy;
pub mod provider;
mod streams;
mod ua;
mod world;

pub use ladder::Ladder;
pub use network::{Fate, Faults};
pub use observer::Observer;
pub use policy::{Behaviour, Policy};
pub use ua::{CallRef, Leaves, Line, News, Packet, Registered, Rel, SessionWish, Stage, Ua, UaCall};
pub use world::{SERVER, Services, World};
