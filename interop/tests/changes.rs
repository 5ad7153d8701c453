//! What SIPp does with a call and within it, on both sides of the binary.

use std::time::Duration;

use serde_json::json;
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::Tandem;

const NUMBER: &str = "+4930123";

/// A caller over one trunk and a callee over another, each by its script.
#[track_caller]
fn both_go_by_the_script(caller: &str, callee: &str) {
    let tandem = Tandem::new().start();
    let mut callee = Scenario::new(callee).on(beside(61)).start();
    tandem.create("trunks", json!({ "name": "in", "host": beside(60).to_string(), "ping_interval": 0 }));
    let out = tandem.trunk_to("out", callee.addr());
    tandem.create("numbers", json!({ "number": NUMBER, "trunk_id": out }));
    let caller = Scenario::new(caller).on(beside(60)).target(tandem.sip()).number(NUMBER);
    caller.duration(Duration::from_millis(100)).run();
    callee.wait_passed(PATIENCE);
    let record = tandem.wait_record();
    assert_eq!((&record["outcome"], &record["ended_by"]), (&json!("answered"), &json!("caller")));
}

#[test]
fn a_reliable_provisional_response_is_acknowledged_on_each_side() {
    both_go_by_the_script("uac_prack", "uas_prack");
}

#[test]
fn an_update_is_told_on_and_its_answer_back() {
    both_go_by_the_script("uac_update", "uas_update");
}

#[test]
fn a_hold_is_told_on_and_its_answer_back() {
    both_go_by_the_script("uac_hold", "uas_hold");
}

#[test]
fn a_session_timer_that_is_too_short_is_asked_for_anew() {
    both_go_by_the_script("uac_timer", "uas");
}
