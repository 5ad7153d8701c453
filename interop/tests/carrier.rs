//! Tandem as the customer of a carrier: registered there, called through it and calling out over it.

use std::net::UdpSocket;

use serde_json::{Value, json};
use tandem_interop::baresip::{Answer, Baresip, Phone};
use tandem_interop::kamailio::{Carrier, Kamailio};
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::tandem::{Server, Tandem};

const ACCOUNT_PASSWORD: &str = "account-secret";
const PSTN: &str = "+4930123";
const OURS: &str = "+4940777";

/// A carrier where `acme` has an account and a number, and nobody is known by the address.
fn carrier() -> Carrier {
    Carrier::new().on(beside(1)).account("acme", ACCOUNT_PASSWORD).number(OURS, "acme")
}

/// The trunk that an administrator makes of what the carrier's letter says.
fn trunk_at(carrier: &Kamailio) -> Value {
    json!({
        "name": "carrier",
        "host": carrier.addr().ip().to_string(),
        "port": carrier.addr().port(),
        "username": "acme",
        "password": ACCOUNT_PASSWORD,
        "retry_base": 5,
        "ping_interval": 5,
    })
}

/// A telephone somewhere in the world.
fn subscriber() -> Phone {
    Baresip::new(PSTN).tone(880).start()
}

#[track_caller]
fn talk(ours: &mut Phone, theirs: &mut Phone) {
    ours.wait_established();
    theirs.wait_established();
    ours.wait_hears(880);
    theirs.wait_hears(440);
}

/// A registered phone and the trunk that its calls go out over.
fn phone_and_trunk(tandem: &Server, trunk: Value) -> (Phone, String) {
    let trunk = tandem.create("trunks", trunk);
    tandem.route_over(&[&trunk]);
    let office = tandem.extension("office");
    tandem.number(OURS, &office);
    let mut phone = tandem.phone("office").tone(440).start();
    phone.wait_registered();
    tandem.wait_state(&trunk, "registered");
    (phone, trunk)
}

#[test]
fn a_call_goes_out_to_the_world_and_both_sides_hear_each_other() {
    let tandem = Tandem::new().start();
    let mut subscriber = subscriber();
    let carrier = carrier().route("+4930", subscriber.addr()).start();
    let (mut office, trunk) = phone_and_trunk(&tandem, trunk_at(&carrier));

    office.dial(PSTN);
    talk(&mut office, &mut subscriber);
    let call = tandem.wait_call("answered");
    assert_eq!((&call["direction"], &call["codec"]), (&json!("outbound"), &json!("PCMA")), "{call:#}");
    assert_eq!(tandem.status(&trunk)["calls"], 1);
    office.hang_up();
    subscriber.wait_closed();

    let record = tandem.wait_record();
    assert_eq!(record["callee"]["number"], PSTN);
    assert_eq!(record["callee"]["trunk_id"], trunk.as_str());
    assert_eq!((&record["outcome"], &record["ended_by"]), (&json!("answered"), &json!("caller")));
    for side in ["media_from_caller", "media_from_callee"] {
        assert!(record[side]["packets"].as_u64() > Some(20), "{record:#}");
        assert_eq!(record[side]["lost"], 0, "{record:#}");
    }
}

#[test]
fn a_call_to_our_number_rings_the_phone() {
    let tandem = Tandem::new().start();
    let mut subscriber = subscriber();
    let carrier = carrier().route("+4930", subscriber.addr()).start();
    let (mut office, trunk) = phone_and_trunk(&tandem, trunk_at(&carrier));

    subscriber.dial(&carrier.uri(OURS));
    talk(&mut office, &mut subscriber);
    assert!(office.log().contains(&format!("From: <sip:{PSTN}@")));
    subscriber.hang_up();
    office.wait_closed();

    let record = tandem.wait_record();
    assert_eq!(record["direction"], "inbound");
    assert_eq!(record["caller"]["trunk_id"], trunk.as_str());
    assert_eq!((&record["caller"]["number"], &record["callee"]["number"]), (&json!(PSTN), &json!(OURS)));
}

#[test]
fn a_carrier_that_puts_the_number_into_to_only_is_understood() {
    let tandem = Tandem::new().start();
    let mut subscriber = subscriber();
    let carrier = carrier().number_in_to_only().route("+4930", subscriber.addr()).start();
    let (mut office, _) = phone_and_trunk(&tandem, trunk_at(&carrier));

    subscriber.dial(&carrier.uri(OURS));
    office.wait_established();
    subscriber.wait_established();
}

#[test]
fn the_carrier_sees_the_account_in_from_and_the_caller_asserted() {
    let tandem = Tandem::new().start();
    let mut subscriber = Baresip::new(PSTN).answer(Answer::Manual).start();
    let carrier = carrier().route("+4930", subscriber.addr()).start();
    let (mut office, trunk) = phone_and_trunk(&tandem, trunk_at(&carrier));
    let extension = tandem.rest().get("/v1.0/extensions").ok()["items"][0]["id"].as_str().unwrap().to_owned();
    tandem.rest().patch(&format!("/v1.0/extensions/{extension}"), &json!({ "outbound_cid": OURS })).ok();

    office.dial(PSTN);
    assert!(subscriber.wait_incoming().starts_with("sip:acme@"));
    let asserted = format!("<sip:{OURS}@{}>", carrier.addr().ip());
    assert!(subscriber.log().lines().any(|l| l.starts_with("P-Asserted-Identity:") && l.contains(&asserted)));
    office.hang_up();
    subscriber.wait_closed();

    // A carrier that wants the number in From gets it there.
    tandem.rest().patch(&format!("/v1.0/trunks/{trunk}"), &json!({ "caller_id_in_from": true })).ok();
    tandem.wait_state(&trunk, "registered");
    office.dial(PSTN);
    assert!(subscriber.wait_incoming().starts_with(&format!("sip:{OURS}@")));
}

#[test]
fn a_registration_outlives_its_lifetime() {
    let tandem = Tandem::new().start();
    let carrier = carrier().max_expires(4).start();
    let trunk = tandem.create("trunks", trunk_at(&carrier));
    let first = carrier.wait_registered("acme");
    let second = carrier.wait_refreshed("acme", &first);
    let third = carrier.wait_refreshed("acme", &second);

    assert_eq!((&second.call_id, &third.call_id), (&first.call_id, &first.call_id));
    assert_eq!((&second.contact, &third.contact), (&first.contact, &first.contact));
    assert!(first.cseq < second.cseq && second.cseq < third.cseq);
    let registers = carrier.messages().iter().filter(|m| m.contains("REGISTER")).count();
    assert!(registers <= 5, "one challenge, then its nonce serves: {:#?}", carrier.messages());
    assert_eq!(tandem.status(&trunk)["state"], "registered");
}

#[test]
fn a_registration_that_is_too_short_for_the_carrier_is_asked_for_longer() {
    let tandem = Tandem::new().start();
    let carrier = carrier().min_expires(600).start();
    let mut asks_little = trunk_at(&carrier);
    asks_little["expires"] = json!(60);
    let trunk = tandem.create("trunks", asks_little);
    tandem.wait_state(&trunk, "registered");
    assert!((590..=600).contains(&carrier.wait_registered("acme").expires));
}

#[test]
fn a_trunk_that_is_deleted_leaves_the_carrier() {
    let tandem = Tandem::new().start();
    let carrier = carrier().start();
    let trunk = tandem.create("trunks", trunk_at(&carrier));
    carrier.wait_registered("acme");
    tandem.rest().delete(&format!("/v1.0/trunks/{trunk}")).expect(204);
    carrier.wait_unregistered("acme");
}

#[test]
fn a_server_that_ends_takes_its_registration_back() {
    let mut tandem = Tandem::new().start();
    let carrier = carrier().start();
    tandem.create("trunks", trunk_at(&carrier));
    carrier.wait_registered("acme");
    assert!(tandem.stop(PATIENCE).success());
    assert_eq!(carrier.registrations("acme"), []);
}

#[test]
fn a_crash_leaves_no_second_contact_at_the_carrier() {
    let mut tandem = Tandem::new().start();
    let mut subscriber = subscriber();
    let carrier = carrier().route("+4930", subscriber.addr()).start();
    let (mut office, trunk) = phone_and_trunk(&tandem, trunk_at(&carrier));
    let before = carrier.wait_registered("acme");

    tandem.kill9();
    tandem.restart();
    carrier.wait_refreshed("acme", &before);
    tandem.wait_state(&trunk, "registered");
    assert_eq!(carrier.registrations("acme").len(), 1);
    subscriber.dial(&carrier.uri(OURS));
    talk(&mut office, &mut subscriber);
    assert_eq!(tandem.calls().len(), 1);
}

#[test]
fn a_nonce_that_has_grown_old_is_no_failure() {
    let tandem = Tandem::new().start();
    let carrier = carrier().max_expires(4).nonce_lifetime(1).start();
    let trunk = tandem.create("trunks", trunk_at(&carrier));
    let first = carrier.wait_registered("acme");
    let refreshed = carrier.wait_refreshed("acme", &first);
    assert_eq!(refreshed.cseq, first.cseq + 2, "asked for a new nonce, and given one");
    let status = tandem.status(&trunk);
    assert_eq!((&status["state"], &status["last_code"]), (&json!("registered"), &json!(200)));
}

#[test]
fn a_carrier_may_want_a_password_for_calls_only() {
    let tandem = Tandem::new().start();
    let mut subscriber = subscriber();
    let carrier = carrier().route("+4930", subscriber.addr()).start();
    let mut trunk = trunk_at(&carrier);
    trunk["mode"] = json!("credential");
    let trunk = tandem.create("trunks", trunk);
    tandem.route_over(&[&trunk]);
    tandem.extension("office");
    let mut office = tandem.phone("office").tone(440).start();
    office.wait_registered();

    office.dial(PSTN);
    talk(&mut office, &mut subscriber);
    assert_eq!(carrier.registrations("acme"), []);
    let invites = carrier.messages().into_iter().filter(|message| message.starts_with("<< INVITE")).count();
    assert_eq!(invites, 2, "once, and once with the password");
}

#[test]
fn a_tcp_carrier_that_was_restarted_gets_the_next_call() {
    let tandem = Tandem::new().start();
    let mut subscriber = subscriber();
    let mut carrier = carrier().route("+4930", subscriber.addr()).start();
    let mut trunk = trunk_at(&carrier);
    trunk["transport"] = json!("tcp");
    let (mut office, trunk) = phone_and_trunk(&tandem, trunk);

    carrier.restart();
    office.dial(PSTN);
    talk(&mut office, &mut subscriber);
    // It has forgotten us; registering anew does not wait for the hour to be over.
    tandem.rest().post(&format!("/v1.0/trunks/{trunk}/register"), &Value::Null).expect(202);
    carrier.wait_registered("acme");
}

#[test]
fn two_accounts_at_one_carrier_are_told_apart() {
    const THEIRS: &str = "+4940888";
    let tandem = Tandem::new().start();
    let mut subscriber = subscriber();
    let carrier = carrier().account("bolt", "other-secret").number(THEIRS, "bolt");
    let carrier = carrier.route("+4930", subscriber.addr()).start();
    let (mut office, acme) = phone_and_trunk(&tandem, trunk_at(&carrier));
    let mut second = trunk_at(&carrier);
    for (field, value) in [("name", "second"), ("username", "bolt"), ("password", "other-secret")] {
        second[field] = json!(value);
    }
    let bolt = tandem.create("trunks", second);
    let extension = tandem.rest().get("/v1.0/extensions").ok()["items"][0]["id"].as_str().unwrap().to_owned();
    tandem.number(THEIRS, &extension);
    tandem.wait_state(&bolt, "registered");

    for (number, trunk, calls) in [(THEIRS, &bolt, 1), (OURS, &acme, 2)] {
        subscriber.dial(&carrier.uri(number));
        office.wait_established();
        subscriber.hang_up();
        office.wait_closed();
        let record = tandem.wait_records(calls).remove(0);
        assert_eq!(
            (&record["caller"]["trunk_id"], &record["callee"]["number"]),
            (&json!(trunk), &json!(number))
        );
    }
}

#[test]
fn a_domain_without_an_address_is_reached_through_its_proxy() {
    let tandem = Tandem::new().start();
    let mut subscriber = subscriber();
    let carrier = carrier().route("+4930", subscriber.addr()).start();
    let mut trunk = trunk_at(&carrier);
    trunk["host"] = json!("carrier.test");
    trunk["port"] = Value::Null;
    trunk["outbound_proxy"] = json!(carrier.addr().to_string());
    let (mut office, _) = phone_and_trunk(&tandem, trunk);

    office.dial(PSTN);
    talk(&mut office, &mut subscriber);
    let messages = carrier.messages();
    assert!(
        messages.iter().any(|message| message.starts_with("<< REGISTER sip:carrier.test ")),
        "{messages:#?}"
    );
    let invite = format!("<< INVITE sip:{PSTN}@carrier.test ");
    assert!(messages.iter().any(|message| message.starts_with(&invite)), "{messages:#?}");
}

#[test]
fn a_carrier_may_be_reached_over_tcp() {
    let tandem = Tandem::new().start();
    let mut subscriber = subscriber();
    let carrier = carrier().route("+4930", subscriber.addr()).start();
    let mut trunk = trunk_at(&carrier);
    trunk["transport"] = json!("tcp");
    let (mut office, _) = phone_and_trunk(&tandem, trunk);

    office.dial(PSTN);
    talk(&mut office, &mut subscriber);
    office.hang_up();
    subscriber.wait_closed();
    subscriber.dial(&carrier.uri(OURS));
    office.wait_established();
    let ours = tandem.sip().ip().to_string();
    let from_us =
        |message: &&String| message.contains(&format!(" from {ours}:")) && message.contains("REGISTER");
    assert!(carrier.messages().iter().filter(from_us).all(|message| message.contains("over tcp")));
}

#[test]
fn a_wrong_password_is_told_in_words_and_healed_by_the_right_one() {
    let tandem = Tandem::new().start();
    let carrier = carrier().start();
    let mut wrong = trunk_at(&carrier);
    wrong["password"] = json!("a typing mistake");
    let trunk = tandem.create("trunks", wrong);

    let status = tandem.wait_state(&trunk, "auth_failed");
    assert!(status["reason"].as_str().unwrap().contains("the username or password is wrong"), "{status:#}");
    assert_eq!((&status["last_code"], &status["registration"]), (&json!(401), &json!("auth_failed")));
    assert!(status["next_retry_at"].as_u64() > status["since"].as_u64(), "{status:#}");
    assert_eq!(carrier.registrations("acme"), []);
    let health = tandem.rest().get("/health").ok();
    assert_eq!(health["status"], "degraded");

    let healed =
        tandem.rest().patch(&format!("/v1.0/trunks/{trunk}"), &json!({ "password": ACCOUNT_PASSWORD })).ok();
    assert!(!healed.to_string().contains(ACCOUNT_PASSWORD));
    tandem.wait_state(&trunk, "registered");
    carrier.wait_registered("acme");
    assert!(!tandem.log().contains(ACCOUNT_PASSWORD) && !tandem.log().contains("typing mistake"));
}

#[test]
fn a_carrier_that_goes_away_is_missed_and_found_again() {
    let tandem = Tandem::new().start();
    let mut carrier = carrier().max_expires(4).start();
    let trunk = tandem.create("trunks", trunk_at(&carrier));
    tandem.wait_state(&trunk, "registered");

    carrier.stop();
    let status = tandem.wait_state(&trunk, "unreachable");
    assert_eq!(status["registration"], "timeout", "{status:#}");
    assert!(status["reason"].as_str().unwrap().contains("Check host, port and transport"), "{status:#}");
    assert!(status["next_retry_at"].is_u64(), "{status:#}");

    carrier.restart();
    tandem.wait_state(&trunk, "registered");
    carrier.wait_registered("acme");
}

#[test]
fn a_carrier_that_says_nothing_is_told_from_one_that_is_not_there() {
    let tandem = Tandem::new().start();
    let silent = UdpSocket::bind((beside(2), 0)).unwrap();
    let trunk = tandem.create(
        "trunks",
        json!({
            "name": "silent",
            "host": silent.local_addr().unwrap().ip().to_string(),
            "port": silent.local_addr().unwrap().port(),
            "username": "acme",
            "password": ACCOUNT_PASSWORD,
            "register_timeout": 5,
        }),
    );
    let status = tandem.wait_state(&trunk, "unreachable");
    assert!(status["reason"].as_str().unwrap().starts_with("No answer to REGISTER"), "{status:#}");
    assert_eq!((&status["registration"], &status["last_code"]), (&json!("timeout"), &Value::Null));
}
