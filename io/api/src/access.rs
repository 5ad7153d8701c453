//! Who asks, and what they may do and see.
//!
//! There are two questions. Whether somebody with this role may ask for this at all is answered before anything is read, with 403.
//! Whether this one thing is theirs to see is answered like for a thing that is not there, with 404, so that nothing is learnt of
//! another tenant.

use crate::error::ApiError;
use crate::operations::Action;
use axum::http::StatusCode;
use serde_json::{Map, Value};
use std::sync::Arc;
use tandem_model::{
    Config, Entity, Kind, RegistrationView, Role, TenantId, TokenId, Trunk, TrunkMode, TrunkStatus, UserId,
};

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Who {
    pub role: Role,
    /// The tenant that they are confined to.
    pub tenant: Option<TenantId>,
    pub user: Option<UserId>,
    pub token: Option<TokenId>,
}

/// Fields of its own that a tenant may change; the others are what the system grants to it.
const OF_TENANT: [&str; 5] =
    ["name", "timezone", "default_caller_id", "unowned_caller_id", "outbound_schedule_id"];

/// What a number is that the system gave to a tenant. What it is called and reaches, and whether it is on, is the tenant's to say.
const OF_GIVEN_NUMBER: [&str; 4] = ["type", "emergency", "t38", "provisioning_ref"];

impl Who {
    /// Whoever has the installation's own token.
    pub const INSTALLATION: Who = Who { role: Role::SystemAdmin, tenant: None, user: None, token: None };

    /// Whoever has this token of the configuration, unless it is not in force.
    pub fn with_token(config: &Config, hash: &str, now: u64) -> Option<Who> {
        let token = config.token_by_hash(hash)?;
        let in_time = token.expires_at.is_none_or(|expires| now < expires);
        let (role, tenant) = match token.user_id {
            Some(id) => {
                let user = config.users.get(&id).filter(|user| user.enabled)?;
                (user.role, user.tenant_id)
            }
            None => (token.role?, token.tenant_id),
        };
        let who = Who { role, tenant, user: token.user_id, token: Some(token.id) };
        (token.enabled && in_time).then_some(who)
    }

    /// Whether they still are who they were: their token may have been taken back meanwhile, or run out.
    pub fn is_in_force(&self, config: &Config, now: u64) -> bool {
        let Some(id) = self.token else { return true };
        let hash = config.tokens.get(&id).map(|token| token.hash.expose());
        hash.is_some_and(|hash| Who::with_token(config, hash, now).as_ref() == Some(self))
    }

    /// Whether this role may ask for this at all.
    pub fn may(&self, action: Action) -> bool {
        let system = self.tenant.is_none();
        let admin = matches!(self.role, Role::SystemAdmin | Role::TenantAdmin);
        match action {
            Action::List(of) | Action::Get(of) => admin || !is_for_admins(of.kind),
            Action::Create(of) | Action::Delete(of) => match self.role {
                Role::SystemAdmin => true,
                Role::TenantAdmin => !matches!(of.kind, Kind::Tenant | Kind::Assignment),
                Role::Operator | Role::Viewer => false,
            },
            Action::Patch(of) => match self.role {
                Role::SystemAdmin => true,
                Role::TenantAdmin => of.kind != Kind::Assignment,
                Role::Operator => of.kind == Kind::Trunk,
                Role::Viewer => false,
            },
            Action::RegisterNow(_) | Action::Examine(_) | Action::HangUp => self.role != Role::Viewer,
            Action::Registrations | Action::Calls | Action::Records | Action::Record | Action::Messages => {
                true
            }
            Action::Explain | Action::Presets | Action::Me => true,
            Action::AvailableNumbers => true,
            Action::Buy | Action::Release => admin,
            Action::Events | Action::Alerts | Action::Warnings | Action::Quality(_) => true,
            Action::Export | Action::Import | Action::Plan | Action::Apply => self.role == Role::SystemAdmin,
            Action::Metrics => system,
            Action::Health | Action::OpenApi => true,
        }
    }

    /// Whether they may know of it.
    pub fn sees(&self, config: &Config, entity: &Entity) -> bool {
        let Some(tenant) = self.tenant else { return true };
        entity.tenant_id() == Some(tenant) || self.shares(config, entity)
    }

    /// Whether they may know of something that belongs to this tenant, or to the system.
    pub fn sees_of(&self, tenant: Option<TenantId>) -> bool {
        self.tenant.is_none() || self.tenant == tenant
    }

    /// Whether it is a trunk of the system that is assigned to their tenant.
    fn shares(&self, config: &Config, entity: &Entity) -> bool {
        match (self.tenant, entity) {
            (Some(tenant), Entity::Trunk(trunk)) => {
                trunk.tenant_id.is_none() && config.assignment(trunk.id, tenant).is_some()
            }
            _ => false,
        }
    }

    /// It as they may see it: of a trunk that the system shares with a tenant only what it is called, its brand and whether it is on.
    pub fn view(&self, entity: Entity) -> Entity {
        match &entity {
            Entity::Trunk(trunk) if self.tenant.is_some() && trunk.tenant_id.is_none() => {
                shared(trunk).unwrap_or(entity)
            }
            _ => entity,
        }
    }

    /// The status of a trunk as they may see it.
    pub fn view_status(&self, trunk: &Trunk, status: TrunkStatus) -> TrunkStatus {
        match self.sees_of(trunk.tenant_id) {
            true => status,
            false => TrunkStatus { state: status.state, ..TrunkStatus::default() },
        }
    }

    /// Whether they may know of a registration.
    pub fn sees_registration(&self, config: &Config, view: &RegistrationView) -> bool {
        let of_trunk = view.trunk_id.and_then(|id| config.trunks.get(&id)).map(|trunk| trunk.tenant_id);
        let of_extension =
            view.extension_id.and_then(|id| config.extensions.get(&id)).map(|extension| extension.tenant_id);
        self.tenant.is_none() || of_trunk.or(of_extension).is_some_and(|tenant| self.sees_of(tenant))
    }

    /// The body of something to be created, in their tenant unless it says otherwise.
    pub fn place(&self, kind: Kind, body: &mut Value) {
        if let (Some(tenant), Value::Object(fields)) = (self.tenant, body)
            && !matches!(kind, Kind::Tenant | Kind::Assignment)
            && fields.get("tenant_id").is_none_or(Value::is_null)
        {
            fields.insert("tenant_id".to_owned(), tenant.to_string().into());
        }
    }

    /// Whether they may make `after` of `before`, which is nothing where it is created. Whoever gets here may change some things of
    /// this kind.
    pub fn may_put(&self, config: &Config, before: Option<&Entity>, after: &Entity) -> Result<(), ApiError> {
        match (self.role, self.tenant) {
            (Role::SystemAdmin, _) => Ok(()),
            (Role::TenantAdmin, Some(tenant)) => {
                if let Some(before) = before {
                    self.may_change(before)?;
                }
                if after.tenant_id() != Some(tenant) {
                    let fix = "leave `tenant_id` out";
                    return forbid("tenant_id", "OTHER_TENANT", "this is not your tenant", fix);
                }
                let changed = changed(before, after);
                granted_by_system(config, tenant, (before, after), &changed)
            }
            (Role::Operator, _) => match changed(before, after).iter().find(|field| *field != "enabled") {
                None => Ok(()),
                Some(field) => {
                    let message = "an operator may only switch trunks on and off";
                    forbid(field, "FORBIDDEN_FIELD", message, "give `enabled` alone")
                }
            },
            _ => Err(ApiError::forbidden()),
        }
    }

    /// Whether something that they see is theirs to change, or to delete.
    pub fn may_change(&self, entity: &Entity) -> Result<(), ApiError> {
        match self.sees_of(entity.tenant_id()) {
            true => Ok(()),
            false => {
                forbid("", "SHARED", "the system shares this with your tenant", "ask who runs the system")
            }
        }
    }

    /// Whether something that they see is theirs to delete. A number that the system gave goes back to it.
    pub fn may_delete(&self, config: &Config, entity: &Entity) -> Result<(), ApiError> {
        self.may_change(entity)?;
        match (self.tenant, entity) {
            (Some(tenant), Entity::Number(number)) if config.is_given(tenant, number) => {
                let fix = "give it back with `POST /v1.0/numbers/{id}/release`";
                forbid("", "GIVEN_BY_SYSTEM", "the system gave this number to the tenant", fix)
            }
            _ => Ok(()),
        }
    }
}

/// What a tenant cannot give to itself: more calls and countries, calls that no limit holds, trunks that are known by where they come
/// from, numbers.
fn granted_by_system(
    config: &Config,
    tenant: TenantId,
    (before, after): (Option<&Entity>, &Entity),
    changed: &[String],
) -> Result<(), ApiError> {
    const FIX: &str = "ask who runs the system to set it";
    let is_given =
        |entity: &Entity| matches!(entity, Entity::Number(number) if config.is_given(tenant, number));
    let is_changed = |field: &str| changed.iter().any(|changed| changed == field);
    match after {
        Entity::Tenant(_) => match changed.iter().find(|field| !OF_TENANT.contains(&field.as_str())) {
            Some(field) => forbid(field, "FORBIDDEN_FIELD", "this is set by the system", FIX),
            None => Ok(()),
        },
        // Not its steps either: nothing asks where they lead.
        Entity::Route(route) if route.emergency => {
            let message = "emergency routes pass every limit, and are made by the system";
            forbid("emergency", "FORBIDDEN_FIELD", message, FIX)
        }
        Entity::Trunk(trunk) if matches!(trunk.mode, TrunkMode::IpAuth | TrunkMode::PeerIn) => {
            let message = "trunks that are known by their address are made by the system";
            forbid("mode", "FORBIDDEN_MODE", message, "use `register_out`, `register_in` or `credential`")
        }
        Entity::Trunk(trunk) if !trunk.mtls_san.is_empty() && is_changed("mtls_san") => {
            forbid("mtls_san", "FORBIDDEN_FIELD", "certificates of trunks are told by the system", FIX)
        }
        Entity::Number(_) if is_given(after) || before.is_some_and(is_given) => {
            if is_changed("number") {
                let message = "this number is in no pool of the tenant";
                let fix =
                    "look for one with `GET /v1.0/available_numbers` and buy it, or ask who runs the system";
                return forbid("number", "NUMBER_NOT_OWNED", message, fix);
            }
            match changed.iter().find(|field| OF_GIVEN_NUMBER.contains(&field.as_str())) {
                Some(field) => forbid(field, "FORBIDDEN_FIELD", "the system says what the number is", FIX),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// The names of fields that differ; of something new all of them.
fn changed(before: Option<&Entity>, after: &Entity) -> Vec<String> {
    let before = before.map(fields).unwrap_or_default();
    let after = fields(after);
    let names = before.keys().chain(after.keys());
    let mut changed: Vec<String> =
        names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect();
    changed.sort_unstable();
    changed.dedup();
    changed
}

fn fields(entity: &Entity) -> Map<String, Value> {
    match entity.to_stored() {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn shared(trunk: &Trunk) -> Option<Entity> {
    let body = serde_json::json!({ "name": trunk.name, "slug": trunk.slug, "mode": trunk.mode });
    let Ok(Entity::Trunk(mut shown)) = Entity::create(Kind::Trunk, trunk.id.0, body) else { return None };
    let fields = Arc::make_mut(&mut shown);
    (fields.enabled, fields.brand) = (trunk.enabled, trunk.brand.clone());
    Some(Entity::Trunk(shown))
}

/// Whether only administrators may look at those of a kind. The URL of a webhook often is a secret of whoever gets it.
fn is_for_admins(kind: Kind) -> bool {
    matches!(kind, Kind::User | Kind::Token | Kind::Webhook)
}

fn forbid(field: &str, reason: &'static str, message: &str, fix: &str) -> Result<(), ApiError> {
    Err(ApiError::new(StatusCode::FORBIDDEN, field, reason, message, fix))
}
