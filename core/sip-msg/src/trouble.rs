//! Why there is no flow to somebody: a kind for those who decide, words for people.

use std::fmt;

/// A reason with its words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Why<K> {
    /// What kind of trouble it is.
    pub kind: K,
    /// What happened and what to do, in plain words.
    pub words: String,
}

impl<K> Why<K> {
    /// A reason.
    pub fn new(kind: K, words: impl Into<String>) -> Why<K> {
        Why { kind, words: words.into() }
    }
}

impl<K> fmt::Display for Why<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// Why a host has no address that could be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoAddress {
    /// There is no such name (RFC 1035 §4.1.1, NXDOMAIN).
    NoSuchName,
    /// The name is there, an address is not.
    NoRecords,
    /// Its SRV records say that it offers no such service (RFC 2782).
    NotOffered,
    /// The name servers did not answer in time.
    Silent,
    /// The name servers could not answer (SERVFAIL, REFUSED), or what they said is of no use.
    Failed,
}

/// Why there is no connection to an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoConnection {
    /// Nobody listens there.
    Refused,
    /// Nothing came back in time.
    Silent,
    /// The network or this machine does not let it through.
    Network,
    /// The certificate is for somebody else.
    WrongName,
    /// The certificate was issued by somebody who is not trusted here.
    UnknownIssuer,
    /// The certificate is not valid any more, or not yet.
    Expired,
    /// The certificate is of no use for another reason.
    BadCertificate,
    /// The other end wants a certificate of ours, or another than it got.
    ClientCertificate,
    /// What answers there does not speak TLS.
    NotTls,
    /// TLS came to no end: no version or cipher in common, or another trouble.
    Handshake,
}

impl NoConnection {
    /// Whether the connection itself was there, and TLS over it failed.
    pub fn is_tls(self) -> bool {
        !matches!(self, NoConnection::Refused | NoConnection::Silent | NoConnection::Network)
    }
}
