//! Certificates and keys from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, RootCertStore, ServerConfig};

use super::certificate::Certificate;
use super::verify::{ByName, Trust};
use super::{Sides, words};

/// Where certificates and keys are, all PEM.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsFiles {
    /// Our certificate, and those between it and its root.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// What we show where a server asks for a certificate; empty: the same.
    pub client_certificate: Option<PathBuf>,
    /// Its key.
    pub client_key: Option<PathBuf>,
    /// Roots that servers are believed by, beside those of the system.
    pub ca: Option<PathBuf>,
    /// Roots that clients are believed by; without it clients are not asked for certificates.
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// Every file that is named.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let optional = [&self.client_certificate, &self.client_key, &self.ca, &self.client_ca];
        let named = optional.into_iter().flatten().map(PathBuf::as_path);
        [self.certificate.as_path(), self.key.as_path()].into_iter().chain(named)
    }
}

/// Why certificates cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}. {fix}", path.display())]
pub struct TlsError {
    path: PathBuf,
    why: String,
    fix: String,
}

fn bad(path: &Path, why: impl Into<String>, fix: &str) -> TlsError {
    TlsError { path: path.to_owned(), why: why.into(), fix: fix.to_owned() }
}

/// Certificates that new connections are made with.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(crate) sides: Sides,
    expires: SystemTime,
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, SystemTime);

impl Tls {
    /// Reads the files. What is wrong with them, an expired certificate too, is an error.
    pub fn load(files: &TlsFiles) -> Result<Tls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let (chain, key, expires) = identity(&files.certificate, &files.key)?;
        let shown = match (&files.client_certificate, &files.client_key) {
            (Some(certificate), Some(key)) => {
                let (chain, key, _) = identity(certificate, key)?;
                (chain, key, certificate)
            }
            _ => (chain.clone(), key.clone_key(), &files.certificate),
        };
        let server = server(&provider, files, chain, key)?;
        let trust = Arc::new(Trust { roots: roots(files)?, provider: provider.clone() });
        let client = client(&provider, &trust, shown)?;
        Ok(Tls { sides: Sides { server: server.into(), client: client.into(), verify: trust }, expires })
    }

    /// When our certificate expires.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }
}

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

fn server(
    provider: &Arc<CryptoProvider>,
    files: &TlsFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, TlsError> {
    let unusable = |error: Error| unusable(&files.certificate, &error);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&VERSIONS)
        .map_err(unusable)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            add_roots(&mut roots, path)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
            let verifier = verifier.allow_unauthenticated().build();
            let verifier =
                verifier.map_err(|error| bad(path, error.to_string(), "Put CA certificates into it"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder.with_single_cert(chain, key).map_err(unusable)
}

fn client(
    provider: &Arc<CryptoProvider>,
    trust: &Arc<Trust>,
    (chain, key, path): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, &PathBuf),
) -> Result<ClientConfig, TlsError> {
    let unusable = |error: Error| unusable(path, &error);
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&VERSIONS)
        .map_err(unusable)?;
    // Each connection has a verifier of its own in place of this one.
    let verifier = Arc::new(ByName::new(trust.clone(), ""));
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = builder.with_client_auth_cert(chain, key).map_err(unusable)?;
    // Connections live long; each proves anew whose it is.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn unusable(path: &Path, error: &Error) -> TlsError {
    match error {
        Error::InconsistentKeys(_) => bad(
            path,
            "the key is not the one of this certificate",
            "Name the key that the certificate was made for",
        ),
        other => bad(path, other.to_string(), "Name a certificate with its key, both PEM"),
    }
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, TlsError> {
    let chain = certificates(certificate)?;
    let leaf = chain.first().and_then(Certificate::read);
    let leaf = leaf.ok_or_else(|| bad(certificate, "its first certificate cannot be read", PEM))?;
    let now = SystemTime::now();
    if leaf.not_after <= now {
        let why = format!("the certificate expired on {}", words::date(leaf.not_after));
        return Err(bad(certificate, why, "Renew it"));
    }
    if leaf.not_before > now {
        let why = format!("the certificate is valid from {} on only", words::date(leaf.not_before));
        return Err(bad(certificate, why, "Check the clock of this machine"));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| no_pem(key, &error, "private key"))?;
    Ok((chain, key, leaf.not_after))
}

const PEM: &str = "Name a PEM file that begins with -----BEGIN CERTIFICATE-----";

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| no_pem(path, &error, "certificate"))?;
    if found.is_empty() { Err(bad(path, "there is no certificate in it", PEM)) } else { Ok(found) }
}

fn no_pem(path: &Path, error: &pem::Error, what: &str) -> TlsError {
    match error {
        pem::Error::Io(error) => bad(path, error.to_string(), "Name a file that this server may read"),
        pem::Error::NoItemsFound => {
            bad(path, format!("there is no {what} in it"), "Name a PEM file that has one")
        }
        other => bad(path, format!("it is not PEM ({other:?})"), "Name a PEM file"),
    }
}

/// Those of the system, as far as it has any, and those that were named.
fn roots(files: &TlsFiles) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a root certificate of the system cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    if let Some(path) = &files.ca {
        add_roots(&mut roots, path)?;
    }
    Ok(roots)
}

fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let found = certificates(path)?;
    let (taken, refused) = roots.add_parsable_certificates(found);
    if taken == 0 || refused > 0 {
        let why = format!("{refused} of its {} certificates cannot be roots", taken + refused);
        return Err(bad(path, why, "Put CA certificates into it"));
    }
    Ok(())
}
