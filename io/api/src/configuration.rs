//! Configurations as text: what other systems were configured by, and the whole of our own.

use crate::backend::Backend;
use crate::call::Call;
use crate::error::ApiError;
use crate::page::Page;
use crate::params::{Param, ParamKind};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tandem_import::{ConfigurationPlan, Format, Import, ImportPlan, Request};
use tandem_model::{Change, Config};
use utoipa::ToSchema;
use uuid::Uuid;

/// The paths.
pub(crate) const CONFIGURATION: &str = "/v1.0/configuration";
pub(crate) const IMPORT: &str = "/v1.0/import";

/// The parameters of an export.
pub(crate) const PARAMS: &[Param] = &[Param {
    name: "format",
    description: "`toml`: everything, as `configuration/apply` reads it; `freeswitch`: the trunks as gateways. Passwords are in neither.",
    kind: ParamKind::Schema("ExportFormat"),
}];

type Answer = Result<Response, ApiError>;

/// A configuration as text.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConfigurationText {
    /// The version of the configuration.
    version: u64,
    /// The text.
    text: String,
}

/// What is to be imported.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportRequest {
    /// What the other system was configured by.
    text: String,
    /// What it is written in; null: as it looks like.
    #[serde(default)]
    format: Option<Format>,
    /// The trunk that additional parameters of a MikoPBX provider are for.
    #[serde(default)]
    name: Option<String>,
    /// `true`: do it. Otherwise it is only told what would be done.
    #[serde(default)]
    apply: bool,
}

/// A file that a server is to be brought to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigurationRequest {
    /// The file, TOML.
    text: String,
    /// The version that the plan was made for: when it is another by now, nothing is done.
    #[serde(default)]
    version: Option<u64>,
}

/// Ids that rise, so that what is created at once is as old as it stands in the text.
fn rising(first: Uuid) -> impl FnMut() -> Uuid {
    const COUNTER: u128 = u32::MAX as u128;
    let (front, mut count) = (first.as_u128() & !COUNTER, 0);
    move || {
        count += 1;
        Uuid::from_u128(front | count)
    }
}

/// Reads a body strictly.
fn read<T: for<'de> Deserialize<'de>>(body: Value, known: &[&str]) -> Result<T, ApiError> {
    let refuse = |field: &str, reason, message: &str, fix: String| {
        ApiError::new(StatusCode::BAD_REQUEST, field, reason, message, fix)
    };
    let Value::Object(fields) = &body else {
        return Err(refuse("", "WRONG_TYPE", "the body is a JSON object", "send `{ ... }`".to_owned()));
    };
    if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        let unknown: String = unknown.chars().take(100).collect();
        let fix = format!(
            "known are {}",
            known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        );
        return Err(refuse(&unknown, "UNKNOWN_FIELD", "this is not a field here", fix));
    }
    if fields.get("text").is_none_or(|text| !text.is_string()) {
        let fix = "give the text of the file as one string".to_owned();
        return Err(refuse("text", "REQUIRED", "there is no text to read", fix));
    }
    for name in known {
        let one = json!({ "text": "", *name: fields.get(*name).cloned().unwrap_or_default() });
        let given = fields.get(*name).is_some_and(|value| *name == "text" || !value.is_null());
        if given && serde_json::from_value::<T>(one).is_err() {
            let fix = match *name {
                "format" => "give `freeswitch`, `asterisk`, `mikopbx` or `voipbin`, or leave it out",
                "apply" => "give true or false, without quotes",
                "version" => "give the `version` of the plan, a whole number",
                _ => "give text in double quotes",
            };
            return Err(refuse(name, "WRONG_TYPE", "this is not what stands here", fix.to_owned()));
        }
    }
    let mut body = body;
    if let Value::Object(fields) = &mut body {
        fields.retain(|_, value| !value.is_null());
    }
    serde_json::from_value(body).map_err(|_| ApiError::internal())
}

/// The configuration as text.
pub(crate) async fn export<B: Backend>(call: Call<B>) -> Answer {
    let config = call.backend().config();
    let write = match call.params.text("format") {
        None | Some("toml") => tandem_import::write_configuration,
        Some("freeswitch") => tandem_import::write_gateways,
        Some(_) => {
            let (message, fix) = ("this is no format of an export", "give `toml` or `freeswitch`");
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "format", "UNKNOWN_VALUE", message, fix));
        }
    };
    let version = config.version;
    let text = aside(move || Ok(write(&config))).await?;
    Ok(Json(ConfigurationText { version, text }).into_response())
}

/// Large texts take a while: elsewhere than where requests are served.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(ApiError::internal()))
}

/// What another system's configuration would make here; and makes, if it is asked to.
pub(crate) async fn import<B: Backend>(mut call: Call<B>) -> Answer {
    let request: ImportRequest = read(call.body.take(), &["text", "format", "name", "apply"])?;
    let (first, apply) = (call.backend().new_uuid(), request.apply);
    let planned = move |config: &Config| {
        let ImportRequest { text, format, name, .. } = &request;
        let request = Request { text, format: *format, name: name.as_deref() };
        tandem_import::import(&request, config, &mut rising(first)).map_err(ApiError::from)
    };
    if !apply {
        let config = call.backend().config();
        let import = aside(move || planned(&config)).await?;
        return Ok(Json(import.plan).into_response());
    }
    let plan: ImportPlan = call
        .change_all(move |config| match planned(config)? {
            Import { refusal: Some(refusal), .. } => Err(refusal.into()),
            Import { mut plan, changes, .. } => {
                plan.applied = true;
                Ok((changes, plan))
            }
        })
        .await?;
    Ok(Json(plan).into_response())
}

/// What a file of ours would change.
pub(crate) async fn plan<B: Backend>(mut call: Call<B>) -> Answer {
    let request: ConfigurationRequest = read(call.body.take(), &["text", "version"])?;
    let (first, config) = (call.backend().new_uuid(), call.backend().config());
    let (_, plan) = aside(move || compare(&request, &config, first)).await?;
    Ok(Json(plan).into_response())
}

/// Brings the configuration to a file of ours: all or nothing.
pub(crate) async fn apply<B: Backend>(mut call: Call<B>) -> Answer {
    let request: ConfigurationRequest = read(call.body.take(), &["text", "version"])?;
    let first = call.backend().new_uuid();
    let plan = call
        .change_all(move |config| {
            let (changes, plan) = compare(&request, config, first)?;
            Ok((changes, ConfigurationPlan { applied: true, ..plan }))
        })
        .await?;
    Ok(Json(plan).into_response())
}

fn compare(
    request: &ConfigurationRequest,
    config: &Config,
    first: Uuid,
) -> Result<(Vec<Change>, ConfigurationPlan), ApiError> {
    if request.version.is_some_and(|version| version != config.version) {
        let message = "the configuration was changed since the plan was made";
        let fix = "make a new plan and look at it";
        return Err(ApiError::new(StatusCode::CONFLICT, "version", "CONFIGURATION_CHANGED", message, fix));
    }
    let reading = tandem_import::read_configuration(&request.text, config, &mut rising(first))?;
    Ok((reading.changes, reading.plan))
}

/// What may not be meant; a tenant is warned of what is its own.
pub(crate) fn warnings<B: Backend>(call: &Call<B>) -> Response {
    let mut warnings = call.backend().config().warnings();
    warnings.retain(|warning| call.who.sees_of(warning.tenant_id));
    Page::new(warnings, None).into_response()
}
