//! One source floods; the others notice nothing.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::Tandem;
use tandem_interop::tandem::office::PASSWORD;

const NUMBER: &str = "+4930123";
/// What a source may begin a second, and at once.
const RATE: u64 = 20;
const BURST: u64 = 50;
/// What the flooder sends, and how many each millisecond.
const FLOOD: usize = 20_000;
const AT_ONCE: usize = 5;

/// An INVITE that nobody asked for; each `n` makes another.
fn invite(from: SocketAddr, to: SocketAddr, n: usize) -> String {
    format!(
        "INVITE sip:{NUMBER}@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKflood{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:x@x.example>;tag=f{n}\r\nTo: <sip:{NUMBER}@{to}>\r\nCall-ID: flood-{n}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:x@{from}>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Floods, and counts the challenges and the 503 that come back.
fn flood(socket: &UdpSocket, to: SocketAddr) -> (u64, u64) {
    let from = socket.local_addr().expect("it is bound");
    socket.set_nonblocking(true).expect("it can");
    let (mut challenged, mut refused) = (0, 0);
    let mut buffer = [0; 4096];
    let mut hear = || {
        while let Ok(length) = socket.recv(&mut buffer) {
            match &buffer[..length] {
                answer if answer.starts_with(b"SIP/2.0 407") => challenged += 1,
                answer if answer.starts_with(b"SIP/2.0 503") => refused += 1,
                answer => panic!("{}", String::from_utf8_lossy(answer)),
            }
        }
    };
    for n in 0..FLOOD {
        // What its own system does not take is no flood either.
        let _ = socket.send_to(invite(from, to, n).as_bytes(), to);
        hear();
        if n % AT_ONCE == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    thread::sleep(Duration::from_millis(500));
    hear();
    (challenged, refused)
}

#[test]
fn a_source_that_floods_stalls_only_itself() {
    // How late it runs is not the matter here: on a busy machine a debug build may, and would turn away whoever comes.
    let limits = format!("[limits]\nsource_rate = {RATE}\nsource_burst = {BURST}\nlag_ms = 0\n");
    let tandem = Tandem::new().rtp_ports(240).file(&limits).start();
    let mut callee = Scenario::new("uas").on(beside(31)).calls(50).start();
    let trunk = tandem.trunk_to("callee", callee.addr());
    tandem.create("trunks", json!({ "name": "caller", "host": beside(30).to_string(), "ping_interval": 0 }));
    tandem.create("numbers", json!({ "number": NUMBER, "trunk_id": trunk }));
    tandem.route_over(&[&trunk]);
    tandem.extension("office");

    let began = Instant::now();
    let flooder = UdpSocket::bind((beside(33), 0)).expect("a port");
    let to = tandem.sip();
    let flooding = thread::spawn(move || flood(&flooder, to));
    let calls = |scenario: &str, place| {
        Scenario::new(scenario)
            .on(beside(place))
            .target(to)
            .number(NUMBER)
            .duration(Duration::from_millis(300))
    };
    let mut carrier = calls("uac", 30).calls(30).rate(10).start();
    let mut phone = calls("uac_auth", 32).credentials("office", PASSWORD).calls(20).rate(5).start();
    let by_carrier = carrier.wait_passed(PATIENCE);
    let by_phone = phone.wait_passed(PATIENCE);
    callee.wait_passed(PATIENCE);
    let (challenged, refused) = flooding.join().expect("it floods to its end");

    assert_eq!((by_carrier.successful, by_phone.successful), (30, 20));
    let most = BURST + RATE * (began.elapsed().as_secs() + 1);
    assert!((1..=most).contains(&challenged), "{challenged} challenges, {most} at most");
    assert!((1..=most).contains(&refused), "{refused} refusals, {most} at most");
}
