//! Classes of service: what an extension may call of what its tenant may.

use crate::tenants::{Town, town};
use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::Kind;
use tandem_sim::Stage;
use tandem_sip_msg::Header;

/// Acme in the US, which may call the US and Germany, with a phone in the hall that has this class.
struct Hall {
    town: Town,
    phone: usize,
    extension: String,
}

fn hall(class: Value) -> Hall {
    let mut town = town();
    let acme = town.acme.clone();
    town.w.patch(
        Kind::Tenant,
        &acme,
        json!({ "allowed_countries": ["US", "DE"], "international_prefix": "011" }),
    );
    let mut body = json!({ "name": "Hall", "tenant_id": acme });
    body.as_object_mut().unwrap().extend(class.as_object().unwrap().clone());
    let class = town.w.create(Kind::ClassOfService, body);
    let more = json!({ "outbound_cid": "13322496214", "class_of_service_id": class });
    let (phone, extension) = town.phone(&acme, "100", more);
    Hall { town, phone, extension }
}

impl Hall {
    fn dials(&mut self, number: &str) -> Option<u16> {
        self.town.dials(self.phone, "acme", number);
        let code = self.town.w.last_call(self.phone).code;
        self.town.w.with_ua(self.phone, |ua, now| ua.hang_up_all(now));
        self.town.w.run_for(Duration::from_secs(1));
        code
    }
}

#[test]
fn what_is_denied_is_refused_with_the_reason_and_what_is_not_is_called() {
    for (denied, refused, called, words) in [
        (json!({ "kinds": ["international"] }), "0114989123456", "12125550100", "denies international calls"),
        (json!({ "kinds": ["national"] }), "2125550100", "0114989123456", "denies national calls"),
        (json!({ "kinds": ["service"] }), "411", "12125550100", "denies service calls"),
        (json!({ "countries": ["DE"] }), "+4989123456", "12125550100", "denies calls to DE"),
        (json!({ "prefixes": ["1900"] }), "9005550100", "12125550100", "denies calls to 1900..."),
        (json!({ "patterns": ["1212NXXXXXX"] }), "2125550100", "13105550100", "denies calls to 1212NXXXXXX"),
    ] {
        let mut hall = hall(json!({ "denied": denied }));
        assert_eq!(hall.dials(refused), Some(403), "{denied}");
        let told = hall.town.w.sent_to(hall.phone).into_iter().rfind(|message| message.code() == Some(403));
        let reason = told.unwrap().header(Header::Reason).unwrap().to_owned();
        assert_eq!(reason, format!("Q.850;cause=21;text=\"the class of service `Hall` {words}\""));
        assert!(hall.town.w.ua(hall.town.carrier).calls().is_empty());
        assert_eq!(hall.dials(called), Some(200), "{denied}");
    }
}

#[test]
fn where_something_is_allowed_nothing_else_is_and_denied_counts_more() {
    let mut hall = hall(json!({ "allowed": { "kinds": ["national"] }, "denied": { "prefixes": ["1900"] } }));
    for (number, code) in [("12125550100", 200), ("19005550100", 403), ("0114989123456", 403), ("411", 403)] {
        assert_eq!(hall.dials(number), Some(code), "{number}");
    }
}

#[test]
fn a_class_gives_nothing_that_the_tenant_has_not() {
    let mut hall = hall(json!({ "allowed": { "kinds": ["international", "national"] } }));
    assert_eq!(hall.dials("011442071234567"), Some(403));
    assert_eq!(hall.dials("0114989123456"), Some(200));
}

#[test]
fn calls_within_the_house_and_for_help_are_made_whatever_it_says() {
    let mut hall = hall(json!({ "denied": { "patterns": ["."] } }));
    let acme = hall.town.acme.clone();
    let (other, _) = hall.town.phone(&acme, "101", json!({}));
    hall.town.dials(hall.phone, "acme", "101");
    assert_eq!(hall.town.w.stage(other), Stage::Talking);
    assert_eq!(hall.dials("12125550100"), Some(403));
    let steps = json!([{ "trunk_id": hall.town.trunk }]);
    let help = json!({"name": "help", "emergency": true, "match": {"patterns": ["911"]}, "steps": steps});
    hall.town.w.create(Kind::Route, help);
    assert_eq!(hall.dials("911"), Some(200));
}

#[test]
fn who_has_no_class_calls_what_the_tenant_may_and_a_transfer_goes_no_further() {
    let mut hall = hall(json!({ "denied": { "kinds": ["international"] } }));
    let acme = hall.town.acme.clone();
    let (free, _) = hall.town.phone(&acme, "102", json!({ "outbound_cid": "13322496215" }));
    hall.town.dials(free, "acme", "0114989123456");
    assert_eq!(hall.town.w.last_call(free).code, Some(200));
    hall.town.w.with_ua(free, |ua, now| ua.hang_up_all(now));
    hall.town.w.run_for(Duration::from_secs(1));
    hall.town.dials(hall.phone, "acme", "12125550100");
    let calls = hall.town.w.ua(hall.town.carrier).calls().len();
    hall.town.w.refer(hall.phone, "0114989123456");
    hall.town.w.run_for(Duration::from_secs(2));
    assert_eq!(hall.town.w.ua(hall.town.carrier).calls().len(), calls, "nobody is called for it");
    assert_eq!(hall.town.w.stage(hall.phone), Stage::Talking);
}

#[test]
fn an_explanation_says_what_the_class_does() {
    let mut hall = hall(json!({ "denied": { "kinds": ["international"] } }));
    let extension = hall.extension.clone();
    for (number, kept, why, code) in [
        ("0114989123456", false, "the class of service `Hall` denies international calls", Some(403)),
        ("12125550100", true, "denies nothing of this", None),
    ] {
        let explained = hall.town.explain(json!({ "extension_id": extension, "number": number }));
        let line = explained.steps.iter().find(|step| step.kind == "class_of_service").unwrap();
        assert_eq!((line.name.as_str(), line.kept, line.why.as_str()), ("Hall", kept, why));
        assert_eq!(explained.code, code);
    }
}
