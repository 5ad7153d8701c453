//! Bytes to SIP messages and back: parsing, stream framing, URIs, headers on demand, writing.
//!
//! A message is parsed once, as offsets into the buffer that it arrived in; what is sent is built once and kept
//! as bytes. Nothing here knows a transaction.
//!
//! Whatever the bytes, work is linear in their number and nothing panics. Where a peer is known to be sloppy and
//! nothing is at stake, it is understood; where two readers could read a message differently, it is refused.

mod auth;
mod flow;
mod framing;
mod header;
mod message;
mod method;
mod name_addr;
mod params;
mod parse;
mod reason;
mod replaces;
mod scan;
mod text;
mod trouble;
mod uri;
mod via;
mod writer;

pub use auth::{Challenge, Credentials};
pub use flow::{ConnectionId, DomainId, Flow, ListenerId, Transport};
pub use framing::{Frame, Framer, FramingError};
pub use header::Header;
pub use message::{Message, Values};
pub use method::Method;
pub use name_addr::{NameAddr, quote_display};
pub use params::Params;
pub use parse::ParseError;
pub use reason::standard_reason;
pub use replaces::Replaces;
pub use trouble::{NoAddress, NoConnection, Why};
pub use uri::{Host, Scheme, Uri, escape_user};
pub use via::Via;
pub use writer::{Writer, insert_top};
