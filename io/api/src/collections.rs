//! Everything that is configured: the same five operations on each.

use crate::access::Who;
use crate::backend::Backend;
use crate::call::Call;
use crate::error::ApiError;
use crate::page::Page;
use crate::token::issue_if_token;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tandem_model::{
    BlockId, Change, Config, Entity, Examination, Kind, NoExamination, TokenId, TrunkId, TrunkStatus,
    WebhookId, WebhookStatus,
};
use uuid::Uuid;

/// A collection of the API.
#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) kind: Kind,
    /// Its name in paths. Providers are trunks under another name.
    pub(crate) path: &'static str,
    /// What one of it is called.
    pub(crate) one: &'static str,
    /// What many are called.
    pub(crate) many: &'static str,
    /// The schema of one.
    pub(crate) schema: &'static str,
}

pub(crate) const NUMBERS: &str = "/v1.0/numbers";

/// All of them.
pub(crate) static COLLECTIONS: [Collection; 16] = [
    collection(Kind::Tenant, "/v1.0/tenants", "tenant", "tenants", "Tenant"),
    collection(Kind::Trunk, "/v1.0/trunks", "trunk", "trunks", "Trunk"),
    collection(Kind::Trunk, "/v1.0/providers", "provider", "providers", "Trunk"),
    collection(Kind::Assignment, "/v1.0/assignments", "assignment", "assignments", "Assignment"),
    collection(Kind::Route, "/v1.0/routes", "route", "routes", "Route"),
    collection(Kind::InboundRoute, "/v1.0/inbound_routes", "inbound_route", "inbound_routes", "InboundRoute"),
    collection(Kind::Schedule, "/v1.0/schedules", "schedule", "schedules", "Schedule"),
    collection(Kind::RateTable, "/v1.0/rate_tables", "rate_table", "rate_tables", "RateTable"),
    collection(
        Kind::ClassOfService,
        "/v1.0/classes_of_service",
        "class_of_service",
        "classes_of_service",
        "ClassOfService",
    ),
    collection(Kind::Extension, "/v1.0/extensions", "extension", "extensions", "Extension"),
    collection(Kind::Number, NUMBERS, "number", "numbers", "Number"),
    collection(Kind::Block, "/v1.0/blocks", "block", "blocks", "Block"),
    collection(Kind::User, "/v1.0/users", "user", "users", "User"),
    collection(Kind::Token, "/v1.0/tokens", "token", "tokens", "Token"),
    collection(Kind::Webhook, "/v1.0/webhooks", "webhook", "webhooks", "Webhook"),
    collection(Kind::AlertRule, "/v1.0/alert_rules", "alert_rule", "alert_rules", "AlertRule"),
];

const fn collection(
    kind: Kind,
    path: &'static str,
    one: &'static str,
    many: &'static str,
    schema: &'static str,
) -> Collection {
    Collection { kind, path, one, many, schema }
}

type Answer = Result<Response, ApiError>;

impl Collection {
    pub(crate) async fn list<B: Backend>(&self, call: Call<B>) -> Answer {
        let (limit, after) = (call.params.limit()?, call.params.id::<Uuid>("after")?);
        let config = call.backend().config();
        let all = config.all(self.kind).into_iter().chain(self.made_by_server(&call).await);
        let all = all.filter(|entity| call.who.sees(&config, entity));
        let left = all.filter(|entity| after.is_none_or(|after| entity.id() > after));
        let page = Page::first(left, limit, |entity| entity.id().to_string());
        let statuses = self.statuses(&call).await;
        Ok(page.map(|entity| show(&call.who, entity, &statuses)).into_response())
    }

    pub(crate) async fn create<B: Backend>(&self, mut call: Call<B>) -> Answer {
        let id = call.backend().new_uuid();
        let mut body = call.body.take();
        call.who.place(self.kind, &mut body);
        let mut entity = Entity::create(self.kind, id, body)?;
        let token = issue_if_token(&mut entity)?;
        let plan = |config: &Config| {
            call.who.may_put(config, None, &entity)?;
            Ok(Change::Put(entity))
        };
        let config = call.change(plan).await?;
        let location = format!("{}/{id}", self.path);
        let Json(mut shown) = self.show(&call, &config, id).await?;
        if let (Some(token), Value::Object(fields)) = (token, &mut shown) {
            fields.insert("token".to_owned(), token.into());
        }
        let shown = Json(shown);
        Ok((StatusCode::CREATED, [(header::LOCATION, location)], shown).into_response())
    }

    pub(crate) async fn get<B: Backend>(&self, call: Call<B>) -> Answer {
        let config = call.backend().config();
        let id = call.id()?;
        let made = self.made_by_server(&call).await;
        if let Some(entity) = made.into_iter().find(|made| made.id() == id && call.who.sees(&config, made)) {
            return Ok(Json(entity.to_json()).into_response());
        }
        Ok(self.show(&call, &config, id).await?.into_response())
    }

    pub(crate) async fn patch<B: Backend>(&self, mut call: Call<B>) -> Answer {
        let id = call.id()?;
        let patch = call.body.take();
        self.refuse_auto(&call, id).await?;
        let plan = |config: &Config| {
            let before = self.find(&call, config, id)?;
            call.who.may_change(&before)?;
            let after = before.patch(patch)?;
            call.who.may_put(config, Some(&before), &after)?;
            Ok(Change::Put(after))
        };
        let config = call.change(plan).await?;
        Ok(self.show(&call, &config, id).await?.into_response())
    }

    pub(crate) async fn delete<B: Backend>(&self, call: Call<B>) -> Answer {
        let id = call.id()?;
        if self.kind == Kind::Block
            && call.who.tenant.is_none()
            && call.backend().lift_block(BlockId(id)).await
        {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let plan = |config: &Config| {
            call.who.may_delete(config, &self.find(&call, config, id)?)?;
            Ok(Change::Delete(self.kind, id))
        };
        call.change(plan).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// Has a trunk register at once.
    pub(crate) async fn register<B: Backend>(&self, call: Call<B>) -> Answer {
        let id = call.id()?;
        let config = call.backend().config();
        call.who.may_change(&self.find(&call, &config, id)?)?;
        if !call.backend().register_now(TrunkId(id)).await {
            let message = format!("this {} does not register", self.one);
            let fix = "only an enabled trunk in mode `register_out` does";
            return Err(ApiError::new(StatusCode::CONFLICT, "mode", "DOES_NOT_REGISTER", message, fix));
        }
        Ok((StatusCode::ACCEPTED, self.show(&call, &config, id).await?).into_response())
    }

    /// Has a trunk examined.
    pub(crate) async fn examine<B: Backend>(&self, mut call: Call<B>) -> Answer {
        let id = call.id()?;
        let asked = Examination::read(call.body.take())?;
        let config = call.backend().config();
        call.who.may_change(&self.find(&call, &config, id)?)?;
        let (status, reason, message, fix) = match call.backend().examine(TrunkId(id), asked).await {
            Ok(report) => return Ok(Json(report).into_response()),
            Err(NoExamination::NoTrunk) => return Err(ApiError::not_found(self.one, self.path)),
            Err(NoExamination::UnderWay) => {
                (StatusCode::CONFLICT, "UNDER_WAY", "it is being examined already", "wait until that is over")
            }
            Err(NoExamination::Busy) => {
                let message = "as many trunks are being examined as may be at once";
                (
                    StatusCode::TOO_MANY_REQUESTS,
                    "TOO_MANY_EXAMINATIONS",
                    message,
                    "wait until one of them is over",
                )
            }
            Err(NoExamination::Ending) => {
                let fix = "try again when it is up";
                (StatusCode::SERVICE_UNAVAILABLE, "GOING_DOWN", "the server is going down", fix)
            }
        };
        Err(ApiError::new(status, "", reason, message, fix))
    }

    /// How well calls go over a trunk; of one that the system shares with tenants that is not a tenant's to know.
    pub(crate) async fn quality<B: Backend>(&self, call: Call<B>) -> Answer {
        let id = call.id()?;
        call.who.may_change(&self.find(&call, &call.backend().config(), id)?)?;
        Ok(Json(call.backend().quality(TrunkId(id))).into_response())
    }

    /// Those that nobody configured: whom the server shut out by itself.
    async fn made_by_server<B: Backend>(&self, call: &Call<B>) -> Vec<Entity> {
        if self.kind != Kind::Block {
            return Vec::new();
        }
        let blocks = call.backend().auto_blocks().await;
        blocks.into_iter().map(|block| Entity::Block(Arc::new(block))).collect()
    }

    async fn refuse_auto<B: Backend>(&self, call: &Call<B>, id: Uuid) -> Result<(), ApiError> {
        let config = call.backend().config();
        let made = self.made_by_server(call).await;
        match made.iter().any(|made| made.id() == id && call.who.sees(&config, made)) {
            false => Ok(()),
            true => {
                let message = "the server made this entry, and ends it by itself";
                let fix = "delete it to let the address in again, or create one of your own to keep it out";
                Err(ApiError::new(StatusCode::CONFLICT, "", "MADE_BY_SERVER", message, fix))
            }
        }
    }

    /// What who asks may know of.
    fn find<B>(&self, call: &Call<B>, config: &Config, id: Uuid) -> Result<Entity, ApiError> {
        let found = config.get(self.kind, id).filter(|entity| call.who.sees(config, entity));
        found.ok_or_else(|| ApiError::not_found(self.one, self.path))
    }

    async fn show<B: Backend>(
        &self,
        call: &Call<B>,
        config: &Config,
        id: Uuid,
    ) -> Result<Json<Value>, ApiError> {
        let entity = self.find(call, config, id)?;
        Ok(Json(show(&call.who, entity, &self.statuses(call).await)))
    }

    async fn statuses<B: Backend>(&self, call: &Call<B>) -> Statuses {
        match self.kind {
            Kind::Trunk => Statuses::Trunks(call.backend().trunk_statuses().await),
            Kind::Webhook => Statuses::Webhooks(call.backend().webhook_statuses()),
            Kind::Token => Statuses::Tokens(call.shared.used.all()),
            _ => Statuses::None,
        }
    }
}

/// What those of a kind are doing, where they do anything.
enum Statuses {
    None,
    Trunks(BTreeMap<TrunkId, TrunkStatus>),
    Webhooks(BTreeMap<WebhookId, WebhookStatus>),
    Tokens(BTreeMap<TokenId, u64>),
}

/// An entity as the API shows it, with what it is doing.
fn show(who: &Who, entity: Entity, statuses: &Statuses) -> Value {
    let entity = who.view(entity);
    let mut shown = entity.to_json();
    let (field, value) = match (&entity, statuses) {
        (Entity::Trunk(trunk), Statuses::Trunks(all)) => {
            let status = all.get(&trunk.id).cloned().unwrap_or_default();
            ("status", serde_json::to_value(who.view_status(trunk, status)))
        }
        (Entity::Webhook(webhook), Statuses::Webhooks(all)) => {
            ("status", serde_json::to_value(all.get(&webhook.id).cloned().unwrap_or_default()))
        }
        (Entity::Token(token), Statuses::Tokens(all)) => {
            ("last_used_at", serde_json::to_value(all.get(&token.id)))
        }
        _ => return shown,
    };
    if let Value::Object(fields) = &mut shown {
        fields.insert(field.to_owned(), value.unwrap_or_default());
    }
    shown
}
