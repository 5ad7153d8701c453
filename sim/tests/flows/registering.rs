//! Devices register to us: who may, how often, for how long, and what survives.

use serde_json::json;
use std::time::Duration;
use tandem_model::{Event, Kind};
use tandem_sim::{SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn extension(w: &mut World, number: &str) {
    let password = format!("{number}-password");
    w.create(Kind::Extension, json!({"name": number, "number": number, "password": password}));
}

/// A phone that tries to register as `user` with this password.
fn stranger(w: &mut World, name: &str, user: &str, password: &str) -> usize {
    let phone = w.add(name, user);
    w.ua(phone).set_password(password);
    phone
}

fn code(w: &mut World, phone: usize) -> Option<u16> {
    w.ua(phone).registration_code()
}

fn register_for(w: &mut World, phone: usize, expires: u32) -> Option<u16> {
    w.with_ua(phone, |ua, now| ua.register_at(SERVER, expires, now));
    w.run_for(secs(1));
    code(w, phone)
}

#[test]
fn a_phone_is_challenged_with_sha_256_first_and_registers_with_it() {
    let mut w = World::new();
    let phone = w.phone("1001");
    assert_eq!(code(&mut w, phone), Some(200));
    let challenge = w.sent_to(phone)[0].clone();
    let offered: Vec<&str> = challenge.headers(Header::WwwAuthenticate).collect();
    assert!(offered[0].contains("algorithm=SHA-256") && offered[1].contains("algorithm=MD5"), "{offered:?}");
    assert!(w.sent_by(phone)[1].header(Header::Authorization).unwrap().contains("algorithm=SHA-256"));
    assert_eq!(w.bindings().count(), 1);
}

#[test]
fn a_phone_that_knows_md5_only_registers_as_well() {
    let mut w = World::new();
    extension(&mut w, "1001");
    let phone = stranger(&mut w, "old phone", "1001", "1001-password");
    w.ua(phone).only_md5 = true;
    w.register(phone);
    assert_eq!(code(&mut w, phone), Some(200));
    assert!(w.sent_by(phone)[1].header(Header::Authorization).unwrap().contains("MD5"));
}

#[test]
fn a_wrong_password_is_refused_and_told() {
    let mut w = World::new();
    extension(&mut w, "1001");
    let phone = stranger(&mut w, "guesser", "1001", "guess");
    w.register(phone);
    assert_eq!(code(&mut w, phone), Some(401));
    assert_eq!(w.bindings().count(), 0);
    let told = |event: &Event| matches!(event, Event::AuthFailed { username, .. } if username == "1001");
    assert!(w.events.iter().any(told));
}

#[test]
fn a_user_that_does_not_exist_is_answered_like_one_that_does() {
    let mut w = World::new();
    extension(&mut w, "1001");
    let known = stranger(&mut w, "guesser", "1001", "guess");
    let unknown = stranger(&mut w, "seeker", "9999", "guess");
    w.register(known);
    w.register(unknown);
    let look = |w: &World, n: usize| -> Vec<String> {
        let shape = |message: &Message| {
            let names: Vec<String> = message.lines().map(|(name, _)| name.to_owned()).collect();
            format!("{} {} {names:?}", message.code().unwrap(), message.reason_phrase())
        };
        w.sent_to(n).iter().map(shape).collect()
    };
    assert_eq!(look(&w, known), look(&w, unknown));
    assert_eq!(code(&mut w, unknown), Some(401));
}

#[test]
fn credentials_seen_on_the_wire_do_not_serve_anybody_else() {
    let mut w = World::new();
    let phone = w.phone("1001");
    let listener = w.add("listener", "1001");
    let seen = w.sent_by(phone)[1].clone();
    let text = String::from_utf8(seen.as_bytes().to_vec()).unwrap().replace("z9hG4bK", "z9hG4bKreplayed");
    w.inject(w.address(listener), SERVER, text.clone());
    w.inject(w.address(phone), SERVER, text.replace("replayed", "again"));
    w.run_for(secs(1));
    assert_eq!(w.sent_to(listener).last().unwrap().code(), Some(401));
    assert_eq!(w.sent_to(phone).last().unwrap().code(), Some(401), "nor its owner a second time");
    assert_eq!(w.bindings().count(), 1);
    assert_eq!(w.bindings().next().unwrap().source, w.address(phone));
}

#[test]
fn a_nonce_serves_again_with_a_higher_count() {
    let mut w = World::new();
    let phone = w.phone("1001");
    w.ua(phone).reuses_nonce = true;
    let before = w.sent_to(phone).len();
    w.register(phone);
    assert_eq!(code(&mut w, phone), Some(200));
    assert_eq!(w.sent_to(phone).len(), before + 1, "there was no challenge");
    assert!(w.sent_by(phone).last().unwrap().header(Header::Authorization).unwrap().contains("nc=00000002"));
}

#[test]
fn a_nonce_that_is_too_old_is_called_stale_and_replaced() {
    let mut w = World::new();
    let phone = w.phone("1001");
    w.ua(phone).reuses_nonce = true;
    w.run_for(secs(400));
    w.register(phone);
    assert_eq!(code(&mut w, phone), Some(200));
    let challenged = w.sent_to(phone).iter().filter(|answer| answer.code() == Some(401)).count();
    assert_eq!(challenged, 2);
    assert!(w.sent_to(phone)[2].header(Header::WwwAuthenticate).unwrap().contains("stale=true"));
}

#[test]
fn several_phones_of_one_extension_are_all_bound() {
    let mut w = World::new();
    w.phone("1001");
    w.another_phone("desk", "1001");
    let mobile = w.another_phone("mobile", "1001");
    assert_eq!(w.bindings().count(), 3);
    let contacts = w.sent_to(mobile).last().unwrap().headers(Header::Contact).count();
    assert_eq!(contacts, 3, "the answer lists them all");
}

#[test]
fn one_phone_too_many_replaces_the_oldest() {
    let mut w = World::new();
    w.create(
        Kind::Extension,
        json!({"name": "a", "number": "1001", "password": "1001-password", "max_contacts": 2}),
    );
    let first = w.another_phone("first", "1001");
    w.run_for(secs(2));
    w.another_phone("second", "1001");
    w.run_for(secs(2));
    w.another_phone("third", "1001");
    assert_eq!(w.bindings().count(), 2);
    let gone = w.address(first);
    assert!(w.bindings().all(|binding| binding.source != gone));
    assert!(w.events.iter().any(|event| matches!(event, Event::RegistrationRemoved { why: "replaced", .. })));
}

#[test]
fn a_binding_ends_with_its_lifetime_and_its_extension_is_unavailable_then() {
    let mut w = World::new();
    let caller = w.phone("1001");
    extension(&mut w, "1002");
    let phone = stranger(&mut w, "1002", "1002", "1002-password");
    assert_eq!(register_for(&mut w, phone, 60), Some(200));
    w.run_for(secs(62));
    assert!(w.events.iter().any(|event| matches!(event, Event::RegistrationExpired { .. })));
    assert_eq!(w.bindings().count(), 1, "it is gone from the disk as well");
    let call = w.dial(caller, "1002");
    w.run_for(secs(1));
    assert_eq!(w.call(caller, call).code, Some(480));
    assert!(w.ua(phone).calls().is_empty());
}

#[test]
fn a_phone_that_unregisters_is_gone_at_once() {
    let mut w = World::new();
    let phone = w.phone("1001");
    assert_eq!(register_for(&mut w, phone, 0), Some(200));
    assert_eq!((w.bindings().count(), w.engine.binding_count()), (0, 0));
}

#[test]
fn too_short_a_lifetime_is_answered_with_the_shortest() {
    let mut w = World::new();
    let phone = w.phone("1001");
    assert_eq!(register_for(&mut w, phone, 20), Some(423));
    assert_eq!(w.sent_to(phone).last().unwrap().header(Header::MinExpires), Some("60"));
}

#[test]
fn bindings_and_reachability_survive_kill_9() {
    let mut w = World::new();
    let caller = w.phone("1001");
    let phone = w.phone("1002");
    w.crash();
    let call = w.talk(caller, "1002");
    assert_eq!(w.stage(phone), Stage::Talking);
    w.hang_up(phone);
    w.run_for(secs(1));
    assert_eq!(w.call(caller, call).stage, Stage::Over);
}

#[test]
fn a_refresh_after_kill_9_is_taken_in_its_place() {
    let mut w = World::new();
    let phone = w.phone("1001");
    w.ua(phone).reuses_nonce = true;
    w.crash();
    w.register(phone);
    assert_eq!(code(&mut w, phone), Some(200));
    assert_eq!(w.bindings().count(), 1);
}

#[test]
fn with_the_disk_full_nothing_is_promised_and_nothing_is_changed() {
    let mut w = World::new();
    let phone = w.phone("1001");
    w.disk_is_full = true;
    let other = w.another_phone("other", "1001");
    assert_eq!(code(&mut w, other), Some(503));
    assert!(w.sent_to(other).last().unwrap().header(Header::RetryAfter).is_some());
    assert_eq!(register_for(&mut w, phone, 0), Some(503));
    assert_eq!((w.bindings().count(), w.engine.binding_count()), (1, 1));
    w.disk_is_full = false;
    w.register(other);
    assert_eq!((w.bindings().count(), w.engine.binding_count()), (2, 2));
}

#[test]
fn a_phone_behind_nat_is_reached_where_it_came_from() {
    let mut w = World::new();
    let caller = w.phone("1001");
    extension(&mut w, "1002");
    let phone = w.add_at("behind nat", "1002", "203.0.113.9:41234".parse().unwrap());
    w.ua(phone).shown = "192.168.1.7:5060".parse().unwrap();
    w.ua(phone).set_password("1002-password");
    w.register(phone);
    assert_eq!(code(&mut w, phone), Some(200));
    let call = w.talk(caller, "1002");
    w.run_for(secs(1));
    let (caller_tone, phone_tone) = (w.ua(caller).tone, w.ua(phone).tone);
    assert!(w.last_call(phone).hears(caller_tone), "media goes to where its own comes from");
    assert!(w.call(caller, call).hears(phone_tone));
    w.hang_up(caller);
    w.run_for(secs(1));
    assert_eq!(w.stage(phone), Stage::Over, "BYE found it too");
    let back = w.talk(phone, "1001");
    w.hang_up(caller);
    w.run_for(secs(1));
    assert_eq!(w.call(phone, back).stage, Stage::Over);
    w.assert_quiet();
}

#[test]
fn a_trunk_that_registers_to_us_is_called_where_it_registered() {
    let mut w = World::new();
    let phone = w.phone("1001");
    let trunk =
        json!({"name": "pbx", "mode": "register_in", "username": "branch", "password": "branch-secret"});
    let trunk = w.create(Kind::Trunk, trunk);
    w.route(&[&trunk]);
    let pbx = stranger(&mut w, "pbx", "branch", "branch-secret");
    assert_eq!(w.status(&trunk).state, tandem_model::TrunkState::Unregistered);
    w.register(pbx);
    assert_eq!(code(&mut w, pbx), Some(200));
    assert_eq!(w.status(&trunk).state, tandem_model::TrunkState::Registered);
    w.talk(phone, "4711");
    assert_eq!(w.last_call(pbx).called, "4711");
    w.hang_up(phone);
    w.run_for(secs(1));
    register_for(&mut w, pbx, 0);
    assert_eq!(w.status(&trunk).state, tandem_model::TrunkState::Unregistered);
}

#[test]
fn a_registration_for_somebody_else_is_forbidden() {
    let mut w = World::new();
    extension(&mut w, "1002");
    let phone = w.phone("1001");
    let mine = w.sent_by(phone)[1].clone();
    w.ua(phone).reuses_nonce = true;
    w.register(phone);
    let text = String::from_utf8(mine.as_bytes().to_vec()).unwrap();
    assert!(text.contains("To: <sip:1001@"));
    // A fresh nonce and the right password, but another address of record.
    let thief = w.add("thief", "1001");
    w.ua(thief).set_password("1001-password");
    w.ua(thief).register_as = Some("1002".to_owned());
    w.register(thief);
    assert_eq!(code(&mut w, thief), Some(403));
    assert_eq!(w.bindings().count(), 1);
}

#[test]
fn who_guesses_too_often_is_shut_out_for_a_while() {
    let mut w = World::new();
    extension(&mut w, "1001");
    let guesser = stranger(&mut w, "guesser", "1001", "guess");
    for _ in 0..50 {
        w.register(guesser);
    }
    w.ua(guesser).set_password("1001-password");
    w.register(guesser);
    assert_eq!(code(&mut w, guesser), Some(403));
    w.run_for(secs(605));
    w.register(guesser);
    assert_eq!(code(&mut w, guesser), Some(200));
}

#[test]
fn a_new_password_ends_the_registrations_made_with_the_old_one() {
    let mut w = World::new();
    let id =
        w.create(Kind::Extension, json!({"name": "1001", "number": "1001", "password": "1001-password"}));
    let phone = w.another_phone("1001", "1001");
    w.patch(Kind::Extension, &id, json!({"password": "another-password"}));
    w.run_for(secs(1));
    assert_eq!((w.bindings().count(), w.engine.binding_count()), (0, 0));
    w.register(phone);
    assert_eq!(code(&mut w, phone), Some(401));
}
