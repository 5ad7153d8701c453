//! Calls of strangers by the direct token of an extension: they reach it, it alone, and only where it says so.

use crate::tenants::town;
use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::{Direction, Event, Kind};
use tandem_sim::{Behaviour, Line, SERVER, Stage, World};

const TOKEN: &str = "k3Xz91Qa";

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Phone 1001 with these settings, a carrier that everything outside goes to, and a stranger.
struct House {
    w: World,
    phone: usize,
    outside: usize,
    stranger: usize,
    extension: String,
}

fn house(more: Value) -> House {
    let mut w = World::new();
    let (outside, trunk) = w.plain_carrier("outside", json!({}));
    w.route(&[&trunk]);
    let mut body = json!({"number": "1001", "password": "1001-password", "direct_token": TOKEN});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let extension = w.create(Kind::Extension, body);
    let phone = w.another_phone("phone", "1001");
    let stranger = w.add("stranger", "ann");
    House { w, phone, outside, stranger, extension }
}

fn direct(token: &str, host: &str) -> Line {
    Line::to(format!("sip:direct.{token}@{host}"))
}

impl House {
    /// The status that a stranger's call by this token ends or is answered with.
    fn calls(&mut self, token: &str) -> Option<u16> {
        let call = self.w.dial_line(self.stranger, direct(token, &SERVER.to_string()));
        self.w.run_for(secs(2));
        self.w.call(self.stranger, call).code
    }

    fn is_anybody_outside_called(&self) -> bool {
        self.w.everybody()[self.outside].last_call().is_some()
    }
}

#[test]
fn a_stranger_who_knows_the_token_reaches_the_extension_and_the_token_is_told_to_nobody() {
    let mut house = house(json!({}));
    assert_eq!(house.calls(TOKEN), Some(200));
    assert_eq!(house.w.stage(house.phone), Stage::Talking);
    assert!(house.w.last_call(house.phone).from.contains("sip:ann@"), "it sees who says to call");
    house.w.hang_up(house.stranger);
    house.w.run_for(secs(1));
    assert_eq!((house.w.engine.counters().guests, house.w.engine.counters().challenged), (1, 0));
    let to_phone = house.w.sent_to(house.phone);
    assert!(to_phone.iter().all(|message| !String::from_utf8_lossy(message.as_bytes()).contains(TOKEN)));
    let record = house.w.only_record();
    assert_eq!((record.direction, record.caller.number.as_str()), (Direction::Inbound, "ann"));
    assert_eq!((record.caller.trunk_id, record.caller.extension_id), (None, None));
    assert_eq!(record.callee.number, "1001");
    let told = format!("{} {:?}", serde_json::to_string(record).unwrap(), house.w.events);
    assert!(!told.contains(TOKEN), "{told}");
    house.w.assert_quiet_but_for_registrations();
}

#[test]
fn without_the_very_token_a_stranger_is_one() {
    let mut house = house(json!({}));
    for wrong in ["k3Xz91Qb", "K3XZ91QA", "k3Xz91Qa1", "", "1001"] {
        assert_eq!(house.calls(wrong), Some(407), "{wrong}");
    }
    let id = house.extension.clone();
    for off in [json!({"direct_token": null}), json!({"direct_token": TOKEN, "enabled": false})] {
        house.w.patch(Kind::Extension, &id, off.clone());
        assert_eq!(house.calls(TOKEN), Some(407), "{off}");
    }
    assert_eq!((house.w.engine.counters().guests, house.w.count_to(house.phone, "INVITE")), (0, 0));
}

#[test]
fn a_guest_goes_no_further_whatever_the_extension_forwards_and_whatever_it_asks() {
    let forwards =
        json!({"forward_busy": "5551234", "forward_no_answer": "5551234", "forward_unregistered": "1002"});
    let mut house = house(forwards);
    let other = house.w.phone("1002");
    house.w.treat(house.phone, Behaviour::refuse(486, "Busy Here"));
    assert_eq!(house.calls(TOKEN), Some(486));
    house.w.treat(house.phone, Behaviour::refuse(480, "Away"));
    assert_eq!(house.calls(TOKEN), Some(480));
    house.w.treat(house.phone, Behaviour::answer_after(100));
    assert_eq!(house.calls(TOKEN), Some(200));
    for number in ["5551234", "1002"] {
        house.w.refer(house.stranger, number);
        house.w.run_for(secs(2));
    }
    let refused = house.w.sent_to(house.stranger).into_iter().filter(|message| message.code() == Some(403));
    assert_eq!(refused.count(), 2);
    assert_eq!((house.is_anybody_outside_called(), house.w.count_to(other, "INVITE")), (false, 0));
    assert_eq!(house.w.stage(house.phone), Stage::Talking);
}

#[test]
fn who_is_known_is_a_guest_too_by_a_token() {
    let mut house = house(json!({"forward_busy": "5551234"}));
    let colleague = house.w.phone("1002");
    house.w.treat(house.phone, Behaviour::refuse(486, "Busy Here"));
    let call = house.w.dial_line(colleague, direct(TOKEN, &SERVER.to_string()));
    house.w.run_for(secs(2));
    assert_eq!((house.w.call(colleague, call).code, house.is_anybody_outside_called()), (Some(486), false));
    assert_eq!(house.w.engine.counters().guests, 1);
}

#[test]
fn a_token_is_good_at_the_domain_of_its_tenant_alone() {
    let mut town = town();
    let (acme, beta) = (town.acme.clone(), town.beta.clone());
    let (of_acme, _) = town.phone(&acme, "100", json!({ "direct_token": TOKEN }));
    let (of_beta, _) = town.phone(&beta, "100", json!({ "direct_token": TOKEN }));
    let stranger = town.w.add("stranger", "ann");
    for (host, rung) in [
        ("acme.registrar.voip.example", Some(of_acme)),
        ("beta.registrar.voip.example", Some(of_beta)),
        ("10.0.0.1", None),
    ] {
        let before = [of_acme, of_beta].map(|phone| town.w.count_to(phone, "INVITE"));
        town.w.dial_line(stranger, direct(TOKEN, host));
        town.w.run_for(secs(2));
        let after = [of_acme, of_beta].map(|phone| town.w.count_to(phone, "INVITE"));
        assert_eq!(
            [after[0] - before[0], after[1] - before[1]],
            [of_acme, of_beta].map(|phone| usize::from(rung == Some(phone)))
        );
        assert_eq!(town.w.last_call(stranger).code, Some(if rung.is_some() { 200 } else { 407 }), "{host}");
        town.w.with_ua(stranger, |ua, now| ua.hang_up_all(now));
        town.w.run_for(secs(1));
    }
}

#[test]
fn four_guests_call_one_extension_at_once_and_a_fifth_is_told_that_it_is_busy() {
    let mut house = house(json!({}));
    house.w.treat(house.phone, Behaviour::RingForever);
    let strangers: Vec<usize> = (0..5).map(|n| house.w.add(&format!("stranger {n}"), "x")).collect();
    for stranger in &strangers {
        house.w.dial_line(*stranger, direct(TOKEN, &SERVER.to_string()));
        house.w.run_for(secs(1));
    }
    let stages: Vec<Stage> = strangers.iter().map(|stranger| house.w.stage(*stranger)).collect();
    assert_eq!(stages, [Stage::Ringing, Stage::Ringing, Stage::Ringing, Stage::Ringing, Stage::Over]);
    assert_eq!(house.w.last_call(strangers[4]).code, Some(486));
    let refused = house.w.events.iter().find_map(|event| match event {
        Event::RequestRefused { reason, target, .. } => Some((*reason, target.as_str())),
        _ => None,
    });
    assert_eq!(refused, Some(("TOO_MANY_GUESTS", "sip:direct.***@10.0.0.1:5060")));
    house.w.cancel(strangers[0]);
    house.w.run_for(secs(1));
    house.w.dial_line(strangers[4], direct(TOKEN, &SERVER.to_string()));
    house.w.run_for(secs(1));
    assert_eq!(house.w.stage(strangers[4]), Stage::Ringing);
}

#[test]
fn the_blocklist_and_the_tenants_state_come_before_a_token() {
    let mut house = house(json!({}));
    let block = |kind: &str, value: &str| json!({"kind": kind, "value": value, "action": "reject"});
    let address = house.w.address(house.stranger).ip().to_string();
    for (entry, code) in [
        (block("caller", "4930111"), 603),
        (block("ip", &address), 403),
        (block("user_agent", "Softphone-stranger"), 403),
    ] {
        let entry = house.w.create(Kind::Block, entry);
        let line = direct(TOKEN, &SERVER.to_string()).with_from("<sip:+4930111@a.example>");
        let call = house.w.dial_line(house.stranger, line);
        house.w.run_for(secs(1));
        assert_eq!(house.w.call(house.stranger, call).code, Some(code), "{entry}");
        house.w.delete(Kind::Block, &entry);
    }
    let mut town = town();
    let acme = town.acme.clone();
    town.phone(&acme, "100", json!({ "direct_token": TOKEN }));
    town.w.patch(Kind::Tenant, &acme, json!({ "status": "suspended" }));
    let stranger = town.w.add("stranger", "ann");
    town.w.dial_line(stranger, direct(TOKEN, "acme.registrar.voip.example"));
    town.w.run_for(secs(1));
    assert_eq!(town.w.last_call(stranger).code, Some(403));
}
