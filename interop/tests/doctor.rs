//! `tandem trunk doctor` against providers with one fault each: the real binary has to name it.

use std::io::Write;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_interop::certificates::Authority;
use tandem_interop::kamailio::{self, Kamailio};
use tandem_interop::names::NameServer;
use tandem_interop::ports::{Ports, beside};
use tandem_interop::process::work_dir;
use tandem_interop::provider::{Voice, Wired};
use tandem_interop::secure::Carrier;
use tandem_interop::tandem::{Server, Tandem, run};
use tandem_sim::provider::{Act, Provider};

const NUMBER: &str = "+4930123456";
const LOGIN: (&str, &str, &str) = ("alice", "wonderland", "carrier");

/// A trunk to a provider; what it has beside that.
#[track_caller]
fn trunk_at(tandem: &Server, host: &str, port: u16, more: Value) -> String {
    let mut body = json!({ "name": "carrier", "host": host, "port": port, "ping_interval": 0 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let id = tandem.create("trunks", body);
    tandem.route_over(&[&id]);
    id
}

fn account() -> Value {
    json!({ "username": LOGIN.0, "password": LOGIN.1 })
}

/// The report as JSON; whether the command succeeded.
#[track_caller]
fn examine(tandem: &Server, number: Option<&str>) -> (bool, Value) {
    let url = format!("http://{}", tandem.rest().addr());
    let mut args = vec!["trunk", "doctor", "carrier", "--json", "--url", &url, "--token", tandem.token()];
    args.extend(number.into_iter().flat_map(|number| ["--number", number]));
    let (status, told) = run(&args, Duration::from_secs(120));
    let at = told.find('{').unwrap_or_else(|| panic!("no report: {told}"));
    let report = serde_json::from_str(&told[at..]).unwrap_or_else(|error| panic!("{error}: {told}"));
    (status.success(), report)
}

/// A fault is named as the cause, by a command that fails.
#[track_caller]
fn assert_cause(tandem: &Server, number: Option<&str>, stage: &str, code: &str) {
    let (well, report) = examine(tandem, number);
    let stages = report["stages"].as_array().unwrap();
    let failed = stages.iter().find(|found| found["outcome"] == "failed");
    let summary: Vec<String> =
        stages.iter().map(|s| format!("{} {} {}", s["stage"], s["outcome"], s["detail"])).collect();
    let failed = failed.unwrap_or_else(|| panic!("nothing failed: {summary:#?}"));
    assert_eq!((&failed["stage"], &report["cause"]), (&json!(stage), &json!(code)), "{summary:#?}");
    assert!(!well, "the command succeeded");
    let finding = &failed["findings"][0];
    for field in ["detail", "meaning", "fix"] {
        assert!(finding[field].as_str().is_some_and(|text| text.len() > 6), "{finding}");
    }
}

/// A provider of our own, and a trunk to it.
#[track_caller]
fn against(ip: u8, voice: Voice, set: impl FnOnce(&mut Provider), more: Value) -> (Server, Wired) {
    let provider = Wired::start(beside(ip), voice, set);
    let tandem = Tandem::new().start();
    let at = provider.address();
    trunk_at(&tandem, &at.ip().to_string(), at.port(), more);
    (tandem, provider)
}

#[test]
fn a_trunk_in_order_is_told_so_on_eighty_columns() {
    let (tandem, provider) = against(80, Voice::Own, |provider| provider.account = Some(LOGIN), account());
    let (well, report) = examine(&tandem, Some(NUMBER));
    let outcomes: Vec<&Value> = report["stages"].as_array().unwrap().iter().map(|s| &s["outcome"]).collect();
    assert!(
        well && outcomes[1..].iter().all(|outcome| *outcome != "failed" && *outcome != "warned"),
        "{report:#}"
    );
    let call = &report["call"];
    assert!(call["packets"].as_u64() > Some(200) && call["lost"] == 0, "{call}");
    assert_eq!(provider.count("BYE"), 1);
    assert!(!report.to_string().contains(LOGIN.1), "the password is nowhere");

    let url = format!("http://{}", tandem.rest().addr());
    let args = ["trunk", "doctor", "carrier", "--messages", "--url", &url, "--token", tandem.token()];
    let (status, told) = run(&args, Duration::from_secs(60));
    assert!(status.success(), "{told}");
    assert!(told.contains("ok   register") && told.contains("the rest is masked"), "{told}");
    let words = told.lines().filter(|line| !line.starts_with("       | "));
    assert!(words.clone().all(|line| line.chars().count() <= 80), "{told}");
}

#[test]
fn wrong_credentials() {
    let set = |provider: &mut Provider| provider.account = Some(LOGIN);
    let (tandem, provider) = against(81, Voice::Own, set, account());
    let trunks = tandem.rest().get("/v1.0/trunks").ok();
    let path = format!("/v1.0/trunks/{}", trunks["items"][0]["id"].as_str().unwrap());
    tandem.rest().patch(&path, &json!({ "password": "looking-glass" })).ok();
    assert_cause(&tandem, Some(NUMBER), "register", "WRONG_PASSWORD");
    tandem.rest().patch(&path, &json!({ "password": LOGIN.1, "realm": "elsewhere" })).ok();
    assert_cause(&tandem, Some(NUMBER), "register", "WRONG_REALM");
    assert_eq!(provider.count("INVITE"), 0);
    tandem
        .rest()
        .patch(&path, &json!({ "realm": null, "mode": "ip_auth", "username": null, "password": null }))
        .ok();
    assert_cause(&tandem, Some(NUMBER), "invite", "CREDENTIALS_MISSING");
}

#[test]
fn a_provider_that_takes_no_registration() {
    let set = |provider: &mut Provider| {
        (provider.query, provider.register) = (Act::refuse(405), Act::refuse(405));
    };
    let (tandem, _provider) = against(82, Voice::Own, set, account());
    assert_cause(&tandem, None, "register", "REGISTER_NOT_TAKEN");
}

#[test]
fn a_name_that_is_gone() {
    let names = NameServer::start();
    let tandem = Tandem::new().arg("--name-server").arg(names.address()).start();
    trunk_at(&tandem, "gone.test", 5060, json!({}));
    assert_cause(&tandem, Some(NUMBER), "dns", "DNS_NO_SUCH_NAME");
}

#[test]
fn closed_ports_and_one_that_is_open_for_the_other_transport_only() {
    let tandem = Tandem::new().start();
    let (ip, closed) = (beside(83), Ports::take(1));
    let id = trunk_at(&tandem, &ip.to_string(), closed.port(0), json!({}));
    assert_cause(&tandem, Some(NUMBER), "transport", "UDP_PORT_CLOSED");
    let path = format!("/v1.0/trunks/{id}");
    tandem.rest().patch(&path, &json!({ "transport": "tcp" })).ok();
    assert_cause(&tandem, Some(NUMBER), "transport", "CONNECTION_REFUSED");
    let provider = Wired::start(beside(84), Voice::Own, |_| {});
    let at = provider.address();
    tandem.rest().patch(&path, &json!({ "host": at.ip().to_string(), "port": at.port() })).ok();
    assert_cause(&tandem, Some(NUMBER), "transport", "OTHER_TRANSPORT_ANSWERS");
}

#[test]
fn a_firewall_that_swallows_everything() {
    let hole = UdpSocket::bind((beside(85), 0)).unwrap();
    let tandem = Tandem::new().start();
    trunk_at(&tandem, &beside(85).to_string(), hole.local_addr().unwrap().port(), json!({}));
    assert_cause(&tandem, None, "options", "NO_ANSWER");
}

#[test]
fn a_provider_that_refuses_the_caller() {
    let set = |provider: &mut Provider| provider.callers = vec!["+4930777"];
    let (tandem, _provider) = against(86, Voice::Own, set, json!({ "caller_id_number": "+4930999" }));
    assert_cause(&tandem, Some(NUMBER), "invite", "CALLER_REFUSED");
}

#[test]
fn a_provider_that_takes_none_of_our_codecs_or_not_the_number() {
    let set = |provider: &mut Provider| provider.invite = Act::refuse(488);
    let (tandem, _provider) = against(87, Voice::Own, set, json!({}));
    assert_cause(&tandem, Some(NUMBER), "invite", "CODEC_REFUSED");
    let set = |provider: &mut Provider| provider.numbers = vec!["4930123456"];
    let (tandem, _provider) = against(87, Voice::Own, set, json!({}));
    assert_cause(&tandem, Some(NUMBER), "invite", "NUMBER_REFUSED");
}

#[test]
fn sound_that_does_not_come_back() {
    let private = |provider: &mut Provider| provider.media.set_ip(IpAddr::from([10, 1, 2, 3]));
    let (tandem, _provider) = against(88, Voice::Own, private, json!({}));
    assert_cause(&tandem, Some(NUMBER), "rtp", "SDP_PRIVATE_ADDRESS");
    let (tandem, _provider) = against(88, Voice::Mute, |_| {}, json!({}));
    assert_cause(&tandem, Some(NUMBER), "rtp", "NO_RTP");
    let (tandem, _provider) = against(88, Voice::Stranger(beside(89)), |_| {}, json!({}));
    assert_cause(&tandem, Some(NUMBER), "rtp", "RTP_FROM_ELSEWHERE");
}

#[test]
fn tls_to_the_wrong_name_of_an_unknown_issuer_and_to_what_speaks_none() {
    let (authority, names, port) = (Authority::new("Servers"), NameServer::start(), Ports::take(1));
    let folder = work_dir("certificates");
    let (certificate, key) = authority.issue(&["tandem.test"]).write(folder.path(), "own");
    let tandem = Tandem::new()
        .arg("--sip")
        .arg(format!("tls:{}", port.local(0)))
        .arg("--name-server")
        .arg(names.address())
        .arg("--tls-certificate")
        .arg(certificate.display())
        .arg("--tls-key")
        .arg(key.display())
        .arg("--tls-ca")
        .arg(authority.write(&folder.path().join("ca.pem")).display())
        .start();
    let other = Carrier::start(beside(90), &authority.issue(&["other.test"]), None);
    names.host("carrier.test", beside(90));
    let id = trunk_at(&tandem, "carrier.test", other.address().port(), json!({ "transport": "tls" }));
    assert_cause(&tandem, None, "tls", "TLS_WRONG_NAME");

    let path = format!("/v1.0/trunks/{id}");
    let forged = Carrier::start(beside(90), &Authority::new("Nobody").issue(&["carrier.test"]), None);
    tandem.rest().patch(&path, &json!({ "port": forged.address().port() })).ok();
    assert_cause(&tandem, None, "tls", "TLS_UNKNOWN_ISSUER");

    let plain = TcpListener::bind((beside(90), 0)).unwrap();
    tandem.rest().patch(&path, &json!({ "port": plain.local_addr().unwrap().port() })).ok();
    thread::spawn(move || {
        for mut stream in plain.incoming().flatten() {
            let _ = stream.write_all(b"220 mail.test ESMTP\r\n");
        }
    });
    assert_cause(&tandem, None, "tls", "TLS_NOT_SPOKEN");

    let well = Carrier::start(beside(90), &authority.issue(&["carrier.test"]), None);
    tandem.rest().patch(&path, &json!({ "port": well.address().port() })).ok();
    let (well, report) = examine(&tandem, None);
    assert!(well && report["stages"][3]["outcome"] == "passed", "{report:#}");
}

#[test]
fn a_real_registrar_keeps_our_registration_through_an_examination() {
    let mut carrier = kamailio::Carrier::new().on(beside(91)).account("acme", "account-secret").start();
    let tandem = Tandem::new().start();
    let at = carrier.addr();
    let body = json!({ "username": "acme", "password": "account-secret", "transport": "udp" });
    let trunk = trunk_at(&tandem, &at.ip().to_string(), at.port(), body);
    tandem.wait_state(&trunk, "registered");
    let held = |carrier: &Kamailio| -> Vec<_> {
        carrier
            .registrations("acme")
            .into_iter()
            .map(|held| (held.contact, held.call_id, held.cseq))
            .collect()
    };
    let before = held(&carrier);
    assert_eq!(before.len(), 1);
    let (well, report) = examine(&tandem, None);
    assert!(well, "{report:#}");
    assert_eq!(report["stages"][5]["outcome"], "passed", "{report:#}");
    assert_eq!(held(&carrier), before);

    carrier.set_password("acme", "another");
    assert_cause(&tandem, None, "register", "WRONG_PASSWORD");
    assert_eq!(held(&carrier), before, "it stands");
}
