//! Trunks that fail, and the one after them that does not.

use serde_json::{Value, json};
use tandem_interop::baresip::Phone;
use tandem_interop::kamailio::Carrier;
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::sipp::{Scenario, Sipp};
use tandem_interop::tandem::office::codes;
use tandem_interop::tandem::{Server, Tandem};

const NUMBER: &str = "+4930123";

/// Gives a silent trunk up after a second instead of eight.
fn tandem() -> Server {
    Tandem::new().file("[limits]\nsilence = 1\n").start()
}

fn refuses(status: &str, place: u8) -> Sipp {
    Scenario::new("uas_reject").status(status).on(beside(place)).start()
}

fn is_silent(place: u8) -> Sipp {
    Scenario::new("uas_silent").on(beside(place)).start()
}

fn answers(place: u8) -> Sipp {
    Scenario::new("uas").on(beside(place)).start()
}

fn phone(tandem: &Server) -> Phone {
    tandem.extension("office");
    let mut phone = tandem.phone("office").start();
    phone.wait_registered();
    phone
}

fn trunks<const N: usize>(tandem: &Server, peers: [&Sipp; N]) -> [String; N] {
    let mut number = 0;
    peers.map(|peer| {
        number += 1;
        tandem.trunk_to(&format!("trunk {number}"), peer.addr())
    })
}

/// The trunks of a record's attempts, in order.
fn tried(record: &Value) -> Vec<&str> {
    record["attempts"].as_array().unwrap().iter().filter_map(|attempt| attempt["trunk_id"].as_str()).collect()
}

#[test]
fn the_third_trunk_takes_the_call_that_two_before_it_did_not() {
    let tandem = tandem();
    let (mut full, silent, mut well) = (refuses("503 No Circuits", 10), is_silent(11), answers(12));
    let ids = trunks(&tandem, [&full, &silent, &well]);
    tandem.route_over(&[&ids[0], &ids[1], &ids[2]]);
    let mut phone = phone(&tandem);

    phone.dial(NUMBER);
    phone.wait_established();
    phone.hang_up();
    full.wait_passed(PATIENCE);
    well.wait_passed(PATIENCE);

    let record = tandem.wait_record();
    assert_eq!(
        (codes(&record), tried(&record)),
        (vec![503, 408, 200], ids.iter().map(String::as_str).collect())
    );
    assert_eq!(record["attempts"][0]["reason"], "No Circuits");
    assert_eq!(record["callee"]["trunk_id"], ids[2].as_str());
    assert_eq!(record["outcome"], "answered");
}

#[test]
fn the_caller_gets_the_last_answer_when_every_trunk_fails() {
    let tandem = tandem();
    let (mut first, mut last) = (refuses("503 No Circuits", 10), refuses("404 Unknown There", 11));
    let ids = trunks(&tandem, [&first, &last]);
    tandem.route_over(&[&ids[0], &ids[1]]);
    let mut phone = phone(&tandem);

    phone.dial(NUMBER);
    assert_eq!(phone.wait_closed(), "404 Unknown There");
    first.wait_passed(PATIENCE);
    last.wait_passed(PATIENCE);

    let record = tandem.wait_record();
    assert_eq!((codes(&record), &record["outcome"]), (vec![503, 404], &json!("failed")));
    assert_eq!(
        (&record["cause"]["code"], &record["cause"]["phrase"]),
        (&json!(404), &json!("Unknown There"))
    );
}

#[test]
fn busy_is_an_answer_and_no_failure() {
    let tandem = tandem();
    let (mut busy, mut well) = (refuses("486 Busy Here", 10), answers(11));
    let ids = trunks(&tandem, [&busy, &well]);
    tandem.route_over(&[&ids[0], &ids[1]]);
    let mut phone = phone(&tandem);

    phone.dial(NUMBER);
    assert_eq!(phone.wait_closed(), "486 Busy Here");
    busy.wait_passed(PATIENCE);
    let record = tandem.wait_record();
    assert_eq!((codes(&record), &record["outcome"]), (vec![486], &json!("busy")));
    assert_eq!(well.stop().created, 0);
}

#[test]
fn a_chain_of_provider_routes_is_gone_through_by_priority() {
    let tandem = tandem();
    let (mut primary, mut secondary, mut tertiary) =
        (refuses("503 No Circuits", 10), refuses("500 Broken", 11), answers(12));
    let ids = trunks(&tandem, [&primary, &secondary, &tertiary]);
    // Made in another order than they are to be tried in.
    for (priority, id) in [(3, &ids[2]), (1, &ids[0]), (2, &ids[1])] {
        let route =
            json!({ "name": format!("priority {priority}"), "provider_id": id, "priority": priority });
        tandem.create("routes", route);
    }
    let mut phone = phone(&tandem);

    phone.dial(NUMBER);
    phone.wait_established();
    phone.hang_up();
    for peer in [&mut primary, &mut secondary, &mut tertiary] {
        peer.wait_passed(PATIENCE);
    }
    let record = tandem.wait_record();
    assert_eq!(
        (codes(&record), tried(&record)),
        (vec![503, 500, 200], ids.iter().map(String::as_str).collect())
    );
}

#[test]
fn a_trunk_that_failed_a_call_is_passed_over_by_the_next() {
    let tandem = tandem();
    let mut carrier = Carrier::new().on(beside(10)).start();
    let mut well = Scenario::new("uas").calls(2).on(beside(11)).start();
    let first = tandem.create(
        "trunks",
        json!({
            "name": "first",
            "host": carrier.addr().ip().to_string(),
            "port": carrier.addr().port(),
            "ping_fail": 1,
        }),
    );
    let second = tandem.trunk_to("second", well.addr());
    tandem.route_over(&[&first, &second]);
    let mut phone = phone(&tandem);
    tandem.wait_state(&first, "reachable");

    carrier.stop();
    for calls in 1..=2 {
        phone.dial(NUMBER);
        phone.wait_established();
        phone.hang_up();
        tandem.wait_records(calls);
    }
    well.wait_passed(PATIENCE);
    assert_eq!(tandem.status(&first)["state"], "unreachable");
    let records = tandem.wait_records(2);
    assert_eq!(tried(&records[1]), [first.as_str(), second.as_str()]);
    assert_eq!(tried(&records[0]), [second.as_str()]);
}

#[test]
fn a_trunk_that_nobody_listens_at_costs_no_time() {
    let tandem = Tandem::new().start();
    let mut gone = is_silent(10);
    gone.stop();
    let mut well = answers(11);
    let ids = trunks(&tandem, [&gone, &well]);
    tandem.route_over(&[&ids[0], &ids[1]]);
    let mut phone = phone(&tandem);

    phone.dial(NUMBER);
    phone.wait_established();
    phone.hang_up();
    well.wait_passed(PATIENCE);
    let record = tandem.wait_record();
    assert_eq!(codes(&record), [503, 200]);
    let waited = record["answered_at"].as_u64().unwrap() - record["started_at"].as_u64().unwrap();
    assert!(waited < 1_000, "{waited} ms, though the kernel says at once that nobody is there");
}
