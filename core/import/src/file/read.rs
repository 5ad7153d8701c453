//! A file of ours beside a configuration: what would have to change for the one to be as the other.

use super::names::{Names, id_of};
use super::toml_text::read_table;
use crate::place_of;
use crate::plan::{Action, ConfigurationPlan, FieldPlan, HIDDEN, PlanItem};
use crate::refuse::{Lines, at, line_of, problem, refuse};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tandem_model::{Change, Config, Digits, Entity, Kind, Problem, Rejection, RejectionKind};
use toml::de::{DeTable, DeValue};
use uuid::Uuid;

/// What a file would do, and how it is done.
#[derive(Debug)]
pub struct Reading {
    /// For people.
    pub plan: ConfigurationPlan,
    /// For [`Config::apply`], which has accepted them once.
    pub changes: Vec<Change>,
}

/// One table of the file.
struct Entry {
    kind: Kind,
    line: usize,
    lines: BTreeMap<String, usize>,
    body: Map<String, Value>,
}

impl Entry {
    fn name(&self) -> String {
        let of = |name: &str| self.body.get(name).and_then(Value::as_str);
        of("name")
            .or(of("number"))
            .or(of("username"))
            .or(of("trunk"))
            .or(of("value"))
            .unwrap_or_default()
            .to_owned()
    }

    fn path(&self, field: &str) -> String {
        let dot = if field.is_empty() { "" } else { "." };
        format!("{}[{}]{dot}{field}", self.kind.key(), self.name())
    }

    fn line_of(&self, field: &str) -> Option<usize> {
        let first = field.split(['.', '[']).next().unwrap_or_default();
        let name_only = first.strip_suffix("_id").unwrap_or(first);
        Some(self.lines.get(first).or_else(|| self.lines.get(name_only)).copied().unwrap_or(self.line))
    }

    fn located(&self, found: Problem) -> Problem {
        let message = at(self.line_of(&found.field), &found.message);
        Problem { field: self.path(&found.field), message, ..found }
    }
}

/// Compares a file with the configuration. Every rule is asked, so that what comes back can be done.
pub fn read_configuration(
    text: &str,
    config: &Config,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Result<Reading, Rejection> {
    let mut comparing = Comparing::new(config);
    for entry in entries(text)? {
        comparing.entry(entry, new_id);
    }
    comparing.finish()
}

fn entries(text: &str) -> Result<Vec<Entry>, Rejection> {
    let document = DeTable::parse(text).map_err(|error| {
        let line = error.span().map(|span| line_of(text, span.start));
        let fix = "mend it there: `[[trunk]]` begins a trunk, fields are written `name = \"value\"`";
        // The words of the parser name what is missing and quote nothing.
        let words = error.message().lines().next().unwrap_or_default().to_owned();
        refuse(line, "", "MALFORMED_TOML", format!("this is not TOML: {words}"), fix)
    })?;
    let all_lines = Lines::of(text);
    let mut found: BTreeMap<Kind, Vec<Entry>> = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, value) in document.get_ref() {
        let line = Some(all_lines.at(name.span().start));
        let key = name.get_ref().as_ref();
        let Some(kind) = portable().find(|kind| kind.key() == key) else {
            let known: Vec<String> = portable().map(|kind| format!("`[[{}]]`", kind.key())).collect();
            let fix = format!("known are {}", known.join(", "));
            problems.push(problem(line, key, "UNKNOWN_FIELD", format!("`{key}` is no kind of thing"), fix));
            continue;
        };
        let DeValue::Array(items) = value.get_ref() else {
            let fix = format!("begin each one with `[[{key}]]`");
            problems.push(problem(line, key, "WRONG_TYPE", "this is not a list of tables", fix));
            continue;
        };
        for item in items.iter() {
            let line = all_lines.at(item.span().start);
            let DeValue::Table(table) = item.get_ref() else {
                let fix = format!("begin each one with `[[{key}]]`");
                problems.push(problem(Some(line), key, "WRONG_TYPE", "this is not a table", fix));
                continue;
            };
            let (body, places) = read_table(table);
            let lines = places.into_iter().map(|(name, place)| (name, all_lines.at(place))).collect();
            found.entry(kind).or_default().push(Entry { kind, line, lines, body });
        }
    }
    match problems.is_empty() {
        true => Ok(portable().filter_map(|kind| found.remove(&kind)).flatten().collect()),
        false => Err(Rejection { kind: RejectionKind::Invalid, problems }),
    }
}

/// The kinds that files hold, those first that others refer to.
fn portable() -> impl DoubleEndedIterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| kind.is_portable())
}

/// By what things are known where no id is given.
type Key = (Kind, Option<Uuid>, String);

fn key(entity: &Entity) -> Key {
    let tenant = match entity {
        Entity::Tenant(_) => None,
        // A number of the world has one owner: it may change hands.
        Entity::Number(number)
            if Digits::parse(&number.number).is_some_and(|digits| digits.as_str().len() >= 7) =>
        {
            None
        }
        other => other.tenant_id().map(|tenant| tenant.0),
    };
    let name = match entity {
        Entity::Tenant(tenant) => tenant.slug.clone(),
        Entity::Extension(extension) => extension.number.clone(),
        Entity::Assignment(assignment) => assignment.trunk_id.to_string(),
        Entity::Block(block) => format!("{} {}", block.kind.key(), block.value),
        Entity::Number(number) => Digits::parse(&number.number)
            .map_or_else(|| number.number.clone(), |digits| digits.as_str().to_owned()),
        other => other.label().to_owned(),
    };
    (entity.kind(), tenant, name)
}

struct Comparing<'a> {
    config: &'a Config,
    /// Names of things of the file.
    names: Names,
    /// Things of the configuration that the file has not spoken of yet, by age.
    left: BTreeMap<Key, VecDeque<Uuid>>,
    spoken_of: BTreeSet<(Kind, Uuid)>,
    plan: ConfigurationPlan,
    changes: Vec<Change>,
    /// The entries that changes come from.
    changed: Vec<Option<Entry>>,
    problems: Vec<Problem>,
}

impl<'a> Comparing<'a> {
    fn new(config: &'a Config) -> Comparing<'a> {
        let mut left: BTreeMap<Key, VecDeque<Uuid>> = BTreeMap::new();
        for kind in portable() {
            for entity in config.all(kind) {
                left.entry(key(&entity)).or_default().push_back(entity.id());
            }
        }
        Comparing {
            config,
            names: Names::default(),
            left,
            spoken_of: BTreeSet::new(),
            plan: ConfigurationPlan {
                version: config.version,
                applied: false,
                unchanged: 0,
                items: Vec::new(),
                warnings: Vec::new(),
            },
            changes: Vec::new(),
            changed: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn entry(&mut self, entry: Entry, new_id: &mut dyn FnMut() -> Uuid) {
        let mut body = entry.body.clone();
        if !self.resolve(&entry, &mut body) {
            return;
        }
        let given = match body.remove("id") {
            None => None,
            Some(id) => match id_of(&id) {
                Some(id) => Some(id),
                None => {
                    let fix = "leave it out, or write it as `tandem export` does";
                    let found = Problem::new("id", "BAD_FORMAT", "this is not an id", fix);
                    return self.problems.push(entry.located(found));
                }
            },
        };
        let made = match Entity::create(entry.kind, given.unwrap_or_default(), Value::Object(body.clone())) {
            Ok(made) => made,
            Err(rejection) => {
                return self
                    .problems
                    .extend(rejection.problems.into_iter().map(|found| entry.located(found)));
            }
        };
        let id = match given {
            Some(id) => id,
            None => self.known_as(&key(&made)).unwrap_or_else(new_id),
        };
        if !self.spoken_of.insert((entry.kind, id)) {
            let found = Problem::new("id", "DUPLICATE_VALUE", "another one has this id", "leave it out");
            return self.problems.push(entry.located(found));
        }
        let before = self.config.get(entry.kind, id);
        let stored = before.as_ref().map(Entity::to_stored).unwrap_or_default();
        for field in Entity::SECRETS {
            if let Some(secret) = stored.get(field) {
                body.entry(field).or_insert_with(|| secret.clone());
            }
        }
        match Entity::create(entry.kind, id, Value::Object(body)) {
            Ok(entity) => self.compare(entry, before, entity),
            Err(rejection) => {
                self.problems.extend(rejection.problems.into_iter().map(|found| entry.located(found)))
            }
        }
    }

    /// Puts ids for names; false when something is not there.
    fn resolve(&mut self, entry: &Entry, body: &mut Map<String, Value>) -> bool {
        let tenant = match (body.get("tenant").and_then(Value::as_str), body.get("tenant_id").and_then(id_of))
        {
            (Some(name), _) => self.names.find(Kind::Tenant, None, name),
            (None, id) => id,
        };
        let mut unknown = Vec::new();
        self.names.take_out(body, tenant, "", &mut unknown);
        for (field, kind, name) in &unknown {
            let message = format!("no {} of the file is called `{name}`, or several are", kind.name());
            let fix =
                format!("put `[[{}]]` with this name into the file, or write the id of one", kind.key());
            let found = Problem::new(field.as_str(), "UNKNOWN_REFERENCE", message, fix);
            self.problems.push(entry.located(found));
        }
        unknown.is_empty()
    }

    /// The oldest thing of the configuration that is known as this and was not spoken of.
    fn known_as(&mut self, key: &Key) -> Option<Uuid> {
        let left = self.left.get_mut(key)?;
        loop {
            let id = left.pop_front()?;
            if !self.spoken_of.contains(&(key.0, id)) {
                return Some(id);
            }
        }
    }

    fn compare(&mut self, entry: Entry, before: Option<Entity>, after: Entity) {
        self.names.add(&after);
        if before.as_ref() == Some(&after) {
            self.plan.unchanged += 1;
            return;
        }
        let fields = match &before {
            Some(before) => differences(before, &after, &entry),
            None => given(&entry),
        };
        self.plan.items.push(PlanItem {
            kind: entry.kind.key().to_owned(),
            name: after.label().to_owned(),
            id: after.id(),
            action: if before.is_some() { Action::Change } else { Action::Create },
            line: Some(entry.line),
            fields,
            notes: Vec::new(),
        });
        self.changes.push(Change::Put(after));
        self.changed.push(Some(entry));
    }

    fn finish(mut self) -> Result<Reading, Rejection> {
        if !self.problems.is_empty() {
            return Err(Rejection { kind: RejectionKind::Invalid, problems: self.problems });
        }
        for kind in portable().rev() {
            for entity in self.config.all(kind) {
                if self.spoken_of.contains(&(kind, entity.id())) {
                    continue;
                }
                self.plan.items.push(PlanItem {
                    kind: kind.key().to_owned(),
                    name: entity.label().to_owned(),
                    id: entity.id(),
                    action: Action::Delete,
                    line: None,
                    fields: Vec::new(),
                    notes: Vec::new(),
                });
                self.changes.push(Change::Delete(kind, entity.id()));
                self.changed.push(None);
            }
        }
        match self.config.apply(&self.changes) {
            Ok(after) => self.plan.warnings = after.warnings(),
            Err(rejection) => {
                let located = rejection.problems.into_iter().map(|found| self.located(found)).collect();
                return Err(Rejection { kind: rejection.kind, problems: located });
            }
        }
        Ok(Reading { plan: self.plan, changes: self.changes })
    }

    fn located(&self, found: Problem) -> Problem {
        let (position, field) = place_of(&found.field).unwrap_or((0, &found.field));
        match (self.changed.get(position), self.plan.items.get(position)) {
            (Some(Some(entry)), _) => entry.located(Problem { field: field.to_owned(), ..found }),
            (Some(None), Some(item)) => Problem { field: format!("{}[{}]", item.kind, item.name), ..found },
            _ => found,
        }
    }
}

fn differences(before: &Entity, after: &Entity, entry: &Entry) -> Vec<FieldPlan> {
    let (old, new) = (before.to_json(), after.to_json());
    let mut fields = Vec::new();
    for (name, value) in new.as_object().into_iter().flatten() {
        if old.get(name) != Some(value) {
            let before = old.get(name).cloned().unwrap_or_default();
            fields.push(field(entry, name, value.clone(), before));
        }
    }
    let (old, new) = (before.to_stored(), after.to_stored());
    for secret in Entity::SECRETS.into_iter().filter(|secret| old.get(secret) != new.get(secret)) {
        fields.push(field(entry, secret, HIDDEN.into(), Value::Null));
    }
    fields
}

fn given(entry: &Entry) -> Vec<FieldPlan> {
    let shown = |(name, value): (&String, &Value)| {
        let is_secret = Entity::SECRETS.contains(&name.as_str());
        let value = if is_secret { HIDDEN.into() } else { value.clone() };
        field(entry, name, value, Value::Null)
    };
    entry.body.iter().map(shown).collect()
}

fn field(entry: &Entry, name: &str, value: Value, before: Value) -> FieldPlan {
    let line = entry.lines.get(name).or_else(|| entry.lines.get(name.strip_suffix("_id")?)).copied();
    let origin = line.map_or_else(|| "the default".to_owned(), |line| format!("line {line}"));
    FieldPlan { field: name.to_owned(), value, before, origin, coerced: None, line }
}
