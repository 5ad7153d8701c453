//! Certificates made as tests need them.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Who issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

/// A certificate and its key.
pub struct Identity {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    /// One of this name.
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key can be made");
        let own = params.self_signed(&key).expect("a certificate can be made");
        Authority { pem: own.pem(), der: own.der().clone(), issuer: Issuer::new(params, key) }
    }

    /// A certificate for these host names and addresses, good for now.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.issue_for(names, (2020, 2120))
    }

    /// One that is valid from the first day of a year to that of another.
    pub fn issue_for(&self, names: &[&str], (from, to): (i32, i32)) -> Identity {
        let mut params = CertificateParams::default();
        let name = |name: &&str| match name.parse::<IpAddr>() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => SanType::DnsName((*name).try_into().expect("a name is ASCII")),
        };
        params.subject_alt_names = names.iter().map(name).collect();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let key = KeyPair::generate().expect("a key can be made");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate can be made");
        Identity { certificate: signed.der().clone(), pem: signed.pem(), key }
    }

    /// Puts its own certificate into a file.
    pub fn write(&self, path: &Path) -> PathBuf {
        fs::write(path, &self.pem).expect("a file can be written");
        path.to_owned()
    }

    /// Those who believe nobody else.
    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("it is an authority");
        Arc::new(roots)
    }
}

impl Identity {
    /// Puts it into two files, `NAME.pem` and `NAME.key`, and tells where.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        fs::write(&certificate, &self.pem).expect("a file can be written");
        fs::write(&key, self.key.serialize_pem()).expect("a file can be written");
        (certificate, key)
    }

    /// For a server or a client that shows it.
    pub fn for_rustls(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (vec![self.certificate.clone()], PrivatePkcs8KeyDer::from(self.key.serialize_der()).into())
    }
}
