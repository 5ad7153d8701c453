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
        asked.filter(|number| may_ask(config, tenant, trunk, number)),
        extension.and_then(|extension| extension.outbound_cid_by_trunk.get(&trunk.id)),
        extension.and_then(|extension| extension.outbound_cid.as_ref()),
        step.and_then(|step| step.caller_id.as_ref()),
        tenant.and_then(|tenant| tenant.default_caller_id.as_ref()),
        of_trunk,
    ];
    let Some(tenant) = tenant else {
        // What the administrator of the system wrote down is the administrator's to answer for.
        return Ok(candidates.into_iter().flatten().next().cloned());
    };
    for candidate in candidates.into_iter().flatten() {
        if may_show(config, tenant, trunk, candidate) {
            return Ok(Some(candidate.clone()));
        }
        if tenant.unowned_caller_id == UnownedCallerId::Reject {
            return Err(());
        }
    }
    // Over a trunk of its own a tenant shows its account; over one of the system it shows what it owns, or nothing.
    if trunk.tenant_id == Some(tenant.id) { Ok(None) } else { Err(()) }
}

/// Whether a call itself may say that this number be shown.
fn may_ask(config: &Config, tenant: Option<&Tenant>, trunk: &Trunk, number: &str) -> bool {
    match tenant {
        Some(tenant) => may_show(config, tenant, trunk, number),
        None => Digits::parse(number)
            .and_then(|digits| config.number(None, digits.as_str()))
            .is_some_and(|number| number.tenant_id.is_none()),
    }
}

fn may_show(config: &Config, tenant: &Tenant, trunk: &Trunk, number: &str) -> bool {
    let digits = tenant.e164(number).or_else(|| Digits::parse(number));
    digits
        .and_then(|digits| Interval::single(digits.as_str()))
        .is_some_and(|number| config.may_show(tenant.id, trunk, &number))
}
