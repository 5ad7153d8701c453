//! `docs/coverage.md`: what the five documents speak of, what it is called here, and the tests that show it on the wire. Written from
//! the tables beside this file.

use super::{is_up_to_date, read, root};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

const TABLES: [&str; 6] = [
    include_str!("coverage/ring2all.toml"),
    include_str!("coverage/freeswitch.toml"),
    include_str!("coverage/portsip.toml"),
    include_str!("coverage/voipbin.toml"),
    include_str!("coverage/mikopbx.toml"),
    include_str!("coverage/beyond.toml"),
];

/// Entities whose every field has to be in a row: how rows call them, and their schemas.
const ENTITIES: [(&str, &str); 16] = [
    ("trunk", "Trunk"),
    ("route", "Route"),
    ("route.match", "RouteMatch"),
    ("route.steps", "Step"),
    ("inbound_route", "InboundRoute"),
    ("number", "Number"),
    ("extension", "Extension"),
    ("tenant", "Tenant"),
    ("assignment", "Assignment"),
    ("schedule", "Schedule"),
    ("block", "Block"),
    ("class_of_service", "ClassOfService"),
    ("class_of_service.allowed", "Reach"),
    ("rate_table", "RateTable"),
    ("rate_table.rates", "Rate"),
    ("status", "TrunkStatus"),
];

/// What else rows may speak of.
const OTHERS: [(&str, &str); 4] = [
    ("preset", "Preset"),
    ("record", "CallRecord"),
    ("question", "Question"),
    ("registration", "RegistrationView"),
];

/// Where tests are that stand for the wire: the simulator's network, and the real binary among real peers.
const WIRES: [(&str, &str); 2] = [("flows", "sim/tests/flows"), ("interop", "interop/tests")];
/// Where tests are that show what is refused.
const RULES: (&str, &str) = ("api", "io/api/tests/api");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    title: String,
    about: String,
    section: Vec<Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    title: String,
    row: Vec<Row>,
}

/// One field or behaviour. Lists are words with spaces between.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// The document's own word for it.
    name: String,
    /// Fields of the API.
    #[serde(default)]
    here: String,
    /// What there is to say of it.
    #[serde(default)]
    says: String,
    /// Tests that show it on the wire.
    #[serde(default)]
    shown: String,
    /// Tests that show what of it is refused.
    #[serde(default)]
    refused: String,
    /// It comes later, and with what.
    #[serde(default)]
    later: String,
}

fn tables() -> Vec<Table> {
    TABLES.iter().map(|text| toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))).collect()
}

fn rows(tables: &[Table]) -> impl Iterator<Item = &Row> {
    tables.iter().flat_map(|table| &table.section).flat_map(|section| &section.row)
}

/// The file that a test is in, as `flows::trunks::name` says, and its name.
fn place(test: &str) -> Option<(String, &str)> {
    let (file, name) = test.rsplit_once("::")?;
    let (first, rest) = file.split_once("::")?;
    let (_, folder) = WIRES.iter().chain([&RULES]).find(|(known, _)| *known == first)?;
    Some((format!("{folder}/{}.rs", rest.replace("::", "/")), name))
}

fn exists(test: &str) -> bool {
    let Some((file, name)) = place(test) else { return false };
    let source = fs::read_to_string(root().join(file)).unwrap_or_default();
    let plain = format!("#[test]\nfn {name}() {{");
    let asynchronous = format!("#[tokio::test]\nasync fn {name}() {{");
    source.contains(&plain) || source.contains(&asynchronous)
}

/// The properties of a schema.
fn properties(document: &Value, schema: &str) -> BTreeSet<String> {
    let of = |name: &str| document["components"]["schemas"][name]["properties"].as_object().cloned();
    let found = [of(schema), of(&format!("{schema}Create"))];
    found.into_iter().flatten().flat_map(|properties| properties.into_iter().map(|(name, _)| name)).collect()
}

#[test]
fn every_row_has_tests_that_exist_or_says_what_it_waits_for() {
    let tables = tables();
    let wrong: Vec<String> = rows(&tables)
        .flat_map(|row| {
            let mut wrong = Vec::new();
            let mut say = |what: String| wrong.push(format!("{}: {what}", row.name));
            if row.shown.is_empty() && row.refused.is_empty() && row.later.is_empty() {
                say("has neither a test nor a reason to come later".to_owned());
            }
            for test in row.shown.split_whitespace() {
                if !WIRES.iter().any(|(wire, _)| test.starts_with(&format!("{wire}::"))) {
                    say(format!("{test} is not on the wire"));
                }
            }
            for test in row.shown.split_whitespace().chain(row.refused.split_whitespace()) {
                if !exists(test) {
                    say(format!("there is no test {test}"));
                }
            }
            wrong
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_field_that_a_row_names_is_in_the_api_and_every_field_of_the_api_in_a_row() {
    let document: Value = serde_json::from_str(&read("docs/openapi.json")).expect("JSON");
    let tables = tables();
    let named: BTreeSet<&str> = rows(&tables).flat_map(|row| row.here.split_whitespace()).collect();
    let entities = ENTITIES.iter().chain(&OTHERS);
    let mut known: BTreeSet<String> = BTreeSet::new();
    for (entity, schema) in entities {
        let properties = properties(&document, schema);
        assert!(!properties.is_empty(), "docs/openapi.json has no {schema}");
        known.extend(properties.iter().map(|field| format!("{entity}.{field}")));
    }
    let unknown: Vec<&&str> = named.iter().filter(|field| !known.contains(**field)).collect();
    assert!(unknown.is_empty(), "rows speak of fields that the API does not have: {unknown:?}");

    // An id is no setting; whole objects are told by their own fields.
    let told = |field: &str| {
        field.ends_with(".id") || named.contains(field) || ENTITIES.iter().any(|(entity, _)| *entity == field)
    };
    let ours = known.iter().filter(|field| {
        ENTITIES.iter().any(|(entity, _)| field.rsplit_once('.').is_some_and(|(front, _)| front == *entity))
    });
    let silent: Vec<&String> = ours.filter(|field| !told(field) && *field != "trunk.status").collect();
    assert!(
        silent.is_empty(),
        "no row of server/tests/documentation/coverage/*.toml speaks of {silent:?}: add one to beyond.toml, with a test that shows the \
         field on the wire"
    );
}

#[test]
fn the_coverage_page_is_what_the_tables_say() {
    is_up_to_date("docs/coverage.md", &page(&tables()));
}

fn page(tables: &[Table]) -> String {
    let all: Vec<&Row> = rows(tables).collect();
    let later = all.iter().filter(|row| !row.later.is_empty()).count();
    let mut out = format!(
        "# Coverage\n\nWhat the documents of five systems say of trunks, what it is called in the API here, and the tests that show it on the \
         wire: on the simulator's network (`flows`), or with the real binary among Kamailio, SIPp and baresip (`interop`). `api` are the \
         tests of what is refused. {} rows, {later} of which come later and say so. This page is written by a test from \
         `server/tests/documentation/coverage`; a row without a test, or a field of the API without a row, fails it.\n",
        all.len()
    );
    for table in tables {
        let _ = write!(out, "\n## {}\n\n{}\n", table.title, table.about);
        for section in &table.section {
            let _ = write!(out, "\n### {}\n\n| there | here | shown by |\n|---|---|---|\n", section.title);
            for row in &section.row {
                let _ = writeln!(out, "| {} | {} | {} |", row.name, here(row), shown(row));
            }
        }
    }
    out
}

fn here(row: &Row) -> String {
    let fields: Vec<String> = row.here.split_whitespace().map(|field| format!("`{field}`")).collect();
    [fields.join(", "), row.says.clone()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(": ")
}

fn shown(row: &Row) -> String {
    let link = |test: &str| {
        let (file, name) = place(test).unwrap_or_default();
        format!("[{name}](../{file})")
    };
    let mut parts: Vec<String> = row.shown.split_whitespace().map(link).collect();
    parts.extend(row.refused.split_whitespace().map(|test| format!("refused: {}", link(test))));
    if !row.later.is_empty() {
        parts.push(format!("*later: {}*", row.later));
    }
    parts.join("<br>")
}
