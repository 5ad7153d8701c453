//! Outbound routes: which carrier gets a call, with which number, field by field of a route.

use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::Kind;
use tandem_sim::{Behaviour, Stage, World};
use tandem_sip_msg::Header;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Phone 1001, and carriers that refuse with 503 when they are told to.
struct Exchange {
    w: World,
    phone: usize,
    carriers: Vec<usize>,
    trunks: Vec<String>,
}

fn exchange(carriers: usize) -> Exchange {
    let mut w = World::new();
    let made: Vec<_> = (0..carriers).map(|n| w.plain_carrier(&format!("carrier {n}"), json!({}))).collect();
    let (carriers, trunks) = made.into_iter().unzip();
    let phone = w.phone("1001");
    Exchange { w, phone, carriers, trunks }
}

impl Exchange {
    /// A route with these settings, over one carrier unless they say otherwise.
    fn route(&mut self, carrier: usize, more: Value) -> String {
        let mut body = json!({"name": format!("to {carrier}: {more}").chars().take(60).collect::<String>()});
        body["steps"] = json!([{"trunk_id": self.trunks[carrier]}]);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.w.create(Kind::Route, body)
    }

    fn step(&self, carrier: usize, more: Value) -> Value {
        let mut step = json!({"trunk_id": self.trunks[carrier]});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        step
    }

    /// Who is called when the phone dials a number, and with which number; the status of the call if nobody is.
    fn dials(&mut self, number: &str) -> Result<(usize, String), u16> {
        let calls = |w: &mut World, ua: usize| w.with_ua(ua, |ua, _| ua.calls().len());
        let before: Vec<usize> = self.carriers.iter().map(|ua| calls(&mut self.w, *ua)).collect();
        let call = self.w.dial(self.phone, number);
        self.w.run_for(secs(3));
        let rung = (0..self.carriers.len()).rev().find(|n| {
            calls(&mut self.w, self.carriers[*n]) > before[*n]
                && self.w.stage(self.carriers[*n]) == Stage::Talking
        });
        let found = rung.map(|n| (n, self.w.last_call(self.carriers[n]).called.clone()));
        let code = self.w.call(self.phone, call).code;
        self.w.with_ua(self.phone, |ua, now| ua.hang_up_all(now));
        self.w.run_for(secs(1));
        found.ok_or(code.expect("it is over"))
    }

    fn refuses(&mut self, carrier: usize, code: u16) {
        self.w.treat(self.carriers[carrier], Behaviour::Refuse { code, phrase: "No", reason: None });
    }
}

#[test]
fn a_pattern_says_digit_by_digit_what_a_route_takes() {
    let mut exchange = exchange(1);
    for (pattern, takes, not) in [
        ("NXXNXXXXXX", "2125550100", "1125550100"),
        ("1NXXNXXXXXX", "12125550100", "2125550100"),
        ("011.", "0114989", "011"),
        ("911", "911", "9111"),
        ("1800NXXXXXX", "18005550100", "18001550100"),
        ("Z[13-5]", "14", "12"),
    ] {
        let route = exchange.route(0, json!({"match": {"patterns": [pattern]}}));
        assert_eq!(exchange.dials(takes), Ok((0, takes.to_owned())), "{pattern}");
        assert_eq!(exchange.dials(not), Err(404), "{pattern}");
        exchange.w.delete(Kind::Route, &route);
    }
}

#[test]
fn a_route_takes_beginnings_lengths_extensions_and_countries() {
    let mut exchange = exchange(1);
    for (asks, takes, not) in [
        (json!({"prefixes": ["00", "123", "88"]}), "1234", "99"),
        (json!({"lengths": [8, 10, 12]}), "1234567890", "123456789"),
        (json!({"countries": ["DE"]}), "+4989123456", "+442071234567"),
    ] {
        let route = exchange.route(0, json!({"match": asks}));
        assert_eq!(exchange.dials(takes), Ok((0, takes.to_owned())), "{asks}");
        assert_eq!(exchange.dials(not), Err(404), "{asks}");
        exchange.w.delete(Kind::Route, &route);
    }
    exchange.route(0, json!({"match": {"extensions": ["100-120"]}}));
    assert_eq!(exchange.dials("5551234"), Err(404), "1001 is not one of them");
    exchange.phone = exchange.w.phone("110");
    assert_eq!(exchange.dials("5551234"), Ok((0, "5551234".to_owned())));
}

#[test]
fn a_route_may_be_for_extensions_of_some_groups_only() {
    let mut exchange = exchange(2);
    exchange.route(0, json!({"priority": 1, "match": {"groups": ["Sales", "Night shift"]}}));
    exchange.route(1, json!({"priority": 2, "match": {"groups": ["Doctors"]}}));
    assert_eq!(exchange.dials("5551234"), Err(404), "1001 is in no group");
    let phone = exchange.w.config().extensions.keys().next().unwrap().to_string();
    for (groups, found) in [
        (json!(["Doctors", "Night shift"]), Ok((0, "5551234".to_owned()))),
        (json!(["Doctors"]), Ok((1, "5551234".to_owned()))),
        (json!(["doctors"]), Err(404)),
    ] {
        exchange.w.patch(Kind::Extension, &phone, json!({ "groups": groups }));
        assert_eq!(exchange.dials("5551234"), found, "{groups}");
    }
}

#[test]
fn the_number_is_stripped_and_put_between_prepend_and_postfix() {
    let mut exchange = exchange(1);
    for (step, dialled, sent) in [
        (json!({"prepend": "+1"}), "2125550100", "+12125550100"),
        (json!({"strip": 1}), "95551234", "5551234"),
        (json!({"strip": 3, "prepend": "00"}), "0114989", "004989"),
        (json!({"strip": 1, "prepend": "7", "postfix": "#9"}), "95551234", "75551234#9"),
    ] {
        let steps = json!([exchange.step(0, step.clone())]);
        let route = exchange.route(0, json!({"steps": steps, "match": {"prefixes": [dialled]}}));
        assert_eq!(exchange.dials(dialled), Ok((0, sent.to_owned())), "{step}");
        exchange.w.delete(Kind::Route, &route);
    }
}

#[test]
fn a_lower_priority_goes_first_then_the_more_specific_then_the_older() {
    let mut exchange = exchange(3);
    let any = exchange.route(0, json!({"match": {"patterns": ["X."]}}));
    exchange.route(1, json!({"match": {"patterns": ["555."]}}));
    exchange.route(2, json!({"match": {"patterns": ["555."]}}));
    assert_eq!(exchange.dials("5551234"), Ok((1, "5551234".to_owned())), "specific, and the older of two");
    exchange.w.patch(Kind::Route, &any, json!({"priority": 1}));
    assert_eq!(exchange.dials("5551234"), Ok((0, "5551234".to_owned())));
    exchange.w.patch(Kind::Route, &any, json!({"enabled": false}));
    assert_eq!(exchange.dials("5551234"), Ok((1, "5551234".to_owned())));
}

#[test]
fn emergency_numbers_come_before_every_priority_and_whatever_the_hour() {
    let mut exchange = exchange(2);
    // It is 22:13 UTC on a Tuesday.
    let morning = json!({"name": "Mornings", "hours": [{"from": "08:00", "to": "12:00"}]});
    let morning = exchange.w.create(Kind::Schedule, morning);
    exchange.route(0, json!({"priority": 0}));
    let help =
        json!({"emergency": true, "priority": 9999, "match": {"patterns": ["911"]}, "schedule_id": morning});
    exchange.route(1, help);
    assert_eq!(exchange.dials("911"), Ok((1, "911".to_owned())));
    assert_eq!(exchange.dials("5551234"), Ok((0, "5551234".to_owned())));
}

#[test]
fn a_route_is_closed_outside_of_its_hours_and_on_holidays() {
    let mut exchange = exchange(2);
    let hours = json!({"name": "Evenings", "timezone": "UTC", "hours": [{"weekdays": ["tue"], "from": "18:00", "to": "23:00"}]});
    let hours = exchange.w.create(Kind::Schedule, hours);
    exchange.route(0, json!({"priority": 1, "schedule_id": hours}));
    exchange.route(1, json!({"priority": 2}));
    assert_eq!(exchange.dials("5551234"), Ok((0, "5551234".to_owned())));
    exchange.w.run_for(secs(3600));
    assert_eq!(exchange.dials("5551234"), Ok((1, "5551234".to_owned())), "23:13");
    // 20:13 in New York is 01:13 UTC.
    exchange.w.patch(Kind::Schedule, &hours, json!({"timezone": "America/New_York"}));
    exchange.w.run_for(secs(2 * 3600));
    exchange.w.register(exchange.phone);
    assert_eq!(exchange.dials("5551234"), Ok((0, "5551234".to_owned())), "by the clock of its own zone");
    exchange.w.patch(Kind::Schedule, &hours, json!({"holidays": [{"date": "2023-11-14"}]}));
    assert_eq!(exchange.dials("5551234"), Ok((1, "5551234".to_owned())), "a holiday wins");
}

#[test]
fn six_steps_are_tried_in_order_and_disabled_ones_not() {
    let mut exchange = exchange(6);
    let steps: Vec<Value> =
        (0..6).map(|n| exchange.step(n, json!({"enabled": n != 2, "prepend": n.to_string()}))).collect();
    exchange.route(0, json!({"steps": steps}));
    for n in 0..5 {
        exchange.refuses(n, 503);
    }
    assert_eq!(exchange.dials("1234"), Ok((5, "51234".to_owned())));
    let called: Vec<usize> =
        exchange.carriers.clone().iter().map(|ua| exchange.w.count_to(*ua, "INVITE")).collect();
    assert_eq!(called, [1, 1, 0, 1, 1, 1]);
}

#[test]
fn a_step_says_after_which_failures_the_next_is_tried() {
    for (on, code, next) in [
        (json!(null), 404, true),
        (json!(["5xx"]), 404, false),
        (json!(["5xx"]), 503, true),
        (json!(["404"]), 404, true),
        (json!(["403"]), 403, true),
        (json!(["5xx", "timeout"]), 403, false),
        (json!(["6xx"]), 606, true),
        (json!(["unavailable"]), 480, true),
        (json!(["404"]), 480, false),
    ] {
        let mut exchange = exchange(2);
        let steps = json!([exchange.step(0, json!({"failover_on": on})), exchange.step(1, json!({}))]);
        exchange.route(0, json!({"steps": steps}));
        exchange.refuses(0, code);
        let expected = if next { Ok((1, "5551234".to_owned())) } else { Err(code) };
        assert_eq!(exchange.dials("5551234"), expected, "{on} {code}");
    }
}

#[test]
fn when_all_steps_failed_a_route_stops_or_the_next_one_goes_on() {
    for (word, found) in [("stop", Err(503)), ("next_rule", Ok((1, "5551234".to_owned())))] {
        let mut exchange = exchange(2);
        exchange.route(0, json!({"priority": 1, "on_exhausted": word}));
        exchange.route(1, json!({"priority": 2}));
        exchange.refuses(0, 503);
        assert_eq!(exchange.dials("5551234"), found, "{word}");
    }
}

#[test]
fn a_route_may_leave_the_order_to_chance_and_to_weights() {
    for (strategy, heavy, least, most) in
        [("prioritized", 900, 40, 40), ("random", 900, 10, 30), ("weighted", 900, 32, 39)]
    {
        let mut exchange = exchange(2);
        let steps =
            json!([exchange.step(0, json!({"weight": heavy})), exchange.step(1, json!({"weight": 100}))]);
        exchange.route(0, json!({"strategy": strategy, "steps": steps}));
        let first = (0..40).filter(|_| exchange.dials("5551234").unwrap().0 == 0).count();
        assert!((least..=most).contains(&first), "{strategy}: {first} of 40");
    }
}

#[test]
fn a_step_without_a_weight_has_that_of_its_trunk() {
    let mut exchange = exchange(2);
    for (n, weight) in [(0, 1), (1, 1000)] {
        let trunk = exchange.trunks[n].clone();
        exchange.w.patch(Kind::Trunk, &trunk, json!({"weight": weight}));
    }
    let steps = json!([exchange.step(0, json!({})), exchange.step(1, json!({}))]);
    exchange.route(0, json!({"strategy": "weighted", "steps": steps}));
    let first = (0..30).filter(|_| exchange.dials("5551234").unwrap().0 == 0).count();
    assert!(first <= 2, "{first} of 30, where one of a thousand is due");
}

#[test]
fn a_step_has_a_number_for_callers_that_have_none() {
    let mut exchange = exchange(1);
    let steps = json!([exchange.step(0, json!({"caller_id": "+15550199"}))]);
    exchange.route(0, json!({"steps": steps}));
    exchange.dials("5551234").unwrap();
    let invite = exchange.w.last_call(exchange.carriers[0]).invite.clone().unwrap();
    assert!(invite.header(Header::PAssertedIdentity).unwrap().contains("sip:+15550199@"));
    assert_eq!(invite.from().uri().user(), Some("+15550199"));
    let bob = json!({"number": "1002", "password": "1002-password", "outbound_cid": "+15550102"});
    exchange.w.create(Kind::Extension, bob);
    exchange.phone = exchange.w.another_phone("bob", "1002");
    exchange.dials("5551234").unwrap();
    let invite = exchange.w.last_call(exchange.carriers[0]).invite.clone().unwrap();
    assert_eq!(invite.from().uri().user(), Some("+15550102"), "the extension's own goes first");
}

#[test]
fn a_step_gives_its_trunk_so_long_and_no_longer() {
    let mut exchange = exchange(2);
    let steps = json!([exchange.step(0, json!({"timeout": 5})), exchange.step(1, json!({}))]);
    exchange.route(0, json!({"steps": steps}));
    exchange.w.treat(exchange.carriers[0], Behaviour::RingForever);
    let call = exchange.w.dial(exchange.phone, "5551234");
    exchange.w.run_for(secs(4));
    assert_eq!(exchange.w.call(exchange.phone, call).stage, Stage::Ringing);
    exchange.w.run_for(secs(3));
    assert_eq!(exchange.w.last_call(exchange.carriers[0]).code, Some(487), "it was taken back");
    assert_eq!(
        exchange.w.call(exchange.phone, call).code,
        Some(480),
        "who rings and does not answer is final"
    );
}

#[test]
fn other_names_of_its_fields_are_understood() {
    for name in ["trunk", "provider_id"] {
        let mut exchange = exchange(1);
        let steps = json!([{name: exchange.trunks[0], "prepend": "9"}]);
        exchange.route(0, json!({"steps": steps}));
        assert_eq!(exchange.dials("5551234"), Ok((0, "95551234".to_owned())), "{name}");
    }
}
