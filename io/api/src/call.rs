//! A request that has passed the checks that all share, as a handler gets it.

use crate::access::Who;
use crate::backend::Backend;
use crate::error::ApiError;
use crate::limiter::Limiter;
use crate::params::Params;
use crate::router::Options;
use crate::used::Used;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::sync::Arc;
use tandem_model::{Change, Config};
use tokio::sync::Mutex;
use uuid::Uuid;

/// What all requests share.
pub(crate) struct Shared<B> {
    pub(crate) backend: B,
    pub(crate) options: Options,
    pub(crate) limiter: Limiter,
    /// When each token was last shown.
    pub(crate) used: Used,
    /// Held from reading the configuration until it is changed, so that of two patches none is lost.
    pub(crate) changing: Arc<Mutex<()>>,
}

/// One request.
pub(crate) struct Call<B> {
    pub(crate) shared: Arc<Shared<B>>,
    /// Who asks.
    pub(crate) who: Who,
    pub(crate) params: Params,
    /// The `{id}` of the path, as written.
    pub(crate) id: Option<String>,
    /// The headers of the request.
    pub(crate) headers: HeaderMap,
    /// The body; null where the operation takes none.
    pub(crate) body: Value,
}

impl<B: Backend> Call<B> {
    pub(crate) fn backend(&self) -> &B {
        &self.shared.backend
    }

    /// The id in the path.
    pub(crate) fn id(&self) -> Result<Uuid, ApiError> {
        self.id.as_deref().and_then(|text| text.parse().ok()).ok_or_else(|| {
            let fix = "ids look like `0198c0de-0000-7000-8000-000000000001`";
            ApiError::new(StatusCode::BAD_REQUEST, "id", "INVALID_ID", "the path has no valid id", fix)
        })
    }

    /// The same with any number of changes, none included, and what else the plan says. The plan may take its time.
    pub(crate) async fn change_all<T: Send + 'static>(
        &self,
        plan: impl FnOnce(&Config) -> Result<(Vec<Change>, T), ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = self.shared.changing.clone().lock_owned().await;
        let config = self.backend().config();
        let shared = self.shared.clone();
        let task = tokio::spawn(async move {
            let planned = tokio::task::spawn_blocking(move || plan(&config)).await;
            let (changes, told) = planned.unwrap_or_else(|_| Err(ApiError::internal()))?;
            if !changes.is_empty() {
                shared.backend.change(changes).await?;
            }
            drop(turn);
            Ok(told)
        });
        task.await.unwrap_or_else(|_| Err(ApiError::internal()))
    }

    /// The same by a plan that asks elsewhere before it knows: nothing of it is left undone halfway, and nobody is between.
    pub(crate) async fn change_aside<F>(
        &self,
        plan: impl FnOnce(Arc<Config>) -> F + Send + 'static,
    ) -> Result<Arc<Config>, ApiError>
    where
        F: Future<Output = Result<Change, ApiError>> + Send + 'static,
    {
        let turn = self.shared.changing.clone().lock_owned().await;
        let shared = self.shared.clone();
        let task = tokio::spawn(async move {
            let change = plan(shared.backend.config()).await?;
            let changed = shared.backend.change(vec![change]).await;
            drop(turn);
            changed.map_err(ApiError::from)
        });
        task.await.unwrap_or_else(|_| Err(ApiError::internal()))
    }

    /// Changes the configuration by what `plan` makes of it as it stands, with nobody between. Once begun it is
    /// finished, whether the client waits for it or not.
    pub(crate) async fn change(
        &self,
        plan: impl FnOnce(&Config) -> Result<Change, ApiError>,
    ) -> Result<Arc<Config>, ApiError> {
        let turn = self.shared.changing.clone().lock_owned().await;
        let change = plan(&self.backend().config())?;
        let shared = self.shared.clone();
        let task = tokio::spawn(async move {
            let changed = shared.backend.change(vec![change]).await;
            drop(turn);
            changed
        });
        match task.await {
            Ok(changed) => changed.map_err(ApiError::from),
            Err(_) => Err(ApiError::internal()),
        }
    }
}
