//! VoIPBIN: providers, routes and extensions as its trunk overview makes them. Its commands to the letter are in `voipbin.rs` of the
//! folder above.

use serde_json::{Value, json};
use std::time::Duration;
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::sipp::{Scenario, Sipp};
use tandem_interop::tandem::office::codes;
use tandem_interop::tandem::{Server, Tandem};

/// A provider and a route to it, as the overview's bodies have them.
fn provider(tandem: &Server, name: &str, peer: &Sipp, priority: u32) -> String {
    let body = json!({ "name": name, "type": "sip", "hostname": peer.addr().ip().to_string() });
    let id = tandem.create("providers", body);
    let change = json!({ "port": peer.addr().port(), "ping_interval": 0 });
    tandem.rest().patch(&format!("/v1.0/providers/{id}"), &change).ok();
    tandem.create("routes", json!({ "name": format!("to {name}"), "provider_id": id, "priority": priority }));
    id
}

fn refuses(status: &str, place: u8) -> Sipp {
    Scenario::new("uas_reject").status(status).on(beside(place)).start()
}

#[test]
fn an_extension_registers_in_its_customers_domain_and_its_number_rings_it() {
    let tandem = Tandem::new().start();
    let customer = tandem.create("tenants", json!({ "name": "Customer" }));
    let extension = json!({
        "tenant_id": customer, "name": "office-main", "username": "office-main", "password": "secure-password",
    });
    let extension = tandem.create("extensions", extension);
    let number = json!({ "tenant_id": customer, "number": "+15551234567", "extension_id": extension });
    tandem.create("numbers", number);
    let telnyx = json!({ "name": "Telnyx Production", "type": "sip", "hostname": beside(97).to_string() });
    let telnyx = tandem.create("providers", telnyx);
    tandem.rest().patch(&format!("/v1.0/providers/{telnyx}"), &json!({ "ping_interval": 0 })).ok();
    tandem.create(
        "assignments",
        json!({ "trunk_id": telnyx, "tenant_id": customer, "did_pool": "15551234567" }),
    );

    let phone = tandem_interop::baresip::Baresip::new("office-main").account_at(tandem.sip());
    let phone = phone.of_domain("customer.registrar.voipbin.test").password("secure-password");
    let mut phone = phone.register_every(120).start();
    phone.wait_registered();
    let registration = tandem.registrations("inbound").remove(0);
    assert_eq!(registration["extension_id"], extension.as_str());

    let caller = Scenario::new("uac").on(beside(97)).target(tandem.sip()).from("4930123");
    let mut caller = caller.number("+15551234567").duration(Duration::from_millis(300)).start();
    phone.wait_established();
    caller.wait_passed(PATIENCE);
    let record = tandem.wait_record();
    assert_eq!(
        (&record["outcome"], &record["callee"]["extension_id"]),
        (&json!("answered"), &json!(extension))
    );
}

#[test]
fn the_first_provider_fails_then_the_second_and_the_third_has_the_call() {
    let tandem = Tandem::new().start();
    let mut third = Scenario::new("uas").on(beside(100)).start();
    let mut failing = [refuses("503 No Circuits", 98), refuses("500 Broken", 99)];
    let ids = [
        provider(&tandem, "Telnyx", &failing[0], 1),
        provider(&tandem, "Twilio", &failing[1], 2),
        provider(&tandem, "Bandwidth", &third, 3),
    ];
    let mut phone = crate::phone(&tandem, "office-1");
    phone.dial("+15551234567");
    phone.wait_established();
    phone.hang_up();
    for peer in &mut failing {
        peer.wait_passed(PATIENCE);
    }
    third.wait_passed(PATIENCE);
    let record = tandem.wait_record();
    let tried: Vec<&Value> =
        record["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["trunk_id"]).collect();
    assert_eq!(codes(&record), [503, 500, 200]);
    assert_eq!(json!(tried), json!(ids));
}

#[test]
fn when_all_providers_fail_the_caller_gets_the_error() {
    let tandem = Tandem::new().start();
    let mut failing =
        [refuses("503 No Circuits", 101), refuses("500 Broken", 102), refuses("502 Bad Gateway There", 103)];
    for (n, peer) in failing.iter().enumerate() {
        provider(&tandem, &format!("provider {n}"), peer, n as u32 + 1);
    }
    let mut phone = crate::phone(&tandem, "office-1");
    phone.dial("+15551234567");
    assert_eq!(phone.wait_closed(), "502 Bad Gateway There");
    for peer in &mut failing {
        peer.wait_passed(PATIENCE);
    }
    assert_eq!(codes(&tandem.wait_record()), [503, 500, 502]);
}

#[test]
fn company_numbers_are_shown_for_remote_workers() {
    let tandem = Tandem::new().start();
    let mut peer = Scenario::new("uas").on(beside(104)).start();
    provider(&tandem, "Telnyx", &peer, 1);
    let worker = json!({
        "name": "remote-john", "username": "remote-john", "password": "secure-password", "outbound_cid": "+15550100",
    });
    tandem.create("extensions", worker);
    let phone = tandem_interop::baresip::Baresip::new("remote-john").account_at(tandem.sip());
    let mut phone = phone.password("secure-password").register_every(120).start();
    phone.wait_registered();
    phone.dial("+15551234567");
    phone.wait_established();
    phone.hang_up();
    peer.wait_passed(PATIENCE);
    assert!(peer.messages().contains("<sip:+15550100@"), "{}", peer.messages());
}
