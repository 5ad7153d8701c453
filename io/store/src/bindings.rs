//! Bindings: where the devices that registered to us are.

use crate::rows::{CHUNK, padded};
use crate::{Store, StoreError};
use serde::Serialize;
use sqlx::QueryBuilder;
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
        let (puts, deletes) = outcome(&changes)?;
        let mut transaction = self.begin().await?;
        for deletes in deletes.chunks(CHUNK) {
            let mut sql = QueryBuilder::new("DELETE FROM bindings WHERE (owner, contact) IN (");
            sql.push_values(padded(deletes), |mut values, delete| {
                values.push_bind(delete.map(|(owner, _)| owner.as_str()));
                values.push_bind(delete.map(|(_, contact)| *contact));
            });
            sql.push(")").build().execute(&mut *transaction).await?;
        }
        for puts in puts.chunks(CHUNK) {
            let mut sql = QueryBuilder::new(
                "INSERT INTO bindings (owner, contact, expires_at, binding) SELECT * FROM (",
            );
            sql.push_values(padded(puts), |mut values, put| {
                values.push_bind(put.map(|put| put.owner.as_str()));
                values.push_bind(put.map(|put| put.contact));
                values.push_bind(put.map(|put| put.expires_at));
                values.push_bind(put.map(|put| put.binding.as_str()));
            });
            sql.push(
                ") WHERE column1 IS NOT NULL
                 ON CONFLICT (owner, contact) DO UPDATE SET expires_at = excluded.expires_at, binding = excluded.binding",
            );
            sql.build().execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// A binding as it is written.
struct Put<'a> {
    owner: String,
    contact: &'a str,
    expires_at: i64,
    binding: String,
}

/// What is left of owner and contact of a binding that is gone.
type Delete<'a> = (String, &'a str);

/// What the changes leave behind: the last word on each binding.
fn outcome(changes: &[BindingChange]) -> Result<(Vec<Put<'_>>, Vec<Delete<'_>>), StoreError> {
    let mut last: HashMap<(BindingOwner, &str), Option<&Binding>> = HashMap::with_capacity(changes.len());
    for change in changes {
        match change {
            BindingChange::Put(binding) => last.insert((binding.owner, &binding.contact), Some(binding)),
            BindingChange::Delete { owner, contact } => last.insert((*owner, contact), None),
        };
    }
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for ((owner, contact), binding) in last {
        let owner = key(owner);
        match binding {
            Some(binding) => {
                let expires_at = i64::try_from(binding.expires_at).unwrap_or(i64::MAX);
                puts.push(Put { owner, contact, expires_at, binding: json(binding)? });
            }
            None => deletes.push((owner, contact)),
        }
    }
    Ok((puts, deletes))
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
