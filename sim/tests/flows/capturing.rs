//! The SIP messages that are kept of calls over a trunk.

use serde_json::json;
use std::time::Duration;
use tandem_model::{Captured, Kind};
use tandem_sim::{Behaviour, World};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone and a carrier whose trunk keeps messages in this way.
fn office(capture: &str) -> (World, usize, usize, String) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({"capture": capture}));
    w.route(&[&trunk]);
    let phone = w.phone("100");
    (w, phone, carrier, trunk)
}

/// First lines, each with whether we sent it.
fn lines(captured: &Captured) -> Vec<String> {
    let messages = captured.messages.iter();
    messages
        .map(|message| {
            let first = message.text.lines().next().unwrap_or_default();
            let what = first.strip_prefix("SIP/2.0 ").unwrap_or(first.split(' ').next().unwrap_or_default());
            format!("{}{what}", if message.sent { ">" } else { "<" })
        })
        .collect()
}

fn calls(w: &mut World, phone: usize, carrier: usize, behaviour: Behaviour) {
    w.treat(carrier, behaviour);
    w.dial(phone, "+15551234567");
    w.run_for(secs(3));
    w.with_ua(phone, |ua, now| ua.hang_up_all(now));
    w.run_for(secs(40));
}

#[test]
fn of_a_call_that_fails_every_message_is_kept() {
    let (mut w, phone, carrier, trunk) = office("on_failure");
    calls(&mut w, phone, carrier, Behaviour::refuse(503, "Service Unavailable"));
    let captured = &w.captures[0];
    assert_eq!((captured.call, captured.trunk.to_string()), (w.records[0].id, trunk));
    assert_eq!(lines(captured), [">INVITE", "<100 Trying", "<503 Service Unavailable", ">ACK"]);
    assert!(captured.messages.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert_eq!(captured.messages[0].peer, format!("udp:{}", w.address(carrier)));
}

#[test]
fn of_a_call_that_is_answered_or_meets_a_busy_line_nothing_is_kept_unless_it_is_asked_for() {
    for (capture, kept) in [("off", 0), ("on_failure", 0), ("ring", 2), ("full", 2)] {
        let (mut w, phone, carrier, _) = office(capture);
        calls(&mut w, phone, carrier, Behaviour::answer_after(100));
        calls(&mut w, phone, carrier, Behaviour::refuse(486, "Busy Here"));
        assert_eq!(w.records.len(), 2);
        assert_eq!(w.captures.len(), kept, "{capture}");
        if kept > 0 {
            assert_eq!(lines(&w.captures[0]).last().map(String::as_str), Some("<200 OK"), "to our BYE");
        }
    }
}

#[test]
fn of_the_trunk_that_failed_messages_are_kept_and_of_the_one_that_took_over_none() {
    let (mut w, phone, first, one) = office("on_failure");
    let (_, two) = w.plain_carrier("second", json!({}));
    w.delete_all_routes();
    w.route(&[&one, &two]);
    calls(&mut w, phone, first, Behaviour::refuse(500, "Server Internal Error"));
    assert_eq!(w.captures.iter().map(|captured| captured.trunk.to_string()).collect::<Vec<_>>(), [one]);
}

#[test]
fn a_call_by_the_trunk_that_goes_nowhere_because_it_fails_here_is_kept() {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", json!({}));
    let (second, trunk) = w.plain_carrier("second", json!({"capture": "off"}));
    w.create(Kind::Number, json!({"number": "+15559990000", "trunk_id": trunk}));
    w.treat(second, Behaviour::refuse(500, "Server Internal Error"));
    w.dial(carrier, "+15559990000");
    w.run_for(secs(40));
    assert_eq!(w.captures.len(), 1);
    let lines = lines(&w.captures[0]);
    assert_eq!((lines[0].as_str(), lines.last().map(String::as_str)), ("<INVITE", Some("<ACK")), "{lines:?}");
}

#[test]
fn what_answers_a_challenge_is_masked() {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier_with_account("carrier", "credential", json!({"capture": "full"}));
    w.route(&[&trunk]);
    let phone = w.phone("100");
    w.dial(phone, "+15551234567");
    w.run_for(secs(2));
    w.hang_up(carrier);
    w.run_for(secs(40));
    let texts: Vec<&str> = w.captures[0].messages.iter().map(|message| message.text.as_str()).collect();
    assert!(texts.iter().any(|text| text.contains("Proxy-Authorization: Digest username=")), "{texts:#?}");
    assert!(texts.iter().all(|text| !text.contains("response=")));
}
