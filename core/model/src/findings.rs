//! Problems as they are found, each with the change that it belongs to.

use crate::{Problem, Rejection, RejectionKind};

struct Finding {
    position: usize,
    kind: RejectionKind,
    problem: Problem,
}

/// Collects problems; one kind of rejection comes out of them.
#[derive(Default)]
pub(crate) struct Findings {
    found: Vec<Finding>,
    position: usize,
}

impl Findings {
    /// What is found from here on belongs to the change at `position`.
    pub fn at(&mut self, position: usize) -> &mut Findings {
        self.position = position;
        self
    }

    /// The input itself is wrong.
    pub fn invalid(
        &mut self,
        field: impl Into<String>,
        reason: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(RejectionKind::Invalid, Problem::new(field, reason, message, fix));
    }

    /// It contradicts something that is there already.
    pub fn conflict(
        &mut self,
        field: impl Into<String>,
        reason: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(RejectionKind::Conflict, Problem::new(field, reason, message, fix));
    }

    /// Adds a problem of any kind.
    pub fn add(&mut self, kind: RejectionKind, problem: Problem) {
        self.found.push(Finding { position: self.position, kind, problem });
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// `value` when nothing was found, else the rejection. Problems of one of several `changes` carry its position in their path.
    pub fn into_result<T>(mut self, value: T, changes: usize) -> Result<T, Rejection> {
        self.found.sort_by_key(|finding| finding.position);
        let Some(first) = self.found.first() else { return Ok(value) };
        let kind = first.kind;
        let place = |Finding { position, mut problem, .. }: Finding| {
            if changes > 1 {
                let dot = if problem.field.is_empty() { "" } else { "." };
                problem.field = format!("[{position}]{dot}{}", problem.field);
            }
            problem
        };
        Err(Rejection { kind, problems: self.found.into_iter().map(place).collect() })
    }
}
