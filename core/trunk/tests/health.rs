//! Probes: what they send, what they show, and what they do to a registration.

mod world;

use serde_json::{Value, json};
use std::cell::Cell;
use std::rc::Rc;
use tandem_model::{RegistrationState, TrunkState};
use tandem_sip_msg::Header;
use tandem_sip_txn::Failure;
use world::*;

/// A trunk without registration.
fn peer(fields: Value) -> std::sync::Arc<tandem_model::Trunk> {
    let mut all = json!({"mode": "ip_auth", "username": null, "password": null, "ping_interval": 30});
    for (key, value) in fields.as_object().unwrap() {
        all[key] = value.clone();
    }
    trunk(1, all)
}

/// A carrier with a switch: when it is off it is silent, and it forgets registrations then.
fn switched(alive: &Rc<Cell<bool>>) -> Carrier {
    let alive = alive.clone();
    let mut good = good_carrier();
    Box::new(move |sent| if alive.get() { good(sent) } else { None })
}

#[test]
fn a_peer_is_asked_soon_after_the_start_and_then_every_interval() {
    let mut world = World::with(&[peer(json!({}))]);
    let start = world.now;
    assert_eq!(world.state(), TrunkState::Static);
    assert!(world.is_up());
    let first = world.expect("OPTIONS");
    assert!(first.at.since(start) <= secs(2));
    world.answer(&first, 200, &[]);
    assert_eq!(world.state(), TrunkState::Reachable);
    let second = world.expect("OPTIONS");
    assert_eq!(second.at, first.at + secs(30));
    assert_ne!(second.message.call_id(), first.message.call_id());
    assert_eq!(world.told(), [TrunkState::Static, TrunkState::Reachable]);
}

#[test]
fn an_options_comes_from_the_account() {
    let mut world = World::with(&[trunk(1, json!({"mode": "credential", "ping_interval": 30}))]);
    let options = world.expect("OPTIONS");
    let message = &options.message;
    assert_eq!(message.request_uri().unwrap().as_str(), "sip:192.0.2.1");
    assert_eq!(message.from().uri().as_str(), "sip:1001@192.0.2.1");
    assert_eq!(options.header(Header::To), "<sip:192.0.2.1>");
    assert_eq!(message.max_forwards(), Some(70));
    assert!(message.from_tag().is_some() && options.header(Header::Accept) == "application/sdp");
    // Who has no account there comes from our own address.
    let mut world = World::with(&[peer(json!({}))]);
    assert_eq!(world.expect("OPTIONS").message.from().uri().as_str(), "sip:198.51.100.1:5060");
}

#[test]
fn any_final_answer_but_408_and_503_shows_that_somebody_is_there() {
    for code in [200, 401, 403, 404, 405, 486, 500, 501, 603] {
        let mut world = World::with(&[peer(json!({}))]);
        let options = world.expect("OPTIONS");
        world.answer(&options, code, &[]);
        assert_eq!(world.state(), TrunkState::Reachable, "{code}");
        assert_eq!(world.status().last_code, Some(code));
    }
    for code in [408, 503] {
        let mut world = World::with(&[peer(json!({"ping_fail": 1}))]);
        let options = world.expect("OPTIONS");
        world.answer(&options, code, &[]);
        assert_eq!(world.state(), TrunkState::Unreachable, "{code}");
    }
}

#[test]
fn the_round_trip_is_measured() {
    let mut world = World::with(&[peer(json!({}))]);
    let options = world.expect("OPTIONS");
    world.pass(millis(23));
    world.answer(&options, 200, &[]);
    assert_eq!(world.status().rtt_ms, Some(23.0));
}

#[test]
fn three_failures_in_a_row_make_a_peer_unreachable_and_two_answers_reachable_again() {
    let mut world = World::with(&[peer(json!({}))]);
    let first = world.expect("OPTIONS");
    world.answer(&first, 200, &[]);
    for n in 1..=3 {
        world.expect("OPTIONS");
        world.pass(secs(5));
        let status = world.status();
        if n < 3 {
            assert_eq!(status.state, TrunkState::Degraded);
            assert!(status.reason.starts_with(&format!("Usable, but {n} OPTIONS in a row failed")));
            assert!(world.is_up());
        } else {
            assert_eq!(status.state, TrunkState::Unreachable);
            assert!(status.reason.starts_with("No answer to OPTIONS from udp:192.0.2.1:5060 within 5 s"));
            assert!(!world.is_up());
        }
    }
    let once = world.expect("OPTIONS");
    world.answer(&once, 200, &[]);
    assert_eq!(world.state(), TrunkState::Unreachable);
    let twice = world.expect("OPTIONS");
    assert_eq!(twice.at.since(once.at), secs(5), "who is proving itself is asked sooner");
    world.answer(&twice, 200, &[]);
    assert_eq!(world.state(), TrunkState::Reachable);
    let later = world.expect("OPTIONS");
    assert_eq!(later.at.since(twice.at), secs(30));
}

#[test]
fn one_answer_in_between_begins_the_count_anew() {
    let mut world = World::with(&[peer(json!({}))]);
    for n in 0..20 {
        let options = world.expect("OPTIONS");
        if n % 3 == 2 {
            world.answer(&options, 200, &[]);
        } else {
            world.pass(secs(6));
        }
        assert_ne!(world.state(), TrunkState::Unreachable);
    }
}

#[test]
fn never_more_than_one_probe_is_out() {
    let out = Rc::new(Cell::new(0_u32));
    let mut world = World::with(&[peer(json!({"ping_interval": 5, "ping_timeout": 20}))]);
    let count = out.clone();
    world.carrier = Some(Box::new(move |_| {
        count.set(count.get() + 1);
        None
    }));
    world.pass(secs(600));
    assert!(out.get() <= 31, "{}", out.get());
    // Those given up may still be repeated by their transactions, for 32 s.
    assert!(world.txn.len().0 <= 3, "{:?}", world.txn.len());
}

#[test]
fn a_trunk_that_is_not_probed_says_so() {
    let mut world = World::with(&[peer(json!({"ping_interval": 0}))]);
    world.expect_none("OPTIONS", secs(600));
    assert_eq!(world.state(), TrunkState::Static);
    assert!(world.status().reason.contains("not probed"));
    assert!(world.is_up());
}

#[test]
fn a_registration_comes_before_the_first_probe() {
    let mut world = World::with(&[trunk(1, json!({"ping_interval": 30}))]);
    let register = world.expect("REGISTER");
    world.expect_none("OPTIONS", secs(20));
    world.accept(&register, 3600);
    let options = world.expect("OPTIONS");
    assert!(options.at.since(register.at) <= secs(25));
}

#[test]
fn a_probe_that_fails_does_not_end_a_registration_but_makes_the_trunk_unreachable() {
    let mut world = World::with(&[trunk(1, json!({"ping_interval": 30}))]);
    world.register();
    for _ in 0..3 {
        world.expect("OPTIONS");
        world.pass(secs(5));
    }
    let status = world.status();
    assert_eq!((status.state, status.registration), (TrunkState::Unreachable, RegistrationState::Registered));
    assert!(status.registered_until.is_some());
    assert!(!world.is_up());
}

#[test]
fn a_carrier_that_was_stopped_and_comes_back_is_registered_again_by_itself_and_soon() {
    let alive = Rc::new(Cell::new(true));
    let mut world = World::with(&[trunk(1, json!({"ping_interval": 10}))]);
    world.carrier = Some(switched(&alive));
    world.pass(secs(60));
    assert_eq!(world.state(), TrunkState::Registered);
    alive.set(false);
    world.pass(secs(120));
    assert_eq!(world.state(), TrunkState::Unreachable);
    world.sent.clear();
    alive.set(true);
    let back = world.now;
    let register = world.find(secs(60), |sent| sent.is("REGISTER") && credentials_are_right(sent)).unwrap();
    assert!(register.at.since(back) <= secs(11), "{:?}", register.at.since(back));
    world.pass(millis(1));
    assert_eq!(world.state(), TrunkState::Registered);
    assert_eq!(
        world.told(),
        [
            TrunkState::Registering,
            TrunkState::Registered,
            TrunkState::Degraded,
            TrunkState::Unreachable,
            TrunkState::Registered
        ]
    );
}

#[test]
fn a_carrier_that_was_down_from_the_start_is_registered_when_it_first_answers() {
    let alive = Rc::new(Cell::new(false));
    let mut world = World::with(&[trunk(1, json!({"ping_interval": 10}))]);
    world.carrier = Some(switched(&alive));
    world.pass(secs(3000));
    assert_eq!(world.status().registration, RegistrationState::Timeout);
    let next_retry = world.status().next_retry_at.unwrap();
    world.sent.clear();
    alive.set(true);
    let back = world.now;
    world.find(secs(60), |sent| sent.is("REGISTER")).unwrap();
    assert!(world.now.since(back) <= secs(16), "{:?}", world.now.since(back));
    assert!(next_retry > world.now.as_millis());
    world.pass(secs(1));
    assert_eq!(world.state(), TrunkState::Registered);
}

#[test]
fn a_registration_that_timed_out_while_pings_are_answered_is_hurried_once_and_not_for_ever() {
    let mut world = World::with(&[trunk(1, json!({"ping_interval": 10, "register_timeout": 5}))]);
    world.carrier = Some(Box::new(|sent| sent.is("OPTIONS").then(|| (200, vec![]))));
    world.pass(secs(3600));
    let registers = world.sent.iter().filter(|sent| sent.is("REGISTER")).count();
    assert!((5..=12).contains(&registers), "{registers}");
    assert_eq!(world.state(), TrunkState::Unreachable);
}

#[test]
fn answered_pings_do_not_hurry_a_trunk_whose_password_is_wrong() {
    let mut world = World::with(&[trunk(1, json!({"ping_interval": 10, "password": "wrong"}))]);
    world.carrier = Some(good_carrier());
    world.pass(secs(230));
    let attempts = world.sent.iter().filter(|sent| sent.is("REGISTER")).count();
    assert_eq!(attempts, 2);
    assert!(world.sent.iter().filter(|sent| sent.is("OPTIONS")).count() > 15);
    assert_eq!(world.state(), TrunkState::AuthFailed);
}

#[test]
fn with_one_of_two_targets_dead_a_trunk_is_degraded_and_calls_go_to_the_other() {
    let mut world = World::with(&[peer(json!({"host": "sip.example.com"}))]);
    world.resolve(&["192.0.2.1:5060", "192.0.2.2:5060"], 3600);
    world.carrier =
        Some(Box::new(|sent| (sent.flow.remote.ip().to_string() == "192.0.2.2").then(|| (200, vec![]))));
    world.pass(secs(120));
    let status = world.status();
    assert_eq!(status.state, TrunkState::Degraded);
    assert!(status.reason.starts_with("Usable, but 1 of its 2 targets do not answer"), "{}", status.reason);
    assert!(world.is_up());
    let targets = world.trunks.targets(id(1));
    assert_eq!(targets[0].remote, address("192.0.2.2:5060"));
    assert_eq!(targets[1].remote, address("192.0.2.1:5060"));
}

#[test]
fn when_the_target_that_holds_the_registration_dies_the_trunk_moves_to_another() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com", "ping_interval": 10}))]);
    world.resolve(&["192.0.2.1:5060", "192.0.2.2:5060"], 3600);
    let dead = Rc::new(Cell::new(false));
    let is_dead = dead.clone();
    let mut good = good_carrier();
    world.carrier = Some(Box::new(move |sent| {
        let first = sent.flow.remote.ip().to_string() == "192.0.2.1";
        if first && is_dead.get() { None } else { good(sent) }
    }));
    world.pass(secs(30));
    assert_eq!(world.trunks.targets(id(1))[0].remote, address("192.0.2.1:5060"));
    assert_eq!(world.state(), TrunkState::Registered);
    dead.set(true);
    world.pass(secs(60));
    assert_eq!(world.trunks.targets(id(1))[0].remote, address("192.0.2.2:5060"));
    assert_eq!(world.trunks.views()[0].address, "udp:192.0.2.2:5060");
    assert!(world.is_up());
    dead.set(false);
    world.pass(secs(60));
    assert_eq!(world.state(), TrunkState::Registered);
}

#[test]
fn calls_that_find_nobody_count_as_probes_do() {
    let mut world = World::with(&[peer(json!({}))]);
    let options = world.expect("OPTIONS");
    world.answer(&options, 200, &[]);
    let target = world.udp_to("192.0.2.1:5060");
    for _ in 0..3 {
        world.act(|trunks, sip| trunks.call_evidence(id(1), target, Err(Failure::Timeout), sip));
    }
    assert_eq!(world.state(), TrunkState::Unreachable);
    for _ in 0..2 {
        world.act(|trunks, sip| trunks.call_evidence(id(1), target, Ok(()), sip));
    }
    assert_eq!(world.state(), TrunkState::Reachable);
    for _ in 0..9 {
        let elsewhere = world.udp_to("203.0.113.9:5060");
        world.act(|trunks, sip| trunks.call_evidence(id(1), elsewhere, Err(Failure::Timeout), sip));
    }
    assert_eq!(world.state(), TrunkState::Reachable);
}

#[test]
fn probes_go_through_the_outbound_proxy_and_registers_to_the_registrar() {
    let mut world = World::with(&[trunk(
        1,
        json!({"ping_interval": 30, "host": "192.0.2.1", "outbound_proxy": "192.0.2.2:5070", "registrar": "192.0.2.3:5080"}),
    )]);
    let register = world.register();
    assert_eq!(register.flow.remote, address("192.0.2.3:5080"));
    assert_eq!(register.message.header(Header::Route), None);
    assert_eq!(register.message.request_uri().unwrap().as_str(), "sip:192.0.2.1");
    let options = world.expect("OPTIONS");
    assert_eq!(options.flow.remote, address("192.0.2.2:5070"));
    assert_eq!(options.header(Header::Route), "<sip:192.0.2.2:5070;lr>");
    assert_eq!(options.message.request_uri().unwrap().as_str(), "sip:192.0.2.1");
    assert_eq!(world.trunks.targets(id(1))[0].remote, address("192.0.2.2:5070"));
    for known in ["192.0.2.1:5060", "192.0.2.2:5070", "192.0.2.3:5080"] {
        assert_eq!(world.trunks.at(address(known)), [id(1)]);
    }
}

#[test]
fn without_a_registrar_of_its_own_a_register_goes_through_the_outbound_proxy() {
    let mut world = World::with(&[trunk(1, json!({"outbound_proxy": "192.0.2.2"}))]);
    let register = world.expect("REGISTER");
    assert_eq!(register.flow.remote, address("192.0.2.2:5060"));
    assert_eq!(register.header(Header::Route), "<sip:192.0.2.2;lr>");
}

#[test]
fn an_edit_of_the_probes_is_taken_at_once() {
    let mut world = World::with(&[peer(json!({"ping_interval": 3600}))]);
    let first = world.expect("OPTIONS");
    world.answer(&first, 200, &[]);
    world.configure(&[peer(json!({"ping_interval": 5}))]);
    let second = world.expect("OPTIONS");
    assert!(second.at.since(first.at) <= secs(2));
    world.configure(&[peer(json!({"ping_interval": 0}))]);
    world.expect_none("OPTIONS", secs(600));
    assert_eq!(world.state(), TrunkState::Static);
}

#[test]
fn a_trunk_that_registers_here_has_its_status_from_the_registrar() {
    let guest = trunk(1, json!({"mode": "register_in", "host": null, "ping_interval": 30}));
    let mut world = World::with(&[guest]);
    assert_eq!(world.state(), TrunkState::Unregistered);
    assert!(!world.is_up());
    assert!(world.status().reason.contains("1001"));
    let now = world.now;
    world.act(|trunks, _| trunks.set_bound(id(1), true, now));
    assert_eq!(world.state(), TrunkState::Registered);
    assert!(world.is_up());
    world.act(|trunks, _| trunks.set_bound(id(1), false, now));
    assert_eq!(world.told(), [TrunkState::Unregistered, TrunkState::Registered, TrunkState::Unregistered]);
    world.expect_none("OPTIONS", secs(600));
}

#[test]
fn a_trunk_may_want_to_see_success() {
    for (code, state) in
        [(200, TrunkState::Reachable), (404, TrunkState::Unreachable), (503, TrunkState::Unreachable)]
    {
        let mut world = World::with(&[peer(json!({"ping_fail": 1, "ping_accept": "2xx"}))]);
        let options = world.expect("OPTIONS");
        world.answer(&options, code, &[]);
        assert_eq!(world.state(), state, "{code}");
    }
}

#[test]
fn an_options_has_a_contact_and_another_product_where_that_is_wanted() {
    let mut world = World::with(&[peer(json!({}))]);
    let plain = world.expect("OPTIONS");
    assert!(plain.message.contact().is_none());
    assert_eq!(plain.header(Header::UserAgent), "Tandem");
    let more = json!({"ping_contact": true, "ping_user_agent": "Acme PBX", "contact_host": "pbx.example"});
    let mut world = World::with(&[peer(more)]);
    let options = world.expect("OPTIONS");
    assert!(options.header(Header::Contact).starts_with("<sip:tandem@pbx.example:5060;gw="));
    assert_eq!(options.header(Header::UserAgent), "Acme PBX");
}

#[test]
fn silence_on_options_ends_a_registration_only_where_that_is_wanted() {
    for (unregisters, state) in
        [(false, RegistrationState::Registered), (true, RegistrationState::Registering)]
    {
        let more = json!({"ping_interval": 30, "ping_fail": 1, "ping_unregisters": unregisters});
        let mut world = World::with(&[trunk(1, more)]);
        world.register();
        let options = world.expect("OPTIONS");
        world.unreachable(&options);
        assert_eq!(world.status().registration, state);
        assert!(!world.is_up());
        if unregisters {
            let again = world.expect("REGISTER");
            world.accept(&again, 3600);
            assert_eq!(world.state(), TrunkState::Registered);
        }
    }
}
