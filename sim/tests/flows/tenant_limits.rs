//! How many calls a tenant may have: at all, over a trunk that it shares with others, and within a second; and that none of it keeps
//! back a call for help.

use crate::tenants::{Town, rings, town};
use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::{Event, Kind};
use tandem_sim::Stage;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Acme with phones 100 and 101, the first of which 13322496213 rings, and Beta with a phone.
struct House {
    town: Town,
    desk: usize,
    hall: usize,
    beta: usize,
    extension: String,
}

fn house(tenant: Value) -> House {
    let mut town = town();
    let (acme, beta) = (town.acme.clone(), town.beta.clone());
    town.w.patch(Kind::Tenant, &acme, tenant);
    let (desk, extension) = town.phone(&acme, "100", json!({"outbound_cid": "13322496214"}));
    let (hall, _) = town.phone(&acme, "101", json!({"outbound_cid": "13322496215"}));
    let (beta, _) = town.phone(&beta, "200", json!({"outbound_cid": "16468097069"}));
    town.inbound(json!({"did": "13322496213", "destination": rings(&extension)}));
    House { town, desk, hall, beta, extension }
}

impl House {
    /// What becomes of a call out by a phone: the status that it is told.
    fn out(&mut self, phone: usize) -> Option<u16> {
        let slug = if phone == self.beta { "beta" } else { "acme" };
        self.town.dials(phone, slug, "12125550100");
        self.town.w.last_call(phone).code
    }

    /// What becomes of a call to Acme's number.
    fn comes(&mut self) -> Option<u16> {
        self.town.w.dial(self.town.carrier, "13322496213");
        self.town.w.run_for(secs(1));
        self.town.w.last_call(self.town.carrier).code
    }

    fn all_hang_up(&mut self) {
        for ua in [self.desk, self.hall, self.beta, self.town.carrier] {
            self.town.w.with_ua(ua, |ua, now| ua.hang_up_all(now));
        }
        self.town.w.run_for(secs(1));
    }

    fn share(&mut self, tenant: &str, body: Value) {
        let assignments = &self.town.w.config().assignments;
        let found = assignments.values().find(|a| a.tenant_id.to_string() == tenant);
        let id = found.expect("the tenant has an assignment").id.to_string();
        self.town.w.patch(Kind::Assignment, &id, body);
    }

    /// Reason and words of refusals so far.
    fn refusals(&self) -> Vec<(&str, &str)> {
        self.town
            .w
            .events
            .iter()
            .filter_map(|event| match event {
                Event::RequestRefused { reason, message, .. } => Some((*reason, message.as_str())),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn the_call_after_a_tenants_last_is_refused_in_both_directions_and_nobody_elses() {
    let mut house = house(json!({"max_concurrent_calls": 2}));
    for _ in 0..3 {
        assert_eq!((house.out(house.hall), house.comes()), (Some(200), Some(200)));
        assert_eq!(house.out(house.hall), Some(503));
        assert_eq!(house.comes(), Some(486), "the line is busy, as far as the carrier can tell");
        assert_eq!(house.out(house.beta), Some(200));
        house.all_hang_up();
    }
    let refusals = house.refusals();
    assert_eq!(refusals.len(), 6);
    assert!(
        refusals.iter().all(|r| *r == ("TENANT_FULL", "the max_concurrent_calls of the tenant is reached"))
    );
}

#[test]
fn a_call_within_a_tenant_counts_once() {
    let mut house = house(json!({"max_concurrent_calls": 2}));
    house.town.dials(house.hall, "acme", "100");
    assert_eq!(house.town.w.stage(house.desk), Stage::Talking);
    assert_eq!(house.out(house.hall), Some(200));
    assert_eq!(house.out(house.hall), Some(503));
}

#[test]
fn a_limit_that_is_changed_counts_calls_that_live_already() {
    let mut house = house(json!({}));
    assert_eq!((house.out(house.hall), house.out(house.hall)), (Some(200), Some(200)));
    let acme = house.town.acme.clone();
    house.town.w.patch(Kind::Tenant, &acme, json!({"max_concurrent_calls": 2}));
    assert_eq!(house.out(house.hall), Some(503));
    house.town.w.patch(Kind::Tenant, &acme, json!({"max_concurrent_calls": 3}));
    assert_eq!(house.out(house.hall), Some(200));
}

#[test]
fn calls_of_a_tenant_that_begin_within_a_second_are_counted() {
    let mut house = house(json!({"max_cps": 2}));
    let carrier = house.town.carrier;
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let call = house.town.w.dial(carrier, "13322496213");
            house.town.w.run_for(Duration::from_millis(300));
            call
        })
        .collect();
    house.town.w.run_for(secs(1));
    let codes: Vec<_> = calls.iter().map(|call| house.town.w.call(carrier, *call).code).collect();
    assert_eq!(codes, [Some(200), Some(200), Some(486)]);
    assert_eq!(house.comes(), Some(200));
    assert_eq!(house.refusals(), [("TENANT_FULL", "the max_cps of the tenant is reached")]);
}

#[test]
fn a_tenant_has_its_share_of_a_trunk_in_both_directions() {
    let mut house = house(json!({}));
    let acme = house.town.acme.clone();
    house.share(&acme, json!({"max_calls": 1}));
    for _ in 0..3 {
        assert_eq!(house.out(house.hall), Some(200));
        assert_eq!((house.out(house.hall), house.comes()), (Some(503), Some(486)));
        assert_eq!(house.out(house.beta), Some(200));
        house.all_hang_up();
        assert_eq!(house.comes(), Some(200));
        assert_eq!(house.out(house.hall), Some(503));
        house.all_hang_up();
    }
    let full = ("TRUNK_FULL", "the max_calls of the trunk's assignment to the tenant is reached");
    assert_eq!(house.refusals().iter().filter(|refusal| **refusal == full).count(), 3);
}

#[test]
fn a_share_that_is_used_up_leads_to_the_next_trunk_and_an_explanation_says_so() {
    let mut house = house(json!({}));
    let (acme, first) = (house.town.acme.clone(), house.town.trunk.clone());
    house.share(&acme, json!({"max_calls": 1}));
    let (second, trunk) = house.town.w.plain_carrier("second", json!({"tenant_id": acme}));
    house.town.w.create(
        Kind::Route,
        json!({"name": "own", "tenant_id": acme, "steps": [{"trunk_id": first}, {"trunk_id": trunk}]}),
    );
    assert_eq!(house.out(house.hall), Some(200));
    assert!(house.town.w.ua(second).last_call().is_none());
    let extension = house.extension.clone();
    let explained = house.town.explain(json!({"extension_id": extension, "number": "12125550100"}));
    let skipped = explained.steps.iter().find(|step| step.trunk_id.is_some_and(|id| id.to_string() == first));
    assert_eq!(
        skipped.map(|step| (step.kept, step.why.as_str())),
        Some((false, "carries as many calls as it may"))
    );
    assert_eq!(house.out(house.hall), Some(200));
    assert!(house.town.w.ua(second).last_call().is_some());
}

#[test]
fn a_call_for_help_goes_beyond_every_limit() {
    let mut house = house(json!({"max_concurrent_calls": 1, "max_cps": 1}));
    let (acme, trunk) = (house.town.acme.clone(), house.town.trunk.clone());
    house.share(&acme, json!({"max_calls": 1}));
    house.town.w.patch(Kind::Trunk, &trunk, json!({"max_calls": 1, "max_out": 1, "cps": 1}));
    let steps = json!([{"trunk_id": trunk}]);
    let route = json!({"name": "help", "emergency": true, "match": {"patterns": ["911"]}, "steps": steps});
    house.town.w.create(Kind::Route, route);
    assert_eq!(house.out(house.hall), Some(200));
    assert_eq!(house.out(house.desk), Some(503));
    for _ in 0..2 {
        house.town.dials(house.desk, "acme", "911");
        assert_eq!(house.town.w.last_call(house.desk).code, Some(200));
    }
    assert_eq!(house.town.w.status(&trunk).calls, 3);
    house.all_hang_up();
    assert_eq!(house.town.w.status(&trunk).calls, 0);
}

#[test]
fn a_trunk_that_is_for_no_emergencies_gets_none() {
    let mut house = house(json!({}));
    let trunk = house.town.trunk.clone();
    let (second, other) = house.town.w.plain_carrier("second", json!({}));
    house.town.w.patch(Kind::Trunk, &trunk, json!({"emergency_ok": false}));
    let steps = json!([{"trunk_id": trunk}, {"trunk_id": other}]);
    let route = json!({"name": "help", "emergency": true, "match": {"patterns": ["911"]}, "steps": steps});
    house.town.w.create(Kind::Route, route);
    house.town.dials(house.desk, "acme", "911");
    assert_eq!(house.town.w.stage(second), Stage::Talking);
    assert!(house.town.w.ua(house.town.carrier).last_call().is_none());
    assert_eq!(house.out(house.hall), Some(200), "other calls still go there");
}
