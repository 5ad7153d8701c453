//! What an import or a configuration file would do, to be read before it is done. No secret is ever in it.

use crate::Format;
use serde::Serialize;
use serde_json::Value;
use tandem_model::{Problem, Warning};
use utoipa::ToSchema;
use uuid::Uuid;

/// What stands in a plan for a password, whatever it is.
pub(crate) const HIDDEN: &str = "***";

/// What an import would do.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ImportPlan {
    /// The format that the text was read as.
    pub format: Format,
    /// Whether it was done.
    pub applied: bool,
    /// The things that it makes or changes, in the order of the text.
    pub items: Vec<PlanItem>,
    /// What is to be known of the text as a whole, and of what was left out of it.
    pub notes: Vec<Note>,
    /// Why it cannot be done as it stands; empty when it can.
    pub problems: Vec<Problem>,
}

/// What a configuration file would do to the server.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ConfigurationPlan {
    /// The version of the configuration that it was compared with.
    pub version: u64,
    /// Whether it was done.
    pub applied: bool,
    /// How many things stay as they are.
    pub unchanged: usize,
    /// What is created, changed and deleted.
    pub items: Vec<PlanItem>,
    /// What may not be meant of the configuration as it would be.
    pub warnings: Vec<Warning>,
}

/// One thing of a plan.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct PlanItem {
    /// Its kind, as `trunk`.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// Its id, the one that it will have if it is created.
    pub id: Uuid,
    /// What becomes of it.
    pub action: Action,
    /// Where it begins in the text, from 1; null for what is not in it.
    pub line: Option<usize>,
    /// Its fields. Of an import, every one that it says something of; of a configuration file, those that change.
    pub fields: Vec<FieldPlan>,
    /// What is to be known of it.
    pub notes: Vec<Note>,
}

/// What becomes of a thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Create,
    /// It is there, and changes.
    Change,
    /// It is there, just so.
    Keep,
    /// It is there, and goes.
    Delete,
}

/// One field of a thing.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct FieldPlan {
    /// Its name in the API.
    pub field: String,
    /// What it will be; `***` for a password.
    #[schema(value_type = Value)]
    pub value: Value,
    /// What it is now; null where the thing is new.
    #[schema(value_type = Value)]
    pub before: Value,
    /// Where the value comes from, as `line 4: expire-seconds = 3`.
    pub origin: String,
    /// Why the value is not what was written: what the origin makes of it, or what can be served here.
    pub coerced: Option<String>,
    /// The line in the text.
    #[serde(skip)]
    pub line: Option<usize>,
}

/// Something that a person should know before the plan is done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// Where in the text, from 1; null when it is about no place in particular.
    pub line: Option<usize>,
    /// The parameter or section that it is about.
    pub subject: String,
    /// What is so.
    pub message: String,
}

/// What a note is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// The origin does not take what is written there, and makes something else of it.
    Coerced,
    /// There is nothing like it here. What belongs to a trunk is kept in its `imported_params`.
    NoEquivalent,
    /// Messages on the wire will differ from those of the origin.
    Wire,
    /// A variable that is set elsewhere in the origin was left as it stands.
    Variable,
    /// A part of the text that makes nothing here.
    Skipped,
}
