//! Refusals that say where in a text something is wrong.

use tandem_model::{Problem, Rejection, RejectionKind};

/// A problem of a line: the message begins with it.
pub(crate) fn problem(
    line: Option<usize>,
    field: impl Into<String>,
    reason: &'static str,
    message: impl AsRef<str>,
    fix: impl Into<String>,
) -> Problem {
    Problem::new(field, reason, at(line, message.as_ref()), fix)
}

/// A refusal of a whole text for one problem.
pub(crate) fn refuse(
    line: Option<usize>,
    field: impl Into<String>,
    reason: &'static str,
    message: impl AsRef<str>,
    fix: impl Into<String>,
) -> Rejection {
    let problems = vec![problem(line, field, reason, message, fix)];
    Rejection { kind: RejectionKind::Invalid, problems }
}

/// A message with its line before it.
pub(crate) fn at(line: Option<usize>, message: &str) -> String {
    match line {
        Some(line) => format!("line {line}: {message}"),
        None => message.to_owned(),
    }
}

/// Where the lines of a text begin, for who asks of many places.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub fn of(text: &str) -> Lines {
        Lines(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    /// The line of a place, from 1.
    pub fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

/// The line of a place in a text, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
