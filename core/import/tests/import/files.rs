//! The whole configuration as one file.

use crate::{Ids, shown};
use serde_json::{Value, json};
use tandem_import::{Action, Reading, read_configuration, write_configuration};
use tandem_model::{Change, Config, Entity, Kind, Rejection, RejectionKind};
use uuid::Uuid;

fn read(text: &str, config: &Config) -> Result<Reading, Rejection> {
    let mut ids = Ids::new();
    read_configuration(text, config, &mut || ids.make())
}

#[track_caller]
fn applied(text: &str, config: &Config) -> Config {
    let reading = read(text, config).unwrap_or_else(|rejection| panic!("{rejection}\n{text}"));
    config.apply(&reading.changes).unwrap()
}

/// Something of every kind, two tenants that have a trunk of the same name, references of every kind.
fn everything() -> Config {
    let id = |n: u128| Uuid::from_u128(n).to_string();
    let things = [
        (
            Kind::Tenant,
            1,
            json!({ "name": "Acme", "allowed_countries": ["DE"], "country": "DE", "outbound_schedule_id": id(3), "retention_days": 90 }),
        ),
        (Kind::Tenant, 2, json!({ "name": "Zeta" })),
        (
            Kind::Schedule,
            3,
            json!({ "name": "Office", "tenant_id": id(1), "hours": [{ "weekdays": ["mon"], "from": "09:00", "to": "17:30" }], "holidays": [{ "date": "2026-12-25", "yearly": true }] }),
        ),
        (
            Kind::Trunk,
            4,
            json!({ "name": "Twilio", "host": "sip.example", "username": "+15551234567", "password": "hunter-two", "expires": 600 }),
        ),
        (
            Kind::Trunk,
            5,
            json!({ "name": "Twilio", "tenant_id": id(1), "did_pool": "4930200-4930299", "host": "192.0.2.1", "associated_ips": ["192.0.2.0/24"] }),
        ),
        (
            Kind::Trunk,
            6,
            json!({ "name": "Twilio", "tenant_id": id(2), "host": "192.0.3.1", "inbound_context_vars": { "trunk": "a \"b\"" } }),
        ),
        (
            Kind::Assignment,
            7,
            json!({ "trunk_id": id(4), "tenant_id": id(1), "did_pool": "13322496213;16468097069-16468097079" }),
        ),
        (
            Kind::Extension,
            8,
            json!({ "number": "100", "tenant_id": id(1), "password": "hunter-three", "outbound_cid_by_trunk": { (id(4)): "+13322496213" } }),
        ),
        (
            Kind::Extension,
            9,
            json!({ "number": "100", "class_of_service_id": id(16), "password": "hunter-four", "allowed_cidrs": ["192.0.2.0/24"] }),
        ),
        (
            Kind::ClassOfService,
            16,
            json!({ "name": "Hall", "denied": { "prefixes": ["00"], "countries": ["FR"] } }),
        ),
        (Kind::Block, 17, json!({ "kind": "caller", "value": "1900*", "note": "nobody" })),
        (Kind::Block, 18, json!({ "kind": "destination", "value": "1900*", "tenant_id": id(1) })),
        (
            Kind::Route,
            10,
            json!({ "name": "Out", "match": { "patterns": ["0."] }, "steps": [{ "trunk_id": id(4), "strip": 1 }] }),
        ),
        (
            Kind::Route,
            11,
            json!({ "name": "Out", "steps": [{ "trunk_id": id(4) }], "priority": 200, "max_minutes": 90, "on_exhausted": "next_rule" }),
        ),
        // A trunk of the system, where the tenant has one of the same name: only the id can say which.
        (
            Kind::Route,
            12,
            json!({ "name": "Out", "tenant_id": id(1), "steps": [{ "trunk_id": id(5), "failover_on": ["5xx"] }, { "trunk_id": id(4) }] }),
        ),
        (
            Kind::InboundRoute,
            13,
            json!({ "name": "In", "tenant_id": id(1), "did": "13322496213", "schedule_id": id(3), "destination": { "type": "extension", "extension_id": id(8) }, "out_of_hours": { "type": "hangup", "code": 480 } }),
        ),
        (Kind::Number, 14, json!({ "number": "+1 332 249 6213", "tenant_id": id(1), "extension_id": id(8) })),
        (Kind::Number, 15, json!({ "number": "+4940777", "extension_id": id(9) })),
    ];
    let changes: Vec<Change> = things
        .into_iter()
        .map(|(kind, n, body)| Change::Put(Entity::create(kind, Uuid::from_u128(n), body).unwrap()))
        .collect();
    Config::default().apply(&changes).unwrap_or_else(|rejection| panic!("{rejection}"))
}

#[test]
fn a_configuration_comes_back_from_its_file() {
    let config = everything();
    let text = write_configuration(&config);
    // Where nobody has the passwords yet they are written into the file.
    let with_passwords = text
        .replace("username = \"", "password = \"hunter-two\"\nusername = \"")
        .replace("[[extension]]", "[[extension]]\npassword = \"hunter-three\"");
    let back = applied(&with_passwords, &Config::default());
    let named = |config: &Config| write_configuration(config);
    assert_eq!(Kind::ALL.iter().map(|kind| back.all(*kind).len()).sum::<usize>(), 18);
    // Ids differ but for those that had to be written; everything else is the same.
    assert_eq!(named(&back), text);
    let reading = read(&text, &config).unwrap();
    assert_eq!((reading.plan.items.len(), reading.plan.unchanged), (0, 18), "{:#?}", reading.plan);
}

#[test]
fn the_file_has_names_and_only_what_is_not_so_by_default() {
    let text = write_configuration(&everything());
    for line in [
        "trunk = \"Twilio\"",
        "tenant = \"acme\"",
        "schedule = \"Office\"",
        "class_of_service = \"Hall\"",
        "destination = { extension = \"100\", type = \"extension\" }",
        "expires = 600",
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
    for absent in ["hunter", "retry_base", "ping_ok", "strip = 0", "null"] {
        assert!(!text.contains(absent), "{absent} in\n{text}");
    }
    let ids = text.matches("trunk_id = ").count();
    assert_eq!(ids, 2, "the assignment's and one step's: {text}");
    assert_eq!(write_configuration(&everything()), text, "the order is always the same");
}

#[test]
fn passwords_that_are_not_mentioned_stay() {
    let config = everything();
    let text = write_configuration(&config);
    let reading = read(&text, &config).unwrap();
    assert_eq!(reading.plan.items, [], "{:#?}", reading.plan);
    let changed = applied(&text.replace("expires = 600", "expires = 900"), &config);
    let trunk = changed.trunk_by_slug("Twilio").unwrap();
    assert_eq!((trunk.expires, trunk.password.as_ref().unwrap().expose()), (900, "hunter-two"));
}

#[test]
fn the_plan_says_what_is_created_changed_and_deleted() {
    let config = everything();
    let text = write_configuration(&config)
        .replace("expires = 600", "expires = 900\npassword = \"hunter-new\"")
        .replace("number = \"+4940777\"", "number = \"+4940778\"");
    let plan = read(&text, &config).unwrap().plan;
    let told: Vec<(Action, &str, &str)> =
        plan.items.iter().map(|item| (item.action, item.kind.as_str(), item.name.as_str())).collect();
    assert_eq!(
        told,
        [
            (Action::Change, "trunk", "Twilio"),
            (Action::Create, "number", "+4940778"),
            (Action::Delete, "number", "+4940777")
        ]
    );
    let fields: Vec<(&str, &Value, &Value)> = plan.items[0]
        .fields
        .iter()
        .map(|field| (field.field.as_str(), &field.before, &field.value))
        .collect();
    assert_eq!(fields, [("expires", &json!(600), &json!(900)), ("password", &Value::Null, &json!("***"))]);
    assert_eq!(plan.unchanged, 16);
    assert!(!serde_json::to_string(&plan).unwrap().contains("hunter"));
}

#[test]
fn an_empty_file_empties_the_server() {
    let config = everything();
    let reading = read("", &config).unwrap();
    assert_eq!(reading.changes.len(), 18);
    assert_eq!(shown(&config.apply(&reading.changes).unwrap()), Vec::<Value>::new());
}

#[test]
fn things_of_one_name_keep_their_order() {
    let config = everything();
    let text = write_configuration(&config).replace("priority = 200", "priority = 300");
    let plan = read(&text, &config).unwrap().plan;
    assert_eq!((plan.items.len(), plan.items[0].id), (1, Uuid::from_u128(11)), "{plan:#?}");
}

#[test]
fn what_is_wrong_is_told_with_line_field_and_fix() {
    let config = Config::default();
    for (text, line, field, reason) in [
        ("[[trunk]]\nname = \"a\"\nhost = ", 3, "", "MALFORMED_TOML"),
        ("\n[[trunks]]\nname = \"a\"", 2, "trunks", "UNKNOWN_FIELD"),
        ("[trunk]\nname = \"a\"", 1, "trunk", "WRONG_TYPE"),
        ("trunk = [1]", 1, "trunk", "WRONG_TYPE"),
        ("[[trunk]]\nname = \"a\"\nhots = \"x\"", 3, "trunk[a].hots", "UNKNOWN_FIELD"),
        ("[[trunk]]\nname = \"a\"\nhost = \"x\"\nport = 70000", 4, "trunk[a].port", "OUT_OF_RANGE"),
        ("[[trunk]]\nname = \"a\"\nhost = \"x\"\nexpires = 5", 4, "trunk[a].expires", "OUT_OF_RANGE"),
        ("[[trunk]]\nname = \"a\"", 1, "trunk[a].host", "REQUIRED"),
        ("[[trunk]]\nhost = \"a\"", 1, "trunk[].name", "REQUIRED"),
        ("[[trunk]]\nname = \"a\"\nid = \"x\"\nhost = \"x\"", 3, "trunk[a].id", "BAD_FORMAT"),
        (
            "[[route]]\nname = \"r\"\nsteps = [\n { trunk = \"gone\" } ]",
            3,
            "route[r].steps[0].trunk",
            "UNKNOWN_REFERENCE",
        ),
        ("[[number]]\nnumber = \"1\"\ntenant = \"gone\"", 3, "number[1].tenant", "UNKNOWN_REFERENCE"),
        (
            "[[trunk]]\nname = \"a\"\nhost = \"x\"\n[[trunk]]\nname = \"a\"\nhost = \"y\"",
            5,
            "trunk[a].name",
            "NAME_TAKEN",
        ),
        ("[[extension]]\nnumber = \"1\"", 1, "extension[1].password", "REQUIRED"),
    ] {
        let rejection = read(text, &config).unwrap_err();
        let problem = &rejection.problems[0];
        assert_eq!((problem.field.as_str(), problem.reason), (field, reason), "{text}: {problem:?}");
        assert!(problem.message.starts_with(&format!("line {line}: ")), "{text}: {problem:?}");
        assert!(!problem.fix.is_empty());
        let kind = if reason == "NAME_TAKEN" { RejectionKind::Conflict } else { RejectionKind::Invalid };
        assert_eq!(rejection.kind, kind, "{text}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text =
        "[[trunk]]\nname = \"a\"\nport = \"x\"\nhost = 7\n[[trunk]]\nname = \"b\"\nnope = 1\nhost = \"b\"";
    let rejection = read(text, &Config::default()).unwrap_err();
    let fields: Vec<&str> = rejection.problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["trunk[a].host", "trunk[a].port", "trunk[b].nope"]);
}
