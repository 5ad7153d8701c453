//! PortSIP: the wizard of a register based trunk, by who runs the system and by who runs a tenant.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_interop::kamailio::Carrier;
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::office::text;
use tandem_interop::tandem::rest::Rest;
use tandem_interop::tandem::{Server, Tandem};

use crate::PASSWORD;

/// The examples of the page.
const POOLS: [&str; 4] = [
    "13322496213",
    "13322496213;13322496215",
    "13322496213-13322496215;16468097069",
    "13322496213-13322496215;16468097069-16468097079",
];

/// What the administrator of a tenant sees of the server.
fn admin_of(tandem: &Server, tenant: &str) -> Rest {
    let body = json!({ "name": "admin", "role": "tenant_admin", "tenant_id": tenant });
    let token = tandem.rest().post("/v1.0/tokens", &body).expect(201);
    tandem.rest().with_token(&text(&token["token"]))
}

/// That a creation is refused: status, field, reason; and its message.
#[track_caller]
fn refused(
    rest: &Rest,
    collection: &str,
    body: &Value,
    (status, field, reason): (u16, &str, &str),
) -> String {
    let answer = rest.post(&format!("/v1.0/{collection}"), body).expect(status);
    assert_eq!((&answer["field"], &answer["reason"]), (&json!(field), &json!(reason)), "{answer:#}");
    text(&answer["message"])
}

#[test]
fn a_trunk_is_registered_and_shared_at_system_level_or_is_one_tenants_own() {
    const DIDS: [&str; 2] = ["13322496213", "16468097069"];
    const ACCOUNTS: [&str; 2] = ["100001_main", "100001_acme"];
    let tandem = Tandem::new().start();
    let mut world = Scenario::new("uas").on(beside(88)).start();
    let mut carrier = Carrier::new().on(beside(89)).route("999", world.addr());
    for (account, did) in ACCOUNTS.iter().zip(DIDS) {
        carrier = carrier.account(account, PASSWORD).number(did, account);
    }
    let carrier = carrier.start();
    let tenants = ["Acme", "Beta"].map(|name| tandem.create("tenants", json!({ "name": name })));
    let beta = admin_of(&tandem, &tenants[1]);
    let trunk = |rest: &Rest, account: &str, more: Value| {
        let mut body = json!({
            "name": account, "brand": "voip-ms", "mode": "register_out", "host": carrier.addr().ip().to_string(),
            "port": carrier.addr().port(), "username": account, "password": PASSWORD, "max_calls": 5,
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        text(&rest.post("/v1.0/trunks", &body).expect(201)["id"])
    };
    let shared = trunk(tandem.rest(), ACCOUNTS[0], json!({}));
    let own = trunk(&beta, ACCOUNTS[1], json!({ "did_pool": DIDS[1] }));
    let share = json!({ "trunk_id": shared, "tenant_id": tenants[0], "did_pool": DIDS[0] });
    tandem.create("assignments", share);
    for trunk in [&shared, &own] {
        tandem.wait_state(trunk, "registered");
    }

    let mut pbxs = [90, 91].map(|place| Scenario::new("uas").on(beside(place)).start());
    for (tenant, pbx) in tenants.iter().zip(&pbxs) {
        let place = json!({
            "tenant_id": tenant, "name": "PBX", "slug": tenant, "host": pbx.addr().ip().to_string(), "port": pbx.addr().port(), "ping_interval": 0,
        });
        let to_pbx = json!({ "type": "trunk", "trunk_id": tandem.create("trunks", place) });
        let all = json!({ "tenant_id": tenant, "name": "All", "did": "*", "destination": to_pbx });
        tandem.create("inbound_routes", all);
    }
    for (n, trunk) in [&shared, &own].into_iter().enumerate() {
        world = world.replace(Scenario::new("uac").on(beside(88)).target(carrier.addr()).number(DIDS[n]));
        world.wait_passed(PATIENCE);
        pbxs[n].wait_passed(PATIENCE);
        assert_eq!(tandem.wait_records(n + 1)[0]["caller"]["trunk_id"], trunk.as_str());
    }
}

#[test]
fn the_four_pools_are_taken_at_both_levels_and_no_number_is_two_tenants() {
    let tandem = Tandem::new().start();
    let system = tandem.rest();
    let [acme, beta] = ["Acme", "Beta"].map(|name| tandem.create("tenants", json!({ "name": name })));
    let carrier = json!({ "name": "Carrier", "host": beside(128).to_string(), "ping_interval": 0 });
    let carrier = tandem.create("trunks", carrier);
    let share = json!({ "trunk_id": carrier, "tenant_id": acme, "did_pool": POOLS[0] });
    let share = format!("/v1.0/assignments/{}", tandem.create("assignments", share));
    for pool in POOLS {
        assert_eq!(system.patch(&share, &json!({ "did_pool": pool })).ok()["did_pool"], pool);
    }
    system.delete(&share).ok();

    let admin = admin_of(&tandem, &beta);
    let own = json!({
        "name": "Own", "brand": "voip-ms", "mode": "credential", "host": beside(128).to_string(), "username": "100001",
        "password": PASSWORD, "ping_interval": 0, "did_pool": POOLS[0],
    });
    let own = format!("/v1.0/trunks/{}", text(&admin.post("/v1.0/trunks", &own).expect(201)["id"]));
    for pool in POOLS {
        assert_eq!(admin.patch(&own, &json!({ "did_pool": pool })).ok()["did_pool"], pool);
    }

    let clash = (409, "did_pool", "DID_POOL_OVERLAP");
    let share = json!({ "trunk_id": carrier, "tenant_id": acme, "did_pool": "16468097075-16468097090" });
    let message = refused(system, "assignments", &share, clash);
    assert!(message.contains("16468097075-16468097079") && !message.contains("Beta"), "{message}");
    let rival = json!({
        "name": "Rival", "mode": "credential", "host": "sip.example", "username": "u", "password": PASSWORD,
        "did_pool": "13322496215",
    });
    let message = refused(&admin_of(&tandem, &acme), "trunks", &rival, clash);
    assert!(message.contains("13322496215") && !message.contains("Beta"), "{message}");
}

#[test]
fn a_tenant_uses_the_numbers_of_its_pool_and_no_others() {
    let tandem = Tandem::new().start();
    let acme = tandem.create("tenants", json!({ "name": "Acme" }));
    let carrier = json!({ "name": "Carrier", "host": beside(129).to_string(), "ping_interval": 0 });
    let carrier = tandem.create("trunks", carrier);
    tandem.create("assignments", json!({ "trunk_id": carrier, "tenant_id": acme, "did_pool": POOLS[1] }));
    let admin = admin_of(&tandem, &acme);
    let inbound = |did: &str| json!({ "name": did, "did": did, "destination": { "type": "busy" } });
    let outbound = |cid: &str| json!({ "name": cid, "steps": [{ "trunk_id": carrier, "caller_id": cid }] });
    let phone = |cid: &str| json!({ "number": cid, "password": "secure-password", "outbound_cid": cid });
    let (inside, outside) = ("13322496215", "13322496214");
    for (collection, body, field) in [
        ("inbound_routes", &inbound as &dyn Fn(&str) -> Value, "did"),
        ("routes", &outbound, "steps[0].caller_id"),
        ("extensions", &phone, "outbound_cid"),
    ] {
        refused(&admin, collection, &body(outside), (400, field, "NUMBER_NOT_OWNED"));
        admin.post(&format!("/v1.0/{collection}"), &body(inside)).expect(201);
    }
}

/// Sixty wrong passwords for a registration, from this address.
fn guesses(tandem: &Server, ip: IpAddr) {
    let guess = "100;[authentication username=100 password=guess]";
    let mut guesser =
        Scenario::new("register").on(ip).target(tandem.sip()).data(&[guess]).calls(60).rate(200).start();
    guesser.wait_ended(PATIENCE * 2);
}

#[test]
fn an_associated_network_is_exempt_from_blocking_and_nobody_else_is() {
    let tandem = Tandem::new().start();
    let mut pbx = Scenario::new("uas").on(beside(92)).start();
    let place = tandem.trunk_to("pbx", pbx.addr());
    tandem.create("numbers", json!({ "number": "13322496213", "trunk_id": place }));
    let carrier = json!({ "name": "carrier", "host": "192.0.2.1", "associated_ips": [format!("{}/32", beside(93))], "ping_interval": 0 });
    tandem.create("trunks", carrier);
    for ip in [beside(93), beside(94)] {
        guesses(&tandem, ip);
    }
    let call = |scenario: &str, ip: IpAddr| {
        Scenario::new(scenario).on(ip).target(tandem.sip()).from("anybody").number("13322496213")
    };
    call("uac", beside(93)).duration(Duration::from_millis(100)).run();
    pbx.wait_passed(PATIENCE);
    call("uac_refused", beside(94)).status("403 Forbidden").run();
}

#[test]
fn the_call_after_the_most_that_are_allowed_is_refused() {
    let tandem = Tandem::new().start();
    let mut pbx = Scenario::new("uas").calls(3).on(beside(95)).start();
    let place = tandem.trunk_to("pbx", pbx.addr());
    tandem.create("numbers", json!({ "number": "13322496213", "trunk_id": place }));
    let body =
        json!({ "name": "carrier", "host": beside(96).to_string(), "max_calls": 2, "ping_interval": 0 });
    let carrier = tandem.create("trunks", body);
    let calls = |scenario: &str| {
        Scenario::new(scenario).on(beside(96)).target(tandem.sip()).from("anybody").number("13322496213")
    };
    let mut two = calls("uac").calls(2).rate(10).duration(Duration::from_secs(3)).start();
    tandem_interop::process::wait_until("two calls", PATIENCE, || tandem.status(&carrier)["calls"] == 2);
    calls("uac_refused").status("486 Busy Here").run();
    two.wait_passed(PATIENCE);
    assert_eq!(tandem.status(&carrier)["calls"], 0);
    calls("uac").duration(Duration::from_millis(50)).run();
    pbx.wait_passed(PATIENCE);
}
