use crate::samples::{binding, id, store};
use std::time::Instant;
use tandem_model::{Binding, BindingChange, BindingOwner, TrunkId};
use tandem_store::{Store, StoreError};

fn delete(binding: &Binding) -> BindingChange {
    BindingChange::Delete { owner: binding.owner, contact: binding.contact.clone() }
}

async fn stored(store: &Store) -> Vec<Binding> {
    let mut bindings = store.load_bindings().await.unwrap();
    bindings.sort_by_key(|binding| binding.expires_at);
    bindings
}

#[tokio::test]
async fn bindings_are_there_after_a_restart() {
    let (store, folder) = store().await;
    let of_a_trunk = Binding { owner: BindingOwner::Trunk(TrunkId(id(1))), ..binding(9) };
    let bindings = [binding(1), binding(2), of_a_trunk];
    store.write_bindings(bindings.iter().cloned().map(BindingChange::Put).collect()).await.unwrap();
    store.close().await;
    drop(store);
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(stored(&store).await, bindings);
}

#[tokio::test]
async fn of_several_changes_to_one_binding_the_last_counts() {
    let (store, _folder) = store().await;
    store.write_bindings(vec![BindingChange::Put(binding(1)), BindingChange::Put(binding(2))]).await.unwrap();
    let refreshed = Binding { expires_at: 1_800_000_000, ..binding(1) };
    let changes = vec![
        BindingChange::Put(refreshed.clone()),
        delete(&binding(2)),
        BindingChange::Put(binding(3)),
        delete(&binding(3)),
        delete(&binding(4)),
        BindingChange::Put(binding(4)),
    ];
    store.write_bindings(changes).await.unwrap();
    assert_eq!(stored(&store).await, [binding(4), refreshed]);
}

#[tokio::test]
async fn one_contact_of_two_owners_is_two_bindings() {
    let (store, _folder) = store().await;
    let other =
        Binding { owner: BindingOwner::Trunk(TrunkId(id(1))), expires_at: 1_800_000_000, ..binding(1) };
    store
        .write_bindings(vec![BindingChange::Put(binding(1)), BindingChange::Put(other.clone())])
        .await
        .unwrap();
    store.write_bindings(vec![delete(&binding(1))]).await.unwrap();
    assert_eq!(stored(&store).await, [other]);
}

#[tokio::test]
async fn the_writer_acknowledges_what_is_on_disk_in_the_order_of_submission() {
    let (store, _folder) = store().await;
    let writer = store.bindings_writer();
    let put = writer.submit(vec![BindingChange::Put(binding(1))]).unwrap();
    let gone = writer.submit(vec![delete(&binding(1))]).unwrap();
    let back = writer.submit(vec![BindingChange::Put(binding(1)), BindingChange::Put(binding(2))]).unwrap();
    put.await.unwrap();
    gone.await.unwrap();
    back.await.unwrap();
    assert_eq!(stored(&store).await, [binding(1), binding(2)]);
}

#[tokio::test]
async fn a_batch_that_cannot_be_written_is_refused_to_all_who_submitted_to_it() {
    let (store, _folder) = store().await;
    let writer = store.bindings_writer();
    store.close().await;
    let answers = [
        writer.write(vec![BindingChange::Put(binding(1))]),
        writer.write(vec![BindingChange::Put(binding(2))]),
    ];
    for answer in answers {
        assert!(matches!(answer.await, Err(StoreError::Closed)));
    }
}

#[tokio::test]
async fn a_queue_that_is_full_refuses_instead_of_growing() {
    let (store, _folder) = store().await;
    let writer = store.bindings_writer();
    // The writer's task cannot run before this one waits.
    let submitted: Vec<_> =
        (0..20_000).map_while(|n| writer.submit(vec![BindingChange::Put(binding(n))]).ok()).collect();
    assert!(submitted.len() < 20_000);
    assert!(matches!(writer.submit(Vec::new()), Err(StoreError::Busy)));
    for acknowledgement in submitted {
        acknowledgement.await.unwrap();
    }
    writer.write(vec![BindingChange::Put(binding(1))]).await.unwrap();
}

/// Prints figures (`--nocapture`); on a disk that syncs in milliseconds each is well beyond 10,000 a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_registrations_are_acknowledged_from_disk() {
    const DEVICES: u64 = 10_000;
    let (store, _folder) = store().await;
    let writer = store.bindings_writer();
    for round in ["new", "refreshed"] {
        let begun = Instant::now();
        let waiting: Vec<_> =
            (0..DEVICES).map(|n| writer.submit(vec![BindingChange::Put(binding(n))]).unwrap()).collect();
        for acknowledgement in waiting {
            acknowledgement.await.unwrap();
        }
        report(round, "one by one through the writer", begun);
    }
    let begun = Instant::now();
    let clients = (0..250).map(|client| {
        let writer = writer.clone();
        tokio::spawn(async move {
            for n in (client..DEVICES).step_by(250) {
                writer.write(vec![BindingChange::Put(binding(n))]).await.unwrap();
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    report("refreshed", "by 250 clients that wait for each acknowledgement", begun);
    let begun = Instant::now();
    store.write_bindings((0..DEVICES).map(|n| BindingChange::Put(binding(n))).collect()).await.unwrap();
    report("refreshed", "as one batch", begun);
    let begun = Instant::now();
    assert_eq!(store.load_bindings().await.unwrap().len() as u64, DEVICES);
    report("loaded", "at start", begun);

    fn report(what: &str, how: &str, begun: Instant) {
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{DEVICES} bindings {what} {how}: {:.0} ms, {:.0} a second",
            seconds * 1e3,
            DEVICES as f64 / seconds
        );
    }
}
