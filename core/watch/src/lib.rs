//! What events come to: deliveries to webhooks, how well trunks do, and alerts. Pure, as all of core: moments and randomness are
//! arguments, and what there is to tell is drained.

mod deliveries;
mod found;
mod quality;
mod sample;
mod signature;
mod slots;
mod watch;

pub use deliveries::{Deliveries, Delivery};
pub use sample::Sample;
pub use signature::signature;
pub use watch::Watch;
