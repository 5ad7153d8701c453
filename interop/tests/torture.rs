//! The torture tests of RFC 4475 and RFC 5118 over real sockets: what is well formed is answered, what is not is refused, and the
//! server serves the next one.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use tandem_interop::tandem::{Server, Tandem};

/// What becomes of a message.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Any final answer but 400 and those that say that we failed.
    Served,
    /// One of these.
    Refused(&'static [u16]),
    /// Nothing comes back.
    Dropped,
}

use Fate::{Dropped, Refused, Served};

const RFC4475: [(&str, Fate); 47] = [
    ("wsinv", Served),
    ("intmeth", Refused(&[405, 501])),
    ("esc01", Served),
    ("escnull", Served),
    ("esc02", Refused(&[405, 501])),
    ("lwsdisp", Served),
    ("longreq", Served),
    ("dblreq", Served),
    ("semiuri", Served),
    ("transports", Served),
    ("unreason", Dropped),
    ("noreason", Dropped),
    ("badinv01", Refused(&[400])),
    ("clerr", Refused(&[400])),
    ("ncl", Refused(&[400])),
    ("scalar02", Refused(&[400])),
    ("scalarlg", Dropped),
    ("quotbal", Refused(&[400])),
    ("ltgtruri", Refused(&[400])),
    ("lwsruri", Refused(&[400])),
    ("lwsstart", Refused(&[400])),
    ("trws", Refused(&[400])),
    ("escruri", Refused(&[400])),
    ("baddate", Served),
    ("regbadct", Refused(&[400])),
    ("badaspec", Served),
    ("baddn", Served),
    ("badvers", Refused(&[505])),
    ("mismatch01", Refused(&[400])),
    ("mismatch02", Refused(&[400, 405, 501])),
    ("bigcode", Dropped),
    ("badbranch", Served),
    ("insuf", Refused(&[400])),
    ("unkscm", Refused(&[416])),
    ("novelsc", Refused(&[416])),
    ("unksm2", Refused(&[400, 416])),
    ("bext01", Refused(&[420])),
    ("regaut01", Refused(&[401])),
    ("multi01", Refused(&[400])),
    ("mcl01", Refused(&[400])),
    ("bcast", Dropped),
    ("zeromf", Refused(&[200, 483])),
    ("cparam01", Served),
    ("cparam02", Served),
    ("regescrt", Served),
    ("sdp01", Refused(&[406])),
    ("inv2543", Served),
];

const RFC5118: [(&str, Fate); 10] = [
    ("ipv6-good", Served),
    ("ipv6-bad", Refused(&[400])),
    ("port-ambiguous", Served),
    ("port-unambiguous", Served),
    ("via-received-with-delim", Served),
    ("via-received-no-delim", Served),
    ("mult-ip-in-header", Served),
    ("ipv4-mapped-ipv6", Served),
    ("three-colons", Served),
    ("two-colons", Served),
];

/// On a stream these end without what would make a message of them, or never begin: the length cannot be known.
const OTHERWISE_ON_A_STREAM: [(&str, Fate); 1] = [("clerr", Dropped)];

fn messages() -> impl Iterator<Item = (&'static str, Vec<u8>, Fate)> {
    let read = |folder: &str, name: &str| {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/sip-msg/tests");
        fs::read(tests.join(folder).join(format!("{name}.dat"))).unwrap()
    };
    let first = RFC4475.into_iter().map(move |(name, fate)| (name, read("rfc4475", name), fate));
    first.chain(RFC5118.into_iter().map(move |(name, fate)| (name, read("rfc5118", name), fate)))
}

fn judge(name: &str, fate: Fate, codes: &[u16]) {
    let good = match (fate, codes.last()) {
        (Dropped, last) => last.is_none(),
        (Refused(these), Some(code)) => these.contains(code),
        (Served, Some(code)) => *code != 400 && !(500..600).contains(code),
        (_, None) => false,
    };
    assert!(good, "{name}: {fate:?} is right, and {codes:?} came");
}

fn codes(text: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(text);
    let starts = text.split("SIP/2.0 ").skip(1);
    starts.filter_map(|rest| rest.get(..3)?.parse().ok()).filter(|code| *code >= 200).collect()
}

/// A plain OPTIONS over UDP, answered: the server is well. Whatever came before it has been dealt with by then.
fn assert_well(server: &Server, socket: &UdpSocket, n: usize) {
    let options = format!(
        "OPTIONS sip:{} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKwell{n};rport\r\nFrom: <sip:probe@example.com>;tag=1\r\n\
         To: <sip:{}>\r\nCall-ID: well-{n}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        server.sip(),
        socket.local_addr().unwrap(),
        server.sip()
    );
    socket.send_to(options.as_bytes(), server.sip()).unwrap();
    let mut buffer = [0; 65_536];
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let Ok(count) = socket.recv(&mut buffer) else { continue };
        if String::from_utf8_lossy(&buffer[..count]).contains(&format!("Call-ID: well-{n}\r\n")) {
            return;
        }
    }
    panic!("the server does not answer any more");
}

/// Vias of the messages carry no rport, so that they are answered at the source's address and their own port: every Via gets one.
fn with_rport(message: &[u8]) -> Vec<u8> {
    let via = |line: &[u8]| {
        let name: Vec<u8> = line.iter().take_while(|b| **b != b':').map(u8::to_ascii_lowercase).collect();
        matches!(name.trim_ascii(), b"via" | b"v")
    };
    // A line goes on where the next one starts with a blank.
    let line_end = |text: &[u8], at: usize| {
        let ends =
            |n: &usize| text[*n..].starts_with(b"\r\n") && !matches!(text.get(n + 2), Some(b' ' | b'\t'));
        (at..text.len()).find(ends)
    };
    let mut out = message.to_vec();
    let mut at = 0;
    while let Some(end) = line_end(&out, at) {
        if via(&out[at..end]) {
            let hop = out[at..end].iter().position(|b| matches!(b, b';' | b',')).map_or(end, |n| at + n);
            out.splice(hop..hop, *b";rport");
            return out;
        }
        at = end + 2;
    }
    out
}

#[test]
fn over_udp_each_message_is_dealt_with_as_the_rfc_has_it() {
    let server = Tandem::new().start();
    let probe = UdpSocket::bind("127.0.0.1:0").unwrap();
    probe.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    for (n, (name, message, fate)) in messages().enumerate() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&with_rport(&message), server.sip()).unwrap();
        assert_well(&server, &probe, n);
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut buffer = [0; 65_536];
        let mut seen = Vec::new();
        while let Ok(count) = socket.recv(&mut buffer) {
            seen.extend(codes(&buffer[..count]));
        }
        judge(name, fate, &seen);
        if name == "dblreq" {
            assert_eq!(seen.len(), 1, "what follows the message is none");
        }
    }
}

/// All that comes back on a connection of its own until the peer is done, or silent for a while.
fn over_tcp(server: SocketAddr, message: &[u8], patience: Duration) -> Vec<u16> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.write_all(message).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut said = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                said.extend_from_slice(&buffer[..count]);
                stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
    }
    codes(&said)
}

#[test]
fn over_tcp_each_message_is_dealt_with_as_the_rfc_has_it() {
    let server = Tandem::new().start();
    let probe = UdpSocket::bind("127.0.0.1:0").unwrap();
    probe.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    for (n, (name, message, fate)) in messages().enumerate() {
        let otherwise = OTHERWISE_ON_A_STREAM.iter().find(|(other, _)| *other == name);
        let fate = otherwise.map_or(fate, |(_, fate)| *fate);
        let patience = if matches!(fate, Dropped) { 300 } else { 2000 };
        judge(name, fate, &over_tcp(server.sip(), &message, Duration::from_millis(patience)));
        assert_well(&server, &probe, n);
    }
}

#[test]
fn a_message_without_its_empty_line_is_refused_before_long() {
    let server = Tandem::new().start();
    let (_, whole, _) = messages().find(|(name, ..)| *name == "baddn").unwrap();
    let codes = over_tcp(server.sip(), whole.strip_suffix(b"\r\n").unwrap(), Duration::from_secs(3));
    assert_eq!(codes, [400]);
}

#[test]
fn no_request_hides_in_a_message_whose_length_is_in_doubt() {
    let server = Tandem::new().start();
    let hidden = b"OPTIONS sip:hidden@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKhid\r\nFrom: <sip:a@b>;tag=1\r\n\
        To: <sip:hidden@b>\r\nCall-ID: hidden\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    for lengths in [
        "",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "l: 0\r\nContent-Length: 400\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +0\r\n",
        "Content-Length: 4294967296\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 0x0\r\n",
        "Content-Length: 0,0\r\n",
    ] {
        let outer = format!(
            "OPTIONS sip:outer@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKout\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:outer@b>\r\nCall-ID: outer\r\nCSeq: 1 OPTIONS\r\n{lengths}\r\n"
        );
        let mut stream = TcpStream::connect(server.sip()).unwrap();
        stream.write_all(&[outer.as_bytes(), hidden].concat()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut said = String::new();
        // To the end: the connection is closed, whatever else is on it.
        match stream.read_to_string(&mut said) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{lengths:?}: {error}"),
        }
        assert!(!said.contains("Call-ID: hidden"), "{lengths:?}: {said}");
        assert_eq!(said.matches("SIP/2.0 ").count(), 1, "{lengths:?}: {said}");
    }
}
