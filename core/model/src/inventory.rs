//! The inventory: numbers of the system that tenants may have.

use crate::country::country_of;
use crate::{
    Config, Interval, Number, NumberId, NumberStatus, NumberType, Rejection, RejectionKind, TenantId,
};
use serde::Serialize;
use utoipa::ToSchema;

/// What somebody looks for who wants a number. Nothing said: any will do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WantedNumber {
    /// In this country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Of this sort.
    pub kind: Option<NumberType>,
    /// Digits with the country code that it begins with.
    pub prefix: String,
    /// Only those after this one, by id.
    pub after: Option<NumberId>,
    /// So many at most.
    pub limit: usize,
}

/// A number that may be bought.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AvailableNumber {
    /// What it is bought by.
    pub id: NumberId,
    /// The number.
    pub number: String,
    /// What sort of number it is.
    #[serde(rename = "type")]
    pub kind: NumberType,
    /// The country that it belongs to, ISO 3166-1 alpha-2, where its country code tells.
    pub country: Option<String>,
    /// It may be shown as the caller of emergency calls.
    pub emergency: bool,
    /// Calls may change to fax (T.38).
    pub t38: bool,
}

impl Config {
    /// Numbers of the inventory, oldest first.
    pub fn available_numbers(&self, wanted: &WantedNumber) -> Vec<AvailableNumber> {
        let fits = |number: &Number| {
            let digits = number.digits()?;
            let country = country_of(digits.as_str());
            let fits = number.status == NumberStatus::Available
                && wanted.kind.is_none_or(|kind| number.kind == kind)
                && digits.as_str().starts_with(&wanted.prefix)
                && wanted.country.as_deref().is_none_or(|wanted| country == Some(wanted));
            fits.then(|| AvailableNumber {
                id: number.id,
                number: number.number.clone(),
                kind: number.kind,
                country: country.map(str::to_owned),
                emergency: number.emergency,
                t38: number.t38,
            })
        };
        let left = self.numbers.values().filter(|number| wanted.after.is_none_or(|after| number.id > after));
        left.filter_map(|number| fits(number)).take(wanted.limit).collect()
    }

    /// A number of the inventory as this tenant's. Of numbers that are not in the inventory nothing is said, not even whether they are
    /// there.
    pub fn bought_number(&self, id: NumberId, tenant: TenantId) -> Result<Number, Rejection> {
        let available = self.numbers.get(&id).filter(|number| number.status == NumberStatus::Available);
        let Some(number) = available else {
            let message = "no number with this id is available: somebody may have bought it meanwhile";
            let fix = "look for another one with `GET /v1.0/available_numbers`";
            return Err(Rejection::one(RejectionKind::Conflict, "id", "NOT_AVAILABLE", message, fix));
        };
        let status = NumberStatus::Assigned;
        Ok(Number {
            tenant_id: Some(tenant),
            status,
            enabled: status.is_in_force(),
            ..number.as_ref().clone()
        })
    }

    /// A number of a tenant given back: nothing of what the tenant made of it is left.
    pub fn released_number(&self, number: &Number) -> Result<Number, Rejection> {
        let refuse =
            |reason, message, fix| Err(Rejection::one(RejectionKind::Conflict, "id", reason, message, fix));
        let Some(tenant) = number.tenant_id else {
            let message = "it belongs to no tenant that could give it back";
            return refuse("NOT_ASSIGNED", message, "set its `status`, or delete it");
        };
        if !self.is_given(tenant, number) {
            let message = "it is the tenant's own, by a pool or as a private number";
            return refuse("NOT_GIVEN", message, "delete it");
        }
        let status = NumberStatus::Released;
        Ok(Number {
            tenant_id: None,
            name: None,
            extension_id: None,
            trunk_id: None,
            status,
            enabled: status.is_in_force(),
            ..number.clone()
        })
    }

    /// Whether the system gave this number to the tenant, which has it neither in a pool nor for itself.
    pub fn is_given(&self, tenant: TenantId, number: &Number) -> bool {
        number.digits().filter(|digits| !digits.is_private()).is_some_and(|digits| {
            Interval::single(digits.as_str()).is_none_or(|number| !self.in_pool(tenant, &number))
        })
    }
}
