//! Settings: what belongs to the installation and is no part of its configuration.

use crate::{Store, StoreError};
use uuid::Uuid;

const INSTANCE_ID: &str = "instance_id";
const ADMIN_TOKEN_HASH: &str = "admin_token_hash";

impl Store {
    /// A random id made with the database.
    pub async fn instance_id(&self) -> Result<Uuid, StoreError> {
        let text = self.setting(INSTANCE_ID).await?.unwrap_or_default();
        text.parse().map_err(|error: uuid::Error| unreadable(INSTANCE_ID, error))
    }

    /// The SHA-256 of the administrator's token; `None` until one was set.
    pub async fn admin_token_hash(&self) -> Result<Option<[u8; 32]>, StoreError> {
        let Some(text) = self.setting(ADMIN_TOKEN_HASH).await? else { return Ok(None) };
        let mut hash = [0; 32];
        hex::decode_to_slice(&text, &mut hash).map_err(|error| unreadable(ADMIN_TOKEN_HASH, error))?;
        Ok(Some(hash))
    }

    /// Sets it; the token before it is void.
    pub async fn set_admin_token_hash(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        self.set_setting(ADMIN_TOKEN_HASH, &hex::encode(hash)).await
    }

    /// Reads any setting.
    pub async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = sqlx::query_as("SELECT value FROM settings WHERE key = $1")
            .bind(key)
            .fetch_optional(self.reader())
            .await?;
        Ok(row.map(|(value,)| value))
    }

    /// Writes any setting.
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(key)
        .bind(value)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }
}

fn unreadable(key: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what: format!("setting {key}"), why: why.to_string() }
}
