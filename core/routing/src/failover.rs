//! Whether a failed attempt is followed by the next one.

/// What is known of a failed attempt, for the decision whether the next trunk is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed {
    /// Final status; 408 for silence, 503 for DNS, connect and transport failure.
    pub code: u16,
    /// A 18x came before it.
    pub rang: bool,
}

/// Whether the next trunk is tried after this failure: timeout, DNS and transport failure, 401/403/407 after authentication, 404, 408,
/// 5xx, and 6xx but 600, 603, 607, 608; never on busy, decline, or 480/487 after ringing.
pub fn fails_over(failed: Failed) -> bool {
    match failed.code {
        401 | 403 | 404 | 407 | 408 => true,
        // Before it rang nobody was asked: the trunk speaks for itself, not for the called person.
        480 | 487 => !failed.rang,
        // Answers of the called person, or of the network on their behalf (RFC 8197, RFC 8688).
        600 | 603 | 607 | 608 => false,
        500..=699 => true,
        _ => false,
    }
}
