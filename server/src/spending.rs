//! What tenants with a daily limit have spent before the server was started.

use std::time::Duration;
use tandem_engine::Engine;
use tandem_model::{Config, RecordQuery, Tenant};
use tandem_store::{Store, StoreError};
use tandem_time::Time;

/// A day, and as long as a call may have gone on at its beginning.
const BACK: Duration = Duration::from_secs(36 * 3600);
const PAGE: u32 = 500;

/// Reads the records of those tenants, so that a restart gives nobody a new day.
pub async fn recall(
    engine: &mut Engine,
    store: &Store,
    config: &Config,
    now: Time,
) -> Result<(), StoreError> {
    let is_limited = |tenant: &Tenant| tenant.max_daily_cost.is_some() || tenant.max_daily_intl_minutes > 0;
    let since = now.as_millis().saturating_sub(BACK.as_millis() as u64);
    for tenant in config.tenants.values().filter(|tenant| is_limited(tenant)) {
        let mut query = RecordQuery {
            tenant_id: Some(tenant.id),
            since: Some(since),
            limit: PAGE,
            ..RecordQuery::default()
        };
        loop {
            let page = store.records(&query).await?;
            page.records.iter().for_each(|record| engine.recall(record));
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    Ok(())
}
