//! Prints what one message costs: `cargo run --release -p tandem-sip-msg --example cost`.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use tandem_sip_msg::{Framer, Header, Message, Writer};

/// An INVITE as a carrier's edge sends it: two hops, identity headers, a session description.
const INVITE: &str = "INVITE sip:+4930123456@203.0.113.7:5060;transport=udp;user=phone SIP/2.0\r\n\
Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK1d4f9f3c77c1b0a2;rport\r\n\
Via: SIP/2.0/UDP 192.0.2.33:5060;branch=z9hG4bK-524287-1---5fd5b5d6f5c5;received=192.0.2.33\r\n\
Record-Route: <sip:198.51.100.20;lr;ftag=as7d2f1c9a>\r\n\
Max-Forwards: 69\r\n\
From: \"Alice Example\" <sip:+4989987654@carrier.example;user=phone>;tag=as7d2f1c9a\r\n\
To: <sip:+4930123456@203.0.113.7;user=phone>\r\n\
Contact: <sip:+4989987654@198.51.100.20:5060;transport=udp>\r\n\
Call-ID: 7a1b2c3d4e5f60718293a4b5c6d7e8f9@198.51.100.20\r\n\
CSeq: 102 INVITE\r\n\
User-Agent: Carrier SBC 7.4\r\n\
Date: Sat, 01 Aug 2026 10:00:00 GMT\r\n\
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PRACK, UPDATE\r\n\
Supported: replaces, timer, 100rel\r\n\
Session-Expires: 1800;refresher=uac\r\n\
Min-SE: 90\r\n\
P-Asserted-Identity: <sip:+4989987654@carrier.example;user=phone>\r\n\
Privacy: none\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 249\r\n\
\r\n\
v=0\r\n\
o=root 1793824173 1793824173 IN IP4 198.51.100.21\r\n\
s=session\r\n\
c=IN IP4 198.51.100.21\r\n\
t=0 0\r\n\
m=audio 14782 RTP/AVP 8 0 101\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-16\r\n\
a=ptime:20\r\n\
a=sendrecv\r\n";

fn main() {
    let datagram = Bytes::from_static(INVITE.as_bytes());
    let invite = Message::parse(datagram.clone()).expect("the INVITE parses");
    let source: SocketAddr = "198.51.100.20:5060".parse().expect("an address");
    println!(
        "{} bytes, {} lines, Message {} bytes",
        INVITE.len(),
        invite.lines().count(),
        size_of::<Message>()
    );

    time("parse", || Message::parse(black_box(datagram.clone())).is_ok());
    time("clone", || black_box(&invite).clone());
    time("read what routing reads", || {
        let m = black_box(&invite);
        let uri = m.request_uri().map(|uri| (uri.user(), uri.host()));
        (
            uri,
            m.from().uri().user(),
            m.to().uri().user(),
            m.contact().map(|c| c.uri().host()),
            m.max_forwards(),
        )
    });
    time("reply 180", || Writer::reply(black_box(&invite), source, 180, "Ringing", Some("8f2c1d")).finish());
    time("reply 200 with a body", || {
        let mut writer = Writer::reply(black_box(&invite), source, 200, "OK", Some("8f2c1d"));
        writer.header(Header::Contact, "<sip:203.0.113.7>");
        writer.finish_with("application/sdp", invite.body())
    });
    let mut framer = Framer::default();
    time("frame from a stream", || {
        framer.push(black_box(INVITE.as_bytes()));
        framer.next().is_ok()
    });
}

#[allow(clippy::disallowed_methods)] // what is measured is the machine
fn time<T>(what: &str, mut work: impl FnMut() -> T) {
    const ROUNDS: u32 = 200_000;
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                black_box(work());
            }
            start.elapsed() / ROUNDS
        })
        .min()
        .unwrap_or_default();
    println!("{what:>26}: {:5} ns", best.as_nanos());
}
