//! What calls cost, and what that decides: which trunk is tried first, and when a tenant has spent what it may in a day.

use crate::tenants::{Town, rings, town};
use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::{Event, Kind};
use tandem_sim::{Behaviour, SERVER, Stage};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const ABROAD: &str = "00493012345678";
const AT_HOME: &str = "12125550100";

/// Acme may call Germany too; calls over the carrier cost 2.00 a minute there and 0.50 at home, by the second.
struct House {
    town: Town,
    desk: usize,
    extension: String,
}

fn table(town: &mut Town, germany: &str) -> String {
    let rate = |prefix: &str, price: &str| json!({"prefix": prefix, "per_minute": price, "increment": 1});
    let rates = json!([rate("49", germany), rate("1", "0.50")]);
    town.w.create(Kind::RateTable, json!({"name": germany, "currency": "EUR", "rates": rates}))
}

fn house(limits: Value) -> House {
    let mut town = town();
    let (acme, trunk) = (town.acme.clone(), town.trunk.clone());
    town.w.patch(Kind::Tenant, &acme, json!({"allowed_countries": ["US", "DE"]}));
    town.w.patch(Kind::Tenant, &acme, limits);
    let prices = table(&mut town, "2.00");
    town.w.patch(Kind::Trunk, &trunk, json!({"cost_table_id": prices}));
    let (desk, extension) = town.phone(&acme, "100", json!({"outbound_cid": "13322496214"}));
    House { town, desk, extension }
}

impl House {
    /// A call that talks for so long, and the status that the phone was told.
    fn talk(&mut self, number: &str, time: Duration) -> Option<u16> {
        self.town.dials(self.desk, "acme", number);
        self.town.w.run_for(time.saturating_sub(secs(1)));
        let code = self.town.w.last_call(self.desk).code;
        self.hang_up();
        code
    }

    fn hang_up(&mut self) {
        self.town.w.with_ua(self.desk, |ua, now| ua.hang_up_all(now));
        self.town.w.run_for(secs(5));
    }

    /// Field and limit of each time that a daily limit was told of.
    fn limits_told(&self) -> Vec<(&str, &str)> {
        let told = self.town.w.events.iter().filter_map(|event| match event {
            Event::FraudLimit { field, limit, .. } => Some((*field, limit.as_str())),
            _ => None,
        });
        told.collect()
    }

    fn refusals(&self) -> Vec<&str> {
        let refused = self.town.w.events.iter().filter_map(|event| match event {
            Event::RequestRefused { reason, .. } => Some(*reason),
            _ => None,
        });
        refused.collect()
    }
}

#[test]
fn a_record_says_what_the_call_cost_and_where_it_went() {
    let mut house = house(json!({}));
    assert_eq!(house.talk(ABROAD, secs(30)), Some(200));
    let attempt = house.town.w.only_record().attempts[0].clone();
    let charge = attempt.charge.expect("the trunk has a price");
    assert_eq!(attempt.country.as_deref(), Some("DE"));
    assert_eq!((charge.prefix.as_str(), charge.currency.as_str()), ("49", "EUR"));
    let talked = attempt.ended_at - attempt.answered_at.expect("it was answered");
    assert_eq!(charge.cost, charge.cost_of(Duration::from_millis(talked)));
    assert!((0.95..1.05).contains(&charge.cost.to_string().parse::<f64>().unwrap()), "{charge:?}");
}

#[test]
fn a_call_that_nobody_answers_costs_nothing() {
    let mut house = house(json!({}));
    let carrier = house.town.carrier;
    house.town.w.treat(carrier, Behaviour::refuse(486, "Busy Here"));
    assert_eq!(house.talk(ABROAD, secs(2)), Some(486));
    let charge = house.town.w.only_record().attempts[0].charge.clone().expect("there is a price");
    assert_eq!(charge.cost.to_string(), "0.00");
}

#[test]
fn the_cheapest_carrier_for_the_number_is_tried_first_and_the_next_when_it_fails() {
    let mut house = house(json!({}));
    let (dear, cheap_prices) = (house.town.trunk.clone(), table(&mut house.town, "1.50"));
    let (cheap, trunk) = house.town.w.plain_carrier("cheap", json!({"cost_table_id": cheap_prices}));
    house.town.w.delete_all_routes();
    let steps = json!([{"trunk_id": dear}, {"trunk_id": trunk}]);
    let acme = house.town.acme.clone();
    house
        .town
        .w
        .create(Kind::Assignment, json!({"trunk_id": trunk, "tenant_id": acme, "did_pool": "13322496214"}));
    house.town.w.create(Kind::Route, json!({"name": "r", "strategy": "least_cost", "steps": steps}));
    assert_eq!(house.talk(ABROAD, secs(2)), Some(200));
    assert!(house.town.w.ua(cheap).last_call().is_some());
    assert!(house.town.w.ua(house.town.carrier).last_call().is_none());
    house.town.w.treat(cheap, Behaviour::refuse(503, "Service Unavailable"));
    assert_eq!(house.talk(ABROAD, secs(2)), Some(200));
    assert!(house.town.w.ua(house.town.carrier).last_call().is_some());
}

#[test]
fn what_is_dearer_than_the_route_allows_is_not_tried() {
    let mut house = house(json!({}));
    let trunk = house.town.trunk.clone();
    house.town.w.delete_all_routes();
    let route = json!({"name": "r", "max_per_minute": "0.50", "steps": [{"trunk_id": trunk}]});
    house.town.w.create(Kind::Route, route);
    assert_eq!(house.talk(AT_HOME, secs(2)), Some(200));
    assert_eq!(house.talk(ABROAD, secs(2)), Some(503));
    assert_eq!(house.town.w.count_to(house.town.carrier, "INVITE"), 1);
}

#[test]
fn a_carrier_that_has_just_failed_to_answer_comes_last_where_a_route_goes_by_health() {
    let mut house = house(json!({}));
    let (first, acme) = (house.town.trunk.clone(), house.town.acme.clone());
    let (second, trunk) = house.town.w.plain_carrier("second", json!({}));
    house
        .town
        .w
        .create(Kind::Assignment, json!({"trunk_id": trunk, "tenant_id": acme, "did_pool": "13322496214"}));
    house.town.w.delete_all_routes();
    let steps = json!([{"trunk_id": first, "timeout": 5}, {"trunk_id": trunk}]);
    house.town.w.create(Kind::Route, json!({"name": "r", "strategy": "health", "steps": steps}));
    let carrier = house.town.carrier;
    let address = house.town.w.address(carrier);
    house.town.w.lose_to(address, "INVITE");
    assert_eq!(house.talk(AT_HOME, secs(8)), Some(200));
    assert_eq!(house.town.w.stage(second), Stage::Over);
    assert_eq!(house.talk(AT_HOME, secs(2)), Some(200));
    assert_eq!(house.town.w.ladder.call_ids(SERVER, address).len(), 1, "the other one is asked first");
}

#[test]
fn what_a_tenant_may_spend_in_a_day_is_spent_and_the_next_day_begins_anew() {
    let mut house = house(json!({"max_daily_cost": "3"}));
    assert_eq!(house.talk(ABROAD, secs(60)), Some(200));
    assert_eq!(house.talk(ABROAD, secs(60)), Some(200), "two of three are spent");
    assert_eq!(house.talk(ABROAD, secs(60)), Some(403));
    assert_eq!(house.talk(AT_HOME, secs(60)), Some(403), "that costs as well");
    assert_eq!(house.limits_told(), [("max_daily_cost", "3.00")], "told once");
    assert_eq!(house.refusals(), ["DAILY_COST_REACHED"; 2]);
    let extension = house.extension.clone();
    let explained = house.town.explain(json!({"extension_id": extension, "number": ABROAD}));
    assert_eq!((explained.code, explained.reason.as_deref()), (Some(403), Some("DAILY_COST_REACHED")));
    house.town.w.run_for(secs(2 * 3600));
    assert_eq!(house.talk(ABROAD, secs(60)), Some(200), "it is past midnight, UTC");
}

#[test]
fn a_call_that_goes_on_counts_as_it_goes() {
    let mut house = house(json!({"max_daily_cost": "3"}));
    house.town.dials(house.desk, "acme", ABROAD);
    house.town.w.run_for(secs(60));
    house.town.dials(house.desk, "acme", AT_HOME);
    assert_eq!(house.town.w.last_call(house.desk).code, Some(200));
    house.town.w.run_for(secs(60));
    house.town.dials(house.desk, "acme", AT_HOME);
    assert_eq!(house.town.w.last_call(house.desk).code, Some(403));
}

#[test]
fn minutes_abroad_are_limited_and_calls_at_home_are_not() {
    let mut house = house(json!({"max_daily_intl_minutes": 2}));
    assert_eq!(house.talk(ABROAD, secs(125)), Some(200));
    assert_eq!(house.talk(AT_HOME, secs(300)), Some(200));
    assert_eq!(house.talk(ABROAD, secs(2)), Some(403));
    assert_eq!(house.talk(AT_HOME, secs(2)), Some(200));
    assert_eq!(house.limits_told(), [("max_daily_intl_minutes", "2")]);
}

#[test]
fn a_restart_gives_nobody_a_new_day() {
    let mut house = house(json!({"max_daily_cost": "1"}));
    assert_eq!(house.talk(ABROAD, secs(60)), Some(200));
    house.town.w.crash();
    house.town.w.register(house.desk);
    assert_eq!(house.talk(ABROAD, secs(2)), Some(403));
}

#[test]
fn help_may_be_called_for_whatever_is_spent() {
    let mut house = house(json!({"max_daily_cost": "1"}));
    let steps = json!([{"trunk_id": house.town.trunk}]);
    let route = json!({"name": "help", "emergency": true, "match": {"patterns": ["911"]}, "steps": steps});
    house.town.w.create(Kind::Route, route);
    assert_eq!(house.talk(ABROAD, secs(60)), Some(200));
    assert_eq!(house.talk(AT_HOME, secs(2)), Some(403));
    assert_eq!(house.talk("911", secs(2)), Some(200));
}

#[test]
fn another_tenant_and_calls_that_come_in_are_not_concerned() {
    let mut house = house(json!({"max_daily_cost": "1"}));
    let (acme, beta, extension) = (house.town.acme.clone(), house.town.beta.clone(), house.extension.clone());
    house.town.inbound(json!({"did": "13322496213", "destination": rings(&extension)}));
    let (other, _) = house.town.phone(&beta, "200", json!({"outbound_cid": "16468097069"}));
    assert_eq!(house.talk(ABROAD, secs(60)), Some(200));
    house.town.dials(other, "beta", AT_HOME);
    assert_eq!(house.town.w.last_call(other).code, Some(200));
    house.town.w.dial(house.town.carrier, "13322496213");
    house.town.w.run_for(secs(1));
    assert_eq!(house.town.w.last_call(house.town.carrier).code, Some(200));
    house.town.w.patch(Kind::Tenant, &acme, json!({"max_daily_cost": null}));
    assert_eq!(house.talk(ABROAD, secs(2)), Some(200), "nothing limits it any more");
}
