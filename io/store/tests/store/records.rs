use crate::samples::{id, record, store};
use tandem_model::{CallId, CallRecord, ExtensionId, MediaRecord, Outcome, RecordQuery, TenantId, TrunkId};
use tandem_store::{Store, StoreError};

fn all() -> RecordQuery {
    RecordQuery { limit: 500, ..RecordQuery::default() }
}

async fn found(store: &Store, query: RecordQuery) -> Vec<CallId> {
    store.records(&query).await.unwrap().records.iter().map(|record| record.id).collect()
}

fn calls(numbers: &[u64]) -> Vec<CallId> {
    numbers.iter().map(|n| CallId(id(*n))).collect()
}

#[tokio::test]
async fn a_record_reads_as_it_was_written() {
    let (store, _folder) = store().await;
    let media = MediaRecord { packets: u64::MAX, bytes: 172_000, lost: 3, jitter_ms: 0.1 + 0.2, dropped: 0 };
    let written = CallRecord { media_from_caller: Some(media), ..record(1, 100, 200, Outcome::Answered) };
    store.write_records(std::slice::from_ref(&written)).await.unwrap();
    assert_eq!(store.record(written.id).await.unwrap(), Some(written.clone()));
    assert_eq!(store.records(&all()).await.unwrap().records, [written]);
    assert_eq!(store.record(CallId(id(2))).await.unwrap(), None);
}

#[tokio::test]
async fn a_call_has_one_record_however_often_it_is_written() {
    let (store, _folder) = store().await;
    let first = record(1, 100, 200, Outcome::Busy);
    store.write_records(&[first.clone(), record(1, 101, 201, Outcome::Failed)]).await.unwrap();
    store
        .write_records(&[record(1, 102, 202, Outcome::Answered), record(2, 102, 202, Outcome::Answered)])
        .await
        .unwrap();
    assert_eq!(found(&store, all()).await, calls(&[2, 1]));
    assert_eq!(store.record(first.id).await.unwrap(), Some(first));
    let of_the_second = RecordQuery { trunk_id: Some(TrunkId(id(102))), ..all() };
    assert_eq!(found(&store, of_the_second).await, calls(&[2]));
}

#[tokio::test]
async fn records_come_newest_first_in_pages_that_neither_repeat_nor_miss_one() {
    let (store, _folder) = store().await;
    // Written out of order, and three that began in the same millisecond.
    let mut records: Vec<CallRecord> = [3, 1, 5, 2, 4].map(|n| record(n, 100, 200, Outcome::Busy)).into();
    records.extend(
        [6, 7].map(|n| CallRecord { started_at: 1_700_000_000_005, ..record(n, 100, 200, Outcome::Busy) }),
    );
    store.write_records(&records).await.unwrap();
    for filter in
        [RecordQuery::default(), RecordQuery { trunk_id: Some(TrunkId(id(100))), ..RecordQuery::default() }]
    {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.records(&RecordQuery { after, limit: 2, ..filter.clone() }).await.unwrap();
            seen.extend(page.records.iter().map(|record| record.id));
            after = page.next;
            if after.is_none() {
                break;
            }
            // A call that ends meanwhile does not shift what is left.
            store.write_records(&[record(90 + seen.len() as u64, 100, 200, Outcome::Busy)]).await.unwrap();
        }
        seen.retain(|call| *call < CallId(id(90)));
        assert_eq!(seen, calls(&[7, 6, 5, 4, 3, 2, 1]));
    }
}

#[tokio::test]
async fn records_are_found_by_who_had_a_part_how_they_ended_and_when() {
    let (store, _folder) = store().await;
    let records = vec![
        record(1, 100, 200, Outcome::Answered),
        record(2, 101, 200, Outcome::Busy),
        record(3, 100, 201, Outcome::NoAnswer),
        record(4, 101, 201, Outcome::Answered),
    ];
    store.write_records(&records).await.unwrap();
    let trunk_id = Some(TrunkId(id(100)));
    let extension_id = Some(ExtensionId(id(200)));
    let moment = |n: u64| Some(1_700_000_000_000 + n);
    assert_eq!(
        found(&store, RecordQuery { trunk_id, ..all() }).await,
        calls(&[3, 1]),
        "the trunk of an attempt"
    );
    assert_eq!(found(&store, RecordQuery { extension_id, ..all() }).await, calls(&[2, 1]));
    assert_eq!(found(&store, RecordQuery { trunk_id, extension_id, ..all() }).await, calls(&[1]));
    for (outcome, expected) in
        [(Outcome::Answered, &[4, 1][..]), (Outcome::NoAnswer, &[3]), (Outcome::Cancelled, &[])]
    {
        assert_eq!(found(&store, RecordQuery { outcome: Some(outcome), ..all() }).await, calls(expected));
    }
    assert_eq!(
        found(&store, RecordQuery { since: moment(2), until: moment(4), ..all() }).await,
        calls(&[3, 2])
    );
    assert_eq!(found(&store, RecordQuery { since: moment(2), trunk_id, ..all() }).await, calls(&[3]));
    assert_eq!(found(&store, RecordQuery { since: Some(u64::MAX), ..all() }).await, calls(&[]));
}

#[tokio::test]
async fn calls_of_a_tenant_are_found_by_it() {
    let (store, _folder) = store().await;
    let of = |n, tenant| CallRecord {
        tenant_id: Some(TenantId(id(tenant))),
        ..record(n, 100, 200 + n % 2, Outcome::Busy)
    };
    store
        .write_records(&[of(1, 300), of(2, 301), of(3, 300), record(4, 100, 200, Outcome::Busy)])
        .await
        .unwrap();
    let tenant_id = Some(TenantId(id(300)));
    let (trunk_id, extension_id) = (Some(TrunkId(id(100))), Some(ExtensionId(id(200))));
    assert_eq!(found(&store, RecordQuery { tenant_id, ..all() }).await, calls(&[3, 1]));
    assert_eq!(found(&store, RecordQuery { tenant_id, trunk_id, ..all() }).await, calls(&[3, 1]));
    let nothing = RecordQuery { tenant_id, trunk_id, extension_id, ..all() };
    assert_eq!(found(&store, nothing).await, calls(&[]), "of all three");
}

#[tokio::test]
async fn a_cursor_that_is_no_record_is_an_error_and_not_an_empty_page() {
    let (store, _folder) = store().await;
    let query = RecordQuery { after: Some(CallId(id(1))), ..all() };
    assert!(matches!(store.records(&query).await, Err(StoreError::NoSuchCursor(_))));
}

#[tokio::test]
async fn no_records_are_written_without_complaint() {
    let (store, _folder) = store().await;
    store.write_records(&[]).await.unwrap();
}

/// Prints figures (`--nocapture`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_costs_the_same_however_many_records_there_are() {
    let (store, _folder) = store().await;
    let begun = std::time::Instant::now();
    for batch in 0..20 {
        let records =
            (0..1_000).map(|n| record(batch * 1_000 + n, 100_000 + n % 10, 200_000 + n % 100, Outcome::Busy));
        store.write_records(&records.collect::<Vec<_>>()).await.unwrap();
    }
    println!("20000 records in batches of 1000: {:.0} a second", 20_000.0 / begun.elapsed().as_secs_f64());
    let queries = [
        ("newest", all()),
        ("of a trunk", RecordQuery { trunk_id: Some(TrunkId(id(100_003))), ..all() }),
        ("long ago", RecordQuery { until: Some(1_700_000_001_000), ..all() }),
        ("of an outcome that is not there", RecordQuery { outcome: Some(Outcome::Answered), ..all() }),
    ];
    for (which, query) in queries {
        let begun = std::time::Instant::now();
        let page = store.records(&RecordQuery { limit: 50, ..query }).await.unwrap();
        println!("{} records, {which}: {:.2} ms", page.records.len(), begun.elapsed().as_secs_f64() * 1e3);
    }
}
