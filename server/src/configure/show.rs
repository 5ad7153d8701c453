//! Plans as people read them.

use serde_json::Value;
use std::fmt::Write;

/// The plan of an import.
pub fn import(plan: &Value) -> String {
    let mut out = format!("Read as {}.\n", text(&plan["format"]));
    for item in list(&plan["items"]) {
        head(item, &mut out);
        for field in list(&item["fields"]) {
            let before = &field["before"];
            let was = match before.is_null() || before == &field["value"] {
                true => String::new(),
                false => format!(" (now {before})"),
            };
            let _ = write!(
                out,
                "    {} = {}{was}  <- {}",
                text(&field["field"]),
                field["value"],
                text(&field["origin"])
            );
            if let Some(why) = field["coerced"].as_str() {
                let _ = write!(out, "; {why}");
            }
            out.push('\n');
        }
        notes(&item["notes"], "    ", &mut out);
    }
    notes(&plan["notes"], "", &mut out);
    out
}

/// The plan of a configuration file.
pub fn configuration(plan: &Value) -> String {
    let mut out = String::new();
    for item in list(&plan["items"]) {
        head(item, &mut out);
        let created = item["action"] == "create";
        for field in list(&item["fields"]) {
            let (name, value) = (text(&field["field"]), &field["value"]);
            let _ = match created || name == "password" {
                true => writeln!(out, "    {name} = {value}"),
                false => writeln!(out, "    {name}: {} -> {value}", field["before"]),
            };
        }
    }
    let count = |action: &str| list(&plan["items"]).filter(|item| item["action"] == action).count();
    let (created, changed, deleted) = (count("create"), count("change"), count("delete"));
    let _ = writeln!(
        out,
        "{created} to create, {changed} to change, {deleted} to delete, {} unchanged.",
        plan["unchanged"]
    );
    for warning in list(&plan["warnings"]) {
        let (reason, message) = (text(&warning["reason"]), text(&warning["message"]));
        let _ = writeln!(out, "! {reason}: {message}; {}", text(&warning["fix"]));
    }
    out
}

fn head(item: &Value, out: &mut String) {
    let sign = match item["action"].as_str() {
        Some("create") => "+ create",
        Some("change") => "~ change",
        Some("delete") => "- delete",
        _ => "= keep",
    };
    let line = item["line"].as_u64().map(|line| format!(" (line {line})")).unwrap_or_default();
    let _ = writeln!(out, "{sign} {} {}{line}", text(&item["kind"]), text(&item["name"]));
}

fn notes(notes: &Value, indent: &str, out: &mut String) {
    for note in list(notes) {
        let word = match note["kind"].as_str() {
            Some("coerced") => "corrected",
            Some("no_equivalent") => "no equivalent",
            Some("wire") => "on the wire",
            Some("variable") => "variable",
            _ => "left out",
        };
        let line = note["line"].as_u64().map(|line| format!("line {line}: ")).unwrap_or_default();
        let _ =
            writeln!(out, "{indent}! {word}: {line}{}: {}", text(&note["subject"]), text(&note["message"]));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_import_is_shown_field_by_field() {
        let plan = json!({ "format": "freeswitch", "notes": [], "items": [{
            "kind": "trunk", "name": "a", "action": "create", "line": 2, "fields": [
                { "field": "retry_base", "value": 30, "before": null, "origin": "line 4: retry-seconds = 3", "coerced": "less than 5" },
                { "field": "expires", "value": 60, "before": 600, "origin": "line 5: expire-seconds = 60", "coerced": null },
            ],
            "notes": [{ "kind": "wire", "line": 4, "subject": "retry-seconds", "message": "it differs" }],
        }] });
        assert_eq!(
            import(&plan),
            "Read as freeswitch.\n+ create trunk a (line 2)\n    retry_base = 30  <- line 4: retry-seconds = 3; less than 5\n    \
             expires = 60 (now 600)  <- line 5: expire-seconds = 60\n    ! on the wire: line 4: retry-seconds: it differs\n"
        );
    }

    #[test]
    fn a_file_is_shown_by_what_changes() {
        let plan = json!({ "unchanged": 3, "items": [
            { "kind": "trunk", "name": "a", "action": "change", "line": 2, "fields": [{ "field": "port", "value": 5061, "before": null }] },
            { "kind": "route", "name": "b", "action": "delete", "line": null, "fields": [] },
        ], "warnings": [{ "reason": "SHADOWED_ROUTE", "message": "route `c` is never reached", "fix": "give it a lower `priority`" }] });
        assert_eq!(
            configuration(&plan),
            "~ change trunk a (line 2)\n    port: null -> 5061\n- delete route b\n0 to create, 1 to change, 1 to delete, 3 unchanged.\n\
             ! SHADOWED_ROUTE: route `c` is never reached; give it a lower `priority`\n"
        );
    }
}
