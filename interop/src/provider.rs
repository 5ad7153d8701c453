//! A provider with one fault, over UDP: the simulator's, on real sockets, with sound.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tandem_sim::provider::Provider;
use tandem_sip_msg::Message;

/// Serves for as long as the process lives.
pub struct Wired {
    address: SocketAddr,
    provider: Arc<Mutex<Provider>>,
}

/// Whom its sound is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Voice {
    /// From where its SDP says.
    Own,
    /// From another host.
    Stranger(IpAddr),
    /// It has none.
    Mute,
}

impl Wired {
    /// Listens on a free port of `ip`; what is wrong with it is set before.
    #[track_caller]
    pub fn start(ip: IpAddr, voice: Voice, set: impl FnOnce(&mut Provider)) -> Wired {
        let signalling = UdpSocket::bind((ip, 0)).expect("a port is free");
        let media = UdpSocket::bind((ip, 0)).expect("a port is free");
        let address = signalling.local_addr().expect("it is bound");
        let mut provider = Provider::new(media.local_addr().expect("it is bound"));
        set(&mut provider);
        let provider = Arc::new(Mutex::new(provider));
        let theirs = provider.clone();
        thread::spawn(move || answer(&signalling, address, &theirs));
        thread::spawn(move || echo(&media, voice));
        Wired { address, provider }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests with this method it heard.
    pub fn count(&self, method: &str) -> usize {
        self.provider.lock().unwrap_or_else(PoisonError::into_inner).count(method)
    }
}

fn answer(socket: &UdpSocket, at: SocketAddr, provider: &Mutex<Provider>) {
    let mut buffer = [0; 8192];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let Ok(message) = Message::parse(buffer[..length].to_vec().into()) else { continue };
        let answers = provider.lock().unwrap_or_else(PoisonError::into_inner).answer(&message, from, at);
        for bytes in answers {
            // The end of the other side is no matter of the test.
            let _ = socket.send_to(&bytes, from);
        }
    }
}

/// What is heard comes back, as from a peer that latches.
fn echo(heard: &UdpSocket, voice: Voice) {
    let stranger = match voice {
        Voice::Stranger(ip) => UdpSocket::bind((ip, 0)).ok(),
        Voice::Own | Voice::Mute => None,
    };
    let mut buffer = [0; 2048];
    while let Ok((length, from)) = heard.recv_from(&mut buffer) {
        if voice != Voice::Mute {
            let _ = stranger.as_ref().unwrap_or(heard).send_to(&buffer[..length], from);
        }
    }
}
