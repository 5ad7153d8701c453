//! Finding servers by name, and TLS: whom we call, who calls us, and certificates that change.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_interop::baresip::{Answer, Phone};
use tandem_interop::certificates::{Authority, Identity};
use tandem_interop::names::NameServer;
use tandem_interop::ports::{Ports, beside};
use tandem_interop::process::{PATIENCE, wait_until, work_dir};
use tandem_interop::secure::{Carrier, Line, session};
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::office::codes;
use tandem_interop::tandem::{Server, Tandem};
use tandem_sip_msg::Message;
use tempfile::TempDir;

const NUMBER: &str = "+4930123";

/// A Tandem with TLS, whose name servers are ours.
struct Secure {
    server: Server,
    names: NameServer,
    /// Who issued its certificate, and is believed in those of others.
    authority: Authority,
    /// Who is believed in those of clients.
    clients: Authority,
    tls: SocketAddr,
    folder: TempDir,
    _port: Ports,
}

impl Secure {
    #[track_caller]
    fn start() -> Secure {
        let (authority, clients) = (Authority::new("Servers"), Authority::new("Clients"));
        let (folder, port, names) = (work_dir("certificates"), Ports::take(1), NameServer::start());
        let (certificate, key) = authority.issue(&["tandem.test"]).write(folder.path(), "own");
        let tls = port.local(0);
        let server = Tandem::new()
            .file("[limits]\nsilence = 1\n")
            .arg("--sip")
            .arg(format!("tls:{tls}"))
            .arg("--name-server")
            .arg(names.address())
            .arg("--tls-certificate")
            .arg(certificate.display())
            .arg("--tls-key")
            .arg(key.display())
            .arg("--tls-ca")
            .arg(authority.write(&folder.path().join("ca.pem")).display())
            .arg("--tls-client-ca")
            .arg(clients.write(&folder.path().join("clients.pem")).display())
            .start();
        Secure { server, names, authority, clients, tls, folder, _port: port }
    }

    /// A trunk to carrier.test; what it has beside that.
    #[track_caller]
    fn trunk(&self, more: Value) -> String {
        let mut body = json!({ "name": "carrier", "host": "carrier.test", "ping_interval": 0 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let id = self.server.create("trunks", body);
        self.server.route_over(&[&id]);
        id
    }

    #[track_caller]
    fn phone(&self, answer: Answer) -> Phone {
        self.server.extension("office");
        let mut phone = self.server.phone("office").answer(answer).start();
        phone.wait_registered();
        phone
    }

    fn line(&self, own: Option<&Identity>) -> std::io::Result<Line> {
        Line::connect(self.tls, "tandem.test", self.authority.roots(), own)
    }

    /// Why a trunk cannot be reached, once it says so.
    #[track_caller]
    fn why(&self, trunk: &str) -> String {
        self.server.wait_state(trunk, "unreachable")["reason"].as_str().unwrap().to_owned()
    }
}

#[test]
fn the_second_target_of_a_service_takes_the_call_and_all_that_follows() {
    let tandem = Secure::start();
    let mut first = Scenario::new("uas_silent").on(beside(60)).start();
    let mut second = Scenario::new("uas").calls(2).on(beside(61)).start();
    tandem.names.service("_sip._udp.carrier.test", 20, second.addr().port(), "second.carrier.test");
    tandem.names.service("_sip._udp.carrier.test", 10, first.addr().port(), "first.carrier.test");
    tandem.names.host("first.carrier.test", beside(60));
    tandem.names.host("second.carrier.test", beside(61));
    tandem.trunk(json!({}));
    let mut phone = tandem.phone(Answer::Manual);
    for calls in 1..=2 {
        phone.dial(NUMBER);
        phone.wait_established();
        phone.hang_up();
        let records = tandem.server.wait_records(calls);
        assert_eq!(codes(&records[0]), [200], "one trunk, one attempt, whichever of its addresses answers");
    }
    // SIPp passes only if its ACK and its BYE came to it.
    second.wait_passed(PATIENCE);
    assert_eq!(first.stop().created, 1, "the second call did not go by the address that had been silent");
}

#[test]
fn a_closed_port_costs_no_time_if_the_service_has_another_target() {
    let tandem = Secure::start();
    let mut well = Scenario::new("uas").on(beside(62)).start();
    let gone = Ports::take(1);
    tandem.names.service("_sip._udp.carrier.test", 1, gone.port(0), "gone.carrier.test");
    tandem.names.service("_sip._udp.carrier.test", 2, well.addr().port(), "well.carrier.test");
    tandem.names.host("gone.carrier.test", beside(63));
    tandem.names.host("well.carrier.test", beside(62));
    tandem.trunk(json!({}));
    let mut phone = tandem.phone(Answer::Manual);
    phone.dial(NUMBER);
    phone.wait_established();
    phone.hang_up();
    well.wait_passed(PATIENCE);
    let record = tandem.server.wait_record();
    let waited = record["answered_at"].as_u64().unwrap() - record["started_at"].as_u64().unwrap();
    assert!(waited < 1_000, "{waited} ms");
}

#[test]
fn a_host_that_offers_tls_is_called_over_tls_on_one_connection() {
    let tandem = Secure::start();
    let carrier = Carrier::start(beside(64), &tandem.authority.issue(&["carrier.test"]), None);
    let port = carrier.address().port();
    tandem.names.offer("carrier.test", 20, "SIP+D2U", "_sip._udp.carrier.test");
    tandem.names.offer("carrier.test", 10, "SIPS+D2T", "_sips._tcp.carrier.test");
    tandem.names.service("_sips._tcp.carrier.test", 1, port, "sbc7.carrier.test");
    tandem.names.service("_sip._udp.carrier.test", 1, port, "sbc7.carrier.test");
    tandem.names.host("sbc7.carrier.test", beside(64));
    let trunk = tandem.trunk(json!({
        "mode": "register_out", "username": "4930", "password": "no matter", "transport": "auto", "ping_interval": 5,
    }));
    let status = tandem.server.wait_state(&trunk, "registered");
    assert!(status["reason"].as_str().unwrap().contains(&format!("tls:{}", carrier.address())), "{status}");
    let mut phone = tandem.phone(Answer::Manual);
    phone.dial(NUMBER);
    phone.wait_established();
    phone.hang_up();
    tandem.server.wait_record();
    let all =
        ["REGISTER", "OPTIONS", "INVITE", "ACK", "BYE"].map(|method| carrier.wait_heard(method, 1).remove(0));
    for heard in &all {
        let via = heard.message.top_via();
        assert!(via.as_str().starts_with(&format!("SIP/2.0/TLS {};", tandem.tls)), "{}", via.as_str());
        assert_eq!(heard.connection, 0, "{} on a connection of its own", heard.message.method_name());
    }
    let contact = all[2].message.contact().unwrap();
    assert_eq!(contact.uri().params().get("transport"), Some("tls"));
}

#[test]
fn a_certificate_for_the_target_and_not_for_the_host_is_refused_and_explained() {
    let tandem = Secure::start();
    let carrier = Carrier::start(beside(65), &tandem.authority.issue(&["sbc7.carrier.test"]), None);
    tandem.names.service("_sips._tcp.carrier.test", 1, carrier.address().port(), "sbc7.carrier.test");
    tandem.names.host("sbc7.carrier.test", beside(65));
    let trunk = tandem.trunk(json!({
        "mode": "register_out", "username": "4930", "password": "no matter", "transport": "tls",
    }));
    let why = tandem.why(&trunk);
    assert!(why.contains("is for sbc7.carrier.test, not for carrier.test. Set host to a name"), "{why}");
    assert!(carrier.heard("REGISTER").is_empty(), "it is told nothing");

    // As told: the name that the certificate is for.
    let path = format!("/v1.0/trunks/{trunk}");
    let change = json!({ "host": "sbc7.carrier.test", "port": carrier.address().port() });
    tandem.server.rest().patch(&path, &change).ok();
    tandem.server.wait_state(&trunk, "registered");
}

#[test]
fn a_certificate_of_an_unknown_issuer_is_refused_and_explained() {
    let tandem = Secure::start();
    let carrier = Carrier::start(beside(66), &Authority::new("Nobody").issue(&["carrier.test"]), None);
    tandem.names.host("carrier.test", beside(66));
    let more =
        json!({ "transport": "tls", "port": carrier.address().port(), "ping_interval": 5, "ping_fail": 1 });
    let why = tandem.why(&tandem.trunk(more));
    assert!(why.contains("was issued by \"CN=Nobody\", who is not trusted here"), "{why}");
}

#[test]
fn our_certificate_is_shown_to_who_asks_and_their_refusal_explained() {
    let tandem = Secure::start();
    let own = tandem.authority.issue(&["127.0.1.67", "127.0.1.68"]);
    let friend = Carrier::start(beside(67), &own, Some(tandem.authority.roots()));
    let stranger = Carrier::start(beside(68), &own, Some(tandem.clients.roots()));
    let trunk_to = |name: &str, carrier: &Carrier| {
        let at = carrier.address();
        let body = json!({
            "name": name, "host": at.ip().to_string(), "port": at.port(), "transport": "tls", "ping_interval": 5, "ping_fail": 1,
        });
        tandem.server.create("trunks", body)
    };
    let (liked, disliked) = (trunk_to("liked", &friend), trunk_to("disliked", &stranger));
    tandem.server.wait_state(&liked, "reachable");
    assert!(friend.wait_heard("OPTIONS", 1)[0].certified);
    let why = tandem.why(&disliked);
    assert!(why.contains("does not take our certificate") && why.contains("client_certificate"), "{why}");
    assert!(stranger.heard("OPTIONS").is_empty());
}

fn invite(line: &Line, scheme: &str, call_id: &str) -> String {
    let at = line.local();
    let (body, tail) = (session(at.ip()), if scheme == "sips" { "" } else { ";transport=tls" });
    format!(
        "INVITE {scheme}:{NUMBER}@tandem.test SIP/2.0\r\nVia: SIP/2.0/TLS {at};branch=z9hG4bK{call_id}\r\nMax-Forwards: 70\r\n\
         From: <{scheme}:+49301@pbx.example>;tag=a\r\nTo: <{scheme}:{NUMBER}@tandem.test>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\
         Contact: <{scheme}:pbx@{at}{tail}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// ACK or BYE in the dialog that this answer made.
fn within(line: &Line, answer: &Message, method: &str, cseq: u32) -> String {
    let contact = answer.contact().unwrap();
    format!(
        "{method} {} SIP/2.0\r\nVia: SIP/2.0/TLS {};branch=z9hG4bK{method}{cseq}\r\nMax-Forwards: 70\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
        contact.uri().as_str(),
        line.local(),
        answer.from().as_str(),
        answer.to().as_str(),
        answer.call_id()
    )
}

/// A trunk known by its certificate, though calls come from an address that says nothing; a number that rings the office.
#[track_caller]
fn pbx(tandem: &Secure) -> Phone {
    let body = json!({
        "name": "pbx", "mode": "ip_auth", "host": "127.0.0.1", "port": 9, "ping_interval": 0, "mtls_san": ["PBX.example"],
    });
    tandem.server.create("trunks", body);
    let office = tandem.server.extension("office");
    tandem.server.number(NUMBER, &office);
    let mut phone = tandem.server.phone("office").answer(Answer::Auto).start();
    phone.wait_registered();
    phone
}

#[test]
fn a_client_certificate_makes_a_call_a_trunks_and_nothing_less_does() {
    let tandem = Secure::start();
    let _phone = pbx(&tandem);
    let known = tandem.clients.issue(&["pbx.example"]);
    let mut line = tandem.line(Some(&known)).unwrap();
    line.send(&invite(&line, "sip", "known")).unwrap();
    let ok = line.receive_final().unwrap();
    assert_eq!(ok.code(), Some(200));
    line.send(&within(&line, &ok, "ACK", 1)).unwrap();
    line.send(&within(&line, &ok, "BYE", 2)).unwrap();
    assert_eq!(line.receive_final().unwrap().code(), Some(200));
    assert_eq!(tandem.server.wait_record()["outcome"], "answered");

    // From the same address, without a certificate or with one for somebody else.
    for own in [None, Some(tandem.clients.issue(&["other.example"]))] {
        let mut line = tandem.line(own.as_ref()).unwrap();
        line.send(&invite(&line, "sip", "unknown")).unwrap();
        assert_eq!(line.receive_final().unwrap().code(), Some(407));
    }
    // With one that names the trunk, by somebody who is not believed: not a byte is taken.
    let forged = Authority::new("Clients").issue(&["pbx.example"]);
    let refused = tandem.line(Some(&forged)).and_then(|mut line| {
        line.send(&invite(&line, "sip", "forged"))?;
        line.receive()
    });
    assert!(refused.is_err());
    assert_eq!(tandem.server.wait_records(1).len(), 1, "one call was let in");
}

#[test]
fn a_certificate_is_swapped_under_a_call() {
    let mut tandem = Secure::start();
    let _phone = pbx(&tandem);
    let known = tandem.clients.issue(&["pbx.example"]);
    let mut line = tandem.line(Some(&known)).unwrap();
    let before = line.certificate().unwrap();
    line.send(&invite(&line, "sips", "long")).unwrap();
    let ok = line.receive_final().unwrap();
    // Who calls a SIPS URI is told one (RFC 3261 §12.1.1).
    assert_eq!(ok.contact().unwrap().uri().as_str(), format!("sips:{NUMBER}@{}", tandem.tls));
    line.send(&within(&line, &ok, "ACK", 1)).unwrap();

    let next = tandem.authority.issue(&["tandem.test"]);
    next.write(tandem.folder.path(), "own");
    tandem.server.reload();
    wait_until("new connections to see the new certificate", PATIENCE, || {
        tandem.line(None).unwrap().certificate().unwrap() == next.certificate
    });
    assert_ne!(before, next.certificate);
    // Files that cannot be used change nothing.
    std::fs::write(tandem.folder.path().join("own.pem"), "half of a certif").unwrap();
    wait_until("the bad file to be told of", PATIENCE, || {
        tandem.server.log().contains("the certificates stay as they were")
    });
    assert_eq!(tandem.line(None).unwrap().certificate().unwrap(), next.certificate);
    // Nor is a signal needed.
    let last = tandem.authority.issue(&["tandem.test"]);
    last.write(tandem.folder.path(), "own");
    wait_until("the file to be noticed", PATIENCE, || {
        tandem.line(None).unwrap().certificate().unwrap() == last.certificate
    });

    assert_eq!(tandem.server.calls().len(), 1, "the call is up");
    line.send(&within(&line, &ok, "BYE", 2)).unwrap();
    assert_eq!(line.receive_final().unwrap().code(), Some(200));
    assert_eq!(tandem.server.wait_record()["outcome"], "answered");
}

#[test]
fn a_server_does_not_start_with_an_expired_certificate() {
    let folder = work_dir("expired");
    let (authority, port) = (Authority::new("Servers"), Ports::take(2));
    let (certificate, key) = authority.issue_for(&["tandem.test"], (2020, 2021)).write(folder.path(), "own");
    let [data, sip, http, certificate, key] = [
        folder.path().join("data").display().to_string(),
        format!("tls:{}", port.local(0)),
        port.local(1).to_string(),
        certificate.display().to_string(),
        key.display().to_string(),
    ];
    let args = [
        "serve",
        "--data",
        &data,
        "--sip",
        &sip,
        "--http",
        &http,
        "--tls-certificate",
        &certificate,
        "--tls-key",
        &key,
    ];
    let (status, said) = tandem_interop::tandem::run(&args, Duration::from_secs(20));
    assert!(!status.success());
    assert!(said.contains("the certificate expired on 2021-01-01. Renew it"), "{said}");
}
