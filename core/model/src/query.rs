//! Asking for call records.

use crate::{CallId, CallRecord, ExtensionId, Outcome, TenantId, TrunkId};

/// Which call records are wanted. Those asked for by trunk or extension had it as caller, callee or in any attempt.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecordQuery {
    /// Only calls that this trunk had a part in.
    pub trunk_id: Option<TrunkId>,
    /// Only calls that this extension had a part in.
    pub extension_id: Option<ExtensionId>,
    /// Only calls of this tenant.
    pub tenant_id: Option<TenantId>,
    /// Only calls that ended so.
    pub outcome: Option<Outcome>,
    /// Only calls that began at this moment or later, milliseconds since the Unix epoch.
    pub since: Option<u64>,
    /// Only calls that began before this moment.
    pub until: Option<u64>,
    /// The cursor: only records that come after this one in the listing.
    pub after: Option<CallId>,
    /// How many at most, 1 to 500.
    pub limit: u32,
}

/// A stretch of the listing of call records.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RecordPage {
    /// The records, newest first.
    pub records: Vec<CallRecord>,
    /// Where the next page goes on; `None` on the last.
    pub next: Option<CallId>,
}
