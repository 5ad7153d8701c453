//! Rules on how calls to a trunk are signed, and on what is believed of those from it.

use super::text;
use crate::findings::Findings;
use crate::{Secret, StirPolicy, Trunk, TrunkMode};
use tandem_stir::Signer;

const LONGEST_URL: usize = 512;
const LONGEST_KEY: usize = 4096;

pub(super) fn check(trunk: &Trunk, findings: &mut Findings) {
    text::check("stir_certificate_url", trunk.stir_certificate_url.as_deref(), certificate_url, findings);
    text::check("stir_key", trunk.stir_key.as_ref().map(Secret::expose), key, findings);
    let needed = [
        ("stir_key", trunk.stir_key.is_some(), KEY),
        ("stir_certificate_url", trunk.stir_certificate_url.is_some(), URL),
    ];
    for (field, is_there, fix) in needed {
        if trunk.stir_sign && !is_there {
            let message = format!("calls cannot be signed without `{field}`");
            findings.invalid(field, "REQUIRED", message, format!("{fix}, or set `stir_sign` to false"));
        }
    }
    let mut refuses = |message: &str, fix: &str| {
        if trunk.stir_policy != StirPolicy::Off {
            findings.invalid("stir_policy", "CONFLICTING_FIELDS", message, fix);
        }
    };
    if trunk.mode == TrunkMode::PeerIn {
        // Its calls for help must get through, too.
        refuses("a PBX that calls out by way of us verifies nobody's number", "set `stir_policy` to `off`");
    } else if !trunk.trust_identity {
        let message = "what the trunk says of its callers counts only where it is trusted";
        refuses(message, "set `trust_identity` to true, or `stir_policy` to `off`");
    }
}

const KEY: &str = "give the private key of the certificate in PEM, as `openssl ecparam -name prime256v1 -genkey -noout` makes one";
const URL: &str = "write it as `https://certificates.example.com/ours.pem`";

fn key(text: &str) -> text::Verdict {
    match Signer::from_pem(text) {
        Ok(_) if text.len() <= LONGEST_KEY => Ok(()),
        Ok(_) => text::bad(format!("this is longer than {LONGEST_KEY} characters"), KEY),
        Err(error) => text::bad(error.to_string(), KEY),
    }
}

/// It stands in a header between `<` and `>`, and others fetch it (RFC 8224 §4.1).
fn certificate_url(text: &str) -> text::Verdict {
    let legal = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(c);
    let Some(rest) =
        text.strip_prefix("https://").filter(|_| text.len() <= LONGEST_URL && text.chars().all(legal))
    else {
        return text::bad("this is no URL of a certificate", URL);
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return text::bad("everybody sees this URL, which holds no user or password", URL);
    }
    text::host_port(authority)
}
