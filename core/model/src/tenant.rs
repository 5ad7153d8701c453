//! A tenant: a customer of the system, with extensions, numbers and routes of its own that nobody else sees.

use crate::{Money, ScheduleId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a tenant may make calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    /// It is served.
    #[default]
    Active,
    /// It makes and takes no calls, but for those to emergency numbers.
    Suspended,
}

/// What becomes of a caller number that the tenant does not own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnownedCallerId {
    /// The next one in order takes its place, and the tenant's default at last.
    #[default]
    Replace,
    /// The call is refused.
    Reject,
}

/// Which calls are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingPolicy {
    /// None.
    #[default]
    Off,
}

/// A tenant as configured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Assigned when created.
    pub id: TenantId,
    /// 1 to 64 characters.
    pub name: String,
    /// What it is called in host names: 2 to 31 lower-case letters, digits and `-`, a letter first; unique.
    pub slug: String,
    /// The SIP domain that its devices register at, beside `{slug}.registrar.{base}`; unique.
    #[serde(default)]
    pub sip_domain: Option<String>,
    /// `suspended`: no calls but emergency calls.
    #[serde(default)]
    pub status: TenantStatus,
    /// Time zone of its schedules, as `Europe/Berlin`.
    #[serde(default = "utc")]
    pub timezone: String,
    /// The country that numbers without a country code belong to, ISO 3166-1 alpha-2, as `US`.
    #[serde(default)]
    pub country: Option<String>,
    /// What is dialled before a country code, beside `+`.
    #[serde(default = "international_prefix")]
    pub international_prefix: String,
    /// What is dialled before an area code, as `0`; empty: what is usual in the country.
    #[serde(default)]
    pub national_prefix: Option<String>,
    /// The area code of numbers that are dialled without one, with none before it.
    #[serde(default)]
    pub area_code: Option<String>,
    /// Countries that may be called, ISO 3166-1 alpha-2. Empty: none, so that a new tenant calls nobody at your cost.
    #[serde(default)]
    pub allowed_countries: Vec<String>,
    /// Beginnings of numbers that may not be called, as digits with the country code.
    #[serde(default)]
    pub blocked_prefixes: Vec<String>,
    /// Only within the hours of this schedule of its own the tenant calls out, but for emergency calls; empty: always. Calls that stay
    /// in the house, and those over its own trunks that no route chose, are made at any time.
    #[serde(default)]
    pub outbound_schedule_id: Option<ScheduleId>,
    /// Extensions that it may have; 0 is unlimited. Those that it has stay when this becomes less, and no further one is made.
    #[serde(default)]
    pub max_extensions: u32,
    /// Calls at once; 0 is unlimited.
    #[serde(default)]
    pub max_concurrent_calls: u32,
    /// New calls a second; 0 is unlimited.
    #[serde(default)]
    pub max_cps: u32,
    /// What its calls over trunks with a rate table may cost a day, in its own time zone. When it is spent further calls to trunks are
    /// refused, but for emergency calls. Empty: no limit.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = r"^[0-9]{1,9}([.][0-9]{1,6})?$")]
    pub max_daily_cost: Option<Money>,
    /// Minutes a day that it may talk to other countries than its own, in the same way; 0 is unlimited.
    #[serde(default)]
    pub max_daily_intl_minutes: u32,
    /// The caller number where nothing else gives one that the tenant owns.
    #[serde(default)]
    pub default_caller_id: Option<String>,
    /// What becomes of a caller number that the tenant does not own: `replace` or `reject`.
    #[serde(default)]
    pub unowned_caller_id: UnownedCallerId,
    /// Only `off` so far: no call is recorded.
    #[serde(default)]
    pub recording_policy: RecordingPolicy,
    /// Days after which records of its calls are deleted; 0: they are kept for ever.
    #[serde(default = "retention_days")]
    pub retention_days: u32,
}

fn retention_days() -> u32 {
    30
}
fn utc() -> String {
    "UTC".to_owned()
}
fn international_prefix() -> String {
    "00".to_owned()
}
