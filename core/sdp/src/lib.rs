//! SDP offers and answers, filtered and rewritten: reads what one leg says of its media, and says it to the other leg
//! as our own (RFC 3264, RFC 8866). What is not understood is not kept, so nothing of one network can show in another.

mod audio;
mod build;
mod codec;
mod direction;
mod error;
mod line;
mod local;
mod media;
mod parse;
mod stream;
mod write;

pub use audio::Audio;
pub use codec::Payload;
pub use direction::Direction;
pub use error::SdpError;
pub use local::{LocalEnd, Path};
pub use parse::Sdp;
pub use stream::{Kind, Stream};
