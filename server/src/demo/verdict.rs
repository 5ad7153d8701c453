//! What is said of a demo call, from what both ends saw and what the server recorded.

use std::fmt;
use std::time::Duration;
use tandem_model::CallRecord;

/// A call as its two ends and the server saw it.
pub struct Verdict {
    /// From INVITE to answer, as the caller saw it.
    pub setup: Option<Duration>,
    /// Audio packets that the caller got.
    pub to_caller: u64,
    /// Audio packets that the called side got.
    pub to_callee: u64,
    /// The caller heard the called side's tone.
    pub caller_hears: bool,
    /// The called side heard the caller's tone.
    pub callee_hears: bool,
    /// The server's record.
    pub record: Option<CallRecord>,
}

impl Verdict {
    /// Answered, heard on both sides, and recorded.
    pub fn is_good(&self) -> bool {
        self.setup.is_some() && self.caller_hears && self.callee_hears && self.record.is_some()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_good() { "GOOD" } else { "NOT GOOD" };
        let setup = self
            .setup
            .map_or("never answered".to_owned(), |setup| format!("answered after {} ms", setup.as_millis()));
        let codec = self
            .record
            .as_ref()
            .and_then(|record| record.attempts.iter().find_map(|attempt| attempt.codec.clone()));
        let heard = |hears: bool| if hears { "tone heard" } else { "NO tone heard" };
        writeln!(f, "  verdict: {word}: {setup}, codec {}", codec.as_deref().unwrap_or("none"))?;
        writeln!(f, "           at the caller {} packets, {}", self.to_caller, heard(self.caller_hears))?;
        writeln!(
            f,
            "           at the called side {} packets, {}",
            self.to_callee,
            heard(self.callee_hears)
        )?;
        if let Some(record) = &self.record {
            let lost = |media: &Option<tandem_model::MediaRecord>| {
                media.as_ref().map_or("no media".to_owned(), |m| {
                    format!("{} packets, {} lost, jitter {:.1} ms", m.packets, m.lost, m.jitter_ms)
                })
            };
            writeln!(
                f,
                "           recorded: {:?}, {} ms of talk, from the caller {}, from the called side {}",
                record.outcome,
                record.duration_ms,
                lost(&record.media_from_caller),
                lost(&record.media_from_callee)
            )?;
        }
        Ok(())
    }
}
