//! OPTIONS: how often, with what in them, what counts as an answer, and after how many a trunk is gone or back.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tandem_model::{RegistrationState, TrunkState};
use tandem_sim::{SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn probed(more: Value) -> (World, usize, String) {
    let mut w = World::new();
    let mut body = json!({"ping_interval": 10, "ping_timeout": 2});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (carrier, trunk) = w.plain_carrier("carrier", body);
    w.run_for(secs(5));
    (w, carrier, trunk)
}

/// The OPTIONS that the carrier was sent, each once: those given up are still repeated for a while.
fn options(w: &World, carrier: usize) -> Vec<Message> {
    let mut seen = BTreeSet::new();
    let sent = w.ladder.requests(SERVER, w.address(carrier), "OPTIONS").into_iter();
    sent.map(|(_, message)| message)
        .filter(|message| seen.insert(message.top_via().branch().map(str::to_owned)))
        .collect()
}

#[test]
fn probes_come_at_the_interval_of_the_trunk_and_0_is_never() {
    for (interval, least, most) in [(0, 0, 0), (5, 20, 25), (60, 1, 3)] {
        let mut w = World::new();
        let (carrier, _) = w.plain_carrier("carrier", json!({"ping_interval": interval}));
        w.run_for(secs(120));
        let sent = options(&w, carrier).len();
        assert!((least..=most).contains(&sent), "{interval}: {sent}");
    }
}

#[test]
fn a_probe_is_from_the_account_and_has_the_contact_and_the_product_that_are_asked_for() {
    let (w, carrier, _) = probed(json!({}));
    let plain = options(&w, carrier).remove(0);
    assert!(plain.contact().is_none());
    let ours = plain.header(Header::UserAgent).unwrap().to_owned();
    let account = json!({"username": "acme", "from_domain": "acme.example", "ping_contact": true, "ping_user_agent": "Probe/1"});
    let (w, carrier, _) = probed(account);
    let dressed = options(&w, carrier).remove(0);
    assert_eq!(dressed.from().uri().as_str(), "sip:acme@acme.example");
    assert_eq!(dressed.contact().unwrap().uri().user(), Some("acme"));
    assert_eq!(dressed.header(Header::UserAgent), Some("Probe/1"));
    assert_ne!(ours, "Probe/1");
}

#[test]
fn a_trunk_may_want_to_see_success() {
    for (accept, code, state) in [
        ("any_final", 404, TrunkState::Reachable),
        ("2xx", 404, TrunkState::Unreachable),
        ("2xx", 200, TrunkState::Reachable),
        ("any_final", 408, TrunkState::Unreachable),
        ("any_final", 503, TrunkState::Unreachable),
        ("any_final", 599, TrunkState::Reachable),
    ] {
        let mut w = World::new();
        let body = json!({"ping_interval": 5, "ping_fail": 2, "ping_accept": accept});
        let (carrier, trunk) = w.plain_carrier("carrier", body);
        w.ua(carrier).options_code = code;
        w.run_for(secs(15));
        assert_eq!(w.status(&trunk).state, state, "{accept} {code}");
    }
}

#[test]
fn a_trunk_goes_and_comes_back_after_as_many_as_it_says() {
    for (fail, ok) in [(1, 1), (2, 3), (4, 2)] {
        let (mut w, carrier, trunk) = probed(json!({"ping_fail": fail, "ping_ok": ok}));
        assert_eq!(w.status(&trunk).state, TrunkState::Reachable);
        w.ua(carrier).is_off = true;
        let before = options(&w, carrier).len();
        w.run_until("it is gone", |w| w.status(&trunk).state == TrunkState::Unreachable);
        assert_eq!(options(&w, carrier).len() - before, fail, "so many unanswered");
        w.ua(carrier).is_off = false;
        let before = options(&w, carrier).len();
        w.run_until("it is back", |w| w.status(&trunk).state == TrunkState::Reachable);
        assert_eq!(options(&w, carrier).len() - before, ok, "so many answered");
    }
}

#[test]
fn a_trunk_that_is_gone_takes_no_calls_until_it_is_back() {
    let (mut w, carrier, trunk) = probed(json!({"ping_fail": 1, "ping_ok": 1}));
    let (other, spare) = w.plain_carrier("spare", json!({}));
    w.route(&[&trunk, &spare]);
    let phone = w.phone("1001");
    w.ua(carrier).is_off = true;
    w.run_until("it is gone", |w| w.status(&trunk).state == TrunkState::Unreachable);
    w.talk(phone, "5551234");
    assert_eq!((w.stage(other), w.count_to(carrier, "INVITE")), (Stage::Talking, 0));
    w.ua(carrier).is_off = false;
    w.run_until("it is back", |w| w.status(&trunk).state == TrunkState::Reachable);
    w.talk(phone, "5551234");
    assert_eq!(w.stage(carrier), Stage::Talking);
}

#[test]
fn an_answer_after_the_timeout_is_none() {
    let (mut w, _, trunk) = probed(json!({"ping_timeout": 1, "ping_fail": 1}));
    assert_eq!(w.status(&trunk).state, TrunkState::Reachable);
    w.set_faults(tandem_sim::Faults { delay: Duration::from_millis(600), ..tandem_sim::Faults::default() });
    w.run_for(secs(15));
    assert_eq!(w.status(&trunk).state, TrunkState::Unreachable, "1.2 s there and back");
    w.patch(tandem_model::Kind::Trunk, &trunk, json!({"ping_timeout": 2, "ping_ok": 1}));
    w.run_for(secs(15));
    assert_eq!(w.status(&trunk).state, TrunkState::Reachable);
}

#[test]
fn silence_ends_a_registration_only_where_the_trunk_says_so() {
    for unregisters in [false, true] {
        let mut w = World::new();
        let more = json!({
            "ping_interval": 10, "ping_timeout": 2, "ping_fail": 1, "ping_ok": 1, "ping_unregisters": unregisters,
        });
        let (carrier, trunk) = w.carrier_with_account("carrier", "register_out", more);
        w.run_for(secs(5));
        assert_eq!(w.status(&trunk).registration, RegistrationState::Registered);
        let before = w.count_to(carrier, "REGISTER");
        w.ua(carrier).is_off = true;
        w.run_until("it is gone", |w| w.status(&trunk).state == TrunkState::Unreachable);
        w.run_for(secs(3));
        let held = w.status(&trunk).registered_until.is_some();
        assert_eq!((held, w.count_to(carrier, "REGISTER") > before), (!unregisters, unregisters));
        w.ua(carrier).is_off = false;
        w.run_for(secs(60));
        assert_eq!(w.status(&trunk).state, TrunkState::Registered);
    }
}
