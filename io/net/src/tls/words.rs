//! What went wrong with TLS: what was presented, what was expected, what to do.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::{AlertDescription, CertificateError, Error};
use tandem_sip_msg::{NoConnection, Why};

use super::certificate::Certificate;

/// Why a server's certificate is not taken.
pub(super) fn refused(error: &Error, shown: Option<&Certificate>, domain: &str) -> Why<NoConnection> {
    let Error::InvalidCertificate(error) = error else {
        return Why::new(NoConnection::BadCertificate, format!("its certificate is broken: {error}"));
    };
    let names = shown.map_or_else(|| "nothing that can be read".to_owned(), |shown| list(&shown.names()));
    match (error, shown) {
        (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }, _) => Why::new(
            NoConnection::WrongName,
            format!(
                "its certificate is for {names}, not for {domain}. Set host to a name that the certificate is for, \
                 or have the provider put {domain} into its certificate."
            ),
        ),
        (CertificateError::Expired | CertificateError::ExpiredContext { .. }, Some(shown)) => Why::new(
            NoConnection::Expired,
            format!(
                "its certificate for {names} expired on {}. The provider has to renew it; if it has, check the clock of this machine.",
                date(shown.not_after)
            ),
        ),
        (CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }, Some(shown)) => {
            Why::new(
                NoConnection::Expired,
                format!(
                    "its certificate for {names} is valid from {} on only. Check the clock of this machine.",
                    date(shown.not_before)
                ),
            )
        }
        (CertificateError::UnknownIssuer, Some(shown)) => Why::new(
            NoConnection::UnknownIssuer,
            format!(
                "its certificate for {names} was issued by \"{}\", who is not trusted here. If that is right, put the certificate of the \
                 issuer into the file that [tls] ca names; if not, somebody else answers at this address.",
                shown.issuer
            ),
        ),
        (error, _) => Why::new(
            NoConnection::BadCertificate,
            format!("its certificate for {names} is not valid for a server of {domain}: {error}."),
        ),
    }
}

/// Why a handshake failed that was not about the certificate of the other end.
pub(crate) fn handshake_failed(error: &io::Error) -> Why<NoConnection> {
    match tls_error(error) {
        Some(Error::AlertReceived(alert)) => refused_by_peer(*alert),
        Some(Error::PeerIncompatible(why)) => Why::new(
            NoConnection::Handshake,
            format!(
                "the other end has no version or cipher of TLS in common with us ({why:?}). TLS 1.2 and 1.3 are spoken here."
            ),
        ),
        Some(Error::InvalidMessage(_)) => Why::new(
            NoConnection::NotTls,
            "what answers there does not speak TLS. Check the port: TLS is on 5061 unless the provider says otherwise.",
        ),
        Some(other) => Why::new(NoConnection::Handshake, format!("the TLS handshake failed: {other}.")),
        None if error.kind() == io::ErrorKind::TimedOut => Why::new(
            NoConnection::NotTls,
            "the TLS handshake was not finished in time. Check that the port is one for TLS.",
        ),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Why::new(
            NoConnection::NotTls,
            "the other end hung up in the TLS handshake. Check that the port is one for TLS, and whether the provider asks for a client \
             certificate.",
        ),
        None => Why::new(NoConnection::Handshake, format!("the TLS handshake failed: {error}.")),
    }
}

/// Why an open connection broke, if the other end said so. With TLS 1.3 a client certificate is refused only then.
pub(crate) fn read_failed(error: &io::Error) -> Option<Why<NoConnection>> {
    match tls_error(error)? {
        Error::AlertReceived(alert) => Some(refused_by_peer(*alert)),
        _ => None,
    }
}

fn refused_by_peer(alert: AlertDescription) -> Why<NoConnection> {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired => Why::new(
            NoConnection::ClientCertificate,
            "the other end asks for a client certificate, and we gave none. Name one that the provider knows in \
             [tls] certificate or client_certificate.",
        ),
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied
        | A::DecryptError => Why::new(
            NoConnection::ClientCertificate,
            format!(
                "the other end does not take our certificate ({alert:?}). Give the provider the certificate in [tls] certificate or \
                 client_certificate, or take one from an issuer that it trusts."
            ),
        ),
        A::ProtocolVersion | A::HandshakeFailure | A::InsufficientSecurity => Why::new(
            NoConnection::Handshake,
            format!(
                "the other end has no version or cipher of TLS in common with us ({alert:?}), or asks for a client certificate. TLS 1.2 and \
                 1.3 are spoken here."
            ),
        ),
        A::UnrecognisedName => Why::new(
            NoConnection::WrongName,
            "the other end does not know the name that we asked for. Check host.",
        ),
        _ => Why::new(NoConnection::Handshake, format!("the other end ended the TLS handshake ({alert:?}).")),
    }
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn list(names: &[String]) -> String {
    match names {
        [] => "no host at all".to_owned(),
        _ if names.len() > 6 => format!("{} and {} more", names[..6].join(", "), names.len() - 6),
        _ => names.join(", "),
    }
}

/// `2026-11-26`.
pub(super) fn date(moment: SystemTime) -> String {
    let seconds = moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let days = (seconds / 86_400).cast_signed();
    // Howard Hinnant's civil_from_days.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01");
        assert_eq!(at(951_782_400), "2000-02-29");
        assert_eq!(at(1_795_651_199), "2026-11-25");
        assert_eq!(at(1_795_651_200), "2026-11-26");
    }
}
