//! Numbers searched, bought and released, wherever they come from.

use crate::backend::Backend;
use crate::call::Call;
use crate::collections::NUMBERS;
use crate::error::ApiError;
use crate::page::Page;
use crate::params::{Param, ParamKind};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use std::sync::Arc;
use tandem_model::{
    AvailableNumber, Change, Config, Entity, Number, NumberId, NumberType, Rejection, TenantId, WantedNumber,
};

/// Where numbers come from: the inventory, or a carrier with an interface of its own.
///
/// It is asked by one request at a time, and answers with what is to stand in the configuration, which is then written. What it does
/// elsewhere may take a while, and must have an end.
pub trait Provisioning: Send + Sync + 'static {
    /// Numbers that may be bought, as the configuration stands.
    fn search(
        &self,
        config: &Config,
        wanted: &WantedNumber,
    ) -> impl Future<Output = Result<Vec<AvailableNumber>, Rejection>> + Send;

    /// Buys a number for a tenant: how it stands in the configuration then.
    fn buy(
        &self,
        config: &Config,
        id: NumberId,
        tenant: TenantId,
    ) -> impl Future<Output = Result<Number, Rejection>> + Send;

    /// Gives a number of a tenant back: how it stands in the configuration then.
    fn release(
        &self,
        config: &Config,
        number: &Number,
    ) -> impl Future<Output = Result<Number, Rejection>> + Send;
}

/// Numbers of the configuration whose status is `available`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inventory;

impl Provisioning for Inventory {
    async fn search(
        &self,
        config: &Config,
        wanted: &WantedNumber,
    ) -> Result<Vec<AvailableNumber>, Rejection> {
        Ok(config.available_numbers(wanted))
    }

    async fn buy(&self, config: &Config, id: NumberId, tenant: TenantId) -> Result<Number, Rejection> {
        config.bought_number(id, tenant)
    }

    async fn release(&self, config: &Config, number: &Number) -> Result<Number, Rejection> {
        config.released_number(number)
    }
}

/// The listing of what may be bought.
pub(crate) const AVAILABLE: &str = "/v1.0/available_numbers";

/// What it can be narrowed by.
pub(crate) const SEARCH: &[Param] = &[
    Param { name: "limit", description: "How many numbers a page has at most.", kind: ParamKind::Limit },
    Param { name: "after", description: "`next` of the page before.", kind: ParamKind::Id },
    Param {
        name: "country",
        description: "Only numbers of this country, ISO 3166-1 alpha-2, as `DE`.",
        kind: ParamKind::Text("^[A-Z]{2}$"),
    },
    Param { name: "type", description: "Only numbers of this sort.", kind: ParamKind::Schema("NumberType") },
    Param {
        name: "prefix",
        description: "Only numbers that begin with these digits, with the country code.",
        kind: ParamKind::Text("^[0-9]{1,15}$"),
    },
];

/// For whom a number is bought.
pub(crate) const BUYER: &[Param] = &[Param {
    name: "tenant_id",
    description: "The tenant that gets it. Whoever is confined to a tenant buys for that one, and may leave this out.",
    kind: ParamKind::Id,
}];

type Answer = Result<Response, ApiError>;

pub(crate) async fn search<B: Backend>(call: Call<B>) -> Answer {
    let limit = call.params.limit()?;
    let wanted = WantedNumber {
        country: call.params.text("country").map(country).transpose()?,
        kind: call.params.text("type").map(sort).transpose()?,
        prefix: call.params.text("prefix").map(prefix).transpose()?.unwrap_or_default(),
        after: call.params.id("after")?,
        limit: limit as usize + 1,
    };
    let found = call.backend().provisioning().search(&call.backend().config(), &wanted).await?;
    Ok(Page::first(found, limit, |number| number.id.to_string()).into_response())
}

pub(crate) async fn buy<B: Backend>(call: Call<B>) -> Answer {
    let id = NumberId(call.id()?);
    let tenant = buyer(&call)?;
    let shared = call.shared.clone();
    let plan = move |config: Arc<Config>| async move {
        if !config.tenants.contains_key(&tenant) {
            let (message, fix) =
                ("there is no such tenant", "`GET /v1.0/tenants` lists those that there are");
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "tenant_id", "UNKNOWN_TENANT", message, fix));
        }
        let bought = shared.backend.provisioning().buy(&config, id, tenant).await?;
        Ok(Change::Put(Entity::Number(Arc::new(bought))))
    };
    let config = call.change_aside(plan).await?;
    let number = config.numbers.get(&id).ok_or_else(ApiError::internal)?;
    Ok(Json(Entity::Number(number.clone()).to_json()).into_response())
}

pub(crate) async fn release<B: Backend>(call: Call<B>) -> Answer {
    let id = NumberId(call.id()?);
    let (shared, who) = (call.shared.clone(), call.who);
    let plan = move |config: Arc<Config>| async move {
        let number = config.numbers.get(&id).filter(|number| who.sees_of(number.tenant_id));
        let number = number.ok_or_else(|| ApiError::not_found("number", NUMBERS))?;
        let released = shared.backend.provisioning().release(&config, number).await?;
        Ok(Change::Put(Entity::Number(Arc::new(released))))
    };
    call.change_aside(plan).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn buyer<B: Backend>(call: &Call<B>) -> Result<TenantId, ApiError> {
    let asked = call.params.id::<TenantId>("tenant_id")?;
    let refuse = |status, reason, message, fix| ApiError::new(status, "tenant_id", reason, message, fix);
    match (call.who.tenant, asked) {
        (Some(own), Some(asked)) if own != asked => {
            let fix = "leave `tenant_id` out";
            Err(refuse(StatusCode::FORBIDDEN, "OTHER_TENANT", "this is not your tenant", fix))
        }
        (Some(tenant), _) | (None, Some(tenant)) => Ok(tenant),
        (None, None) => {
            let fix = "give the id of the tenant that gets it, as `?tenant_id=...`";
            Err(refuse(StatusCode::BAD_REQUEST, "REQUIRED", "it is not said for which tenant", fix))
        }
    }
}

fn country(text: &str) -> Result<String, ApiError> {
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code.then(|| text.to_owned()).ok_or_else(|| {
        let fix = "give its two letters by ISO 3166-1 in capitals, as `US` or `DE`";
        ApiError::new(StatusCode::BAD_REQUEST, "country", "UNKNOWN_COUNTRY", "this is no country", fix)
    })
}

fn prefix(text: &str) -> Result<String, ApiError> {
    let is_prefix = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_prefix.then(|| text.to_owned()).ok_or_else(|| {
        let fix = "give up to 15 digits with the country code, without `+`";
        ApiError::new(StatusCode::BAD_REQUEST, "prefix", "BAD_FORMAT", "no number begins like this", fix)
    })
}

fn sort(text: &str) -> Result<NumberType, ApiError> {
    NumberType::deserialize(StrDeserializer::<Error>::new(text)).map_err(|error| {
        let fix = "the message names those that there are";
        ApiError::new(StatusCode::BAD_REQUEST, "type", "UNKNOWN_VALUE", error.to_string(), fix)
    })
}
