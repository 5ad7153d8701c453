//! Trunks: our registrations at carriers, what keeps them, what becomes of them in trouble, and what the status says.

use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_model::{Event, Kind, RegistrationState, TrunkState};
use tandem_sim::{Registered, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};
use tandem_time::Time;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A carrier where we register; (world, carrier, trunk).
fn world(more: serde_json::Value) -> (World, usize, String) {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier_with_account("carrier", "register_out", more);
    w.run_for(secs(3));
    (w, carrier, trunk)
}

fn held(w: &mut World, carrier: usize) -> Option<Registered> {
    let now = w.now;
    w.ua(carrier).registered("account", now).cloned()
}

fn registers(w: &World, carrier: usize) -> Vec<(Time, Message)> {
    w.ladder.requests(SERVER, w.address(carrier), "REGISTER")
}

fn states(w: &World, trunk: &str) -> Vec<TrunkState> {
    let state = |event: &Event| match event {
        Event::TrunkState { trunk_id, new, .. } if trunk_id.to_string() == trunk => Some(*new),
        _ => None,
    };
    w.events.iter().filter_map(state).collect()
}

#[test]
fn a_trunk_registers_with_either_digest_and_says_so() {
    for algorithm in ["MD5", "SHA-256"] {
        let mut w = World::new();
        let (carrier, trunk) = w.carrier_with_account("carrier", "register_out", json!({}));
        w.ua(carrier).algorithm = algorithm;
        assert_eq!(w.status(&trunk).state, TrunkState::Registering);
        w.run_for(secs(3));
        assert!(held(&mut w, carrier).is_some());
        let status = w.status(&trunk);
        assert_eq!(
            (status.state, status.registration),
            (TrunkState::Registered, RegistrationState::Registered)
        );
        assert!(status.reason.starts_with("Registered as account at udp:"), "{}", status.reason);
        assert!(status.registered_until.is_some());
    }
}

#[test]
fn what_was_granted_holds_and_is_refreshed_in_time() {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier_with_account("carrier", "register_out", json!({"expires": 3600}));
    w.ua(carrier).max_expires = 120;
    for _ in 0..60 {
        w.run_for(secs(10));
        assert!(w.now.as_secs() < 1_700_000_010 || held(&mut w, carrier).is_some(), "there is never a gap");
    }
    let registered = held(&mut w, carrier).unwrap();
    assert!((5..=8).contains(&registered.times), "{registered:?}");
    assert_eq!(states(&w, &trunk).iter().filter(|state| **state == TrunkState::Registered).count(), 1);
    let sent = registers(&w, carrier);
    assert!(sent.iter().all(|(_, m)| m.call_id() == sent[0].1.call_id()), "one Call-ID throughout");
    assert!(sent.windows(2).all(|pair| pair[0].1.cseq() < pair[1].1.cseq()), "and a growing CSeq");
    assert!(sent.len() as u32 <= registered.times + 1, "the nonce serves again: {}", sent.len());
}

#[test]
fn a_carrier_that_wants_longer_gets_longer() {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier_with_account("carrier", "register_out", json!({"expires": 60}));
    w.ua(carrier).min_expires = 600;
    w.run_for(secs(3));
    assert_eq!(w.status(&trunk).state, TrunkState::Registered);
    let now = w.now;
    let until = held(&mut w, carrier).unwrap().until;
    assert!(until.since(now) > secs(590), "423 was followed");
}

#[test]
fn a_stale_nonce_is_no_failure() {
    let (mut w, carrier, trunk) = world(json!({"expires": 60}));
    w.ua(carrier).renew_nonce();
    w.run_for(secs(60));
    assert_eq!(w.status(&trunk).state, TrunkState::Registered);
    assert!(held(&mut w, carrier).is_some());
    assert!(!states(&w, &trunk).contains(&TrunkState::Degraded));
}

#[test]
fn a_wrong_password_is_told_and_tried_again_slowly() {
    let (mut w, carrier, trunk) = world(json!({"password": "wrong"}));
    let status = w.status(&trunk);
    assert_eq!((status.state, status.registration), (TrunkState::AuthFailed, RegistrationState::AuthFailed));
    assert!(status.reason.contains("the username or password is wrong"), "{}", status.reason);
    assert!(!status.reason.contains("wrong\""), "no secret in it");
    let retry = status.next_retry_at.expect("it is tried again");
    assert!(retry > w.now.as_millis() + 200_000, "in the slow lane");
    let sent = registers(&w, carrier).len();
    w.run_for(secs(3600));
    assert!(
        (2..=14).contains(&(registers(&w, carrier).len() - sent)),
        "{}",
        registers(&w, carrier).len() - sent
    );
    w.patch(Kind::Trunk, &trunk, json!({"password": "secret"}));
    w.run_for(secs(3));
    assert_eq!(w.status(&trunk).state, TrunkState::Registered, "an edit is tried at once");
}

#[test]
fn a_carrier_that_was_off_is_registered_at_again_by_itself() {
    let (mut w, carrier, trunk) = world(json!({"expires": 60, "retry_base": 10, "retry_max": 60}));
    w.ua(carrier).is_off = true;
    w.ua(carrier).forget_registrations();
    w.run_for(secs(200));
    let status = w.status(&trunk);
    assert_eq!(status.state, TrunkState::Unreachable);
    assert!(status.reason.starts_with("No answer to REGISTER from udp:"), "{}", status.reason);
    assert!(status.next_retry_at.is_some() || status.registration == RegistrationState::Registering);
    w.ua(carrier).is_off = false;
    w.run_for(secs(110));
    assert_eq!(w.status(&trunk).state, TrunkState::Registered);
    assert!(held(&mut w, carrier).is_some());
}

#[test]
fn waits_grow_and_stop_growing() {
    let mut w = World::new();
    let settings = json!({"retry_base": 5, "retry_max": 60, "register_timeout": 5});
    let (carrier, _) = w.carrier_with_account("carrier", "register_out", settings);
    w.ua(carrier).register_code = Some(500);
    w.run_for(secs(900));
    let times: Vec<u64> = registers(&w, carrier).iter().map(|(at, _)| at.as_secs()).collect();
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[0] <= 7 && waits[1] >= 8 && waits[2] >= 16, "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= 60), "{waits:?}");
    assert!(waits.len() >= 15, "and it never stops: {waits:?}");
}

#[test]
fn a_refusal_says_which_and_what_to_do() {
    for (code, state, words) in [
        (403, TrunkState::AuthFailed, "403 Forbidden"),
        (404, TrunkState::Rejected, "404 Not Found"),
        (503, TrunkState::Unreachable, "503 Service Unavailable"),
    ] {
        let mut w = World::new();
        let (carrier, trunk) = w.carrier_with_account("carrier", "register_out", json!({}));
        w.ua(carrier).register_code = Some(code);
        w.run_for(secs(3));
        let status = w.status(&trunk);
        assert!(status.reason.contains(words), "{}", status.reason);
        assert!(status.state == state || (code == 403 && status.state == TrunkState::Rejected), "{status:?}");
        assert_eq!(status.last_code, Some(code));
    }
}

#[test]
fn one_sick_trunk_touches_no_other() {
    let mut w = World::new();
    let (sick, sick_trunk) = w.carrier_with_account("sick", "register_out", json!({"register_timeout": 5}));
    w.ua(sick).is_off = true;
    let (well, well_trunk) = w.carrier_with_account("well", "register_out", json!({"expires": 60}));
    let lost = json!({
        "name": "lost", "mode": "register_out", "host": "nowhere.example", "username": "u", "password": "password-1", "ping_interval": 0,
    });
    let lost = w.create(Kind::Trunk, lost);
    for _ in 0..30 {
        w.run_for(secs(20));
        assert!(held(&mut w, well).is_some());
    }
    assert_eq!(w.status(&well_trunk).state, TrunkState::Registered);
    assert_eq!(w.status(&sick_trunk).state, TrunkState::Unreachable);
    assert_eq!(w.status(&lost).state, TrunkState::Unreachable);
    assert_eq!(states(&w, &well_trunk), [TrunkState::Registering, TrunkState::Registered]);
}

#[test]
fn a_trunk_that_answers_options_is_reachable_and_one_that_stops_is_not() {
    let mut w = World::new();
    let probe = json!({"ping_interval": 10, "ping_timeout": 2, "ping_fail": 3, "ping_ok": 2});
    let (carrier, trunk) = w.plain_carrier("carrier", probe);
    w.run_for(secs(5));
    assert_eq!(w.status(&trunk).state, TrunkState::Reachable);
    assert!((9.0..12.0).contains(&w.status(&trunk).rtt_ms.unwrap()), "5 ms there and 5 back");
    w.ua(carrier).is_off = true;
    w.run_for(secs(14));
    let status = w.status(&trunk);
    assert_eq!(status.state, TrunkState::Degraded);
    assert!(status.reason.starts_with("Usable, but"), "{}", status.reason);
    w.run_for(secs(25));
    let status = w.status(&trunk);
    assert_eq!(status.state, TrunkState::Unreachable);
    assert!(status.reason.starts_with("No answer to OPTIONS from"), "{}", status.reason);
    w.ua(carrier).is_off = false;
    w.run_for(secs(25));
    assert_eq!(w.status(&trunk).state, TrunkState::Reachable);
}

#[test]
fn any_answer_to_options_but_503_shows_that_somebody_is_there() {
    for (code, state) in
        [(404, TrunkState::Reachable), (405, TrunkState::Reachable), (503, TrunkState::Unreachable)]
    {
        let mut w = World::new();
        let (carrier, trunk) = w.plain_carrier("carrier", json!({"ping_interval": 5, "ping_fail": 2}));
        w.ua(carrier).options_code = code;
        w.run_for(secs(15));
        assert_eq!(w.status(&trunk).state, state, "{code}");
    }
}

#[test]
fn a_host_that_appears_in_dns_later_is_registered_at_then() {
    let mut w = World::new();
    let carrier = w.add("carrier", "carrier");
    w.ua(carrier).add_account("account", "secret");
    let trunk = json!({
        "name": "named", "mode": "register_out", "host": "sip.carrier.example", "username": "account", "password": "secret",
        "ping_interval": 0,
    });
    let trunk = w.create(Kind::Trunk, trunk);
    w.run_for(secs(30));
    let status = w.status(&trunk);
    assert_eq!(status.state, TrunkState::Unreachable);
    assert!(
        status.reason.contains("sip.carrier.example") && status.reason.contains("looked up"),
        "{}",
        status.reason
    );
    let at: Vec<SocketAddr> = vec![w.address(carrier)];
    w.dns.insert("sip.carrier.example".to_owned(), at);
    w.run_for(secs(60));
    assert_eq!(w.status(&trunk).state, TrunkState::Registered);
}

#[test]
fn a_host_that_moves_is_followed() {
    let mut w = World::new();
    let (old, new) = (w.add("old", "carrier"), w.add("new", "carrier"));
    for ua in [old, new] {
        w.ua(ua).add_account("account", "secret");
    }
    let at = vec![w.address(old)];
    w.dns.insert("sip.carrier.example".to_owned(), at);
    let trunk = json!({
        "name": "named", "mode": "register_out", "host": "sip.carrier.example", "username": "account", "password": "secret",
    });
    let trunk = w.create(Kind::Trunk, trunk);
    w.run_for(secs(3));
    assert!(held(&mut w, old).is_some());
    let at = vec![w.address(new)];
    w.dns.insert("sip.carrier.example".to_owned(), at);
    w.run_for(secs(80));
    assert!(held(&mut w, new).is_some());
    assert_eq!(w.status(&trunk).state, TrunkState::Registered);
}

#[test]
fn an_edit_that_leaves_the_account_alone_keeps_the_registration() {
    let (mut w, carrier, trunk) = world(json!({}));
    let before = held(&mut w, carrier).unwrap();
    w.patch(
        Kind::Trunk,
        &trunk,
        json!({"name": "renamed", "codecs": ["PCMA"], "max_calls": 7, "expires": 900}),
    );
    w.run_for(secs(3));
    let after = held(&mut w, carrier).unwrap();
    assert_eq!(before.call_id, after.call_id);
    assert!(after.cseq > before.cseq, "the new lifetime is asked for at once");
    assert_eq!(before.contact, after.contact);
    w.create(Kind::Extension, json!({"name": "x", "number": "1999", "password": "1999-password"}));
    w.run_for(secs(3));
    assert_eq!(held(&mut w, carrier).unwrap().cseq, after.cseq, "what others do does not touch it");
}

#[test]
fn a_deleted_trunk_takes_its_registration_back() {
    let (mut w, carrier, trunk) = world(json!({}));
    w.delete(Kind::Trunk, &trunk);
    w.run_for(secs(2));
    assert!(held(&mut w, carrier).is_none());
    assert_eq!(registers(&w, carrier).last().unwrap().1.expires(), Some(0));
    w.run_for(secs(60));
    assert_eq!(w.engine.transaction_count(), (0, 0));
    assert_eq!(w.engine.poll_timeout(), None, "nothing of it is left");
}

#[test]
fn a_disabled_trunk_unregisters_and_an_enabled_one_registers() {
    let (mut w, carrier, trunk) = world(json!({}));
    w.patch(Kind::Trunk, &trunk, json!({"enabled": false}));
    w.run_for(secs(2));
    assert!(held(&mut w, carrier).is_none());
    assert_eq!(w.status(&trunk).state, TrunkState::Disabled);
    w.patch(Kind::Trunk, &trunk, json!({"enabled": true}));
    w.run_for(secs(2));
    assert!(held(&mut w, carrier).is_some());
}

#[test]
fn another_account_unregisters_the_old_one_first() {
    let (mut w, carrier, trunk) = world(json!({}));
    w.ua(carrier).add_account("second", "secret");
    w.patch(Kind::Trunk, &trunk, json!({"username": "second"}));
    w.run_for(secs(6));
    let now = w.now;
    assert!(held(&mut w, carrier).is_none());
    assert!(w.ua(carrier).registered("second", now).is_some());
}

#[test]
fn after_kill_9_a_trunk_registers_anew() {
    let (mut w, carrier, trunk) = world(json!({}));
    let before = held(&mut w, carrier).unwrap();
    w.crash();
    w.run_for(secs(3));
    assert_eq!(w.status(&trunk).state, TrunkState::Registered);
    assert!(held(&mut w, carrier).unwrap().times > before.times);
}

#[test]
fn register_now_does_not_wait() {
    let (mut w, carrier, trunk) = world(json!({"password": "wrong"}));
    let sent = registers(&w, carrier).len();
    let id = trunk.parse().unwrap();
    let now = w.now;
    assert!(w.engine.register_now(id, now));
    w.run_for(secs(1));
    assert!(registers(&w, carrier).len() > sent);
}

#[test]
fn a_registered_trunk_carries_calls_with_its_account() {
    let (mut w, carrier, trunk) = world(json!({}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.talk(phone, "5551234");
    let invite = w.last_call(carrier).invite.clone().unwrap();
    assert_eq!(invite.from().uri().user(), Some("account"));
    assert!(invite.header(Header::PAssertedIdentity).unwrap().contains("1001"));
    w.hang_up(carrier);
    w.run_for(secs(1));
    assert_eq!(w.stage(phone), Stage::Over);
}

#[test]
fn a_contact_says_what_its_parameters_ask_and_a_token_that_is_hard_to_guess() {
    let (mut w, carrier, _) = world(json!({"contact_params": "line=main"}));
    let contact = held(&mut w, carrier).unwrap().contact;
    assert!(contact.contains(";line=main"), "{contact}");
    let token = contact.split(";gw=").nth(1).expect("a token").split(';').next().unwrap();
    assert!(token.len() >= 16, "{token}");
}

#[test]
fn going_down_takes_every_registration_back() {
    let (mut w, carrier, _) = world(json!({}));
    let now = w.now;
    w.engine.shut_down(now);
    w.run_for(secs(2));
    assert!(held(&mut w, carrier).is_none());
}
