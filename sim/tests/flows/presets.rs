//! Each brand of trunk against a provider that behaves as its preset says.

use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::{Kind, presets};
use tandem_sim::{Line, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

const ACCOUNT: &str = "account77";
const OWN_NUMBER: &str = "+13322496213";

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What a provider takes and sends.
struct Provider {
    brand: &'static str,
    /// How a trunk to it is known there.
    mode: &'static str,
    /// How it wants +442071234567 written.
    number: &'static str,
    /// Whose name it wants in From: that of the account, or that of the caller.
    from: &'static str,
    /// The header in which it wants the caller's number, if not in From.
    identity: Option<Header>,
    /// How its calls to our number look.
    incoming: fn() -> Line,
}

fn by_number(number: &str) -> Line {
    Line::number(number, SERVER)
}

fn providers() -> Vec<Provider> {
    let usual = || Provider {
        brand: "generic",
        mode: "register_out",
        number: "+442071234567",
        from: ACCOUNT,
        identity: Some(Header::PAssertedIdentity),
        incoming: || by_number(OWN_NUMBER),
    };
    let plain = "442071234567";
    vec![
        usual(),
        Provider { brand: "twilio-elastic", mode: "credential", from: OWN_NUMBER, identity: None, ..usual() },
        Provider { brand: "twilio-sip-domain", ..usual() },
        Provider { brand: "voip-ms", number: plain, incoming: || by_number("13322496213"), ..usual() },
        Provider { brand: "telnyx", incoming: || by_number("13322496213"), ..usual() },
        Provider { brand: "bandwidth", mode: "ip_auth", from: OWN_NUMBER, ..usual() },
        Provider { brand: "sipgate", number: plain, identity: Some(Header::PPreferredIdentity), ..usual() },
        Provider {
            brand: "zadarma",
            number: plain,
            incoming: || by_number(ACCOUNT).with_named("CALLED_DID", "13322496213"),
            ..usual()
        },
        Provider {
            brand: "mango",
            number: plain,
            incoming: || {
                by_number(ACCOUNT)
                    .with(Header::Diversion, "<sip:13322496213@mango.example>;reason=unconditional")
            },
            ..usual()
        },
    ]
}

/// A server with a trunk of the brand, of which only the account and the host are said; the provider, the trunk, a phone.
fn office(provider: &Provider) -> (World, usize, String, usize) {
    let mut w = World::new();
    let carrier = w.add("provider", "provider");
    let host = w.address(carrier).ip().to_string();
    let mut trunk = json!({ "name": "trunk", "brand": provider.brand, "host": host, "ping_interval": 0 });
    if provider.mode != "ip_auth" {
        w.ua(carrier).add_account(ACCOUNT, "a-good-password");
        trunk["username"] = json!(ACCOUNT);
        trunk["password"] = json!("a-good-password");
    }
    let trunk = w.create(Kind::Trunk, trunk);
    w.route(&[&trunk]);
    let phone = w.phone("1002");
    let extension = w.config().extensions.keys().next().unwrap().to_string();
    w.patch(Kind::Extension, &extension, json!({ "outbound_cid": OWN_NUMBER }));
    w.number(OWN_NUMBER, "1002");
    w.run_for(secs(5));
    (w, carrier, trunk, phone)
}

fn user(invite: &Message, header: Header) -> Option<String> {
    let value = invite.header(header)?;
    let user = value.split("sip:").nth(1)?.split('@').next()?;
    Some(user.to_owned())
}

#[test]
fn every_preset_has_a_provider_here() {
    let here: Vec<&str> = providers().iter().map(|provider| provider.brand).collect();
    let there: Vec<&str> = presets().iter().map(|preset| preset.key.as_str()).collect();
    assert_eq!(here, there);
}

#[test]
fn a_trunk_of_a_brand_registers_where_the_provider_takes_that() {
    for provider in providers() {
        let (mut w, carrier, trunk, _) = office(&provider);
        let now = w.now;
        let registered = w.ua(carrier).registered(ACCOUNT, now).is_some();
        assert_eq!(registered, provider.mode == "register_out", "{}", provider.brand);
        assert_eq!(w.count_to(carrier, "REGISTER") > 0, registered, "{}", provider.brand);
        let state = format!("{:?}", w.status(&trunk).state);
        assert_eq!(state, if registered { "Registered" } else { "Static" }, "{}", provider.brand);
    }
}

#[test]
fn a_brand_that_takes_no_register_is_not_registered_at() {
    for preset in presets() {
        let mut w = World::new();
        let trunk = json!({
            "name": "t", "brand": preset.key, "mode": "register_out", "host": "p.example", "username": "u", "password": "a-password",
        });
        let refused = w.try_create(Kind::Trunk, trunk).err();
        assert_eq!(refused.is_some(), preset.refuses_register, "{}", preset.key);
        if let Some(rejection) = refused {
            let problem = &rejection.problems[0];
            assert_eq!(
                (problem.field.as_str(), problem.reason),
                ("mode", "BRAND_REFUSES_REGISTER"),
                "{rejection}"
            );
        }
    }
}

#[test]
fn a_call_out_is_written_as_the_provider_wants_it() {
    for provider in providers() {
        let (mut w, carrier, _, phone) = office(&provider);
        w.dial(phone, "+442071234567");
        w.run_for(secs(2));
        assert_eq!(w.stage(phone), Stage::Talking, "{}", provider.brand);
        let invite = w.last_call(carrier).invite.clone().unwrap();
        let number = invite.request_uri().unwrap().user_unescaped().unwrap().into_owned();
        assert_eq!(number, provider.number, "{}", provider.brand);
        assert_eq!(user(&invite, Header::From).as_deref(), Some(provider.from), "{}", provider.brand);
        for header in [Header::PPreferredIdentity, Header::PAssertedIdentity, Header::RemotePartyId] {
            let told = user(&invite, header);
            let wanted = (provider.identity == Some(header)).then(|| OWN_NUMBER.to_owned());
            assert_eq!(told, wanted, "{} {}", provider.brand, header.name());
        }
    }
}

#[test]
fn a_call_in_reaches_the_number_wherever_the_provider_has_it() {
    for provider in providers() {
        let (mut w, carrier, trunk, phone) = office(&provider);
        w.dial_line(carrier, (provider.incoming)());
        w.run_for(secs(2));
        assert_eq!(w.stage(phone), Stage::Talking, "{}", provider.brand);
        w.hang_up(carrier);
        w.run_for(secs(1));
        let caller = &w.only_record().caller;
        assert_eq!(caller.trunk_id.map(|id| id.to_string()), Some(trunk), "{}", provider.brand);
    }
}

#[test]
fn facts_say_whether_anybody_has_seen_them() {
    for preset in presets().iter().filter(|preset| preset.key != "generic") {
        assert!(!preset.facts.is_empty(), "{}", preset.key);
        let shown: Value = serde_json::to_value(preset).unwrap();
        assert!(shown["facts"][0]["confirmed"].is_boolean());
    }
}
