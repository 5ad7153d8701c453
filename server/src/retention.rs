//! Records that are older than they are to be kept: looked for every hour.

use crate::clock::Clock;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use tandem_model::Config;
use tandem_store::{Retention, Store, Sweep};

/// The first time soon after the start, so that a server that is started anew every day gets to it as well.
const FIRST: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(3600);

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

fn rules(config: &Config, others: u32) -> Retention {
    let tenants = config.tenants.values().map(|tenant| (tenant.id, tenant.retention_days)).collect();
    Retention { tenants, others }
}
