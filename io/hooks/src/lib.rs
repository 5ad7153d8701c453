//! Posting to webhooks. Whoever configures one chooses where this server connects to, so that he must not reach what only the server
//! can: the address is looked at when it is connected to, whatever name led there, and redirects are not followed.

mod address;
mod poster;

pub use address::{is_public, literal};
pub use poster::{Poster, PosterError};
