//! What media does in a call, through the binary: past it from phone to phone, and fax in the place of the sound.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::json;
use tandem_interop::ports::{Ports, beside, udp_is_bound};
use tandem_interop::process::{PATIENCE, wait_until};
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::{Server, Tandem};

const NUMBER: &str = "+4930123";

/// Whether a media port is open.
fn relays(tandem: &Server) -> bool {
    tandem.rtp_ports().any(|port| udp_is_bound(SocketAddr::new(tandem.sip().ip(), port)))
}

#[test]
fn two_phones_that_may_talk_past_us_do() {
    for direct in [true, false] {
        let tandem = Tandem::new().start();
        for user in ["alice", "bob"] {
            let extension = tandem.extension(user);
            let change = json!({ "direct_media": direct });
            tandem.rest().patch(&format!("/v1.0/extensions/{extension}"), &change).ok();
        }
        let mut alice = tandem.phone("alice").tone(440).start();
        let mut bob = tandem.phone("bob").tone(880).start();
        alice.wait_registered();
        bob.wait_registered();

        alice.dial("bob");
        alice.wait_hears(880);
        bob.wait_hears(440);
        assert_eq!(relays(&tandem), !direct);
        // Held and resumed, by the phones alone.
        alice.hold();
        wait_until("the hold to be agreed on", PATIENCE, || alice.log().contains("a=recvonly"));
        alice.resume();
        for phone in [&mut alice, &mut bob] {
            let before = phone.received();
            wait_until("the sound to flow again", PATIENCE, || phone.received() > before + 10);
        }
        assert_eq!(relays(&tandem), !direct);
        alice.hang_up();
        bob.wait_closed();
        let record = tandem.wait_record();
        assert_eq!(record["direct_media"], direct);
        assert_eq!(record["media_from_caller"].is_null(), direct, "{record:#}");
    }
}

/// The address that a description in these messages gives for fax, the last of them.
fn fax_port(messages: &str) -> Option<u16> {
    let (_, rest) = messages.rsplit_once("m=image ")?;
    rest.split(' ').next()?.parse().ok()
}

#[test]
fn a_call_changes_to_fax() {
    let tandem = Tandem::new().start();
    let ports = Ports::take(2);
    let here = UdpSocket::bind((beside(30), ports.port(0))).unwrap();
    let there = UdpSocket::bind((beside(31), ports.port(1))).unwrap();
    for socket in [&here, &there] {
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    let callee = Scenario::new("uas_fax").on(beside(31)).key("fax_port", &ports.port(1).to_string());
    let mut callee = callee.start();
    let trunk = tandem.trunk_to("callee", callee.addr());
    tandem.create("trunks", json!({ "name": "caller", "host": beside(30).to_string(), "ping_interval": 0 }));
    tandem.create("numbers", json!({ "number": NUMBER, "trunk_id": trunk }));
    let caller = Scenario::new("uac_fax").on(beside(30)).target(tandem.sip()).number(NUMBER);
    let caller = caller.key("fax_port", &ports.port(0).to_string()).duration(Duration::from_secs(4));
    let mut caller = caller.start();

    // The last that names a port is what the caller was answered; what the callee was offered is the first.
    wait_until("the fax to be agreed on", PATIENCE, || caller.messages().matches("m=image ").count() >= 2);
    let to_us = SocketAddr::new(tandem.sip().ip(), fax_port(&caller.messages()).unwrap());
    let page = [0, 1, 1, 0xd6, 0, 0];
    let mut packet = [0; 100];
    wait_until("a fax to go through", PATIENCE, || {
        here.send_to(&page, to_us).unwrap();
        there.recv(&mut packet).is_ok_and(|len| packet[..len] == page)
    });
    let (_, from_us) = loop {
        here.send_to(&page, to_us).unwrap();
        if let Ok(received) = there.recv_from(&mut packet) {
            break received;
        }
    };
    let stranger = UdpSocket::bind((beside(32), 0)).unwrap();
    stranger.send_to(&[9; 9], to_us).unwrap();
    there.send_to(&[0, 2, 1, 0, 0, 0], from_us).unwrap();
    let (len, _) = here.recv_from(&mut packet).unwrap();
    assert_eq!(packet[..len], [0, 2, 1, 0, 0, 0]);
    there.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    while let Ok(len) = there.recv(&mut packet) {
        assert_eq!(packet[..len], page, "nothing of the stranger's comes");
    }
    caller.wait_passed(PATIENCE);
    callee.wait_passed(PATIENCE);
    let record = tandem.wait_record();
    assert!(record["media_from_caller"]["packets"].as_u64() >= Some(2), "{record:#}");
    assert_eq!(record["media_from_caller"]["dropped"], 1, "{record:#}");
}
