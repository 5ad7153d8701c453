//! MikoPBX: the provider card, with its three types of account and its additional parameters.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;
use tandem_interop::kamailio::Carrier;
use tandem_interop::ports::beside;
use tandem_interop::process::{PATIENCE, wait_until};
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::{Server, Tandem};

use crate::{PASSWORD, import, patch, phone};

/// A trunk that calls go to a PBX from, at this number.
fn pbx_at(tandem: &Server, place: u8, number: &str) -> tandem_interop::sipp::Sipp {
    let pbx = Scenario::new("uas").calls(2).on(beside(place)).start();
    let trunk = tandem.trunk_to("pbx", pbx.addr());
    tandem.create("numbers", json!({ "number": number, "trunk_id": trunk }));
    pbx
}

fn calls(tandem: &Server, scenario: &str, ip: IpAddr, number: &str) -> Scenario {
    let scenario = Scenario::new(scenario).on(ip).target(tandem.sip()).from("4930123").number(number);
    scenario.duration(Duration::from_millis(100))
}

#[test]
fn an_account_registers_there_or_here_or_is_known_by_its_address() {
    let tandem = Tandem::new().start();
    // Outgoing registration.
    let carrier = Carrier::new().on(beside(110)).account("miko", PASSWORD).start();
    let outgoing = json!({
        "name": "Outgoing", "mode": "register_out", "host": carrier.addr().ip().to_string(), "port": carrier.addr().port(),
        "username": "miko", "password": PASSWORD, "expires": 120, "retry_base": 45,
    });
    let outgoing = tandem.create("trunks", outgoing);
    tandem.wait_state(&outgoing, "registered");
    assert!(carrier.wait_registered("miko").expires <= 120);

    // Incoming registration, of a gateway that nobody knows the address of.
    let gateway = json!({ "name": "GSM", "mode": "register_in", "username": "gsm-1", "password": PASSWORD });
    let gateway = tandem.create("trunks", gateway);
    assert_eq!(tandem.status(&gateway)["state"], "unregistered");
    let login = format!("gsm-1;[authentication username=gsm-1 password={PASSWORD}]");
    let device = Scenario::new("register").on(beside(111)).target(tandem.sip()).data(&[&login]);
    let mut device = device.duration(Duration::from_secs(1)).start();
    tandem.wait_state(&gateway, "registered");
    device.wait_passed(PATIENCE);
    tandem.wait_state(&gateway, "unregistered");

    // By address, without a password.
    let mut pbx = pbx_at(&tandem, 112, "74951112233");
    let address =
        json!({ "name": "Line", "mode": "ip_auth", "host": beside(113).to_string(), "ping_interval": 0 });
    let address = tandem.create("trunks", address);
    calls(&tandem, "uac", beside(113), "74951112233").run();
    assert_eq!(tandem.wait_record()["caller"]["trunk_id"], address.as_str());
    pbx.stop();
}

#[test]
fn calls_may_come_from_additional_hosts_and_from_no_others() {
    let tandem = Tandem::new().start();
    let mut pbx = pbx_at(&tandem, 114, "74951112233");
    let provider = json!({
        "name": "Provider", "host": beside(115).to_string(), "associated_ips": [beside(116).to_string()],
        "associated_hosts": [beside(117).to_string()], "ping_interval": 0,
    });
    let provider = tandem.create("trunks", provider);
    for (n, place) in [116, 117].into_iter().enumerate() {
        calls(&tandem, "uac", beside(place), "74951112233").run();
        assert_eq!(tandem.wait_records(n + 1)[0]["caller"]["trunk_id"], provider.as_str());
    }
    pbx.wait_passed(PATIENCE);
    calls(&tandem, "uac_refused", beside(118), "74951112233")
        .status("407 Proxy Authentication Required")
        .run();
}

#[test]
fn a_provider_that_does_not_answer_options_is_not_available() {
    let tandem = Tandem::new().start();
    let mut carrier = Carrier::new().on(beside(119)).start();
    let mut other = Scenario::new("uas").on(beside(109)).start();
    let provider = json!({
        "name": "Provider", "mode": "ip_auth", "host": carrier.addr().ip().to_string(), "port": carrier.addr().port(),
        "ping_interval": 5, "ping_timeout": 3, "ping_fail": 1,
    });
    let provider = tandem.create("trunks", provider);
    let spare = tandem.trunk_to("spare", other.addr());
    tandem.route_over(&[&provider, &spare]);
    tandem.wait_state(&provider, "reachable");
    assert!(carrier.messages().iter().any(|message| message.starts_with("<< OPTIONS ")));
    carrier.fall_silent();
    wait_until("it to be unavailable", PATIENCE * 2, || tandem.status(&provider)["state"] == "unreachable");
    let mut office = phone(&tandem, "office");
    office.dial("84951112233");
    office.wait_established();
    office.hang_up();
    other.wait_passed(PATIENCE);
    let record = tandem.wait_record();
    let tried: Vec<_> =
        record["attempts"].as_array().unwrap().iter().map(|tried| &tried["trunk_id"]).collect();
    assert_eq!(tried, [&json!(spare)], "nobody waited for the first: {record:#}");
}

#[test]
fn from_has_the_account_another_user_another_domain_or_the_caller() {
    let tandem = Tandem::new().start();
    let mut provider = Scenario::new("uas").calls(4).on(beside(120)).start();
    let (ip, port) = (provider.addr().ip().to_string(), provider.addr().port());
    let body = json!({
        "name": "Provider", "mode": "credential", "host": ip, "port": port, "username": "74951112233", "password": PASSWORD,
        "ping_interval": 0,
    });
    let trunk = tandem.create("trunks", body);
    tandem.route_over(&[&trunk]);
    let mut office = phone(&tandem, "office");
    let here = tandem.sip().ip();
    for (n, (change, from)) in [
        (json!({}), format!("<sip:74951112233@{ip}>")),
        (json!({ "from_user": "another" }), format!("<sip:another@{ip}>")),
        (
            json!({ "from_user": "another", "from_domain": "sip.provider.test" }),
            "<sip:another@sip.provider.test>".to_owned(),
        ),
        // "Disable fromuser".
        (json!({ "caller_id_in_from": true, "from_domain": null }), format!("<sip:office@{here}")),
    ]
    .into_iter()
    .enumerate()
    {
        patch(&tandem, &format!("trunks/{trunk}"), change);
        office.dial("84951112233");
        office.wait_established();
        office.hang_up();
        office.wait_closed();
        tandem.wait_records(n + 1);
        let messages = provider.messages();
        let last = messages.lines().rfind(|line| line.starts_with("From: ") && line.contains(&from));
        assert!(last.is_some(), "no From: {from} in\n{messages}");
    }
    provider.wait_passed(PATIENCE);
}

#[test]
fn additional_parameters_override_what_the_card_says() {
    let tandem = Tandem::new().start();
    let world = Scenario::new("uas").on(beside(121)).start();
    let carrier =
        Carrier::new().on(beside(122)).account("miko", PASSWORD).route("8495", world.addr()).start();
    let card = json!({
        "name": "Provider", "mode": "register_out", "host": carrier.addr().ip().to_string(), "port": carrier.addr().port(),
        "username": "miko", "password": "from the card", "retry_base": 5, "ping_interval": 0, "codecs": ["PCMA", "telephone-event"],
    });
    let trunk = tandem.create("trunks", card);
    tandem.wait_state(&trunk, "auth_failed");
    let text = format!(
        "[registration-auth]\npassword = {PASSWORD}\n\n[registration]\nexpiration = 300\nretry_interval = 20\n\n\
         [identify]\nmatch = {}\n\n[aor]\nqualify_frequency = 25\n\n\
         [endpoint]\nfrom_user = 74951112233\nfrom_domain = sip.provider.test\nallow = !all,ulaw,alaw\nnonsense = 1\n",
        beside(123)
    );
    let said = import(&tandem, &text, &["--format", "mikopbx", "--name", "Provider", "--apply"]);
    assert!(said.contains("endpoint.nonsense"), "what is unknown is told: {said}");
    tandem.wait_state(&trunk, "registered");
    let registered = carrier.wait_registered("miko");
    assert!((200..=300).contains(&registered.expires), "{registered:?}");
    let now = tandem.rest().get(&format!("/v1.0/trunks/{trunk}")).ok();
    assert_eq!((&now["retry_base"], &now["ping_interval"]), (&json!(20), &json!(25)));
    wait_until("an OPTIONS", PATIENCE, || carrier.messages().iter().any(|m| m.starts_with("<< OPTIONS ")));

    tandem.route_over(&[&trunk]);
    let mut office = phone(&tandem, "office");
    office.dial("84951112233");
    office.wait_established();
    office.hang_up();
    let mut world = world;
    world.wait_passed(PATIENCE);
    let messages = world.messages();
    for line in ["From: <sip:74951112233@sip.provider.test>", "RTP/AVP 0 8 101"] {
        assert!(messages.contains(line), "no {line:?} in\n{messages}");
    }

    let mut pbx = pbx_at(&tandem, 124, "74951112244");
    calls(&tandem, "uac", beside(123), "74951112244").run();
    assert_eq!(tandem.wait_records(2)[0]["caller"]["trunk_id"], trunk.as_str());
    pbx.stop();
}

#[test]
fn two_accounts_of_one_provider_are_told_apart_by_the_username_that_is_called() {
    const ACCOUNTS: [&str; 2] = ["74951112233", "74951112244"];
    let tandem = Tandem::new().start();
    let mut world = Scenario::new("uas").on(beside(125)).start();
    let carrier =
        Carrier::new().on(beside(126)).account(ACCOUNTS[0], PASSWORD).account(ACCOUNTS[1], PASSWORD);
    let carrier = carrier.route("999", world.addr()).start();
    let trunks = ACCOUNTS.map(|account| {
        let body = json!({
            "name": account, "mode": "register_out", "host": carrier.addr().ip().to_string(), "port": carrier.addr().port(),
            "username": account, "password": PASSWORD, "ping_interval": 0,
        });
        let trunk = tandem.create("trunks", body);
        tandem.wait_state(&trunk, "registered");
        trunk
    });
    let mut pbxs = [127, 128].map(|place| Scenario::new("uas").on(beside(place)).start());
    for (account, pbx) in ACCOUNTS.iter().zip(&pbxs) {
        let place = tandem.trunk_to(&format!("for {account}"), pbx.addr());
        tandem.create("numbers", json!({ "number": account, "trunk_id": place }));
    }
    for (n, account) in ACCOUNTS.iter().enumerate() {
        world = world.replace(Scenario::new("uac").on(beside(125)).target(carrier.addr()).number(account));
        world.wait_passed(PATIENCE);
        pbxs[n].wait_passed(PATIENCE);
        assert_eq!(tandem.wait_records(n + 1)[0]["caller"]["trunk_id"], trunks[n].as_str());
    }
}
