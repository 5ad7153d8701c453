//! One request: look up, connect, prove who is there, post, and hear the status.

use crate::address::{host_of, is_public};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a whole delivery may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one address may take to connect, so that another has its chance.
const CONNECT: Duration = Duration::from_secs(4);

/// Posts to webhooks.
#[derive(Clone)]
pub struct Poster {
    tls: TlsConnector,
    /// Addresses that are not public are connected to as well.
    private: bool,
}

/// The certificates of roots could not be read: which file, and why.
#[derive(Debug)]
pub struct PosterError(String);

impl std::fmt::Display for PosterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PosterError {}

impl Poster {
    /// One that believes the roots of the system, and those in the PEM file `ca`. With `private` it posts to any address.
    pub fn new(ca: Option<&Path>, private: bool) -> Result<Poster, PosterError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca {
            let wrong = |why: String| PosterError(format!("{}: {why}", path.display()));
            let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| PosterError(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Poster { tls: TlsConnector::from(Arc::new(config)), private })
    }

    /// Whether it posts to any address.
    pub fn posts_anywhere(&self) -> bool {
        self.private
    }

    /// Posts a JSON body. Anything but a 2xx is a failure, in words.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<(), String> {
        let post = self.post_unhurried(url, headers, body);
        timeout(PATIENCE, post)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
    }

    async fn post_unhurried(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<(), String> {
        let uri: Uri = url.parse().map_err(|_| "the URL cannot be read".to_owned())?;
        let authority = uri.authority().ok_or("the URL names no host")?.clone();
        let host = host_of(&uri).ok_or("the URL names no host")?;
        let secure = uri.scheme_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::post(path)
            .header(HOST, authority.as_str())
            .header(USER_AGENT, concat!("tandem/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
        let stream = self.connect(host, port).await?;
        let status = if secure {
            let name =
                ServerName::try_from(host.to_owned()).map_err(|_| format!("{host} is no host name"))?;
            let stream = self.tls.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
            send(stream, request).await?
        } else {
            send(stream, request).await?
        };
        match status {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => {
                Err(format!("answered {status}; redirects are not followed"))
            }
            status => Err(format!("answered {status}")),
        }
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(ip) => vec![(ip, port).into()],
            Err(_) => lookup_host((host, port)).await.map_err(|error| format!("{host}: {error}"))?.collect(),
        };
        let allowed = found.iter().filter(|address| self.private || is_public(address.ip()));
        let mut why = match found.first() {
            Some(address) => format!(
                "{} is not an address of the public internet; [webhooks] private = true allows such",
                address.ip()
            ),
            None => format!("{host} has no address"),
        };
        for address in allowed {
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => why = format!("{address}: {error}"),
                Err(_) => why = format!("{address} does not answer"),
            }
        }
        Err(why)
    }
}

/// Sends the request and hears the status; whatever else comes is not listened to.
async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, String> {
    let broken = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        // A connection may end as soon as the answer has come, which is then there to be taken.
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error),
        },
    };
    Ok(answered.map_err(broken)?.status())
}
