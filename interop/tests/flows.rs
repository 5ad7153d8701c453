//! The flows of a call, through the binary, with clients that nobody here wrote.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_interop::Transport;
use tandem_interop::baresip::{Answer, Phone};
use tandem_interop::ports::beside;
use tandem_interop::process::{PATIENCE, wait_until};
use tandem_interop::sipp::{Scenario, Sipp};
use tandem_interop::tandem::office::{PASSWORD, codes};
use tandem_interop::tandem::{Server, Tandem};

const NUMBER: &str = "+4930123";
const SHORT: Duration = Duration::from_millis(100);

/// An address that calls come from over a trunk, and a number that they reach.
fn with_caller(tandem: &Server, number: Value) {
    tandem.create("trunks", json!({ "name": "caller", "host": beside(30).to_string(), "ping_interval": 0 }));
    tandem.create("numbers", number);
}

/// A SIPp that calls the number over that trunk.
fn caller(tandem: &Server, scenario: &str) -> Scenario {
    Scenario::new(scenario).on(beside(30)).target(tandem.sip()).number(NUMBER)
}

/// Two extensions with a phone each, known to each other as `alice` (440 Hz) and `bob` (880 Hz).
fn alice_and_bob(tandem: &Server, bob_does: Answer) -> (Phone, Phone) {
    tandem.extension("alice");
    tandem.extension("bob");
    let mut alice = tandem.phone("alice").tone(440).start();
    let mut bob = tandem.phone("bob").tone(880).answer(bob_does).start();
    alice.wait_registered();
    bob.wait_registered();
    (alice, bob)
}

/// A phone whose calls all go out over this peer.
fn phone_out_over(tandem: &Server, peer: &Sipp) -> Phone {
    let trunk = tandem.trunk_to("carrier", peer.addr());
    tandem.route_over(&[&trunk]);
    tandem.extension("alice");
    let mut alice = tandem.phone("alice").tone(440).start();
    alice.wait_registered();
    alice
}

#[track_caller]
fn talk(alice: &mut Phone, bob: &mut Phone) {
    alice.wait_established();
    bob.wait_established();
    alice.wait_hears(880);
    bob.wait_hears(440);
}

#[test]
fn a_caller_who_gives_up_stops_the_ringing() {
    let tandem = Tandem::new().start();
    let mut callee = Scenario::new("uas_ringing").on(beside(31)).start();
    let trunk = tandem.trunk_to("callee", callee.addr());
    with_caller(&tandem, json!({ "number": NUMBER, "trunk_id": trunk }));

    caller(&tandem, "uac_cancel").duration(SHORT).run();
    callee.wait_passed(PATIENCE);
    let record = tandem.wait_record();
    assert_eq!((&record["direction"], &record["outcome"]), (&json!("transit"), &json!("cancelled")));
    assert_eq!((codes(&record), &record["ended_by"]), (vec![487], &json!("caller")));
}

#[test]
fn busy_stays_busy() {
    let tandem = Tandem::new().start();
    let (mut alice, mut bob) = alice_and_bob(&tandem, Answer::Manual);
    alice.dial("bob");
    bob.wait_incoming();
    alice.wait_ringing();
    bob.hang_up();
    assert_eq!(alice.wait_closed(), "486 Rejected");
    let record = tandem.wait_record();
    assert_eq!((&record["direction"], &record["outcome"]), (&json!("internal"), &json!("busy")));
    assert!(record["ringing_at"].is_u64());
}

#[test]
fn what_is_sent_before_the_answer_is_heard() {
    let tandem = Tandem::new().start();
    let mut peer = Scenario::new("uas_early").on(beside(31)).echo().duration(Duration::from_secs(1)).start();
    let mut alice = phone_out_over(&tandem, &peer);

    alice.dial(NUMBER);
    alice.wait_hears(440);
    assert!(alice.events().iter().all(|event| event.kind != "CALL_ESTABLISHED"));
    alice.wait_established();
    alice.hang_up();
    peer.wait_passed(PATIENCE);
}

#[test]
fn an_offer_may_come_late() {
    let tandem = Tandem::new().start();
    let bob = tandem.extension("bob");
    with_caller(&tandem, json!({ "number": NUMBER, "extension_id": bob }));
    let mut bob = tandem.phone("bob").tone(880).start();
    bob.wait_registered();

    let mut caller = caller(&tandem, "uac_late").echo().start();
    bob.wait_established();
    // His own tone, sent back by the caller.
    bob.wait_hears(880);
    bob.hang_up();
    caller.wait_passed(PATIENCE);
    let record = tandem.wait_record();
    for side in ["media_from_caller", "media_from_callee"] {
        assert!(record[side]["packets"].as_u64() > Some(20), "{record:#}");
    }
}

#[test]
fn hold_and_resume_reach_the_other_side() {
    let tandem = Tandem::new().start();
    let (mut alice, mut bob) = alice_and_bob(&tandem, Answer::Auto);
    alice.dial("bob");
    talk(&mut alice, &mut bob);

    alice.hold();
    wait_until("the hold to reach bob", PATIENCE, || bob.log().contains("a=sendonly"));
    let directions = |phone: &Phone| phone.log().matches("a=sendrecv").count();
    wait_until("the hold to be agreed on", PATIENCE, || alice.log().contains("a=recvonly"));
    let before = directions(&bob);
    alice.resume();
    wait_until("the resumption to reach bob", PATIENCE, || directions(&bob) > before);

    for phone in [&mut alice, &mut bob] {
        let before = phone.received();
        wait_until("the sound to flow again", PATIENCE, || phone.received() > before + 10);
    }
    bob.hang_up();
    alice.wait_closed();
    assert_eq!(tandem.wait_record()["ended_by"], "callee");
}

#[test]
fn two_phones_ring_and_the_first_to_answer_has_the_call() {
    let tandem = Tandem::new().start();
    let (mut alice, mut desk) = alice_and_bob(&tandem, Answer::Manual);
    let mut mobile = tandem.phone("bob").tone(880).answer(Answer::Manual).start();
    mobile.wait_registered();

    alice.dial("bob");
    desk.wait_incoming();
    mobile.wait_incoming();
    mobile.accept();
    talk(&mut alice, &mut mobile);
    desk.wait_closed();
    assert!(desk.log().contains("\nCANCEL sip:"));
    alice.hang_up();
    mobile.wait_closed();

    let record = tandem.wait_record();
    let mut outcomes = codes(&record);
    outcomes.sort_unstable();
    assert_eq!(outcomes, [200, 487]);
}

#[test]
fn sound_from_a_third_address_is_not_let_in() {
    let tandem = Tandem::new().start();
    tandem.extension("alice");
    tandem.extension("bob");
    // Signals from there, and names it in the SDP, but sends RTP from 127.0.0.1.
    let mut alice = tandem.phone("alice").on(beside(33)).tone(440).start();
    let mut bob = tandem.phone("bob").tone(880).start();
    alice.wait_registered();
    bob.wait_registered();

    alice.dial("bob");
    alice.wait_hears(880);
    assert_eq!(bob.received(), 0);
    alice.hang_up();
    bob.wait_closed();
    let record = tandem.wait_record();
    assert_eq!(record["media_from_caller"]["packets"], 0, "{record:#}");
    assert!(record["media_from_caller"]["dropped"].as_u64() > Some(20), "{record:#}");
}

#[test]
fn keys_that_are_pressed_are_heard_on_the_other_side() {
    let tandem = Tandem::new().start();
    let (mut alice, mut bob) = alice_and_bob(&tandem, Answer::Auto);
    alice.dial("bob");
    talk(&mut alice, &mut bob);
    for key in ['5', '#'] {
        alice.press(key);
        assert_eq!(bob.wait_key(), key.to_string());
    }
}

#[test]
fn an_extension_without_a_phone_is_not_available() {
    let tandem = Tandem::new().start();
    tandem.extension("alice");
    tandem.extension("bob");
    let mut alice = tandem.phone("alice").start();
    alice.wait_registered();
    alice.dial("bob");
    assert!(alice.wait_closed().starts_with("480 "));
    alice.dial("carol");
    assert!(alice.wait_closed().starts_with("404 "));
}

#[test]
fn a_pbx_that_registers_to_us_is_a_trunk() {
    let tandem = Tandem::new().start();
    let pbx = json!({ "name": "pbx", "mode": "register_in", "username": "pbx", "password": PASSWORD });
    let pbx_trunk = tandem.create("trunks", pbx);
    let alice = tandem.extension("alice");
    tandem.create("numbers", json!({ "number": "+49301", "extension_id": alice }));
    tandem.create("numbers", json!({ "number": NUMBER, "trunk_id": pbx_trunk }));
    assert_eq!(tandem.status(&pbx_trunk)["state"], "unregistered");
    let mut alice = tandem.phone("alice").tone(440).start();
    let mut pbx = tandem.phone("pbx").tone(880).start();
    alice.wait_registered();
    pbx.wait_registered();
    tandem.wait_state(&pbx_trunk, "registered");

    pbx.dial("+49301");
    talk(&mut alice, &mut pbx);
    pbx.hang_up();
    alice.wait_closed();
    assert_eq!(tandem.wait_record()["caller"]["trunk_id"], pbx_trunk.as_str());
}

#[test]
fn fifty_calls_at_a_time_all_go_by_the_script() {
    const CALLS: u32 = 50;
    let tandem = Tandem::new().rtp_ports(4 * CALLS as u16).start();
    let mut callee = Scenario::new("uas").on(beside(31)).calls(CALLS).start();
    let trunk = tandem.trunk_to("callee", callee.addr());
    with_caller(&tandem, json!({ "number": NUMBER, "trunk_id": trunk }));

    let calls = caller(&tandem, "uac").calls(CALLS).rate(100).duration(Duration::from_millis(600));
    assert_eq!(calls.run().successful, u64::from(CALLS));
    assert_eq!(callee.wait_passed(PATIENCE).successful, u64::from(CALLS));
    let records = tandem.wait_records(CALLS as usize);
    assert!(records.iter().all(|record| record["outcome"] == "answered" && record["ended_by"] == "caller"));
    assert!(tandem.calls().is_empty());
}

#[test]
fn tcp_phones_talk_to_udp_phones() {
    let tandem = Tandem::new().start();
    tandem.extension("alice");
    tandem.extension("bob");
    let mut alice = tandem.phone("alice").transport(Transport::Tcp).tone(440).start();
    let mut bob = tandem.phone("bob").tone(880).start();
    alice.wait_registered();
    bob.wait_registered();

    alice.dial("bob");
    talk(&mut alice, &mut bob);
    alice.hang_up();
    bob.wait_closed();
    // The other way, over the connection that the phone opened.
    bob.dial("alice");
    alice.wait_established();
    bob.hang_up();
    alice.wait_closed();
    let targets: Vec<Value> =
        tandem.wait_records(2).iter().map(|record| record["attempts"][0]["target"].clone()).collect();
    assert!(targets[0].as_str().unwrap().starts_with("tcp:"), "{targets:?}");
    assert!(targets[1].as_str().unwrap().starts_with("udp:"), "{targets:?}");
}

#[test]
fn a_trunk_may_be_reached_over_tcp() {
    let tandem = Tandem::new().start();
    let mut peer = Scenario::new("uas").transport(Transport::Tcp).on(beside(31)).start();
    let mut alice = phone_out_over(&tandem, &peer);
    let trunk = tandem.rest().get("/v1.0/trunks").ok()["items"][0]["id"].as_str().unwrap().to_owned();
    tandem.rest().patch(&format!("/v1.0/trunks/{trunk}"), &json!({ "transport": "tcp" })).ok();

    alice.dial(NUMBER);
    alice.wait_established();
    alice.hang_up();
    peer.wait_passed(PATIENCE);
    assert_eq!(tandem.wait_record()["attempts"][0]["target"], format!("tcp:{}", peer.addr()));
}

#[test]
fn a_trunk_may_have_a_name_from_the_hosts_file() {
    let tandem = Tandem::new().start();
    let mut peer = Scenario::new("uas").start();
    let host = json!({ "name": "near", "host": "localhost", "port": peer.addr().port(), "ping_interval": 0 });
    let trunk = tandem.create("trunks", host);
    tandem.route_over(&[&trunk]);
    tandem.extension("alice");
    let mut alice = tandem.phone("alice").start();
    alice.wait_registered();

    alice.dial(NUMBER);
    alice.wait_established();
    alice.hang_up();
    peer.wait_passed(PATIENCE);
    assert_eq!(tandem.wait_record()["attempts"][0]["target"], format!("udp:{}", peer.addr()));
}

#[test]
fn a_trunk_carries_as_many_calls_as_it_may() {
    let tandem = Tandem::new().start();
    let mut peer = Scenario::new("uas").on(beside(31)).start();
    let mut alice = phone_out_over(&tandem, &peer);
    let trunk = tandem.rest().get("/v1.0/trunks").ok()["items"][0]["id"].as_str().unwrap().to_owned();
    tandem.rest().patch(&format!("/v1.0/trunks/{trunk}"), &json!({ "max_calls": 1 })).ok();
    tandem.extension("bob");
    let mut bob = tandem.phone("bob").start();
    bob.wait_registered();

    alice.dial(NUMBER);
    alice.wait_established();
    bob.dial(NUMBER);
    assert_eq!(bob.wait_closed(), "503 Service Unavailable");
    alice.hang_up();
    peer.wait_passed(PATIENCE);
    assert_eq!(tandem.status(&trunk)["calls"], 0);
}

#[test]
fn an_administrator_can_end_a_call() {
    let tandem = Tandem::new().start();
    let (mut alice, mut bob) = alice_and_bob(&tandem, Answer::Auto);
    alice.dial("bob");
    alice.wait_established();
    let call = tandem.wait_call("answered")["id"].as_str().unwrap().to_owned();

    tandem.rest().delete(&format!("/v1.0/calls/{call}")).expect(204);
    alice.wait_closed();
    bob.wait_closed();
    let record = tandem.wait_record();
    assert_eq!((&record["id"], &record["ended_by"]), (&json!(call), &json!("system")));
    tandem.rest().delete(&format!("/v1.0/calls/{call}")).expect(404);
}

#[test]
fn a_phone_that_loses_its_power_does_not_keep_the_other_waiting() {
    let tandem = Tandem::new().file("[limits]\nmedia_timeout = 1\n").start();
    let (mut alice, mut bob) = alice_and_bob(&tandem, Answer::Auto);
    alice.dial("bob");
    talk(&mut alice, &mut bob);
    alice.kill();
    bob.wait_closed();
    let record = tandem.wait_record();
    assert_eq!((&record["outcome"], &record["ended_by"]), (&json!("answered"), &json!("system")));
}

#[test]
fn a_stranger_is_asked_who_it_is_and_gets_nowhere() {
    let tandem = Tandem::new().start();
    let mut peer = Scenario::new("uas").on(beside(31)).start();
    let trunk = tandem.trunk_to("carrier", peer.addr());
    tandem.route_over(&[&trunk]);
    tandem.extension("alice");

    for (user, password) in [("alice", "a guess"), ("nobody", PASSWORD)] {
        let stranger = Scenario::new("uac_auth").on(beside(32)).target(tandem.sip()).number(NUMBER);
        let mut stranger = stranger.credentials(user, password).start();
        let (_, stats) = stranger.wait_ended(PATIENCE);
        let answers = stranger.messages();
        assert_eq!(stats.failed, 1);
        assert!(answers.contains("SIP/2.0 407 ") && answers.contains("SIP/2.0 403 "), "{answers}");
    }
    assert_eq!(peer.stop().created, 0);
    assert!(tandem.calls().is_empty());
    assert_eq!(tandem.rest().get("/v1.0/cdrs").ok()["items"], json!([]));
}

#[test]
fn a_trunk_reaches_our_numbers_and_no_others() {
    let tandem = Tandem::new().start();
    let mut peer = Scenario::new("uas").on(beside(31)).start();
    let trunk = tandem.trunk_to("carrier", peer.addr());
    tandem.route_over(&[&trunk]);
    let alice = tandem.extension("alice");
    with_caller(&tandem, json!({ "number": "+49301", "extension_id": alice }));

    caller(&tandem, "uac_refused").status("404 Not Found").run();
    wait_until("the refusal in the log", PATIENCE, || tandem.log().contains("nothing takes"));
    assert_eq!(peer.stop().created, 0);
}

#[test]
fn the_record_counts_the_media_of_both_sides_that_our_threads_send_on() {
    let tandem = Tandem::new().file("media_offload = false\n").start();
    the_record_counts_the_media_of_both_sides(&tandem);
    assert_eq!(tandem.metric("tandem_rtp_offloaded_total"), 0);
}

#[test]
fn the_record_counts_the_media_of_both_sides_that_the_kernel_sends_on() {
    let tandem = Tandem::new().start();
    the_record_counts_the_media_of_both_sides(&tandem);
    // The machine may not let us.
    let by_kernel = tandem.log().contains("the kernel sends on the media");
    assert_eq!(tandem.metric("tandem_rtp_offloaded_total") > 0, by_kernel);
}

fn the_record_counts_the_media_of_both_sides(tandem: &Server) {
    let (mut alice, mut bob) = alice_and_bob(tandem, Answer::Auto);
    alice.dial("bob");
    talk(&mut alice, &mut bob);
    alice.hang_up();
    bob.wait_closed();

    let record = tandem.wait_record();
    for side in ["media_from_caller", "media_from_callee"] {
        let media = &record[side];
        let packets = media["packets"].as_u64().unwrap();
        // 20 ms of G.711 and the RTP header.
        assert_eq!(media["bytes"], packets * 172, "{media:#}");
        assert!(packets * 20 >= 500, "{media:#}");
        assert_eq!(media["lost"], 0, "{media:#}");
    }
}

#[test]
#[ignore = "baresip waits 30 to 60 s after a failure; `make interop` runs it"]
fn a_phone_that_gives_up_at_sha_256_gets_in_at_its_next_try() {
    let tandem = Tandem::new().env("TANDEM_AUTH_ALGORITHMS", "sha-256,md5").start();
    tandem.extension("alice");
    let phone = tandem.phone("alice").start();
    wait_until("the phone is registered", Duration::from_secs(80), || {
        tandem.registrations("inbound").len() == 1
    });
    drop(phone);
}

/// A third phone, which answers by itself (1320 Hz).
fn carol(tandem: &Server) -> Phone {
    tandem.extension("carol");
    let mut carol = tandem.phone("carol").tone(1320).start();
    carol.wait_registered();
    carol
}

#[test]
fn a_phone_has_whom_it_talks_with_connected_to_another() {
    let tandem = Tandem::new().start();
    let (mut alice, mut bob) = alice_and_bob(&tandem, Answer::Auto);
    let mut carol = carol(&tandem);
    alice.dial("bob");
    talk(&mut alice, &mut bob);

    alice.transfer("carol");
    carol.wait_established();
    carol.wait_hears(880);
    alice.wait_closed();
    bob.hang_up();
    carol.wait_closed();
    let record = tandem.wait_record();
    let transfer = &record["transfers"][0];
    assert_eq!((&transfer["kind"], &transfer["code"]), (&json!("blind"), &json!(200)));
    assert_eq!((&transfer["by"]["number"], &transfer["target"]), (&json!("alice"), &json!("carol")));
}

#[test]
fn who_asks_for_a_transfer_is_told_how_it_goes() {
    let tandem = Tandem::new().start();
    let (_alice, mut bob) = alice_and_bob(&tandem, Answer::Auto);
    let mut carol = carol(&tandem);
    tandem.extension("dave");
    let dave = Scenario::new("uac_refer").target(tandem.sip()).number("bob").credentials("dave", PASSWORD);
    let mut dave = dave.key("target", "carol").duration(Duration::from_millis(500)).start();

    dave.wait_passed(PATIENCE);
    let messages = dave.messages();
    for news in ["SIP/2.0 100 Trying", "SIP/2.0 200 OK", "Subscription-State: terminated;reason=noresource"] {
        assert!(messages.contains(news), "{news}: {messages}");
    }
    carol.wait_hears(880);
    bob.hang_up();
    carol.wait_closed();
    assert_eq!(codes(&tandem.wait_record()), [200, 200]);
}
