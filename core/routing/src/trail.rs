//! What was looked at on the way to a decision, for who asks why. Calls themselves leave none.

use crate::Verdict;
use tandem_model::{Kind, TrunkId};
use uuid::Uuid;

/// One rule or trunk that was looked at.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Which one.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// The step of a route, from 1, and its trunk.
    pub step: Option<(u32, TrunkId)>,
    /// It takes part in the decision.
    pub kept: bool,
    /// Why, in words.
    pub why: String,
}

/// The way to a decision.
#[derive(Debug, Default)]
pub struct Trail(Option<Vec<Line>>);

impl Trail {
    /// Notes nothing.
    pub fn none() -> Trail {
        Trail(None)
    }

    /// Notes everything.
    pub fn full() -> Trail {
        Trail(Some(Vec::new()))
    }

    /// What was noted.
    pub fn into_lines(self) -> Vec<Line> {
        self.0.unwrap_or_default()
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> Line) {
        if let Some(lines) = &mut self.0 {
            lines.push(line());
        }
    }

    pub(crate) fn rule(
        &mut self,
        kind: Kind,
        id: Uuid,
        name: &str,
        kept: bool,
        why: impl FnOnce() -> String,
    ) {
        self.note(|| Line { kind, id, name: name.to_owned(), step: None, kept, why: why() });
    }

    /// What became of a trunk in the end.
    pub(crate) fn correct(&mut self, route: Uuid, step: u32, verdict: Verdict) {
        let lines = self.0.iter_mut().flatten();
        for line in lines.filter(|line| line.id == route && line.step.is_some_and(|(n, _)| n == step)) {
            line.kept = matches!(verdict, Verdict::Kept | Verdict::Hopeful);
            line.why = verdict.words().to_owned();
        }
    }
}
