//! What is wrong with an input: which field, why, and what to do about it.

use serde::Serialize;
use std::fmt;
use utoipa::ToSchema;

/// One thing wrong with an input.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Path of the field, as `steps[1].trunk_id`; empty for the input as a whole.
    pub field: String,
    /// Stable code in upper snake case.
    #[schema(value_type = String)]
    pub reason: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl Problem {
    /// A problem from its four parts.
    pub fn new(
        field: impl Into<String>,
        reason: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Problem {
        Problem { field: field.into(), reason, message: message.into(), fix: fix.into() }
    }
}

/// Which kind of refusal it is; the API makes a status code of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RejectionKind {
    /// The input itself is wrong (400).
    Invalid,
    /// It contradicts something that is there already (409).
    Conflict,
    /// What it speaks of does not exist (404).
    NotFound,
}

/// A refused change: nothing of it was applied. Never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// The kind of the first problem.
    pub kind: RejectionKind,
    /// All problems found.
    pub problems: Vec<Problem>,
}

impl Rejection {
    /// A refusal for one problem.
    pub fn one(
        kind: RejectionKind,
        field: impl Into<String>,
        reason: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Rejection {
        Rejection { kind, problems: vec![Problem::new(field, reason, message, fix)] }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, p) in self.problems.iter().enumerate() {
            let sep = if n == 0 { "" } else { "; " };
            write!(f, "{sep}{}: {} ({}). {}", p.field, p.message, p.reason, p.fix)?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}
