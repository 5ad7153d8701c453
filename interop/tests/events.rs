//! What the real binary tells of calls and trunks, to whoever follows its stream of events.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tandem_interop::kamailio::Carrier;
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::{Server, Tandem};
use ureq::Agent;

/// A stream of events that is being read.
struct Follower {
    events: Receiver<Value>,
}

impl Follower {
    /// Follows these types, from after this event on.
    fn new(tandem: &Server, types: &str, after: Option<u64>) -> Follower {
        let rest = tandem.rest();
        let url = format!("http://{}/v1.0/events?types={types}", rest.addr());
        let agent: Agent = Agent::config_builder().proxy(None).build().into();
        let mut request = agent.get(url).header("Authorization", format!("Bearer {}", tandem.token()));
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after.to_string());
        }
        let answer = request.call().expect("a stream");
        let (sender, events) = channel();
        let mut lines = BufReader::new(answer.into_body().into_reader()).lines();
        // The first lines say that it has begun.
        lines.by_ref().find(|line| line.as_ref().is_ok_and(String::is_empty));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(data) = line.strip_prefix("data: ")
                    && sender.send(serde_json::from_str(data).expect("JSON")).is_err()
                {
                    return;
                }
            }
        });
        Follower { events }
    }

    /// The next event.
    #[track_caller]
    fn next(&self) -> Value {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    /// The next event that is so.
    #[track_caller]
    fn find(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let event =
                self.events.recv_timeout(until.saturating_duration_since(Instant::now())).expect("the event");
            if is_so(&event) {
                return event;
            }
        }
    }
}

#[test]
fn a_calls_events_come_in_their_order_and_a_stream_goes_on_where_it_was() {
    let mut tandem = Tandem::new().start();
    let mut carrier = Scenario::new("uas").on(beside(10)).start();
    let follower = Follower::new(&tandem, "trunk.created,route.,call.,failover", None);
    let trunk = tandem.trunk_to("carrier", carrier.addr());
    tandem.route_over(&[&trunk]);
    tandem.extension("office");
    let mut phone = tandem.phone("office").start();
    phone.wait_registered();
    phone.dial("+4930123");
    phone.wait_established();
    phone.hang_up();
    carrier.wait_passed(PATIENCE);

    let told: Vec<Value> = (0..5).map(|_| follower.next()).collect();
    let types: Vec<&str> = told.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["trunk.created", "route.decision", "call.started", "call.answered", "call.ended"]);
    assert_eq!(told[1]["data"]["tries"][0]["trunk_id"], trunk.as_str());
    let record = tandem.wait_record();
    assert!(told[1..].iter().all(|event| event["data"]["call_id"] == record["id"]), "{told:#?}");

    let again = Follower::new(&tandem, "call.", told[2]["id"].as_u64());
    assert_eq!(again.next(), told[3]);
    assert_eq!(again.next(), told[4]);
    tandem.stop(PATIENCE);
    assert!(again.events.recv_timeout(Duration::from_secs(5)).is_err(), "the stream ended with the server");
}

#[test]
fn a_trunk_that_goes_down_is_told_with_its_reason() {
    let tandem = Tandem::new().start();
    let follower = Follower::new(&tandem, "trunk.", None);
    let mut carrier = Carrier::new().on(beside(11)).start();
    let body = serde_json::json!({
        "name": "carrier", "host": carrier.addr().ip().to_string(), "port": carrier.addr().port(),
        "ping_interval": 5, "ping_timeout": 1, "ping_fail": 2,
    });
    tandem.create("trunks", body);
    follower.find(|event| event["type"] == "trunk.state" && event["data"]["new"] == "reachable");
    carrier.stop();
    let down = follower.find(|event| event["type"] == "trunk.state" && event["data"]["new"] == "unreachable");
    assert_eq!(down["data"]["name"], "carrier");
    assert!(down["data"]["reason"].as_str().is_some_and(|reason| reason.contains("OPTIONS")), "{down:#}");
    follower.find(|event| event["type"] == "trunk.health" && event["data"]["new"] == "down");
}
