//! What a call and a trunk tell of themselves, in which order, and whose it is.

use crate::tenants::town;
use serde_json::json;
use std::time::Duration;
use tandem_model::{Event, Health, Kind, TenantId, TrunkState};
use tandem_sim::{Behaviour, World};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn names(w: &World) -> Vec<&'static str> {
    w.events.iter().map(Event::name).collect()
}

#[test]
fn a_call_tells_its_decision_its_failover_its_answer_and_its_end() {
    let mut w = World::new();
    let (first, failing) = w.plain_carrier("first", json!({}));
    let (_, answering) = w.plain_carrier("second", json!({}));
    let off = w.create(
        Kind::Trunk,
        json!({"name": "off", "mode": "ip_auth", "host": "192.0.2.9", "enabled": false}),
    );
    w.route(&[&off, &failing, &answering]);
    w.treat(first, Behaviour::refuse(500, "Broken"));
    let phone = w.phone("1001");
    w.run_for(secs(2));
    w.events.clear();
    w.talk(phone, "5551234");
    w.hang_up(phone);
    w.run_for(secs(1));
    assert_eq!(names(&w), ["route.decision", "call.started", "failover", "call.answered", "call.ended"]);
    let Event::RouteDecision { tries, skipped, dialled, .. } = &w.events[0] else { unreachable!() };
    let tried: Vec<_> = tries.iter().map(|tried| (tried.trunk_id.unwrap().to_string(), tried.step)).collect();
    assert_eq!(tried, [(failing.clone(), Some(2)), (answering.clone(), Some(3))]);
    assert_eq!((dialled.as_str(), skipped[0].trunk_id.to_string()), ("5551234", off));
    assert_eq!(skipped[0].why, "is switched off");
    let Event::CallAnswered { trunk_id, .. } = &w.events[3] else { unreachable!() };
    assert_eq!(trunk_id.unwrap().to_string(), answering);
}

#[test]
fn what_a_tenants_call_tells_is_the_tenants() {
    let mut town = town();
    let (phone, _) = town.phone(&town.acme.clone(), "101", json!({"outbound_cid": "13322496214"}));
    town.w.events.clear();
    town.dials(phone, "acme", "+13322490000");
    town.w.run_for(secs(3));
    town.w.hang_up(phone);
    town.w.run_for(secs(1));
    assert_eq!(names(&town.w), ["route.decision", "call.started", "call.answered", "call.ended"]);
    let acme: TenantId = town.acme.parse().unwrap();
    assert!(town.w.events.iter().all(|event| event.tenant_id() == Some(acme)), "{:#?}", town.w.events);
}

#[test]
fn a_trunk_that_falls_silent_tells_its_health_and_its_state() {
    let mut w = World::new();
    let (carrier, trunk) =
        w.plain_carrier("carrier", json!({"ping_interval": 10, "ping_fail": 2, "ping_ok": 1}));
    w.run_for(secs(15));
    w.events.clear();
    w.ua(carrier).is_off = true;
    w.run_for(secs(120));
    let health: Vec<_> = w
        .events
        .iter()
        .filter_map(|event| match event {
            Event::TrunkHealth { old, new, .. } => Some((*old, *new)),
            _ => None,
        })
        .collect();
    assert_eq!(health, [(Health::Good, Health::Impaired), (Health::Impaired, Health::Down)]);
    let last = w.events.iter().rev().find_map(|event| match event {
        Event::TrunkState { trunk_id, old, new, reason, address, name, .. } => {
            assert_eq!((trunk_id.to_string(), name.as_str()), (trunk.clone(), "carrier"));
            assert!(reason.contains("No answer to OPTIONS"), "{reason}");
            Some((*old, *new, address.clone()))
        }
        _ => None,
    });
    let address = format!("udp:{}", w.address(carrier));
    assert_eq!(last, Some((Some(TrunkState::Degraded), TrunkState::Unreachable, Some(address))));
}

#[test]
fn the_last_call_that_a_trunk_may_carry_is_told_of() {
    let mut w = World::new();
    let (_, trunk) = w.plain_carrier("carrier", json!({"max_calls": 1}));
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.talk(phone, "5551234");
    let told = w.events.iter().any(|event| match event {
        Event::CapacityReached { trunk_id, field, limit, .. } => {
            trunk_id.is_some_and(|id| id.to_string() == trunk) && (*field, *limit) == ("max_calls", 1)
        }
        _ => false,
    });
    assert!(told, "{:?}", names(&w));
}

#[test]
fn a_registration_that_is_refused_is_told_of() {
    let mut w = World::new();
    w.phone("1001");
    let thief = w.add("thief", "1001");
    w.ua(thief).set_password("guess");
    w.events.clear();
    w.register(thief);
    let Some(Event::RegistrationRejected { username, owner, code, source, .. }) =
        w.events.iter().find(|event| matches!(event, Event::RegistrationRejected { .. }))
    else {
        panic!("{:?}", names(&w))
    };
    assert_eq!((username.as_str(), *owner, *code, *source), ("1001", None, 401, w.address(thief)));
}
