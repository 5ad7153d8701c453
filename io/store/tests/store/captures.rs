use crate::samples::{id, store};
use tandem_model::{CallId, Capture, Captured, CapturedMessage, TrunkId};

fn captured(call: u64, trunk: u64, mode: Capture, at: u64) -> Captured {
    let trunk = TrunkId(id(trunk));
    let message = |at: u64, sent: bool| CapturedMessage {
        at,
        trunk_id: trunk,
        sent,
        peer: "udp:192.0.2.1:5060".to_owned(),
        text: format!("INVITE sip:{at} SIP/2.0"),
    };
    Captured {
        call: CallId(id(call)),
        trunk,
        mode,
        messages: vec![message(at, true), message(at + 10, false)],
    }
}

#[tokio::test]
async fn messages_of_all_trunks_of_a_call_are_read_in_the_order_in_which_they_went() {
    let (store, _folder) = store().await;
    let (one, two) = (captured(1, 100, Capture::Full, 1000), captured(1, 101, Capture::OnFailure, 1005));
    store.write_captures(&[one, two, captured(2, 100, Capture::Full, 2000)]).await.unwrap();
    let read = store.captured(CallId(id(1))).await.unwrap();
    assert_eq!(read.iter().map(|message| message.at).collect::<Vec<_>>(), [1000, 1005, 1010, 1015]);
    assert_eq!(store.captured(CallId(id(3))).await.unwrap(), []);
}

#[tokio::test]
async fn of_a_ring_the_latest_twenty_calls_are_kept_and_others_are_left_alone() {
    let (store, _folder) = store().await;
    store.write_captures(&[captured(900, 100, Capture::Full, 1)]).await.unwrap();
    for call in 0..25 {
        store.write_captures(&[captured(call, 100, Capture::Ring, call)]).await.unwrap();
    }
    store.write_captures(&[captured(901, 101, Capture::Ring, 1)]).await.unwrap();
    let mut kept = Vec::new();
    for call in (0..25).chain(900..902) {
        if !store.captured(CallId(id(call))).await.unwrap().is_empty() {
            kept.push(call);
        }
    }
    assert_eq!(kept, (5..25).chain(900..902).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_writer_takes_is_on_disk_when_its_task_ends() {
    let (store, _folder) = store().await;
    let (writer, task) = store.captures_writer();
    writer.keep(captured(1, 100, Capture::Full, 1));
    drop(writer);
    task.await.unwrap();
    assert_eq!(store.captured(CallId(id(1))).await.unwrap().len(), 2);
}
