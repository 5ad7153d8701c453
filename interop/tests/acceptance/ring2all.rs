//! Ring2All: a gateway with every field of the three tabs of its form.

use serde_json::json;
use tandem_interop::kamailio::Carrier;
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::Tandem;

use crate::{PASSWORD, phone};

const ACCOUNT: &str = "+15551234567";
const OURS: &str = "+15550100";

#[test]
fn a_gateway_registers_routes_use_it_and_the_backup_takes_over() {
    let tandem = Tandem::new().start();
    let mut world = Scenario::new("uas").on(beside(80)).start();
    let mut backup = Scenario::new("uas").on(beside(81)).start();
    let carrier = Carrier::new().on(beside(82)).account(ACCOUNT, PASSWORD).number(OURS, ACCOUNT);
    let mut carrier = carrier.route("+1212", world.addr()).start();

    let gateway = tandem.create(
        "trunks",
        json!({
            // General
            "name": "Twilio Production",
            "mode": "register_out",
            "username": ACCOUNT,
            "password": PASSWORD,
            "realm": "carrier.test",
            "host": carrier.addr().ip().to_string(),
            "port": carrier.addr().port(),
            "enabled": true,
            // Advanced
            "codecs": ["G722", "PCMU", "PCMA", "telephone-event"],
            "dtmf": "rfc4733",
            "transport": "udp",
            "ping_interval": 30,
            "retry_base": 60,
            // Caller ID
            "caller_id_name": "Acme Corporation",
            "caller_id_number": ACCOUNT,
            "override_extension_cid": false,
        }),
    );
    tandem.wait_state(&gateway, "registered");
    assert!(carrier.wait_registered(ACCOUNT).expires > 3000);

    let spare = tandem.trunk_to("Backup", backup.addr());
    let steps = json!([{ "trunk_id": gateway, "prepend": "+1" }, { "trunk_id": spare, "prepend": "+1" }]);
    tandem.create("routes", json!({ "name": "US", "match": { "patterns": ["NXXNXXXXXX"] }, "steps": steps }));
    let mut office = phone(&tandem, "office");
    let extension = tandem.rest().get("/v1.0/extensions").ok()["items"][0]["id"].as_str().unwrap().to_owned();
    let ring = json!({ "type": "extension", "extension_id": extension });
    tandem.create(
        "inbound_routes",
        json!({ "name": "Main", "did": OURS, "trunk_id": gateway, "destination": ring, "priority": 10 }),
    );

    // Out, by the carrier to the world.
    office.dial("2125550100");
    office.wait_established();
    office.hang_up();
    world.wait_passed(PATIENCE);
    let messages = world.messages();
    for line in [
        "INVITE sip:+12125550100@",
        "From: Acme Corporation <sip:+15551234567@carrier.test>",
        "RTP/AVP 0 8 101",
        "telephone-event/8000",
    ] {
        assert!(messages.contains(line), "no {line:?} in\n{messages}");
    }
    let asserted = messages.lines().find(|line| line.starts_with("P-Asserted-Identity")).expect(&messages);
    assert!(asserted.contains("Acme Corporation") && asserted.contains("sip:+15551234567@"), "{asserted}");

    // In, from the world to the phone.
    let mut world = world.replace(Scenario::new("uac").on(beside(80)).target(carrier.addr()).number(OURS));
    office.wait_established();
    world.wait_passed(PATIENCE);
    let record = &tandem.wait_records(2)[0];
    assert_eq!((&record["direction"], &record["caller"]["trunk_id"]), (&json!("inbound"), &json!(gateway)));

    // The first is down.
    carrier.stop();
    office.dial("2125550100");
    office.wait_established();
    office.hang_up();
    backup.wait_passed(PATIENCE);
    let record = &tandem.wait_records(3)[0];
    assert_eq!((&record["outcome"], &record["callee"]["trunk_id"]), (&json!("answered"), &json!(spare)));
}

#[test]
fn a_gateway_that_is_not_enabled_is_not_used_and_its_cid_may_go_before_the_extensions() {
    let tandem = Tandem::new().start();
    let mut carrier = Scenario::new("uas").calls(2).on(beside(83)).start();
    let gateway = tandem.trunk_to("Gateway", carrier.addr());
    tandem.route_over(&[&gateway]);
    let mut office = phone(&tandem, "office");
    let extension = tandem.rest().get("/v1.0/extensions").ok()["items"][0]["id"].as_str().unwrap().to_owned();
    crate::patch(&tandem, &format!("extensions/{extension}"), json!({ "outbound_cid": "+15550102" }));
    let path = format!("trunks/{gateway}");
    crate::patch(&tandem, &path, json!({ "enabled": false }));
    office.dial("5551234");
    assert!(office.wait_closed().starts_with("503 "));

    let own = json!({ "enabled": true, "caller_id_name": "Acme", "caller_id_number": "+15550199" });
    crate::patch(&tandem, &path, own);
    for (overrides, shown) in [(false, "<sip:+15550102@"), (true, "Acme <sip:+15550199@")] {
        crate::patch(&tandem, &path, json!({ "override_extension_cid": overrides }));
        office.dial("5551234");
        office.wait_established();
        office.hang_up();
        office.wait_closed();
        let messages = carrier.messages();
        let last = messages.lines().rfind(|line| line.starts_with("P-Asserted-Identity")).expect(&messages);
        assert!(last.contains(shown), "{last}");
    }
    carrier.wait_passed(PATIENCE);
}
