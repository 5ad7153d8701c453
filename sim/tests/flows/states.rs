//! Every state of a registration, as the status of the trunk tells it: how it is come by, and how it is left.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tandem_model::{Kind, RegistrationState as Registration, TrunkState as Trunk};
use tandem_sim::World;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A carrier where a trunk with these settings is about to register.
fn world(more: Value) -> (World, usize, String) {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier_with_account("carrier", "register_out", more);
    (w, carrier, trunk)
}

#[track_caller]
fn assert_state(w: &World, trunk: &str, registration: Registration, state: Trunk) {
    let status = w.status(trunk);
    assert_eq!((status.registration, status.state), (registration, state), "{}", status.reason);
    assert!(!status.reason.is_empty());
}

#[test]
fn registering_then_registered_then_refreshing() {
    let (mut w, carrier, trunk) = world(json!({"expires": 60}));
    assert_state(&w, &trunk, Registration::Registering, Trunk::Registering);
    w.run_for(secs(2));
    assert_state(&w, &trunk, Registration::Registered, Trunk::Registered);
    let until = w.status(&trunk).registered_until.unwrap();
    assert!((57_000..=60_000).contains(&(until - w.now.as_millis())));
    // 15 s before the end it is asked to go on, and the answer does not come.
    w.ua(carrier).is_off = true;
    w.run_for(secs(48));
    assert_state(&w, &trunk, Registration::Refreshing, Trunk::Registered);
    w.ua(carrier).is_off = false;
    w.run_for(secs(6));
    assert_state(&w, &trunk, Registration::Registered, Trunk::Registered);
}

#[test]
fn a_mode_without_register_is_static_and_a_trunk_that_is_off_disabled() {
    let mut w = World::new();
    let (_, trunk) = w.carrier_with_account("carrier", "credential", json!({}));
    w.run_for(secs(2));
    assert_state(&w, &trunk, Registration::Static, Trunk::Static);
    w.patch(Kind::Trunk, &trunk, json!({"enabled": false}));
    w.run_for(secs(1));
    assert_state(&w, &trunk, Registration::Disabled, Trunk::Disabled);
}

#[test]
fn resolving_until_its_name_is_known() {
    let mut w = World::new();
    let carrier = w.add("carrier", "carrier");
    w.ua(carrier).add_account("account", "secret");
    let account = json!({
        "name": "named", "mode": "register_out", "host": "sip.carrier.example", "username": "account", "password": "secret",
    });
    let trunk = w.create(Kind::Trunk, account);
    w.run_for(secs(3));
    assert_state(&w, &trunk, Registration::Resolving, Trunk::Unreachable);
    let at = vec![w.address(carrier)];
    w.dns.insert("sip.carrier.example".to_owned(), at);
    w.run_for(secs(60));
    assert_state(&w, &trunk, Registration::Registered, Trunk::Registered);
}

#[test]
fn refused_credentials_are_auth_failed_and_any_other_refusal_is_rejected() {
    let (mut w, _, trunk) = world(json!({"password": "wrong"}));
    w.run_for(secs(3));
    assert_state(&w, &trunk, Registration::AuthFailed, Trunk::AuthFailed);
    let (mut w, carrier, trunk) = world(json!({}));
    w.ua(carrier).register_code = Some(404);
    w.run_for(secs(3));
    assert_state(&w, &trunk, Registration::Rejected, Trunk::Rejected);
    assert_eq!(w.status(&trunk).last_code, Some(404));
}

#[test]
fn silence_is_timeout_and_a_failure_that_may_pass_backoff() {
    let (mut w, carrier, trunk) = world(json!({"register_timeout": 5, "retry_base": 60}));
    w.ua(carrier).is_off = true;
    w.run_for(secs(10));
    assert_state(&w, &trunk, Registration::Timeout, Trunk::Unreachable);
    assert!(w.status(&trunk).next_retry_at.is_some());
    let (mut w, carrier, trunk) = world(json!({"retry_base": 60}));
    w.ua(carrier).register_code = Some(503);
    w.run_for(secs(10));
    assert_state(&w, &trunk, Registration::Backoff, Trunk::Unreachable);
    w.ua(carrier).register_code = None;
    w.run_for(secs(75));
    assert_state(&w, &trunk, Registration::Registered, Trunk::Registered);
}

#[test]
fn unregistering_until_the_contact_is_taken_back() {
    let (mut w, carrier, trunk) = world(json!({}));
    w.run_for(secs(2));
    w.ua(carrier).is_off = true;
    w.patch(Kind::Trunk, &trunk, json!({"enabled": false}));
    w.run_for(secs(1));
    assert_state(&w, &trunk, Registration::Unregistering, Trunk::Disabled);
    w.run_for(secs(10));
    assert_state(&w, &trunk, Registration::Disabled, Trunk::Disabled);
}

#[test]
fn the_first_wait_and_the_longest_are_the_trunks_own() {
    let (mut w, carrier, _) = world(json!({"retry_base": 20, "retry_max": 50}));
    w.ua(carrier).register_code = Some(503);
    w.run_for(secs(400));
    let sent = w.ladder.requests(tandem_sim::SERVER, w.address(carrier), "REGISTER");
    let waits: Vec<u64> = sent.windows(2).map(|pair| pair[1].0.since(pair[0].0).as_secs()).collect();
    // Spread by a fifth: 20 s, 40 s, then never more than 50 s.
    assert!((16..=24).contains(&waits[0]) && (32..=48).contains(&waits[1]), "{waits:?}");
    assert!(waits[2..].iter().all(|wait| (40..=50).contains(wait)) && waits.len() > 6, "{waits:?}");
}

#[test]
fn silence_may_have_a_wait_of_its_own() {
    let more = json!({"register_timeout": 6, "timeout_retry": 11, "retry_base": 100});
    let (mut w, carrier, _) = world(more);
    w.ua(carrier).is_off = true;
    w.run_for(secs(90));
    let sent = w.ladder.requests(tandem_sim::SERVER, w.address(carrier), "REGISTER");
    // What is repeated, after it was given up too, has the same CSeq.
    let mut tries: BTreeMap<u32, u64> = BTreeMap::new();
    for (at, message) in &sent {
        tries.entry(message.cseq()).or_insert(at.as_secs());
    }
    let tries: Vec<u64> = tries.into_values().collect();
    let waits: Vec<u64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.len() >= 4 && waits.iter().all(|wait| (16..=18).contains(wait)), "6 s and 11 s: {waits:?}");
}
