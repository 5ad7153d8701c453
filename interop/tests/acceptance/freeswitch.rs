//! FreeSWITCH: the two snippets of its wiki page, taken over, in use, and written out again.

use serde_json::json;
use std::time::Duration;
use tandem_interop::kamailio::Carrier;
use tandem_interop::ports::beside;
use tandem_interop::process::{PATIENCE, wait_until};
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::{Server, Tandem, run};

use crate::{import, patch, phone};

const OURS: &str = "+4940777";

/// The sample for providers that know us by our address.
fn by_address(proxy: &str) -> String {
    format!(
        r#"    <gateway name="provider">
      <param name="proxy" value="{proxy}"/>
      <param name="register" value="false"/>
      <param name="caller-id-in-from" value="true"/> <!--Most gateways seem to want this-->
      <param name="username" value="not-used"/>
      <param name="password" value="not-used"/>
    </gateway>
"#
    )
}

/// What the sample says may be left out is left out.
const WITH_DEFAULTS: &str = r#"  <gateway name="sip.provider.test">
  <param name="username" value="cluecon"/>
  <param name="password" value="2007"/>
  </gateway>
"#;

/// The sample with every parameter, and variables with and without a direction.
fn with_everything(proxy: &str) -> String {
    format!(
        r#"  <gateway name="cluecon.example">
  <!--/// account username *required* ///-->
  <param name="username" value="cluecon"/>
  <!--/// auth realm: *optional* same as gateway name, if blank ///-->
  <param name="realm" value=""/>
  <param name="from-user" value="cluecon"/>
  <param name="from-domain" value=""/>
  <param name="password" value="2007"/>
  <param name="extension" value="auto_to_user"/>
  <param name="proxy" value="{proxy}"/>
  <!-- <param name="outbound-proxy" value=""/> -->
  <param name="register-proxy" value=""/>
  <param name="expire-seconds" value="60"/>
  <param name="register" value="true"/>
  <param name="register-transport" value="udp"/>
  <param name="retry-seconds" value="5"/>
  <param name="caller-id-in-from" value="false"/>
  <param name="contact-params" value="tport=tcp"/>
  <param name="ping" value="5"/>
  <variables>
    <variable name="sip_h_X-Both" value="both"/>
    <variable name="sip_h_X-In" value="in" direction="inbound"/>
    <variable name="sip_h_X-Out" value="out" direction="outbound"/>
  </variables>
  </gateway>
"#
    )
}

fn trunk(tandem: &Server, name: &str) -> serde_json::Value {
    let all = tandem.rest().get("/v1.0/trunks").ok();
    all["items"].as_array().unwrap().iter().find(|trunk| trunk["name"] == name).expect(name).clone()
}

#[test]
fn both_snippets_are_taken_over_with_their_defaults_and_written_out_again() {
    let tandem = Tandem::new().start();
    import(&tandem, &by_address("192.0.2.10"), &["--apply"]);
    import(&tandem, &with_everything("192.0.2.20:5080"), &["--apply"]);
    import(&tandem, WITH_DEFAULTS, &["--apply"]);
    let least = trunk(&tandem, "sip.provider.test");
    for (field, value) in [
        ("mode", json!("register_out")),
        ("host", json!("sip.provider.test")),
        ("registrar", json!(null)),
        ("outbound_proxy", json!(null)),
        ("username", json!("cluecon")),
        ("from_user", json!(null)),
        ("from_domain", json!(null)),
        ("transport", json!("udp")),
        ("expires", json!(3600)),
        ("retry_base", json!(30)),
        ("register_timeout", json!(60)),
        ("caller_id_in_from", json!(false)),
        ("ping_interval", json!(0)),
    ] {
        assert_eq!(least[field], value, "{field}");
    }
    let plain = trunk(&tandem, "provider");
    for (field, value) in [
        ("mode", json!("ip_auth")),
        ("host", json!("192.0.2.10")),
        ("transport", json!("udp")),
        ("expires", json!(3600)),
        ("retry_base", json!(30)),
        ("register_timeout", json!(60)),
        ("ping_interval", json!(0)),
        ("caller_id_in_from", json!(true)),
    ] {
        assert_eq!(plain[field], value, "{field}");
    }
    let full = trunk(&tandem, "cluecon.example");
    for (field, value) in [
        ("mode", json!("register_out")),
        ("realm", json!(null)),
        ("from_user", json!("cluecon")),
        ("from_domain", json!(null)),
        ("inbound_extension", json!("auto_to_user")),
        ("expires", json!(60)),
        ("retry_base", json!(5)),
        ("contact_params", json!("tport=tcp")),
        ("ping_interval", json!(5)),
        ("ping_ok", json!(1)),
        ("ping_fail", json!(1)),
        ("ping_unregisters", json!(true)),
        ("inbound_context_vars", json!({ "sip_h_X-Both": "both", "sip_h_X-In": "in" })),
        ("outbound_vars", json!({ "sip_h_X-Both": "both", "sip_h_X-Out": "out" })),
    ] {
        assert_eq!(full[field], value, "{field}");
    }
    let url = format!("http://{}", tandem.rest().addr());
    let export = ["export", "--format", "freeswitch", "--url", &url, "--token", tandem.token()];
    let (status, written) = run(&export, Duration::from_secs(30));
    assert!(status.success(), "{written}");
    let again = import(&tandem, &written, &[]);
    for name in ["provider", "cluecon.example", "sip.provider.test"] {
        assert!(again.contains(&format!("= keep trunk {name}")), "{again}");
    }
}

#[test]
fn a_gateway_known_by_address_shows_the_caller_in_from() {
    let tandem = Tandem::new().start();
    let mut provider = Scenario::new("uas").on(beside(84)).start();
    import(&tandem, &by_address(&provider.addr().to_string()), &["--apply"]);
    let gateway = trunk(&tandem, "provider")["id"].as_str().unwrap().to_owned();
    tandem.route_over(&[&gateway]);
    let mut office = phone(&tandem, "office");
    let extension = tandem.rest().get("/v1.0/extensions").ok()["items"][0]["id"].as_str().unwrap().to_owned();
    patch(&tandem, &format!("extensions/{extension}"), json!({ "outbound_cid": OURS }));
    office.dial("4930123");
    office.wait_established();
    office.hang_up();
    provider.wait_passed(PATIENCE);
    let messages = provider.messages();
    assert!(!messages.contains("\nREGISTER ") && !messages.contains("\nOPTIONS "), "{messages}");
    let from = format!("From: <sip:{OURS}@{}>", tandem.sip().ip());
    assert!(messages.lines().any(|line| line.starts_with(&from)), "no {from:?} in\n{messages}");
    assert!(messages.contains("INVITE sip:4930123@"), "as it was dialled\n{messages}");
}

#[test]
fn a_gateway_with_an_account_does_all_that_its_parameters_say() {
    let tandem = Tandem::new().start();
    let world = Scenario::new("uas").on(beside(85)).start();
    let carrier = Carrier::new().on(beside(86)).account("cluecon", "2007").number(OURS, "cluecon");
    let mut carrier = carrier.number_in_to_only().route("4930", world.addr()).start();
    import(&tandem, &with_everything(&carrier.addr().to_string()), &["--apply"]);
    let gateway = trunk(&tandem, "cluecon.example")["id"].as_str().unwrap().to_owned();
    tandem.wait_state(&gateway, "registered");
    let registration = carrier.wait_registered("cluecon");
    assert!(registration.expires <= 60, "{registration:?}");
    assert!(registration.contact.contains(";tport=tcp"), "{registration:?}");

    // Out: the account in From, the variables for both directions and for this one.
    tandem.route_over(&[&gateway]);
    let mut office = phone(&tandem, "office");
    office.dial("4930123");
    office.wait_established();
    office.hang_up();
    office.wait_closed();
    let mut world = world;
    world.wait_passed(PATIENCE);
    let messages = world.messages();
    let from = format!("From: <sip:cluecon@{}", carrier.addr().ip());
    for line in [from.as_str(), "X-Both: both", "X-Out: out"] {
        assert!(messages.contains(line), "no {line:?} in\n{messages}");
    }
    assert!(!messages.contains("X-In:"), "{messages}");

    // In: the number is in To alone, and goes on to a PBX.
    let mut pbx = Scenario::new("uas").on(beside(87)).start();
    let place = tandem.trunk_to("pbx", pbx.addr());
    tandem.create("numbers", json!({ "number": OURS, "trunk_id": place }));
    let caller = Scenario::new("uac").on(beside(85)).target(carrier.addr()).number(OURS);
    world.replace(caller).wait_passed(PATIENCE);
    pbx.wait_passed(PATIENCE);
    let messages = pbx.messages();
    for line in [&*format!("INVITE sip:{OURS}@"), "X-Both: both", "X-In: in"] {
        assert!(messages.contains(line), "no {line:?} in\n{messages}");
    }
    assert!(!messages.contains("X-Out:"), "{messages}");

    // The ping fails: the gateway is down and unregistered, and is tried again after five seconds.
    carrier.stop();
    let mut status = json!(null);
    wait_until("the gateway to be down", PATIENCE * 2, || {
        status = tandem.status(&gateway);
        status["state"] == "unreachable" && status["next_retry_at"].is_u64()
    });
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(
        status["next_retry_at"].as_u64().unwrap() < now + 15_000,
        "retry-seconds, or twice as long: {status:#}"
    );
    office.dial("4930123");
    assert!(office.wait_closed().starts_with("503 "));
    carrier.restart();
    carrier.wait_registered("cluecon");
    tandem.wait_state(&gateway, "registered");
}
