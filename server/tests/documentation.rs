//! The documents tell the truth: names in them exist, and what is generated is up to date.

#[path = "documentation/coverage.rs"]
mod coverage;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tandem_model::{AlertDefaults, AlertKind};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust sources beside tests.
fn sources(folder: &Path, out: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("tests") {
            sources(&path, out);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            out.push_str(&fs::read_to_string(&path).unwrap_or_default());
        }
    }
}

/// Names in backticks that look like code of ours: `Type`, `Type::item`, `function_name`.
fn names(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':'))
        .filter(|name| name.contains("::") || name.contains('_') || name.starts_with(char::is_uppercase))
        .collect()
}

/// What Rust code defines: items, fields that are public, variants.
fn defined(code: &str) -> HashSet<&str> {
    const KINDS: [&str; 7] = ["fn", "struct", "enum", "trait", "type", "const", "mod"];
    let end = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let mut defined = HashSet::new();
    for line in code.lines() {
        let pairs = line.split(' ').zip(line.split(' ').skip(1));
        defined.extend(pairs.filter(|(kind, _)| KINDS.contains(kind)).map(|(_, name)| &name[..end(name)]));
        let Some(line) = line.strip_prefix("    ").map(str::trim_start) else { continue };
        let (line, after): (_, &[&str]) = match line.strip_prefix("pub ") {
            Some(line) => (line, &[":"]),
            None => (line, &[",", " {", "("]),
        };
        let (name, rest) = line.split_at(end(line));
        if after.iter().any(|after| rest.starts_with(after)) {
            defined.insert(name);
        }
    }
    defined
}

#[test]
fn every_name_in_the_architecture_document_exists_in_the_code() {
    let mut code = String::new();
    for folder in ["core", "io", "server/src", "sim/src"] {
        sources(&root().join(folder), &mut code);
    }
    let text = read("docs/architecture.md");
    let names = names(&text);
    assert!(names.len() > 40, "only {} names found: the test itself is broken", names.len());
    let defined = defined(&code);
    let missing: Vec<&&str> =
        names.iter().filter(|name| !name.split("::").all(|item| defined.contains(item))).collect();
    assert!(missing.is_empty(), "docs/architecture.md speaks of {missing:?}, which the code does not have");
}

#[test]
fn folders_in_the_architecture_document_are_the_folders_of_the_tree() {
    let text = read("docs/architecture.md");
    for folder in ["core", "io"] {
        for entry in
            fs::read_dir(root().join(folder)).expect(folder).flatten().filter(|entry| entry.path().is_dir())
        {
            let name = entry.file_name().into_string().expect("a name");
            assert!(
                text.contains(&format!("      {name} ")),
                "docs/architecture.md says nothing of {folder}/{name}"
            );
        }
    }
}

#[test]
fn the_configuration_reference_is_what_the_binary_says() {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args(arguments)
            .env_clear()
            .output()
            .expect("tandem runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    };
    let written = format!(
        "# Configuration\n\nWhat is given on the command line wins over the environment, the environment over `tandem.toml`.\n\n\
         ## `tandem serve`\n\n```\n{}\n```\n\n## `tandem demo`\n\n```\n{}\n```\n\n\
         ## `tandem import`\n\n```\n{}\n```\n\n## `tandem export`\n\n```\n{}\n```\n\n## `tandem apply`\n\n```\n{}\n```\n\n\
         ## `tandem trunk doctor`\n\n```\n{}\n```\n\n{}",
        help(&["serve", "--help"]),
        help(&["demo", "--help"]),
        help(&["import", "--help"]),
        help(&["export", "--help"]),
        help(&["apply", "--help"]),
        help(&["trunk", "doctor", "--help"]),
        include_str!("documentation/file.md"),
    );
    is_up_to_date("docs/configuration.md", &written);
}

#[test]
fn the_example_file_is_understood() {
    let text = include_str!("documentation/file.md");
    let example = text.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tandem.toml");
    // A port that nobody can bind, so that the server ends at once, after it has read the file.
    fs::write(
        &path,
        example
            .replace("127.0.0.1:8080", "192.0.2.1:8080")
            .replace("/var/lib/tandem", &folder.path().display().to_string()),
    )
    .expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(["serve", "--config"])
        .arg(&path)
        .output()
        .expect("tandem runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--http 192.0.2.1:8080"), "the example was not read to its end: {said}");
}

#[test]
fn the_openapi_document_is_the_one_that_the_server_gives() {
    let document = serde_json::to_string_pretty(&tandem_api::openapi()).expect("JSON") + "\n";
    is_up_to_date("docs/openapi.json", &document);
}

#[test]
fn every_finding_of_the_doctor_is_in_its_document() {
    let mut written = include_str!("documentation/doctor.md").to_owned();
    for (stage, found) in tandem_model::FINDINGS {
        written += &format!("### {}\n\n", stage.key());
        for diagnosis in *found {
            let (code, meaning, fix) = (diagnosis.code(), diagnosis.meaning(), diagnosis.fix());
            written += &format!("**`{code}`**: {meaning}<br>\n*To do:* {fix}\n\n");
        }
    }
    is_up_to_date("docs/doctor.md", &(written.trim_end().to_owned() + "\n"));
}

#[test]
fn the_events_and_the_kinds_of_alerts_are_documented() {
    let document = tandem_api::openapi();
    let schemas = &document["components"]["schemas"];
    let mut text = include_str!("documentation/events.md").to_owned();
    text += "| kind | what it looks at | raised | cleared | `for_s` |\n|---|---|---|---|---|\n";
    for kind in AlertKind::ALL {
        let AlertDefaults { thresholds, for_s } = kind.defaults();
        let (raised, cleared) = match (thresholds, kind.is_low()) {
            (None, _) => ("so".to_owned(), "not so".to_owned()),
            (Some((bad, well)), true) => (format!("below {bad}"), format!("from {well} on")),
            (Some((bad, well)), false) => (format!("from {bad} on"), format!("down to {well}")),
        };
        text += &format!("| `{}` | {} | {raised} | {cleared} | {for_s} |\n", kind.key(), kind.words());
    }
    text += "\n`loss_high` stands in for a mean opinion score: packets lost before they reached this server, which is what a score \
             would be computed of here.\n\n## All events\n";
    for variant in schemas["Event"]["oneOf"].as_array().expect("variants") {
        let name = variant["properties"]["type"]["enum"][0].as_str().expect("a type");
        text += &format!("\n### `{name}`\n\n{}\n\n", variant["description"].as_str().expect("a description"));
        text += "| field | |\n|---|---|\n";
        let mut data = &variant["properties"]["data"];
        if let Some(inner) = data["allOf"].as_array().and_then(|all| all.first()) {
            data = inner;
        }
        if let Some(reference) = data["$ref"].as_str() {
            data = &document.pointer(&reference[1..]).expect("a schema")["properties"];
        } else {
            data = &data["properties"];
        }
        for (field, property) in
            data.as_object().unwrap_or_else(|| panic!("{name} has no fields: {variant:#}"))
        {
            let words = property["description"].as_str().or(property["oneOf"][0]["description"].as_str());
            let words = words.unwrap_or_else(|| panic!("{name}.{field} is not described"));
            text += &format!("| `{field}` | {} |\n", words.replace('\n', " "));
        }
    }
    is_up_to_date("docs/events.md", &text);
}

fn is_up_to_date(path: &str, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        return fs::write(root().join(path), expected).expect(path);
    }
    let found = fs::read_to_string(root().join(path)).unwrap_or_default();
    assert!(
        found == expected,
        "{path} is out of date; write it anew with: UPDATE=1 cargo test -p tandem --test documentation"
    );
}
