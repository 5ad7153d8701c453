//! Call records: written once each, read newest first.

use crate::bindings::json;
use crate::rows::{CHUNK, padded};
use crate::{Store, StoreError};
use sqlx::{QueryBuilder, Sqlite, Transaction};
use std::collections::{BTreeSet, HashSet};
use tandem_model::{
    CallId, CallRecord, ExtensionId, Outcome, Party, RecordPage, RecordQuery, TenantId, TrunkId,
};

impl Store {
    /// Writes the records of calls that are over, in one transaction. A call that has a record already keeps that one.
    pub async fn write_records(&self, records: &[CallRecord]) -> Result<(), StoreError> {
        let rows = records.iter().map(Row::new).collect::<Result<Vec<Row>, StoreError>>()?;
        self.write_rows(&rows).await
    }

    /// The same for records that are in the form of the database already.
    pub(crate) async fn write_rows(&self, rows: &[Row]) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        let rows: Vec<&Row> = rows.iter().filter(|row| seen.insert(&row.id)).collect();
        let mut transaction = self.begin().await?;
        for rows in rows.chunks(CHUNK) {
            insert(rows, &mut transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// One record.
    pub async fn record(&self, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        let row: Option<(String,)> = sqlx::query_as("SELECT record FROM call_records WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self.reader())
            .await?;
        row.map(|(record,)| read(&record)).transpose()
    }

    /// A page of records, newest first.
    pub async fn records(&self, query: &RecordQuery) -> Result<RecordPage, StoreError> {
        let after = match query.after {
            Some(id) => Some((self.start_of(id).await?, id)),
            None => None,
        };
        let rows: Vec<(String,)> = select(query, after).build_query_as().fetch_all(self.reader()).await?;
        let mut records = rows.iter().map(|(record,)| read(record)).collect::<Result<Vec<_>, _>>()?;
        let limit = query.limit as usize;
        let more = records.len() > limit;
        records.truncate(limit);
        Ok(RecordPage { next: records.last().filter(|_| more).map(|record| record.id), records })
    }

    async fn start_of(&self, id: CallId) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT started_at FROM call_records WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self.reader())
            .await?;
        row.map(|(started_at,)| started_at).ok_or(StoreError::NoSuchCursor(id))
    }
}

async fn insert(rows: &[&Row], transaction: &mut Transaction<'static, Sqlite>) -> Result<(), StoreError> {
    let parties: Vec<_> =
        rows.iter().flat_map(|row| row.parties.iter().map(move |party| (party, *row))).collect();
    for parties in parties.chunks(CHUNK) {
        let mut sql =
            QueryBuilder::new("INSERT INTO call_parties (party, started_at, id, outcome) SELECT * FROM (");
        sql.push_values(padded(parties), |mut values, party| {
            values.push_bind(party.map(|(party, _)| party.as_str()));
            values.push_bind(party.map(|(_, row)| row.started_at));
            values.push_bind(party.map(|(_, row)| row.id.as_str()));
            values.push_bind(party.map(|(_, row)| row.outcome));
        });
        sql.push(
            ") WHERE column1 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM call_records WHERE id = column3)",
        );
        sql.build().execute(&mut **transaction).await?;
    }
    let mut sql =
        QueryBuilder::new("INSERT INTO call_records (id, started_at, outcome, record) SELECT * FROM (");
    sql.push_values(padded(rows), |mut values, row| {
        values.push_bind(row.map(|row| row.id.as_str()));
        values.push_bind(row.map(|row| row.started_at));
        values.push_bind(row.map(|row| row.outcome));
        values.push_bind(row.map(|row| row.record.as_str()));
    });
    sql.push(") WHERE column1 IS NOT NULL ON CONFLICT (id) DO NOTHING");
    sql.build().execute(&mut **transaction).await?;
    Ok(())
}

/// A record as the database has it.
#[derive(Debug)]
pub(crate) struct Row {
    id: String,
    started_at: i64,
    outcome: &'static str,
    record: String,
    parties: BTreeSet<String>,
}

impl Row {
    pub(crate) fn new(record: &CallRecord) -> Result<Row, StoreError> {
        Ok(Row {
            id: record.id.to_string(),
            started_at: clamp(record.started_at),
            outcome: outcome_name(record.outcome),
            record: json(record)?,
            parties: parties(record),
        })
    }

    /// All of it, in JSON.
    pub(crate) fn record(&self) -> &str {
        &self.record
    }
}

/// The query, driven by the table whose index has the answer in order: a page costs what it shows.
fn select(query: &RecordQuery, after: Option<(i64, CallId)>) -> QueryBuilder<Sqlite> {
    let trunk = query.trunk_id.map(trunk_key);
    let extension = query.extension_id.map(extension_key);
    let mut parties = [trunk, extension, query.tenant_id.map(tenant_key)].into_iter().flatten();
    let mut sql = QueryBuilder::new("SELECT r.record FROM ");
    match parties.next() {
        Some(party) => {
            sql.push("call_parties p CROSS JOIN call_records r ON r.id = p.id WHERE p.party = ")
                .push_bind(party);
        }
        None => {
            sql.push("call_records p CROSS JOIN call_records r ON r.seq = p.seq WHERE true");
        }
    }
    for party in parties {
        sql.push(" AND EXISTS (SELECT 1 FROM call_parties o WHERE o.party = ").push_bind(party);
        sql.push(" AND o.started_at = p.started_at AND o.id = p.id)");
    }
    if let Some(outcome) = query.outcome {
        sql.push(" AND p.outcome = ").push_bind(outcome_name(outcome));
    }
    if let Some(since) = query.since {
        sql.push(" AND p.started_at >= ").push_bind(clamp(since));
    }
    if let Some(until) = query.until {
        sql.push(" AND p.started_at < ").push_bind(clamp(until));
    }
    if let Some((started_at, id)) = after {
        sql.push(" AND (p.started_at, p.id) < (").push_bind(started_at);
        sql.push(", ").push_bind(id.to_string()).push(")");
    }
    sql.push(" ORDER BY p.started_at DESC, p.id DESC LIMIT ").push_bind(i64::from(query.limit) + 1);
    sql
}

fn clamp(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Busy => "busy",
        Outcome::NoAnswer => "no_answer",
        Outcome::Cancelled => "cancelled",
        Outcome::Failed => "failed",
    }
}

fn trunk_key(id: TrunkId) -> String {
    format!("trunk:{id}")
}

fn extension_key(id: ExtensionId) -> String {
    format!("extension:{id}")
}

pub(crate) fn tenant_key(id: TenantId) -> String {
    format!("tenant:{id}")
}

/// Every trunk and extension that had a part in the call, and whose call it was.
pub(crate) fn parties(record: &CallRecord) -> BTreeSet<String> {
    let ends = [&record.caller, &record.callee];
    let of_ends = ends.into_iter().map(|Party { trunk_id, extension_id, .. }| (*trunk_id, *extension_id));
    let of_attempts = record.attempts.iter().map(|attempt| (attempt.trunk_id, attempt.extension_id));
    of_ends
        .chain(of_attempts)
        .flat_map(|(trunk, extension)| [trunk.map(trunk_key), extension.map(extension_key)])
        .flatten()
        .chain(record.tenant_id.map(tenant_key))
        .collect()
}

fn read(record: &str) -> Result<CallRecord, StoreError> {
    serde_json::from_str(record)
        .map_err(|error| StoreError::Unreadable { what: "a call record".to_owned(), why: error.to_string() })
}
