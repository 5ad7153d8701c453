//! Those who have no business here: guessers of passwords, callers without any, junk; each from an address of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// One comes as often as this.
const PACE: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(5);

/// They come one after the other on a thread of their own.
pub struct Strangers {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Strangers {
    pub fn start(server: SocketAddr) -> Strangers {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let mut came = 0;
            while !stopped.load(Ordering::Relaxed) {
                come(server, came);
                came += 1;
                thread::sleep(PACE);
            }
            came
        });
        Strangers { stop, thread }
    }

    /// Whether all of them were treated as they deserve so far.
    pub fn go_on(&self) -> bool {
        !self.thread.is_finished()
    }

    /// No further one comes; panics if one of them was not treated as it deserves.
    pub fn stop(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        let came = self.thread.join().expect("every stranger was turned away");
        assert!(came > 0);
        format!("{came} strangers turned away")
    }
}

fn come(server: SocketAddr, n: u32) {
    let [_, high, middle, low] = n.to_be_bytes();
    let ip = IpAddr::from(Ipv4Addr::new(127, 100 + high, middle, low.saturating_add(1)));
    let socket = UdpSocket::bind((ip, 0)).expect("a port is free");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket can wait");
    let from = socket.local_addr().expect("it is bound");
    let ask = |request: &str| {
        socket.send_to(request.as_bytes(), server).expect("it can be sent");
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap_or_else(|e| panic!("{e} after {request}"));
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    socket.send_to(b"\xff\x00junk of no form at all\r\n\r\n", server).expect("it can be sent");

    let challenge = ask(&request("REGISTER", server, from, n, 1, ""));
    assert!(challenge.starts_with("SIP/2.0 401 "), "{challenge}");
    let nonce = challenge.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next());
    let guess = format!(
        "Authorization: Digest username=\"desk\", realm=\"tandem\", nonce=\"{}\", uri=\"sip:{server}\", \
         response=\"{n:032x}\", algorithm=MD5, cnonce=\"{n:08x}\", qop=auth, nc=00000001\r\n",
        nonce.expect("a challenge has a nonce"),
    );
    let refusal = ask(&request("REGISTER", server, from, n, 2, &guess));
    assert!(refusal.starts_with("SIP/2.0 401 ") || refusal.starts_with("SIP/2.0 403 "), "{refusal}");
    let challenge = ask(&request("INVITE", server, from, n, 3, ""));
    assert!(challenge.starts_with("SIP/2.0 407 "), "{challenge}");
}

fn request(method: &str, to: SocketAddr, from: SocketAddr, n: u32, cseq: u32, headers: &str) -> String {
    let user = if method == "REGISTER" { "" } else { "desk@" };
    format!(
        "{method} sip:{user}{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKstranger{n}x{cseq}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:desk@{to}>;tag=s{n}\r\nTo: <sip:desk@{to}>\r\nCall-ID: stranger-{n}-{method}\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:desk@{from}>\r\n{headers}Content-Length: 0\r\n\r\n"
    )
}
