//! Signed callers (STIR, SHAKEN): what is said of a caller in a PASSporT (RFC 8225, RFC 8588), and its signature as the Identity header
//! carries it (RFC 8224).
//!
//! Pure: the moment is an argument, and a signature needs no chance (RFC 6979).

mod passport;
mod signer;
mod verstat;

pub use passport::{Attestation, Passport};
pub use signer::{BadKey, Signer};
pub use verstat::Verstat;
