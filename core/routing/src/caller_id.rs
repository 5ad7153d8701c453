//! Which caller number is shown over a trunk: never one that the caller does not own.

use tandem_model::{Config, Digits, Extension, Interval, Step, Tenant, Trunk, UnownedCallerId};

/// The number for one trunk: `Ok(None)` leaves it to what the caller brings along.
pub(crate) fn choose(
    config: &Config,
    tenant: Option<&Tenant>,
    (extension, asked): (Option<&Extension>, Option<&String>),
    trunk: &Trunk,
    step: Option<&Step>,
) -> Result<Option<String>, ()> {
    let of_trunk = trunk.caller_id_number.as_ref();
    let candidates = [
        of_trunk.filter(|_| trunk.override_extension_cid),
        // Anybody may write anything there: it counts where it is owned, and otherwise as if it were not said.
        asked.filter(|number| may_show(config, tenant, trunk, number)),
        extension.and_then(|extension| extension.outbound_cid_by_trunk.get(&trunk.id)),
        extension.and_then(|extension| extension.outbound_cid.as_ref()),
        step.and_then(|step| step.caller_id.as_ref()),
        tenant.and_then(|tenant| tenant.default_caller_id.as_ref()),
        of_trunk,
    ];
    let Some(owner) = tenant else {
        // What the administrator of the system wrote down is the administrator's to answer for.
        return Ok(candidates.into_iter().flatten().next().cloned());
    };
    for candidate in candidates.into_iter().flatten() {
        if may_show(config, tenant, trunk, candidate) {
            return Ok(Some(candidate.clone()));
        }
        if owner.unowned_caller_id == UnownedCallerId::Reject {
            return Err(());
        }
    }
    // Over a trunk of its own a tenant shows its account; over one of the system it shows what it owns, or nothing.
    if trunk.tenant_id == Some(owner.id) { Ok(None) } else { Err(()) }
}

/// Whether a number, as it is written, belongs to who calls.
fn may_show(config: &Config, tenant: Option<&Tenant>, trunk: &Trunk, number: &str) -> bool {
    let digits = tenant.and_then(|tenant| tenant.e164(number)).or_else(|| Digits::parse(number));
    digits.is_some_and(|digits| is_owned(config, tenant, trunk, &digits))
}

/// Whether a number belongs to who calls, so that it may be shown over this trunk: to the tenant, or to the system where it is no tenant's
/// call.
pub(crate) fn is_owned(config: &Config, tenant: Option<&Tenant>, trunk: &Trunk, number: &Digits) -> bool {
    match tenant {
        Some(tenant) => {
            Interval::single(number.as_str()).is_some_and(|number| config.may_show(tenant.id, trunk, &number))
        }
        None => config.number(None, number.as_str()).is_some_and(|number| number.tenant_id.is_none()),
    }
}
