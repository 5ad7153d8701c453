//! What a user agent does with a call that it gets.

use std::time::Duration;

/// What is done with one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Rings, then answers.
    Answer {
        /// For how long it rings.
        ring: Duration,
        /// It plays its tone while it rings (183 with SDP).
        early: bool,
        /// It sends audio once answered.
        talks: bool,
    },
    /// Refuses.
    Refuse {
        /// The status.
        code: u16,
        /// Its phrase.
        phrase: &'static str,
        /// A `Reason` header value.
        reason: Option<&'static str>,
    },
    /// Rings for some time, then refuses.
    RingThenRefuse {
        /// The status.
        code: u16,
        /// For how long it rings.
        ring: Duration,
    },
    /// Plays its tone for some time (183 with SDP), then refuses.
    PlayThenRefuse {
        /// The status.
        code: u16,
        /// For how long it plays.
        play: Duration,
    },
    /// Says nothing at all.
    Silent,
    /// Says 100 and nothing more.
    Stuck,
    /// Several branches, each with its own tag, as behind a proxy that forks. None of them may refuse.
    Fork(Vec<Behaviour>),
    /// Rings until it is taken back; after three minutes it is tired of it.
    RingForever,
}

impl Behaviour {
    /// Rings for `millis` and answers.
    pub fn answer_after(millis: u64) -> Behaviour {
        Behaviour::Answer { ring: Duration::from_millis(millis), early: false, talks: true }
    }

    /// Refuses at once.
    pub fn refuse(code: u16, phrase: &'static str) -> Behaviour {
        Behaviour::Refuse { code, phrase, reason: None }
    }
}

/// Chooses by the number called.
pub type Policy = Box<dyn FnMut(&str) -> Behaviour + Send>;
