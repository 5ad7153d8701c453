//! Texts of other systems and of our own, and what becomes of them.

mod asterisk;
mod files;
mod freeswitch;
mod mikopbx;
mod round_trip;
mod voipbin;

use serde_json::Value;
use tandem_import::{Format, Import, ImportPlan, Note, NoteKind, PlanItem, Request, import};
use tandem_model::{Config, Kind};
use uuid::Uuid;

/// Ids that rise.
pub(crate) struct Ids(u64);

impl Ids {
    pub(crate) fn new() -> Ids {
        Ids(0)
    }

    pub(crate) fn make(&mut self) -> Uuid {
        self.0 += 1;
        uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000 + self.0, &[7; 10]).into_uuid()
    }
}

pub(crate) fn plan_in(config: &Config, text: &str, format: Option<Format>, name: Option<&str>) -> Import {
    let mut ids = Ids(config.version * 1_000);
    import(&Request { text, format, name }, config, &mut || ids.make()).expect("it is read")
}

/// The plan of a text that can be done.
#[track_caller]
pub(crate) fn plan(text: &str) -> ImportPlan {
    let import = plan_in(&Config::default(), text, None, None);
    assert_eq!(import.plan.problems, [], "{:#?}", import.plan);
    import.plan
}

/// A configuration with a text imported.
#[track_caller]
pub(crate) fn imported_into(config: &Config, text: &str) -> Config {
    let import = plan_in(config, text, None, None);
    assert_eq!(import.refusal, None, "{:#?}", import.plan);
    config.apply(&import.changes).expect("the plan was checked")
}

#[track_caller]
pub(crate) fn imported(text: &str) -> Config {
    imported_into(&Config::default(), text)
}

/// Everything of a configuration, ids left out.
pub(crate) fn shown(config: &Config) -> Vec<Value> {
    let without_id = |mut value: Value| {
        value.as_object_mut().expect("an object").remove("id");
        value
    };
    Kind::ALL.iter().flat_map(|kind| config.all(*kind)).map(|entity| without_id(entity.to_stored())).collect()
}

/// What the plan makes of a field, and why it is not what was written.
#[track_caller]
pub(crate) fn field<'a>(item: &'a PlanItem, name: &str) -> (&'a Value, Option<&'a str>) {
    let field = item.fields.iter().find(|field| field.field == name);
    let field = field.unwrap_or_else(|| panic!("the plan says nothing of {name}: {item:#?}"));
    (&field.value, field.coerced.as_deref())
}

/// Notes of a kind, by subject.
pub(crate) fn subjects(notes: &[Note], kind: NoteKind) -> Vec<&str> {
    notes.iter().filter(|note| note.kind == kind).map(|note| note.subject.as_str()).collect()
}

#[test]
fn formats_are_told_by_what_they_look_like() {
    for (text, format) in [
        ("  <include/>", Format::FreeSwitch),
        ("\u{feff}<gateway/>", Format::FreeSwitch),
        ("{ \"providers\": [] }", Format::Voipbin),
        ("[a]\ntype=endpoint", Format::Asterisk),
        ("; x\n[endpoint]\nfrom_user=1", Format::MikoPbx),
        ("[endpoint]\ntype=endpoint", Format::Asterisk),
    ] {
        assert_eq!(Format::detect(text).unwrap(), format, "{text}");
    }
    for text in ["", "hello", "[[trunk]]\nname = \"x\"", "key = value"] {
        let rejection = Format::detect(text).unwrap_err();
        assert_eq!(rejection.problems[0].reason, "UNKNOWN_FORMAT", "{text}");
    }
}
