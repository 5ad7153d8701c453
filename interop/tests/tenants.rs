//! Two customers on one server and one carrier: the steps of PortSIP's wizard, calls to their numbers, and what would become of
//! calls that nobody has made yet.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::office::text;
use tandem_interop::tandem::{Server, Tandem, run};

const POOLS: [&str; 4] = [
    "13322496213",
    "13322496213;13322496215",
    "13322496213-13322496215;16468097069",
    "13322496213-13322496215;16468097069-16468097079",
];

/// A server with a carrier at `ip`, and two tenants.
fn two_tenants(ip: IpAddr) -> (Server, String, String, String) {
    let tandem = Tandem::new().start();
    let carrier = json!({ "name": "Carrier", "host": ip.to_string(), "ping_interval": 0 });
    let carrier = tandem.create("trunks", carrier);
    let tenant = |name: &str| {
        tandem.create("tenants", json!({ "name": name, "country": "US", "allowed_countries": ["US"] }))
    };
    let (acme, beta) = (tenant("Acme"), tenant("Beta"));
    (tandem, carrier, acme, beta)
}

#[track_caller]
fn refused(tandem: &Server, collection: &str, body: Value, status: u16, field: &str, reason: &str) -> String {
    let answer = tandem.rest().post(&format!("/v1.0/{collection}"), &body).expect(status);
    assert_eq!((&answer["field"], &answer["reason"]), (&json!(field), &json!(reason)), "{answer:#}");
    assert!(!text(&answer["fix"]).is_empty(), "{answer:#}");
    text(&answer["message"])
}

#[test]
fn the_wizards_four_pools_are_taken_and_no_number_is_two_tenants() {
    let (tandem, carrier, acme, beta) = two_tenants(beside(70));
    let body =
        |tenant: &str, pool: &str| json!({ "trunk_id": carrier, "tenant_id": tenant, "did_pool": pool });
    let assignment = tandem.create("assignments", body(&acme, POOLS[0]));
    for pool in POOLS {
        let changed = tandem
            .rest()
            .patch(&format!("/v1.0/assignments/{assignment}"), &json!({ "did_pool": pool }))
            .ok();
        assert_eq!(changed["did_pool"], pool);
    }
    let overlap = body(&beta, "16468097075-16468097090");
    let message = refused(&tandem, "assignments", overlap, 409, "did_pool", "DID_POOL_OVERLAP");
    assert!(message.contains("16468097075-16468097079") && !message.contains("Acme"), "{message}");
    for (pool, fix) in [("+13322496213", "13322496213"), ("013322496213", "13322496213"), ("1,2", "`;`")] {
        let answer = tandem.rest().post("/v1.0/assignments", &body(&beta, pool)).expect(400);
        assert!(text(&answer["fix"]).contains(fix), "{answer:#}");
    }
}

#[test]
fn a_number_outside_the_pool_is_refused_wherever_it_is_used() {
    let (tandem, carrier, acme, _) = two_tenants(beside(71));
    tandem.create("assignments", json!({ "trunk_id": carrier, "tenant_id": acme, "did_pool": POOLS[1] }));
    let outside = "13322496214";
    let inbound =
        json!({ "tenant_id": acme, "name": "In", "did": outside, "destination": { "type": "busy" } });
    refused(&tandem, "inbound_routes", inbound, 400, "did", "NUMBER_NOT_OWNED");
    let steps = json!([{ "trunk_id": carrier, "caller_id": outside }]);
    let outbound = json!({ "tenant_id": acme, "name": "Out", "steps": steps });
    refused(&tandem, "routes", outbound, 400, "steps[0].caller_id", "NUMBER_NOT_OWNED");
    let phone =
        json!({ "tenant_id": acme, "number": "100", "password": "secure-password", "outbound_cid": outside });
    refused(&tandem, "extensions", phone, 400, "outbound_cid", "NUMBER_NOT_OWNED");
}

#[test]
fn a_call_to_a_number_of_the_pool_goes_where_its_tenant_says() {
    let (tandem, carrier, acme, beta) = two_tenants(beside(72));
    for (tenant, pool) in [(&acme, POOLS[1]), (&beta, "16468097069")] {
        tandem.create("assignments", json!({ "trunk_id": carrier, "tenant_id": tenant, "did_pool": pool }));
    }
    let mut pbx = Scenario::new("uas").on(beside(73)).start();
    let place = json!({
        "tenant_id": acme, "name": "PBX", "host": pbx.addr().ip().to_string(), "port": pbx.addr().port(), "ping_interval": 0,
    });
    let place = tandem.create("trunks", place);
    let to_pbx = json!({ "type": "trunk", "trunk_id": place });
    tandem.create(
        "inbound_routes",
        json!({ "tenant_id": acme, "name": "All", "did": "*", "destination": to_pbx }),
    );

    let caller = Scenario::new("uac").on(beside(72)).target(tandem.sip()).number("+13322496215");
    caller.duration(Duration::from_millis(100)).run();
    pbx.wait_passed(PATIENCE);
    let record = tandem.wait_record();
    assert_eq!((&record["outcome"], &record["callee"]["trunk_id"]), (&json!("answered"), &json!(place)));
}

#[test]
fn what_would_become_of_a_call_is_told_on_the_command_line() {
    let (tandem, carrier, acme, _) = two_tenants(beside(74));
    tandem.create("assignments", json!({ "trunk_id": carrier, "tenant_id": acme, "did_pool": POOLS[1] }));
    tandem.create(
        "routes",
        json!({ "name": "Far", "match": { "patterns": ["44."] }, "steps": [{ "trunk_id": carrier }] }),
    );
    tandem.create("routes", json!({ "name": "National", "match": { "patterns": ["1NXXNXXXXXX"] }, "steps": [{ "trunk_id": carrier }] }));
    let phone = json!({ "tenant_id": acme, "number": "100", "password": "secure-password", "outbound_cid": "13322496213" });
    tandem.create("extensions", phone);

    let url = format!("http://{}", tandem.rest().addr());
    let explain = |more: &[&str]| {
        let common = ["route", "explain", "--url", &url, "--token", tandem.token()];
        run(&[&common, more].concat(), PATIENCE)
    };
    let (status, told) = explain(&["--extension", "100", "--tenant", "acme", "2125550100"]);
    assert!(status.success(), "{told}");
    for line in [
        "- route Far: does not take the number",
        "+ route National: takes 12125550100",
        "    + step 1: will be tried",
        "1. trunk Carrier, for 60 s",
        &format!("   INVITE sip:+12125550100@{}", beside(74)),
        "<sip:13322496213@",
    ] {
        assert!(told.contains(line), "no {line:?} in\n{told}");
    }
    let (status, told) = explain(&["--trunk", "Carrier", "--caller", "+4930123", "13322496214"]);
    assert!(status.success() && told.contains("refused with 404 UNMATCHED_NUMBER"), "{told}");
    let (status, told) = explain(&["--extension", "999", "5"]);
    assert!(!status.success() && told.contains("there is no extension 999"), "{told}");
}
