//! Records that are older than they are to be kept, and entries of the blocklist that expired long ago: looked for every hour.

use crate::clock::Clock;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use tandem_api::Backend;
use tandem_model::{Change, Config, Kind};
use tandem_store::{Retention, Store, Sweep};

/// The first time soon after the start, so that a server that is started anew every day gets to it as well.
const FIRST: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(3600);
/// An entry of the blocklist that has expired is still seen for a day, milliseconds.
const EXPIRED_FOR: u64 = 24 * 3600 * 1000;

/// Deletes them for as long as the server runs.
pub async fn keep(store: Store, config: Arc<ArcSwap<Config>>, others: u32, clock: Clock) {
    let mut sweep = Sweep::default();
    tokio::time::sleep(FIRST).await;
    loop {
        let rules = rules(&config.load(), others);
        match store.sweep_records(&rules, &mut sweep, clock.now().as_millis()).await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "records of calls that were old enough"),
            Err(error) => tracing::warn!(%error, "old records of calls stay for another hour"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Deletes entries of the blocklist for as long as the server runs.
pub async fn tidy(backend: impl Backend) {
    tokio::time::sleep(FIRST).await;
    loop {
        let old = expired(&backend.config(), backend.now());
        let deleted = old.len();
        if deleted > 0 {
            match backend.change(old).await {
                Ok(_) => tracing::info!(deleted, "entries of the blocklist that had expired"),
                Err(error) => {
                    tracing::warn!(?error, "expired entries of the blocklist stay for another hour")
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn expired(config: &Config, now: u64) -> Vec<Change> {
    let since = now.saturating_sub(EXPIRED_FOR);
    let old = config.blocks.values().filter(|block| block.expires_at.is_some_and(|at| at < since));
    old.map(|block| Change::Delete(Kind::Block, block.id.0)).collect()
}

fn rules(config: &Config, others: u32) -> Retention {
    let tenants = config.tenants.values().map(|tenant| (tenant.id, tenant.retention_days)).collect();
    Retention { tenants, others }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tandem_model::Entity;
    use uuid::Uuid;

    #[test]
    fn an_entry_goes_a_day_after_it_expired_and_one_without_end_never() {
        const DAY: u64 = 24 * 3600 * 1000;
        let put = |n: u128, expires_at: Option<u64>| {
            let body = json!({ "kind": "caller", "value": format!("1555000{n}"), "expires_at": expires_at });
            Change::Put(Entity::create(Kind::Block, Uuid::from_u128(n), body).unwrap())
        };
        let now = 100 * DAY;
        let changes =
            [put(1, None), put(2, Some(now - DAY - 1)), put(3, Some(now - DAY)), put(4, Some(now + 1))];
        let config = Config::default().apply(&changes).unwrap();
        assert_eq!(expired(&config, now), [Change::Delete(Kind::Block, Uuid::from_u128(2))]);
        assert!(config.apply(&expired(&config, now)).is_ok());
    }
}
