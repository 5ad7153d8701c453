//! One leg of a call: its dialog, the timing of its offers and answers, its credentials. Bodies are opaque here.

mod dialog;
pub mod digest;
mod late;
mod leg;

pub use dialog::Dialog;
pub use late::LateAnswers;
pub use leg::{
    ALLOW, Dial, Digits, Leg, LegEvent, LegFailure, MIN_SE, PRODUCT, Refer, Replaced, SUPPORTED,
    is_session_too_brief, unsupported,
};

use rand::rngs::StdRng;
use tandem_sip_txn::Transactions;
use tandem_time::Time;

/// What every machine above the transactions is handed with each input: the transactions to send through, randomness
/// and the moment.
pub struct Sip<'a> {
    /// The transaction layer.
    pub txn: &'a mut Transactions,
    /// Where tags, Call-IDs, nonces and jitter come from.
    pub rng: &'a mut StdRng,
    /// Now.
    pub now: Time,
}

impl Sip<'_> {
    /// The same context for a callee.
    pub fn again(&mut self) -> Sip<'_> {
        Sip { txn: self.txn, rng: self.rng, now: self.now }
    }
}
