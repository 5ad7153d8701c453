//! One thing that an import makes, while it is being put together.

use crate::plan::{Action, FieldPlan, HIDDEN, Note, NoteKind, PlanItem};
use crate::refuse::{at, problem};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use tandem_model::{Change, Config, Entity, Kind, Problem, Rejection, Trunk};
use uuid::Uuid;

/// Where a value stands in the text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    line: Option<usize>,
    words: String,
}

impl Source {
    /// A parameter and its value as written; a value that could be a secret is left out.
    pub fn written(line: usize, name: &str, value: &str) -> Source {
        let words = match is_secret(name) {
            true => format!("line {line}: {name}"),
            false => format!("line {line}: {name} = {value}"),
        };
        Source { line: Some(line), words }
    }

    /// What the origin does where nothing is written.
    pub fn default_of(origin: &str) -> Source {
        Source { line: None, words: format!("{origin}'s default") }
    }
}

/// Whether a parameter's value may not be shown.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "secret", "cred", "token", "private"].iter().any(|word| name.contains(word))
}

/// A thing under way.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub kind: Kind,
    pub name: String,
    pub line: usize,
    body: Map<String, Value>,
    fields: Vec<FieldPlan>,
    notes: Vec<Note>,
    problems: Vec<Problem>,
    kept: Map<String, Value>,
    /// What else of the same text may call it.
    pub aliases: Vec<String>,
    references: Vec<Reference>,
}

/// A field that names another thing.
#[derive(Clone, Debug)]
struct Reference {
    field: String,
    kind: Kind,
    name: String,
    source: Source,
}

impl Draft {
    pub fn new(kind: Kind, name: &str, line: usize) -> Draft {
        Draft {
            kind,
            name: name.to_owned(),
            line,
            body: Map::new(),
            fields: Vec::new(),
            notes: Vec::new(),
            problems: Vec::new(),
            kept: Map::new(),
            aliases: vec![name.to_owned()],
            references: Vec::new(),
        }
    }

    /// Sets a field; a second time replaces the first.
    pub fn set(&mut self, field: &str, value: impl Into<Value>, from: &Source) {
        self.put(field, value.into(), from, None);
    }

    /// Sets a field to something else than was written, and says why.
    pub fn coerce(&mut self, field: &str, value: impl Into<Value>, from: &Source, why: impl Into<String>) {
        self.put(field, value.into(), from, Some(why.into()));
    }

    fn put(&mut self, field: &str, value: Value, from: &Source, coerced: Option<String>) {
        let shown = if Entity::SECRETS.contains(&field) { HIDDEN.into() } else { value.clone() };
        let origin = from.words.clone();
        let plan = FieldPlan {
            field: field.to_owned(),
            value: shown,
            before: Value::Null,
            origin,
            coerced,
            line: from.line,
        };
        match self.fields.iter_mut().find(|known| known.field == field) {
            Some(known) => *known = plan,
            None => self.fields.push(plan),
        }
        self.body.insert(field.to_owned(), value);
    }

    /// Lets a field of the thing that is there be seen, without setting it.
    pub fn assume(&mut self, field: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.body.insert(field.to_owned(), value.into());
        }
    }

    /// Takes back what was assumed and not set since.
    pub fn forget_assumed(&mut self, trunk: &Trunk) {
        for (field, value) in [("username", trunk.username.as_deref()), ("host", trunk.host.as_deref())] {
            let set = self.fields.iter().any(|known| known.field == field);
            if !set && self.text(field) == value {
                self.body.remove(field);
            }
        }
        for (name, value) in &trunk.imported_params {
            self.kept.entry(name.clone()).or_insert_with(|| value.as_str().into());
        }
        // What is named of the trunk finds it, whatever it is called.
        self.body.insert("slug".to_owned(), trunk.slug.as_str().into());
    }

    /// Sets a field unless it is set already.
    pub fn set_default(&mut self, field: &str, value: impl Into<Value>, from: &Source) {
        if !self.body.contains_key(field) {
            self.set(field, value, from);
        }
    }

    /// Sets a field to another thing, once it is known which.
    pub fn refer(&mut self, field: &str, kind: Kind, name: &str, source: &Source) {
        let (field, name, source) = (field.to_owned(), name.to_owned(), source.clone());
        self.references.push(Reference { field, kind, name, source });
    }

    /// Finds what it refers to: in the same text, then in the configuration.
    pub fn resolve(&mut self, known: &BTreeMap<(Kind, String), Uuid>, config: &Config) {
        for Reference { field, kind, name, source } in std::mem::take(&mut self.references) {
            let there = || match kind {
                Kind::Trunk => config
                    .trunk_by_name(None, &name)
                    .or_else(|| config.trunk_by_slug(&name))
                    .map(|trunk| trunk.id.0),
                Kind::Extension => config.extension_by_username(None, &name).map(|extension| extension.id.0),
                _ => None,
            };
            let by_id = || name.parse().ok().filter(|id| config.get(kind, *id).is_some());
            match known.get(&(kind, name.clone())).copied().or_else(there).or_else(by_id) {
                Some(id) => self.set(&field, id.to_string(), &source),
                None => {
                    let message =
                        format!("there is no {} `{name}`, neither here nor on the server", kind.name());
                    let fix = "put it into the same text, or write the name of one that is there";
                    self.problem(source.line, &field, "UNKNOWN_REFERENCE", &message, fix);
                }
            }
        }
    }

    /// Whether there is such a field.
    pub fn knows(&self, field: &str) -> bool {
        knows(self.kind, field)
    }

    /// What was set.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.body.get(field).filter(|value| !value.is_null())
    }

    /// The text that was set.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.get(field).and_then(Value::as_str)
    }

    pub fn note(&mut self, kind: NoteKind, line: Option<usize>, subject: &str, message: impl Into<String>) {
        self.notes.push(Note { kind, line, subject: subject.to_owned(), message: message.into() });
    }

    /// A parameter that has no equivalent: it is named, and a trunk keeps it.
    pub fn keep(&mut self, origin: &str, line: usize, name: &str, value: &str, message: impl Into<String>) {
        self.note(NoteKind::NoEquivalent, Some(line), name, message);
        self.remember(origin, name, value);
    }

    /// A trunk keeps what was said of it.
    pub fn remember(&mut self, origin: &str, name: &str, value: &str) {
        let secret = is_secret(name) || value.is_empty();
        let key = format!("{origin}.{name}");
        let legal = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if self.kind == Kind::Trunk
            && !secret
            && key.len() <= 64
            && key.chars().all(legal)
            && self.kept.len() < 64
        {
            let value: String = value.chars().filter(|c| !c.is_control()).take(255).collect();
            self.kept.insert(key, value.into());
        }
    }

    pub fn problem(
        &mut self,
        line: Option<usize>,
        field: &str,
        reason: &'static str,
        message: &str,
        fix: &str,
    ) {
        let (field, line) = (self.path(field), line.or(Some(self.line)));
        self.problems.push(problem(line, field, reason, message, fix));
    }

    fn path(&self, field: &str) -> String {
        let dot = if field.is_empty() { "" } else { "." };
        format!("{}[{}]{dot}{field}", self.kind.key(), self.name)
    }

    /// A problem that the model found, told with the line that it comes from.
    pub fn located(&self, problem: Problem) -> Problem {
        let first = problem.field.split(['.', '[']).next().unwrap_or_default();
        let line = self.fields.iter().find(|field| field.field == first).and_then(|field| field.line);
        let message = at(Some(line.unwrap_or(self.line)), &problem.message);
        Problem { field: self.path(&problem.field), message, ..problem }
    }

    /// The body as it would be sent to the API.
    pub fn body(&self) -> Map<String, Value> {
        let mut body = self.body.clone();
        if !self.kept.is_empty() || self.kind == Kind::Trunk {
            body.entry("imported_params").or_insert_with(|| Value::Object(self.kept.clone()));
        }
        body
    }

    /// What becomes of it: the change, and how it is told. Of a thing that is there, what the text does not speak of stays.
    pub fn settle(
        mut self,
        existing: Option<Entity>,
        new_id: &mut dyn FnMut() -> Uuid,
    ) -> (PlanItem, Result<Change, Vec<Problem>>, Draft) {
        let id = existing.as_ref().map_or_else(new_id, Entity::id);
        let body = self.body();
        let made = match &existing {
            Some(entity) => entity.patch(replacing(entity, body)),
            None => Entity::create(self.kind, id, Value::Object(body)),
        };
        let before = existing.as_ref().map(Entity::to_json);
        for field in &mut self.fields {
            if let Some(before) = before.as_ref().filter(|_| !Entity::SECRETS.contains(&field.field.as_str()))
            {
                field.before = before.get(&field.field).cloned().unwrap_or_default();
            }
        }
        let action = match (&existing, &made) {
            (None, _) => Action::Create,
            (Some(entity), Ok(made)) if entity == made => Action::Keep,
            (Some(_), _) => Action::Change,
        };
        let outcome = match made {
            Ok(entity) if self.problems.is_empty() => Ok(Change::Put(entity)),
            made => {
                let mut problems = std::mem::take(&mut self.problems);
                if let Err(Rejection { problems: found, .. }) = made {
                    problems.extend(found.into_iter().map(|problem| self.located(problem)));
                }
                Err(problems)
            }
        };
        let item = PlanItem {
            kind: self.kind.key().to_owned(),
            name: self.name.clone(),
            id,
            action,
            line: Some(self.line),
            fields: self.fields.clone(),
            notes: std::mem::take(&mut self.notes),
        };
        (item, outcome, self)
    }
}

/// A merge patch that replaces maps as a whole.
fn replacing(entity: &Entity, mut body: Map<String, Value>) -> Value {
    let Value::Object(before) = entity.to_json() else { return Value::Object(body) };
    for (field, value) in &mut body {
        if let (Value::Object(new), Some(Value::Object(old))) = (value, before.get(field)) {
            for name in old.keys() {
                new.entry(name.clone()).or_insert(Value::Null);
            }
        }
    }
    Value::Object(body)
}

/// Whether things of this kind have such a field.
pub(crate) fn knows(kind: Kind, field: &str) -> bool {
    static TRUNK: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let body = serde_json::json!({ "name": "-" });
        match Entity::create(Kind::Trunk, Uuid::nil(), body).map(|entity| entity.to_json()) {
            Ok(Value::Object(fields)) => fields.into_iter().map(|(name, _)| name).collect(),
            _ => BTreeSet::new(),
        }
    });
    kind != Kind::Trunk || TRUNK.contains(field)
}
