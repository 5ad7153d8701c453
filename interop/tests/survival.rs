//! What outlives the end of the server, in order or not.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_interop::Transport;
use tandem_interop::baresip::Phone;
use tandem_interop::ports::beside;
use tandem_interop::process::{PATIENCE, wait_until};
use tandem_interop::sipp::{Scenario, Sipp};
use tandem_interop::tandem::office::{PASSWORD, text};
use tandem_interop::tandem::{Server, Shared, Tandem};

const NUMBER: &str = "+4930123";

/// An office that can call out over a peer which answers.
fn office(tandem: &Server) -> (Phone, Sipp) {
    let peer = Scenario::new("uas").on(beside(20)).start();
    let trunk = tandem.trunk_to("carrier", peer.addr());
    tandem.route_over(&[&trunk]);
    let extension = tandem.extension("office");
    tandem.number(NUMBER, &extension);
    let mut phone = tandem.phone("office").register_every(3600).start();
    phone.wait_registered();
    (phone, peer)
}

#[track_caller]
fn live_call(tandem: &Server, phone: &mut Phone) {
    phone.dial("+49401");
    phone.wait_established();
    tandem.wait_call("answered");
}

fn first_trunk(tandem: &Server) -> String {
    text(&tandem.rest().get("/v1.0/trunks").ok()["items"][0]["id"])
}

/// All that is kept, as the API shows it.
fn kept(tandem: &Server) -> Vec<Value> {
    let collections = ["trunks", "routes", "extensions", "numbers", "cdrs"];
    let mut kept: Vec<Value> =
        collections.map(|name| tandem.rest().get(&format!("/v1.0/{name}")).ok()["items"].clone()).into();
    for trunk in kept[0].as_array_mut().unwrap() {
        trunk.as_object_mut().unwrap().remove("status");
    }
    kept.extend(tandem.registrations("inbound"));
    kept
}

#[test]
fn everything_is_still_there_after_a_crash_and_after_an_end_in_order() {
    let mut tandem = Tandem::new().start();
    let (mut phone, mut peer) = office(&tandem);
    live_call(&tandem, &mut phone);
    phone.hang_up();
    peer.wait_passed(PATIENCE);
    tandem.wait_record();

    let before = kept(&tandem);
    assert_eq!(before.len(), 6);
    assert!(
        before[..5].iter().all(|items| items.as_array().is_some_and(|items| items.len() == 1)),
        "{before:#?}"
    );
    tandem.kill9();
    tandem.restart();
    assert_eq!(kept(&tandem), before);
    assert!(tandem.stop(PATIENCE).success());
    tandem.restart();
    assert_eq!(kept(&tandem), before);
}

#[test]
fn a_phone_that_registered_before_a_crash_rings_after_it() {
    let mut tandem = Tandem::new().start();
    let (mut phone, _) = office(&tandem);
    tandem.extension("caller");

    tandem.kill9();
    tandem.restart();
    let call =
        Scenario::new("uac_auth").target(tandem.sip()).number("office").credentials("caller", PASSWORD);
    call.duration(Duration::from_millis(100)).run();
    phone.wait_established();
    phone.wait_closed();
    assert_eq!(phone.log().matches("\nREGISTER ").count(), 2, "once, and once with the password");
}

#[test]
fn a_tcp_phone_that_registered_before_a_crash_rings_after_it() {
    let mut tandem = Tandem::new().start();
    tandem.extension("office");
    tandem.extension("caller");
    let mut phone = tandem.phone("office").transport(Transport::Tcp).register_every(3600).start();
    phone.wait_registered();

    tandem.kill9();
    tandem.restart();
    let call =
        Scenario::new("uac_auth").target(tandem.sip()).number("office").credentials("caller", PASSWORD);
    call.duration(Duration::from_millis(100)).run();
    phone.wait_established();
}

#[test]
fn a_phone_gets_out_of_a_call_that_a_crash_has_ended() {
    let mut tandem = Tandem::new().start();
    let (mut phone, _peer) = office(&tandem);
    live_call(&tandem, &mut phone);
    tandem.kill9();
    tandem.restart();
    assert!(tandem.calls().is_empty());
    let record = tandem.wait_record();
    assert_eq!(record["outcome"], "answered");
    assert_eq!(record["cause"]["code"], 500);
    phone.hang_up();
    phone.wait_closed();
    wait_until("the BYE to be answered", PATIENCE, || phone.log().contains("SIP/2.0 481 "));
    assert_eq!(tandem.status(&first_trunk(&tandem))["calls"], 0);
}

#[test]
fn a_server_that_is_told_to_end_waits_for_the_call_and_takes_no_other() {
    let mut tandem = Tandem::new().arg("--drain=60").start();
    let (mut phone, mut peer) = office(&tandem);
    live_call(&tandem, &mut phone);

    tandem.terminate();
    wait_until("the server to notice", PATIENCE, || tandem.log().contains("no new calls"));
    let refused = Scenario::new("uac_refused").status("503 Service Unavailable").target(tandem.sip());
    let mut refused = refused.number(NUMBER).on(beside(20)).start();
    refused.wait_passed(PATIENCE);
    assert!(refused.messages().contains("Retry-After: "));

    assert_eq!(tandem.calls().len(), 1);
    phone.hang_up();
    peer.wait_passed(PATIENCE);
    assert!(tandem.wait_ended(PATIENCE).success());
    tandem.restart();
    assert_eq!(tandem.wait_record()["ended_by"], "caller");
}

#[test]
fn a_call_that_outlasts_the_wait_is_ended_on_both_sides() {
    let mut tandem = Tandem::new().arg("--drain=1").start();
    let (mut phone, mut peer) = office(&tandem);
    live_call(&tandem, &mut phone);

    tandem.terminate();
    phone.wait_closed();
    peer.wait_passed(PATIENCE);
    assert!(tandem.wait_ended(PATIENCE).success());
    tandem.restart();
    let record = tandem.wait_record();
    assert_eq!((&record["ended_by"], &record["outcome"]), (&json!("system"), &json!("answered")));
}

#[test]
fn a_second_interrupt_ends_the_wait() {
    let mut tandem = Tandem::new().arg("--drain=60").start();
    let (mut phone, mut peer) = office(&tandem);
    live_call(&tandem, &mut phone);

    tandem.interrupt();
    wait_until("the server to notice", PATIENCE, || tandem.log().contains("no new calls"));
    assert_eq!(tandem.calls().len(), 1);
    tandem.interrupt();
    phone.wait_closed();
    peer.wait_passed(PATIENCE);
    let status = tandem.wait_ended(PATIENCE);
    assert_eq!((status.code(), status.signal()), (Some(0), None));
}

#[test]
fn one_data_folder_serves_one_server() {
    let tandem = Tandem::new().start();
    let (status, said) = tandem.start_rival(Shared::Data);
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("tandem: ") && said.contains(tandem.data_dir().to_str().unwrap()), "{said}");
    assert!(said.contains("used by") || said.contains("in use"), "{said}");
    assert!(tandem.rest().is_healthy());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let tandem = Tandem::new().start();
    let (status, said) = tandem.start_rival(Shared::Ports);
    assert_eq!(status.code(), Some(1));
    assert!(said.contains(&tandem.rest().addr().to_string()) && said.contains("in use"), "{said}");
    assert!(tandem.rest().is_healthy());
}

#[test]
fn the_admin_token_is_shown_once_and_kept_nowhere() {
    const SHOWN: &str = "Admin token, shown this once: ";
    let mut tandem = Tandem::new().without_token().start();
    let log = tandem.log();
    let token = log.lines().find_map(|line| line.strip_prefix(SHOWN)).expect("a new folder has a new token");
    let admin = tandem.rest().with_token(token);
    admin.get("/v1.0/trunks").expect(200);
    tandem.rest().get("/v1.0/trunks").expect(401);

    assert!(tandem.stop(PATIENCE).success());
    tandem.restart();
    admin.get("/v1.0/trunks").expect(200);
    assert_eq!(tandem.log().matches(token).count(), 1);
    assert_eq!(tandem.log().matches(SHOWN).count(), 1);
    for file in fs::read_dir(tandem.data_dir()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "{}", path.display());
    }
}

#[test]
fn passwords_stand_in_no_file_of_the_server_and_not_in_its_log() {
    const OF_TRUNK: &str = "tr-unk-passw0rd";
    const OF_PHONE: &str = "ph-one-passw0rd";
    let mut tandem = Tandem::new().start();
    let trunk = json!({
        "name": "carrier", "host": "127.0.0.9", "username": "account", "password": OF_TRUNK, "ping_interval": 0,
    });
    tandem.rest().post("/v1.0/trunks", &trunk).expect(201);
    tandem.rest().post("/v1.0/extensions", &json!({ "username": "phone", "password": OF_PHONE })).expect(201);
    let nowhere = |tandem: &Server| {
        let log = tandem.log().into_bytes();
        let files = fs::read_dir(tandem.data_dir()).unwrap().map(|file| file.unwrap().path());
        let all = files.map(|path| (path.display().to_string(), fs::read(&path).unwrap()));
        for (name, bytes) in all.chain([("the log".to_owned(), log)]) {
            for secret in [OF_TRUNK, OF_PHONE] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{secret} in {name}");
            }
        }
    };
    nowhere(&tandem);
    assert!(tandem.stop(PATIENCE).success());
    nowhere(&tandem);

    let key = tandem.data_dir().join("secrets.key");
    let away = tandem.data_dir().join("secrets.key.away");
    fs::rename(&key, &away).unwrap();
    let (status, said) = tandem.start_rival(Shared::Data);
    assert_eq!(status.code(), Some(1));
    assert!(
        said.contains("secrets.key") && said.contains("is missing") && said.contains("from a backup"),
        "{said}"
    );
    fs::rename(&away, &key).unwrap();
    tandem.restart();
    assert_eq!(tandem.rest().get("/v1.0/trunks").expect(200)["items"][0]["username"], "account");
}
