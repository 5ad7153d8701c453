//! Plain counters, read at scrape.

/// What the engine counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages taken in.
    pub messages_in: u64,
    /// Messages sent.
    pub messages_out: u64,
    /// Bytes that were no message at all.
    pub junk: u64,
    /// Requests refused for their form (400, 415, 416, 420, 483 ...).
    pub malformed: u64,
    /// Requests from nobody we know, challenged.
    pub challenged: u64,
    /// Calls of strangers let in by the direct token of an extension.
    pub guests: u64,
    /// Requests refused: unknown sources, wrong credentials, ambiguous or unmatched calls, registrations of others and from where their
    /// extension may not be.
    pub refused: u64,
    /// Calls and registrations turned away because the server is full, late, or going down.
    pub overloaded: u64,
    /// Requests turned away because their source sends too many.
    pub limited: u64,
    /// Requests refused or dropped for what the blocklist has, or because their source has given too many wrong passwords.
    pub blocked: u64,
    /// Calls begun.
    pub calls_started: u64,
    /// Calls answered.
    pub calls_answered: u64,
    /// Calls ended.
    pub calls_ended: u64,
    /// Attempts after which the next trunk was tried.
    pub failovers: u64,
}
