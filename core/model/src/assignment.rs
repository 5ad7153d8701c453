//! What a tenant may use of a trunk of the system.

use crate::{AssignmentId, Pool, TenantId, TrunkId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An assignment as configured; one for each trunk and tenant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Assigned when created.
    pub id: AssignmentId,
    /// A trunk of the system.
    pub trunk_id: TrunkId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The numbers of the trunk that are the tenant's, as `13322496213;16468097069-16468097079`: 1 to 15 digits each with
    /// the country code, neither `+` nor `0` first.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub did_pool: Option<Pool>,
    /// Calls of the tenant over the trunk at once; 0 is unlimited.
    #[serde(default)]
    pub max_calls: u32,
    /// The tenant may call out over it.
    #[serde(default = "yes")]
    pub can_outbound: bool,
    /// Calls to the pool are the tenant's.
    #[serde(default = "yes")]
    pub can_inbound: bool,
}

fn yes() -> bool {
    true
}
