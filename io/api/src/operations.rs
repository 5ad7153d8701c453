//! The table of operations: what is served and what the OpenAPI document says.

use crate::collections::{COLLECTIONS, Collection};
use crate::live::CALLS;
use crate::params::{Param, ParamKind};
use crate::records::{self, RECORDS};
use axum::http::Method;
use std::sync::LazyLock;
use tandem_model::Kind;

/// What an operation does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    List(&'static Collection),
    Create(&'static Collection),
    Get(&'static Collection),
    Patch(&'static Collection),
    Delete(&'static Collection),
    RegisterNow(&'static Collection),
    Registrations,
    Calls,
    HangUp,
    Records,
    Record,
    Health,
    Metrics,
    OpenApi,
}

/// Who may ask for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// Anybody.
    Open,
    /// Whoever has the token.
    Token,
    /// Whoever has the token, or anybody where [`Options::metrics_open`](crate::Options) says so.
    Metrics,
}

/// What an answer holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    Nothing,
    /// A value of this schema.
    One(&'static str),
    /// A page of such values.
    PageOf(&'static str),
    /// Text of this media type.
    Text(&'static str),
    /// Any JSON.
    Json,
}

/// One operation.
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Its name in generated clients.
    pub(crate) id: String,
    pub(crate) tag: &'static str,
    pub(crate) summary: String,
    pub(crate) action: Action,
    pub(crate) access: Access,
    pub(crate) query: &'static [Param],
    /// The schema of its body, if it takes one.
    pub(crate) body: Option<String>,
    /// What success is: status and content.
    pub(crate) success: (u16, Content),
    /// How it can fail besides the ways that follow from the fields above.
    pub(crate) failures: &'static [u16],
}

/// The parameters of a listing by id.
const PAGE: &[Param] = &[
    Param { name: "limit", description: "How many items a page has at most.", kind: ParamKind::Limit },
    Param { name: "after", description: "`next` of the page before.", kind: ParamKind::Id },
];

const REGISTRATIONS_PAGE: &[Param] = &[
    Param { name: "limit", description: "How many items a page has at most.", kind: ParamKind::Limit },
    Param { name: "after", description: "`next` of the page before; opaque.", kind: ParamKind::Cursor },
];

/// All operations, in the order in which they are documented.
pub(crate) static OPERATIONS: LazyLock<Vec<Operation>> =
    LazyLock::new(|| COLLECTIONS.iter().flat_map(of_collection).chain(of_what_is_live()).chain(of_the_system()).collect());

fn of_collection(of: &'static Collection) -> Vec<Operation> {
    let Collection { one, many, schema, path, .. } = *of;
    let one_path = format!("{path}/{{id}}");
    let token = |method, path: &str, id, summary, action, query, success| {
        let path = path.to_owned();
        Operation { method, path, id, tag: many, summary, action, access: Access::Token, query, body: None, success, failures: &[] }
    };
    let mut operations = vec![
        token(Method::GET, path, format!("list_{many}"), format!("All {many}, oldest first"), Action::List(of), PAGE, (200, Content::PageOf(schema))),
        Operation {
            body: Some(format!("{schema}Create")),
            failures: &[404, 409, 503],
            ..token(Method::POST, path, format!("create_{one}"), format!("Create {} {one}", article(one)), Action::Create(of), &[], (201, Content::One(schema)))
        },
        token(Method::GET, &one_path, format!("get_{one}"), format!("One {one}"), Action::Get(of), &[], (200, Content::One(schema))),
        Operation {
            body: Some(format!("{schema}Patch")),
            failures: &[409, 503],
            ..token(Method::PATCH, &one_path, format!("update_{one}"), format!("Change fields of {} {one}", article(one)), Action::Patch(of), &[], (200, Content::One(schema)))
        },
        Operation {
            failures: &[409, 503],
            ..token(Method::DELETE, &one_path, format!("delete_{one}"), format!("Delete {} {one} that nothing refers to", article(one)), Action::Delete(of), &[], (204, Content::Nothing))
        },
    ];
    if of.kind == Kind::Trunk {
        operations.push(Operation {
            failures: &[409],
            ..token(Method::POST, &format!("{one_path}/register"), format!("register_{one}"), format!("Have a {one} register at once, whatever it waits for"), Action::RegisterNow(of), &[], (202, Content::One(schema)))
        });
    }
    operations
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn of_what_is_live() -> Vec<Operation> {
    let token = |method, path: &str, id: &str, tag, summary: &str, action, query, success| Operation {
        method,
        path: path.to_owned(),
        id: id.to_owned(),
        tag,
        summary: summary.to_owned(),
        action,
        access: Access::Token,
        query,
        body: None,
        success,
        failures: &[],
    };
    vec![
        token(Method::GET, "/v1.0/registrations", "list_registrations", "registrations", "Registrations, ours at providers and those of devices at us", Action::Registrations, REGISTRATIONS_PAGE, (200, Content::PageOf("RegistrationView"))),
        token(Method::GET, CALLS, "list_calls", "calls", "Calls under way, oldest first", Action::Calls, PAGE, (200, Content::PageOf("LiveCall"))),
        token(Method::DELETE, &format!("{CALLS}/{{id}}"), "hang_up_call", "calls", "End a call", Action::HangUp, &[], (204, Content::Nothing)),
        Operation {
            failures: &[404, 503],
            ..token(Method::GET, RECORDS, "list_call_records", "call records", "Records of calls that have ended, newest first", Action::Records, records::PARAMS, (200, Content::PageOf("CallRecord")))
        },
        Operation {
            failures: &[503],
            ..token(Method::GET, &format!("{RECORDS}/{{id}}"), "get_call_record", "call records", "The record of one call", Action::Record, &[], (200, Content::One("CallRecord")))
        },
    ]
}

fn of_the_system() -> Vec<Operation> {
    let get = |path: &str, id: &str, summary: &str, action, access, success| Operation {
        method: Method::GET,
        path: path.to_owned(),
        id: id.to_owned(),
        tag: "system",
        summary: summary.to_owned(),
        action,
        access,
        query: &[],
        body: None,
        success,
        failures: &[],
    };
    let metrics = "Metrics in Prometheus' text format; a setting lets them be read without the token";
    vec![
        get("/health", "get_health", "Whether the server is well; 503 when it serves no calls", Action::Health, Access::Open, (200, Content::One("Health"))),
        get("/metrics", "get_metrics", metrics, Action::Metrics, Access::Metrics, (200, Content::Text("text/plain"))),
        get("/openapi.json", "get_openapi", "This document", Action::OpenApi, Access::Open, (200, Content::Json)),
    ]
}

impl Operation {
    /// Every status of a refusal that it can be answered with, ascending.
    pub(crate) fn refusals(&self) -> Vec<u16> {
        let mut refusals = vec![400, 500];
        if self.access != Access::Open {
            refusals.extend([401, 429]);
        }
        if self.path.contains("{id}") {
            refusals.push(404);
        }
        if self.body.is_some() {
            refusals.extend([408, 413, 415]);
        }
        refusals.extend(self.failures);
        refusals.sort_unstable();
        refusals.dedup();
        refusals
    }
}
