//! Who may ask the API for what: people with a role, and the tokens that they or their programs show.

use crate::{Secret, TenantId, TokenId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    SystemAdmin,
    /// Sees everything but users and tokens, switches trunks on and off, has them register, and ends calls.
    Operator,
    /// Everything within one tenant but what the system grants to it.
    TenantAdmin,
    /// Sees what an operator sees, or what is in one tenant.
    Viewer,
}

impl Role {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Role::SystemAdmin => "system_admin",
            Role::Operator => "operator",
            Role::TenantAdmin => "tenant_admin",
            Role::Viewer => "viewer",
        }
    }
}

/// A person.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Assigned when created.
    pub id: UserId,
    /// The tenant that the user is confined to; empty: the whole system.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// Unique, whatever its case.
    pub email: String,
    /// 1 to 64 characters; without one it is what stands before the `@`.
    pub name: String,
    /// What the user may do. `system_admin` and `operator` belong to no tenant, `tenant_admin` belongs to one.
    pub role: Role,
    /// Tokens of a user who is switched off are not taken.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// What is shown with every request instead of a password.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Assigned when created.
    pub id: TokenId,
    /// The tenant that it is confined to; empty: the whole system.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// What it is for, 1 to 64 characters.
    pub name: String,
    /// Whose it is: it may do what the user may. Or else give `role`.
    #[serde(default)]
    pub user_id: Option<UserId>,
    /// What it may do where it is nobody's, as of a program.
    #[serde(default)]
    pub role: Option<Role>,
    /// After this moment it is not taken any more, milliseconds since the Unix epoch; empty: it does not expire.
    #[serde(default)]
    pub expires_at: Option<u64>,
    /// Whether it is taken.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How it begins, to know it by. Made by the server.
    #[serde(default)]
    pub prefix: String,
    /// SHA-256 of it, hexadecimal; made by the server, and never shown.
    #[serde(default, skip_serializing)]
    #[schema(ignore)]
    pub hash: Secret,
}

fn yes() -> bool {
    true
}
