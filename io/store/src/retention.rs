//! Records of calls that are old enough are deleted, a few at a time: between two transactions whoever waits to write has its turn.

use crate::records::{parties, tenant_key};
use crate::{Store, StoreError};
use std::collections::BTreeMap;
use std::time::Duration;
use tandem_model::{CallRecord, TenantId};

/// Records deleted with one transaction.
const BATCH: u32 = 200;
/// Between two transactions.
const PAUSE: Duration = Duration::from_millis(50);
const DAY_MS: u64 = 24 * 3600 * 1000;

/// How many days records are kept; 0: for ever.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// Those of tenants.
    pub tenants: BTreeMap<TenantId, u32>,
    /// All others: of calls that are the system's, and of tenants that are gone.
    pub others: u32,
}

/// What a sweep leaves to the next one: where among the others it ended, and by which rules.
#[derive(Debug, Default)]
pub struct Sweep {
    rules: Retention,
    place: (i64, String),
}

/// A record as the database has it.
type Row = (String, i64, String);

impl Store {
    /// Deletes every record that is too old now, milliseconds since the Unix epoch; how many those were.
    pub async fn sweep_records(
        &self,
        rules: &Retention,
        sweep: &mut Sweep,
        now: u64,
    ) -> Result<usize, StoreError> {
        let before =
            |days: &u32| i64::try_from(now.saturating_sub(u64::from(*days) * DAY_MS)).unwrap_or(i64::MAX);
        let mut deleted = 0;
        for (tenant, days) in rules.tenants.iter().filter(|(_, days)| **days > 0) {
            deleted += self.sweep_tenant(*tenant, before(days)).await?;
        }
        if sweep.rules != *rules {
            *sweep = Sweep { rules: rules.clone(), ..Sweep::default() };
        }
        if rules.others > 0 {
            deleted += self.sweep_others(rules, &mut sweep.place, before(&rules.others)).await?;
        }
        Ok(deleted)
    }

    async fn sweep_tenant(&self, tenant: TenantId, before: i64) -> Result<usize, StoreError> {
        const OLDEST: &str = "SELECT r.id, r.started_at, r.record FROM call_parties p CROSS JOIN call_records r ON r.id = p.id \
                              WHERE p.party = $1 AND p.started_at < $2 ORDER BY p.started_at, p.id LIMIT $3";
        let mut deleted = 0;
        loop {
            let query = sqlx::query_as(OLDEST).bind(tenant_key(tenant)).bind(before).bind(BATCH);
            let rows: Vec<Row> = query.fetch_all(self.reader()).await?;
            if rows.is_empty() {
                return Ok(deleted);
            }
            self.delete(&rows).await?;
            deleted += rows.len();
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Walks over what is old enough, past those of tenants, which have their own time. What was walked over is not looked at again.
    async fn sweep_others(
        &self,
        rules: &Retention,
        place: &mut (i64, String),
        before: i64,
    ) -> Result<usize, StoreError> {
        const NEXT: &str = "SELECT id, started_at, record FROM call_records WHERE (started_at, id) > ($1, $2) AND started_at < $3 \
                            ORDER BY started_at, id LIMIT $4";
        let mut deleted = 0;
        loop {
            let query = sqlx::query_as(NEXT).bind(place.0).bind(&place.1).bind(before).bind(BATCH);
            let mut rows: Vec<Row> = query.fetch_all(self.reader()).await?;
            let Some((id, started_at, _)) = rows.last() else { return Ok(deleted) };
            let reached = (*started_at, id.clone());
            rows.retain(|(.., record)| {
                tenant_of(record).is_none_or(|tenant| !rules.tenants.contains_key(&tenant))
            });
            if !rows.is_empty() {
                self.delete(&rows).await?;
            }
            deleted += rows.len();
            *place = reached;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Deletes records with what finds them by their parties and the messages of their calls, in one transaction.
    async fn delete(&self, rows: &[Row]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (id, started_at, record) in rows {
            // One that does not read is found by nobody without its own row.
            let parties = serde_json::from_str(record).map(|record: CallRecord| parties(&record));
            for party in parties.unwrap_or_default() {
                sqlx::query("DELETE FROM call_parties WHERE party = $1 AND started_at = $2 AND id = $3")
                    .bind(party)
                    .bind(started_at)
                    .bind(id)
                    .execute(&mut *transaction)
                    .await?;
            }
            for with_it in
                ["DELETE FROM captures WHERE call_id = $1", "DELETE FROM call_records WHERE id = $1"]
            {
                sqlx::query(with_it).bind(id).execute(&mut *transaction).await?;
            }
        }
        Ok(transaction.commit().await?)
    }
}

fn tenant_of(record: &str) -> Option<TenantId> {
    #[derive(serde::Deserialize)]
    struct Whose {
        tenant_id: Option<TenantId>,
    }
    serde_json::from_str::<Whose>(record).ok()?.tenant_id
}
