//! What a routing decision would be, and why: the question and its answer.

use crate::findings::Findings;
use crate::read;
use crate::{
    Config, Entity, ExtensionId, Forwarded, Kind, Rejection, RejectionKind, RouteId, TenantId, TrunkId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// A call that might be made.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The number that is dialled, or, of a call over a trunk, called.
    pub number: String,
    /// The extension that dials it; or else give `trunk_id`.
    #[serde(default)]
    pub extension_id: Option<ExtensionId>,
    /// The trunk that the call comes over; or else give `extension_id`.
    #[serde(default)]
    pub trunk_id: Option<TrunkId>,
    /// The calling number of a call over a trunk; of a call by an extension, the number that it asks to be shown as.
    #[serde(default)]
    pub caller: Option<String>,
    /// When, milliseconds since the Unix epoch; empty: now.
    #[serde(default)]
    pub at: Option<u64>,
}

impl Question {
    /// Reads a question strictly; who makes the call must be in `config`, and known to who asks.
    pub fn read(
        body: Value,
        config: &Config,
        knows: impl Fn(&Entity) -> bool,
    ) -> Result<Question, Rejection> {
        let is_there = |kind, id| config.get(kind, id).is_some_and(|entity| knows(&entity));
        let question: Question = read::read(body).map_err(|fault| {
            let path = fault.path().to_owned();
            Rejection { kind: RejectionKind::Invalid, problems: vec![fault.problem(Kind::Route, &path)] }
        })?;
        let mut findings = Findings::default();
        let plain = |text: &str| text.chars().count() <= LONGEST && !text.chars().any(char::is_control);
        if question.number.is_empty() || !plain(&question.number) {
            let fix = "give what is dialled, as `+15551234567`, in at most 128 characters";
            findings.invalid("number", "BAD_FORMAT", "this cannot be dialled", fix);
        }
        if !question.caller.as_deref().is_none_or(plain) {
            let fix = "give a number, as `+15551234567`, in at most 128 characters";
            findings.invalid("caller", "BAD_FORMAT", "this is no calling number", fix);
        }
        match (question.extension_id, question.trunk_id) {
            (Some(id), None) if !is_there(Kind::Extension, id.0) => {
                let message = format!("there is no extension {id}");
                findings.invalid(
                    "extension_id",
                    "UNKNOWN_EXTENSION",
                    message,
                    "give the id of an extension that exists",
                );
            }
            (None, Some(id)) if !is_there(Kind::Trunk, id.0) => {
                let message = format!("there is no trunk {id}");
                findings.invalid("trunk_id", "UNKNOWN_TRUNK", message, "give the id of a trunk that exists");
            }
            (Some(_), Some(_)) => {
                let message = "a call is made by an extension or comes over a trunk, not both";
                findings.invalid(
                    "trunk_id",
                    "CONFLICTING_FIELDS",
                    message,
                    "give only one of `extension_id` and `trunk_id`",
                );
            }
            (None, None) => {
                let fix = "give `extension_id`, or `trunk_id` for a call that comes in";
                findings.invalid("extension_id", "REQUIRED", "nobody is named who makes the call", fix);
            }
            _ => {}
        }
        findings.into_result(question, 1)
    }
}

/// Characters of a number at most.
const LONGEST: usize = 128;

/// What would become of the call, by the same code that routes calls.
#[derive(Clone, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct Explanation {
    /// Whose call it is; null: the system's.
    pub tenant_id: Option<TenantId>,
    /// The moment that was asked for, milliseconds since the Unix epoch.
    pub at: u64,
    /// The status that the caller would be refused with; null: somebody is tried.
    pub code: Option<u16>,
    /// Why it is refused: a stable code in upper snake case.
    pub reason: Option<String>,
    /// Why it is refused, in words.
    pub message: Option<String>,
    /// Every rule and trunk that was looked at, in order.
    pub steps: Vec<Looked>,
    /// Who would be tried, in order; the next one if the one before fails.
    pub tries: Vec<Try>,
}

/// One rule or trunk that was looked at.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Looked {
    /// What it is: `route`, `inbound_route`, `number` or `extension`, or what forbids the call, as `tenant`, `block` or `class_of_service`.
    pub kind: String,
    /// Which one.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// The step of a route, from 1.
    pub step: Option<u32>,
    /// The trunk of that step.
    pub trunk_id: Option<TrunkId>,
    /// It takes part in the decision.
    pub kept: bool,
    /// Why, in words.
    pub why: String,
}

/// Somebody who would be tried.
#[derive(Clone, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct Try {
    /// The extension that would ring.
    pub extension_id: Option<ExtensionId>,
    /// The trunk that the call would go out over.
    pub trunk_id: Option<TrunkId>,
    /// What the extension or the trunk is called.
    pub name: String,
    /// The route that chose the trunk.
    pub route_id: Option<RouteId>,
    /// The step of that route, from 1.
    pub step: Option<u32>,
    /// The extension that would forward the call there, and why; it is tried if that happens, and not after what stands before it.
    pub forwarded: Option<Forwarded>,
    /// The number that would be sent.
    pub number: String,
    /// How long it would be given to ring and to answer, seconds.
    pub timeout: u32,
    /// The status that ends the call here, where nobody is tried any more.
    pub code: Option<u16>,
    /// The Request-URI of the INVITE; null where nothing could be sent now.
    pub request_uri: Option<String>,
    /// Its From.
    pub from: Option<String>,
    /// What else it would say of the caller, as `P-Asserted-Identity: <sip:...>`.
    pub identity: Vec<String>,
    /// What would be attested of the caller where the call is signed: `A`, `B` or `C`.
    pub attestation: Option<String>,
}
