//! A user agent over TLS: a carrier that takes every call, and a caller who does as it is told.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use tandem_sip_msg::{Frame, Framer, Header, Message, Writer};

use crate::certificates::Identity;
use crate::process::{PATIENCE, wait_for};

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A message that a carrier heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Counts connections.
    pub connection: usize,
    /// It showed a certificate that was asked for.
    pub certified: bool,
    /// The message.
    pub message: Message,
}

/// A carrier that answers every request well: calls too, without sending media.
pub struct Carrier {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Carrier {
    /// Listens on a free port of `ip` with this certificate; asks for certificates of `clients` and refuses who has none.
    #[track_caller]
    pub fn start(ip: IpAddr, identity: &Identity, clients: Option<Arc<RootCertStore>>) -> Carrier {
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.expect("the usual versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
                builder.with_client_cert_verifier(verifier.expect("roots"))
            }
        };
        let (chain, key) = identity.for_rustls();
        let config = Arc::new(builder.with_single_cert(chain, key).expect("a certificate and its key"));
        let listener = TcpListener::bind((ip, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let all = heard.clone();
        thread::spawn(move || {
            let count = AtomicUsize::new(0);
            for stream in listener.incoming().flatten() {
                let (config, heard) = (config.clone(), all.clone());
                let connection = count.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || {
                    let Ok(session) = ServerConnection::new(config) else { return };
                    // The end of a connection is no matter of the test.
                    let _ = serve(rustls::StreamOwned::new(session, stream), connection, address, &heard);
                });
            }
        });
        Carrier { address, heard }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it heard of this method so far.
    pub fn heard(&self, method: &str) -> Vec<Heard> {
        let all = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|heard| heard.message.method_name() == method).cloned().collect()
    }

    /// Waits until it has heard this method so often.
    #[track_caller]
    pub fn wait_heard(&self, method: &str, count: usize) -> Vec<Heard> {
        wait_for(&format!("{count} {method} over TLS"), PATIENCE, || {
            Some(self.heard(method)).filter(|heard| heard.len() >= count)
        })
    }
}

fn serve(
    mut stream: rustls::StreamOwned<ServerConnection, TcpStream>,
    connection: usize,
    address: SocketAddr,
    heard: &Mutex<Vec<Heard>>,
) -> io::Result<()> {
    let mut framer = Framer::default();
    loop {
        let message = read(&mut stream, &mut framer)?;
        let certified = stream.conn.peer_certificates().is_some();
        let answer = answer(&message, address);
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(Heard { connection, certified, message });
        if let Some(answer) = answer {
            stream.write_all(&answer)?;
        }
    }
}

/// 200 to every request but ACK.
fn answer(message: &Message, address: SocketAddr) -> Option<Bytes> {
    if !message.is_request() || message.method_name() == "ACK" {
        return None;
    }
    let mut w = Writer::reply(message, address, 200, "OK", Some("carrier"));
    match message.method_name() {
        "REGISTER" => {
            let contact = message.header(Header::Contact).unwrap_or_default();
            let contact = contact.split(";expires").next().unwrap_or_default();
            w.header(Header::Contact, format_args!("{contact};expires=3600"));
            Some(w.finish())
        }
        "INVITE" => {
            w.header(Header::Contact, format_args!("<sip:carrier@{address};transport=tls>"));
            Some(w.finish_with("application/sdp", session(address.ip()).as_bytes()))
        }
        _ => Some(w.finish()),
    }
}

/// An SDP that wants PCMU sent to a port that nobody reads.
pub fn session(ip: IpAddr) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n")
}

/// A connection to a server.
pub struct Line {
    stream: rustls::StreamOwned<ClientConnection, TcpStream>,
    framer: Framer,
}

impl Line {
    /// Connects to a server that has to be `name`; shows a certificate if it has one.
    pub fn connect(
        to: SocketAddr,
        name: &str,
        roots: Arc<RootCertStore>,
        own: Option<&Identity>,
    ) -> io::Result<Line> {
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.map_err(io::Error::other)?.with_root_certificates(roots);
        let config = match own.map(Identity::for_rustls) {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(io::Error::other)?,
            None => builder.with_no_client_auth(),
        };
        let name = name.to_owned().try_into().map_err(io::Error::other)?;
        let mut session = ClientConnection::new(config.into(), name).map_err(io::Error::other)?;
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(Line { stream: rustls::StreamOwned::new(session, stream), framer: Framer::default() })
    }

    /// The certificate that the server showed.
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.stream.conn.peer_certificates().and_then(<[_]>::first).cloned()
    }

    /// Where it is connected from.
    pub fn local(&self) -> SocketAddr {
        self.stream.sock.local_addr().expect("it is connected")
    }

    /// Sends a message.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    /// The next message; an error when the connection has ended, or nothing comes for a long time.
    pub fn receive(&mut self) -> io::Result<Message> {
        read(&mut self.stream, &mut self.framer)
    }

    /// The next final response.
    pub fn receive_final(&mut self) -> io::Result<Message> {
        loop {
            let message = self.receive()?;
            if message.code().is_some_and(|code| code >= 200) {
                return Ok(message);
            }
        }
    }
}

fn read(stream: &mut impl Read, framer: &mut Framer) -> io::Result<Message> {
    let mut buffer = [0; 4096];
    loop {
        match framer.next() {
            Ok(Some(Frame::Message(bytes))) => {
                return Message::parse(bytes).map_err(|_| io::Error::other("what came is no SIP"));
            }
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(error) => return Err(io::Error::other(error.why)),
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => framer.push(&buffer[..count]),
        }
    }
}
