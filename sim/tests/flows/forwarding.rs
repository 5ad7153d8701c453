//! Calls that an extension does not take and that go on to where it says: by why, as whom, and never in a circle.

use crate::tenants::{Town, rings, town};
use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::{Explanation, ForwardReason, Kind, Question};
use tandem_sim::{Behaviour, Line, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

const DID: &str = "15550001";

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn busy() -> Behaviour {
    Behaviour::refuse(486, "Busy Here")
}

/// A carrier that calls 15550001, which is extension 1001; another that everything outside goes to; phone 1001, not yet registered.
struct House {
    w: World,
    carrier: usize,
    outside: usize,
    trunk: String,
    extension: String,
}

fn house(more: Value) -> House {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", json!({}));
    let (outside, trunk) = w.plain_carrier("outside", json!({}));
    w.route(&[&trunk]);
    let extension = extension(&mut w, "1001", more);
    w.number(DID, "1001");
    House { w, carrier, outside, trunk, extension }
}

fn extension(w: &mut World, number: &str, more: Value) -> String {
    let mut body = json!({"number": number, "password": format!("{number}-password")});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    w.create(Kind::Extension, body)
}

impl House {
    /// A phone of an extension that treats its calls so.
    fn phone(&mut self, number: &str, behaviour: Behaviour) -> usize {
        let phone = self.w.another_phone(number, number);
        self.w.treat(phone, behaviour);
        phone
    }

    /// A call to 1001 from outside, after so long.
    fn comes(&mut self, seconds: u64) -> Option<u16> {
        let call = self.w.dial(self.carrier, DID);
        self.w.run_for(secs(seconds));
        self.w.call(self.carrier, call).code
    }

    /// The number that was called outside, if one was.
    fn called(&self) -> Option<&str> {
        self.w.everybody()[self.outside].last_call().map(|_| self.w.last_call(self.outside).called.as_str())
    }

    fn invite(&self) -> Message {
        self.w.last_call(self.outside).invite.clone().expect("it was called")
    }

    fn explain(&mut self, extension: &str, number: &str) -> Explanation {
        let question = json!({ "extension_id": extension, "number": number });
        let question = Question::read(question, self.w.config(), |_| true).unwrap();
        let now = self.w.now;
        self.w.engine.explain(&question, now).expect("who calls is there")
    }
}

fn all(invite: &Message, name: Header) -> Vec<String> {
    invite.headers(name).map(str::to_owned).collect()
}

fn everywhere() -> Value {
    json!({"forward_busy": "5551", "forward_no_answer": "5552", "forward_unregistered": "5553"})
}

#[test]
fn a_call_goes_on_by_why_it_was_not_taken_and_the_record_names_whom_it_reached() {
    for (behaviour, seconds, number, code, reason) in [
        (Some(busy()), 2, "5551", 486, ForwardReason::Busy),
        (Some(Behaviour::refuse(600, "Busy Everywhere")), 2, "5551", 600, ForwardReason::Busy),
        (Some(Behaviour::RingForever), 27, "5552", 480, ForwardReason::NoAnswer),
        (Some(Behaviour::refuse(480, "Away")), 2, "5552", 480, ForwardReason::NoAnswer),
        (Some(Behaviour::refuse(408, "Late")), 2, "5552", 408, ForwardReason::NoAnswer),
        (None, 2, "5553", 480, ForwardReason::Unregistered),
    ] {
        let mut house = house(everywhere());
        if let Some(behaviour) = behaviour {
            house.phone("1001", behaviour);
        }
        assert_eq!((house.comes(seconds), house.called()), (Some(200), Some(number)), "{code}");
        house.w.hang_up(house.carrier);
        house.w.run_for(secs(1));
        let (extension, trunk) = (house.extension.clone(), house.trunk.clone());
        let record = house.w.only_record();
        let [first, last] = record.attempts.as_slice() else { panic!("{:?}", record.attempts) };
        assert_eq!((first.code, first.forwarded), (code, None));
        let by = last.forwarded.expect("it was forwarded");
        assert_eq!((by.extension_id.to_string(), by.reason), (extension, reason));
        assert_eq!((last.code, last.number.as_str()), (200, number));
        assert_eq!(record.callee.trunk_id.map(|id| id.to_string()), Some(trunk));
        assert_eq!((record.callee.extension_id, record.callee.number.as_str()), (None, DID));
    }
}

#[test]
fn what_is_declined_or_not_to_be_forwarded_is_not() {
    let declines = Behaviour::refuse(603, "Decline");
    for (fields, behaviour, code) in [
        (everywhere(), declines, 603),
        (json!({"forward_no_answer": "5552"}), busy(), 486),
        (json!({"forward_busy": "5551"}), Behaviour::refuse(480, "Away"), 480),
    ] {
        let mut house = house(fields);
        house.phone("1001", behaviour);
        assert_eq!((house.comes(2), house.called()), (Some(code), None));
    }
}

#[test]
fn of_several_devices_all_have_to_be_busy() {
    let mut house = house(everywhere());
    let (desk, mobile) = (house.phone("1001", busy()), house.phone("1001", busy()));
    assert_eq!((house.comes(2), house.called()), (Some(200), Some("5551")));
    house.w.hang_up(house.carrier);
    house.w.treat(mobile, Behaviour::RingForever);
    house.w.run_for(secs(1));
    house.w.dial(house.carrier, DID);
    house.w.run_for(secs(10));
    assert_eq!((house.w.stage(desk), house.w.stage(mobile)), (Stage::Over, Stage::Ringing));
    house.w.run_for(secs(17));
    assert_eq!(house.called(), Some("5552"));
}

#[test]
fn another_extension_is_rung_as_if_it_had_been_called() {
    let mut house = house(json!({"forward_no_answer": "1002", "ring_timeout": 10}));
    extension(&mut house.w, "1002", json!({}));
    let (first, second) = (house.phone("1001", Behaviour::RingForever), house.w.another_phone("b", "1002"));
    let line = Line::number(DID, SERVER).with_from("\"Ann\" <sip:+4930111@a.example>");
    house.w.dial_line(house.carrier, line);
    house.w.run_for(secs(12));
    assert_eq!((house.w.stage(first), house.w.stage(second)), (Stage::Over, Stage::Talking));
    assert!(house.w.last_call(second).from.contains("+4930111"), "it sees who calls");
    house.w.hang_up(second);
    house.w.run_for(secs(1));
    let record = house.w.only_record();
    assert_eq!(record.callee.extension_id, record.attempts[1].extension_id);
    house.w.assert_quiet_but_for_registrations();
}

#[test]
fn a_trunk_is_told_who_forwarded_and_why_by_its_own_settings() {
    let host = |house: &House| house.w.address(house.outside).ip();
    let mut house = house(json!({"forward_busy": "5551", "outbound_cid": "15550100"}));
    house.phone("1001", busy());
    let before = "<sip:+4930777@a.example>;reason=unconditional";
    let line = Line::number(DID, SERVER).with(Header::Diversion, before);
    let line = line.with(Header::HistoryInfo, "<sip:+4930777@a.example>;index=1");
    house.w.dial_line(house.carrier, line.clone());
    house.w.run_for(secs(2));
    let (invite, host) = (house.invite(), host(&house));
    assert_eq!(invite.from().uri().user(), Some("15550100"), "what the extension may show");
    let expected = [
        format!("<sip:15550100@{host}>;reason=user-busy"),
        format!("<sip:+4930777@{host}>;reason=unconditional"),
    ];
    assert_eq!(all(&invite, Header::Diversion), expected);
    let expected = [
        format!("<sip:+4930777@{host}>;index=1"),
        format!("<sip:15550100@{host}?Reason=SIP%3Bcause%3D486>;index=1.1;mp=1"),
        format!("<sip:5551@{host}:5060>;index=1.1.1;mp=1.1"),
    ];
    assert_eq!(all(&invite, Header::HistoryInfo), expected);
    for (more, diversions) in [(json!({"diversion": "none"}), 0), (json!({"trust_identity": false}), 0)] {
        house.w.hang_up(house.carrier);
        let trunk = house.trunk.clone();
        house.w.patch(Kind::Trunk, &trunk, json!({"diversion": "make", "trust_identity": true}));
        house.w.patch(Kind::Trunk, &trunk, more.clone());
        house.w.run_for(secs(1));
        house.w.dial_line(house.carrier, line.clone());
        house.w.run_for(secs(2));
        let invite = house.invite();
        let told = all(&invite, Header::Diversion).len() + all(&invite, Header::HistoryInfo).len();
        assert_eq!(told, diversions, "{more}");
    }
}

#[test]
fn each_of_several_that_forward_is_named_the_latest_first() {
    let mut house = house(json!({"forward_unregistered": "1002"}));
    extension(&mut house.w, "1002", json!({"forward_no_answer": "5552", "anonymous": "always"}));
    house.phone("1002", Behaviour::refuse(480, "Away"));
    assert_eq!((house.comes(2), house.called()), (Some(200), Some("5552")));
    let (invite, host) = (house.invite(), house.w.address(house.outside).ip());
    let expected = [
        format!("<sip:1002@{host}>;reason=no-answer;privacy=full"),
        format!("<sip:1001@{host}>;reason=unavailable"),
    ];
    assert_eq!(all(&invite, Header::Diversion), expected);
    let expected = [
        format!("<sip:1001@{host}?Reason=SIP%3Bcause%3D480>;index=1"),
        format!("<sip:1002@{host}?Privacy=history&Reason=SIP%3Bcause%3D408>;index=1.1;mp=1"),
        format!("<sip:5552@{host}:5060>;index=1.1.1;mp=1.1"),
    ];
    assert_eq!(all(&invite, Header::HistoryInfo), expected);
}

#[test]
fn a_circle_ends_and_nobody_is_called_twice() {
    let mut house = house(json!({"forward_busy": "1002"}));
    extension(&mut house.w, "1002", json!({"forward_busy": DID}));
    extension(&mut house.w, "1003", json!({}));
    let (first, second) = (house.phone("1001", busy()), house.phone("1002", busy()));
    let caller = house.w.another_phone("caller", "1003");
    assert_eq!(house.comes(3), Some(486));
    assert_eq!((house.w.count_to(first, "INVITE"), house.w.count_to(second, "INVITE")), (1, 1));
    // Who calls is not called back either.
    let id = house.extension.clone();
    house.w.patch(Kind::Extension, &id, json!({"forward_busy": "1003"}));
    let call = house.w.dial(caller, "1001");
    house.w.run_for(secs(2));
    assert_eq!((house.w.call(caller, call).code, house.w.count_to(caller, "INVITE")), (Some(486), 0));
    house.w.assert_quiet_but_for_registrations();
}

#[test]
fn a_chain_ends_after_five() {
    let mut house = house(json!({"forward_busy": "2001"}));
    let mut phones = vec![house.phone("1001", busy())];
    for n in 2001..2008 {
        extension(&mut house.w, &n.to_string(), json!({"forward_busy": (n + 1).to_string()}));
        phones.push(house.phone(&n.to_string(), busy()));
    }
    assert_eq!(house.comes(3), Some(486));
    let rung: Vec<usize> = phones.iter().map(|phone| house.w.count_to(*phone, "INVITE")).collect();
    assert_eq!(rung, [1, 1, 1, 1, 1, 1, 0, 0]);
}

#[test]
fn an_inbound_route_goes_on_when_nobody_answers_there_either() {
    let mut house = house(json!({"forward_no_answer": "1002", "ring_timeout": 5}));
    extension(&mut house.w, "1002", json!({"ring_timeout": 5}));
    extension(&mut house.w, "1003", json!({}));
    for number in ["1001", "1002"] {
        house.phone(number, Behaviour::RingForever);
    }
    let last = house.w.another_phone("last", "1003");
    let no_answer = json!({"type": "number", "number": "1003"});
    let route =
        json!({"name": "in", "did": DID, "destination": rings(&house.extension), "no_answer": no_answer});
    house.w.create(Kind::InboundRoute, route);
    house.comes(9);
    assert!(house.w.ua(last).last_call().is_none());
    house.w.run_for(secs(3));
    assert_eq!(house.w.stage(last), Stage::Talking);
}

#[test]
fn a_transfer_to_who_does_not_take_it_goes_on_too() {
    let mut house = house(json!({"forward_busy": "5551"}));
    house.phone("1001", busy());
    extension(&mut house.w, "1002", json!({}));
    let desk = house.w.another_phone("desk", "1002");
    house.w.number("15550002", "1002");
    house.w.talk(house.carrier, "15550002");
    house.w.refer(desk, "1001");
    house.w.run_for(secs(3));
    assert_eq!(house.called(), Some("5551"));
    assert_eq!(
        (house.w.stage(house.carrier), house.w.stage(house.outside)),
        (Stage::Talking, Stage::Talking)
    );
    assert_eq!(house.w.stage(desk), Stage::Over);
}

/// Acme, whose extension 100 is called at 13322496214, is busy, and forwards to this number; calls cost 0.50 a minute.
fn acme(number: &str) -> (Town, String) {
    let mut town = town();
    let rates = json!([{"prefix": "1", "per_minute": "0.50", "increment": 1}]);
    let prices = town.w.create(Kind::RateTable, json!({"name": "r", "currency": "EUR", "rates": rates}));
    let (trunk, acme) = (town.trunk.clone(), town.acme.clone());
    town.w.patch(Kind::Trunk, &trunk, json!({"cost_table_id": prices}));
    let more = json!({"outbound_cid": "13322496214", "forward_busy": number});
    let (phone, extension) = town.phone(&acme, "100", more);
    town.w.treat(phone, busy());
    town.inbound(json!({"did": "13322496214", "destination": rings(&extension)}));
    (town, extension)
}

impl Town {
    /// A call to 13322496214; the status that the carrier is told.
    fn comes_to_acme(&mut self) -> Option<u16> {
        let call = self.w.dial(self.carrier, "13322496214");
        self.w.run_for(secs(2));
        let code = self.w.call(self.carrier, call).code;
        self.w.with_ua(self.carrier, |ua, now| ua.hang_up_all(now));
        self.w.run_for(secs(2));
        code
    }
}

#[test]
fn a_forwarded_call_is_made_and_paid_by_the_tenant_of_who_forwards() {
    let (mut town, _) = acme("12125550100");
    assert_eq!(town.comes_to_acme(), Some(200));
    let invite = town.w.last_call(town.carrier).invite.clone().expect("it was called");
    assert_eq!(invite.from().uri().user(), Some("13322496214"), "the carrier sees a number of Acme's");
    let record = town.w.only_record();
    assert_eq!(record.tenant_id.map(|id| id.to_string()), Some(town.acme.clone()));
    let last = record.attempts.last().unwrap();
    assert!(last.charge.is_some() && last.country.as_deref() == Some("US"), "{last:?}");
}

#[test]
fn it_goes_only_where_who_forwards_may_call() {
    let (mut town, extension) = acme("12125550100");
    let acme = town.acme.clone();
    let class = town.w.create(
        Kind::ClassOfService,
        json!({"name": "Hall", "tenant_id": acme, "denied": {"kinds": ["national"]}}),
    );
    let steps = json!([{ "trunk_id": town.trunk }]);
    let help = json!({"name": "help", "emergency": true, "match": {"patterns": ["911"]}, "steps": steps});
    town.w.create(Kind::Route, help);
    for (of_extension, of_tenant, why) in [
        (
            json!({"class_of_service_id": class}),
            json!({}),
            "the class of service `Hall` denies national calls",
        ),
        (
            json!({}),
            json!({"allowed_countries": ["DE"]}),
            "+12125550100 is in US, which the tenant may not call",
        ),
        (json!({"forward_busy": "911"}), json!({}), "calls are not forwarded to emergency services"),
    ] {
        let whole = json!({"class_of_service_id": null, "forward_busy": "12125550100"});
        town.w.patch(Kind::Extension, &extension, whole);
        town.w.patch(Kind::Extension, &extension, of_extension);
        town.w.patch(Kind::Tenant, &acme, json!({"allowed_countries": ["US"]}));
        town.w.patch(Kind::Tenant, &acme, of_tenant);
        assert_eq!(town.comes_to_acme(), Some(486), "{why}");
        let explained = town.explain(json!({"trunk_id": town.trunk, "number": "13322496214"}));
        let forwards = explained.steps.iter().find(|step| step.why.contains("forward")).unwrap();
        assert!(!forwards.kept && forwards.why.ends_with(why), "{}", forwards.why);
        assert_eq!(explained.tries.len(), 1);
    }
    let whole = json!({"class_of_service_id": null, "forward_busy": "12125550100"});
    town.w.patch(Kind::Extension, &extension, whole);
    town.w.patch(Kind::Tenant, &acme, json!({"allowed_countries": ["US"]}));
    assert_eq!(town.comes_to_acme(), Some(200));
}

#[test]
fn an_explanation_tells_of_it() {
    let mut house = house(json!({"forward_busy": "1002", "forward_unregistered": "5553"}));
    extension(&mut house.w, "1002", json!({"forward_no_answer": "5552", "forward_busy": "1001"}));
    let caller = extension(&mut house.w, "1003", json!({}));
    let explained = house.explain(&caller, "1001");
    let tries: Vec<_> = explained
        .tries
        .iter()
        .map(|tried| (tried.number.as_str(), tried.forwarded.map(|forwarded| forwarded.reason)))
        .collect();
    let expected = [
        ("1001", None),
        ("1002", Some(ForwardReason::Busy)),
        ("5552", Some(ForwardReason::NoAnswer)),
        ("5553", Some(ForwardReason::Unregistered)),
    ];
    assert_eq!(tries, expected);
    assert!(explained.tries[2].identity.iter().any(|line| line.starts_with("Diversion: <sip:1002@")));
    let whys: Vec<_> = explained.steps.iter().map(|step| (step.kept, step.why.as_str())).collect();
    assert!(whys.contains(&(true, "when no device of it is there it forwards to 5553")), "{whys:?}");
    let back = "when it is busy it does not forward to 1001: that is switched off, or has been tried by then";
    assert!(whys.contains(&(false, back)), "{whys:?}");
}
