//! Where trunks are, and which trunk an address is.

mod world;

use serde_json::json;
use tandem_model::{RegistrationState, TrunkState};
use tandem_sip_msg::Transport;
use world::*;

#[test]
fn an_address_is_not_looked_up() {
    for (host, port, remote) in
        [("192.0.2.1", json!(null), "192.0.2.1:5060"), ("192.0.2.1", json!(5080), "192.0.2.1:5080")]
    {
        let mut world = World::with(&[trunk(1, json!({"host": host, "port": port}))]);
        assert!(world.queries.is_empty());
        assert_eq!(world.expect("REGISTER").flow.remote, address(remote));
    }
}

#[test]
fn a_name_is_looked_up_when_it_is_configured_and_again_when_its_answer_ages() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com", "port": 5080}))]);
    let query = world.queries.front().unwrap();
    assert_eq!(
        (query.host.as_str(), query.port, query.transport),
        ("sip.example.com", Some(5080), Some(Transport::Udp))
    );
    assert_eq!(world.state(), TrunkState::Registering);
    world.pass(secs(5));
    assert_eq!(world.status().registration, RegistrationState::Resolving);
    world.resolve(&["192.0.2.1:5080"], 300);
    let resolved = world.now;
    world.register();
    world.pass(secs(299).saturating_sub(world.now.since(resolved)));
    assert!(world.queries.is_empty());
    world.pass(secs(32));
    assert_eq!(world.queries.len(), 1);
}

#[test]
fn a_lifetime_is_believed_between_half_a_minute_and_an_hour() {
    for (ttl, least, most) in [(0, 30, 34), (1_000_000, 3600, 3961)] {
        let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com"}))]);
        world.resolve(&["192.0.2.1:5060"], ttl);
        let waited = world.until_query();
        assert!(waited >= secs(least) && waited <= secs(most), "{waited:?}");
    }
}

#[test]
fn a_failed_look_up_is_made_again_in_ever_longer_waits_and_told_in_plain_words() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.exampel.com"}))]);
    let mut wait = 5;
    for _ in 0..10 {
        world.fail_to_resolve("NXDOMAIN");
        let waited = world.until_query();
        assert!(waited >= secs(wait) && waited <= secs(wait + wait / 10 + 1), "{waited:?} of {wait}");
        wait = (wait * 2).min(300);
    }
    let status = world.status();
    assert_eq!((status.state, status.registration), (TrunkState::Unreachable, RegistrationState::Resolving));
    let words = "The host sip.exampel.com could not be looked up (NXDOMAIN)";
    assert!(status.reason.starts_with(words), "{}", status.reason);
    world.resolve(&["192.0.2.1:5060"], 300);
    world.at_once("REGISTER");
}

#[test]
fn a_look_up_that_nobody_answers_is_made_again() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com"}))]);
    let lost = world.queries.pop_front().unwrap();
    world.pass(secs(60));
    let again = world.queries.front().unwrap().clone();
    assert_ne!(again.id, lost.id);
    // The late answer to the first is not taken for one to the second.
    let late = tandem_trunk::Resolved {
        targets: vec![address("203.0.113.1:5060").into()],
        ttl: secs(60),
        by_service: false,
    };
    world.act(|trunks, sip| trunks.resolved(lost.id, Ok(late), sip));
    world.expect_none("REGISTER", secs(1));
    world.resolve(&["192.0.2.1:5060"], 60);
    assert_eq!(world.expect("REGISTER").flow.remote, address("192.0.2.1:5060"));
}

#[test]
fn the_last_good_answer_is_kept_while_the_name_service_fails() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com", "mode": "ip_auth"}))]);
    world.resolve(&["192.0.2.1:5060"], 60);
    for _ in 0..50 {
        world.until_query();
        world.fail_to_resolve("SERVFAIL");
        assert!(world.is_up());
        assert_eq!(world.trunks.targets(id(1))[0].remote, address("192.0.2.1:5060"));
    }
    world.until_query();
    let query = world.queries.pop_front().unwrap();
    let empty = tandem_trunk::Resolved { targets: vec![], ttl: secs(60), by_service: false };
    world.act(|trunks, sip| trunks.resolved(query.id, Ok(empty), sip));
    assert!(world.is_up());
}

#[test]
fn when_the_address_changes_the_trunk_registers_there_at_once() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com"}))]);
    world.resolve(&["192.0.2.1:5060"], 60);
    world.register();
    world.pass(secs(70));
    world.resolve(&["192.0.2.1:5060"], 60);
    world.expect_none("REGISTER", secs(1));
    world.pass(secs(70));
    world.resolve(&["192.0.2.7:5060"], 60);
    let register = world.at_once("REGISTER");
    assert_eq!(register.flow.remote, address("192.0.2.7:5060"));
    assert_eq!(world.trunks.at(address("192.0.2.7:5060")), [id(1)]);
    assert_eq!(world.trunks.at(address("192.0.2.1:5060")), []);
}

#[test]
fn a_registration_that_waits_is_tried_at_once_when_the_address_changes() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com"}))]);
    world.resolve(&["192.0.2.1:5060"], 60);
    let register = world.expect("REGISTER");
    world.answer(&register, 404, &[]);
    world.pass(secs(70));
    world.resolve(&["192.0.2.2:5060"], 60);
    world.at_once("REGISTER");
}

#[test]
fn a_trunk_without_registration_is_up_as_soon_as_its_name_is_known() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com", "mode": "ip_auth"}))]);
    assert_eq!(world.state(), TrunkState::Static);
    assert!(!world.is_up());
    world.resolve(&["192.0.2.1:5060"], 60);
    assert!(world.is_up());
}

#[test]
fn a_registrar_and_a_proxy_of_other_names_are_looked_up_too() {
    let fields = json!({"host": "sip.example.com", "registrar": "reg.example.com:5070", "outbound_proxy": "sip.example.com"});
    let world = World::with(&[trunk(1, fields)]);
    let asked: Vec<(&str, Option<u16>)> = world.queries.iter().map(|q| (q.host.as_str(), q.port)).collect();
    assert_eq!(asked, [("sip.example.com", None), ("reg.example.com", Some(5070))]);
}

#[test]
fn two_accounts_at_one_host_are_both_candidates_and_told_apart_by_their_contacts() {
    let mut world = World::with(&[trunk(1, json!({})), trunk(2, json!({})), trunk(3, json!({"port": 5080}))]);
    assert_eq!(world.trunks.at(address("192.0.2.1:5060")), [id(1), id(2)]);
    assert_eq!(world.trunks.at(address("192.0.2.1:5080")), [id(3)]);
    assert_eq!(world.trunks.at(address("192.0.2.1:1024")), [id(1), id(2), id(3)]);
    for _ in 0..3 {
        let register = world.expect("REGISTER");
        let contact = register.message.contact().unwrap();
        let whose = register.message.to().uri().user().unwrap().strip_prefix("100").unwrap().parse().unwrap();
        let token = contact.uri().params().get("gw").unwrap();
        assert_eq!(world.trunks.by_contact_token(token), Some(id(whose)));
    }
    assert_eq!(world.trunks.by_contact_token("gw"), None);
}

#[test]
fn ten_thousand_trunks_are_configured_and_found() {
    let trunks: Vec<_> = (1..=10_000)
        .map(|n| {
            let host = format!("10.{}.{}.1", n / 250, n % 250);
            trunk(n, json!({"host": host, "mode": "ip_auth"}))
        })
        .collect();
    let mut world = World::with(&trunks);
    assert_eq!(world.trunks.at(address("10.20.7.1:5060")), [id(5007)]);
    world.configure(&trunks[..5000]);
    assert_eq!(world.trunks.at(address("10.20.7.1:5060")), []);
}

#[test]
fn a_trunk_with_auto_registers_over_the_other_transport_whenever_one_is_not_answered() {
    let mut world = World::with(&[trunk(1, json!({"transport": "auto"}))]);
    let next = |world: &mut World| {
        let register = world.expect("REGISTER");
        let contact = register.message.contact().unwrap();
        let named = contact.uri().params().get("transport").and_then(Transport::parse);
        assert_eq!(named.unwrap_or(Transport::Udp), register.flow.transport);
        register
    };
    let tried = [(); 3].map(|()| next(&mut world).flow.transport);
    assert_eq!(tried, [Transport::Udp, Transport::Tcp, Transport::Udp]);
    let register = next(&mut world);
    world.accept(&register, 600);
    assert_eq!(next(&mut world).flow.transport, Transport::Tcp, "what is answered is kept");
}

#[test]
fn a_trunk_with_auto_that_does_not_register_changes_when_its_options_are_not_answered() {
    let fields = json!({"mode": "ip_auth", "transport": "auto", "ping_interval": 30, "ping_fail": 2});
    let mut world = World::with(&[trunk(1, fields)]);
    let tried = [(); 3].map(|()| world.expect("OPTIONS").flow.transport);
    assert_eq!(tried, [Transport::Udp, Transport::Udp, Transport::Tcp]);
    let mut world = World::with(&[trunk(1, json!({"transport": "udp", "ping_interval": 0}))]);
    let tried = [(); 3].map(|()| world.expect("REGISTER").flow.transport);
    assert_eq!(tried, [Transport::Udp; 3], "who says udp means it");
}
