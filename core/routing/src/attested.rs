//! What is attested of the caller in a call that is signed (RFC 8588 §4).

use crate::caller_id;
use crate::dialled::Dialled;
use crate::outbound::Decision;
use tandem_model::{Digits, StirAttest, Trunk};
use tandem_stir::Attestation;

/// Shorter ones are no numbers with a country code, but extensions and services.
const SHORTEST: usize = 7;

/// What is signed of a call, towards one trunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attested {
    /// How well the caller is known.
    pub attestation: Attestation,
    /// The caller's number, with its country code.
    pub caller: Digits,
    /// The number called, with its country code.
    pub called: Digits,
}

impl Decision<'_> {
    /// What is signed of this call to a trunk that shows `caller_id`, else what the caller brings along. Nothing where the trunk wants
    /// no signatures, or a side is no telephone number.
    pub fn attested(
        &self,
        trunk: &Trunk,
        caller_id: Option<&str>,
        called: Option<&Digits>,
    ) -> Option<Box<Attested>> {
        let is_number = |digits: &&Digits| digits.as_str().len() >= SHORTEST;
        let called = called.filter(|_| trunk.stir_sign).filter(is_number)?.clone();
        let caller = Dialled::new(caller_id.or(self.caller)?, self.tenant());
        let caller = caller.number().filter(is_number)?.clone();
        let is_ours = self.extension.is_some() || self.is_peer;
        let attestation = match trunk.stir_attest {
            StirAttest::A => Attestation::A,
            StirAttest::B => Attestation::B,
            StirAttest::C => Attestation::C,
            StirAttest::Auto if !is_ours => Attestation::C,
            StirAttest::Auto if caller_id::is_owned(self.config, self.tenant(), trunk, &caller) => {
                Attestation::A
            }
            StirAttest::Auto => Attestation::B,
        };
        Some(Box::new(Attested { attestation, caller, called }))
    }
}
