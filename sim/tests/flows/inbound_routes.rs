//! Inbound routes: what a call from a trunk reaches, field by field of a route.

use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::Kind;
use tandem_sim::{Behaviour, Line, SERVER, Stage, World};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A carrier, another one, and phones 100 to 103 of an office.
struct Office {
    w: World,
    carrier: usize,
    other: usize,
    trunk: String,
    phones: Vec<usize>,
    extensions: Vec<String>,
}

fn office() -> Office {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    let (other, _) = w.plain_carrier("other", json!({}));
    let (mut phones, mut extensions) = (Vec::new(), Vec::new());
    for n in 100..104 {
        let body = json!({"number": n.to_string(), "password": format!("{n}-password")});
        extensions.push(w.create(Kind::Extension, body));
        phones.push(w.another_phone(&n.to_string(), &n.to_string()));
    }
    Office { w, carrier, other, trunk, phones, extensions }
}

impl Office {
    /// A route to one of the phones, unless it says otherwise.
    fn route(&mut self, phone: usize, more: Value) -> String {
        let mut body = json!({"name": format!("{phone}: {more}").chars().take(60).collect::<String>()});
        body["destination"] = self.rings(phone);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.w.create(Kind::InboundRoute, body)
    }

    fn rings(&self, phone: usize) -> Value {
        json!({"type": "extension", "extension_id": self.extensions[phone]})
    }

    fn comes_over(&mut self, carrier: usize, line: Line) -> Result<usize, u16> {
        let call = self.w.dial_line(carrier, line);
        self.w.run_for(secs(2));
        let talks = |phone: &usize| {
            self.w.everybody()[*phone].calls().last().is_some_and(|call| call.stage == Stage::Talking)
        };
        let found = self.phones.iter().position(talks);
        let code = self.w.call(carrier, call).code;
        self.w.with_ua(carrier, |ua, now| ua.hang_up_all(now));
        self.w.run_for(secs(1));
        found.ok_or(code.unwrap_or(0))
    }

    /// The phone that a call to this number reaches, or the status that it is refused with.
    fn comes(&mut self, number: &str) -> Result<usize, u16> {
        self.comes_over(self.carrier, Line::number(number, SERVER))
    }

    fn comes_from(&mut self, caller: &str) -> Result<usize, u16> {
        let line = Line::number("15550000", SERVER).with_from(format!("<sip:{caller}@a.example>"));
        self.comes_over(self.carrier, line)
    }
}

#[test]
fn a_number_goes_before_a_range_before_a_beginning_before_everything() {
    let mut office = office();
    office.route(0, json!({"did": "*", "priority": 1}));
    office.route(1, json!({"did": "1555*", "priority": 2}));
    office.route(2, json!({"did": "15550010-15550019", "priority": 3}));
    office.route(3, json!({"did": "15550015", "priority": 4}));
    for (number, phone) in [("+15550015", 3), ("15550012", 2), ("0015559", 1), ("442071234567", 0)] {
        assert_eq!(office.comes(number), Ok(phone), "{number}");
    }
}

#[test]
fn a_route_may_be_for_some_callers_only() {
    let mut office = office();
    office.route(0, json!({"did": "*"}));
    office.route(1, json!({"did": "*", "caller": "+4930111"}));
    office.route(2, json!({"did": "*", "caller": "44207XXXXXXX"}));
    office.route(3, json!({"did": "*", "caller": "anonymous"}));
    for (caller, phone) in
        [("+4930111", 1), ("004930111", 1), ("442071234567", 2), ("4930112", 0), ("anonymous", 3)]
    {
        assert_eq!(office.comes_from(caller), Ok(phone), "{caller}");
    }
}

#[test]
fn a_route_may_be_for_one_trunk_only_and_may_be_off() {
    let mut office = office();
    let trunk = office.trunk.clone();
    let route = office.route(0, json!({"did": "*", "trunk_id": trunk}));
    let line = || Line::number("15550000", SERVER);
    let other = office.other;
    assert_eq!(office.comes("15550000"), Ok(0));
    assert_eq!(office.comes_over(other, line()), Err(404));
    office.w.patch(Kind::InboundRoute, &route, json!({"enabled": false}));
    assert_eq!(office.comes("15550000"), Err(404));
}

#[test]
fn of_routes_for_the_same_number_the_lower_priority_goes_first() {
    let mut office = office();
    let trunk = office.trunk.clone();
    office.route(0, json!({"did": "15550000", "priority": 200}));
    office.route(1, json!({"did": "15550000", "priority": 50, "trunk_id": trunk}));
    assert_eq!(office.comes("15550000"), Ok(1));
}

#[test]
fn the_hour_and_holidays_say_where_a_call_goes() {
    let mut office = office();
    // It is 22:13 UTC on Tuesday 2023-11-14.
    let hours = json!({"name": "Office", "timezone": "UTC", "hours": [{"weekdays": ["tue"], "from": "09:00", "to": "22:30"}]});
    let hours = office.w.create(Kind::Schedule, hours);
    let (closed, holiday) = (office.rings(1), office.rings(2));
    office.route(0, json!({"did": "*", "schedule_id": hours, "out_of_hours": closed, "holiday": holiday}));
    assert_eq!(office.comes("15550000"), Ok(0));
    office.w.run_for(secs(1200));
    assert_eq!(office.comes("15550000"), Ok(1), "22:33");
    office.w.patch(Kind::Schedule, &hours, json!({"holidays": [{"date": "2020-11-14", "yearly": true}]}));
    assert_eq!(office.comes("15550000"), Ok(2), "a holiday wins");
}

#[test]
fn a_range_of_numbers_rings_an_extension_for_each() {
    let mut office = office();
    let each = json!({"type": "extension_range", "first": "100"});
    office.route(0, json!({"did": "15550010-15550013", "destination": each}));
    for n in 0..4 {
        assert_eq!(office.comes(&format!("1555001{n}")), Ok(n));
    }
    assert_eq!(office.comes("15550014"), Err(404));
}

#[test]
fn a_call_goes_on_to_a_trunk_or_to_where_a_number_leads() {
    let mut office = office();
    let (pbx, trunk) = office.w.plain_carrier("pbx", json!({}));
    office.route(0, json!({"did": "15550001", "destination": {"type": "trunk", "trunk_id": trunk}}));
    let other = json!({"type": "trunk", "trunk_id": trunk, "number": "4711"});
    office.route(0, json!({"did": "15550002", "destination": other}));
    office.route(0, json!({"did": "15550003", "destination": {"type": "number", "number": "102"}}));
    for (number, sent) in [("15550001", "15550001"), ("15550002", "4711")] {
        office.w.dial(office.carrier, number);
        office.w.run_for(secs(2));
        assert_eq!(office.w.last_call(pbx).called, sent);
    }
    assert_eq!(office.comes("15550003"), Ok(2));
}

#[test]
fn busy_and_a_refusal_are_destinations_too() {
    let mut office = office();
    office.route(0, json!({"did": "15550001", "destination": {"type": "busy"}}));
    office.route(0, json!({"did": "15550002", "destination": {"type": "hangup"}}));
    office.route(0, json!({"did": "15550003", "destination": {"type": "hangup", "code": 480}}));
    for (number, code) in [("15550001", 486), ("15550002", 603), ("15550003", 480)] {
        assert_eq!(office.comes(number), Err(code));
    }
}

#[test]
fn who_does_not_answer_in_time_is_followed_by_what_the_route_says() {
    let mut office = office();
    let then = office.rings(1);
    office.route(0, json!({"did": "*", "no_answer_timeout": 6, "no_answer": then}));
    office.route(2, json!({"did": "1*", "priority": 900, "enabled": false}));
    office.w.treat(office.phones[0], Behaviour::RingForever);
    let call = office.w.dial(office.carrier, "15550000");
    office.w.run_for(secs(5));
    assert_eq!(office.w.call(office.carrier, call).stage, Stage::Ringing);
    office.w.run_for(secs(3));
    assert_eq!(office.w.stage(office.phones[1]), Stage::Talking);
    assert_eq!(office.w.last_call(office.phones[0]).code, Some(487));
}

#[test]
fn a_timeout_of_0_leaves_it_to_the_extension() {
    let mut office = office();
    let (extension, then) = (office.extensions[0].clone(), office.rings(1));
    office.w.patch(Kind::Extension, &extension, json!({"ring_timeout": 12}));
    office.route(0, json!({"did": "*", "no_answer_timeout": 0, "no_answer": then}));
    office.w.treat(office.phones[0], Behaviour::RingForever);
    office.w.dial(office.carrier, "15550000");
    office.w.run_for(secs(10));
    assert_eq!(office.w.stage(office.phones[0]), Stage::Ringing);
    office.w.run_for(secs(4));
    assert_eq!(office.w.stage(office.phones[1]), Stage::Talking);
}

#[test]
fn a_number_reaches_what_it_says_unless_it_is_off() {
    let mut office = office();
    let body = json!({"number": "+1 555 0001", "name": "Main", "extension_id": office.extensions[0]});
    let number = office.w.create(Kind::Number, body);
    assert_eq!(office.comes("15550001"), Ok(0));
    office.w.patch(Kind::Number, &number, json!({"enabled": false}));
    assert_eq!(office.comes("15550001"), Err(404));
}

#[test]
fn other_names_of_its_fields_are_understood() {
    let mut office = office();
    office.route(0, json!({"did_match": "15550001", "cid_match": "+4930111"}));
    let line = |caller: &str| Line::number("15550001", SERVER).with_from(format!("<sip:{caller}@a.example>"));
    let carrier = office.carrier;
    assert_eq!(office.comes_over(carrier, line("+4930111")), Ok(0));
    assert_eq!(office.comes_over(carrier, line("+4930112")), Err(404));
}
