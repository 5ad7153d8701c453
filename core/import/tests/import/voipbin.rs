//! JSON as VoIPBIN's.

use crate::{field, imported, plan, plan_in, subjects};
use serde_json::json;
use tandem_import::{Action, NoteKind, Request, import};
use tandem_model::{Config, NumberStatus, NumberType, OnExhausted};

const ALL: &str = r#"{
  "providers": [
    { "id": "p-1", "type": "sip", "name": "Primary", "hostname": "sip.one.example",
      "tech_prefix": "99", "tech_headers": { "X-Key": "v" }, "detail": "the first" },
    { "id": "p-2", "name": "Secondary", "hostname": "sip.two.example:5080" }
  ],
  "routes": { "result": [
    { "id": "r-1", "name": "Default", "provider_id": "p-1", "priority": 1, "target": "all" },
    { "id": "r-2", "name": "Second", "provider_id": "Secondary", "priority": 2, "target": "+82" }
  ] },
  "extensions": [ { "name": "office-phone", "username": "office1", "password": "secure-password", "direct_hash": "8a2b3c4d5e6f" } ],
  "numbers": [ { "number": "+15551234567", "extension": "office1", "call_flow_id": "f-1" } ],
  "agents": []
}"#;

#[test]
fn lists_become_trunks_routes_extensions_and_numbers() {
    let config = imported(ALL);
    let first = config.trunk_by_name(None, "Primary").unwrap();
    assert_eq!((first.host.as_deref(), first.tech_prefix.as_str()), (Some("sip.one.example"), "99"));
    assert_eq!(first.extra_headers.get("X-Key").map(String::as_str), Some("v"));
    assert_eq!(first.imported_params.get("voipbin.detail").map(String::as_str), Some("the first"));
    let second = config.trunk_by_name(None, "Secondary").unwrap();
    assert_eq!((second.host.as_deref(), second.port), (Some("sip.two.example"), Some(5080)));
    let routes = config.routes_of(None);
    assert_eq!((routes[0].steps[0].trunk_id, routes[1].steps[0].trunk_id), (first.id, second.id));
    assert!(routes.iter().all(|route| route.on_exhausted == OnExhausted::NextRule));
    assert_eq!(routes[1].matches.prefixes, ["+82"]);
    let extension = config.extension_by_username(None, "office1").unwrap();
    assert_eq!((extension.number.as_str(), extension.name.as_str()), ("office1", "office-phone"));
    assert_eq!(extension.direct_token.as_deref(), Some("8a2b3c4d5e6f"));
    assert_eq!(config.number(None, "15551234567").unwrap().extension_id, Some(extension.id));
}

#[test]
fn a_number_brings_along_what_it_is() {
    let config = imported(
        r#"{ "numbers": [
          { "number": "+15551234567", "name": "Main", "type": "normal", "status": "active", "t38_enabled": false,
            "emergency_enabled": true, "provider_reference_id": "PN123" },
          { "number": "+899123456789", "type": "virtual", "status": "deleted", "t38_enabled": true }
        ] }"#,
    );
    let main = config.number(None, "15551234567").unwrap();
    assert_eq!((main.kind, main.status), (NumberType::Geographic, NumberStatus::Assigned));
    assert_eq!((main.t38, main.emergency, main.provisioning_ref.as_deref()), (false, true, Some("PN123")));
    let other = config.number(None, "899123456789").unwrap();
    assert_eq!(
        (other.kind, other.status, other.enabled),
        (NumberType::Virtual, NumberStatus::Disabled, false)
    );
}

#[test]
fn the_plan_tells_lines_and_what_is_left_out() {
    let plan = plan(ALL);
    assert_eq!(plan.items[1].line, Some(5));
    let hostname = plan.items[0].fields.iter().find(|field| field.field == "host").unwrap();
    assert_eq!(hostname.origin, "line 3: hostname = sip.one.example");
    assert_eq!(subjects(&plan.notes, NoteKind::Skipped), ["agents"]);
    let number = plan.items.iter().find(|item| item.kind == "number").unwrap();
    assert_eq!(subjects(&number.notes, NoteKind::NoEquivalent), ["call_flow_id"]);
    let extension = plan.items.iter().find(|item| item.kind == "extension").unwrap();
    assert_eq!(field(extension, "password").0, &json!("***"));
    assert!(!format!("{plan:?}").contains("secure-password"));
}

#[test]
fn a_second_time_nothing_is_left_to_do() {
    let config = imported(ALL);
    let again = plan_in(&config, ALL, None, None);
    assert!(again.plan.items.iter().all(|item| item.action == Action::Keep), "{:#?}", again.plan.items);
    assert!(again.changes.is_empty());
}

#[test]
fn a_route_may_name_a_trunk_of_the_server_and_nothing_that_is_nowhere() {
    let config = imported(ALL);
    let text = r#"{ "routes": [ { "name": "More", "provider_id": "Primary" } ] }"#;
    let import_ = plan_in(&config, text, None, None);
    assert_eq!(import_.plan.problems, []);
    let text = "{ \"routes\": [\n { \"name\": \"More\",\n \"provider_id\": \"provider-uuid-123\" } ] }";
    let import_ = plan_in(&config, text, None, None);
    let problem = &import_.plan.problems[0];
    assert_eq!((problem.field.as_str(), problem.reason), ("route[More].provider_id", "UNKNOWN_REFERENCE"));
    assert!(problem.message.starts_with("line 3: "), "{problem:?}");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    for (text, line, reason) in [
        ("{\n \"providers\": [\n { \"name\" \"x\" } ] }", 3, "MALFORMED_JSON"),
        ("{\n \"providers\": 7 }", 2, "WRONG_TYPE"),
        ("{\n \"providers\": [\n 7 ] }", 3, "WRONG_TYPE"),
        ("{\n \"numbers\": [\n\n {} ] }", 4, "REQUIRED"),
    ] {
        let request = Request { text, format: None, name: None };
        let problem =
            import(&request, &Config::default(), &mut uuid::Uuid::nil).unwrap_err().problems.remove(0);
        assert_eq!(problem.reason, reason, "{problem:?}");
        assert!(problem.message.starts_with(&format!("line {line}: ")), "{problem:?}");
    }
}
