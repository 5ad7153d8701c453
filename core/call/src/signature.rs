//! A call that is signed on its way to a trunk (RFC 8224).

use chrono::DateTime;
use tandem_model::CallId;
use tandem_routing::PlannedStep;
use tandem_sip_msg::Header;
use tandem_stir::{Passport, Signer};
use tandem_time::Time;

/// Which call is signed, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) call: CallId,
    pub(crate) now: Time,
}

/// Identity and Date for a call to this trunk; nothing where it is not to be signed.
pub(crate) fn sign(step: &PlannedStep, stamp: Stamp) -> Option<[(Header, String); 2]> {
    let attested = step.attested.as_ref()?;
    let signer = Signer::from_pem(step.trunk.stir_key.as_ref()?.expose()).ok()?;
    let iat = stamp.now.as_secs();
    let passport = Passport {
        attest: attested.attestation,
        orig: attested.caller.as_str(),
        dest: attested.called.as_str(),
        iat,
        origid: &stamp.call.to_string(),
    };
    let identity = signer.identity(&passport, step.trunk.stir_certificate_url.as_deref()?);
    // Whoever verifies it compares the two (RFC 8224 §4.1).
    let date = DateTime::from_timestamp(i64::try_from(iat).ok()?, 0)?;
    let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    Some([(Header::Identity, identity), (Header::Date, date)])
}
