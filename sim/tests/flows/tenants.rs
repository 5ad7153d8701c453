//! Tenants on one server: each with its domain, its extensions and its numbers, over one carrier.

use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::{Direction, Event, Explanation, Kind, Question};
use tandem_sim::{Behaviour, Line, SERVER, Stage, World};
use tandem_sip_msg::Header;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A carrier of the system's, and the tenants Acme, with 13322496213 to ...19 there, and Beta, with 16468097069.
pub(crate) struct Town {
    pub(crate) w: World,
    pub(crate) carrier: usize,
    pub(crate) trunk: String,
    pub(crate) acme: String,
    pub(crate) beta: String,
}

pub(crate) fn town() -> Town {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    let acme = w.create(Kind::Tenant, json!({"name": "Acme", "country": "US", "allowed_countries": ["US"]}));
    let beta = w.create(Kind::Tenant, json!({"name": "Beta", "country": "US", "allowed_countries": ["US"]}));
    for (tenant, pool) in [(&acme, "13322496213-13322496219"), (&beta, "16468097069")] {
        w.create(Kind::Assignment, json!({"trunk_id": trunk, "tenant_id": tenant, "did_pool": pool}));
    }
    w.create(Kind::Route, json!({"name": "out", "steps": [{"trunk_id": trunk}]}));
    Town { w, carrier, trunk, acme, beta }
}

impl Town {
    /// A phone of a tenant that has registered in its domain; its extension's id.
    pub(crate) fn phone(&mut self, tenant: &str, number: &str, more: Value) -> (usize, String) {
        let slug = if tenant == self.acme { "acme" } else { "beta" };
        let password = format!("{slug}-{number}-password");
        let mut body = json!({"tenant_id": tenant, "name": slug, "number": number, "password": password});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let extension = self.w.create(Kind::Extension, body);
        let phone = self.w.add(&format!("{slug} {number}"), number);
        self.w.with_ua(phone, |ua, _| {
            ua.domain = Some(format!("{slug}.registrar.voip.example"));
            ua.set_password(&password);
        });
        self.w.register(phone);
        (phone, extension)
    }

    pub(crate) fn inbound(&mut self, body: Value) {
        let mut whole = json!({"name": body["did"].as_str().unwrap_or("in"), "tenant_id": self.acme});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        self.w.create(Kind::InboundRoute, whole);
    }

    pub(crate) fn dials(&mut self, phone: usize, slug: &str, number: &str) {
        let user = self.w.ua(phone).user.clone();
        let line =
            Line::number(number, SERVER).with_from(format!("<sip:{user}@{slug}.registrar.voip.example>"));
        self.w.dial_line(phone, line);
        self.w.run_for(secs(1));
    }

    pub(crate) fn explain(&mut self, question: Value) -> Explanation {
        let question = Question::read(question, self.w.config(), |_| true)
            .unwrap_or_else(|rejection| panic!("{rejection}"));
        let now = self.w.now;
        self.w.engine.explain(&question, now).expect("who calls is there")
    }
}

pub(crate) fn rings(extension: &str) -> Value {
    json!({"type": "extension", "extension_id": extension})
}

#[test]
fn two_tenants_have_the_same_extension_each_in_its_domain() {
    let mut town = town();
    let (acme, beta) = (town.acme.clone(), town.beta.clone());
    let (own, _) = town.phone(&acme, "100", json!({}));
    let (caller, _) = town.phone(&acme, "101", json!({}));
    let (other, _) = town.phone(&beta, "100", json!({}));
    for phone in [own, caller, other] {
        assert_eq!(town.w.ua(phone).registration_code(), Some(200));
    }
    town.dials(caller, "acme", "100");
    assert_eq!((town.w.stage(own), town.w.ua(other).last_call()), (Stage::Talking, None));
    town.w.hang_up(caller);
    town.w.run_for(secs(1));
    assert_eq!(town.w.only_record().direction, Direction::Internal);
}

#[test]
fn a_password_of_one_tenant_opens_nothing_in_the_domain_of_another() {
    let mut town = town();
    let (acme, beta) = (town.acme.clone(), town.beta.clone());
    town.phone(&acme, "100", json!({}));
    town.phone(&beta, "100", json!({}));
    let stranger = town.w.add("stranger", "100");
    town.w.with_ua(stranger, |ua, _| {
        ua.domain = Some("beta.registrar.voip.example".to_owned());
        ua.set_password("acme-100-password");
    });
    town.w.register(stranger);
    assert_eq!(town.w.ua(stranger).registration_code(), Some(401));
}

#[test]
fn a_call_reaches_the_tenant_whose_number_it_is_for() {
    let mut town = town();
    let (acme, beta) = (town.acme.clone(), town.beta.clone());
    let (desk, extension) = town.phone(&acme, "100", json!({}));
    let (other, others) = town.phone(&beta, "100", json!({}));
    town.inbound(json!({"did": "13322496214", "destination": rings(&extension)}));
    town.inbound(json!({"tenant_id": beta, "destination": rings(&others)}));
    for (number, phone) in [("+13322496214", desk), ("16468097069", other)] {
        town.w.talk(town.carrier, number);
        assert_eq!(town.w.stage(phone), Stage::Talking, "{number}");
        town.w.hang_up(town.carrier);
        town.w.run_for(secs(1));
    }
    let refused = town.w.dial(town.carrier, "13322496215");
    town.w.run_for(secs(1));
    assert_eq!(town.w.call(town.carrier, refused).code, Some(404), "nothing of Acme's takes it");
}

#[test]
fn who_does_not_answer_is_followed_by_the_next_and_who_is_busy_is_not() {
    for (behaviour, code, second_rings) in [
        (Behaviour::RingForever, None, true),
        (Behaviour::refuse(486, "Busy Here"), Some(486), false),
        (Behaviour::refuse(603, "Decline"), Some(603), false),
    ] {
        let mut town = town();
        let acme = town.acme.clone();
        let (first, one) = town.phone(&acme, "100", json!({}));
        let (second, two) = town.phone(&acme, "101", json!({}));
        town.inbound(json!({"did": "13322496214", "no_answer_timeout": 10, "destination": rings(&one)}));
        town.inbound(json!({"did": "*", "destination": rings(&two)}));
        town.w.treat(first, behaviour);
        let call = town.w.dial(town.carrier, "13322496214");
        town.w.run_for(secs(8));
        assert!(town.w.ua(second).last_call().is_none());
        town.w.run_for(secs(4));
        assert_eq!(town.w.call(town.carrier, call).code.filter(|code| *code >= 300), code);
        assert_eq!(town.w.ua(second).last_call().is_some(), second_rings);
    }
}

#[test]
fn a_rule_refuses_with_the_status_that_it_names() {
    let mut town = town();
    town.inbound(json!({"did": "13322496214", "destination": {"type": "busy"}}));
    town.inbound(json!({"did": "*", "destination": {"type": "hangup", "code": 480}}));
    for (number, code) in [("13322496214", 486), ("13322496215", 480)] {
        let call = town.w.dial(town.carrier, number);
        town.w.run_for(secs(1));
        assert_eq!(town.w.call(town.carrier, call).code, Some(code), "{number}");
    }
}

#[test]
fn a_tenant_is_shown_by_a_number_that_it_owns_and_calls_no_further_than_it_may() {
    let mut town = town();
    let acme = town.acme.clone();
    let (phone, _) = town.phone(&acme, "100", json!({"outbound_cid": "13322496214"}));
    town.dials(phone, "acme", "12125550100");
    let invite = town.w.last_call(town.carrier).invite.clone().unwrap();
    assert!(invite.header(Header::PAssertedIdentity).unwrap().contains("sip:13322496214@"));
    town.w.hang_up(phone);
    town.w.run_for(secs(1));
    town.dials(phone, "acme", "+442071234567");
    assert_eq!(town.w.last_call(phone).code, Some(403));
    let why = |event: &Event| matches!(event, Event::RequestRefused { reason: "COUNTRY_NOT_ALLOWED", .. });
    assert!(town.w.events.iter().any(why), "{:#?}", town.w.events);
}

#[test]
fn an_explanation_says_what_the_call_then_does() {
    let mut town = town();
    let acme = town.acme.clone();
    let (phone, extension) = town.phone(&acme, "100", json!({"outbound_cid": "13322496214"}));
    let explanation = town.explain(json!({"extension_id": extension, "number": "12125550100"}));
    assert_eq!((explanation.code, explanation.tries.len()), (None, 1));
    let tried = &explanation.tries[0];
    assert_eq!(tried.trunk_id.unwrap().to_string(), town.trunk);
    town.dials(phone, "acme", "12125550100");
    let invite = town.w.last_call(town.carrier).invite.clone().unwrap();
    assert_eq!(tried.request_uri.as_deref(), Some(invite.request_uri().unwrap().as_str()));
    assert!(invite.from().as_str().starts_with(tried.from.as_deref().unwrap()), "{tried:?}");
    let asserted = invite.header(Header::PAssertedIdentity).unwrap();
    assert_eq!(tried.identity, [format!("P-Asserted-Identity: {asserted}")]);
}

#[test]
fn an_explanation_of_a_refusal_has_its_status_and_reason_and_names_nobody_elses_numbers() {
    let mut town = town();
    let (acme, beta) = (town.acme.clone(), town.beta.clone());
    let (_, extension) = town.phone(&acme, "100", json!({}));
    town.w.create(Kind::Number, json!({"tenant_id": beta, "number": "16468097069"}));
    let refused = town.explain(json!({"extension_id": extension, "number": "+442071234567"}));
    assert_eq!((refused.code, refused.reason.as_deref()), (Some(403), Some("COUNTRY_NOT_ALLOWED")));
    town.w.delete_all_routes();
    let refused = town.explain(json!({"extension_id": extension, "number": "16468097068"}));
    assert_eq!((refused.code, refused.reason.as_deref()), (Some(404), Some("UNMATCHED_NUMBER")));
    assert!(!refused.message.unwrap().contains("16468097069"));
    let trunk = town.trunk.clone();
    let came = town.explain(json!({"trunk_id": trunk, "number": "16468097068"}));
    assert!(came.message.unwrap().contains("16468097069"), "the system's administrator sees the nearest");
}

#[test]
fn a_question_that_makes_no_sense_is_refused_field_by_field() {
    let town = town();
    let reasons = |body: Value| {
        let rejection = Question::read(body, town.w.config(), |_| true).unwrap_err();
        rejection.problems.into_iter().map(|problem| (problem.field, problem.reason)).collect::<Vec<_>>()
    };
    let nobody = "0198c0de-0000-7000-8000-000000000001";
    for (body, field, reason) in [
        (json!({"number": "1"}), "extension_id", "REQUIRED"),
        (json!({"number": "1", "extension_id": nobody}), "extension_id", "UNKNOWN_EXTENSION"),
        (json!({"number": "1", "trunk_id": nobody}), "trunk_id", "UNKNOWN_TRUNK"),
        (
            json!({"number": "1", "trunk_id": nobody, "extension_id": nobody}),
            "trunk_id",
            "CONFLICTING_FIELDS",
        ),
        (json!({"number": "", "trunk_id": town.trunk}), "number", "BAD_FORMAT"),
        (json!({"trunk_id": town.trunk}), "number", "REQUIRED"),
        (json!({"number": "1", "caller": "a\nb", "trunk_id": town.trunk}), "caller", "BAD_FORMAT"),
        (json!({"number": "1", "trunk_id": town.trunk, "when": 5}), "when", "UNKNOWN_FIELD"),
    ] {
        assert_eq!(reasons(body.clone()), [(field.to_owned(), reason)], "{body}");
    }
}

#[test]
fn a_tenant_that_says_it_comes_from_there_too_gets_no_calls_of_others() {
    for is_written_down in [false, true] {
        gets_no_calls_of_others(is_written_down);
    }
}

fn gets_no_calls_of_others(is_written_down: bool) {
    let Town { mut w, carrier, acme, beta, .. } = town();
    if is_written_down {
        w.create(Kind::Number, json!({"tenant_id": acme, "number": "+13322496213"}));
    }
    let address = w.ua(carrier).address.ip().to_string();
    // Beta names Acme's number as its account at the same provider, and takes whatever comes.
    let trunk = json!({
        "name": "mine", "tenant_id": beta, "mode": "credential", "host": address, "username": "13322496213",
        "password": "correct horse battery", "ping_interval": 0,
    });
    w.create(Kind::Trunk, trunk);
    let mut town = Town { w, carrier, trunk: String::new(), acme: acme.clone(), beta: beta.clone() };
    let (victim, acme_phone) = town.phone(&acme, "100", json!({}));
    let (_, beta_phone) = town.phone(&beta, "100", json!({}));
    town.inbound(json!({ "did": "*", "destination": { "type": "extension", "extension_id": &acme_phone } }));
    let catch_all = json!({ "type": "extension", "extension_id": beta_phone });
    town.w.create(
        Kind::InboundRoute,
        json!({ "name": "all", "tenant_id": beta, "did": "*", "destination": catch_all }),
    );
    town.w.dial_line(carrier, Line::number("13322496213", SERVER));
    town.w.run_for(secs(1));
    assert_eq!(town.w.stage(victim), Stage::Talking);
    town.w.hang_up(carrier);
    town.w.run_for(secs(1));
    let record = town.w.only_record();
    assert_eq!(record.tenant_id.map(|tenant| tenant.to_string()), Some(acme));
    assert_eq!(record.callee.extension_id.map(|extension| extension.to_string()), Some(acme_phone));
}

#[test]
fn accounts_at_one_address_are_told_apart_by_the_pool_that_has_the_number() {
    let Town { mut w, carrier, acme, beta, .. } = town();
    let address = w.ua(carrier).address;
    let account = |name: &str| {
        json!({
            "name": name, "mode": "credential", "host": address.ip().to_string(), "username": name, "password": "secret", "port": address.port(),
            "ping_interval": 0,
        })
    };
    let trunks = ["first", "second"].map(|name| w.create(Kind::Trunk, account(name)));
    let mut town = Town { w, carrier, trunk: String::new(), acme: acme.clone(), beta: beta.clone() };
    let numbers = ["13322496300", "16468097300"];
    for ((trunk, tenant), number) in trunks.iter().zip([&acme, &beta]).zip(numbers) {
        let share = json!({"trunk_id": trunk, "tenant_id": tenant, "did_pool": number});
        town.w.create(Kind::Assignment, share);
        let (_, extension) = town.phone(tenant, "100", json!({}));
        let number = json!({"tenant_id": tenant, "number": number, "extension_id": extension});
        town.w.create(Kind::Number, number);
    }
    for (number, trunk) in numbers.iter().zip(&trunks) {
        town.w.records.clear();
        town.w.dial_line(carrier, Line::number(number, SERVER));
        town.w.run_for(secs(1));
        town.w.hang_up(carrier);
        town.w.run_for(secs(1));
        let came_over = town.w.only_record().caller.trunk_id.unwrap();
        assert_eq!(came_over.to_string(), *trunk, "{number}");
    }
}

/// What the carrier is told of who calls: the user of From.
fn shown(town: &Town) -> String {
    let invite = town.w.last_call(town.carrier).invite.clone().expect("it was called");
    invite.from().uri().user().unwrap_or_default().to_owned()
}

#[test]
fn a_phone_may_ask_to_be_shown_as_another_number_of_its_tenant_and_of_nobody_else() {
    let mut town = town();
    let acme = town.acme.clone();
    let (phone, extension) = town.phone(&acme, "100", json!({"outbound_cid": "13322496214"}));
    let own = "<sip:100@acme.registrar.voip.example>";
    for (asked, preferred, expected) in [
        (own, None, "13322496214"),
        (own, Some("<sip:+13322496216@acme.example>"), "+13322496216"),
        (own, Some("<sip:16468097069@beta.example>"), "13322496214"),
        ("<sip:13322496215@acme.registrar.voip.example>", None, "13322496215"),
        ("<sip:16468097069@acme.registrar.voip.example>", None, "13322496214"),
    ] {
        let mut line = Line::number("12125550100", SERVER).with_from(asked);
        if let Some(preferred) = preferred {
            line = line.with(Header::PPreferredIdentity, preferred);
        }
        town.w.dial_line(phone, line);
        town.w.run_for(secs(1));
        assert_eq!(town.w.stage(phone), Stage::Talking, "{asked} {preferred:?}");
        assert_eq!(shown(&town), expected, "{asked} {preferred:?}");
        town.w.hang_up(phone);
        town.w.run_for(secs(1));
    }
    let asked = json!({"extension_id": extension, "number": "12125550100", "caller": "+1 332 249 6217"});
    let explained = town.explain(asked);
    assert!(
        explained.tries[0].from.as_ref().is_some_and(|from| from.contains("13322496217")),
        "{explained:?}"
    );
}

#[test]
fn what_a_phone_asks_for_gives_way_where_its_trunk_overrides_all_numbers() {
    let mut town = town();
    let (acme, trunk) = (town.acme.clone(), town.trunk.clone());
    let (phone, _) = town.phone(&acme, "100", json!({}));
    town.w.patch(
        Kind::Trunk,
        &trunk,
        json!({"caller_id_number": "13322496219", "override_extension_cid": true}),
    );
    let line = Line::number("12125550100", SERVER)
        .with_from("<sip:100@acme.registrar.voip.example>")
        .with(Header::PPreferredIdentity, "<sip:13322496216@acme.example>");
    town.w.dial_line(phone, line);
    town.w.run_for(secs(1));
    assert_eq!(shown(&town), "13322496219");
}
