//! The table of operations: what is served and what the OpenAPI document says.

use crate::body::{MAX_BODY, MAX_TEXT};
use crate::collections::{COLLECTIONS, Collection};
use crate::configuration::{self, CONFIGURATION, IMPORT};
use crate::events::{self, EVENTS};
use crate::live::CALLS;
use crate::params::{Param, ParamKind};
use crate::provisioning::{self, AVAILABLE};
use crate::records::{self, RECORDS};
use axum::http::Method;
use std::sync::LazyLock;
use std::time::Duration;
use tandem_model::Kind;

/// An examination of a trunk listens to a call, and ends by itself.
const EXAMINATION: Duration = Duration::from_secs(150);
/// The configuration of a large server takes its time to be compared and to be written.
const WHOLE_CONFIGURATION: Duration = Duration::from_secs(600);

/// What an operation does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    List(&'static Collection),
    Create(&'static Collection),
    Get(&'static Collection),
    Patch(&'static Collection),
    Delete(&'static Collection),
    RegisterNow(&'static Collection),
    Examine(&'static Collection),
    Quality(&'static Collection),
    AvailableNumbers,
    Buy,
    Release,
    Alerts,
    Registrations,
    Calls,
    HangUp,
    Explain,
    Me,
    Presets,
    Events,
    Records,
    Record,
    Messages,
    Export,
    Import,
    Plan,
    Apply,
    Warnings,
    Health,
    Metrics,
    OpenApi,
}

/// Who may ask for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// Anybody.
    Open,
    /// Whoever has a token and a role that may.
    Token,
    /// The same, or anybody where [`Options::metrics_open`](crate::Options) says so.
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
    /// Any JSON object.
    Json,
    /// Server-Sent Events.
    EventStream,
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

const OPAQUE_PAGE: &[Param] = &[
    Param { name: "limit", description: "How many items a page has at most.", kind: ParamKind::Limit },
    Param { name: "after", description: "`next` of the page before; opaque.", kind: ParamKind::Cursor },
];

/// All operations, in the order in which they are documented.
pub(crate) static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    COLLECTIONS
        .iter()
        .flat_map(of_collection)
        .chain(of_what_is_live())
        .chain(of_configurations())
        .chain(of_the_system())
        .collect()
});

fn of_collection(of: &'static Collection) -> Vec<Operation> {
    let Collection { one, many, schema, path, .. } = *of;
    let a = if one.starts_with(['a', 'e']) { "an" } else { "a" };
    let listing =
        |method, id: &str, summary: &str, action| Operation::new(method, path, id, many, summary, action);
    let by_id = format!("{path}/{{id}}");
    let single = |method, verb: &str, summary: &str, action| {
        Operation::new(method, &by_id, &format!("{verb}_{one}"), many, summary, action)
    };
    let mut operations = vec![
        listing(Method::GET, &format!("list_{many}"), &format!("All {many}, oldest first"), Action::List(of))
            .asking(PAGE)
            .answering(200, Content::PageOf(schema)),
        listing(Method::POST, &format!("create_{one}"), &format!("Create {a} {one}"), Action::Create(of))
            .reading(format!("{schema}Create"))
            .answering(201, Content::One(if of.kind == Kind::Token { "TokenIssued" } else { schema }))
            .failing(&[409]),
        single(Method::GET, "get", &format!("One {one}"), Action::Get(of))
            .answering(200, Content::One(schema)),
        single(Method::PATCH, "update", &format!("Change fields of {a} {one}"), Action::Patch(of))
            .reading(format!("{schema}Patch"))
            .answering(200, Content::One(schema))
            .failing(&[409]),
        single(
            Method::DELETE,
            "delete",
            &format!("Delete {a} {one} that nothing refers to"),
            Action::Delete(of),
        )
        .answering(204, Content::Nothing)
        .failing(&[409]),
    ];
    if of.kind == Kind::Trunk {
        let (path, id) = (format!("{by_id}/register"), format!("register_{one}"));
        let summary = format!("Have a {one} register at once, whatever it waits for");
        let register = Operation::new(Method::POST, &path, &id, many, &summary, Action::RegisterNow(of));
        operations.push(register.answering(202, Content::One(schema)).failing(&[409]));
        let (path, id) = (format!("{by_id}/doctor"), format!("examine_{one}"));
        let summary = format!(
            "Examine a {one} from DNS to sound and say what is wrong and what to change; takes up to two minutes"
        );
        let examine = Operation::new(Method::POST, &path, &id, many, &summary, Action::Examine(of));
        let examine = examine.reading("Examination".to_owned()).answering(200, Content::One("ExamReport"));
        operations.push(examine.failing(&[409, 429]));
        let (path, id) = (format!("{by_id}/quality"), format!("get_{one}_quality"));
        let summary = format!("How well calls go over a {one}");
        let quality = Operation::new(Method::GET, &path, &id, many, &summary, Action::Quality(of));
        operations.push(quality.answering(200, Content::One("TrunkQuality")));
    }
    if of.kind == Kind::Number {
        let get = "Numbers of the inventory that a tenant may buy, oldest first";
        let search = Operation::new(
            Method::GET,
            AVAILABLE,
            "list_available_numbers",
            many,
            get,
            Action::AvailableNumbers,
        );
        operations
            .push(search.asking(provisioning::SEARCH).answering(200, Content::PageOf("AvailableNumber")));
        let post = |verb: &str, summary: &str, action| {
            Operation::new(
                Method::POST,
                &format!("{by_id}/{verb}"),
                &format!("{verb}_number"),
                many,
                summary,
                action,
            )
        };
        let buy = post("buy", "Give a number of the inventory to a tenant", Action::Buy);
        operations.push(buy.asking(provisioning::BUYER).answering(200, Content::One(schema)).failing(&[409]));
        let release = post("release", "Give a number of a tenant back, which nothing uses", Action::Release);
        operations.push(release.answering(204, Content::Nothing).failing(&[409]));
    }
    operations
}

fn of_what_is_live() -> Vec<Operation> {
    let registrations = "Registrations, ours at providers and those of devices at us";
    let (call, record) = (format!("{CALLS}/{{id}}"), format!("{RECORDS}/{{id}}"));
    let messages = format!("{record}/messages");
    let get =
        |path: &str, id, tag, summary, action| Operation::new(Method::GET, path, id, tag, summary, action);
    vec![
        get(
            "/v1.0/registrations",
            "list_registrations",
            "registrations",
            registrations,
            Action::Registrations,
        )
        .asking(OPAQUE_PAGE)
        .answering(200, Content::PageOf("RegistrationView")),
        get(CALLS, "list_calls", "calls", "Calls under way, oldest first", Action::Calls)
            .asking(PAGE)
            .answering(200, Content::PageOf("LiveCall")),
        Operation::new(Method::DELETE, &call, "hang_up_call", "calls", "End a call", Action::HangUp)
            .answering(204, Content::Nothing),
        get(
            "/v1.0/presets",
            "list_presets",
            "trunks",
            "What is known of providers: the brands of trunks",
            Action::Presets,
        )
        .answering(200, Content::PageOf("Preset")),
        Operation::new(
            Method::POST,
            "/v1.0/routes/explain",
            "explain_route",
            "routes",
            "What would become of a call: each rule and trunk kept or skipped and why, and what would go out",
            Action::Explain,
        )
        .reading("Question".to_owned())
        .answering(200, Content::One("Explanation")),
        get(
            RECORDS,
            "list_call_records",
            "call records",
            "Calls that have ended, newest first",
            Action::Records,
        )
        .asking(records::PARAMS)
        .answering(200, Content::PageOf("CallRecord"))
        .failing(&[404]),
        get(&record, "get_call_record", "call records", "The record of one call", Action::Record)
            .answering(200, Content::One("CallRecord")),
        get(
            &messages,
            "list_call_messages",
            "call records",
            "The SIP messages that were kept of a call, by its trunks' `capture`",
            Action::Messages,
        )
        .answering(200, Content::PageOf("CapturedMessage")),
        get("/v1.0/alerts", "list_alerts", "alerts", "Alerts that stand", Action::Alerts)
            .asking(OPAQUE_PAGE)
            .answering(200, Content::PageOf("Alert")),
        get(
            EVENTS,
            "stream_events",
            "events",
            "What happens, as it happens: a stream of Server-Sent Events that goes on until the client closes it",
            Action::Events,
        )
        .asking(events::PARAMS)
        .answering(200, Content::EventStream),
    ]
}

fn of_configurations() -> Vec<Operation> {
    let operation = |method, path: &str, id, summary, action| {
        Operation::new(method, path, id, "configuration", summary, action)
    };
    let (plan, apply) = (format!("{CONFIGURATION}/plan"), format!("{CONFIGURATION}/apply"));
    let warnings = format!("{CONFIGURATION}/warnings");
    let request = || "ConfigurationRequest".to_owned();
    vec![
        operation(
            Method::GET,
            CONFIGURATION,
            "export_configuration",
            "The configuration as text",
            Action::Export,
        )
        .asking(configuration::PARAMS)
        .answering(200, Content::One("ConfigurationText")),
        operation(
            Method::GET,
            &warnings,
            "list_configuration_warnings",
            "What is right by every rule and may not be meant: routes that no call gets to, no route for emergencies",
            Action::Warnings,
        )
        .answering(200, Content::PageOf("Warning")),
        operation(
            Method::POST,
            &plan,
            "plan_configuration",
            "What would change for the server to be as a file says",
            Action::Plan,
        )
        .reading(request())
        .answering(200, Content::One("ConfigurationPlan"))
        .failing(&[404, 409]),
        operation(
            Method::POST,
            &apply,
            "apply_configuration",
            "Bring the server to a file: what is not in it is deleted; all or nothing",
            Action::Apply,
        )
        .reading(request())
        .answering(200, Content::One("ConfigurationPlan"))
        .failing(&[404, 409]),
        operation(
            Method::POST,
            IMPORT,
            "import",
            "What the configuration of another system would make here, field by field; with `apply`, make it",
            Action::Import,
        )
        .reading("ImportRequest".to_owned())
        .answering(200, Content::One("ImportPlan"))
        .failing(&[404, 409]),
    ]
}

fn of_the_system() -> Vec<Operation> {
    let health = "Whether the server is well; 503 when it serves no calls";
    let metrics = "Metrics in Prometheus' text format; a setting lets them be read without the token";
    let get = |path, id, summary, action| Operation::new(Method::GET, path, id, "system", summary, action);
    vec![
        get("/v1.0/me", "get_me", "Who asks, and what they may do", Action::Me)
            .answering(200, Content::One("Me")),
        get("/health", "get_health", health, Action::Health)
            .open_to(Access::Open)
            .answering(200, Content::One("Health")),
        get("/metrics", "get_metrics", metrics, Action::Metrics)
            .open_to(Access::Metrics)
            .answering(200, Content::Text("text/plain")),
        get("/openapi.json", "get_openapi", "This document", Action::OpenApi)
            .open_to(Access::Open)
            .answering(200, Content::Json),
    ]
}

impl Operation {
    fn new(
        method: Method,
        path: &str,
        id: &str,
        tag: &'static str,
        summary: &str,
        action: Action,
    ) -> Operation {
        Operation {
            method,
            path: path.to_owned(),
            id: id.to_owned(),
            tag,
            summary: summary.to_owned(),
            action,
            access: Access::Token,
            query: &[],
            body: None,
            success: (200, Content::Nothing),
            failures: &[],
        }
    }

    fn open_to(self, access: Access) -> Operation {
        Operation { access, ..self }
    }

    fn asking(self, query: &'static [Param]) -> Operation {
        Operation { query, ..self }
    }

    fn reading(self, schema: String) -> Operation {
        Operation { body: Some(schema), ..self }
    }

    fn answering(self, status: u16, content: Content) -> Operation {
        Operation { success: (status, content), ..self }
    }

    fn failing(self, failures: &'static [u16]) -> Operation {
        Operation { failures, ..self }
    }

    /// How large its body may be.
    pub(crate) fn largest_body(&self) -> usize {
        match self.action {
            Action::Import | Action::Plan | Action::Apply => MAX_TEXT,
            // Thousands of prices.
            Action::Create(of) | Action::Patch(of) if of.kind == Kind::RateTable => MAX_TEXT,
            _ => MAX_BODY,
        }
    }

    /// How long it may take, where others may take `usual`.
    pub(crate) fn time_limit(&self, usual: Duration) -> Duration {
        match self.action {
            Action::Examine(_) => usual.max(EXAMINATION),
            Action::Export | Action::Import | Action::Plan | Action::Apply => usual.max(WHOLE_CONFIGURATION),
            _ => usual,
        }
    }

    /// Every status of a refusal that it can be answered with, ascending.
    pub(crate) fn refusals(&self) -> Vec<u16> {
        let mut refusals = vec![400, 500, 503];
        if self.access != Access::Open {
            refusals.extend([401, 403]);
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
