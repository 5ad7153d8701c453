//! Everything that is configured: the same five operations on each.

use crate::backend::Backend;
use crate::call::Call;
use crate::error::ApiError;
use crate::page::Page;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use tandem_model::{Change, Config, Entity, Kind, TrunkId, TrunkStatus};
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

/// All of them.
pub(crate) static COLLECTIONS: [Collection; 9] = [
    collection(Kind::Tenant, "/v1.0/tenants", "tenant", "tenants", "Tenant"),
    collection(Kind::Trunk, "/v1.0/trunks", "trunk", "trunks", "Trunk"),
    collection(Kind::Trunk, "/v1.0/providers", "provider", "providers", "Trunk"),
    collection(Kind::Assignment, "/v1.0/assignments", "assignment", "assignments", "Assignment"),
    collection(Kind::Route, "/v1.0/routes", "route", "routes", "Route"),
    collection(Kind::InboundRoute, "/v1.0/inbound_routes", "inbound_route", "inbound_routes", "InboundRoute"),
    collection(Kind::Schedule, "/v1.0/schedules", "schedule", "schedules", "Schedule"),
    collection(Kind::Extension, "/v1.0/extensions", "extension", "extensions", "Extension"),
    collection(Kind::Number, "/v1.0/numbers", "number", "numbers", "Number"),
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
        let all = call.backend().config().all(self.kind);
        let left = all.into_iter().filter(|entity| after.is_none_or(|after| entity.id() > after));
        let page = Page::first(left, limit, |entity| entity.id().to_string());
        let statuses = self.statuses(&call).await;
        Ok(page.map(|entity| show(&entity, &statuses)).into_response())
    }

    pub(crate) async fn create<B: Backend>(&self, mut call: Call<B>) -> Answer {
        let id = call.backend().new_uuid();
        let entity = Entity::create(self.kind, id, call.body.take())?;
        let config = call.change(|_| Ok(Change::Put(entity))).await?;
        let location = format!("{}/{id}", self.path);
        let shown = self.show(&call, &config, id).await?;
        Ok((StatusCode::CREATED, [(header::LOCATION, location)], shown).into_response())
    }

    pub(crate) async fn get<B: Backend>(&self, call: Call<B>) -> Answer {
        let config = call.backend().config();
        Ok(self.show(&call, &config, call.id()?).await?.into_response())
    }

    pub(crate) async fn patch<B: Backend>(&self, mut call: Call<B>) -> Answer {
        let id = call.id()?;
        let patch = call.body.take();
        let plan = |config: &Config| Ok(Change::Put(self.find(config, id)?.patch(patch)?));
        let config = call.change(plan).await?;
        Ok(self.show(&call, &config, id).await?.into_response())
    }

    pub(crate) async fn delete<B: Backend>(&self, call: Call<B>) -> Answer {
        let id = call.id()?;
        call.change(|config| self.find(config, id).map(|_| Change::Delete(self.kind, id))).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// Has a trunk register at once.
    pub(crate) async fn register<B: Backend>(&self, call: Call<B>) -> Answer {
        let id = call.id()?;
        let config = call.backend().config();
        self.find(&config, id)?;
        if !call.backend().register_now(TrunkId(id)).await {
            let message = format!("this {} does not register", self.one);
            let fix = "only an enabled trunk in mode `register_out` does";
            return Err(ApiError::new(StatusCode::CONFLICT, "mode", "DOES_NOT_REGISTER", message, fix));
        }
        Ok((StatusCode::ACCEPTED, self.show(&call, &config, id).await?).into_response())
    }

    fn find(&self, config: &Config, id: Uuid) -> Result<Entity, ApiError> {
        config.get(self.kind, id).ok_or_else(|| ApiError::not_found(self.one, self.path))
    }

    async fn show<B: Backend>(
        &self,
        call: &Call<B>,
        config: &Config,
        id: Uuid,
    ) -> Result<Json<Value>, ApiError> {
        let entity = self.find(config, id)?;
        Ok(Json(show(&entity, &self.statuses(call).await)))
    }

    async fn statuses<B: Backend>(&self, call: &Call<B>) -> BTreeMap<TrunkId, TrunkStatus> {
        match self.kind {
            Kind::Trunk => call.backend().trunk_statuses().await,
            _ => BTreeMap::new(),
        }
    }
}

/// An entity as the API shows it; a trunk with what it is doing.
fn show(entity: &Entity, statuses: &BTreeMap<TrunkId, TrunkStatus>) -> Value {
    let mut shown = entity.to_json();
    if let (Entity::Trunk(trunk), Value::Object(fields)) = (entity, &mut shown) {
        let status = statuses.get(&trunk.id).cloned().unwrap_or_default();
        fields.insert("status".to_owned(), serde_json::to_value(status).unwrap_or_default());
    }
    shown
}
