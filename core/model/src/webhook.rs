//! A webhook: where events are posted to.

use crate::{Secret, TenantId, WebhookId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A webhook as configured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Assigned when created.
    pub id: WebhookId,
    /// The tenant whose events it gets; empty: those of all, and of the system.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// A label.
    pub name: String,
    /// Where events are posted to: `https://`, or `http://` to this very machine.
    pub url: String,
    /// Which types of events; one that ends in a dot stands for all that begin so, as `call.`. None: all.
    #[serde(default)]
    pub events: Vec<String>,
    /// Signs what is posted; 16 to 128 characters. Write-only.
    #[serde(default, skip_serializing)]
    #[schema(write_only, value_type = Option<String>)]
    pub secret: Option<Secret>,
    /// A disabled one gets nothing, and nothing is kept for it.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}
