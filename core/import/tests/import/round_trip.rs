//! In, out and in again.

use crate::{imported, imported_into, plan_in, shown};
use proptest::prelude::*;
use serde_json::{Value, json};
use tandem_import::{Action, write_gateways};
use tandem_model::{Change, Config, Entity, Kind};
use uuid::Uuid;

/// A provider that knows us by our address, as the documentation of FreeSWITCH writes it.
const BY_ADDRESS: &str = r#"
    <gateway name="provider">
      <param name="proxy" value="sip.provider.example"/>
      <param name="register" value="false"/>
      <param name="caller-id-in-from" value="true"/> <!--Most gateways seem to want this-->
      <param name="username" value="not-used"/>
      <param name="password" value="not-used"/>
    </gateway>"#;

/// Every parameter of the commented sample there.
const EVERYTHING: &str = r#"<include>
  <gateway name="example.com">
    <param name="username" value="cluecon"/>
    <param name="realm" value="example.com"/>
    <param name="from-user" value="cluecon"/>
    <param name="from-domain" value="example.com"/>
    <param name="password" value="2007"/>
    <param name="extension" value="auto_to_user"/>
    <param name="proxy" value="proxy.example.com"/>
    <param name="outbound-proxy" value="edge.example.com"/>
    <param name="register-proxy" value="registrar.example.com"/>
    <param name="expire-seconds" value="60"/>
    <param name="register" value="true"/>
    <param name="register-transport" value="udp"/>
    <param name="retry-seconds" value="30"/>
    <param name="caller-id-in-from" value="false"/>
    <param name="contact-params" value="tport=tcp"/>
    <param name="ping" value="25"/>
    <param name="context" value="public"/>
    <variables>
      <variable name="tier" value="gold"/>
      <variable name="sip_h_X-In" value="1" direction="inbound"/>
      <variable name="sip_h_X-Out" value="&lt;&quot;&amp;" direction="outbound"/>
    </variables>
  </gateway>
</include>"#;

/// The gateway of the only trunk, with the password written back where its place is kept.
fn with_password(config: &Config) -> String {
    let written = write_gateways(config);
    let Some(password) = config.trunks.values().next().and_then(|trunk| trunk.password.as_ref()) else {
        return written;
    };
    assert!(!written.contains("name=\"password\""), "{written}");
    let (before, after) = written.split_once("<!-- password:").expect("its place is kept");
    let (_, after) = after.split_once("-->").expect("the comment ends");
    let escaped = password.expose().replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    format!("{before}<param name=\"password\" value=\"{escaped}\"/>{after}")
}

fn comes_back(text: &str) -> Config {
    let first = imported(text);
    let second = imported(&with_password(&first));
    assert_eq!(shown(&first), shown(&second), "{}", write_gateways(&first));
    let written = write_gateways(&first);
    // On the same server nothing is left to do.
    let again = plan_in(&first, &written, None, None);
    assert!(again.plan.items.iter().all(|item| item.action == Action::Keep), "{:#?}", again.plan);
    first
}

#[test]
fn a_gateway_known_by_address_comes_back_as_it_was() {
    let config = comes_back(BY_ADDRESS);
    let trunk = config.trunk_by_slug("provider").unwrap();
    assert!(trunk.caller_id_in_from && trunk.password.is_none());
    assert_eq!(serde_json::to_value(trunk.mode).unwrap(), "ip_auth");
}

#[test]
fn a_gateway_with_every_parameter_comes_back_as_it_was() {
    let config = comes_back(EVERYTHING);
    let trunk = config.trunk_by_slug("example.com").unwrap();
    assert_eq!(trunk.password.as_ref().unwrap().expose(), "2007");
    assert_eq!((trunk.expires, trunk.ping_interval), (60, 25));
    let written = write_gateways(&config);
    assert!(!written.contains("\"x-tandem-"), "FreeSWITCH has a parameter for all of it: {written}");
    assert!(written.contains("name=\"context\" value=\"public\""), "{written}");
}

#[test]
fn the_password_is_left_out_and_kept_by_who_has_it() {
    let config = imported(EVERYTHING);
    let written = write_gateways(&config);
    assert!(!written.contains("2007") && written.contains("<!-- password:"), "{written}");
    let config = imported_into(&config, &written.replace("value=\"60\"", "value=\"120\""));
    let trunk = config.trunk_by_slug("example.com").unwrap();
    assert_eq!((trunk.expires, trunk.password.as_ref().unwrap().expose()), (120, "2007"));
    // Elsewhere it is asked for.
    let elsewhere = plan_in(&Config::default(), &written, None, None);
    assert_eq!(
        elsewhere.plan.problems[0].field, "trunk[example.com].password",
        "{:#?}",
        elsewhere.plan.problems
    );
}

fn with(body: Value) -> Config {
    let trunk = Entity::create(Kind::Trunk, Uuid::from_u128(1), body).unwrap();
    Config::default().apply(&[Change::Put(trunk)]).unwrap()
}

#[test]
fn what_freeswitch_has_no_parameter_for_comes_back_too() {
    let config = with(json!({
        "name": "My Carrier", "host": "2001:db8::1", "port": 5080, "username": "u", "password": "x\"<>&' y", "codecs": ["G722"],
        "transport": "auto", "enabled": false, "max_calls": 30, "number_format_out": "national", "country_code": "49", "ping_fail": 7, "ping_ok": 3,
        "contact_user": "username", "associated_ips": ["192.0.2.0/24"], "challengers": ["192.0.2.0/24", "198.51.100.7/32"],
        "did_source": "header:X-DID", "did_delimiters": { "after": "<sip:", "before": "@" }, "extra_headers": { "X-A": "b" },
        "imported_params": { "asterisk.endpoint.context": "in" },
    }));
    let written = with_password(&config);
    assert_eq!(shown(&config), shown(&imported(&written)), "{written}");
}

#[test]
fn a_trunk_that_registers_here_is_no_gateway() {
    let config =
        with(json!({ "name": "pbx", "mode": "register_in", "username": "pbx", "password": "hunter-two" }));
    let written = write_gateways(&config);
    assert!(
        written.contains("trunk pbx") && !written.contains("<gateway") && !written.contains("hunter"),
        "{written}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_trunk_comes_back(
        password in "[ -~äöü]{1,40}",
        realm in proptest::option::of("[a-zA-Z .$%&<>']{1,20}"),
        (port, in_from, ping, expires) in (proptest::option::of(1u16..), any::<bool>(), prop_oneof![Just(0), 5u32..3600], 60u32..86_400),
        value in "[ -~]{0,40}",
        mode in prop_oneof![Just("register_out"), Just("credential"), Just("ip_auth")],
    ) {
        let config = with(json!({
            "name": "t", "mode": mode, "host": "sip.example", "username": "acme", "password": password, "realm": realm, "port": port,
            "caller_id_in_from": in_from, "ping_interval": ping, "expires": expires, "outbound_vars": { "x": value }, "slug": "t-1",
        }));
        let written = with_password(&config);
        let back = imported(&written);
        let lost = mode == "ip_auth";
        let (mut meant, back) = (shown(&config), shown(&back));
        if lost && back[0].get("password").is_none() {
            meant[0].as_object_mut().unwrap().remove("password");
        }
        prop_assert_eq!(meant, back, "{}", written);
    }
}
