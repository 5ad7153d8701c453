//! Bindings: where the devices that registered to us are.

use crate::{Store, StoreError};
use serde::Serialize;
use std::collections::HashMap;
use tandem_model::{Binding, BindingChange, BindingOwner};

impl Store {
    /// All bindings, those that have expired meanwhile among them.
    pub async fn load_bindings(&self) -> Result<Vec<Binding>, StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT contact, binding FROM bindings ORDER BY owner, contact")
                .fetch_all(self.reader())
                .await?;
        rows.into_iter()
            .map(|(contact, binding)| {
                serde_json::from_str(&binding).map_err(|e| StoreError::Unreadable {
                    what: format!("binding {contact}"),
                    why: e.to_string(),
                })
            })
            .collect()
    }

    /// Writes the changes in their order, in one transaction. Whoever has many writers wants [`Store::bindings_writer`].
    pub async fn write_bindings(&self, changes: Vec<BindingChange>) -> Result<(), StoreError> {
        // Two statements a batch, whatever its size: each one costs a trip to SQLite's thread and back.
        let (puts, deletes) = outcome(&changes);
        let mut transaction = self.begin().await?;
        if !deletes.is_empty() {
            sqlx::query(
                "DELETE FROM bindings
                 WHERE (owner, contact) IN (SELECT value ->> 0, value ->> 1 FROM json_each($1))",
            )
            .bind(json(&deletes)?)
            .execute(&mut *transaction)
            .await?;
        }
        if !puts.is_empty() {
            sqlx::query(
                "INSERT INTO bindings (owner, contact, expires_at, binding)
                 SELECT value ->> 0, value ->> 1, value ->> 2, value -> 3 FROM json_each($1) WHERE true
                 ON CONFLICT (owner, contact) DO UPDATE SET expires_at = excluded.expires_at, binding = excluded.binding",
            )
            .bind(json(&puts)?)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// A row as it travels: owner, contact, expiry, binding.
type Put<'a> = (String, &'a str, u64, &'a Binding);
type Delete<'a> = (String, &'a str);

/// What the changes leave behind: the last word on each binding.
fn outcome(changes: &[BindingChange]) -> (Vec<Put<'_>>, Vec<Delete<'_>>) {
    let mut last: HashMap<(BindingOwner, &str), Option<&Binding>> = HashMap::with_capacity(changes.len());
    for change in changes {
        match change {
            BindingChange::Put(binding) => last.insert((binding.owner, &binding.contact), Some(binding)),
            BindingChange::Delete { owner, contact } => last.insert((*owner, contact), None),
        };
    }
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for ((owner, contact), binding) in last {
        match binding {
            Some(binding) => puts.push((key(owner), contact, binding.expires_at, binding)),
            None => deletes.push((key(owner), contact)),
        }
    }
    (puts, deletes)
}

fn key(owner: BindingOwner) -> String {
    match owner {
        BindingOwner::Extension(id) => format!("extension:{id}"),
        BindingOwner::Trunk(id) => format!("trunk:{id}"),
    }
}

pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|e| StoreError::Unreadable { what: "a value to be written".to_owned(), why: e.to_string() })
}
