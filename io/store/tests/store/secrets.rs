//! Passwords on disk: nobody reads them there, and nobody loses them.

use crate::config::sql;
use crate::samples::{extension, store, trunk};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tandem_model::{Change, Entity};
use tandem_store::{Store, StoreError};

/// That of `samples::trunk`.
const PASSWORD: &str = "s3cret+:%\"'";

fn password(entity: &Entity) -> Option<&str> {
    match entity {
        Entity::Trunk(trunk) => trunk.password.as_ref().map(|password| password.expose()),
        Entity::Extension(extension) => extension.password.as_ref().map(|password| password.expose()),
        _ => None,
    }
}

/// Files of the folder that hold the text, as it is or as JSON writes it.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let quoted = serde_json::to_string(text).unwrap();
    let forms = [text.as_bytes(), quoted.trim_matches('"').as_bytes()];
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|path| {
            // What SQLite has taken away meanwhile, as it does with its log, holds nothing.
            let bytes = std::fs::read(path).unwrap_or_default();
            forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == *form))
        })
        .collect()
}

/// The database as it was before there was a key: one that the passwords stand in.
async fn of_old(folder: &Path, entities: &[Entity]) {
    std::fs::remove_file(folder.join("secrets.key")).unwrap();
    sql(folder, "DELETE FROM settings WHERE key LIKE 'secrets_%'").await;
    for entity in entities {
        let (kind, id) = (entity.kind().key(), entity.id());
        let stored = entity.to_stored().to_string().replace('\'', "''");
        sql(
            folder,
            &format!("UPDATE entities SET entity = '{stored}' WHERE kind = '{kind}' AND id = '{id}'"),
        )
        .await;
    }
}

async fn closed(store: Store) {
    store.close().await;
    drop(store);
}

#[tokio::test]
async fn no_file_holds_a_password_whether_it_was_put_replaced_or_deleted() {
    let (store, folder) = store().await;
    let (carrier, phone) = (trunk(1, "carrier"), extension(2));
    store.apply(&[Change::Put(carrier.clone()), Change::Put(phone.clone())]).await.unwrap();
    let secrets = [PASSWORD, password(&phone).unwrap()];
    let nowhere = || secrets.iter().all(|secret| holding(folder.path(), secret).is_empty());
    assert!(nowhere(), "the log of the database");
    assert!(!holding(folder.path(), "carrier").is_empty(), "what is no secret is found");
    store.apply(&[Change::Put(trunk(1, "renamed")), Change::Delete(phone.kind(), phone.id())]).await.unwrap();
    assert!(nowhere());
    closed(store).await;
    assert!(nowhere(), "the database");
    let mode = std::fs::metadata(folder.path().join("secrets.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn an_old_database_is_encrypted_when_it_is_opened_and_nothing_of_it_is_left_in_the_open() {
    let (store, folder) = store().await;
    let entities = [trunk(1, "carrier"), extension(2), trunk(3, "backup")];
    store.apply(&entities.clone().map(Change::Put)).await.unwrap();
    closed(store).await;
    of_old(folder.path(), &entities).await;
    assert!(!holding(folder.path(), PASSWORD).is_empty());

    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.load_config().await.unwrap(), entities);
    assert_eq!(holding(folder.path(), PASSWORD), [] as [PathBuf; 0]);
    closed(store).await;
    assert_eq!(holding(folder.path(), PASSWORD), [] as [PathBuf; 0]);
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.load_config().await.unwrap(), entities, "and again");
}

#[tokio::test]
async fn a_server_that_died_between_making_the_key_and_using_it_goes_on() {
    let (store, folder) = store().await;
    let entities = [trunk(1, "carrier")];
    store.apply(&entities.clone().map(Change::Put)).await.unwrap();
    closed(store).await;
    let key = std::fs::read(folder.path().join("secrets.key")).unwrap();
    of_old(folder.path(), &entities).await;
    std::fs::write(folder.path().join("secrets.key"), &key).unwrap();
    std::fs::write(folder.path().join("secrets.key.new"), "tandem-k").unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.load_config().await.unwrap(), entities);
    closed(store).await;
    assert_eq!(std::fs::read(folder.path().join("secrets.key")).unwrap(), key);
}

#[tokio::test]
async fn a_key_that_is_missing_wrong_or_broken_is_named_and_all_is_there_with_the_right_one() {
    let (store, folder) = store().await;
    store.apply(&[Change::Put(trunk(1, "carrier"))]).await.unwrap();
    closed(store).await;
    let path = folder.path().join("secrets.key");
    let right = std::fs::read(&path).unwrap();
    let database = std::fs::read(folder.path().join("tandem.db")).unwrap();
    let (_, other) = crate::samples::store().await;
    let wrong = std::fs::read(other.path().join("secrets.key")).unwrap();
    let id = String::from_utf8(right.clone()).unwrap().split(' ').nth(1).unwrap().to_owned();

    for (content, why) in [
        (None, format!("is missing, and they were encrypted with it (key {id})")),
        (Some(&wrong[..]), format!("they were encrypted with key {id}")),
        (Some(&right[..40]), "does not hold a key".to_owned()),
        (Some(b""), "does not hold a key".to_owned()),
    ] {
        match content {
            Some(content) => std::fs::write(&path, content).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let error = Store::open(folder.path()).await.unwrap_err();
        assert!(matches!(error, StoreError::Key { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&*path.to_string_lossy()) && text.contains(&why), "{text}");
        assert!(text.contains("from a backup") && text.contains("nothing was changed"), "{text}");
        assert_eq!(path.exists(), content.is_some(), "no key is made in the place of a lost one");
    }
    assert_eq!(std::fs::read(folder.path().join("tandem.db")).unwrap(), database);
    std::fs::write(&path, &right).unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(password(&store.load_config().await.unwrap()[0]), Some(PASSWORD));
}

#[tokio::test]
async fn a_password_of_one_trunk_does_not_open_as_that_of_another() {
    let (store, folder) = store().await;
    store.apply(&[Change::Put(trunk(1, "one")), Change::Put(trunk(2, "two"))]).await.unwrap();
    sql(
        folder.path(),
        "UPDATE entities SET entity = json_set(entity, '$.sealed', json((SELECT json_extract(entity, '$.sealed') FROM entities ORDER BY id LIMIT 1)))",
    )
    .await;
    let error = store.load_config().await.unwrap_err().to_string();
    assert!(error.contains("trunk") && error.contains("`password`") && error.contains("backup"), "{error}");
    sql(folder.path(), "UPDATE entities SET entity = json_set(entity, '$.sealed', 'x')").await;
    let error = store.load_config().await.unwrap_err().to_string();
    assert!(
        error.contains("`sealed`") && error.contains("backup"),
        "never a trunk without its password: {error}"
    );
}
