use crate::config::sql;
use crate::samples::store;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tandem_store::{Store, StoreError};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_missing_folder_is_made_and_nobody_else_can_read_what_is_in_it() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("var/lib/tandem");
    let store = Store::open(&folder).await.unwrap();
    store.set_setting("some", "thing").await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_database_that_others_could_read_is_closed_to_them() {
    let (store, folder) = store().await;
    store.close().await;
    drop(store);
    let file = folder.path().join("tandem.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    Store::open(folder.path()).await.unwrap();
    assert_eq!(mode(&file), 0o600);
}

#[tokio::test]
async fn a_folder_in_use_is_refused_with_the_process_that_has_it_and_free_again_after() {
    let (store, folder) = store().await;
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Locked { holder, .. } if *holder == std::process::id().to_string()),
        "{error}"
    );
    store.close().await;
    drop(store);
    Store::open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_refused_with_the_reason() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("tandem")).await.unwrap_err().to_string();
    assert!(error.contains("Not a directory") && error.contains("name another folder"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tandem.db"), "x".repeat(5_000)).unwrap();
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_tandem_is_left_alone() {
    let (store, folder) = store().await;
    store.close().await;
    drop(store);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'x', true, x'00', 0)";
    sql(folder.path(), newer).await;
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer(999)), "{error}");
}

#[tokio::test]
async fn an_installation_keeps_its_id_and_its_token_hash() {
    let (store, folder) = store().await;
    let instance = store.instance_id().await.unwrap();
    assert_eq!((instance.get_version_num(), instance.get_variant()), (4, uuid::Variant::RFC4122));
    assert_eq!(store.admin_token_hash().await.unwrap(), None);
    store.set_admin_token_hash(&[1; 32]).await.unwrap();
    store.set_admin_token_hash(&[0xab; 32]).await.unwrap();
    store.close().await;
    drop(store);
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.instance_id().await.unwrap(), instance);
    assert_eq!(store.admin_token_hash().await.unwrap(), Some([0xab; 32]));
    let (other, _folder) = crate::samples::store().await;
    assert_ne!(other.instance_id().await.unwrap(), instance);
}

#[tokio::test]
async fn a_closed_store_refuses_and_does_not_hang() {
    let (store, _folder) = store().await;
    store.close().await;
    assert!(matches!(store.load_config().await, Err(StoreError::Closed)));
    assert!(matches!(store.apply(&[]).await, Err(StoreError::Closed)));
}
