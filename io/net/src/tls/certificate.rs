//! What a certificate says: whom it is for, by whom, and from when to when.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Names of one certificate that are looked at.
const MAX_NAMES: usize = 64;

/// A certificate, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Certificate {
    pub(crate) dns: Vec<String>,
    /// Hosts of `sip:` URIs (RFC 5922 §7.1).
    pub(crate) sip: Vec<String>,
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) issuer: String,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

impl Certificate {
    /// `None`: it cannot be read.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Option<Certificate> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let mut read = Certificate {
            dns: Vec::new(),
            sip: Vec::new(),
            ips: Vec::new(),
            issuer: printable(&parsed.issuer().to_string()),
            not_before: moment(parsed.validity().not_before.timestamp()),
            not_after: moment(parsed.validity().not_after.timestamp()),
        };
        let names = parsed.subject_alternative_name().ok()?.map(|extension| &extension.value.general_names);
        for name in names.into_iter().flatten().take(MAX_NAMES) {
            match name {
                GeneralName::DNSName(name) => read.dns.push(printable(name).to_ascii_lowercase()),
                GeneralName::URI(uri) => read.sip.extend(sip_host(uri)),
                GeneralName::IPAddress(bytes) => read.ips.extend(address(bytes)),
                _ => {}
            }
        }
        Some(read)
    }

    /// Every name, as a trunk is configured with them.
    pub(crate) fn names(&self) -> Vec<String> {
        let ips = self.ips.iter().map(ToString::to_string);
        let mut names: Vec<String> = self.dns.iter().chain(&self.sip).cloned().chain(ips).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The host of a `sip:` URI that names a domain and no user (RFC 5922 §7.1).
fn sip_host(uri: &str) -> Option<String> {
    let scheme = uri.get(..4)?;
    let rest = uri.get(4..).filter(|_| scheme.eq_ignore_ascii_case("sip:"))?;
    let host = rest.split([';', '?']).next()?;
    let plain = !host.is_empty() && !host.contains(['@', ':', '/', '*']);
    plain.then(|| printable(host).to_ascii_lowercase())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

fn moment(timestamp: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(timestamp.try_into().unwrap_or(0))
}

/// Fit for a log and a status.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(253).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uris_that_name_a_domain_are_names() {
        for (uri, host) in [
            ("sip:Example.com", Some("example.com")),
            ("SIP:example.com;transport=tls", Some("example.com")),
            ("sip:alice@example.com", None),
            ("sip:example.com:5061", None),
            ("sip:*.example.com", None),
            ("sips:example.com", None),
            ("https://example.com", None),
            ("sip:", None),
            ("ü", None),
        ] {
            assert_eq!(sip_host(uri).as_deref(), host, "{uri}");
        }
    }
}
