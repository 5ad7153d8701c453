//! Values as TOML (v1.0) and back.

use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use std::fmt::Write;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Fields that come first, so that a reader sees what something is.
const FIRST: [&str; 9] = ["id", "name", "number", "tenant", "tenant_id", "slug", "trunk", "enabled", "mode"];
/// The longest line that a list may make.
const WIDTH: usize = 100;

/// One table of a list of tables.
pub(super) fn write_entry(key: &str, fields: &Map<String, Value>, out: &mut String) {
    let _ = writeln!(out, "\n[[{key}]]");
    let first = FIRST.iter().filter_map(|name| fields.get_key_value(*name));
    let rest = fields.iter().filter(|(name, _)| !FIRST.contains(&name.as_str()));
    for (name, value) in first.chain(rest) {
        let _ = writeln!(out, "{} = {}", bare(name), top(value));
    }
}

/// A list whose items are tables, or that is long, has a line for each.
fn top(value: &Value) -> String {
    let line = inline(value);
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) || line.len() > WIDTH => {
            let items: String = items.iter().map(|item| format!("    {},\n", inline(item))).collect();
            format!("[\n{items}]")
        }
        _ => line,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{} = {}", bare(name), inline(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
    }
}

fn bare(name: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(legal) { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A table with the place in the text of each of its fields.
pub(super) fn read_table(table: &DeTable) -> (Map<String, Value>, BTreeMap<String, usize>) {
    let fields = table.iter().map(|(name, value)| (name.get_ref().to_string(), read(value))).collect();
    let places = table.iter().map(|(name, _)| (name.get_ref().to_string(), name.span().start)).collect();
    (fields, places)
}

fn read(value: &Spanned<DeValue>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Integer(number) => {
            // What does not fit is left as text, and refused with the field that it is for.
            let text = number.as_str();
            i64::from_str_radix(text, number.radix())
                .map_or_else(|_| Value::String(text.to_owned()), Value::from)
        }
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map_or_else(|| Value::String(number.as_str().to_owned()), Value::Number),
        DeValue::Datetime(moment) => moment.to_string().into(),
        DeValue::Array(items) => items.iter().map(read).collect(),
        DeValue::Table(table) => Value::Object(read_table(table).0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read() {
        let fields = json!({
            "name": "A \"quoted\" \\ name\u{7f}\t", "port": 5060, "on": true, "list": ["a", "b"], "empty": {}, "none": [],
            "tables": [{ "x": 1, "odd key": "ü" }], "of": { "a": { "b": [1, 2] } }, "date": "2026-12-25",
        });
        let mut text = String::new();
        write_entry("thing", fields.as_object().unwrap(), &mut text);
        let parsed = DeTable::parse(&text).unwrap();
        let (back, _) = read_table(parsed.get_ref());
        assert_eq!(back["thing"], json!([fields]), "{text}");
        assert!(text.starts_with("\n[[thing]]\nname = "), "{text}");
    }

    #[test]
    fn dates_and_other_numbers_are_read_as_text_and_numbers() {
        let parsed = DeTable::parse("a = 2026-12-25\nb = 0x1F\nc = 1.5\nd = 1_000").unwrap();
        let (back, _) = read_table(parsed.get_ref());
        assert_eq!(Value::Object(back), json!({ "a": "2026-12-25", "b": 31, "c": 1.5, "d": 1000 }));
    }
}
