//! A class of service: what the extensions that have it may call. It takes away from what their tenant may call, and gives nothing.

use crate::{ClassOfServiceId, Pattern, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A class of service as configured. Calls that stay in the house and emergency calls are made whatever it says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassOfService {
    /// Assigned when created.
    pub id: ClassOfServiceId,
    /// The tenant whose it is; empty: the system's.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// A label.
    pub name: String,
    /// What may be called; nothing in it: everything that is not denied.
    #[serde(default)]
    pub allowed: Reach,
    /// What may not be called, allowed or not.
    #[serde(default)]
    pub denied: Reach,
}

/// Numbers: those that any of this takes.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// Calls of these kinds. They are told apart by the tenant's country, so that only a class of a tenant has them.
    #[serde(default)]
    pub kinds: Vec<CallKind>,
    /// Countries, ISO 3166-1 alpha-2.
    #[serde(default)]
    pub countries: Vec<String>,
    /// Beginnings, as `00` or `+49`.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Dial patterns. Beginnings and patterns are asked as those of routes are: of the number as it was dialled, and with its country
    /// code.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub patterns: Vec<Pattern>,
}

/// How far a call goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// Within the tenant's country.
    National,
    /// To another country, or to a number of which that is not known.
    International,
    /// To a short number of a service, as 116117.
    Service,
}

impl CallKind {
    /// In words, before `calls`.
    pub fn words(self) -> &'static str {
        match self {
            CallKind::National => "national",
            CallKind::International => "international",
            CallKind::Service => "service",
        }
    }
}

impl Reach {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self == &Reach::default()
    }

    /// What of it takes a number of this kind and country that is written in these ways, in words.
    pub fn takes(&self, kind: CallKind, country: Option<&str>, forms: &[String]) -> Option<String> {
        let by_kind = self.kinds.contains(&kind).then(|| format!("{} calls", kind.words()));
        let by_country = || {
            let country = country.filter(|country| self.countries.iter().any(|one| one == country))?;
            Some(format!("calls to {country}"))
        };
        let by_prefix = || {
            let takes = |prefix: &&String| forms.iter().any(|form| form.starts_with(prefix.as_str()));
            self.prefixes.iter().find(takes).map(|prefix| format!("calls to {prefix}..."))
        };
        let by_pattern = || {
            let takes = |pattern: &&Pattern| forms.iter().any(|form| pattern.matches(form));
            self.patterns.iter().find(takes).map(|pattern| format!("calls to {}", pattern.as_str()))
        };
        by_kind.or_else(by_country).or_else(by_prefix).or_else(by_pattern)
    }
}
