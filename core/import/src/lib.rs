//! Configurations as text. [`import`] reads those of FreeSWITCH, Asterisk, MikoPBX and VoIPBIN and makes a plan of each: every field
//! with its origin, what was corrected as the origin does it, what has no equivalent here and what will change on the wire.
//! [`read_configuration`] compares a file of our own with a configuration, [`write_configuration`] writes one.
//!
//! Text in, plans and [`Change`]s out: nothing here reads a file or changes anything.

mod asterisk;
mod coerce;
mod draft;
mod file;
mod freeswitch;
mod ini;
mod mikopbx;
mod pjsip;
mod plan;
mod refuse;
mod voipbin;

use crate::draft::Draft;
use crate::refuse::refuse;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tandem_model::{Change, Config, Digits, Entity, Kind, Problem, Rejection, RejectionKind};
use utoipa::ToSchema;
use uuid::Uuid;

pub use file::{Reading, read_configuration, write_configuration};
pub use plan::{Action, ConfigurationPlan, FieldPlan, ImportPlan, Note, NoteKind, PlanItem};

/// The shortest registration that a trunk may ask for that comes from elsewhere, seconds; what is made here asks for 60 at least.
pub(crate) const LEAST_EXPIRES: u32 = 5;

/// Whether a registration is asked for so briefly that it is taken for its origin's sake only.
pub(crate) fn is_short(expires: &str) -> bool {
    expires.trim().parse().is_ok_and(|seconds: u32| seconds < 60)
}

/// A format that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Gateways of FreeSWITCH, XML.
    FreeSwitch,
    /// `pjsip.conf` of Asterisk.
    Asterisk,
    /// The additional parameters of a MikoPBX provider: `[registration-auth]`, `[registration]`, `[endpoint-auth]`, `[identify]`,
    /// `[aor]`, `[endpoint]`.
    MikoPbx,
    /// JSON with `providers`, `routes`, `extensions` and `numbers` as VoIPBIN has them.
    Voipbin,
}

impl Format {
    /// All of them by name.
    pub const ALL: [(&'static str, Format); 4] = [
        ("freeswitch", Format::FreeSwitch),
        ("asterisk", Format::Asterisk),
        ("mikopbx", Format::MikoPbx),
        ("voipbin", Format::Voipbin),
    ];

    /// The format of a text, by what it looks like.
    pub fn detect(text: &str) -> Result<Format, Rejection> {
        let front = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        if front.starts_with('<') {
            return Ok(Format::FreeSwitch);
        }
        if front.starts_with('{') {
            return Ok(Format::Voipbin);
        }
        let unknown = |message: &str, fix: &str| Err(refuse(None, "format", "UNKNOWN_FORMAT", message, fix));
        let is_ours = |line: &str| {
            line.trim()
                .strip_prefix("[[")
                .and_then(|rest| rest.strip_suffix("]]"))
                .is_some_and(|key| Kind::ALL.iter().any(|kind| kind.key() == key))
        };
        if text.lines().any(is_ours) {
            return unknown("this is a configuration of Tandem itself", "give it to `tandem apply`");
        }
        match ini::sections(text) {
            Ok(sections) if !sections.is_empty() => Ok(match mikopbx::looks_like(&sections) {
                true => Format::MikoPbx,
                false => Format::Asterisk,
            }),
            _ => unknown(
                "this looks like no format that is known",
                "give gateways of FreeSWITCH (XML), a pjsip.conf, additional parameters of a MikoPBX provider, or JSON as VoIPBIN's; or name the format",
            ),
        }
    }
}

/// What is to be imported.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The text.
    pub text: &'a str,
    /// Its format; none: by what it looks like.
    pub format: Option<Format>,
    /// The trunk that additional parameters of a MikoPBX provider are for.
    pub name: Option<&'a str>,
}

/// What an import would do, and how it is done.
#[derive(Debug)]
pub struct Import {
    /// For people.
    pub plan: ImportPlan,
    /// For [`Config::apply`]; none when the plan has problems.
    pub changes: Vec<Change>,
    /// Why not, if so.
    pub refusal: Option<Rejection>,
}

/// What a format makes of a text.
pub(crate) struct Read {
    pub drafts: Vec<Draft>,
    pub notes: Vec<Note>,
}

/// Makes a plan of a text. A text that cannot be read at all is refused; what is wrong with a part of it stands in the plan.
pub fn import(
    request: &Request,
    config: &Config,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Result<Import, Rejection> {
    let format = match request.format {
        Some(format) => format,
        None => Format::detect(request.text)?,
    };
    let Read { drafts, notes } = match format {
        Format::FreeSwitch => freeswitch::read(request.text)?,
        Format::Asterisk => asterisk::read(request.text)?,
        Format::MikoPbx => mikopbx::read(request.text, request.name, config)?,
        Format::Voipbin => voipbin::read(request.text)?,
    };
    let mut plan = ImportPlan { format, applied: false, items: Vec::new(), notes, problems: Vec::new() };
    if drafts.is_empty() {
        let fix = "mend what the notes say, and import it again";
        let mut problem = Problem::new("", "NOTHING_TO_IMPORT", "nothing of this text can be imported", fix);
        for note in &plan.notes {
            problem.message += &format!("; {} ({})", refuse::at(note.line, &note.message), note.subject);
        }
        plan.problems.push(problem);
    }
    let mut changes = Vec::new();
    let mut changed = Vec::new();
    // Things of the same text that others of it refer to, by the id that they have there.
    let mut known: BTreeMap<(Kind, String), Uuid> = BTreeMap::new();
    for mut draft in drafts {
        draft.resolve(&known, config);
        let existing = existing(&draft, config);
        let (item, outcome, draft) = draft.settle(existing, new_id);
        for alias in &draft.aliases {
            known.insert((draft.kind, alias.clone()), item.id);
        }
        match outcome {
            Ok(change) if item.action != Action::Keep => {
                changes.push(change);
                changed.push(draft);
            }
            Ok(_) => {}
            Err(problems) => plan.problems.extend(problems),
        }
        plan.items.push(item);
    }
    let mut kind = RejectionKind::Invalid;
    if plan.problems.is_empty()
        && let Err(rejection) = config.apply(&changes)
    {
        kind = rejection.kind;
        plan.problems = rejection.problems.into_iter().map(|problem| locate(problem, &changed)).collect();
    }
    let refusal = (!plan.problems.is_empty()).then(|| Rejection { kind, problems: plan.problems.clone() });
    if refusal.is_some() {
        changes.clear();
    }
    Ok(Import { plan, changes, refusal })
}

/// `[2].port` of a refused change, told with the name and the line of what it is about.
fn locate(problem: Problem, changed: &[Draft]) -> Problem {
    let (position, field) = place_of(&problem.field).unwrap_or((0, &problem.field));
    match changed.get(position) {
        Some(draft) => {
            let field = field.to_owned();
            draft.located(Problem { field, ..problem })
        }
        None => problem,
    }
}

/// The position of a change and the field of it in the path of a problem.
pub(crate) fn place_of(path: &str) -> Option<(usize, &str)> {
    let (position, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((position.parse().ok()?, rest.strip_prefix('.').unwrap_or(rest)))
}

/// What is there already under the name of a draft.
fn existing(draft: &Draft, config: &Config) -> Option<Entity> {
    match draft.kind {
        Kind::Trunk => {
            let slug = draft.text("slug").and_then(|slug| config.trunk_by_slug(slug));
            slug.or_else(|| config.trunk_by_name(None, &draft.name)).cloned().map(Entity::Trunk)
        }
        Kind::Extension => {
            config.extension_by_username(None, draft.text("username")?).cloned().map(Entity::Extension)
        }
        Kind::Number => {
            let digits = Digits::parse(draft.text("number")?)?;
            config.number(None, digits.as_str()).cloned().map(Entity::Number)
        }
        Kind::Route => {
            let same = |route: &&std::sync::Arc<_>| -> bool {
                let route: &tandem_model::Route = route;
                route.tenant_id.is_none() && route.name == draft.name
            };
            config.routes.values().find(same).cloned().map(Entity::Route)
        }
        _ => None,
    }
}

/// Trunks as gateways of FreeSWITCH, but for their passwords.
pub fn write_gateways(config: &Config) -> String {
    freeswitch::write(config)
}
