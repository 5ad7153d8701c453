//! Whether a failed round is followed by the next one.

use tandem_model::FailoverOn;

/// What is known of a failed attempt, for the decision whether the next round is begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed {
    /// Final status; 408 for silence, 503 for DNS, connect and transport failure.
    pub code: u16,
    /// A 18x came before it.
    pub rang: bool,
    /// Nobody answered in the time that we gave it.
    pub unanswered: bool,
}

/// After which failures the next round is begun.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Onward {
    /// After none: what was called speaks for itself.
    Never,
    /// After these failures of a trunk; none named: after all that speak of the trunk and not of the called person.
    #[default]
    Failure,
    /// After these and no others.
    Only(Vec<FailoverOn>),
    /// After those, and when nobody answered or is there; not when somebody is busy or declined.
    NoAnswer,
}

/// Whether the next round is begun after this failure.
pub fn fails_over(failed: Failed, onward: &Onward) -> bool {
    match onward {
        Onward::Never => false,
        Onward::Failure => kind(failed).is_some(),
        Onward::Only(kinds) => kind(failed).is_some_and(|kind| kinds.contains(&kind)),
        Onward::NoAnswer => failed.unanswered || matches!(failed.code, 408 | 480) || kind(failed).is_some(),
    }
}

/// What kind of failure of a trunk it is: timeout, DNS and transport failure, 401/403/407 after authentication, 404, 408, 5xx, and 6xx
/// but 600, 603, 607, 608. None on busy, decline, or 480/487 after ringing: these speak of the called person.
fn kind(failed: Failed) -> Option<FailoverOn> {
    match failed.code {
        401 | 407 => Some(FailoverOn::Auth),
        403 => Some(FailoverOn::Forbidden),
        404 => Some(FailoverOn::NotFound),
        408 => Some(FailoverOn::Timeout),
        // Before it rang nobody was asked: the trunk speaks for itself, not for the called person.
        480 | 487 => (!failed.rang).then_some(FailoverOn::Unavailable),
        // Answers of the called person, or of the network on their behalf (RFC 8197, RFC 8688).
        600 | 603 | 607 | 608 => None,
        500..=599 => Some(FailoverOn::ServerError),
        600..=699 => Some(FailoverOn::GlobalFailure),
        _ => None,
    }
}
