//! Whose calls they are: two accounts at one address of a provider, and strangers.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;
use tandem_interop::kamailio::Carrier;
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::Tandem;
use tandem_interop::tandem::office::text;

const PASSWORD: &str = "account-secret";
const ACCOUNTS: [&str; 2] = ["100001_acme", "100001_beta"];
const TENANTS: [&str; 2] = ["Acme", "Beta"];
const DIDS: [&str; 2] = ["13322496213", "16468097069"];

/// Whose the accounts are.
#[derive(Clone, Copy, PartialEq)]
enum Owner {
    /// Each is a tenant's own, with the pool of the trunk.
    Tenants,
    /// Both are the system's, each assigned to a tenant with a pool.
    System,
}

#[test]
fn accounts_of_tenants_at_one_address_are_told_apart_by_their_numbers() {
    told_apart(Owner::Tenants, [75, 76, 77, 78].map(beside));
}

#[test]
fn accounts_of_the_system_at_one_address_are_told_apart_by_the_pools_of_its_tenants() {
    told_apart(Owner::System, [105, 106, 107, 108].map(beside));
}

/// A provider's address has two accounts; the PBXs of two tenants get the calls to their numbers, and none from a stranger.
fn told_apart(owner: Owner, [at, first, second, stranger]: [IpAddr; 4]) {
    let tandem = Tandem::new().start();
    let provider =
        Carrier::new().on(at).account(ACCOUNTS[0], PASSWORD).account(ACCOUNTS[1], PASSWORD).start();
    let mut pbxs = [first, second].map(|place| Scenario::new("uas").on(place).start());
    let trunks: Vec<String> = (0..2)
        .map(|n| {
            let tenant = tandem.create("tenants", json!({ "name": TENANTS[n] }));
            let mut account = json!({
                "name": ACCOUNTS[n], "mode": "register_out", "host": at.to_string(), "port": provider.addr().port(),
                "username": ACCOUNTS[n], "password": PASSWORD,
            });
            if owner == Owner::Tenants {
                account["tenant_id"] = json!(tenant);
                account["did_pool"] = json!(DIDS[n]);
            }
            let account = tandem.create("trunks", account);
            if owner == Owner::System {
                let share = json!({ "trunk_id": account, "tenant_id": tenant, "did_pool": DIDS[n] });
                tandem.create("assignments", share);
            }
            let pbx = json!({
                "tenant_id": tenant, "name": "PBX", "host": pbxs[n].addr().ip().to_string(), "port": pbxs[n].addr().port(),
                "ping_interval": 0,
            });
            let to_pbx = json!({ "type": "trunk", "trunk_id": tandem.create("trunks", pbx) });
            let all = json!({ "tenant_id": tenant, "name": "All", "did": "*", "destination": to_pbx });
            tandem.create("inbound_routes", all);
            tandem.create("numbers", json!({ "tenant_id": tenant, "number": format!("+{}", DIDS[n]) }));
            tandem.wait_state(&account, "registered");
            account
        })
        .collect();
    let call = |scenario: &str, from: IpAddr, number: &str| {
        let call = Scenario::new(scenario).on(from).target(tandem.sip()).from("4930123").number(number);
        call.duration(Duration::from_millis(100))
    };

    // A stranger tries every number that there is, as it is written and as it may be called.
    let numbers = tandem.rest().get("/v1.0/numbers").ok();
    let written: Vec<String> =
        numbers["items"].as_array().unwrap().iter().map(|number| text(&number["number"])).collect();
    let bare = written.iter().map(|number| number.trim_start_matches('+').to_owned());
    let all: Vec<String> = written.iter().cloned().chain(bare).chain(ACCOUNTS.map(str::to_owned)).collect();
    assert_eq!(all.len(), 6);
    let (challenged, started) =
        (tandem.metric("tandem_sip_challenged_total"), tandem.metric("tandem_calls_started_total"));
    for number in &all {
        call("uac_refused", stranger, number).status("407 Proxy Authentication Required").run();
    }
    assert_eq!(tandem.metric("tandem_sip_challenged_total") - challenged, all.len() as u64);
    assert_eq!(tandem.metric("tandem_calls_started_total"), started, "none was routed");
    assert_eq!(tandem.rest().get("/v1.0/cdrs").ok()["items"], json!([]));

    // The provider calls from one address, and names no account.
    for (n, did) in DIDS.iter().enumerate() {
        call("uac", at, did).run();
        pbxs[n].wait_passed(PATIENCE);
        let record = &tandem.wait_records(n + 1)[0];
        assert_eq!(
            (&record["caller"]["trunk_id"], &record["outcome"]),
            (&json!(trunks[n]), &json!("answered"))
        );
    }
    let other = "13035550100";
    call("uac_refused", at, other).status("403 Forbidden").run();
    assert_eq!(tandem.metric("tandem_calls_started_total") - started, 2);
}
