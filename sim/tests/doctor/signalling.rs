//! Faults from the configuration to REGISTER.

use crate::rig::{NUMBER, PROVIDER, Rig, assert_fails, assert_warns, found, stage};
use serde_json::json;
use std::time::Duration;
use tandem_model::{ExamStage, StageOutcome};
use tandem_sim::provider::Act;
use tandem_sip_msg::{Header, NoAddress, NoConnection, Transport, Why};

#[test]
fn a_trunk_in_order_passes_every_stage_and_nothing_of_its_secrets_is_shown() {
    let mut rig = Rig::new();
    rig.provider.account = Some(("alice", "wonderland", "carrier"));
    rig.dns.insert("carrier.example", found(&["203.0.113.10:5060"], true));
    let trunk = rig.account(json!({"host": "carrier.example", "port": null}));
    rig.run_for(Duration::from_secs(5));
    let report = rig.examine(trunk, Some(NUMBER));
    let outcomes: Vec<_> = report.stages.iter().map(|stage| (stage.stage.key(), stage.outcome)).collect();
    let passed = StageOutcome::Passed;
    let expected = [
        ("configuration", passed),
        ("dns", passed),
        ("transport", passed),
        ("tls", StageOutcome::Skipped),
        ("options", passed),
        ("register", passed),
        ("invite", passed),
        ("rtp", passed),
    ];
    assert_eq!(outcomes, expected, "{report:#?}");
    assert_eq!((report.outcome, report.cause.as_deref()), (passed, None));
    let call = report.call.as_ref().unwrap();
    assert!(call.packets > 200 && call.sent > 200 && call.lost == 0, "{call:?}");
    assert_eq!(
        (call.codec.as_deref(), call.their_address.as_deref()),
        (Some("PCMA"), Some("203.0.113.10:30000"))
    );
    let register = stage(&report, ExamStage::Register);
    assert_eq!((register.sent.len(), register.received.len()), (2, 2), "asked, challenged, asked again");
    assert!(
        register.sent[1]
            .contains("Authorization: Digest username=\"alice\", realm=\"carrier\", (the rest is masked)")
    );
    let all = serde_json::to_string(&report).unwrap();
    assert!(!all.contains("wonderland") && !all.contains("cnonce") && !all.contains("response="));
    rig.assert_quiet_but_for_the_trunk();
}

#[test]
fn the_registration_of_a_trunk_is_left_as_it_is() {
    let mut rig = Rig::new();
    rig.provider.account = Some(("alice", "wonderland", "carrier"));
    let trunk = rig.account(json!({}));
    rig.run_for(Duration::from_secs(5));
    let with_contact = |rig: &Rig| {
        let registers = rig.provider.heard.iter().filter(|m| m.method_name() == "REGISTER");
        registers.filter(|register| register.contact().is_some()).count()
    };
    let before = with_contact(&rig);
    let status = |rig: &Rig| rig.engine.trunk_statuses(rig.now).remove(&trunk).unwrap().state;
    let state = status(&rig);
    // A password that the provider takes no more is found, and the registration that stands is not taken back for it.
    rig.provider.account = Some(("alice", "through the looking-glass", "carrier"));
    assert_fails(&rig.examine(trunk, None), ExamStage::Register, "WRONG_PASSWORD");
    assert_eq!((with_contact(&rig), status(&rig)), (before, state));
}

#[test]
fn a_disabled_trunk_is_examined_and_stays_disabled() {
    let mut rig = Rig::new();
    rig.provider.account = Some(("alice", "wonderland", "carrier"));
    let trunk = rig.account(json!({"enabled": false}));
    let report = rig.examine(trunk, Some(NUMBER));
    assert_warns(&report, ExamStage::Configuration, "TRUNK_DISABLED");
    assert_eq!(stage(&report, ExamStage::Register).outcome, StageOutcome::Passed);
    assert_eq!(stage(&report, ExamStage::Rtp).outcome, StageOutcome::Passed);
    let registers: Vec<_> = rig.provider.heard.iter().filter(|m| m.method_name() == "REGISTER").collect();
    assert!(!registers.is_empty() && registers.iter().all(|register| register.contact().is_none()));
    rig.assert_quiet();
}

#[test]
fn names_that_lead_nowhere() {
    let no = |kind| Err(Why::new(kind, "the name servers say no"));
    for (answer, code) in [
        (no(NoAddress::NoSuchName), "DNS_NO_SUCH_NAME"),
        (no(NoAddress::NoRecords), "DNS_NO_ADDRESS"),
        (no(NoAddress::NotOffered), "DNS_NOT_OFFERED"),
        (no(NoAddress::Silent), "DNS_TIMEOUT"),
        (no(NoAddress::Failed), "DNS_SERVER_FAILED"),
    ] {
        let mut rig = Rig::new();
        rig.dns.insert("carrier.example", answer);
        let trunk = rig.trunk(json!({"host": "carrier.example", "port": null}));
        let report = rig.examine(trunk, Some(NUMBER));
        assert_fails(&report, ExamStage::Dns, code);
        assert!(report.stages[2..].iter().all(|stage| stage.outcome == StageOutcome::Skipped));
        rig.assert_quiet_but_for_the_trunk();
    }
}

#[test]
fn a_host_without_services_is_noted_and_nothing_more() {
    let mut rig = Rig::new();
    rig.dns.insert("carrier.example", found(&[PROVIDER], false));
    let trunk = rig.trunk(json!({"host": "carrier.example", "port": null}));
    let report = rig.examine(trunk, None);
    assert_eq!(report.outcome, StageOutcome::Passed);
    assert_eq!(stage(&report, ExamStage::Dns).findings[0].code, "DNS_NO_SRV");
}

#[test]
fn a_dead_first_target_is_told_and_the_second_one_takes_the_rest() {
    let mut rig = Rig::new();
    rig.dns.insert("carrier.example", found(&["203.0.113.9:5060", PROVIDER], true));
    let trunk = rig.trunk(json!({"host": "carrier.example", "port": null}));
    let report = rig.examine(trunk, Some(NUMBER));
    assert_warns(&report, ExamStage::Transport, "FIRST_TARGET_DEAD");
    assert_eq!(stage(&report, ExamStage::Rtp).outcome, StageOutcome::Passed, "{report:#?}");
}

#[test]
fn closed_ports() {
    for (transport, code) in [("udp", "UDP_PORT_CLOSED"), ("tcp", "CONNECTION_REFUSED")] {
        let mut rig = Rig::new();
        rig.listens.clear();
        rig.closed.push(PROVIDER.parse().unwrap());
        let trunk = rig.trunk(json!({"transport": transport}));
        assert_fails(&rig.examine(trunk, Some(NUMBER)), ExamStage::Transport, code);
    }
}

#[test]
fn silence_is_a_firewall_unless_another_transport_or_port_answers() {
    let mut rig = Rig::new();
    rig.listens.clear();
    let trunk = rig.trunk(json!({}));
    assert_fails(&rig.examine(trunk, None), ExamStage::Options, "NO_ANSWER");

    rig.listens.push((Transport::Tcp, PROVIDER.parse().unwrap()));
    assert_fails(&rig.examine(trunk, None), ExamStage::Transport, "OTHER_TRANSPORT_ANSWERS");

    let mut rig = Rig::new();
    let trunk = rig.trunk(json!({"port": 5070}));
    rig.listens.retain(|(transport, _)| *transport == Transport::Udp);
    assert_fails(&rig.examine(trunk, None), ExamStage::Transport, "OTHER_PORT_ANSWERS");
}

#[test]
fn connections_that_come_to_nothing() {
    for (kind, at, code) in [
        (NoConnection::Refused, ExamStage::Transport, "CONNECTION_REFUSED"),
        (NoConnection::Silent, ExamStage::Transport, "CONNECTION_TIMEOUT"),
        (NoConnection::Network, ExamStage::Transport, "NETWORK_UNREACHABLE"),
        (NoConnection::WrongName, ExamStage::Tls, "TLS_WRONG_NAME"),
        (NoConnection::UnknownIssuer, ExamStage::Tls, "TLS_UNKNOWN_ISSUER"),
        (NoConnection::Expired, ExamStage::Tls, "TLS_CERTIFICATE_EXPIRED"),
        (NoConnection::BadCertificate, ExamStage::Tls, "TLS_BAD_CERTIFICATE"),
        (NoConnection::ClientCertificate, ExamStage::Tls, "TLS_CLIENT_CERTIFICATE"),
        (NoConnection::NotTls, ExamStage::Tls, "TLS_NOT_SPOKEN"),
        (NoConnection::Handshake, ExamStage::Tls, "TLS_HANDSHAKE"),
    ] {
        let mut rig = Rig::new();
        rig.listens.clear();
        rig.broken = Some(Why::new(kind, "this is why"));
        let trunk = rig.trunk(json!({"transport": "tls", "host": "203.0.113.10"}));
        let report = rig.examine(trunk, None);
        assert_fails(&report, at, code);
        assert!(stage(&report, at).findings[0].detail.contains("this is why"));
    }
}

#[test]
fn no_listener_for_the_transport() {
    let mut rig = Rig::with(|settings| settings.local.listeners.truncate(1));
    let trunk = rig.trunk(json!({"transport": "tcp"}));
    assert_fails(&rig.examine(trunk, None), ExamStage::Transport, "NO_LISTENER");
}

#[test]
fn options_that_others_do_not_serve() {
    let mut rig = Rig::new();
    rig.provider.options = Act::Ignore;
    let trunk = rig.account(json!({"ping_interval": 30}));
    assert_warns(&rig.examine(trunk, None), ExamStage::Options, "OPTIONS_UNANSWERED");

    // Where only a call shows that somebody is there.
    let mut rig = Rig::new();
    rig.provider.options = Act::Ignore;
    let trunk = rig.trunk(json!({"ping_interval": 30}));
    let report = rig.examine(trunk, Some(NUMBER));
    assert_warns(&report, ExamStage::Options, "OPTIONS_UNANSWERED");
    assert_eq!(stage(&report, ExamStage::Transport).outcome, StageOutcome::Passed);

    let mut rig = Rig::new();
    rig.provider.options = Act::refuse(403);
    let trunk = rig.account(json!({"ping_interval": 30, "ping_accept": "2xx"}));
    assert_warns(&rig.examine(trunk, None), ExamStage::Options, "OPTIONS_REFUSED");

    let mut rig = Rig::new();
    rig.provider.options = Act::refuse(503).with(Header::RetryAfter, "120");
    let trunk = rig.account(json!({}));
    let report = rig.examine(trunk, None);
    assert_warns(&report, ExamStage::Options, "OPTIONS_UNAVAILABLE");
    assert!(stage(&report, ExamStage::Options).detail.contains("Retry-After: 120"));
}

#[test]
fn a_nat_between_us_and_the_provider() {
    let mut rig = Rig::with(|settings| {
        let inside = "192.168.1.5:5060".parse().unwrap();
        settings.local.listeners = vec![(Transport::Udp, inside)];
    });
    rig.seen = "198.51.100.77:1024".parse().unwrap();
    let trunk = rig.account(json!({}));
    let report = rig.examine(trunk, None);
    assert_warns(&report, ExamStage::Options, "NAT_IN_BETWEEN");
    assert!(stage(&report, ExamStage::Options).detail.contains("192.168.1.5"));
}

#[test]
fn credentials_that_are_not_taken() {
    let login = Some(("alice", "wonderland", "carrier"));
    let cases = [
        (json!({"password": "looking-glass"}), "MD5", false, "WRONG_PASSWORD"),
        (json!({"username": "bob"}), "MD5", false, "WRONG_PASSWORD"),
        (json!({"realm": "another"}), "MD5", false, "WRONG_REALM"),
        (json!({"auth_algorithms": ["MD5"]}), "SHA-256", false, "ALGORITHM_REFUSED"),
        (json!({}), "MD5", true, "NONCE_LOOP"),
    ];
    for (more, algorithm, ages, code) in cases {
        let mut rig = Rig::new();
        rig.provider.account = login;
        (rig.provider.algorithm, rig.provider.ages_nonces) = (algorithm, ages);
        let trunk = rig.account(more);
        rig.run_for(Duration::from_secs(2));
        let report = rig.examine(trunk, Some(NUMBER));
        assert_fails(&report, ExamStage::Register, code);
        assert_eq!(rig.provider.count("INVITE"), 0, "{code}: what fails is not gone beyond");
    }
}

#[test]
fn registrations_that_are_refused() {
    let query =
        |act: Act| move |rig: &mut Rig| (rig.provider.query, rig.provider.register) = (act.clone(), act);
    type Fault = Box<dyn FnOnce(&mut Rig)>;
    let cases: Vec<(Fault, &str)> = vec![
        (Box::new(query(Act::refuse(405))), "REGISTER_NOT_TAKEN"),
        (Box::new(query(Act::refuse(501))), "REGISTER_NOT_TAKEN"),
        (Box::new(query(Act::refuse(403))), "REGISTER_NOT_TAKEN"),
        (Box::new(query(Act::refuse(404))), "ACCOUNT_UNKNOWN"),
        (Box::new(query(Act::refuse(420))), "REGISTER_REFUSED"),
        (Box::new(query(Act::refuse(500))), "SERVER_ERROR"),
        (Box::new(query(Act::refuse(503).with(Header::RetryAfter, "60"))), "SERVER_UNAVAILABLE"),
        (Box::new(query(Act::refuse(302).with(Header::Contact, "<sip:new.example>"))), "REDIRECTED"),
        (Box::new(query(Act::Ignore)), "REGISTER_UNANSWERED"),
    ];
    for (set, code) in cases {
        let mut rig = Rig::new();
        set(&mut rig);
        let trunk = rig.account(json!({}));
        let report = rig.examine(trunk, None);
        assert_fails(&report, ExamStage::Register, code);
        assert_eq!(stage(&report, ExamStage::Options).outcome, StageOutcome::Passed);
    }
}

#[test]
fn refused_after_our_credentials_is_another_matter_than_before() {
    let mut rig = Rig::new();
    rig.provider.account = Some(("alice", "wonderland", "carrier"));
    rig.provider.forbids_registering = true;
    let trunk = rig.account(json!({}));
    assert_fails(&rig.examine(trunk, None), ExamStage::Register, "REGISTER_FORBIDDEN");
}

#[test]
fn a_provider_that_registers_for_longer_only_and_one_that_registers_for_no_time() {
    let mut rig = Rig::new();
    rig.provider.shortest = 7_200;
    let trunk = rig.account(json!({"expires": 3600}));
    // The trunk's own machine would have followed it by then.
    let report = rig.examine_at_once(trunk);
    assert_warns(&report, ExamStage::Register, "REGISTER_TOO_BRIEF");
    assert!(stage(&report, ExamStage::Register).detail.contains("Min-Expires: 7200"), "{report:#?}");

    let mut rig = Rig::new();
    rig.provider.shortest = u32::MAX;
    let trunk = rig.account(json!({}));
    assert_eq!(rig.examine_at_once(trunk).outcome, StageOutcome::Failed);

    let mut rig = Rig::new();
    rig.provider.grants_nothing = true;
    let trunk = rig.account(json!({}));
    assert_fails(&rig.examine_at_once(trunk), ExamStage::Register, "REGISTER_GRANTED_NOTHING");
}

#[test]
fn a_provider_that_answers_no_questions_is_asked_as_the_trunk_does() {
    let mut rig = Rig::new();
    rig.provider.query = Act::refuse(400);
    let trunk = rig.account(json!({}));
    let report = rig.examine_at_once(trunk);
    assert_eq!(report.outcome, StageOutcome::Passed, "{report:#?}");
    assert_eq!(stage(&report, ExamStage::Register).findings[0].code, "REGISTER_QUERY_REFUSED");

    // The registration stands by now: it is not touched.
    let before = rig.provider.heard.len();
    let report = rig.examine(trunk, None);
    assert_eq!(report.outcome, StageOutcome::Passed, "{report:#?}");
    let asked = rig.provider.heard[before..].iter().filter(|m| m.method_name() == "REGISTER");
    assert_eq!(asked.filter(|register| register.contact().is_some()).count(), 0);
}

#[test]
fn an_account_that_somebody_else_has_taken_over() {
    let mut rig = Rig::new();
    let trunk = rig.account(json!({}));
    rig.run_for(Duration::from_secs(5));
    rig.provider.others = vec!["sip:alice@192.0.2.200:5060;gw=0123".to_owned()];
    assert_warns(&rig.examine(trunk, None), ExamStage::Register, "REGISTRATION_REPLACED");
}

#[test]
fn credentials_of_a_stranger_s_wish_are_not_given() {
    let mut rig = Rig::new();
    rig.provider.account = Some(("alice", "wonderland", "carrier"));
    let trunk = rig.account(json!({}));
    rig.run_for(Duration::from_secs(2));
    rig.answers_from = Some("203.0.113.66:5060".parse().unwrap());
    let report = rig.examine(trunk, None);
    assert_fails(&report, ExamStage::Register, "STRANGE_CHALLENGE");
    assert!(stage(&report, ExamStage::Register).sent.iter().all(|sent| !sent.contains("Authorization")));
}
