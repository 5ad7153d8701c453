//! Configuration entities.

use crate::{Store, StoreError, sealing};
use futures_util::TryStreamExt;
use tandem_model::{Change, Entity, Kind};

impl Store {
    /// Everything configured, oldest first.
    pub async fn load_config(&self) -> Result<Vec<Entity>, StoreError> {
        let mut rows = sqlx::query_as::<_, (String, String, String)>(
            "SELECT kind, id, entity FROM entities ORDER BY id",
        )
        .fetch(self.reader());
        let mut entities = Vec::new();
        while let Some((kind, id, entity)) = rows.try_next().await? {
            entities.push(self.read(&kind, &id, &entity)?);
        }
        Ok(entities)
    }

    /// Writes a change that [`tandem_model::Config::apply`] has accepted: all of it or nothing.
    pub async fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for change in changes {
            let query = match change {
                Change::Put(entity) => sqlx::query(
                    "INSERT INTO entities (kind, id, version, entity) VALUES ($1, $2, 1, $3)
                     ON CONFLICT (kind, id) DO UPDATE SET version = version + 1, entity = excluded.entity",
                )
                .bind(entity.kind().key())
                .bind(entity.id().to_string())
                .bind(sealing::seal(self.key(), entity)?),
                Change::Delete(kind, id) => sqlx::query("DELETE FROM entities WHERE kind = $1 AND id = $2")
                    .bind(kind.key())
                    .bind(id.to_string()),
            };
            query.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    fn read(&self, kind: &str, id: &str, entity: &str) -> Result<Entity, StoreError> {
        let unreadable = |why: String| StoreError::Unreadable { what: format!("{kind} {id}"), why };
        let Some(&known) = Kind::ALL.iter().find(|known| known.key() == kind) else {
            return Err(unreadable("this tandem knows no such kind".to_owned()));
        };
        sealing::open(self.key(), known, id, entity).map_err(unreadable)
    }
}
