//! TLS on streams (RFC 3261 §26.2, RFC 5922): certificates, whom they are for, and the bytes between.

mod certificate;
mod load;
mod verify;
mod wire;
mod words;

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

pub use load::{Tls, TlsError, TlsFiles};
pub(crate) use verify::ByName;
pub(crate) use wire::{Secured, Wire};
pub(crate) use words::{handshake_failed, read_failed};

/// The certificates in use, which change while connections come and go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<RwLock<Option<Tls>>>);

impl Shared {
    /// New connections have these from now on.
    pub(crate) fn set(&self, tls: Tls) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(tls);
    }

    pub(crate) fn get(&self) -> Option<Tls> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The two sides of a handshake, as configured.
#[derive(Clone, Debug)]
pub(crate) struct Sides {
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) verify: Arc<verify::Trust>,
}

impl Tls {
    /// The near end of a connection that somebody made to us.
    pub(crate) fn accept(&self) -> Result<rustls::Connection, String> {
        ServerConnection::new(self.sides.server.clone()).map(Into::into).map_err(|error| error.to_string())
    }

    /// The near end of a connection that we make to who has to prove to be `domain`, and where it is told why it did not.
    pub(crate) fn connect(&self, domain: &str) -> Result<(rustls::Connection, Arc<ByName>), String> {
        let name = match domain.parse::<IpAddr>() {
            Ok(ip) => ServerName::IpAddress(ip.into()),
            Err(_) => ServerName::try_from(domain.to_owned()).map_err(|_| {
                format!("a certificate cannot be for {domain}: give a host name or an address as host")
            })?,
        };
        let verifier = Arc::new(ByName::new(self.sides.verify.clone(), domain));
        let mut config = ClientConfig::clone(&self.sides.client);
        config.dangerous().set_certificate_verifier(verifier.clone());
        let session = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
        Ok((session.into(), verifier))
    }
}
