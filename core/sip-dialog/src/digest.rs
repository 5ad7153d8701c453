//! Digest authentication, both roles (RFC 7616, RFC 8760, RFC 3261 §22): [`DigestClient`] answers challenges, [`verify`]
//! checks answers, and [`Nonces`] makes nonces that need no memory until a right password was seen with them.

mod algorithm;
mod client;
mod nonce;
mod server;

pub use algorithm::Algorithm;
pub use client::{DigestClient, Login, Unanswered};
pub use nonce::{Nonces, Standing, Ticket};
pub use server::{challenge_values, verify};

#[cfg(test)]
mod tests;
