//! The doctor: walks the way that a call takes to a trunk, stage by stage, and says at the first stage that fails what was sent,
//! what came, what it means and what to change.
//!
//! Each exam is one machine of the [`Doctor`]. It asks the same names, goes the same ways and writes the same requests as the trunk itself
//! (`Examinee`) and its calls (`Leg`), and leaves the trunk's own state alone.

mod asking;
mod calling;
mod doctor;
mod exam;
mod judging;
mod listening;
mod masking;
mod registering;
mod scope;
mod sheet;

pub use doctor::{Doctor, DoctorOutput};
pub use exam::{Prior, Route};
pub use masking::masked;

use tandem_sip_txn::Owner;

/// Transaction owners with this bit set, and without that of the trunks, belong to [`Doctor`].
pub const DOCTOR_BIT: Owner = 1 << 62;

/// Look-ups with this bit set in their id are [`Doctor`]'s.
pub const LOOKUP_BIT: u64 = 1 << 63;
