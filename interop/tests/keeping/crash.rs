//! `kill -9` while calls come and go: what was told is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_interop::crowd::Told;
use tandem_interop::process::{PATIENCE, wait_until};
use tandem_interop::tandem::Tandem;
use tandem_interop::tandem::office::text;

use crate::traffic::{Traffic, records};

fn kill_again_and_again(kills: u32) {
    let mut tandem = Tandem::new().rtp_ports(2_000).start();
    let mut traffic = Traffic::new(&tandem);
    for n in 0..kills {
        traffic.add_phone(&tandem);
        // Another moment each time.
        traffic.flow_for(&tandem, Duration::from_millis(1_000 + u64::from(n) * 37));
        let registered = traffic.registered().len();
        assert!(registered > n as usize, "kill {n}: {registered} phones are registered");
        tandem.kill9();
        tandem.restart();
        let kept: Vec<String> =
            tandem.registrations("inbound").iter().map(|binding| text(&binding["username"])).collect();
        for name in traffic.registered() {
            assert!(
                kept.iter().any(|kept| kept == name),
                "kill {n}: the registration of {name} is lost: {kept:?}"
            );
        }
    }
    traffic.flow_for(&tandem, Duration::from_millis(500));
    traffic.run_dry();
    wait_until("every call to be over", PATIENCE, || tandem.calls().is_empty());
    check(&traffic, &records(&tandem), kills);
}

fn check(traffic: &Traffic, records: &BTreeMap<String, Vec<Value>>, kills: u32) {
    let told = traffic.crowd.told(traffic.caller);
    let count = |what: fn(&Told) -> bool| told.values().filter(|told| what(told)).count();
    let (answered, ended) = (count(|told| told.answered), count(|told| told.ended));
    assert!(ended >= 5 * kills as usize, "only {ended} calls came to their end");
    for (call_id, records) in records {
        assert_eq!(records.len(), 1, "{call_id} has {} records: {records:#?}", records.len());
    }
    let mut broken = 0;
    for (call_id, told) in told.iter().filter(|(_, told)| told.answered) {
        let record = records.get(call_id).map(|records| &records[0]);
        let record = record.unwrap_or_else(|| panic!("{call_id} has no record: {told:?}"));
        assert_eq!(record["outcome"], "answered", "{record:#}");
        if told.ended {
            assert_eq!(
                (&record["cause"]["code"], &record["ended_by"]),
                (&json!(200), &json!("caller")),
                "{record:#}"
            );
        }
        broken += u32::from(record["cause"]["code"] == 500);
    }
    let acknowledged = traffic.crowd.told(traffic.callee).len();
    let recorded = records.values().filter(|records| records[0]["outcome"] == "answered").count();
    assert!(acknowledged <= recorded, "{acknowledged} callees talked, {recorded} records say so");
    println!(
        "{answered} calls answered, {ended} ended, {broken} broken off; {recorded} records of answered calls"
    );
}

#[test]
fn nothing_that_was_told_is_lost_in_two_crashes() {
    kill_again_and_again(2);
}

#[test]
#[ignore = "KILLS=10, one and a half seconds each: make survival"]
fn nothing_that_was_told_is_lost_in_many_crashes() {
    kill_again_and_again(
        std::env::var("KILLS").map_or(10, |kills| kills.parse().expect("KILLS is a number")),
    );
}
