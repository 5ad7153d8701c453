//! The back-to-back user agent: two independent legs and a plan become commands to legs and media, and one call record.
//!
//! A [`Call`] is one value: `setup` finds somebody who answers, `talk` keeps both sides in step, `ending` takes
//! everything down and writes the record. It reaches the rest of the server only through [`Ctx`].

mod attempt;
mod call;
mod callee;
mod caller;
mod change;
mod ending;
mod exchange;
mod forwarding;
mod history;
mod identity;
mod joining;
mod media_desk;
mod media_end;
mod media_port;
mod moving;
mod presentation;
mod privacy;
mod replacing;
mod seats;
mod setup;
mod signature;
mod talk;
mod transfer;

pub use call::{Call, CallOutput, Ctx, DISK_PATIENCE, LEGS, Limits, Setup};
pub use callee::preview;
pub use caller::{Caller, Source};
pub use exchange::{Exchange, Target, Way};
pub use identity::{Identity, Named};
pub use media_desk::MediaDesk;
pub use moving::Moved;
pub use privacy::Privacy;
pub use replacing::Replacement;
pub use seats::{Bound, Full, Over, Seat, Seats};
