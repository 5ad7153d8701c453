use crate::samples::{id, record, store};
use std::collections::BTreeMap;
use tandem_model::{
    CallId, CallRecord, Capture, Captured, CapturedMessage, Outcome, RecordQuery, TenantId, TrunkId,
};
use tandem_store::{Retention, Store, Sweep};

const DAY: u64 = 24 * 3600 * 1000;
/// Ten days after the first record.
const NOW: u64 = 1_700_000_000_000 + 10 * DAY;

fn tenant(n: u64) -> TenantId {
    TenantId(id(900 + n))
}

/// A call that was so many days ago.
fn call(n: u64, days: u64, tenant_id: Option<TenantId>) -> CallRecord {
    let started_at = NOW - days * DAY;
    CallRecord { tenant_id, started_at, ..record(n, 100, 200, Outcome::Answered) }
}

fn rules(days: &[(u64, u32)], others: u32) -> Retention {
    let tenants: BTreeMap<_, _> = days.iter().map(|(n, days)| (tenant(*n), *days)).collect();
    Retention { tenants, others }
}

async fn left(store: &Store) -> Vec<CallId> {
    let all = RecordQuery { limit: 500, ..RecordQuery::default() };
    let mut ids: Vec<CallId> = store.records(&all).await.unwrap().records.iter().map(|r| r.id).collect();
    ids.sort_unstable();
    ids
}

fn calls(numbers: &[u64]) -> Vec<CallId> {
    numbers.iter().map(|n| CallId(id(*n))).collect()
}

#[tokio::test]
async fn each_tenant_keeps_its_records_as_long_as_it_says_and_no_longer() {
    let (store, _folder) = store().await;
    let records = [
        call(1, 9, Some(tenant(1))),
        call(2, 4, Some(tenant(1))),
        call(3, 9, Some(tenant(2))),
        call(4, 9, None),
        call(5, 9, Some(tenant(3))),
    ];
    store.write_records(&records).await.unwrap();
    let mut sweep = Sweep::default();
    let kept = rules(&[(1, 5), (2, 0)], 0);
    assert_eq!(store.sweep_records(&kept, &mut sweep, NOW).await.unwrap(), 1);
    assert_eq!(left(&store).await, calls(&[2, 3, 4, 5]));
    // The system's own, and those of a tenant that is gone, go by the server's setting.
    let kept = rules(&[(1, 5), (2, 0)], 5);
    assert_eq!(store.sweep_records(&kept, &mut sweep, NOW).await.unwrap(), 2);
    assert_eq!(left(&store).await, calls(&[2, 3]));
    assert_eq!(store.sweep_records(&kept, &mut sweep, NOW + 2 * DAY).await.unwrap(), 1);
    assert_eq!(left(&store).await, calls(&[3]));
}

#[tokio::test]
async fn nothing_is_left_that_finds_a_deleted_record() {
    let (store, _folder) = store().await;
    store.write_records(&[call(1, 9, None), call(2, 1, None)]).await.unwrap();
    let captured = |n: u64| {
        let (at, trunk_id, peer, text) = (1, TrunkId(id(100)), String::new(), String::new());
        let messages = vec![CapturedMessage { at, trunk_id, sent: true, peer, text }];
        Captured { call: CallId(id(n)), trunk: trunk_id, mode: Capture::Full, messages }
    };
    store.write_captures(&[captured(1), captured(2)]).await.unwrap();
    store.sweep_records(&rules(&[], 5), &mut Sweep::default(), NOW).await.unwrap();
    let left = [store.captured(CallId(id(1))).await.unwrap(), store.captured(CallId(id(2))).await.unwrap()];
    assert_eq!(left.map(|messages| messages.len()), [0, 1], "its messages go with it");
    let of_trunk = RecordQuery { trunk_id: Some(TrunkId(id(100))), limit: 500, ..RecordQuery::default() };
    assert_eq!(store.records(&of_trunk).await.unwrap().records.len(), 1);
    // A record of the same call would be written anew only where nothing of the old one is there.
    store.write_records(&[call(1, 1, None)]).await.unwrap();
    assert_eq!(store.records(&of_trunk).await.unwrap().records.len(), 2);
}

#[tokio::test]
async fn more_than_one_batch_goes_and_what_is_younger_stays_whatever_was_walked_over() {
    let (store, _folder) = store().await;
    let of = |n: u64| if n.is_multiple_of(3) { Some(tenant(1)) } else { None };
    let records: Vec<CallRecord> =
        (0..700).map(|n| CallRecord { started_at: NOW - 9 * DAY + n, ..call(n, 9, of(n)) }).collect();
    store.write_records(&records).await.unwrap();
    let mut sweep = Sweep::default();
    assert_eq!(store.sweep_records(&rules(&[(1, 20)], 5), &mut sweep, NOW).await.unwrap(), 466);
    assert_eq!(left(&store).await.len(), 234);
    // When other rules hold, what was passed over before is looked at again.
    assert_eq!(store.sweep_records(&rules(&[], 5), &mut sweep, NOW).await.unwrap(), 234);
    assert_eq!(left(&store).await, []);
}

#[tokio::test]
async fn calls_are_written_while_old_ones_are_deleted() {
    let (store, _folder) = store().await;
    let old: Vec<CallRecord> = (0..1000).map(|n| call(n, 9, None)).collect();
    store.write_records(&old).await.unwrap();
    let sweeping = tokio::spawn({
        let store = store.clone();
        async move { store.sweep_records(&rules(&[], 5), &mut Sweep::default(), NOW).await.unwrap() }
    });
    let mut written = 0;
    while !sweeping.is_finished() {
        store.write_records(&[call(2000 + written, 0, None)]).await.unwrap();
        written += 1;
    }
    assert_eq!(sweeping.await.unwrap(), 1000);
    assert!(written > 5, "{written} calls found their turn");
    assert_eq!(left(&store).await.len(), written.min(500) as usize);
}
