//! What must hold whatever bytes come, one file for each thing that reads the bytes of others.
//!
//! Each property takes any input and panics when it does not hold. libFuzzer calls them with what it finds
//! (`make fuzz`), the tests beside them with the seeds of `fuzz/seeds` and variations of those.

mod engine;
mod input;
mod media;
mod message;
mod sdp;
mod stream;
mod uri;
mod vary;

pub use engine::engine;
pub use media::media;
pub use message::message;
pub use sdp::sdp;
pub use stream::stream;
pub use uri::uri;
pub use vary::vary;
