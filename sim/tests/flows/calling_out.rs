//! A phone calls out over a trunk: ringing, answer, the end from either side, refusal, and what the carrier is shown.

use serde_json::json;
use std::time::Duration;
use tandem_model::{Kind, Outcome};
use tandem_sim::{Behaviour, Faults, Line, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone, a carrier and a route to it.
fn world() -> (World, usize, usize) {
    world_with(json!({}))
}

fn world_with(more: serde_json::Value) -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", more);
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    (w, phone, carrier)
}

fn invite(w: &World, carrier: usize) -> Message {
    w.last_call(carrier).invite.clone().expect("an INVITE came")
}

#[test]
fn ringing_reaches_the_caller_before_the_answer() {
    let (mut w, phone, carrier) = world();
    let call = w.talk(phone, "5551234");
    assert_eq!(w.call(phone, call).heard, [100, 180]);
    assert_eq!(w.last_call(carrier).called, "5551234");
    w.hang_up(phone);
    w.run_for(secs(1));
    assert_eq!(w.last_call(carrier).ended_by_peer, Some(true));
    assert!(w.last_call(carrier).reasons.iter().any(|reason| reason.contains("Q.850;cause=16")));
    w.assert_quiet();
}

#[test]
fn the_callee_hangs_up_and_the_caller_hears_of_it() {
    let (mut w, phone, carrier) = world();
    let call = w.talk(phone, "5551234");
    w.hang_up(carrier);
    w.run_for(secs(1));
    assert_eq!(w.call(phone, call).ended_by_peer, Some(true));
    assert_eq!(w.only_record().ended_by, tandem_model::Side::Callee);
    w.assert_quiet();
}

#[test]
fn early_media_is_heard_before_the_answer() {
    let (mut w, phone, carrier) = world();
    w.treat(carrier, Behaviour::Answer { ring: secs(3), early: true, talks: true });
    let call = w.dial(phone, "5551234");
    w.run_for(secs(2));
    let tone = w.ua(carrier).tone;
    assert_eq!(w.call(phone, call).stage, Stage::Ringing);
    assert_eq!(w.call(phone, call).heard, [100, 183]);
    assert!(w.call(phone, call).hears(tone), "the announcement");
    w.run_for(secs(2));
    assert_eq!(w.call(phone, call).stage, Stage::Talking);
    let own = w.ua(phone).tone;
    assert!(w.last_call(carrier).hears(own));
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn a_call_taken_back_at_once_never_rings() {
    let (mut w, phone, carrier) = world();
    w.treat(carrier, Behaviour::Stuck);
    let call = w.dial(phone, "5551234");
    w.run_for(Duration::from_millis(12));
    w.cancel(phone);
    w.run_for(secs(1));
    assert_eq!(w.call(phone, call).code, Some(487));
    assert_eq!(w.last_call(carrier).code, Some(487), "it got the CANCEL when it had said 100");
    assert_eq!(w.only_record().outcome, Outcome::Cancelled);
    w.assert_quiet();
}

#[test]
fn a_cancel_waits_until_the_carrier_was_heard_of() {
    let (mut w, phone, carrier) = world();
    let call = w.dial(phone, "5551234");
    w.run_for(Duration::from_millis(12));
    w.set_fate(0, tandem_sim::Fate::Dropped); // the carrier's 100
    w.set_fate(1, tandem_sim::Fate::Dropped); // and its 180
    w.cancel(phone);
    w.run_for(secs(1));
    assert_eq!(w.call(phone, call).code, Some(487));
    w.assert_quiet();
    assert_eq!(w.stage(carrier), Stage::Over);
}

#[test]
fn a_call_taken_back_while_it_rings_stops_ringing() {
    let (mut w, phone, carrier) = world();
    w.treat(carrier, Behaviour::RingForever);
    let call = w.dial(phone, "5551234");
    w.run_for(secs(5));
    assert_eq!(w.call(phone, call).stage, Stage::Ringing);
    w.cancel(phone);
    w.run_for(secs(1));
    assert_eq!((w.call(phone, call).code, w.last_call(carrier).code), (Some(487), Some(487)));
    let record = w.only_record();
    assert_eq!((record.outcome, record.ended_by), (Outcome::Cancelled, tandem_model::Side::Caller));
    w.assert_quiet();
}

#[test]
fn a_cancel_that_crosses_the_carriers_answer_ends_what_was_answered() {
    let (mut w, phone, carrier) = world();
    w.treat(carrier, Behaviour::RingForever);
    let call = w.dial(phone, "5551234");
    w.run_for(secs(1));
    w.cancel(phone);
    w.run_for(Duration::from_millis(6)); // our CANCEL is on its way
    let ringing = w.ua(carrier).last_call().unwrap();
    w.with_ua(carrier, |ua, now| ua.answer_call(ringing, now));
    w.run_for(secs(1));
    assert_eq!(w.call(phone, call).code, Some(487));
    assert_eq!(w.last_call(carrier).code, Some(200));
    assert_eq!(w.last_call(carrier).ended_by_peer, Some(true), "BYE followed the ACK");
    let ours: Vec<String> = w.ladder.between(SERVER, w.address(carrier));
    assert_eq!(ours.iter().filter(|what| *what == "ACK").count(), 1);
    assert_eq!(w.only_record().outcome, Outcome::Cancelled);
    w.assert_quiet();
}

#[test]
fn a_cancel_that_crosses_our_answer_is_too_late() {
    let (mut w, phone, carrier) = world();
    w.treat(carrier, Behaviour::RingForever);
    let call = w.dial(phone, "5551234");
    w.run_for(secs(1));
    let ringing = w.ua(carrier).last_call().unwrap();
    w.with_ua(carrier, |ua, now| ua.answer_call(ringing, now));
    w.run_for(Duration::from_millis(6)); // our 200 is on its way to the phone
    w.cancel(phone);
    w.run_for(secs(1));
    assert_eq!(w.call(phone, call).code, Some(200), "and so the phone hung up at once");
    assert_eq!(w.last_call(carrier).ended_by_peer, Some(true));
    assert_eq!(w.only_record().outcome, Outcome::Answered);
    w.assert_quiet();
}

#[test]
fn a_phone_that_offers_late_gets_the_carriers_offer() {
    let (mut w, phone, carrier) = world();
    w.ua(phone).offers_late = true;
    let call = w.talk(phone, "5551234");
    assert!(invite(&w, carrier).body().is_empty(), "no offer is invented");
    w.run_for(secs(1));
    let (tone, carriers) = (w.ua(phone).tone, w.ua(carrier).tone);
    assert!(w.last_call(carrier).hears(tone) && w.call(phone, call).hears(carriers));
    w.hang_up(carrier);
    w.run_for(secs(1));
    let codec = w.only_record().attempts[0].codec.clone();
    assert_eq!(codec.as_deref(), Some("PCMU"));
    w.assert_quiet();
}

#[test]
fn a_trunk_that_offers_late_talks_with_a_phone() {
    let (mut w, phone, carrier) = world();
    w.number("5550001", "1001");
    w.ua(carrier).offers_late = true;
    w.talk(carrier, "5550001");
    w.run_for(secs(1));
    let (tone, carriers) = (w.ua(phone).tone, w.ua(carrier).tone);
    assert!(w.last_call(carrier).hears(tone) && w.last_call(phone).hears(carriers));
    w.hang_up(carrier);
    w.assert_quiet();
}

#[test]
fn a_refusal_reaches_the_caller_with_its_phrase_and_reason() {
    for (code, phrase, cause) in [(486, "Busy Here", 17), (603, "Decline", 21), (404, "No such user", 1)] {
        let (mut w, phone, carrier) = world();
        let reason: &'static str = Box::leak(format!("Q.850;cause={cause};text=\"why\"").into_boxed_str());
        w.treat(carrier, Behaviour::Refuse { code, phrase, reason: Some(reason) });
        let call = w.dial(phone, "5551234");
        w.run_for(secs(1));
        assert_eq!((w.call(phone, call).code, w.call(phone, call).phrase.as_str()), (Some(code), phrase));
        assert_eq!(w.call(phone, call).reasons, [reason]);
        let record = w.only_record();
        assert_eq!((record.cause.code, record.attempts[0].q850), (code, Some(cause)));
        w.assert_quiet();
    }
}

#[test]
fn a_refusal_without_reason_gets_the_cause_that_its_status_stands_for() {
    let (mut w, phone, carrier) = world();
    w.treat(carrier, Behaviour::refuse(486, "Busy Here"));
    let call = w.dial(phone, "5551234");
    w.run_for(secs(1));
    assert_eq!(w.call(phone, call).reasons, ["Q.850;cause=17"]);
}

#[test]
fn a_redirection_is_not_followed_and_not_passed_on() {
    let (mut w, phone, carrier) = world();
    w.treat(carrier, Behaviour::refuse(302, "Moved Temporarily"));
    let call = w.dial(phone, "5551234");
    w.run_for(secs(1));
    assert!(
        w.call(phone, call).code.is_some_and(|code| code == 480 || code >= 500),
        "{:?}",
        w.call(phone, call).code
    );
    w.assert_quiet();
}

#[test]
fn the_account_stands_in_from_unless_the_caller_is_to() {
    let account = json!({"mode": "credential", "username": "acme", "password": "secret"});
    for (in_from, user) in [(false, "acme"), (true, "15550100")] {
        let mut more = account.clone();
        more["caller_id_in_from"] = json!(in_from);
        let (mut w, _, carrier) = world_with(more);
        w.create(
            Kind::Extension,
            json!({
                "name": "Bob", "number": "1002", "password": "1002-password", "outbound_cid": "15550100",
            }),
        );
        let phone = w.another_phone("Bob", "1002");
        w.talk(phone, "5551234");
        let invite = invite(&w, carrier);
        assert_eq!(invite.from().uri().user(), Some(user));
        let asserted = invite.header(Header::PAssertedIdentity).unwrap();
        assert!(asserted.contains("sip:15550100@"), "{asserted}");
        assert!(
            !String::from_utf8_lossy(invite.as_bytes()).contains("1002"),
            "the extension is nobody's business"
        );
    }
}

#[test]
fn from_user_and_from_domain_say_what_stands_in_from() {
    let more = json!({
        "mode": "credential", "username": "acme", "password": "secret", "from_user": "trunk-7", "from_domain": "acme.example",
    });
    let (mut w, phone, carrier) = world_with(more);
    w.talk(phone, "5551234");
    let invite = invite(&w, carrier);
    assert_eq!(invite.from().uri().as_str(), "sip:trunk-7@acme.example");
    assert!(invite.header(Header::PAssertedIdentity).unwrap().contains("@acme.example"));
}

#[test]
fn max_forwards_goes_down_by_one_and_ends_at_zero() {
    let (mut w, phone, carrier) = world();
    let line = |hops| Line { max_forwards: hops, ..Line::number("5551234", SERVER) };
    let call = w.dial_line(phone, line(5));
    w.run_for(secs(1));
    assert_eq!(invite(&w, carrier).max_forwards(), Some(4));
    w.with_ua(phone, |ua, now| ua.hang_up(call, now));
    let refused = w.dial_line(phone, line(0));
    w.run_for(secs(1));
    assert_eq!(w.call(phone, refused).code, Some(483));
}

#[test]
fn a_carrier_that_challenges_is_answered_with_the_trunks_credentials() {
    for algorithm in ["MD5", "SHA-256"] {
        let mut w = World::new();
        let (carrier, trunk) = w.carrier_with_account("carrier", "credential", json!({}));
        w.ua(carrier).algorithm = algorithm;
        w.route(&[&trunk]);
        let phone = w.phone("1001");
        w.talk(phone, "5551234");
        assert_eq!(w.count_to(carrier, "INVITE"), 2);
        assert_eq!(w.ladder.call_ids(SERVER, w.address(carrier)).len(), 1, "the same call");
        w.hang_up(phone);
        w.assert_quiet();
    }
}

#[test]
fn a_carrier_that_refuses_our_credentials_is_asked_only_once() {
    let mut w = World::new();
    let wrong = json!({"password": "not it"});
    let (carrier, trunk) = w.carrier_with_account("carrier", "credential", wrong);
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    let call = w.dial(phone, "5551234");
    w.run_for(secs(2));
    assert_eq!(w.count_to(carrier, "INVITE"), 2);
    assert_eq!(w.call(phone, call).code, Some(403), "a challenge is nothing that the caller could answer");
    assert_eq!(w.only_record().attempts[0].code, 407);
    w.assert_quiet();
}

#[test]
fn an_outbound_proxy_gets_everything_with_the_carrier_in_the_request_uri() {
    let mut w = World::new();
    let proxy = w.add("proxy", "proxy");
    let proxy_ip = w.address(proxy).ip().to_string();
    let trunk = json!({
        "name": "far", "mode": "ip_auth", "host": "198.51.100.20", "outbound_proxy": proxy_ip, "ping_interval": 0,
    });
    let trunk = w.create(Kind::Trunk, trunk);
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    w.talk(phone, "5551234");
    let invite = invite(&w, proxy);
    assert_eq!(invite.request_uri().unwrap().as_str(), "sip:5551234@198.51.100.20");
    assert_eq!(invite.header(Header::Route), Some(format!("<sip:{proxy_ip};lr>").as_str()));
    w.hang_up(phone);
    w.assert_quiet();
}

#[test]
fn nothing_of_one_side_is_ever_seen_on_the_other() {
    let (mut w, phone, carrier) = world();
    w.set_faults(Faults::default());
    w.treat(carrier, Behaviour::Answer { ring: secs(1), early: true, talks: true });
    let call = w.talk(phone, "5551234");
    w.change(phone, tandem_sdp::Direction::SendOnly);
    w.change(carrier, tandem_sdp::Direction::SendRecv);
    w.hang_up(carrier);
    w.run_for(secs(1));
    w.treat(carrier, Behaviour::Refuse { code: 486, phrase: "Busy Here", reason: None });
    w.dial(phone, "5551234");
    w.run_for(secs(1));
    let _ = call;
    for (here, there) in [(phone, carrier), (carrier, phone)] {
        let secrets = secrets_of(&w, there);
        for message in w.sent_to(here) {
            let text = String::from_utf8_lossy(message.as_bytes()).into_owned();
            for secret in &secrets {
                assert!(
                    !text.contains(secret.as_str()),
                    "{secret:?} leaked to {}:\n{text}",
                    w.everybody()[here].name
                );
            }
        }
    }
}

/// What the other side must not learn of somebody: addresses, Call-IDs, tags, branches, agents, and what we tell only them.
fn secrets_of(w: &World, n: usize) -> Vec<String> {
    let ua = &w.everybody()[n];
    let mut secrets = vec![ua.address.ip().to_string(), format!("Softphone-{}", ua.name)];
    for message in
        w.sent_by(n).iter().chain(&w.sent_to(n)).filter(|message| message.method_name() != "REGISTER")
    {
        secrets.push(message.call_id().to_owned());
        secrets.extend(message.from_tag().map(str::to_owned));
        secrets.extend(message.to_tag().map(str::to_owned));
        secrets.extend(message.top_via().branch().map(str::to_owned));
    }
    secrets.sort();
    secrets.dedup();
    secrets
}

#[test]
fn a_call_to_nowhere_is_refused_and_remembered_by_nobody() {
    let (mut w, _, _) = world();
    let w2 = &mut World::new();
    let lonely = w2.phone("1001");
    let call = w2.dial(lonely, "5551234");
    w2.run_for(secs(1));
    assert_eq!(w2.call(lonely, call).code, Some(404));
    w2.assert_quiet();
    let stranger = w.add("stranger", "nobody");
    let call = w.dial(stranger, "5551234");
    w.run_for(secs(1));
    assert_eq!(w.call(stranger, call).code, Some(407));
    w.assert_quiet();
}

#[test]
fn a_request_with_an_unknown_extension_is_refused_with_its_name() {
    let (mut w, phone, _) = world();
    let line = Line::number("5551234", SERVER).with(Header::Require, "tele-porting");
    let call = w.dial_line(phone, line);
    w.run_for(secs(1));
    assert_eq!(w.call(phone, call).code, Some(420));
    assert_eq!(w.sent_to(phone).last().unwrap().header(Header::Unsupported), Some("tele-porting"));
}
