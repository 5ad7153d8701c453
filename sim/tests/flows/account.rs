//! What a REGISTER and an OPTIONS say of our account, setting by setting.

use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::{Kind, TrunkState};
use tandem_sim::{Line, SERVER, Stage, World};
use tandem_sip_msg::{Credentials, Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A carrier where a trunk with these settings has registered.
fn world(more: Value) -> (World, usize, String) {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier_with_account("carrier", "register_out", more);
    w.run_for(secs(3));
    (w, carrier, trunk)
}

/// The last request of a kind that somebody got.
fn last(w: &World, ua: usize, method: &str) -> Message {
    let sent = w.ladder.requests(SERVER, w.address(ua), method);
    sent.last().unwrap_or_else(|| panic!("no {method}")).1.clone()
}

fn register(more: Value) -> Message {
    let (w, carrier, _) = world(more);
    last(&w, carrier, "REGISTER")
}

/// From or To, without its tag.
fn place(value: &str) -> &str {
    value.split(";tag").next().unwrap_or_default()
}

#[test]
fn a_register_is_from_the_account_and_asks_for_the_lifetime_of_the_trunk() {
    let sent = register(json!({"expires": 600}));
    assert_eq!(sent.request_uri().unwrap().as_str(), "sip:10.0.1.1:5060");
    assert_eq!(place(sent.from().as_str()), "<sip:account@10.0.1.1>");
    assert_eq!(place(sent.to().as_str()), "<sip:account@10.0.1.1>");
    assert_eq!(sent.expires(), Some(600));
    assert_eq!(sent.contact().unwrap().uri().user(), Some("account"));
}

#[test]
fn the_digest_username_may_be_another_than_the_account() {
    let mut w = World::new();
    let carrier = w.add("carrier", "carrier");
    w.ua(carrier).add_account("digest-user", "secret");
    let trunk = json!({
        "name": "t", "mode": "register_out", "host": "10.0.1.1", "username": "+15551234567",
        "auth_username": "digest-user", "password": "secret",
    });
    let trunk = w.create(Kind::Trunk, trunk);
    w.run_for(secs(3));
    assert_eq!(w.status(&trunk).state, TrunkState::Registered);
    let sent = last(&w, carrier, "REGISTER");
    assert_eq!(sent.from().uri().user(), Some("+15551234567"), "the plus is part of the name");
    let credentials = Credentials::parse(sent.header(Header::Authorization).unwrap()).unwrap();
    assert_eq!(credentials.username, "digest-user");
}

#[test]
fn credentials_are_for_the_realm_of_the_trunk_alone() {
    let (w, carrier, trunk) = world(json!({"realm": "carrier"}));
    assert_eq!(w.status(&trunk).state, TrunkState::Registered);
    assert_eq!(place(last(&w, carrier, "REGISTER").from().as_str()), "<sip:account@carrier>");
    let (w, carrier, trunk) = world(json!({"realm": "another.example"}));
    assert_eq!(w.status(&trunk).state, TrunkState::AuthFailed);
    let sent = w.ladder.requests(SERVER, w.address(carrier), "REGISTER");
    assert!(sent.iter().all(|(_, m)| m.header(Header::Authorization).is_none()));
}

#[test]
fn from_user_and_from_domain_are_the_identity_and_to_may_be_distinct() {
    let own = json!({"from_user": "trunk-7", "from_domain": "acme.example"});
    let sent = register(own.clone());
    assert_eq!(place(sent.from().as_str()), "<sip:trunk-7@acme.example>");
    assert_eq!(place(sent.to().as_str()), "<sip:trunk-7@acme.example>");
    let mut distinct = own;
    distinct["distinct_to"] = json!(true);
    let sent = register(distinct);
    assert_eq!(place(sent.from().as_str()), "<sip:trunk-7@acme.example>");
    assert_eq!(place(sent.to().as_str()), "<sip:account@10.0.1.1>");
}

#[test]
fn the_contact_is_written_as_the_trunk_wants_it() {
    let token = |uri: &str| uri.split(";gw=").nth(1).is_some_and(|token| token.len() >= 16);
    for (more, begins) in [
        (json!({}), "sip:account@10.0.0.1:5060;"),
        (json!({"slug": "main", "contact_user": "token"}), "sip:gw+main@10.0.0.1:5060;"),
        (json!({"contact_user": "extension", "inbound_extension": "1001"}), "sip:1001@10.0.0.1:5060;"),
        (json!({"contact_host": "pbx.example:5090"}), "sip:account@pbx.example:5090;"),
        (json!({"contact_params": "tport=tcp;line=2"}), "sip:account@10.0.0.1:5060;tport=tcp;line=2;"),
    ] {
        let sent = register(more.clone());
        let contact = sent.contact().unwrap().uri().as_str().to_owned();
        assert!(contact.starts_with(begins) && token(&contact), "{more}: {contact}");
    }
}

#[test]
fn an_outbound_registration_names_its_instance_and_its_flow() {
    let sent = register(json!({"outbound_rfc5626": true}));
    let contact = sent.contact().unwrap();
    assert!(contact.params().get("+sip.instance").is_some_and(|id| id.contains("urn:uuid:")));
    assert_eq!(contact.params().get("reg-id"), Some("1"));
    assert!(register(json!({})).contact().unwrap().params().get("reg-id").is_none());
}

#[test]
fn register_goes_to_the_registrar_and_calls_to_the_host() {
    let mut w = World::new();
    let (registrar, host) = (w.add("registrar", "carrier"), w.add("host", "carrier"));
    for ua in [registrar, host] {
        w.ua(ua).add_account("account", "secret");
    }
    let at = w.address(registrar);
    let trunk = json!({
        "name": "t", "mode": "register_out", "host": "10.0.1.2", "username": "account", "password": "secret",
        "registrar": at.to_string(), "ping_interval": 0,
    });
    let trunk = w.create(Kind::Trunk, trunk);
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.run_for(secs(3));
    assert_eq!(w.status(&trunk).state, TrunkState::Registered);
    assert_eq!((w.count_to(registrar, "REGISTER"), w.count_to(host, "REGISTER")), (2, 0));
    assert_eq!(last(&w, registrar, "REGISTER").request_uri().unwrap().as_str(), "sip:10.0.1.2");
    w.talk(phone, "5551234");
    assert_eq!(w.stage(host), Stage::Talking);
}

#[test]
fn an_outbound_proxy_gets_register_and_options_too() {
    let mut w = World::new();
    let proxy = w.add("proxy", "proxy");
    w.ua(proxy).add_account("account", "secret");
    let trunk = json!({
        "name": "t", "mode": "register_out", "host": "198.51.100.20", "username": "account", "password": "secret",
        "outbound_proxy": w.address(proxy).to_string(), "ping_interval": 5,
    });
    let trunk = w.create(Kind::Trunk, trunk);
    w.run_for(secs(12));
    assert_eq!(w.status(&trunk).state, TrunkState::Registered);
    for method in ["REGISTER", "OPTIONS"] {
        let sent = last(&w, proxy, method);
        assert_eq!(sent.request_uri().unwrap().as_str(), "sip:198.51.100.20", "{method}");
        assert_eq!(sent.header(Header::Route), Some("<sip:10.0.1.1:5060;lr>"), "{method}");
    }
}

/// An INVITE that is answered by somebody at another address than it was sent to, who asks for the password.
fn challenged_from_elsewhere(more: Value) -> bool {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier_with_account("carrier", "register_out", more);
    w.ua(carrier).is_off = true;
    w.run_for(secs(1));
    let asked = w.ladder.requests(SERVER, w.address(carrier), "REGISTER").first().unwrap().1.clone();
    let thief = "203.0.113.66:5060".parse().unwrap();
    let mut answer = String::from("SIP/2.0 401 Unauthorized\r\n");
    for (name, value) in asked.lines().filter(|(name, _)| ["Via", "From", "Call-ID", "CSeq"].contains(name)) {
        answer += &format!("{name}: {value}\r\n");
    }
    answer += &format!("To: {};tag=thief\r\n", asked.to().as_str());
    answer += "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"abc\", algorithm=MD5, qop=\"auth\"\r\nContent-Length: 0\r\n\r\n";
    w.inject(thief, SERVER, answer);
    w.run_for(secs(1));
    assert_eq!(w.trunk_ids(), [trunk]);
    let sent = w.ladder.requests(SERVER, w.address(carrier), "REGISTER");
    sent.iter().any(|(_, m)| m.header(Header::Authorization).is_some())
}

#[test]
fn a_challenge_from_elsewhere_gets_no_credentials_unless_the_trunk_names_its_network() {
    assert!(!challenged_from_elsewhere(json!({})));
    assert!(challenged_from_elsewhere(json!({"challengers": ["203.0.113.0/24"]})));
}

#[test]
fn calls_find_our_contact_whatever_it_looks_like() {
    let mut w = World::new();
    let more = json!({"slug": "main", "contact_user": "token", "contact_params": "line=2", "resolve_host_to_acl": false});
    let (carrier, _) = w.carrier_with_account("carrier", "register_out", more);
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    w.run_for(secs(3));
    let now = w.now;
    let contact = w.ua(carrier).registered("account", now).unwrap().contact.clone();
    w.dial_line(carrier, Line::to(contact).with_to("sip:15550001@carrier.example"));
    w.run_for(secs(1));
    assert_eq!(w.stage(phone), Stage::Talking);
}
