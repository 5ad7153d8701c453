//! What a verifier found out about a caller's number, as it tells those who trust it.

/// A value of `verstat` (3GPP TS 24.229 §7.2A.20, ATIS-1000074).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verstat {
    /// The signature is right, and so the number.
    Passed,
    /// The signature is wrong.
    Failed,
    /// Nothing was found out.
    Unknown,
}

impl Verstat {
    /// Reads a value. Some add the attestation, as `TN-Validation-Passed-A`.
    pub fn read(text: &str) -> Verstat {
        let begins =
            |with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
        match text {
            _ if begins("TN-Validation-Passed") => Verstat::Passed,
            _ if begins("TN-Validation-Failed") => Verstat::Failed,
            _ => Verstat::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_with_the_attestation_behind_it_or_without() {
        for (text, verstat) in [
            ("TN-Validation-Passed", Verstat::Passed),
            ("tn-validation-passed-B", Verstat::Passed),
            ("TN-Validation-Failed", Verstat::Failed),
            ("TN-Validation-Failed-C", Verstat::Failed),
            ("No-TN-Validation", Verstat::Unknown),
            ("", Verstat::Unknown),
            ("ü", Verstat::Unknown),
        ] {
            assert_eq!(Verstat::read(text), verstat, "{text}");
        }
    }
}
