//! Signing with the private key of a certificate.

use crate::Passport;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey;
use std::fmt;
use thiserror::Error;

/// A text that is no key to sign with. It does not say what stands in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("this is no private key of the curve P-256 in PEM")]
pub struct BadKey;

/// A private key for ES256 (RFC 7518 §3.4), which is the algorithm of SHAKEN.
pub struct Signer(SigningKey);

impl Signer {
    /// Reads a key in PEM: `PRIVATE KEY` (PKCS #8, RFC 5958) or `EC PRIVATE KEY` (RFC 5915).
    pub fn from_pem(pem: &str) -> Result<Signer, BadKey> {
        let pem = pem.trim();
        let key = SecretKey::from_pkcs8_pem(pem).ok().or_else(|| SecretKey::from_sec1_pem(pem).ok());
        key.map(|key| Signer(SigningKey::from(key))).ok_or(BadKey)
    }

    /// A call's value of Identity, with the certificate at this URL (RFC 8224 §4).
    pub fn identity(&self, passport: &Passport, certificate: &str) -> String {
        let [header, claims] =
            [passport.header(certificate), passport.claims()].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        let signed = format!("{header}.{claims}");
        let signature: Signature = self.0.sign(signed.as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.to_bytes());
        format!("{signed}.{signature};info=<{certificate}>;alg=ES256;ppt=\"shaken\"")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Attestation;
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier;
    use p256::pkcs8::{EncodePrivateKey, LineEnding};

    const URL: &str = "https://certificates.example.org/shaken.pem";

    /// A key that nobody has: of the bytes 1 to 32.
    fn key() -> SecretKey {
        SecretKey::from_slice(&std::array::from_fn::<u8, 32, _>(|n| n as u8 + 1)).unwrap()
    }

    fn call() -> Passport<'static> {
        Passport {
            attest: Attestation::B,
            orig: "4930123456",
            dest: "15551234567",
            iat: 1_700_000_000,
            origid: "0198c0de-0000-7000-8000-000000000001",
        }
    }

    #[test]
    fn the_signature_is_of_the_key_over_header_and_claims() {
        let signer = Signer::from_pem(&key().to_pkcs8_pem(LineEnding::LF).unwrap()).unwrap();
        let identity = signer.identity(&call(), URL);
        let (token, params) = identity.split_once(';').unwrap();
        assert_eq!(params, format!("info=<{URL}>;alg=ES256;ppt=\"shaken\""));

        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = VerifyingKey::from(&SigningKey::from(key()));
        public.verify(signed.as_bytes(), &Signature::from_slice(&signature).unwrap()).unwrap();

        let (header, claims) = signed.split_once('.').unwrap();
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(header).unwrap(), call().header(URL).into_bytes());
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap(), call().claims().into_bytes());
    }

    #[test]
    fn a_key_is_read_in_both_of_its_forms_and_signs_alike() {
        let both =
            [key().to_pkcs8_pem(LineEnding::LF).unwrap(), key().to_sec1_pem(LineEnding::CRLF).unwrap()];
        let [one, other] = both.map(|pem| Signer::from_pem(&format!("\n{}\n", *pem)).unwrap());
        assert_eq!(one.identity(&call(), URL), other.identity(&call(), URL));
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        for text in ["", "secret", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"] {
            assert_eq!(Signer::from_pem(text).unwrap_err(), BadKey);
        }
        assert_eq!(format!("{:?}", Signer(SigningKey::from(key()))), "Signer(***)");
    }
}
