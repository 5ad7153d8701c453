//! Calls over a network that loses, doubles and reorders messages on both sides of the server.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tandem_interop::lossy::{Relay, Weather};
use tandem_interop::ports::beside;
use tandem_interop::process::wait_until;
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::Tandem;

const NUMBER: &str = "+4930123";
/// 5 % lost, 2 % doubled, 10 % overtaken by others.
const WEATHER: Weather =
    Weather { loss: 0.05, duplication: 0.02, reordering: 0.1, late: Duration::from_millis(100) };
/// Until the last repetition of anything: 64*T1, twice, and what a busy machine adds.
const LINGER: Duration = Duration::from_secs(80);

fn calls_get_through(calls: u32, rate: u32, seed: u64) {
    // Four ports a call, should all of a short run be up at once; neighbouring ones in such numbers are not easily found.
    let ports = (4 * calls).min(2_000) as u16;
    let tandem = Tandem::new().rtp_ports(ports).file("[limits]\nmedia_quarantine = 1\n").start();
    let callers = Relay::start(beside(51), tandem.sip(), WEATHER, seed);
    let mut uas = Scenario::new("uas_far").on(beside(53)).endless();
    uas = uas.arg("-default_behaviors").arg("all,-abortunexp");
    let callees_at = beside(52);
    // SIPp has to know where it is reached before that is there: the way to it is opened first, to a port of our choice.
    let (uas, callees) =
        uas.start_behind(|sipp| Relay::start(callees_at, sipp, WEATHER, seed + 1), |relay| relay.near());
    tandem.create("trunks", json!({ "name": "in", "host": beside(51).to_string(), "ping_interval": 0 }));
    let out = tandem.trunk_to("out", callees.near());
    tandem.create("numbers", json!({ "number": NUMBER, "trunk_id": out }));

    let uac = Scenario::new("uac_far").on(beside(50)).target(callers.near()).number(NUMBER).calls(calls);
    let uac = uac.rate(rate).duration(Duration::from_millis(500));
    let mut uac = uac.arg("-default_behaviors").arg("all,-abortunexp").start();
    let (_, stats) = uac.wait_ended(Duration::from_secs(u64::from(calls / rate)) + LINGER);
    drop(uas);

    let lost = stats.created - stats.successful;
    println!("{calls} calls, {lost} not complete; {:?}; {:?}", callers.carried(), callees.carried());
    assert_eq!(stats.created, u64::from(calls));
    assert!(lost * 1_000 <= u64::from(calls), "{lost} of {calls} calls did not complete: {stats:?}");
    wait_until("every call to be over", LINGER, || tandem.calls().is_empty());
    wait_until("the media ports to be free", LINGER, || tandem.metric("tandem_media_ports") == 0);
    assert_eq!(tandem.metric("tandem_calls"), 0);
    // They are in the database a moment after the call is over.
    wait_until("every record", LINGER, || tandem.recorded().len() >= calls as usize);
    let recorded = tandem.recorded();
    let once: BTreeSet<&String> = recorded.iter().collect();
    assert_eq!((recorded.len(), once.len()), (calls as usize, calls as usize), "one record a call");
}

#[test]
fn calls_get_through_a_network_that_loses() {
    calls_get_through(200, 100, 1);
}

#[test]
#[ignore = "CALLS=20000, 40 a second: make lossy"]
fn thousands_of_calls_get_through_a_network_that_loses() {
    let calls = std::env::var("CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(20_000);
    calls_get_through(calls, 40, 2);
}
