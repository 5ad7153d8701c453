//! What becomes of our registration when its trunk is edited, switched off, deleted, or the server ends.

mod world;

use serde_json::json;
use tandem_model::{RegistrationState, TrunkState};
use tandem_sip_msg::{Header, Uri};
use world::*;

#[test]
fn a_trunk_that_is_deleted_takes_its_contact_back_with_credentials() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let register = world.register();
    world.configure(&[]);
    let farewell = world.expect("REGISTER");
    assert!(farewell.unregisters());
    assert_eq!(farewell.message.contact().unwrap().params().get("expires"), Some("0"));
    assert_eq!(farewell.message.call_id(), register.message.call_id());
    let uri = |sent: &Sent| sent.message.contact().unwrap().uri().as_str().to_owned();
    assert_eq!(uri(&farewell), uri(&register));
    assert_eq!(world.trunks.status(id(1)), None);
    world.answer(&farewell, 401, &[(Header::WwwAuthenticate, NONCE)]);
    let again = world.expect("REGISTER");
    assert!(again.unregisters() && credentials_are_right(&again));
    world.answer(&again, 200, &[]);
    world.expect_none("REGISTER", secs(7200));
    assert_eq!(world.trunks.poll_timeout(), None);
}

#[test]
fn a_trunk_that_is_deleted_while_its_registrar_is_silent_goes_all_the_same() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    world.register();
    world.configure(&[]);
    assert!(world.expect("REGISTER").unregisters());
    world.pass(secs(9));
    assert_eq!(world.trunks.poll_timeout(), None);
    world.expect_none("REGISTER", secs(7200));
}

#[test]
fn a_register_that_is_under_way_when_its_trunk_is_deleted_is_taken_back() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let register = world.expect("REGISTER");
    world.configure(&[]);
    let farewell = world.expect("REGISTER");
    assert!(farewell.unregisters());
    assert!(farewell.message.cseq() > register.message.cseq());
    world.accept(&register, 3600);
    assert_eq!(world.trunks.status(id(1)), None);
}

#[test]
fn a_trunk_is_switched_off_and_on() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let register = world.register();
    world.configure(&[trunk(1, json!({"enabled": false}))]);
    let farewell = world.expect("REGISTER");
    assert!(farewell.unregisters());
    let status = world.status();
    assert_eq!((status.state, status.registration), (TrunkState::Disabled, RegistrationState::Unregistering));
    assert!(!world.is_up());
    world.answer(&farewell, 200, &[]);
    assert_eq!(world.status().registration, RegistrationState::Disabled);
    assert_eq!(world.trunks.at(address("192.0.2.1:5060")), []);
    world.expect_none("REGISTER", secs(7200));
    world.configure(&[trunk(1, json!({}))]);
    let again = world.at_once("REGISTER");
    assert_eq!(again.message.call_id(), register.message.call_id());
    assert!(again.message.cseq() > farewell.message.cseq());
    world.accept(&again, 3600);
    assert_eq!(world.trunks.at(address("192.0.2.1:5060")), [id(1)]);
    assert_eq!(
        world.told(),
        [
            TrunkState::Registering,
            TrunkState::Registered,
            TrunkState::Disabled,
            TrunkState::Registering,
            TrunkState::Registered
        ]
    );
}

#[test]
fn an_edit_that_has_nothing_to_do_with_the_registration_sends_nothing() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let register = world.register();
    world.configure(&[trunk(
        1,
        json!({"name": "other", "max_calls": 3, "codecs": ["PCMU"], "associated_ips": ["203.0.113.0/24"]}),
    )]);
    world.expect_none("REGISTER", secs(3000));
    assert_eq!(world.trunks.at(address("203.0.113.77:5060")), [id(1)]);
    let refresh = world.expect("REGISTER");
    assert_eq!(refresh.message.call_id(), register.message.call_id());
    assert_eq!(refresh.message.cseq(), register.message.cseq() + 1);
    assert_eq!(world.told(), [TrunkState::Registering, TrunkState::Registered]);
}

#[test]
fn a_new_password_is_used_at_once_under_the_same_call_id() {
    let mut world = World::with(&[trunk(1, json!({"password": "wrong"}))]);
    world.carrier = Some(good_carrier());
    let register = world.expect("REGISTER");
    world.pass(secs(30));
    assert_eq!(world.state(), TrunkState::AuthFailed);
    world.sent.clear();
    world.configure(&[trunk(1, json!({}))]);
    let again = world.at_once("REGISTER");
    assert_eq!(again.message.call_id(), register.message.call_id());
    world.pass(secs(1));
    assert_eq!(world.state(), TrunkState::Registered);
    assert_eq!(
        world.told(),
        [TrunkState::Registering, TrunkState::AuthFailed, TrunkState::Registering, TrunkState::Registered]
    );
}

#[test]
fn another_account_takes_the_old_contact_back_and_begins_anew() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let register = world.register();
    world.configure(&[trunk(1, json!({"username": "2000"}))]);
    let farewell = world.expect("REGISTER");
    assert!(farewell.unregisters());
    assert_eq!(farewell.message.call_id(), register.message.call_id());
    assert_eq!(farewell.message.to().uri().user(), Some("1001"));
    world.answer(&farewell, 200, &[]);
    let fresh = world.expect("REGISTER");
    assert_eq!(fresh.at, farewell.at);
    assert_ne!(fresh.message.call_id(), register.message.call_id());
    assert_eq!(fresh.message.to().uri().user(), Some("2000"));
    let token = |sent: &Sent| {
        let contact = sent.message.contact().unwrap().uri().as_str().to_owned();
        Uri::parse(&contact).unwrap().params().get("gw").unwrap().to_owned()
    };
    assert_ne!(token(&fresh), token(&register));
    world.accept(&fresh, 3600);
    assert_eq!(world.trunks.by_contact_token(&token(&fresh)), Some(id(1)));
    assert_eq!(world.trunks.by_contact_token(&token(&register)), None);
    assert_eq!(world.state(), TrunkState::Registered);
}

#[test]
fn another_account_does_not_wait_long_for_a_registrar_that_is_silent() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    world.register();
    world.configure(&[trunk(1, json!({"host": "192.0.2.99"}))]);
    let changed = world.now;
    let fresh = world.find(secs(30), |sent| sent.flow.remote == address("192.0.2.99:5060")).unwrap();
    assert!(fresh.at.since(changed) <= secs(4));
    world.accept(&fresh, 3600);
    world.pass(secs(60));
    assert_eq!(world.state(), TrunkState::Registered);
}

#[test]
fn the_same_configuration_again_changes_nothing() {
    let trunks = [trunk(1, json!({})), trunk(2, json!({}))];
    let mut world = World::with(&trunks);
    world.carrier = Some(good_carrier());
    world.pass(secs(10));
    world.sent.clear();
    let events = world.events.len();
    for _ in 0..10 {
        world.configure(&[trunk(1, json!({})), trunk(2, json!({}))]);
    }
    world.pass(secs(100));
    assert_eq!((world.sent.len(), world.events.len()), (0, events));
}

#[test]
fn register_now_does_not_wait() {
    let mut world = World::with(&[trunk(1, json!({})), trunk(2, json!({"mode": "ip_auth"}))]);
    let register = world.expect("REGISTER");
    world.answer(&register, 404, &[]);
    assert!(world.act(|trunks, sip| trunks.register_now(id(1), sip)));
    let again = world.expect("REGISTER");
    assert_eq!(again.at, register.at);
    assert_eq!(world.state(), TrunkState::Registering);
    assert!(!world.act(|trunks, sip| trunks.register_now(id(2), sip)));
    assert!(!world.act(|trunks, sip| trunks.register_now(id(3), sip)));
}

#[test]
fn at_the_end_every_contact_is_taken_back() {
    let mut world =
        World::with(&[trunk(1, json!({})), trunk(2, json!({})), trunk(3, json!({"enabled": false}))]);
    world.carrier = Some(good_carrier());
    world.pass(secs(10));
    world.sent.clear();
    world.act(|trunks, sip| trunks.shut_down(sip));
    assert_eq!(world.trunks.unregistering(), 2);
    assert!(!world.is_up());
    world.pass(secs(1));
    assert_eq!(world.sent.iter().filter(|sent| sent.unregisters()).count(), 2);
    assert_eq!(world.trunks.unregistering(), 0);
    world.sent.clear();
    world.pass(secs(7200));
    assert!(world.sent.is_empty());
}
