//! Rules on users and tokens.

use super::text;
use crate::findings::Findings;
use crate::{Role, TenantId, Token, User};

pub(super) fn user(user: &User, findings: &mut Findings) {
    text::check("email", Some(&user.email), text::email, findings);
    text::check("name", Some(&user.name), text::label, findings);
    role(user.role, user.tenant_id, findings);
}

pub(super) fn token(token: &Token, findings: &mut Findings) {
    text::check("name", Some(&token.name), text::label, findings);
    match (token.user_id, token.role) {
        (None, Some(given)) => role(given, token.tenant_id, findings),
        (Some(_), None) => {}
        (None, None) => {
            let fix = "give `user_id`, or the `role` of a program";
            findings.invalid("role", "REQUIRED", "nothing says what this token may do", fix);
        }
        (Some(_), Some(_)) => {
            let message = "a token of a user may do what the user may";
            findings.invalid("role", "CONFLICTING_FIELDS", message, "give only one of `user_id` and `role`");
        }
    }
}

fn role(role: Role, tenant: Option<TenantId>, findings: &mut Findings) {
    match (role, tenant) {
        (Role::SystemAdmin | Role::Operator, Some(_)) => {
            let message = format!("`{}` is for the whole system", role.name());
            let fix = "leave `tenant_id` out, or give `tenant_admin` or `viewer`";
            findings.invalid("role", "CONFLICTING_FIELDS", message, fix);
        }
        (Role::TenantAdmin, None) => {
            let fix = "say which tenant it is to administer";
            findings.invalid("tenant_id", "REQUIRED", "`tenant_admin` needs a `tenant_id`", fix);
        }
        _ => {}
    }
}
