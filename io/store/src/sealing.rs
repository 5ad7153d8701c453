//! Passwords in the database: encrypted under the key of the data folder, and those of an old database once it is opened.

use crate::StoreError;
use crate::key::SecretsKey;
use serde_json::{Map, Value};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};
use tandem_model::{Entity, Kind};

/// Where an entity has its encrypted fields.
const SEALED: &str = "sealed";
/// The setting that says which key the database was written with.
const KEY_ID: &str = "secrets_key_id";

/// The id of the key that the database was written with.
pub(crate) async fn key_id(connection: &mut SqliteConnection) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT value FROM settings WHERE key = $1")
        .bind(KEY_ID)
        .fetch_optional(connection)
        .await?)
}

/// Has a database that knows of no key yet encrypted with this one: all passwords at once, and nothing is left of them in the
/// file or its log.
pub(crate) async fn adopt(connection: &mut SqliteConnection, key: &SecretsKey) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let sealed = seal_all(&mut transaction, key).await?;
    sqlx::query("INSERT INTO settings (key, value) VALUES ($1, $2)")
        .bind(KEY_ID)
        .bind(&key.id)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    if sealed > 0 {
        tracing::info!(
            passwords = sealed,
            "the passwords in tandem.db were encrypted; back up secrets.key too"
        );
    }
    Ok(())
}

/// Writes the file anew and empties its log, where what is now encrypted stood in the open. After a crash in between the next
/// start does it.
pub(crate) async fn wipe(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const WIPED: &str = "secrets_wiped";
    let wiped: Option<String> = sqlx::query_scalar("SELECT value FROM settings WHERE key = $1")
        .bind(WIPED)
        .fetch_optional(&mut *connection)
        .await?;
    if wiped.is_some() {
        return Ok(());
    }
    sqlx::raw_sql("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *connection).await?;
    sqlx::query("INSERT INTO settings (key, value) VALUES ($1, 'yes')")
        .bind(WIPED)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

async fn seal_all(transaction: &mut Transaction<'_, Sqlite>, key: &SecretsKey) -> Result<u64, StoreError> {
    let rows: Vec<(String, String, String)> =
        sqlx::query_as("SELECT kind, id, entity FROM entities").fetch_all(&mut **transaction).await?;
    let mut sealed = 0;
    for (kind, id, entity) in rows {
        let Ok(Value::Object(mut object)) = serde_json::from_str(&entity) else {
            continue; // said when the configuration is read
        };
        let found = seal_fields(key, &kind, &id, &mut object)?;
        if found == 0 {
            continue;
        }
        sealed += found;
        sqlx::query("UPDATE entities SET entity = $1 WHERE kind = $2 AND id = $3")
            .bind(Value::Object(object).to_string())
            .bind(kind)
            .bind(id)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(sealed)
}

/// An entity as it is written.
pub(crate) fn seal(key: &SecretsKey, entity: &Entity) -> Result<String, StoreError> {
    let mut stored = entity.to_stored();
    if let Value::Object(object) = &mut stored {
        seal_fields(key, entity.kind().key(), &entity.id().to_string(), object)?;
    }
    Ok(stored.to_string())
}

fn seal_fields(
    key: &SecretsKey,
    kind: &str,
    id: &str,
    object: &mut Map<String, Value>,
) -> Result<u64, StoreError> {
    let mut sealed = Map::new();
    for field in Entity::SECRETS {
        if let Some(Value::String(secret)) = object.remove(field) {
            sealed.insert(field.to_owned(), key.seal(&place(kind, id, field), &secret)?.into());
        }
    }
    let count = sealed.len() as u64;
    if count > 0 {
        object.insert(SEALED.to_owned(), Value::Object(sealed));
    }
    Ok(count)
}

/// An entity as it was written.
pub(crate) fn open(key: &SecretsKey, kind: Kind, id: &str, text: &str) -> Result<Entity, String> {
    let mut stored: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if let Value::Object(object) = &mut stored
        && let Some(sealed) = object.remove(SEALED)
    {
        let Value::Object(sealed) = sealed else {
            return Err(format!("`{SEALED}` is not what was encrypted; restore tandem.db from a backup"));
        };
        for (field, sealed) in sealed {
            let sealed = sealed.as_str().unwrap_or_default();
            let secret = key.open(&place(kind.key(), id, &field), sealed).map_err(|_| {
                format!(
                    "its `{field}` is not what was encrypted with {}; restore tandem.db from a backup",
                    crate::key::FILE
                )
            })?;
            object.insert(field, secret.into());
        }
    }
    Entity::from_stored(kind, stored)
}

fn place(kind: &str, id: &str, field: &str) -> String {
    format!("{kind} {id} {field}")
}
