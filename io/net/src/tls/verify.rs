//! Whether a server is who it has to be (RFC 5922 §7).

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tandem_sip_msg::{NoConnection, Why};

use super::certificate::Certificate;
use super::words;

/// Who is believed in what they certify.
#[derive(Debug)]
pub(crate) struct Trust {
    pub(crate) roots: RootCertStore,
    pub(crate) provider: Arc<CryptoProvider>,
}

/// Takes a certificate that leads to a root and is for this host: by a `sip:` URI in its SubjectAltName, or where it has none by a
/// DNS name (one with a wildcard for its first label too, as carriers have who give each customer a host), or an address.
#[derive(Debug)]
pub(crate) struct ByName {
    trust: Arc<Trust>,
    domain: String,
    /// Why not.
    refused: Mutex<Option<Why<NoConnection>>>,
}

impl ByName {
    pub(crate) fn new(trust: Arc<Trust>, domain: &str) -> ByName {
        ByName { trust, domain: domain.to_owned(), refused: Mutex::new(None) }
    }

    /// Why the certificate was not taken, for people.
    pub(crate) fn refused(&self) -> Option<Why<NoConnection>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn judge(
        &self,
        der: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(der)?;
        let algorithms = self.trust.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.trust.roots,
            intermediates,
            now,
            algorithms,
        )?;
        let sip = Certificate::read(der).map(|read| read.sip).unwrap_or_default();
        if sip.is_empty() {
            return verify_server_name(&parsed, name);
        }
        match sip.iter().any(|host| host.eq_ignore_ascii_case(&self.domain)) {
            true => Ok(()),
            false => Err(CertificateError::NotValidForName.into()),
        }
    }
}

impl ServerCertVerifier for ByName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.judge(end_entity, intermediates, server_name, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(error) => {
                let words = words::refused(&error, Certificate::read(end_entity).as_ref(), &self.domain);
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
                Err(error)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.trust.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.trust.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.provider.signature_verification_algorithms.supported_schemes()
    }
}
