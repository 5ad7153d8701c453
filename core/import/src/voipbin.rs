//! JSON as VoIPBIN's: providers, routes, extensions and numbers, as its API lists or takes them.

use crate::draft::Source;
use crate::plan::{Note, NoteKind};
use crate::refuse::{line_of, refuse};
use crate::{Draft, Read};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tandem_model::{Kind, Rejection};

const KEPT: &str = "voipbin";

/// What the lists are called, in the order in which they refer to each other.
const LISTS: [(&str, Kind); 4] = [
    ("providers", Kind::Trunk),
    ("routes", Kind::Route),
    ("extensions", Kind::Extension),
    ("numbers", Kind::Number),
];

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// One entry with the lines that its fields stand on.
struct Entry<'a> {
    text: &'a str,
    line: usize,
    fields: Fields<'a>,
}

impl Entry<'_> {
    fn value(&self, name: &str) -> Option<(Value, usize)> {
        let raw = self.fields.get(name)?;
        let value: Value = serde_json::from_str(raw.get()).ok()?;
        let empty = value.is_null() || value.as_str().is_some_and(str::is_empty);
        (!empty).then(|| (value, line_in(self.text, raw.get())))
    }

    fn text_of(&self, name: &str) -> Option<(String, usize)> {
        let (value, line) = self.value(name)?;
        match value {
            Value::String(text) => Some((text, line)),
            Value::Number(number) => Some((number.to_string(), line)),
            _ => None,
        }
    }
}

pub(crate) fn read(text: &str) -> Result<Read, Rejection> {
    let lists: Fields =
        parse(text, text, "an object with the lists `providers`, `routes`, `extensions`, `numbers`")?;
    let mut read = Read { drafts: Vec::new(), notes: Vec::new() };
    for name in lists.keys() {
        if !LISTS.iter().any(|(list, _)| list == name) {
            let line = Some(line_in(text, lists[name].get()));
            let message = "no list of this name is imported".to_owned();
            read.notes.push(Note { kind: NoteKind::Skipped, line, subject: name.clone(), message });
        }
    }
    for (name, kind) in LISTS {
        let Some(list) = lists.get(name) else { continue };
        for raw in entries(text, list)? {
            let line = line_in(text, raw.get());
            let fields = parse(text, raw.get(), "an object in each place of the list")?;
            let entry = Entry { text, line, fields };
            read.drafts.push(match kind {
                Kind::Trunk => provider(&entry)?,
                Kind::Route => route(&entry)?,
                Kind::Extension => extension(&entry)?,
                _ => number(&entry)?,
            });
        }
    }
    Ok(read)
}

/// A list, or the answer of the API that holds one.
fn entries<'a>(text: &'a str, raw: &'a RawValue) -> Result<Vec<&'a RawValue>, Rejection> {
    if raw.get().starts_with('{') {
        let page: Fields = parse(text, raw.get(), "a list")?;
        if let Some(result) = page.get("result") {
            return parse(text, result.get(), "a list");
        }
    }
    parse(text, raw.get(), "a list")
}

fn parse<'a, T: serde::Deserialize<'a>>(text: &str, raw: &'a str, what: &str) -> Result<T, Rejection> {
    serde_json::from_str(raw).map_err(|error| {
        let line = line_in(text, raw) + error.line().saturating_sub(1);
        match error.classify() {
            serde_json::error::Category::Data => {
                refuse(Some(line), "", "WRONG_TYPE", format!("there should be {what}"), "write it so")
            }
            _ => {
                let message = format!("this is not JSON (column {})", error.column());
                let fix = "mend it there: keys and texts stand in double quotes, with `,` between";
                refuse(Some(line), "", "MALFORMED_JSON", message, fix)
            }
        }
    })
}

/// The line of a part of the text.
fn line_in(text: &str, part: &str) -> usize {
    let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    line_of(text, offset)
}

fn begin(kind: Kind, entry: &Entry, named_by: &[&str]) -> Result<Draft, Rejection> {
    let Some((name, line)) = named_by.iter().find_map(|field| entry.text_of(field)) else {
        let message = format!("this {} has no `{}`", kind.name(), named_by[0]);
        let fix = format!("give `{}`", named_by[0]);
        return Err(refuse(Some(entry.line), named_by[0], "REQUIRED", message, fix));
    };
    let mut draft = Draft::new(kind, &name, line);
    if let Some((id, _)) = entry.text_of("id") {
        draft.aliases.push(id);
    }
    Ok(draft)
}

fn source(name: &str, value: &Value, line: usize) -> Source {
    match value {
        Value::String(text) => Source::written(line, name, text),
        other => Source::written(line, name, &other.to_string()),
    }
}

/// Takes fields over under other names, and tells of those that are left.
fn take(draft: &mut Draft, entry: &Entry, fields: &[(&str, &str)], passed: &[&str]) {
    for (theirs, ours) in fields {
        if let Some((value, line)) = entry.value(theirs) {
            let source = source(theirs, &value, line);
            draft.set(ours, value, &source);
        }
    }
    const OF_THE_ORIGIN: [&str; 5] = ["id", "customer_id", "tm_create", "tm_update", "tm_delete"];
    for name in entry.fields.keys() {
        let known = fields.iter().any(|(theirs, _)| theirs == name) || passed.contains(&name.as_str());
        if known || OF_THE_ORIGIN.contains(&name.as_str()) {
            continue;
        }
        if let Some((value, line)) = entry.value(name) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            draft.keep(KEPT, line, name, &value, "there is nothing like it here");
        }
    }
}

fn provider(entry: &Entry) -> Result<Draft, Rejection> {
    let mut draft = begin(Kind::Trunk, entry, &["name", "hostname"])?;
    let name = draft.name.clone();
    draft.set("name", name.as_str(), &Source::written(draft.line, "name", &name));
    let fields = [
        ("type", "technology"),
        ("hostname", "host"),
        ("port", "port"),
        ("tech_prefix", "tech_prefix"),
        ("tech_postfix", "tech_postfix"),
        ("tech_headers", "extra_headers"),
        ("username", "username"),
        ("password", "password"),
        ("codecs", "codecs"),
    ];
    take(&mut draft, entry, &fields, &["name"]);
    if let Some(address) = draft.text("host").map(crate::coerce::Address::parse)
        && let Some(Ok(port)) = address.port.as_deref().map(str::parse::<u16>)
    {
        let source = Source::written(draft.line, "hostname", &address.place());
        draft.coerce("host", address.host, &source, "the port stands by itself");
        draft.set("port", port, &source);
    }
    if draft.get("username").is_some() && draft.get("password").is_some() {
        draft.set("mode", "credential", &Source::default_of("VoIPBIN"));
    } else {
        draft.set("mode", "ip_auth", &Source::default_of("VoIPBIN"));
    }
    draft.set("ping_interval", 30, &Source::default_of("VoIPBIN"));
    Ok(draft)
}

fn route(entry: &Entry) -> Result<Draft, Rejection> {
    let mut draft = begin(Kind::Route, entry, &["name", "id"])?;
    let name = draft.name.clone();
    draft.set("name", name.as_str(), &Source::written(draft.line, "name", &name));
    match entry
        .text_of("provider_id")
        .map(|found| ("provider_id", found))
        .or_else(|| entry.text_of("provider").map(|found| ("provider", found)))
    {
        Some((field, (provider, line))) => {
            draft.refer("provider_id", Kind::Trunk, &provider, &Source::written(line, field, &provider));
        }
        None => {
            draft.problem(None, "provider_id", "REQUIRED", "a route needs a provider", "give `provider_id`")
        }
    }
    take(&mut draft, entry, &[("priority", "priority")], &["name", "provider_id", "provider", "target"]);
    match entry.text_of("target") {
        Some((target, line)) if target.starts_with('+') => {
            draft.set(
                "match",
                serde_json::json!({ "prefixes": [target] }),
                &Source::written(line, "target", &target),
            );
        }
        Some((target, line)) if target != "all" => {
            draft.keep(
                KEPT,
                line,
                "target",
                &target,
                "a target is `all` or a country code as `+82`: the route takes every number",
            );
        }
        _ => {}
    }
    draft.set("on_exhausted", "next_rule", &Source::default_of("VoIPBIN"));
    Ok(draft)
}

fn extension(entry: &Entry) -> Result<Draft, Rejection> {
    let mut draft = begin(Kind::Extension, entry, &["name", "username", "extension"])?;
    let name = draft.name.clone();
    draft.set("name", name.as_str(), &Source::written(draft.line, "name", &name));
    let fields = [
        ("extension", "number"),
        ("username", "username"),
        ("password", "password"),
        ("direct_hash", "direct_token"),
    ];
    take(&mut draft, entry, &fields, &["name"]);
    if draft.get("username").is_none()
        && let Some((number, line)) = entry.text_of("extension")
    {
        draft.set("username", number.as_str(), &Source::written(line, "extension", &number));
    }
    for field in ["username", "extension"] {
        draft.aliases.extend(entry.text_of(field).map(|(text, _)| text));
    }
    Ok(draft)
}

fn number(entry: &Entry) -> Result<Draft, Rejection> {
    let mut draft = begin(Kind::Number, entry, &["number"])?;
    take(
        &mut draft,
        entry,
        &[
            ("number", "number"),
            ("name", "name"),
            ("t38_enabled", "t38"),
            ("emergency_enabled", "emergency"),
            ("provider_reference_id", "provisioning_ref"),
        ],
        &["extension", "extension_id", "call_flow_id", "type", "status"],
    );
    if let Some((sort, line)) = entry.text_of("type").filter(|(sort, _)| sort != "normal") {
        let source = Source::written(line, "type", &sort);
        match sort.as_str() {
            "virtual" => draft.set("type", "virtual", &source),
            _ => draft.keep(KEPT, line, "type", &sort, "a number is `normal` or `virtual` there"),
        }
    }
    if let Some((status, line)) = entry.text_of("status").filter(|(status, _)| status != "active") {
        let source = Source::written(line, "status", &status);
        draft.coerce("status", "disabled", &source, "it is not in force there");
    }
    let extension = entry.text_of("extension_id").map(|found| ("extension_id", found));
    let extension = extension.or_else(|| entry.text_of("extension").map(|found| ("extension", found)));
    if let Some((field, (name, line))) = extension {
        draft.refer("extension_id", Kind::Extension, &name, &Source::written(line, field, &name));
    }
    if let Some((_, line)) = entry.value("call_flow_id") {
        let message =
            "flows are not imported: say with `extension`, or by an inbound route, what calls to it reach";
        draft.note(NoteKind::NoEquivalent, Some(line), "call_flow_id", message);
    }
    Ok(draft)
}
