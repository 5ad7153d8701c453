//! The bytes of a connection, plain or in TLS, under one set of methods that never wait.

use std::io::{self, Read, Write};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncWriteExt, Interest, Ready};
use tokio::net::TcpStream;

use super::certificate::Certificate;

/// An open connection's bytes.
pub(crate) enum Wire {
    Plain(TcpStream),
    Secured(Box<Secured>),
}

/// A connection in TLS.
pub(crate) struct Secured {
    stream: TcpStream,
    session: rustls::Connection,
}

/// The socket as the session reads and writes it.
struct Raw<'a>(&'a TcpStream);

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire {
    /// Waits until it can be read or written.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Wire::Plain(stream) => stream.ready(interest).await,
            Wire::Secured(secured) => secured.stream.ready(interest).await,
        }
    }

    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.try_read(buffer),
            Wire::Secured(secured) => secured.try_read(buffer),
        }
    }

    /// What is taken is written by later calls of [`Wire::try_flush`] at the latest.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.try_write(bytes),
            Wire::Secured(secured) => {
                secured.try_flush()?;
                let taken = secured.session.writer().write(bytes)?;
                match secured.try_flush() {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                    _ => Ok(taken),
                }
            }
        }
    }

    /// Writes what was taken and is not written yet.
    pub(crate) fn try_flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(_) => Ok(()),
            Wire::Secured(secured) => secured.try_flush(),
        }
    }

    /// Whether [`Wire::try_flush`] has something to do.
    pub(crate) fn wants_write(&self) -> bool {
        matches!(self, Wire::Secured(secured) if secured.session.wants_write())
    }

    /// Says that nothing more comes, as far as the socket takes it.
    pub(crate) fn close(&mut self) {
        if let Wire::Secured(secured) = self {
            secured.session.send_close_notify();
            let _ = secured.try_flush();
        }
    }

    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.close();
        match self {
            Wire::Plain(stream) => stream.shutdown().await,
            Wire::Secured(secured) => secured.stream.shutdown().await,
        }
    }

    /// The socket itself, to read it empty.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Wire::Plain(stream) => stream,
            Wire::Secured(secured) => &secured.stream,
        }
    }
}

impl Secured {
    /// Brings the handshake to its end.
    pub(crate) async fn handshake(stream: TcpStream, session: rustls::Connection) -> io::Result<Secured> {
        let mut secured = Secured { stream, session };
        while secured.session.is_handshaking() {
            let interest = match secured.session.wants_write() {
                true => Interest::WRITABLE,
                false => Interest::READABLE,
            };
            secured.stream.ready(interest).await?;
            let done = match interest {
                Interest::WRITABLE => secured.try_flush(),
                _ => secured.take_in(),
            };
            match done {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    // The other end is told why.
                    let _ = secured.try_flush();
                    return Err(error);
                }
                _ => {}
            }
        }
        match secured.try_flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(secured),
        }
    }

    /// Names in the certificate that the other end has proved to have.
    pub(crate) fn names(&self) -> Vec<String> {
        let leaf: Option<&CertificateDer<'_>> = self.session.peer_certificates().and_then(<[_]>::first);
        leaf.and_then(Certificate::read).map(|certificate| certificate.names()).unwrap_or_default()
    }

    /// Takes in what the socket has.
    fn take_in(&mut self) -> io::Result<()> {
        if self.session.read_tls(&mut Raw(&self.stream))? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let state = self.session.process_new_packets();
        state.map(drop).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // One that was cut off without a word is at its end all the same: messages have lengths.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            match self.take_in() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => {
                    let _ = self.try_flush();
                    return Err(error);
                }
            }
        }
    }

    fn try_flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut Raw(&self.stream))?;
        }
        Ok(())
    }
}
