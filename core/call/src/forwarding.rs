//! A call that an extension does not take goes on to where routing planned it, as far as nobody there was tried before.

use crate::call::Call;
use crate::setup::rank;
use tandem_model::ForwardReason;
use tandem_routing::{Onward, Round};
use tandem_sip_dialog::LegFailure;

impl Call {
    /// Has the next rounds be those that the extension of this one forwards to; `false` where there are none.
    pub(crate) fn forward(&mut self, from: Round, why: ForwardReason) -> bool {
        let Round::Extension { forwards, onward, .. } = from else { return false };
        let mut rounds = forwards.into_rounds(why);
        rounds.retain(|round| !self.was_tried(round));
        // Where the call goes on after the extension, it goes on after whom that forwards to.
        if let (Onward::NoAnswer, Some(last)) = (onward, rounds.last_mut()) {
            last.go_on_unanswered();
        }
        let is_forwarded = !rounds.is_empty();
        rounds.into_iter().rev().for_each(|round| self.rounds.push_front(round));
        is_forwarded
    }

    /// Whether who is called in a round has a part in the call already.
    fn was_tried(&self, round: &Round) -> bool {
        let unsent = self.unsent.iter().map(|(_, record)| record);
        let mut attempts = self.outs.iter().map(|out| &out.record).chain(unsent);
        match round {
            Round::Extension { extension, .. } => {
                let id = Some(extension.id);
                self.caller.who.party.extension_id == id || attempts.any(|attempt| attempt.extension_id == id)
            }
            Round::Trunk(step) => attempts
                .any(|attempt| attempt.trunk_id == Some(step.trunk.id) && attempt.number == step.number),
            Round::Refuse { .. } => false,
        }
    }
}

/// Why an extension whose devices all failed did not take the call; `None`: it declined, or something else is wrong.
pub(crate) fn why_not_taken(failures: &[(LegFailure, bool)]) -> Option<ForwardReason> {
    let mut all = failures.iter().map(|(failure, _)| failure);
    let worst = all.clone().min_by_key(|failure| rank(failure))?;
    match worst.code {
        600 => Some(ForwardReason::Busy),
        601..=699 => None,
        // Somebody may be there, though another device is busy.
        _ if all.clone().any(|failure| matches!(failure.code, 408 | 480)) => Some(ForwardReason::NoAnswer),
        486 => Some(ForwardReason::Busy),
        _ if all.all(|failure| failure.code == 503 && !failure.upstream) => Some(ForwardReason::Unregistered),
        _ => None,
    }
}
