use crate::samples::{extension, id, store, trunk};
use tandem_model::{Change, Entity, Kind};
use tandem_store::{Store, StoreError};

#[tokio::test]
async fn what_was_configured_is_there_after_a_restart_oldest_first_and_with_its_secrets() {
    let (store, folder) = store().await;
    let entities = [trunk(1, "carrier"), extension(2), trunk(3, "backup")];
    let changes: Vec<Change> = entities.iter().rev().cloned().map(Change::Put).collect();
    store.apply(&changes).await.unwrap();
    store.close().await;
    drop(store);

    let store = Store::open(folder.path()).await.unwrap();
    let loaded = store.load_config().await.unwrap();
    assert_eq!(loaded, entities);
    let Entity::Trunk(carrier) = &loaded[0] else { panic!("a trunk was stored") };
    assert_eq!(carrier.password.as_ref().unwrap().expose(), "s3cret+:%\"'");
}

#[tokio::test]
async fn an_entity_that_is_put_again_is_replaced_and_a_deleted_one_is_gone() {
    let (store, _folder) = store().await;
    store.apply(&[Change::Put(trunk(1, "old")), Change::Put(trunk(2, "other"))]).await.unwrap();
    store.apply(&[Change::Put(trunk(1, "new")), Change::Delete(Kind::Trunk, id(2))]).await.unwrap();
    assert_eq!(store.load_config().await.unwrap(), [trunk(1, "new")]);
}

#[tokio::test]
async fn a_change_that_fails_midway_writes_nothing() {
    let (store, folder) = store().await;
    store.apply(&[Change::Put(trunk(1, "first"))]).await.unwrap();
    refuse_inserts_of(folder.path(), "extension").await;

    let changes =
        [Change::Delete(Kind::Trunk, id(1)), Change::Put(trunk(3, "third")), Change::Put(extension(2))];
    assert!(matches!(store.apply(&changes).await, Err(StoreError::Database(_))));
    assert_eq!(store.load_config().await.unwrap(), [trunk(1, "first")]);

    store.apply(&[Change::Put(trunk(3, "third"))]).await.unwrap();
    assert_eq!(store.load_config().await.unwrap().len(), 2, "the store goes on after a failure");
}

#[tokio::test]
async fn an_entity_that_cannot_be_read_is_named() {
    let (store, folder) = store().await;
    store.apply(&[Change::Put(trunk(1, "carrier"))]).await.unwrap();
    sql(folder.path(), "UPDATE entities SET entity = json_set(entity, '$.host', 5)").await;
    let error = store.load_config().await.unwrap_err().to_string();
    assert!(error.contains(&format!("trunk {}", id(1))) && error.contains("host"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}

async fn refuse_inserts_of(folder: &std::path::Path, kind: &str) {
    let trigger = format!(
        "CREATE TRIGGER refusal BEFORE INSERT ON entities WHEN NEW.kind = '{kind}' BEGIN SELECT RAISE(ABORT, 'no'); END"
    );
    sql(folder, &trigger).await;
}

/// Runs a statement behind the store's back.
pub async fn sql(folder: &std::path::Path, statement: &str) {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("tandem.db"));
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    // One that is only dropped goes on moving its log while the next looks.
    connection.close().await.unwrap();
}
