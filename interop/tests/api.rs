//! The API over real HTTP, with calls under way.

use serde_json::{Value, json};
use tandem_interop::ports::beside;
use tandem_interop::process::{PATIENCE, wait_until};
use tandem_interop::sipp::{Scenario, Sipp};
use tandem_interop::tandem::Tandem;
use tandem_interop::tandem::office::text;

const NUMBER: &str = "+4930123";

fn carrier(place: u8) -> Sipp {
    Scenario::new("uas").echo().on(beside(place)).start()
}

/// A refusal says what is wrong, where, and what to do.
#[track_caller]
fn explains(refusal: &Value, status: u16, reason: &str, field: Value) {
    assert_eq!((&refusal["status"], &refusal["reason"]), (&json!(status), &json!(reason)), "{refusal:#}");
    assert_eq!(refusal["field"], field, "{refusal:#}");
    for said in ["message", "fix", "request_id"] {
        assert!(!text(&refusal[said]).is_empty(), "{refusal:#}");
    }
    assert!(!refusal["problems"].as_array().unwrap().is_empty(), "{refusal:#}");
}

#[test]
fn refusals_say_what_is_wrong_and_what_to_do() {
    let tandem = Tandem::new().start();
    let api = tandem.rest();
    let trunk = tandem.create("trunks", json!({ "name": "carrier", "host": "192.0.2.1" }));
    tandem.route_over(&[&trunk]);

    let misspelt = api.post("/v1.0/trunks", &json!({ "name": "other", "hots": "192.0.2.2" })).expect(400);
    explains(&misspelt, 400, "UNKNOWN_FIELD", json!("hots"));
    assert!(text(&misspelt["fix"]).contains("host"), "{misspelt:#}");
    let no_host = api.post("/v1.0/trunks", &json!({ "name": "other" })).expect(400);
    explains(&no_host, 400, "REQUIRED", json!("host"));
    let port = api.patch(&format!("/v1.0/trunks/{trunk}"), &json!({ "port": 70_000 })).expect(400);
    assert_eq!(port["field"], "port", "{port:#}");
    let in_use = api.delete(&format!("/v1.0/trunks/{trunk}")).expect(409);
    assert!(text(&in_use["message"]).contains("out"), "the route is named: {in_use:#}");
    let nothing = api.get("/v1.0/trunks/00000000-0000-7000-8000-000000000000").expect(404);
    explains(&nothing, 404, "NOT_FOUND", json!("id"));
    let nowhere = api.get("/v1.0/nothing").expect(404);
    assert_eq!(nowhere["status"], 404, "{nowhere:#}");
}

#[test]
fn nothing_is_told_without_the_token() {
    let tandem = Tandem::new().start();
    for token in ["", "not the token"] {
        let stranger = tandem.rest().with_token(token);
        for path in ["/v1.0/trunks", "/v1.0/calls", "/v1.0/cdrs", "/metrics"] {
            let refused = stranger.get(path).expect(401);
            assert_eq!((&refused["status"], &refused["field"]), (&json!(401), &Value::Null), "{refused:#}");
        }
        stranger.post("/v1.0/trunks", &json!({ "name": "evil", "host": "192.0.2.66" })).expect(401);
    }
    assert_eq!(tandem.rest().get("/v1.0/trunks").ok()["items"], json!([]));
}

#[test]
fn a_token_in_the_query_serves_and_stays_out_of_the_log() {
    let tandem = Tandem::new().env("RUST_LOG", "trace").start();
    let api = tandem.rest().with_token("");
    let path = format!("/v1.0/extensions?token={}", tandem.token());
    // A client that sends no header at all is what the query is for; an empty one is not taken for that.
    api.get(&path).expect(401);
    let output = std::process::Command::new("curl")
        .args(["--silent", "--noproxy", "*", &format!("http://{}{path}", api.addr())])
        .output()
        .expect("curl starts");
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["items"], json!([]));
    wait_until("the requests in the log", PATIENCE, || tandem.log().matches("/v1.0/extensions").count() >= 2);
    assert!(!tandem.log().contains(tandem.token()));
}

#[test]
fn a_change_acts_at_once_and_leaves_live_calls_alone() {
    let tandem = Tandem::new().start();
    let (mut old, mut new) = (carrier(40), carrier(41));
    let old_trunk = tandem.trunk_to("old", old.addr());
    let new_trunk = tandem.trunk_to("new", new.addr());
    let route = tandem.route_over(&[&old_trunk]);
    tandem.extension("alice");
    tandem.extension("bob");
    let (mut alice, mut bob) = (tandem.phone("alice").start(), tandem.phone("bob").start());
    alice.wait_registered();
    bob.wait_registered();
    alice.dial(NUMBER);
    alice.wait_established();

    let steps = json!({ "steps": [{ "trunk_id": new_trunk }] });
    tandem.rest().patch(&format!("/v1.0/routes/{route}"), &steps).ok();
    tandem.rest().patch(&format!("/v1.0/trunks/{old_trunk}"), &json!({ "enabled": false })).ok();
    bob.dial(NUMBER);
    bob.wait_established();
    assert_eq!(tandem.calls().len(), 2);
    tandem.rest().delete(&format!("/v1.0/trunks/{old_trunk}")).expect(204);

    let before = alice.received();
    wait_until("alice to hear on", PATIENCE, || alice.received() > before + 10);
    alice.hang_up();
    old.wait_passed(PATIENCE);
    bob.hang_up();
    new.wait_passed(PATIENCE);
    let records = tandem.wait_records(2);
    let trunks: Vec<&str> =
        records.iter().filter_map(|record| record["callee"]["trunk_id"].as_str()).collect();
    assert_eq!(trunks, [new_trunk.as_str(), old_trunk.as_str()], "newest first");
}

#[test]
fn the_server_tells_about_itself() {
    let tandem = Tandem::new().start();
    let anybody = tandem.rest().with_token("");
    let health = anybody.get("/health").ok();
    assert_eq!((&health["status"], &health["version"]), (&json!("ok"), &json!(env!("CARGO_PKG_VERSION"))));
    let openapi = anybody.get("/openapi.json").ok();
    assert!(text(&openapi["openapi"]).starts_with("3."));
    assert!(openapi["paths"]["/v1.0/trunks"]["post"].is_object());
    assert!(text(&anybody.get("/docs").ok()).contains("<html"));
    let metrics = text(&tandem.rest().get("/metrics").ok());
    assert!(metrics.lines().any(|line| line.starts_with("# TYPE tandem_")), "{metrics}");
}

#[test]
fn metrics_count_what_happened() {
    let tandem = Tandem::new().start();
    let mut carrier = carrier(40);
    let trunk = tandem.trunk_to("carrier", carrier.addr());
    tandem.route_over(&[&trunk]);
    tandem.extension("alice");
    let mut alice = tandem.phone("alice").start();
    alice.wait_registered();
    alice.dial(NUMBER);
    alice.wait_established();
    let figure = |name: &str| {
        let metrics = text(&tandem.rest().get("/metrics").ok());
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse::<f64>().unwrap()
    };
    assert_eq!(figure("tandem_calls"), 1.0);
    alice.hang_up();
    carrier.wait_passed(PATIENCE);
    tandem.wait_record();
    assert_eq!(figure("tandem_calls"), 0.0);
}
