//! Call records.

use crate::access::Who;
use crate::backend::Backend;
use crate::call::Call;
use crate::error::ApiError;
use crate::page::Page;
use crate::params::{Param, ParamKind, Params};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use tandem_model::{CallId, CapturedMessage, Outcome, RecordQuery};

type Answer = Result<Response, ApiError>;

/// Their listing.
pub(crate) const RECORDS: &str = "/v1.0/cdrs";

/// What the listing can be narrowed by.
pub(crate) const PARAMS: &[Param] = &[
    Param { name: "limit", description: "How many records a page has at most.", kind: ParamKind::Limit },
    Param { name: "after", description: "`next` of the page before.", kind: ParamKind::Id },
    Param {
        name: "trunk_id",
        description: "Only calls that this trunk had a part in, be it in an attempt that failed.",
        kind: ParamKind::Id,
    },
    Param {
        name: "extension_id",
        description: "Only calls that this extension had a part in.",
        kind: ParamKind::Id,
    },
    Param {
        name: "tenant_id",
        description: "Only calls of this tenant. Whoever is confined to one sees no others.",
        kind: ParamKind::Id,
    },
    Param { name: "outcome", description: "Only calls that ended so.", kind: ParamKind::Schema("Outcome") },
    Param {
        name: "since",
        description: "Only calls that began at this moment or later, milliseconds since the Unix epoch.",
        kind: ParamKind::Millis,
    },
    Param {
        name: "until",
        description: "Only calls that began before this moment, milliseconds since the Unix epoch.",
        kind: ParamKind::Millis,
    },
];

pub(crate) async fn list<B: Backend>(call: Call<B>) -> Answer {
    let query = query(&call.params, &call.who)?;
    let page = call.backend().records(query).await?;
    Ok(Page::new(page.records, page.next.map(|id| id.to_string())).into_response())
}

pub(crate) async fn get<B: Backend>(call: Call<B>) -> Answer {
    match call.backend().record(CallId(call.id()?)).await? {
        Some(record) if call.who.sees_of(record.tenant_id) => Ok(Json(record).into_response()),
        _ => Err(ApiError::not_found("call record", RECORDS)),
    }
}

/// The SIP messages that were kept of a call. Those over a trunk of the system are not a tenant's to see.
pub(crate) async fn messages<B: Backend>(call: Call<B>) -> Answer {
    let id = CallId(call.id()?);
    let record = call.backend().record(id).await?;
    if !record.is_some_and(|record| call.who.sees_of(record.tenant_id)) {
        return Err(ApiError::not_found("call record", RECORDS));
    }
    let config = call.backend().config();
    let is_seen = |message: &CapturedMessage| match call.who.tenant {
        None => true,
        tenant => config.trunks.get(&message.trunk_id).is_some_and(|trunk| trunk.tenant_id == tenant),
    };
    let messages = call.backend().messages(id).await?.into_iter().filter(is_seen).collect();
    Ok(Page::new(messages, None).into_response())
}

fn query(params: &Params, who: &Who) -> Result<RecordQuery, ApiError> {
    Ok(RecordQuery {
        tenant_id: who.tenant.map_or_else(|| params.id("tenant_id"), |tenant| Ok(Some(tenant)))?,
        trunk_id: params.id("trunk_id")?,
        extension_id: params.id("extension_id")?,
        outcome: params.text("outcome").map(outcome).transpose()?,
        since: params.millis("since")?,
        until: params.millis("until")?,
        after: params.id("after")?,
        limit: params.limit()?,
    })
}

fn outcome(text: &str) -> Result<Outcome, ApiError> {
    Outcome::deserialize(StrDeserializer::<Error>::new(text)).map_err(|error| {
        let fix = "the message names those that there are";
        ApiError::new(StatusCode::BAD_REQUEST, "outcome", "UNKNOWN_VALUE", error.to_string(), fix)
    })
}
