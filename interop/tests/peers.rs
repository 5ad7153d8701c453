//! The peers against each other, without Tandem: if one of these fails, it is the harness that is
//! broken.

use std::time::Duration;

use tandem_interop::Transport;
use tandem_interop::baresip::{Answer, Baresip, Phone};
use tandem_interop::kamailio::{Carrier, Kamailio};
use tandem_interop::process::{PATIENCE, wait_until};
use tandem_interop::sipp::Scenario;

const PASSWORD: &str = "secret";

fn carrier() -> Carrier {
    Carrier::new().account("alice", PASSWORD).account("bob", PASSWORD)
}

fn phone_at(carrier: &Kamailio, user: &str) -> Baresip {
    Baresip::new(user).account_at(carrier.addr()).password(PASSWORD).register_every(60)
}

#[track_caller]
fn talk(alice: &mut Phone, bob: &mut Phone) {
    alice.wait_established();
    bob.wait_established();
    alice.wait_hears(880);
    bob.wait_hears(440);
}

#[test]
fn phones_talk_through_the_carrier() {
    let carrier = carrier().start();
    let mut alice = phone_at(&carrier, "alice").tone(440).start();
    let mut bob = phone_at(&carrier, "bob").tone(880).start();
    alice.wait_registered();
    bob.wait_registered();

    alice.dial("bob");
    talk(&mut alice, &mut bob);

    alice.hang_up();
    assert_eq!(bob.wait_closed(), "Connection reset by peer");
    assert!(alice.heard().unwrap().presence(880) > 0.9);
}

#[test]
fn phones_talk_over_tcp() {
    let carrier = carrier().start();
    let mut alice = phone_at(&carrier, "alice").transport(Transport::Tcp).tone(440).start();
    let mut bob = phone_at(&carrier, "bob").transport(Transport::Tcp).tone(880).start();
    alice.wait_registered();
    bob.wait_registered();

    alice.dial("bob");
    talk(&mut alice, &mut bob);
    assert!(carrier.messages().iter().all(|m| m.contains("over tcp")), "{:#?}", carrier.messages());
}

#[test]
fn phones_register_again_after_the_carrier_restarts() {
    // Three seconds: a phone that finds no one when it refreshes only tries again half a minute
    // later, so the carrier has to be back by then.
    let mut carrier = carrier().max_expires(3).start();
    let _alice = phone_at(&carrier, "alice").start();
    let first = carrier.wait_registered("alice");
    assert!(first.expires <= 3);

    carrier.restart();
    assert_eq!(carrier.registrations("alice"), []);
    carrier.wait_refreshed("alice", &first);

    carrier.forget("alice");
    carrier.wait_unregistered("alice");
}

#[test]
fn the_carrier_refuses_wrong_passwords() {
    let mut carrier = carrier().start();
    phone_at(&carrier, "alice").password("wrong").start().wait_refused();
    carrier.set_password("alice", "wrong");
    phone_at(&carrier, "alice").password("wrong").start().wait_registered();
}

#[test]
fn the_carrier_refuses_short_registrations() {
    let carrier = carrier().min_expires(30).start();
    let mut bob = phone_at(&carrier, "bob").register_every(10).start();
    bob.wait_registered();
    assert!(bob.log().contains("423 Interval Too Brief"));
    assert!((25..=30).contains(&carrier.wait_registered("bob").expires));
}

#[test]
fn numbers_lead_out_of_the_carrier_and_into_it() {
    let mut subscriber = Baresip::new("+4930123").tone(880).start();
    let carrier =
        carrier().number("+4940777", "alice").number_in_to_only().route("+4930", subscriber.addr()).start();
    let mut alice = phone_at(&carrier, "alice").tone(440).start();
    alice.wait_registered();

    // Out: the carrier asks for the password and passes the call on.
    alice.dial("+4930123");
    talk(&mut alice, &mut subscriber);
    alice.hang_up();
    subscriber.wait_closed();

    // In: the subscriber is known by its address, and the number is an account's.
    subscriber.dial(&carrier.uri("+4940777"));
    subscriber.wait_established();
    alice.wait_established();
}

#[test]
fn keys_and_hold_are_heard() {
    let mut bob = Baresip::new("bob").answer(Answer::Manual).tone(880).start();
    let mut alice = Baresip::new("alice").tone(440).start();
    alice.dial(&bob.uri());
    bob.wait_incoming();
    alice.wait_ringing();
    bob.accept();
    talk(&mut alice, &mut bob);

    alice.press('5');
    assert_eq!(bob.wait_key(), "5");

    alice.hold();
    wait_until("the hold to reach bob", PATIENCE, || bob.log().contains("a=sendonly"));
    alice.resume();
    bob.hang_up();
    alice.wait_closed();
}

#[test]
fn a_transferred_phone_talks_to_someone_else() {
    let mut alice = Baresip::new("alice").tone(440).start();
    let mut bob = Baresip::new("bob").start();
    let mut carol = Baresip::new("carol").tone(880).start();
    alice.dial(&bob.uri());
    alice.wait_established();
    bob.transfer(&carol.uri());
    talk(&mut alice, &mut carol);
}

#[test]
fn a_phone_tells_why_its_call_failed() {
    let mut bob = Baresip::new("bob").answer(Answer::Manual).start();
    let mut alice = Baresip::new("alice").start();
    alice.dial(&bob.uri());
    bob.wait_incoming();
    bob.hang_up();
    assert_eq!(alice.wait_closed(), "486 Rejected");
}

#[test]
fn scripted_calls_pass() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut uas = Scenario::new("uas").transport(transport).calls(5).start();
        let uac = Scenario::new("uac").transport(transport).target(uas.addr()).calls(5).rate(50);
        assert_eq!(uac.duration(Duration::from_millis(50)).run().successful, 5);
        assert_eq!(uas.wait_passed(PATIENCE).successful, 5);
    }
}

#[test]
fn scripted_calls_prove_their_password() {
    let mut uas = Scenario::new("uas").start();
    let carrier = carrier().route("+49", uas.addr()).start();
    let call = || Scenario::new("uac_auth").target(carrier.addr()).number("+4930123");

    call().credentials("alice", PASSWORD).run();
    uas.wait_passed(PATIENCE);

    let (status, stats) = call().credentials("alice", "wrong").start().wait_ended(PATIENCE);
    assert_eq!((status.code(), stats.failed), (Some(1), 1));
}

#[test]
fn scripted_calls_are_turned_away() {
    let mut uas = Scenario::new("uas_reject").status("503 Service Unavailable").start();
    let mut alice = Baresip::new("alice").start();
    alice.dial(&format!("sip:bob@{}", uas.addr()));
    assert_eq!(alice.wait_closed(), "503 Service Unavailable");
    uas.wait_passed(PATIENCE);
}

#[test]
fn scripted_calls_are_given_up() {
    let mut uas = Scenario::new("uas_ringing").start();
    Scenario::new("uac_cancel").target(uas.addr()).duration(Duration::from_millis(50)).run();
    uas.wait_passed(PATIENCE);
}

#[test]
fn an_echo_is_heard_before_the_answer() {
    let mut uas = Scenario::new("uas_early").echo().duration(Duration::from_secs(1)).start();
    let mut alice = Baresip::new("alice").tone(440).start();
    alice.dial(&format!("sip:bob@{}", uas.addr()));
    alice.wait_hears(440);
    assert!(alice.events().iter().all(|event| event.kind != "CALL_ESTABLISHED"));

    alice.wait_established();
    alice.hang_up();
    uas.wait_passed(PATIENCE);
}

#[test]
fn a_silent_server_is_called_again_and_again() {
    let mut uas = Scenario::new("uas_silent").start();
    let mut uac = Scenario::new("uac").target(uas.addr()).start();
    wait_until("a second INVITE", PATIENCE, || uas.messages().matches("INVITE sip:").count() >= 2);
    assert_eq!(uac.stop().successful, 0);
    assert_eq!(uas.stop().successful, 0);
}

#[test]
fn the_carrier_answers_options() {
    let carrier = carrier().start();
    Scenario::new("options").target(carrier.addr()).run();
}
