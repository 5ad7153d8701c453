//! Certificates made as tests need them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use tandem_net::{Tls, TlsFiles};
use tempfile::TempDir;

/// Who issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate and its key, both PEM, for these names: hosts, addresses, `sip:` URIs. `years`: from and to.
    pub fn issue(&self, names: &[&str], years: (i32, i32)) -> (String, String) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().map(|name| san(name)).collect();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

pub const NOW: (i32, i32) = (2020, 2120);

fn san(name: &str) -> SanType {
    match name.parse::<IpAddr>() {
        Ok(ip) => SanType::IpAddress(ip),
        Err(_) if name.contains(':') => SanType::URI(name.try_into().unwrap()),
        Err(_) => SanType::DnsName(name.try_into().unwrap()),
    }
}

/// Files of certificates, in a folder of their own.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Who is `names` by `authority`, and believes the issuers in `roots` and, of clients, `client_roots`.
    pub fn files(
        &self,
        own: &(String, String),
        roots: Option<&Authority>,
        clients: Option<&Authority>,
    ) -> TlsFiles {
        TlsFiles {
            certificate: self.write("own.pem", &own.0),
            key: self.write("own.key", &own.1),
            ca: roots.map(|authority| self.write("ca.pem", &authority.pem)),
            client_ca: clients.map(|authority| self.write("client-ca.pem", &authority.pem)),
            ..TlsFiles::default()
        }
    }
}

/// What a server or client with this certificate uses.
pub fn tls(own: &(String, String), roots: Option<&Authority>, clients: Option<&Authority>) -> Tls {
    Tls::load(&Folder::new().files(own, roots, clients)).unwrap()
}
